package inventory

import (
	"testing"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
)

// BenchmarkRead reads a project of 100,000 servers from a simulator without
// latency and throttle, over HTTP, into the store by an export: the first time, when
// nothing changed, and when dynamic WTP changed on every server; and beside it the list,
// 500 pages. What waits (for the export) jumps the clock, so that is not in the time:
// 2 s and a call more. The bar, 5 s, is for the exports; the list is 500 calls and,
// under 5 calls a minute, a matter of 100 minutes.
func BenchmarkRead(b *testing.B) {
	const n = 100_000
	for _, kind := range []string{"sqlite", "postgres"} {
		b.Run(kind, func(b *testing.B) {
			for _, c := range []struct {
				name, to string // dynamic WTP of every server; "": as it was
				exports  int    // one more tells the operating systems
			}{{"first", "", 2}, {"same", "", 1}, {"changed", hsstest.Opened, 1}, {"list", "", 0}} {
				b.Run(c.name, func(b *testing.B) {
					for range b.N {
						b.StopTimer()
						clock := dbtest.NewClock()
						stored := dbtest.Config(b, kind)
						stored.Now = clock.Now
						store, err := db.Open(b.Context(), stored)
						if err != nil {
							b.Fatal(err)
						}
						g := newRig(b, clock, store, plain(n)).fast()
						if c.exports < 2 {
							g.read()
							clock.Advance(DefaultEvery)
							g.counts()
						}
						if c.exports == 1 {
							g.listed()
							g.read()
							clock.Advance(DefaultEvery)
							g.counts()
						}
						if c.to != "" {
							for _, s := range hsstest.PlainFleet(n).Projects[0].Servers {
								if s.RaspStatus = c.to; !s.NoWTP {
									g.sim.SetServer(g.project.HSSProjectID, s)
								}
							}
						}
						b.StartTimer()
						p := g.project
						if c.exports == 0 {
							g.listed()
						} else {
							p = g.read()
						}
						b.StopTimer()
						if got := g.counts()[hsstest.OpExportWebTamperHost]; p.ReadError != "" || p.ServerCount != n || got != c.exports {
							b.Fatal(p.ReadError, p.ServerCount, got)
						}
						if err := store.Close(); err != nil {
							b.Fatal(err)
						}
						b.StartTimer()
					}
					if c.exports > 0 {
						b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/5, "x_of_limit")
					}
				})
			}
		})
	}
}
