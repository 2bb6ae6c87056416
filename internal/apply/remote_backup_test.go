package apply

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/wtp"
)

const (
	backup1 = "00000000-0000-4000-9000-000000000001"
	backup2 = "00000000-0000-4000-9000-000000000002"
)

func web(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }

func webs(from, to int) []string {
	var out []string
	for i := from; i <= to; i++ {
		out = append(out, web(i))
	}
	return out
}

// backed is a fleet of n servers with two running backup servers; the first used of
// them use the first one.
func backed(n, used int) hsstest.Config {
	f := hsstest.PlainFleet(n)
	p := &f.Projects[0]
	for i, id := range []string{backup1, backup2} {
		p.Backups = append(p.Backups, hsstest.BackupServer{HostID: id, IP: fmt.Sprintf("192.168.0.%d", i+1), Port: 8080, Dir: "/hss", Status: hsstest.BackupRunning})
	}
	for i := range used {
		p.Servers[i].BackupHostID, p.Servers[i].BackupAddr = backup1, "192.168.0.1:8080"
	}
	return hsstest.Config{Fleet: f, KeepRequests: 100000}
}

func (g *rig) confirmRemote(plan wtp.Change, err error) wtp.Change {
	g.t.Helper()
	g.must(err)
	c, err := g.store.ConfirmRemote(g.t.Context(), g.actor, g.project.ID, plan.UID, db.Confirmation{Reason: "test"})
	g.must(err)
	return c
}

func (g *rig) use(backup string, hosts ...string) wtp.Change {
	g.t.Helper()
	return g.confirmRemote(g.store.PlanRemoteBackup(g.t.Context(), g.actor, g.project.ID, backup, db.PlanSource{HostIDs: hosts}, time.Hour))
}

func (g *rig) remove(backup, choice string) wtp.Change {
	g.t.Helper()
	return g.confirmRemote(g.store.PlanBackupRemoval(g.t.Context(), g.actor, g.project.ID, backup, choice, time.Hour))
}

// uses checks which backup server HSS has for servers.
func (g *rig) uses(backup, addr string, hosts ...string) {
	g.t.Helper()
	for _, id := range hosts {
		if s, ok := g.sim.Server(g.project.HSSProjectID, id); !ok || s.BackupHostID != backup || s.BackupAddr != addr {
			g.t.Errorf("%s uses %q at %q in HSS", id, s.BackupHostID, s.BackupAddr)
		}
	}
}

func TestRemoteBackupIsSetReadBackAndUndone(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), backed(8, 3))
		g.read()
		c := g.use(backup2, webs(1, 6)...)
		g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRemoteBackupInfo, Kind: hsstest.FaultRefuse, Hosts: []string{web(5)}})
		g.finish(c)
		g.want(c, wtp.Done, "accepted 5 refused 1")
		g.uses(backup2, "192.168.0.2:8080", append(webs(1, 4), web(6))...)
		g.uses("", "", web(5), web(7))
		g.read()
		if n, err := g.store.ChangeCounts(t.Context(), c.ID); err != nil || n.Confirmed != 5 {
			t.Errorf("%d confirmed, %v", n.Confirmed, err)
		}
		for _, x := range g.targets(c) {
			if x.HostID == web(5) && (x.Code == "" || x.Message == "") {
				t.Errorf("refused without HSS's words: %+v", x)
			}
		}
		g.sim.ClearFaults()
		undo := g.confirmRemote(g.store.PlanRemoteFrom(t.Context(), g.actor, g.project.ID, db.PlanSource{UndoOf: c.Number}, time.Hour))
		g.finish(undo)
		g.want(undo, wtp.Done, "accepted 5")
		g.uses(backup1, "192.168.0.1:8080", webs(1, 3)...)
		g.uses("", "", webs(4, 8)...)
		retry := g.confirmRemote(g.store.PlanRemoteFrom(t.Context(), g.actor, g.project.ID, db.PlanSource{RetryOf: c.Number, Outcomes: []wtp.Outcome{wtp.TargetRefused}}, time.Hour))
		g.finish(retry)
		g.want(retry, wtp.Done, "accepted 1")
		g.uses(backup2, "192.168.0.2:8080", web(5))
	})
}

// TestEveryFaultOfRemoteBackup: whatever happens to the second of three calls, all
// servers end as accepted and are so in HSS.
func TestEveryFaultOfRemoteBackup(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), backed(3, 0))
		g.read()
		to := backup1
		for _, tc := range faultCases() {
			want := "accepted 3"
			if tc.fault.Kind == hsstest.FaultRefuse {
				want = "accepted 2 refused 1"
			}
			g.sim.ClearFaults()
			tc.fault.Op, tc.fault.After, tc.fault.Times = hsstest.OpSetRemoteBackupInfo, 1, 1
			g.sim.AddFault(tc.fault)
			c := g.use(to, webs(1, 3)...)
			g.finish(c)
			g.want(c, wtp.Done, want)
			if t.Failed() {
				t.Fatalf("%s\n%s", tc.name, g.calls(c))
			}
			if want == "accepted 3" {
				g.uses(to, map[string]string{backup1: "192.168.0.1:8080", backup2: "192.168.0.2:8080"}[to], webs(1, 3)...)
			}
			g.read()
			if to = backup2; tc.fault.Kind == hsstest.FaultRefuse || g.targets(c)[0].Wanted == backup2 {
				to = backup1
			}
			if tc.fault.Kind == hsstest.FaultRefuse { // all alike again
				g.finish(g.use(wtp.RemoteOff, webs(1, 3)...))
				g.read()
			}
		}
	})
}

// TestProcessDiesWhileServersAreMoved: what was in flight is read back, not sent again.
func TestProcessDiesWhileServersAreMoved(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), backed(5, 4))
		g.read()
		c := g.remove(backup1, backup2)
		dead := make(chan struct{})
		n := 0
		g.wire.after = func(resp *http.Response, err error) (*http.Response, error) {
			if n++; n == 3 {
				g.must(g.store.Close())
				close(dead)
			}
			return resp, err
		}
		stop := g.start()
		<-dead
		stop()
		g.clock.Advance(time.Minute)
		g.wired(open())
		g.finish(c)
		g.want(c, wtp.Done, "accepted 5")
		if n := g.sent(hsstest.OpSetRemoteBackupInfo); n != 4 {
			t.Errorf("%d calls reached HSS", n)
		}
		g.uses(backup2, "192.168.0.2:8080", webs(1, 4)...)
	})
}

func TestBackupServerIsRemovedOnlyAfterItsServersMoved(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), backed(4, 3))
		g.read()
		c := g.remove(backup1, backup2)
		g.finish(c)
		g.want(c, wtp.Done, "accepted 4")
		g.uses(backup2, "192.168.0.2:8080", webs(1, 3)...)
		var order []string
		for _, r := range g.sim.Requests() {
			switch r.Op {
			case hsstest.OpSetRemoteBackupInfo, hsstest.OpShowRemoteBackupHostInfo, hsstest.OpDeleteBackupHostInfo:
				order = append(order, r.Op)
			}
		}
		want := "SetRemoteBackupInfo SetRemoteBackupInfo SetRemoteBackupInfo ShowRemoteBackupHostInfo ShowRemoteBackupHostInfo ShowRemoteBackupHostInfo DeleteBackupHostInfo"
		if got := strings.Join(order, " "); got != want {
			t.Errorf("the calls were %s", got)
		}
		if list := g.sim.Backups(g.project.HSSProjectID); len(list) != 1 || list[0].HostID != backup2 {
			t.Errorf("HSS has %+v", list)
		}
		if n, err := g.store.ChangeCounts(t.Context(), c.ID); err != nil || n.Confirmed != 4 {
			t.Errorf("%d confirmed, %v", n.Confirmed, err)
		}
	})
}

func TestBackupServerStaysWhenAServerIsNotMoved(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), backed(4, 3))
		g.read()
		g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRemoteBackupInfo, Kind: hsstest.FaultRefuse, Hosts: []string{web(2)}})
		c := g.remove(backup1, backup2)
		now := g.finish(c)
		g.want(c, wtp.Stopped, "accepted 2 refused 1 stopped 1")
		if g.sent(hsstest.OpDeleteBackupHostInfo) != 0 || len(g.sim.Backups(g.project.HSSProjectID)) != 2 || now.StopWhy == "" {
			t.Errorf("it was removed, or nobody says why not: %q", now.StopWhy)
		}
		// The rest is planned again, and carried to its end.
		g.sim.ClearFaults()
		g.read()
		rest := g.confirmRemote(g.store.PlanRemovalAgain(t.Context(), g.actor, g.project.ID, c.Number, time.Hour))
		if rest.ToSend != 2 || rest.RetryOf != c.Number {
			t.Errorf("the rest is %+v", rest)
		}
		g.finish(rest)
		g.want(rest, wtp.Done, "accepted 2")
		g.uses(backup2, "192.168.0.2:8080", webs(1, 3)...)
		if list := g.sim.Backups(g.project.HSSProjectID); len(list) != 1 || list[0].HostID != backup2 {
			t.Errorf("HSS has %+v", list)
		}
		g.read()
		if _, err := g.store.PlanRemovalAgain(t.Context(), g.actor, g.project.ID, c.Number, time.Hour); !errors.Is(err, wtp.ErrConflict) {
			t.Errorf("what is removed is planned again: %v", err)
		}
	})
}

// TestServersOfAStoppedRemovalGoBack: as long as the backup server is there, those that
// were moved can be moved back.
func TestServersOfAStoppedRemovalGoBack(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), backed(4, 3))
		g.read()
		g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRemoteBackupInfo, Kind: hsstest.FaultRefuse, Hosts: []string{web(2)}})
		c := g.remove(backup1, backup2)
		g.finish(c)
		g.read()
		back := g.confirmRemote(g.store.PlanRemoteFrom(t.Context(), g.actor, g.project.ID, db.PlanSource{UndoOf: c.Number}, time.Hour))
		g.finish(back)
		g.want(back, wtp.Done, "accepted 2")
		g.uses(backup1, "192.168.0.1:8080", webs(1, 3)...)
	})
}

// TestRemovalRefusedByHSS: the sentence, code and request ID of HSS are kept.
func TestRemovalRefusedByHSS(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		config := backed(2, 0)
		config.Fleet.Projects[0].Backups[0].Status = hsstest.BackupFailed
		g := newRig(t, clock, open(), config)
		g.read()
		c := g.remove(backup1, "")
		g.finish(c)
		g.want(c, wtp.Done, "refused 1")
		calls, err := g.store.Calls(t.Context(), c.ID, 0, 10)
		g.must(err)
		if x := g.targets(c)[0]; x.Code != "HSS.0010" || !strings.Contains(x.Message, "not running") || calls[0].RequestID == "" {
			t.Errorf("%+v, %+v", x, calls[0])
		}
	})
}
