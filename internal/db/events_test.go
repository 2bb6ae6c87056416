package db_test

import (
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

func TestEventsRefuseToChange(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		for _, q := range []string{
			"UPDATE events SET actor = 'nobody' WHERE seq = 1", "UPDATE events SET seq = seq + 100", "DELETE FROM events", "DELETE FROM events WHERE seq = 1",
		} {
			if err := r.s.Writer().Exec(q).Error; err == nil || !strings.Contains(err.Error(), "append-only") {
				r.Errorf("%s: %v", q, err)
			}
		}
		over := "INSERT OR REPLACE INTO events (seq, verb, hash) SELECT seq, 'x', hash FROM events"
		if r.s.Dialect() == "postgres" {
			over = "TRUNCATE events"
		}
		if err := r.s.Writer().Exec(over).Error; err == nil || !strings.Contains(err.Error(), "append-only") {
			r.Errorf("%s: %v", over, err)
		}
		r.check()
	})
}

// unlocked removes the triggers, as somebody with the file could.
func unlocked(r *rig) {
	r.Helper()
	drop := []string{"DROP TRIGGER events_no_update", "DROP TRIGGER events_no_delete", "DROP TRIGGER events_no_replace"}
	if r.s.Dialect() == "postgres" {
		drop = []string{"DROP TRIGGER events_no_update ON events", "DROP TRIGGER events_no_truncate ON events"}
	}
	for _, q := range drop {
		if err := r.s.Writer().Exec(q).Error; err != nil {
			r.Fatal(err)
		}
	}
}

func TestVerifyFindsEveryEdit(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		for _, v := range []string{"5", "6", "7", "8"} {
			r.ok(r.s.SetSetting(r.ctx, r.mei, "calls_per_minute", v))
		}
		n, bad, err := r.s.VerifyEvents(r.ctx)
		r.ok(err)
		r.equal(bad, 0)
		unlocked(r)
		edit := func(q string, args ...any) {
			r.Helper()
			if err := r.s.Writer().Exec(q, args...).Error; err != nil {
				r.Fatal(err)
			}
		}
		verify := func(what string, want int64) {
			r.Helper()
			_, got, err := r.s.VerifyEvents(r.ctx)
			if err != nil || got != want {
				r.Errorf("%s: event %d is found bad, not %d (%v)", what, got, want, err)
			}
		}
		for _, col := range []string{"at", "actor_id", "actor", "ip", "user_agent", "request_id", "verb", "project_id", "change_id", "subject", "detail", "prev_hash", "hash"} {
			was := map[string]any{}
			if err := r.s.Writer().Raw("SELECT " + col + " AS v FROM events WHERE seq = 4").Scan(&was).Error; err != nil {
				r.Fatal(err)
			}
			if _, text := was["v"].(string); text && col != "hash" {
				edit("UPDATE events SET " + col + " = " + col + " || 'x' WHERE seq = 4")
			} else if text {
				edit("UPDATE events SET hash = replace(hash, substr(hash, 1, 1), 'z') WHERE seq = 4")
			} else {
				edit("UPDATE events SET " + col + " = " + col + " + 1 WHERE seq = 4")
			}
			verify(col, 4)
			edit("UPDATE events SET "+col+" = ? WHERE seq = 4", was["v"])
			verify(col+" put back", 0)
		}
		// Texts moved from one field to the next have another hash.
		edit("UPDATE events SET actor = 'Me', ip = 'i192.0.2.7' WHERE seq = 4")
		verify("moved text", 4)
		edit("UPDATE events SET actor = 'Mei', ip = '192.0.2.7' WHERE seq = 4")
		verify("moved text put back", 0)

		edit("UPDATE event_head SET hash = ?", strings.Repeat("0", 64))
		verify("another head", n)
		var last wtp.Event
		r.s.Writer().Raw("SELECT * FROM events WHERE seq = ?", n).Scan(&last)
		edit("UPDATE event_head SET hash = ?", last.Hash)
		edit("DELETE FROM events WHERE seq = ?", n)
		verify("cut off at the end", n)
		if err := r.s.Writer().Create(&last).Error; err != nil {
			r.Fatal(err)
		}
		verify("restored", 0)
		var mid wtp.Event
		r.s.Writer().Raw("SELECT * FROM events WHERE seq = 4").Scan(&mid)
		edit("DELETE FROM events WHERE seq = 4")
		verify("a hole", 4)
		if err := r.s.Writer().Create(&mid).Error; err != nil {
			r.Fatal(err)
		}
	})
}

func TestEventHashCoversEveryField(t *testing.T) {
	e := wtp.Event{}
	for i := range reflect.TypeFor[wtp.Event]().NumField() {
		f := reflect.ValueOf(&e).Elem().Field(i)
		before := db.EventHash(e)
		if f.Kind() == reflect.String {
			f.SetString("x")
		} else {
			f.SetInt(1)
		}
		name := reflect.TypeFor[wtp.Event]().Field(i).Name
		if same := db.EventHash(e) == before; same != (name == "Hash") {
			t.Errorf("%s: the hash stays %v", name, same)
		}
	}
}

func TestEventsPageAndExport(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(1, nil))
		c := r.confirm(r.plan(wtp.Enable, "h-00001"))
		var all []int64
		q := db.EventQuery{Limit: 2}
		for {
			es := must(r.s.Events(r.ctx, q))(r)
			if len(es) == 0 {
				break
			}
			for _, e := range es {
				all = append(all, e.Seq)
			}
			q.Before = es[len(es)-1].Seq
		}
		r.equal(all, []int64{4, 3, 2, 1})
		r.equal(len(must(r.s.Events(r.ctx, db.EventQuery{ProjectID: r.p.ID}))(r)), 2)
		r.equal(must(r.s.Events(r.ctx, db.EventQuery{ChangeID: c.ID}))(r)[0].Verb, "change.confirmed")
		stop := errors.New("enough")
		r.is(r.s.ExportEvents(r.ctx, func(wtp.Event) error { return stop }), stop)
	})
}

func TestEventsHaveNoGapUnderLoad(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 5 {
					if err := r.s.NoteSignInFailure(r.ctx, wtp.Actor{Name: "mei"}, "b", "a"); err != nil {
						r.Error(err)
					}
				}
			})
		}
		wg.Wait()
		n, bad, err := r.s.VerifyEvents(r.ctx)
		r.ok(err)
		r.equal([]any{n, bad}, []any{43, 0})
	})
}

func TestAFailedActLeavesNoEvent(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		before := len(must(r.s.Events(r.ctx, db.EventQuery{}))(r))
		_, err := r.s.CreateUser(r.ctx, r.mei, wtp.User{Name: "Mei", NameKey: "mei", Role: wtp.Viewer})
		if err == nil {
			r.Fatal("the name is taken")
		}
		r.equal(len(must(r.s.Events(r.ctx, db.EventQuery{}))(r)), before)
	})
}
