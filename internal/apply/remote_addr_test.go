package apply

import (
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/wtp"
)

// move gives the first backup server another port, outside the console.
func (g *rig) move(port int) {
	g.t.Helper()
	g.sim.SetBackup(g.project.HSSProjectID, hsstest.BackupServer{HostID: backup1, IP: "192.168.0.1", Port: port, Dir: "/hss", Status: hsstest.BackupRunning})
	g.read()
}

func (g *rig) sendAddress() wtp.Change {
	g.t.Helper()
	return g.confirmRemote(g.store.PlanRemoteAddress(g.t.Context(), g.actor, g.project.ID, backup1, time.Hour))
}

// old checks how many servers are known to use the first backup server at an old address.
func (g *rig) old(n int64) {
	g.t.Helper()
	old, err := g.store.OldAddrs(g.t.Context(), g.project.ID)
	g.must(err)
	if old[backup1] != n {
		g.t.Errorf("%d servers are known to be at an old address, not %d", old[backup1], n)
	}
}

func (g *rig) confirmed(c wtp.Change, n, otherwise int64) {
	g.t.Helper()
	counts, err := g.store.ChangeCounts(g.t.Context(), c.ID)
	g.must(err)
	if counts.Confirmed != n || counts.Otherwise != otherwise {
		g.t.Errorf("%d confirmed, %d otherwise, not %d and %d", counts.Confirmed, counts.Otherwise, n, otherwise)
	}
}

func TestNewAddressIsSentReadBackAndUndone(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), backed(8, 5))
		g.read()
		asked := g.sent(hsstest.OpShowRemoteBackupHostInfo)
		g.move(9090)
		g.old(5)
		c := g.sendAddress()
		g.finish(c)
		g.want(c, wtp.Done, "accepted 5")
		g.uses(backup1, "192.168.0.1:9090", webs(1, 5)...)
		g.confirmed(c, 5, 0) // and the list was not read meanwhile
		g.old(0)
		if n := g.sent(hsstest.OpShowRemoteBackupHostInfo) - asked; n != 5 {
			t.Errorf("%d calls to read back", n)
		}
		g.read()
		if n := g.sent(hsstest.OpShowRemoteBackupHostInfo) - asked; n != 5 {
			t.Errorf("%d calls, though nothing is open", n)
		}

		undo := db.PlanSource{UndoOf: c.Number}
		plan, err := g.store.PlanRemoteFrom(t.Context(), g.actor, g.project.ID, undo, time.Hour)
		if err != nil || plan.ToSend != 0 || g.targets(plan)[0].Why != wtp.WhyAddressGone {
			t.Errorf("the undo is %+v, %v", plan, err)
		}
		g.move(8080)
		back := g.confirmRemote(g.store.PlanRemoteFrom(t.Context(), g.actor, g.project.ID, undo, time.Hour))
		g.finish(back)
		g.want(back, wtp.Done, "accepted 5")
		g.confirmed(back, 5, 0)
		g.uses(backup1, "192.168.0.1:8080", webs(1, 5)...)
	})
}

// TestAddressThatIsNotTakenIsNotGreen: HSS says 200 and leaves the old address. It is
// read for a while, then by readings of the inventory, a few at a time.
func TestAddressThatIsNotTakenIsNotGreen(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), backed(8, 5))
		g.read()
		g.move(9090)
		g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRemoteBackupInfo, Kind: hsstest.FaultIgnore, Hosts: webs(2, 3)})
		c := g.sendAddress()
		g.finish(c)
		g.want(c, wtp.Done, "accepted 5")
		g.confirmed(c, 3, 2)
		g.read()
		g.confirmed(c, 3, 2)
		g.old(2)
		for _, x := range g.targets(c) {
			if x.HostID == web(2) && x.Seen != wtp.RemoteAt(backup1, "192.168.0.1:8080") {
				t.Errorf("seen %q", x.Seen)
			}
		}
		// HSS gets to it late, as somebody in its own console might.
		s, _ := g.sim.Server(g.project.HSSProjectID, web(2))
		s.BackupAddr = "192.168.0.1:9090"
		g.sim.SetServer(g.project.HSSProjectID, s)
		g.read()
		g.confirmed(c, 4, 1)
		g.old(1)
		// Sent again, it goes.
		g.sim.ClearFaults()
		rest := g.sendAddress()
		g.finish(rest)
		g.want(rest, wtp.Done, "accepted 1")
		g.confirmed(rest, 1, 0)
		g.old(0)
	})
}

// TestUnclearAddressIsReadBackFirst: what was in flight when the line broke is not sent
// again if HSS shows the new address, and is if it shows the old one. The list would
// show the same in both cases.
func TestUnclearAddressIsReadBackFirst(t *testing.T) {
	for kind, sends := range map[hsstest.FaultKind]int{hsstest.FaultHangUpAfter: 3, hsstest.FaultHangUpBefore: 4} {
		t.Run(string(kind), func(t *testing.T) {
			dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
				g := newRig(t, clock, open(), backed(5, 3))
				g.read()
				g.move(9090)
				g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRemoteBackupInfo, Kind: kind, After: 1, Times: 1})
				c := g.sendAddress()
				g.finish(c)
				g.want(c, wtp.Done, "accepted 3")
				g.confirmed(c, 3, 0)
				if n := g.sent(hsstest.OpSetRemoteBackupInfo); n != sends {
					t.Errorf("%d calls", n)
				}
			})
		})
	}
}

// TestAddressWithoutTheCallThatShowsIt: no list stands in for it.
func TestAddressWithoutTheCallThatShowsIt(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		config := backed(5, 3)
		config.Unpublished = []string{hsstest.OpShowRemoteBackupHostInfo}
		g := newRig(t, clock, open(), config)
		g.read()
		g.move(9090)
		c := g.sendAddress()
		g.finish(c)
		g.want(c, wtp.Done, "accepted 3")
		g.read()
		g.confirmed(c, 0, 0)
		g.old(3)
	})
}
