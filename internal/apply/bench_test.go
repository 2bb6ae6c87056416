package apply

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"wtp-console/internal/connect"
	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/secret"
	"wtp-console/internal/wtp"
)

// bench is a console without pages whose project has servers that all can be
// switched, known as a reading would have left them. clock nil: real time.
type bench struct {
	*testing.B
	store   *db.Store
	sim     *hsstest.Simulator
	runner  *Runner
	actor   wtp.Actor
	project wtp.Project
	over    chan struct{}
}

func newBench(b *testing.B, kind string, clock *dbtest.Clock, perMinute string, config hsstest.Config) *bench {
	b.Helper()
	now, stored := time.Now, dbtest.Config(b, kind)
	if clock != nil {
		now, stored.Now, config.Now = clock.Now, clock.Now, clock.Now
	}
	store, err := db.Open(b.Context(), stored)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	g := &bench{B: b, store: store, sim: hsstest.Start(b, config), over: make(chan struct{}, 1)}
	ring, err := secret.LoadRing(filepath.Join(b.TempDir(), "keys"), true)
	g.must(err)
	ctx, access := b.Context(), g.sim.Access()
	g.must(store.SetSetting(ctx, wtp.Actor{Name: "bench"}, connect.SettingCallsPerMinute, perMinute))
	user, err := store.CreateUser(ctx, wtp.Actor{Name: "bench"}, wtp.User{Name: "mei", NameKey: "mei", Role: wtp.Admin})
	g.must(err)
	g.actor = wtp.Actor{UserID: user.ID, Name: user.Name, Role: user.Role}
	c := wtp.Credential{UID: "u", Name: "c", Kind: wtp.AccessKey, AccessKey: access.AK, Region: access.Region, IAMEndpoint: access.IAMEndpoint}
	c.SealedSecret, err = ring.Seal(c.SealContext(), secret.New(access.SK))
	g.must(err)
	c, err = store.CreateCredential(ctx, g.actor, c)
	g.must(err)
	g.project, err = store.CreateProject(ctx, g.actor, wtp.Project{Name: "web", Region: access.Region, HSSProjectID: access.ProjectID, HSSEndpoint: access.HSSEndpoint, CredentialID: c.ID})
	g.must(err)
	g.know(config.Fleet.Projects[0].Servers)
	wait := func(ctx context.Context, d time.Duration) error { clock.Advance(d); return ctx.Err() }
	if clock == nil {
		wait = nil
	}
	troubles := slog.New(slog.NewTextHandler(b.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	line := &connect.Connector{Store: store, Ring: ring, Now: now, Logger: troubles, Wait: wait}
	g.runner = &Runner{Store: store, Connect: line, Owner: "bench", Now: now, Logger: troubles, Wake: make(chan struct{}, 1), Poll: time.Hour, Wait: wait,
		Changed: func() { g.over <- struct{}{} }}
	return g
}

func (g *bench) must(err error) {
	g.Helper()
	if err != nil {
		g.Fatal(err)
	}
}

// know keeps the servers as a reading would.
func (g *bench) know(fleet []hsstest.Server) {
	g.Helper()
	var servers []wtp.Server
	for _, s := range fleet {
		if !s.NoWTP {
			servers = append(servers, wtp.Server{HostID: s.HostID, Name: s.HostName, PrivateIP: s.PrivateIP, GroupName: s.GroupName,
				OS: "linux", HostStatus: "active", AgentStatus: "online", ProtectStatus: "opened", Dynamic: wtp.Closed})
		}
	}
	_, ok, err := g.store.ClaimRead(g.Context(), "bench", time.Hour)
	if g.must(err); !ok {
		g.Fatal("no project to read")
	}
	_, err = g.store.SaveInventory(g.Context(), g.project.ID, "bench", g.store.Now(), servers, nil)
	g.must(err)
}

// carryOut confirms turning all servers on and lets the runner carry it out; it
// returns after the last answer is recorded.
func (g *bench) carryOut(n int) {
	g.Helper()
	plan, err := g.store.PlanDynamicWTP(g.Context(), g.actor, g.project.ID, wtp.Enable, db.PlanSource{Filter: &wtp.ServerFilter{}}, time.Hour)
	g.must(err)
	c, err := g.store.Confirm(g.Context(), g.actor, g.project.ID, plan.UID, db.Confirmation{Reason: "bench"})
	g.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	g.StartTimer()
	done.Go(func() { _ = g.runner.Run(ctx) })
	<-g.over
	g.StopTimer()
	cancel()
	done.Wait()
	counts, err := g.store.ChangeCounts(g.Context(), c.ID)
	if g.must(err); counts.Of(wtp.TargetAccepted) != int64(n) {
		g.Fatalf("not all %d servers were switched: %v", n, counts)
	}
}

// BenchmarkChange carries out a change of 10,000 servers against a simulator that
// takes 150 ms for each call and doesn't throttle, in real time. x_of_limit is
// the time over ceil(N/200)/calls at a time * 150 ms; its bar is 1.05. record_ms
// is what a batch takes beyond its call: the intent before it, the outcome after
// it, and their commits.
func BenchmarkChange(b *testing.B) {
	const n, latency = 10_000, 150 * time.Millisecond
	for _, kind := range []string{"sqlite", "postgres"} {
		for _, atOnce := range callsAtOnce() {
			b.Run(fmt.Sprintf("%s/at_once=%d", kind, atOnce), func(b *testing.B) {
				for range b.N {
					b.StopTimer()
					g := newBench(b, kind, nil, "600", hsstest.Config{Fleet: hsstest.PlainFleet(n), Latency: latency})
					g.atOnce(atOnce)
					g.carryOut(n)
				}
				calls := (n + wtp.MaxHosts - 1) / wtp.MaxHosts
				limit := time.Duration((calls+atOnce-1)/atOnce) * latency
				took := b.Elapsed() / time.Duration(b.N)
				b.ReportMetric(float64(took)/float64(limit), "x_of_limit")
				b.ReportMetric(float64(took-limit)/float64(time.Millisecond)/float64(calls), "record_ms")
			})
		}
	}
}

// BenchmarkThrottledChange carries out a change of 10,000 servers under the
// documented 5 calls a minute. The clock is the test's and jumps ahead whenever
// the console would wait, so x_of_limit, the time by that clock over
// ceil(N/200)/5 minutes, counts the waiting alone. That is all there is: the
// calls themselves fall into it. The bar is 1.02, with no call throttled.
func BenchmarkThrottledChange(b *testing.B) {
	const n, perMinute = 10_000, 5
	for _, kind := range []string{"sqlite", "postgres"} {
		b.Run(kind, func(b *testing.B) {
			var took time.Duration
			for range b.N {
				b.StopTimer()
				clock := dbtest.NewClock()
				g := newBench(b, kind, clock, fmt.Sprint(perMinute), hsstest.Config{Fleet: hsstest.PlainFleet(n), Limit: perMinute, KeepRequests: 100_000})
				began := clock.Now()
				g.carryOut(n)
				took += clock.Now().Sub(began)
				throttled := 0
				for _, r := range g.sim.Requests() {
					if r.Answer == 429 {
						throttled++
					}
				}
				if throttled > 0 {
					b.Errorf("%d calls were throttled", throttled)
				}
			}
			calls := (n + wtp.MaxHosts - 1) / wtp.MaxHosts
			limit := time.Duration(calls) * time.Minute / perMinute
			b.ReportMetric(float64(took)/float64(b.N)/float64(limit), "x_of_limit")
			b.ReportMetric(took.Minutes()/float64(b.N), "minutes")
		})
	}
}

// callsAtOnce are the calls at a time that BenchmarkChange measures.
func callsAtOnce() []int { return []int{1, 2} }

// atOnce sets how many calls of a change are made at a time.
func (g *bench) atOnce(n int) {
	g.Helper()
	g.must(g.store.SetSetting(g.Context(), wtp.Actor{Name: "bench"}, wtp.CallsAtOnce, fmt.Sprint(n)))
}
