package apply

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/wtp"
)

// ramp confirms turning every server on in steps.
func (g *rig) ramp() wtp.Change {
	g.t.Helper()
	plan, err := g.store.PlanDynamicWTP(g.t.Context(), g.actor, g.project.ID, wtp.Enable, db.PlanSource{Filter: &wtp.ServerFilter{}}, time.Hour)
	g.must(err)
	c, err := g.store.Confirm(g.t.Context(), g.actor, g.project.ID, plan.UID, db.Confirmation{Reason: "test", Back: wtp.BackOn{Never: true}, Ramp: true})
	g.must(err)
	return c
}

// rampCalls checks the order of a finished ramp: before a step's batch is sent, the
// servers of the step before were seen as wanted.
func (g *rig) rampCalls(c wtp.Change, sizes ...int64) {
	g.t.Helper()
	calls, err := g.store.Calls(g.t.Context(), c.ID, 0, 10000)
	g.must(err)
	var got []int64
	read := true
	for _, call := range calls {
		if call.BatchID == 0 {
			read = true
			continue
		}
		if !read {
			g.t.Errorf("call %d was made before the step before was read back", call.ID)
		}
		got, read = append(got, call.Hosts), false
	}
	if len(got) != len(sizes) {
		g.t.Fatalf("batches of %v, want %v\n%s", got, sizes, g.calls(c))
	}
	for i := range sizes {
		if got[i] != sizes[i] {
			g.t.Errorf("batches of %v, want %v", got, sizes)
		}
	}
}

func TestRampGoesUpStepByStep(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(500))
		g.sideBySide(2)
		g.read()
		c := g.ramp()
		g.finish(c)
		g.want(c, wtp.Done, "accepted 500")
		g.rampCalls(c, 1, 10, 200, 200, 89)
		counts, err := g.store.ChangeCounts(t.Context(), c.ID)
		g.must(err)
		if counts.Confirmed < 411 {
			t.Errorf("%d of 411 servers of the first steps are seen as wanted", counts.Confirmed)
		}
	})
}

// TestRampStopsEarly: the first server never shows what was asked for, or is
// refused; nothing else is sent.
func TestRampStopsEarly(t *testing.T) {
	for _, tc := range []struct{ name, why, outcomes string }{
		{"not shown", "within 30 minutes", "accepted 1 stopped 499"},
		{"refused", "did not accept every server of step 1", "refused 1 stopped 499"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
				config := fleet(500)
				if tc.name == "not shown" {
					config.ApplyDelay = 24 * time.Hour
				}
				g := newRig(t, clock, open(), config)
				g.sideBySide(2)
				g.read()
				c := g.ramp()
				if tc.name == "refused" {
					g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRaspSwitch, Kind: hsstest.FaultRefuse})
				}
				began := clock.Now()
				now := g.finish(c)
				g.want(c, wtp.Stopped, tc.outcomes)
				if !strings.Contains(now.StopWhy, tc.why) || !strings.Contains(now.StopWhy, "step 1") {
					t.Errorf("stopped because %q", now.StopWhy)
				}
				if n := g.sent(hsstest.OpSetRaspSwitch); n != 1 {
					t.Errorf("%d calls", n)
				}
				if took := clock.Now().Sub(began); tc.name == "not shown" && (took < 30*time.Minute || took > 32*time.Minute) {
					t.Errorf("it took %s to stop", took)
				}
			})
		})
	}
}

// TestRampIsTakenOver: the process dies while the second step waits to be read back,
// or in its call; another goes on where it was, and no step is skipped or sent twice.
func TestRampIsTakenOver(t *testing.T) {
	for _, dies := range []string{"between steps", "during a call"} {
		t.Run(dies, func(t *testing.T) {
			dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
				g := newRig(t, clock, open(), fleet(300))
				g.sideBySide(2)
				g.read()
				c := g.ramp()
				dead := make(chan struct{})
				n := 0
				switch dies {
				case "during a call":
					g.wire.before = func(*http.Request) error {
						if n++; n == 2 {
							g.must(g.store.Close())
							close(dead)
							return errWire
						}
						return nil
					}
				default:
					g.wire.read = func(*http.Request) {
						if g.sent(hsstest.OpSetRaspSwitch) == 2 && n == 0 {
							n++
							g.must(g.store.Close())
							close(dead)
						}
					}
				}
				stop := g.start()
				<-dead
				stop()
				clock.Advance(time.Minute)
				g.wired(open())
				if got := g.outcomes(c); got[wtp.TargetWaiting] != 289 {
					t.Errorf("on disk after the death: %v", got)
				}
				g.finish(c)
				g.want(c, wtp.Done, "accepted 300")
				if n := g.sent(hsstest.OpSetRaspSwitch); n != 4 {
					t.Errorf("%d calls for 1, 10, 200 and 89 servers", n)
				}
			})
		})
	}
}
