package views

import (
	"net/url"

	"wtp-console/internal/wtp"
)

// RemovalView is a backup server before it is removed, with who uses it.
type RemovalView struct {
	Page
	Server  wtp.BackupServer
	Uses    int64       // how many servers use it
	Stay    []PlanCount // how many of them can't be moved now, for each reason
	Place   RemovalPlace
	Users   []RemovalUser // one page of those that the place asks for
	Shown   int64         // how many those are, on all pages
	Next    int64         // After of the next page; 0: there is none
	Choices []RemoteChoice
	Chosen  string
	Faults  []wtp.FieldError // of the form or the address
}

// RemovalPlace is which of the servers that use a backup server a page shows.
type RemovalPlace struct {
	Part  string // RemovalCan, RemovalCannot, or "" for all
	Why   wtp.Why
	Query string // part of name, address or host ID
	After int64  // how many are on the pages before
}

// Parts of the servers that use a backup server.
const (
	RemovalCan    = "can"    // they can be moved to another one
	RemovalCannot = "cannot" // not now
)

// RemovalUser is a server that uses a backup server.
type RemovalUser struct {
	wtp.Server
	Stays wtp.Why // why it can't be moved now, "" if it can
}

func (v RemovalView) url(parts ...string) string {
	return v.URL(append([]string{"backup-servers", v.Server.HostID}, parts...)...)
}

// stay is how many servers can't be moved now. As long as there are any, the backup
// server can't be removed.
func (v RemovalView) stay() int64 {
	var n int64
	for _, c := range v.Stay {
		n += c.N
	}
	return n
}

func (v RemovalView) move() int64 { return max(v.Uses-v.stay(), 0) }

func (v RemovalView) title() string {
	if v.stay() > 0 {
		return v.T("Backup server %s cannot be removed yet", Plain(v.Server.Label()))
	}
	return v.T("Remove backup server %s", Plain(v.Server.Label()))
}

func (v RemovalView) subtitle() string {
	n := v.stay()
	switch {
	case v.Uses == 0:
		return v.T("No server uses it. Nothing changes before you have seen the preview.")
	case n > 0:
		return v.N(n, "%d of the %d servers that use it cannot be moved now. It is removed only when no server uses it.", "%d of the %d servers that use it cannot be moved now. It is removed only when no server uses it.", n, v.Uses)
	}
	return v.N(v.Uses, "%d server uses it and has to be moved first. Nothing changes before you have seen the preview.", "%d servers use it and have to be moved first. Nothing changes before you have seen the preview.")
}

// planURL is where the choice goes: to a plan that moves servers and removes the backup
// server, or, while some can't be moved, to one that moves the others.
func (v RemovalView) planURL() string {
	if v.stay() > 0 {
		return v.URL("remote-backup", "previews")
	}
	return v.url("remove")
}

func (v RemovalView) whereText() string {
	if v.stay() > 0 {
		return v.N(v.move(), "Where does the other server go meanwhile?", "Where do the other %d servers go meanwhile?")
	}
	return v.N(v.Uses, "Where does its server go first?", "Where do its %d servers go first?")
}

func (p RemovalPlace) values() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"show": p.Part, "why": string(p.Why), "q": p.Query} {
		if value != "" {
			q.Set(name, value)
		}
	}
	setNumber(q, "after", p.After)
	return q
}

func (v RemovalView) listURL(p RemovalPlace) string {
	return withQuery(v.url("remove"), p.values().Encode()) + "#users"
}

// csvURL is what is listed as a table, all pages of it.
func (v RemovalView) csvURL() string {
	p := v.Place
	p.After = 0
	return withQuery(v.url("servers.csv"), p.values().Encode())
}

// saysUsers is what a swap of the list says.
func (v RemovalView) saysUsers() string {
	if len(v.faults(true)) > 0 {
		return "" // an alert says it
	}
	return v.pager().Text
}

type removalTab struct {
	part, text string
	n          int64
}

func (v RemovalView) tabs() []removalTab {
	if v.stay() == 0 {
		return []removalTab{{"", v.T("All"), v.Uses}}
	}
	return []removalTab{{"", v.T("All"), v.Uses}, {RemovalCannot, v.T("Cannot be moved now"), v.stay()}, {RemovalCan, v.T("Can be moved"), v.move()}}
}

// faults are those of the form, or (of the address) the others.
func (v RemovalView) faults(ofAddress bool) []wtp.FieldError {
	var s []wtp.FieldError
	for _, e := range v.Faults {
		if (e.Field != "to") == ofAddress {
			s = append(s, e)
		}
	}
	return s
}

func (v RemovalView) narrowed() bool { return v.Place.Why != "" || v.Place.Query != "" }

func (v RemovalView) pager() PagerView {
	pv := PagerView{Text: v.T("%d of %d", int64(len(v.Users)), v.Shown), Part: "users"}
	at := v.Place
	if v.Place.After > 0 {
		at.After = 0
		pv.First = v.listURL(at)
	}
	if v.Next > 0 {
		at.After = v.Next
		pv.Next = v.listURL(at)
	}
	return pv
}

func (v RemovalView) whyOption(c PlanCount) string {
	return v.T("%s (%d)", v.whyStatus(c.Why).text, c.N)
}

// wayOut is what a person can do about a server that can't be moved for this reason.
func (p Page) wayOut(w wtp.Why) string {
	switch w {
	case wtp.WhyAgentOffline:
		return p.T("Bring its agent online again. If the server is gone for good, end its WTP in the HSS console.")
	case wtp.WhyAgentMissing:
		return p.T("Install its agent again. If the server is gone for good, end its WTP in the HSS console.")
	case wtp.WhyInterrupted:
		return p.T("Start the server and its agent again.")
	case wtp.WhyPaused:
		return p.T("Resume its WTP in the HSS console.")
	case wtp.WhyStarting:
		return p.T("Wait until its WTP has started.")
	case wtp.WhyStartFailed:
		return p.T("Look in the HSS console why its WTP failed to start.")
	case wtp.WhyNotProtected:
		return p.T("Turn its WTP on in the HSS console, at least until it was moved.")
	case wtp.WhyOpenChange:
		return p.T("Wait for that change, or stop it.")
	case wtp.WhyBackupWindows, wtp.WhyBackupLinux:
		return p.T("Turn its remote backup off in the HSS console.")
	case wtp.WhyIsBackup:
		return p.T("Choose another backup server for it, from its own page.")
	case wtp.WhyBackupDown:
		return p.T("Choose a backup server that runs.")
	}
	return p.T("Read again, and look what HSS shows then.")
}

// removalOf is how much a removal sends: the backup server is none of its servers.
func (v ChangeView) removalOf() string {
	if v.Change.ToSend == 1 {
		return v.T("of 1 backup server")
	}
	return v.T("of %d, backup server included", v.Change.ToSend)
}

// removalStopped says what HSS did not accept before a stop: the backup server, which is the
// last, and so many servers.
func (v ChangeView) removalStopped(servers int64) string {
	by := v.Change.StoppedByName
	switch {
	case by != "" && servers > 0:
		return v.N(servers, "%s stopped this change. %d server stays as it was, and the backup server was not removed.", "%s stopped this change. %d servers stay as they were, and the backup server was not removed.", by, servers)
	case by != "":
		return v.T("%s stopped this change. The backup server was not removed.", by)
	case servers > 0:
		return v.N(servers, "The console stopped this change. %d server stays as it was, and the backup server was not removed.", "The console stopped this change. %d servers stay as they were, and the backup server was not removed.")
	}
	return v.T("The console stopped this change. The backup server was not removed.")
}

// countedName is the name of a bucket beside how many are in it. The backup server that
// is removed is none of the servers, and is counted where it can be sent or can't.
func (v PreviewView) countedName(b wtp.Bucket) string {
	held := b == wtp.WillChange
	if v.stuck() {
		held = b == wtp.Cannot && v.because(wtp.WhyStillUsed) > 0
	}
	if v.Plan.Kind != wtp.BackupRemoval || !held || v.count(b) < 2 {
		return v.bucketName(b)
	}
	return v.T("%s, backup server included", v.bucketName(b))
}
