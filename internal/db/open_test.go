package db_test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/wtp"
	"wtp-console/migrations"
)

func openOK(t *testing.T, c db.Config) *db.Store {
	t.Helper()
	s, err := db.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestOpenFromEmptyAndAgain(t *testing.T) {
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			c := dbtest.Config(t, kind)
			if kind == "postgres" {
				c.URL = dbtest.EmptyPostgres(t)
			}
			for range 2 {
				s := openOK(t, c)
				if err := errors.Join(s.Ping(t.Context()), s.Ready(t.Context())); err != nil {
					t.Error(err)
				}
				if s.Dialect() != kind {
					t.Error(s.Dialect())
				}
				if err := errors.Join(s.Close(), s.Close()); err != nil {
					t.Error(err)
				}
				if s.Ready(t.Context()) == nil {
					t.Error("a closed store is ready")
				}
			}
		})
	}
}

func TestReplicasMigrateTogether(t *testing.T) {
	c := dbtest.Config(t, "postgres")
	c.URL = dbtest.EmptyPostgres(t)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			s, err := db.Open(context.Background(), c)
			if err != nil {
				t.Error(err)
				return
			}
			if err := errors.Join(s.Ready(context.Background()), s.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestNewerSchemaIsRefused(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func() *db.Store) {
		s := open()
		if err := s.Writer().Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, TRUE)").Error; err != nil {
			t.Fatal(err)
		}
		if s.Ready(t.Context()) == nil {
			t.Error("ready with a newer schema")
		}
	})
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			c := dbtest.Config(t, kind)
			s := openOK(t, c)
			if err := s.Writer().Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, TRUE)").Error; err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			_, err := db.Open(t.Context(), c)
			if !errors.Is(err, db.ErrNewerSchema) || !strings.Contains(err.Error(), "9999") {
				t.Error(err)
			}
		})
	}
}

func TestMigratingCopiesTheFileFirst(t *testing.T) {
	c := dbtest.Config(t, "sqlite")
	s := openOK(t, c)
	if err := s.SetSetupCode(t.Context(), "marker", 1); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(c.Path + "*.bak"); len(left) > 0 {
		t.Errorf("a new file was copied: %v", left)
	}
	now, err := migrations.SQLite()
	if err != nil {
		t.Fatal(err)
	}
	first, err := fs.ReadFile(now, "0001_start.sql")
	if err != nil {
		t.Fatal(err)
	}
	next := fstest.MapFS{
		"0001_start.sql": {Data: first},
		"9000_fails.sql": {Data: []byte("-- +goose Up\nCREATE TABLE fresh (a TEXT);\nCREATE TABLE users (a TEXT);\n")},
	}
	if _, err := db.OpenWith(t.Context(), c, next); err == nil {
		t.Fatal("a migration that fails passed")
	}
	s = openOK(t, c) // nothing of it is left
	if err := errors.Join(s.Ready(t.Context()), s.Close()); err != nil {
		t.Fatal(err)
	}
	next["9000_fails.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\nDELETE FROM settings;\n")}
	if s, err = db.OpenWith(t.Context(), c, next); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Ready(t.Context()), s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Open(t.Context(), c); !errors.Is(err, db.ErrNewerSchema) {
		t.Errorf("the version before opens it: %v", err)
	}
	bak := c.Path + ".before-9000.bak"
	i, err := os.Stat(bak)
	if err != nil {
		t.Fatal(err)
	}
	if i.Mode().Perm() != 0o600 {
		t.Errorf("the copy has mode %v", i.Mode())
	}
	s = openOK(t, db.Config{Path: bak, Logger: c.Logger})
	var kept int64
	if err := s.Reader().Raw("SELECT COUNT(*) FROM settings").Scan(&kept).Error; err != nil || kept != 2 {
		t.Errorf("the copy has %d settings (%v)", kept, err)
	}
}

func TestOneProcessHasTheFile(t *testing.T) {
	c := dbtest.Config(t, "sqlite")
	first := openOK(t, c)
	if _, err := db.Open(t.Context(), c); !errors.Is(err, db.ErrLocked) {
		t.Fatal(err)
	}
	if err := first.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	openOK(t, c)
}

func TestOpenRefusesNonsense(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	for _, c := range []db.Config{
		{},
		{URL: "mysql://root:secret@h/x"},
		{URL: "postgres://user:secret@[::1/x"},
		{URL: "postgres:///x?host=/nowhere&user=mei&password=secret"},
		{Path: filepath.Join(t.TempDir(), "no", "such", "dir", "x.db")},
	} {
		c.Logger = quiet
		_, err := db.Open(t.Context(), c)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v", c, err)
		}
	}
	file := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(file, []byte(strings.Repeat("this is not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Open(t.Context(), db.Config{Path: file, Logger: quiet}); err == nil {
		t.Error("opened a text file")
	}
}

// pragmas of a connection.
func pragmas(t *testing.T, c *sql.Conn) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, p := range []string{"journal_mode", "busy_timeout", "synchronous", "foreign_keys", "cache_size", "secure_delete", "query_only"} {
		var v string
		if err := c.QueryRowContext(t.Context(), "PRAGMA "+p).Scan(&v); err != nil {
			t.Fatal(err)
		}
		out[p] = v
	}
	return out
}

func TestEveryConnectionHasThePragmas(t *testing.T) {
	s := openOK(t, dbtest.Config(t, "sqlite"))
	for name, h := range map[string]struct {
		n    int
		want map[string]string
	}{
		"writer": {1, map[string]string{"journal_mode": "wal", "busy_timeout": "10000", "synchronous": "2", "foreign_keys": "1", "cache_size": "-65536", "secure_delete": "1", "query_only": "0"}},
		"reader": {4, map[string]string{"journal_mode": "wal", "busy_timeout": "10000", "foreign_keys": "1", "cache_size": "-65536", "query_only": "1"}},
	} {
		g := s.Reader()
		if name == "writer" {
			g = s.Writer()
		}
		d, err := g.DB()
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Stats().MaxOpenConnections; got != h.n {
			t.Errorf("%s: at most %d connections", name, got)
		}
		for range h.n {
			c, err := d.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			got := pragmas(t, c)
			for p, want := range h.want {
				if got[p] != want {
					t.Errorf("%s: %s is %s, not %s", name, p, got[p], want)
				}
			}
		}
	}
}

func TestTheReaderCannotWrite(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func() *db.Store) {
		s := open()
		for _, q := range []string{"INSERT INTO settings (key, value) VALUES ('a', 'b')", "DELETE FROM users", "CREATE TABLE x (a text)"} {
			if err := s.Reader().Exec(q).Error; err == nil {
				t.Errorf("%s: written by the reader", q)
			}
		}
	})
}

func TestFilesAreForTheOwnerAlone(t *testing.T) {
	c := dbtest.Config(t, "sqlite")
	s := openOK(t, c)
	copyTo := filepath.Join(t.TempDir(), "copy.db")
	if err := s.Backup(t.Context(), copyTo); err != nil {
		t.Fatal(err)
	}
	if err := s.Backup(t.Context(), copyTo); err == nil {
		t.Error("a backup was overwritten")
	}
	for _, f := range []string{c.Path, c.Path + "-wal", c.Path + ".lock", copyTo} {
		i, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if i.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", filepath.Base(f), i.Mode())
		}
	}
	again := openOK(t, db.Config{Path: copyTo, Logger: c.Logger})
	if err := again.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// An insert without an explicit transaction never triggered SQLite's automatic
// checkpoint; the log grew without end.
func TestTheLogStaysSmall(t *testing.T) {
	c := dbtest.Config(t, "sqlite")
	s := openOK(t, c)
	for range 1500 {
		if err := s.NoteSignInFailure(t.Context(), wtp.Actor{Name: "mei", UserAgent: strings.Repeat("x", 400)}, "user:mei"); err != nil {
			t.Fatal(err)
		}
	}
	i, err := os.Stat(c.Path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if i.Size() > 16<<20 {
		t.Errorf("the write-ahead log has %d MB", i.Size()>>20)
	}
}

func TestVersionsCompare(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"3.51.2", "3.51.3", true}, {"3.51.3", "3.51.3", false}, {"3.6.9", "3.51.3", true}, {"4", "3.51.3", false}, {"3.52.0", "3.51.3", false}} {
		if db.Older(c.a, c.b) != c.want {
			t.Errorf("%s older than %s: not %v", c.a, c.b, c.want)
		}
	}
}
