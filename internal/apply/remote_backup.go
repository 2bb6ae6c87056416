package apply

import (
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

func (remoteBackup) seen(ctx context.Context, reading *connect.Reading, targets []wtp.Target) (map[string]string, error) {
	return reading.Remotes(ctx, hostIDs(targets))
}

func (remoteBackup) follow(context.Context, *work) error { return nil }

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
