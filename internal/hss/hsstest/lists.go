package hsstest

import (
	"slices"
	"strings"
)

const maxOffset = 2000000

// filter is what list 1 and the export can be narrowed by.
type filter struct {
	hostName, hostID, publicIP, privateIP, groupName string
	osType, assetValue, protectStatus, wtpStatus     string
	agentStatus, raspStatus                          string
	hostIDs                                          map[string]bool // nil: all
}

// fieldReader is what a filter needs of a query or a body.
type fieldReader interface {
	optional(name string, lo, hi int) string
	word(name string, words ...string) string
}

func (q *params) optional(name string, lo, hi int) string { return q.text(name, lo, hi) }

func (f *form) optional(name string, lo, hi int) string { return f.text(name, false, lo, hi) }

func (f *form) word(name string, words ...string) string {
	v := f.text(name, false, 1, 64)
	if v == "" {
		return ""
	}
	for _, w := range words {
		if strings.EqualFold(v, w) {
			return w
		}
	}
	f.fail("%s must be one of %s", name, strings.Join(words, ", "))
	return ""
}

// readFilter reads what the list's query and the export's body share; they
// call the state of dynamic WTP by different names.
func readFilter(r fieldReader, rasp string) filter {
	return filter{
		hostName:      r.optional("host_name", 1, 256),
		hostID:        r.optional("host_id", 1, 64),
		publicIP:      r.optional("public_ip", 7, 39),
		privateIP:     r.optional("private_ip", 1, 128),
		groupName:     r.optional("group_name", 1, 64),
		osType:        r.word("os_type", "Linux", "Windows"),
		assetValue:    r.word("asset_value", "important", "common", "test"),
		protectStatus: r.word("protect_status", Opened, Closed),
		wtpStatus: r.word("wtp_status", "opened", "opening", "open_failed",
			"partial_protection", "protection_interruption"),
		agentStatus: r.word("agent_status", "not_installed", "online", "offline"),
		raspStatus:  r.word(rasp, Opened, Closed),
	}
}

func filterNames() []string {
	return []string{
		"enterprise_project_id", "host_name", "host_id", "public_ip", "private_ip", "group_name", "os_type",
		"asset_value", "protect_status", "wtp_status", "agent_status", "rasp_status", "offset", "limit",
	}
}

func (f *filter) fits(h *host) bool {
	is := func(want, have string) bool { return want == "" || want == have }
	// protect_status asks for the switch (on or off), wtp_status for the
	// exact state.
	switched := Opened
	if h.ProtectStatus == Closed {
		switched = Closed
	}
	return strings.Contains(h.HostName, f.hostName) && is(f.hostID, h.HostID) &&
		is(f.publicIP, h.PublicIP) && is(f.privateIP, h.PrivateIP) && is(f.groupName, h.GroupName) &&
		(f.osType == "" || strings.EqualFold(f.osType, h.OSType)) &&
		is(f.assetValue, h.AssetValue) && is(f.protectStatus, switched) && is(f.wtpStatus, h.ProtectStatus) &&
		is(f.agentStatus, h.AgentStatus) && is(f.raspStatus, h.RaspStatus) &&
		(f.hostIDs == nil || f.hostIDs[h.HostID])
}

// protectRow is a row of list 1.
type protectRow struct {
	HostID              string   `json:"host_id"`
	HostName            string   `json:"host_name"`
	PublicIP            string   `json:"public_ip"`
	PrivateIP           string   `json:"private_ip"`
	GroupID             string   `json:"group_id,omitempty"`
	GroupName           string   `json:"group_name,omitempty"`
	AssetValue          string   `json:"asset_value"`
	OSType              string   `json:"os_type"`
	OSBit               string   `json:"os_bit"`
	OSName              string   `json:"os_name,omitempty"`
	OSVersion           string   `json:"os_version,omitempty"`
	HostStatus          string   `json:"host_status"`
	AgentStatus         string   `json:"agent_status"`
	ProtectStatus       string   `json:"protect_status"`
	RaspProtectStatus   string   `json:"rasp_protect_status"`
	ProtectDirNum       int      `json:"protect_dir_num"`
	AbnormalDirList     []string `json:"abnormal_dir_list,omitempty"`
	AbnormalReason      int      `json:"abnormal_reason,omitempty"`
	InterruptReason     string   `json:"interrupt_reason,omitempty"`
	BackupHostID        string   `json:"backup_host_id,omitempty"`
	ChargingMode        string   `json:"charging_mode"`
	ResourceID          string   `json:"resource_id,omitempty"`
	AntiTamperingTimes  int64    `json:"anti_tampering_times"`
	DetectTamperingTime int64    `json:"detect_tampering_times"`
}

func protectedRow(h *host) protectRow {
	row := protectRow{
		HostID: h.HostID, HostName: h.HostName, PublicIP: h.PublicIP, PrivateIP: h.PrivateIP,
		GroupName: h.GroupName, AssetValue: h.AssetValue,
		OSType: h.OSType, OSBit: "64", OSName: h.OSName, OSVersion: h.OSVersion,
		HostStatus: h.HostStatus, AgentStatus: h.AgentStatus,
		ProtectStatus: h.ProtectStatus, RaspProtectStatus: h.RaspStatus,
		ProtectDirNum: len(h.ProtectDirs), AbnormalDirList: h.AbnormalDirs, AbnormalReason: h.AbnormalReason,
		ChargingMode:       "packet_cycle",
		AntiTamperingTimes: h.AntiTampering, DetectTamperingTime: h.DetectTampering,
	}
	if h.GroupName != "" {
		row.GroupID = identifier("group " + h.GroupName)
	}
	if h.ProtectStatus == "protection_interruption" {
		row.InterruptReason = h.InterruptReason
	}
	if h.ProtectStatus != Closed {
		row.ResourceID = identifier("quota " + h.HostID)
	}
	return row
}

// page reads limit and offset.
func (c *call) page(q *params) (offset, limit int) {
	limit = q.number("limit", 10, c.s.cfg.MaxLimit, 10)
	return q.number("offset", 0, maxOffset, 0), limit
}

// badQuery refuses a query. Asking a site of the older edition (MaxLimit 100)
// for pages of up to 200 is no breach: that's how a client finds out.
func (c *call) badQuery(q *params) answer {
	if n := q.values.Get("limit"); c.s.cfg.MaxLimit < 200 && strings.HasPrefix(q.problem, "limit ") &&
		len(n) == 3 && n <= "200" {
		return refuse("HSS.0001", "Invalid parameter: "+q.problem)
	}
	return c.bad("%s", q.problem)
}

func listAnswer[T any](c *call, total int, rows []T) answer {
	if f := c.fault(FaultTotal); f != nil {
		total = f.Count
	}
	if rows == nil {
		rows = []T{}
	}
	return okJSON(map[string]any{"total_num": total, "data_list": rows})
}

// pick walks the hosts in order and returns those of one page, and how many
// fit in all.
func (c *call) pick(fits func(*host) bool, offset, limit int) (page []*host, total int) {
	for i := range c.project.hosts {
		h := &c.project.hosts[i]
		h.settle(c.now)
		if !c.sees(h) || !fits(h) {
			continue
		}
		if total >= offset && len(page) < limit {
			page = append(page, h)
		}
		total++
	}
	return page, total
}

// one is pick for a filter that names a single server.
func (c *call) one(id string, fits func(*host) bool, offset int) (page []*host, total int) {
	h := c.project.host(id)
	if h == nil {
		return nil, 0
	}
	h.settle(c.now)
	if !c.sees(h) || !fits(h) {
		return nil, 0
	}
	if offset > 0 {
		return nil, 1
	}
	return []*host{h}, 1
}

// listProtected is ListWtpProtectHost.
func (c *call) listProtected() answer {
	q := c.query(filterNames()...)
	f := readFilter(q, "rasp_status")
	offset, limit := c.page(q)
	if q.problem != "" {
		return c.badQuery(q)
	}
	fits := func(h *host) bool { return !h.NoWTP && f.fits(h) }
	var page []*host
	var total int
	if f.hostID != "" {
		page, total = c.one(f.hostID, fits, offset)
	} else {
		page, total = c.pick(fits, offset, limit)
	}
	rows := make([]protectRow, len(page))
	for i, h := range page {
		rows[i] = protectedRow(h)
		rows[i].BackupHostID = h.BackupHostID
	}
	return listAnswer(c, total, rows)
}

// hostRow is a row of the host list (ListHostStatus).
type hostRow struct {
	HostID                string `json:"host_id"`
	HostName              string `json:"host_name"`
	AgentID               string `json:"agent_id"`
	PrivateIP             string `json:"private_ip"`
	PublicIP              string `json:"public_ip"`
	EnterpriseProjectID   string `json:"enterprise_project_id"`
	EnterpriseProjectName string `json:"enterprise_project_name"`
	OSType                string `json:"os_type"`
	OSName                string `json:"os_name,omitempty"`
	HostStatus            string `json:"host_status"`
	AgentStatus           string `json:"agent_status"`
	AgentVersion          string `json:"agent_version,omitempty"`
	Version               string `json:"version"`
	WTPProtectStatus      string `json:"wtp_protect_status"`
	OutsideHost           bool   `json:"outside_host"`
	GroupName             string `json:"group_name,omitempty"`
	AssetValue            string `json:"asset_value"`
}

// listHosts is ListHostStatus, from which backup servers are picked. The real
// one has many more filters than these.
func (c *call) listHosts() answer {
	q := c.query("enterprise_project_id", "os_type", "host_status", "agent_status", "host_name", "host_id",
		"ip_addr", "private_ip", "public_ip", "group_name", "asset_value", "host_id_list", "refresh", "offset", "limit")
	f := filter{
		hostName:   q.text("host_name", 1, 256),
		hostID:     q.text("host_id", 1, 64),
		publicIP:   q.text("public_ip", 1, 128),
		privateIP:  q.text("private_ip", 1, 128),
		groupName:  q.text("group_name", 1, 64),
		osType:     q.word("os_type", "Linux", "Windows"),
		assetValue: q.word("asset_value", "important", "common", "test"),
		agentStatus: q.word("agent_status", "installed", "not_installed", "online", "offline",
			"install_failed", "installing"),
	}
	status := q.word("host_status", "ACTIVE", "SHUTOFF", "BUILDING", "ERROR")
	addr := q.text("ip_addr", 1, 128)
	q.flag("refresh")
	if list := q.values.Get("host_id_list"); list != "" {
		ids := strings.Split(list, ",")
		if len(ids) > 100 {
			q.fail("host_id_list must hold 1 to 100 IDs, not %d", len(ids))
		}
		f.hostIDs = map[string]bool{}
		for _, id := range ids {
			f.hostIDs[id] = true
		}
	}
	offset, limit := c.page(q)
	if q.problem != "" {
		return c.badQuery(q)
	}
	agent := f.agentStatus
	f.agentStatus = ""
	fits := func(h *host) bool {
		return f.fits(h) && (status == "" || status == h.HostStatus) &&
			(addr == "" || addr == h.PrivateIP || addr == h.PublicIP) && agentFits(agent, h.AgentStatus)
	}
	page, total := c.pick(fits, offset, limit)
	rows := make([]hostRow, len(page))
	for i, h := range page {
		rows[i] = hostRow{
			HostID: h.HostID, HostName: h.HostName, AgentID: h.agentID(),
			PrivateIP: h.PrivateIP, PublicIP: h.PublicIP,
			EnterpriseProjectID: h.EnterpriseProjectID, EnterpriseProjectName: "default",
			OSType: h.OSType, OSName: h.OSName, HostStatus: h.HostStatus, AgentStatus: h.AgentStatus,
			Version: "hss.version.wtp", WTPProtectStatus: h.ProtectStatus,
			GroupName: h.GroupName, AssetValue: h.AssetValue,
		}
		if h.EnterpriseProjectID != "0" {
			rows[i].EnterpriseProjectName = h.EnterpriseProjectID
		}
		if h.AgentStatus != "not_installed" {
			rows[i].AgentVersion = "3.2.13"
		}
		switch h.ProtectStatus {
		case "protection_interruption":
			// The host list has no such word.
			rows[i].WTPProtectStatus = Opened
		case Closed:
			rows[i].Version = "hss.version.null"
		}
		if h.NoWTP {
			rows[i].Version = "hss.version.premium"
		}
	}
	return listAnswer(c, total, rows)
}

// agentFits compares agent states; "installed" is both online and offline.
func agentFits(want, have string) bool {
	if want == "installed" {
		return slices.Contains([]string{"online", "offline"}, have)
	}
	return want == "" || want == have
}
