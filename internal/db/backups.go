package db

import (
	"context"
	"encoding/json"
	"fmt"

	"wtp-console/internal/wtp"
)

// GroupUse is how many servers of a group use a backup server.
type GroupUse struct {
	Name string // "" for no group
	N    int64
}

// ConfigJSON is a backup server's configuration as the text that targets keep
// in before, wanted and seen. The name is left out: HSS sets it, not we.
func ConfigJSON(c wtp.BackupConfig) string {
	c.Name = ""
	b, err := json.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("a struct of texts and a number can't be encoded: %v", err))
	}
	return string(b)
}

// BackupServers lists the backup servers of the projects, by name.
func (s *Store) BackupServers(ctx context.Context, projectIDs []int64) ([]wtp.BackupServer, error) {
	if len(projectIDs) == 0 {
		return nil, nil
	}
	return many[wtp.BackupServer](s.reader(ctx), "SELECT * FROM backup_servers WHERE project_id IN ? ORDER BY name, host_id, project_id", projectIDs)
}

// BackupServer finds one backup server.
func (s *Store) BackupServer(ctx context.Context, projectID int64, hostID string) (wtp.BackupServer, error) {
	return one[wtp.BackupServer](s.reader(ctx), "SELECT * FROM backup_servers WHERE project_id = ? AND host_id = ?", projectID, clean(hostID, maxName))
}

// BackupUse says how many servers use each backup server, by its host ID. The
// counts are kept with the inventory.
func (s *Store) BackupUse(ctx context.Context, projectID int64) (map[string]int64, error) {
	rows, err := many[struct {
		BackupHostID string
		N            int64
	}](s.reader(ctx), "SELECT backup_host_id, CAST(SUM(n) AS bigint) AS n FROM backup_use WHERE project_id = ? GROUP BY backup_host_id", projectID)
	if err != nil {
		return nil, fmt.Errorf("use of backup servers: %w", err)
	}
	use := make(map[string]int64, len(rows))
	for _, r := range rows {
		use[r.BackupHostID] = r.N
	}
	return use, nil
}

// BackupUseByGroup says how many servers of each group use one backup server,
// most first.
func (s *Store) BackupUseByGroup(ctx context.Context, projectID int64, hostID string) ([]GroupUse, error) {
	return many[GroupUse](s.reader(ctx), "SELECT group_name AS name, n FROM backup_use WHERE project_id = ? AND backup_host_id = ? ORDER BY n DESC, group_name",
		projectID, clean(hostID, maxName))
}
