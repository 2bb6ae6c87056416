package wtp

import (
	"math"
	"strconv"
	"strings"
)

// Limits are what keeps a change, and the console as a whole, from going too far.
type Limits struct {
	CallsPerMinute int64 // of one API with one credential, 1 to 600
	CallsAtOnce    int64 // of one change in flight side by side, 1 to MaxCallsAtOnce
	StopUnclear    int64 // batches in a row without a clear answer stop a change, 1 to MaxStopUnclear; see MaxUnclear
	StopRefused    int64 // refused calls in a row stop a change, LeastStopRefused to MaxStopRefused
	TypedAbove     int64 // more servers than this are turned off only when their count is typed
	CapOperator    int64 // how many servers one change of an operator may reach; 0: any number
	CapAdmin       int64 // the same for an admin
}

// The names of the limits as settings and as fields of their form.
const (
	CallsPerMinute = "calls_per_minute"
	CallsAtOnce    = "calls_at_once"
	StopUnclear    = "stop_unclear"
	StopRefused    = "stop_refused"
	TypedAbove     = "typed_above"
	CapOperator    = "cap_operator"
	CapAdmin       = "cap_admin"
)

// LimitNames lists them in the order in which they are shown.
func LimitNames() []string {
	return []string{CallsPerMinute, CallsAtOnce, StopUnclear, StopRefused, TypedAbove, CapOperator, CapAdmin}
}

// MaxCallsAtOnce is how many calls of one change may be set to be in flight side by
// side. A crash can leave as many batches, and one more, to be read back.
const MaxCallsAtOnce = 10

// MaxStopUnclear is how many batches in a row without a clear answer a change may be
// set to put up with: each is of up to 200 servers of which nobody knows what became.
const MaxStopUnclear = 20

// How many refused calls in a row may be set to stop a change. The search for one
// server that HSS refuses (Pool) is refused nine times in a row at most, so it never
// stops the change; the default of 20 lets a search for two end, too. A hundred are
// twenty minutes of nothing but refusals at 5 calls a minute.
const (
	LeastStopRefused = 10
	MaxStopRefused   = 100
)

// maxServers is more than any fleet has.
const maxServers = 1_000_000

// DefaultLimits hold until somebody sets others. HSS documents 5 calls a minute.
func DefaultLimits() Limits {
	return Limits{CallsPerMinute: 5, CallsAtOnce: 2, StopUnclear: 3, StopRefused: 20, TypedAbove: 100}
}

// kept are the limits by their names, each with the numbers that are believed when
// they are found among the settings.
func (l *Limits) kept() []keptLimit {
	return []keptLimit{
		{CallsPerMinute, &l.CallsPerMinute, 1, math.MaxInt64},
		{CallsAtOnce, &l.CallsAtOnce, 1, MaxCallsAtOnce},
		{StopUnclear, &l.StopUnclear, 1, MaxStopUnclear},
		{StopRefused, &l.StopRefused, LeastStopRefused, MaxStopRefused},
		{TypedAbove, &l.TypedAbove, 0, math.MaxInt64},
		{CapOperator, &l.CapOperator, 0, math.MaxInt64},
		{CapAdmin, &l.CapAdmin, 0, math.MaxInt64},
	}
}

type keptLimit struct {
	name        string
	value       *int64
	least, most int64
}

// LimitsFrom are the limits kept as settings; what is missing or can't be read
// has its default.
func LimitsFrom(settings map[string]string) Limits {
	l := DefaultLimits()
	for _, k := range l.kept() {
		if n, err := strconv.ParseInt(settings[k.name], 10, 64); err == nil && n >= k.least && n <= k.most {
			*k.value = n
		}
	}
	return l
}

// Settings are the limits as they are kept.
func (l Limits) Settings() map[string]string {
	settings := map[string]string{}
	for _, k := range l.kept() {
		settings[k.name] = strconv.FormatInt(*k.value, 10)
	}
	return settings
}

// ParseLimits reads the form of the limits.
func ParseLimits(form func(string) string) (Limits, Invalid) {
	var l Limits
	calls, bad := ParseCallsPerMinute(form(CallsPerMinute))
	l.CallsPerMinute = int64(calls)
	for _, k := range l.kept() {
		n, ok := wholeNumber(form(k.name))
		switch k.name {
		case CallsPerMinute:
			continue
		case TypedAbove, CapOperator, CapAdmin:
			if !ok || n > maxServers {
				bad.Add(k.name, "Enter a whole number from 0 to 1000000.")
				continue
			}
		default:
			if !ok || n < k.least || n > k.most {
				bad.Add(k.name, "Enter a whole number from %d to %d.", k.least, k.most)
				continue
			}
		}
		*k.value = n
	}
	return l, bad
}

// wholeNumber reads what a person typed as a number without a sign.
func wholeNumber(typed string) (int64, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(typed), 10, 63)
	return int64(n), err == nil
}

// MaxUnclear is how many sendings in a row without a clear answer stop a change even
// if they are of fewer batches than StopUnclear: one whose answer was unclear is sent
// again when HSS shows that it wasn't carried out.
func (l Limits) MaxUnclear() int64 { return l.StopUnclear + 2 }

// Cap is how many servers one change of somebody with the role may reach; 0: any
// number.
func (l Limits) Cap(r Role) int64 {
	switch r {
	case Operator:
		return l.CapOperator
	case Admin:
		return l.CapAdmin
	}
	return 0
}

// OverCap says whether a change reaches more servers than the role may reach with one.
// To turn on early what a timer would turn on anyway is the safe direction, open to
// anyone who may act, however many servers they are.
func (l Limits) OverCap(r Role, c Change) bool {
	if c.Direction == Enable && c.TimerOf != 0 {
		return false
	}
	return l.Over(r, c.ToSend)
}

// AsksCount says whether the count of n servers that lose protection has to be typed:
// for more of them than the threshold, for important ones among them, and for any that
// nothing turns on again by itself.
func (l Limits) AsksCount(n, important int64, never bool) bool {
	return n > 0 && (n > l.TypedAbove || important > 0 || never)
}

// TypedOff is the text to type before n servers are turned off, the same in every
// language.
func TypedOff(n int64) string { return "turn off " + strconv.FormatInt(n, 10) }

// TypedStay is the text to type before n servers stay off for good that a timer would
// have turned on; "" if nothing is asked.
func (l Limits) TypedStay(n int64) string {
	if !l.AsksCount(n, 0, true) {
		return ""
	}
	return "stay off " + strconv.FormatInt(n, 10)
}

// IsTyped says whether a person typed what was to be typed, in whatever case and with
// whatever spaces.
func IsTyped(typed, want string) bool {
	return strings.EqualFold(strings.Join(strings.Fields(typed), " "), want)
}

// Over says whether n servers are more than the role may reach with one change.
func (l Limits) Over(r Role, n int64) bool { return l.Cap(r) > 0 && n > l.Cap(r) }
