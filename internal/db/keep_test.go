package db_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

func TestBackupBesideARunningConsoleAndRestore(t *testing.T) {
	dir := t.TempDir()
	path, backup := filepath.Join(dir, "wtp.db"), filepath.Join(dir, "copy.db")
	s, err := db.Open(t.Context(), db.Config{Path: path})
	require.NoError(t, err)
	_, err = s.CreateUser(t.Context(), wtp.Actor{Name: "test"}, wtp.User{Name: "mei", NameKey: "mei", PasswordHash: "$argon2id$x", Role: wtp.Admin})
	require.NoError(t, err)

	require.NoError(t, db.CopySQLite(t.Context(), path, backup), "while the console has the file")
	info, err := os.Stat(backup)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.Error(t, db.CopySQLite(t.Context(), path, backup), "an existing file is not overwritten")

	_, _, err = db.RestoreSQLite(t.Context(), backup, path, slog.Default())
	require.ErrorIs(t, err, db.ErrLocked, "not under a running console")

	_, err = s.CreateUser(t.Context(), wtp.Actor{Name: "test"}, wtp.User{Name: "li", NameKey: "li", PasswordHash: "$argon2id$x", Role: wtp.Viewer})
	require.NoError(t, err)
	require.NoError(t, s.Close())

	require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.db"), []byte("not a database, but long enough to be looked at"), 0o600))
	_, _, err = db.RestoreSQLite(t.Context(), filepath.Join(dir, "bad.db"), path, slog.Default())
	require.ErrorContains(t, err, "nothing was changed")

	kept, stopped, err := db.RestoreSQLite(t.Context(), backup, path, slog.Default())
	require.NoError(t, err)
	require.Zero(t, stopped)
	require.FileExists(t, kept)
	s, err = db.Open(t.Context(), db.Config{Path: path})
	require.NoError(t, err)
	defer s.Close()
	users, err := s.Users(t.Context())
	require.NoError(t, err)
	require.Len(t, users, 1, "li came after the copy")
}

// A command beside a running console reads and then writes in its transactions
// as the console does. Begun deferred, half of them would fail at once as
// "locked", whatever the busy timeout is.
func TestConsoleAndCommandWriteOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "wtp.db")
	console, err := db.Open(t.Context(), db.Config{Path: path})
	require.NoError(t, err)
	defer console.Close()
	command, err := db.Open(t.Context(), db.Config{Path: path, Beside: true})
	require.NoError(t, err)
	defer command.Close()
	before, _, err := console.VerifyEvents(t.Context())
	require.NoError(t, err)
	var g errgroup.Group
	for _, s := range []*db.Store{console, command} {
		g.Go(func() error {
			for i := range 30 { // few, for SQLite lets one of two busy writers wait for the other's end
				if err := s.SetSetting(t.Context(), wtp.Actor{Name: "test"}, "calls_per_minute", strconv.Itoa(i+1)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	n, bad, err := console.VerifyEvents(t.Context())
	require.NoError(t, err)
	require.Zero(t, bad)
	require.GreaterOrEqual(t, n-before, int64(30))
}
