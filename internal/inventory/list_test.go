package inventory

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/wtp"
)

// TestFirstReadingByExport: every server is there after a few calls, each with its
// operating system; what only the list shows comes by and by, and until then a server
// counts as important.
func TestFirstReadingByExport(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		config := hsstest.Config{Fleet: hsstest.DemoFleet(1, 1500), Limit: 5, ExportDelay: 20 * time.Second}
		g := newRig(t, clock, open(), config)
		project := g.project.HSSProjectID
		total := 0
		for _, s := range g.sim.Servers(project) {
			if !s.NoWTP {
				total++
			}
		}
		p := g.read()
		if int(p.ServerCount) != total || int(p.Unlisted) != total-200 || p.ListedAt != 0 || !g.exported {
			t.Fatalf("%d servers of %d, %d not on the list", p.ServerCount, total, p.Unlisted)
		}
		if n := g.counts(); n[hsstest.OpListWtpProtectHost] != 2 || n[hsstest.OpExportWebTamperHost] != 2 {
			t.Errorf("the first reading: %v", n)
		}
		known, err := g.reader.known(t.Context(), g.project, 0)
		g.must(err)
		for _, s := range g.sim.Servers(project) {
			got := known[s.HostID]
			if !s.NoWTP && (got.Name != s.HostName || got.Dynamic != s.RaspStatus || got.AgentStatus != s.AgentStatus || got.OS != strings.ToLower(s.OSType)) {
				t.Fatalf("%+v, HSS has %+v", got, s)
			}
			if b, why := wtp.Classify(got, wtp.Disable, false); got.AssetValue == wtp.Unlisted && b.Sent() && why != wtp.WhyUnlisted {
				t.Fatalf("%+v: %s %s", got, b, why)
			}
		}

		// Half of the list, then a page that can't be had.
		g.sim.AddFault(hsstest.Fault{Op: hsstest.OpListWtpProtectHost, Kind: hsstest.FaultHTML, After: 3, Times: 3})
		g.listed()
		g.sim.ClearFaults()
		p = g.read()
		if p.ReadError != "" || p.Unlisted == 0 || int(p.Unlisted) >= total-400 || p.ListedAt != 0 {
			t.Errorf("half a list: %d of %d not on it, %q", p.Unlisted, total, p.ReadError)
		}
		g.counts()
		g.listed()
		if n := g.counts()[hsstest.OpListWtpProtectHost]; n > total/200 {
			t.Errorf("%d pages for the rest of a list of %d", n, total)
		}
		if p, err := g.store.ProjectByID(t.Context(), p.ID); err != nil || p.ReadWantedAt == 0 {
			t.Errorf("at the end of the list no reading was asked for (%v)", err)
		}
		// What is read is kept until a reading was saved.
		g.sim.AddFault(hsstest.Fault{Op: hsstest.OpListWtpProtectHost, Kind: hsstest.FaultHTML, Times: 3})
		if p = g.read(); p.ReadError == "" {
			t.Fatal("no fault")
		}
		p = g.read()
		g.same()
		if p.Unlisted != 0 || p.ListedAt == 0 {
			t.Errorf("%d not on the list of %d", p.Unlisted, p.ListedAt)
		}
	})
}

// TestSystemsThatCannotBeTold: an HSS that doesn't narrow an export makes no Linux
// servers of Windows ones.
func TestSystemsThatCannotBeTold(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), plain(1000)).fast()
		g.sim.AddFault(hsstest.Fault{Op: hsstest.OpListWtpProtectHost, Kind: hsstest.FaultTotal, Count: 1000, After: 1, Times: 1})
		if p := g.read(); p.ReadError != "" || p.Unlisted != 800 {
			t.Fatalf("%d not on the list, %q", p.Unlisted, p.ReadError)
		}
		known, err := g.reader.known(t.Context(), g.project, 0)
		g.must(err)
		for _, s := range known {
			if s.AssetValue == wtp.Unlisted && s.OS != "" {
				t.Fatalf("%+v", s)
			}
			if b, why := wtp.Classify(s, wtp.Enable, false); s.AssetValue == wtp.Unlisted && (b != wtp.Cannot || why != wtp.WhyUnlisted) {
				t.Fatalf("%s %s of %+v", b, why, s)
			}
		}
	})
}

// TestListMovesBesideReadings: servers come and go while the list is read; in the
// end each is known, and the list isn't read without end.
func TestListMovesBesideReadings(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), plain(2000)).fast()
		g.read()
		page := 0
		g.before = func(r *http.Request) {
			if page++; strings.HasSuffix(r.URL.Path, "/webtamper/hosts") && page < 10 {
				g.sim.RemoveServer(g.project.HSSProjectID, fmt.Sprintf("00000000-0000-4000-8000-%012d", page*7))
				g.sim.AddServer(g.project.HSSProjectID, hsstest.Server{HostID: fmt.Sprintf("new-%d", page)})
			}
		}
		for range 4 {
			g.listed()
			if p := g.read(); p.ReadError != "" {
				t.Fatal(p.ReadError)
			}
			clock.Advance(10 * time.Minute)
		}
		g.same()
		if g.project.Unlisted != 0 {
			t.Errorf("%d servers are on no list", g.project.Unlisted)
		}
		g.counts()
		g.listed()
		if n := g.counts()[hsstest.OpListWtpProtectHost]; n != 0 {
			t.Errorf("%d pages of a list that is known", n)
		}
	})
}
