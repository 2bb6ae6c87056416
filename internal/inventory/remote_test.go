package inventory

import (
	"testing"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
)

// Readings look up a few servers at an old address, by an export as well, until HSS
// shows none there any more.
func TestOldAddressesAreLookedUpAFewAtATime(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		const backup = "backup-1"
		config := plain(700)
		p := &config.Fleet.Projects[0]
		at := func(port int) hsstest.BackupServer {
			return hsstest.BackupServer{HostID: backup, IP: "192.168.0.1", Port: port, Dir: "/hss", Status: hsstest.BackupRunning}
		}
		p.Backups = []hsstest.BackupServer{at(8080)}
		for i := range 5 {
			p.Servers[i].BackupHostID = backup
		}
		g := newRig(t, clock, open(), config).fast()
		g.read()
		g.listed()
		g.read()
		g.sim.SetBackup(g.project.HSSProjectID, at(9090))
		g.read()
		g.same()
		old := func(n int64) {
			t.Helper()
			got, err := g.store.OldAddrs(t.Context(), g.project.ID)
			g.must(err)
			if got[backup] != n {
				t.Errorf("%d servers at an old address, not %d", got[backup], n)
			}
		}
		old(5)
		g.counts()
		g.read()
		old(5) // HSS shows the old one
		if n := g.counts(); !g.exported || n[hsstest.OpShowRemoteBackupHostInfo] != 3 {
			t.Errorf("looked up: %v", n)
		}
		// Somebody tells them in HSS's own console.
		for _, s := range g.sim.Servers(g.project.HSSProjectID)[:5] {
			s.BackupAddr = "192.168.0.1:9090"
			g.sim.SetServer(g.project.HSSProjectID, s)
		}
		g.read()
		old(2)
		g.read()
		old(0)
		g.counts()
		g.read()
		if n := g.counts(); n[hsstest.OpShowRemoteBackupHostInfo] != 0 {
			t.Errorf("looked up, though nothing is open: %v", n)
		}
		g.same()
	})
}
