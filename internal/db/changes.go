package db

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// ChangeQuery chooses confirmed changes, newest first.
type ChangeQuery struct {
	ProjectID int64          // 0: all projects
	Query     string         // part of reason or ticket, or a change's number
	Kind      wtp.ChangeKind // "": any
	Who       string         // name of who confirmed; "": anybody
	Outcome   string         // "failed": something refused; "unknown": something ended unknown; "not_seen", "otherwise": something accepted that HSS was not seen to show, or shows otherwise; "running": not over; "": any
	From, To  wtp.Instant    // of confirmation; To is excluded; 0: open
	Before    int64          // what the page before gave as next; 0: from the newest
	Limit     int            // 0: 50
}

// ChangeRow is a change with its counters and its project.
type ChangeRow struct {
	wtp.Change
	Counts      Counts `gorm:"-"`
	ProjectSlug string
	ProjectName string
	UndoneBy    int64       // number of the newest change that undoes this one; 0: none
	BackAt      wtp.Instant // when its timer turns back on, if that is pending; 0: it isn't
}

const changeRows = `SELECT c.*, p.slug AS project_slug, p.name AS project_name,
	COALESCE((SELECT MAX(x.number) FROM changes x WHERE x.project_id = c.project_id AND x.undo_of = c.number AND x.undo_of > 0 AND x.number > 0), 0) AS undone_by,
	COALESCE((SELECT tm.due_at FROM timers tm WHERE tm.change_id = c.id AND tm.state = 'pending'), 0) AS back_at
	FROM changes c JOIN projects p ON p.id = c.project_id WHERE `

// Change finds a confirmed change by its number in the project.
func (s *Store) Change(ctx context.Context, projectID, number int64) (wtp.Change, error) {
	return one[wtp.Change](s.reader(ctx), "SELECT * FROM changes WHERE project_id = ? AND number = ? AND number > 0", projectID, number)
}

// ChangeByID finds a change or a plan.
func (s *Store) ChangeByID(ctx context.Context, id int64) (wtp.Change, error) {
	return one[wtp.Change](s.reader(ctx), "SELECT * FROM changes WHERE id = ?", id)
}

// Changes reads a page of confirmed changes, newest first; next is the cursor
// of the page after, 0 if there is none.
func (s *Store) Changes(ctx context.Context, q ChangeQuery) (rows []ChangeRow, next int64, err error) {
	where, args := []string{"c.event_seq > 0"}, []any{}
	add := func(cond string, vs ...any) {
		where = append(where, cond)
		args = append(args, vs...)
	}
	if q.ProjectID != 0 {
		add("c.project_id = ?", q.ProjectID)
	}
	if q.Query != "" {
		p := contains(clean(q.Query, maxName))
		add(`(lower(c.reason) LIKE ? ESCAPE '\' OR lower(c.ticket) LIKE ? ESCAPE '\' OR CAST(c.number AS text) = ?)`, p, p, clean(strings.TrimPrefix(q.Query, "#"), maxName))
	}
	if q.Kind != "" {
		add("c.kind = ?", q.Kind)
	}
	if q.Who != "" {
		add("c.confirmed_by_name = ?", clean(q.Who, maxName))
	}
	switch q.Outcome {
	case "":
	case "failed":
		add("EXISTS (SELECT 1 FROM change_counts n WHERE n.change_id = c.id AND n.outcome = 'refused' AND n.n > 0)")
	case "unknown":
		add("EXISTS (SELECT 1 FROM change_counts n WHERE n.change_id = c.id AND n.outcome = 'unknown' AND n.n > 0)")
	case "not_seen", "otherwise":
		seen := map[string]int64{"not_seen": notSeen, "otherwise": seenOtherwise}[q.Outcome]
		add("EXISTS (SELECT 1 FROM change_counts n WHERE n.change_id = c.id AND n.outcome = 'accepted' AND n.confirmed = ? AND n.n > 0)", seen)
	case "running":
		add("c.state IN ('queued', 'running')")
	default:
		return nil, 0, invalid("outcome", "%q is not a known value here. The list shows nothing rather than everything.", q.Outcome)
	}
	if q.From != 0 {
		add("c.confirmed_at >= ?", q.From)
	}
	if q.To != 0 {
		add("c.confirmed_at < ?", q.To)
	}
	if q.Before != 0 {
		add("c.event_seq < ?", q.Before)
	}
	limit := page(q.Limit)
	if rows, err = s.changeRows(ctx, strings.Join(where, " AND ")+" ORDER BY c.event_seq DESC LIMIT ?", append(args, limit+1)...); err != nil {
		return nil, 0, err
	}
	if len(rows) > limit {
		rows = rows[:limit]
		next = rows[limit-1].EventSeq
	}
	return rows, next, nil
}

func (s *Store) changeRows(ctx context.Context, tail string, args ...any) ([]ChangeRow, error) {
	rows, err := many[ChangeRow](s.reader(ctx), changeRows+tail, args...)
	if err != nil {
		return nil, fmt.Errorf("reading changes: %w", err)
	}
	ids := make([]int64, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	counts, err := readCounts(s.reader(ctx), ids)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		rows[i].Counts = counts[rows[i].ID]
	}
	return rows, nil
}

// OpenChanges lists the changes that are queued or running, oldest first, of
// one project or (0) of all.
func (s *Store) OpenChanges(ctx context.Context, projectID int64) ([]ChangeRow, error) {
	return s.changeRows(ctx, "c.state IN ('queued', 'running') AND (CAST(? AS bigint) = 0 OR c.project_id = ?) ORDER BY c.event_seq LIMIT 500", projectID, projectID)
}

// Calls reads a page of the HSS calls of a change, oldest first.
func (s *Store) Calls(ctx context.Context, changeID, afterID int64, limit int) ([]wtp.Call, error) {
	return many[wtp.Call](s.reader(ctx), "SELECT * FROM calls WHERE change_id = ? AND id > ? ORDER BY id LIMIT ?", changeID, afterID, page(limit))
}

// ServerChange is one server's part in a change.
type ServerChange struct {
	Change wtp.Change
	Target wtp.Target
}

// ServerChanges reads the confirmed changes that had a server, newest first;
// before is the ID of a change, 0 for the newest.
func (s *Store) ServerChanges(ctx context.Context, projectID int64, hostID string, before int64, limit int) ([]ServerChange, error) {
	ts, err := many[wtp.Target](s.reader(ctx), `SELECT * FROM targets WHERE project_id = ? AND host_id = ? AND outcome <> 'planned' AND (CAST(? AS bigint) = 0 OR change_id < ?)
		ORDER BY change_id DESC LIMIT ?`, projectID, clean(hostID, maxName), before, before, page(limit))
	if err != nil {
		return nil, fmt.Errorf("history of a server: %w", err)
	}
	ids := make([]int64, len(ts))
	for i, t := range ts {
		ids[i] = t.ChangeID
	}
	if len(ids) == 0 {
		return nil, nil
	}
	cs, err := many[wtp.Change](s.reader(ctx), "SELECT * FROM changes WHERE id IN ?", ids)
	if err != nil {
		return nil, fmt.Errorf("history of a server: %w", err)
	}
	byID := make(map[int64]wtp.Change, len(cs))
	for _, c := range cs {
		byID[c.ID] = c
	}
	out := make([]ServerChange, len(ts))
	for i, t := range ts {
		out[i] = ServerChange{Change: byID[t.ChangeID], Target: t}
	}
	return out, nil
}

// StopChange stops a change for a person: what waits is not sent any more. A
// batch in flight still records its answer; until then the change stays running
// with StoppedByName set. Stopping twice is no error; a change that is over is a
// wtp.Refused.
func (s *Store) StopChange(ctx context.Context, actor wtp.Actor, projectID, number int64) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		c, err := one[wtp.Change](tx, "SELECT * FROM changes WHERE project_id = ? AND number = ? AND number > 0"+s.forUpdate(), projectID, number)
		if err != nil {
			return err
		}
		if c.State.Over() {
			return conflict("Change %d is over already.", c.Number)
		}
		if stopping(c) {
			return nil
		}
		return s.stop(tx, actor, c, actor.Name, "")
	})
}

// StopRunning stops a change by the console itself; why is text for people, see
// wtp.StopReason.
func (s *Store) StopRunning(ctx context.Context, changeID int64, owner, why string) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		c, err := s.fence(tx, changeID, owner)
		if err != nil || c.State.Over() || stopping(c) {
			return err
		}
		return s.stop(tx, wtp.Actor{}, c, "", why)
	})
}

// stopping says whether a stop was asked for.
func stopping(c wtp.Change) bool { return c.StoppedByName != "" || c.StopWhy != "" }

func (s *Store) stop(tx *gorm.DB, actor wtp.Actor, c wtp.Change, by, why string) error {
	if by == "" && why == "" {
		return errors.New("a stop needs a person or a reason")
	}
	waiting, err := many[wtp.Batch](tx, "SELECT * FROM batches WHERE change_id = ? AND state = 'waiting' ORDER BY no", c.ID)
	if err != nil {
		return fmt.Errorf("reading batches: %w", err)
	}
	var n int64
	if len(waiting) > 0 {
		n, err = moveTargets(tx, targetMove{change: c.ID, from: wtp.TargetWaiting, to: wtp.TargetStopped, sets: []set{{"decided_at", s.Now()}}})
		if err != nil {
			return fmt.Errorf("stopping targets: %w", err)
		}
	}
	for _, b := range waiting {
		if err := endBatch(tx, b); err != nil {
			return err
		}
	}
	c.StoppedByName, c.StopWhy = clean(by, maxName), clean(why, maxMessage)
	if _, err := exec(tx, "UPDATE changes SET stopped_by_name = ?, stop_why = ? WHERE id = ?", c.StoppedByName, c.StopWhy, c.ID); err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	if _, err := s.record(tx, actor, wtp.Event{Verb: "change.stopped", ProjectID: c.ProjectID, ChangeID: c.ID, Subject: fmt.Sprintf("change %d", c.Number)},
		map[string]any{"not_sent": n, "why": c.StopWhy}); err != nil {
		return err
	}
	open, err := openTargets(tx, c.ID)
	if err != nil || open > 0 {
		return err
	}
	_, err = s.finish(tx, c)
	return err
}

// openTargets counts the targets that the change may still touch.
func openTargets(tx *gorm.DB, changeID int64) (int64, error) {
	n, err := one[int64](tx, "SELECT CAST(COALESCE(SUM(n), 0) AS bigint) FROM change_counts WHERE change_id = ? AND outcome IN ('waiting', 'sending', 'unclear')", changeID)
	if err != nil {
		return 0, fmt.Errorf("counting open targets: %w", err)
	}
	return n, nil
}

// finish ends a change none of whose targets is open: stopped if a stop was
// asked for, else done. It is due to be read back at once.
func (s *Store) finish(tx *gorm.DB, c wtp.Change) (wtp.Change, error) {
	now := s.Now()
	from := c.State
	c.State, c.FinishedAt, c.ReadBackAt = wtp.Done, now, now
	if stopping(c) {
		c.State = wtp.Stopped
	}
	if err := moveChange(tx, c.ID, []wtp.ChangeState{from}, c.State, set{"finished_at", now}, set{"read_back_at", now}); err != nil {
		return c, err
	}
	if _, err := exec(tx, "DELETE FROM suspects WHERE change_id = ?", c.ID); err != nil {
		return c, fmt.Errorf("forgetting suspects: %w", err)
	}
	counts, err := readCounts(tx, []int64{c.ID})
	if err != nil {
		return c, err
	}
	if err := s.endIdleTimer(tx, c, counts[c.ID].Outcome); err != nil {
		return c, err
	}
	_, err = s.record(tx, wtp.Actor{}, wtp.Event{Verb: "change.finished", ProjectID: c.ProjectID, ChangeID: c.ID, Subject: fmt.Sprintf("change %d", c.Number)},
		map[string]any{"state": c.State, "outcomes": counts[c.ID].Outcome})
	return c, err
}
