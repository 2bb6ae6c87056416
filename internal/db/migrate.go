package db

import (
	"context"
	"database/sql"
	"fmt"
	"os"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// migrator applies the numbered SQL of one database.
type migrator struct {
	*goose.Provider
}

func (s *Store) migrator(d *sql.DB) (migrator, error) {
	dialect := goose.DialectSQLite3
	opts := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if d == nil {
		d = &sql.DB{} // only the list of migrations is wanted
	} else if s.postgres {
		// Tried every second for two minutes: replicas start together.
		l, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120))
		if err != nil {
			return migrator{}, fmt.Errorf("migration lock: %w", err)
		}
		opts = append(opts, goose.WithSessionLocker(l))
	}
	if s.postgres {
		dialect = goose.DialectPostgres
	}
	p, err := goose.NewProvider(dialect, d, s.migrations, opts...)
	if err != nil {
		return migrator{}, fmt.Errorf("migrations: %w", err)
	}
	return migrator{p}, nil
}

// newest is the version this binary knows.
func (m migrator) newest() int64 {
	var v int64
	for _, s := range m.ListSources() {
		v = max(v, s.Version)
	}
	return v
}

// after is the first version this binary knows beyond v.
func (m migrator) after(v int64) int64 {
	next := m.newest()
	for _, s := range m.ListSources() {
		if s.Version > v {
			next = min(next, s.Version)
		}
	}
	return next
}

// migrate brings the schema up to date. path is the SQLite file to be copied
// before, "" for PostgreSQL.
func (s *Store) migrate(ctx context.Context, d *sql.DB, path string) error {
	p, err := s.migrator(d)
	if err != nil {
		return err
	}
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("reading the schema version: %w", err)
	}
	switch {
	case have > p.newest():
		return fmt.Errorf("%w: its schema has version %d, this binary knows %d", ErrNewerSchema, have, p.newest())
	case have == p.newest():
		return nil
	case have > 0 && path != "":
		copyTo := fmt.Sprintf("%s.before-%04d.bak", path, p.after(have))
		// A copy is there if an earlier start failed halfway: it is the older
		// truth, or at least the same.
		if _, err := os.Stat(copyTo); err == nil {
			s.log.InfoContext(ctx, "a backup of before this migration is there already", "file", copyTo)
		} else if err := backupSQLite(ctx, s.write, copyTo); err != nil {
			return err
		}
	}
	done, err := p.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrating the schema from version %d: %w", have, err)
	}
	for _, m := range done {
		s.log.InfoContext(ctx, "schema migrated", "file", m.Source.Path, "took", m.Duration)
	}
	return nil
}
