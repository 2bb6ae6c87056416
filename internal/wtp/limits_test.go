package wtp

import (
	"maps"
	"testing"
)

func TestLimitsOfAForm(t *testing.T) {
	good := map[string]string{CallsPerMinute: "5", CallsAtOnce: "2", StopUnclear: "3", StopRefused: "20", TypedAbove: "100", CapOperator: "0", CapAdmin: "0"}
	if l, bad := ParseLimits(func(f string) string { return good[f] }); bad != nil || l != DefaultLimits() {
		t.Fatalf("the defaults are read as %+v, %v", l, bad)
	}
	for _, x := range []struct {
		field       string
		least, most string
		bad         []string
		says        string
	}{
		{CallsPerMinute, "1", "600", []string{"0", "601"}, "Enter a whole number from 1 to 600."},
		{CallsAtOnce, "1", "10", []string{"0", "11"}, "Enter a whole number from 1 to 10."},
		{StopUnclear, "1", "20", []string{"0", "21"}, "Enter a whole number from 1 to 20."},
		{StopRefused, "10", "100", []string{"0", "9", "101"}, "Enter a whole number from 10 to 100."},
		{TypedAbove, "0", "1000000", []string{"1000001"}, "Enter a whole number from 0 to 1000000."},
		{CapOperator, "0", "1000000", []string{"1000001"}, "Enter a whole number from 0 to 1000000."},
		{CapAdmin, "0", "1000000", []string{"1000001"}, "Enter a whole number from 0 to 1000000."},
	} {
		form := maps.Clone(good)
		read := func(f string) string { return form[f] }
		for _, n := range []string{x.least, " " + x.most + " "} {
			form[x.field] = n
			l, bad := ParseLimits(read)
			if bad != nil {
				t.Errorf("%s %q: %v", x.field, n, bad)
			}
			if kept := LimitsFrom(l.Settings()); kept != l {
				t.Errorf("%s %q is kept as %+v", x.field, n, kept)
			}
		}
		for _, n := range append(x.bad, "", " ", "-1", "+5", "5.5", "1e1", "five", "５", "99999999999999999999") {
			form[x.field] = n
			_, bad := ParseLimits(read)
			if len(bad) != 1 || bad[0].Field != x.field || bad[0].Text.String() != x.says {
				t.Errorf("%s %q: %v", x.field, n, bad)
			}
		}
	}
}

// TestLimitsThatWereKept: a limit that is missing or beyond its range has its default.
func TestLimitsThatWereKept(t *testing.T) {
	for _, n := range []string{"", "0", "x", "-3", "1000000000000000000000"} {
		kept := map[string]string{CallsAtOnce: n, StopUnclear: n, StopRefused: n}
		if got := LimitsFrom(kept); got != DefaultLimits() {
			t.Errorf("%q is read as %+v", n, got)
		}
	}
	if got := LimitsFrom(map[string]string{StopUnclear: "21", StopRefused: "9"}); got != DefaultLimits() {
		t.Errorf("read as %+v", got)
	}
	if got := LimitsFrom(map[string]string{StopUnclear: "7", StopRefused: "100"}); got.StopUnclear != 7 || got.MaxUnclear() != 9 || got.StopRefused != 100 {
		t.Errorf("read as %+v", got)
	}
}

// TestASearchIsNoReasonToStop: however few refused calls in a row may be set to stop a
// change, the search for one server that HSS refuses ends before; by default, one for
// two does as well.
func TestASearchIsNoReasonToStop(t *testing.T) {
	longest := 0
	for n := 1; n <= MaxHosts+1; n++ {
		for c := 1 + n%7; c <= n; c += 7 {
			x := newRefusing(n, int64(c))
			x.run(t)
			longest = max(longest, x.longest)
		}
	}
	for _, n := range []int{MaxHosts, 2 * MaxHosts, 3*MaxHosts + 1, 10 * MaxHosts} {
		for c := n; c > max(0, n-2*MaxHosts); c -= 3 {
			x := newRefusing(n, int64(c))
			x.run(t)
			longest = max(longest, x.longest)
		}
	}
	t.Logf("one culprit: at most %d calls refused in a row", longest)
	if longest >= LeastStopRefused || longest <= MostRefused {
		t.Errorf("one culprit: %d calls refused in a row", longest)
	}
	longest = 0
	for _, n := range []int{MaxHosts / 2, 150, MaxHosts - 1, MaxHosts, 2 * MaxHosts} {
		for c := 1; c < n; c++ {
			x := newRefusing(n, int64(c), int64(c+1))
			x.run(t)
			longest = max(longest, x.longest)
		}
	}
	t.Logf("two beside each other: at most %d", longest)
	if longest >= int(DefaultLimits().StopRefused) {
		t.Errorf("two culprits: %d calls refused in a row", longest)
	}
}

// TestStopReasons: a reason is kept in English with its number, and shown as the text
// that it was, also if a version before kept it.
func TestStopReasons(t *testing.T) {
	for _, x := range []struct {
		kept string
		want Text
	}{
		{StoppedUnclear(1).String(), StoppedUnclear(1)},
		{StoppedUnclear(5).String(), StoppedUnclear(5)},
		{StoppedUnreached(1).String(), StoppedUnreached(1)},
		{StoppedUnreached(20).String(), StoppedUnreached(20)},
		{StoppedRefused(1234).String(), StoppedRefused(1234)},
		{"HSS refused twenty calls in a row. Nothing more was sent. See why it refused them, then plan the rest again.", StoppedRefused(20)},
		{"HSS could not be reached, three times in a row. Nothing more was sent. Check the network, then plan the rest again.", StoppedUnreached(3)},
		{"HSS gave no clear answer several times in a row. Nothing more was sent. What was sent is being read back; plan the rest again when HSS answers.",
			Say("HSS gave no clear answer several times in a row. Nothing more was sent. What was sent is being read back; plan the rest again when HSS answers.")},
		{"HSS refused 7", Text{ID: "HSS refused 7"}},
		{"HSS refused +7 calls in a row. Nothing more was sent. See why it refused them, then plan the rest again.",
			Text{ID: "HSS refused +7 calls in a row. Nothing more was sent. See why it refused them, then plan the rest again."}},
		{"7", Text{ID: "7"}},
		{"", Text{}},
	} {
		got := StopReason(x.kept)
		if got.ID != x.want.ID || got.String() != x.want.String() || len(got.Args) != len(x.want.Args) {
			t.Errorf("%q is shown as %q, not %q", x.kept, got, x.want)
		}
	}
	if s := StoppedRefused(12).String(); s != "HSS refused 12 calls in a row. Nothing more was sent. See why it refused them, then plan the rest again." {
		t.Error(s)
	}
}
