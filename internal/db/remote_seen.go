package db

import (
	"context"

	"wtp-console/internal/wtp"
)

// remoteSQL is wtp.Server.Remote of servers as s.
const remoteSQL = "CASE s.backup_host_id WHEN '' THEN '" + wtp.RemoteOff + "' ELSE s.backup_host_id END"

// lookedUpSQL is true of the changes (as c) whose servers each reading looks up for
// the backup server they use: those under way or still read back.
const lookedUpSQL = "c.kind IN ('remote_backup', 'backup_removal') AND (c.state = 'running' OR c.read_back_at > 0)"

// UnseenRemote lists the servers of a project whose remote backup a change has set and
// HSS doesn't show as wanted yet, by host ID, while that change is under way or read
// back. A reading that doesn't show the use of backup servers has to look them up. Those of
// which only the address is open are left out: see AddrsToLookUp.
func (s *Store) UnseenRemote(ctx context.Context, projectID int64) ([]string, error) {
	return many[string](s.reader(ctx), `SELECT DISTINCT t.host_id FROM targets t JOIN changes c ON c.id = t.change_id
		WHERE t.project_id = ? AND t.kind = 'remote_backup' AND t.outcome IN ('accepted', 'unknown') AND t.seen <> t.wanted AND NOT `+addressedSQL+` AND `+lookedUpSQL+" ORDER BY t.host_id", projectID)
}
