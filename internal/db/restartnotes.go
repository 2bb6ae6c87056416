package db

import (
	"fmt"
	"slices"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// These functions keep the restart list in the transaction in which a reading is
// noted. They lock, in this order, after the changes: entries, their counter, the end
// of the history.

// needRestart puts servers on the restart list on which a change turned dynamic WTP
// on: its targets that were seen as wanted, noted at seenAt. One that is on the list
// already stays as it is.
func (s *Store) needRestart(tx *gorm.DB, project int64, changes []int64, seenAt wtp.Instant) error {
	type added struct {
		change wtp.Change
		n      int64
	}
	var all int64
	var each []added
	slices.Sort(changes)
	for _, id := range slices.Compact(changes) {
		c, err := one[wtp.Change](tx, "SELECT * FROM changes WHERE id = ?", id)
		if err != nil {
			return fmt.Errorf("change of the restart list: %w", err)
		}
		if c.Kind != wtp.DynamicWTP || c.Direction != wtp.Enable {
			continue
		}
		n, err := exec(tx, `INSERT INTO restarts (project_id, change_id, number, host_id, name, private_ip, group_name, since, state)
			SELECT t.project_id, t.change_id, CAST(? AS bigint), t.host_id, t.name, t.private_ip, t.group_name, t.seen_at, 'open' FROM targets t
			WHERE t.change_id = ? AND t.kind = 'dynamic_wtp' AND t.outcome IN ('accepted', 'unknown') AND t.seen = t.wanted AND t.wanted = 'opened' AND t.seen_at = ?
			ORDER BY t.seq DESC ON CONFLICT DO NOTHING`, c.Number, c.ID, seenAt)
		if err != nil {
			return fmt.Errorf("keeping the restart list: %w", err)
		}
		if n == 0 {
			continue
		}
		all += n
		each = append(each, added{c, n})
	}
	if err := countRestarts(tx, project, all); err != nil {
		return err
	}
	for _, a := range each {
		if _, err := s.record(tx, wtp.Actor{}, wtp.Event{Verb: "restart.needed", ProjectID: project, ChangeID: a.change.ID, Subject: fmt.Sprintf("change %d", a.change.Number)},
			map[string]any{"servers": a.n}); err != nil {
			return err
		}
	}
	return nil
}

// newestOff is the newest change of ours that turned an entry's server (as r) off
// since the entry's own change.
const newestOff = `(SELECT MAX(n.change_id) FROM targets n WHERE n.project_id = r.project_id AND n.host_id = r.host_id AND n.kind = 'dynamic_wtp' AND n.wanted = 'closed'
	AND n.outcome IN ('accepted', 'unknown') AND n.change_id > r.change_id)`

// dropRestarts takes servers off the restart list whose dynamic WTP the inventory
// shows as off, if they were put there before the reading began.
func (s *Store) dropRestarts(tx *gorm.DB, project int64, startedAt wtp.Instant) error {
	have, err := many[int64](tx, "SELECT n FROM restart_counts WHERE project_id = ? AND n > 0", project)
	if err != nil || len(have) == 0 {
		return err
	}
	return s.endRestarts(tx, project, "r.since < ? AND EXISTS (SELECT 1 FROM servers s WHERE s.project_id = r.project_id AND s.host_id = r.host_id AND s.dynamic = 'closed')", startedAt)
}

// endRestarts takes the open entries that match off the list: dynamic WTP is off.
func (s *Store) endRestarts(tx *gorm.DB, project int64, where string, args ...any) error {
	now := s.Now()
	n, err := exec(tx, "UPDATE restarts AS r SET state = 'off', ended_at = ?, off_change_id = COALESCE("+newestOff+", 0) WHERE r.project_id = ? AND r.state = 'open' AND "+where,
		append([]any{now, project}, args...)...)
	if err != nil {
		return fmt.Errorf("keeping the restart list: %w", err)
	}
	if n == 0 {
		return nil
	}
	if _, err := exec(tx, `UPDATE restarts SET off_number = (SELECT c.number FROM changes c WHERE c.id = restarts.off_change_id)
		WHERE project_id = ? AND state = 'off' AND ended_at = ? AND off_change_id > 0 AND off_number = 0`, project, now); err != nil {
		return fmt.Errorf("keeping the restart list: %w", err)
	}
	if err := countRestarts(tx, project, -n); err != nil {
		return err
	}
	_, err = s.record(tx, wtp.Actor{}, wtp.Event{Verb: "restart.off", ProjectID: project}, map[string]any{"servers": n})
	return err
}

// noteRestarts keeps the restart list after it was noted at seenAt, alone for this
// change, what reading back showed of some of its targets.
func (s *Store) noteRestarts(tx *gorm.DB, c wtp.Change, seenAt wtp.Instant) error {
	switch {
	case c.Kind != wtp.DynamicWTP:
		return nil
	case c.Direction == wtp.Enable:
		return s.needRestart(tx, c.ProjectID, []int64{c.ID}, seenAt)
	}
	return s.endRestarts(tx, c.ProjectID, `r.host_id IN (SELECT t.host_id FROM targets t WHERE t.change_id = ? AND t.kind = 'dynamic_wtp'
		AND t.outcome = 'accepted' AND t.seen = t.wanted AND t.wanted = 'closed' AND t.seen_at = ?)`, c.ID, seenAt)
}
