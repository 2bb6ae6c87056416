package apply

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

// look is how long a change waits at most before it looks again whether it may go
// on: a stop, a person who was disabled, a lost lease take hold that soon.
const look = 5 * time.Second

// work is one change being carried out by this process. All but the calls
// themselves is done by one goroutine; see send.go. What it holds beside the
// database are counts that may start again after a restart.
type work struct {
	*Runner
	owner   string // of this claim's lease
	change  wtp.Change
	project wtp.Project
	log     *slog.Logger
	unknown bool // this version doesn't know how to carry it out
	stale   bool // confirmed too long ago to be begun or gone on with

	limits wtp.Limits    // as they were when the last batch was got ready
	flying int           // how many calls are in flight
	landed chan *sending // their answers

	tries     int64                 // sendings in a row that never left
	unsettled map[int64]wtp.Instant // when reading a batch back was first tried
	readings  map[int64]int64       // failed readings back of a batch
	failed    map[int64]bool        // batches without a clear answer since the last clear one
	unclear   int64                 // sendings without a clear answer since then
	refused   int64                 // calls refused in a row
	searching bool                  // HSS refused a call of several, or may have before we came
	mixed     map[int64]bool        // batches that are sent with suspects of a refused one about
	conflicts int                   // refusals to begin a call in a row
	looked    lookedAt              // the last reading of a step
}

func newWork(r *Runner, change wtp.Change, owner string, log *slog.Logger) *work {
	return &work{Runner: r, owner: owner, change: change, log: log, limits: wtp.DefaultLimits(), landed: make(chan *sending, wtp.MaxCallsAtOnce), searching: true, mixed: map[int64]bool{},
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
	over := false
	for ctx.Err() == nil && err == nil && !over {
		over, err = w.round(ctx)
	}
	// What is in flight is answered and recorded, whatever happened.
	if w.flying > 0 {
		err = cmp.Or(err, w.hold(ctx))
	}
	return w.ended(ctx, err)
}

// round does the next thing there is to do; over says that there is none.
func (w *work) round(ctx context.Context) (over bool, err error) {
	b, targets, ok, until, err := w.Store.NextBatch(ctx, w.change.ID, w.owner)
	switch {
	case err != nil:
		return false, err
	case ok && b.State == wtp.BatchWaiting && w.searching && w.change.Kind == wtp.DynamicWTP:
		return false, w.search(ctx, b)
	case ok && b.State == wtp.BatchWaiting:
		return false, w.send(ctx, b, targets)
	case !ok && until > 0:
		return false, w.idle(ctx, max(until.Sub(wtp.At(w.now())), 10*time.Millisecond))
	case w.flying > 0:
		return false, w.idle(ctx, look) // the answers may change what is to be done
	case ok:
		return false, w.settle(ctx, b, targets)
	case b.ID != 0:
		return false, w.awaitStep(ctx, b)
	}
	return true, w.finish(ctx)
}

// idle waits, at most for d and for a look, or until a call in flight is answered.
func (w *work) idle(ctx context.Context, d time.Duration) error {
	d = min(d, look)
	if w.flying == 0 {
		return w.pause(ctx, d)
	}
	if s := w.answer(ctx, d); s != nil {
		return w.answered(ctx, s)
	}
	return ctx.Err()
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
		unwritable := errors.Is(err, db.ErrUnwritable) // waited out, however long it takes
		if err == nil || errors.Is(err, wtp.ErrConflict) || errors.Is(err, wtp.ErrNotFound) || try >= 10 && !unwritable {
			return err
		}
		w.log.Error("what HSS answered could not be recorded yet", "try", try, "err", err)
		wait := time.Duration(try) * time.Second
		if unwritable {
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
