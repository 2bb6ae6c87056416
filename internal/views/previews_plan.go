package views

import (
	"time"

	"wtp-console/internal/wtp"
)

// QueueView is the budget that a change has to share, and with whom.
type QueueView struct {
	Budget wtp.Budget
	Ahead  []AheadChange // under way with the same credential, oldest first
	Calls  int64         // that they have still to make, all of them
}

// AheadChange is a change that is carried out before another one.
type AheadChange struct {
	Title string // "Shop #12"; only "#12" of a project that the reader may not see
	Href  string // "" if the reader may not see it
	By    string // who confirmed it
	Calls int64  // still to be made
}

// ConflictsView is what else is about to happen to the servers of a plan.
type ConflictsView struct {
	Open   []OpenConflict
	Timers []TimerConflict
}

// OpenConflict is an open change that has N servers of a plan.
type OpenConflict struct {
	Number  int64
	By      string
	N       int64
	AtLeast bool // there may be more than N
}

// TimerConflict is a pending timer that would turn servers of a plan on: Sent of
// those that the plan sends, Skipped of the others.
type TimerConflict struct {
	Number        int64 // of the change that set it
	DueAt         wtp.Instant
	By            string
	Sent, Skipped int64
	Hosts         int64 // of that change
	AtLeast       bool  // there may be more; both may be 0 then
}

// rampable says whether a plan can begin with a few servers.
func (v PreviewView) rampable() bool {
	return v.Plan.Kind == wtp.DynamicWTP && v.Plan.ToSend > 1
}

func (v PreviewView) calls(ramp bool) int64 {
	return wtp.CutOf(v.Plan.Kind, ramp).Calls(v.Plan.ToSend)
}

func (v PreviewView) callsText(ramp bool) string {
	return v.N(v.calls(ramp), "%d call, of at most %d servers", "%d calls, of at most %d servers each", v.calls(ramp), int64(wtp.MaxHosts))
}

// timeText says how long the plan takes and when it would be through.
func (v PreviewView) timeText(ramp bool) string {
	at := v.Queue.Budget.At(v.Queue.Calls + v.calls(ramp))
	if ramp && at.Sub(v.Queue.Budget.Now) >= time.Minute { // else it would be at least less than one
		return v.T("at least %s, until %s", v.about(at.Sub(v.Queue.Budget.Now)), v.ClockText(at))
	}
	return v.until(at, v.Queue.Budget.Now)
}

// until is how long it takes to an instant: "about 4 minutes, at about 14:32".
func (p Page) until(at, now wtp.Instant) string {
	return p.T("%s, at about %s", p.about(at.Sub(now)), p.ClockText(at))
}

// about is how long something takes, in rough words.
func (p Page) about(d time.Duration) string {
	switch minutes := int64((d + 30*time.Second) / time.Minute); {
	case d < time.Minute:
		return p.T("less than a minute")
	case minutes < 120:
		return p.N(minutes, "about %d minute", "about %d minutes")
	default:
		return p.T("about %d h %d min", minutes/60, minutes%60)
	}
}

// budgetText says what of the budget is left.
func (v PreviewView) budgetText() string {
	b := v.Queue.Budget
	switch free := b.Limit - int64(len(b.Taken)); {
	case b.LockedUntil > b.Now:
		return v.T("HSS has locked the access key until about %s.", v.ClockText(b.LockedUntil))
	case b.BlockedUntil > b.Now:
		return v.T("HSS refused a call as one too many; the next is made at about %s.", v.ClockText(b.BlockedUntil))
	case free <= 0:
		return v.N(b.Limit, "The one call a minute was just used.", "All %d calls a minute were just used.")
	case len(b.Taken) > 0:
		return v.N(b.Limit, "At most %d call a minute, %d of them free now. Reading back is not included.", "At most %d calls a minute, %d of them free now. Reading back is not included.", b.Limit, free)
	}
	return v.N(b.Limit, "At most %d call a minute. Reading back is not included.", "At most %d calls a minute. Reading back is not included.")
}

func (v PreviewView) aheadText(a AheadChange) string {
	return v.N(a.Calls, "%s, %d call left", "%s, %d calls left", a.By, a.Calls)
}

// conflictLine is one thing that stands against a plan.
type conflictLine struct {
	icon, class, text string
	number            int64 // of the change to look at; 0: none
}

// conflictLines say what else is about to happen to the servers of this plan, and
// what confirming would do about it.
func (v PreviewView) conflictLines() []conflictLine {
	var s []conflictLine
	if v.Pause.On() {
		s = append(s, conflictLine{"player-pause", "t-warn", v.T("%s has paused the console: %s. A confirmed change waits until somebody resumes it.", v.Pause.By, v.Pause.Why), 0})
	}
	for _, c := range v.Conflicts.Open {
		if c.AtLeast {
			s = append(s, conflictLine{"lock", "t-warn", v.T("%s of %s is under way for at least %d of these servers. They can't be sent until that is over.", numberText(c.Number), c.By, c.N), c.Number})
			continue
		}
		s = append(s, conflictLine{"lock", "t-warn", v.N(c.N, "%s of %s is under way for %d of these servers. It can't be sent until that is over.", "%s of %s is under way for %d of these servers. They can't be sent until that is over.", numberText(c.Number), c.By, c.N), c.Number})
	}
	for _, t := range v.Conflicts.Timers {
		of, at := numberText(t.Number), v.ClockText(t.DueAt)
		if t.AtLeast {
			text := v.T("The timer of %s, set by %s, turns %d servers on at %s, and many of them are in this preview. Where a server is sent, what you confirm here counts; where it is skipped, the timer does.", of, t.By, t.Hosts, at)
			if t.Sent+t.Skipped == 0 {
				text = v.T("The timer of %s, set by %s, turns %d servers on at %s. Some of them may be in this preview. Where a server is sent, what you confirm here counts; where it is skipped, the timer does.", of, t.By, t.Hosts, at)
			}
			s = append(s, conflictLine{"clock-shield", "t-info", text, t.Number})
			continue
		}
		var text, class string
		switch {
		case t.Sent > 0 && v.Plan.Direction == wtp.Enable:
			class, text = "t-info", v.N(t.Sent, "The timer of %s, set by %s, turns %d of these servers on at %s. Confirming turns it on now, and the timer leaves it alone then.", "The timer of %s, set by %s, turns %d of these servers on at %s. Confirming turns them on now, and the timer leaves them alone then.", of, t.By, t.Sent, at)
		case t.Sent > 0:
			class, text = "t-warn", v.N(t.Sent, "The timer of %s, set by %s for %s, leaves %d of these servers alone once this is confirmed. What you choose here counts for it.", "The timer of %s, set by %s for %s, leaves %d of these servers alone once this is confirmed. What you choose here counts for them.", of, t.By, at, t.Sent)
		case t.Skipped > 0:
			class, text = "t-info", v.N(t.Skipped, "The timer of %s, set by %s, turns %d of the servers that are skipped here on at %s. This change does not alter that.", "The timer of %s, set by %s, turns %d of the servers that are skipped here on at %s. This change does not alter that.", of, t.By, t.Skipped, at)
		default:
			continue
		}
		if t.Sent > 0 && t.Skipped > 0 { // one line for each timer
			text = v.N(t.Skipped, "%s It stays for %d server that is skipped here.", "%s It stays for %d servers that are skipped here.", text, t.Skipped)
		}
		if t.Sent > 0 && v.Plan.Direction == wtp.Enable && t.Hosts > t.Sent+t.Skipped {
			text = v.T("%s It stays for the other servers of that change.", text)
		}
		s = append(s, conflictLine{"clock-shield", class, text, t.Number})
	}
	return s
}

// undoneTimer is the number of the change that this plan undoes, if a timer of it
// still waits that would turn servers of the plan on; else "".
func (v PreviewView) undoneTimer() string {
	if v.Plan.UndoOf == 0 || v.Of == nil || v.Plan.Direction != wtp.Enable {
		return ""
	}
	for _, t := range v.Conflicts.Timers {
		if t.Number == v.Of.Number {
			return numberText(t.Number)
		}
	}
	return ""
}
