package db_test

import (
	"sync"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

func TestBudget(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		take := func(op string) time.Duration {
			r.Helper()
			return must(r.s.TakeCall(r.ctx, r.key.ID, op, 5, time.Minute, db.Turn{}))(r).Wait
		}
		for range 5 {
			r.equal(take("SetRaspSwitch"), time.Duration(0))
			r.clock.Advance(time.Second)
		}
		r.equal(take("SetRaspSwitch"), 55*time.Second)
		r.equal(take("ListWtpProtectHost"), time.Duration(0)) // its own budget
		r.clock.Advance(55 * time.Second)
		r.equal(take("SetRaspSwitch"), time.Duration(0))
		r.equal(take("SetRaspSwitch"), time.Second)
		r.ok(r.s.BlockCalls(r.ctx, r.key.ID, "SetRaspSwitch", r.s.Now().Add(10*time.Minute)))
		r.ok(r.s.BlockCalls(r.ctx, r.key.ID, "SetRaspSwitch", r.s.Now().Add(time.Minute))) // not shortened
		r.equal(take("SetRaspSwitch"), 10*time.Minute)
		r.equal(take("ListWtpProtectHost"), time.Duration(0))
		r.ok(r.s.LockCredential(r.ctx, r.key.ID, r.s.Now().Add(3*time.Minute)))
		r.equal(take("ListWtpProtectHost"), 3*time.Minute)
		r.clock.Advance(10 * time.Minute)
		r.equal(take("SetRaspSwitch"), time.Duration(0))
		// A clock set back makes nobody wait longer than the window.
		r.clock.Advance(-time.Hour)
		for range 5 {
			take("ShowRemoteBackup")
		}
		r.equal(take("SetRaspSwitch") <= time.Hour, true)
		_, err := r.s.TakeCall(r.ctx, r.key.ID, "SetRaspSwitch", 0, time.Minute, db.Turn{})
		if err == nil {
			r.Error("a budget of none")
		}
		_, err = r.s.TakeCall(r.ctx, 99, "SetRaspSwitch", 1, time.Minute, db.Turn{})
		r.is(err, wtp.ErrNotFound)
	})
}

func TestBudgetIsSharedAndSurvives(t *testing.T) {
	eachRig(t, func(r *rig, open func() *db.Store) {
		stores := []*db.Store{r.s, r.s}
		if r.s.Dialect() == "postgres" {
			stores[1] = open() // a second replica
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		taken := 0
		for i := range 12 {
			wg.Go(func() {
				call, err := stores[i%2].TakeCall(r.ctx, r.key.ID, "SetRaspSwitch", 5, time.Minute, db.Turn{})
				if err != nil {
					r.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if call.Wait == 0 {
					taken++
				}
			})
		}
		wg.Wait()
		r.equal(taken, 5)
		if r.s.Dialect() == "sqlite" {
			if err := r.s.Close(); err != nil {
				r.Fatal(err)
			}
		}
		r.s = open()
		r.equal(must(r.s.TakeCall(r.ctx, r.key.ID, "SetRaspSwitch", 5, time.Minute, db.Turn{}))(r).Wait, time.Minute)
		r.clock.Advance(25 * time.Hour)
		r.ok(r.s.Tidy(r.ctx))
	})
}
