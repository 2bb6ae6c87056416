package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"wtp-console/internal/connect"
	"wtp-console/internal/db"
	"wtp-console/internal/hss"
	"wtp-console/internal/wtp"
)

// look is how long a change waits at most before it looks again whether it may go
// on: a stop, a person who was disabled, a lost lease take hold that soon.
const look = 5 * time.Second

// work is one change being carried out by this process. What it holds beside the
// database are counts that may start again after a restart.
type work struct {
	*Runner
	owner   string // of this claim's lease
	change  wtp.Change
	project wtp.Project
	log     *slog.Logger
	unknown bool // this version doesn't know how to carry it out
	stale   bool // confirmed too long ago to be begun or gone on with

	tries     int64                 // sendings in a row that never left
	unsettled map[int64]wtp.Instant // when reading a batch back was first tried
	readings  map[int64]int64       // failed readings back of a batch
	failed    map[int64]bool        // batches without a clear answer since the last clear one
	unclear   int64                 // sendings without a clear answer since then
	refused   int                   // calls refused in a row
	conflicts int                   // refusals to begin a call in a row
}

func newWork(r *Runner, change wtp.Change, owner string, log *slog.Logger) *work {
	return &work{Runner: r, owner: owner, change: change, log: log,
		unsettled: map[int64]wtp.Instant{}, readings: map[int64]int64{}, failed: map[int64]bool{}}
}

// run goes on until nothing of the change is left to do, ctx ends (nil) or the
// lease is lost.
func (w *work) run(ctx context.Context) error {
	var err error
	if w.project, err = w.Store.ProjectByID(ctx, w.change.ProjectID); err != nil {
		return w.ended(ctx, err)
	}
	w.stale = w.now().Sub(w.change.ConfirmedAt.Time()) > cmp.Or(w.ResumeWithin, DefaultResumeWithin)
	for ctx.Err() == nil {
		b, targets, ok, until, err := w.Store.NextBatch(ctx, w.change.ID, w.owner)
		switch {
		case err != nil:
			return w.ended(ctx, err)
		case !ok && until == 0:
			return w.finish(ctx)
		case !ok:
			err = w.pause(ctx, min(max(until.Sub(wtp.At(w.now())), 10*time.Millisecond), look))
		case b.State == wtp.BatchUnclear:
			err = w.settle(ctx, b, targets)
		default:
			err = w.send(ctx, b, targets)
		}
		if err != nil {
			return w.ended(ctx, err)
		}
	}
	return nil
}

// ended makes of an error what carry must know: nil when there is nothing more to
// do here, errFenced when the change is another's.
func (w *work) ended(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errFenced) {
		return errFenced
	}
	if err == nil || ctx.Err() != nil {
		return nil
	}
	if !errors.Is(err, wtp.ErrConflict) {
		return err
	}
	c, readErr := w.Store.ChangeByID(ctx, w.change.ID)
	if readErr == nil && c.State.Over() {
		w.tell()
		return nil // stopped by a person while nothing was in flight
	}
	return errFenced
}

// send sends one waiting batch, or finds that it may not be sent now.
func (w *work) send(ctx context.Context, b wtp.Batch, targets []wtp.Target) error {
	if paused, err := w.Store.Paused(ctx); err != nil {
		return err
	} else if paused.On() {
		return w.pause(ctx, look)
	}
	how := kindOf(w.change, targets[0].Kind)
	w.unknown = how == nil
	switch why, err := w.mayNot(ctx); {
	case err != nil:
		return err
	case why != "":
		return w.stop(ctx, why)
	}
	client, cred, err := w.Connect.Client(ctx, w.project)
	var up *wtp.Upstream
	if errors.As(err, &up) {
		if up.Class == string(hss.ClassKeyLocked) {
			return w.pause(ctx, min(max(cred.LockedUntil.Sub(wtp.At(w.now())), time.Second), look))
		}
		return w.stop(ctx, whyStop(up.Class))
	}
	if err != nil {
		return err
	}
	call := how.call(targets)
	call.Path = "/v5/" + w.project.HSSProjectID + call.Path
	// The budget comes before the mark: what waits for it can still be stopped,
	// and a process that dies meanwhile leaves nothing unclear.
	wait, err := w.Connect.Take(ctx, cred.ID, call.Operation)
	if errors.As(err, &up) {
		return nil // locked or removed this very moment: the next round says which
	}
	if err != nil {
		return err
	}
	if wait > 0 {
		return w.pause(ctx, min(wait, look))
	}
	call, err = w.Store.BeginCall(ctx, w.owner, b, call)
	if errors.Is(err, db.ErrPaused) {
		return nil // paused this very moment: the next round waits
	}
	if errors.Is(err, wtp.ErrConflict) && w.conflicts < 3 {
		w.conflicts++ // stopped this very moment, or fenced: NextBatch knows
		return nil
	}
	if err != nil {
		return err
	}
	w.conflicts = 0

	calling, done := w.graceful(ctx)
	defer done()
	meta, err := how.write(connect.Prepaid(calling, call.Operation), client, targets)
	up = w.Connect.Heard(ctx, cred.ID, err)
	fill(&call, meta, up)
	call.EndedAt = wtp.At(w.now())
	ruling := judge(err, len(targets), w.tries+1, cmp.Or(w.MaxSendings, DefaultMaxSendings), w.now(), cmp.Or(w.ReadBackAfter, DefaultReadBackAfter))
	if err := w.record(ctx, func(ctx context.Context) error { return w.Store.EndCall(ctx, w.owner, call, ruling.verdict) }); err != nil {
		return err
	}
	w.log.Info("batch sent", "batch", b.No, "servers", len(targets), "attempt", b.Attempts+1, "class", call.Class, "status", call.Status,
		"code", call.Code, "hss_request_id", call.RequestID, "verdict", string(ruling.verdict.Kind))
	return w.after(ctx, b, targets, ruling)
}

// after does what a ruling asks for beside its record.
func (w *work) after(ctx context.Context, b wtp.Batch, targets []wtp.Target, r ruling) error {
	switch {
	case r.stop != "":
		return w.stop(ctx, r.stop)
	case r.neverLeft:
		// The next batch would fare no better: all of them wait.
		w.tries++
		return w.pause(ctx, max(r.verdict.RunAt.Sub(wtp.At(w.now())), 0))
	}
	w.tries = 0
	if r.verdict.Kind != db.Unclear {
		clear(w.failed)
		w.unclear = 0
		return w.countRefusals(ctx, r.verdict.Kind)
	}
	w.failed[b.ID] = true
	w.unclear++
	if int64(len(w.failed)) >= cmp.Or(w.MaxFailures, DefaultMaxFailures) || w.unclear >= tooManyUnclear {
		if err := w.stop(ctx, whyStop(string(hss.ClassUnclear))); err != nil {
			return err
		}
	}
	// Settled before anything else is sent: whatever stands between HSS and us
	// would spoil the next batch too.
	if err := w.pause(ctx, cmp.Or(w.ReadBackAfter, DefaultReadBackAfter)); err != nil {
		return err
	}
	return w.settle(ctx, b, targets)
}

// countRefusals stops a change of which HSS refuses everything: splitting it all
// the way down would cost two calls a server.
func (w *work) countRefusals(ctx context.Context, kind db.VerdictKind) error {
	switch kind {
	case db.Accepted:
		w.refused = 0
	case db.Refused, db.Split:
		w.refused++
	}
	if w.refused < tooManyRefused {
		return nil
	}
	return w.stop(ctx, wtp.Say("HSS refused twenty calls in a row. Nothing more was sent. See why it refused them, then plan the rest again.").ID)
}

// tooManyRefused calls in a row, none accepted between them, stop a change.
// Finding one culprit among 200 takes at most nine.
const tooManyRefused = 20

// tooManyUnclear sendings in a row stop a change even if they are of few batches.
const tooManyUnclear = 5

// settle reads back what HSS shows of a batch whose outcome is open.
func (w *work) settle(ctx context.Context, b wtp.Batch, targets []wtp.Target) error {
	seen, err := w.seen(ctx, targets)
	if err != nil && ctx.Err() == nil {
		return w.settleLater(ctx, b, err)
	}
	if err != nil {
		return err
	}
	delete(w.unsettled, b.ID)
	delete(w.readings, b.ID)
	if !slices.ContainsFunc(targets, func(t wtp.Target) bool { return seen[t.HostID] != t.Wanted }) {
		// It was HSS that got it, whoever answered, and HSS did it.
		clear(w.failed)
		w.unclear = 0
	}
	sendings := cmp.Or(w.MaxSendings, DefaultMaxSendings)
	if again, err := w.mayAgain(ctx); err != nil {
		return err
	} else if !again {
		sendings = 0 // what HSS doesn't show is not sent again
	}
	return w.record(ctx, func(ctx context.Context) error { return w.Store.Settle(ctx, w.owner, b.ID, seen, sendings) })
}

// settleLater is for a batch that could not be read back.
func (w *work) settleLater(ctx context.Context, b wtp.Batch, err error) error {
	now := wtp.At(w.now())
	up := connect.Upstream(err)
	if w.unsettled[b.ID] == 0 {
		w.unsettled[b.ID] = now
	}
	w.readings[b.ID]++
	w.log.Warn("a batch could not be read back", "batch", b.No, "try", w.readings[b.ID], "class", up.Class, "err", err)
	if hopeless(up) || now.Sub(w.unsettled[b.ID]) >= cmp.Or(w.SettleFor, DefaultSettleFor) {
		return w.record(ctx, func(ctx context.Context) error { return w.Store.GiveUp(ctx, w.owner, b.ID) })
	}
	next := now.Add(min(10*time.Second<<min(w.readings[b.ID], 6), 5*time.Minute))
	return w.record(ctx, func(ctx context.Context) error { return w.Store.SettleLater(ctx, w.owner, b.ID, next) })
}

// hopeless says that another reading would fare no better, and after a failed
// sign-in could lock the key.
func hopeless(up *wtp.Upstream) bool {
	switch hss.Class(up.Class) {
	case hss.ClassNotSignedIn, hss.ClassClock, hss.ClassNoPermission, hss.ClassNotInRegion, connect.ClassNoCredential:
		return true
	}
	return false
}

// seen is what HSS shows of the targets of a batch; see kind.
func (w *work) seen(ctx context.Context, targets []wtp.Target) (map[string]string, error) {
	how := kindOf(w.change, targets[0].Kind)
	if how == nil {
		return nil, fmt.Errorf("a change of kind %q can't be read back by this version", w.change.Kind)
	}
	reading, err := w.reading(ctx)
	if err != nil {
		return nil, err
	}
	return how.seen(ctx, reading, targets)
}

// reading reads for this change: each call is written down as one of it.
func (w *work) reading(ctx context.Context) (*connect.Reading, error) {
	reading, err := w.Connect.Reading(ctx, w.project)
	if err != nil {
		return nil, err
	}
	reading.Around = func(ctx context.Context, operation, method, path string, hosts int, call func(context.Context) (hss.Meta, error)) error {
		for {
			wait, err := w.Connect.Take(ctx, reading.CredentialID, operation)
			if err != nil {
				return err
			}
			if wait <= 0 {
				break
			}
			if err := w.pause(ctx, min(wait, look)); err != nil {
				return err
			}
		}
		noted, err := w.Store.NoteCall(ctx, wtp.Call{ChangeID: w.change.ID, Operation: operation, Method: method, Path: path, Hosts: int64(hosts)})
		if err != nil {
			return err
		}
		meta, callErr := call(connect.Prepaid(ctx, operation))
		fill(&noted, meta, connect.Upstream(callErr))
		noted.EndedAt = wtp.At(w.now())
		if err := w.Store.CompleteCall(context.WithoutCancel(ctx), noted); err != nil {
			return err
		}
		return callErr
	}
	return reading, nil
}

// mayNot says why nothing more may be sent for the change; "": it may.
func (w *work) mayNot(ctx context.Context) (string, error) {
	if w.unknown {
		return wtp.Say("This version of the console cannot carry this change out. Nothing was sent. Was a newer version run before?").ID, nil
	}
	if w.stale {
		return wtp.Say("The console was down or busy for too long after this was confirmed. Nothing more was sent. Plan the rest again if it is still wanted.").ID, nil
	}
	ok, why, err := w.Store.MayGoOn(ctx, w.change.ID)
	if err != nil || ok {
		return "", err
	}
	return cmp.Or(why, wtp.Say("The person who confirmed this may no longer act. Nothing more was sent.").ID), nil
}

// mayAgain says whether a batch may be sent once more: nobody has asked the change
// to stop, and it may go on. That no newer change has touched its servers is sure:
// a server is in one open change at a time, by a unique index.
func (w *work) mayAgain(ctx context.Context) (bool, error) {
	c, err := w.Store.ChangeByID(ctx, w.change.ID)
	if err != nil || c.StopWhy != "" || c.StoppedByName != "" {
		return false, err
	}
	why, err := w.mayNot(ctx)
	return why == "", err
}

func (w *work) stop(ctx context.Context, why string) error {
	w.log.Warn("change is being stopped", "why", why)
	return w.record(ctx, func(ctx context.Context) error { return w.Store.StopRunning(ctx, w.change.ID, w.owner, why) })
}

// finish ends a change of which nothing is open.
func (w *work) finish(ctx context.Context) error {
	if how := kindOf(w.change, w.change.Kind); how != nil {
		if err := how.follow(ctx, w); err != nil || ctx.Err() != nil {
			return w.ended(ctx, err)
		}
	}
	c, err := w.Store.FinishChange(ctx, w.change.ID, w.owner)
	if err != nil {
		return w.ended(ctx, err)
	}
	w.log.Info("change ended", "state", c.State)
	w.tell()
	return nil
}

func (w *work) tell() {
	if w.Changed != nil {
		w.Changed()
	}
}

// record does a write of the store that must not be lost to a moment's trouble or
// to our being told to end: HSS has been called.
func (w *work) record(ctx context.Context, write func(context.Context) error) error {
	for try := 1; ; try++ {
		err := write(context.WithoutCancel(ctx))
		full := errors.Is(err, db.ErrDiskFull) // waited out, however long it takes
		if err == nil || errors.Is(err, wtp.ErrConflict) || errors.Is(err, wtp.ErrNotFound) || try >= 10 && !full {
			return err
		}
		w.log.Error("what HSS answered could not be recorded yet", "try", try, "err", err)
		wait := time.Duration(try) * time.Second
		if full {
			wait = time.Second // before another claims the change, and reads back what is known here
		}
		if pauseErr := w.pause(ctx, wait); pauseErr != nil && try >= 3 {
			return err
		}
	}
}

// graceful is a context that outlives ctx by Grace, for a call in flight.
func (w *work) graceful(ctx context.Context) (context.Context, context.CancelFunc) {
	calling, cancel := context.WithCancel(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(ctx, func() {
		t := time.AfterFunc(cmp.Or(w.Grace, DefaultGrace), cancel)
		context.AfterFunc(calling, func() { t.Stop() })
	})
	return calling, func() { unhook(); cancel() }
}

// fill notes an answer on the row of its call.
func fill(call *wtp.Call, meta hss.Meta, up *wtp.Upstream) {
	call.Status, call.RequestID, call.Class = int64(meta.Status), meta.RequestID, "ok"
	if up != nil {
		call.Class, call.Code, call.Message = up.Class, up.Code, up.Message
		call.Status, call.RequestID = cmp.Or(int64(up.Status), call.Status), cmp.Or(up.RequestID, call.RequestID)
	}
}

// backOff is the time before the n-th next try, with full jitter.
func backOff(n int64) time.Duration {
	most := min(time.Second<<min(2*n, 10), 30*time.Second)
	return time.Second + rand.N(most)
}
