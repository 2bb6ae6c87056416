package db

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// batch_counts has a row for each box of a change's strip, and in it a column for each
// state, so that a page reads at most wtp.MaxBoxes rows whatever the number of batches.
// It is written here, by createBatches, createBatch and (for moveBatchAlone) shiftBox,
// and nowhere else.

// createBatches makes the batches of a change that is queued, of these sizes.
func (s *Store) createBatches(ctx context.Context, tx *gorm.DB, c wtp.Change, sizes []int64) error {
	n := int64(len(sizes))
	err := s.insertRows(ctx, tx, "batches", []string{"change_id", "no", "box", "step", "state", "size"}, len(sizes), func(i int) []any {
		no := int64(i) + 1
		return []any{c.ID, no, wtp.BoxOf(no, n), stepOf(c, i, len(sizes)), string(wtp.BatchWaiting), sizes[i]}
	}, "")
	if err != nil || n == 0 {
		return err
	}
	per, boxes := wtp.PerBox(n), wtp.BoxOf(n, n)
	return s.insertRows(ctx, tx, "batch_counts", []string{"change_id", "box", "waiting"}, int(boxes), func(i int) []any {
		box := int64(i) + 1
		return []any{c.ID, box, min(per, n-per*(box-1))}
	}, "")
}

// createBatch makes a batch of targets of another, parent, beside it: numbered on, and
// counted in its box. Every batch that isn't made by createBatches is made by it. Box
// and No of b are its to give.
func createBatch(tx *gorm.DB, parent wtp.Batch, b *wtp.Batch) error {
	last, err := one[int64](tx, "SELECT MAX(no) FROM batches WHERE change_id = ?", parent.ChangeID)
	if err != nil {
		return fmt.Errorf("numbering batches: %w", err)
	}
	b.ChangeID, b.No, b.Box = parent.ChangeID, last+1, parent.Box
	if err := tx.Create(b).Error; err != nil {
		return fmt.Errorf("creating a batch: %w", err)
	}
	return shiftBox(tx, wtp.Batch{No: b.No, ChangeID: b.ChangeID, Box: b.Box}, b.State)
}

// shiftBox counts a batch in another state than its own, which is "" for a new one.
func shiftBox(tx *gorm.DB, b wtp.Batch, to wtp.BatchState) error {
	if b.State == to {
		return nil
	}
	for _, s := range []wtp.BatchState{b.State, to} {
		if s != "" && !slices.Contains(wtp.BatchStates(), s) {
			return fmt.Errorf("%q is not a state of a batch", s)
		}
	}
	list := string(to) + " = " + string(to) + " + 1"
	if b.State != "" {
		list += ", " + string(b.State) + " = " + string(b.State) + " - 1"
	}
	if err := moved(exec(tx, "UPDATE batch_counts SET "+list+" WHERE change_id = ? AND box = ?", b.ChangeID, b.Box)); err != nil {
		return fmt.Errorf("counting batch %d: %w", b.No, err)
	}
	return nil
}

// Strip reads how the batches of a change stand, by box, at most wtp.MaxBoxes of them.
// It reads the rows by hand: a page that asks for itself shows them.
func (s *Store) Strip(ctx context.Context, changeID int64) (list []wtp.Box, err error) {
	rows, err := s.reader(ctx).Raw(`SELECT box, waiting, sending, unclear, accepted, refused, split, unknown, mixed, stopped
		FROM batch_counts WHERE change_id = ? ORDER BY box`, changeID).Rows()
	if err != nil {
		return nil, fmt.Errorf("reading the strip: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		b := wtp.Box{ChangeID: changeID}
		if err := rows.Scan(&b.Box, &b.Waiting, &b.Sending, &b.Unclear, &b.Accepted, &b.Refused, &b.Split, &b.Unknown, &b.Mixed, &b.Stopped); err != nil {
			return nil, fmt.Errorf("reading the strip: %w", err)
		}
		list = append(list, b)
	}
	return list, rows.Err()
}

// Batches reads a page of batches in the order of their numbers.
func (s *Store) Batches(ctx context.Context, changeID, afterNo int64, limit int) ([]wtp.Batch, error) {
	return many[wtp.Batch](s.reader(ctx), "SELECT * FROM batches WHERE change_id = ? AND no > ? ORDER BY no LIMIT ?", changeID, afterNo, page(limit))
}

// BatchNumbers reads the numbers of some batches, by their IDs.
func (s *Store) BatchNumbers(ctx context.Context, ids []int64) (map[int64]int64, error) {
	rows, err := many[wtp.Batch](s.reader(ctx), "SELECT id, no FROM batches WHERE id IN ?", append(ids, 0)) // an empty list would be no SQL
	if err != nil {
		return nil, fmt.Errorf("reading batches: %w", err)
	}
	out := make(map[int64]int64, len(rows))
	for _, b := range rows {
		out[b.ID] = b.No
	}
	return out, nil
}
