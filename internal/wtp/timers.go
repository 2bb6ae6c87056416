package wtp

import (
	"strings"
	"time"
	"unicode/utf8"
)

// TimerState is where a timer stands.
type TimerState string

// The states of a timer: pending -> fired, ended or cancelled.
const (
	TimerPending   TimerState = "pending"
	TimerFired     TimerState = "fired"     // the console planned and confirmed turning back on by itself
	TimerEnded     TimerState = "ended"     // a person turned on early, or nothing was left to turn on
	TimerCancelled TimerState = "cancelled" // the servers stay off until somebody turns them on
)

// Timer turns dynamic WTP on again after a change that turned it off.
type Timer struct {
	ChangeID      int64 // the change that turned it off
	ProjectID     int64
	DueAt         Instant
	State         TimerState
	SetBy         int64
	SetByName     string
	SetAt         Instant
	EndedAt       Instant // when it fired, was ended or cancelled; 0 while pending
	EndedByName   string  // who ended or cancelled it; "" for the console
	Why           string  // what was said when it was cancelled; else catalogue text or ""
	FiredChangeID int64   // the change that turns on again; 0: none
}

// Late is how long after its time the timer fired; 0 within a minute of it.
func (t Timer) Late() time.Duration {
	if late := t.EndedAt.Sub(t.DueAt); t.State == TimerFired && late >= time.Minute {
		return late
	}
	return 0
}

// MaxTimer is how far ahead a timer may be set.
const MaxTimer = 90 * 24 * time.Hour

// BackOn says when a change that turns dynamic WTP off is to be followed by
// turning it on again: after a while, at a time, or never. The zero value says
// nothing, which is refused for turning off.
type BackOn struct {
	After time.Duration // from confirmation
	At    Instant
	Never bool
}

// BackAfter are the choices of a while, as words of the form, in their order.
func BackAfter() []string { return []string{"1h", "2h", "4h", "8h"} }

// The other choices of the form, and the one that is offered first.
const (
	BackAt      = "date"
	BackNever   = "never"
	BackOffered = "4h"
)

// BackLayout is how the form writes a date and time, in the reader's time zone.
const BackLayout = "2006-01-02T15:04"

// ParseBackOn reads the choice of the form: exactly one of its words, and with
// BackAt a date and time in the reader's zone. Anything else is refused, never
// read as one of them.
func ParseBackOn(bad *Invalid, words []string, date string, zone *time.Location, now Instant) BackOn {
	if len(words) != 1 {
		bad.Add("back", "Choose when dynamic WTP is to be turned back on, or Never.")
		return BackOn{}
	}
	switch words[0] {
	case BackNever:
		return BackOn{Never: true}
	case BackAt:
		if at, ok := ParseBackAt(bad, date, zone, now); ok {
			return BackOn{At: at}
		}
		return BackOn{}
	}
	for _, word := range BackAfter() {
		if words[0] == word {
			d, err := time.ParseDuration(word)
			if err == nil {
				return BackOn{After: d}
			}
		}
	}
	bad.Add("back", "Choose when dynamic WTP is to be turned back on, or Never.")
	return BackOn{}
}

// ParseBackAt reads a date and time in the reader's zone. It must be later than
// now and within MaxTimer; faults are noted on "back_at".
func ParseBackAt(bad *Invalid, text string, zone *time.Location, now Instant) (Instant, bool) {
	text = strings.TrimSpace(text)
	t, err := time.ParseInLocation(BackLayout, text, zone)
	if err != nil { // some browsers send seconds
		t, err = time.ParseInLocation("2006-01-02T15:04:05", text, zone)
	}
	if err != nil { // typed where the browser offers no picker
		t, err = time.ParseInLocation("2006-01-02 15:04", text, zone)
	}
	if err != nil {
		bad.Add("back_at", "Enter a date and a time, such as 2026-05-15 02:04.")
		return 0, false
	}
	at := At(t)
	before := len(*bad)
	CheckBackAt(bad, at, now)
	return at, len(*bad) == before
}

// CheckBackAt holds the time of a timer to its rules.
func CheckBackAt(bad *Invalid, at, now Instant) {
	switch {
	case at <= now:
		bad.Add("back_at", "This time has passed. Choose a later one.")
	case at > now.Add(MaxTimer):
		bad.Add("back_at", "Choose a time within the next 90 days.")
	}
}

// Due is when the timer of a change confirmed now is due; 0: it has none. Without
// a choice, and for a time that has passed, it is an Invalid.
func (b BackOn) Due(now Instant) (Instant, error) {
	var bad Invalid
	switch {
	case b.Never:
		return 0, nil
	case b.After > 0:
		return now.Add(b.After), nil
	case b.At != 0:
		CheckBackAt(&bad, b.At, now)
		return b.At, bad.Err()
	}
	bad.Add("back", "Choose when dynamic WTP is to be turned back on, or Never.")
	return 0, bad
}

// StayOff is how many servers stay off for good when the timer of a change is cancelled:
// all that it is to turn off while it is under way, later those that may be off by it.
func StayOff(c Change, off int64) int64 {
	if !c.State.Over() {
		return c.ToSend
	}
	return off
}

// CheckStay holds what was typed before n servers are left off for good to the limits.
func (l Limits) CheckStay(bad *Invalid, field, typed string, n int64) {
	if want := l.TypedStay(n); want != "" && !IsTyped(typed, want) {
		bad.Add(field, "Type “%s” exactly, to confirm how many servers stay off.", want)
	}
}

// CheckWhy holds what is said of a cancelled timer or a pause to its rules: at
// most 500 characters, needed.
func CheckWhy(bad *Invalid, field, why string) {
	switch n := utf8.RuneCountInString(strings.TrimSpace(why)); {
	case n == 0:
		bad.Add(field, "Say why, for whoever reads the history.")
	case n > 500:
		bad.Add(field, "At most 500 characters; this has %d.", n)
	}
}

// Pause is the switch that keeps the whole console from sending anything.
type Pause struct {
	By  string  `json:"by"`
	At  Instant `json:"at"` // 0: it isn't paused
	Why string  `json:"why"`
}

// On says whether the console is paused.
func (p Pause) On() bool { return p.At != 0 }
