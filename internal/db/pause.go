package db

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// pauseKey is the setting that holds the pause as JSON; "" if there is none.
const pauseKey = "pause"

// ErrPaused: the console is paused and sends nothing.
var ErrPaused = errors.New("the console is paused")

// Paused reads whether the console is paused, by whom, since when and why.
func (s *Store) Paused(ctx context.Context) (wtp.Pause, error) {
	return readPause(s.reader(ctx))
}

func readPause(g *gorm.DB) (wtp.Pause, error) {
	var p wtp.Pause
	v, err := one[string](g, "SELECT value FROM settings WHERE key = ?", pauseKey)
	if errors.Is(err, wtp.ErrNotFound) || err == nil && v == "" {
		return p, nil
	}
	if err != nil {
		return p, fmt.Errorf("reading the pause: %w", err)
	}
	if err := json.Unmarshal([]byte(v), &p); err != nil {
		return p, fmt.Errorf("reading the pause: %w", err)
	}
	return p, nil
}

// Pause keeps everything from being sent until Resume. It needs a reason. A
// console that is paused already is a *wtp.Refused.
func (s *Store) Pause(ctx context.Context, actor wtp.Actor, why string) error {
	var bad wtp.Invalid
	if wtp.CheckWhy(&bad, "why", why); len(bad) > 0 {
		return bad
	}
	return s.tx(ctx, func(tx *gorm.DB) error {
		if err := putSettingOnce(tx, pauseKey); err != nil {
			return err
		}
		was, err := s.lockPause(tx)
		if err != nil {
			return err
		}
		if was.On() {
			return conflict("%s has paused the console already.", was.By)
		}
		p := wtp.Pause{By: clean(actor.Name, maxName), At: s.Now(), Why: clean(strings.TrimSpace(why), 500)}
		b, err := json.Marshal(p)
		if err != nil {
			return fmt.Errorf("encoding the pause: %w", err)
		}
		if err := putSetting(tx, pauseKey, string(b)); err != nil {
			return err
		}
		_, err = s.record(tx, actor, wtp.Event{Verb: "console.paused"}, map[string]any{"why": p.Why})
		return err
	})
}

// Resume lets the console send again. One that isn't paused is a *wtp.Refused.
func (s *Store) Resume(ctx context.Context, actor wtp.Actor) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		was, err := s.lockPause(tx)
		if err != nil {
			return err
		}
		if !was.On() {
			return conflict("The console is not paused.")
		}
		if err := putSetting(tx, pauseKey, ""); err != nil {
			return err
		}
		_, err = s.record(tx, actor, wtp.Event{Verb: "console.resumed"}, map[string]any{"paused_by": was.By, "paused_at": when(was.At)})
		return err
	})
}

// lockPause reads the pause and locks its row.
func (s *Store) lockPause(tx *gorm.DB) (wtp.Pause, error) {
	if _, err := one[string](tx, "SELECT value FROM settings WHERE key = ?"+s.forUpdate(), pauseKey); err != nil && !errors.Is(err, wtp.ErrNotFound) {
		return wtp.Pause{}, fmt.Errorf("locking the pause: %w", err)
	}
	return readPause(tx)
}

// putSettingOnce makes the row of a setting where there is none, so that it can
// be locked.
func putSettingOnce(tx *gorm.DB, key string) error {
	if _, err := exec(tx, "INSERT INTO settings (key, value) VALUES (?, '') ON CONFLICT (key) DO NOTHING", key); err != nil {
		return fmt.Errorf("setting %s: %w", key, err)
	}
	return nil
}
