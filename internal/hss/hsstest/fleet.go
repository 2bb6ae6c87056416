package hsstest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// States as HSS words them in its lists.
const (
	Opened = "opened"
	Closed = "closed"
)

// Fleet is what exists when the simulator starts. Empty Users and Keys give
// one user with every right and one key of theirs, with fresh random secrets.
type Fleet struct {
	Account  string // default "acme-web"
	Projects []Project
	Users    []User
	Keys     []Key
}

// Project is one IAM project: a region's default project or a sub-project.
type Project struct {
	Region, ID, Name string
	// Account defaults to the fleet's account.
	Account string
	// EnterpriseProjects are accepted as enterprise_project_id beside "0" and
	// "all_granted_eps".
	EnterpriseProjects []string
	Servers            []Server
	Backups            []BackupServer
}

// Server is one server as HSS knows it. In AddServer, SetServer and a Fleet an
// empty state takes the value of an ordinary protected Linux server.
type Server struct {
	HostID              string `json:"host_id"`
	HostName            string `json:"host_name"`
	PrivateIP           string `json:"private_ip,omitempty"`
	PublicIP            string `json:"public_ip,omitempty"`
	GroupName           string `json:"group_name,omitempty"`
	EnterpriseProjectID string `json:"enterprise_project_id"` // default "0"
	OSType              string `json:"os_type"`               // Linux (default) or Windows
	OSName              string `json:"os_name,omitempty"`
	OSVersion           string `json:"os_version,omitempty"`
	AssetValue          string `json:"asset_value"`        // important, common (default), test
	HostStatus          string `json:"host_status"`        // ACTIVE (default), SHUTOFF, BUILDING, ERROR
	AgentStatus         string `json:"agent_status"`       // online (default), offline, not_installed
	AgentID             string `json:"agent_id,omitempty"` // default: derived from HostID
	ProtectStatus       string `json:"protect_status"`     // opened (default), closed, opening, open_failed, partial_protection, protection_interruption, protection_pause
	RaspStatus          string `json:"rasp_status"`        // opened, closed (default): what the lists show now
	InterruptReason     string `json:"interrupt_reason,omitempty"`
	BackupHostID        string `json:"backup_host_id,omitempty"` // remote backup on, to this server
	BackupAddr          string `json:"backup_addr,omitempty"`    // IP:port as told by set-remote-backup; default: that of the backup server now
	RaspPath            string `json:"rasp_path,omitempty"`      // Tomcat bin directory

	ProtectDirs     []string `json:"protect_dirs,omitempty"`
	AbnormalDirs    []string `json:"abnormal_dirs,omitempty"`
	AbnormalReason  int      `json:"abnormal_reason,omitempty"`
	AntiTampering   int64    `json:"anti_tampering,omitempty"`   // static attacks, last 7 days
	DetectTampering int64    `json:"detect_tampering,omitempty"` // dynamic attacks, last 7 days

	// NoWTP is a server without the WTP edition: it is in the host list (and
	// so may become a backup server) but not in the WTP list.
	NoWTP bool `json:"no_wtp,omitempty"`
}

// BackupServer is one remote backup server. Status is -1 start failed, 0 not
// started, 1 running, 2 starting.
type BackupServer struct {
	HostID string `json:"host_id"`
	IP     string `json:"ip"`
	Port   int    `json:"port"`
	Dir    string `json:"dir"`
	Status int    `json:"status"`
}

// transition is a switch HSS has accepted and the lists will show later.
type transition struct {
	at    time.Time
	state string
}

type host struct {
	Server
	pending []transition // by time
}

type backup struct {
	BackupServer
	settleAt time.Time // zero: Status stays as it is
	settleTo int
}

type project struct {
	region, id, name, iamName, account string

	eps      []string
	hosts    []host
	index    map[string]int // host ID -> position in hosts
	wtpCount int
	backups  []*backup
}

// settle makes transitions whose time has come visible.
func (h *host) settle(now time.Time) {
	for len(h.pending) > 0 && !h.pending[0].at.After(now) {
		h.RaspStatus = h.pending[0].state
		h.pending = h.pending[1:]
	}
	if len(h.pending) == 0 {
		h.pending = nil
	}
}

// change accepts a switch that shows at the given time.
func (h *host) change(state string, at, now time.Time) {
	h.settle(now)
	if len(h.pending) == 0 && !at.After(now) {
		h.RaspStatus = state
		return
	}
	i := len(h.pending)
	for i > 0 && h.pending[i-1].at.After(at) {
		i--
	}
	h.pending = slices.Insert(h.pending, i, transition{at, state})
}

func (h *host) agentID() string {
	if h.AgentID != "" || h.AgentStatus == "not_installed" {
		return h.AgentID
	}
	return identifier("agent "+h.HostID) + identifier("agent's "+h.HostID)
}

// identifier makes a stable ID of 32 hex digits out of what it names.
func identifier(of string) string {
	sum := sha256.Sum256([]byte(of))
	return hex.EncodeToString(sum[:16])
}

// on says whether WTP is switched on, so that dynamic WTP may be switched.
func (h *host) on() bool {
	switch h.ProtectStatus {
	case "opened", "partial_protection", "protection_interruption", "protection_pause":
		return !h.NoWTP
	}
	return false
}

func (b *backup) settle(now time.Time) {
	if !b.settleAt.IsZero() && !b.settleAt.After(now) {
		b.Status, b.settleAt = b.settleTo, time.Time{}
	}
}

func (p *project) host(id string) *host {
	i, ok := p.index[id]
	if !ok {
		return nil
	}
	return &p.hosts[i]
}

func (p *project) backup(id string) *backup {
	for _, b := range p.backups {
		if b.HostID == id {
			return b
		}
	}
	return nil
}

func (p *project) add(sv Server) {
	if _, ok := p.index[sv.HostID]; ok || sv.HostID == "" {
		panic(fmt.Sprintf("hsstest: server ID %q in project %s is empty or used twice", sv.HostID, p.id))
	}
	p.index[sv.HostID] = len(p.hosts)
	p.hosts = append(p.hosts, host{Server: withDefaults(sv)})
	if !sv.NoWTP {
		p.wtpCount++
	}
}

func withDefaults(sv Server) Server {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	set(&sv.HostName, sv.HostID)
	set(&sv.EnterpriseProjectID, "0")
	set(&sv.OSType, "Linux")
	set(&sv.AssetValue, "common")
	set(&sv.HostStatus, "ACTIVE")
	set(&sv.AgentStatus, "online")
	set(&sv.RaspStatus, Closed)
	if sv.NoWTP {
		set(&sv.ProtectStatus, Closed)
	}
	set(&sv.ProtectStatus, Opened)
	return sv
}

func (s *Simulator) loadProject(p Project) *project {
	if _, ok := s.byProject[p.ID]; ok || p.ID == "" {
		panic(fmt.Sprintf("hsstest: project ID %q is empty or used twice", p.ID))
	}
	// IAM names a region's own project after the region, and further ones
	// region_name.
	iamName := p.Region
	for _, other := range s.projects {
		if other.region == p.Region && other.account == p.Account {
			iamName = p.Region + "_" + p.Name
		}
	}
	np := &project{
		region: p.Region, id: p.ID, name: p.Name, iamName: iamName, account: p.Account,
		eps:   slices.Clone(p.EnterpriseProjects),
		hosts: make([]host, 0, len(p.Servers)),
		index: make(map[string]int, len(p.Servers)),
	}
	for _, sv := range p.Servers {
		np.add(sv)
	}
	for _, b := range p.Backups {
		np.backups = append(np.backups, &backup{BackupServer: b})
	}
	for i := range np.hosts {
		np.tell(&np.hosts[i])
	}
	s.projects = append(s.projects, np)
	s.byProject[p.ID] = np
	return np
}

// AddProject adds an empty project of the default account.
func (s *Simulator) AddProject(region, projectID, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loadProject(Project{Region: region, ID: projectID, Name: name, Account: s.accounts.account})
}

// AddServer adds a server at the end of the project's list. It panics on an
// unknown project or a host ID used twice.
func (s *Simulator) AddServer(projectID string, sv Server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.mustProject(projectID)
	p.add(sv)
	p.tell(p.host(sv.HostID))
}

// SetServer replaces the server with the same HostID, keeping its place and
// forgetting switches not yet shown; it adds the server if there is none.
func (s *Simulator) SetServer(projectID string, sv Server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setServer(s.mustProject(projectID), sv)
}

func (s *Simulator) setServer(p *project, sv Server) {
	h := p.host(sv.HostID)
	if h == nil {
		p.add(sv)
		p.tell(p.host(sv.HostID))
		return
	}
	if h.NoWTP != sv.NoWTP {
		if sv.NoWTP {
			p.wtpCount--
		} else {
			p.wtpCount++
		}
	}
	*h = host{Server: withDefaults(sv)}
	p.tell(h)
}

// RemoveServer takes a server out of HSS, as when it is deleted in the cloud.
func (s *Simulator) RemoveServer(projectID, hostID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.mustProject(projectID)
	i, ok := p.index[hostID]
	if !ok {
		return
	}
	if !p.hosts[i].NoWTP {
		p.wtpCount--
	}
	p.hosts = slices.Delete(p.hosts, i, i+1)
	delete(p.index, hostID)
	for j := i; j < len(p.hosts); j++ {
		p.index[p.hosts[j].HostID] = j
	}
}

// Server returns a server as the lists show it now.
func (s *Simulator) Server(projectID, hostID string) (Server, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.mustProject(projectID).host(hostID)
	if h == nil {
		return Server{}, false
	}
	h.settle(s.cfg.Now())
	return h.Server, true
}

// Accepted returns the state ("opened" or "closed") HSS will show for a server
// once everything it accepted has taken effect; empty if the server is unknown.
func (s *Simulator) Accepted(projectID, hostID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.mustProject(projectID).host(hostID)
	if h == nil {
		return ""
	}
	if n := len(h.pending); n > 0 {
		return h.pending[n-1].state
	}
	return h.RaspStatus
}

// Servers returns all servers of a project in list order, as shown now, also
// those with NoWTP.
func (s *Simulator) Servers(projectID string) []Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, now := s.mustProject(projectID), s.cfg.Now()
	out := make([]Server, 0, len(p.hosts))
	for i := range p.hosts {
		p.hosts[i].settle(now)
		out = append(out, p.hosts[i].Server)
	}
	return out
}

// Backups returns the project's backup servers with their status now.
func (s *Simulator) Backups(projectID string) []BackupServer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mustProject(projectID).backupList(s.cfg.Now())
}

// SetBackup adds or replaces a backup server outside the API; its status
// stays as given.
func (s *Simulator) SetBackup(projectID string, b BackupServer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.mustProject(projectID)
	if old := p.backup(b.HostID); old != nil {
		*old = backup{BackupServer: b}
		return
	}
	p.backups = append(p.backups, &backup{BackupServer: b})
}

func (p *project) backupList(now time.Time) []BackupServer {
	out := make([]BackupServer, 0, len(p.backups))
	for _, b := range p.backups {
		b.settle(now)
		out = append(out, b.BackupServer)
	}
	return out
}

func (s *Simulator) mustProject(id string) *project {
	p := s.byProject[id]
	if p == nil {
		panic(fmt.Sprintf("hsstest: no project %q", id))
	}
	return p
}
