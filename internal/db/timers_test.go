package db_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

// on is a fleet with dynamic WTP on.
func on(n int, edit func(i int, s *wtp.Server)) []wtp.Server {
	return fleet(n, func(i int, s *wtp.Server) {
		s.Dynamic = wtp.Opened
		if edit != nil {
			edit(i, s)
		}
	})
}

// off turns servers off for a while, to the end; HSS accepts all.
func (r *rig) off(back wtp.BackOn, hosts ...string) wtp.Change {
	r.Helper()
	plan := r.plan(wtp.Disable, hosts...)
	c := must(r.s.Confirm(r.ctx, r.mei, r.p.ID, plan.UID, db.Confirmation{Reason: "release", Ticket: "CHG-1", Back: back}))(r)
	return r.acceptAll(c)
}

// acceptAll lets HSS accept all of a change.
func (r *rig) acceptAll(c wtp.Change) wtp.Change {
	r.Helper()
	got := r.claim("o")
	r.equal(got.ID, c.ID)
	for range r.batches(c) {
		r.send(c, "o", db.Verdict{Kind: db.Accepted})
	}
	return must(r.s.FinishChange(r.ctx, c.ID, "o"))(r)
}

func (r *rig) fire() bool {
	r.Helper()
	return must(r.s.FireTimer(r.ctx))(r)
}

func (r *rig) timer(c wtp.Change) db.TimerRow {
	r.Helper()
	return must(r.s.Timer(r.ctx, c.ID))(r)
}

func (r *rig) targetsOf(c wtp.Change) map[string]wtp.Target {
	r.Helper()
	out := map[string]wtp.Target{}
	for _, t := range must(r.s.Targets(r.ctx, db.TargetQuery{ChangeID: c.ID, Limit: 1000}))(r) {
		out[t.HostID] = t
	}
	return out
}

func (r *rig) user(name string, role wtp.Role) wtp.Actor {
	r.Helper()
	u := must(r.s.CreateUser(r.ctx, r.mei, wtp.User{Name: name, NameKey: strings.ToLower(name), Role: role}))(r)
	return wtp.Actor{UserID: u.ID, Name: u.Name, Role: role}
}

func TestTurningOffNeedsAChoice(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, on(3, nil))
		plan := r.plan(wtp.Disable, ids(1, 3)...)
		now := r.s.Now()
		for field, back := range map[string]wtp.BackOn{"back": {}, "back_at": {At: now}} {
			_, err := r.s.Confirm(r.ctx, r.mei, r.p.ID, plan.UID, db.Confirmation{Reason: "x", Back: back})
			var bad wtp.Invalid
			if !errors.As(err, &bad) || bad[0].Field != field {
				r.Errorf("%+v: %v", back, err)
			}
		}
		r.equal(r.state(plan), wtp.Planned)
		c := must(r.s.Confirm(r.ctx, r.mei, r.p.ID, plan.UID, db.Confirmation{Reason: "x", Back: wtp.BackOn{Never: true}}))(r)
		_, err := r.s.Timer(r.ctx, c.ID)
		r.is(err, wtp.ErrNotFound)
	})
}

func TestTimerTurnsBackOnWhatWasTurnedOff(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, on(6, func(i int, s *wtp.Server) {
			if i == 5 {
				s.Dynamic = wtp.Closed // off before: none of the timer's business
			}
		}))
		c := r.off(wtp.BackOn{After: 4 * time.Hour}, ids(1, 6)...)
		r.equal(len(r.events("timer.set")), 1)
		tm := r.timer(c)
		r.equal([]any{tm.State, tm.SetByName, tm.DueAt.Sub(c.ConfirmedAt), tm.Number, tm.Hosts}, []any{wtp.TimerPending, "Mei", 4 * time.Hour, 1, 5})
		r.equal(len(must(r.s.PendingTimers(r.ctx, r.p.ID))(r)), 1)

		// h-1 is on again, seen since; h-2 is in a newer change; h-3 lost its agent.
		r.read(r.p, on(6, func(i int, s *wtp.Server) {
			if i > 0 {
				s.Dynamic = wtp.Closed
			}
			if i == 2 {
				s.AgentStatus = "offline"
			}
		}))
		newer := r.acceptAll(r.confirm(r.plan(wtp.Enable, "h-00002")))
		until := must(r.s.OffUntil(r.ctx, r.p.ID, ids(1, 6)))(r)
		r.equal([]any{len(until), until["h-00004"].DueAt, until["h-00004"].Number}, []any{4, tm.DueAt, 1})
		must(r.s.Select(r.ctx, r.mei.UserID, r.p.ID, []string{"h-00004"}, nil))(r)
		r.equal(r.fire(), false)
		r.clock.Advance(4 * time.Hour)
		r.equal(r.fire(), true)
		r.equal(r.fire(), false)

		tm = r.timer(c)
		back := must(r.s.ChangeByID(r.ctx, tm.FiredChangeID))(r)
		r.equal([]any{tm.State, tm.FiredNumber, tm.Why}, []any{wtp.TimerFired, newer.Number + 1, ""})
		r.equal([]any{back.State, back.Direction, back.ConfirmedByName, back.ConfirmedBy, back.SetIn, back.TimerOf, back.Reason, back.Ticket, back.ConfirmedIP},
			[]any{wtp.Queued, wtp.Enable, "Mei", r.mei.UserID, 1, c.ID, "release", "CHG-1", ""})
		ts := r.targetsOf(back)
		r.equal(len(ts), 5)
		r.equal([]any{ts["h-00001"].Bucket, ts["h-00001"].Why}, []any{wtp.AlreadySo, wtp.WhyAlreadyOn})
		r.equal([]any{ts["h-00002"].Bucket, ts["h-00002"].Why}, []any{wtp.Cannot, wtp.WhyNewerChange})
		r.equal([]any{ts["h-00003"].Bucket, ts["h-00003"].Why}, []any{wtp.Cannot, wtp.WhyAgentOffline})
		r.equal([]any{ts["h-00004"].Outcome, ts["h-00005"].Outcome}, []any{wtp.TargetWaiting, wtp.TargetWaiting})
		r.equal(must(r.s.SelectionCount(r.ctx, r.mei.UserID, r.p.ID))(r), 1) // it is the person's, not the timer's
		r.equal(len(must(r.s.OffUntil(r.ctx, r.p.ID, ids(1, 6)))(r)), 0)
		e := r.events("timer.fired")
		if len(e) != 1 || e[0].ChangeID != c.ID || e[0].ActorID != 0 || !strings.Contains(e[0].Detail, `"by_change":3`) {
			r.Errorf("%+v", e)
		}
	})
}

func TestTimerDoesNotTrustAnOldPicture(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, on(2, nil))
		c := r.off(wtp.BackOn{After: time.Hour}, ids(1, 2)...)
		r.clock.Advance(time.Hour) // and HSS was not read: the inventory still says on
		r.equal(r.fire(), true)
		back := must(r.s.ChangeByID(r.ctx, r.timer(c).FiredChangeID))(r)
		r.equal(back.ToSend, 2)
	})
}

func TestTimerFiresOnceForTwoStores(t *testing.T) {
	eachRig(t, func(r *rig, open func() *db.Store) {
		r.read(r.p, on(40, nil))
		var changes []wtp.Change
		for i := range 10 {
			changes = append(changes, r.off(wtp.BackOn{After: time.Hour}, ids(i*4+1, i*4+4)...))
		}
		r.clock.Advance(90 * time.Minute)
		stores := []*db.Store{r.s, r.s}
		if r.s.Dialect() == "postgres" {
			stores[1] = open()
		} else { // one process at a time: this is the restart
			if err := r.s.Close(); err != nil {
				r.Fatal(err)
			}
			r.s = open()
			stores = []*db.Store{r.s, r.s}
		}
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			wg.Go(func() {
				for more := true; more && errs[i] == nil; {
					more, errs[i] = stores[i%2].FireTimer(r.ctx)
				}
			})
		}
		wg.Wait()
		r.ok(errors.Join(errs...))
		for _, c := range changes {
			tm := r.timer(c)
			r.equal([]any{tm.State, tm.Late()}, []any{wtp.TimerFired, tm.EndedAt.Sub(tm.DueAt)})
		}
		r.equal([]any{len(r.events("timer.fired")), len(r.events("change.confirmed"))}, []any{10, 20})
		r.equal(r.fire(), false)
	})
}

func TestTimerWithNothingLeft(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, on(2, nil))
		c := r.off(wtp.BackOn{After: time.Hour}, ids(1, 2)...)
		r.read(r.p, on(2, nil)) // somebody turned them on in HSS
		r.clock.Advance(time.Hour)
		r.equal(r.fire(), true)
		tm := r.timer(c)
		r.equal([]any{tm.State, tm.FiredChangeID, tm.EndedByName}, []any{wtp.TimerEnded, 0, ""})
		if tm.Why == "" || len(r.events("timer.ended")) != 1 {
			r.Errorf("%+v", tm)
		}
	})
}

// TestTimerTurnsOnWhatMayBeOff: HSS gave no clear answer to turning off, and does it
// later, or did it and nobody looked.
func TestTimerTurnsOnWhatMayBeOff(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, on(3, nil))
		plan := r.plan(wtp.Disable, ids(1, 2)...)
		c := must(r.s.Confirm(r.ctx, r.mei, r.p.ID, plan.UID, db.Confirmation{Reason: "x", Back: wtp.BackOn{After: time.Hour}}))(r)
		r.claim("o")
		b := r.send(c, "o", db.Verdict{Kind: db.Unclear})
		r.ok(r.s.Settle(r.ctx, "o", b.ID, map[string]string{"h-00001": wtp.Opened, "h-00002": wtp.Opened}, 0))
		c = must(r.s.FinishChange(r.ctx, c.ID, "o"))(r)
		r.wantCounts(c, map[wtp.Outcome]int64{wtp.TargetUnknown: 2})
		r.read(r.p, on(3, nil)) // still on
		r.equal([]any{r.timer(c).State, r.timer(c).Hosts, must(r.s.ChangeByID(r.ctx, c.ID))(r).ReadBackAt > 0}, []any{wtp.TimerPending, 2, true})
		r.equal(len(must(r.s.OffUntil(r.ctx, r.p.ID, ids(1, 3)))(r)), 0)
		r.clock.Advance(time.Hour)
		r.equal(r.fire(), true)
		back := must(r.s.ChangeByID(r.ctx, r.timer(c).FiredChangeID))(r)
		r.equal([]any{back.ToSend, len(r.targetsOf(back))}, []any{2, 2})
	})
}

func TestTimerOfNothingEndsWithItsChange(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, on(2, nil))
		plan := r.plan(wtp.Disable, ids(1, 2)...)
		c := must(r.s.Confirm(r.ctx, r.mei, r.p.ID, plan.UID, db.Confirmation{Reason: "x", Back: wtp.BackOn{After: time.Hour}}))(r)
		r.claim("o")
		r.ok(r.s.StopRunning(r.ctx, c.ID, "o", "the credential is no longer accepted"))
		r.equal(r.state(c), wtp.Stopped)
		tm := r.timer(c)
		r.equal([]any{tm.State, tm.EndedByName, len(r.events("timer.ended"))}, []any{wtp.TimerEnded, "", 1})
		if tm.Why == "" {
			r.Errorf("%+v", tm)
		}
		r.clock.Advance(time.Hour)
		r.equal(r.fire(), false)
	})
}

func TestTimerStopsAChangeThatTakesTooLong(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, on(450, nil))
		plan := r.plan(wtp.Disable, ids(1, 450)...)
		c := must(r.s.Confirm(r.ctx, r.mei, r.p.ID, plan.UID, db.Confirmation{Reason: "x", Back: wtp.BackOn{After: time.Hour}}))(r)
		r.claim("o")
		r.send(c, "o", db.Verdict{Kind: db.Accepted})
		r.clock.Advance(time.Hour)
		r.equal(r.fire(), true)
		r.equal(r.state(c), wtp.Stopped)
		r.wantCounts(c, map[wtp.Outcome]int64{wtp.TargetAccepted: 200, wtp.TargetStopped: 250})
		r.equal(r.fire(), true)
		r.equal(must(r.s.ChangeByID(r.ctx, r.timer(c).FiredChangeID))(r).ToSend, 200)
	})
}

func TestTimerIsMovedAndCancelled(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, on(4, nil))
		one, two := r.off(wtp.BackOn{After: time.Hour}, ids(1, 2)...), r.off(wtp.BackOn{After: time.Hour}, ids(3, 4)...)
		li := r.user("Li", wtp.Operator)
		now := r.s.Now()
		var bad wtp.Invalid
		for _, at := range []wtp.Instant{now, now.Add(wtp.MaxTimer + time.Minute)} {
			if err := r.s.MoveTimer(r.ctx, li, r.p.ID, one.Number, at); !errors.As(err, &bad) {
				r.Errorf("%v", err)
			}
		}
		later := now.Add(3 * time.Hour)
		r.ok(r.s.MoveTimer(r.ctx, li, r.p.ID, one.Number, later))
		r.equal(r.timer(one).DueAt, later)
		e := r.events("timer.moved")
		r.equal([]any{len(e), e[0].Actor, e[0].ChangeID}, []any{1, "Li", one.ID})

		// As for turning off for good, their count is typed, whoever asks.
		for typed, faults := range map[string][]string{"": {"confirm"}, "2": {"confirm"}, "stay off 1": {"confirm"}, "turn off 2": {"confirm"}} {
			for _, who := range []wtp.Actor{li, r.mei} {
				err := r.s.CancelTimer(r.ctx, who, r.p.ID, two.Number, "decommissioned", typed)
				if bad = nil; !errors.As(err, &bad) {
					r.Errorf("%q: %v", typed, err)
				}
				r.equal(fields(bad), faults)
			}
		}
		if err := r.s.CancelTimer(r.ctx, li, r.p.ID, two.Number, " ", ""); !errors.As(err, &bad) {
			r.Errorf("%v", err)
		}
		r.equal(fields(bad), []string{"why", "confirm"})
		r.equal(r.timer(two).State, wtp.TimerPending)
		r.ok(r.s.CancelTimer(r.ctx, li, r.p.ID, two.Number, "decommissioned", " Stay  off 2"))
		tm := r.timer(two)
		r.equal([]any{tm.State, tm.EndedByName, tm.Why, len(r.events("timer.cancelled"))}, []any{wtp.TimerCancelled, "Li", "decommissioned", 1})
		r.is(r.s.CancelTimer(r.ctx, li, r.p.ID, two.Number, "again", "stay off 2"), wtp.ErrConflict)
		r.is(r.s.MoveTimer(r.ctx, li, r.p.ID, two.Number, later), wtp.ErrConflict)
		r.is(r.s.MoveTimer(r.ctx, li, r.p.ID, 99, later), wtp.ErrNotFound)

		// The project stays while a timer of it is pending.
		r.is(r.s.RemoveProject(r.ctx, r.mei, r.p.ID), wtp.ErrConflict)
		r.clock.Advance(time.Hour)
		r.equal(r.fire(), false)
		r.clock.Advance(2 * time.Hour)
		r.equal(r.fire(), true)
		r.equal(r.fire(), false)
	})
}

func TestTurningOnEarlyEndsTheTimer(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, on(5, nil))
		c := r.off(wtp.BackOn{After: time.Hour}, ids(1, 5)...)
		li := r.user("Li", wtp.Operator)
		plan := must(r.s.PlanTurnOn(r.ctx, li, r.p.ID, c.Number, time.Hour))(r)
		r.equal([]any{plan.ToSend, plan.Direction, plan.SetIn}, []any{5, wtp.Enable, 0}) // not read since: they are off
		r.equal(r.timer(c).State, wtp.TimerPending)
		back := must(r.s.Confirm(r.ctx, li, r.p.ID, plan.UID, db.Confirmation{Reason: "done early"}))(r)
		tm := r.timer(c)
		r.equal([]any{tm.State, tm.EndedByName, tm.FiredNumber}, []any{wtp.TimerEnded, "Li", back.Number})
		r.equal(len(must(r.s.Overtaken(r.ctx, c.ID, ids(1, 2)))(r)), 0) // nothing was sent yet
		r.acceptAll(back)
		r.equal(must(r.s.Overtaken(r.ctx, c.ID, ids(1, 2)))(r), map[string]int64{"h-00001": back.Number, "h-00002": back.Number})
		r.equal(len(must(r.s.Overtaken(r.ctx, back.ID, ids(1, 2)))(r)), 0)
		_, err := r.s.PlanTurnOn(r.ctx, li, r.p.ID, c.Number, time.Hour)
		r.is(err, wtp.ErrConflict)
		r.clock.Advance(time.Hour)
		r.equal(r.fire(), false)
	})
}

func TestUndoCancelsTheTimerWhenAsked(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		for _, ask := range []bool{false, true} {
			r.read(r.p, on(5, nil))
			c := r.off(wtp.BackOn{After: time.Hour}, ids(1, 5)...)
			r.read(r.p, fleet(5, nil))
			li := r.user(fmt.Sprint("Li ", ask), wtp.Operator)
			plan := r.planUndo(c)
			undo := must(r.s.Confirm(r.ctx, li, r.p.ID, plan.UID, db.Confirmation{Reason: "too early", CancelTimer: ask}))(r)
			want := []any{wtp.TimerPending, "", ""}
			if ask {
				want = []any{wtp.TimerCancelled, li.Name, "too early"}
			}
			tm := r.timer(c)
			r.equal([]any{tm.State, tm.EndedByName, tm.Why}, want)
			r.acceptAll(undo)
			r.clock.Advance(time.Hour)
			r.equal(r.fire(), !ask)
		}
	})
}

// TestAnUndoThatLeavesServersOffSaysHowMany: without the timer nothing turns them on.
func TestAnUndoThatLeavesServersOffSaysHowMany(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, on(5, nil))
		c := r.off(wtp.BackOn{After: time.Hour}, ids(1, 5)...)
		r.read(r.p, fleet(5, func(i int, s *wtp.Server) {
			switch i {
			case 0, 1:
				s.AgentStatus = "offline"
			case 2:
				s.Dynamic = wtp.Opened // somebody turned it on in HSS
			}
		}))
		plan := r.planUndo(c)
		r.equal(plan.ToSend, 2)
		r.equal(must(r.s.LeftOff(r.ctx, c, plan))(r), 2)
		var bad wtp.Invalid
		for _, typed := range []string{"", "stay off 5"} {
			_, err := r.s.Confirm(r.ctx, r.mei, r.p.ID, plan.UID, db.Confirmation{Reason: "too early", CancelTimer: true, Typed: typed})
			if bad = nil; !errors.As(err, &bad) {
				r.Errorf("%v", err)
			}
			r.equal(fields(bad), []string{"confirm"})
			r.equal([]any{r.timer(c).State, must(r.s.Plan(r.ctx, r.p.ID, plan.UID))(r).State}, []any{wtp.TimerPending, wtp.Planned})
		}
		undo := must(r.s.Confirm(r.ctx, r.mei, r.p.ID, plan.UID, db.Confirmation{Reason: "too early", CancelTimer: true, Typed: "stay off 2"}))(r)
		r.equal([]any{r.timer(c).State, undo.ToSend}, []any{wtp.TimerCancelled, 2})
	})
}

// TestTurningOnEarlyIsNotCapped: it is done anyway, a little later.
func TestTurningOnEarlyIsNotCapped(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		limits := wtp.DefaultLimits()
		limits.CapOperator = 3
		r.ok(r.s.SaveLimits(r.ctx, r.mei, limits))
		r.read(r.p, on(5, nil))
		c := r.off(wtp.BackOn{After: time.Hour}, ids(1, 5)...)
		li := r.user("Li", wtp.Operator)
		r.read(r.p, fleet(5, nil))
		early := must(r.s.PlanTurnOn(r.ctx, li, r.p.ID, c.Number, time.Hour))(r)
		// The same servers by a plan of one's own are too many, also as an undo.
		for _, from := range []db.PlanSource{{HostIDs: ids(1, 5)}, {UndoOf: c.Number}} {
			plan := must(r.s.PlanDynamicWTP(r.ctx, li, r.p.ID, wtp.Enable, from, time.Hour))(r)
			_, err := r.s.Confirm(r.ctx, li, r.p.ID, plan.UID, db.Confirmation{Reason: "x"})
			r.is(err, wtp.ErrConflict)
		}
		r.equal(must(r.s.Confirm(r.ctx, li, r.p.ID, early.UID, db.Confirmation{Reason: "done early"}))(r).ToSend, 5)
		r.equal(r.timer(c).State, wtp.TimerEnded)
	})
}

func fields(bad wtp.Invalid) []string {
	var names []string
	for _, e := range bad {
		names = append(names, e.Field)
	}
	return names
}

func TestTimerFiresForSomebodyWhoMayNoLongerAct(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, on(2, nil))
		li := r.user("Li", wtp.Operator)
		plan := r.plan(wtp.Disable, ids(1, 2)...)
		c := r.acceptAll(must(r.s.Confirm(r.ctx, li, r.p.ID, plan.UID, db.Confirmation{Reason: "x", Back: wtp.BackOn{After: time.Hour}}))(r))
		must(r.s.ChangeUser(r.ctx, r.mei, li.UserID, wtp.Operator, true))(r)
		r.clock.Advance(time.Hour)
		r.equal(r.fire(), true)
		tm := r.timer(c)
		if !strings.HasPrefix(tm.Why, "The person who set it may no longer act.") {
			r.Error(tm.Why)
		}
		ok, why, err := r.s.MayGoOn(r.ctx, tm.FiredChangeID)
		r.ok(err)
		r.equal([]any{ok, why}, []any{true, ""})
	})
}

func TestPauseHoldsEverything(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, on(4, nil))
		c := r.off(wtp.BackOn{After: time.Hour}, ids(1, 2)...)
		r.clock.Advance(time.Hour)
		var bad wtp.Invalid
		if err := r.s.Pause(r.ctx, r.mei, ""); !errors.As(err, &bad) {
			r.Errorf("%v", err)
		}
		r.is(r.s.Resume(r.ctx, r.mei), wtp.ErrConflict)
		r.ok(r.s.Pause(r.ctx, r.mei, "HSS maintenance"))
		r.is(r.s.Pause(r.ctx, r.mei, "again"), wtp.ErrConflict)
		p := must(r.s.Paused(r.ctx))(r)
		r.equal([]any{p.On(), p.By, p.Why, p.At}, []any{true, "Mei", "HSS maintenance", r.s.Now()})
		r.equal(r.fire(), false)
		other := r.confirm(r.plan(wtp.Disable, "h-00003"))
		r.claim("o")
		b, _ := r.next(other, "o")
		_, err := r.s.BeginCall(r.ctx, "o", b, wtp.Call{Operation: "SetRaspSwitch"})
		r.is(err, db.ErrPaused)
		r.wantCounts(other, map[wtp.Outcome]int64{wtp.TargetWaiting: 1})
		r.ok(r.s.Resume(r.ctx, r.mei))
		r.equal(must(r.s.Paused(r.ctx))(r).On(), false)
		r.begin(b, "o")
		r.equal(r.fire(), true)
		r.equal(r.timer(c).State, wtp.TimerFired)
		r.equal([]any{len(r.events("console.paused")), len(r.events("console.resumed"))}, []any{1, 1})
	})
}

func TestCapsByRole(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(5, nil))
		l := must(r.s.Limits(r.ctx))(r)
		r.equal(l, wtp.DefaultLimits())
		l.CapOperator, l.CapAdmin, l.TypedAbove = 3, 4, 7
		r.ok(r.s.SaveLimits(r.ctx, r.mei, l))
		r.equal(must(r.s.Limits(r.ctx))(r), l)
		r.equal(len(r.events("setting.changed")), 3)
		li := r.user("Li", wtp.Operator)
		plan := r.plan(wtp.Enable, ids(1, 4)...)
		_, err := r.s.Confirm(r.ctx, li, r.p.ID, plan.UID, db.Confirmation{Reason: "x"})
		r.is(err, wtp.ErrConflict)
		if !strings.Contains(err.Error(), "at most 3 servers; this one reaches 4") {
			r.Error(err)
		}
		_, err = r.s.Confirm(r.ctx, r.mei, r.p.ID, r.plan(wtp.Enable, ids(1, 5)...).UID, db.Confirmation{Reason: "x"})
		r.is(err, wtp.ErrConflict)
		must(r.s.Confirm(r.ctx, r.mei, r.p.ID, plan.UID, db.Confirmation{Reason: "x"}))(r)
	})
}
