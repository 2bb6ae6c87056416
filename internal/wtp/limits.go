package wtp

import (
	"strconv"
	"strings"
)

// Limits are what keeps a change, and the console as a whole, from going too far.
type Limits struct {
	CallsPerMinute int64 // of one API with one credential, 1 to 600
	TypedAbove     int64 // more servers than this are turned off only when their count is typed
	CapOperator    int64 // how many servers one change of an operator may reach; 0: any number
	CapAdmin       int64 // the same for an admin
}

// The names of the limits as settings and as fields of their form.
const (
	CallsPerMinute = "calls_per_minute"
	TypedAbove     = "typed_above"
	CapOperator    = "cap_operator"
	CapAdmin       = "cap_admin"
)

// maxServers is more than any fleet has.
const maxServers = 1_000_000

// DefaultLimits hold until somebody sets others. HSS documents 5 calls a minute.
func DefaultLimits() Limits { return Limits{CallsPerMinute: 5, TypedAbove: 100} }

// LimitsFrom are the limits kept as settings; what is missing or can't be read
// has its default.
func LimitsFrom(settings map[string]string) Limits {
	l := DefaultLimits()
	for _, x := range []struct {
		key  string
		to   *int64
		from int64
	}{{CallsPerMinute, &l.CallsPerMinute, 1}, {TypedAbove, &l.TypedAbove, 0}, {CapOperator, &l.CapOperator, 0}, {CapAdmin, &l.CapAdmin, 0}} {
		if n, err := strconv.ParseInt(settings[x.key], 10, 64); err == nil && n >= x.from {
			*x.to = n
		}
	}
	return l
}

// Settings are the limits as they are kept.
func (l Limits) Settings() map[string]string {
	return map[string]string{
		CallsPerMinute: strconv.FormatInt(l.CallsPerMinute, 10), TypedAbove: strconv.FormatInt(l.TypedAbove, 10),
		CapOperator: strconv.FormatInt(l.CapOperator, 10), CapAdmin: strconv.FormatInt(l.CapAdmin, 10),
	}
}

// ParseLimits reads the form of the limits.
func ParseLimits(form func(string) string) (Limits, Invalid) {
	var l Limits
	calls, bad := ParseCallsPerMinute(form(CallsPerMinute))
	l.CallsPerMinute = int64(calls)
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
