package db_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/wtp"
)

// TestReadOnlyServerIsUnwritable: a PostgreSQL server that turns read-only, as when a
// standby takes its place, isn't ready until it is written again.
func TestReadOnlyServerIsUnwritable(t *testing.T) {
	c, ctx := dbtest.Config(t, "postgres"), t.Context()
	s, err := db.Open(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	become := func(readOnly string) {
		t.Helper()
		conn, err := pgx.Connect(ctx, c.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.WithoutCancel(ctx))
		for _, text := range []string{
			"SET default_transaction_read_only = off",
			"DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = " + readOnly + "', current_database()); END $$",
			"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
		} {
			if _, err := conn.Exec(ctx, text); err != nil {
				t.Fatal(err)
			}
		}
	}
	until := func(what string, done func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !done(); <-time.After(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal(what)
			}
		}
	}
	write := func() error { return s.SetSetting(ctx, wtp.Actor{Name: "test"}, "typed_above", "7") }
	if err := errors.Join(write(), s.Ready(ctx)); err != nil {
		t.Fatal(err)
	}
	become("on")
	until("the write is never said to be impossible", func() bool { return errors.Is(write(), db.ErrUnwritable) })
	until("it is still ready, or its disk is full", func() bool {
		err := s.Ready(ctx)
		return errors.Is(err, db.ErrUnwritable) && !errors.Is(err, db.ErrDiskFull)
	})
	become("off")
	until("it never gets ready again", func() bool { return s.Ready(ctx) == nil })
	if err := write(); err != nil {
		t.Error(err)
	}
}

// TestAnswerMayBeRecordedTwice: whether a transaction was kept isn't known when the
// connection is lost in its COMMIT. The second try must find that the first was.
func TestAnswerMayBeRecordedTwice(t *testing.T) {
	for _, kind := range []db.VerdictKind{db.Accepted, db.Again, db.Unclear, db.Split} {
		t.Run(string(kind), func(t *testing.T) {
			eachRig(t, func(r *rig, _ func() *db.Store) {
				r.read(r.p, fleet(10, nil))
				c := r.confirm(r.plan(wtp.Enable, ids(1, 10)...))
				r.claim("a")
				b, _ := r.next(c, "a")
				call := r.begin(b, "a")
				call.Class, call.EndedAt = "ok", r.s.Now()
				for range 2 {
					r.ok(r.s.EndCall(r.ctx, "a", call, db.Verdict{Kind: kind}))
				}
				r.is(r.s.EndCall(r.ctx, "b", call, db.Verdict{Kind: kind}), wtp.ErrConflict)
				call.Class = "unclear"
				r.is(r.s.EndCall(r.ctx, "a", call, db.Verdict{Kind: kind}), wtp.ErrConflict)
			})
		})
	}
}
