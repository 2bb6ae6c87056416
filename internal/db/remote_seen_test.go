package db_test

import (
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

// TestWhatAChangeReadsBackIsKeptInTheInventory: the servers that a change was seen to
// have moved use the backup server from then on, for its next removal too, whatever
// list was read before.
func TestWhatAChangeReadsBackIsKeptInTheInventory(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		uses := func() map[string]int64 {
			r.Helper()
			r.ok(r.s.Check(r.ctx))
			return must(r.s.BackupUse(r.ctx, r.p.ID))(r)
		}
		three := backups(wtp.BackupRunning, wtp.BackupRunning, wtp.BackupRunning)
		old := map[int]string{1: "b-1", 2: "b-1"}
		r.read(r.p, users(5, old), three...)

		// Moved within a removal, and read back by its next step.
		c := r.confirmRemote(must(r.s.PlanBackupRemoval(r.ctx, r.mei, r.p.ID, "b-1", "b-2", time.Hour))(r))
		r.claim("o")
		r.send(c, "o", db.Verdict{Kind: db.Accepted})
		r.send(c, "o", db.Verdict{Kind: db.Accepted})
		r.equal(uses(), map[string]int64{"b-1": 2})
		r.ok(r.s.WantRead(r.ctx, r.p.ID))
		_, ok, err := r.s.ClaimRead(r.ctx, "reader", time.Hour)
		r.equal([]any{ok, err}, []any{true, nil})
		began := r.s.Now()
		r.clock.Advance(time.Second)
		r.ok(r.s.NoteSeen(r.ctx, "o", c.ID, must(r.s.UnseenOfStep(r.ctx, c.ID, 1, 100))(r), map[string]string{"h-00001": "b-2", "h-00002": "b-2"}))
		r.equal(uses(), map[string]int64{"b-2": 2})
		must(r.s.SaveInventory(r.ctx, r.p.ID, "reader", began, users(5, old), three))(r) // older than that
		r.equal(uses(), map[string]int64{"b-2": 2})
		r.equal(len(must(r.s.BackupUsers(r.ctx, r.p.ID, "b-2"))(r)), 2)
		r.send(c, "o", db.Verdict{Kind: db.Accepted})
		must(r.s.FinishChange(r.ctx, c.ID, "o"))(r)
		_, err = r.s.PlanBackupRemoval(r.ctx, r.mei, r.p.ID, "b-2", "", time.Hour)
		r.faulty(err, "to")

		// Settled by reading back.
		c = r.confirmRemote(r.planTo("b-3", "h-00003"))
		r.claim("o")
		b := r.send(c, "o", db.Verdict{Kind: db.Unclear})
		r.ok(r.s.Settle(r.ctx, "o", b.ID, map[string]string{"h-00003": "b-3"}, 3))
		r.equal(uses(), map[string]int64{"b-2": 2, "b-3": 1})
		must(r.s.FinishChange(r.ctx, c.ID, "o"))(r)
		c = r.confirmRemote(r.planTo(wtp.RemoteOff, "h-00003"))
		r.claim("o")
		b = r.send(c, "o", db.Verdict{Kind: db.Unclear})
		r.ok(r.s.Settle(r.ctx, "o", b.ID, map[string]string{"h-00003": wtp.RemoteOff}, 3))
		must(r.s.FinishChange(r.ctx, c.ID, "o"))(r)
		r.equal(uses(), map[string]int64{"b-2": 2})

		// Accepted, and not seen yet.
		r.carry(r.confirmRemote(r.planTo("b-3", "h-00004")))
		c = must(r.s.PlanBackupRemoval(r.ctx, r.mei, r.p.ID, "b-3", "", time.Hour))(r)
		_, err = r.s.ConfirmRemote(r.ctx, r.mei, r.p.ID, c.UID, db.Confirmation{Reason: "x"})
		r.is(err, wtp.ErrConflict)
		r.read(r.p, users(5, map[int]string{1: "b-2", 2: "b-2"}), three[1:]...) // it doesn't
		r.clock.Advance(time.Hour)
		r.read(r.p, users(5, map[int]string{1: "b-2", 2: "b-2"}), three[1:]...)
		r.confirmRemote(must(r.s.PlanBackupRemoval(r.ctx, r.mei, r.p.ID, "b-3", "", time.Hour))(r))
	})
}
