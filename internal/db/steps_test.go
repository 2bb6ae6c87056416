package db_test

import (
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

// TestStepsWaitForTheOnesBefore: a step begins when the one before it is over and
// seen as wanted; the halves of a split batch belong to its step.
func TestStepsWaitForTheOnesBefore(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(250, nil))
		plan := must(r.s.PlanDynamicWTP(r.ctx, r.mei, r.p.ID, wtp.Enable, db.PlanSource{Filter: &wtp.ServerFilter{}}, time.Hour))(r)
		c := must(r.s.Confirm(r.ctx, r.mei, r.p.ID, plan.UID, db.Confirmation{Reason: "x", Back: wtp.BackOn{Never: true}, Ramp: true}))(r)
		r.claim("a")
		next := func() (wtp.Batch, []wtp.Target, bool) {
			r.Helper()
			b, ts, ok, until, err := r.s.NextBatch(r.ctx, c.ID, "a")
			r.ok(err)
			r.equal(until, wtp.Instant(0))
			return b, ts, ok
		}
		send := func(b wtp.Batch, v db.Verdict) {
			r.Helper()
			call := must(r.s.BeginCall(r.ctx, "a", b, wtp.Call{Operation: "SetRaspSwitch"}))(r)
			r.ok(r.s.EndCall(r.ctx, "a", call, v))
		}
		first, one, ok := next()
		r.equal([]any{ok, first.Step, len(one)}, []any{true, 1, 1})
		call := must(r.s.BeginCall(r.ctx, "a", first, wtp.Call{Operation: "SetRaspSwitch"}))(r)
		b, _, ok := next() // while it is in flight
		r.equal([]any{ok, b.ID}, []any{false, 0})
		r.ok(r.s.EndCall(r.ctx, "a", call, db.Verdict{Kind: db.Accepted}))
		since := r.s.Now()
		r.clock.Advance(time.Minute)

		b, _, ok = next()
		r.equal([]any{ok, b.Step}, []any{false, 2})
		step := must(r.s.StepBefore(r.ctx, b))(r)
		r.equal(step, db.Step{Step: 1, Size: 1, Unseen: 1, Since: since})
		unseen := must(r.s.UnseenOfStep(r.ctx, c.ID, 1, 200))(r)
		r.equal(len(unseen), 1)
		r.ok(r.s.NoteSeen(r.ctx, "a", c.ID, unseen, map[string]string{unseen[0].HostID: wtp.Closed}))
		_, _, ok = next()
		r.equal(ok, false)
		r.equal(r.counts(c).Otherwise, 1)
		r.is(r.s.NoteSeen(r.ctx, "another", c.ID, unseen, map[string]string{unseen[0].HostID: wtp.Opened}), wtp.ErrConflict)
		r.ok(r.s.NoteSeen(r.ctx, "a", c.ID, unseen, map[string]string{unseen[0].HostID: wtp.Opened}))
		r.ok(r.s.NoteSeen(r.ctx, "a", c.ID, unseen, map[string]string{unseen[0].HostID: wtp.Closed})) // an older reading, noted late
		r.equal([]any{r.counts(c).Confirmed, r.counts(c).Otherwise}, []any{1, 0})

		b, ten, ok := next()
		r.equal([]any{ok, b.Step, len(ten)}, []any{true, 2, 10})
		send(b, db.Verdict{Kind: db.Split})
		for range 2 {
			b, half, ok := next()
			r.equal([]any{ok, b.Step, len(half)}, []any{true, 2, 5})
			send(b, db.Verdict{Kind: db.Accepted})
		}
		b, _, ok = next()
		r.equal([]any{ok, b.Step}, []any{false, 3})
		unseen = must(r.s.UnseenOfStep(r.ctx, c.ID, 2, 200))(r)
		r.equal(len(unseen), 10)
		seen := map[string]string{}
		for _, t := range unseen {
			seen[t.HostID] = wtp.Opened
		}
		r.ok(r.s.NoteSeen(r.ctx, "a", c.ID, unseen, seen))
		b, all, ok := next()
		r.equal([]any{ok, b.Step, len(all)}, []any{true, 3, 200})
	})
}

func TestMoreUrgentCallersGoFirst(t *testing.T) {
	eachRig(t, func(r *rig, open func() *db.Store) {
		other := r.s
		if r.s.Dialect() == "postgres" {
			other = open() // a second replica
		}
		change, person, upkeep := db.Turn{Who: "c", Priority: db.ForChange}, db.Turn{Who: "p", Priority: db.ForPerson}, db.Turn{Who: "u", Priority: db.ForUpkeep}
		take := func(s *db.Store, t db.Turn) time.Duration {
			r.Helper()
			return must(s.TakeCall(r.ctx, r.key.ID, "ListWtpProtectHost", 1, time.Minute, t))(r).Wait
		}
		r.equal(take(r.s, upkeep), time.Duration(0))
		r.clock.Advance(58 * time.Second)
		r.equal(take(r.s, upkeep), 2*time.Second)
		r.equal(take(other, person), 2*time.Second)
		r.equal(take(r.s, change), 2*time.Second)
		r.clock.Advance(2 * time.Second)
		r.equal(take(r.s, upkeep) > 0, true) // it would be free
		r.equal(take(other, person) > 0, true)
		r.equal(take(r.s, change), time.Duration(0))
		r.clock.Advance(59 * time.Second)
		r.equal(take(r.s, upkeep), time.Second)
		r.equal(take(other, person), time.Second)
		r.clock.Advance(time.Second)
		r.equal(take(r.s, upkeep) > 0, true)
		r.equal(take(other, person), time.Duration(0))
		// One that asks no more keeps nobody waiting.
		r.clock.Advance(time.Minute - time.Second)
		take(other, person)
		r.clock.Advance(30 * time.Second)
		r.equal(take(r.s, upkeep), time.Duration(0))
		// Nobody waits for ever, however often others ask.
		for waited := 0; ; waited++ {
			if take(r.s, change) == 0 {
				r.clock.Advance(time.Second)
				take(r.s, change) // again at once
			}
			if take(other, upkeep) == 0 {
				r.equal(waited > 0, true)
				break
			}
			if waited > 200 {
				r.Fatal("upkeep is starved")
			}
			r.clock.Advance(2 * time.Second)
		}
	})
}

// TestWindowAfterAThrottle: for an hour after HSS throttled an operation its calls
// are spaced wider; and a call that left late counts from then on.
func TestWindowAfterAThrottle(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		take := func() db.Taken {
			r.Helper()
			return must(r.s.TakeCall(r.ctx, r.key.ID, "SetRaspSwitch", 1, wtp.CallWindow, db.Turn{}))(r)
		}
		first := take()
		r.equal(first.Wait, time.Duration(0))
		r.equal(take().Wait, 61*time.Second)
		r.clock.Advance(3 * time.Second)
		r.equal(take().Wait, 58*time.Second)
		r.ok(r.s.SentLate(r.ctx, first, r.s.Now()))
		r.equal(take().Wait, 61*time.Second)
		r.clock.Advance(61 * time.Second)
		r.equal(take().Wait, time.Duration(0))
		r.ok(r.s.BlockCalls(r.ctx, r.key.ID, "SetRaspSwitch", r.s.Now().Add(time.Second)))
		r.equal(take().Wait, 65*time.Second)
		r.clock.Advance(65 * time.Second)
		r.equal(take().Wait, time.Duration(0))
		r.clock.Advance(2 * time.Hour)
		r.equal(take().Wait, time.Duration(0))
		r.equal(take().Wait, 61*time.Second)
	})
}
