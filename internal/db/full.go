package db

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/mattn/go-sqlite3"
	"gorm.io/gorm"
)

// ErrDiskFull: a write was refused because the database's disk is full. Nothing
// of its transaction was kept. Reading goes on.
var ErrDiskFull = errors.New("the disk of the database is full")

// noteFull makes a full disk known: as ErrDiskFull to the caller, and to Ready.
func (s *Store) noteFull(err error) error {
	full := diskFull(err)
	if full || err == nil {
		s.full.Store(full)
	}
	if full {
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return err
}

// diskFull says whether a database refused to write for want of room, or of quota
// (PostgreSQL: 53100, disk_full).
func diskFull(err error) bool {
	var lite sqlite3.Error
	if errors.As(err, &lite) {
		return lite.Code == sqlite3.ErrFull || lite.SystemErrno == syscall.ENOSPC || lite.SystemErrno == syscall.EDQUOT
	}
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "53100"
}

// minFree is the room that must be left on an SQLite file's disk. Below it the
// next write may succeed, within what the file has taken already, or not.
const minFree = 1 << 20

// Writable says whether there is room to write: ErrDiskFull if not. Whoever keeps
// an SQLite file can ask its disk; of PostgreSQL it is known from the last write.
func (s *Store) Writable(ctx context.Context) error {
	if !s.postgres {
		var disk syscall.Statfs_t
		if err := syscall.Statfs(s.dir, &disk); err != nil {
			return fmt.Errorf("disk of the database: %w", err)
		}
		if free := disk.Bavail * uint64(disk.Bsize); free < minFree { //nolint:gosec // a block has a positive size
			return fmt.Errorf("%w: %d bytes are free", ErrDiskFull, free)
		}
		return nil
	}
	if !s.full.Load() {
		return nil
	}
	return s.tx(ctx, func(tx *gorm.DB) error { // is there room again?
		_, err := exec(tx, "UPDATE event_head SET seq = seq WHERE id = 1")
		return err
	})
}
