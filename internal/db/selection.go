package db

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// Select adds servers to a person's selection in a project and takes others
// out; n is its size afterwards.
func (s *Store) Select(ctx context.Context, userID, projectID int64, add, remove []string) (n int64, err error) {
	return s.selectTx(ctx, userID, projectID, func(tx *gorm.DB) (int64, error) {
		plus, minus := cleanHosts(add), cleanHosts(remove)
		in, err := jsonList(plus)
		if err != nil {
			return 0, err
		}
		out, err := jsonList(minus)
		if err != nil {
			return 0, err
		}
		a, err := exec(tx, `INSERT INTO selection_hosts (user_id, project_id, host_id)
			SELECT CAST(? AS bigint), CAST(? AS bigint), value FROM `+s.eachText()+` v WHERE value <> '' ON CONFLICT DO NOTHING`, userID, projectID, in)
		if err != nil {
			return 0, err
		}
		r, err := exec(tx, "DELETE FROM selection_hosts WHERE user_id = ? AND project_id = ? AND host_id IN (SELECT value FROM "+s.eachText()+" v)", userID, projectID, out)
		return a - r, err
	})
}

// SelectMatching adds every server that matches; n is the size of the selection
// afterwards. shown is how many the person saw: if another number matches now, it is a
// *wtp.Refused and nothing is selected.
func (s *Store) SelectMatching(ctx context.Context, userID, projectID int64, f wtp.ServerFilter, shown int64) (n int64, err error) {
	return s.selectIn(ctx, userID, projectID, s.forUpdate(), func(tx *gorm.DB) (int64, error) { // no reading may come in between
		where, args := serverWhere(f)
		now, err := one[int64](tx, "SELECT COUNT(*) FROM servers s WHERE s.project_id = ? AND "+where, append([]any{projectID}, args...)...)
		if err != nil {
			return 0, err
		}
		if now != shown {
			return 0, conflict("%d servers match now, not %d. Nothing was selected; look at the list again.", now, shown)
		}
		return exec(tx, `INSERT INTO selection_hosts (user_id, project_id, host_id)
			SELECT CAST(? AS bigint), s.project_id, s.host_id FROM servers s WHERE s.project_id = ? AND `+where+` ON CONFLICT DO NOTHING`,
			append([]any{userID, projectID}, args...)...)
	})
}

// selectTx changes a selection by change, which says by how much it grew, and
// keeps its counter. The counter's row is the lock.
func (s *Store) selectTx(ctx context.Context, userID, projectID int64, change func(tx *gorm.DB) (int64, error)) (n int64, err error) {
	return s.selectIn(ctx, userID, projectID, "", change)
}

// selectIn is selectTx; hold is "", or s.forUpdate() to lock the project first.
func (s *Store) selectIn(ctx context.Context, userID, projectID int64, hold string, change func(tx *gorm.DB) (int64, error)) (n int64, err error) {
	err = s.tx(ctx, func(tx *gorm.DB) error {
		if _, err := one[int64](tx, "SELECT id FROM projects WHERE id = ? AND removed_at = 0"+hold, projectID); err != nil {
			return err
		}
		if _, err := exec(tx, "INSERT INTO selections (user_id, project_id, n) VALUES (?, ?, 0) ON CONFLICT DO NOTHING", userID, projectID); err != nil {
			return fmt.Errorf("selecting: %w", err)
		}
		was, err := one[int64](tx, "SELECT n FROM selections WHERE user_id = ? AND project_id = ?"+s.forUpdate(), userID, projectID)
		if err != nil {
			return fmt.Errorf("selecting: %w", err)
		}
		grew, err := change(tx)
		if err != nil {
			return fmt.Errorf("selecting: %w", err)
		}
		n = was + grew
		return moved(exec(tx, "UPDATE selections SET n = ? WHERE user_id = ? AND project_id = ?", n, userID, projectID))
	})
	return n, err
}

// ClearSelection empties a person's selection in a project.
func (s *Store) ClearSelection(ctx context.Context, userID, projectID int64) error {
	return s.tx(ctx, func(tx *gorm.DB) error { return clearSelection(tx, userID, projectID) })
}

func clearSelection(tx *gorm.DB, userID, projectID int64) error {
	for _, q := range []string{
		"UPDATE selections SET n = 0 WHERE user_id = ? AND project_id = ?", // first: it is the lock
		"DELETE FROM selection_hosts WHERE user_id = ? AND project_id = ?",
	} {
		if _, err := exec(tx, q, userID, projectID); err != nil {
			return fmt.Errorf("clearing a selection: %w", err)
		}
	}
	return nil
}

// SelectionCount is the size of a person's selection in a project.
func (s *Store) SelectionCount(ctx context.Context, userID, projectID int64) (int64, error) {
	n, err := one[int64](s.reader(ctx), "SELECT n FROM selections WHERE user_id = ? AND project_id = ?", userID, projectID)
	if errors.Is(err, wtp.ErrNotFound) {
		return 0, nil
	}
	return n, err
}

// Selected says which of the servers are selected.
func (s *Store) Selected(ctx context.Context, userID, projectID int64, hostIDs []string) (map[string]bool, error) {
	list, err := jsonList(cleanHosts(hostIDs))
	if err != nil {
		return nil, err
	}
	ids, err := many[string](s.reader(ctx), "SELECT host_id FROM selection_hosts WHERE user_id = ? AND project_id = ? AND host_id IN (SELECT value FROM "+s.eachText()+" v)",
		userID, projectID, list)
	if err != nil {
		return nil, fmt.Errorf("reading a selection: %w", err)
	}
	is := make(map[string]bool, len(ids))
	for _, id := range ids {
		is[id] = true
	}
	return is, nil
}

// SelectedOutside counts the selected servers that a filter doesn't match.
func (s *Store) SelectedOutside(ctx context.Context, userID, projectID int64, f wtp.ServerFilter) (int64, error) {
	if f.Empty() {
		return 0, nil
	}
	where, args := serverWhere(f)
	return one[int64](s.reader(ctx), `SELECT COUNT(*) FROM selection_hosts h WHERE h.user_id = ? AND h.project_id = ? AND NOT EXISTS (
		SELECT 1 FROM servers s WHERE s.project_id = h.project_id AND s.host_id = h.host_id AND `+where+`)`, append([]any{userID, projectID}, args...)...)
}

// cleanHosts makes host IDs fit for the database; one that is too long to be
// one is left out.
func cleanHosts(ids []string) []string {
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		if id = clean(id, 257); id != "" && len([]rune(id)) <= 256 {
			out = append(out, id)
		}
	}
	return out
}
