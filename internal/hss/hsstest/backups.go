package hsstest

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Status of a backup server.
const (
	BackupFailed     = -1
	BackupNotStarted = 0
	BackupRunning    = 1
	BackupStarting   = 2
)

type backupRow struct {
	HostID string `json:"backup_host_id"`
	Name   string `json:"backup_host_name"`
	IP     string `json:"backup_host_ip"`
	Port   int    `json:"backup_host_port"`
	Dir    string `json:"backup_dir"`
	Status int    `json:"backup_host_status"`
}

// listBackups is ListBackupHostsInfo.
func (c *call) listBackups() answer {
	q := c.query("enterprise_project_id", "limit", "offset", "is_run")
	running := q.flag("is_run")
	offset, limit := c.page(q)
	if q.problem != "" {
		return c.badQuery(q)
	}
	var rows []backupRow
	for _, b := range c.project.backups {
		b.settle(c.now)
		row := backupRow{HostID: b.HostID, IP: b.IP, Port: b.Port, Dir: b.Dir, Status: b.Status}
		online := false
		if h := c.project.host(b.HostID); h != nil {
			if !c.sees(h) {
				continue
			}
			row.Name, online = h.HostName, h.AgentStatus == "online"
		}
		if !running || online {
			rows = append(rows, row)
		}
	}
	total := len(rows)
	rows = rows[min(offset, total):]
	return listAnswer(c, total, rows[:min(limit, len(rows))])
}

// updateBackup is UpdateBackupHostInfo: an unknown host_id adds, a known one
// changes.
func (c *call) updateBackup() answer {
	c.query("enterprise_project_id")
	f := c.form("host_id", "backup_host_ip", "backup_host_port", "backup_dir")
	b := BackupServer{
		HostID: f.text("host_id", true, 0, 256),
		IP:     f.text("backup_host_ip", true, 0, 256),
		Port:   f.number("backup_host_port", 0, 65535),
		Dir:    f.text("backup_dir", true, 0, 256),
		Status: BackupStarting,
	}
	if a := f.check(c); a != nil {
		return *a
	}
	h := c.project.host(b.HostID)
	switch {
	case h == nil || !c.sees(h):
		return denied()
	case h.OSType != "Linux":
		return refuse(codeInvalid, "Invalid parameter: only Linux is supported")
	case h.AgentStatus == "not_installed":
		return refuse(codeNoAgent, "The server has no associated agent")
	case h.AgentStatus != "online":
		return refuse(codeOffline, "The agent is offline")
	}
	next := &backup{
		BackupServer: b,
		settleAt:     c.now.Add(c.s.cfg.BackupStartDelay),
		settleTo:     BackupRunning,
	}
	if c.fault(FaultBackupFails) != nil || !startable(b, h) {
		next.settleTo = BackupFailed
	}
	if old := c.project.backup(b.HostID); old != nil {
		*old = *next
	} else {
		c.project.backups = append(c.project.backups, next)
	}
	c.applied(b.HostID)
	return ok()
}

// startable says whether an agent could make sense of the settings. HSS takes
// anything within its lengths; what is meaningless then fails to start.
func startable(b BackupServer, h *host) bool {
	if _, err := netip.ParseAddr(b.IP); err != nil || b.Port == 0 || !strings.HasPrefix(b.Dir, "/") {
		return false
	}
	for _, dir := range h.ProtectDirs {
		if within(b.Dir, dir) || within(dir, b.Dir) {
			return false // a backup inside what is protected can't be written
		}
	}
	return true
}

func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// deleteBackups is DeleteBackupHostInfo. Servers that used one lose their
// remote backup.
func (c *call) deleteBackups() answer {
	c.query("enterprise_project_id")
	f := c.form("backup_host_id_list")
	ids := f.ids("backup_host_id_list", true, 1, 100)
	if a := f.check(c); a != nil {
		return *a
	}
	ids = c.once(ids)
	gone := map[string]bool{}
	for _, id := range ids {
		b := c.project.backup(id)
		if b == nil {
			return denied()
		}
		b.settle(c.now)
		if b.Status != BackupRunning && !c.s.cfg.DeleteAnyBackup {
			return refuse("HSS.0010", "Access denied: the backup server is not running")
		}
		gone[id] = true
	}
	var kept []*backup
	for _, b := range c.project.backups {
		if !gone[b.HostID] {
			kept = append(kept, b)
		}
	}
	c.project.backups = kept
	for i := range c.project.hosts {
		if h := &c.project.hosts[i]; gone[h.BackupHostID] {
			h.BackupHostID, h.BackupAddr = "", ""
		}
	}
	c.applied(ids...)
	return ok()
}

// setRemoteBackup is SetRemoteBackupInfo, for one protected Linux server.
func (c *call) setRemoteBackup() answer {
	c.query("enterprise_project_id")
	f := c.form("remote_backup", "backup_addr", "backup_host_id")
	on := f.flag("remote_backup")
	addr := f.text("backup_addr", on, 0, 256)
	id := f.text("backup_host_id", on, 0, 256)
	if f.problem == "" && on && !isAddrPort(addr) {
		f.fail("backup_addr must be IP:port")
	}
	if a := f.check(c); a != nil {
		return *a
	}
	h, a := c.target()
	if a != nil {
		return *a
	}
	if a := c.unfit(h); a != nil {
		return *a
	}
	if f := c.fault(FaultIgnore); f != nil && len(withoutIgnored([]*host{h}, f.Hosts)) == 0 {
		return ok()
	}
	if !on {
		h.BackupHostID, h.BackupAddr = "", ""
		c.applied(h.HostID)
		return ok()
	}
	b := c.project.backup(id)
	if b == nil {
		return denied()
	}
	if b.settle(c.now); b.Status != BackupRunning {
		return refuse("HSS.0010", "Access denied: the backup server is not running")
	}
	h.BackupHostID, h.BackupAddr = id, addr
	c.applied(h.HostID)
	return ok()
}

// tell gives a server that was set up to use a backup server the address that this has
// now, unless it was set up with one: it goes on with it when the backup server gets
// another.
func (p *project) tell(h *host) {
	if b := p.backup(h.BackupHostID); b != nil && h.BackupAddr == "" {
		h.BackupAddr = net.JoinHostPort(b.IP, strconv.Itoa(b.Port))
	}
}

func isAddrPort(s string) bool {
	ip, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	_, err = netip.ParseAddr(ip)
	n, perr := strconv.Atoi(port)
	return err == nil && perr == nil && n >= 0 && n <= 65535
}

// showRemoteBackup is ShowRemoteBackupHostInfo.
func (c *call) showRemoteBackup() answer {
	c.query("enterprise_project_id")
	h, a := c.target()
	if a != nil {
		return *a
	}
	if h.BackupHostID == "" {
		return okJSON(map[string]any{"remote_backup": false})
	}
	name := ""
	if b := c.project.host(h.BackupHostID); b != nil {
		name = b.HostName
	}
	return okJSON(map[string]any{
		"remote_backup": true, "backup_addr": h.BackupAddr,
		"backup_host_id": h.BackupHostID, "backup_host_name": name,
	})
}
