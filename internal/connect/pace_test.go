package connect

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

// slow lets the first call take long to arrive, as one does that has to look up a
// name and to agree on a key.
type slow struct {
	clock *dbtest.Clock
	calls int
}

func (s *slow) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.calls++; s.calls == 1 {
		s.clock.Advance(3 * time.Second)
	}
	return (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
}

// TestPaceHoldsWhereCallsArrive: HSS counts calls when they come, not when they
// were taken from the budget.
func TestPaceHoldsWhereCallsArrive(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), hsstest.Config{Limit: 5})
		_, p := g.store(g.keyPair())
		g.Transport = &slow{clock: clock}
		r, err := g.Reading(t.Context(), p, false)
		if err != nil {
			t.Fatal(err)
		}
		for range 17 {
			if _, _, err := r.Page(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
		}
		for i, r := range g.sim.Requests() {
			if r.Answer != http.StatusOK {
				t.Errorf("call %d was answered %d", i+1, r.Answer)
			}
		}
	})
}

// TestLearnsTheLimitFromARefusal: a 429 names the limit, so that one is enough.
func TestLearnsTheLimitFromARefusal(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), hsstest.Config{Limit: 2})
		_, p := g.store(g.keyPair())
		r, err := g.Reading(t.Context(), p, false)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if _, _, err := r.Page(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
		}
		refused := 0
		for _, call := range g.sim.Requests() {
			if call.Answer == http.StatusTooManyRequests {
				refused++
			}
		}
		if refused != 1 {
			t.Errorf("%d of %d calls were refused as too many", refused, len(g.sim.Requests()))
		}
	})
}

// TestPageSizeIsBlamedOnlyWhenItWasThat: HSS.0001 has many reasons.
func TestPageSizeIsBlamedOnlyWhenItWasThat(t *testing.T) {
	clock := dbtest.NewClock()
	g := newRig(t, clock, dbtest.SQLiteClock(t, clock), hsstest.Config{})
	_, p := g.store(g.keyPair())
	r, err := g.Reading(t.Context(), p, false)
	if err != nil {
		t.Fatal(err)
	}
	g.sim.AddFault(hsstest.Fault{Op: hsstest.OpListWtpProtectHost, Kind: hsstest.FaultRefuse, Code: "HSS.0001"})
	if _, _, err := r.Page(t.Context(), 0); err == nil {
		t.Fatal("a refused page is no error")
	}
	g.sim.ClearFaults()
	if _, _, err := r.Page(t.Context(), 0); err != nil || r.Pages(400) != 2 {
		t.Errorf("%d pages for 400 servers, %v", r.Pages(400), err)
	}
}

// TestHostsThatCannotBeLookedUp: where HSS has no list of hosts, an ID is taken at
// the person's own word, and a search says why it finds nothing.
func TestHostsThatCannotBeLookedUp(t *testing.T) {
	clock := dbtest.NewClock()
	g := newRig(t, clock, dbtest.SQLiteClock(t, clock), hsstest.Config{Unpublished: []string{hsstest.OpListHostStatus}})
	_, p := g.store(g.keyPair())
	if found, err := g.FindHosts(t.Context(), p, "10000000-0000-4000-8000-000000000001"); err != nil || len(found) != 0 {
		t.Errorf("%v, %v", found, err)
	}
	if _, err := g.FindHosts(t.Context(), p, "bak"); err == nil {
		t.Error("a search in nothing found nothing, without a word")
	}
}

// TestRaisedBudgetIsHeededAtOnce: a reading that waits for a minute to pass goes
// on when an admin allows more.
func TestRaisedBudgetIsHeededAtOnce(t *testing.T) {
	clock := dbtest.NewClock()
	g := newRig(t, clock, dbtest.SQLiteClock(t, clock), hsstest.Config{})
	_, p := g.store(g.keyPair())
	r, err := g.Reading(t.Context(), p, false)
	if err != nil {
		t.Fatal(err)
	}
	began := clock.Now()
	g.Wait = func(ctx context.Context, d time.Duration) error {
		clock.Advance(d)
		return g.Store.SetSetting(ctx, wtp.Actor{Name: "test"}, SettingCallsPerMinute, "100")
	}
	for range DefaultCallsPerMinute + 1 {
		if _, _, err := r.Page(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
	if took := clock.Now().Sub(began); took > 10*time.Second {
		t.Errorf("it waited %s", took)
	}
}
