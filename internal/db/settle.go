package db

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// Settle decides an unclear batch by what reading back showed: seen is the state
// by host ID (a backup server's is its ConfigJSON). Targets seen as wanted are
// accepted. Those seen otherwise wait again in this same batch, as long as it was
// sent fewer than maxAttempts times and no stop was asked for; then they are unknown.
// So are those that were not seen: that they were not switched is not known.
func (s *Store) Settle(ctx context.Context, owner string, batchID int64, seen map[string]string, maxAttempts int64) error {
	return s.unclear(ctx, owner, batchID, func(tx *gorm.DB, c wtp.Change, b wtp.Batch) error {
		targets, err := many[wtp.Target](tx, "SELECT * FROM targets t WHERE "+inBatch+" AND t.outcome = 'unclear' ORDER BY t.seq", b.ID)
		if err != nil {
			return fmt.Errorf("targets of a batch: %w", err)
		}
		rest := wtp.TargetWaiting
		if b.Attempts >= maxAttempts || stopping(c) {
			rest = wtp.TargetUnknown
		}
		// Targets that share outcome and state seen move together.
		groups := map[settled][]int64{}
		for _, t := range targets {
			k := settled{to: wtp.TargetUnknown}
			state, ok := seen[t.HostID]
			switch {
			case ok && state == t.Wanted:
				k.to = wtp.TargetAccepted
			case ok:
				k.to = rest
			}
			// What was seen before a target is sent again says nothing of what that does.
			if ok && k.to != wtp.TargetWaiting {
				k.seen, k.noted = clean(state, maxMessage), true
			}
			groups[k] = append(groups[k], t.Seq)
		}
		now := s.Now()
		for _, k := range slices.SortedFunc(maps.Keys(groups), compareSettled) {
			if err := s.settleTargets(tx, b, k, groups[k], now); err != nil {
				return err
			}
		}
		to := wtp.BatchWaiting
		open, err := one[int64](tx, "SELECT COUNT(*) FROM targets t WHERE "+inBatch+" AND t.outcome = 'waiting'", b.ID)
		if err != nil {
			return fmt.Errorf("targets of a batch: %w", err)
		}
		if open == 0 {
			err = endBatch(tx, b)
		} else {
			err = moveBatchAlone(tx, b, to, set{"run_at", 0})
		}
		if err != nil {
			return err
		}
		if c.Kind.Remote() {
			shown := map[string]string{}
			for _, t := range targets {
				if state, ok := seen[t.HostID]; ok && t.Kind == wtp.RemoteBackup {
					shown[t.HostID] = clean(state, maxMessage)
				}
			}
			if err := keepRemotes(tx, c.ProjectID, shown); err != nil {
				return err
			}
		}
		return s.noteRestarts(tx, c, now)
	})
}

// settled is what reading back made of a target.
type settled struct {
	to    wtp.Outcome
	seen  string
	noted bool // the reading showed the server, and it is not sent again
}

func compareSettled(a, b settled) int {
	return slices.Compare([]string{string(a.to), a.seen}, []string{string(b.to), b.seen})
}

func (s *Store) settleTargets(tx *gorm.DB, b wtp.Batch, k settled, seqs []int64, now wtp.Instant) error {
	m := targetMove{batch: b.ID, from: wtp.TargetUnclear, to: k.to, where: "t.seq IN ?", args: []any{seqs}}
	if k.to != wtp.TargetWaiting {
		m.sets = append(m.sets, set{"decided_at", now})
	}
	if k.noted {
		as := seenAs(k.seen, "")
		if k.to == wtp.TargetAccepted {
			as = seenAsWanted
		}
		m.sets, m.seen = append(m.sets, set{"seen", k.seen}, set{"seen_at", now}), &as
	}
	if _, err := moveTargets(tx, m); err != nil {
		return fmt.Errorf("settling batch %d: %w", b.No, err)
	}
	return nil
}

// SettleLater puts off settling an unclear batch, because reading back failed.
func (s *Store) SettleLater(ctx context.Context, owner string, batchID int64, runAt wtp.Instant) error {
	return s.unclear(ctx, owner, batchID, func(tx *gorm.DB, _ wtp.Change, b wtp.Batch) error {
		return moved(exec(tx, "UPDATE batches SET run_at = ? WHERE id = ?", runAt, b.ID))
	})
}

// GiveUp decides that an unclear batch can't be settled: its targets are
// unknown.
func (s *Store) GiveUp(ctx context.Context, owner string, batchID int64) error {
	return s.unclear(ctx, owner, batchID, func(tx *gorm.DB, _ wtp.Change, b wtp.Batch) error {
		_, err := moveBatch(tx, b, "", nil, wtp.TargetUnknown, set{"decided_at", s.Now()})
		return err
	})
}

// unclear runs fn on an unclear batch whose change owner has.
func (s *Store) unclear(ctx context.Context, owner string, batchID int64, fn func(tx *gorm.DB, c wtp.Change, b wtp.Batch) error) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		of, err := one[wtp.Change](tx, "SELECT c.* FROM batches b JOIN changes c ON c.id = b.change_id WHERE b.id = ?", batchID)
		if err != nil {
			return err
		}
		if err := s.holdInventory(tx, of); err != nil {
			return err
		}
		c, err := s.fence(tx, of.ID, owner)
		if err != nil {
			return err
		}
		b, err := lockBatch(tx, batchID, c.ID)
		if err != nil {
			return err
		}
		if b.State != wtp.BatchUnclear {
			return fmt.Errorf("batch %d is %s: %w", b.No, b.State, wtp.ErrConflict)
		}
		return fn(tx, c, b)
	})
}
