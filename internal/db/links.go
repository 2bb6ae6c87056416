package db

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// flippedSQL is true of the targets (as t) whose server their change really
// switched: HSS took it, or is seen to show it, and it was otherwise before.
// HSS shows nothing for a server that never had dynamic WTP: that is off.
const flippedSQL = `(t.outcome = 'accepted' OR (t.outcome = 'unknown' AND t.seen = t.wanted))
	AND CASE t.before WHEN '' THEN 'closed' ELSE t.before END <> t.wanted`

// retriable are the outcomes that a change may be tried again for.
func retriable(o wtp.Outcome) bool {
	return o == wtp.TargetRefused || o == wtp.TargetUnknown || o == wtp.TargetStopped
}

// linkedSource is the servers of an earlier change that from names.
func linkedSource(project int64, from PlanSource) (source, error) {
	const earlier = "SELECT t.host_id FROM targets t JOIN changes d ON d.id = t.change_id WHERE d.project_id = ? AND d.number = ? AND d.number > 0 AND t.kind = 'dynamic_wtp' AND "
	if from.UndoOf != 0 {
		return source{with: earlier + flippedSQL, withArgs: []any{project, from.UndoOf}}, nil
	}
	for _, o := range from.Outcomes {
		if !retriable(o) {
			return source{}, invalid("outcome", "%q is not an outcome that can be tried again.", string(o))
		}
	}
	if len(from.Outcomes) == 0 {
		return source{}, invalid("outcome", "Say which servers of the change to try again.")
	}
	return source{with: earlier + "t.outcome IN ?", withArgs: []any{project, from.RetryOf, from.Outcomes}}, nil
}

// link makes c point at the earlier change that from names, and holds it to
// that change: it is over, and the direction is the one that undoes or repeats
// it.
func link(tx *gorm.DB, c *wtp.Change, from PlanSource) error {
	c.UndoOf, c.RetryOf = from.UndoOf, from.RetryOf
	number := cmp.Or(c.UndoOf, c.RetryOf)
	if number == 0 {
		return nil
	}
	earlier, err := one[wtp.Change](tx, "SELECT * FROM changes WHERE project_id = ? AND number = ? AND number > 0", c.ProjectID, number)
	if err != nil {
		return err
	}
	want := earlier.Direction
	if c.UndoOf != 0 {
		want = want.Opposite()
	}
	switch {
	case earlier.Kind != wtp.DynamicWTP:
		return conflict("Change %d is of a backup server. Nothing was planned.", number)
	case !earlier.State.Over():
		return conflict("Change %d is still under way. Wait for it or stop it first. Nothing was planned.", number)
	case c.Direction != want:
		return conflict("That is the wrong direction for change %d. Nothing was planned.", number)
	}
	return nil
}

// noTargets says why a plan has no servers.
func noTargets(from PlanSource) error {
	switch {
	case from.UndoOf != 0:
		return conflict("Change %d switched no server, as far as HSS is seen to show. There is nothing to undo.", from.UndoOf)
	case from.RetryOf != 0:
		return conflict("No server of change %d ended that way. There is nothing to try again.", from.RetryOf)
	}
	return invalid("selection", "Choose at least one server. Nothing was planned.")
}

// judgement is how a plan puts servers (s, with their class c) into buckets, as
// SQL; join goes before WHERE.
type judgement struct {
	join, bucket, why string
	args              []any // of join
}

// judge is the classes alone, and for an undo first whether the server is still
// as the change (its target: u) left it. What it isn't stays untouched.
func judge(tx *gorm.DB, c wtp.Change) (judgement, error) {
	if c.TimerOf != 0 {
		return judgeTimer(c), nil
	}
	if c.UndoOf == 0 {
		// What HSS accepted the other way round and was not read since is not so already,
		// though the inventory still shows it.
		const unread = `c.bucket = 'already_so' AND EXISTS (SELECT 1 FROM targets n WHERE n.project_id = s.project_id AND n.kind = 'dynamic_wtp' AND n.host_id = s.host_id
			AND n.outcome IN ('accepted', 'unknown') AND n.seen <> n.wanted AND n.seen = '' AND n.wanted <> s.dynamic)`
		return judgement{
			bucket: "CASE WHEN s.host_id IS NULL OR (" + unread + ") THEN 'cannot' ELSE c.bucket END",
			why:    "CASE WHEN s.host_id IS NULL THEN 'gone' WHEN " + unread + " THEN 'unread_change' ELSE c.why END",
		}, nil
	}
	undone, err := one[int64](tx, "SELECT id FROM changes WHERE project_id = ? AND number = ? AND number > 0", c.ProjectID, c.UndoOf)
	if err != nil {
		return judgement{}, fmt.Errorf("the change to undo: %w", err)
	}
	const newer = `EXISTS (SELECT 1 FROM targets n WHERE n.project_id = u.project_id AND n.host_id = u.host_id AND n.kind = u.kind AND n.change_id <> u.change_id
		AND n.outcome IN ('accepted', 'unknown') AND (n.decided_at > u.decided_at OR (n.decided_at = u.decided_at AND n.change_id > u.change_id)))`
	return judgement{
		join:   " LEFT JOIN projects r ON r.id = s.project_id LEFT JOIN targets u ON u.project_id = s.project_id AND u.host_id = s.host_id AND u.kind = 'dynamic_wtp' AND u.change_id = ?",
		args:   []any{undone},
		bucket: "CASE WHEN s.host_id IS NULL OR s.dynamic <> u.wanted OR " + newer + " THEN 'cannot' ELSE c.bucket END",
		why: "CASE WHEN s.host_id IS NULL THEN 'gone' WHEN " + newer + ` THEN 'newer_change' WHEN s.dynamic = u.wanted THEN c.why
			WHEN r.read_at <= u.decided_at THEN 'not_read_since' WHEN u.seen = u.wanted THEN 'changed_since' ELSE 'not_shown' END`,
	}, nil
}

// undoneBackup is undo if the change of that number left a backup server as it
// is now, and it was as it shall be before that change; else 0.
func undoneBackup(tx *gorm.DB, project, undo int64, now *wtp.BackupServer, to wtp.BackupConfig) (int64, error) {
	if undo == 0 || now == nil {
		return 0, nil
	}
	t, err := one[wtp.Target](tx, `SELECT t.* FROM targets t JOIN changes d ON d.id = t.change_id
		WHERE d.project_id = ? AND d.number = ? AND d.number > 0 AND t.kind = 'backup_server' AND t.host_id = ?`, project, undo, to.HostID)
	switch {
	case errors.Is(err, wtp.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("the change to undo: %w", err)
	case t.Before != ConfigJSON(to) || t.Wanted != ConfigJSON(now.Config()):
		return 0, nil
	}
	return undo, nil
}

// Links are the changes that a change points at, and that point at it.
type Links struct {
	Of   *wtp.Change  // what it undoes or tries again; nil: nothing
	Undo []wtp.Change // confirmed changes that undo it, oldest first
	Next []wtp.Change // confirmed changes that try it again or go on with it, oldest first
}

// Links reads what a change, or a plan, is connected with; at most 20 of each
// kind.
func (s *Store) Links(ctx context.Context, c wtp.Change) (l Links, err error) {
	g := s.reader(ctx)
	if number := max(c.UndoOf, c.RetryOf); number > 0 {
		of, err := one[wtp.Change](g, "SELECT * FROM changes WHERE project_id = ? AND number = ?", c.ProjectID, number)
		if err != nil && !errors.Is(err, wtp.ErrNotFound) {
			return l, fmt.Errorf("linked change: %w", err)
		}
		if err == nil {
			l.Of = &of
		}
	}
	if c.Number == 0 {
		return l, nil
	}
	const tail = " AND number > 0 ORDER BY number LIMIT 20"
	if l.Undo, err = many[wtp.Change](g, "SELECT * FROM changes WHERE project_id = ? AND undo_of = ? AND undo_of > 0"+tail, c.ProjectID, c.Number); err != nil {
		return l, fmt.Errorf("linked changes: %w", err)
	}
	if l.Next, err = many[wtp.Change](g, "SELECT * FROM changes WHERE project_id = ? AND retry_of = ? AND retry_of > 0"+tail, c.ProjectID, c.Number); err != nil {
		return l, fmt.Errorf("linked changes: %w", err)
	}
	return l, nil
}

// SelectTargets makes the servers of a change that the query names (After and
// Limit don't matter) a person's selection in a project, in place of what was
// selected; n is how many there are. If there are none, the selection stays. shown is
// how many the person saw: if there are others, it is a *wtp.Refused and the selection
// stays.
func (s *Store) SelectTargets(ctx context.Context, userID, projectID int64, q TargetQuery, shown int64) (n int64, err error) {
	where, args := q.where()
	from := "FROM targets WHERE project_id = ? AND kind <> 'backup_server' AND " + where
	none := false
	n, err = s.selectTx(ctx, userID, projectID, func(tx *gorm.DB) (int64, error) {
		now, err := one[int64](tx, "SELECT COUNT(DISTINCT host_id) "+from, append([]any{projectID}, args...)...)
		if none = now == 0; err != nil || none {
			return 0, err
		}
		if now != shown {
			return 0, conflict("There are %d of these servers now, not %d. Your selection stays as it was; look at them again.", now, shown)
		}
		out, err := exec(tx, "DELETE FROM selection_hosts WHERE user_id = ? AND project_id = ?", userID, projectID)
		if err != nil {
			return 0, err
		}
		in, err := exec(tx, "INSERT INTO selection_hosts (user_id, project_id, host_id) SELECT DISTINCT CAST(? AS bigint), project_id, host_id "+from+" ON CONFLICT DO NOTHING",
			append([]any{userID, projectID}, args...)...)
		return in - out, err
	})
	if none {
		n = 0
	}
	return n, err
}
