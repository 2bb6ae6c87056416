package db

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// CopySQLite writes a whole, consistent copy of the database file at path to
// the new file to (mode 0600). The console that uses the database goes on.
func CopySQLite(ctx context.Context, path, to string) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	s, err := Open(ctx, Config{Path: path, Beside: true})
	if err != nil {
		return err
	}
	return errors.Join(s.Backup(ctx, to), s.Close())
}

// RestoreSQLite puts a copy made by CopySQLite in the place of the database at
// path. It refuses (ErrLocked) while a console runs on it, and a copy that is
// damaged or of a newer version. What was there is kept under the returned
// name, "" if there was nothing. Changes that were under way in the copy are
// stopped, and what was in flight in them ends as unknown: the copy can't know
// what became of it, and sending it again is a person's decision.
func RestoreSQLite(ctx context.Context, from, path string, log *slog.Logger) (kept string, stopped int, err error) {
	guard := &Store{}
	if err := guard.lockFile(path); err != nil {
		return "", 0, err
	}
	defer func() { err = errors.Join(err, guard.Close()) }()
	next := path + ".restoring"
	if err := copyFile(from, next); err != nil {
		return "", 0, err
	}
	defer func() {
		for _, end := range []string{"", "-wal", "-shm", ".lock"} {
			_ = os.Remove(next + end) // gone already if all went well
		}
	}()
	if stopped, err = settleCopy(ctx, next, log); err != nil {
		return "", 0, fmt.Errorf("the copy %s can't be used, nothing was changed: %w", from, err)
	}
	if _, err := os.Stat(path); err == nil {
		kept = path + ".replaced-" + time.Now().UTC().Format("20060102-150405")
		for _, end := range []string{"", "-wal", "-shm"} {
			if err := os.Rename(path+end, kept+end); err != nil && !os.IsNotExist(err) {
				return "", 0, fmt.Errorf("keeping what was there: %w", err)
			}
		}
	}
	if err := os.Rename(next, path); err != nil {
		return kept, 0, fmt.Errorf("putting the copy in place: %w", err)
	}
	return kept, stopped, nil
}

// settleCopy checks a copied database, brings it up to date and stops what was
// under way in it. The copy is closed and in one file afterwards.
func settleCopy(ctx context.Context, path string, log *slog.Logger) (stopped int, err error) {
	s, err := Open(ctx, Config{Path: path, Logger: log})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var found []string
	if err := s.write.WithContext(ctx).Raw("PRAGMA integrity_check").Scan(&found).Error; err != nil {
		return 0, fmt.Errorf("checking it: %w", err)
	}
	if len(found) != 1 || found[0] != "ok" {
		return 0, fmt.Errorf("it is damaged: %v", found[0])
	}
	if _, bad, err := s.VerifyEvents(ctx); err != nil || bad != 0 {
		return 0, errors.Join(err, fmt.Errorf("its history is broken at event %d", bad))
	}
	stopped, err = s.stopAll(ctx, wtp.Say("The database was restored from a copy while this was under way. Nothing more was sent. Plan the rest again if it is still wanted.").ID)
	s.checkpoint(ctx)
	return stopped, err
}

// stopAll ends every open change without sending or reading anything more.
func (s *Store) stopAll(ctx context.Context, why string) (n int, err error) {
	err = s.tx(ctx, func(tx *gorm.DB) error {
		open, err := many[wtp.Change](tx, "SELECT * FROM changes WHERE state IN ('queued', 'running') ORDER BY id")
		if err != nil {
			return fmt.Errorf("reading changes: %w", err)
		}
		n = len(open)
		for _, c := range open {
			flight, err := many[wtp.Batch](tx, "SELECT * FROM batches WHERE change_id = ? AND state IN ('sending', 'unclear')", c.ID)
			if err != nil {
				return fmt.Errorf("reading batches: %w", err)
			}
			for _, b := range flight {
				if _, err := moveBatch(tx, b, "", nil, wtp.TargetUnknown, set{"decided_at", s.Now()}); err != nil {
					return err
				}
			}
			if err := s.stop(tx, wtp.Actor{}, c, "", why); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

func copyFile(from, to string) error {
	in, err := os.Open(from) //nolint:gosec // the operator names the file
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) //nolint:gosec // beside the database
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return errors.Join(err, out.Close())
	}
	return errors.Join(out.Sync(), out.Close())
}
