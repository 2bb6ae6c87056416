package db_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

// planUndo plans to undo a change.
func (r *rig) planUndo(c wtp.Change) wtp.Change {
	r.Helper()
	return must(r.s.PlanDynamicWTP(r.ctx, r.mei, r.p.ID, c.Direction.Opposite(), db.PlanSource{UndoOf: c.Number}, time.Hour))(r)
}

// confirmNever confirms a plan; what it turns off stays off.
func (r *rig) confirmNever(plan wtp.Change) wtp.Change {
	r.Helper()
	return must(r.s.Confirm(r.ctx, r.mei, r.p.ID, plan.UID, db.Confirmation{Reason: "because", Back: wtp.BackOn{Never: true}}))(r)
}

// through confirms a plan and lets HSS accept all of it.
func (r *rig) through(plan wtp.Change) wtp.Change {
	r.Helper()
	c := r.confirmNever(plan)
	r.clock.Advance(time.Second)
	r.claim("runner")
	for range r.batches(c) {
		r.send(c, "runner", db.Verdict{Kind: db.Accepted})
	}
	must(r.s.FinishChange(r.ctx, c.ID, "runner"))(r)
	return must(r.s.ChangeByID(r.ctx, c.ID))(r)
}

// whys counts the targets of a plan by bucket and reason.
func (r *rig) whys(c wtp.Change) map[string]int64 {
	r.Helper()
	out := map[string]int64{}
	for _, n := range must(r.s.PlanCounts(r.ctx, c.ID))(r) {
		out[string(n.Bucket)+" "+string(n.Why)] += n.N
	}
	return out
}

func TestUndoLeavesAloneWhatWasChangedSince(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		state := fleet(12, func(i int, s *wtp.Server) {
			if i == 0 || i == 1 {
				s.Dynamic = wtp.Opened // so before, and never touched
			}
			if i == 9 {
				s.Dynamic = "" // never had it
			}
		})
		r.read(r.p, state)
		first := r.through(r.plan(wtp.Enable, ids(1, 11)...))
		r.equal(first.ToSend, 9)

		// Nothing was read since: nothing is known, nothing would be sent.
		unread := r.planUndo(first)
		r.equal([]any{unread.TargetCount, unread.ToSend, unread.UndoOf}, []any{9, 0, first.Number})
		r.equal(r.whys(unread), map[string]int64{"cannot not_read_since": 9})

		for i := 2; i < 11; i++ {
			state[i].Dynamic = wtp.Opened
		}
		state[2].Dynamic = wtp.Closed // HSS never showed it
		r.read(r.p, state)
		// Flipped back by hand after it was seen, one gone, one of another change.
		state[3].Dynamic = wtp.Closed
		r.read(r.p, append(append([]wtp.Server{}, state[:4]...), state[5:]...))
		other := r.through(r.plan(wtp.Disable, "h-00006"))
		state[5].Dynamic = wtp.Closed
		state[7].AgentStatus = "offline"
		r.read(r.p, append(append([]wtp.Server{}, state[:4]...), state[5:]...))
		// In an open change.
		open := r.confirmNever(r.plan(wtp.Disable, "h-00007"))

		plan := r.planUndo(first)
		r.equal([]any{plan.TargetCount, plan.ToSend, plan.Direction}, []any{9, 3, wtp.Disable})
		r.equal(r.whys(plan), map[string]int64{
			"cannot not_shown": 1, "cannot changed_since": 1, "cannot newer_change": 1, "cannot gone": 1, "cannot in_open_change": 1, "cannot agent_offline": 1, "will_change ": 3,
		})
		must(r.s.Select(r.ctx, r.mei.UserID, r.p.ID, []string{"h-00012"}, nil))(r)
		done := r.throughPast(plan, open)
		r.equal([]any{done.UndoOf, done.ToSend}, []any{first.Number, 3})
		r.equal(must(r.s.SelectionCount(r.ctx, r.mei.UserID, r.p.ID))(r), 1) // an undo doesn't use it
		var sent []string
		for _, x := range must(r.s.Targets(r.ctx, db.TargetQuery{ChangeID: done.ID, Outcome: wtp.TargetAccepted}))(r) {
			sent = append(sent, x.HostID)
		}
		r.equal(sent, []string{"h-00009", "h-00010", "h-00011"})

		// They point at each other.
		l := must(r.s.Links(r.ctx, first))(r)
		r.equal([]any{l.Of == nil, len(l.Undo), l.Undo[0].Number, len(l.Next)}, []any{true, 1, done.Number, 0})
		r.equal(must(r.s.Links(r.ctx, done))(r).Of.Number, first.Number)
		rows, _, err := r.s.Changes(r.ctx, db.ChangeQuery{ProjectID: r.p.ID})
		r.ok(err)
		for _, row := range rows {
			r.equal(row.UndoneBy == done.Number, row.Number == first.Number)
		}
		r.equal(other.UndoOf, 0)
	})
}

// throughPast is through while another change waits, too.
func (r *rig) throughPast(plan, waiting wtp.Change) wtp.Change {
	r.Helper()
	c := r.confirmNever(plan)
	r.ok(r.s.StopChange(r.ctx, r.mei, r.p.ID, waiting.Number))
	r.clock.Advance(time.Second)
	r.equal(r.claim("runner").ID, c.ID)
	r.send(c, "runner", db.Verdict{Kind: db.Accepted})
	must(r.s.FinishChange(r.ctx, c.ID, "runner"))(r)
	return must(r.s.ChangeByID(r.ctx, c.ID))(r)
}

func TestUndoOfAnUndo(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		state := fleet(3, nil)
		show := func(d string) {
			for i := range state {
				state[i].Dynamic = d
			}
			r.read(r.p, state)
		}
		show(wtp.Closed)
		one := r.through(r.plan(wtp.Enable, ids(1, 3)...))
		show(wtp.Opened)
		two := r.through(r.planUndo(one))
		show(wtp.Closed)
		r.equal(r.whys(r.planUndo(one)), map[string]int64{"cannot newer_change": 3})
		three := r.through(r.planUndo(two))
		r.equal([]any{three.Direction, three.ToSend, three.UndoOf}, []any{wtp.Enable, 3, two.Number})
		show(wtp.Opened)
		r.equal(r.whys(r.planUndo(one)), map[string]int64{"cannot newer_change": 3})
		r.equal(r.planUndo(three).ToSend, 3)
		events := r.events("change.confirmed")
		r.equal(len(events), 3)
	})
}

// Between plan and confirmation somebody changes a server: the plan is made
// anew as an undo, by the same rules.
func TestUndoIsHeldToWhatWasShown(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		state := fleet(5, nil)
		r.read(r.p, state)
		one := r.through(r.plan(wtp.Enable, ids(1, 5)...))
		for i := range state {
			state[i].Dynamic = wtp.Opened
		}
		r.read(r.p, state)
		plan := r.planUndo(one)
		r.equal(plan.ToSend, 5)
		state[1].Dynamic = wtp.Closed
		r.read(r.p, state)
		_, err := r.s.Confirm(r.ctx, r.mei, r.p.ID, plan.UID, db.Confirmation{Reason: "x", Back: wtp.BackOn{Never: true}})
		var moved *db.Moved
		if !errors.As(err, &moved) {
			r.Fatalf("not refused: %v", err)
		}
		r.equal([]any{moved.N, moved.Targets[0].HostID, moved.Targets[0].Why}, []any{1, "h-00002", wtp.WhyChangedSince})
		r.equal([]any{moved.Change.UndoOf, moved.Change.ToSend, moved.Change.TargetCount}, []any{one.Number, 4, 5})
		r.equal(r.confirmNever(moved.Change).UndoOf, one.Number)
	})
}

// What could not be settled counts only if HSS is seen to show it.
func TestUndoOfWhatIsUnknown(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		state := fleet(4, nil)
		r.read(r.p, state)
		c := r.confirmNever(r.plan(wtp.Enable, ids(1, 4)...))
		r.claim("runner")
		b := r.send(c, "runner", db.Verdict{Kind: db.Unclear})
		r.ok(r.s.GiveUp(r.ctx, "runner", b.ID))
		must(r.s.FinishChange(r.ctx, c.ID, "runner"))(r)
		r.wantCounts(c, map[wtp.Outcome]int64{wtp.TargetUnknown: 4})
		c = must(r.s.ChangeByID(r.ctx, c.ID))(r)
		_, err := r.s.PlanDynamicWTP(r.ctx, r.mei, r.p.ID, wtp.Disable, db.PlanSource{UndoOf: c.Number}, time.Hour)
		r.is(err, wtp.ErrConflict)
		state[0].Dynamic, state[1].Dynamic = wtp.Opened, wtp.Opened
		r.read(r.p, state)
		r.equal([]any{r.planUndo(c).TargetCount, r.planUndo(c).ToSend}, []any{2, 2})
		// Tried again, what took hold after all is left alone.
		again := must(r.s.PlanDynamicWTP(r.ctx, r.mei, r.p.ID, wtp.Enable, db.PlanSource{RetryOf: c.Number, Outcomes: []wtp.Outcome{wtp.TargetUnknown}}, time.Hour))(r)
		r.equal(r.whys(again), map[string]int64{"already_so already_on": 2, "needs_restart ": 2})
	})
}

func TestRetryAndGoOn(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(401, nil))
		c := r.confirmNever(r.plan(wtp.Enable, ids(1, 401)...))
		retry := func(outcomes ...wtp.Outcome) (wtp.Change, error) {
			return r.s.PlanDynamicWTP(r.ctx, r.mei, r.p.ID, wtp.Enable, db.PlanSource{RetryOf: c.Number, Outcomes: outcomes}, time.Hour)
		}
		_, err := retry(wtp.TargetStopped)
		r.is(err, wtp.ErrConflict) // still under way
		r.claim("runner")
		r.send(c, "runner", db.Verdict{Kind: db.Accepted})
		for size := int64(200); size > 1; { // until a single server is refused
			b, _ := r.next(c, "runner")
			if size = b.Size; size > 1 {
				r.send(c, "runner", db.Verdict{Kind: db.Split})
			}
		}
		r.send(c, "runner", db.Verdict{Kind: db.Refused, Code: "HSS.1", Message: "no"})
		r.ok(r.s.StopRunning(r.ctx, c.ID, "runner", "because"))
		must(r.s.FinishChange(r.ctx, c.ID, "runner"))(r)
		r.wantCounts(c, map[wtp.Outcome]int64{wtp.TargetAccepted: 200, wtp.TargetRefused: 1, wtp.TargetStopped: 200})

		failed := must(retry(wtp.TargetRefused, wtp.TargetUnknown))(r)
		r.equal([]any{failed.TargetCount, failed.ToSend, failed.RetryOf, failed.Direction}, []any{1, 1, c.Number, wtp.Enable})
		rest := must(retry(wtp.TargetStopped))(r)
		r.equal([]any{rest.TargetCount, rest.ToSend}, []any{200, 200})
		both := must(retry(wtp.TargetStopped, wtp.TargetRefused))(r)
		r.equal(both.TargetCount, 201)
		next := r.confirmNever(rest)
		l := must(r.s.Links(r.ctx, must(r.s.ChangeByID(r.ctx, c.ID))(r)))(r)
		r.equal([]any{len(l.Next), l.Next[0].Number, len(l.Undo)}, []any{1, next.Number, 0})

		var bad wtp.Invalid
		for _, outcomes := range [][]wtp.Outcome{nil, {wtp.TargetAccepted}, {wtp.TargetRefused, "' OR 1=1"}} {
			if _, err := retry(outcomes...); !errors.As(err, &bad) {
				r.Errorf("%v: %v", outcomes, err)
			}
		}
		for name, try := range map[string]struct {
			d    wtp.Direction
			from db.PlanSource
			want error
		}{
			"the wrong way":  {wtp.Disable, db.PlanSource{RetryOf: c.Number, Outcomes: []wtp.Outcome{wtp.TargetRefused}}, wtp.ErrConflict},
			"undo onwards":   {wtp.Enable, db.PlanSource{UndoOf: c.Number}, wtp.ErrConflict},
			"nobody's":       {wtp.Enable, db.PlanSource{RetryOf: 99, Outcomes: []wtp.Outcome{wtp.TargetRefused}}, wtp.ErrNotFound},
			"none unknown":   {wtp.Enable, db.PlanSource{RetryOf: c.Number, Outcomes: []wtp.Outcome{wtp.TargetUnknown}}, wtp.ErrConflict},
			"while open":     {wtp.Disable, db.PlanSource{UndoOf: next.Number}, wtp.ErrConflict},
			"another's plan": {wtp.Disable, db.PlanSource{UndoOf: -1}, wtp.ErrNotFound},
		} {
			if _, err := r.s.PlanDynamicWTP(r.ctx, r.mei, r.p.ID, try.d, try.from, time.Hour); !errors.Is(err, try.want) {
				r.Errorf("%s: %v", name, err)
			}
		}
		if _, err := r.s.PlanDynamicWTP(r.ctx, r.mei, r.p.ID, wtp.Enable, db.PlanSource{RetryOf: c.Number, UndoOf: c.Number, Outcomes: []wtp.Outcome{wtp.TargetRefused}}, time.Hour); !errors.As(err, &bad) {
			r.Errorf("both at once: %v", err)
		}
		shop := r.project("Other")
		_, err = r.s.PlanDynamicWTP(r.ctx, r.mei, shop.ID, wtp.Disable, db.PlanSource{UndoOf: c.Number}, time.Hour)
		r.is(err, wtp.ErrNotFound)
	})
}

func TestServersOfAChangeAsTheSelection(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		state := fleet(250, func(i int, s *wtp.Server) {
			if i < 7 {
				s.OS = "windows"
			}
		})
		r.read(r.p, state)
		c := r.confirmNever(r.plan(wtp.Enable, ids(1, 250)...))
		r.claim("runner")
		r.send(c, "runner", db.Verdict{Kind: db.Accepted})
		r.ok(r.s.StopChange(r.ctx, r.mei, r.p.ID, c.Number))
		must(r.s.FinishChange(r.ctx, c.ID, "runner"))(r)
		must(r.s.Select(r.ctx, r.mei.UserID, r.p.ID, ids(1, 30), nil))(r)
		for want, q := range map[int64]db.TargetQuery{
			43:  {Outcome: wtp.TargetStopped},
			7:   {Outcome: wtp.TargetSkipped},
			200: {Outcome: wtp.TargetAccepted, Seen: wtp.SeenNothing},
			250: {},
		} {
			q.ChangeID = c.ID
			_, err := r.s.SelectTargets(r.ctx, r.mei.UserID, r.p.ID, q, want+1)
			r.is(err, wtp.ErrConflict)
			r.equal(must(r.s.SelectTargets(r.ctx, r.mei.UserID, r.p.ID, q, want))(r), want)
			r.equal(must(r.s.SelectionCount(r.ctx, r.mei.UserID, r.p.ID))(r), want)
		}
		must(r.s.Select(r.ctx, r.mei.UserID, r.p.ID, nil, ids(31, 300)))(r)
		must(r.s.Select(r.ctx, r.mei.UserID, r.p.ID, ids(1, 30), nil))(r)
		r.equal(must(r.s.SelectTargets(r.ctx, r.mei.UserID, r.p.ID, db.TargetQuery{ChangeID: c.ID, Outcome: wtp.TargetRefused}, 30))(r), 0)
		r.equal(must(r.s.SelectionCount(r.ctx, r.mei.UserID, r.p.ID))(r), 30) // nobody was refused: it stays
		other := r.project("Other")
		r.equal(must(r.s.SelectTargets(r.ctx, r.mei.UserID, other.ID, db.TargetQuery{ChangeID: c.ID}, 250))(r), 0)
	})
}

func TestUndoOfABackupServer(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		was := wtp.BackupServer{HostID: "b1", Name: "bk", IP: "10.1.1.2", Port: 1234, Dir: "/a", Status: wtp.BackupRunning}
		r.read(r.p, nil, was)
		now := was
		now.Dir = "/b"
		c := must(r.s.ConfirmBackup(r.ctx, r.mei, r.p.ID, &was, now.Config(), "disk", ""))(r)
		r.equal(c.UndoOf, 0)
		r.claim("runner")
		r.send(c, "runner", db.Verdict{Kind: db.Accepted})
		must(r.s.FinishChange(r.ctx, c.ID, "runner"))(r)
		r.read(r.p, nil, now)
		elsewhere := was.Config()
		elsewhere.Dir = "/c"
		for i, row := range []struct {
			to   wtp.BackupConfig
			want int64
		}{{elsewhere, 0}, {was.Config(), 0}} {
			if i == 1 { // HSS no longer shows what #1 left, so this is no undo of it
				moved := now
				moved.Dir = "/c"
				r.read(r.p, nil, moved)
				x := must(r.s.ConfirmBackupUndo(r.ctx, r.mei, r.p.ID, c.Number, &moved, row.to, db.Confirmation{Reason: "x"}))(r)
				r.equal(x.UndoOf, 0)
				r.drain(x)
				r.read(r.p, nil, now)
				continue
			}
			x := must(r.s.ConfirmBackupUndo(r.ctx, r.mei, r.p.ID, c.Number, &now, row.to, db.Confirmation{Reason: "x"}))(r)
			r.equal(x.UndoOf, row.want)
			r.drain(x)
		}
		x := must(r.s.ConfirmBackupUndo(r.ctx, r.mei, r.p.ID, c.Number, &now, was.Config(), db.Confirmation{Reason: "undo"}))(r)
		r.equal([]any{x.UndoOf, x.BackupAfter == c.BackupBefore}, []any{c.Number, true})
		r.drain(x)
		l := must(r.s.Links(r.ctx, must(r.s.ChangeByID(r.ctx, c.ID))(r)))(r)
		r.equal(fmt.Sprint(len(l.Undo), l.Undo[0].Number), fmt.Sprint(1, x.Number))
	})
}

// drain lets HSS accept a change of one batch.
func (r *rig) drain(c wtp.Change) {
	r.Helper()
	r.claim("runner")
	r.send(c, "runner", db.Verdict{Kind: db.Accepted})
	must(r.s.FinishChange(r.ctx, c.ID, "runner"))(r)
}
