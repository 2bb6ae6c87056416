package db_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/wtp"
)

const large = 100_000

// benchRig is a store with one project, outside a test's checks.
func benchRig(b *testing.B, kind string) (*db.Store, wtp.Project, *dbtest.Clock) {
	b.Helper()
	clock := dbtest.NewClock()
	c := dbtest.Config(b, kind)
	c.Now = clock.Now
	s, err := db.Open(b.Context(), c)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	k, err := s.CreateCredential(b.Context(), wtp.Actor{}, wtp.Credential{UID: "c", Name: "c", Kind: wtp.AccessKey, SealedSecret: "v1.k.x"})
	if err != nil {
		b.Fatal(err)
	}
	p, err := s.CreateProject(b.Context(), wtp.Actor{}, wtp.Project{Name: "p", Region: "r", HSSProjectID: "p", CredentialID: k.ID})
	if err != nil {
		b.Fatal(err)
	}
	return s, p, clock
}

// largeFleet is as varied as a real one: long IDs in no order, many groups.
func largeFleet(edit func(i int, s *wtp.Server)) []wtp.Server {
	return fleet(large, func(i int, s *wtp.Server) {
		s.HostID = fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(i)*2654435761, i)
		s.GroupName = fmt.Sprintf("group-%d", i%200)
		s.OSName, s.PublicIP, s.BackupHostID = "Debian GNU/Linux 12 (bookworm)", fmt.Sprintf("203.0.%d.%d", i/250%250, i%250), fmt.Sprintf("b%d", i%4)
		if i%50 == 0 {
			s.OS = "windows"
		}
		if i%30 == 0 {
			s.AgentStatus = "offline"
		}
		if i%17 == 0 {
			s.StaticAttacks = int64(i % 9)
		}
		if edit != nil {
			edit(i, s)
		}
	})
}

func save(b *testing.B, s *db.Store, p wtp.Project, clock *dbtest.Clock, servers []wtp.Server) {
	b.Helper()
	clock.Advance(time.Hour)
	if _, ok, err := s.ClaimRead(b.Context(), "bench", time.Minute); err != nil || !ok {
		b.Fatal(ok, err)
	}
	if _, err := s.SaveInventory(b.Context(), p.ID, "bench", s.Now(), servers, nil); err != nil {
		b.Fatal(err)
	}
	clock.Advance(time.Second)
}

func eachKind(b *testing.B, run func(b *testing.B, kind string)) {
	b.Helper()
	for _, kind := range []string{"sqlite", "postgres"} {
		b.Run(kind, func(b *testing.B) { run(b, kind) })
	}
}

// BenchmarkSaveInventory saves 100,000 servers: all of them new, then the same
// again, then with every one changed. The bar is 5 s.
func BenchmarkSaveInventory(b *testing.B) {
	eachKind(b, func(b *testing.B, kind string) {
		for _, c := range []struct {
			name string
			edit func(i int, s *wtp.Server)
		}{
			{"new", nil}, {"same", nil}, {"changed", func(_ int, s *wtp.Server) { s.Dynamic = wtp.Opened }},
		} {
			b.Run(c.name, func(b *testing.B) {
				for range b.N {
					b.StopTimer()
					s, p, clock := benchRig(b, kind)
					if c.name != "new" {
						save(b, s, p, clock, largeFleet(nil))
					}
					servers := largeFleet(c.edit)
					b.StartTimer()
					save(b, s, p, clock, servers)
				}
			})
		}
	})
}

// BenchmarkPlan plans 100,000 servers. The bars are 2 s and 150 MB.
func BenchmarkPlan(b *testing.B) {
	eachKind(b, func(b *testing.B, kind string) {
		s, p, clock := benchRig(b, kind)
		save(b, s, p, clock, largeFleet(nil))
		b.ReportAllocs()
		for b.Loop() {
			c, err := s.PlanDynamicWTP(b.Context(), wtp.Actor{}, p.ID, wtp.Enable, db.PlanSource{Filter: &wtp.ServerFilter{}}, time.Hour)
			if err != nil || c.TargetCount != large {
				b.Fatal(c.TargetCount, err)
			}
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.Sys>>20), "sys-MB")
		b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/2, "x_of_limit")
	})
}

// BenchmarkConfirm confirms a plan of 100,000 servers.
func BenchmarkConfirm(b *testing.B) {
	eachKind(b, func(b *testing.B, kind string) {
		s, p, clock := benchRig(b, kind)
		save(b, s, p, clock, largeFleet(nil))
		for b.Loop() {
			b.StopTimer()
			c, err := s.PlanDynamicWTP(b.Context(), wtp.Actor{}, p.ID, wtp.Enable, db.PlanSource{Filter: &wtp.ServerFilter{}}, time.Hour)
			if err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			if c, err = s.Confirm(b.Context(), wtp.Actor{}, p.ID, c.UID, db.Confirmation{Reason: "bench"}); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			if err := s.StopChange(b.Context(), wtp.Actor{Name: "bench"}, p.ID, c.Number); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	})
}

// BenchmarkCarryOut sends the batches of a change of 100,000 servers; the time
// is of one batch.
func BenchmarkCarryOut(b *testing.B) {
	eachKind(b, func(b *testing.B, kind string) {
		s, p, clock := benchRig(b, kind)
		save(b, s, p, clock, largeFleet(nil))
		var c wtp.Change
		for b.Loop() {
			b.StopTimer()
			for {
				if c.ID != 0 {
					if _, _, ok, _, err := s.NextBatch(b.Context(), c.ID, "a"); err != nil {
						b.Fatal(err)
					} else if ok {
						break
					}
					if _, err := s.FinishChange(b.Context(), c.ID, "a"); err != nil {
						b.Fatal(err)
					}
				}
				plan, err := s.PlanDynamicWTP(b.Context(), wtp.Actor{}, p.ID, wtp.Enable, db.PlanSource{Filter: &wtp.ServerFilter{}}, time.Hour)
				if err != nil {
					b.Fatal(err)
				}
				if c, err = s.Confirm(b.Context(), wtp.Actor{}, p.ID, plan.UID, db.Confirmation{Reason: "bench"}); err != nil {
					b.Fatal(err)
				}
				if _, _, err := s.ClaimChange(b.Context(), "a"); err != nil {
					b.Fatal(err)
				}
			}
			b.StartTimer()
			batch, ts, _, _, err := s.NextBatch(b.Context(), c.ID, "a")
			if err != nil {
				b.Fatal(err)
			}
			call, err := s.BeginCall(b.Context(), "a", batch, wtp.Call{Operation: "SetRaspSwitch", Hosts: int64(len(ts))})
			if err != nil {
				b.Fatal(err)
			}
			if err := s.EndCall(b.Context(), "a", call, db.Verdict{Kind: db.Accepted}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkProgress reads what the progress fragment of a change of 100,000
// servers shows. The bar is 5 ms, whatever the size.
func BenchmarkProgress(b *testing.B) {
	eachKind(b, func(b *testing.B, kind string) {
		s, p, clock := benchRig(b, kind)
		save(b, s, p, clock, largeFleet(nil))
		plan, err := s.PlanDynamicWTP(b.Context(), wtp.Actor{}, p.ID, wtp.Enable, db.PlanSource{Filter: &wtp.ServerFilter{}}, time.Hour)
		if err != nil {
			b.Fatal(err)
		}
		c, err := s.Confirm(b.Context(), wtp.Actor{}, p.ID, plan.UID, db.Confirmation{Reason: "bench"})
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := s.Change(b.Context(), p.ID, c.Number); err != nil {
				b.Fatal(err)
			}
			if _, err := s.ChangeCounts(b.Context(), c.ID); err != nil {
				b.Fatal(err)
			}
			if _, err := s.Targets(b.Context(), db.TargetQuery{ChangeID: c.ID, Outcome: wtp.TargetWaiting}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)*200, "x_of_limit")
	})
}

// BenchmarkServerPage reads a page of 50 in the middle of 100,000 servers.
func BenchmarkServerPage(b *testing.B) {
	eachKind(b, func(b *testing.B, kind string) {
		s, p, clock := benchRig(b, kind)
		save(b, s, p, clock, largeFleet(nil))
		for _, q := range []db.ServerQuery{
			{Sort: "name"}, {Sort: "-attacks"},
			{Filter: wtp.ServerFilter{Group: []string{"group-7"}}},
			{Filter: wtp.ServerFilter{Dynamic: []string{wtp.Opened}}},
			{Filter: wtp.ServerFilter{Query: "web-0999"}},
		} {
			b.Run(q.Sort+q.Filter.Values().Encode(), func(b *testing.B) {
				q.ProjectIDs = []int64{p.ID}
				q.Limit = 10000
				mid, err := s.Servers(b.Context(), q)
				if err != nil {
					b.Fatal(err)
				}
				q.Limit, q.After = 50, mid.Next
				for b.Loop() {
					if _, err := s.Servers(b.Context(), q); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	})
}

// BenchmarkReadBack saves the reading that shows a change of 100,000 servers as
// wanted.
func BenchmarkReadBack(b *testing.B) {
	eachKind(b, func(b *testing.B, kind string) {
		for range b.N {
			b.StopTimer()
			s, p, clock := benchRig(b, kind)
			save(b, s, p, clock, largeFleet(nil))
			plan, err := s.PlanDynamicWTP(b.Context(), wtp.Actor{}, p.ID, wtp.Enable, db.PlanSource{Filter: &wtp.ServerFilter{}}, time.Hour)
			if err != nil {
				b.Fatal(err)
			}
			c, err := s.Confirm(b.Context(), wtp.Actor{}, p.ID, plan.UID, db.Confirmation{Reason: "bench"})
			if err != nil {
				b.Fatal(err)
			}
			if _, _, err := s.ClaimChange(b.Context(), "a"); err != nil {
				b.Fatal(err)
			}
			for {
				batch, _, ok, _, err := s.NextBatch(b.Context(), c.ID, "a")
				if err != nil {
					b.Fatal(err)
				}
				if !ok {
					break
				}
				call, err := s.BeginCall(b.Context(), "a", batch, wtp.Call{Operation: "SetRaspSwitch"})
				if err != nil {
					b.Fatal(err)
				}
				if err := s.EndCall(b.Context(), "a", call, db.Verdict{Kind: db.Accepted}); err != nil {
					b.Fatal(err)
				}
			}
			servers := largeFleet(func(_ int, v *wtp.Server) { v.Dynamic = wtp.Opened })
			b.StartTimer()
			save(b, s, p, clock, servers)
			b.StopTimer()
			got, err := s.ChangeCounts(b.Context(), c.ID)
			if err != nil || got.Confirmed != c.ToSend {
				b.Fatal(got, err)
			}
		}
	})
}
