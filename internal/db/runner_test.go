package db_test

import (
	"sync"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

func TestChangeFromConfirmationToEnd(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(450, nil))
		c := r.confirm(r.plan(wtp.Enable, ids(1, 450)...))
		got := r.claim("a")
		r.equal([]any{got.ID, got.State, got.LeaseOwner, got.StartedAt}, []any{c.ID, wtp.Running, "a", r.s.Now()})

		b, ts := r.next(c, "a")
		r.equal([]any{b.No, b.State, len(ts), ts[0].HostID}, []any{1, wtp.BatchWaiting, 200, "h-00001"})
		call := r.begin(b, "a")
		r.equal([]any{call.ChangeID, call.BatchID, call.Hosts, call.SentAt, call.EndedAt}, []any{c.ID, b.ID, 200, r.s.Now(), 0})
		r.wantCounts(c, map[wtp.Outcome]int64{wtp.TargetWaiting: 250, wtp.TargetSending: 200})
		_, err := r.s.BeginCall(r.ctx, "a", b, wtp.Call{Operation: "SetRaspSwitch"})
		r.is(err, wtp.ErrConflict) // it is in flight
		_, err = r.s.FinishChange(r.ctx, c.ID, "a")
		r.is(err, wtp.ErrConflict)

		r.clock.Advance(time.Second)
		call.Status, call.Class, call.RequestID = 200, "ok", "hss-1"
		r.ok(r.s.EndCall(r.ctx, "a", call, db.Verdict{Kind: db.Accepted}))
		r.is(r.s.EndCall(r.ctx, "a", call, db.Verdict{Kind: db.Accepted}), wtp.ErrConflict)
		r.send(c, "a", db.Verdict{Kind: db.Accepted})
		r.send(c, "a", db.Verdict{Kind: db.Accepted})
		_, _, ok, until, err := r.s.NextBatch(r.ctx, c.ID, "a")
		r.ok(err)
		r.equal([]any{ok, until}, []any{false, 0})

		end := must(r.s.FinishChange(r.ctx, c.ID, "a"))(r)
		r.equal([]any{end.State, end.FinishedAt, end.ReadBackAt, end.LeaseOwner}, []any{wtp.Done, r.s.Now(), r.s.Now(), ""})
		r.wantCounts(c, map[wtp.Outcome]int64{wtp.TargetAccepted: 450})
		calls := must(r.s.Calls(r.ctx, c.ID, 0, 10))(r)
		r.equal([]any{len(calls), calls[0].RequestID, calls[0].EndedAt - calls[0].SentAt}, []any{3, "hss-1", 1000})
		x := must(r.s.Targets(r.ctx, db.TargetQuery{ChangeID: c.ID, Limit: 1}))(r)[0]
		r.equal([]any{x.CallID, x.DecidedAt, x.BatchID}, []any{call.ID, calls[0].EndedAt, b.ID})
		_, ok, err = r.s.ClaimChange(r.ctx, "b")
		r.ok(err)
		r.equal(ok, false)
		r.equal(len(r.events("change.finished")), 1)
		r.equal(len(must(r.s.OpenChanges(r.ctx, 0))(r)), 0)
	})
}

func TestVerdicts(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(3, nil))
		c := r.confirm(r.plan(wtp.Enable, ids(1, 3)...))
		r.claim("a")
		// Throttled: waits, and doesn't count.
		later := r.s.Now().Add(time.Minute)
		r.send(c, "a", db.Verdict{Kind: db.Again, RunAt: later, Free: true})
		_, _, ok, until, err := r.s.NextBatch(r.ctx, c.ID, "a")
		r.ok(err)
		r.equal([]any{ok, until, r.batches(c)[0].Attempts}, []any{false, later, 0})
		r.clock.Advance(time.Minute)
		r.send(c, "a", db.Verdict{Kind: db.Again})
		r.equal(r.batches(c)[0].Attempts, 1)

		// A refused batch of several can't be the culprit's; a single one can't be split.
		b, _ := r.next(c, "a")
		call := r.begin(b, "a")
		if err := r.s.EndCall(r.ctx, "a", call, db.Verdict{Kind: db.Refused}); err == nil {
			r.Error("three servers refused at once")
		}
		r.ok(r.s.EndCall(r.ctx, "a", call, db.Verdict{Kind: db.Split}))
		bs := r.batches(c)
		r.equal([]any{len(bs), bs[0].State, bs[1].Size, bs[2].Size, bs[1].Parent, bs[2].Parent}, []any{3, wtp.BatchSplit, 2, 1, bs[0].ID, bs[0].ID})
		r.wantCounts(c, map[wtp.Outcome]int64{wtp.TargetWaiting: 3})
		b, _ = r.next(c, "a") // the newest half first
		r.equal(b.Size, 1)
		call = r.begin(b, "a")
		if err := r.s.EndCall(r.ctx, "a", call, db.Verdict{Kind: db.Split}); err == nil {
			r.Error("one server split")
		}
		if err := r.s.EndCall(r.ctx, "a", call, db.Verdict{Kind: "fine"}); err == nil {
			r.Error("an unknown verdict passed")
		}
		call.Class, call.Code, call.Message = "refused", "HSS.1", "no"
		r.ok(r.s.EndCall(r.ctx, "a", call, db.Verdict{Kind: db.Refused, Code: "HSS.1", Message: "no such host"}))
		bad := must(r.s.Targets(r.ctx, db.TargetQuery{ChangeID: c.ID, Outcome: wtp.TargetRefused}))(r)
		r.equal([]any{len(bad), bad[0].HostID, bad[0].Code, bad[0].Message, bad[0].CallID}, []any{1, "h-00003", "HSS.1", "no such host", call.ID})
		r.send(c, "a", db.Verdict{Kind: db.Split})
		r.send(c, "a", db.Verdict{Kind: db.Accepted})
		r.send(c, "a", db.Verdict{Kind: db.Accepted})
		r.equal(must(r.s.FinishChange(r.ctx, c.ID, "a"))(r).State, wtp.Done)
		r.wantCounts(c, map[wtp.Outcome]int64{wtp.TargetAccepted: 2, wtp.TargetRefused: 1})
		r.equal(r.counts(c).Open(), 0)
	})
}

func TestTwoPoisonedServersEndAsTwoRefusals(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		const n = 1000
		r.read(r.p, fleet(n, nil))
		c := r.confirm(r.plan(wtp.Enable, ids(1, n)...))
		r.claim("a")
		poison := map[string]bool{"h-00007": true, "h-00801": true}
		calls := 0
		for {
			b, ts, ok, _, err := r.s.NextBatch(r.ctx, c.ID, "a")
			if err != nil {
				r.Fatal(err)
			}
			if !ok {
				break
			}
			call, err := r.s.BeginCall(r.ctx, "a", b, wtp.Call{Operation: "SetRaspSwitch", Hosts: int64(len(ts))})
			if err != nil {
				r.Fatal(err)
			}
			calls++
			v := db.Verdict{Kind: db.Accepted}
			for _, x := range ts {
				if poison[x.HostID] {
					v.Kind = db.Split
					if len(ts) == 1 {
						v.Kind = db.Refused
					}
				}
			}
			if err := r.s.EndCall(r.ctx, "a", call, v); err != nil {
				r.Fatal(err)
			}
		}
		must(r.s.FinishChange(r.ctx, c.ID, "a"))(r)
		r.wantCounts(c, map[wtp.Outcome]int64{wtp.TargetAccepted: n - 2, wtp.TargetRefused: 2})
		if calls > 5+2*2*8 {
			r.Errorf("%d calls", calls)
		}
	})
}

func TestKilledInFlightIsUnclear(t *testing.T) {
	eachRig(t, func(r *rig, open func() *db.Store) {
		r.read(r.p, fleet(250, nil))
		c := r.confirm(r.plan(wtp.Enable, ids(1, 250)...))
		r.claim("a")
		b, _ := r.next(c, "a")
		call := r.begin(b, "a")
		first := r.s
		if r.s.Dialect() == "sqlite" {
			if err := r.s.Close(); err != nil { // the process dies
				r.Fatal(err)
			}
			first = nil
		}
		r.s = open()
		if r.s.Dialect() == "postgres" {
			_, ok, err := r.s.ClaimChange(r.ctx, "b")
			r.ok(err)
			r.equal(ok, false) // the lease is still good
			r.clock.Advance(r.s.LeaseFor())
		}
		got := r.claim("b")
		r.equal([]any{got.ID, got.LeaseOwner}, []any{c.ID, "b"})
		r.wantCounts(c, map[wtp.Outcome]int64{wtp.TargetWaiting: 50, wtp.TargetUnclear: 200})
		calls := must(r.s.Calls(r.ctx, c.ID, 0, 10))(r)
		r.equal([]any{calls[0].Class, calls[0].EndedAt, calls[0].Message}, []any{"unclear", 0, "The console ended before an answer came."})
		again, ts := r.next(c, "b")
		r.equal([]any{again.ID, again.State, len(ts), again.Attempts}, []any{b.ID, wtp.BatchUnclear, 200, 1})
		if first != nil {
			// The late answer of the process that stood still is fenced off.
			r.is(first.EndCall(r.ctx, "a", call, db.Verdict{Kind: db.Accepted}), wtp.ErrConflict)
			r.is(first.Heartbeat(r.ctx, c.ID, "a"), wtp.ErrConflict)
			_, _, _, _, err := first.NextBatch(r.ctx, c.ID, "a")
			r.is(err, wtp.ErrConflict)
			r.is(first.StopRunning(r.ctx, c.ID, "a", "x"), wtp.ErrConflict)
			_, err = first.FinishChange(r.ctx, c.ID, "a")
			r.is(err, wtp.ErrConflict)
		}
		r.is(r.s.SettleLater(r.ctx, "a", b.ID, 0), wtp.ErrConflict)
		_, err := r.s.BeginCall(r.ctx, "b", again, wtp.Call{Operation: "SetRaspSwitch"})
		r.is(err, wtp.ErrConflict) // settled first
	})
}

func TestLeases(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(2, nil))
		c := r.confirm(r.plan(wtp.Enable, "h-00001"))
		d := r.confirm(r.plan(wtp.Enable, "h-00002"))
		r.equal(r.claim("a").ID, c.ID)
		r.equal(r.claim("a").ID, d.ID) // not the same one again
		r.clock.Advance(r.s.LeaseFor() - time.Millisecond)
		r.ok(r.s.Heartbeat(r.ctx, c.ID, "a"))
		r.clock.Advance(time.Millisecond)
		r.equal(r.claim("b").ID, d.ID)
		r.is(r.s.ReleaseChange(r.ctx, d.ID, "a"), wtp.ErrConflict)
		r.ok(r.s.ReleaseChange(r.ctx, c.ID, "a"))
		r.equal(r.claim("b").ID, c.ID)
	})
}

func TestClaimsRace(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(4, nil))
		for _, id := range ids(1, 4) {
			r.confirm(r.plan(wtp.Enable, id))
		}
		var wg sync.WaitGroup
		got := make([]int64, 8)
		for i := range got {
			wg.Go(func() {
				c, ok, err := r.s.ClaimChange(r.ctx, "a")
				if err != nil {
					r.Error(err)
				}
				if ok {
					got[i] = c.ID
				}
			})
		}
		wg.Wait()
		seen := map[int64]bool{}
		for _, id := range got {
			if id != 0 && seen[id] {
				r.Errorf("change %d was claimed twice", id)
			}
			seen[id] = true
		}
		for range 4 - (len(seen) - 1) { // a racer that was too late comes again
			r.claim("b")
		}
	})
}

func TestSettle(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(5, nil))
		c := r.confirm(r.plan(wtp.Enable, ids(1, 5)...))
		r.claim("a")
		b := r.send(c, "a", db.Verdict{Kind: db.Unclear})
		r.wantCounts(c, map[wtp.Outcome]int64{wtp.TargetUnclear: 5})
		later := r.s.Now().Add(time.Minute)
		r.ok(r.s.SettleLater(r.ctx, "a", b.ID, later))
		_, _, ok, until, err := r.s.NextBatch(r.ctx, c.ID, "a")
		r.ok(err)
		r.equal([]any{ok, until}, []any{false, later})
		r.clock.Advance(time.Minute)

		seen := map[string]string{"h-00001": wtp.Opened, "h-00002": wtp.Opened, "h-00003": wtp.Closed, "h-00004": wtp.Closed}
		r.ok(r.s.Settle(r.ctx, "a", b.ID, seen, 3))
		// Of the fifth HSS shows nothing: nobody knows that it was not applied.
		r.wantCounts(c, map[wtp.Outcome]int64{wtp.TargetAccepted: 2, wtp.TargetWaiting: 2, wtp.TargetUnknown: 1})
		r.equal(r.counts(c).Confirmed, 2)
		r.is(r.s.Settle(r.ctx, "a", b.ID, seen, 3), wtp.ErrConflict) // it is no longer unclear
		again, ts := r.next(c, "a")
		r.equal([]any{again.ID, len(ts), ts[0].HostID, ts[0].Seen}, []any{b.ID, 2, "h-00003", ""})
		call := r.begin(again, "a")
		r.equal(call.Hosts, 2)
		r.ok(r.s.EndCall(r.ctx, "a", call, db.Verdict{Kind: db.Unclear}))
		// Sent twice: enough for a limit of 2.
		r.ok(r.s.Settle(r.ctx, "a", b.ID, map[string]string{"h-00003": wtp.Opened, "h-00004": wtp.Closed}, 2))
		r.wantCounts(c, map[wtp.Outcome]int64{wtp.TargetAccepted: 3, wtp.TargetUnknown: 2})
		r.equal(r.batches(c)[0].State, wtp.BatchMixed)
		r.equal(must(r.s.FinishChange(r.ctx, c.ID, "a"))(r).State, wtp.Done)
	})
}

func TestGiveUp(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(2, nil))
		c := r.confirm(r.plan(wtp.Enable, ids(1, 2)...))
		r.claim("a")
		b := r.send(c, "a", db.Verdict{Kind: db.Unclear})
		r.ok(r.s.GiveUp(r.ctx, "a", b.ID))
		r.equal(r.batches(c)[0].State, wtp.BatchUnknown)
		r.wantCounts(c, map[wtp.Outcome]int64{wtp.TargetUnknown: 2})
		r.is(r.s.GiveUp(r.ctx, "a", b.ID), wtp.ErrConflict)
	})
}

func TestStopLetsTheBatchInFlightAnswer(t *testing.T) {
	for _, v := range []struct {
		verdict db.VerdictKind
		want    wtp.Outcome
		state   wtp.BatchState
	}{
		{db.Accepted, wtp.TargetAccepted, wtp.BatchAccepted},
		{db.Again, wtp.TargetStopped, wtp.BatchStopped},
		{db.Split, wtp.TargetStopped, wtp.BatchStopped},
		{db.Unclear, wtp.TargetUnclear, wtp.BatchUnclear},
	} {
		t.Run(string(v.verdict), func(t *testing.T) {
			eachRig(t, func(r *rig, _ func() *db.Store) {
				r.read(r.p, fleet(500, nil))
				c := r.confirm(r.plan(wtp.Enable, ids(1, 500)...))
				r.claim("a")
				b, _ := r.next(c, "a")
				call := r.begin(b, "a")
				r.ok(r.s.StopChange(r.ctx, r.mei, r.p.ID, c.Number))
				r.ok(r.s.StopChange(r.ctx, r.mei, r.p.ID, c.Number)) // once more does nothing
				r.wantCounts(c, map[wtp.Outcome]int64{wtp.TargetSending: 200, wtp.TargetStopped: 300})
				r.equal(r.state(c), wtp.Running)
				r.ok(r.s.EndCall(r.ctx, "a", call, db.Verdict{Kind: v.verdict}))
				r.equal(r.batches(c)[0].State, v.state)
				r.equal(r.counts(c).Of(v.want) >= 200, true)
				if v.verdict == db.Unclear {
					got, ts := r.next(c, "a")
					r.equal([]any{got.ID, len(ts)}, []any{b.ID, 200})
					// Not sent again, however many attempts there were.
					r.ok(r.s.Settle(r.ctx, "a", b.ID, map[string]string{"h-00001": wtp.Opened, "h-00002": wtp.Closed}, 3))
					r.wantCounts(c, map[wtp.Outcome]int64{wtp.TargetAccepted: 1, wtp.TargetUnknown: 199, wtp.TargetStopped: 300})
				}
				end := must(r.s.FinishChange(r.ctx, c.ID, "a"))(r)
				r.equal([]any{end.State, end.StoppedByName, end.StopWhy}, []any{wtp.Stopped, "Mei", ""})
				r.is(r.s.StopChange(r.ctx, r.mei, r.p.ID, c.Number), wtp.ErrConflict)
				r.equal([]any{len(r.events("change.stopped")), len(r.events("change.finished"))}, []any{1, 1})
			})
		})
	}
}

func TestStopWithNothingInFlightEndsAtOnce(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(3, nil))
		c := r.confirm(r.plan(wtp.Enable, "h-00001"))
		r.ok(r.s.StopChange(r.ctx, r.mei, r.p.ID, c.Number)) // still in the queue
		r.equal(r.state(c), wtp.Stopped)

		d := r.confirm(r.plan(wtp.Enable, "h-00001", "h-00002"))
		r.claim("a")
		b, _ := r.next(d, "a")
		r.ok(r.s.StopRunning(r.ctx, d.ID, "a", "HSS refused the credential."))
		r.equal(r.state(d), wtp.Stopped)
		_, err := r.s.BeginCall(r.ctx, "a", b, wtp.Call{Operation: "SetRaspSwitch"})
		r.is(err, wtp.ErrConflict)
		_, _, ok, until, err := r.s.NextBatch(r.ctx, d.ID, "a")
		r.ok(err)
		r.equal([]any{ok, until}, []any{false, 0})
		end := must(r.s.FinishChange(r.ctx, d.ID, "a"))(r)
		r.equal([]any{end.State, end.StopWhy, end.LeaseOwner}, []any{wtp.Stopped, "HSS refused the credential.", ""})
		r.is(r.s.StopChange(r.ctx, r.mei, r.p.ID, 99), wtp.ErrNotFound)
	})
}

func TestStopRacesWithSending(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(400, nil))
		c := r.confirm(r.plan(wtp.Enable, ids(1, 400)...))
		r.claim("a")
		b, _ := r.next(c, "a")
		var wg sync.WaitGroup
		var began error
		wg.Go(func() { _, began = r.s.BeginCall(r.ctx, "a", b, wtp.Call{Operation: "SetRaspSwitch"}) })
		wg.Go(func() {
			if err := r.s.StopChange(r.ctx, r.mei, r.p.ID, c.Number); err != nil {
				r.Error(err)
			}
		})
		wg.Wait()
		r.check()
		if began == nil {
			r.wantCounts(c, map[wtp.Outcome]int64{wtp.TargetSending: 200, wtp.TargetStopped: 200})
		} else {
			r.is(began, wtp.ErrConflict)
			r.wantCounts(c, map[wtp.Outcome]int64{wtp.TargetStopped: 400})
		}
	})
}

func TestMayGoOn(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(1, nil))
		li := must(r.s.CreateUser(r.ctx, r.mei, wtp.User{Name: "Li", NameKey: "li", Role: wtp.Operator}))(r)
		plan := r.plan(wtp.Enable, "h-00001")
		c := must(r.s.Confirm(r.ctx, wtp.Actor{UserID: li.ID, Name: "Li"}, r.p.ID, plan.UID, db.Confirmation{Reason: "x"}))(r)
		may := func() string {
			ok, why, err := r.s.MayGoOn(r.ctx, c.ID)
			r.ok(err)
			r.equal(ok, why == "")
			return why
		}
		r.equal(may(), "")
		must(r.s.ChangeUser(r.ctx, r.mei, li.ID, wtp.Viewer, false))(r)
		r.equal(may(), "The person who confirmed it may no longer act.")
		must(r.s.ChangeUser(r.ctx, r.mei, li.ID, wtp.Operator, true))(r)
		r.equal(may(), "The person who confirmed it was disabled.")
		must(r.s.ChangeUser(r.ctx, r.mei, li.ID, wtp.Operator, false))(r)
		r.equal(may(), "")
	})
}

func TestBackupServerChange(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(1, nil), wtp.BackupServer{HostID: "b1", Name: "Backup", IP: "10.1.1.1", Port: 8080, Dir: "/a", Status: wtp.BackupRunning})
		was := must(r.s.BackupServer(r.ctx, r.p.ID, "b1"))(r)
		to := wtp.BackupConfig{HostID: "b1", Name: "Backup", IP: "10.1.1.2", Port: 8080, Dir: "/b"}
		stale := was
		stale.Dir = "/old"
		for _, now := range []*wtp.BackupServer{nil, &stale} {
			_, err := r.s.ConfirmBackup(r.ctx, r.mei, r.p.ID, now, to, "x", "")
			r.is(err, wtp.ErrConflict)
		}
		must(r.s.Select(r.ctx, r.mei.UserID, r.p.ID, []string{"h-00001"}, nil))(r)
		c := must(r.s.ConfirmBackup(r.ctx, r.mei, r.p.ID, &was, to, "new disk", "T-2"))(r)
		r.equal([]any{c.State, c.Number, c.Kind, c.Direction, c.ToSend}, []any{wtp.Queued, 1, wtp.BackupHost, "", 1})
		r.equal([]any{c.BackupBefore, c.BackupAfter}, []any{`{"host_id":"b1","name":"Backup","ip":"10.1.1.1","port":8080,"dir":"/a"}`, `{"host_id":"b1","name":"Backup","ip":"10.1.1.2","port":8080,"dir":"/b"}`})
		r.equal(must(r.s.SelectionCount(r.ctx, r.mei.UserID, r.p.ID))(r), 1) // has nothing to do with it
		_, err := r.s.ConfirmBackup(r.ctx, r.mei, r.p.ID, &was, to, "again", "")
		r.is(err, wtp.ErrConflict)
		_, err = r.s.ConfirmBackup(r.ctx, r.mei, r.p.ID, nil, wtp.BackupConfig{HostID: "b2", IP: "10.1.1.3", Port: 1, Dir: "/c"}, "", "")
		if err == nil {
			r.Error("no reason was given")
		}

		r.claim("a")
		r.send(c, "a", db.Verdict{Kind: db.Accepted})
		must(r.s.FinishChange(r.ctx, c.ID, "a"))(r)
		// Saved but still starting: read back again.
		r.read(r.p, fleet(1, nil), wtp.BackupServer{HostID: "b1", Name: "Other name", IP: "10.1.1.2", Port: 8080, Dir: "/b", Status: wtp.BackupStarting})
		r.equal(r.counts(c).Confirmed, 1)
		x := must(r.s.Targets(r.ctx, db.TargetQuery{ChangeID: c.ID}))(r)[0]
		r.equal([]any{x.Seen, x.Confirmed(), x.Before}, []any{db.ConfigJSON(to), true, db.ConfigJSON(was.Config())})
		if must(r.s.ChangeByID(r.ctx, c.ID))(r).ReadBackAt == 0 {
			r.Error("it has neither started nor failed")
		}
		r.equal(must(r.s.ProjectByID(r.ctx, r.p.ID))(r).BackupTrouble, 1)
		r.read(r.p, fleet(1, nil), wtp.BackupServer{HostID: "b1", IP: "10.1.1.2", Port: 8080, Dir: "/b", Status: wtp.BackupRunning})
		r.equal(must(r.s.ChangeByID(r.ctx, c.ID))(r).ReadBackAt, 0)
		r.equal(must(r.s.ProjectByID(r.ctx, r.p.ID))(r).BackupTrouble, 0)
	})
}
