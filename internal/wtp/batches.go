package wtp

// PerCall is how many targets one call of this kind of change may name, 1 to MaxHosts.
func (k ChangeKind) PerCall() int64 {
	if k == DynamicWTP {
		return MaxHosts
	}
	return 1
}

// Steps of a ramp that come before whole batches, in servers.
const (
	rampFirst  = 1
	rampSecond = 10
)

// Cut says how the targets that are sent fall into batches, in their order. The first
// Lead[0] targets are batch 1, those up to Lead[1] batch 2, and then Per make a batch.
type Cut struct {
	Lead [2]int64 // 0, 0: no ramp
	Per  int64
}

// CutOf is how a change is cut.
func CutOf(kind ChangeKind, ramp bool) Cut {
	c := Cut{Per: kind.PerCall()}
	if ramp && kind == DynamicWTP {
		c.Lead = [2]int64{rampFirst, rampFirst + rampSecond}
	}
	return c
}

// Leading is how many batches the lead makes.
func (c Cut) Leading() int64 {
	if c.Lead[1] == 0 {
		return 0
	}
	return 2
}

// Sizes are the sizes of the batches of n targets, each 1 to Per.
func (c Cut) Sizes(n int64) []int64 {
	var out []int64
	if c.Lead[1] > 0 {
		for _, size := range []int64{c.Lead[0], c.Lead[1] - c.Lead[0]} {
			if size = min(size, n); size > 0 {
				out, n = append(out, size), n-size
			}
		}
	}
	for ; n > 0; n -= c.Per {
		out = append(out, min(c.Per, n))
	}
	return out
}

// Calls is how many batches n targets make.
func (c Cut) Calls(n int64) int64 {
	switch {
	case n <= 0:
		return 0
	case n <= c.Lead[0]:
		return 1
	case n <= c.Lead[1]:
		return 2
	}
	return c.Leading() + (n-c.Lead[1]+c.Per-1)/c.Per
}
