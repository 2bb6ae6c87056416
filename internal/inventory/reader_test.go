package inventory

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"wtp-console/internal/connect"
	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/secret"
	"wtp-console/internal/wtp"
)

type rig struct {
	t        testing.TB
	clock    *dbtest.Clock
	store    *db.Store
	sim      *hsstest.Simulator
	reader   *Reader
	project  wtp.Project
	exported bool // the last reading was by an export
	// before sees each request to HSS.
	before func(*http.Request)
}

func (g *rig) RoundTrip(r *http.Request) (*http.Response, error) {
	if g.before != nil {
		g.before(r)
	}
	return (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
}

func newRig(t testing.TB, clock *dbtest.Clock, store *db.Store, config hsstest.Config) *rig {
	t.Helper()
	config.Now = clock.Now
	g := &rig{t: t, clock: clock, store: store, sim: hsstest.Start(t, config)}
	ring, err := secret.LoadRing(filepath.Join(t.TempDir(), "keys"), true)
	g.must(err)
	access, actor := g.sim.Access(), wtp.Actor{Name: "test"}
	c := wtp.Credential{UID: "u", Name: "c", Kind: wtp.AccessKey, AccessKey: access.AK, Region: access.Region, IAMEndpoint: access.IAMEndpoint}
	c.SealedSecret, err = ring.Seal(c.SealContext(), secret.New(access.SK))
	g.must(err)
	c, err = store.CreateCredential(t.Context(), actor, c)
	g.must(err)
	g.project, err = store.CreateProject(t.Context(), actor, wtp.Project{Name: "web", Region: access.Region, HSSProjectID: access.ProjectID,
		HSSEndpoint: access.HSSEndpoint, CredentialID: c.ID})
	g.must(err)
	quiet := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	wait := func(ctx context.Context, d time.Duration) error { clock.Advance(d); return ctx.Err() }
	line := &connect.Connector{Store: store, Ring: ring, Now: clock.Now, Logger: quiet, Transport: g, Wait: wait}
	g.reader = &Reader{Store: store, Connect: line, Owner: "test", Now: clock.Now, Logger: quiet, Wake: make(chan struct{}, 1), Poll: 5 * time.Millisecond}
	return g
}

func (g *rig) must(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

// fast lets many calls through.
func (g *rig) fast() *rig {
	g.must(g.store.SetSetting(g.t.Context(), wtp.Actor{Name: "test"}, connect.SettingCallsPerMinute, "100000"))
	return g
}

// read reads the project once and gives the project as it is then. Not by Run: the
// clock jumps whenever something waits, and leases with it.
func (g *rig) read() wtp.Project {
	g.t.Helper()
	g.clock.Advance(time.Second)
	g.must(g.store.WantRead(g.t.Context(), g.project.ID))
	p := g.claim()
	g.exported = g.reader.read(g.t.Context(), p, "test")
	var err error
	g.project, err = g.store.ProjectByID(g.t.Context(), g.project.ID)
	g.must(err)
	if g.project.ReadLease != "" {
		g.t.Fatal("the lease was not given back")
	}
	return g.project
}

// claim waits until there is a reading to claim: a renewal that was called off may still
// hold the project's row in PostgreSQL for a moment, and such a row is passed over.
func (g *rig) claim() wtp.Project {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), time.Minute)
	defer cancel()
	for {
		p, ok, err := g.store.ClaimRead(ctx, "test", DefaultEvery)
		if err != nil {
			g.t.Fatalf("nothing to read: %v", err)
		}
		if ok {
			return p
		}
		runtime.Gosched()
	}
}

// same holds the inventory against the simulator, field by field.
func (g *rig) same() {
	g.t.Helper()
	known, err := g.reader.known(g.t.Context(), g.project, 0)
	g.must(err)
	n := 0
	for _, s := range g.sim.Servers(g.project.HSSProjectID) {
		if s.NoWTP {
			continue
		}
		n++
		got, ok := known[s.HostID]
		want := wtp.Server{ProjectID: g.project.ID, HostID: s.HostID, Name: s.HostName, NameKey: strings.ToLower(s.HostName), PrivateIP: s.PrivateIP, PublicIP: s.PublicIP,
			GroupName: s.GroupName, OS: strings.ToLower(s.OSType), OSName: strings.TrimSpace(s.OSName + " " + s.OSVersion), AssetValue: s.AssetValue,
			HostStatus: strings.ToLower(s.HostStatus), AgentStatus: s.AgentStatus, ProtectStatus: s.ProtectStatus, Dynamic: s.RaspStatus, ProtectDirNum: int64(len(s.ProtectDirs)),
			InterruptReason: s.InterruptReason, BackupHostID: s.BackupHostID, StaticAttacks: s.AntiTampering, DynamicAttacks: s.DetectTampering,
			ReadAt: got.ReadAt, DynamicSince: got.DynamicSince}
		if !ok || got != want {
			g.t.Errorf("inventory has\n%+v, HSS\n%+v", got, want)
			return
		}
	}
	if len(known) != n || g.project.ServerCount != int64(n) {
		g.t.Errorf("the inventory has %d servers (counter %d), HSS %d", len(known), g.project.ServerCount, n)
	}
	for _, v := range g.sim.Violations() {
		g.t.Errorf("the client broke the contract: %s", v)
	}
}

// listed reads the list to its end, as Run does beside the readings.
func (g *rig) listed() { g.reader.list(g.t.Context(), g.project.ID) }

// counts gives the calls since the last time it was asked.
func (g *rig) counts() map[string]int {
	n := g.sim.Counts()
	g.sim.Forget()
	return n
}

func plain(n int) hsstest.Config { return hsstest.Config{Fleet: hsstest.PlainFleet(n)} }

func TestDemoFleetIsReadAsItIs(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), hsstest.Config{Fleet: hsstest.DemoFleet(1, 400)}).fast()
		g.read()
		g.same()
		backups, err := g.store.BackupServers(t.Context(), []int64{g.project.ID})
		g.must(err)
		if want := g.sim.Backups(g.project.HSSProjectID); len(backups) != len(want) || len(want) == 0 {
			t.Errorf("%d backup servers, HSS has %d", len(backups), len(want))
		}
		if n := g.counts(); n[hsstest.OpExportWebTamperHost] != 0 || n[hsstest.OpListBackupHostsInfo] != 1 {
			t.Errorf("calls: %v", n)
		}
	})
}

func TestLargeFleetWithinFiveCallsAMinute(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		config := plain(2500)
		config.Limit, config.ExportDelay = 5, 20*time.Second
		g := newRig(t, clock, open(), config)
		id := func(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

		g.read()
		g.listed()
		g.read()
		g.same()

		// One switched outside, one new, one gone: an export and one look-up.
		g.counts()
		s, _ := g.sim.Server(g.project.HSSProjectID, id(2222))
		s.RaspStatus, s.AgentStatus = hsstest.Opened, "offline"
		g.sim.SetServer(g.project.HSSProjectID, s)
		g.sim.AddServer(g.project.HSSProjectID, hsstest.Server{HostID: id(9001), HostName: "new-1", GroupName: "New", AssetValue: "important"})
		g.sim.RemoveServer(g.project.HSSProjectID, id(1500))
		g.clock.Advance(5 * time.Minute)
		g.read()
		g.same()
		if n := g.counts(); n[hsstest.OpListWtpProtectHost] != 2 || n[hsstest.OpExportWebTamperHost] != 1 || n[hsstest.OpDownloadExport] != 1 || n[hsstest.OpShowExportTask] > 4 {
			t.Errorf("the second reading: %v", n)
		}

		// Many new ones: the list is read once more, beside.
		for i := range 10 {
			g.sim.AddServer(g.project.HSSProjectID, hsstest.Server{HostID: id(9100 + i), GroupName: "New"})
		}
		g.clock.Advance(5 * time.Minute)
		g.read()
		if g.project.Unlisted != 10 || g.project.ServerCount != 2510 {
			t.Errorf("%d servers, %d not on the list", g.project.ServerCount, g.project.Unlisted)
		}
		g.listed()
		g.read()
		g.same()

		// A group changes, which no export shows: seen within the hour.
		s, _ = g.sim.Server(g.project.HSSProjectID, id(2000))
		s.GroupName = "Moved"
		g.sim.SetServer(g.project.HSSProjectID, s)
		g.clock.Advance(time.Hour)
		g.listed()
		g.read()
		g.same()
		for _, r := range g.sim.Requests() {
			if r.Answer == http.StatusTooManyRequests {
				t.Errorf("throttled: %s", r.Op)
			}
		}
	})
}

func TestNoUsableExport(t *testing.T) {
	for name, spoil := range map[string]func(*hsstest.Config, *hsstest.Fault){
		"not published": func(c *hsstest.Config, _ *hsstest.Fault) { c.Unpublished = []string{hsstest.OpExportWebTamperHost} },
		"405, nothing": func(_ *hsstest.Config, f *hsstest.Fault) {
			f.Op, f.Kind, f.Status, f.Body = hsstest.OpExportWebTamperHost, hsstest.FaultStatus, 405, " "
		},
		"404, HTML": func(_ *hsstest.Config, f *hsstest.Fault) {
			f.Op, f.Kind, f.Status, f.Body = hsstest.OpExportWebTamperHost, hsstest.FaultStatus, 404, "<html>"
		},
		"403": func(_ *hsstest.Config, f *hsstest.Fault) {
			f.Op, f.Kind, f.Status = hsstest.OpExportWebTamperHost, hsstest.FaultStatus, 403
		},
		"no download": func(_ *hsstest.Config, f *hsstest.Fault) {
			f.Op, f.Kind, f.Status = hsstest.OpDownloadExport, hsstest.FaultStatus, 500
		},
		"format":     func(_ *hsstest.Config, f *hsstest.Fault) { f.Kind = hsstest.FaultExportFormat },
		"task fails": func(_ *hsstest.Config, f *hsstest.Fault) { f.Kind = hsstest.FaultExportFails },
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
				config, fault := plain(700), hsstest.Fault{}
				spoil(&config, &fault)
				g := newRig(t, clock, open(), config).fast()
				if fault.Kind != "" {
					g.sim.AddFault(fault)
				}
				for range 2 {
					if p := g.read(); p.ReadError != "" {
						t.Fatal(p.ReadError)
					}
					g.same()
				}
				before := g.counts()[hsstest.OpExportWebTamperHost]
				g.read()
				if n := g.counts()[hsstest.OpExportWebTamperHost]; n != 0 || before != 1 {
					t.Errorf("asked for an export %d and %d times", before, n)
				}
			})
		})
	}
}

func TestOlderEditionTakesPagesOfHundred(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		config := plain(250)
		config.MaxLimit = 100
		g := newRig(t, clock, open(), config).fast()
		g.read()
		n := g.counts() // and with them the violation that one page of 200 is
		g.read()
		g.same()
		if m := g.counts(); n[hsstest.OpListWtpProtectHost] != 4 || m[hsstest.OpListWtpProtectHost] != 3 {
			t.Errorf("calls: %v, then %v", n, m)
		}
	})
}

// TestListMovesWhileItIsRead: servers that are there throughout are neither missed
// nor doubled, however the others come and go.
func TestListMovesWhileItIsRead(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		config := plain(2000)
		config.Unpublished = []string{hsstest.OpExportWebTamperHost}
		g := newRig(t, clock, open(), config).fast()
		page, added := 0, 0
		g.before = func(r *http.Request) {
			if !strings.HasSuffix(r.URL.Path, "/webtamper/hosts") {
				return
			}
			if page++; page < 15 {
				g.sim.RemoveServer(g.project.HSSProjectID, fmt.Sprintf("00000000-0000-4000-8000-%012d", page*7))
				if page%2 == 0 {
					added++
					g.sim.AddServer(g.project.HSSProjectID, hsstest.Server{HostID: fmt.Sprintf("new-%d", added)})
				}
			}
		}
		if p := g.read(); p.ReadError != "" {
			t.Fatal(p.ReadError)
		}
		known, err := g.reader.known(t.Context(), g.project, 0)
		g.must(err)
		for _, s := range g.sim.Servers(g.project.HSSProjectID) {
			if _, ok := known[s.HostID]; !ok && !s.NoWTP && !strings.HasPrefix(s.HostID, "new-") {
				t.Errorf("%s was missed", s.HostID)
			}
		}
		g.before = nil
		g.read()
		g.same()
	})
}

func TestHalfAListIsNeverKept(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), plain(450)).fast()
		g.read()
		for _, count := range []int{100, 250, 500, 100000} {
			g.sim.ClearFaults()
			g.sim.AddFault(hsstest.Fault{Op: hsstest.OpListWtpProtectHost, Kind: hsstest.FaultTotal, Count: count})
			if p := g.read(); !strings.Contains(p.ReadError, "contradicts itself") || p.ServerCount != 450 {
				t.Errorf("total_num %d: %d servers, %q", count, p.ServerCount, p.ReadError)
			}
		}
		for _, kind := range []hsstest.FaultKind{hsstest.FaultTruncate, hsstest.FaultShortBody, hsstest.FaultHTML} {
			g.sim.ClearFaults()
			g.sim.AddFault(hsstest.Fault{Op: hsstest.OpListWtpProtectHost, Kind: kind, After: 1})
			if p := g.read(); !strings.Contains(p.ReadError, "no usable answer") || p.ServerCount != 450 {
				t.Errorf("%s: %d servers, %q", kind, p.ServerCount, p.ReadError)
			}
		}
		g.sim.ClearFaults()
		g.sim.AddFault(hsstest.Fault{Op: hsstest.OpListWtpProtectHost, Kind: hsstest.FaultHangUpBefore, After: 1, Times: 2})
		if p := g.read(); p.ReadError != "" {
			t.Errorf("two broken connections: %q", p.ReadError)
		}
		g.same()
	})
}

func TestFailedReadingSaysWhy(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), plain(20)).fast()
		g.sim.RevokeKey(g.sim.Access().AK)
		p := g.read()
		ours, theirs, _ := strings.Cut(p.ReadError, "\n")
		if !strings.Contains(ours, "does not know this access key") || !strings.Contains(theirs, "APIGW.0301") || !strings.Contains(theirs, "request ID") {
			t.Errorf("%q", p.ReadError)
		}
		if n := g.counts()[hsstest.OpListWtpProtectHost]; n != 1 {
			t.Errorf("%d calls with a key that is gone", n)
		}
	})
}

// TestRunReadsWhatIsDue: a new project is read without anybody asking, and again
// when somebody does.
func TestRunReadsWhatIsDue(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), plain(20)).fast()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); _ = g.reader.Run(ctx) }()
		until := func(what string, ok func(wtp.Project) bool) {
			t.Helper()
			for deadline := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
				p, err := g.store.ProjectByID(t.Context(), g.project.ID)
				g.must(err)
				if ok(p) {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("in vain: %s", what)
				}
			}
		}
		until("a first reading", func(p wtp.Project) bool { return p.ReadAt != 0 && p.ServerCount == 20 })
		g.sim.AddServer(g.project.HSSProjectID, hsstest.Server{HostID: "new"})
		clock.Advance(time.Second)
		g.must(g.store.WantRead(t.Context(), g.project.ID))
		g.reader.Poke()
		until("a reading that was asked for", func(p wtp.Project) bool { return p.ServerCount == 21 })
		cancel()
		<-ended
	})
}

// TestRefusedKeyIsTriedOnce: a reading that failed is tried again each minute, but not
// with a key that HSS refused, since six failures in a row lock it.
func TestRefusedKeyIsTriedOnce(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), plain(20)).fast()
		g.read()
		g.sim.RevokeKey(g.sim.Access().AK)
		why := g.read().ReadError
		if n := g.counts(); why == "" || n[hsstest.OpListWtpProtectHost] != 2 {
			t.Fatalf("%q, calls: %v", why, n)
		}
		for range 30 {
			clock.Advance(61 * time.Second)
			p, ok, err := g.store.ClaimRead(t.Context(), "test", DefaultEvery)
			g.must(err)
			if ok {
				g.reader.read(t.Context(), p, "test")
			}
		}
		p, err := g.store.ProjectByID(t.Context(), g.project.ID)
		g.must(err)
		if n := g.counts(); len(n) != 0 || p.ReadError != why {
			t.Errorf("calls: %v, %q in place of %q", n, p.ReadError, why)
		}
	})
}

// TestSavingIsNotCutShort: a renewal that waited for the commit of a reading finds no
// claim, because the commit gave it back. That must not cancel the commit, whose answer
// may still be on its way; before it, a lost claim ends the reading.
func TestSavingIsNotCutShort(t *testing.T) {
	for _, saving := range []bool{true, false} {
		ctx, cancel := context.WithCancel(t.Context())
		c := claimed{cancel: cancel}
		c.saving.Store(saving)
		if c.lost(); (ctx.Err() == nil) != saving {
			t.Errorf("saving %t: %v", saving, ctx.Err())
		}
		cancel()
	}
}

// TestClaimEndsWithTheCommit saves slowly on PostgreSQL, so that a renewal waits for
// the row that the commit frees.
func TestClaimEndsWithTheCommit(t *testing.T) {
	clock, config := dbtest.NewClock(), dbtest.Config(t, "postgres")
	config.Now, config.LeaseFor = clock.Now, 150*time.Millisecond
	store, err := db.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	g := newRig(t, clock, store, plain(20)).fast()
	conn, err := pgx.Connect(t.Context(), config.URL)
	g.must(err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.2); RETURN NULL; END';
		CREATE CONSTRAINT TRIGGER slow AFTER UPDATE OF read_at ON projects DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()`)
	g.must(err)
	var log strings.Builder
	g.reader.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	for range 10 {
		before := g.project.ReadAt
		if p := g.read(); p.ReadAt == before || p.ReadError != "" {
			t.Fatalf("%q", p.ReadError)
		}
	}
	if log.Len() > 0 {
		t.Error(log.String())
	}
}
