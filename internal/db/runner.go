package db

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// ClaimChange gives owner the oldest change that waits to be carried out: a
// queued one, or a running one whose lease has run out. A live lease can't be
// claimed, not even by its owner, so one owner may carry out several changes at
// once; nor can a change that the caller is at still (mine), whatever the clock
// says of its lease. Batches that the owner before left in flight become unclear.
// false: there is none.
func (s *Store) ClaimChange(ctx context.Context, owner string, mine ...int64) (c wtp.Change, ok bool, err error) {
	const query = "SELECT * FROM changes WHERE state IN ('queued', 'running') AND lease_until <= ? AND id NOT IN ? ORDER BY event_seq LIMIT 1"
	now := s.Now()
	mine = append(mine, 0) // an empty list would be no SQL
	// Looked at with the reader first: most of the time there is nothing to claim.
	if _, err := one[wtp.Change](s.reader(ctx), query, now, mine); err != nil {
		if errors.Is(err, wtp.ErrNotFound) {
			return c, false, nil
		}
		return c, false, fmt.Errorf("looking for a change: %w", err)
	}
	err = s.tx(ctx, func(tx *gorm.DB) error {
		var err error
		if c, err = one[wtp.Change](tx, query+s.skipLocked(), now, mine); err != nil {
			return err
		}
		c.LeaseOwner, c.LeaseUntil = owner, now.Add(s.leaseFor)
		from := c.State
		c.State = wtp.Running
		if c.StartedAt == 0 {
			c.StartedAt = now
		}
		if err := moveChange(tx, c.ID, []wtp.ChangeState{from}, c.State, set{"started_at", c.StartedAt}, set{"lease_owner", c.LeaseOwner}, set{"lease_until", c.LeaseUntil}); err != nil {
			return err
		}
		return s.abandon(tx, c)
	})
	if errors.Is(err, wtp.ErrNotFound) {
		return wtp.Change{}, false, nil
	}
	if err != nil {
		return wtp.Change{}, false, fmt.Errorf("claiming a change: %w", err)
	}
	return c, true, nil
}

// abandon makes the batches in flight unclear: nobody waits for their answers
// any more.
func (s *Store) abandon(tx *gorm.DB, c wtp.Change) error {
	left, err := many[wtp.Batch](tx, "SELECT * FROM batches WHERE change_id = ? AND state = 'sending' ORDER BY no", c.ID)
	if err != nil {
		return fmt.Errorf("reading batches: %w", err)
	}
	for _, b := range left {
		if _, err := moveBatch(tx, b, wtp.BatchUnclear, []set{{"run_at", 0}}, wtp.TargetUnclear); err != nil {
			return err
		}
	}
	if _, err := exec(tx, "UPDATE calls SET class = 'unclear', message = ? WHERE change_id = ? AND ended_at = 0 AND class = ''",
		wtp.CallAbandoned().String(), c.ID); err != nil {
		return fmt.Errorf("closing calls: %w", err)
	}
	return nil
}

// fence reads and locks a change if owner still has it; else wtp.ErrConflict.
// The lease may have run out, as long as nobody else has taken the change.
func (s *Store) fence(tx *gorm.DB, changeID int64, owner string) (wtp.Change, error) {
	c, err := one[wtp.Change](tx, "SELECT * FROM changes WHERE id = ?"+s.forUpdate(), changeID)
	if err != nil {
		return c, err
	}
	if c.LeaseOwner != owner || owner == "" {
		return c, fmt.Errorf("change %d is carried out by another process: %w", changeID, wtp.ErrConflict)
	}
	return c, nil
}

// Heartbeat keeps the lease; wtp.ErrConflict once it is lost.
func (s *Store) Heartbeat(ctx context.Context, changeID int64, owner string) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		if _, err := s.fence(tx, changeID, owner); err != nil {
			return err
		}
		_, err := exec(tx, "UPDATE changes SET lease_until = ? WHERE id = ?", s.Now().Add(s.leaseFor), changeID)
		return err
	})
}

// ReleaseChange gives the lease back, so that the change can be claimed at
// once. No batch of it should be in flight.
func (s *Store) ReleaseChange(ctx context.Context, changeID int64, owner string) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		if _, err := s.fence(tx, changeID, owner); err != nil {
			return err
		}
		_, err := exec(tx, "UPDATE changes SET lease_owner = '', lease_until = 0 WHERE id = ?", changeID)
		return err
	})
}

// NextBatch finds what to do next for a change: an unclear batch to settle or
// the next one to send, with those of its targets that are open. Without one
// (ok false), waitUntil says when one will be due; 0: none is left but those in
// flight. A batch that comes with ok false is next, but its step may not begin
// yet: StepBefore says what of the step before keeps it.
func (s *Store) NextBatch(ctx context.Context, changeID int64, owner string) (b wtp.Batch, targets []wtp.Target, ok bool, waitUntil wtp.Instant, err error) {
	g := s.reader(ctx)
	c, err := one[wtp.Change](g, "SELECT * FROM changes WHERE id = ?", changeID)
	if err != nil {
		return b, nil, false, 0, err
	}
	if c.LeaseOwner != owner {
		return b, nil, false, 0, fmt.Errorf("change %d is carried out by another process: %w", changeID, wtp.ErrConflict)
	}
	// The halves of a refused batch come before whole ones, the newest first: the
	// culprit stands alone soon, and a change that HSS refuses whole shows early.
	// A step begins when the ones before it are over, those in flight too.
	b, err = one[wtp.Batch](g, `SELECT * FROM batches WHERE change_id = ? AND state IN ('waiting', 'unclear')
		AND step <= (SELECT COALESCE(MIN(o.step), 0) FROM batches o WHERE o.change_id = ? AND o.state IN ('waiting', 'sending', 'unclear') AND o.step > 0)
		ORDER BY CASE WHEN run_at <= ? THEN 0 ELSE 1 END, CASE WHEN run_at <= ? THEN 0 ELSE run_at END, CASE state WHEN 'unclear' THEN 0 ELSE 1 END,
		CASE WHEN parent > 0 THEN -no ELSE no END LIMIT 1`,
		changeID, changeID, s.Now(), s.Now())
	if errors.Is(err, wtp.ErrNotFound) {
		return wtp.Batch{}, nil, false, 0, nil
	}
	if err != nil {
		return b, nil, false, 0, fmt.Errorf("next batch: %w", err)
	}
	if now := s.Now(); soon(b.RunAt, now) > now {
		return wtp.Batch{}, nil, false, b.RunAt, nil
	}
	if b.Step > 0 && b.State == wtp.BatchWaiting {
		switch before, err := stepBefore(g, b); {
		case err != nil:
			return b, nil, false, 0, err
		case before.Held():
			return b, nil, false, 0, nil
		}
	}
	targets, err = many[wtp.Target](g, "SELECT * FROM targets t WHERE "+inBatch+" AND t.outcome = ? ORDER BY t.seq", b.ID, b.State)
	if err != nil {
		return b, nil, false, 0, fmt.Errorf("targets of a batch: %w", err)
	}
	return b, targets, true, 0, nil
}

// MaySend says whether a batch whose intent is kept may leave now: owner has the
// change, no stop was asked for, it may go on (MayGoOn), and the console isn't
// paused.
func (s *Store) MaySend(ctx context.Context, changeID int64, owner string) (bool, error) {
	at, err := readStanding(s.reader(ctx), changeID)
	if err != nil || at.Change.LeaseOwner != owner || at.Change.State != wtp.Running || stopping(at.Change) || at.Paused {
		return false, err
	}
	return at.why() == "", nil
}

// standing is all that decides whether a change may go on.
type standing struct {
	Change        wtp.Change `gorm:"embedded"`
	Known         bool       // the person who confirmed it
	DisabledAt    wtp.Instant
	Role          wtp.Role
	ProjectGone   bool
	CredentialOut bool
	Paused        bool
}

// readStanding reads it at once: a batch that is ready to leave waits for it.
func readStanding(g *gorm.DB, changeID int64) (standing, error) {
	at, err := one[standing](g, `SELECT c.*, u.id IS NOT NULL AS known, COALESCE(u.disabled_at, 0) AS disabled_at, COALESCE(u.role, '') AS role,
		p.removed_at <> 0 AS project_gone, k.removed_at <> 0 OR k.sealed_secret = '' AS credential_out,
		COALESCE((SELECT value FROM settings WHERE key = ?), '') <> '' AS paused
		FROM changes c JOIN projects p ON p.id = c.project_id JOIN credentials k ON k.id = p.credential_id LEFT JOIN users u ON u.id = c.confirmed_by
		WHERE c.id = ?`, pauseKey, changeID)
	if err != nil {
		return at, fmt.Errorf("whether a change may go on: %w", err)
	}
	return at, nil
}

func (at standing) why() string {
	switch {
	case at.Change.SetIn == 0 && (!at.Known || at.DisabledAt != 0):
		return "The person who confirmed it was disabled."
	case at.Change.SetIn == 0 && !at.Role.May(wtp.Act):
		return "The person who confirmed it may no longer act."
	case at.ProjectGone:
		return "The project was removed."
	case at.CredentialOut:
		return "The credential was removed."
	}
	return ""
}

// FinishChange ends a change: stopped if a stop was asked for, else done. While
// targets are open it is wtp.ErrConflict. A change that is over is returned as
// it is. The lease is given back.
func (s *Store) FinishChange(ctx context.Context, changeID int64, owner string) (wtp.Change, error) {
	var c wtp.Change
	err := s.tx(ctx, func(tx *gorm.DB) error {
		var err error
		if c, err = s.fence(tx, changeID, owner); err != nil {
			return err
		}
		open, err := openTargets(tx, changeID)
		if err != nil {
			return err
		}
		if open > 0 {
			return fmt.Errorf("change %d has %d open targets: %w", changeID, open, wtp.ErrConflict)
		}
		c.LeaseOwner, c.LeaseUntil = "", 0
		if _, err := exec(tx, "UPDATE changes SET lease_owner = '', lease_until = 0 WHERE id = ?", changeID); err != nil {
			return fmt.Errorf("finishing: %w", err)
		}
		if c.State.Over() {
			return nil
		}
		c, err = s.finish(tx, c)
		return err
	})
	return c, err
}

// MayGoOn says whether a change may still be carried out: the person who
// confirmed it is active and may act, the project and its credential are there.
// If not, why is catalogue text. A change that a timer made goes on whoever set
// it: turning protection back on is the safe direction.
func (s *Store) MayGoOn(ctx context.Context, changeID int64) (ok bool, why string, err error) {
	at, err := readStanding(s.reader(ctx), changeID)
	if err != nil {
		return false, "", err
	}
	why = at.why()
	return why == "", why, nil
}
