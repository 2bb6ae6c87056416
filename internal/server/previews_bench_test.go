package server

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

// BenchmarkPreviewPage answers with the whole page of a plan of 100,000 servers of
// which 50,000 are in an open change, and with the difference from a plan of which
// 1,000 servers moved. The bar of the whole page is 50 ms of server time.
func BenchmarkPreviewPage(b *testing.B) {
	for _, kind := range []string{"sqlite", "postgres"} {
		b.Run(kind, func(b *testing.B) {
			const n = 100_000
			x := newBench(b, kind, n)
			plan := func(from db.PlanSource) wtp.Change {
				b.Helper()
				c, err := x.store.PlanDynamicWTP(b.Context(), x.actor, x.p.ID, wtp.Enable, from, time.Hour)
				if err != nil {
					b.Fatal(err)
				}
				return c
			}
			all := fleet(n)
			var half []string
			for _, s := range all[:n/2] {
				half = append(half, s.HostID)
			}
			first, later := plan(db.PlanSource{HostIDs: half}), plan(db.PlanSource{Filter: &wtp.ServerFilter{}})
			if _, err := x.store.Confirm(b.Context(), x.actor, x.p.ID, first.UID, db.Confirmation{Reason: "bench"}); err != nil {
				b.Fatal(err)
			}
			look := func(name, path string) {
				b.Run(name, func(b *testing.B) {
					size := 0
					for b.Loop() {
						size = len(x.get(b, path, http.StatusOK))
					}
					if name != "moved" { // that compares all servers of both plans, once a refusal
						b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)*20, "x_of_limit")
					}
					b.ReportMetric(float64(size)/1000, "kB")
				})
			}
			at := "/p/" + x.p.Slug + "/previews/"
			look("planned-before", at+later.UID)
			rest := plan(db.PlanSource{Filter: &wtp.ServerFilter{}})
			look("planned-after", at+rest.UID)
			look("in-open-change", at+rest.UID+"?bucket=cannot&why=in_open_change")
			look("searched", at+rest.UID+"?bucket=needs_restart&q=99999")

			for i := range 1000 {
				all[n-1-i].Dynamic = wtp.Opened
			}
			if err := x.store.WantRead(b.Context(), x.p.ID); err != nil {
				b.Fatal(err)
			}
			if _, _, err := x.store.ClaimRead(b.Context(), "bench", time.Hour); err != nil {
				b.Fatal(err)
			}
			if _, err := x.store.SaveInventory(b.Context(), x.p.ID, "bench", x.store.Now(), all, nil); err != nil {
				b.Fatal(err)
			}
			_, err := x.store.Confirm(b.Context(), x.actor, x.p.ID, rest.UID, db.Confirmation{Reason: "bench"})
			var moved *db.Moved
			if !errors.As(err, &moved) {
				b.Fatal(err)
			}
			look("moved", at+moved.Change.UID+"?instead="+rest.UID)
		})
	}
}
