package hss

import (
	"context"
	"fmt"
	"net/http"
)

// BackupStatus is the state of a backup server.
type BackupStatus int

// The states HSS documents, and one for what it did not say.
const (
	BackupFailed        BackupStatus = -1
	BackupNotStarted    BackupStatus = 0
	BackupRunning       BackupStatus = 1
	BackupStarting      BackupStatus = 2
	BackupStatusUnknown BackupStatus = -1000
)

// BackupHost is a remote backup server as it is set.
type BackupHost struct {
	HostID string // 1-256 characters
	IP     string // IPv4 or IPv6, the private address as a rule
	Port   int    // 1-65535
	Dir    string // absolute, 1-256 characters
}

// BackupHostInfo is a remote backup server as HSS shows it; what it did not say is zero.
type BackupHostInfo struct {
	BackupHost
	HostName string
	Status   BackupStatus
}

// ListBackupHostsInfoRequest filters and pages.
type ListBackupHostsInfoRequest struct {
	IsRun  bool // only those whose agent is online
	Limit  int  // 10-200
	Offset int  // 0-2000000
}

// ListBackupHostsInfoResponse is one page.
type ListBackupHostsInfoResponse struct {
	Meta
	TotalNum int // rows in all pages
	Hosts    []BackupHostInfo
}

// ListBackupHostsInfo lists the remote backup servers.
//
// GET /v5/{project_id}/wtp/backup-hosts, HSS API Reference "Querying Remote Backup Servers".
func (c *Client) ListBackupHostsInfo(ctx context.Context, q ListBackupHostsInfoRequest) (ListBackupHostsInfoResponse, error) {
	var r ListBackupHostsInfoResponse
	op := &call{op: OpListBackupHostsInfo, method: http.MethodGet, path: []string{"wtp", "backup-hosts"}, want: http.StatusOK}
	var err error
	if op.query, err = pageQuery(q.Limit, q.Offset, nil); err != nil {
		return r, c.notSent(op, err)
	}
	if q.IsRun {
		op.query.Set("is_run", "true")
	}
	op.decode = func(body []byte) error {
		total, rows, err := list(body, q.Limit)
		if err != nil {
			return err
		}
		r.TotalNum, r.Hosts = total, make([]BackupHostInfo, 0, len(rows))
		for _, row := range rows {
			b := BackupHostInfo{
				BackupHost: BackupHost{HostID: row.text("backup_host_id"), IP: row.text("backup_host_ip"),
					Port: int(row.integer("backup_host_port")), Dir: row.text("backup_dir")},
				HostName: row.text("backup_host_name"), Status: BackupStatusUnknown,
			}
			if row.text("backup_host_status") != "" {
				b.Status = BackupStatus(row.integer("backup_host_status"))
			}
			if err := row.err(); err != nil {
				return err
			}
			if b.HostID == "" {
				return fmt.Errorf("a row without backup_host_id")
			}
			r.Hosts = append(r.Hosts, b)
		}
		return nil
	}
	r.Meta, err = c.do(ctx, op)
	if err != nil {
		return ListBackupHostsInfoResponse{Meta: r.Meta}, err
	}
	return r, nil
}

// UpdateBackupHostInfo adds a remote backup server, or changes the one with the same HostID: the API does
// not say which of both it did, so look at ListBackupHostsInfo first.
//
// PUT /v5/{project_id}/wtp/backup-hosts, HSS API Reference "Adding or Modifying a Remote Backup Server".
func (c *Client) UpdateBackupHostInfo(ctx context.Context, b BackupHost) (Meta, error) {
	op := &call{op: OpUpdateBackupHostInfo, method: http.MethodPut, path: []string{"wtp", "backup-hosts"}, want: http.StatusOK}
	if err := checkBackupHost(b); err != nil {
		return Meta{}, c.notSent(op, err)
	}
	op.body = struct {
		HostID string `json:"host_id"`
		IP     string `json:"backup_host_ip"`
		Port   int    `json:"backup_host_port"`
		Dir    string `json:"backup_dir"`
	}{b.HostID, b.IP, b.Port, b.Dir}
	return c.do(ctx, op)
}

// DeleteBackupHostInfo removes 1 to 100 remote backup servers.
//
// DELETE /v5/{project_id}/wtp/backup-hosts with a body, HSS API Reference "Deleting Remote Backup Servers".
func (c *Client) DeleteBackupHostInfo(ctx context.Context, hostIDs []string) (Meta, error) {
	op := &call{op: OpDeleteBackupHostInfo, method: http.MethodDelete, path: []string{"wtp", "backup-hosts"}, want: http.StatusOK}
	if err := checkIDs(hostIDs, MaxDeleteBackups); err != nil {
		return Meta{}, c.notSent(op, err)
	}
	op.body = struct {
		HostIDs []string `json:"backup_host_id_list"`
	}{hostIDs}
	return c.do(ctx, op)
}
