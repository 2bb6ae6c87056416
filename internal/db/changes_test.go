package db_test

import (
	"errors"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

func TestChangesNewestFirstAcrossProjects(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		two := r.project("Two")
		r.read(r.p, fleet(10, nil))
		r.read(two, fleet(10, nil))
		plans := []wtp.Change{}
		for i := range 5 {
			p := []wtp.Project{r.p, two}[i%2]
			plans = append(plans, must(r.s.PlanDynamicWTP(r.ctx, r.mei, p.ID, wtp.Enable, db.PlanSource{HostIDs: ids(i+1, i+1)}, time.Hour))(r))
		}
		var want []int64 // confirmed in another order than planned
		for _, i := range []int{3, 0, 4, 1, 2} {
			want = append([]int64{r.confirm(plans[i]).ID}, want...)
			r.clock.Advance(time.Minute)
		}
		var got []int64
		q := db.ChangeQuery{Limit: 2}
		for {
			rows, next, err := r.s.Changes(r.ctx, q)
			r.ok(err)
			for _, row := range rows {
				got = append(got, row.ID)
				r.equal(row.Counts.Total(), 1)
			}
			if next == 0 {
				break
			}
			q.Before = next
		}
		r.equal(got, want)
		// Numbers have no gap in each project.
		rows, _, err := r.s.Changes(r.ctx, db.ChangeQuery{ProjectID: two.ID})
		r.ok(err)
		r.equal([]any{len(rows), rows[0].Number, rows[1].Number, rows[0].ProjectSlug, rows[0].ProjectName}, []any{2, 2, 1, "two", "Two"})
		open := must(r.s.OpenChanges(r.ctx, 0))(r)
		r.equal([]any{len(open), open[0].ID, len(must(r.s.OpenChanges(r.ctx, two.ID))(r))}, []any{5, want[4], 2})
	})
}

func TestChangeFilters(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(4, nil))
		start := r.s.Now()
		one := must(r.s.Confirm(r.ctx, r.mei, r.p.ID, r.plan(wtp.Enable, "h-00001").UID, db.Confirmation{Reason: "Harden 100% of Shop", Ticket: "CHG-1"}))(r)
		r.claim("a")
		r.send(one, "a", db.Verdict{Kind: db.Refused, Code: "X"})
		must(r.s.FinishChange(r.ctx, one.ID, "a"))(r)
		r.clock.Advance(time.Hour)
		li := wtp.Actor{UserID: 9, Name: "Li"}
		two := must(r.s.Confirm(r.ctx, li, r.p.ID, r.plan(wtp.Enable, "h-00002").UID, db.Confirmation{Reason: "other", Ticket: "CHG-2"}))(r)
		three := must(r.s.ConfirmBackup(r.ctx, li, r.p.ID, nil, wtp.BackupConfig{HostID: "b", IP: "10.0.0.1", Port: 1, Dir: "/b"}, "backup", ""))(r)
		r.claim("a")
		b := r.send(two, "a", db.Verdict{Kind: db.Unclear})
		r.ok(r.s.GiveUp(r.ctx, "a", b.ID))
		must(r.s.FinishChange(r.ctx, two.ID, "a"))(r)
		for _, c := range []struct {
			q    db.ChangeQuery
			want []wtp.Change
		}{
			{db.ChangeQuery{}, []wtp.Change{three, two, one}},
			{db.ChangeQuery{Query: "HARDEN 100%"}, []wtp.Change{one}},
			{db.ChangeQuery{Query: "chg-"}, []wtp.Change{two, one}},
			{db.ChangeQuery{Query: "#3"}, []wtp.Change{three}},
			{db.ChangeQuery{Query: "%%"}, nil},
			{db.ChangeQuery{Kind: wtp.BackupHost}, []wtp.Change{three}},
			{db.ChangeQuery{Who: "Li"}, []wtp.Change{three, two}},
			{db.ChangeQuery{Outcome: "failed"}, []wtp.Change{one}},
			{db.ChangeQuery{Outcome: "unknown"}, []wtp.Change{two}},
			{db.ChangeQuery{Outcome: "not_seen"}, nil},
			{db.ChangeQuery{Outcome: "running"}, []wtp.Change{three}},
			{db.ChangeQuery{From: start.Add(time.Minute)}, []wtp.Change{three, two}},
			{db.ChangeQuery{To: start.Add(time.Minute)}, []wtp.Change{one}},
			{db.ChangeQuery{ProjectID: 99}, nil},
		} {
			rows, _, err := r.s.Changes(r.ctx, c.q)
			r.ok(err)
			var got, want []int64
			for _, x := range rows {
				got = append(got, x.Number)
			}
			for _, x := range c.want {
				want = append(want, x.Number)
			}
			if len(got) != len(want) {
				r.Errorf("%+v: %v", c.q, got)
				continue
			}
			r.equal(got, want)
		}
		var bad wtp.Invalid
		if _, _, err := r.s.Changes(r.ctx, db.ChangeQuery{Outcome: "fine"}); !errors.As(err, &bad) {
			r.Error(err)
		}
		_, err := r.s.Change(r.ctx, r.p.ID, 0)
		r.is(err, wtp.ErrNotFound) // plans have no number
		_, err = r.s.Change(r.ctx, r.p.ID+1, 1)
		r.is(err, wtp.ErrNotFound)
	})
}

// numbers are those of the changes with an outcome, newest first.
func (r *rig) numbers(outcome string) []int64 {
	r.Helper()
	rows, _, err := r.s.Changes(r.ctx, db.ChangeQuery{Outcome: outcome})
	r.ok(err)
	got := []int64{}
	for _, x := range rows {
		got = append(got, x.Number)
	}
	return got
}

func TestHistoryByWhatHSSShows(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		state := fleet(4, nil)
		r.read(r.p, state)
		first := r.through(r.plan(wtp.Enable, "h-00001"))
		second := r.through(r.plan(wtp.Enable, "h-00002"))
		checking := r.confirm(r.plan(wtp.Enable, "h-00003"))
		r.claim("runner")
		r.send(checking, "runner", db.Verdict{Kind: db.Unclear})
		r.equal([]any{r.numbers("not_seen"), r.numbers("otherwise"), r.numbers("unknown")}, []any{[]int64{second.Number, first.Number}, []int64{}, []int64{}})
		state[0].Dynamic = wtp.Opened
		r.read(r.p, state)
		r.equal([]any{r.numbers("not_seen"), r.numbers("otherwise")}, []any{[]int64{}, []int64{second.Number}})
	})
}

func TestHistoryOfAServer(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(3, nil))
		first := r.accepted(wtp.Enable, 2)
		r.plan(wtp.Enable, "h-00003") // only planned: no history
		r.clock.Advance(time.Second)
		r.read(r.p, fleet(3, func(_ int, s *wtp.Server) { s.Dynamic = wtp.Opened }))
		second := r.accepted(wtp.Disable, 1)
		got := must(r.s.ServerChanges(r.ctx, r.p.ID, "h-00001", 0, 10))(r)
		r.equal([]any{len(got), got[0].Change.Number, got[1].Change.Number, got[1].Target.Confirmed(), got[0].Target.Wanted}, []any{2, second.Number, first.Number, true, wtp.Closed})
		older := must(r.s.ServerChanges(r.ctx, r.p.ID, "h-00001", got[0].Change.ID, 10))(r)
		r.equal([]any{len(older), older[0].Change.ID}, []any{1, first.ID})
		r.equal(len(must(r.s.ServerChanges(r.ctx, r.p.ID, "h-00003", 0, 10))(r)), 0)
		r.equal(len(must(r.s.ServerChanges(r.ctx, r.p.ID+1, "h-00001", 0, 10))(r)), 0)
	})
}
