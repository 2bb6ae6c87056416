package wtp

import (
	"slices"
	"testing"
)

func TestCut(t *testing.T) {
	for _, x := range []struct {
		kind ChangeKind
		ramp bool
		n    int64
		want []int64
	}{
		{DynamicWTP, false, 0, nil},
		{DynamicWTP, false, 1, []int64{1}},
		{DynamicWTP, false, 200, []int64{200}},
		{DynamicWTP, false, 401, []int64{200, 200, 1}},
		{DynamicWTP, true, 0, nil},
		{DynamicWTP, true, 1, []int64{1}},
		{DynamicWTP, true, 2, []int64{1, 1}},
		{DynamicWTP, true, 11, []int64{1, 10}},
		{DynamicWTP, true, 12, []int64{1, 10, 1}},
		{DynamicWTP, true, 411, []int64{1, 10, 200, 200}},
		{DynamicWTP, true, 412, []int64{1, 10, 200, 200, 1}},
		{RemoteBackup, false, 3, []int64{1, 1, 1}},
		{RemoteBackup, true, 3, []int64{1, 1, 1}},
	} {
		cut := CutOf(x.kind, x.ramp)
		if got := cut.Sizes(x.n); !slices.Equal(got, x.want) {
			t.Errorf("%s, ramp %t: %d are cut into %v, not %v", x.kind, x.ramp, x.n, got, x.want)
		}
		if got := cut.Calls(x.n); got != int64(len(x.want)) {
			t.Errorf("%s, ramp %t: %d take %d calls, not %d", x.kind, x.ramp, x.n, got, len(x.want))
		}
	}
}
