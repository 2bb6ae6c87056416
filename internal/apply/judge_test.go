package apply

import (
	"context"
	"errors"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/hss"
	"wtp-console/internal/wtp"
)

func TestJudge(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	vendor := func(class hss.Class) *hss.Error { return &hss.Error{Op: hss.OpSetRaspSwitch, Class: class, Code: "X"} }
	for _, tc := range []struct {
		name  string
		err   error
		size  int
		tries int64
		want  db.VerdictKind
		stops bool
		after time.Duration // RunAt at least that long after now
	}{
		{"accepted", nil, 200, 1, db.Accepted, false, 0},
		{"refused, many", vendor(hss.ClassRefused), 200, 1, db.Split, false, 0},
		{"refused, two", vendor(hss.ClassRefused), 2, 1, db.Split, false, 0},
		{"refused, alone", vendor(hss.ClassRefused), 1, 1, db.Refused, false, 0},
		{"throttled", vendor(hss.ClassThrottled), 200, 1, db.Again, false, time.Minute},
		{"throttled with Retry-After", &hss.Error{Class: hss.ClassThrottled, RetryAfter: 7 * time.Second}, 1, 1, db.Again, false, 7 * time.Second},
		{"throttled for a day", &hss.Error{Class: hss.ClassThrottled, RetryAfter: 24 * time.Hour}, 1, 1, db.Again, false, 5 * time.Minute},
		{"throttled by policy", &hss.Error{Class: hss.ClassThrottled, Throttle: hss.Throttle{Limit: 5, Per: 2 * time.Minute}}, 1, 1, db.Again, false, 2 * time.Minute},
		{"not sent once", vendor(hss.ClassNotSent), 200, 1, db.Again, false, time.Second},
		{"not sent three times", vendor(hss.ClassNotSent), 200, 3, db.Again, true, 0},
		{"told to end", &hss.Error{Class: hss.ClassNotSent, Err: context.Canceled}, 200, 3, db.Again, false, 0},
		{"401", vendor(hss.ClassNotSignedIn), 200, 1, db.Again, true, 0},
		{"locked", vendor(hss.ClassKeyLocked), 200, 1, db.Again, true, 0},
		{"kept back, locked", &hss.Error{Class: hss.ClassNotSent, Err: &wtp.Upstream{Class: string(hss.ClassKeyLocked)}}, 200, 1, db.Again, true, 0},
		{"clock", vendor(hss.ClassClock), 200, 1, db.Again, true, 0},
		{"403", vendor(hss.ClassNoPermission), 200, 1, db.Again, true, 0},
		{"404", vendor(hss.ClassNotInRegion), 200, 1, db.Again, true, 0},
		{"unclear", vendor(hss.ClassUnclear), 200, 1, db.Unclear, false, 5 * time.Second},
		{"a class of a later version", vendor("odd"), 200, 1, db.Unclear, false, 5 * time.Second},
	} {
		got := judge(tc.err, tc.size, tc.tries, 3, now, 5*time.Second)
		if got.verdict.Kind != tc.want || (got.stop != "") != tc.stops {
			t.Errorf("%s: %s, stops %q; want %s, %v", tc.name, got.verdict.Kind, got.stop, tc.want, tc.stops)
		}
		if after := got.verdict.RunAt.Sub(wtp.At(now)); got.verdict.RunAt != 0 && (after < tc.after || after > tc.after+time.Minute) {
			t.Errorf("%s: again after %s, want %s", tc.name, after, tc.after)
		}
		if got.verdict.Kind == db.Again && !got.verdict.Free {
			t.Errorf("%s: counts as a sending although nothing was applied", tc.name)
		}
	}
	if got := judge(errors.New("not of package hss"), 1, 3, 3, now, time.Second); got.verdict.Kind != db.Again || got.stop == "" {
		t.Errorf("an error before the call: %+v", got)
	}
}
