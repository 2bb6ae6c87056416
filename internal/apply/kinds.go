package apply

import (
	"context"
	"encoding/json"
	"net/http"

	"wtp-console/internal/connect"
	"wtp-console/internal/db"
	"wtp-console/internal/hss"
	"wtp-console/internal/wtp"
)

// kind is what differs between the kinds of change: the call of a batch, and how
// reading back shows what came of it.
type kind interface {
	// call is the call of a batch as it is written down before it is made. Its path
	// begins behind the project ID.
	call(targets []wtp.Target) wtp.Call
	// write makes that one call.
	write(ctx context.Context, client *hss.Client, targets []wtp.Target) (hss.Meta, error)
	// seen is what HSS shows of the targets, in the words of Target.Wanted. One that
	// HSS doesn't list is left out.
	seen(ctx context.Context, reading *connect.Reading, targets []wtp.Target) (map[string]string, error)
	// follow is what is read after all was sent, before the change ends.
	follow(ctx context.Context, w *work) error
}

// kindOf is how a change's targets of a kind are carried out; nil if this version
// doesn't know. There is no default.
func kindOf(c wtp.Change, targets wtp.ChangeKind) kind {
	switch targets {
	case wtp.DynamicWTP:
		switch c.Direction {
		case wtp.Enable:
			return dynamicWTP{hss.SwitchOn}
		case wtp.Disable:
			return dynamicWTP{hss.SwitchOff}
		}
	case wtp.BackupHost:
		var config wtp.BackupConfig
		if c.Kind == wtp.BackupHost && json.Unmarshal([]byte(c.BackupAfter), &config) == nil {
			return backupServer{config}
		}
		if c.Kind == wtp.BackupRemoval {
			return backupRemoval{}
		}
	case wtp.BackupRemoval:
		return backupRemoval{} // as for its last target
	case wtp.RemoteBackup:
		if to, err := wtp.ParseRemoteTo(c.BackupAfter); err == nil && (c.Kind == wtp.RemoteBackup || c.Kind == wtp.BackupRemoval) {
			return remoteBackup{to}
		}
	case wtp.TomcatDir:
		if c.Kind == wtp.TomcatDir {
			return tomcatDir{}
		}
	}
	return nil
}

// dynamicWTP turns dynamic WTP on or off.
type dynamicWTP struct{ to hss.Switch }

func (dynamicWTP) call(targets []wtp.Target) wtp.Call {
	return wtp.Call{Operation: hss.OpSetRaspSwitch, Method: http.MethodPost, Path: "/webtamper/rasp/status", Hosts: int64(len(targets))}
}

func (k dynamicWTP) write(ctx context.Context, client *hss.Client, targets []wtp.Target) (hss.Meta, error) {
	return client.SetRaspSwitch(ctx, hostIDs(targets), k.to)
}

func (dynamicWTP) seen(ctx context.Context, reading *connect.Reading, targets []wtp.Target) (map[string]string, error) {
	return reading.States(ctx, hostIDs(targets))
}

func (dynamicWTP) follow(context.Context, *work) error { return nil }

// backupServer adds or modifies a backup server.
type backupServer struct{ config wtp.BackupConfig }

func (backupServer) call([]wtp.Target) wtp.Call {
	return wtp.Call{Operation: hss.OpUpdateBackupHostInfo, Method: http.MethodPut, Path: "/wtp/backup-hosts", Hosts: 1}
}

func (k backupServer) write(ctx context.Context, client *hss.Client, _ []wtp.Target) (hss.Meta, error) {
	return client.UpdateBackupHostInfo(ctx, hss.BackupHost{HostID: k.config.HostID, IP: k.config.IP, Port: int(k.config.Port), Dir: k.config.Dir})
}

// seen has "" for a backup server that isn't there.
func (k backupServer) seen(ctx context.Context, reading *connect.Reading, _ []wtp.Target) (map[string]string, error) {
	backups, err := reading.Backups(ctx)
	seen := map[string]string{k.config.HostID: ""}
	for _, b := range backups {
		if b.HostID == k.config.HostID {
			seen[b.HostID] = db.ConfigJSON(b.Config())
		}
	}
	return seen, err
}

func (k backupServer) follow(ctx context.Context, w *work) error {
	return w.followBackup(ctx, k.config)
}

func hostIDs(targets []wtp.Target) []string {
	ids := make([]string, len(targets))
	for i, t := range targets {
		ids[i] = t.HostID
	}
	return ids
}
