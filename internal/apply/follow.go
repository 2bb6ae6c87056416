package apply

import (
	"cmp"
	"context"
	"time"

	"wtp-console/internal/connect"
	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

// firstLook is how long HSS gets to show what it has just accepted.
const firstLook = 3 * time.Second

// followBackup reads a saved backup server until HSS shows the new configuration with a
// status that is an end (running, start failed), and puts each reading into the
// inventory. HSS asks for no more than a reading every 15 to 20 seconds (hss-api
// section 6). After FollowFor the inventory's own readings go on alone.
func (w *work) followBackup(ctx context.Context, saved wtp.BackupConfig) error {
	targets, err := w.Store.Targets(ctx, db.TargetQuery{ChangeID: w.change.ID, Outcome: wtp.TargetAccepted, Limit: 1})
	if err != nil || len(targets) == 0 {
		return err
	}
	until := targets[0].DecidedAt.Add(cmp.Or(w.FollowFor, DefaultFollowFor))
	wait := min(cmp.Or(w.FollowEvery, DefaultFollowEvery), firstLook)
	for first := true; first || wtp.At(w.now()) < until; first = false {
		if err := w.pause(ctx, wait); err != nil {
			return err
		}
		wait = cmp.Or(w.FollowEvery, DefaultFollowEvery)
		done, err := w.readStatus(ctx, saved)
		if done || err != nil {
			return err
		}
	}
	return nil
}

// readStatus reads once. A reading that fails is no error of the change's: its call
// was accepted.
func (w *work) readStatus(ctx context.Context, saved wtp.BackupConfig) (done bool, err error) {
	reading, err := w.reading(ctx)
	if err == nil {
		started := wtp.At(w.now())
		var backups []wtp.BackupServer
		if backups, err = reading.Backups(ctx); err == nil {
			if err := w.Store.SaveBackupServers(ctx, w.project.ID, started, backups); err != nil {
				return false, err
			}
			for _, b := range backups {
				if b.HostID == saved.HostID && connect.SameConfig(b, saved) && (b.Status == wtp.BackupRunning || b.Status == wtp.BackupFailed) {
					return true, nil
				}
			}
			return false, nil
		}
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	w.log.Warn("the backup server's status could not be read", "err", err)
	return hopeless(connect.Upstream(err)), nil
}
