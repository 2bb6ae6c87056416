package db

import (
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// SingleOut cuts the halves of a batch that was split anew, where they were not sent
// yet: each of hosts is a batch of its own, and the others of its half stay together
// and are sent first.
func (s *Store) SingleOut(ctx context.Context, owner string, batchID int64, hosts []string) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		change, err := one[int64](tx, "SELECT change_id FROM batches WHERE id = ?", batchID)
		if err != nil {
			return err
		}
		if _, err := s.fence(tx, change, owner); err != nil {
			return err
		}
		halves, err := many[wtp.Batch](tx, "SELECT * FROM batches WHERE change_id = ? AND parent = ? AND state = 'waiting' AND attempts = 0 ORDER BY no", change, batchID)
		if err != nil {
			return fmt.Errorf("halves of a batch: %w", err)
		}
		for _, half := range halves {
			if err := singleOut(tx, half, hosts); err != nil {
				return err
			}
		}
		return nil
	})
}

func singleOut(tx *gorm.DB, half wtp.Batch, hosts []string) error {
	targets, err := many[wtp.Target](tx, "SELECT t.seq, t.host_id FROM targets t WHERE "+inBatch+" AND t.outcome = 'waiting' ORDER BY t.seq", half.ID)
	if err != nil {
		return fmt.Errorf("targets of a batch: %w", err)
	}
	var parts [][]int64 // the last is sent first
	var others []int64
	for _, t := range targets {
		if slices.Contains(hosts, t.HostID) {
			parts = append(parts, []int64{t.Seq})
		} else {
			others = append(others, t.Seq)
		}
	}
	if len(parts) == 0 || len(targets) == 1 {
		return nil
	}
	if len(others) > 0 {
		parts = append(parts, others)
	}
	return cut(tx, half, parts)
}

// cut leaves the first part to a waiting batch and makes batches of the others,
// numbered on.
func cut(tx *gorm.DB, b wtp.Batch, parts [][]int64) error {
	if err := moved(exec(tx, "UPDATE batches SET size = ? WHERE id = ? AND state = 'waiting'", len(parts[0]), b.ID)); err != nil {
		return fmt.Errorf("cutting batch %d: %w", b.No, err)
	}
	for _, part := range parts[1:] {
		n := wtp.Batch{Parent: b.Parent, Step: b.Step, State: wtp.BatchWaiting, Size: int64(len(part)), RunAt: b.RunAt}
		if err := createBatch(tx, b, &n); err != nil {
			return err
		}
		if err := moved(exec(tx, "UPDATE targets SET batch_id = ? WHERE change_id = ? AND seq IN ? AND batch_id = ?", n.ID, b.ChangeID, part, b.ID)); err != nil {
			return fmt.Errorf("cutting batch %d: %w", b.No, err)
		}
	}
	return nil
}
