package db

import (
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// The functions of this file are the only ones that move a state. Each is a
// compare-and-swap; wtp.ErrConflict means that the thing was no longer where
// the caller believed it to be.

// set is an assignment beside the state: a column and its value.
type set struct {
	column string
	value  any
}

func assignments(state any, column string, sets []set) (string, []any) {
	parts, args := []string{column + " = ?"}, []any{state}
	for _, x := range sets {
		parts = append(parts, x.column+" = ?")
		args = append(args, x.value)
	}
	return strings.Join(parts, ", "), args
}

// moveChange moves a change from one of the states in from.
func moveChange(tx *gorm.DB, id int64, from []wtp.ChangeState, to wtp.ChangeState, sets ...set) error {
	list, args := assignments(to, "state", sets)
	if err := moved(exec(tx, "UPDATE changes SET "+list+" WHERE id = ? AND state IN ?", append(args, id, from)...)); err != nil {
		return fmt.Errorf("change %d to %s: %w", id, to, err)
	}
	return nil
}

// moveBatch moves a batch (to "": where its targets then are), and with it all its targets that are in its state:
// their outcome is targetsTo, with targetSets. It returns how many targets
// moved, at least one.
func moveBatch(tx *gorm.DB, b wtp.Batch, to wtp.BatchState, sets []set, targetsTo wtp.Outcome, targetSets ...set) (int64, error) {
	n, err := moveTargets(tx, targetMove{
		batch: b.ID, from: wtp.Outcome(b.State), to: targetsTo, sets: targetSets,
	})
	if err != nil {
		return 0, fmt.Errorf("targets of batch %d: %w", b.No, err)
	}
	if to == "" {
		return n, endBatch(tx, b, sets...)
	}
	return n, moveBatchAlone(tx, b, to, sets...)
}

// moveBatchAlone moves a batch whose targets are moved already, and keeps the counters
// of its box.
func moveBatchAlone(tx *gorm.DB, b wtp.Batch, to wtp.BatchState, sets ...set) error {
	list, args := assignments(to, "state", sets)
	if err := moved(exec(tx, "UPDATE batches SET "+list+" WHERE id = ? AND state = ?", append(args, b.ID, b.State)...)); err != nil {
		return fmt.Errorf("batch %d to %s: %w", b.No, to, err)
	}
	return shiftBox(tx, b, to)
}

// endBatch moves a batch whose targets are moved already to where they are.
func endBatch(tx *gorm.DB, b wtp.Batch, sets ...set) error {
	to, err := overState(tx, b.ID)
	if err != nil {
		return err
	}
	return moveBatchAlone(tx, b, to, sets...)
}

// overState is the state of a batch none of whose targets is open any more:
// theirs if all have the same, else mixed.
func overState(tx *gorm.DB, batchID int64) (wtp.BatchState, error) {
	all, err := many[wtp.Outcome](tx, "SELECT DISTINCT t.outcome FROM targets t WHERE "+inBatch, batchID)
	if err != nil {
		return "", fmt.Errorf("outcomes of a batch: %w", err)
	}
	switch {
	case slices.ContainsFunc(all, wtp.Outcome.Open):
		return "", fmt.Errorf("batch still has open targets: %w", wtp.ErrConflict)
	case len(all) == 1:
		return wtp.BatchState(all[0]), nil
	}
	return wtp.BatchMixed, nil
}

// inBatch is the condition for the targets (as t) of a batch. Its second half is
// that of the index targets_batch, without which the index isn't used; and the
// change is left out, lest an index of all its targets seem better.
const inBatch = "t.batch_id = ? AND t.batch_id > 0"

// targetMove says which targets of a change move, and where to. Conditions
// name the columns of targets as t.
type targetMove struct {
	change   int64 // of all its targets, or
	batch    int64 // of the targets of one batch
	from, to wtp.Outcome
	sets     []set
	where    string // narrows the targets further; "" for all
	args     []any
	join     *targetJoin
	seen     *int64 // sets holds "seen": what that says, see seenAs
}

// targetJoin gives a column of the moved targets values from a subquery.
type targetJoin struct {
	set, from, on string
	args          []any
}

// moveTargets moves targets and keeps the counters. It returns how many moved;
// none is wtp.ErrConflict.
func moveTargets(tx *gorm.DB, m targetMove) (int64, error) {
	where, args := "t.change_id = ? AND t.outcome = ?", []any{m.change, m.from}
	if m.batch != 0 {
		where, args = inBatch+" AND t.outcome = ?", []any{m.batch, m.from}
	}
	if m.where != "" {
		where += " AND " + m.where
		args = append(args, m.args...)
	}
	cells, err := many[countCell](tx, "SELECT "+cellSQL+", COUNT(*) AS n FROM targets t WHERE "+where+" GROUP BY 1, 2, 3, 4, 5", args...)
	if err != nil {
		return 0, fmt.Errorf("counting targets: %w", err)
	}
	list, values := assignments(m.to, "outcome", m.sets)
	if m.join != nil {
		list += ", " + m.join.set + " FROM " + m.join.from
		where = m.join.on + " AND " + where
		values = append(values, m.join.args...)
	}
	n, err := exec(tx, "UPDATE targets AS t SET "+list+" WHERE "+where, append(values, args...)...)
	if err != nil {
		return 0, err
	}
	var want int64
	after := make([]countCell, len(cells))
	for i, c := range cells {
		want += c.N
		c.Outcome = m.to
		if m.seen != nil {
			c.Confirmed = *m.seen
		}
		after[i] = c
	}
	if n == 0 || n != want {
		return 0, wtp.ErrConflict
	}
	return n, shiftCounts(tx, cells, after)
}
