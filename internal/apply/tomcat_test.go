package apply

import (
	"net/http"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/wtp"
)

const tomcatHost = "00000000-0000-4000-8000-000000000001"

// setDir confirms setting the Tomcat bin directory of one server.
func (g *rig) setDir(dir string) wtp.Change {
	g.t.Helper()
	g.readDir()
	was, err := g.store.TomcatDir(g.t.Context(), g.project.ID, tomcatHost)
	g.must(err)
	c, err := g.store.ConfirmTomcatDir(g.t.Context(), g.actor, g.project.ID, db.TomcatChange{HostID: tomcatHost, Was: was, Dir: dir}, db.Confirmation{Reason: "test"})
	g.must(err)
	return c
}

// readDir reads the directory as a person in a browser would.
func (g *rig) readDir() string {
	g.t.Helper()
	g.clock.Advance(2 * time.Minute)
	started := wtp.At(g.clock.Now())
	dir, err := g.connect.TomcatDir(g.t.Context(), g.project, tomcatHost)
	g.must(err)
	g.must(g.store.SaveTomcatDir(g.t.Context(), g.project.ID, tomcatHost, started, dir))
	return dir
}

func TestTomcatDirIsSetAndReadBack(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(3))
		g.read()
		c := g.setDir("/srv/tomcat-9/bin")
		g.finish(c)
		g.want(c, wtp.Done, "accepted 1")
		if target := g.targets(c)[0]; !target.Confirmed() {
			t.Errorf("not confirmed: seen %q, wanted %q", target.Seen, target.Wanted)
		}
		if dir := g.readDir(); dir != "/srv/tomcat-9/bin" {
			t.Errorf("HSS has %q", dir)
		}
	})
}

func TestEveryFaultOfATomcatDir(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(3))
		g.read()
		for i, tc := range faultCases() {
			outcome := "accepted 1"
			if tc.fault.Kind == hsstest.FaultRefuse {
				outcome = "refused 1"
			}
			g.sim.ClearFaults()
			dir := "/opt/tomcat-" + string(rune('a'+i%26)) + "/bin"
			c := g.setDir(dir)
			tc.fault.Op, tc.fault.Times = hsstest.OpUpdateWebTamperRaspPath, 1
			g.sim.AddFault(tc.fault)
			g.finish(c)
			g.want(c, wtp.Done, outcome)
			if now := g.readDir(); (now == dir) != (outcome == "accepted 1") {
				t.Errorf("HSS has %q", now)
			}
			if t.Failed() {
				t.Fatalf("%s\n%s", tc.name, g.calls(c))
			}
		}
	})
}

// TestTomcatDirSurvivesACrash: HSS has it, and the answer was never recorded.
func TestTomcatDirSurvivesACrash(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(3))
		g.read()
		c := g.setDir("/srv/tomcat-9/bin")
		dead := make(chan struct{})
		g.wire.after = func(resp *http.Response, err error) (*http.Response, error) {
			g.must(g.store.Close()) // nothing can be recorded from here on
			close(dead)
			return resp, err
		}
		stop := g.start()
		<-dead
		stop()
		g.clock.Advance(time.Minute)
		g.wired(open())
		if got := g.outcomes(c); got[wtp.TargetSending] != 1 {
			t.Errorf("on disk after the death: %v", got)
		}
		g.finish(c)
		g.want(c, wtp.Done, "accepted 1")
		if n := g.sent(hsstest.OpUpdateWebTamperRaspPath); n != 1 {
			t.Errorf("%d calls reached HSS", n)
		}
		if target := g.targets(c)[0]; !target.Confirmed() {
			t.Errorf("not confirmed: %+v", target)
		}
	})
}
