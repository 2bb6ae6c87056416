package db

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// VerdictKind is what the answer to a sending means for its batch.
type VerdictKind string

// The verdicts.
const (
	Accepted VerdictKind = "accepted" // HSS took it
	Refused  VerdictKind = "refused"  // HSS refused the only server it named
	Split    VerdictKind = "split"    // HSS refused a batch of several: each half is sent by itself
	Again    VerdictKind = "again"    // certainly not applied: send again at RunAt
	Unclear  VerdictKind = "unclear"  // it may have been applied: to be read back at RunAt
)

// Verdict is what a call means for its batch.
type Verdict struct {
	Kind          VerdictKind
	RunAt         wtp.Instant // Again, Unclear, Split: not before; 0: at once
	Free          bool        // Again: it doesn't count as an attempt, for example throttled
	Code, Message string      // Refused: HSS's own
}

// BeginCall puts the intent on disk before the first byte is sent: the batch and
// its waiting targets are sending, and a call says so. wtp.ErrConflict if the
// lease is lost, a stop was asked for, or the batch doesn't wait; ErrPaused while
// the console is paused. Hosts, if given, must be the number of targets.
func (s *Store) BeginCall(ctx context.Context, owner string, b wtp.Batch, c wtp.Call) (wtp.Call, error) {
	err := s.tx(ctx, func(tx *gorm.DB) error {
		change, err := s.fence(tx, b.ChangeID, owner)
		if err != nil {
			return err
		}
		if change.State != wtp.Running || stopping(change) {
			return fmt.Errorf("change %d is stopped: %w", change.ID, wtp.ErrConflict)
		}
		switch p, err := readPause(tx); {
		case err != nil:
			return err
		case p.On():
			return ErrPaused
		}
		now, err := lockBatch(tx, b.ID, change.ID)
		if err != nil {
			return err
		}
		if now.State != wtp.BatchWaiting {
			return fmt.Errorf("batch %d is %s: %w", now.No, now.State, wtp.ErrConflict)
		}
		n, err := moveBatch(tx, now, wtp.BatchSending, []set{{"attempts", now.Attempts + 1}}, wtp.TargetSending)
		if err != nil {
			return err
		}
		if c.Hosts != 0 && c.Hosts != n {
			return fmt.Errorf("the call names %d servers, the batch has %d: %w", c.Hosts, n, wtp.ErrConflict)
		}
		c.ChangeID, c.BatchID, c.Hosts = change.ID, now.ID, n
		c, err = s.createCall(tx, c)
		return err
	})
	return c, err
}

func (s *Store) createCall(tx *gorm.DB, c wtp.Call) (wtp.Call, error) {
	c.ID, c.SentAt, c.EndedAt, c.Status, c.Class, c.Code, c.Message, c.RequestID = 0, s.Now(), 0, 0, "", "", "", ""
	if err := tx.Create(&c).Error; err != nil {
		return c, fmt.Errorf("noting a call: %w", err)
	}
	return c, nil
}

// lockBatch reads a batch of a change, whose row is locked already.
func lockBatch(tx *gorm.DB, id, changeID int64) (wtp.Batch, error) {
	return one[wtp.Batch](tx, "SELECT * FROM batches WHERE id = ? AND change_id = ?", id, changeID)
}

// NoteCall keeps a reading call made for a change, before it is sent.
func (s *Store) NoteCall(ctx context.Context, c wtp.Call) (wtp.Call, error) {
	err := s.tx(ctx, func(tx *gorm.DB) (err error) {
		c, err = s.createCall(tx, c)
		return err
	})
	return c, err
}

// CompleteCall adds the answer to a call that NoteCall kept, and when it really
// left, if that was later.
func (s *Store) CompleteCall(ctx context.Context, c wtp.Call) error {
	return s.tx(ctx, func(tx *gorm.DB) error { return s.completeCall(tx, c) })
}

func (s *Store) completeCall(tx *gorm.DB, c wtp.Call) error {
	if c.EndedAt == 0 {
		c.EndedAt = s.Now()
	}
	if err := moved(exec(tx, "UPDATE calls SET sent_at = CASE WHEN sent_at < ? THEN ? ELSE sent_at END, ended_at = ?, status = ?, class = ?, code = ?, message = ?, request_id = ? WHERE id = ? AND ended_at = 0 AND class = ''",
		c.SentAt, c.SentAt, c.EndedAt, c.Status, clean(c.Class, maxName), clean(c.Code, maxName), clean(c.Message, maxMessage), clean(c.RequestID, maxName), c.ID)); err != nil {
		return fmt.Errorf("call %d: %w", c.ID, err)
	}
	return nil
}

// EndCall records the answer to a sending and what it means: call, batch,
// targets and counters in one transaction. wtp.ErrConflict if the change was
// taken over meanwhile; nothing is recorded then, for the batch is unclear. It may
// be tried again with the same call when its outcome is open, a connection having
// been lost while it was committed; call.EndedAt must be set for that.
func (s *Store) EndCall(ctx context.Context, owner string, call wtp.Call, v Verdict) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		c, err := s.fence(tx, call.ChangeID, owner)
		if err != nil {
			return err
		}
		b, err := lockBatch(tx, call.BatchID, c.ID)
		if err != nil {
			return err
		}
		if b.State != wtp.BatchSending {
			if recorded(tx, call) {
				return nil
			}
			return fmt.Errorf("batch %d is %s: %w", b.No, b.State, wtp.ErrConflict)
		}
		if err := s.completeCall(tx, call); err != nil {
			return err
		}
		return s.judge(ctx, tx, c, b, call, v)
	})
}

// recorded says whether this very answer is on the row of its call already.
func recorded(tx *gorm.DB, call wtp.Call) bool {
	there, err := one[wtp.Call](tx, "SELECT * FROM calls WHERE id = ?", call.ID)
	return err == nil && call.EndedAt != 0 && there.EndedAt == call.EndedAt && there.Class == clean(call.Class, maxName)
}

func (s *Store) judge(ctx context.Context, tx *gorm.DB, c wtp.Change, b wtp.Batch, call wtp.Call, v Verdict) error {
	decided := []set{{"call_id", call.ID}, {"decided_at", s.Now()}}
	var err error
	switch v.Kind {
	case Accepted:
		_, err = moveBatch(tx, b, "", nil, wtp.TargetAccepted, decided...)
	case Refused:
		var n int64
		n, err = moveBatch(tx, b, "", nil, wtp.TargetRefused, append(decided, set{"code", clean(v.Code, maxName)}, set{"message", clean(v.Message, maxMessage)})...)
		if err == nil && n != 1 {
			return fmt.Errorf("batch %d is refused with %d servers in it; it must be split", b.No, n)
		}
	case Again:
		attempts := b.Attempts
		if v.Free {
			attempts--
		}
		if stopping(c) {
			_, err = moveBatch(tx, b, "", []set{{"attempts", attempts}}, wtp.TargetStopped, decided...)
			break
		}
		_, err = moveBatch(tx, b, wtp.BatchWaiting, []set{{"run_at", v.RunAt}, {"attempts", attempts}}, wtp.TargetWaiting)
	case Split:
		if stopping(c) {
			_, err = moveBatch(tx, b, "", nil, wtp.TargetStopped, decided...)
			break
		}
		if err = suspect(tx, b); err == nil {
			err = s.split(ctx, tx, b, v.RunAt)
		}
	case Unclear:
		_, err = moveBatch(tx, b, wtp.BatchUnclear, []set{{"run_at", v.RunAt}}, wtp.TargetUnclear, set{"call_id", call.ID})
	default:
		return fmt.Errorf("%q is not a verdict", v.Kind)
	}
	return err
}

// split puts the targets in flight into two new batches, numbered on.
func (s *Store) split(ctx context.Context, tx *gorm.DB, b wtp.Batch, runAt wtp.Instant) error {
	seqs, err := many[int64](tx, "SELECT t.seq FROM targets t WHERE "+inBatch+" AND t.outcome = 'sending' ORDER BY t.seq", b.ID)
	if err != nil {
		return fmt.Errorf("targets of a batch: %w", err)
	}
	if len(seqs) < 2 {
		return fmt.Errorf("batch %d has %d servers in flight; it can't be split", b.No, len(seqs))
	}
	if _, err := moveBatch(tx, b, wtp.BatchSplit, nil, wtp.TargetWaiting); err != nil {
		return err
	}
	half := (len(seqs) + 1) / 2 // SingleOut and Arrange may cut them anew
	for _, part := range [][]int64{seqs[:half], seqs[half:]} {
		n := wtp.Batch{Parent: b.ID, Step: b.Step, State: wtp.BatchWaiting, Size: int64(len(part)), RunAt: runAt}
		if err := createBatch(tx, b, &n); err != nil {
			return err
		}
		if err := moved(exec(tx, "UPDATE targets SET batch_id = ? WHERE change_id = ? AND seq IN ? AND batch_id = ?", n.ID, b.ChangeID, part, b.ID)); err != nil {
			return fmt.Errorf("splitting a batch: %w", err)
		}
	}
	return nil
}
