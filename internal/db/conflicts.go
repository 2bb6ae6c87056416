package db

import (
	"context"
	"fmt"

	"wtp-console/internal/wtp"
)

// OpenConflict is an open change that has servers of a plan.
type OpenConflict struct {
	Number          int64
	ConfirmedByName string
	SetIn           int64 // number of the change whose timer made it; 0: a person did
	N               int64 // servers of the plan that it has
	AtLeast         bool  // there may be more than N
}

// TimerConflict is a pending timer that would turn servers of a plan on.
type TimerConflict struct {
	Number    int64 // of the change that turned them off and set it
	DueAt     wtp.Instant
	SetByName string
	Sent      int64 // servers of the plan that it is for, and that the plan would send
	Skipped   int64 // the same, of those that the plan skips
	Hosts     int64 // how many servers that change turned off, as far as is known
	AtLeast   bool  // there may be more; Sent and Skipped may both be 0 then
}

// Conflicts are what else is about to happen to the servers of a plan.
type Conflicts struct {
	Open   []OpenConflict  // oldest first
	Timers []TimerConflict // the next first
}

const (
	// mostConflicts is how many open changes and timers of a project are looked at.
	mostConflicts = 100
	// exactUpTo is how many servers are looked at one by one for each of them. A
	// person reads on a page who else is at work, and it must not take long.
	exactUpTo = 2000
)

// Conflicts looks for open changes and pending timers of the servers of a plan. It
// costs next to nothing where the project has none, else at most a few thousand
// looks into an index: where both sides are larger, it counts some and says so.
func (s *Store) Conflicts(ctx context.Context, plan wtp.Change) (Conflicts, error) {
	var c Conflicts
	var err error
	if c.Open, err = s.openConflicts(ctx, plan); err != nil {
		return c, fmt.Errorf("looking for open changes: %w", err)
	}
	if c.Timers, err = s.timerConflicts(ctx, plan); err != nil {
		return c, fmt.Errorf("looking for timers: %w", err)
	}
	return c, nil
}

// openConflicts looks first at the servers that the plan skips for being in an open
// change, and then, if one was confirmed since, at those it would send.
func (s *Store) openConflicts(ctx context.Context, plan wtp.Change) ([]OpenConflict, error) {
	g := s.reader(ctx)
	open, err := many[wtp.Change](g, "SELECT * FROM changes WHERE project_id = ? AND kind = ? AND state IN ('queued', 'running') ORDER BY event_seq LIMIT ?", plan.ProjectID, plan.Kind, mostConflicts)
	if err != nil || len(open) == 0 {
		return nil, err
	}
	type count struct{ ID, N int64 }
	counts := map[int64]int64{}
	atLeast := false
	look := func(where string, args ...any) error {
		// A subquery for each target, not a join: see inTheWay.
		rows, err := many[count](g, `SELECT x.id, COUNT(*) AS n FROM (SELECT (SELECT o.change_id FROM targets o WHERE o.project_id = t.project_id AND o.kind = t.kind AND o.host_id = t.host_id
			AND o.outcome IN ('waiting', 'sending', 'unclear')) AS id FROM targets t WHERE t.change_id = ? AND `+where+" ORDER BY t.bucket, t.seq LIMIT ?) x GROUP BY x.id",
			append(append([]any{plan.ID}, args...), exactUpTo)...)
		var seen int64
		for _, r := range rows {
			counts[r.ID] += r.N
			seen += r.N
		}
		atLeast = atLeast || seen == exactUpTo
		return err
	}
	if err := look("t.bucket = 'cannot' AND t.why = ?", wtp.WhyOpenChange); err != nil {
		return nil, err
	}
	if open[len(open)-1].ConfirmedAt >= plan.PlannedAt {
		if err := look("t.bucket IN ?", sentBuckets()); err != nil {
			return nil, err
		}
	}
	var out []OpenConflict
	for _, o := range open {
		if counts[o.ID] > 0 {
			out = append(out, OpenConflict{o.Number, o.ConfirmedByName, o.SetIn, counts[o.ID], atLeast})
		}
	}
	return out, nil
}

func (s *Store) timerConflicts(ctx context.Context, plan wtp.Change) ([]TimerConflict, error) {
	if plan.Kind != wtp.DynamicWTP {
		return nil, nil
	}
	g := s.reader(ctx)
	pending, err := many[struct {
		ID, Number, EventSeq, N int64
		DueAt                   wtp.Instant
		SetByName               string
	}](g, `SELECT c.id, c.number, c.event_seq, tm.due_at, tm.set_by_name,
		(SELECT CAST(COALESCE(SUM(n.n), 0) AS bigint) FROM change_counts n WHERE n.change_id = c.id AND n.outcome IN ('accepted', 'unknown')) AS n
		FROM timers tm JOIN changes c ON c.id = tm.change_id WHERE tm.project_id = ? AND tm.state = 'pending' ORDER BY tm.due_at, tm.change_id LIMIT ?`, plan.ProjectID, mostConflicts)
	if err != nil {
		return nil, err
	}
	var out []TimerConflict
	for _, p := range pending {
		if p.ID == plan.TimerOf || p.N == 0 {
			continue // this plan ends that timer; or nothing is off by it yet
		}
		// + 0, because SQLite would rather read all of one change for each server of
		// the other than use the index of a server's targets.
		const other = "targets o WHERE o.project_id = t.project_id AND o.host_id = t.host_id AND o.kind = t.kind AND o.change_id + 0 = ?"
		from := "SELECT t.bucket, t.project_id, t.host_id, t.kind FROM (SELECT * FROM targets WHERE change_id = ? ORDER BY seq LIMIT ?) t WHERE 0 < (SELECT COUNT(*) FROM " + other +
			" AND o.outcome IN ('accepted', 'unknown'))"
		args := []any{plan.ID, exactUpTo, p.ID}
		if p.N < plan.TargetCount {
			from = "SELECT (SELECT o.bucket FROM " + other + ") AS bucket, t.project_id, t.host_id, t.kind FROM (SELECT * FROM targets t WHERE t.change_id = ? AND " + maybeOff +
				" ORDER BY outcome, seq LIMIT ?) t"
			args = []any{plan.ID, p.ID, exactUpTo}
		}
		rows, err := many[struct {
			Bucket wtp.Bucket
			N      int64
		}](g, "SELECT x.bucket, COUNT(*) AS n FROM ("+from+`) x WHERE x.bucket IS NOT NULL AND NOT EXISTS (SELECT 1 FROM targets n
			WHERE n.project_id = x.project_id AND n.host_id = x.host_id AND n.kind = x.kind AND n.change_id <> ? AND n.outcome IN ('waiting', 'sending', 'unclear', 'accepted', 'unknown')
			AND (SELECT nc.event_seq FROM changes nc WHERE nc.id = n.change_id) > ?) GROUP BY x.bucket`, append(args, p.ID, p.EventSeq)...)
		if err != nil {
			return nil, err
		}
		t := TimerConflict{Number: p.Number, DueAt: p.DueAt, SetByName: p.SetByName, Hosts: p.N, AtLeast: min(p.N, plan.TargetCount) > exactUpTo}
		for _, r := range rows {
			if r.Bucket.Sent() {
				t.Sent += r.N
			} else {
				t.Skipped += r.N
			}
		}
		if t.Sent+t.Skipped > 0 || t.AtLeast {
			out = append(out, t)
		}
	}
	return out, nil
}
