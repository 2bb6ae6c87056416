package views

import (
	"cmp"
	"net/url"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"wtp-console/internal/wtp"
)

// RemoteChoice is one backup server that servers may be pointed at.
type RemoteChoice struct {
	wtp.BackupServer
	Uses int64 // how many servers use it
	Old  int64 // of these, how many are known to use it at another address than its present one
}

func (c RemoteChoice) running() bool { return c.Status == wtp.BackupRunning }

// RemoteChoiceView asks which backup server servers are to use.
type RemoteChoiceView struct {
	Page
	Servers int64             // how many servers are to be set
	Of      *wtp.BackupServer // all that use this backup server; nil: those selected
	Only    *wtp.Server       // this one; nil: those selected
	Choices []RemoteChoice
	Chosen  string // as sent; nothing is chosen at first
	Faults  []wtp.FieldError
}

func (v RemoteChoiceView) subtitle() string {
	switch {
	case v.Only != nil:
		return v.T("For %s. Nothing changes before you have seen the preview.", serverName(*v.Only))
	case v.Of != nil:
		return v.N(v.Servers, "For the %d server that uses %s. Nothing changes before you have seen the preview.", "For all %d servers that use %s. Nothing changes before you have seen the preview.", v.Servers, v.Of.Label())
	}
	return v.N(v.Servers, "For %d selected server. Nothing changes before you have seen the preview.", "For %d selected servers. Nothing changes before you have seen the preview.")
}

func (v RemoteChoiceView) backURL() string {
	switch {
	case v.Only != nil:
		return v.URL("servers", v.Only.HostID)
	case v.Of != nil:
		return v.URL("backup-servers")
	}
	return v.URL("servers")
}

func (p Page) remoteLabels() map[string]string {
	return map[string]string{"to": p.T("Backup server"), "selection": p.T("Servers"), "confirm": p.T("Confirmation"), "reason": p.T("Reason"), "ticket": p.T("Ticket")}
}

// choiceNote says why a backup server can't be chosen, "" if it can.
func (p Page) choiceNote(c RemoteChoice, skip string) string {
	switch {
	case c.HostID == skip:
		return p.T("This is the one that is removed.")
	case c.running():
		return ""
	case c.Status == wtp.BackupFailed:
		return p.T("It failed to start. HSS takes only one that runs.")
	}
	return p.T("It does not run yet. HSS takes only one that runs.")
}

// RemotePreviewView is a plan of remote backup, or of the removal of a backup server.
type RemotePreviewView struct {
	PreviewView
	To      wtp.RemoteTo
	Names   map[string]string // of backup servers, by host ID
	Removes *wtp.BackupConfig // nil: nothing is removed
	Was     wtp.RemoteTo      // with Moved: where the plan that this one stands for pointed to
}

// servers is how many servers are sent, without the backup server that is removed.
func (v RemotePreviewView) servers() int64 {
	if v.Removes != nil && !v.stuck() {
		return max(v.Plan.ToSend-1, 0)
	}
	return v.Plan.ToSend
}

func (v RemotePreviewView) stayCount() int64 {
	var n int64
	for _, c := range v.Stay() {
		n += c.N
	}
	return n
}

func (v RemotePreviewView) off() bool { return v.To.Choice == wtp.RemoteOff }

func (v RemotePreviewView) title() string { return v.ChangeTitle(v.Plan, false) }

func (v RemotePreviewView) subtitle() string {
	if v.Removes != nil {
		return v.T("Preview made at %s by %s. Nothing has changed yet.", v.ClockText(v.Plan.PlannedAt), v.Plan.PlannedByName)
	}
	if v.To.Address {
		return v.N(v.Plan.TargetCount, "Preview of %d server with an old address, made at %s by %s. Nothing has changed yet.", "Preview of %d servers with an old address, made at %s by %s. Nothing has changed yet.", v.Plan.TargetCount, v.ClockText(v.Plan.PlannedAt), v.Plan.PlannedByName)
	}
	return v.PreviewView.subtitle()
}

// remoteReason is why a server is treated as it is, with its address where that decides.
func (v RemotePreviewView) remoteReason(t wtp.Target) string {
	_, old := wtp.SplitRemote(t.Before)
	to, ok := v.To.Server(t.Wanted)
	switch {
	case t.Why == "":
		return ""
	case t.Why != wtp.WhyOldAddress || !ok || old == "":
		return v.Say(t.Why.Reason())
	case old == wtp.UnknownAddr:
		return v.T("It uses this backup server. It was sent another address, and HSS was not read to show where it copies to.")
	}
	return v.T("It uses this backup server, as far as is known at %s. The backup server is at %s now.", old, to.Addr())
}

// addressed is a state of a target as it is shown: with the address that it is sent
// where that is what changes.
func addressed(to wtp.RemoteTo, t wtp.Target, state string) string {
	c, ok := to.Server(t.Wanted)
	if _, old := wtp.SplitRemote(t.Before); ok && old != "" && state == t.Wanted {
		return wtp.RemoteAt(state, wtp.TidyAddr(c.Addr()))
	}
	return state
}

func (v RemotePreviewView) effects() []effect {
	var s []effect
	n := v.servers()
	switch {
	case v.stuck():
		return nil // nothing of it can be sent
	case n > 0 && v.off():
		s = append(s,
			effect{"server-off", "t-bad", v.N(n, "The protected files of this server are no longer copied to another server. If its local copy is lost too, HSS cannot restore them.", "The protected files of these %d servers are no longer copied to another server. If a local copy is lost too, HSS cannot restore them.")},
			effect{"info-circle", "t-info", v.T("What was copied so far stays where it is.")})
	case n > 0 && v.Plan.UndoOf != 0:
		s = append(s, effect{"arrow-back-up", "t-info", v.T("Each server goes back to the backup server it used before, or to none.")})
	case n > 0:
		if c, ok := v.To.Server(v.To.Choice); ok {
			s = append(s, effect{"database", "t-ok", v.N(n, "%d server copies its protected files to %s, %s, from then on. It must be able to reach that address.", "%d servers copy their protected files to %s, %s, from then on. They must be able to reach that address.", n, Plain(c.Label()), c.Addr())})
		}
		if v.To.Address {
			s = append(s, effect{"info-circle", "t-info", v.T("What was copied to the old address is not moved.")})
		} else {
			s = append(s, effect{"info-circle", "t-info", v.T("What is kept on another backup server is not moved.")})
		}
		if k := v.because(wtp.WhyOldAddress); k > 0 {
			s = append(s, effect{"zoom-question", "t-info", v.N(k, "%d of these servers uses it already. HSS is asked for its address by itself after that; no list shows it.", "%d of these servers use it already. HSS is asked for the address of each by itself after that; no list shows it.")})
		}
	}
	if k := v.because(wtp.WhyImportant); k > 0 {
		s = append(s, effect{"star", "t-bad", v.N(k, "%d of these servers is marked as an important asset.", "%d of these servers are marked as important assets.")})
	}
	if v.Removes != nil {
		if n > 0 {
			s = append(s, effect{"trash", "t-warn", v.T("%s is removed only after every one of these servers was read back as moved. If one is not, it stays.", Plain(v.Removes.Label()))})
		} else {
			s = append(s, effect{"trash", "t-warn", v.T("HSS forgets %s. What it keeps in %s stays there.", Plain(v.Removes.Label()), v.Removes.Dir)})
		}
	}
	return s
}

func (v RemotePreviewView) willText() string {
	if v.stuck() {
		return v.T("Nothing of this can be sent now")
	}
	if n := v.servers(); n > 0 || v.Removes == nil {
		return v.N(n, "%d server will be sent to HSS", "%d servers will be sent to HSS")
	}
	return v.T("The backup server is removed from HSS")
}

func (v RemotePreviewView) callsText() string {
	if v.Removes != nil && v.servers() > 0 {
		return v.N(v.Plan.ToSend, "%d call: one a server, and one to remove", "%d calls: one a server, and one to remove")
	}
	if v.Removes != nil {
		return v.N(v.Plan.ToSend, "%d call", "%d calls")
	}
	return v.N(v.Plan.ToSend, "%d call, one a server", "%d calls, one a server")
}

func (v RemotePreviewView) timeText() string {
	return v.until(v.Queue.Budget.At(v.Queue.Calls+v.Plan.ToSend), v.Queue.Budget.Now)
}

// typedText is what to type to confirm, "" if nothing is asked.
func (v RemotePreviewView) typedText() string {
	return RemoteConfirmation(v.Plan, v.because(wtp.WhyImportant), v.Limits.TypedAbove, v.Removes)
}

// RemoteConfirmation is the text to type before a plan may be confirmed, "" if none is
// asked: the name of a backup server that is removed, or the number of servers that
// lose their remote backup.
func RemoteConfirmation(plan wtp.Change, important, above int64, removes *wtp.BackupConfig) string {
	if removes != nil {
		return Plain(removes.Label())
	}
	return TypedConfirmation(plan, important, above, false)
}

func (v RemotePreviewView) typedHint() string {
	if v.Removes != nil {
		return v.T("The name of the backup server that is removed.")
	}
	if v.Plan.ToSend > v.Limits.TypedAbove {
		return v.T("Asked because more than %d servers lose their remote backup.", v.Limits.TypedAbove)
	}
	return v.T("Asked because important servers are among them.")
}

func (v RemotePreviewView) button() string {
	n := v.servers()
	switch {
	case v.Removes != nil && n > 0:
		return v.N(n, "Move %d server, then remove %s", "Move %d servers, then remove %s", n, Plain(v.Removes.Label()))
	case v.Removes != nil:
		return v.T("Remove %s", Plain(v.Removes.Label()))
	case v.To.Address:
		return v.N(n, "Send the new address to %d server", "Send the new address to %d servers")
	case v.Plan.UndoOf != 0:
		return v.N(n, "Put back %d server", "Put back %d servers")
	case v.off():
		return v.N(n, "Turn off remote backup on %d server", "Turn off remote backup on %d servers")
	}
	return v.N(n, "Set remote backup on %d server", "Set remote backup on %d servers")
}

func (v RemotePreviewView) danger() bool {
	return v.Removes != nil || v.Plan.Direction == wtp.Disable
}

func (v RemotePreviewView) closed() string {
	if v.Removes == nil {
		return v.closedText()
	}
	switch {
	case v.Plan.State == wtp.Dropped:
		return v.T("This preview was cancelled or replaced. Nothing was sent.")
	case v.Plan.ExpiresAt <= wtp.At(v.Now):
		return v.T("This preview has expired, because servers may have changed since. Nothing was sent.")
	}
	return ""
}

func (v RemotePreviewView) back() string {
	switch {
	case v.Removes != nil:
		return v.URL("backup-servers", v.Removes.HostID, "remove")
	case v.Of != nil:
		return v.backURL()
	case v.To.Address:
		return v.URL("backup-servers")
	}
	q, _ := url.ParseQuery(v.Plan.Selection)
	if of := q["backup"]; len(q) == 1 && len(of) == 1 {
		return v.URL("remote-backup") + "?" + url.Values{"backup": of}.Encode()
	}
	return v.URL("remote-backup")
}

// remoteWhy is whyStatus for the reasons of remote backup.
func (p Page) remoteWhy(w wtp.Why) (status, bool) {
	switch w {
	case wtp.WhyUsesIt:
		return status{"quiet", "check", p.T("Uses it already")}, true
	case wtp.WhyUsesNone:
		return status{"quiet", "server-off", p.T("Has none already")}, true
	case wtp.WhyIsBackup:
		return status{"quiet", "database", p.T("Is the backup server")}, true
	case wtp.WhyBackupDown:
		return status{"quiet", "server-off", p.T("Backup server not running")}, true
	case wtp.WhyBackupWindows:
		return status{"quiet", "brand-windows", p.T("Windows")}, true
	case wtp.WhyBackupLinux:
		return status{"quiet", "minus", p.T("Not Linux")}, true
	case wtp.WhyNoCopies:
		return status{"warn", "server-off", p.T("No copies any more")}, true
	case wtp.WhyUsesOther:
		return status{"quiet", "history", p.T("Changed since")}, true
	case wtp.WhyOtherConfig:
		return status{"warn", "history", p.T("Changed since")}, true
	case wtp.WhyStillUsed:
		return status{"quiet", "database", p.T("Still in use")}, true
	case wtp.WhyOldAddress:
		return status{"warn", "history", p.T("Old address")}, true
	case wtp.WhyAddressGone:
		return status{"quiet", "history", p.T("Address no longer there")}, true
	}
	return status{}, false
}

// remoteWord is a state of a target of remote backup, or of a backup server that is
// removed; of a server of which the address matters that address.
func remoteWord(p Page, value string, names map[string]string) status {
	switch value {
	case "":
		return status{"quiet", "minus", p.T("None")}
	case wtp.RemoteOff:
		return status{"quiet", "server-off", p.T("No remote backup")}
	case wtp.BackupRemoved:
		return status{"quiet", "trash", p.T("Removed")}
	}
	if value[0] == '{' {
		return status{"quiet", "database", p.T("Listed")}
	}
	hostID, addr := wtp.SplitRemote(value)
	name := Plain(cmp.Or(names[hostID], hostID))
	switch addr {
	case "":
	case wtp.UnknownAddr:
		name = p.T("Address not known")
	default:
		name = Plain(addr)
	}
	return status{"quiet", "database", name}
}

// stateAddr is the address that a state of a target of remote backup is about; "" if it
// is about which backup server is used.
func stateAddr(value string) string {
	if strings.HasPrefix(value, "{") {
		return ""
	}
	_, addr := wtp.SplitRemote(value)
	if addr == wtp.UnknownAddr {
		return ""
	}
	return Plain(addr)
}

// remoteTitle is the title of a change of remote backup or of a removal.
func (p Page) remoteTitle(c wtp.Change, past bool) string {
	to, _ := wtp.ParseRemoteTo(c.BackupAfter)
	n := c.ToSend
	if c.Kind == wtp.BackupRemoval {
		name := removedName(c)
		switch {
		case past:
			return p.T("Removed backup server %s", name)
		case c.TargetCount > c.ToSend: // a plan whose servers can't all be moved
			return p.T("Backup server %s cannot be removed yet", name)
		case n > 1:
			return p.N(n-1, "Remove backup server %s after moving %d server", "Remove backup server %s after moving %d servers", name, n-1)
		}
		return p.T("Remove backup server %s", name)
	}
	if c.UndoOf != 0 {
		if past {
			return p.N(n, "Undid %s: put back remote backup on %d server", "Undid %s: put back remote backup on %d servers", numberText(c.UndoOf), n)
		}
		return p.N(n, "Undo %s: put back remote backup on %d server", "Undo %s: put back remote backup on %d servers", numberText(c.UndoOf), n)
	}
	if to.Choice == wtp.RemoteOff {
		if past {
			return p.N(n, "Turned off remote backup on %d server", "Turned off remote backup on %d servers")
		}
		return p.N(n, "Turn off remote backup on %d server", "Turn off remote backup on %d servers")
	}
	name := to.Choice
	if b, ok := to.Server(to.Choice); ok {
		name = Plain(b.Label())
	}
	switch {
	case to.Address && past:
		return p.N(n, "Sent the new address of %s to %d server", "Sent the new address of %s to %d servers", name, n)
	case to.Address:
		return p.N(n, "Send the new address of %s to %d server", "Send the new address of %s to %d servers", name, n)
	}
	if past {
		return p.N(n, "Used %s for remote backup on %d server", "Used %s for remote backup on %d servers", name, n)
	}
	return p.N(n, "Use %s for remote backup on %d server", "Use %s for remote backup on %d servers", name, n)
}

func removedName(c wtp.Change) string {
	b, err := wtp.ParseBackupConfig(c.BackupBefore)
	if err != nil {
		return ""
	}
	return Plain(b.Label())
}

// remoteKind says whether a change is of remote backup or of a removal, and how a list
// shows it.
func (p Page) remoteKind(c wtp.Change) (status, bool) {
	switch {
	case c.Kind == wtp.BackupRemoval:
		return status{"warn", "trash", p.T("Remove backup server")}, true
	case c.Kind == wtp.RemoteBackup && c.Direction == wtp.Disable && c.UndoOf == 0:
		return status{"warn", "server-off", p.T("Turn off remote backup")}, true
	case c.Kind == wtp.RemoteBackup:
		return status{"quiet", "database", p.T("Remote backup")}, true
	}
	return status{}, false
}

// remoteShort is ShortTitle of those kinds.
func (p Page) remoteShort(c wtp.Change) string {
	n := strconv.FormatInt(c.Number, 10)
	switch {
	case c.Kind == wtp.BackupRemoval:
		return p.T("#%s Remove backup server", n)
	case c.Kind == wtp.RemoteBackup:
		return p.T("#%s Remote backup", n)
	}
	return ""
}

// targetWord is a state of a target, in the words of its kind.
func (v ChangeView) targetWord(t wtp.Target, value string) templ.Component {
	if v.Change.Kind.Remote() {
		to, _ := wtp.ParseRemoteTo(v.Change.BackupAfter)
		return remoteState(v.Page, addressed(to, t, value), v.BackupNames)
	}
	if t.Kind == wtp.TomcatDir {
		return dirWord(v.Page, value)
	}
	return DynamicWord(v.Page, value)
}
