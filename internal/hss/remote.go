package hss

import (
	"context"
	"fmt"
	"net/http"
)

// RemoteBackup is where a protected server copies its protected directories to.
type RemoteBackup struct {
	Switch       Switch // required when set; zero when HSS did not say
	Addr         string // "IP:port" of the backup server, 1-256 characters; required when on
	BackupHostID string // host ID of a running backup server; required when on
}

// SetRemoteBackupInfo starts, changes or stops the remote backup of a protected Linux server.
//
// POST /v5/{project_id}/wtp/{host_id}/set-remote-backup, HSS API Reference "Enabling or Disabling Remote Backup".
func (c *Client) SetRemoteBackupInfo(ctx context.Context, hostID string, b RemoteBackup) (Meta, error) {
	op := &call{op: OpSetRemoteBackupInfo, method: http.MethodPost, path: []string{"wtp", hostID, "set-remote-backup"}, want: http.StatusOK}
	if err := checkID("host ID", hostID); err != nil {
		return Meta{}, c.notSent(op, err)
	}
	if err := b.Switch.check(); err != nil {
		return Meta{}, c.notSent(op, err)
	}
	on := b.Switch == SwitchOn
	if on {
		if err := checkText("backup address", b.Addr, 256); err != nil {
			return Meta{}, c.notSent(op, err)
		}
		if err := checkText("backup server's host ID", b.BackupHostID, MaxHostIDLength); err != nil {
			return Meta{}, c.notSent(op, err)
		}
	} else if b.Addr != "" || b.BackupHostID != "" {
		return Meta{}, c.notSent(op, fmt.Errorf("switching remote backup off takes no backup server"))
	}
	op.body = struct {
		On     bool   `json:"remote_backup"`
		Addr   string `json:"backup_addr,omitempty"`
		HostID string `json:"backup_host_id,omitempty"`
	}{on, b.Addr, b.BackupHostID}
	return c.do(ctx, op)
}

// ShowRemoteBackupHostInfoResponse is the answer of ShowRemoteBackupHostInfo.
type ShowRemoteBackupHostInfoResponse struct {
	Meta
	RemoteBackup
	BackupHostName string
}

// ShowRemoteBackupHostInfo reads which backup server a protected server uses.
//
// GET /v5/{project_id}/wtp/{host_id}/backup-host, HSS API Reference "Querying the Remote Backup Server".
func (c *Client) ShowRemoteBackupHostInfo(ctx context.Context, hostID string) (ShowRemoteBackupHostInfoResponse, error) {
	var r ShowRemoteBackupHostInfoResponse
	op := &call{op: OpShowRemoteBackupHostInfo, method: http.MethodGet, path: []string{"wtp", hostID, "backup-host"}, want: http.StatusOK}
	if err := checkID("host ID", hostID); err != nil {
		return r, c.notSent(op, err)
	}
	op.decode = func(body []byte) error {
		top, err := objectOf(body)
		if err != nil {
			return err
		}
		r.Addr, r.BackupHostID, r.BackupHostName = top.text("backup_addr"), top.text("backup_host_id"), top.text("backup_host_name")
		if top.has("remote_backup") {
			r.Switch = SwitchOff
			if top.boolean("remote_backup") {
				r.Switch = SwitchOn
			}
		}
		return top.err()
	}
	var err error
	r.Meta, err = c.do(ctx, op)
	return r, err
}
