package apply

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/wtp"
)

// whenInFlight holds writes until so many are in flight at once, then runs then.
func (g *rig) whenInFlight(n int, then func() error) {
	var flying atomic.Int64
	var once sync.Once
	both := make(chan struct{})
	g.wire.before = func(*http.Request) error {
		if flying.Add(1) == int64(n) {
			once.Do(func() { close(both) })
		}
		select {
		case <-both:
		case <-time.After(20 * time.Second):
			return errors.New("nothing came beside it")
		}
		return then()
	}
}

// TestStopWithTwoInFlight: a person stops while two calls are in flight and a third
// batch is ready; the two are recorded, and nothing else is sent.
func TestStopWithTwoInFlight(t *testing.T) {
	for name, halt := range map[string]func(g *rig, c wtp.Change) error{
		"stop": func(g *rig, c wtp.Change) error {
			return g.store.StopChange(g.t.Context(), g.actor, g.project.ID, c.Number)
		},
		"pause": func(g *rig, _ wtp.Change) error { return g.store.Pause(g.t.Context(), g.actor, "test") },
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
				g := newRig(t, clock, open(), fleet(1000))
				g.sideBySide(2)
				g.read()
				c := g.confirm(wtp.Enable)
				var once sync.Once
				var failed error
				halted := make(chan struct{})
				g.whenInFlight(2, func() error {
					once.Do(func() { // when the third is ready, too
						g.until("a third batch is ready", func() bool { return g.outcomes(c)[wtp.TargetSending] == 600 })
						failed = halt(g, c)
						close(halted)
					})
					<-halted
					return nil
				})
				stop := g.start()
				g.until("both are answered", func() bool {
					got := g.outcomes(c)
					return got[wtp.TargetAccepted] == 400 && got[wtp.TargetSending] == 0
				})
				g.must(failed)
				if n := g.sent(hsstest.OpSetRaspSwitch); n != 2 {
					t.Errorf("%d calls", n)
				}
				if name == "pause" {
					if got := g.outcomes(c); got[wtp.TargetWaiting] != 600 {
						t.Errorf("while paused: %v", got)
					}
					g.must(g.store.Resume(t.Context(), g.actor))
					g.over(c)
					g.want(c, wtp.Done, "accepted 1000")
				} else {
					g.over(c)
					g.want(c, wtp.Stopped, "accepted 400 stopped 600")
				}
				stop()
			})
		})
	}
}

// TestProcessDiesWithTwoInFlight: what was in flight, and what was ready, is read
// back; what HSS did isn't sent again.
func TestProcessDiesWithTwoInFlight(t *testing.T) {
	for name, applied := range map[string]bool{"applied": true, "not applied": false} {
		t.Run(name, func(t *testing.T) {
			dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
				g := newRig(t, clock, open(), fleet(1000))
				g.sideBySide(2)
				g.read()
				c := g.confirm(wtp.Enable)
				var once sync.Once
				dead := make(chan struct{})
				kill := func() error {
					once.Do(func() {
						g.until("a third batch is ready", func() bool { return g.outcomes(c)[wtp.TargetSending] == 600 })
						g.must(g.store.Close())
						close(dead)
					})
					<-dead
					return errWire
				}
				if applied {
					g.whenInFlight(2, func() error { return nil })
					g.wire.after = func(*http.Response, error) (*http.Response, error) { return nil, kill() }
				} else {
					g.whenInFlight(2, kill)
				}
				stop := g.start()
				<-dead
				stop()
				clock.Advance(time.Minute)
				g.wired(open())
				if got := g.outcomes(c); got[wtp.TargetSending] != 600 || got[wtp.TargetWaiting] != 400 {
					t.Errorf("on disk after the death: %v", got)
				}
				g.finish(c)
				clock.Advance(time.Minute) // what HSS applies late is done
				g.want(c, wtp.Done, "accepted 1000")
				if n := g.sent(hsstest.OpSetRaspSwitch); n != 5 {
					t.Errorf("%d calls reached HSS", n)
				}
			})
		})
	}
}

// TestFaultsSideBySide: with several calls in flight a fault at any place still
// ends with every server switched, and nothing that was applied sent again.
func TestFaultsSideBySide(t *testing.T) {
	clock := dbtest.NewClock()
	config := fleet(1000)
	config.KeepRequests = 100000
	g := newRig(t, clock, dbtest.SQLiteClock(t, clock), config)
	g.read()
	d := wtp.Enable
	for i, tc := range faultCases() {
		// Each fault at one of five places; every place comes with several faults.
		at, beside := i%5, 2+i%2
		g.sideBySide(beside)
		g.sim.ClearFaults()
		tc.fault.Op, tc.fault.After, tc.fault.Times = hsstest.OpSetRaspSwitch, at, 1
		g.sim.AddFault(tc.fault)
		c := g.confirm(d)
		before := g.sent(hsstest.OpSetRaspSwitch)
		g.finish(c)
		clock.Advance(time.Minute) // what HSS applies late is done
		g.want(c, wtp.Done, "accepted 1000")
		if n := g.sent(hsstest.OpSetRaspSwitch) - before; n != tc.sends+2 {
			t.Errorf("%d calls, want %d", n, tc.sends+2)
		}
		if t.Failed() {
			t.Fatalf("%s, batch %d, %d side by side\n%s", tc.name, at+1, beside, g.calls(c))
		}
		g.read()
		d = d.Opposite()
	}
}

// TestStormSideBySide: no clear answers stop a change as early as one call at a
// time does, but for those that were in flight already.
func TestStormSideBySide(t *testing.T) {
	for _, beside := range []int{1, 2, 4} {
		t.Run(fmt.Sprint(beside), func(t *testing.T) {
			clock := dbtest.NewClock()
			g := newRig(t, clock, dbtest.SQLiteClock(t, clock), fleet(4000))
			g.sideBySide(beside)
			g.read()
			c := g.confirm(wtp.Enable)
			g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRaspSwitch, Kind: hsstest.FaultStatus, Status: 502})
			now := g.finish(c)
			if n := g.sent(hsstest.OpSetRaspSwitch); n > 5+2*beside {
				t.Errorf("%d calls", n)
			}
			if now.State != wtp.Stopped {
				t.Errorf("%s", now.State)
			}
			g.check(c)
		})
	}
}
