package db_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

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
