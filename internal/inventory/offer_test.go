package inventory

import (
	"testing"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
)

// TestServersWithoutBackupServers: where backup servers can't be listed, servers
// are read all the same.
func TestServersWithoutBackupServers(t *testing.T) {
	for name, fault := range map[string]hsstest.Fault{
		"404 APIGW.0101": {Kind: hsstest.FaultStatus, Status: 404},
		"404, HTML":      {Kind: hsstest.FaultStatus, Status: 404, Body: "<html>"},
		"405, nothing":   {Kind: hsstest.FaultStatus, Status: 405, Body: " "},
		"no right":       {Kind: hsstest.FaultRefuse, Code: "HSS.0013"},
		"refused":        {Kind: hsstest.FaultRefuse, Code: "HSS.0001"},
		"broken":         {Kind: hsstest.FaultStatus, Status: 500},
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
				g := newRig(t, clock, open(), plain(20)).fast()
				fault.Op = hsstest.OpListBackupHostsInfo
				g.sim.AddFault(fault)
				if p := g.read(); p.ReadError != "" {
					t.Fatal(p.ReadError)
				}
				g.same()
				if n := g.counts()[hsstest.OpListBackupHostsInfo]; n != 1 && name != "broken" {
					t.Errorf("asked %d times for what there isn't", n)
				}
			})
		})
	}
}

// TestBackupServersDoNotVanish: a right taken away, or a bad moment, is no sign
// that the backup servers are gone.
func TestBackupServersDoNotVanish(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), hsstest.Config{Fleet: hsstest.DemoFleet(1, 100)}).fast()
		had := g.read().BackupCount
		for _, fault := range []hsstest.Fault{{Kind: hsstest.FaultRefuse, Code: "HSS.0013"}, {Kind: hsstest.FaultStatus, Status: 500}, {Kind: hsstest.FaultStatus, Status: 405, Body: " "}} {
			fault.Op = hsstest.OpListBackupHostsInfo
			g.sim.ClearFaults()
			g.sim.AddFault(fault)
			if p := g.read(); p.ReadError == "" || p.BackupCount != had || had == 0 {
				t.Errorf("%+v: %d backup servers of %d, %q", fault, p.BackupCount, had, p.ReadError)
			}
		}
	})
}
