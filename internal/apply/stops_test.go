package apply

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/wtp"
)

// wantStop checks that a change stopped by itself after so many sendings, for a reason.
func (g *rig) wantStop(c wtp.Change, sendings int, why string) {
	g.t.Helper()
	now, err := g.store.ChangeByID(g.t.Context(), c.ID)
	g.must(err)
	if now.State != wtp.Stopped || !strings.HasPrefix(now.StopWhy, why) {
		g.t.Errorf("%s because %q, want %q", now.State, now.StopWhy, why)
	}
	calls, err := g.store.Calls(g.t.Context(), c.ID, 0, 1000)
	g.must(err)
	n := 0
	for _, call := range calls {
		if call.BatchID != 0 && !strings.HasPrefix(call.Message, "It was held back") {
			n++
		}
	}
	if n != sendings {
		g.t.Errorf("%d sendings, want %d\n%s", n, sendings, g.calls(c))
	}
	g.check(c)
}

// goOn does what is left of a change that stopped, now that HSS is well again.
func (g *rig) goOn(d wtp.Direction, servers int) {
	g.t.Helper()
	g.sim.ClearFaults()
	g.wire.before = nil
	g.read()
	g.finish(g.confirm(d))
	g.read()
	for _, s := range g.sim.Servers(g.project.HSSProjectID) {
		if !s.NoWTP {
			servers--
		}
		if state := g.sim.Accepted(g.project.HSSProjectID, s.HostID); !s.NoWTP && state != map[wtp.Direction]string{wtp.Enable: wtp.Opened, wtp.Disable: wtp.Closed}[d] {
			g.t.Errorf("%s is %s after the change was gone on with", s.HostID, state)
		}
	}
	if servers != 0 {
		g.t.Errorf("%d servers too few", servers)
	}
}

func TestStopsAtTheSetNumberOfRefusals(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(1000))
		g.read()
		d := wtp.Enable
		for _, n := range []int{wtp.LeastStopRefused, wtp.MaxStopRefused} {
			g.limit(wtp.StopRefused, n)
			g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRaspSwitch, Kind: hsstest.FaultRefuse})
			c := g.confirm(d)
			g.finish(c)
			g.wantStop(c, n, fmt.Sprintf("HSS refused %d calls in a row. ", n))
			g.goOn(d, 1000)
			d = d.Opposite()
		}
	})
}

// TestOneCulpritNeverStops: with the lowest number of refusals that may be set, the
// search for one server in the last or only batch still finds it.
func TestOneCulpritNeverStops(t *testing.T) {
	clock := dbtest.NewClock()
	g := newRig(t, clock, dbtest.SQLiteClock(t, clock), fleet(150))
	g.limit(wtp.StopRefused, wtp.LeastStopRefused)
	g.read()
	d := wtp.Enable
	for i, place := range []int{0, 1, 37, 74, 75, 76, 111, 112, 148, 149} {
		g.sideBySide(1 + i%3)
		c := g.confirm(d)
		culprit := g.targets(c)[place].HostID
		g.refuses(culprit)
		g.finish(c)
		g.want(c, wtp.Done, "accepted 149 refused 1")
		g.wantRefused(c, place)
		if t.Failed() {
			t.Fatalf("place %d\n%s", place, g.calls(c))
		}
		g.goOn(d, 150)
		d = d.Opposite()
	}
}

func TestStopsAtTheSetNumberOfUnclearAnswers(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(1600))
		g.read()
		d := wtp.Enable
		for _, tc := range []struct {
			n, sendings int
			unread      bool // nor can be read back what became of them
			why         string
		}{
			{1, 1, false, "HSS gave no clear answer. "},
			{2, 4, false, "HSS gave no clear answer 4 times in a row. "}, // the first batch three times
			{20, 22, false, "HSS gave no clear answer 22 times in a row. "},
			{2, 2, true, "HSS gave no clear answer 2 times in a row. "},
			{7, 7, true, "HSS gave no clear answer 7 times in a row. "},
		} {
			if g.store.Dialect() == "postgres" && (tc.n != 2 || tc.unread) {
				continue // what an answer means doesn't depend on the database
			}
			g.limit(wtp.StopUnclear, tc.n)
			g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRaspSwitch, Kind: hsstest.FaultStatus, Status: 502})
			if tc.unread {
				for _, op := range []string{hsstest.OpListWtpProtectHost, hsstest.OpExportWebTamperHost} {
					g.sim.AddFault(hsstest.Fault{Op: op, Kind: hsstest.FaultHangUpBefore})
				}
			}
			c := g.confirm(d)
			g.finish(c)
			g.wantStop(c, tc.sendings, tc.why)
			if t.Failed() {
				t.Fatalf("%+v", tc)
			}
			g.goOn(d, 1600)
			d = d.Opposite()
		}
	})
}

// TestStopsAtTheFirstUnclearAnswer: however many calls go side by side, and however
// the others end. Behind it leave only those whose places good answers before it freed.
func TestStopsAtTheFirstUnclearAnswer(t *testing.T) {
	clock := dbtest.NewClock()
	g := newRig(t, clock, dbtest.SQLiteClock(t, clock), fleet(1200))
	var looks sync.Mutex
	g.runner.Now = func() time.Time { // no two alike, so that the order of calls and answers shows
		looks.Lock()
		defer looks.Unlock()
		clock.Advance(time.Millisecond)
		return clock.Now()
	}
	g.limit(wtp.StopUnclear, 1)
	g.read()
	d := wtp.Enable
	for _, beside := range []int{2, 10} {
		for _, at := range []int{0, 5} {
			g.sideBySide(beside)
			g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRaspSwitch, Kind: hsstest.FaultStatus, Status: 502, After: at, Times: 1})
			c := g.confirm(d)
			now := g.finish(c)
			calls, err := g.store.Calls(t.Context(), c.ID, 0, 1000)
			g.must(err)
			sent := slices.DeleteFunc(calls, func(call wtp.Call) bool {
				return call.BatchID == 0 || strings.HasPrefix(call.Message, "It was held back")
			})
			unclear := slices.IndexFunc(sent, func(call wtp.Call) bool { return call.Class == "unclear" })
			if now.State != wtp.Stopped || !strings.HasPrefix(now.StopWhy, "HSS gave no clear answer. ") || unclear < 0 {
				t.Fatalf("%d side by side, fault at call %d: %s because %q\n%s", beside, at+1, now.State, now.StopWhy, g.calls(c))
			}
			later := slices.DeleteFunc(slices.Clone(sent), func(call wtp.Call) bool { return call.SentAt <= sent[unclear].EndedAt })
			if len(later) > beside {
				t.Fatalf("%d side by side, fault at call %d: %d calls after it\n%s", beside, at+1, len(later), g.calls(c))
			}
			g.check(c)
			g.goOn(d, 1200)
			d = d.Opposite()
		}
	}
}

func TestStopsAtTheSetNumberOfTriesThatNeverLeft(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(600))
		g.read()
		d := wtp.Enable
		for n, why := range map[int]string{1: "HSS could not be reached. ", 2: "HSS could not be reached, 2 times in a row. ", 20: "HSS could not be reached, 20 times in a row. "} {
			g.limit(wtp.StopUnclear, n)
			g.wire.before = func(*http.Request) error {
				return &net.OpError{Op: "dial", Net: "tcp", Err: fmt.Errorf("connect: connection refused")}
			}
			c := g.confirm(d)
			g.finish(c)
			g.want(c, wtp.Stopped, "stopped 600")
			g.wantStop(c, n, why)
			g.goOn(d, 600)
			d = d.Opposite()
		}
	})
}

// TestLimitsAreReadAsAChangeGoesOn: a number that is set while calls are refused holds
// from the next call on.
func TestLimitsAreReadAsAChangeGoesOn(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(1000))
		g.read()
		for _, set := range []struct{ first, then, sendings int }{{10, 15, 15}, {40, 10, 16}} {
			g.limit(wtp.StopRefused, set.first)
			g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRaspSwitch, Kind: hsstest.FaultRefuse})
			n, at := 0, 3
			if set.sendings > set.then {
				at = 15 // later than it would have stopped
			}
			g.wire.before = func(*http.Request) error {
				if n++; n == at {
					g.limit(wtp.StopRefused, set.then)
				}
				return nil
			}
			c := g.confirm(wtp.Enable)
			g.finish(c)
			g.wantStop(c, set.sendings, fmt.Sprintf("HSS refused %d calls in a row. ", set.sendings))
			g.sim.ClearFaults()
			g.wire.before = nil
		}
	})
}
