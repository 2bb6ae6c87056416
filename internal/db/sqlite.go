package db

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
)

// Pragmas stand in the DSN so that every connection of the pool has them.
// secure_delete: a wiped secret leaves no trace in the file. synchronous FULL:
// an intent that was committed survives a power cut. txlock immediate: a
// transaction that reads first and writes later never fails with "locked".
const (
	sqliteWriter = "_journal_mode=WAL&_busy_timeout=10000&_synchronous=FULL&_foreign_keys=1&_txlock=immediate&_cache_size=-65536&_secure_delete=1"
	sqliteReader = "mode=ro&_query_only=1&_busy_timeout=10000&_foreign_keys=1&_cache_size=-65536"
	readers      = 4
)

// minSQLite is the first version without the WAL-reset corruption.
const minSQLite = "3.51.3"

func (s *Store) openSQLite(ctx context.Context, c Config) error {
	if c.Path == "" {
		return errors.New("no database file is named")
	}
	path, err := filepath.Abs(c.Path)
	if err != nil {
		return fmt.Errorf("database file: %w", err)
	}
	s.path, s.dir = path, filepath.Dir(path)
	if !c.Beside {
		if err := s.lockFile(path); err != nil {
			return err
		}
	}
	// SQLite itself would create the file readable for the group and others.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return fmt.Errorf("database file: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("database file: %w", err)
	}
	file := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}).String()
	if s.write, err = gorm.Open(sqlite.Open(file+"?"+sqliteWriter), s.gormConfig()); err != nil {
		return fmt.Errorf("opening %s: %w", path, err)
	}
	w, err := handle(s.write)
	if err != nil {
		return err
	}
	w.SetMaxOpenConns(1)
	w.SetMaxIdleConns(1)
	if err := s.checkSQLite(ctx); err != nil {
		return err
	}
	if !c.Beside {
		if err := s.migrateSQLite(ctx, file, path); err != nil {
			return err
		}
	}
	if s.read, err = gorm.Open(sqlite.Open(file+"?"+sqliteReader), s.gormConfig()); err != nil {
		return fmt.Errorf("opening %s for reading: %w", path, err)
	}
	r, err := handle(s.read)
	if err != nil {
		return err
	}
	r.SetMaxOpenConns(readers)
	r.SetMaxIdleConns(readers)
	if c.Beside {
		return s.Ready(ctx)
	}
	return s.dropLeases(ctx)
}

// migrateSQLite migrates on a connection of its own, without foreign keys: a table
// that others point at can be replaced only so. What they hold is checked after.
func (s *Store) migrateSQLite(ctx context.Context, file, path string) (err error) {
	g, err := gorm.Open(sqlite.Open(file+"?"+strings.Replace(sqliteWriter, "_foreign_keys=1", "_foreign_keys=0", 1)), s.gormConfig())
	if err != nil {
		return fmt.Errorf("opening %s: %w", path, err)
	}
	d, err := handle(g)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	d.SetMaxOpenConns(1)
	if err := s.migrate(ctx, d, path); err != nil {
		return err
	}
	broken, err := many[struct{ Table, Parent string }](g.WithContext(ctx), "SELECT \"table\", parent FROM pragma_foreign_key_check LIMIT 1")
	if err != nil {
		return fmt.Errorf("checking foreign keys: %w", err)
	}
	if len(broken) > 0 {
		return fmt.Errorf("%s: a row of %s points at a row of %s that isn't there", path, broken[0].Table, broken[0].Parent)
	}
	return nil
}

// lockFile makes sure that one process alone has the file: leases and budgets
// are kept for one clock and one runner.
func (s *Store) lockFile(path string) error {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("lock file: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("%w: %s", ErrLocked, path), f.Close())
	}
	s.lock = f
	return nil
}

func (s *Store) checkSQLite(ctx context.Context) error {
	var v string
	if err := s.write.WithContext(ctx).Raw("SELECT sqlite_version()").Scan(&v).Error; err != nil {
		return fmt.Errorf("SQLite version: %w", err)
	}
	if older(v, minSQLite) {
		return fmt.Errorf("SQLite %s can corrupt its log; %s or newer is needed", v, minSQLite)
	}
	return nil
}

// older compares dotted versions; what isn't a number counts as 0.
func older(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(x), len(y)) {
		var m, n int
		if i < len(x) {
			m, _ = strconv.Atoi(x[i])
		}
		if i < len(y) {
			n, _ = strconv.Atoi(y[i])
		}
		if m != n {
			return m < n
		}
	}
	return false
}

// dropLeases gives up the claims of the process that had the file before: the
// lock says that it is gone, so nobody has to wait for them to run out.
func (s *Store) dropLeases(ctx context.Context) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		if err := tx.Exec("UPDATE changes SET lease_owner = '', lease_until = 0 WHERE state IN ('queued', 'running') AND lease_owner <> ''").Error; err != nil {
			return fmt.Errorf("dropping leases: %w", err)
		}
		if err := tx.Exec("UPDATE projects SET read_lease = '', read_lease_until = 0, read_started_at = 0 WHERE read_lease <> ''").Error; err != nil {
			return fmt.Errorf("dropping leases: %w", err)
		}
		return nil
	})
}

// Backup writes a copy of the SQLite database to path, which must not exist; it
// gets mode 0600. Work goes on meanwhile.
func (s *Store) Backup(ctx context.Context, path string) error {
	if s.postgres {
		return errors.New("back PostgreSQL up with its own tools, for example pg_dump")
	}
	return backupSQLite(ctx, s.write, path)
}

func backupSQLite(ctx context.Context, from *gorm.DB, path string) error {
	// VACUUM INTO accepts an existing file only if it is empty: created here, so
	// that it never is readable for others.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err := from.WithContext(ctx).Exec("VACUUM INTO ?", path).Error; err != nil {
		return errors.Join(fmt.Errorf("backup to %s: %w", path, err), os.Remove(path))
	}
	return nil
}

// checkpoint empties the write-ahead log, which may still hold what was wiped.
// A reader in the way is no error: the next checkpoint does it.
func (s *Store) checkpoint(ctx context.Context) {
	if s.postgres {
		return
	}
	if err := s.write.WithContext(ctx).Exec("PRAGMA wal_checkpoint(TRUNCATE)").Error; err != nil {
		s.log.WarnContext(ctx, "the write-ahead log could not be emptied", "error", err)
	}
}
