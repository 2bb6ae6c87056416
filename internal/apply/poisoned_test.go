package apply

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/wtp"
)

// refuses lets HSS refuse every call that names a server, and show nothing of why.
func (g *rig) refuses(host string) {
	g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRaspSwitch, Kind: hsstest.FaultRefuse, Hosts: []string{host}})
}

// wantRefused checks that exactly these targets (by their place from 0) are refused,
// each with HSS's reason.
func (g *rig) wantRefused(c wtp.Change, places ...int) {
	g.t.Helper()
	want := map[int64]bool{}
	for _, p := range places {
		want[int64(p+1)] = true
	}
	for _, target := range g.targets(c) {
		if want[target.Seq] != (target.Outcome == wtp.TargetRefused) {
			g.t.Errorf("target %d is %s", target.Seq, target.Outcome)
		}
		if target.Outcome == wtp.TargetRefused && (target.Code != "HSS.1007" || target.Message == "" || target.CallID == 0) {
			g.t.Errorf("refused without a reason: %+v", target)
		}
	}
}

// TestTwoPoisonedServers: two servers in 10,000 that HSS refuses without saying which
// end as exactly two refusals, with at most 60 calls unless they are among the last.
func TestTwoPoisonedServers(t *testing.T) {
	for i, tc := range []struct {
		name string
		at   [2]int
		most int
	}{
		{"early and middle", [2]int{737, 4001}, 60},
		{"far apart", [2]int{150, 7777}, 60},
		{"first and second", [2]int{0, 299}, 60},
		{"adjacent batches", [2]int{2050, 2390}, 60},
		{"adjacent servers of two batches", [2]int{3999, 4000}, 60},
		{"same batch", [2]int{2001, 2188}, 60},
		{"late", [2]int{1234, 8100}, 60},
		{"one in the last batch", [2]int{1234, 9999}, 65},
		{"both in the last batch", [2]int{9801, 9990}, 70},
		{"last two batches", [2]int{9700, 9900}, 79},
	} {
		for beside := 1; beside <= 2; beside++ {
			if i > 3 && beside != 1+i%2 {
				continue // one of them is enough
			}
			t.Run(fmt.Sprintf("%s, %d side by side", tc.name, beside), func(t *testing.T) {
				clock := dbtest.NewClock()
				g := newRig(t, clock, dbtest.SQLiteClock(t, clock), fleet(10000))
				g.sideBySide(beside)
				twoPoisoned(g, tc.at, tc.most, (*rig).refuses)
			})
		}
	}
}

// TestTwoOfflineServers: what HSS shows of the culprits leads to them at once.
func TestTwoOfflineServers(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(10000))
		twoPoisoned(g, [2]int{737, 4001}, 50+2*2, func(g *rig, host string) {
			gone, _ := g.sim.Server(g.project.HSSProjectID, host)
			gone.AgentStatus = "offline"
			g.sim.SetServer(g.project.HSSProjectID, gone)
		})
	})
}

func twoPoisoned(g *rig, at [2]int, most int, poison func(g *rig, host string)) {
	g.t.Helper()
	g.read()
	c := g.confirm(wtp.Enable)
	all := g.targets(c)
	for _, i := range at {
		poison(g, all[i].HostID)
	}
	g.finish(c)
	g.want(c, wtp.Done, fmt.Sprintf("accepted %d refused 2", len(all)-2))
	g.wantRefused(c, at[0], at[1])
	n := g.sent(hsstest.OpSetRaspSwitch)
	g.t.Logf("%d calls for %d servers, two of them poisoned", n, len(all))
	if n > most {
		g.t.Errorf("%d calls, at most %d are enough\n%s", n, most, g.calls(c))
	}
}

// TestPoisonedInSteps: a search stays within its step.
func TestPoisonedInSteps(t *testing.T) {
	clock := dbtest.NewClock()
	g := newRig(t, clock, dbtest.SQLiteClock(t, clock), fleet(611))
	g.read()
	plan, err := g.store.PlanDynamicWTP(t.Context(), g.actor, g.project.ID, wtp.Enable, db.PlanSource{Filter: &wtp.ServerFilter{}}, time.Hour)
	g.must(err)
	c, err := g.store.Confirm(t.Context(), g.actor, g.project.ID, plan.UID, db.Confirmation{Reason: "test", Back: wtp.BackOn{Never: true}, Ramp: true})
	g.must(err)
	g.refuses(g.targets(c)[100].HostID)
	now := g.finish(c)
	// HSS did not accept one of the step: the next never begins.
	g.want(c, wtp.Stopped, "accepted 210 refused 1 stopped 400")
	g.wantRefused(c, 100)
	if n := g.sent(hsstest.OpSetRaspSwitch); n > 3+11 {
		t.Errorf("%d calls; %s", n, now.StopWhy)
	}
}

// TestProcessDiesInASearch: at each call of a search the process dies, before HSS got
// the call or after; another one finds the culprits.
func TestProcessDiesInASearch(t *testing.T) {
	for _, applied := range []bool{true, false} {
		for at := 2; at <= 20; at += 2 {
			t.Run(fmt.Sprintf("call %d, applied %t", at, applied), func(t *testing.T) {
				dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
					g := newRig(t, clock, open(), fleet(3000))
					if g.store.Dialect() == "postgres" && at != 6 {
						return // the same SQL
					}
					g.sideBySide(1 + at%2)
					g.read()
					c := g.confirm(wtp.Enable)
					all := g.targets(c)
					g.refuses(all[250].HostID)
					g.refuses(all[1333].HostID)
					dead := make(chan struct{})
					var n atomic.Int64
					die := func() bool {
						now := n.Add(1)
						if now == int64(at) {
							g.must(g.store.Close())
							close(dead)
						}
						return now >= int64(at)
					}
					if applied {
						g.wire.after = func(resp *http.Response, err error) (*http.Response, error) { die(); return resp, err }
					} else {
						g.wire.before = func(*http.Request) error {
							if die() {
								return errWire
							}
							return nil
						}
					}
					stop := g.start()
					<-dead
					stop()
					clock.Advance(time.Minute)
					g.wired(open())
					g.finish(c)
					g.want(c, wtp.Done, "accepted 2998 refused 2")
					g.wantRefused(c, 250, 1333)
					if n := g.sent(hsstest.OpSetRaspSwitch); n > 15+2*15 {
						t.Errorf("%d calls reached HSS", n)
					}
				})
			})
		}
	}
}

// TestHaltInASearch: a stop or a pause in the midst of a search leaves every target
// with an outcome or waiting in a batch.
func TestHaltInASearch(t *testing.T) {
	for _, pause := range []bool{true, false} {
		for at := 3; at <= 11; at += 4 {
			t.Run(fmt.Sprintf("call %d, pause %t", at, pause), func(t *testing.T) {
				dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
					g := newRig(t, clock, open(), fleet(3000))
					g.sideBySide(2)
					g.read()
					c := g.confirm(wtp.Enable)
					g.refuses(g.targets(c)[250].HostID)
					halted := make(chan struct{})
					n := 0
					g.wire.before = func(*http.Request) error {
						g.wire.mu.Lock()
						defer g.wire.mu.Unlock()
						if n++; n != at {
							return nil
						}
						defer close(halted)
						if pause {
							return g.store.Pause(context.WithoutCancel(t.Context()), g.actor, "test")
						}
						return g.store.StopChange(context.WithoutCancel(t.Context()), g.actor, g.project.ID, c.Number)
					}
					stop := g.start()
					defer stop()
					<-halted
					if pause {
						g.must(g.store.Resume(t.Context(), g.actor))
						g.over(c)
						g.want(c, wtp.Done, "accepted 2999 refused 1")
						g.wantRefused(c, 250)
						return
					}
					if now := g.over(c); now.State != wtp.Stopped {
						t.Errorf("%s", now.State)
					}
					g.check(c)
				})
			})
		}
	}
}

// TestRefusedForAMoment: a whole batch that HSS refuses once, for no server's sake.
func TestRefusedForAMoment(t *testing.T) {
	clock := dbtest.NewClock()
	g := newRig(t, clock, dbtest.SQLiteClock(t, clock), fleet(10000))
	g.read()
	c := g.confirm(wtp.Enable)
	g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRaspSwitch, Kind: hsstest.FaultRefuse, After: 4, Times: 1})
	g.finish(c)
	g.want(c, wtp.Done, "accepted 10000")
	if n := g.sent(hsstest.OpSetRaspSwitch); n > 53 {
		t.Errorf("%d calls\n%s", n, g.calls(c))
	}
}
