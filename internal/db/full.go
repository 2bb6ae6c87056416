package db

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/mattn/go-sqlite3"
	"gorm.io/gorm"
)

// Why nothing can be written.
var (
	// ErrUnwritable: a write was refused because the database can't be written: its
	// file system is mounted read-only, the console may not write there, its disk
	// fails, the server is a standby. Of its transaction nothing was kept. Reading
	// goes on as far as it can.
	ErrUnwritable = errors.New("the database can't be written")
	// ErrDiskFull is an ErrUnwritable for want of room.
	ErrDiskFull = fmt.Errorf("%w: its disk is full", ErrUnwritable)
)

// writing is what is known about whether the database can be written.
type writing struct {
	mu    sync.Mutex
	why   error     // ErrUnwritable or ErrDiskFull, from the last write that met it; nil: no trouble
	asked time.Time // when it was last tried for its own sake; real time, whatever Now says
}

// askEvery is how often an unwritable database is tried anew at most: every page
// wants to know, and an ailing disk is slow.
const askEvery = time.Second

// noteWrite makes it known that the database couldn't be written: to the caller as
// ErrUnwritable or ErrDiskFull, and to Writable. A success says nothing: what wrote
// no row succeeds on a dead disk as well.
func (s *Store) noteWrite(err error) error {
	why := whyUnwritable(err)
	if why == nil {
		return err
	}
	s.writing.mu.Lock()
	defer s.writing.mu.Unlock()
	// Tried anew at once: when SQLite could write its log and only not sync it, what was
	// refused stands there whole, and a process started after a crash would find it.
	// The next write takes its place.
	s.writing.why, s.writing.asked = why, time.Time{}
	return fmt.Errorf("%w: %w", why, err)
}

// whyUnwritable says why a database refused to write: ErrDiskFull, ErrUnwritable, or
// nil if it is for neither reason. PostgreSQL: 53100 disk_full, 25006
// read_only_sql_transaction (a standby too), 42501 insufficient_privilege, 58030 io_error.
func whyUnwritable(err error) error {
	var lite sqlite3.Error
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &lite):
		switch {
		case lite.Code == sqlite3.ErrFull || lite.SystemErrno == syscall.ENOSPC || lite.SystemErrno == syscall.EDQUOT:
			return ErrDiskFull
		case lite.ExtendedCode == sqlite3.ErrIoErrNoMem:
			return nil
		}
		// I/O errors include those of reading: a transaction that should write couldn't.
		switch lite.Code {
		case sqlite3.ErrReadonly, sqlite3.ErrIoErr, sqlite3.ErrCantOpen, sqlite3.ErrPerm:
			return ErrUnwritable
		}
	case errors.As(err, &pg):
		switch pg.Code {
		case "53100":
			return ErrDiskFull
		case "25006", "42501", "58030":
			return ErrUnwritable
		}
	}
	return nil
}

// minFree is the room that must be left on an SQLite file's disk. Below it the
// next write may succeed, within what the file has taken already, or not.
const minFree = 1 << 20

// Writable says whether the database can be written: ErrDiskFull or ErrUnwritable if
// not. Whoever keeps an SQLite file can ask its disk for room; all else is known
// from the last write that failed, and tried anew, once a second at most.
func (s *Store) Writable(ctx context.Context) error {
	if !s.postgres {
		var disk syscall.Statfs_t
		if err := syscall.Statfs(s.dir, &disk); err != nil {
			return fmt.Errorf("disk of the database: %w", err)
		}
		if free := disk.Bavail * uint64(disk.Bsize); free < minFree { //nolint:gosec // a block has a positive size
			return fmt.Errorf("%w: %d bytes are free", ErrDiskFull, free)
		}
	}
	s.writing.mu.Lock()
	why, due := s.writing.why, time.Since(s.writing.asked) >= askEvery
	if due && (why != nil || s.denied()) {
		s.writing.asked = time.Now()
	}
	s.writing.mu.Unlock()
	if !due || why == nil && !s.denied() {
		return why
	}
	err := s.tryWrite(ctx)
	s.writing.mu.Lock()
	defer s.writing.mu.Unlock()
	s.writing.asked = time.Now()
	switch {
	case err == nil:
		s.writing.why = nil
	case why != nil && !errors.Is(err, ErrUnwritable):
		return why // busy or slow: nothing new is known
	}
	return err
}

// denied says whether the system would refuse to open an SQLite file for writing:
// a hint that is there before any write failed. No more than that, for what is open
// can often be written all the same.
func (s *Store) denied() bool {
	if s.postgres {
		return false
	}
	for _, file := range []string{s.path, s.path + "-wal", s.path + "-shm"} {
		if err := syscall.Access(file, 2); err != nil && !errors.Is(err, syscall.ENOENT) { // 2: W_OK
			return true
		}
	}
	return false
}

// tryWrite writes something that changes nothing. SQLite leaves a row alone that is
// as it should be, but never its version number, which the console has no use for.
func (s *Store) tryWrite(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return s.tx(ctx, func(tx *gorm.DB) error {
		if s.postgres {
			_, err := exec(tx, "UPDATE event_head SET seq = seq WHERE id = 1")
			return err
		}
		return tx.Exec("PRAGMA user_version = 0").Error
	})
}

// Place is where the database is: an SQLite file's path, or host, port and name of a
// PostgreSQL database. There is no secret in it.
func (s *Store) Place() string { return s.path }
