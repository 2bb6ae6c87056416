package views

import (
	"strconv"

	"wtp-console/internal/wtp"
)

// Linked is what a change, or a plan, is connected with.
type Linked struct {
	Of   *wtp.Change  // what it undoes or tries again; nil: nothing
	Undo []wtp.Change // changes that undo it
	Next []wtp.Change // changes that try it again or go on with it

	Still *wtp.BackupServer // of a removal that is over: the backup server, if HSS still lists it

	Aside   int64 // of a removal that is over: 1 if the part that is listed holds the backup server, which is no server to select
	LeftOff int64 // of a plan that undoes: servers that stay off if it cancels the timer of what it undoes
}

// undoTitle is the title of a change that undoes another one.
func (p Page) undoTitle(c wtp.Change, past bool) string {
	of := numberText(c.UndoOf)
	switch {
	case c.Kind == wtp.BackupHost:
		return p.T("Undo %s: change backup server %s", of, backupTitle(c))
	case c.Direction == wtp.Enable && past:
		return p.N(c.ToSend, "Undid %s: turned on dynamic WTP on %d server", "Undid %s: turned on dynamic WTP on %d servers", of, c.ToSend)
	case c.Direction == wtp.Enable:
		return p.N(c.ToSend, "Undo %s: turn on dynamic WTP on %d server", "Undo %s: turn on dynamic WTP on %d servers", of, c.ToSend)
	case past:
		return p.N(c.ToSend, "Undid %s: turned off dynamic WTP on %d server", "Undid %s: turned off dynamic WTP on %d servers", of, c.ToSend)
	}
	return p.N(c.ToSend, "Undo %s: turn off dynamic WTP on %d server", "Undo %s: turn off dynamic WTP on %d servers", of, c.ToSend)
}

// mayFollow says whether the reader may plan something from this change.
func (v ChangeView) mayFollow() bool { return v.Change.State.Over() && v.May(wtp.Act) }

// plans says whether a change of this kind is undone and tried again by a plan.
func (v ChangeView) plans() bool {
	return v.Change.Kind == wtp.DynamicWTP || v.Change.Kind == wtp.RemoteBackup || v.unremoved()
}

// unremoved says whether a removal ended without the backup server being removed.
func (v ChangeView) unremoved() bool {
	return v.Change.Kind == wtp.BackupRemoval && v.Linked.Still != nil && v.failed()+v.unknown()+v.Tally.of(wtp.TargetStopped) > 0
}

func (v ChangeView) undoable() bool {
	if v.Change.Kind == wtp.BackupRemoval && (v.Change.ToSend == 1 || !v.unremoved() || v.Linked.Still.Status != wtp.BackupRunning) {
		return false // nothing was moved, or HSS takes nobody back
	}
	return v.mayFollow() && v.plans() && v.Tally.of(wtp.TargetAccepted)+v.unknown() > 0
}

// retriable is how many servers failed and may be tried again.
func (v ChangeView) retriable() int64 {
	if !v.mayFollow() || !v.plans() || v.unremoved() && v.unsent() > 0 { // one plan has the rest of a removal
		return 0
	}
	return v.failed() + v.unknown()
}

// unsent is how many servers the change can go on with.
func (v ChangeView) unsent() int64 {
	if !v.mayFollow() || !v.plans() {
		return 0
	}
	return v.Tally.of(wtp.TargetStopped)
}

// offers says whether the notice of a change that stopped by itself offers what
// to do; it does until somebody has chosen.
func (v ChangeView) offers() bool {
	return v.Change.State == wtp.Stopped && v.Change.StoppedByName == "" && v.unsent() > 0 && len(v.Linked.Undo) == 0 && len(v.Linked.Next) == 0
}

func (v ChangeView) retryText() string {
	if v.unremoved() {
		return v.T("Plan the rest again…")
	}
	return v.N(v.retriable(), "Retry %d failed…", "Retry %d failed…")
}

func (v ChangeView) goOnText() string {
	if v.unremoved() {
		return v.T("Plan the rest again…")
	}
	return v.N(v.unsent(), "Go on with %d…", "Go on with %d…")
}

// addAgain says whether the page offers to add a backup server that was removed.
func (v ChangeView) addAgain() bool {
	return v.mayFollow() && v.Change.Kind == wtp.BackupRemoval && v.Tally.Confirmed == v.Change.ToSend
}

// goOnKind makes one button of the head the main one.
func (v ChangeView) goOnKind() string {
	if v.retriable() > 0 && !v.offers() {
		return ""
	}
	return "primary"
}

// selectable is how many servers "Select these" would select.
func (v ChangeView) selectable() int64 {
	if !v.mayFollow() || v.Change.Kind == wtp.BackupHost || v.Why != "" || len(v.Faults) > 0 {
		return 0
	}
	return v.listed() - v.Linked.Aside
}

func (v ChangeView) selectText() string {
	return v.N(v.selectable(), "Select this server", "Select these %d")
}

func (v ChangeView) noUndoText() string {
	switch {
	case v.Change.Kind == wtp.BackupRemoval && v.Change.State.Over() && v.Linked.Still == nil:
		return v.T("Not possible: add the backup server again, and set remote backup of its servers.")
	case v.Change.Kind == wtp.TomcatDir && v.Change.State.Over():
		return v.noTomcatUndo()
	case v.Change.Kind != wtp.BackupHost || !v.Change.State.Over():
		return ""
	case v.Change.BackupBefore == "":
		return v.T("Not possible: this change added the backup server.")
	case v.UndoBackup == "":
		return v.T("Not possible: HSS does not show what this change set.")
	}
	return ""
}

// linkedSelection is selectedBy for a change that follows another one.
func (v ChangeView) linkedSelection() string {
	switch {
	case v.Change.SetIn != 0:
		return v.T("What %s turned off", numberText(v.Change.SetIn))
	case v.Change.TimerOf != 0:
		return v.T("What a timed change turned off")
	case v.Change.UndoOf != 0:
		return v.T("What %s switched", numberText(v.Change.UndoOf))
	case v.Change.RetryOf != 0:
		return v.T("Servers of %s that did not succeed", numberText(v.Change.RetryOf))
	}
	return ""
}

func (v ChangeView) linkURL(c wtp.Change) string {
	return v.URL("changes", strconv.FormatInt(c.Number, 10))
}

// ofURL is the change that a plan follows.
func (v PreviewView) ofURL() string {
	return v.URL("changes", strconv.FormatInt(v.Of.Number, 10))
}

// backURL is where the servers of a plan come from.
func (v PreviewView) backURL() string {
	if v.Of != nil {
		return v.ofURL()
	}
	return v.URL("servers")
}

func (v PreviewView) backText() string {
	if v.Of != nil {
		return v.T("Back to %s", numberText(v.Of.Number))
	}
	return v.T("Change selection")
}

func (v PreviewView) ofText() string {
	switch {
	case v.Plan.TimerOf != 0:
		return v.T("Confirming ends the timer. Only servers that this change turned off are turned on; a newer change of a server is left alone.")
	case v.Plan.Kind == wtp.BackupRemoval:
		return v.T("Servers that use the backup server by now are moved, then it is removed.")
	case v.Plan.UndoOf != 0:
		return v.T("Only servers that it really switched are switched back. What was so before stays, and what was changed since is left alone.")
	}
	return v.T("The same direction again, for servers that did not succeed.")
}

// unreadText says that the inventory is older than the change to undo, "" if it
// isn't.
func (v PreviewView) unreadText() string {
	if v.Plan.UndoOf == 0 || v.Of == nil || v.Project == nil || v.Project.ReadAt > v.Of.FinishedAt {
		return ""
	}
	n := v.because(wtp.WhyNotRead)
	if n == 0 {
		return v.T("HSS was not read since %s ended.", numberText(v.Of.Number))
	}
	return v.N(n, "HSS was not read since %s ended, so %d server is skipped. Read it again, then plan the undo anew.", "HSS was not read since %s ended, so %d servers are skipped. Read it again, then plan the undo anew.", numberText(v.Of.Number), n)
}

func (v PreviewView) linkedSubtitle() string {
	of, at := numberText(v.Of.Number), v.ClockText(v.Plan.PlannedAt)
	if v.Plan.UndoOf != 0 {
		return v.N(v.Plan.TargetCount, "Preview of %d server that %s switched, made at %s by %s. Nothing has changed yet.", "Preview of %d servers that %s switched, made at %s by %s. Nothing has changed yet.", v.Plan.TargetCount, of, at, v.Plan.PlannedByName)
	}
	return v.N(v.Plan.TargetCount, "Preview of %d server of %s, made at %s by %s. Nothing has changed yet.", "Preview of %d servers of %s, made at %s by %s. Nothing has changed yet.", v.Plan.TargetCount, of, at, v.Plan.PlannedByName)
}

// linkedClosed is closedText for a plan that follows a change.
func (v PreviewView) linkedClosed() string {
	switch {
	case v.Plan.State == wtp.Dropped:
		return v.T("This preview was cancelled or replaced. Nothing was sent. Make a new one from the page of %s.", numberText(v.Of.Number))
	case v.Plan.ExpiresAt <= wtp.At(v.Now):
		return v.T("This preview has expired, because servers may have changed since. Nothing was sent. Make a new one from the page of %s.", numberText(v.Of.Number))
	}
	return ""
}
