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
	TypedAbove     int64 // more servers than this are turned off only when their count is typed
	CapOperator    int64 // how many servers one change of an operator may reach; 0: any number
	CapAdmin       int64 // the same for an admin
}

// The names of the limits as settings and as fields of their form.
const (
	CallsPerMinute = "calls_per_minute"
	CallsAtOnce    = "calls_at_once"
	TypedAbove     = "typed_above"
	CapOperator    = "cap_operator"
	CapAdmin       = "cap_admin"
)

// LimitNames lists them in the order in which they are shown.
func LimitNames() []string {
	return []string{CallsPerMinute, CallsAtOnce, TypedAbove, CapOperator, CapAdmin}
}

// MaxCallsAtOnce is how many calls of one change may be set to be in flight side by
// side. A crash can leave as many batches, and one more, to be read back.
const MaxCallsAtOnce = 10

// maxServers is more than any fleet has.
const maxServers = 1_000_000

// DefaultLimits hold until somebody sets others. HSS documents 5 calls a minute.
func DefaultLimits() Limits { return Limits{CallsPerMinute: 5, CallsAtOnce: 2, TypedAbove: 100} }

// LimitsFrom are the limits kept as settings; what is missing or can't be read
// has its default.
func LimitsFrom(settings map[string]string) Limits {
	l := DefaultLimits()
	for _, x := range []struct {
		key      string
		to       *int64
		from, up int64
	}{{CallsPerMinute, &l.CallsPerMinute, 1, math.MaxInt64}, {CallsAtOnce, &l.CallsAtOnce, 1, MaxCallsAtOnce}, {TypedAbove, &l.TypedAbove, 0, math.MaxInt64},
		{CapOperator, &l.CapOperator, 0, math.MaxInt64}, {CapAdmin, &l.CapAdmin, 0, math.MaxInt64}} {
		if n, err := strconv.ParseInt(settings[x.key], 10, 64); err == nil && n >= x.from && n <= x.up {
			*x.to = n
		}
	}
	return l
}

// Settings are the limits as they are kept.
func (l Limits) Settings() map[string]string {
	return map[string]string{
		CallsPerMinute: strconv.FormatInt(l.CallsPerMinute, 10), CallsAtOnce: strconv.FormatInt(l.CallsAtOnce, 10), TypedAbove: strconv.FormatInt(l.TypedAbove, 10),
		CapOperator: strconv.FormatInt(l.CapOperator, 10), CapAdmin: strconv.FormatInt(l.CapAdmin, 10),
	}
}

// ParseLimits reads the form of the limits.
func ParseLimits(form func(string) string) (Limits, Invalid) {
	var l Limits
	calls, bad := ParseCallsPerMinute(form(CallsPerMinute))
	l.CallsPerMinute = int64(calls)
	if n, err := strconv.ParseInt(strings.TrimSpace(form(CallsAtOnce)), 10, 64); err == nil && n >= 1 && n <= MaxCallsAtOnce {
		l.CallsAtOnce = n
	} else {
		bad.Add(CallsAtOnce, "Enter a whole number from 1 to 10.")
	}
	for _, x := range []struct {
		field string
		to    *int64
	}{{TypedAbove, &l.TypedAbove}, {CapOperator, &l.CapOperator}, {CapAdmin, &l.CapAdmin}} {
		text := strings.TrimSpace(form(x.field))
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 || n > maxServers || strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-") {
			bad.Add(x.field, "Enter a whole number from 0 to 1000000.")
			continue
		}
		*x.to = n
	}
	return l, bad
}

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

// Over says whether n servers are more than the role may reach with one change.
func (l Limits) Over(r Role, n int64) bool { return l.Cap(r) > 0 && n > l.Cap(r) }
