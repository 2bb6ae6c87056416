package apply

import (
	"cmp"
	"context"
	"net/http"

	"wtp-console/internal/connect"
	"wtp-console/internal/db"
	"wtp-console/internal/hss"
	"wtp-console/internal/wtp"
)

// remoteBackup has a server use a backup server, or none: a call a server.
type remoteBackup struct{ to wtp.RemoteTo }

func (remoteBackup) call(targets []wtp.Target) wtp.Call {
	return wtp.Call{Operation: hss.OpSetRemoteBackupInfo, Method: http.MethodPost, Path: "/wtp/" + targets[0].HostID + "/set-remote-backup", Hosts: int64(len(targets))}
}

func (k remoteBackup) write(ctx context.Context, client *hss.Client, targets []wtp.Target) (hss.Meta, error) {
	t := targets[0]
	if t.Wanted == wtp.RemoteOff {
		return client.SetRemoteBackupInfo(ctx, t.HostID, hss.RemoteBackup{Switch: hss.SwitchOff})
	}
	b := hss.RemoteBackup{Switch: hss.SwitchOn, BackupHostID: t.Wanted}
	if c, ok := k.to.Server(t.Wanted); ok { // else the client refuses to send it
		b.Addr = c.Addr()
	}
	return client.SetRemoteBackupInfo(ctx, t.HostID, b)
}

// seen leaves out a server of which the address matters and wasn't shown.
func (k remoteBackup) seen(ctx context.Context, reading *connect.Reading, targets []wtp.Target) (map[string]string, error) {
	remotes, err := reading.Remotes(ctx, hostIDs(targets))
	if err != nil {
		return nil, err
	}
	seen := make(map[string]string, len(targets))
	for _, t := range targets {
		if r, ok := remotes[t.HostID]; ok {
			if state := k.to.Shown(t, r.BackupHostID, r.Addr); state != "" {
				seen[t.HostID] = state
			}
		}
	}
	return seen, nil
}

// follow reads back, one by one, the servers that used the backup server already and were
// sent its new address: no list shows that. Each is read once at least; those that don't
// show it are read again for a while, and then left to the inventory's readings.
func (remoteBackup) follow(ctx context.Context, w *work) error {
	wait := min(cmp.Or(w.FollowEvery, DefaultFollowEvery), firstLook)
	var until wtp.Instant
	for {
		targets, err := w.Store.UnseenAddrs(ctx, w.change.ID, maxFollowed)
		if err != nil || len(targets) == 0 || until > 0 && wtp.At(w.now()) >= until {
			return err
		}
		if err := w.pause(ctx, wait); err != nil {
			return err
		}
		wait = cmp.Or(w.FollowEvery, DefaultFollowEvery)
		for i, t := range targets {
			until = max(until, t.DecidedAt.Add(cmp.Or(w.FollowFor, DefaultFollowFor)))
			seen, err := w.seen(ctx, targets[i:i+1])
			if err == nil {
				err = w.record(ctx, func(ctx context.Context) error {
					return w.Store.NoteSeen(ctx, w.owner, w.change.ID, targets[i:i+1], seen)
				})
				if err != nil {
					return err
				}
				continue
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			w.log.Warn("the address of a backup server could not be read back", "err", err)
			if hopeless(connect.Upstream(err)) {
				return nil // no error of the change's: its calls were accepted
			}
		}
	}
}

// maxFollowed is how many servers are read back before they are looked for anew.
const maxFollowed = 1000

// backupRemoval removes a backup server, the last step of its change.
type backupRemoval struct{}

func (backupRemoval) call([]wtp.Target) wtp.Call {
	return wtp.Call{Operation: hss.OpDeleteBackupHostInfo, Method: http.MethodDelete, Path: "/wtp/backup-hosts", Hosts: 1}
}

func (backupRemoval) write(ctx context.Context, client *hss.Client, targets []wtp.Target) (hss.Meta, error) {
	return client.DeleteBackupHostInfo(ctx, hostIDs(targets))
}

func (backupRemoval) seen(ctx context.Context, reading *connect.Reading, targets []wtp.Target) (map[string]string, error) {
	backups, err := reading.Backups(ctx)
	seen := map[string]string{}
	for _, t := range targets {
		seen[t.HostID] = wtp.BackupRemoved
	}
	for _, b := range backups {
		if seen[b.HostID] != "" {
			seen[b.HostID] = db.ConfigJSON(b.Config())
		}
	}
	return seen, err
}

// follow reads the backup servers once, so that the page shows at once what became of
// it. A reading that fails is no error of the change's.
func (backupRemoval) follow(ctx context.Context, w *work) error {
	if err := w.pause(ctx, firstLook); err != nil {
		return err
	}
	_, err := w.readStatus(ctx, wtp.BackupConfig{})
	return err
}
