package views

import (
	"strconv"
	"time"

	"github.com/a-h/templ"

	"wtp-console/internal/wtp"
)

// TimerView is a timer as pages show it.
type TimerView struct {
	wtp.Timer
	Number      int64 // of the change that turned off
	Hosts       int64 // how many servers that change turned off so far
	FiredNumber int64 // of the change that turns on again; 0: none
}

// TimerForm is what was typed to move or cancel a timer.
type TimerForm struct {
	BackAt, Why string
	Confirm     string // how many servers stay off
	Faults      []wtp.FieldError
}

// Until is a server that is off for a while.
type Until struct {
	DueAt  wtp.Instant
	Number int64 // of the change
}

// in is how long it is to an instant: "3 h 41 min".
func (p Page) in(i wtp.Instant) string {
	d := i.Sub(wtp.At(p.Now))
	switch {
	case d < time.Minute:
		return p.T("less than a minute")
	case d < time.Hour:
		return p.T("%d min", int64(d/time.Minute))
	case d < 48*time.Hour:
		return p.T("%d h %d min", int64(d/time.Hour), int64(d%time.Hour/time.Minute))
	}
	return p.N(int64(d/(24*time.Hour)), "%d day", "%d days")
}

// dueText is when a timer is due: "Friday 15 May at 02:04".
func (p Page) dueText(i wtp.Instant) string {
	t := p.local(i)
	if p.Lang == "zh-CN" {
		days := []string{"日", "一", "二", "三", "四", "五", "六"}
		return t.Format("1月2日") + "星期" + days[t.Weekday()] + t.Format(" 15:04")
	}
	return t.Format("Monday 2 January at 15:04")
}

// timerText is the countdown of a pending timer.
func (p Page) timerText(t TimerView) string {
	switch {
	case t.DueAt <= wtp.At(p.Now) && p.Pause.On():
		return p.T("It is due, and waits because the console is paused.")
	case t.DueAt <= wtp.At(p.Now):
		return p.T("It is due and begins in a moment.")
	case t.Hosts == 0:
		return p.T("In %s.", p.in(t.DueAt))
	}
	return p.N(t.Hosts, "In %s, on %d server.", "In %s, on %d servers.", p.in(t.DueAt), t.Hosts)
}

// timerText is the countdown of the change's own timer. After an undo it has less to
// do, or nothing.
func (v ChangeView) timerText(t TimerView) string {
	if n := len(v.Linked.Undo); n > 0 && t.DueAt > wtp.At(v.Now) {
		return v.T("In %s. What %s turned on again is left alone.", v.in(t.DueAt), numberText(v.Linked.Undo[n-1].Number))
	}
	return v.Page.timerText(t)
}

// endText says how a timer came to its end.
func (v ChangeView) endText() string {
	t := v.Timer
	switch {
	case t.State == wtp.TimerFired && t.Late() > 0:
		return v.T("Turned back on by itself at %s, %s late.", v.ClockText(t.EndedAt), v.Took(t.Late()))
	case t.State == wtp.TimerFired:
		return v.T("Turned back on by itself at %s.", v.ClockText(t.EndedAt))
	case t.State == wtp.TimerCancelled && len(v.Linked.Undo) > 0:
		return v.T("%s cancelled turning back on at %s. %s undoes this change.", t.EndedByName, v.ClockText(t.EndedAt), numberText(v.Linked.Undo[len(v.Linked.Undo)-1].Number))
	case t.State == wtp.TimerCancelled:
		return v.T("%s cancelled turning back on at %s. The servers stay off until somebody turns them on.", t.EndedByName, v.ClockText(t.EndedAt))
	case t.EndedByName != "":
		return v.T("%s turned them on early, at %s.", t.EndedByName, v.ClockText(t.EndedAt))
	case t.DueAt > t.EndedAt:
		return v.T("Nothing is turned on at %s.", v.ClockText(t.DueAt))
	}
	return v.T("Turning back on was due at %s.", v.ClockText(t.DueAt))
}

// staysOff says that nothing turns the servers on again: neither the timer nor an undo.
func (v ChangeView) staysOff() bool {
	return v.Timer.State == wtp.TimerCancelled && len(v.Linked.Undo) == 0
}

// timerWhy is what a person said of a timer, or the console.
func (v ChangeView) timerWhy() string {
	if v.Timer.Why == "" {
		return ""
	}
	if v.Timer.State == wtp.TimerCancelled {
		return v.T("Reason: %s", v.Timer.Why)
	}
	return v.Say(wtp.Text{ID: v.Timer.Why})
}

// madeBy is the timer that made this change by itself; nil: a person did, or the
// timer isn't known.
func (v ChangeView) madeBy() *TimerView {
	if v.Change.SetIn == 0 {
		return nil
	}
	return v.MadeBy
}

// pending is the timer of this change if it has yet to fire.
func (v ChangeView) pending() bool { return v.Timer != nil && v.Timer.State == wtp.TimerPending }

func (v ChangeView) firedURL() string { return ChangeURL(v.Project.Slug, v.Timer.FiredNumber) }

func (v ChangeView) setInURL() string { return ChangeURL(v.Project.Slug, v.Change.SetIn) }

// automatic says that a timer made a change, and whose: "Automatic, set by mei in
// #12".
func (p Page) automatic(c wtp.Change) string {
	return p.T("Automatic, set by %s in %s", c.ConfirmedByName, numberText(c.SetIn))
}

// whoText is who confirmed a change, for a line of text.
func (p Page) whoText(c wtp.Change) string {
	if c.SetIn != 0 {
		return p.T("Automatic")
	}
	return c.ConfirmedByName
}

// byWhom is whoText within a sentence.
func (p Page) byWhom(c wtp.Change) string {
	if c.SetIn != 0 {
		return p.T("the timer of %s", numberText(c.SetIn))
	}
	return c.ConfirmedByName
}

// pickerTime is an instant as a date and time field takes it.
func (p Page) pickerTime(i wtp.Instant) string { return p.local(i).Format(wtp.BackLayout) }

// nextBack is what the date and time field of a preview shows first.
func (v PreviewView) nextBack() string {
	if v.Form.BackAt != "" {
		return v.Form.BackAt
	}
	return v.pickerTime(wtp.At(v.Now.Add(4 * time.Hour)))
}

// backOption is one choice of when to turn back on.
type backOption struct {
	word, label, says string
	on                bool
}

func (v PreviewView) backOptions() []backOption {
	chosen := v.Form.Back
	if chosen == "" && v.fault("back") == "" {
		chosen = wtp.BackOffered
	}
	var out []backOption
	for _, word := range wtp.BackAfter() {
		d, err := time.ParseDuration(word)
		if err != nil {
			continue
		}
		out = append(out, backOption{word, v.T("%d h", int64(d/time.Hour)),
			v.T("%d h: back on %s, about %s. You can change this later.", int64(d/time.Hour), v.dayText(v.Now.Add(d)), v.local(wtp.At(v.Now.Add(d))).Format("15:04")), word == chosen})
	}
	return append(out,
		backOption{wtp.BackAt, v.T("Date…"), v.T("Date: back on at the time below, in your time zone (%s). You can change this later.", offset(v.Now.In(v.zone()))), chosen == wtp.BackAt},
		backOption{wtp.BackNever, v.T("Never"), v.T("Never: the servers stay off until somebody turns them on."), chosen == wtp.BackNever})
}

func (p Page) dayText(t time.Time) string {
	t = t.In(p.zone())
	if p.Lang == "zh-CN" {
		days := []string{"日", "一", "二", "三", "四", "五", "六"}
		return t.Format("1月2日") + "星期" + days[t.Weekday()]
	}
	return t.Format("Monday 2 January")
}

// typedStay is the text to type before the timer is cancelled, "" if none is asked.
func (v ChangeView) typedStay() string {
	return wtp.Limits{}.TypedStay(wtp.StayOff(v.Change, v.Timer.Hosts))
}

// timerAt is what the field for another time shows.
func (v ChangeView) timerAt() string {
	if v.TimerForm.BackAt != "" {
		return v.TimerForm.BackAt
	}
	return v.pickerTime(v.Timer.DueAt)
}

// faultAttrs are the attributes of a group of controls with a fault.
func faultAttrs(name, fault string) templ.Attributes {
	if fault == "" {
		return nil
	}
	return templ.Attributes{"aria-describedby": name + "-err"}
}

func openIf(on bool) templ.Attributes { return templ.Attributes{"open": on} }

func backRadio(o backOption) templ.Attributes {
	return templ.Attributes{"checked": o.on}
}

// holdsButton keeps the button of the form from working until the text is typed,
// where that is asked whatever is chosen.
func (v PreviewView) holdsButton() templ.Attributes {
	if v.typed(false) == "" {
		return nil
	}
	return templ.Attributes{"data-confirm": v.typed(false), "data-for": "go"}
}

func (v PreviewView) confirmAttrs() templ.Attributes {
	return FieldView{Name: "confirm", Hint: "-", Error: v.fault("confirm")}.Attrs()
}

// overCap says that the plan reaches more servers than the reader's role may; ""
// if it doesn't.
func (v PreviewView) overCap() string {
	if v.User == nil || !v.Limits.OverCap(v.User.Role, v.Plan) {
		return ""
	}
	most := v.Limits.Cap(v.User.Role)
	return v.N(most, "One change of yours may reach at most %d server. This one reaches %d, so it can't be confirmed. Choose fewer servers, or ask an admin.",
		"One change of yours may reach at most %d servers. This one reaches %d, so it can't be confirmed. Choose fewer servers, or ask an admin.", most, v.Plan.ToSend)
}

func (v OverviewView) timerURL(t TimerView) string { return ChangeURL(v.Page.Project.Slug, t.Number) }

// until is when a server of the list turns on by itself, nil if it doesn't.
func (v ServersView) until(s wtp.Server) *Until {
	if u, ok := v.Until[UntilKey(s)]; ok {
		return &u
	}
	return nil
}

// UntilKey names a server among those of all projects.
func UntilKey(s wtp.Server) string { return strconv.FormatInt(s.ProjectID, 10) + "/" + s.HostID }

// PauseView is the switch that pauses the whole console.
type PauseView struct {
	Page
	Why    string // as typed
	Next   string // where to go afterwards
	Faults []wtp.FieldError
}
