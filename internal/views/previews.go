package views

import (
	"slices"
	"strconv"

	"github.com/a-h/templ"

	"wtp-console/internal/wtp"
)

// PreviewView is a planned change before it is confirmed.
type PreviewView struct {
	Page
	Plan          wtp.Change
	Counts        []PlanCount
	Bucket        wtp.Bucket // whose servers are listed; "" with Faults
	Why           wtp.Why    // "" for all of the bucket
	Query         string     // part of name, address or host ID; "" for all
	Targets       []wtp.Target
	After, Before int64 // place in the list
	Prev, Next    int64 // Before and After of the pages beside it; 0: none
	Form          ConfirmForm
	Faults        []wtp.FieldError // of the form or the address
	Refused       string           // why the confirmation was refused, "" if it wasn't
	Queue         QueueView        // what this plan shares a budget with
	Conflicts     ConflictsView
	On, Can       int64      // servers with dynamic WTP on, and that can have it
	Linked                   // Of: what this plan undoes or tries again
	NoDir         int64      // servers to be sent whose Tomcat bin directory isn't known
	Moved         *MovedView // this plan replaces one that was no longer true
	Limits        wtp.Limits
}

// PlanCount is how many servers a plan puts into a bucket for one reason.
type PlanCount struct {
	Bucket wtp.Bucket
	Why    wtp.Why
	N      int64
}

// ConfirmForm is what the person typed, raw.
type ConfirmForm struct {
	Reason, Ticket, Confirm string
	Back, BackAt            string // when to turn back on: a word of wtp, and a date and time for wtp.BackAt
	Ramp                    bool   // begin with a few servers
	CancelTimer             bool   // an undo also cancels the timer of what it undoes
}

// MovedView is what changed between two plans.
type MovedView struct {
	N       int64
	Targets []MovedTarget // some of them
	Was     string        // random name of the plan that was no longer true; "" if only N and Targets are known
	Next    int64         // After of the next page of the difference; 0: none
}

// MovedTarget is one server that the new plan treats otherwise.
type MovedTarget struct {
	HostID, Name string
	From, To     wtp.Bucket
	Why          wtp.Why
	Before, Now  string // dynamic WTP when it was shown, and now
}

// TypedConfirmation is the text to type before a plan may be confirmed, "" if
// none is asked: it is for turning off more servers than the threshold, important
// ones, or any for good. It is the same in every language.
func TypedConfirmation(plan wtp.Change, important, above int64, never bool) string {
	if plan.Direction != wtp.Disable || !(wtp.Limits{TypedAbove: above}).AsksCount(plan.ToSend, important, never) {
		return ""
	}
	return wtp.TypedOff(plan.ToSend)
}

// typed is the text to type if never is chosen, or whatever is.
func (v PreviewView) typed(never bool) string {
	return TypedConfirmation(v.Plan, v.because(wtp.WhyImportant)+v.because(wtp.WhyUnlisted), v.Limits.TypedAbove, never)
}

func (v PreviewView) typedHint() string {
	switch {
	case v.Plan.ToSend > v.Limits.TypedAbove:
		return v.T("Asked because more than %d servers lose protection.", v.Limits.TypedAbove)
	case v.because(wtp.WhyImportant) > 0:
		return v.T("Asked because important servers are among them.")
	case v.because(wtp.WhyUnlisted) > 0:
		return v.T("Asked because it is not read yet whether important servers are among them.")
	}
	return v.T("Asked because Never is chosen: nothing turns these servers back on by itself.")
}

func (v PreviewView) url(parts ...string) string {
	return v.URL(append([]string{"previews", v.Plan.UID}, parts...)...)
}

func (v PreviewView) count(b wtp.Bucket) int64 {
	var n int64
	for _, c := range v.Counts {
		if c.Bucket == b {
			n += c.N
		}
	}
	return n
}

func (v PreviewView) because(w wtp.Why) int64 {
	var n int64
	for _, c := range v.Counts {
		if c.Why == w {
			n += c.N
		}
	}
	return n
}

func (v PreviewView) skipped() int64 { return v.count(wtp.AlreadySo) + v.count(wtp.Cannot) }

func (v PreviewView) skips() []PlanCount {
	var s []PlanCount
	for _, c := range v.Counts {
		if !c.Bucket.Sent() && c.N > 0 {
			s = append(s, c)
		}
	}
	return s
}

// buckets are those with servers in them, in their order.
func (v PreviewView) buckets() []wtp.Bucket {
	var s []wtp.Bucket
	for _, b := range wtp.Buckets() {
		if v.count(b) > 0 {
			s = append(s, b)
		}
	}
	return s
}

// FirstBucket is the bucket to list when none is asked for.
func FirstBucket(counts []PlanCount) wtp.Bucket {
	v := PreviewView{Counts: counts}
	if s := v.buckets(); len(s) > 0 {
		return s[0]
	}
	return wtp.WillChange
}

func (v PreviewView) slices() []Slice {
	var s []Slice
	for _, b := range v.buckets() {
		s = append(s, Slice{v.bucketKind(b), v.count(b), v.countedName(b)})
	}
	return s
}

// Stay is how many servers keep a backup server from being removed, for each reason.
// While there are any, nothing of such a plan can be sent. That the backup server itself
// is still used is not one of them: it follows from them.
func (v PreviewView) Stay() []PlanCount {
	if v.Plan.Kind != wtp.BackupRemoval {
		return nil
	}
	return slices.DeleteFunc(v.skips(), func(c PlanCount) bool { return c.Bucket != wtp.Cannot || c.Why == wtp.WhyStillUsed })
}

func (v PreviewView) stuck() bool { return len(v.Stay()) > 0 }

func (v PreviewView) bucketKind(b wtp.Bucket) string {
	if v.stuck() {
		switch b {
		case wtp.WillChange:
			return "idle"
		case wtp.Cannot:
			return "warn"
		}
	}
	switch b {
	case wtp.WillChange, wtp.NeedsRestart:
		if v.Plan.Direction == wtp.Enable {
			return "ok"
		}
		return "warn"
	case wtp.Risky:
		return "bad"
	case wtp.AlreadySo:
		return "idle"
	}
	return "faint"
}

func (v PreviewView) bucketName(b wtp.Bucket) string {
	if v.Plan.Kind.Remote() && b == wtp.AlreadySo {
		return v.T("Already so")
	}
	if v.stuck() && b == wtp.WillChange {
		return v.T("Can be moved")
	}
	return v.bucketWord(b, v.Plan.Direction)
}

func (p Page) bucketWord(b wtp.Bucket, d wtp.Direction) string {
	switch b {
	case wtp.WillChange:
		return p.T("Will change")
	case wtp.NeedsRestart:
		return p.T("Needs a Tomcat restart")
	case wtp.Risky:
		return p.T("Risky")
	case wtp.AlreadySo:
		if d == wtp.Enable {
			return p.T("Already on")
		}
		return p.T("Already off")
	case wtp.Cannot:
		return p.T("Cannot")
	}
	return string(b)
}

// whyStatus is the short name of a reason with its icon.
func (p Page) whyStatus(w wtp.Why) status {
	switch w {
	case wtp.WhyAlreadyOn:
		return status{"quiet", "shield-check-f", p.T("Already on")}
	case wtp.WhyAlreadyOff:
		return status{"quiet", "shield-off", p.T("Already off")}
	case wtp.WhyWindows:
		return status{"quiet", "brand-windows", p.T("Windows")}
	case wtp.WhyNotLinux:
		return status{"quiet", "minus", p.T("Not Linux")}
	case wtp.WhyAgentOffline:
		return status{"quiet", "wifi-off", p.T("Agent offline")}
	case wtp.WhyAgentMissing:
		return status{"quiet", "circle-dashed", p.T("No agent")}
	case wtp.WhyNotProtected:
		return status{"quiet", "circle", p.T("WTP not on")}
	case wtp.WhyInterrupted:
		return status{"quiet", "plug-connected-x", p.T("WTP interrupted")}
	case wtp.WhyPaused:
		return status{"quiet", "player-pause", p.T("WTP paused")}
	case wtp.WhyStarting:
		return status{"quiet", "clock", p.T("WTP starting")}
	case wtp.WhyStartFailed:
		return status{"quiet", "alert-circle", p.T("WTP failed to start")}
	case wtp.WhyOpenChange:
		return status{"quiet", "lock", p.T("In another change")}
	case wtp.WhyGone:
		return status{"quiet", "x", p.T("No longer listed")}
	case wtp.WhyUnknownState:
		return status{"quiet", "help-circle", p.T("State not known")}
	case wtp.WhyImportant:
		return status{"bad", "star", p.T("Important")}
	case wtp.WhyUnlisted:
		return status{"warn", "help-circle", p.T("Importance not read yet")}
	case wtp.WhyNewerChange:
		return status{"quiet", "history", p.T("In a newer change")}
	case wtp.WhyChangedSince:
		return status{"warn", "history", p.T("Changed since")}
	case wtp.WhyNotRead, wtp.WhyUnread:
		return status{"quiet", "clock", p.T("Not read since")}
	case wtp.WhyNotShown:
		return status{"warn", "zoom-question", p.T("Not as that change left it")}
	case wtp.WhyAttacked:
		return status{"bad", "flame", p.T("Attacked")}
	}
	if s, ok := p.remoteWhy(w); ok {
		return s
	}
	return status{"quiet", "minus", string(w)}
}

func (v PreviewView) title() string {
	if v.Plan.UndoOf != 0 {
		return v.undoTitle(v.Plan, false)
	}
	if v.Plan.Direction == wtp.Enable {
		return v.N(v.Plan.ToSend, "Turn on dynamic WTP on %d server", "Turn on dynamic WTP on %d servers")
	}
	return v.N(v.Plan.ToSend, "Turn off dynamic WTP on %d server", "Turn off dynamic WTP on %d servers")
}

func (v PreviewView) subtitle() string {
	if v.Of != nil {
		return v.linkedSubtitle()
	}
	return v.N(v.Plan.TargetCount, "Preview of %d selected server, made at %s by %s. Nothing has changed yet.", "Preview of %d selected servers, made at %s by %s. Nothing has changed yet.", v.Plan.TargetCount, v.ClockText(v.Plan.PlannedAt), v.Plan.PlannedByName)
}

func (v PreviewView) willChangeText() string {
	return v.N(v.Plan.ToSend, "%d server will be sent to HSS", "%d servers will be sent to HSS")
}

func (v PreviewView) skippedText() string { return v.N(v.skipped(), "%d skipped", "%d skipped") }

// effect is what the change means, one sentence each.
func (v PreviewView) effect() []effect {
	n := v.Plan.ToSend
	if n == 0 {
		return nil
	}
	var s []effect
	if v.Plan.Direction == wtp.Disable {
		s = append(s, effect{"shield-off", "t-warn", v.N(n,
			"Attacks on the running applications of this server are not detected until dynamic WTP is back on. Protection of files and directories stays on.",
			"Attacks on the running applications of these %d servers are not detected until dynamic WTP is back on. Protection of files and directories stays on.")})
	} else {
		s = append(s,
			effect{"shield-check-f", "t-ok", v.N(n,
				"Attacks on the running Tomcat applications of this server are detected once dynamic WTP is in effect.",
				"Attacks on the running Tomcat applications of these %d servers are detected once dynamic WTP is in effect.")},
			effect{"refresh-alert", "t-warn", v.T("It takes effect only after Tomcat is restarted on each server. HSS does not restart it, and shows On before that.")},
			effect{"file-text", "", v.T("HSS puts a setenv.sh into Tomcat's bin directory; that takes about 20 minutes. Restart Tomcat after it is there, and check servers where you keep a setenv.sh of your own.")})
	}
	if v.Can > 0 {
		before, after := v.On, v.On+n
		text, icon := "", ""
		if v.Plan.Direction == wtp.Disable {
			after = max(v.On-n, 0)
			icon = "trending-down"
			text = v.T("Coverage of %s falls from %s to %s.", v.Project.Name, share(before, v.Can), share(after, v.Can))
		} else {
			after = min(after, v.Can)
			icon = "activity"
			text = v.T("Coverage of %s rises from %s to %s.", v.Project.Name, share(before, v.Can), share(after, v.Can))
		}
		s = append(s, effect{icon, "t-info", text})
	}
	if k := v.because(wtp.WhyImportant); k > 0 {
		s = append(s, effect{"star", "t-bad", v.N(k, "%d of these servers is marked as an important asset.", "%d of these servers are marked as important assets.")})
	}
	if k := v.because(wtp.WhyUnlisted); k > 0 {
		s = append(s, effect{"help-circle", "t-warn", v.N(k, "The importance of %d of these servers is not read yet. It counts as important.", "The importance of %d of these servers is not read yet. They count as important.")})
	}
	if k := v.because(wtp.WhyAttacked); k > 0 {
		s = append(s, effect{"flame", "t-bad", v.N(k, "%d of these servers was attacked in the last 7 days.", "%d of these servers were attacked in the last 7 days.")})
	}
	return s
}

type effect struct{ icon, class, text string }

// share is n of total in percent with one decimal. It is 100% only when all are.
func share(n, total int64) string {
	if total <= 0 {
		return "0%"
	}
	tenths := n * 1000 / total
	return strconv.FormatInt(tenths/10, 10) + "." + strconv.FormatInt(tenths%10, 10) + "%"
}

func (v PreviewView) open() bool {
	return v.Plan.State == wtp.Planned && v.Plan.ExpiresAt > wtp.At(v.Now)
}

// closedText says why this preview can't be confirmed, and what to do.
func (v PreviewView) closedText() string {
	if v.Of != nil {
		return v.linkedClosed()
	}
	switch {
	case v.Plan.State == wtp.Dropped:
		return v.T("This preview was cancelled or replaced. Nothing was sent. The selection is kept; make a new preview from it.")
	case v.Plan.ExpiresAt <= wtp.At(v.Now):
		return v.T("This preview has expired, because servers may have changed since. Nothing was sent. The selection is kept; make a new preview from it.")
	}
	return ""
}

func (v PreviewView) nothingText() string {
	if v.Plan.UndoOf != 0 {
		return v.T("Nothing can be switched back now. The list says why for each server.")
	}
	if v.Plan.Direction == wtp.Enable {
		return v.T("Nothing would change: dynamic WTP is on already or cannot be turned on for every server here.")
	}
	return v.T("Nothing would change: dynamic WTP is off already or cannot be turned off for every server here.")
}

func (v PreviewView) buttonText() string {
	if v.Plan.Direction == wtp.Enable {
		return v.N(v.Plan.ToSend, "Turn on dynamic WTP on %d server", "Turn on dynamic WTP on %d servers")
	}
	return v.N(v.Plan.ToSend, "Turn off on %d server", "Turn off on %d servers")
}

func (v PreviewView) formTitle() string {
	if v.Plan.Direction == wtp.Enable {
		return v.T("Before you turn it on")
	}
	return v.T("Before you turn it off")
}

func (v PreviewView) labels() map[string]string {
	return map[string]string{"reason": v.T("Reason"), "ticket": v.T("Ticket"), "confirm": v.T("Confirmation"),
		"back": v.T("Turn back on automatically after"), "back_at": v.T("Date and time")}
}

func (v PreviewView) fault(field string) string { return v.FieldErrors(v.Faults)[field] }

// formFaults are those of the form, not of the address.
func (v PreviewView) formFaults() []wtp.FieldError {
	var s []wtp.FieldError
	for _, e := range v.Faults {
		if slices.Contains([]string{"reason", "ticket", "back", "back_at", "confirm"}, e.Field) {
			s = append(s, e)
		}
	}
	return s
}

func (v PreviewView) movedText() string {
	return v.N(v.Moved.N, "%d server changed since the preview was made. Nothing was sent. This is the new preview; look at it and confirm again.", "%d servers changed since the preview was made. Nothing was sent. This is the new preview; look at it and confirm again.")
}

func numberText(n int64) string { return "#" + strconv.FormatInt(n, 10) }

func targetName(name, hostID string) string {
	if name == "" {
		return hostID
	}
	return Plain(name)
}

func targetMeta(t wtp.Target) string {
	if t.GroupName == "" {
		return t.PrivateIP
	}
	if t.PrivateIP == "" {
		return Plain(t.GroupName)
	}
	return t.PrivateIP + " · " + Plain(t.GroupName)
}

// currentIf marks the tab that is shown.
func currentIf(on bool) templ.Attributes {
	if !on {
		return nil
	}
	return templ.Attributes{"aria-current": "true"}
}

// opposite is the state that servers are in before a change of that direction.
func opposite(d wtp.Direction) string {
	if d == wtp.Enable {
		return wtp.Closed
	}
	return wtp.Opened
}
