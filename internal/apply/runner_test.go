package apply

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"wtp-console/internal/connect"
	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/wtp"
)

func fleet(n int) hsstest.Config { return hsstest.Config{Fleet: hsstest.PlainFleet(n)} }

func TestThousandServersTakeFiveCalls(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(1000))
		g.read()
		c := g.confirm(wtp.Enable)
		g.finish(c)
		g.want(c, wtp.Done, "accepted 1000")
		for _, r := range g.sim.Requests() {
			if r.Op == hsstest.OpSetRaspSwitch && (len(r.HostIDs) != 200 || r.Direction != "enable") {
				t.Errorf("a call with %d servers, %s", len(r.HostIDs), r.Direction)
			}
		}
		if n := g.sent(hsstest.OpSetRaspSwitch); n != 5 {
			t.Errorf("%d calls", n)
		}
		g.read()
		if counts, err := g.store.ChangeCounts(t.Context(), c.ID); err != nil || counts.Confirmed != 1000 {
			t.Errorf("confirmed by reading back: %d, %v", counts.Confirmed, err)
		}
	})
}

func TestHungUpAfterApplyingIsNotSentAgain(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(600))
		g.read()
		c := g.confirm(wtp.Enable)
		g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRaspSwitch, Kind: hsstest.FaultHangUpAfter, After: 1, Times: 1})
		g.finish(c)
		g.want(c, wtp.Done, "accepted 600")
		if n := g.sent(hsstest.OpSetRaspSwitch); n != 3 {
			t.Errorf("%d calls for three batches", n)
		}
	})
}

// TestPartlyAppliedShowsEachServersState: HSS applies the first k of 200 and then
// answers 500, again and again.
func TestPartlyAppliedShowsEachServersState(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(200))
		g.read()
		d := wtp.Enable
		for _, k := range []int{0, 1, 57, 199, 200} {
			g.sim.ClearFaults()
			g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRaspSwitch, Kind: hsstest.FaultPartial, Count: k, Times: 1})
			c := g.confirm(d)
			before := g.sent(hsstest.OpSetRaspSwitch)
			g.finish(c)
			g.want(c, wtp.Done, "accepted 200")
			if n := g.sent(hsstest.OpSetRaspSwitch) - before; n > 2 || k == 200 && n != 1 {
				t.Errorf("k=%d: %d calls", k, n)
			}
			g.read()
			if d == wtp.Enable {
				d = wtp.Disable
			} else {
				d = wtp.Enable
			}
		}
	})
}

func TestThrottledBySimulatorsOwnLimit(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		config := fleet(4000)
		config.Limit = 5
		g := newRig(t, clock, open(), config)
		// The console believes in ten a minute; HSS allows five.
		g.must(g.store.SetSetting(t.Context(), g.actor, connect.SettingCallsPerMinute, "10"))
		g.read()
		c := g.confirm(wtp.Enable)
		g.finish(c)
		g.want(c, wtp.Done, "accepted 4000")
		throttled := 0
		for _, r := range g.sim.Requests() {
			if r.Op == hsstest.OpSetRaspSwitch && r.Answer == http.StatusTooManyRequests {
				throttled++
			}
		}
		if throttled == 0 || throttled > 5 {
			t.Errorf("%d calls were throttled", throttled)
		}
	})
}

func TestPacedByTheBudget(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		config := fleet(2400)
		config.Limit = 5
		g := newRig(t, clock, open(), config)
		g.read()
		g.must(g.store.SetSetting(t.Context(), g.actor, connect.SettingCallsPerMinute, "5"))
		g.clock.Advance(2 * time.Minute)
		began := g.clock.Now()
		c := g.confirm(wtp.Enable)
		g.finish(c)
		g.want(c, wtp.Done, "accepted 2400")
		if took := g.clock.Now().Sub(began); took < 2*time.Minute || took > 150*time.Second {
			t.Errorf("12 calls at 5 a minute took %s", took)
		}
		for _, r := range g.sim.Requests() {
			if r.Op == hsstest.OpSetRaspSwitch && r.Answer == http.StatusTooManyRequests {
				t.Errorf("throttled although paced: %s", r.Op)
			}
		}
	})
}

func ids(g *rig) []string {
	var all []string
	for _, s := range g.sim.Servers(g.project.HSSProjectID) {
		if !s.NoWTP {
			all = append(all, s.HostID)
		}
	}
	return all
}

func TestEverythingRefusedStops(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(1000))
		g.read()
		c := g.confirm(wtp.Enable)
		g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRaspSwitch, Kind: hsstest.FaultRefuse})
		now := g.finish(c)
		if now.State != wtp.Stopped || !strings.Contains(now.StopWhy, "refused 20 calls in a row") {
			t.Errorf("%s because %q", now.State, now.StopWhy)
		}
		if n := g.sent(hsstest.OpSetRaspSwitch); n != 20 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestRevokedKeyStops(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(1000))
		g.read()
		c := g.confirm(wtp.Enable)
		g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRaspSwitch, Kind: hsstest.FaultRevokeKey, After: 2})
		now := g.finish(c)
		g.want(c, wtp.Stopped, "accepted 400 stopped 600")
		if !strings.Contains(now.StopWhy, "no longer accepts the credential") {
			t.Errorf("stopped because %q", now.StopWhy)
		}
		if n := g.sent(hsstest.OpSetRaspSwitch); n != 3 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestStopReasons(t *testing.T) {
	cases := []struct {
		name, why string
		fault     hsstest.Fault
	}{
		{"forbidden", "may not do this in HSS", hsstest.Fault{Kind: hsstest.FaultStatus, Status: 403}},
		{"no right in HSS", "may not do this in HSS", hsstest.Fault{Kind: hsstest.FaultRefuse, Code: "HSS.0013"}},
		{"key locked", "locked the credential", hsstest.Fault{Kind: hsstest.FaultLockKey}},
		{"not in region", "does not offer this call", hsstest.Fault{Kind: hsstest.FaultStatus, Status: 404}},
	}
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(400))
		g.read()
		all := ids(g)
		for i, tc := range cases {
			tc.fault.Op, tc.fault.After = hsstest.OpSetRaspSwitch, 1
			g.sim.ClearFaults()
			g.sim.AddFault(tc.fault)
			g.clock.Advance(10 * time.Minute)
			d := []wtp.Direction{wtp.Enable, wtp.Disable}[i%2]
			c := g.confirm(d, all...)
			now := g.finish(c)
			t.Log(tc.name)
			if now.State != wtp.Stopped || !strings.Contains(now.StopWhy, tc.why) {
				t.Errorf("%s because %q, want %q", now.State, now.StopWhy, tc.why)
			}
			g.check(c)
			g.sim.ClearFaults()
			g.clock.Advance(10 * time.Minute)
			g.read()
			// The next case starts from all servers in one state.
			c = g.confirm(d, all...)
			g.finish(c)
			g.read()
		}
	})
}

func TestTokenDiesMidChange(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(1000))
		access := g.sim.Access()
		g.project = g.addProject(wtp.Credential{Kind: wtp.IAMPassword, Account: access.Account, IAMUser: access.User}, access.Password)
		g.read()
		c := g.confirm(wtp.Enable)
		tokens := g.sent(hsstest.OpCreateToken)
		g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRaspSwitch, Kind: hsstest.FaultExpireTokens, After: 2, Times: 1})
		g.finish(c)
		g.want(c, wtp.Done, "accepted 1000")
		if n := g.sent(hsstest.OpCreateToken) - tokens; n != 1 {
			t.Errorf("%d new tokens", n)
		}
	})
}

func TestDisabledPersonStops(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(1000))
		g.read()
		c := g.confirm(wtp.Enable)
		n := 0
		g.wire.before = func(*http.Request) error {
			if n++; n == 2 {
				_, err := g.store.ChangeUser(context.Background(), wtp.Actor{Name: "root", Role: wtp.Admin}, g.user.ID, wtp.Operator, true)
				return err
			}
			return nil
		}
		now := g.finish(c)
		g.want(c, wtp.Stopped, "accepted 400 stopped 600")
		if now.StopWhy == "" {
			t.Error("stopped without a reason")
		}
	})
}

func TestStoppedByAPerson(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(1000))
		g.read()
		c := g.confirm(wtp.Enable)
		n := 0
		g.wire.before = func(*http.Request) error {
			if n++; n == 3 {
				return g.store.StopChange(context.Background(), g.actor, g.project.ID, c.Number)
			}
			return nil
		}
		now := g.finish(c)
		g.want(c, wtp.Stopped, "accepted 600 stopped 400")
		if now.StoppedByName != "mei" {
			t.Errorf("stopped by %q", now.StoppedByName)
		}
	})
}

func TestTooOldToGoOn(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(20))
		g.read()
		c := g.confirm(wtp.Enable)
		g.clock.Advance(25 * time.Hour)
		now := g.finish(c)
		g.want(c, wtp.Stopped, "stopped 20")
		if !strings.Contains(now.StopWhy, "too long") || g.sent(hsstest.OpSetRaspSwitch) != 0 {
			t.Errorf("because %q", now.StopWhy)
		}
	})
}

func TestOrderlyStopRecordsTheCallInFlight(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(600))
		g.read()
		c := g.confirm(wtp.Enable)
		inFlight, goOn := make(chan struct{}), make(chan struct{})
		g.wire.before = func(*http.Request) error {
			close(inFlight)
			<-goOn
			return nil
		}
		ctx, tellToEnd := context.WithCancel(t.Context())
		var ended sync.WaitGroup
		ended.Go(func() { _ = g.runner.Run(ctx) })
		<-inFlight
		// The answer comes when it has been told, and what it was getting ready is.
		g.until("a second batch is ready", func() bool { return g.outcomes(c)[wtp.TargetSending] == 400 })
		tellToEnd()
		close(goOn)
		ended.Wait()
		g.wire.before = nil
		now, err := g.store.ChangeByID(t.Context(), c.ID)
		g.must(err)
		if now.State != wtp.Running || now.LeaseOwner != "" && now.LeaseUntil > wtp.At(g.clock.Now()) {
			t.Errorf("%s, lease %q until %d", now.State, now.LeaseOwner, now.LeaseUntil)
		}
		if got := g.outcomes(c); got[wtp.TargetAccepted] != 200 || got[wtp.TargetUnclear] != 0 || got[wtp.TargetSending] != 0 {
			t.Errorf("after the stop: %v", got)
		}
		g.finish(c)
		g.want(c, wtp.Done, "accepted 600")
		if n := g.sent(hsstest.OpSetRaspSwitch); n != 3 {
			t.Errorf("%d calls", n)
		}
	})
}

// TestAnEndedChangeIsNotLost: a heartbeat that comes just after the change has ended
// finds no lease, which is no fault.
func TestAnEndedChangeIsNotLost(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(3))
		g.read()
		g.confirm(wtp.Enable)
		c, ok, err := g.store.ClaimChange(t.Context(), "late")
		g.must(err)
		if !ok {
			t.Fatal("nothing to claim")
		}
		var said bytes.Buffer
		g.runner.Logger = slog.New(slog.NewTextHandler(&said, nil))
		fenced, fence := context.WithCancelCause(t.Context())
		fence(errFenced)
		g.runner.carry(fenced, c, "late")
		if !strings.Contains(said.String(), "change lost") {
			t.Errorf("another process has it now: %s", said.String())
		}

		g.clock.Advance(time.Hour)
		g.finish(c)
		said.Reset()
		g.runner.carry(fenced, c, "late")
		if strings.Contains(said.String(), "change lost") || !strings.Contains(said.String(), "change is over") {
			t.Errorf("it has ended: %s", said.String())
		}
		<-g.ended // what follows its end still happens
	})
}
