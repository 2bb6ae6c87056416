package db

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// Setting reads a setting; "" if it is not set.
func (s *Store) Setting(ctx context.Context, key string) (string, error) {
	v, err := one[string](s.reader(ctx), "SELECT value FROM settings WHERE key = ?", key)
	if errors.Is(err, wtp.ErrNotFound) {
		return "", nil
	}
	return v, err
}

// SetSetting sets a setting and records it. Keys that begin with "setup." are
// not settings.
func (s *Store) SetSetting(ctx context.Context, actor wtp.Actor, key, value string) error {
	if key == "" || strings.HasPrefix(key, "setup.") {
		return fmt.Errorf("%q is not a setting", key)
	}
	return s.tx(ctx, func(tx *gorm.DB) error { return s.setSetting(tx, actor, key, value) })
}

func (s *Store) setSetting(tx *gorm.DB, actor wtp.Actor, key, value string) error {
	was, err := one[string](tx, "SELECT value FROM settings WHERE key = ?"+s.forUpdate(), key)
	if err != nil && !errors.Is(err, wtp.ErrNotFound) {
		return fmt.Errorf("reading a setting: %w", err)
	}
	if err == nil && was == value {
		return nil
	}
	if err != nil {
		was = wtp.DefaultLimits().Settings()[key] // what was in force; "" for other settings
	}
	if err := putSetting(tx, key, value); err != nil {
		return err
	}
	_, err = s.record(tx, actor, wtp.Event{Verb: "setting.changed", Subject: key}, map[string]any{"before": was, "after": value})
	return err
}

// Limits reads the limits.
func (s *Store) Limits(ctx context.Context) (wtp.Limits, error) { return readLimits(s.reader(ctx)) }

func readLimits(g *gorm.DB) (wtp.Limits, error) {
	rows, err := many[struct{ Key, Value string }](g, "SELECT key, value FROM settings WHERE key IN ?",
		wtp.LimitNames())
	if err != nil {
		return wtp.Limits{}, fmt.Errorf("reading the limits: %w", err)
	}
	kept := make(map[string]string, len(rows))
	for _, r := range rows {
		kept[r.Key] = r.Value
	}
	return wtp.LimitsFrom(kept), nil
}

// SaveLimits keeps the limits and records each that differs from what was in
// force.
func (s *Store) SaveLimits(ctx context.Context, actor wtp.Actor, to wtp.Limits) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		now, err := readLimits(tx)
		if err != nil {
			return err
		}
		was, next := now.Settings(), to.Settings()
		for _, key := range wtp.LimitNames() {
			if next[key] == was[key] {
				continue
			}
			if err := s.setSetting(tx, actor, key, next[key]); err != nil {
				return err
			}
		}
		return nil
	})
}

// overCap refuses a change that reaches more servers than the person's role may.
func overCap(tx *gorm.DB, actor wtp.Actor, c wtp.Change) error {
	l, err := readLimits(tx)
	if err != nil || !l.OverCap(actor.Role, c) {
		return err
	}
	return conflict("One change of yours may reach at most %d servers; this one reaches %d. Choose fewer, or ask an admin. Nothing was sent.", l.Cap(actor.Role), c.ToSend)
}

func putSetting(tx *gorm.DB, key, value string) error {
	if _, err := exec(tx, "INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value); err != nil {
		return fmt.Errorf("setting %s: %w", key, err)
	}
	return nil
}

// Tidy removes what nobody needs any more: plans a day after they expired or
// were dropped, pasted lists after a day, sessions a month after they ended,
// failed sign-ins and budget rows of yesterday. The history keeps everything
// that ever happened.
func (s *Store) Tidy(ctx context.Context) error {
	now := s.Now()
	day := now.Add(-24 * time.Hour)
	// One plan a transaction: a plan may have 100,000 targets.
	for {
		var done bool
		if err := s.tx(ctx, func(tx *gorm.DB) error {
			id, err := one[int64](tx, "SELECT id FROM changes WHERE state IN ('planned', 'dropped') AND expires_at < ? ORDER BY expires_at LIMIT 1"+s.skipLocked(), day)
			if errors.Is(err, wtp.ErrNotFound) {
				done = true
				return nil
			}
			if err != nil {
				return err
			}
			return deletePlan(tx, id)
		}); err != nil {
			return fmt.Errorf("removing old plans: %w", err)
		}
		if done {
			break
		}
	}
	if err := s.tidyImports(ctx); err != nil {
		return err
	}
	month := now.Add(-30 * 24 * time.Hour)
	for _, q := range []struct {
		query string
		at    wtp.Instant
	}{
		{"DELETE FROM sessions WHERE expires_at < ?", month},
		{"DELETE FROM sign_in_failures WHERE at < ?", day},
		{"DELETE FROM budget_calls WHERE at < ?", day},
		{"DELETE FROM budget_blocks WHERE until < ?", day},
		{"DELETE FROM budget_waits WHERE until < ?", day},
	} {
		if err := s.tx(ctx, func(tx *gorm.DB) error {
			_, err := exec(tx, q.query, q.at)
			return err
		}); err != nil {
			return fmt.Errorf("tidying: %w", err)
		}
	}
	return nil
}

// deletePlan removes a plan that was never confirmed.
func deletePlan(tx *gorm.DB, id int64) error {
	for _, q := range []string{
		"DELETE FROM targets WHERE change_id = ?",
		"DELETE FROM change_counts WHERE change_id = ?",
		"DELETE FROM changes WHERE id = ? AND state IN ('planned', 'dropped')",
	} {
		if _, err := exec(tx, q, id); err != nil {
			return err
		}
	}
	return nil
}
