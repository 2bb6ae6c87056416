package apply

import (
	"context"
	"net/http"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/wtp"
)

// off turns all servers off for a while.
func (g *rig) off(after time.Duration) wtp.Change {
	g.t.Helper()
	plan, err := g.store.PlanDynamicWTP(g.t.Context(), g.actor, g.project.ID, wtp.Disable, db.PlanSource{Filter: &wtp.ServerFilter{}}, time.Hour)
	g.must(err)
	c, err := g.store.Confirm(g.t.Context(), g.actor, g.project.ID, plan.UID, db.Confirmation{Reason: "release", Back: wtp.BackOn{After: after}})
	g.must(err)
	return c
}

// fired runs the runner until the timer of a change has fired and what it made is
// over.
func (g *rig) fired(c wtp.Change) wtp.Change {
	g.t.Helper()
	stop := g.start()
	defer stop()
	var timer db.TimerRow
	g.until("the timer fires", func() bool {
		g.runner.Poke()
		var err error
		timer, err = g.store.Timer(g.t.Context(), c.ID)
		g.must(err)
		return timer.State != wtp.TimerPending
	})
	back, err := g.store.ChangeByID(g.t.Context(), timer.FiredChangeID)
	g.must(err)
	return g.over(back)
}

// TestTimerTurnsBackOn: after a restart too, late, and though the person who set it
// was disabled meanwhile.
func TestTimerTurnsBackOn(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(450))
		g.read()
		g.finish(g.confirm(wtp.Enable))
		g.read()
		c := g.off(4 * time.Hour)
		g.finish(c)
		g.want(c, wtp.Done, "accepted 450")
		g.read()
		_, err := g.store.ChangeUser(t.Context(), wtp.Actor{Name: "root", Role: wtp.Admin}, g.user.ID, wtp.Operator, true)
		g.must(err)

		g.must(g.store.Close())
		g.clock.Advance(4*time.Hour + 12*time.Minute)
		g.wired(open())
		before := g.sent(hsstest.OpSetRaspSwitch)
		back := g.fired(c)
		g.want(back, wtp.Done, "accepted 450")
		if n := g.sent(hsstest.OpSetRaspSwitch) - before; n != 3 {
			t.Errorf("%d calls", n)
		}
		timer, err := g.store.Timer(t.Context(), c.ID)
		g.must(err)
		if timer.Late() < 12*time.Minute || timer.Late() > 13*time.Minute || back.SetIn != c.Number || back.ConfirmedByName != "mei" {
			t.Errorf("late by %s, %+v", timer.Late(), back)
		}
	})
}

// TestTimerDoesNotWaitForAReading: HSS turned the servers off without an answer, and can
// no longer be read when their time comes.
func TestTimerDoesNotWaitForAReading(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(100))
		g.read()
		g.finish(g.confirm(wtp.Enable))
		g.read()
		g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRaspSwitch, Kind: hsstest.FaultHangUpAfter, Times: 1})
		for _, op := range []string{hsstest.OpListWtpProtectHost, hsstest.OpExportWebTamperHost, hsstest.OpShowWebTamperHostPolicy} {
			g.sim.AddFault(hsstest.Fault{Op: op, Kind: hsstest.FaultStatus, Status: 500})
		}
		c := g.off(2 * time.Minute)
		back := g.fired(c)
		g.want(back, wtp.Done, "accepted 100")
		if late := back.ConfirmedAt.Sub(c.ConfirmedAt) - 2*time.Minute; late > time.Minute {
			t.Errorf("%s late", late)
		}
		// Stopped by the timer, or done as its last reading gave up just then.
		g.want(c, g.over(c).State, "unknown 100")
	})
}

// TestPauseHoldsTheNextBatch: a running change stops sending, and goes on once the
// console is resumed; reading goes on meanwhile.
func TestPauseHoldsTheNextBatch(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(600))
		g.read()
		c := g.confirm(wtp.Enable)
		held := make(chan struct{}, 1)
		g.runner.Wait = func(ctx context.Context, _ time.Duration) error {
			select {
			case held <- struct{}{}:
			default:
			}
			t := time.NewTimer(time.Millisecond) // the clock stands still
			defer t.Stop()
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-t.C:
				return nil
			}
		}
		paused := false
		g.wire.after = func(resp *http.Response, err error) (*http.Response, error) {
			if !paused {
				paused = true
				g.must(g.store.Pause(context.Background(), g.actor, "HSS maintenance"))
			}
			return resp, err
		}
		stop := g.start()
		defer stop()
		<-held
		g.read()
		if n := g.sent(hsstest.OpSetRaspSwitch); n != 1 {
			t.Errorf("%d calls while paused", n)
		}
		if got := g.outcomes(c); got[wtp.TargetAccepted] != 200 || got[wtp.TargetWaiting] != 400 {
			t.Errorf("%v", got)
		}
		g.must(g.store.Resume(t.Context(), g.actor))
		g.over(c)
		g.want(c, wtp.Done, "accepted 600")
	})
}
