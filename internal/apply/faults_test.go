package apply

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/wtp"
)

// fault is one kind of trouble with one batch of three, and how the change ends.
type faultCase struct {
	name  string
	fault hsstest.Fault
	// sends is how many calls the three batches take in all.
	sends int
	// class is what the spoilt call is recorded as; "": like any other.
	class string
}

func faultCases() []faultCase {
	status := func(code int, apply bool) hsstest.Fault {
		return hsstest.Fault{Kind: hsstest.FaultStatus, Status: code, Apply: apply}
	}
	cases := []faultCase{
		{"hung up before applying", hsstest.Fault{Kind: hsstest.FaultHangUpBefore}, 4, "unclear"},
		{"hung up after applying", hsstest.Fault{Kind: hsstest.FaultHangUpAfter}, 3, "unclear"},
		{"no answer in time, applied", hsstest.Fault{Kind: hsstest.FaultSlowAnswer, Delay: time.Hour}, 3, "unclear"},
		{"body never ends, applied", hsstest.Fault{Kind: hsstest.FaultShortBody}, 3, "unclear"},
		{"truncated, applied", hsstest.Fault{Kind: hsstest.FaultTruncate}, 3, "unclear"},
		{"body drips, applied", hsstest.Fault{Kind: hsstest.FaultSlowBody, Delay: time.Hour}, 3, "unclear"},
		{"504, applied soon after", hsstest.Fault{Kind: hsstest.FaultLate, Delay: 2 * time.Second}, 3, "unclear"},
		{"504, applied after reading back", hsstest.Fault{Kind: hsstest.FaultLate, Delay: 20 * time.Second}, 4, "unclear"},
		{"500, 77 of 200 applied", hsstest.Fault{Kind: hsstest.FaultPartial, Count: 77}, 4, "unclear"},
		{"slow, within the time", hsstest.Fault{Kind: hsstest.FaultLatency, Delay: 50 * time.Millisecond}, 3, ""},
		{"Date header an hour off", hsstest.Fault{Kind: hsstest.FaultDate, Delay: time.Hour}, 3, ""},
		{"429", status(429, false), 4, "throttled"},
		{"refused as a whole once", hsstest.Fault{Kind: hsstest.FaultRefuse}, 5, "refused"},
	}
	for _, apply := range []bool{false, true} {
		sends, word := 4, "not applied"
		if apply {
			sends, word = 3, "applied"
		}
		for _, code := range []int{500, 502, 503, 504, 201, 202, 204} {
			cases = append(cases, faultCase{fmt.Sprintf("%d, %s", code, word), status(code, apply), sends, "unclear"})
		}
		cases = append(cases,
			faultCase{"302, " + word, hsstest.Fault{Kind: hsstest.FaultRedirect, Apply: apply}, sends, "unclear"},
			faultCase{"307, " + word, hsstest.Fault{Kind: hsstest.FaultRedirect, Status: 307, Apply: apply}, sends, "unclear"},
			faultCase{"200 with HTML, " + word, hsstest.Fault{Kind: hsstest.FaultHTML, Apply: apply}, sends, "unclear"})
	}
	return cases
}

// TestEveryFaultAtEveryBatch: whatever happens to one batch of three, applied or
// not, all servers end as accepted, are so in HSS, and nothing that was applied is
// sent again.
func TestEveryFaultAtEveryBatch(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		config := fleet(600)
		config.KeepRequests = 100000
		g := newRig(t, clock, open(), config)
		g.read()
		d := wtp.Enable
		table := "calls for three batches of 200, by what happens to one of them; all 600 end as accepted each time\n" +
			fmt.Sprintf("%-34s %-10s %5s %6s %4s\n", "fault", "recorded", "first", "middle", "last")
		defer func() { t.Log(table) }()
		for _, tc := range faultCases() {
			table += fmt.Sprintf("%-34s %-10s", tc.name, cmp.Or(tc.class, "ok"))
			for at, which := range []string{"first", "middle", "last"} {
				if g.store.Dialect() == "postgres" && at != 1 {
					continue // what a fault means doesn't depend on the database
				}
				g.sim.ClearFaults()
				tc.fault.Op, tc.fault.After, tc.fault.Times = hsstest.OpSetRaspSwitch, at, 1
				g.sim.AddFault(tc.fault)
				c := g.confirm(d)
				before := g.sent(hsstest.OpSetRaspSwitch)
				g.finish(c)
				g.want(c, wtp.Done, "accepted 600")
				n := g.sent(hsstest.OpSetRaspSwitch) - before
				if n != tc.sends {
					t.Errorf("%d calls, want %d", n, tc.sends)
				}
				table += fmt.Sprintf("%6d", n)
				classes := map[string]int{}
				calls, err := g.store.Calls(t.Context(), c.ID, 0, 1000)
				g.must(err)
				for _, call := range calls {
					classes[call.Class]++
				}
				if tc.class != "" && classes[tc.class] != 1 {
					t.Errorf("calls by class: %v, want one %s", classes, tc.class)
				}
				if t.Failed() {
					t.Fatalf("%s, %s batch\n%s", tc.name, which, g.calls(c))
				}
				g.clock.Advance(time.Minute) // what HSS applies late is done
				g.read()
				if d == wtp.Enable {
					d = wtp.Disable
				} else {
					d = wtp.Enable
				}
			}
			table += "\n"
		}
	})
}

func TestStormOpensTheCircuit(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(2000))
		g.read()
		c := g.confirm(wtp.Enable)
		g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRaspSwitch, Kind: hsstest.FaultStatus, Status: 502, After: 2})
		now := g.finish(c)
		if n := g.sent(hsstest.OpSetRaspSwitch); n > 8 {
			t.Errorf("%d calls, two of them good", n)
		}
		if !strings.Contains(now.StopWhy, "no clear answer 5 times in a row") || now.State != wtp.Stopped {
			t.Errorf("%s because %q", now.State, now.StopWhy)
		}
		got := g.outcomes(c)
		if got[wtp.TargetAccepted] != 400 || got[wtp.TargetStopped] < 1000 || got[wtp.TargetUnknown] > 600 {
			t.Errorf("%v", got)
		}
		g.check(c)
	})
}

// TestHSSGoneMidChange: neither writes nor readings are answered any more.
func TestHSSGoneMidChange(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(1000))
		g.read()
		c := g.confirm(wtp.Enable)
		g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRaspSwitch, Kind: hsstest.FaultHangUpAfter, After: 1, Times: 1})
		g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRaspSwitch, Kind: hsstest.FaultHangUpBefore, After: 2})
		for _, op := range []string{hsstest.OpListWtpProtectHost, hsstest.OpExportWebTamperHost} {
			g.sim.AddFault(hsstest.Fault{Op: op, Kind: hsstest.FaultHangUpBefore})
		}
		g.finish(c)
		g.want(c, wtp.Stopped, "accepted 200 unknown 600 stopped 200")
		if n := g.sent(hsstest.OpSetRaspSwitch); n != 4 {
			t.Errorf("%d calls", n)
		}
		// What HSS shows later is noted beside the outcome.
		g.sim.ClearFaults()
		g.clock.Advance(time.Minute)
		g.read()
		seen := map[string]int{}
		for _, target := range g.targets(c) {
			if target.Outcome == wtp.TargetUnknown {
				seen[target.Seen]++
			}
		}
		if seen[wtp.Opened] != 200 || seen[wtp.Closed] != 400 {
			t.Errorf("unknown targets were later seen as %v", seen)
		}
	})
}

func TestNeverLeftIsTriedThreeTimes(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(600))
		g.read()
		c := g.confirm(wtp.Enable)
		n := 0
		refuse := func(from, to int) func(*http.Request) error {
			n = 0
			return func(*http.Request) error {
				if n++; n >= from && n <= to {
					return &net.OpError{Op: "dial", Net: "tcp", Err: fmt.Errorf("connect: connection refused")}
				}
				return nil
			}
		}
		g.wire.before = refuse(2, 3)
		g.finish(c)
		g.want(c, wtp.Done, "accepted 600")
		g.read()

		c = g.confirm(wtp.Disable)
		g.wire.before = refuse(2, 100)
		now := g.finish(c)
		g.want(c, wtp.Stopped, "accepted 200 stopped 400")
		if !strings.Contains(now.StopWhy, "could not be reached, 3 times in a row") || n != 4 {
			t.Errorf("after %d tries because %q", n, now.StopWhy)
		}
	})
}

// TestAnswersThatAreAlwaysOdd: an HSS (or what stands before it) that does what it
// is told and answers 204 costs a reading back for each batch, but stops nothing.
func TestAnswersThatAreAlwaysOdd(t *testing.T) {
	clock := dbtest.NewClock()
	g := newRig(t, clock, dbtest.SQLiteClock(t, clock), fleet(1400))
	g.read()
	g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRaspSwitch, Kind: hsstest.FaultStatus, Status: 204, Apply: true})
	c := g.confirm(wtp.Enable)
	g.finish(c)
	g.want(c, wtp.Done, "accepted 1400")
	if n := g.sent(hsstest.OpSetRaspSwitch); n != 7 {
		t.Errorf("%d calls, want 7", n)
	}
}
