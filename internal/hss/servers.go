package hss

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// ProtectHost is a row of ListWtpProtectHost or of an export. Texts are as HSS gave them, "" when it gave
// none; values not listed here occur.
type ProtectHost struct {
	HostID, HostName     string // 1-64 and 1-256 characters
	PublicIP, PrivateIP  string
	GroupID, GroupName   string // GroupID is that of the policy group
	AssetValue           string // important, common, test
	OSType               string // Linux, Windows; lower-case in older editions: use IsLinux
	OSBit                string
	OSName, OSVersion    string
	HostStatus           string // ACTIVE, SHUTOFF, BUILDING, ERROR
	AgentStatus          string // not_installed, online, offline
	ProtectStatus        string // opening, opened, closed, open_failed, partial_protection, protection_interruption, protection_pause
	RaspProtectStatus    string // opened, closed: the switch of dynamic WTP, not its effect
	ProtectDirNum        int    // 0-50
	AbnormalDirList      []string
	AbnormalReason       int    // 1, 2 path missing; 7, 8 unprotected; 10, 11 network file system
	InterruptReason      string // with protection_interruption
	BackupHostID         string // the remote backup server in use; "" when there is none
	ChargingMode         string // packet_cycle, on_demand
	ResourceID           string // quota id
	AntiTamperingTimes   int64  // attacks on files, last 7 days
	DetectTamperingTimes int64  // attacks on the application, last 7 days
}

// IsLinux compares without case.
func (h ProtectHost) IsLinux() bool { return strings.EqualFold(h.OSType, "linux") }

// IsWindows compares without case.
func (h ProtectHost) IsWindows() bool { return strings.EqualFold(h.OSType, "windows") }

// ListWtpProtectHostRequest filters and pages. Empty fields do not filter.
type ListWtpProtectHostRequest struct {
	HostID, HostName    string // HostName matches a part
	PublicIP, PrivateIP string
	GroupName           string
	OSType              string // Linux, Windows
	AssetValue          string // important, common, test
	ProtectStatus       string // opened
	WtpStatus           string // opened, opening, open_failed, partial_protection, protection_interruption
	AgentStatus         string // not_installed, online, offline
	RaspStatus          string // opened, closed
	Limit               int    // 10-200
	Offset              int    // 0-2000000
}

// ListWtpProtectHostResponse is one page.
type ListWtpProtectHostResponse struct {
	Meta
	TotalNum int // rows in all pages
	Hosts    []ProtectHost
}

// ListWtpProtectHost lists the servers with Web Tamper Protection.
//
// GET /v5/{project_id}/webtamper/hosts, HSS API Reference "Querying the Protection List".
func (c *Client) ListWtpProtectHost(ctx context.Context, q ListWtpProtectHostRequest) (ListWtpProtectHostResponse, error) {
	var r ListWtpProtectHostResponse
	op := &call{op: OpListWtpProtectHost, method: http.MethodGet, path: []string{"webtamper", "hosts"}, region: true, want: http.StatusOK}
	var err error
	if op.query, err = pageQuery(q.Limit, q.Offset, map[string]string{
		"host_id": q.HostID, "host_name": q.HostName, "public_ip": q.PublicIP, "private_ip": q.PrivateIP,
		"group_name": q.GroupName, "os_type": q.OSType, "asset_value": q.AssetValue, "protect_status": q.ProtectStatus,
		"wtp_status": q.WtpStatus, "agent_status": q.AgentStatus, "rasp_status": q.RaspStatus,
	}); err != nil {
		return r, c.notSent(op, err)
	}
	op.decode = func(body []byte) error {
		total, rows, err := list(body, q.Limit)
		if err != nil {
			return err
		}
		r.TotalNum, r.Hosts = total, make([]ProtectHost, 0, len(rows))
		for _, row := range rows {
			h := ProtectHost{
				HostID: row.text("host_id"), HostName: row.text("host_name"),
				PublicIP: row.text("public_ip"), PrivateIP: row.text("private_ip"),
				GroupID: row.text("group_id"), GroupName: row.text("group_name"), AssetValue: row.text("asset_value"),
				OSType: row.text("os_type"), OSBit: row.text("os_bit"), OSName: row.text("os_name"), OSVersion: row.text("os_version"),
				HostStatus: row.text("host_status"), AgentStatus: row.text("agent_status"),
				ProtectStatus: row.text("protect_status"), RaspProtectStatus: row.text("rasp_protect_status"),
				ProtectDirNum: int(row.integer("protect_dir_num")), AbnormalDirList: row.loose().texts("abnormal_dir_list"),
				AbnormalReason: int(row.loose().integer("abnormal_reason")), InterruptReason: row.text("interrupt_reason"),
				BackupHostID: row.text("backup_host_id"), ChargingMode: row.text("charging_mode"), ResourceID: row.text("resource_id"),
				AntiTamperingTimes: row.integer("anti_tampering_times"), DetectTamperingTimes: row.integer("detect_tampering_times"),
			}
			if err := row.err(); err != nil {
				return err
			}
			if h.HostID == "" {
				return fmt.Errorf("a row without host_id")
			}
			r.Hosts = append(r.Hosts, h)
		}
		return nil
	}
	r.Meta, err = c.do(ctx, op)
	if err != nil {
		return ListWtpProtectHostResponse{Meta: r.Meta}, err
	}
	return r, nil
}

// HostStatus is a row of ListHostStatus: any server HSS knows, protected or not.
type HostStatus struct {
	HostID, HostName      string
	AgentID               string // names the folder below a backup directory
	AgentStatus           string // installed, not_installed, online, offline, install_failed, installing
	AgentVersion          string
	PrivateIP, PublicIP   string
	EnterpriseProjectID   string
	EnterpriseProjectName string
	OSType                string // Linux, Windows: use IsLinux
	OSName, OSVersion     string
	HostStatus            string // ACTIVE, SHUTOFF, BUILDING, ERROR
	Version               string // hss.version.wtp is the WTP edition
	WtpProtectStatus      string // closed, opened, opening, closing, open_failed, partial_protection, protection_pause
	OutsideHost           bool   // not a server of Huawei Cloud
	VPCID                 string
	GroupName             string
	AssetValue            string // important, common, test
	Labels                []string
}

// IsLinux compares without case.
func (h HostStatus) IsLinux() bool { return strings.EqualFold(h.OSType, "linux") }

// ListHostStatusRequest filters and pages. Empty fields do not filter.
type ListHostStatusRequest struct {
	HostID, HostName    string   // HostName matches a part
	HostIDs             []string // at most 100
	IPAddr              string   // public or private
	PrivateIP, PublicIP string
	OSType              string // Linux, Windows
	HostStatus          string // ACTIVE, SHUTOFF, BUILDING, ERROR
	AgentStatus         string // online, offline, installed, not_installed, ...
	GroupName           string
	Limit               int // 10-200
	Offset              int // 0-2000000
}

// ListHostStatusResponse is one page.
type ListHostStatusResponse struct {
	Meta
	TotalNum int // rows in all pages
	Hosts    []HostStatus
}

// ListHostStatus lists the servers HSS knows; from it backup servers are picked (Linux, ACTIVE, agent online).
//
// GET /v5/{project_id}/host-management/hosts, HSS API Reference "Querying ECSs".
func (c *Client) ListHostStatus(ctx context.Context, q ListHostStatusRequest) (ListHostStatusResponse, error) {
	var r ListHostStatusResponse
	op := &call{op: OpListHostStatus, method: http.MethodGet, path: []string{"host-management", "hosts"}, region: true, want: http.StatusOK}
	if len(q.HostIDs) > 0 {
		if err := checkIDs(q.HostIDs, 100); err != nil {
			return r, c.notSent(op, err)
		}
	}
	var err error
	if op.query, err = pageQuery(q.Limit, q.Offset, map[string]string{
		"host_id": q.HostID, "host_name": q.HostName, "ip_addr": q.IPAddr, "private_ip": q.PrivateIP, "public_ip": q.PublicIP,
		"os_type": q.OSType, "host_status": q.HostStatus, "agent_status": q.AgentStatus, "group_name": q.GroupName,
	}); err != nil {
		return r, c.notSent(op, err)
	}
	if len(q.HostIDs) > 0 {
		op.query.Set("host_id_list", strings.Join(q.HostIDs, ","))
	}
	op.decode = func(body []byte) error {
		total, rows, err := list(body, q.Limit)
		if err != nil {
			return err
		}
		r.TotalNum, r.Hosts = total, make([]HostStatus, 0, len(rows))
		for _, row := range rows {
			h := HostStatus{
				HostID: row.text("host_id"), HostName: row.text("host_name"),
				AgentID: row.text("agent_id"), AgentStatus: row.text("agent_status"), AgentVersion: row.text("agent_version"),
				PrivateIP: row.text("private_ip"), PublicIP: row.text("public_ip"),
				EnterpriseProjectID: row.text("enterprise_project_id"), EnterpriseProjectName: row.text("enterprise_project_name"),
				OSType: row.text("os_type"), OSName: row.text("os_name"), OSVersion: row.text("os_version"),
				HostStatus: row.text("host_status"), Version: row.text("version"), WtpProtectStatus: row.text("wtp_protect_status"),
				OutsideHost: row.boolean("outside_host"), VPCID: row.text("vpc_id"), GroupName: row.text("group_name"),
				AssetValue: row.text("asset_value"), Labels: row.loose().texts("labels"),
			}
			if err := row.err(); err != nil {
				return err
			}
			if h.HostID == "" {
				return fmt.Errorf("a row without host_id")
			}
			r.Hosts = append(r.Hosts, h)
		}
		return nil
	}
	r.Meta, err = c.do(ctx, op)
	if err != nil {
		return ListHostStatusResponse{Meta: r.Meta}, err
	}
	return r, nil
}

// pageQuery checks a page and its filters, and leaves out empty ones.
func pageQuery(limit, offset int, filters map[string]string) (url.Values, error) {
	if err := checkPage(limit, offset); err != nil {
		return nil, err
	}
	query := url.Values{"limit": {strconv.Itoa(limit)}, "offset": {strconv.Itoa(offset)}}
	for name, value := range filters {
		if value == "" {
			continue
		}
		if err := checkText(name+" filter", value, 256); err != nil {
			return nil, err
		}
		query.Set(name, value)
	}
	return query, nil
}
