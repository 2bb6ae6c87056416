package apply

import (
	"cmp"
	"context"
	"slices"
	"time"

	"wtp-console/internal/connect"
	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

// lookedAt is when a step was last read back by this process.
type lookedAt struct {
	step int64
	at   wtp.Instant // 0: not yet
}

// awaitStep reads the step before a batch's back, until all of it is seen as wanted
// and the batch may be sent. A change goes in steps to find out early: if one was
// not accepted whole, or isn't seen in time, nothing more is sent. How long it has
// been waited is in the database; a process that takes over reads once at least.
func (w *work) awaitStep(ctx context.Context, b wtp.Batch) error {
	step, err := w.Store.StepBefore(ctx, b)
	if err != nil || !step.Held() {
		return err
	}
	if step.Failed > 0 {
		return w.stop(ctx, whyStepFailed(step.Step))
	}
	if w.looked.step != step.Step {
		w.looked = lookedAt{step: step.Step}
	}
	now := wtp.At(w.now())
	if next := w.nextLook(step.Since); now < next {
		return w.pause(ctx, min(next.Sub(now), look))
	}
	w.looked.at = now
	if err := w.readStep(ctx, step); err != nil {
		if ctx.Err() != nil {
			return err
		}
		up := connect.Upstream(err)
		w.log.Warn("a step could not be read back", "step", step.Step, "class", up.Class, "err", err)
		if hopeless(up) {
			return w.stop(ctx, whyStop(up.Class, 1))
		}
	}
	if step, err = w.Store.StepBefore(ctx, b); err != nil || !step.Held() {
		return err
	}
	if now.Sub(step.Since) >= cmp.Or(w.SettleFor, DefaultSettleFor) {
		return w.stop(ctx, whyStepUnseen(step.Step))
	}
	return nil
}

// nextLook is when a step that was decided at since is read back next.
func (w *work) nextLook(since wtp.Instant) wtp.Instant {
	if w.looked.at == 0 {
		return since
	}
	last := cmp.Or(w.SettleFor, DefaultSettleFor)
	for _, after := range []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 20 * time.Minute} {
		if at := since.Add(min(after, last)); at > w.looked.at {
			return at
		}
	}
	return since.Add(last)
}

// readStep reads once what HSS shows of a step, and notes it.
func (w *work) readStep(ctx context.Context, step db.Step) error {
	targets, err := w.Store.UnseenOfStep(ctx, w.change.ID, step.Step, int(step.Size))
	if err != nil {
		return err
	}
	for len(targets) > 0 {
		n := slices.IndexFunc(targets, func(t wtp.Target) bool { return t.Kind != targets[0].Kind })
		if n < 0 {
			n = len(targets)
		}
		some := targets[:min(n, wtp.MaxHosts)]
		targets = targets[len(some):]
		seen, err := w.seen(ctx, some)
		if err != nil {
			return err
		}
		if err := w.record(ctx, func(ctx context.Context) error { return w.Store.NoteSeen(ctx, w.owner, w.change.ID, some, seen) }); err != nil {
			return err
		}
	}
	return nil
}

// whyStepUnseen is the reason, for people, why a step that isn't seen as wanted
// stops a change.
func whyStepUnseen(step int64) string {
	switch step {
	case 1:
		return wtp.Say("HSS did not show what was asked for on every server of step 1 within 30 minutes. Nothing more was sent. Look at those servers, then plan the rest again.").ID
	case 2:
		return wtp.Say("HSS did not show what was asked for on every server of step 2 within 30 minutes. Nothing more was sent. Look at those servers, then plan the rest again.").ID
	}
	return wtp.Say("HSS did not show what was asked for on every server of the last step within 30 minutes. Nothing more was sent. Look at those servers, then plan the rest again.").ID
}

// whyStepFailed is the reason why a step that HSS didn't accept whole stops it.
func whyStepFailed(step int64) string {
	switch step {
	case 1:
		return wtp.Say("HSS did not accept every server of step 1. Nothing more was sent. See why, then plan the rest again.").ID
	case 2:
		return wtp.Say("HSS did not accept every server of step 2. Nothing more was sent. See why, then plan the rest again.").ID
	}
	return wtp.Say("HSS did not accept every server of the last step. Nothing more was sent. See why, then plan the rest again.").ID
}
