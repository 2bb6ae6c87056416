package db

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

// pgConns is how many connections each of the two pools of a process opens.
const pgConns = 8

func (s *Store) openPostgres(ctx context.Context, c Config) error {
	if !strings.HasPrefix(c.URL, "postgres://") && !strings.HasPrefix(c.URL, "postgresql://") {
		return errors.New("the database URL must begin with postgres://")
	}
	conf, err := pgx.ParseConfig(c.URL)
	if err != nil {
		return errors.New("the database URL can't be read") // the error itself could repeat the password
	}
	s.path = fmt.Sprintf("%s:%d/%s", conf.Host, conf.Port, conf.Database)
	conf.RuntimeParams["application_name"] = "wtp-console"
	if s.write, err = s.openPool(conf); err != nil {
		return err
	}
	w, err := handle(s.write)
	if err != nil {
		return err
	}
	if c.Now == nil {
		if err := s.useServerClock(ctx); err != nil {
			return err
		}
	}
	if err := s.migrate(ctx, w, ""); err != nil {
		return err
	}
	ro := conf.Copy()
	ro.RuntimeParams["default_transaction_read_only"] = "on"
	s.read, err = s.openPool(ro)
	return err
}

func (s *Store) openPool(conf *pgx.ConnConfig) (*gorm.DB, error) {
	d := stdlib.OpenDB(*conf)
	d.SetMaxOpenConns(pgConns)
	d.SetMaxIdleConns(pgConns)
	g, err := gorm.Open(postgres.New(postgres.Config{Conn: d}), s.gormConfig())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening PostgreSQL: %w", err), d.Close())
	}
	return g, nil
}

// useServerClock sets the store's clock to the database's: leases of several
// replicas must be compared on one clock.
func (s *Store) useServerClock(ctx context.Context) error {
	before := time.Now()
	var ms int64
	if err := s.write.WithContext(ctx).Raw("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)").Scan(&ms).Error; err != nil {
		return fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	half := time.Since(before) / 2
	if off := time.UnixMilli(ms).Sub(before.Add(half)); off > half+time.Second || off < -half-time.Second {
		s.log.WarnContext(ctx, "this machine's clock differs from the database's, which is used", "by", off)
		s.now = func() time.Time { return time.Now().Add(off) }
	}
	return nil
}
