package hsstest

import (
	"net/http"
	"net/url"
	"strings"
)

// Operations, as faults, Request.Op and Config.Unpublished name them: the
// vendor's SDK names where it has one.
const (
	OpCreateToken              = "CreateToken"
	OpListProjects             = "ListProjects"
	OpListWtpProtectHost       = "ListWtpProtectHost"
	OpSetRaspSwitch            = "SetRaspSwitch"
	OpShowWebTamperRaspPath    = "ShowWebTamperRaspPath"
	OpUpdateWebTamperRaspPath  = "UpdateWebTamperRaspPath"
	OpShowWebTamperHostPolicy  = "ShowWebTamperHostPolicy"
	OpListBackupHostsInfo      = "ListBackupHostsInfo"
	OpUpdateBackupHostInfo     = "UpdateBackupHostInfo"
	OpDeleteBackupHostInfo     = "DeleteBackupHostInfo"
	OpSetRemoteBackupInfo      = "SetRemoteBackupInfo"
	OpShowRemoteBackupHostInfo = "ShowRemoteBackupHostInfo"
	OpListHostStatus           = "ListHostStatus"
	OpExportWebTamperHost      = "ExportWebTamperHost"
	OpShowExportTask           = "ShowExportTask"
	OpDownloadExport           = "DownloadExport"
)

// route is one line of the allow-list. Everything else is a violation and
// answers 404 APIGW.0101, above all PUT /v5/{project_id}/rasp/status, the
// namesake that would switch another product.
type route struct {
	op, method string
	path       []string // segments; {name} takes one
	write      bool     // changes something: HSS.0013 for readers
	region     bool     // older editions demand the region header
	handle     func(*call) answer
}

func allowList() []route {
	line := func(op, method, path string, handle func(*call) answer) route {
		return route{op: op, method: method, path: strings.Split(path, "/"), handle: handle}
	}
	write := func(r route) route { r.write = true; return r }
	regional := func(r route) route { r.region = true; return r }
	const p = "v5/{project_id}/"
	return []route{
		line(OpCreateToken, "POST", "v3/auth/tokens", (*call).createToken),
		line(OpListProjects, "GET", "v3/projects", (*call).listProjects),
		regional(line(OpListWtpProtectHost, "GET", p+"webtamper/hosts", (*call).listProtected)),
		regional(write(line(OpSetRaspSwitch, "POST", p+"webtamper/rasp/status", (*call).setRasp))),
		line(OpShowWebTamperRaspPath, "GET", p+"wtp/{host_id}/rasp-path", (*call).showRaspPath),
		write(line(OpUpdateWebTamperRaspPath, "PUT", p+"wtp/{host_id}/rasp-path", (*call).updateRaspPath)),
		line(OpShowWebTamperHostPolicy, "GET", p+"webtamper/{host_id}/policy", (*call).showPolicy),
		line(OpListBackupHostsInfo, "GET", p+"wtp/backup-hosts", (*call).listBackups),
		write(line(OpUpdateBackupHostInfo, "PUT", p+"wtp/backup-hosts", (*call).updateBackup)),
		write(line(OpDeleteBackupHostInfo, "DELETE", p+"wtp/backup-hosts", (*call).deleteBackups)),
		write(line(OpSetRemoteBackupInfo, "POST", p+"wtp/{host_id}/set-remote-backup", (*call).setRemoteBackup)),
		line(OpShowRemoteBackupHostInfo, "GET", p+"wtp/{host_id}/backup-host", (*call).showRemoteBackup),
		regional(line(OpListHostStatus, "GET", p+"host-management/hosts", (*call).listHosts)),
		line(OpExportWebTamperHost, "POST", p+"webtamper/host/export", (*call).exportHosts),
		regional(line(OpShowExportTask, "GET", p+"export-task/{task_id}", (*call).showExportTask)),
		regional(line(OpDownloadExport, "GET", p+"download/{file_id}", (*call).downloadExport)),
	}
}

// find matches a request against the allow-list, exactly: no cleaned paths,
// no trailing slash.
func (s *Simulator) find(r *http.Request) (*route, map[string]string) {
	segments := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	for i := range s.routes {
		rt := &s.routes[i]
		if rt.method != r.Method || len(rt.path) != len(segments) {
			continue
		}
		if path, ok := rt.match(segments); ok {
			return rt, path
		}
	}
	return nil, nil
}

func (rt *route) match(segments []string) (map[string]string, bool) {
	path := map[string]string{}
	for i, want := range rt.path {
		got, err := url.PathUnescape(segments[i])
		if err != nil {
			return nil, false
		}
		if strings.HasPrefix(want, "{") {
			if got == "" {
				return nil, false
			}
			path[strings.Trim(want, "{}")] = got
		} else if got != want {
			return nil, false
		}
	}
	return path, true
}
