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

// mixed is a fleet with a server for each bucket and reason.
func mixed() []wtp.Server {
	return fleet(12, func(i int, s *wtp.Server) {
		switch i {
		case 1:
			s.OS = "windows"
		case 2:
			s.OS = "aix"
		case 3:
			s.Dynamic = wtp.Opened
		case 4:
			s.AgentStatus = "offline"
		case 5:
			s.AgentStatus = "not_installed"
		case 6:
			s.ProtectStatus = "closed"
		case 7:
			s.AssetValue = "important"
		case 8:
			s.StaticAttacks, s.Dynamic = 3, wtp.Opened
		case 9:
			s.Dynamic = "half"
		case 10:
			s.Name = "aaa"
		}
	})
}

func TestPlanPutsEveryServerWhereTheRuleDoes(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		servers := mixed()
		r.read(r.p, servers)
		for _, d := range []wtp.Direction{wtp.Enable, wtp.Disable} {
			c := r.plan(d, append(ids(1, 12), "ghost")...)
			r.equal(c.State, wtp.Planned)
			r.equal(c.TargetCount, 13)
			ts := must(r.s.Targets(r.ctx, db.TargetQuery{ChangeID: c.ID, Limit: 100}))(r)
			r.equal(ts[0].Name, "aaa") // in the order of names
			r.equal(ts[12].HostID, "ghost")
			r.equal(ts[12].Why, wtp.WhyGone)
			var send int64
			for i, x := range ts[:12] {
				s := must(r.s.Server(r.ctx, r.p.ID, x.HostID))(r)
				b, why := wtp.Classify(s, d, false)
				r.equal([]any{x.Bucket, x.Why, x.Before, x.Wanted, x.Seq, x.Name}, []any{b, why, s.Dynamic, d.Wanted(), i + 1, s.Name})
				if b.Sent() {
					send++
				}
			}
			r.equal(c.ToSend, send)
			r.equal(must(r.s.Plan(r.ctx, r.p.ID, c.UID))(r), c)
			var sum int64
			for _, n := range must(r.s.PlanCounts(r.ctx, c.ID))(r) {
				sum += n.N
			}
			r.equal(sum, 13)
		}
	})
}

func TestPlanSources(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(30, func(i int, s *wtp.Server) {
			if i < 10 {
				s.GroupName = "api"
			}
		}))
		f := wtp.ServerFilter{Group: []string{"api"}}
		c := must(r.s.PlanDynamicWTP(r.ctx, r.mei, r.p.ID, wtp.Enable, db.PlanSource{Filter: &f}, time.Hour))(r)
		r.equal([]any{c.TargetCount, c.Selection}, []any{10, "group=api"})

		must(r.s.Select(r.ctx, r.mei.UserID, r.p.ID, []string{"h-00001", "h-00020", "gone"}, nil))(r)
		c = must(r.s.PlanDynamicWTP(r.ctx, r.mei, r.p.ID, wtp.Enable, db.PlanSource{Selection: true}, time.Hour))(r)
		r.equal([]any{c.TargetCount, c.ToSend, c.Selection}, []any{3, 2, ""})

		// The same ID twice is one target.
		c = r.plan(wtp.Enable, "h-00001", "h-00001")
		r.equal(c.TargetCount, 1)

		var bad wtp.Invalid
		none := wtp.ServerFilter{Query: "no such server"}
		for name, src := range map[string]db.PlanSource{
			"nothing": {}, "two": {Selection: true, Filter: &f}, "none given": {HostIDs: []string{}}, "none matches": {Filter: &none},
		} {
			if _, err := r.s.PlanDynamicWTP(r.ctx, r.mei, r.p.ID, wtp.Enable, src, time.Hour); !errors.As(err, &bad) {
				r.Errorf("%s: %v", name, err)
			}
		}
		for _, d := range []wtp.Direction{"", "on", "disable "} {
			if _, err := r.s.PlanDynamicWTP(r.ctx, r.mei, r.p.ID, d, db.PlanSource{Filter: &f}, time.Hour); !errors.As(err, &bad) {
				r.Errorf("direction %q: %v", d, err)
			}
		}
		_, err := r.s.PlanDynamicWTP(r.ctx, r.mei, 999, wtp.Enable, db.PlanSource{Filter: &f}, time.Hour)
		r.is(err, wtp.ErrNotFound)
		_, err = r.s.Plan(r.ctx, r.p.ID+1, c.UID)
		r.is(err, wtp.ErrNotFound)
	})
}

func TestConfirmQueuesBatchesOf200(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(450, func(i int, s *wtp.Server) {
			if i%10 == 0 {
				s.OS = "windows"
			}
		}))
		must(r.s.SelectMatching(r.ctx, r.mei.UserID, r.p.ID, wtp.ServerFilter{}, 450))(r)
		plan := must(r.s.PlanDynamicWTP(r.ctx, r.mei, r.p.ID, wtp.Enable, db.PlanSource{Selection: true}, time.Hour))(r)
		r.equal([]any{plan.TargetCount, plan.ToSend}, []any{450, 405})
		c := r.confirm(plan)
		r.equal([]any{c.State, c.Number, c.ConfirmedByName, c.ConfirmedIP, c.Reason, c.Ticket, c.RequestID}, []any{wtp.Queued, 1, "Mei", "192.0.2.7", "because", "T-1", "req-1"})
		r.equal(must(r.s.Change(r.ctx, r.p.ID, 1))(r), c)
		r.wantCounts(c, map[wtp.Outcome]int64{wtp.TargetWaiting: 405, wtp.TargetSkipped: 45})
		var sizes []int64
		for _, b := range r.batches(c) {
			sizes = append(sizes, b.Size)
		}
		r.equal(sizes, []int64{200, 200, 5})
		// Batches take the targets in order.
		ts := must(r.s.Targets(r.ctx, db.TargetQuery{ChangeID: c.ID, Outcome: wtp.TargetWaiting, Limit: 1000}))(r)
		for i, x := range ts {
			r.equal(x.BatchID, r.batches(c)[i/200].ID)
			if i > 2 {
				break
			}
		}
		r.equal(must(r.s.SelectionCount(r.ctx, r.mei.UserID, r.p.ID))(r), 0)
		e := r.events("change.confirmed")
		r.equal([]any{len(e), e[0].Seq, e[0].ChangeID, e[0].ProjectID, e[0].Actor, e[0].IP}, []any{1, c.EventSeq, c.ID, r.p.ID, "Mei", "192.0.2.7"})
		if !strings.Contains(e[0].Detail, `"reason":"because"`) {
			r.Error(e[0].Detail)
		}
	})
}

func TestConfirmTwiceConflicts(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(300, nil))
		plan := r.plan(wtp.Enable, ids(1, 300)...)
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			wg.Go(func() {
				_, errs[i] = r.s.Confirm(r.ctx, r.mei, r.p.ID, plan.UID, db.Confirmation{Reason: "x"})
			})
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			var no *wtp.Refused
			switch {
			case err == nil:
				won++
			case !errors.As(err, &no) || !errors.Is(err, wtp.ErrConflict):
				r.Errorf("loser: %v", err)
			default:
				r.equal(err.Error(), "Mei has confirmed this already, as change 1.")
			}
		}
		r.equal(won, 1)
		r.check()
		r.is(r.s.Drop(r.ctx, r.mei, r.p.ID, plan.UID), wtp.ErrConflict)
	})
}

func TestConfirmRefuses(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(5, func(i int, s *wtp.Server) {
			if i == 4 {
				s.OS = "windows"
			}
		}))
		why := db.Confirmation{Reason: "x"}
		var bad wtp.Invalid
		plan := r.plan(wtp.Enable, ids(1, 2)...)
		for _, w := range []db.Confirmation{{}, {Reason: strings.Repeat("ä", 501)}, {Reason: "x", Ticket: strings.Repeat("1", 101)}} {
			if _, err := r.s.Confirm(r.ctx, r.mei, r.p.ID, plan.UID, w); !errors.As(err, &bad) {
				r.Errorf("%d characters: %v", len(w.Reason), err)
			}
		}
		r.clock.Advance(time.Hour)
		_, err := r.s.Confirm(r.ctx, r.mei, r.p.ID, plan.UID, why)
		r.is(err, wtp.ErrConflict)
		r.equal(err.Error(), "This preview has expired. Plan again. Nothing was sent.")

		only := r.plan(wtp.Enable, "h-00005")
		_, err = r.s.Confirm(r.ctx, r.mei, r.p.ID, only.UID, why)
		r.is(err, wtp.ErrConflict)

		dropped := r.plan(wtp.Enable, "h-00001")
		r.ok(r.s.Drop(r.ctx, r.mei, r.p.ID, dropped.UID))
		_, err = r.s.Confirm(r.ctx, r.mei, r.p.ID, dropped.UID, why)
		r.is(err, wtp.ErrConflict)
		_, err = r.s.Confirm(r.ctx, r.mei, r.p.ID, "nothing", why)
		r.is(err, wtp.ErrNotFound)
		other := r.project("Other")
		_, err = r.s.Confirm(r.ctx, r.mei, other.ID, r.plan(wtp.Enable, "h-00001").UID, why)
		r.is(err, wtp.ErrNotFound)
	})
}

func TestOverlappingChangesConflict(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(20, nil))
		one, two := r.plan(wtp.Enable, ids(1, 10)...), r.plan(wtp.Enable, ids(10, 20)...)
		first := r.confirm(one)
		_, err := r.s.Confirm(r.ctx, r.mei, r.p.ID, two.UID, db.Confirmation{Reason: "x"})
		r.is(err, wtp.ErrConflict)
		if !strings.HasPrefix(err.Error(), fmt.Sprintf("Change %d of Mei is still under way", first.Number)) {
			r.Error(err)
		}
		r.equal(r.state(two), wtp.Planned) // it can be confirmed later
		// A new plan says so beforehand.
		three := r.plan(wtp.Enable, ids(10, 20)...)
		ts := must(r.s.Targets(r.ctx, db.TargetQuery{ChangeID: three.ID, Why: wtp.WhyOpenChange}))(r)
		r.equal([]any{len(ts), ts[0].HostID, ts[0].Bucket}, []any{1, "h-00010", wtp.Cannot})
		r.ok(r.s.StopChange(r.ctx, r.mei, r.p.ID, first.Number))
		r.confirm(two)
	})
}

func TestConfirmRaceOfOverlappingPlans(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(50, nil))
		plans := []wtp.Change{r.plan(wtp.Enable, ids(1, 50)...), r.plan(wtp.Enable, ids(1, 50)...), r.plan(wtp.Enable, ids(50, 50)...)}
		errs := make([]error, len(plans))
		var wg sync.WaitGroup
		for i, p := range plans {
			wg.Go(func() { _, errs[i] = r.s.Confirm(r.ctx, r.mei, r.p.ID, p.UID, db.Confirmation{Reason: "x"}) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				r.is(err, wtp.ErrConflict)
			}
		}
		r.equal(won, 1)
		r.check()
	})
}

func TestPlanThatMovedIsShownAgain(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		servers := fleet(10, nil)
		r.read(r.p, servers)
		plan := r.plan(wtp.Enable, ids(1, 10)...)
		servers = fleet(9, func(i int, s *wtp.Server) { // the tenth is gone
			switch i {
			case 0:
				s.AgentStatus = "offline"
			case 1:
				s.Dynamic = wtp.Opened
			case 2:
				s.Name = "renamed" // makes no difference
			}
		})
		r.read(r.p, servers)
		_, err := r.s.Confirm(r.ctx, r.mei, r.p.ID, plan.UID, db.Confirmation{Reason: "x"})
		var m *db.Moved
		if !errors.As(err, &m) || !errors.Is(err, wtp.ErrConflict) {
			r.Fatal(err)
		}
		r.check()
		r.equal([]any{m.N, len(m.Targets)}, []any{3, 3})
		r.equal(m.Targets[0], db.MovedTarget{HostID: "h-00001", Name: "Web-00001", From: wtp.NeedsRestart, To: wtp.Cannot, Why: wtp.WhyAgentOffline, Before: wtp.Closed, Now: wtp.Closed})
		r.equal(m.Targets[2].Why, wtp.WhyGone)
		r.equal([]any{m.Change.State, m.Change.TargetCount, m.Change.ToSend, m.Change.ExpiresAt - m.Change.PlannedAt}, []any{wtp.Planned, 10, 7, 3600000})
		r.equal(r.state(plan), wtp.Dropped)
		r.equal(m.Change.Reason, "x")
		first, err := r.s.Difference(r.ctx, m.Change, plan.UID, 0, 2)
		r.ok(err)
		r.equal([]any{first.N, first.Targets}, []any{3, m.Targets[:2]})
		rest, err := r.s.Difference(r.ctx, m.Change, plan.UID, first.Next, 2)
		r.ok(err)
		r.equal([]any{rest.N, rest.Targets, rest.Next}, []any{3, m.Targets[2:], 0})
		for _, other := range []string{"", m.Change.UID, r.plan(wtp.Disable, ids(1, 10)...).UID} {
			_, err = r.s.Difference(r.ctx, m.Change, other, 0, 2)
			r.is(err, wtp.ErrNotFound)
		}
		r.equal(r.confirm(m.Change).Number, 1)
	})
}

func TestTidyForgetsOldPlansOnly(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(10, nil))
		kept, old := r.plan(wtp.Enable, ids(1, 2)...), r.plan(wtp.Enable, ids(3, 4)...)
		c := r.confirm(kept)
		r.clock.Advance(26 * time.Hour)
		r.ok(r.s.Tidy(r.ctx))
		_, err := r.s.ChangeByID(r.ctx, old.ID)
		r.is(err, wtp.ErrNotFound)
		r.equal(r.counts(c).Total(), 2)
	})
}

// What another change has switched, or is about to, is not so already because the
// inventory still shows what was before.
func TestPlanDoesNotCallSoWhatIsBeingSwitched(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		on := fleet(3, func(_ int, s *wtp.Server) { s.Dynamic = wtp.Opened })
		r.read(r.p, on)
		first := r.confirmNever(r.plan(wtp.Disable, ids(1, 3)...))
		r.equal(r.whys(r.plan(wtp.Enable, ids(1, 3)...)), map[string]int64{"cannot in_open_change": 3})

		r.claim("runner")
		r.send(first, "runner", db.Verdict{Kind: db.Accepted})
		must(r.s.FinishChange(r.ctx, first.ID, "runner"))(r)
		r.equal(r.whys(r.plan(wtp.Enable, ids(1, 3)...)), map[string]int64{"cannot unread_change": 3})
		r.equal(r.plan(wtp.Disable, ids(1, 3)...).ToSend, 3)

		r.clock.Advance(time.Minute)
		for i := range 2 {
			on[i].Dynamic = wtp.Closed
		}
		r.read(r.p, on)
		r.equal(r.whys(r.plan(wtp.Enable, ids(1, 3)...)), map[string]int64{"needs_restart ": 2, "already_so already_on": 1})
	})
}
