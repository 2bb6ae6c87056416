package db

import (
	"context"
	"fmt"

	"wtp-console/internal/wtp"
)

// Difference is a page of what a fresh plan does otherwise than the one it stands
// for, in the order of the fresh plan.
type Difference struct {
	N       int64 // how many servers, on all pages; 0: none, or the page is past the end
	Targets []MovedTarget
	Next    int64 // pass as after for the next page; 0: there is none
}

// Difference compares a plan with the one that it was made instead of, because
// servers moved (see Moved); was is the random name of that one. wtp.ErrNotFound if
// no dropped plan of that name could have become this one.
func (s *Store) Difference(ctx context.Context, plan wtp.Change, was string, after int64, limit int) (Difference, error) {
	g := s.reader(ctx)
	old, err := one[wtp.Change](g, `SELECT * FROM changes WHERE project_id = ? AND uid = ? AND state = 'dropped' AND id < ? AND kind = ? AND direction = ?
		AND target_count = ? AND undo_of = ? AND retry_of = ? AND timer_of = ?`,
		plan.ProjectID, clean(was, maxName), plan.ID, plan.Kind, plan.Direction, plan.TargetCount, plan.UndoOf, plan.RetryOf, plan.TimerOf)
	if err != nil {
		return Difference{}, err
	}
	n := page(limit)
	// + 0, because SQLite would rather read all of one plan for each server of the
	// other than use the index of a server's targets.
	rows, err := many[struct {
		MovedTarget
		Seq, N int64
	}](g, `WITH d AS MATERIALIZED (
		SELECT t.seq, t.host_id, CASE t.name WHEN '' THEN o.name ELSE t.name END AS name, o.bucket AS "from", t.bucket AS "to", t.why, o.before, t.before AS now
		FROM targets t JOIN targets o ON o.project_id = t.project_id AND o.host_id = t.host_id AND o.kind = t.kind AND o.change_id + 0 = ?
		WHERE t.change_id = ? AND (o.bucket <> t.bucket OR (o.before <> t.before AND t.bucket NOT IN ('cannot', 'already_so'))))
		SELECT d.*, (SELECT COUNT(*) FROM d) AS n FROM d WHERE d.seq > ? ORDER BY d.seq LIMIT ?`, old.ID, plan.ID, after, n+1)
	if err != nil {
		return Difference{}, fmt.Errorf("comparing plans: %w", err)
	}
	var d Difference
	for i, r := range rows {
		if i == n {
			d.Next = rows[i-1].Seq
			break
		}
		d.N = r.N
		d.Targets = append(d.Targets, r.MovedTarget)
	}
	return d, nil
}
