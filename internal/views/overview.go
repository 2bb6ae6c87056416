package views

import (
	"net/url"
	"sort"
	"strconv"

	"wtp-console/internal/wtp"
)

// OverviewView is a project at a glance, from the counters that are kept.
type OverviewView struct {
	Page      Page
	Groups    []GroupCoverage
	Backups   []wtp.BackupServer
	BackupUse map[string]int64 // servers by the host ID of the backup server they use; "" for none
	Recent    []RecentChange
	Timers    []TimerView // pending, the next first
}

// GroupCoverage is how far a server group has dynamic WTP.
type GroupCoverage struct {
	Name                   string // "" for servers of no group
	Total, On, Off, Cannot int64  // Total is the sum of the others
}

// RecentChange is one line of the latest changes.
type RecentChange struct {
	Change wtp.Change
	Tally  Tally
	Until  wtp.Instant // when its pending timer turns back on; 0: it has none
}

// maxGroups is how many groups the overview shows; the list has them all.
const maxGroups = 10

func (g GroupCoverage) add(o GroupCoverage) GroupCoverage {
	g.Total, g.On, g.Off, g.Cannot = g.Total+o.Total, g.On+o.On, g.Off+o.Off, g.Cannot+o.Cannot
	return g
}

// can is how many servers can have dynamic WTP.
func (g GroupCoverage) can() int64 { return g.On + g.Off }

func (g GroupCoverage) slices(p Page) []Slice {
	return []Slice{
		{Kind: "ok", N: g.On, Label: p.T("On")},
		{Kind: "warn", N: g.Off, Label: p.T("Off")},
		{Kind: "faint", N: g.Cannot, Label: p.T("Not possible")},
	}
}

func (v OverviewView) all() GroupCoverage {
	var sum GroupCoverage
	for _, g := range v.Groups {
		sum = sum.add(g)
	}
	return sum
}

// groups are the largest groups first, those of no group last.
func (v OverviewView) groups() []GroupCoverage {
	sorted := append([]GroupCoverage(nil), v.Groups...)
	sort.SliceStable(sorted, func(i, j int) bool {
		if (sorted[i].Name == "") != (sorted[j].Name == "") {
			return sorted[j].Name == ""
		}
		return sorted[i].Total > sorted[j].Total
	})
	return sorted[:min(len(sorted), maxGroups)]
}

func (v OverviewView) groupName(g GroupCoverage) string {
	if g.Name == "" {
		return v.Page.T("No group")
	}
	return Plain(g.Name)
}

func (v OverviewView) groupURL(g GroupCoverage) string {
	name := g.Name
	if name == "" {
		name = "-"
	}
	return v.Page.URL("servers") + "?" + url.Values{"group": {name}}.Encode()
}

// percent is the share with its sign, or a dash if no server can have it.
func (g GroupCoverage) percent() string {
	if g.can() == 0 {
		return "–"
	}
	return g.share() + "%"
}

// share is on of can with one decimal. It says 100.0 or 0.0 only when that is
// exact. can is not 0.
func (g GroupCoverage) share() string {
	tenths := (g.On*1000 + g.can()/2) / g.can()
	switch {
	case tenths == 0 && g.On > 0:
		tenths = 1
	case tenths == 1000 && g.Off > 0:
		tenths = 999
	}
	return strconv.FormatInt(tenths/10, 10) + "." + strconv.FormatInt(tenths%10, 10)
}

func (v OverviewView) subtitle() string {
	project := v.Page.Project
	switch project.EnterpriseProjectID {
	case "":
		return v.Page.T("Region %s", project.Region)
	case "all_granted_eps":
		return v.Page.T("Region %s, all enterprise projects", project.Region)
	}
	return v.Page.T("Region %s, enterprise project %s", project.Region, project.EnterpriseProjectID)
}

func (v OverviewView) backupSlices() []Slice {
	count := map[int64]int64{}
	for _, b := range v.Backups {
		count[b.Status]++
	}
	known := count[wtp.BackupRunning] + count[wtp.BackupStarting] + count[wtp.BackupNotStarted] + count[wtp.BackupFailed]
	return []Slice{
		{Kind: "ok", N: count[wtp.BackupRunning], Label: v.Page.T("Running")},
		{Kind: "info", N: count[wtp.BackupStarting], Label: v.Page.T("Starting")},
		{Kind: "idle", N: count[wtp.BackupNotStarted], Label: v.Page.T("Not started")},
		{Kind: "bad", N: count[wtp.BackupFailed], Label: v.Page.T("Start failed")},
		{Kind: "unk", N: int64(len(v.Backups)) - known, Label: v.Page.T("Unknown")},
	}
}

// troubledBackups are those that don't run, at most five; the list has them all.
func (v OverviewView) troubledBackups() []wtp.BackupServer {
	var out []wtp.BackupServer
	for _, b := range v.Backups {
		if b.Status != wtp.BackupRunning && len(out) < 5 {
			out = append(out, b)
		}
	}
	return out
}

func (v OverviewView) withBackup() int64 {
	var n int64
	for id, count := range v.BackupUse {
		if id != "" {
			n += count
		}
	}
	return n
}

func (c RecentChange) icon() string {
	switch {
	case c.Change.UndoOf != 0:
		return "arrow-back-up"
	case c.Change.SetIn != 0:
		return "clock-shield"
	case c.Change.Kind == wtp.BackupRemoval:
		return "trash"
	case c.Change.Kind == wtp.TomcatDir:
		return "folder"
	case c.Change.Kind == wtp.BackupHost, c.Change.Kind == wtp.RemoteBackup:
		return "database"
	case c.Change.Direction == wtp.Enable:
		return "shield-check-f"
	}
	return "shield-off"
}

// status is the state of the change; while it runs, how far it is.
func (v OverviewView) status(c RecentChange) status {
	s := v.Page.changePill(c.Change, c.Tally)
	if c.Change.State == wtp.Running && s.kind == "info" {
		s.text = v.Page.T("%d of %d", max(c.Change.ToSend-c.Tally.open(), 0), c.Change.ToSend)
	}
	if s.kind == "plain" {
		s.kind = "quiet"
	}
	return s
}

func (v OverviewView) title(c RecentChange) string {
	return v.Page.Timed(v.Page.ChangeTitle(c.Change, c.Change.State == wtp.Done && c.Tally.Confirmed == c.Change.ToSend), c.Until)
}

// ShortTitle is a change in a few words: "#2480 Turn on".
func (p Page) ShortTitle(c wtp.Change) string {
	n := strconv.FormatInt(c.Number, 10)
	switch {
	case c.UndoOf != 0:
		return p.T("#%s Undo %s", n, numberText(c.UndoOf))
	case c.Kind.Remote():
		return p.remoteShort(c)
	case c.Kind == wtp.TomcatDir:
		return p.T("#%s Tomcat bin directory", n)
	case c.Kind == wtp.BackupHost:
		return p.T("#%s Backup server", n)
	case c.Direction == wtp.Enable:
		return p.T("#%s Turn on", n)
	}
	return p.T("#%s Turn off", n)
}

// ChangeURL is the permanent address of a change of any project.
func ChangeURL(slug string, number int64) string {
	return "/p/" + url.PathEscape(slug) + "/changes/" + strconv.FormatInt(number, 10)
}
