package db_test

import (
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

// Every target of a plan is in one bucket, and a page leads to the next and back.
func TestBucketsOfAPlanArePagedBothWays(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(60, func(i int, s *wtp.Server) {
			switch {
			case i%5 == 0:
				s.Dynamic = wtp.Opened
			case i%7 == 0:
				s.AssetValue = "important"
			case i%11 == 0:
				s.OS = "windows"
			}
		}))
		plan := r.plan(wtp.Enable, ids(1, 61)...)
		bucketOf := map[string]wtp.Bucket{}
		for _, b := range wtp.Buckets() {
			q := db.TargetQuery{ChangeID: plan.ID, Bucket: b, Limit: 7}
			page := must(r.s.TargetPage(r.ctx, q))(r)
			r.equal(page.Prev, 0)
			for {
				for _, x := range page.Targets {
					r.equal([]any{bucketOf[x.HostID], x.Bucket}, []any{wtp.Bucket(""), b})
					bucketOf[x.HostID] = b
				}
				if page.Next == 0 {
					break
				}
				q.After = page.Next
				next := must(r.s.TargetPage(r.ctx, q))(r)
				back := must(r.s.TargetPage(r.ctx, db.TargetQuery{ChangeID: plan.ID, Bucket: b, Limit: 7, Before: next.Prev}))(r)
				r.equal([]any{back.Targets, back.Next}, []any{page.Targets, page.Next})
				page = next
			}
		}
		r.equal(len(bucketOf), 61)
		found := must(r.s.Targets(r.ctx, db.TargetQuery{ChangeID: plan.ID, Query: "WEB-0000", Bucket: wtp.AlreadySo}))(r)
		r.equal([]any{len(found), found[0].HostID}, []any{2, "h-00001"})
		r.equal(len(must(r.s.Targets(r.ctx, db.TargetQuery{ChangeID: plan.ID, Query: "%"}))(r)), 0)
	})
}

// What is under way for servers of a plan, and whose timer waits for them, is named;
// and confirming does to the timer what that says.
func TestConflictsOfAPlan(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		on := fleet(12, func(_ int, s *wtp.Server) { s.Dynamic = wtp.Opened })
		r.read(r.p, on)
		r.equal(must(r.s.Conflicts(r.ctx, r.plan(wtp.Disable, ids(1, 12)...)))(r), db.Conflicts{})

		early := r.plan(wtp.Disable, ids(3, 12)...)
		off := must(r.s.Confirm(r.ctx, r.mei, r.p.ID, r.plan(wtp.Disable, ids(1, 6)...).UID, db.Confirmation{Reason: "release", Back: wtp.BackOn{After: 2 * time.Hour}}))(r)
		open := []db.OpenConflict{{Number: off.Number, ConfirmedByName: "Mei", N: 4}}
		r.equal(must(r.s.Conflicts(r.ctx, early))(r).Open, open)
		r.equal(must(r.s.Conflicts(r.ctx, r.plan(wtp.Disable, ids(3, 12)...)))(r).Open, open)

		r.clock.Advance(time.Second)
		r.claim("runner")
		r.send(off, "runner", db.Verdict{Kind: db.Accepted})
		must(r.s.FinishChange(r.ctx, off.ID, "runner"))(r)
		for i := range 6 {
			on[i].Dynamic = wtp.Closed
		}
		on[1].Dynamic = wtp.Opened // by hand
		r.read(r.p, on)
		timer := must(r.s.Timer(r.ctx, off.ID))(r)

		enable := r.plan(wtp.Enable, ids(1, 3)...)
		r.equal(must(r.s.Conflicts(r.ctx, enable))(r).Timers, []db.TimerConflict{{Number: off.Number, DueAt: timer.DueAt, SetByName: "Mei", Sent: 2, Skipped: 1, Hosts: 6}})
		disable := r.plan(wtp.Disable, ids(2, 12)...)
		r.equal(must(r.s.Conflicts(r.ctx, disable))(r).Timers, []db.TimerConflict{{Number: off.Number, DueAt: timer.DueAt, SetByName: "Mei", Sent: 1, Skipped: 4, Hosts: 6}})
		r.equal(must(r.s.Conflicts(r.ctx, must(r.s.PlanTurnOn(r.ctx, r.mei, r.p.ID, off.Number, time.Hour))(r)))(r).Timers, []db.TimerConflict(nil))

		// Turned on by hand from here: the timer leaves these two alone, and keeps the rest.
		r.through(enable)
		r.clock.Advance(3 * time.Hour)
		if fired := must(r.s.FireTimer(r.ctx))(r); !fired {
			r.Fatal("the timer didn't fire")
		}
		back := must(r.s.ChangeByID(r.ctx, must(r.s.Timer(r.ctx, off.ID))(r).FiredChangeID))(r)
		r.equal([]any{back.TargetCount, back.ToSend}, []any{6, 3})
		r.equal(r.whys(back)["cannot newer_change"], 2)
		r.equal(must(r.s.Conflicts(r.ctx, r.plan(wtp.Enable, ids(1, 12)...)))(r).Timers, []db.TimerConflict(nil))
	})
}

func TestAheadAndBudget(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		other := r.project("Other")
		r.read(r.p, fleet(450, nil))
		r.read(other, fleet(3, nil))
		first := r.confirm(r.plan(wtp.Enable, ids(1, 450)...))
		second := must(r.s.Confirm(r.ctx, r.mei, other.ID, must(r.s.PlanDynamicWTP(r.ctx, r.mei, other.ID, wtp.Enable, db.PlanSource{HostIDs: ids(1, 3)}, time.Hour))(r).UID, db.Confirmation{Reason: "x"}))(r)
		rows, calls, err := r.s.Ahead(r.ctx, r.key.ID, wtp.DynamicWTP, 0)
		r.ok(err)
		r.equal([]any{len(rows), calls, rows[0].Calls, rows[0].ProjectName, rows[1].Number}, []any{2, 4, 3, "Shop", second.Number})
		rows, calls, err = r.s.Ahead(r.ctx, r.key.ID, wtp.DynamicWTP, second.EventSeq)
		r.ok(err)
		r.equal([]any{len(rows), calls}, []any{1, 3})
		_, calls, err = r.s.Ahead(r.ctx, r.key.ID, wtp.BackupHost, 0)
		r.ok(err)
		r.equal(calls, 0)

		op := wtp.DynamicWTP.Operation()
		b := must(r.s.Budget(r.ctx, r.key.ID, op, 5))(r)
		r.equal([]any{b.At(5), b.At(6), b.At(11)}, []any{b.Now, b.Now.Add(wtp.CallWindow), b.Now.Add(2 * wtp.CallWindow)})
		r.ok(r.s.BlockCalls(r.ctx, r.key.ID, op, b.Now.Add(10*time.Minute)))
		b = must(r.s.Budget(r.ctx, r.key.ID, op, 5))(r)
		r.equal(b.Next(), b.Now.Add(10*time.Minute))

		p := must(r.s.Pending(r.ctx, first, must(r.s.Strip(r.ctx, first.ID))(r)))(r)
		r.equal([]any{p.Waiting, p.Sending, p.Step}, []any{3, 0, 0})
	})
}
