package db_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

// addressed is a project whose servers 1 to 4 of six use b-1, which has got another
// address since: at is the address it had, now the one it has.
func addressed(r *rig) (at, now string, servers []wtp.Server, both []wtp.BackupServer) {
	r.Helper()
	servers = users(6, map[int]string{1: "b-1", 2: "b-1", 3: "b-1", 4: "b-1", 5: "b-2"})
	both = backups(wtp.BackupRunning, wtp.BackupRunning)
	at = both[0].Addr()
	r.read(r.p, servers, both...)
	r.equal(r.planTo("b-1", ids(1, 4)...).ToSend, 0) // an address that isn't known counts as the present one
	r.equal(r.old("b-1"), 0)
	both = backups(wtp.BackupRunning, wtp.BackupRunning)
	both[0].IP, both[0].Port = "10.9.0.11", 9090
	now = both[0].Addr()
	return at, now, servers, both
}

func (r *rig) old(hostID string) int64 {
	r.Helper()
	return must(r.s.OldAddrs(r.ctx, r.p.ID))(r)[hostID]
}

// show has HSS show a server's remote backup.
func (r *rig) show(host, backup, addr string) {
	r.Helper()
	r.clock.Advance(time.Second)
	r.ok(r.s.NoteRemoteAddr(r.ctx, r.p.ID, host, backup, addr, r.s.Now()))
}

func (r *rig) planAddress() wtp.Change {
	r.Helper()
	return must(r.s.PlanRemoteAddress(r.ctx, r.mei, r.p.ID, "b-1", time.Hour))(r)
}

func TestServersOfABackupServerKeepItsOldAddress(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		at, now, servers, both := addressed(r)
		_, err := r.s.PlanRemoteAddress(r.ctx, r.mei, r.p.ID, "b-1", time.Hour)
		r.is(err, wtp.ErrConflict)
		// It is noticed by whoever reads it first, and the servers that come to use it in
		// the same reading may know it.
		r.clock.Advance(time.Second)
		r.ok(r.s.SaveBackupServers(r.ctx, r.p.ID, r.s.Now(), both))
		r.equal(r.old("b-1"), 4)
		servers[5].BackupHostID = "b-1"
		r.read(r.p, servers, both...)
		r.equal([]any{r.old("b-1"), r.old("b-2")}, []any{4, 0})

		c := r.planTo("b-1", ids(1, 6)...)
		r.equal(c.ToSend, 5)
		x := r.target(c, "h-00001")
		r.equal([]any{x.Bucket, x.Why, x.Before, x.Wanted}, []any{wtp.WillChange, wtp.WhyOldAddress, wtp.RemoteAt("b-1", at), "b-1"})
		x = r.target(c, "h-00005")
		r.equal([]any{x.Bucket, x.Why, x.Before}, []any{wtp.WillChange, wtp.Why(""), "b-2"})
		r.equal(r.target(c, "h-00006").Why, wtp.WhyUsesIt)
		// Moving to another one or off asks for no address.
		r.equal(r.target(r.planTo("b-2", "h-00001"), "h-00001").Before, "b-1")

		// What HSS shows of one goes before what is believed.
		r.show("h-00002", "b-1", now)
		r.equal(r.old("b-1"), 3)
		r.show("h-00006", "b-1", "10.9.0.77:1")
		r.equal(r.old("b-1"), 4)
		r.show("h-00006", "b-1", " "+now)
		r.show("h-00006", "b-1", "") // doesn't say
		r.equal(r.old("b-1"), 3)
		c = r.planAddress()
		to, err := wtp.ParseRemoteTo(c.BackupAfter)
		r.ok(err)
		r.equal([]any{c.TargetCount, c.ToSend, to.Address, to.Choice, to.Servers[0].Addr()}, []any{3, 3, true, "b-1", now})

		// One that has come to use another since is left alone.
		elsewhere := slices.Clone(servers)
		elsewhere[0].BackupHostID = "b-2"
		r.read(r.p, elsewhere, both...)
		_, err = r.s.ConfirmRemote(r.ctx, r.mei, r.p.ID, c.UID, db.Confirmation{Reason: "because"})
		var m *db.Moved
		if !errors.As(err, &m) {
			r.Fatalf("the error is %v", err)
		}
		x = r.target(m.Change, "h-00001")
		r.equal([]any{m.N, m.Change.ToSend, x.Bucket, x.Why, x.Before}, []any{1, 2, wtp.AlreadySo, wtp.WhyUsesOther, "b-2"})

		// Nobody keeps an address of one that it doesn't use; going back makes it the present one.
		servers[0].BackupHostID = ""
		r.read(r.p, servers, both...)
		r.equal(r.old("b-1"), 2)
		r.read(r.p, servers, backups(wtp.BackupRunning, wtp.BackupRunning)...)
		r.equal(r.old("b-1"), 2) // those that were shown at the other one
		r.read(r.p, servers, both[1])
		r.equal(r.old("b-1"), 0)
		r.read(r.p, servers, both...) // and it is there again, elsewhere
		r.equal(r.old("b-1"), 2)
	})
}

func TestAddressIsConfirmedOnlyByWhatHSSShowsOfTheServer(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		at, now, servers, both := addressed(r)
		r.read(r.p, servers, both...)
		r.equal(must(r.s.AddrsToLookUp(r.ctx, r.p.ID, 3))(r), ids(1, 3))
		c := r.confirmRemote(r.planAddress())
		r.equal(len(must(r.s.AddrsToLookUp(r.ctx, r.p.ID, 3))(r)), 0) // the change does it
		r.claim("o")
		r.clock.Advance(time.Second)
		r.send(c, "o", db.Verdict{Kind: db.Accepted})
		r.equal(r.target(r.planTo("b-1", "h-00001"), "h-00001").Why, wtp.WhyOpenChange) // it is read back now
		for range 3 {
			r.send(c, "o", db.Verdict{Kind: db.Accepted})
		}
		c = must(r.s.FinishChange(r.ctx, c.ID, "o"))(r)
		for range 2 {
			r.read(r.p, servers, both...)
			r.equal([]any{r.counts(c).Confirmed, r.counts(c).Otherwise, r.old("b-1")}, []any{0, 0, 4})
		}
		r.equal(len(must(r.s.UnseenRemote(r.ctx, r.p.ID))(r)), 0)
		r.equal(len(must(r.s.UnseenAddrs(r.ctx, c.ID, 10))(r)), 4)
		r.equal(must(r.s.AddrsToLookUp(r.ctx, r.p.ID, 3))(r), ids(1, 3))
		r.show("h-00001", "b-1", now)
		r.show("h-00002", "b-1", at)
		r.show("h-00003", "b-2", both[1].Addr())
		r.equal(must(r.s.AddrsToLookUp(r.ctx, r.p.ID, 3))(r), ids(1, 3)) // not noted before the reading is kept
		r.read(r.p, servers, both...)
		r.equal([]any{r.counts(c).Confirmed, r.counts(c).Otherwise, r.old("b-1")}, []any{1, 1, 2})
		r.equal(r.target(c, "h-00002").Seen, wtp.RemoteAt("b-1", at))
		r.equal(must(r.s.AddrsToLookUp(r.ctx, r.p.ID, 3))(r), []string{"h-00003", "h-00004", "h-00002"})
		r.show("h-00002", "b-1", now)
		servers[3].BackupHostID = "b-2"
		r.read(r.p, servers, both...)
		r.equal([]any{r.counts(c).Confirmed, r.counts(c).Otherwise}, []any{2, 1}) // the list shows one elsewhere
		// One whose answer nobody has read isn't known to be so, whatever was known before.
		r.equal(r.target(r.planTo("b-1", "h-00003"), "h-00003").Why, wtp.WhyOldAddress)
		r.equal(r.planTo("b-1", "h-00001").ToSend, 0)
	})
}

func TestUndoOfAnAddressNeedsTheOldOne(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		at, now, servers, both := addressed(r)
		r.read(r.p, servers, both...)
		c := r.carry(r.confirmRemote(r.planAddress()))
		for _, h := range ids(1, 4) {
			r.show(h, "b-1", now)
		}
		r.read(r.p, servers, both...)
		r.equal([]any{r.counts(c).Confirmed, r.old("b-1")}, []any{4, 0})
		undo := func() wtp.Change {
			r.Helper()
			return must(r.s.PlanRemoteFrom(r.ctx, r.mei, r.p.ID, db.PlanSource{UndoOf: c.Number}, time.Hour))(r)
		}
		u := undo()
		r.equal([]any{u.TargetCount, u.ToSend, r.target(u, "h-00001").Why}, []any{4, 0, wtp.WhyAddressGone})

		// The backup server has its old address again: then they can go back.
		back := backups(wtp.BackupRunning, wtp.BackupRunning)
		r.read(r.p, servers, back...)
		r.equal(r.old("b-1"), 4)
		u = undo()
		x := r.target(u, "h-00001")
		r.equal([]any{u.ToSend, x.Bucket, x.Before, x.Wanted}, []any{4, wtp.WillChange, wtp.RemoteAt("b-1", now), "b-1"})
		// And not once it moved again.
		r.read(r.p, servers, both...)
		_, err := r.s.ConfirmRemote(r.ctx, r.mei, r.p.ID, u.UID, db.Confirmation{Reason: "because"})
		r.is(err, wtp.ErrConflict)
		r.read(r.p, servers, back...)
		u = r.carry(r.confirmRemote(undo()))
		r.show("h-00001", "b-1", at)
		r.read(r.p, servers, back...)
		r.equal([]any{r.counts(u).Confirmed, r.old("b-1")}, []any{1, 3})
	})
}

// A server that was told the address in a change is known to have it, even if the
// backup server moves on before the list shows that it is used.
func TestAddressThatWasSentIsKept(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		servers, both := users(2, nil), backups(wtp.BackupRunning, wtp.BackupRunning)
		r.read(r.p, servers, both...)
		c := r.carry(r.confirmRemote(r.planTo("b-1", ids(1, 2)...)))
		both = backups(wtp.BackupRunning, wtp.BackupRunning)
		both[0].Port = 9090
		r.read(r.p, users(2, map[int]string{1: "b-1", 2: "b-1"}), both...)
		r.equal([]any{r.counts(c).Confirmed, r.old("b-1")}, []any{2, 2})
		// What is tried again is sent the address of today.
		r.equal(r.planAddress().ToSend, 2)
	})
}
