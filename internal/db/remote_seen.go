package db

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gorm.io/gorm"

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

// keepRemotes takes into the inventory what a change read back of the remote backup of
// its servers: seen is their state by host ID. A list may be an hour old, and a backup
// server must not be removed on its word while servers were just pointed at it. The
// project is locked.
func keepRemotes(tx *gorm.DB, project int64, seen map[string]string) error {
	for _, host := range slices.Sorted(maps.Keys(seen)) {
		now := backupOf(seen[host])
		was, err := many[struct{ GroupName, BackupHostID string }](tx, "SELECT group_name, backup_host_id FROM servers WHERE project_id = ? AND host_id = ? AND backup_host_id <> ?", project, host, now)
		if err != nil || len(was) == 0 {
			if err != nil {
				return fmt.Errorf("reading a server: %w", err)
			}
			continue
		}
		if _, err := exec(tx, "UPDATE servers SET backup_host_id = ? WHERE project_id = ? AND host_id = ?", now, project, host); err != nil {
			return fmt.Errorf("noting the use of a backup server: %w", err)
		}
		for backup, by := range map[string]int64{was[0].BackupHostID: -1, now: 1} {
			if backup == "" {
				continue
			}
			if _, err := exec(tx, `INSERT INTO backup_use (project_id, backup_host_id, group_name, n) VALUES (?, ?, ?, ?)
				ON CONFLICT (project_id, backup_host_id, group_name) DO UPDATE SET n = backup_use.n + excluded.n`, project, backup, was[0].GroupName, by); err != nil {
				return fmt.Errorf("counting the use of a backup server: %w", err)
			}
		}
	}
	if _, err := exec(tx, "DELETE FROM backup_use WHERE project_id = ? AND n <= 0", project); err != nil {
		return fmt.Errorf("counting the use of backup servers: %w", err)
	}
	return nil
}

// backupOf is the host ID of the backup server in a state of remote backup, "" for none.
func backupOf(state string) string {
	if id, _ := wtp.SplitRemote(state); id != wtp.RemoteOff {
		return id
	}
	return ""
}

// keepNewerRemotes puts into a reading begun at startedAt, sorted by host ID, what
// changes have read back of the remote backup of servers since: the reading may be older.
// A change that ended since is still to be read back.
func keepNewerRemotes(tx *gorm.DB, project int64, startedAt wtp.Instant, servers []wtp.Server) error {
	rows, err := many[struct{ HostID, Seen string }](tx, `SELECT t.host_id, t.seen FROM targets t WHERE t.kind = 'remote_backup' AND t.seen <> '' AND t.seen_at >= ? AND t.change_id IN
		(SELECT c.id FROM changes c WHERE c.project_id = ? AND c.state IN ('queued', 'running') AND c.kind IN ('remote_backup', 'backup_removal')
		UNION ALL SELECT c.id FROM changes c WHERE c.project_id = ? AND c.read_back_at > 0 AND c.kind IN ('remote_backup', 'backup_removal'))
		ORDER BY t.seen_at, t.change_id`, startedAt, project, project)
	if err != nil {
		return fmt.Errorf("what changes read back: %w", err)
	}
	for _, r := range rows {
		i, ok := slices.BinarySearchFunc(servers, r.HostID, func(s wtp.Server, id string) int { return strings.Compare(s.HostID, id) })
		if ok {
			servers[i].BackupHostID = backupOf(r.Seen)
		}
	}
	return nil
}

// holdInventory locks the project of a change whose readings back go into the inventory,
// before its row is locked, as a reading does.
func (s *Store) holdInventory(tx *gorm.DB, c wtp.Change) error {
	if !c.Kind.Remote() {
		return nil
	}
	if _, err := many[int64](tx, "SELECT id FROM projects WHERE id = ?"+s.forUpdate(), c.ProjectID); err != nil {
		return fmt.Errorf("locking a project: %w", err)
	}
	return nil
}
