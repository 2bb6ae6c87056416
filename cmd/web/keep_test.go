package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A check that runs in the wrong directory must fail, and leave nothing there.
func TestMaintenanceNeedsADatabase(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "typo")
	conf := Config{DataDir: dir, ReadEvery: time.Minute, LogLevel: "info", LogFormat: "json"}
	for name, run := range map[string]func(context.Context) error{
		"history verify": (&HistoryVerifyCmd{conf}).Run,
		"history export": (&HistoryExportCmd{conf}).Run,
		"key check":      (&KeyCheckCmd{conf}).Run,
		"key rotate":     (&KeyRotateCmd{conf}).Run,
		"backup":         (&BackupCmd{Config: conf, To: filepath.Join(t.TempDir(), "copy.db")}).Run,
		"user reset":     (&UserResetCmd{Config: conf, Name: "mei"}).Run,
	} {
		require.ErrorContains(t, run(t.Context()), "there is no database "+filepath.Join(dir, "wtp-console.db"), name)
		_, err := os.Stat(dir)
		require.ErrorIs(t, err, os.ErrNotExist, name)
	}
}
