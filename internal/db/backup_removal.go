package db

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// PlanBackupRemoval plans to remove a backup server. Servers that use it are pointed
// at choice first, another running backup server or wtp.RemoteOff; a choice that is
// missing while servers use it, or that is the same backup server, is a wtp.Invalid on
// "to". wtp.ErrNotFound: the inventory has no such backup server.
func (s *Store) PlanBackupRemoval(ctx context.Context, actor wtp.Actor, projectID int64, hostID, choice string, validFor time.Duration) (wtp.Change, error) {
	return s.planRemote(ctx, actor, projectID, validFor, func(tx *gorm.DB, c *wtp.Change) (remotePlan, error) {
		return s.removal(tx, c, hostID, choice)
	})
}

// PlanRemovalAgain plans the rest of a removal that ended before its end: whoever uses
// the backup server by now goes where that change pointed servers to, and then it is
// removed. A choice that is no longer one is a wtp.Invalid on "to".
func (s *Store) PlanRemovalAgain(ctx context.Context, actor wtp.Actor, projectID, number int64, validFor time.Duration) (wtp.Change, error) {
	return s.planRemote(ctx, actor, projectID, validFor, func(tx *gorm.DB, c *wtp.Change) (remotePlan, error) {
		earlier, err := one[wtp.Change](tx, "SELECT * FROM changes WHERE project_id = ? AND number = ? AND number > 0 AND kind = ?", projectID, number, string(wtp.BackupRemoval))
		if err != nil {
			return remotePlan{}, err
		}
		if !earlier.State.Over() {
			return remotePlan{}, conflict("Change %d is still under way. Wait for it or stop it first. Nothing was planned.", number)
		}
		was, err := wtp.ParseBackupConfig(earlier.BackupBefore)
		if err != nil {
			return remotePlan{}, fmt.Errorf("the change to try again: %w", err)
		}
		to, err := wtp.ParseRemoteTo(earlier.BackupAfter)
		if err != nil {
			return remotePlan{}, fmt.Errorf("the change to try again: %w", err)
		}
		c.RetryOf = number
		p, err := s.removal(tx, c, was.HostID, to.Choice)
		if errors.Is(err, wtp.ErrNotFound) {
			return p, conflict("HSS no longer lists this backup server. There is nothing to try again.")
		}
		return p, err
	})
}

// removal makes c the removal of a backup server.
func (s *Store) removal(tx *gorm.DB, c *wtp.Change, hostID, choice string) (remotePlan, error) {
	b, err := one[wtp.BackupServer](tx, "SELECT * FROM backup_servers WHERE project_id = ? AND host_id = ?", c.ProjectID, clean(hostID, maxName))
	if err != nil {
		return remotePlan{}, err
	}
	p := removalPlan(c.ProjectID, b, choice)
	uses, err := one[int64](tx, "SELECT COUNT(*) FROM servers WHERE project_id = ? AND backup_host_id = ?", c.ProjectID, b.HostID)
	if err != nil {
		return p, fmt.Errorf("servers of a backup server: %w", err)
	}
	if err := allListed(tx, c.ProjectID); err != nil {
		return p, err
	}
	switch {
	case uses == 0:
		p.choice = ""
	case choice == "":
		return p, invalid("to", "Servers use this backup server. Choose where they go first. Nothing was planned.")
	case choice == b.HostID:
		return p, invalid("to", "Choose another backup server than the one that is removed. Nothing was planned.")
	default:
		if err := s.checkChoice(tx, c.ProjectID, choice); err != nil {
			return p, err
		}
	}
	c.Kind, c.BackupBefore = wtp.BackupRemoval, configText(b)
	return p, nil
}

// allListed refuses to remove a backup server as long as it isn't known of all servers
// which one they use.
func allListed(tx *gorm.DB, projectID int64) error {
	unlisted, err := one[int64](tx, "SELECT unlisted FROM projects WHERE id = ?", projectID)
	if err == nil && unlisted > 0 {
		return conflict("Which servers use this backup server is not fully read yet. Wait until it is. Nothing was sent.")
	}
	return err
}

func removalPlan(projectID int64, b wtp.BackupServer, choice string) remotePlan {
	return remotePlan{
		choice: choice, remove: &b,
		with: "SELECT x.host_id, CAST(? AS text) AS wanted FROM servers x WHERE x.project_id = ? AND x.backup_host_id = ?", args: []any{choice, projectID, b.HostID},
	}
}

// configText is a configuration with its name, as changes keep it.
func configText(b wtp.BackupServer) string {
	text, err := jsonList([]wtp.BackupConfig{b.Config()})
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
}

// BackupUser is a server that uses a backup server.
type BackupUser struct {
	wtp.Server
	Stays wtp.Why // why it can't be moved to any other now, "" if it can
}

// BackupUsers reads the servers that use a backup server, by name.
func (s *Store) BackupUsers(ctx context.Context, projectID int64, hostID string) ([]BackupUser, error) {
	rows, err := many[struct {
		Server wtp.Server `gorm:"embedded"`
		Held   int64
	}](s.reader(ctx), "SELECT s.*, "+heldSQL+" AS held FROM servers s WHERE s.project_id = ? AND s.backup_host_id = ? ORDER BY s.name_key, s.host_id", projectID, clean(hostID, maxName))
	if err != nil {
		return nil, fmt.Errorf("servers of a backup server: %w", err)
	}
	users := make([]BackupUser, len(rows))
	for i, r := range rows {
		users[i] = BackupUser{Server: r.Server, Stays: r.Server.Stays(r.Held == 1)}
	}
	return users, nil
}

// heldSQL says of a server (as s) whether an open change sets its remote backup.
const heldSQL = `CASE WHEN EXISTS (SELECT 1 FROM targets o WHERE o.project_id = s.project_id AND o.kind = 'remote_backup' AND o.host_id = s.host_id
	AND o.outcome IN ('waiting', 'sending', 'unclear')) THEN 1 ELSE 0 END`
