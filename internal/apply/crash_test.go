package apply

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/wtp"
)

// TestProcessDiesDuringACall: between the record and the answer, HSS having
// applied the call or not. Another process with the same database goes on.
func TestProcessDiesDuringACall(t *testing.T) {
	for _, tc := range []struct {
		name    string
		applied bool
		sends   int // of three batches, also by the process that died
	}{{"applied", true, 3}, {"not applied", false, 3}} {
		t.Run(tc.name, func(t *testing.T) {
			dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
				g := newRig(t, clock, open(), fleet(600))
				g.read()
				c := g.confirm(wtp.Enable)
				dead := make(chan struct{})
				n := 0
				freeze := func() {
					if n++; n == 2 {
						// The second call leaves before the first one's answer is recorded.
						g.until("the first answer is recorded", func() bool { return g.outcomes(c)[wtp.TargetAccepted] == 200 })
						g.must(g.store.Close()) // nothing can be recorded from here on
						close(dead)
					}
				}
				if tc.applied {
					g.wire.after = func(resp *http.Response, err error) (*http.Response, error) { freeze(); return resp, err }
				} else {
					g.wire.before = func(*http.Request) error {
						freeze()
						if n == 2 {
							return errWire
						}
						return nil
					}
				}
				stop := g.start()
				<-dead
				stop()
				g.clock.Advance(time.Minute)
				g.wired(open())
				// The third may have been got ready meanwhile.
				if got := g.outcomes(c); got[wtp.TargetSending] < 200 || got[wtp.TargetSending]+got[wtp.TargetWaiting] != 400 {
					t.Errorf("on disk after the death: %v", got)
				}
				g.finish(c)
				g.want(c, wtp.Done, "accepted 600")
				if n := g.sent(hsstest.OpSetRaspSwitch); n != tc.sends {
					t.Errorf("%d calls reached HSS", n)
				}
			})
		})
	}
}

// TestPersonDisabledWhileDown: what was sent is settled by reading, nothing more is
// sent.
func TestPersonDisabledWhileDown(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(600))
		g.read()
		c := g.confirm(wtp.Enable)
		dead := make(chan struct{})
		g.wire.before = func(*http.Request) error {
			g.must(g.store.Close())
			close(dead)
			return errWire
		}
		stop := g.start()
		<-dead
		stop()
		g.clock.Advance(time.Minute)
		g.wired(open())
		_, err := g.store.ChangeUser(t.Context(), wtp.Actor{Name: "root", Role: wtp.Admin}, g.user.ID, wtp.Operator, true)
		g.must(err)
		g.finish(c)
		// A second batch may have been got ready.
		got := g.outcomes(c)
		g.want(c, wtp.Stopped, fmt.Sprintf("unknown %d stopped %d", got[wtp.TargetUnknown], 600-got[wtp.TargetUnknown]))
		if n := got[wtp.TargetUnknown]; n != 200 && n != 400 {
			t.Errorf("%d are unknown", n)
		}
		if n := g.sent(hsstest.OpSetRaspSwitch); n != 0 {
			t.Errorf("%d calls reached HSS", n)
		}
	})
}

// TestTwoProcessesShare: two runners on one PostgreSQL carry out several changes,
// and one takes over what the other leaves.
func TestTwoProcessesShare(t *testing.T) {
	clock, config := dbtest.NewClock(), dbtest.Config(t, "postgres") // an SQLite file has one console at a time
	config.Now, config.LeaseFor = clock.Now, time.Hour               // no heartbeat comes while this runs
	open := func() *db.Store {
		store, err := db.Open(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		return store
	}
	g := newRig(t, clock, open(), fleet(1200))
	g.read()
	all := ids(g)
	var changes []wtp.Change
	for i := range 4 {
		changes = append(changes, g.confirm(wtp.Enable, all[i*300:(i+1)*300]...))
	}
	other := *g // the second process: its own store, connector and runner
	other.wired(open())
	g.runner.AtOnce, other.runner.AtOnce = 2, 2
	g.runner.Poll, other.runner.Poll = 5*time.Millisecond, 5*time.Millisecond

	// The first process hangs in its first call until its lease is long over.
	hangs, goOn := make(chan struct{}, 10), make(chan struct{})
	g.wire.before = func(*http.Request) error { hangs <- struct{}{}; <-goOn; return errWire }
	stopFirst := g.start()
	<-hangs
	<-hangs
	g.store = other.store
	g.clock.Advance(2 * time.Hour)
	stopOther := other.start()
	for _, c := range changes {
		g.until("all is carried out", func() bool {
			now, err := g.store.ChangeByID(t.Context(), c.ID)
			g.must(err)
			return now.State.Over()
		})
	}
	close(goOn)
	stopFirst()
	stopOther()
	for _, c := range changes {
		g.want(c, wtp.Done, "accepted 300")
	}
	if n := g.sent(hsstest.OpSetRaspSwitch); n != 8 {
		t.Errorf("%d calls for eight batches", n)
	}
}

// TestFencedProcessRecordsNothing: a call that is answered after the lease was lost
// leaves the other process's record alone.
func TestFencedProcessRecordsNothing(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(20))
		g.read()
		c := g.confirm(wtp.Enable)
		g.wire.before = func(*http.Request) error {
			g.wire.before = nil
			// Another process finds the lease run out and claims the change; should a
			// heartbeat come in between, the lease runs out again.
			g.until("another process has it", func() bool {
				g.clock.Advance(5 * time.Minute)
				taken, ok, err := g.store.ClaimChange(context.Background(), "other")
				if err != nil || ok && taken.ID != c.ID {
					t.Errorf("not to be taken over: change %d, %v", taken.ID, err)
				}
				return ok || err != nil
			})
			return nil
		}
		stop := g.start()
		g.until("the call was answered", func() bool { return g.sent(hsstest.OpSetRaspSwitch) == 1 })
		stop()
		if got := g.outcomes(c); got[wtp.TargetUnclear] != 20 {
			t.Errorf("%v, want all unclear as the new owner found them", got)
		}
		g.clock.Advance(5 * time.Minute)
		g.finish(c)
		g.want(c, wtp.Done, "accepted 20")
		if n := g.sent(hsstest.OpSetRaspSwitch); n != 1 {
			t.Errorf("%d calls", n)
		}
	})
}
