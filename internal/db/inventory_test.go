package db_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

func TestSaveInventoryWritesWhatDiffers(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		res := r.read(r.p, fleet(1200, nil), wtp.BackupServer{HostID: "b1", Name: "B", Port: 1, Status: wtp.BackupRunning}, wtp.BackupServer{HostID: "b2", Status: wtp.BackupFailed})
		r.equal(res, db.SaveResult{Servers: 1200, Backups: 2, New: 1200})
		first := must(r.s.Server(r.ctx, r.p.ID, "h-00001"))(r)
		p := must(r.s.ProjectByID(r.ctx, r.p.ID))(r)
		r.equal([]any{p.ServerCount, p.BackupCount, p.BackupTrouble, p.ReadAt, p.ReadWantedAt, p.ReadLease, p.ReadStartedAt}, []any{1200, 2, 1, first.ReadAt, 0, "", 0})
		r.equal([]any{first.NameKey, first.DynamicSince, first.ProjectID}, []any{"web-00001", first.ReadAt, r.p.ID})

		next := fleet(1201, func(i int, s *wtp.Server) {
			switch i {
			case 0:
				s.Dynamic = wtp.Opened
			case 1:
				s.Name = "Änderung"
			case 2:
				s.HostID = "" // not a server
			case 3:
				s.HostID = "h-00005" // doubled
			}
		})
		res = r.read(r.p, next)
		r.equal(res, db.SaveResult{Servers: 1199, New: 1, Changed: 3, Gone: 2, Outside: 1})
		now := must(r.s.Server(r.ctx, r.p.ID, "h-00001"))(r)
		r.equal([]any{now.DynamicSince == now.ReadAt, now.ReadAt > first.ReadAt}, []any{true, true})
		same := must(r.s.Server(r.ctx, r.p.ID, "h-00010"))(r)
		r.equal([]any{same.DynamicSince, same.ReadAt}, []any{first.ReadAt, now.ReadAt})
		r.equal(must(r.s.Server(r.ctx, r.p.ID, "h-00002"))(r).NameKey, "änderung")
		_, err := r.s.Server(r.ctx, r.p.ID, "h-00003")
		r.is(err, wtp.ErrNotFound)
		r.equal(len(must(r.s.BackupServers(r.ctx, []int64{r.p.ID}))(r)), 0)
	})
}

func TestInventoryTakesAnyTextAndEmptiness(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, nil)
		res := r.read(r.p, []wtp.Server{{HostID: "x\x00y", Name: "bad\xff\x00" + strings.Repeat("名", 2000), GroupName: "' OR 1=1 --", OS: "linux"}})
		r.equal(res.Servers, 1)
		page := must(r.s.Servers(r.ctx, db.ServerQuery{ProjectIDs: []int64{r.p.ID}}))(r)
		r.equal([]any{len([]rune(page.Servers[0].Name)), page.Servers[0].HostID}, []any{512, "x\uFFFDy"})
	})
}

func TestBackupServerSince(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		b := wtp.BackupServer{HostID: "b", Name: "B", Status: wtp.BackupStarting}
		r.read(r.p, nil, b)
		since := must(r.s.BackupServer(r.ctx, r.p.ID, "b"))(r).Since
		r.read(r.p, nil, b)
		r.equal(must(r.s.BackupServer(r.ctx, r.p.ID, "b"))(r).Since, since)
		b.Status = wtp.BackupRunning
		r.ok(r.s.SaveBackupServers(r.ctx, r.p.ID, r.s.Now(), []wtp.BackupServer{b}))
		got := must(r.s.BackupServer(r.ctx, r.p.ID, "b"))(r)
		r.equal([]any{got.Since > since, got.Status}, []any{true, 1})
		b.Status = wtp.BackupFailed
		r.ok(r.s.SaveBackupServers(r.ctx, r.p.ID, since, []wtp.BackupServer{b})) // an older reading
		r.equal(must(r.s.BackupServer(r.ctx, r.p.ID, "b"))(r).Status, 1)
		r.equal(must(r.s.ProjectByID(r.ctx, r.p.ID))(r).BackupTrouble, 0)
	})
}

func TestClaimRead(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		claim := func(owner string) bool {
			_, ok, err := r.s.ClaimRead(r.ctx, owner, 10*time.Minute)
			r.ok(err)
			return ok
		}
		save := func(owner string) error {
			_, err := r.s.SaveInventory(r.ctx, r.p.ID, owner, r.s.Now(), nil, nil)
			return err
		}
		r.equal([]any{claim("a"), claim("b")}, []any{true, false}) // never read; one lease
		r.is(save("b"), wtp.ErrConflict)
		r.clock.Advance(r.s.LeaseFor())
		r.equal(claim("b"), true) // a's lease ran out
		r.is(save("a"), wtp.ErrConflict)
		r.is(r.s.RenewRead(r.ctx, r.p.ID, "a"), wtp.ErrConflict)
		r.is(r.s.FailRead(r.ctx, r.p.ID, "a", "x"), wtp.ErrConflict)
		r.ok(r.s.RenewRead(r.ctx, r.p.ID, "b"))
		r.ok(save("b"))
		r.equal(claim("a"), false)
		r.clock.Advance(10 * time.Minute)
		r.equal(claim("a"), true) // due
		r.ok(r.s.FailRead(r.ctx, r.p.ID, "a", "no route"))
		p := must(r.s.ProjectByID(r.ctx, r.p.ID))(r)
		r.equal([]any{p.ReadError, p.ReadFailedAt, p.ReadLease}, []any{"no route", r.s.Now(), ""})
		r.equal(claim("a"), false) // backs off
		r.clock.Advance(time.Millisecond)
		r.ok(r.s.WantRead(r.ctx, r.p.ID))
		r.equal(claim("a"), true) // unless somebody asks
		r.clock.Advance(time.Second)
		r.ok(r.s.WantRead(r.ctx, r.p.ID)) // and asks again while it runs
		_, err := r.s.SaveInventory(r.ctx, r.p.ID, "a", r.s.Now()-1000, nil, nil)
		r.ok(err)
		p = must(r.s.ProjectByID(r.ctx, r.p.ID))(r)
		r.equal([]any{p.ReadError, p.ReadFailedAt, p.ReadWantedAt > 0}, []any{"", 0, true})
		r.equal(claim("a"), true)
		r.is(r.s.WantRead(r.ctx, 99), wtp.ErrNotFound)
	})
}

func TestClaimReadRace(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		var wg sync.WaitGroup
		var n [6]bool
		for i := range n {
			wg.Go(func() {
				_, ok, err := r.s.ClaimRead(r.ctx, fmt.Sprint(i), time.Hour)
				if err != nil {
					r.Error(err)
				}
				n[i] = ok
			})
		}
		wg.Wait()
		won := 0
		for _, ok := range n {
			if ok {
				won++
			}
		}
		r.equal(won, 1)
	})
}

// accepted is a change of the servers 1 to n that HSS took.
func (r *rig) accepted(d wtp.Direction, n int) wtp.Change {
	r.Helper()
	c := r.confirm(r.plan(d, ids(1, n)...))
	r.claim("a")
	for {
		_, _, ok, _, err := r.s.NextBatch(r.ctx, c.ID, "a")
		r.ok(err)
		if !ok {
			break
		}
		r.send(c, "a", db.Verdict{Kind: db.Accepted})
	}
	return must(r.s.FinishChange(r.ctx, c.ID, "a"))(r)
}

func TestReadingBackNotesWhatIsSeen(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		state := func(on int) []wtp.Server {
			return fleet(10, func(i int, s *wtp.Server) {
				if i < on {
					s.Dynamic = wtp.Opened
				}
			})
		}
		r.read(r.p, state(0))
		began := r.s.Now() // a reading that began before the change was sent
		r.clock.Advance(time.Second)
		c := r.accepted(wtp.Enable, 10)
		r.equal(c.ReadBackAt, c.FinishedAt)
		_, ok, err := r.s.ClaimRead(r.ctx, "reader", time.Hour)
		r.ok(err)
		r.equal(ok, true) // due because of the change
		_, err = r.s.SaveInventory(r.ctx, r.p.ID, "reader", began, state(0), nil)
		r.ok(err)
		r.equal(must(r.s.Targets(r.ctx, db.TargetQuery{ChangeID: c.ID}))(r)[0].Seen, "") // says nothing yet
		r.equal(must(r.s.ChangeByID(r.ctx, c.ID))(r).ReadBackAt, c.FinishedAt)

		res := r.read(r.p, state(4))
		r.equal([]any{res.Confirmed, res.Outside}, []any{4, 0})
		r.equal(r.counts(c).Confirmed, 4)
		got := must(r.s.ChangeByID(r.ctx, c.ID))(r)
		r.equal([]any{got.ReadBackAt, got.ReadBacks}, []any{c.FinishedAt.Add(10 * time.Second), 1})
		r.equal(len(must(r.s.Targets(r.ctx, db.TargetQuery{ChangeID: c.ID, Seen: wtp.SeenWanted}))(r)), 4)
		left := must(r.s.Targets(r.ctx, db.TargetQuery{ChangeID: c.ID, Seen: wtp.SeenOtherwise}))(r)
		r.equal([]any{len(left), left[0].Seen}, []any{6, wtp.Closed})

		r.clock.Advance(time.Minute)
		r.equal(r.read(r.p, state(9)).Confirmed, 5)
		r.equal(must(r.s.ChangeByID(r.ctx, c.ID))(r).ReadBackAt, c.FinishedAt.Add(5*time.Minute))
		r.clock.Advance(10 * time.Minute)
		r.read(r.p, state(9))
		r.equal(must(r.s.ChangeByID(r.ctx, c.ID))(r).ReadBackAt, c.FinishedAt.Add(20*time.Minute))
		r.clock.Advance(30 * time.Minute)
		r.read(r.p, state(9))
		r.equal(must(r.s.ChangeByID(r.ctx, c.ID))(r).ReadBackAt, 0) // long enough
		r.equal(r.read(r.p, state(10)).Confirmed, 1)                // but it is still noted
		r.equal(len(r.events("inventory.changed_outside")), 0)

		// What was seen to take hold stays so; that it changed later is another thing.
		r.equal(r.read(r.p, state(0)).Outside, 10)
		r.equal(r.counts(c).Confirmed, 10)
	})
}

func TestALaterChangeSaysNothingAboutAnEarlierOne(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(2, func(_ int, s *wtp.Server) { s.Dynamic = wtp.Opened }))
		off := r.accepted(wtp.Disable, 2)
		r.clock.Advance(time.Second)
		r.read(r.p, fleet(2, func(_ int, s *wtp.Server) { s.Dynamic = wtp.Opened })) // not yet
		// HSS shows "opened" still, so enabling would have nothing to do: as if read.
		r.read(r.p, fleet(2, nil))
		on := r.accepted(wtp.Enable, 2)
		r.clock.Advance(time.Second)
		r.read(r.p, fleet(2, func(_ int, s *wtp.Server) { s.Dynamic = wtp.Opened }))
		r.equal([]any{r.counts(off).Confirmed, r.counts(on).Confirmed}, []any{2, 2})
		again := r.accepted(wtp.Disable, 1)
		r.clock.Advance(time.Second)
		r.read(r.p, fleet(2, func(i int, s *wtp.Server) {
			if i == 1 {
				s.Dynamic = wtp.Opened
			}
		}))
		r.equal([]any{r.counts(off).Confirmed, r.counts(on).Confirmed, r.counts(again).Confirmed}, []any{2, 2, 1})
	})
}

func TestChangedOutsideIsOneEvent(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(300, func(i int, s *wtp.Server) {
			if i == 299 {
				s.Dynamic = wtp.Opened
			}
		}))
		r.equal(len(r.events("inventory.changed_outside")), 0) // the first reading
		c := r.accepted(wtp.Enable, 100)
		r.clock.Advance(time.Second)
		res := r.read(r.p, fleet(300, func(i int, s *wtp.Server) {
			if i < 298 {
				s.Dynamic = wtp.Opened
			}
		}))
		r.equal([]any{res.Confirmed, res.Outside}, []any{100, 199})
		es := r.events("inventory.changed_outside")
		r.equal([]any{len(es), es[0].ProjectID, es[0].ActorID}, []any{1, r.p.ID, 0})
		if !strings.Contains(es[0].Detail, `"servers":199`) || !strings.Contains(es[0].Detail, `"on":198`) || !strings.Contains(es[0].Detail, `"off":1`) || strings.Count(es[0].Detail, "h-0") != 100 || strings.Contains(es[0].Detail, "h-00100") {
			r.Error(es[0].Detail)
		}
		r.equal(r.counts(c).Confirmed, 100)
	})
}

func TestASettledTargetExplainsTheNextReading(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(1, nil))
		c := r.confirm(r.plan(wtp.Enable, "h-00001"))
		r.claim("a")
		b := r.send(c, "a", db.Verdict{Kind: db.Unclear})
		r.clock.Advance(time.Second)
		r.ok(r.s.Settle(r.ctx, "a", b.ID, map[string]string{"h-00001": wtp.Opened}, 3)) // seen before the inventory is read
		must(r.s.FinishChange(r.ctx, c.ID, "a"))(r)
		r.equal(r.read(r.p, fleet(1, func(_ int, s *wtp.Server) { s.Dynamic = wtp.Opened })).Outside, 0)
	})
}
