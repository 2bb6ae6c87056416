package db

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"wtp-console/internal/wtp"
)

// TestFullDiskIsSaidAsSuch: by SQLite when it may not grow, by PostgreSQL's code.
func TestFullDiskIsSaidAsSuch(t *testing.T) {
	s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "console.db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	write := func() error {
		return s.SetSetting(t.Context(), wtp.Actor{Name: "test"}, "typed_above", fmt.Sprintf("%01000000d", 7))
	}
	if err := s.write.Exec("PRAGMA max_page_count = 1").Error; err != nil { // it stays at what there is
		t.Fatal(err)
	}
	if err := write(); !errors.Is(err, ErrDiskFull) || !s.full.Load() {
		t.Errorf("%v, full %v", err, s.full.Load())
	}
	if err := s.write.Exec("PRAGMA max_page_count = 100000").Error; err != nil {
		t.Fatal(err)
	}
	if err := write(); err != nil || s.full.Load() {
		t.Errorf("with room again: %v, full %v", err, s.full.Load())
	}
	if !diskFull(fmt.Errorf("confirming: %w", &pgconn.PgError{Code: "53100"})) || diskFull(&pgconn.PgError{Code: "53200"}) || diskFull(nil) {
		t.Error("PostgreSQL's disk_full is not told apart")
	}
}
