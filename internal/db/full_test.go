package db

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/mattn/go-sqlite3"

	"wtp-console/internal/wtp"
)

func openFile(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "console.db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// writable is what Writable says when it asks the database now.
func (s *Store) writable(ctx context.Context) error {
	s.writing.mu.Lock()
	s.writing.asked = time.Time{}
	s.writing.mu.Unlock()
	return s.Writable(ctx)
}

// TestFullDiskIsSaidAsSuch: by SQLite when it may not grow.
func TestFullDiskIsSaidAsSuch(t *testing.T) {
	s := openFile(t)
	write := func() error {
		return s.SetSetting(t.Context(), wtp.Actor{Name: "test"}, "typed_above", fmt.Sprintf("%01000000d", 7))
	}
	if err := s.write.Exec("PRAGMA max_page_count = 1").Error; err != nil { // it stays at what there is
		t.Fatal(err)
	}
	if err := write(); !errors.Is(err, ErrDiskFull) || !errors.Is(err, ErrUnwritable) {
		t.Error(err)
	}
	if err := s.write.Exec("PRAGMA max_page_count = 100000").Error; err != nil {
		t.Fatal(err)
	}
	if err := write(); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// TestUnwritableIsSaidAsSuch: of a file that may only be read, until it may be
// written again. What writes nothing must not look like the end of the trouble.
func TestUnwritableIsSaidAsSuch(t *testing.T) {
	s, ctx := openFile(t), t.Context()
	write := func(n int) error {
		return s.SetSetting(ctx, wtp.Actor{Name: "test"}, "typed_above", fmt.Sprint(n))
	}
	if err := write(1); err != nil {
		t.Fatal(err)
	}
	only := func(on int) {
		t.Helper()
		if err := s.write.Exec(fmt.Sprintf("PRAGMA query_only = %d", on)).Error; err != nil {
			t.Fatal(err)
		}
	}
	only(1)
	if err := s.writable(ctx); err != nil {
		t.Errorf("no write has failed yet: %v", err)
	}
	if err := write(2); !errors.Is(err, ErrUnwritable) || errors.Is(err, ErrDiskFull) {
		t.Errorf("written: %v", err)
	}
	for range 3 {
		if err := s.Ready(ctx); !errors.Is(err, ErrUnwritable) || errors.Is(err, ErrDiskFull) {
			t.Errorf("ready: %v", err)
		}
	}
	if err := s.writable(ctx); !errors.Is(err, ErrUnwritable) {
		t.Errorf("asked anew: %v", err)
	}
	only(0)
	if err := s.writable(ctx); err != nil {
		t.Errorf("writable again: %v", err)
	}
	if err := write(3); err != nil {
		t.Error(err)
	}
}

// TestTryingToWriteWrites: SQLite would leave out a write that changes no value.
func TestTryingToWriteWrites(t *testing.T) {
	s := openFile(t)
	s.checkpoint(t.Context())
	size := func() int64 {
		t.Helper()
		f, err := os.Stat(s.path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return f.Size()
	}
	if size() != 0 {
		t.Fatalf("the log has %d bytes already", size())
	}
	if err := s.tryWrite(t.Context()); err != nil || size() == 0 {
		t.Errorf("%v, the log has %d bytes", err, size())
	}
}

// TestWhyUnwritable tells apart why a write was refused.
func TestWhyUnwritable(t *testing.T) {
	lite := func(code int, errno syscall.Errno) error {
		return sqlite3.Error{Code: sqlite3.ErrNo(code & 0xff), ExtendedCode: sqlite3.ErrNoExtended(code), SystemErrno: errno}
	}
	for _, tc := range []struct {
		err  error
		want error
	}{
		{nil, nil},
		{context.Canceled, nil},
		{wtp.ErrConflict, nil},
		{lite(13, 0), ErrDiskFull},                      // SQLITE_FULL
		{lite(10|3<<8, syscall.ENOSPC), ErrDiskFull},    // SQLITE_IOERR_WRITE
		{lite(10|19<<8, syscall.EDQUOT), ErrDiskFull},   // SQLITE_IOERR_SHMSIZE
		{lite(10|3<<8, syscall.EROFS), ErrUnwritable},   // SQLITE_IOERR_WRITE
		{lite(10|3<<8, syscall.EFBIG), ErrUnwritable},   // SQLITE_IOERR_WRITE
		{lite(10|4<<8, syscall.EIO), ErrUnwritable},     // SQLITE_IOERR_FSYNC
		{lite(10|5<<8, syscall.EIO), ErrUnwritable},     // SQLITE_IOERR_DIR_FSYNC
		{lite(10|6<<8, syscall.EPERM), ErrUnwritable},   // SQLITE_IOERR_TRUNCATE
		{lite(10|18<<8, syscall.EACCES), ErrUnwritable}, // SQLITE_IOERR_SHMOPEN
		{lite(10|12<<8, 0), nil},                        // SQLITE_IOERR_NOMEM
		{lite(8, 0), ErrUnwritable},                     // SQLITE_READONLY
		{lite(8|1<<8, 0), ErrUnwritable},                // SQLITE_READONLY_RECOVERY
		{lite(8|4<<8, 0), ErrUnwritable},                // SQLITE_READONLY_DBMOVED
		{lite(8|6<<8, 0), ErrUnwritable},                // SQLITE_READONLY_DIRECTORY
		{lite(14, syscall.EROFS), ErrUnwritable},        // SQLITE_CANTOPEN
		{lite(5, 0), nil},                               // SQLITE_BUSY
		{lite(19|8<<8, 0), nil},                         // SQLITE_CONSTRAINT_UNIQUE
		{&pgconn.PgError{Code: "53100"}, ErrDiskFull},
		{&pgconn.PgError{Code: "25006"}, ErrUnwritable},
		{&pgconn.PgError{Code: "42501"}, ErrUnwritable},
		{&pgconn.PgError{Code: "58030"}, ErrUnwritable},
		{&pgconn.PgError{Code: "53200"}, nil},
		{&pgconn.PgError{Code: "40001"}, nil},
	} {
		err := tc.err
		if err != nil {
			err = fmt.Errorf("confirming: %w", err)
		}
		if got := whyUnwritable(err); !errors.Is(got, tc.want) || errors.Is(got, ErrDiskFull) != (tc.want == ErrDiskFull) {
			t.Errorf("%v: %v, want %v", tc.err, got, tc.want)
		}
	}
}
