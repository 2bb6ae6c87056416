package db

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// throttlePrefix begins the settings that hold what HSS said of its limits, as JSON:
// one for each credential and operation that it has throttled.
const throttlePrefix = "throttle."

func throttleKey(credentialID int64, operation string) string {
	return throttlePrefix + strconv.FormatInt(credentialID, 10) + "." + operation
}

// KeepTo notes that HSS said it lets only limit calls of an operation through in any
// window of per. TakeCall keeps to it for an hour after it was said last, however
// much more the setting allows.
func (s *Store) KeepTo(ctx context.Context, credentialID int64, operation string, limit int, per time.Duration) error {
	if limit < 1 || per <= 0 {
		return fmt.Errorf("a limit of %d calls in %s is none", limit, per)
	}
	return s.tx(ctx, func(tx *gorm.DB) error {
		b, err := json.Marshal(wtp.Throttle{Limit: int64(limit), Per: per, At: s.Now()})
		if err != nil {
			return err
		}
		return putSetting(tx, throttleKey(credentialID, operation), string(b))
	})
}

func readThrottle(g *gorm.DB, credentialID int64, operation string) (wtp.Throttle, error) {
	v, err := one[string](g, "SELECT value FROM settings WHERE key = ?", throttleKey(credentialID, operation))
	if errors.Is(err, wtp.ErrNotFound) {
		return wtp.Throttle{}, nil
	}
	if err != nil {
		return wtp.Throttle{}, fmt.Errorf("what HSS said of its limit: %w", err)
	}
	return parseThrottle(v)
}

func parseThrottle(v string) (wtp.Throttle, error) {
	var t wtp.Throttle
	if err := json.Unmarshal([]byte(v), &t); err != nil {
		return wtp.Throttle{}, fmt.Errorf("what HSS said of its limit: %w", err)
	}
	return t, nil
}

// Throttled is a limit of HSS that is kept to now.
type Throttled struct {
	wtp.Throttle
	Credential string // its name
	Operation  string
}

// Throttles lists the limits of HSS that are kept to now, by credential and operation.
func (s *Store) Throttles(ctx context.Context) ([]Throttled, error) {
	g := s.reader(ctx)
	rows, err := many[struct{ Key, Value string }](g, "SELECT key, value FROM settings WHERE key LIKE ? ORDER BY key", throttlePrefix+"%")
	if err != nil {
		return nil, fmt.Errorf("reading what HSS said of its limits: %w", err)
	}
	var out []Throttled
	for _, r := range rows {
		t, err := parseThrottle(r.Value)
		if err != nil {
			return nil, err
		}
		id, operation, _ := strings.Cut(strings.TrimPrefix(r.Key, throttlePrefix), ".")
		credentialID, err := strconv.ParseInt(id, 10, 64)
		if err != nil || !t.On(s.Now()) {
			continue
		}
		name, err := one[string](g, "SELECT name FROM credentials WHERE id = ?", credentialID)
		if errors.Is(err, wtp.ErrNotFound) { // removed since
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("credential: %w", err)
		}
		out = append(out, Throttled{Throttle: t, Credential: name, Operation: operation})
	}
	return out, nil
}
