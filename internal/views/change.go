package views

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/a-h/templ"

	"wtp-console/internal/wtp"
)

// Tally is how many targets of a change stand where.
type Tally struct {
	Outcome   map[wtp.Outcome]int64
	Confirmed int64 // accepted, and reading back showed what was wanted
	Otherwise int64 // accepted, but reading back shows something else
}

func (t Tally) of(o wtp.Outcome) int64 { return t.Outcome[o] }

func (t Tally) total() int64 {
	var n int64
	for _, k := range t.Outcome {
		n += k
	}
	return n
}

// open is how many are not decided yet.
func (t Tally) open() int64 {
	return t.of(wtp.TargetWaiting) + t.of(wtp.TargetSending) + t.of(wtp.TargetUnclear)
}

// unseen is how many HSS accepted and no reading has shown yet.
func (t Tally) unseen() int64 {
	return max(t.of(wtp.TargetAccepted)-t.Confirmed-t.Otherwise, 0)
}

// Problem is one kind of trouble of a change with the number of its servers.
type Problem struct {
	Outcome       wtp.Outcome
	Code, Message string // of HSS
	N             int64
	AtLeast       bool // there may be more than N
}

// ChangeView is one change: its progress or result, its servers and its calls.
type ChangeView struct {
	Page
	Change        wtp.Change
	Tally         Tally
	Boxes         []wtp.Box       // how its batches stand
	BatchNos      map[int64]int64 // numbers of the batches of Calls, by ID
	Problems      []Problem
	Queue         QueueView         // while it isn't over
	Pending       PendingView       // while it isn't over
	Diff          []wtp.FieldDiff   // of a backup server
	Backup        *wtp.BackupServer // as the inventory shows it now
	BackupNames   map[string]string // of backup servers, by host ID
	Tab           string            // "" for all; see ChangeTab
	Why           wtp.Why
	Targets       []wtp.Target
	Overtaken     map[string]int64 // the number of the newer change of those of Targets not seen yet, by host ID
	After, Before int64            // place in the list of targets
	Prev, Next    int64            // Before and After of the pages beside it; 0: none
	Calls         []wtp.Call
	CallsAfter    int64
	CallsNext     int64
	Faults        []wtp.FieldError // of the address
	Linked        Linked
	Timer         *TimerView // of this change; nil: it has none
	MadeBy        *TimerView // the timer that made this change; nil: a person did
	TimerForm     TimerForm  // as typed
	Restarts      int64      // servers of it on the restart list, up to MoreRestarts
	UndoBackup    string     // the form that undoes the change of a backup server; "": none
	Drawn         string     // TallyKey when the lists were drawn; "" for now
}

// ChangeTab reads a tab of the list of targets: "" (all), an outcome's word, or one
// of those that narrow accepted by what reading back showed. ok is false for a word
// it doesn't know.
func ChangeTab(word string) (o wtp.Outcome, seen wtp.Seen, ok bool) {
	switch word {
	case "":
		return "", "", true
	case tabConfirmed:
		return wtp.TargetAccepted, wtp.SeenWanted, true
	case tabNotSeen:
		return wtp.TargetAccepted, wtp.SeenNothing, true
	case tabOtherwise:
		return wtp.TargetAccepted, wtp.SeenOtherwise, true
	}
	for _, o := range wtp.Outcomes() {
		if word == string(o) {
			return o, "", true
		}
	}
	return "", "", false
}

// The tabs of what HSS accepted.
const (
	tabConfirmed = "confirmed"
	tabNotSeen   = "not_seen"
	tabOtherwise = "otherwise"
)

// ChangeTitle says what a change does; past says it is done and seen.
func (p Page) ChangeTitle(c wtp.Change, past bool) string {
	if c.Kind.Remote() {
		return p.remoteTitle(c, past)
	}
	if c.Kind == wtp.TomcatDir {
		return p.tomcatTitle(c, past)
	}
	if c.UndoOf != 0 {
		return p.undoTitle(c, past)
	}
	if c.Kind == wtp.BackupHost {
		name := backupTitle(c)
		switch {
		case c.BackupBefore == "" && past:
			return p.T("Added backup server %s", name)
		case c.BackupBefore == "":
			return p.T("Add backup server %s", name)
		case past:
			return p.T("Changed backup server %s", name)
		}
		return p.T("Change backup server %s", name)
	}
	switch {
	case c.Direction == wtp.Enable && past:
		return p.N(c.ToSend, "Turned on dynamic WTP on %d server", "Turned on dynamic WTP on %d servers")
	case c.Direction == wtp.Enable:
		return p.N(c.ToSend, "Turn on dynamic WTP on %d server", "Turn on dynamic WTP on %d servers")
	case past:
		return p.N(c.ToSend, "Turned off dynamic WTP on %d server", "Turned off dynamic WTP on %d servers")
	}
	return p.N(c.ToSend, "Turn off dynamic WTP on %d server", "Turn off dynamic WTP on %d servers")
}

func backupTitle(c wtp.Change) string {
	var to wtp.BackupConfig
	if json.Unmarshal([]byte(c.BackupAfter), &to) != nil {
		return ""
	}
	if to.Name != "" {
		return Plain(to.Name)
	}
	return to.IP
}

// complete says whether everything that was sent is done and seen.
func (v ChangeView) complete() bool {
	return v.Change.State == wtp.Done && v.Change.ToSend > 0 && v.Tally.Confirmed == v.Change.ToSend
}

func (v ChangeView) title() string {
	var until wtp.Instant
	if v.pending() {
		until = v.Timer.DueAt
	}
	return v.Timed(v.ChangeTitle(v.Change, v.complete()), until)
}

// Timed is the title of a change with the time until which it holds: that of its
// timer, as long as that is pending; 0: none.
func (p Page) Timed(title string, until wtp.Instant) string {
	if until == 0 {
		return title
	}
	return p.T("%s until %s", title, p.ClockText(until))
}

func (v ChangeView) failed() int64 { return v.Tally.of(wtp.TargetRefused) }

func (v ChangeView) unknown() int64 { return v.Tally.of(wtp.TargetUnknown) }

func (v ChangeView) stopping() bool {
	return !v.Change.State.Over() && (v.Change.StoppedByName != "" || v.Change.StopWhy != "")
}

// readingBack says whether readings of HSS are still due for this change.
func (v ChangeView) readingBack() bool { return v.Change.State.Over() && v.Change.ReadBackAt != 0 }

func (v ChangeView) live() bool { return !v.Change.State.Over() || v.readingBack() }

// outcome is outcomeStatus, but while the change is read back HSS shows what was
// before: that is no fault yet.
func (v ChangeView) outcome(o wtp.Outcome, seen wtp.Seen) status {
	if o == wtp.TargetAccepted && seen == wtp.SeenOtherwise && v.live() {
		return status{"quiet", "circle-dashed", v.T("Accepted, HSS does not show it yet")}
	}
	return outcomeStatus(v.Page, o, seen)
}

func (v ChangeView) pill() status { return v.changePill(v.Change, v.Tally) }

// changePill is where a change stands, in one phrase.
func (p Page) changePill(c wtp.Change, t Tally) status {
	bad, unknown := t.of(wtp.TargetRefused), t.of(wtp.TargetUnknown)
	stopping := !c.State.Over() && (c.StoppedByName != "" || c.StopWhy != "")
	switch {
	case stopping:
		return status{"warn", "loader-2", p.T("Stopping")}
	case c.State != wtp.Done:
		return stateStatus(p, c.State)
	case bad > 0 && unknown > 0:
		return status{"bad", "alert-circle", p.T("Finished, %d refused, %d unknown", bad, unknown)}
	case bad > 0:
		return status{"bad", "alert-circle", p.T("Finished, %d refused", bad)}
	case unknown > 0:
		return status{"warn", "help-circle", p.T("Finished, %d unknown", unknown)}
	case t.Confirmed == c.ToSend:
		return status{"ok", "circle-check", p.T("Finished, read back")}
	case c.ReadBackAt != 0:
		return status{"info", "loader-2", p.T("Accepted, reading back")}
	case t.Otherwise > 0:
		return status{"warn", "alert-triangle", p.T("Accepted, HSS shows otherwise on %d", t.Otherwise)}
	}
	return status{"warn", "clock-exclamation", p.T("Accepted, not all seen")}
}

func (v ChangeView) subtitle() string {
	c := v.Change
	switch {
	case c.State == wtp.Queued:
		return v.T("Confirmed %s by %s. It waits for its turn; you can leave this page.", v.ClockText(c.ConfirmedAt), v.byWhom(c))
	case !c.State.Over():
		return v.T("Started %s by %s. You can leave this page, it keeps running.", v.ClockText(c.StartedAt), v.byWhom(c))
	}
	return v.T("%s, %s to %s", v.whoText(c), v.When(v.began()), v.ClockText(c.FinishedAt))
}

func (v ChangeView) began() wtp.Instant {
	if v.Change.StartedAt != 0 {
		return v.Change.StartedAt
	}
	return v.Change.ConfirmedAt
}

func (v ChangeView) url(parts ...string) string {
	return v.URL(append([]string{"changes", strconv.FormatInt(v.Change.Number, 10)}, parts...)...)
}

// HeadKey names what the head of the page shows, so that a poll swaps it only
// when it has changed.
func (v ChangeView) HeadKey() string {
	key := string(v.Change.State)
	switch {
	case v.pending():
		key += "-until" + strconv.FormatInt(int64(v.Timer.DueAt), 36)
	case v.Timer != nil:
		key += "-timer"
	}
	if v.stopping() {
		key += "-stopping"
	}
	if v.readingBack() {
		key += "-reading"
	}
	return key
}

// TallyKey names how far the change is, so that a page knows when its lists are
// no longer the newest.
func (v ChangeView) TallyKey() string {
	t := v.Tally
	return strconv.FormatInt(t.open(), 36) + "." + strconv.FormatInt(t.of(wtp.TargetSending), 36) + "." + strconv.FormatInt(t.Confirmed, 36) + "." + strconv.FormatInt(t.Otherwise, 36)
}

func (v ChangeView) drawn() string {
	if v.Drawn != "" {
		return v.Drawn
	}
	return v.TallyKey()
}

// behind says whether the lists on the page are older than the progress.
func (v ChangeView) behind() bool { return v.drawn() != v.TallyKey() }

// pollURL carries what the page shows, so that a poll knows what to swap.
func (v ChangeView) pollURL() string {
	q := v.query(v.Tab, v.Why, v.After, v.CallsAfter)
	setNumber(q, "before", v.Before)
	q.Set("was", v.HeadKey())
	q.Set("drawn", v.drawn())
	return withQuery(v.url("progress"), v.stamped(q).Encode())
}

// poll makes the progress ask for itself while there is something to wait for; a
// timer too, which others may move, and whose countdown runs.
func (v ChangeView) poll() templ.Attributes {
	if !v.live() && !v.pending() {
		return nil
	}
	every := "every 2s"
	if v.Change.State.Over() {
		every = "every 10s"
	}
	return templ.Attributes{
		"hx-get":        v.pollURL(),
		"hx-trigger":    every,
		"hx-swap":       "outerHTML",
		"hx-status:4xx": "swap:none",
		"hx-status:5xx": "swap:none",
	}
}

// decided is how many of the servers to send have an outcome; what HSS did not accept
// before a stop is not done.
func (v ChangeView) decided() int64 {
	return max(v.Change.ToSend-v.Tally.open()-v.Tally.of(wtp.TargetStopped), 0)
}

func (v ChangeView) slices() []Slice {
	t := v.Tally
	otherwise := Slice{"warn", t.Otherwise, v.outcome(wtp.TargetAccepted, wtp.SeenOtherwise).text}
	if v.live() {
		otherwise.Kind = "info"
	}
	skipped := int64(0)
	if v.Change.State.Over() {
		skipped = t.of(wtp.TargetSkipped)
	}
	return []Slice{
		{"ok", t.Confirmed, v.T("Succeeded")},
		{"info", t.unseen(), v.T("Accepted, not seen yet")},
		otherwise,
		{"bad", t.of(wtp.TargetRefused), v.T("Refused")},
		{"unk", t.of(wtp.TargetUnknown), v.T("Unknown")},
		{"unk", t.of(wtp.TargetUnclear), v.T("Checking")},
		{"acc", t.of(wtp.TargetSending), v.T("In progress")},
		{"faint", t.of(wtp.TargetWaiting), v.T("Waiting")},
		{"idle", t.of(wtp.TargetStopped), v.T("Stopped, not done")},
		{"faint", skipped, v.T("Skipped")},
	}
}

func (v ChangeView) ofText() string {
	if v.Change.Kind == wtp.BackupRemoval {
		return v.removalOf()
	}
	return v.N(v.Change.ToSend, "of %d server", "of %d servers")
}

func (v ChangeView) soFarText() string {
	if v.Change.StartedAt == 0 {
		return v.T("Not started yet")
	}
	return v.T("%s so far", v.Took(v.Now.Sub(v.Change.StartedAt.Time())))
}

// leftText is how long a change still takes; "" while nobody can tell, because it
// waits for a person, for a database that can be written, or for HSS to show a step, or
// because it stops or can't read back.
func (v ChangeView) leftText() string {
	if v.Pause.On() || v.DiskFull || v.Unwritable.On() || v.Pending.Held > 0 || v.stopping() || v.Pending.readingFails() {
		return ""
	}
	b := v.Queue.Budget
	at := b.At(v.Queue.Calls + v.Pending.Sending + v.Pending.Unclear + v.Pending.Waiting)
	return v.T("%s left, until %s", v.about(at.Sub(b.Now)), v.ClockText(at))
}

func (v ChangeView) tookText() string {
	if v.Change.FinishedAt == 0 || v.Change.StartedAt == 0 {
		return ""
	}
	return v.Took(v.Change.FinishedAt.Sub(v.Change.StartedAt))
}

// sayText changes only when there is something to announce: the start, each
// quarter, the first trouble, and the end.
func (v ChangeView) sayText() string {
	trouble := v.failed()+v.unknown() > 0
	switch {
	case v.Change.State.Over():
		return v.T("Finished. %d read back as wanted, %d accepted and not seen yet, %d refused, %d unknown.", v.Tally.Confirmed, v.Tally.unseen()+v.Tally.Otherwise, v.failed(), v.unknown())
	case v.Change.State == wtp.Queued:
		return v.T("Waiting for its turn.")
	case trouble:
		return v.T("%d percent done, with problems.", percent(v.decided(), v.Change.ToSend)/25*25)
	}
	return v.T("%d percent done.", percent(v.decided(), v.Change.ToSend)/25*25)
}

func (v ChangeView) stopText() string {
	waiting := v.Tally.of(wtp.TargetWaiting)
	if v.Change.Kind == wtp.BackupRemoval {
		return v.T("Calls in flight finish and are recorded. What waits stays as it is, and the backup server too. What HSS accepted stays.")
	}
	return v.N(waiting, "Calls in flight finish and are recorded. %d server stays as it is. What HSS accepted stays.", "Calls in flight finish and are recorded. %d servers stay as they are. What HSS accepted stays.")
}

func (v ChangeView) stoppedText() string {
	n := v.Tally.of(wtp.TargetStopped)
	if v.Change.Kind == wtp.BackupRemoval && n > 0 {
		return v.removalStopped(n - 1)
	}
	if v.Change.StoppedByName != "" {
		return v.N(n, "%s stopped this change. %d server stays as it was.", "%s stopped this change. %d servers stay as they were.", v.Change.StoppedByName, n)
	}
	return v.N(n, "The console stopped this change. %d server stays as it was.", "The console stopped this change. %d servers stay as they were.")
}

// stopWhy is what the console gave as its reason for stopping by itself.
func (v ChangeView) stopWhy() string {
	if v.Change.StopWhy == "" {
		return ""
	}
	return v.Say(wtp.StopReason(v.Change.StopWhy))
}

func (v ChangeView) sentAt(c wtp.Call) string {
	return v.local(c.SentAt).Format(time.TimeOnly)
}

func (v ChangeView) callTook(c wtp.Call) string {
	if c.EndedAt == 0 {
		return ""
	}
	return v.Took(c.EndedAt.Sub(c.SentAt))
}

func (v ChangeView) batchNo(id int64) string {
	if no, ok := v.BatchNos[id]; ok {
		return strconv.FormatInt(no, 10)
	}
	return ""
}

// selectedBy says how the servers were chosen.
func (v ChangeView) selectedBy() string {
	if text := v.linkedSelection(); text != "" {
		return text
	}
	if v.Change.Kind == wtp.BackupRemoval {
		return v.T("Every server that used it")
	}
	if to, err := wtp.ParseRemoteTo(v.Change.BackupAfter); err == nil && to.Address && v.Change.Kind == wtp.RemoteBackup {
		return v.T("Every server that used it at an old address")
	}
	if v.Change.Selection == "" {
		return v.T("What %s had selected", v.Change.PlannedByName)
	}
	if _, name, ok := wtp.SelectedSet(v.Change.Selection); ok {
		return v.T("The set “%s”", name)
	}
	return v.describe(v.Change.Selection)
}

func (v ChangeView) backupLabels() map[string]string {
	return map[string]string{"host_id": v.T("Host ID"), "ip": v.T("IP address"), "port": v.T("Port"), "dir": v.T("Directory")}
}
