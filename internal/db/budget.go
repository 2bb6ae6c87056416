package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// TakeCall takes one call of an operation from the budget that everything using
// the credential shares: at most limit calls in any window of per. wait is 0 if
// the call was taken; else nothing was taken, and it may be tried again after
// wait. A block or a locked credential is waited out too.
func (s *Store) TakeCall(ctx context.Context, credentialID int64, operation string, limit int, per time.Duration) (wait time.Duration, err error) {
	if limit < 1 || per <= 0 {
		return 0, fmt.Errorf("a budget of %d calls in %s is none", limit, per)
	}
	err = s.tx(ctx, func(tx *gorm.DB) error {
		wait = 0
		// The credential's row is the lock of its budget.
		locked, err := one[wtp.Instant](tx, "SELECT locked_until FROM credentials WHERE id = ?"+s.forUpdate(), credentialID)
		if err != nil {
			return fmt.Errorf("credential: %w", err)
		}
		blocked, err := one[wtp.Instant](tx, "SELECT until FROM budget_blocks WHERE credential_id = ? AND operation = ?", credentialID, operation)
		if err != nil && !errors.Is(err, wtp.ErrNotFound) {
			return fmt.Errorf("budget: %w", err)
		}
		now := s.Now()
		begin := now.Add(-per)
		free := max(soon(locked, now), soon(blocked, now))
		// The oldest of the limit newest calls in the window: once it leaves, there
		// is room. A call of the future means that the clock was set back; of a far
		// one nothing can be told.
		window, err := one[struct {
			N      int
			Oldest wtp.Instant
		}](tx, `SELECT COUNT(*) AS n, COALESCE(MIN(at), 0) AS oldest FROM (
			SELECT at FROM budget_calls WHERE credential_id = ? AND operation = ? AND at > ? AND at <= ? ORDER BY at DESC LIMIT ?) w`,
			credentialID, operation, begin, now.Add(per), limit)
		if err != nil {
			return fmt.Errorf("budget: %w", err)
		}
		if window.N >= limit {
			free = max(free, min(window.Oldest, now).Add(per))
		}
		if free > now {
			wait = free.Sub(now)
			return nil
		}
		if _, err := exec(tx, "INSERT INTO budget_calls (credential_id, operation, at) VALUES (?, ?, ?)", credentialID, operation, now); err != nil {
			return fmt.Errorf("budget: %w", err)
		}
		return nil
	})
	return wait, err
}

// farthest is more than anything waits for HSS: no block, lock or second sending is
// put off by more than five minutes.
const farthest = 10 * time.Minute

// soon is a time to wait for, or 0 if it is so far off that it can only have been
// set before the clock was put back: nothing may hang for that long.
func soon(until, now wtp.Instant) wtp.Instant {
	if until.Sub(now) > farthest {
		return 0
	}
	return until
}

// BlockCalls lets no call of the operation be taken before until, for example
// because HSS said so. An earlier time than the one noted changes nothing.
func (s *Store) BlockCalls(ctx context.Context, credentialID int64, operation string, until wtp.Instant) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		_, err := exec(tx, `INSERT INTO budget_blocks (credential_id, operation, until) VALUES (?, ?, ?)
			ON CONFLICT (credential_id, operation) DO UPDATE SET until = CASE WHEN excluded.until > budget_blocks.until THEN excluded.until ELSE budget_blocks.until END`,
			credentialID, operation, until)
		if err != nil {
			return fmt.Errorf("budget: %w", err)
		}
		return nil
	})
}
