package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"wtp-console/internal/connect"
	"wtp-console/internal/db"
	"wtp-console/internal/hss"
	"wtp-console/internal/wtp"
)

// Calls of a change go side by side, as many as the setting calls_at_once says. While
// they are in flight the next batch is got ready, up to its intent on disk, and it
// leaves the moment an answer says that all is well; only then is that answer
// recorded. Any other answer holds everything: what is ready goes back to waiting,
// what is in flight is awaited, and then the answers are dealt with. So a crash
// leaves at most one batch more than calls_at_once to be read back.

// sending is a batch whose intent is on disk: ready, in flight or answered.
type sending struct {
	how        kind
	client     *hss.Client
	credential int64
	taken      db.Taken
	batch      wtp.Batch
	targets    []wtp.Target
	call       wtp.Call
	err        error  // once answered
	ruling     ruling // likewise
}

// send sends one waiting batch, or finds that it may not be sent now.
func (w *work) send(ctx context.Context, b wtp.Batch, targets []wtp.Target) error {
	s, err := w.prepare(ctx, b, targets)
	if s == nil || err != nil {
		return err
	}
	for w.flying >= int(w.limits.CallsAtOnce) {
		answer := w.answer(ctx, look)
		good := answer == nil || answer.ruling.verdict.Kind == db.Accepted
		if good {
			good = w.mayLeave(ctx)
		}
		if !good || ctx.Err() != nil {
			err := w.withdraw(ctx, s)
			if answer != nil {
				err = cmp.Or(w.answered(ctx, answer), err)
			}
			return err
		}
		if answer != nil {
			w.leave(ctx, s) // first, so that HSS isn't kept waiting for our disk
			return w.answered(ctx, answer)
		}
	}
	w.leave(ctx, s)
	return nil
}

// prepare gets a batch ready to leave; nil if it may not be sent now.
func (w *work) prepare(ctx context.Context, b wtp.Batch, targets []wtp.Target) (*sending, error) {
	if paused, err := w.Store.Paused(ctx); err != nil {
		return nil, err
	} else if paused.On() {
		return nil, w.idle(ctx, look)
	}
	how := kindOf(w.change, targets[0].Kind)
	w.unknown = how == nil
	switch why, err := w.mayNot(ctx); {
	case err != nil:
		return nil, err
	case why != "":
		return nil, w.stop(ctx, why)
	}
	limits, err := w.Store.Limits(ctx)
	if err != nil {
		return nil, err
	}
	w.limits = limits
	client, cred, err := w.Connect.Client(ctx, w.project)
	var up *wtp.Upstream
	if errors.As(err, &up) {
		if up.Class == string(hss.ClassKeyLocked) {
			return nil, w.idle(ctx, max(cred.LockedUntil.Sub(wtp.At(w.now())), time.Second))
		}
		return nil, w.stop(ctx, whyStop(up.Class, 1))
	}
	if err != nil {
		return nil, err
	}
	s := &sending{how: how, client: client, credential: cred.ID, batch: b, targets: targets, call: how.call(targets)}
	s.call.Path = "/v5/" + w.project.HSSProjectID + s.call.Path
	// The budget comes before the mark: what waits for it can still be stopped,
	// and a process that dies meanwhile leaves nothing unclear.
	s.taken, err = w.Connect.Take(ctx, cred.ID, s.call.Operation, w.turn())
	if errors.As(err, &up) {
		return nil, nil // locked or removed this very moment: the next round says which
	}
	if err != nil {
		return nil, err
	}
	if s.taken.Wait > 0 {
		return nil, w.idle(ctx, s.taken.Wait)
	}
	s.call, err = w.Store.BeginCall(ctx, w.owner, b, s.call)
	if errors.Is(err, db.ErrPaused) {
		return nil, nil // paused this very moment: the next round waits
	}
	if errors.Is(err, wtp.ErrConflict) && w.conflicts < 3 {
		w.conflicts++ // stopped this very moment, or fenced: NextBatch knows
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	w.conflicts = 0
	return s, nil
}

// mayLeave says whether a batch that has been ready for a while may still leave.
func (w *work) mayLeave(ctx context.Context) bool {
	ok, err := w.Store.MaySend(ctx, w.change.ID, w.owner)
	if err != nil && ctx.Err() == nil {
		w.log.Error("whether a batch may still leave is not known, so it doesn't", "err", err)
	}
	return ok && err == nil
}

// turn is this change's place among those who wait for the budget.
func (w *work) turn() db.Turn {
	return db.Turn{Who: fmt.Sprintf("change %d", w.change.ID), Priority: db.ForChange}
}

// leave makes the call of a batch that is ready; answer gives what came of it.
func (w *work) leave(ctx context.Context, s *sending) {
	w.flying++
	calling, done := w.graceful(ctx)
	s.call.SentAt = wtp.At(w.now())
	go func() {
		defer done()
		meta, err := w.Connect.Prepaid(calling, s.call.Operation, s.taken, func(ctx context.Context) (hss.Meta, error) {
			return s.how.write(ctx, s.client, s.targets)
		})
		s.err = err
		fill(&s.call, meta, w.Connect.Heard(ctx, s.credential, err), err)
		s.call.EndedAt = wtp.At(w.now())
		w.landed <- s
	}()
}

// withdraw puts a batch that is ready back to waiting: it doesn't leave now.
func (w *work) withdraw(ctx context.Context, s *sending) error {
	s.call.Class, s.call.Message = string(hss.ClassNotSent), wtp.HeldBack().String()
	s.call.EndedAt = wtp.At(w.now())
	return w.record(ctx, func(ctx context.Context) error {
		return w.Store.EndCall(ctx, w.owner, s.call, db.Verdict{Kind: db.Again, Free: true})
	})
}

// answer waits for the answer to a call in flight, at most for d; nil if none came.
func (w *work) answer(ctx context.Context, d time.Duration) *sending {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case s := <-w.landed:
		return w.judged(s)
	case <-ctx.Done():
	case <-t.C:
	}
	return nil
}

func (w *work) judged(s *sending) *sending {
	w.flying--
	s.ruling = judge(s.err, len(s.targets), w.tries+1, w.limits.StopUnclear, w.now(), cmp.Or(w.ReadBackAfter, DefaultReadBackAfter))
	return s
}

// answered records an answer, and deals with it.
func (w *work) answered(ctx context.Context, s *sending) error {
	if s.ruling.verdict.Kind != db.Accepted {
		return w.hold(ctx, s)
	}
	if err := w.keep(ctx, s); err != nil {
		return err
	}
	return w.after(ctx, []*sending{s})
}

// hold awaits all that is in flight, and then deals with the answers.
func (w *work) hold(ctx context.Context, answers ...*sending) error {
	for w.flying > 0 {
		answers = append(answers, w.judged(<-w.landed))
	}
	var failed error
	for _, s := range answers {
		failed = cmp.Or(w.keep(ctx, s), failed)
	}
	if failed != nil {
		return failed
	}
	return w.after(ctx, answers)
}

// keep records an answer.
func (w *work) keep(ctx context.Context, s *sending) error {
	if err := w.record(ctx, func(ctx context.Context) error { return w.Store.EndCall(ctx, w.owner, s.call, s.ruling.verdict) }); err != nil {
		return err
	}
	w.log.Info("batch sent", "batch", s.batch.No, "servers", len(s.targets), "attempt", s.batch.Attempts+1, "class", s.call.Class, "status", s.call.Status,
		"code", s.call.Code, "message", s.call.Message, "hss_request_id", s.call.RequestID, "verdict", string(s.ruling.verdict.Kind))
	return nil
}

// after does what the rulings ask for beside their record. Nothing is in flight,
// unless all is well.
func (w *work) after(ctx context.Context, answers []*sending) error {
	var stop string
	var again wtp.Instant // the next batch would fare no better than one that didn't leave: all of them wait
	var open, refused []*sending
	var beside int // how many unclear answers in a row the next one would come beside
	for _, s := range answers {
		stop = cmp.Or(stop, s.ruling.stop)
		switch kind := s.ruling.verdict.Kind; {
		case s.ruling.neverLeft:
			again = max(again, s.ruling.verdict.RunAt)
		case s.ruling.stop != "":
		case kind == db.Unclear:
			open = append(open, s)
			stop = cmp.Or(stop, w.countUnclear(s.batch, beside))
			beside++
		default:
			clear(w.failed)
			w.unclear, beside = 0, 0
			stop = cmp.Or(stop, w.countRefusals(kind))
			if kind == db.Split {
				refused = append(refused, s)
				w.searching = true
			}
		}
	}
	if again == 0 {
		w.tries = 0
	} else {
		w.tries++
	}
	if stop != "" {
		if err := w.stop(ctx, stop); err != nil {
			return err
		}
	} else if again > 0 {
		if err := w.pause(ctx, max(again.Sub(wtp.At(w.now())), 0)); err != nil {
			return err
		}
	}
	if stop == "" {
		for _, s := range refused {
			if err := w.singleOut(ctx, s); err != nil {
				return err
			}
		}
	}
	if len(open) == 0 {
		return nil
	}
	// Settled before anything else is sent: whatever stands between HSS and us
	// would spoil the next batch too.
	if err := w.pause(ctx, cmp.Or(w.ReadBackAfter, DefaultReadBackAfter)); err != nil {
		return err
	}
	for _, s := range open {
		if err := w.settle(ctx, s.batch, s.targets); err != nil {
			return err
		}
	}
	return nil
}

// countUnclear gives the reason to stop a change that gets no clear answers. The answers
// that one came beside, their calls having been in flight together, don't make it worse.
func (w *work) countUnclear(b wtp.Batch, beside int) string {
	w.failed[b.ID] = true
	w.unclear++
	if int64(len(w.failed)-beside) < w.limits.StopUnclear && w.unclear-int64(beside) < w.limits.MaxUnclear() {
		return ""
	}
	return whyStop(string(hss.ClassUnclear), w.unclear)
}

// countRefusals gives the reason to stop a change of which HSS refuses everything:
// splitting it all the way down would cost two calls a server.
func (w *work) countRefusals(kind db.VerdictKind) string {
	switch kind {
	case db.Accepted:
		w.refused = 0
	case db.Refused, db.Split:
		w.refused++
	}
	if w.refused < w.limits.StopRefused {
		return ""
	}
	return wtp.StoppedRefused(w.refused).String()
}

// fill notes an answer on the row of its call, or why none came that could be used.
func fill(call *wtp.Call, meta hss.Meta, up *wtp.Upstream, err error) {
	call.Status, call.RequestID, call.Class = int64(meta.Status), meta.RequestID, "ok"
	if up != nil {
		call.Class, call.Code, call.Message = up.Class, up.Code, cmp.Or(connect.Cause(err, meta.Took), up.Message)
		call.Status, call.RequestID = cmp.Or(int64(up.Status), call.Status), cmp.Or(up.RequestID, call.RequestID)
	}
}

// backOff is the time before the n-th next try, with full jitter.
func backOff(n int64) time.Duration {
	most := min(time.Second<<min(2*n, 10), 30*time.Second)
	return time.Second + rand.N(most)
}
