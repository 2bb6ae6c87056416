package views

import (
	"net"
	"strconv"

	"wtp-console/internal/wtp"
)

// ServerView is one server with its history.
type ServerView struct {
	Page
	Server wtp.Server
	Backup *wtp.BackupServer // the backup server in use, nil for none or one that HSS doesn't list
	// OldAddr is the address at which it is known to use that one, "" if that isn't known
	// or is the present one.
	OldAddr string
	// BackupNames are the names of backup servers by host ID.
	BackupNames map[string]string
	Shared      int64 // how many servers use that backup server
	History     []ServerEntry
	Older       int64        // pass as ?before= for older entries; 0 for none
	Newest      bool         // the first page of the history
	Open        *ServerEntry // a change of this server that is under way
	Until       *Until       // when it turns on by itself; nil: it doesn't
	Enable      wtp.Bucket   // where turning on would put it
	Why         wtp.Why      // and why
	Disable     wtp.Bucket
	WhyNot      wtp.Why
	Tomcat      wtp.TomcatBin // ReadAt 0: not read yet
	Restart     *wtp.Restart  // its entry on the restart list; nil: none is open
}

// ServerEntry is one change of one server.
type ServerEntry struct {
	Change wtp.Change
	Target wtp.Target
}

func (v ServerView) title() string { return serverName(v.Server) }

func (v ServerView) changeURL(e ServerEntry) string {
	return v.URL("changes", strconv.FormatInt(e.Change.Number, 10))
}

// entryStatus is how an entry of the history is shown.
func (v ServerView) entryStatus(e ServerEntry) status {
	s := outcomeStatus(v.Page, e.Target.Outcome, e.Target.Shown())
	if e.Target.Kind == wtp.DynamicWTP && e.Target.Outcome == wtp.TargetAccepted {
		wanted := dynamicWord(v.Page, e.Target.Wanted)
		s.icon = wanted.icon
		if e.Target.Confirmed() {
			s.kind = wanted.kind
		}
	}
	return s
}

// wanted is the state that a change of remote backup was to bring.
func (e ServerEntry) wanted() string {
	to, _ := wtp.ParseRemoteTo(e.Change.BackupAfter)
	return addressed(to, e.Target, e.Target.Wanted)
}

func (v ServerView) entryText(e ServerEntry) string {
	switch {
	case e.Target.Kind == wtp.RemoteBackup && e.Target.Wanted == wtp.RemoteOff:
		return v.T("Turn off remote backup")
	case e.Target.Kind == wtp.RemoteBackup:
		return v.T("Set remote backup")
	case e.Change.Kind == wtp.BackupRemoval:
		return v.T("Backup server removed")
	case e.Target.Kind == wtp.TomcatDir:
		return v.T("Tomcat bin directory set")
	case e.Change.Kind == wtp.BackupHost:
		return v.T("Backup server set")
	case e.Change.Direction == wtp.Enable:
		return v.T("Turn on dynamic WTP")
	case e.Change.Direction == wtp.Disable:
		return v.T("Turn off dynamic WTP")
	}
	return string(e.Change.Kind)
}

func (v ServerView) entryReason(e ServerEntry) string {
	if e.Change.SetIn != 0 {
		return v.automatic(e.Change)
	}
	return v.T("%s: %s", e.Change.ConfirmedByName, e.Change.Reason)
}

func (v ServerView) backupAddress() string {
	if v.Backup == nil {
		return ""
	}
	return hostPort(v.Backup.IP, v.Backup.Port)
}

func (v ServerView) sharedText() string {
	return v.N(v.Shared-1, "%d other server", "%d other servers")
}

// dynamicNote says what stands in the way of dynamic WTP on this server.
func (v ServerView) dynamicNote() string {
	if v.Enable == wtp.Cannot {
		return v.Say(v.Why.Reason())
	}
	return ""
}

func (v ServerView) olderURL() string {
	return withQuery(v.URL("servers", v.Server.HostID), "before="+strconv.FormatInt(v.Older, 10))
}

func hostPort(ip string, port int64) string {
	return net.JoinHostPort(ip, strconv.FormatInt(port, 10))
}

// noBackupText says that a server uses no backup server, or one that HSS doesn't list.
func (v ServerView) noBackupText() string {
	if v.Server.BackupHostID != "" {
		return v.T("It uses a backup server that HSS does not list.")
	}
	return v.T("Its protected files are not copied to another server.")
}
