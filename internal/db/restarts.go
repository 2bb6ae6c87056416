package db

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// RestartQuery chooses entries of a project's restart list, the newest first; of
// those that are over, the last ended first.
type RestartQuery struct {
	ProjectID int64
	State     wtp.RestartState // needed
	Query     string           // part of name, private address or host ID; "": any
	Group     *string          // nil: any; "": none
	Number    int64            // of the change that turned on; 0: any
	After     RestartPlace     // only entries behind it; zero: from the beginning
	Limit     int              // 0: 50
}

// RestartPlace is a place in the list; its zero value is the beginning.
type RestartPlace struct {
	EndedAt wtp.Instant
	ID      int64
}

// RestartRow is an entry with the Tomcat bin directory, where that is known.
type RestartRow struct {
	wtp.Restart
	Dir       string      // "": none is set, or it isn't known
	DirReadAt wtp.Instant // 0: not known
}

// where is a query as a condition on restarts (as r); its page is left out.
func (q RestartQuery) where() (string, []any) {
	where, args := []string{"r.project_id = ?", "r.state = ?"}, []any{q.ProjectID, q.State}
	add := func(cond string, vs ...any) {
		where = append(where, cond)
		args = append(args, vs...)
	}
	if q.Number != 0 {
		add("r.change_id = (SELECT id FROM changes WHERE project_id = ? AND number = ? AND number > 0)", q.ProjectID, q.Number)
	}
	if q.Group != nil {
		add("r.group_name = ?", clean(*q.Group, maxName))
	}
	if q.Query != "" {
		p := contains(clean(q.Query, maxName))
		add(`(lower(r.name) LIKE ? ESCAPE '\' OR lower(r.host_id) LIKE ? ESCAPE '\' OR r.private_ip LIKE ? ESCAPE '\')`, p, p, p)
	}
	return strings.Join(where, " AND "), args
}

// narrowed says whether the query asks for less than all of a state.
func (q RestartQuery) narrowed() bool { return q.Query != "" || q.Group != nil || q.Number != 0 }

// restartRows reads entries; the directory comes with them.
const restartRows = `SELECT r.*, COALESCE(d.dir, '') AS dir, COALESCE(d.read_at, 0) AS dir_read_at
	FROM restarts r LEFT JOIN tomcat_dirs d ON d.project_id = r.project_id AND d.host_id = r.host_id WHERE `

// Restarts reads a page of the restart list.
func (s *Store) Restarts(ctx context.Context, q RestartQuery) ([]RestartRow, error) {
	where, args := q.where()
	if q.After.ID != 0 {
		where += " AND (r.ended_at, r.id) < (CAST(? AS bigint), CAST(? AS bigint))"
		args = append(args, q.After.EndedAt, q.After.ID)
	}
	rows, err := many[RestartRow](s.reader(ctx), restartRows+where+" ORDER BY r.ended_at DESC, r.id DESC LIMIT ?", append(args, page(q.Limit))...)
	if err != nil {
		return nil, fmt.Errorf("reading the restart list: %w", err)
	}
	return rows, nil
}

// RestartsByGroup reads a page of the same entries in the order of their groups,
// for an inventory; after is the last row of the page before, nil for the first.
func (s *Store) RestartsByGroup(ctx context.Context, q RestartQuery, after *RestartRow) ([]RestartRow, error) {
	where, args := q.where()
	if after != nil {
		where += " AND (r.group_name, r.id) > (?, CAST(? AS bigint))"
		args = append(args, after.GroupName, after.ID)
	}
	rows, err := many[RestartRow](s.reader(ctx), restartRows+where+" ORDER BY r.group_name, r.id LIMIT ?", append(args, page(q.Limit))...)
	if err != nil {
		return nil, fmt.Errorf("reading the restart list: %w", err)
	}
	return rows, nil
}

// CountRestarts counts the entries that match. All open ones are known from a kept
// counter; others are counted up to limit, and more says that there are more.
func (s *Store) CountRestarts(ctx context.Context, q RestartQuery, limit int64) (n int64, more bool, err error) {
	if q.State == wtp.RestartOpen && !q.narrowed() {
		n, err = s.OpenRestarts(ctx, q.ProjectID)
		return n, false, err
	}
	where, args := q.where()
	n, err = one[int64](s.reader(ctx), "SELECT COUNT(*) FROM (SELECT 1 FROM restarts r WHERE "+where+" LIMIT ?) c", append(args, limit+1)...)
	if err != nil {
		return 0, false, fmt.Errorf("counting the restart list: %w", err)
	}
	return min(n, limit), n > limit, nil
}

// OpenRestarts is how many servers of a project need a Tomcat restart. Its cost
// doesn't grow with them.
func (s *Store) OpenRestarts(ctx context.Context, projectID int64) (int64, error) {
	n, err := one[int64](s.reader(ctx), "SELECT n FROM restart_counts WHERE project_id = ?", projectID)
	if errors.Is(err, wtp.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("counting the restart list: %w", err)
	}
	return n, nil
}

// RestartsOf is how many servers wait for a restart because of one change, counted up
// to limit.
func (s *Store) RestartsOf(ctx context.Context, changeID, limit int64) (int64, error) {
	n, err := one[int64](s.reader(ctx), "SELECT COUNT(*) FROM (SELECT 1 FROM restarts r WHERE r.change_id = ? AND r.state = 'open' LIMIT ?) c", changeID, limit)
	if err != nil {
		return 0, fmt.Errorf("counting the restart list: %w", err)
	}
	return n, nil
}

// RestartGroups lists the groups that have open entries, by name, at most 1,000.
func (s *Store) RestartGroups(ctx context.Context, projectID int64) ([]string, error) {
	// From one group to the next through the index, however many entries each has.
	const from = "SELECT r.group_name FROM restarts r WHERE r.project_id = ? AND r.state = 'open'"
	groups, err := many[string](s.reader(ctx), `WITH RECURSIVE g (name, n) AS (
			SELECT * FROM (SELECT (`+from+` ORDER BY r.group_name LIMIT 1) AS name, 1 AS n) x
			UNION ALL SELECT (`+from+` AND r.group_name > g.name ORDER BY r.group_name LIMIT 1), g.n + 1 FROM g WHERE g.name IS NOT NULL AND g.n <= 1000)
		SELECT name FROM g WHERE name IS NOT NULL ORDER BY name`, projectID, projectID)
	if err != nil {
		return nil, fmt.Errorf("groups of the restart list: %w", err)
	}
	return groups, nil
}

// OpenRestart finds the open entry of a server, or wtp.ErrNotFound.
func (s *Store) OpenRestart(ctx context.Context, projectID int64, hostID string) (wtp.Restart, error) {
	return one[wtp.Restart](s.reader(ctx), "SELECT * FROM restarts WHERE project_id = ? AND host_id = ? AND state = 'open'", projectID, clean(hostID, maxName))
}

// RestartMark says which entries to mark: those named by IDs, or else all that the
// query matches, which must be exactly Shown.
type RestartMark struct {
	IDs   []int64
	Query RestartQuery
	Shown int64
	Note  string // optional
}

// MarkRestarts marks open entries done. If there are others than the person saw
// (one of IDs is no longer open, or not Shown entries match), it is a *wtp.Refused
// and nothing is marked.
func (s *Store) MarkRestarts(ctx context.Context, actor wtp.Actor, projectID int64, m RestartMark) (n int64, err error) {
	var bad wtp.Invalid
	if wtp.CheckRestartNote(&bad, m.Note); len(bad) > 0 {
		return 0, bad
	}
	note := clean(strings.TrimSpace(m.Note), wtp.MaxRestartNote)
	err = s.tx(ctx, func(tx *gorm.DB) error {
		if _, err := s.lockProject(tx, projectID); err != nil {
			return err
		}
		where, args, want := "r.project_id = ? AND r.state = 'open' AND r.id IN ?", []any{projectID, append([]int64{0}, m.IDs...)}, int64(len(m.IDs))
		if len(m.IDs) == 0 {
			m.Query.ProjectID, m.Query.State = projectID, wtp.RestartOpen
			where, args = m.Query.where()
			want = m.Shown
		}
		if want == 0 {
			return invalid("id", "Tick at least one server. Nothing was marked.")
		}
		hosts, err := many[string](tx, "SELECT r.host_id FROM restarts r WHERE "+where+" ORDER BY r.id LIMIT 100", args...)
		if err != nil {
			return fmt.Errorf("reading the restart list: %w", err)
		}
		if n, err = exec(tx, "UPDATE restarts AS r SET state = 'done', ended_at = ?, ended_by_name = ?, note = ? WHERE "+where,
			append([]any{s.Now(), clean(actor.Name, maxName), note}, args...)...); err != nil {
			return fmt.Errorf("marking restarts: %w", err)
		}
		if n != want {
			return conflict("The list has changed: %d servers of it could be marked now, not %d. Nothing was marked; look at it again.", n, want)
		}
		if err := countRestarts(tx, projectID, -n); err != nil {
			return err
		}
		_, err = s.record(tx, actor, wtp.Event{Verb: "restart.done", ProjectID: projectID}, map[string]any{"servers": n, "note": note, "host_ids": hosts})
		return err
	})
	return n, err
}

// ReopenRestarts takes back marks: the entries are open again. One that isn't done,
// or whose server is on the list again, is a *wtp.Refused, and nothing is changed.
func (s *Store) ReopenRestarts(ctx context.Context, actor wtp.Actor, projectID int64, ids []int64) error {
	if len(ids) == 0 {
		return invalid("id", "Tick at least one server. Nothing was changed.")
	}
	return s.tx(ctx, func(tx *gorm.DB) error {
		if _, err := s.lockProject(tx, projectID); err != nil {
			return err
		}
		hosts, err := many[string](tx, "SELECT host_id FROM restarts WHERE project_id = ? AND state = 'done' AND id IN ? ORDER BY id", projectID, ids)
		if err != nil {
			return fmt.Errorf("reading the restart list: %w", err)
		}
		n, err := exec(tx, "UPDATE restarts SET state = 'open', ended_at = 0, ended_by_name = '', note = '' WHERE project_id = ? AND state = 'done' AND id IN ?", projectID, ids)
		if duplicate(err) {
			return conflict("Dynamic WTP was turned on again on one of these servers since: it is on the list already. Nothing was changed.")
		}
		if err != nil {
			return fmt.Errorf("taking back marks: %w", err)
		}
		if n != int64(len(ids)) {
			return conflict("Somebody changed these entries meanwhile. Nothing was changed; look at the list again.")
		}
		if err := countRestarts(tx, projectID, n); err != nil {
			return err
		}
		_, err = s.record(tx, actor, wtp.Event{Verb: "restart.reopened", ProjectID: projectID}, map[string]any{"servers": n, "host_ids": hosts[:min(len(hosts), 100)]})
		return err
	})
}

// countRestarts adds n to the kept counter of open entries.
func countRestarts(tx *gorm.DB, projectID, n int64) error {
	var err error
	switch {
	case n > 0:
		_, err = exec(tx, "INSERT INTO restart_counts (project_id, n) VALUES (?, ?) ON CONFLICT (project_id) DO UPDATE SET n = restart_counts.n + excluded.n", projectID, n)
	case n < 0:
		err = moved(exec(tx, "UPDATE restart_counts SET n = n + ? WHERE project_id = ?", n, projectID))
	}
	if err != nil {
		return fmt.Errorf("keeping the counters: %w", err)
	}
	return nil
}
