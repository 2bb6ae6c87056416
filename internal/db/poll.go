package db

import (
	"context"
	"fmt"

	"wtp-console/internal/wtp"
)

// Watched is what one query says of a page that asks for itself: who asks, and
// what the page is of, as a text that differs once that has moved.
type Watched struct {
	Name       string
	Role       wtp.Role
	LastSeenAt wtp.Instant // of the session
	ExpiresAt  wtp.Instant // of the session
	Moves      string
}

// cellsSQL is where the targets of changes (as k) stand, as one text.
const cellsSQL = "COALESCE(string_agg(k.change_id || ' ' || k.bucket || ' ' || k.why || ' ' || k.outcome || ' ' || k.confirmed || ' ' || k.n, ',' ORDER BY k.change_id, k.bucket, k.why, k.outcome, k.confirmed), '')"

// WatchChange looks at a live session and a change of servers in one query,
// whose cost doesn't grow with the change. wtp.ErrNotFound if there is no such
// session, project or change.
func (s *Store) WatchChange(ctx context.Context, tokenHash, slug string, number int64) (Watched, error) {
	return s.watched(ctx, `c.state || '/' || c.stopped_by_name || '/' || c.stop_why || '/' || c.started_at || '/' || c.read_back_at || '/' || c.read_backs
		|| '/' || (SELECT `+cellsSQL+` FROM change_counts k WHERE k.change_id = c.id)
		|| '/' || COALESCE((SELECT t.state || t.due_at || ' ' || t.set_at FROM timers t WHERE t.change_id = c.id), '')
		|| '/' || COALESCE((SELECT value FROM settings WHERE key = ?), '')`,
		"JOIN projects p ON p.slug = ? AND p.removed_at = 0 JOIN changes c ON c.project_id = p.id AND c.number = ? AND c.number > 0 AND c.kind <> 'backup_server'",
		pauseKey, clean(slug, maxName), number, clean(tokenHash, maxName), s.Now())
}

// WatchRunning looks at a live session and the changes under way in a project
// ("": in all) in one query. wtp.ErrNotFound if there is no such session.
func (s *Store) WatchRunning(ctx context.Context, tokenHash, slug string) (Watched, error) {
	return s.watched(ctx, `(SELECT `+cellsSQL+` FROM changes c JOIN projects p ON p.id = c.project_id JOIN change_counts k ON k.change_id = c.id
		WHERE c.state IN ('queued', 'running') AND (p.slug = ? OR CAST(? AS text) = ''))`,
		"", clean(slug, maxName), slug, clean(tokenHash, maxName), s.Now())
}

func (s *Store) watched(ctx context.Context, moves, from string, args ...any) (Watched, error) {
	w, err := one[Watched](s.reader(ctx), "SELECT u.name, u.role, e.last_seen_at, e.expires_at, "+moves+` AS moves
		FROM sessions e JOIN users u ON u.id = e.user_id AND u.disabled_at = 0 `+from+`
		WHERE e.token_hash = ? AND e.revoked_at = 0 AND e.expires_at > ?`, args...)
	if err != nil {
		return Watched{}, fmt.Errorf("watching: %w", err)
	}
	return w, nil
}
