package views

import (
	"strconv"

	"wtp-console/internal/wtp"
)

// BackupsView is the list of backup servers of a project.
type BackupsView struct {
	Page
	Servers []BackupRow      // those with problems first
	Uses    map[string]int64 // servers by the host ID of the backup server they use, "" for none
}

// BackupRow is one backup server and the last change of it made here.
type BackupRow struct {
	wtp.BackupServer
	Uses   int64
	Old    int64 // of Uses: those known to use it at another address than its present one
	Number int64 // of the last change; 0: none
	At     wtp.Instant
}

// failed are the backup servers that don't start though servers use them, or at
// all.
func (v BackupsView) failed() []BackupRow {
	var rows []BackupRow
	for _, b := range v.Servers {
		if b.Status == wtp.BackupFailed {
			rows = append(rows, b)
		}
	}
	return rows
}

// old are the backup servers that servers are known to use at an old address.
func (v BackupsView) old() []BackupRow {
	var rows []BackupRow
	for _, b := range v.Servers {
		if b.Old > 0 {
			rows = append(rows, b)
		}
	}
	return rows
}

// oldText says how many servers use a backup server at an old address.
func (p Page) oldText(n int64) string {
	return p.T("%d at an old address", n)
}

// coverage sorts the project's servers by the state of the backup server they
// use, and says how many have one.
func (v BackupsView) coverage() (slices []Slice, covered, total int64) {
	status := map[string]int64{}
	for _, b := range v.Servers {
		status[b.HostID] = b.Status
	}
	var running, failed, idle, unlisted, without int64
	for id, n := range v.Uses {
		s, listed := status[id]
		switch {
		case id == "":
			without += n
			continue
		case !listed:
			unlisted += n
		case s == wtp.BackupRunning:
			running += n
		case s == wtp.BackupFailed:
			failed += n
		default:
			idle += n
		}
		covered += n
	}
	total = max(v.Project.ServerCount, covered+without)
	without = total - covered
	return []Slice{
		{Kind: "ok", N: running, Label: v.T("On a running backup server")},
		{Kind: "info", N: idle, Label: v.T("On one that is not running yet")},
		{Kind: "bad", N: failed, Label: v.T("On one that failed")},
		{Kind: "unk", N: unlisted, Label: v.T("On one that HSS does not list")},
		{Kind: "faint", N: without, Label: v.T("Without")},
	}, covered, total
}

func (v BackupsView) statuses() []Slice {
	var running, starting, idle, failed, other int64
	for _, b := range v.Servers {
		switch b.Status {
		case wtp.BackupRunning:
			running++
		case wtp.BackupStarting:
			starting++
		case wtp.BackupNotStarted:
			idle++
		case wtp.BackupFailed:
			failed++
		default:
			other++
		}
	}
	return []Slice{
		{Kind: "ok", N: running, Label: v.T("Running")},
		{Kind: "info", N: starting, Label: v.T("Starting")},
		{Kind: "idle", N: idle, Label: v.T("Not started")},
		{Kind: "bad", N: failed, Label: v.T("Failed")},
		{Kind: "unk", N: other, Label: v.T("Unknown")},
	}
}

func (v BackupsView) editURL(hostID string) string { return v.URL("backup-servers", hostID, "edit") }

func (v BackupsView) usersURL(hostID string) string {
	return v.URL("servers") + "?" + wtp.ServerFilter{Backup: []string{hostID}}.Values().Encode()
}

func port(n int64) string { return strconv.FormatInt(n, 10) }

// address is IP and port as one text, an IPv6 address in brackets.
func address(b wtp.BackupServer) string {
	for _, r := range b.IP {
		if r == ':' {
			return "[" + b.IP + "]:" + port(b.Port)
		}
	}
	return b.IP + ":" + port(b.Port)
}

// BackupFormView is the form that adds or changes a backup server.
type BackupFormView struct {
	Page
	Form     wtp.BackupForm
	Edit     bool              // the host ID is given by the address of the page
	Name     string            // of the chosen server, "" if unknown
	Present  *wtp.BackupServer // what HSS has now; nil: nothing, so saving adds
	Undo     int64             // number of the change that saving undoes; 0: none
	Was      string            // Present as the page carries it, for the difference that follows the typing
	Upstream *wtp.Upstream     // HSS could not be read: nothing can be saved
	Bad      []wtp.FieldError
	Diff     BackupDiffView
	Message  *wtp.Text // why nothing was sent, beside the faults of fields
	Kind     string    // of Message: "info", "warn", "bad"
	AskTick  bool      // the host ID is unknown: offer to use it all the same
	Unread   bool      // the protected directories of the server could not be read
	Uses     int64
	Old      int64 // of Uses: those known to use it at another address than its present one
	Groups   []GroupUse
	Picker   HostPickerView
}

// GroupUse is how many servers of a group use a backup server; Name "" for no
// group.
type GroupUse struct {
	Name string
	N    int64
}

// HostPickerView is the search for a server that can become a backup server.
type HostPickerView struct {
	Page
	Query    string
	Searched bool
	Choices  []wtp.HostChoice
	More     bool // more were found than are shown
	Upstream *wtp.Upstream
}

// BackupDiffView is the difference between what HSS has and what would be sent.
type BackupDiffView struct {
	Page
	Fields []wtp.FieldDiff
	Bad    map[string]bool // fields that can't be sent as they are
	Adds   bool
	Seen   string // stands for exactly this difference; "" while something can't be sent
	Notes  []wtp.Text
}

// Changed counts the fields that differ.
func (v BackupDiffView) Changed() int64 {
	var n int64
	for _, f := range v.Fields {
		if f.Changed {
			n++
		}
	}
	return n
}

func (v BackupDiffView) label(field string) string {
	switch field {
	case "host_id":
		return v.T("Server")
	case "ip":
		return v.T("IP")
	case "port":
		return v.T("Port")
	case "dir":
		return v.T("Directory")
	}
	return field
}

func (v BackupFormView) labels() map[string]string {
	return map[string]string{"host_id": v.T("Host ID"), "ip": v.T("IP address"), "port": v.T("Port"),
		"dir": v.T("Backup directory"), "reason": v.T("Reason"), "ticket": v.T("Ticket")}
}

func (v BackupFormView) field(name, label, hint string) FieldView {
	return FieldView{Name: name, Label: label, Hint: hint, Error: v.FieldErrors(v.Bad)[name]}
}

func (v BackupFormView) title() string {
	switch {
	case v.Present != nil:
		return v.T("Change backup server %s", v.Present.Label())
	case v.Name != "":
		return v.T("Add %s as a backup server", Plain(v.Name))
	}
	return v.T("Add backup server")
}

func (v BackupFormView) sub() string {
	switch {
	case v.Upstream != nil:
		return ""
	case v.Form.HostID == "":
		return v.T("Choose a server. If HSS has it as a backup server already, saving changes it; else saving adds it.")
	case v.Present == nil:
		return v.T("HSS has no backup server with this host ID, so saving adds one.")
	case v.Uses > 0:
		return v.N(v.Uses, "HSS has this backup server, so saving changes it. %d server backs up to it.", "HSS has this backup server, so saving changes it. %d servers back up to it.")
	}
	return v.T("HSS has this backup server, so saving changes it. No server backs up to it.")
}

func (v BackupFormView) button() string {
	switch {
	case v.Present != nil:
		return v.T("Save change to %s", v.Present.Label())
	case v.Name != "":
		return v.T("Add backup server %s", Plain(v.Name))
	}
	return v.T("Add backup server")
}

func (v BackupFormView) action() string {
	if v.Edit {
		return v.URL("backup-servers", v.Form.HostID, "edit")
	}
	return v.URL("backup-servers", "new")
}

func (v BackupFormView) dirHint() string {
	if v.Unread {
		return v.T("An absolute path of at most 256 characters. The protected directories of this server could not be read: make sure that none of them overlaps.")
	}
	return v.T("An absolute path of at most 256 characters, in no protected directory of this same server.")
}
