package db_test

import (
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

// BenchmarkConflicts looks what stands against a plan of 100,000 servers: nothing,
// an open change of the same ones, a pending timer of the same ones.
func BenchmarkConflicts(b *testing.B) {
	eachKind(b, func(b *testing.B, kind string) {
		s, p, clock := benchRig(b, kind)
		save(b, s, p, clock, largeFleet(func(_ int, v *wtp.Server) { v.Dynamic = wtp.Opened }))
		u, err := s.CreateUser(b.Context(), wtp.Actor{}, wtp.User{Name: "Mei", NameKey: "mei", Role: wtp.Admin})
		if err != nil {
			b.Fatal(err)
		}
		mei := wtp.Actor{UserID: u.ID, Name: "Mei", Role: wtp.Admin}
		plan := func(d wtp.Direction) wtp.Change {
			b.Helper()
			c, err := s.PlanDynamicWTP(b.Context(), mei, p.ID, d, db.PlanSource{Filter: &wtp.ServerFilter{}}, time.Hour)
			if err != nil || c.TargetCount != large {
				b.Fatal(c.TargetCount, err)
			}
			return c
		}
		look := func(b *testing.B, c wtp.Change, open, timers int) {
			b.Helper()
			for b.Loop() {
				got, err := s.Conflicts(b.Context(), c)
				if err != nil || len(got.Open) != open || len(got.Timers) != timers {
					b.Fatal(got, err)
				}
			}
		}
		b.Run("none", func(b *testing.B) { look(b, plan(wtp.Enable), 0, 0) })
		c, err := s.Confirm(b.Context(), mei, p.ID, plan(wtp.Disable).UID, db.Confirmation{Reason: "bench", Back: wtp.BackOn{After: time.Hour}})
		if err != nil {
			b.Fatal(err)
		}
		b.Run("open", func(b *testing.B) { look(b, plan(wtp.Disable), 1, 0) })
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
		if _, err := s.FinishChange(b.Context(), c.ID, "a"); err != nil {
			b.Fatal(err)
		}
		b.Run("timer", func(b *testing.B) { look(b, plan(wtp.Enable), 0, 1) })
	})
}
