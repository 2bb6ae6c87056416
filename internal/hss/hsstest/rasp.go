package hsstest

import (
	"cmp"
	"net/http"
	"regexp"
	"unicode/utf8"
)

// Codes a switch is refused with.
const (
	codeInvalid     = "HSS.0001" // here: a Windows server
	codeNoAgent     = "HSS.1001"
	codeOffline     = "HSS.1007"
	codeUnprotected = "HSS.1009"
)

// setRasp is SetRaspSwitch.
func (c *call) setRasp() answer {
	c.query("enterprise_project_id")
	f := c.form("host_id_list", "status")
	ids := f.ids("host_id_list", true, 1, 200)
	on := f.flag("status")
	if a := f.check(c); a != nil {
		return *a
	}
	ids = c.once(ids)

	var hosts []*host
	for _, id := range ids {
		h := c.project.host(id)
		if a := c.unfit(h); a != nil {
			if c.s.cfg.SkipUnfit {
				continue
			}
			return *a
		}
		hosts = append(hosts, h)
	}
	state := Closed
	if on {
		state = Opened
	}
	return c.carryOut(hosts, state)
}

// unfit is why HSS can't switch a server. The documents don't say; these are
// the codes that fit best, and none of them names the server.
func (c *call) unfit(h *host) *answer {
	var a answer
	switch {
	case h == nil || h.NoWTP || !c.sees(h):
		a = denied()
	case h.OSType != "Linux":
		a = refuse(codeInvalid, "Invalid parameter: only Linux is supported")
	case !h.on():
		a = refuse(codeUnprotected, "Failed to save the WTP information")
	case h.AgentStatus == "not_installed":
		a = refuse(codeNoAgent, "The server has no associated agent")
	case h.AgentStatus != "online":
		a = refuse(codeOffline, "The agent is offline")
	default:
		return nil
	}
	return &a
}

// carryOut switches servers, all of them unless a fault says otherwise.
func (c *call) carryOut(hosts []*host, state string) answer {
	at, result := c.now.Add(c.s.cfg.ApplyDelay), ok()
	if f := c.fault(FaultIgnore); f != nil {
		hosts = withoutIgnored(hosts, f.Hosts)
	}
	if f := c.fault(FaultPartial); f != nil {
		hosts = hosts[:min(f.Count, len(hosts))]
		result = c.statusAnswer(f, http.StatusInternalServerError)
	}
	if f := c.fault(FaultLate); f != nil {
		at = at.Add(f.Delay)
		result = statusAnswer(cmp.Or(f.Status, http.StatusGatewayTimeout), "", c.requestID)
	}
	changed := make([]string, 0, len(hosts))
	for _, h := range hosts {
		h.change(state, at, c.now)
		changed = append(changed, h.HostID)
	}
	if len(changed) > 0 {
		c.applied(changed...)
	}
	return result
}

func withoutIgnored(hosts []*host, ignored []string) []*host {
	if len(ignored) == 0 {
		return nil
	}
	skip := map[string]bool{}
	for _, id := range ignored {
		skip[id] = true
	}
	var kept []*host
	for _, h := range hosts {
		if !skip[h.HostID] {
			kept = append(kept, h)
		}
	}
	return kept
}

// showRaspPath is ShowWebTamperRaspPath: Linux servers with WTP on, or off
// with the policy kept.
func (c *call) showRaspPath() answer {
	c.query("enterprise_project_id")
	h, a := c.target()
	if a != nil {
		return *a
	}
	if h.OSType != "Linux" {
		return refuse(codeInvalid, "Invalid parameter: only Linux is supported")
	}
	return okJSON(map[string]string{"rasp_path": h.RaspPath})
}

// updateRaspPath is UpdateWebTamperRaspPath.
func (c *call) updateRaspPath() answer {
	q := c.query("enterprise_project_id", "host_name")
	q.text("host_name", 1, 256)
	if q.problem != "" {
		return c.badQuery(q)
	}
	f := c.form("rasp_path")
	path := f.text("rasp_path", true, 1, 256)
	if f.problem == "" && !f.unread && !raspPathOK(path) {
		f.fail("rasp_path must be absolute, without a trailing slash, of letters, digits, _ - .")
	}
	if a := f.check(c); a != nil {
		return *a
	}
	h, a := c.target()
	if a != nil {
		return *a
	}
	if h.OSType != "Linux" {
		return refuse(codeInvalid, "Invalid parameter: only Linux is supported")
	}
	h.RaspPath = path
	c.applied(h.HostID)
	return ok()
}

func raspPathOK(p string) bool {
	return utf8.ValidString(p) && regexp.MustCompile(`^(/[A-Za-z0-9._-]+)+$`).MatchString(p)
}

// showPolicy is ShowWebTamperHostPolicy, without schedules and privileged
// processes, which no server here has.
func (c *call) showPolicy() answer {
	c.query("enterprise_project_id")
	h, a := c.target()
	if a != nil {
		return *a
	}
	h.settle(c.now)
	dirs := make([]map[string]any, 0, len(h.ProtectDirs))
	for _, dir := range h.ProtectDirs {
		dirs = append(dirs, map[string]any{
			"protect_dir": dir, "exclude_child_dir": "", "exclude_file_path": "",
			"local_backup_dir": "/var/hss-backup", "protect_status": Opened,
		})
	}
	return okJSON(map[string]any{
		"protect_dir_num": len(dirs),
		"protect_dir_info": map[string]any{
			"protect_dir_list": dirs, "exclude_file_type": "log;pid;text", "protect_mode": "recovery",
		},
		"enable_timing_off":            false,
		"enable_rasp_protect":          h.RaspStatus == Opened,
		"rasp_path":                    h.RaspPath,
		"enable_privileged_process":    false,
		"privileged_child_status":      false,
		"privileged_process_path_list": []string{},
	})
}
