package apply

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"wtp-console/internal/connect"
	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/wtp"
)

// TestClockJumpsDuringACall: the clock is put forward or back by an hour while the
// second of three batches is under way. Leases that seem to have run out are still
// held, so each batch is sent once; and nothing waits for the hour to pass again.
func TestClockJumpsDuringACall(t *testing.T) {
	for name, jump := range map[string]time.Duration{"forward": time.Hour, "back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
				g := newRig(t, clock, open(), fleet(600))
				g.read()
				c := g.confirm(wtp.Enable)
				g.runner.Poll = time.Millisecond
				n := 0
				g.wire.after = func(resp *http.Response, err error) (*http.Response, error) {
					if n++; n == 2 {
						clock.Advance(jump)
						looks := g.runner.claims.Load()
						g.until("the runner has looked for work", func() bool { return g.runner.claims.Load() >= looks+3 })
					}
					return resp, err
				}
				began := clock.Now()
				g.finish(c)
				g.want(c, wtp.Done, "accepted 600")
				if n := g.sent(hsstest.OpSetRaspSwitch); n != 3 {
					t.Errorf("%d calls for three batches", n)
				}
				calls, err := g.store.Calls(t.Context(), c.ID, 0, 100)
				g.must(err)
				for _, call := range calls {
					if call.Class != "ok" {
						t.Errorf("call %d is %s: its change was taken from who was at it", call.ID, call.Class)
					}
				}
				if took := clock.Now().Sub(began) - jump; took > 5*time.Minute {
					t.Errorf("took %s beside the jump", took)
				}
				// What HSS shows is read soon, too.
				g.read()
			})
		})
	}
}

// TestClockPutBackHoldsNothingUp: what was put off before the clock was put back by
// an hour (a throttled batch, a used-up budget, a batch to be read back) goes on
// within minutes.
func TestClockPutBackHoldsNothingUp(t *testing.T) {
	for _, tc := range []struct {
		name  string
		limit string
		fault hsstest.Fault
		sends int
	}{
		{"throttled", "1000", hsstest.Fault{Kind: hsstest.FaultStatus, Status: 429, RetryAfter: "60"}, 9},
		{"unclear, applied", "1000", hsstest.Fault{Kind: hsstest.FaultHangUpAfter}, 8},
		{"budget used up", "3", hsstest.Fault{Kind: hsstest.FaultLatency}, 8},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
				g := newRig(t, clock, open(), fleet(1600))
				g.read()
				g.must(g.store.SetSetting(t.Context(), g.actor, connect.SettingCallsPerMinute, tc.limit))
				clock.Advance(2 * time.Minute)
				tc.fault.Op, tc.fault.After, tc.fault.Times = hsstest.OpSetRaspSwitch, 2, 1
				g.sim.AddFault(tc.fault)
				c := g.confirm(wtp.Enable)
				n := 0
				g.wire.after = func(resp *http.Response, err error) (*http.Response, error) {
					if n++; n == 3 {
						// The answer is in; from here on it is an hour earlier.
						g.runner.Wait = func(ctx context.Context, d time.Duration) error {
							g.runner.Wait = g.wait
							clock.Advance(-time.Hour)
							return g.wait(ctx, d)
						}
					}
					return resp, err
				}
				began := clock.Now()
				g.finish(c)
				g.want(c, wtp.Done, "accepted 1600")
				if n := g.sent(hsstest.OpSetRaspSwitch); n != tc.sends {
					t.Errorf("%d calls, want %d", n, tc.sends)
				}
				if took := clock.Now().Sub(began) + time.Hour; took > 20*time.Minute || took < 0 {
					t.Errorf("took %s beside the jump", took)
				}
			})
		})
	}
}

// TestClockPutBackFiresNoTimerEarly: a timer fires at the time that people were
// told, once, however the clock gets there.
func TestClockPutBackFiresNoTimerEarly(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(40))
		g.read()
		g.finish(g.confirm(wtp.Enable))
		g.read()
		c := g.off(2 * time.Hour)
		g.finish(c)
		g.read()
		timer, err := g.store.Timer(t.Context(), c.ID)
		g.must(err)
		due := timer.DueAt
		clock.Advance(-time.Hour)
		for range 3 {
			clock.Advance(55 * time.Minute)
			fired, err := g.store.FireTimer(t.Context())
			g.must(err)
			if fired && wtp.At(clock.Now()) < due {
				t.Errorf("fired at %s, due %s", clock.Now(), due.Time())
			}
		}
		clock.Advance(75 * time.Minute) // past it by far: the clock jumped forward
		back := g.fired(c)
		timer, err = g.store.Timer(t.Context(), c.ID)
		g.must(err)
		if timer.Late() != wtp.At(clock.Now()).Sub(due) && timer.Late() < 50*time.Minute {
			t.Errorf("late by %s", timer.Late())
		}
		g.want(back, wtp.Done, "accepted 40")
		clock.Advance(-2 * time.Hour) // before it was due
		clock.Advance(2 * time.Hour)
		if fired, err := g.store.FireTimer(t.Context()); err != nil || fired {
			t.Errorf("fired again: %v, %v", fired, err)
		}
	})
}

// TestClockAndPlans: a plan that is too old by the clock is refused in words, and
// one that the clock makes young again is still bound to what it showed.
func TestClockAndPlans(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(20))
		g.read()
		plan, err := g.store.PlanDynamicWTP(t.Context(), g.actor, g.project.ID, wtp.Enable, db.PlanSource{Filter: &wtp.ServerFilter{}}, 30*time.Minute)
		g.must(err)
		confirm := func() error {
			_, err := g.store.Confirm(t.Context(), g.actor, g.project.ID, plan.UID, db.Confirmation{Reason: "test"})
			return err
		}
		clock.Advance(time.Hour)
		var refused *wtp.Refused
		if err := confirm(); !errors.As(err, &refused) {
			t.Errorf("confirmed though it had expired: %v", err)
		}
		clock.Advance(-time.Hour)
		g.must(confirm())
		if err := confirm(); err == nil {
			t.Error("confirmed twice")
		}
	})
}
