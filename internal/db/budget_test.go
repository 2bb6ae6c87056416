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

// TestKeepsToWhatHSSSaidOfItsLimit: however much more the setting allows, for an hour.
func TestKeepsToWhatHSSSaidOfItsLimit(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		const op = "SetRaspSwitch"
		take := func(op string) time.Duration {
			r.Helper()
			return must(r.s.TakeCall(r.ctx, r.key.ID, op, 5, wtp.CallWindow, db.Turn{}))(r).Wait
		}
		if r.s.KeepTo(r.ctx, r.key.ID, op, 0, time.Minute) == nil {
			r.Error("a limit of none")
		}
		r.ok(r.s.KeepTo(r.ctx, r.key.ID, op, 2, 3*time.Minute))
		said := r.s.Now()
		r.equal([]any{take(op), take(op), take(op)}, []any{time.Duration(0), time.Duration(0), 3*time.Minute + time.Second})
		b := must(r.s.Budget(r.ctx, r.key.ID, op, 5))(r)
		r.equal([]any{b.Next(), b.At(3)}, []any{b.Now.Add(181 * time.Second), b.Now.Add(362 * time.Second)})
		r.equal([]any{take("ListWtpProtectHost"), take("ListWtpProtectHost"), take("ListWtpProtectHost")}, []any{time.Duration(0), time.Duration(0), time.Duration(0)})
		r.equal(must(r.s.Throttles(r.ctx))(r), []db.Throttled{{Throttle: wtp.Throttle{Limit: 2, Per: 3 * time.Minute, At: said}, Credential: r.key.Name, Operation: op}})

		// What is more than the setting allows is no reason to make more calls.
		r.ok(r.s.KeepTo(r.ctx, r.key.ID, op, 100, time.Minute))
		r.equal([]any{take(op), take(op), take(op), take(op)}, []any{time.Duration(0), time.Duration(0), time.Duration(0), wtp.CallWindow})

		// The limit may have been raised: after an hour it is tried again.
		r.ok(r.s.KeepTo(r.ctx, r.key.ID, op, 1, time.Minute))
		r.clock.Advance(59 * time.Minute)
		r.equal([]any{take(op), take(op)}, []any{time.Duration(0), time.Minute + time.Second})
		r.clock.Advance(2 * time.Minute)
		r.equal([]any{take(op), take(op), len(must(r.s.Throttles(r.ctx))(r))}, []any{time.Duration(0), time.Duration(0), 0})
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
