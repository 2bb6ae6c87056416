package apply

import (
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/wtp"
)

func (g *rig) backupTo(dir string) wtp.BackupConfig {
	return wtp.BackupConfig{HostID: "00000000-0000-4000-9000-000000000001", Name: "backup-01", IP: "192.168.0.1", Port: 8080, Dir: dir}
}

// save confirms a backup server as it is to be.
func (g *rig) save(to wtp.BackupConfig) wtp.Change {
	g.t.Helper()
	var now *wtp.BackupServer
	if b, err := g.store.BackupServer(g.t.Context(), g.project.ID, to.HostID); err == nil {
		now = &b
	}
	c, err := g.store.ConfirmBackup(g.t.Context(), g.actor, g.project.ID, now, to, "test", "")
	g.must(err)
	return c
}

func TestBackupServerIsFollowedUntilItRuns(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		config := fleet(20)
		config.BackupStartDelay = 40 * time.Second
		g := newRig(t, clock, open(), config)
		g.read()
		to := g.backupTo("/backup")
		began := g.clock.Now()
		c := g.save(to)
		g.finish(c)
		g.want(c, wtp.Done, "accepted 1")
		b, err := g.store.BackupServer(t.Context(), g.project.ID, to.HostID)
		if err != nil || b.Status != wtp.BackupRunning || b.Dir != "/backup" || b.Port != 8080 {
			t.Errorf("the inventory has %+v, %v", b, err)
		}
		if target := g.targets(c)[0]; !target.Confirmed() {
			t.Errorf("not confirmed: seen %q, wanted %q", target.Seen, target.Wanted)
		}
		if took := g.clock.Now().Sub(began); took < 40*time.Second || took > 2*time.Minute {
			t.Errorf("followed for %s", took)
		}
		if n := g.sent(hsstest.OpListBackupHostsInfo); n > 6 {
			t.Errorf("%d readings", n)
		}

		// The same server again with another directory, which fails to start.
		g.sim.AddFault(hsstest.Fault{Op: hsstest.OpUpdateBackupHostInfo, Kind: hsstest.FaultBackupFails})
		c = g.save(g.backupTo("/elsewhere"))
		g.finish(c)
		g.want(c, wtp.Done, "accepted 1")
		if b, err := g.store.BackupServer(t.Context(), g.project.ID, to.HostID); err != nil || b.Status != wtp.BackupFailed || b.Dir != "/elsewhere" {
			t.Errorf("the inventory has %+v, %v", b, err)
		}
	})
}

func TestEveryFaultOfASavedBackupServer(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		config := fleet(20)
		g := newRig(t, clock, open(), config)
		g.read()
		for i, tc := range faultCases() {
			if tc.fault.Kind == hsstest.FaultLate || tc.fault.Kind == hsstest.FaultPartial {
				continue // of the switch only
			}
			outcome := "accepted 1"
			sends := tc.sends - 2
			if tc.fault.Kind == hsstest.FaultRefuse {
				outcome, sends = "refused 1", 1
			}
			g.sim.ClearFaults()
			tc.fault.Op, tc.fault.Times = hsstest.OpUpdateBackupHostInfo, 1
			g.sim.AddFault(tc.fault)
			to := g.backupTo("/backup" + string(rune('a'+i%26)))
			before := g.sent(hsstest.OpUpdateBackupHostInfo)
			c := g.save(to)
			g.finish(c)
			g.want(c, wtp.Done, outcome)
			if n := g.sent(hsstest.OpUpdateBackupHostInfo) - before; n != sends {
				t.Errorf("%d calls, want %d", n, sends)
			}
			if b := g.sim.Backups(g.project.HSSProjectID)[0]; outcome == "accepted 1" && b.Dir != to.Dir {
				t.Errorf("HSS has %+v", b)
			}
			if t.Failed() {
				t.Fatalf("%s\n%s", tc.name, g.calls(c))
			}
		}
	})
}
