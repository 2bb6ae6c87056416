// Package db keeps everything the console knows, in SQLite or PostgreSQL. It
// offers verbs, not tables: each writes in one transaction what belongs
// together, with the event that says so, and moves states only by
// compare-and-swap. It is the only package that knows GORM or SQL.
//
// Row locks are always taken in this order, so that two writers can't wait for
// each other: user or credential, project, change, counters, event_head.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"wtp-console/internal/wtp"
	"wtp-console/migrations"
)

// Config says where the data is kept and how.
type Config struct {
	URL      string           // postgres://…; "" for SQLite
	Path     string           // the SQLite file; it is created with mode 0600
	Now      func() time.Time // the clock; nil: time.Now
	Logger   *slog.Logger     // nil: slog.Default
	LeaseFor time.Duration    // how long a claim holds without a heartbeat; 0: 30 s
	OnQuery  func()           // told of each statement, for whoever counts them; nil: nobody
	// Beside is for a command that runs beside a console: it neither takes the
	// SQLite file's lock nor drops leases nor migrates; a schema that isn't
	// this version's is refused.
	Beside bool
}

// Errors of opening a store.
var (
	// ErrNewerSchema: the database was written by a newer version of the console.
	ErrNewerSchema = errors.New("the database was written by a newer version of wtp-console")
	// ErrLocked: another process has the SQLite file open.
	ErrLocked = errors.New("another wtp-console is using this database file")
)

// Store is the open database. It is safe for concurrent use.
type Store struct {
	write    *gorm.DB
	read     *gorm.DB
	now      func() time.Time
	log      *slog.Logger
	leaseFor time.Duration
	postgres bool
	lock     *os.File // the SQLite file's lock
	path     string   // of the SQLite file; of a PostgreSQL database what Place says
	dir      string   // of the SQLite file
	writing  writing

	migrations fs.FS // numbered SQL for the database at hand
}

// Open opens the database, creates it where there is none, and brings its
// schema up to date. An SQLite file is copied before it is migrated. The error
// is ErrNewerSchema or ErrLocked where that is what is in the way.
func Open(ctx context.Context, c Config) (*Store, error) {
	files := migrations.SQLite
	if c.URL != "" {
		files = migrations.Postgres
	}
	numbered, err := files()
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	return openWith(ctx, c, numbered)
}

// openWith is Open with given migrations.
func openWith(ctx context.Context, c Config, numbered fs.FS) (*Store, error) {
	s := &Store{now: c.Now, log: c.Logger, leaseFor: c.LeaseFor, postgres: c.URL != "", migrations: numbered}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.leaseFor == 0 {
		s.leaseFor = 30 * time.Second
	}
	open := s.openSQLite
	if s.postgres {
		open = s.openPostgres
	}
	if err := open(ctx, c); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if c.OnQuery != nil {
		if err := s.tell(c.OnQuery); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// tell tells of each statement. Rows inserted in bulk go past GORM and aren't told.
func (s *Store) tell(onQuery func()) error {
	var errs []error
	for _, h := range []*gorm.DB{s.read, s.write} {
		on := func(*gorm.DB) { onQuery() }
		c := h.Callback()
		errs = append(errs, c.Query().Before("*").Register("tell", on), c.Row().Before("*").Register("tell", on), c.Raw().Before("*").Register("tell", on),
			c.Create().Before("*").Register("tell", on), c.Update().Before("*").Register("tell", on), c.Delete().Before("*").Register("tell", on))
	}
	return errors.Join(errs...)
}

// gormConfig is the same for every handle: no statement is ever logged, since
// its values may be secret; the errors come back to the caller instead.
func (s *Store) gormConfig() *gorm.Config {
	return &gorm.Config{
		Logger:                 logger.Discard,
		TranslateError:         true,
		SkipDefaultTransaction: true, // every write has an explicit one, see tx
		NowFunc:                func() time.Time { return s.now().UTC() },
	}
}

// Close gives everything back. It may be called twice.
func (s *Store) Close() error {
	var errs []error
	for _, h := range []*gorm.DB{s.read, s.write} {
		if h == nil {
			continue
		}
		d, err := h.DB()
		if err == nil {
			err = d.Close()
		}
		errs = append(errs, err)
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
		s.lock = nil
	}
	return errors.Join(errs...)
}

// Ping says whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return s.read.WithContext(ctx).Raw("SELECT 1").Scan(&one).Error
}

// Ready says whether work can be done: the database answers, its schema is this
// version's, and it can be written (else ErrUnwritable, ErrDiskFull).
func (s *Store) Ready(ctx context.Context) error {
	var v int64
	if err := s.read.WithContext(ctx).Raw("SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version").Scan(&v).Error; err != nil {
		return fmt.Errorf("reading the schema version: %w", err)
	}
	p, err := s.migrator(nil)
	if err != nil {
		return err
	}
	if want := p.newest(); v != want {
		return fmt.Errorf("the schema has version %d, this wtp-console needs %d", v, want)
	}
	return s.Writable(ctx)
}

// Dialect is "sqlite" or "postgres".
func (s *Store) Dialect() string {
	if s.postgres {
		return "postgres"
	}
	return "sqlite"
}

// Now is the store's clock.
func (s *Store) Now() wtp.Instant { return wtp.At(s.now()) }

// LeaseFor is how long a claim holds without a heartbeat.
func (s *Store) LeaseFor() time.Duration { return s.leaseFor }

// tx runs fn in one write transaction. On PostgreSQL it is tried again when the
// database breaks a deadlock with it; fn must therefore not keep results of an
// earlier try.
func (s *Store) tx(ctx context.Context, fn func(tx *gorm.DB) error) error {
	for try := 1; ; try++ {
		err := s.write.WithContext(ctx).Transaction(fn)
		var pg *pgconn.PgError
		if try < 4 && errors.As(err, &pg) && (pg.Code == "40P01" || pg.Code == "40001") {
			continue
		}
		return s.noteWrite(err)
	}
}

// reader is the handle that can't write.
func (s *Store) reader(ctx context.Context) *gorm.DB { return s.read.WithContext(ctx) }

// handle is the connection pool under a GORM handle.
func handle(g *gorm.DB) (*sql.DB, error) {
	d, err := g.DB()
	if err != nil {
		return nil, fmt.Errorf("database handle: %w", err)
	}
	return d, nil
}
