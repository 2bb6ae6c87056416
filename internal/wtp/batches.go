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

// MaxBoxes is how many boxes the strip of a change has at most.
const MaxBoxes = 60

// PerBox is how many of n batches are counted in one box of the strip, at least 1; in
// the last one there may be fewer.
func PerBox(n int64) int64 { return max((n+MaxBoxes-1)/MaxBoxes, 1) }

// BoxOf is the box, from 1 to MaxBoxes, of the batch with the number no, from 1, of n.
func BoxOf(no, n int64) int64 { return (no-1)/PerBox(n) + 1 }

// Box is how many of the batches that are counted in a box of the strip are in each
// state. What a batch was cut into is counted in the box of that batch.
type Box struct {
	ChangeID int64
	Box      int64 // from 1
	Waiting  int64
	Sending  int64
	Unclear  int64
	Accepted int64
	Refused  int64
	Split    int64
	Unknown  int64
	Mixed    int64
	Stopped  int64
}

// Of is how many batches have the state.
func (b Box) Of(s BatchState) int64 {
	switch s {
	case BatchWaiting:
		return b.Waiting
	case BatchSending:
		return b.Sending
	case BatchUnclear:
		return b.Unclear
	case BatchAccepted:
		return b.Accepted
	case BatchRefused:
		return b.Refused
	case BatchSplit:
		return b.Split
	case BatchUnknown:
		return b.Unknown
	case BatchMixed:
		return b.Mixed
	case BatchStopped:
		return b.Stopped
	}
	return 0
}

// Open is how many batches are not over.
func (b Box) Open() int64 { return b.Waiting + b.Sending + b.Unclear }

// Done is how many batches were sent and have an outcome.
func (b Box) Done() int64 { return b.Accepted + b.Refused + b.Unknown + b.Mixed }
