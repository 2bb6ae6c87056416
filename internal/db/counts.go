package db

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// Counts says where the targets of a change stand. It is read from counters
// kept in the transaction of each move, never counted anew.
type Counts struct {
	Outcome   map[wtp.Outcome]int64
	Confirmed int64 // accepted, and seen as wanted when read back
	Otherwise int64 // accepted, and seen as something else when last read back
	ByWhy     map[wtp.Why]int64
}

// Of is how many targets have the outcome.
func (c Counts) Of(o wtp.Outcome) int64 { return c.Outcome[o] }

// Total is how many targets there are, skipped ones too.
func (c Counts) Total() int64 {
	var n int64
	for _, v := range c.Outcome {
		n += v
	}
	return n
}

// Open is how many targets the change may still touch.
func (c Counts) Open() int64 {
	var n int64
	for o, v := range c.Outcome {
		if o.Open() {
			n += v
		}
	}
	return n
}

// BucketCount is how many targets of a plan are in a bucket for a reason.
type BucketCount struct {
	Bucket wtp.Bucket
	Why    wtp.Why
	N      int64
}

// countCell is a row of change_counts.
type countCell struct {
	ChangeID  int64
	Bucket    wtp.Bucket
	Why       wtp.Why
	Outcome   wtp.Outcome
	Confirmed int64 // one of the three below
	N         int64
}

// What reading back showed of a target.
const (
	notSeen int64 = iota
	seenAsWanted
	seenOtherwise
)

// seenSQL is what reading back showed of a target (as t); seenAs says the same in Go.
const seenSQL = "CASE t.seen WHEN '' THEN 0 WHEN t.wanted THEN 1 ELSE 2 END"

func seenAs(seen, wanted string) int64 {
	switch seen {
	case "":
		return notSeen
	case wanted:
		return seenAsWanted
	}
	return seenOtherwise
}

// cellSQL is the cell a target (as t) is counted in; cellOf says the same in Go.
const cellSQL = "t.change_id, t.bucket, t.why, t.outcome, " + seenSQL + " AS confirmed"

func cellOf(t wtp.Target) countCell {
	return countCell{ChangeID: t.ChangeID, Bucket: t.Bucket, Why: t.Why, Outcome: t.Outcome, Confirmed: seenAs(t.Seen, t.Wanted), N: 1}
}

// shiftCounts takes targets out of some cells and puts them into others.
func shiftCounts(tx *gorm.DB, from, to []countCell) error {
	all := slices.Clone(to)
	for _, c := range from {
		c.N = -c.N
		all = append(all, c)
	}
	// Additions first: a row may be inserted, but never with less than 0.
	for _, c := range all {
		var err error
		if c.N >= 0 {
			_, err = exec(tx, `INSERT INTO change_counts (change_id, bucket, why, outcome, confirmed, n) VALUES (?, ?, ?, ?, ?, ?)
				ON CONFLICT (change_id, bucket, why, outcome, confirmed) DO UPDATE SET n = change_counts.n + excluded.n`,
				c.ChangeID, c.Bucket, c.Why, c.Outcome, c.Confirmed, c.N)
		} else {
			err = moved(exec(tx, "UPDATE change_counts SET n = n + ? WHERE change_id = ? AND bucket = ? AND why = ? AND outcome = ? AND confirmed = ?",
				c.N, c.ChangeID, c.Bucket, c.Why, c.Outcome, c.Confirmed))
		}
		if err != nil {
			return fmt.Errorf("keeping the counters: %w", err)
		}
	}
	return nil
}

// readCounts reads the counters of several changes.
func readCounts(g *gorm.DB, ids []int64) (map[int64]Counts, error) {
	out := make(map[int64]Counts, len(ids))
	for _, id := range ids {
		out[id] = Counts{Outcome: map[wtp.Outcome]int64{}, ByWhy: map[wtp.Why]int64{}}
	}
	if len(ids) == 0 {
		return out, nil
	}
	cells, err := many[countCell](g, "SELECT * FROM change_counts WHERE change_id IN ? AND n > 0", ids)
	if err != nil {
		return nil, fmt.Errorf("reading counters: %w", err)
	}
	for _, cell := range cells {
		c := out[cell.ChangeID]
		c.Outcome[cell.Outcome] += cell.N
		if cell.Why != "" {
			c.ByWhy[cell.Why] += cell.N
		}
		switch {
		case cell.Outcome != wtp.TargetAccepted:
		case cell.Confirmed == seenAsWanted:
			c.Confirmed += cell.N
		case cell.Confirmed == seenOtherwise:
			c.Otherwise += cell.N
		}
		out[cell.ChangeID] = c
	}
	return out, nil
}

// ChangeCounts says where the targets of a change stand. Its cost doesn't grow
// with their number.
func (s *Store) ChangeCounts(ctx context.Context, changeID int64) (Counts, error) {
	m, err := readCounts(s.reader(ctx), []int64{changeID})
	return m[changeID], err
}

// PlanCounts counts a change's targets by bucket and reason, in the order of
// wtp.Buckets.
func (s *Store) PlanCounts(ctx context.Context, changeID int64) ([]BucketCount, error) {
	rows, err := many[BucketCount](s.reader(ctx), `SELECT bucket, why, CAST(SUM(n) AS bigint) AS n FROM change_counts WHERE change_id = ? AND n > 0
		GROUP BY bucket, why ORDER BY why`, changeID)
	if err != nil {
		return nil, fmt.Errorf("reading counters: %w", err)
	}
	order := wtp.Buckets()
	slices.SortStableFunc(rows, func(a, b BucketCount) int {
		return cmp.Compare(slices.Index(order, a.Bucket), slices.Index(order, b.Bucket))
	})
	return rows, nil
}
