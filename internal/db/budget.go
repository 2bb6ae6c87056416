package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// Priority says how urgent a call to HSS is; a lower number goes first.
type Priority int64

// The priorities.
const (
	ForChange Priority = iota // of a change: sending, and reading back what was sent
	ForPerson                 // somebody waits in front of a page, or asked for a reading
	ForUpkeep                 // readings that nobody asked for
)

// Turn says for whom a call is taken from a budget. While a more urgent caller
// waits for the same budget, a less urgent one gets nothing, for at most patience.
type Turn struct {
	Who      string // the same each time the caller asks for this call; "": it doesn't wait, so none waits for it
	Priority Priority
}

const (
	// AskAgain is how soon somebody who waits for the budget must ask again to
	// keep the place: who is gone keeps nobody waiting.
	AskAgain = 5 * time.Second
	// grace is how late that may come.
	grace = 2 * time.Second
	// yieldFor is how long one who gave way waits before asking again.
	yieldFor = 2 * time.Second
	// patience is how long one gives way to more urgent callers: then it goes before
	// them, for one call, so that nobody waits for ever.
	patience = 2 * time.Minute
)

// Taken is a call that was taken from a budget, or how long to wait for one.
type Taken struct {
	ID   int64         // of the call in the budget, for SentLate; 0: none was taken
	At   wtp.Instant   // when it was taken
	Wait time.Duration // if none was taken: when it is worth asking again
}

// TakeCall takes one call of an operation from the budget that everything using
// the credential shares: at most limit calls in any window of per, and a little
// longer for a while after HSS has throttled the operation (wtp.Careful); and no
// more than HSS said it lets through (KeepTo). A block, a locked credential and
// more urgent callers are waited out too. Nothing was taken
// if Wait isn't 0.
func (s *Store) TakeCall(ctx context.Context, credentialID int64, operation string, limit int, per time.Duration, turn Turn) (taken Taken, err error) {
	if limit < 1 || per <= 0 {
		return Taken{}, fmt.Errorf("a budget of %d calls in %s is none", limit, per)
	}
	err = s.tx(ctx, func(tx *gorm.DB) error {
		taken = Taken{}
		free, err := s.freeAt(tx, credentialID, operation, limit, per)
		if err != nil {
			return err
		}
		now := s.Now()
		waits, err := many[wait](tx, "SELECT * FROM budget_waits WHERE credential_id = ? AND operation = ?", credentialID, operation)
		if err != nil {
			return fmt.Errorf("budget: %w", err)
		}
		since, yields := turn.among(waits, now)
		switch {
		case free > now:
			taken.Wait = free.Sub(now)
		case yields:
			taken.Wait = yieldFor
		}
		if taken.Wait > 0 {
			if turn.Who == "" {
				return nil
			}
			_, err := exec(tx, `INSERT INTO budget_waits (credential_id, operation, who, priority, since, until) VALUES (?, ?, ?, ?, ?, ?)
				ON CONFLICT (credential_id, operation, who) DO UPDATE SET priority = excluded.priority, since = excluded.since, until = excluded.until`,
				credentialID, operation, turn.Who, turn.Priority, since, now.Add(min(taken.Wait, AskAgain)+grace))
			if err != nil {
				return fmt.Errorf("budget: %w", err)
			}
			return nil
		}
		if len(waits) > 0 {
			if _, err := exec(tx, "DELETE FROM budget_waits WHERE credential_id = ? AND operation = ? AND (who = ? OR until < ?)", credentialID, operation, turn.Who, now); err != nil {
				return fmt.Errorf("budget: %w", err)
			}
		}
		taken.At = now
		if taken.ID, err = one[int64](tx, "INSERT INTO budget_calls (credential_id, operation, at) VALUES (?, ?, ?) RETURNING id", credentialID, operation, now); err != nil {
			return fmt.Errorf("budget: %w", err)
		}
		return nil
	})
	return taken, err
}

// freeAt is when the budget has room for a call, as far as HSS is concerned. It
// locks the budget.
func (s *Store) freeAt(tx *gorm.DB, credentialID int64, operation string, limit int, per time.Duration) (wtp.Instant, error) {
	// The credential's row is the lock of its budgets.
	locked, err := one[wtp.Instant](tx, "SELECT locked_until FROM credentials WHERE id = ?"+s.forUpdate(), credentialID)
	if err != nil {
		return 0, fmt.Errorf("credential: %w", err)
	}
	blocked, err := one[wtp.Instant](tx, "SELECT until FROM budget_blocks WHERE credential_id = ? AND operation = ?", credentialID, operation)
	if err != nil && !errors.Is(err, wtp.ErrNotFound) {
		return 0, fmt.Errorf("budget: %w", err)
	}
	said, err := readThrottle(tx, credentialID, operation)
	if err != nil {
		return 0, err
	}
	now := s.Now()
	careful := wtp.Careful(soon(blocked, now), now)
	free := max(soon(locked, now), soon(blocked, now))
	room, err := roomAt(tx, credentialID, operation, limit, per+careful, now)
	if err != nil {
		return 0, err
	}
	if free = max(free, room); !said.On(now) {
		return free, nil
	}
	room, err = roomAt(tx, credentialID, operation, int(said.Limit), said.Window()+careful, now)
	return max(free, room), err
}

// roomAt is when at most limit calls in a window of per leave room for one more; 0
// if they do now: once the oldest of the limit newest calls in the window leaves it.
// A call of the future means that the clock was set back; of a far one nothing can
// be told.
func roomAt(tx *gorm.DB, credentialID int64, operation string, limit int, per time.Duration, now wtp.Instant) (wtp.Instant, error) {
	window, err := one[struct {
		N      int
		Oldest wtp.Instant
	}](tx, `SELECT COUNT(*) AS n, COALESCE(MIN(at), 0) AS oldest FROM (
		SELECT at FROM budget_calls WHERE credential_id = ? AND operation = ? AND at > ? AND at <= ? ORDER BY at DESC LIMIT ?) w`,
		credentialID, operation, now.Add(-per), now.Add(per), limit)
	if err != nil {
		return 0, fmt.Errorf("budget: %w", err)
	}
	if window.N < limit {
		return 0, nil
	}
	return min(window.Oldest, now).Add(per), nil
}

// wait is a row of budget_waits.
type wait struct {
	Who      string
	Priority Priority
	Since    wtp.Instant
	Until    wtp.Instant
}

// among finds the caller among those who wait: since when it does, and whether
// it gives way to another.
func (t Turn) among(waits []wait, now wtp.Instant) (since wtp.Instant, yields bool) {
	since = now
	for _, w := range waits {
		if w.Who == t.Who && w.Until >= now && w.Since <= now {
			since = w.Since
		}
	}
	long := func(since wtp.Instant) bool { return now.Sub(since) >= patience }
	for _, w := range waits {
		// One of the future is from before the clock was set back.
		if w.Who == t.Who || w.Until < now || w.Since > now {
			continue
		}
		if long(since) || long(w.Since) {
			yields = yields || long(w.Since) && w.Since < since
		} else {
			yields = yields || w.Priority < t.Priority
		}
	}
	return since, yields
}

// SentLate notes that a call which was taken left only at that time: HSS counts it
// from then on.
func (s *Store) SentLate(ctx context.Context, taken Taken, at wtp.Instant) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		if _, err := exec(tx, "UPDATE budget_calls SET at = ? WHERE id = ? AND at < ?", at, taken.ID, at); err != nil {
			return fmt.Errorf("budget: %w", err)
		}
		return nil
	})
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
