// Package dbtest opens real databases for tests: an SQLite file in a temporary
// directory, and a database of its own in a PostgreSQL cluster that is started
// once per test binary and ends with it.
package dbtest

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"wtp-console/internal/db"
)

// Clock is a clock that stands still until it is moved. It is safe for
// concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now is the clock's time, UTC, in whole milliseconds.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// NewClock is a clock that stands at the present time.
func NewClock() *Clock { return &Clock{now: time.Now().UTC().Truncate(time.Millisecond)} }

// Each runs a test on SQLite and on PostgreSQL, with the real clock. Every call
// of open opens the same, at first empty, database again; on SQLite the store
// before must be closed first. Stores are closed at the end of the test.
func Each(t *testing.T, test func(t *testing.T, open func() *db.Store)) {
	t.Helper()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) { test(t, opener(t, Config(t, kind), nil)) })
	}
}

// EachClock is Each with a clock that the test moves.
func EachClock(t *testing.T, test func(t *testing.T, clock *Clock, open func() *db.Store)) {
	t.Helper()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			clock := NewClock()
			test(t, clock, opener(t, Config(t, kind), clock))
		})
	}
}

// Config is the configuration of a new, empty database of a kind: "sqlite" or
// "postgres". The test is skipped if there is no PostgreSQL, and fails then if CI
// is "true".
func Config(t testing.TB, kind string) db.Config {
	t.Helper()
	c := db.Config{Logger: slog.New(slog.DiscardHandler)}
	if kind == "postgres" {
		c.URL = freshDatabase(t)
	} else {
		c.Path = filepath.Join(t.TempDir(), "console.db")
	}
	return c
}

// SQLite is one open, empty SQLite store with the real clock.
func SQLite(t testing.TB) *db.Store {
	t.Helper()
	return opener(t, Config(t, "sqlite"), nil)()
}

// SQLiteClock is SQLite with a clock that the test moves.
func SQLiteClock(t testing.TB, clock *Clock) *db.Store {
	t.Helper()
	return opener(t, Config(t, "sqlite"), clock)()
}

func opener(t testing.TB, c db.Config, clock *Clock) func() *db.Store {
	t.Helper()
	if clock != nil {
		c.Now = clock.Now
	}
	return func() *db.Store {
		t.Helper()
		s, err := db.Open(context.Background(), c)
		if err != nil {
			t.Fatalf("opening the database: %v", err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Errorf("closing the database: %v", err)
			}
		})
		return s
	}
}

// missing skips the test, or fails it where nothing may be left out.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
