package db_test

import (
	"errors"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

func backups(status ...int64) []wtp.BackupServer {
	out := make([]wtp.BackupServer, len(status))
	for i, s := range status {
		id := string(rune('1' + i))
		out[i] = wtp.BackupServer{HostID: "b-" + id, Name: "backup-0" + id, IP: "10.9.0." + id, Port: 8080, Dir: "/hss", Status: s}
	}
	return out
}

// users is a fleet of n servers; edit gives some a backup server.
func users(n int, uses map[int]string) []wtp.Server {
	return fleet(n, func(i int, s *wtp.Server) { s.BackupHostID = uses[i+1] })
}

func (r *rig) planTo(choice string, hosts ...string) wtp.Change {
	r.Helper()
	return must(r.s.PlanRemoteBackup(r.ctx, r.mei, r.p.ID, choice, db.PlanSource{HostIDs: hosts}, time.Hour))(r)
}

func (r *rig) confirmRemote(c wtp.Change) wtp.Change {
	r.Helper()
	return must(r.s.ConfirmRemote(r.ctx, r.mei, r.p.ID, c.UID, db.Confirmation{Reason: "because"}))(r)
}

// carry has HSS accept every batch of a change, and ends it.
func (r *rig) carry(c wtp.Change) wtp.Change {
	r.Helper()
	r.claim("o")
	for range r.batches(c) {
		r.clock.Advance(time.Second)
		r.send(c, "o", db.Verdict{Kind: db.Accepted})
	}
	return must(r.s.FinishChange(r.ctx, c.ID, "o"))(r)
}

func (r *rig) target(c wtp.Change, host string) wtp.Target {
	r.Helper()
	for _, t := range must(r.s.Targets(r.ctx, db.TargetQuery{ChangeID: c.ID, Limit: 1000}))(r) {
		if t.HostID == host {
			return t
		}
	}
	r.Fatalf("no target %s", host)
	return wtp.Target{}
}

func (r *rig) faulty(err error, field string) {
	r.Helper()
	var bad wtp.Invalid
	if !errors.As(err, &bad) || bad[0].Field != field {
		r.Fatalf("the error is %v, not one of %s", err, field)
	}
}

func TestRemoteBackupIsPlannedAsTheRuleSays(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		servers := fleet(10, func(i int, s *wtp.Server) {
			switch i {
			case 1:
				s.OS = "windows"
			case 2:
				s.AgentStatus = "offline"
			case 3:
				s.ProtectStatus = "closed"
			case 4:
				s.BackupHostID = "b-1"
			case 5:
				s.BackupHostID = "b-2"
			case 6:
				s.HostID = "b-1"
			case 7:
				s.AssetValue, s.BackupHostID = "important", "b-2"
			}
		})
		r.read(r.p, servers, backups(wtp.BackupRunning, wtp.BackupFailed)...)
		for _, choice := range []string{"", "b-2", "b-9"} {
			_, err := r.s.PlanRemoteBackup(r.ctx, r.mei, r.p.ID, choice, db.PlanSource{HostIDs: ids(1, 2)}, time.Hour)
			r.faulty(err, "to")
		}
		for _, choice := range []string{"b-1", wtp.RemoteOff} {
			c := must(r.s.PlanRemoteBackup(r.ctx, r.mei, r.p.ID, choice, db.PlanSource{Filter: &wtp.ServerFilter{}}, time.Hour))(r)
			r.equal(c.TargetCount, 10)
			var send int64
			for _, x := range must(r.s.Targets(r.ctx, db.TargetQuery{ChangeID: c.ID}))(r) {
				s := must(r.s.Server(r.ctx, r.p.ID, x.HostID))(r)
				b, why := wtp.ClassifyRemote(s, choice, wtp.RemoteFacts{Running: true})
				r.equal([]any{x.Bucket, x.Why, x.Before, x.Wanted}, []any{b, why, s.Remote(), choice})
				if b.Sent() {
					send++
				}
			}
			r.equal(c.ToSend, send)
		}
		r.equal(r.planTo("b-1", "ghost").ToSend, 0)
		_, err := r.s.Confirm(r.ctx, r.mei, r.p.ID, r.planTo("b-1", ids(1, 1)...).UID, db.Confirmation{Reason: "x"})
		r.is(err, wtp.ErrNotFound)
	})
}

func TestRemoteBackupIsReadBackAndUndone(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		both := backups(wtp.BackupRunning, wtp.BackupRunning)
		r.read(r.p, users(5, map[int]string{1: "b-2", 2: "b-2", 4: "b-1"}), both...)
		c := r.confirmRemote(r.planTo("b-1", ids(1, 5)...))
		for _, b := range r.batches(c) {
			r.equal([]any{b.Size, b.Step}, []any{1, 0})
		}
		r.equal(len(r.events("change.confirmed")), 1)
		_, err := r.s.ConfirmRemote(r.ctx, r.mei, r.p.ID, c.UID, db.Confirmation{Reason: "twice"})
		r.is(err, wtp.ErrConflict)
		r.equal(r.planTo("b-2", ids(1, 1)...).ToSend, 0) // in an open change
		c = r.carry(c)
		r.equal(must(r.s.UnseenRemote(r.ctx, r.p.ID))(r), []string{"h-00001", "h-00002", "h-00003", "h-00005"})
		// Of two that had another one and two that had none, somebody moves one elsewhere.
		r.read(r.p, users(5, map[int]string{1: "b-1", 2: "b-1", 3: "b-1", 4: "b-1", 5: "b-1"}), both...)
		r.equal(r.counts(c).Confirmed, 4)
		r.equal(len(must(r.s.UnseenRemote(r.ctx, r.p.ID))(r)), 0)
		now := map[int]string{1: "b-1", 2: "b-2", 3: "b-1", 4: "b-1", 5: "b-1"}
		r.read(r.p, users(5, now), both...)

		undo := must(r.s.PlanRemoteFrom(r.ctx, r.mei, r.p.ID, db.PlanSource{UndoOf: c.Number}, time.Hour))(r)
		r.equal([]any{undo.TargetCount, undo.ToSend, undo.Direction, undo.UndoOf}, []any{4, 3, wtp.Disable, c.Number})
		r.equal(r.target(undo, "h-00001").Wanted, "b-2")
		r.equal(r.target(undo, "h-00003").Wanted, wtp.RemoteOff)
		r.equal(r.target(undo, "h-00002").Why, wtp.WhyChangedSince)
		undo = r.carry(r.confirmRemote(undo))
		r.read(r.p, users(5, map[int]string{1: "b-2", 2: "b-2", 4: "b-1"}), both...)
		r.equal(r.counts(undo).Confirmed, 3)
		_, err = r.s.PlanRemoteFrom(r.ctx, r.mei, r.p.ID, db.PlanSource{RetryOf: undo.Number, Outcomes: []wtp.Outcome{wtp.TargetRefused}}, time.Hour)
		r.is(err, wtp.ErrConflict)
	})
}

func TestRemoteBackupThatMovedIsShownAgain(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		both := backups(wtp.BackupRunning, wtp.BackupRunning)
		r.read(r.p, users(3, nil), both...)
		moved := func(c wtp.Change, n int64) wtp.Change {
			r.Helper()
			_, err := r.s.ConfirmRemote(r.ctx, r.mei, r.p.ID, c.UID, db.Confirmation{Reason: "because"})
			var m *db.Moved
			if !errors.As(err, &m) || m.N != n {
				r.Fatalf("the error is %v, not %d moved", err, n)
			}
			r.equal(r.state(c), wtp.Dropped)
			return m.Change
		}
		c := r.planTo("b-1", ids(1, 3)...)
		r.read(r.p, users(3, map[int]string{1: "b-1", 2: "b-2"}), both...)
		c = moved(c, 2)
		r.equal(c.ToSend, 2)
		both[0].Port = 9090 // another address than was shown, also for the one that used it already
		r.read(r.p, users(3, map[int]string{1: "b-1", 2: "b-2"}), both...)
		c = moved(c, 3)
		r.equal(c.ToSend, 3)
		both[0].Status = wtp.BackupFailed
		r.read(r.p, users(3, map[int]string{1: "b-1", 2: "b-2"}), both...)
		c = moved(c, 3)
		r.equal(c.ToSend, 0)
	})
}

func TestBackupServerIsRemovedAfterItsServersMoved(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		both := backups(wtp.BackupRunning, wtp.BackupRunning)
		servers := users(4, map[int]string{1: "b-1", 2: "b-1", 3: "b-2"})
		r.read(r.p, servers, both...)
		for _, choice := range []string{"", "b-1"} {
			_, err := r.s.PlanBackupRemoval(r.ctx, r.mei, r.p.ID, "b-1", choice, time.Hour)
			r.faulty(err, "to")
		}
		_, err := r.s.PlanBackupRemoval(r.ctx, r.mei, r.p.ID, "b-9", "", time.Hour)
		r.is(err, wtp.ErrNotFound)

		// One of its servers can't be moved: it stays.
		offline := users(4, map[int]string{1: "b-1", 2: "b-1", 3: "b-2"})
		offline[1].AgentStatus = "offline"
		r.read(r.p, offline, both...)
		c := must(r.s.PlanBackupRemoval(r.ctx, r.mei, r.p.ID, "b-1", "b-2", time.Hour))(r)
		r.equal([]any{c.TargetCount, c.ToSend, r.target(c, "b-1").Bucket, r.target(c, "b-1").Why}, []any{3, 1, wtp.Cannot, wtp.WhyStillUsed})
		_, err = r.s.ConfirmRemote(r.ctx, r.mei, r.p.ID, c.UID, db.Confirmation{Reason: "x"})
		r.is(err, wtp.ErrConflict)
		r.equal(r.state(c), wtp.Planned)
		who := must(r.s.BackupUsers(r.ctx, r.p.ID, "b-1"))(r)
		r.equal([]any{len(who), who[0].HostID, who[0].Stays, who[1].HostID, who[1].Stays}, []any{2, "h-00001", wtp.Why(""), "h-00002", wtp.WhyAgentOffline})
		// The other one can be moved meanwhile, and is in the way of nothing then.
		r.confirmRemote(must(r.s.PlanRemoteBackup(r.ctx, r.mei, r.p.ID, "b-2", db.PlanSource{Filter: &wtp.ServerFilter{Backup: []string{"b-1"}}}, time.Hour))(r))
		r.equal(must(r.s.BackupUsers(r.ctx, r.p.ID, "b-1"))(r)[0].Stays, wtp.WhyOpenChange)
		r.is(r.s.StopChange(r.ctx, r.mei, r.p.ID, 1), nil)

		// One more comes to use it before the plan is confirmed.
		r.read(r.p, users(4, map[int]string{1: "b-1"}), both...)
		c = must(r.s.PlanBackupRemoval(r.ctx, r.mei, r.p.ID, "b-1", "b-2", time.Hour))(r)
		r.read(r.p, servers, both...)
		_, err = r.s.ConfirmRemote(r.ctx, r.mei, r.p.ID, c.UID, db.Confirmation{Reason: "x"})
		var m *db.Moved
		if !errors.As(err, &m) || m.N != 1 {
			t.Fatalf("the error is %v", err)
		}
		c = r.confirmRemote(m.Change)
		r.equal([]any{c.TargetCount, c.ToSend}, []any{3, 3})
		batches := r.batches(c)
		r.equal([]any{batches[0].Step, batches[1].Step, batches[2].Step}, []any{1, 1, 2})

		// Nobody may be pointed at it meanwhile.
		_, err = r.s.ConfirmRemote(r.ctx, r.mei, r.p.ID, r.planTo("b-1", "h-00004").UID, db.Confirmation{Reason: "x"})
		r.is(err, wtp.ErrConflict)

		r.claim("o")
		r.send(c, "o", db.Verdict{Kind: db.Accepted})
		r.send(c, "o", db.Verdict{Kind: db.Accepted})
		if _, _, ok, _, err := r.s.NextBatch(r.ctx, c.ID, "o"); ok || err != nil {
			t.Fatalf("the removal may be sent before its servers were read back: %v", err)
		}
		r.read(r.p, users(4, map[int]string{1: "b-2", 2: "b-2", 3: "b-2"}), both...)
		b, targets := r.next(c, "o")
		r.equal([]any{b.Step, targets[0].Kind, targets[0].HostID, targets[0].Wanted}, []any{2, wtp.BackupHost, "b-1", wtp.BackupRemoved})
		r.send(c, "o", db.Verdict{Kind: db.Accepted})
		c = must(r.s.FinishChange(r.ctx, c.ID, "o"))(r)
		r.read(r.p, users(4, map[int]string{1: "b-2", 2: "b-2", 3: "b-2"}), both...)
		r.equal(r.counts(c).Otherwise, 1)
		r.read(r.p, users(4, map[int]string{1: "b-2", 2: "b-2", 3: "b-2"}), both[1])
		r.equal(r.counts(c).Confirmed, 3)
	})
}

func TestUnusedBackupServerIsRemovedAlone(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		both := backups(wtp.BackupRunning, wtp.BackupFailed)
		r.read(r.p, users(2, nil), both...)
		c := must(r.s.PlanBackupRemoval(r.ctx, r.mei, r.p.ID, "b-2", "", time.Hour))(r)
		r.equal([]any{c.TargetCount, c.ToSend}, []any{1, 1})
		// Somebody comes to use it: planned anew by a person, who says where they go.
		r.read(r.p, users(2, map[int]string{1: "b-2"}), both...)
		_, err := r.s.ConfirmRemote(r.ctx, r.mei, r.p.ID, c.UID, db.Confirmation{Reason: "x"})
		r.is(err, wtp.ErrConflict)
		r.read(r.p, users(2, nil), both...)
		c = r.carry(r.confirmRemote(c))
		r.equal(r.batches(c)[0].Step, 0)
		r.read(r.p, users(2, nil), both[0])
		r.equal(r.counts(c).Confirmed, 1)
	})
}
