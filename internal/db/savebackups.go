package db

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// SaveBackupServers puts a whole list of a project's backup servers, whose reading
// began at startedAt, in place of the one before, and notes what is now seen of
// saved ones. Unlike SaveInventory it needs no claim and leaves the servers and the
// time they were read alone. A list older than the one that is kept changes nothing.
func (s *Store) SaveBackupServers(ctx context.Context, projectID int64, startedAt wtp.Instant, backups []wtp.BackupServer) error {
	backups = tidyBackups(backups, projectID, startedAt)
	return s.tx(ctx, func(tx *gorm.DB) error {
		if _, err := s.lockProject(tx, projectID); err != nil {
			return err
		}
		newest, err := one[wtp.Instant](tx, "SELECT CAST(COALESCE(MAX(read_at), 0) AS bigint) FROM backup_servers WHERE project_id = ?", projectID)
		if err != nil {
			return fmt.Errorf("reading backup servers: %w", err)
		}
		if newest > startedAt {
			return nil
		}
		old, err := keepOldAddrs(tx, projectID, backups)
		if err != nil {
			return err
		}
		if old {
			if err := countAddrs(tx, projectID); err != nil {
				return err
			}
		}
		trouble, err := s.saveBackups(ctx, tx, projectID, backups)
		if err != nil {
			return err
		}
		if _, err := s.noteSeenBackups(tx, projectID, startedAt, backups); err != nil {
			return err
		}
		if _, err := exec(tx, "UPDATE projects SET backup_count = ?, backup_trouble = ? WHERE id = ?", len(backups), trouble, projectID); err != nil {
			return fmt.Errorf("saving backup servers: %w", err)
		}
		return nil
	})
}
