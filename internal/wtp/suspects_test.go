package wtp

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// refusing is an HSS that refuses any call with a culprit in it, and what a change
// does there.
type refusing struct {
	culprits map[int64]bool
	waiting  []int64
	refusals [][]int64
	taken    map[int64]bool
	row      int // refused in a row
	longest  int // such row
	calls    int
}

func newRefusing(n int, culprits ...int64) *refusing {
	x := &refusing{culprits: map[int64]bool{}, taken: map[int64]bool{}}
	for i := range n {
		x.waiting = append(x.waiting, int64(i+1))
	}
	for _, c := range culprits {
		x.culprits[c] = true
	}
	return x
}

func (x *refusing) pool() Pool {
	p := Pool{Ready: x.waiting, Apart: x.row >= MostRefused}
	if len(p.Ready) > 1200 {
		p.Ready, p.More = p.Ready[:1200], len(p.Ready)-1200
	}
	live := x.refusals[:0]
	for _, r := range x.refusals {
		now := Refusal{}
		for _, t := range r {
			if x.taken[t] {
				now.Taken++
			} else {
				now.Open = append(now.Open, t)
			}
		}
		if len(now.Open) > 0 {
			live = append(live, r)
			p.Refused = append(p.Refused, now)
		}
	}
	x.refusals = live
	return p
}

// run sends all and says with how many calls.
func (x *refusing) run(t *testing.T) int {
	t.Helper()
	for len(x.waiting) > 0 {
		call, wait := x.pool().Next()
		if len(x.refusals) == 0 {
			call = slices.Clone(x.waiting[:min(len(x.waiting), MaxHosts)])
		}
		if x.calls++; wait || len(call) == 0 || len(call) > MaxHosts || x.calls > 5000 {
			t.Fatalf("call %d names %d targets, %d wait", x.calls, len(call), len(x.waiting))
		}
		refused := slices.ContainsFunc(call, func(t int64) bool { return x.culprits[t] })
		if refused {
			x.row++
			x.longest = max(x.longest, x.row)
		} else {
			x.row = 0
		}
		if refused && len(call) > 1 {
			x.refusals = append(x.refusals, call)
			continue
		}
		x.waiting = slices.DeleteFunc(x.waiting, func(t int64) bool { _, in := slices.BinarySearch(call, t); return in })
		for _, t := range call {
			x.taken[t] = !refused
		}
		if refused {
			if !x.culprits[call[0]] {
				t.Fatalf("target %d is refused for another's sake", call[0])
			}
			x.refusals = slices.DeleteFunc(x.refusals, func(r []int64) bool { return slices.Contains(r, call[0]) })
			delete(x.culprits, call[0])
		}
	}
	if len(x.culprits) > 0 {
		t.Fatalf("culprits not found: %v", x.culprits)
	}
	return x.calls
}

// halved is how many calls it takes when each refused call is halved.
func halved(n int, culprits map[int64]bool) int {
	calls := 0
	var send func(from, to int64)
	send = func(from, to int64) {
		calls++
		hit := false
		for c := range culprits {
			hit = hit || c > from && c <= to
		}
		if hit && to-from > 1 {
			half := (from + to + 1) / 2
			send(from, half)
			send(half, to)
		}
	}
	for i := int64(0); i < int64(n); i += MaxHosts {
		send(i, min(i+MaxHosts, int64(n)))
	}
	return calls
}

// TestOneCulprit: what a culprit costs, by how many whole batches come after its own.
func TestOneCulprit(t *testing.T) {
	const batches = 30
	table := ""
	for after, most := range map[int]int{29: 4, 20: 4, 17: 5, 12: 5, 8: 6, 5: 7, 3: 8, 1: 10, 0: 11} {
		sum, worst := 0, 0
		for i := 0; i < MaxHosts; i += 13 {
			more := newRefusing(batches*MaxHosts, int64((batches-1-after)*MaxHosts+i+1)).run(t) - batches
			sum, worst = sum+more, max(worst, more)
		}
		table += fmt.Sprintf("%d batches after it: %.1f calls more on average, %d at most\n", after, float64(sum)/16, worst)
		if worst > most {
			t.Errorf("%d batches after it: %d calls more, %d are enough", after, worst, most)
		}
	}
	t.Log("\n" + table)
}

// TestCulpritsAnywhere: random positions, a few of them and many.
func TestCulpritsAnywhere(t *testing.T) {
	for _, x := range []struct {
		culprits, runs int
		mean           float64 // at most
	}{{1, 40, 55}, {2, 100, 60.5}, {8, 6, 130}, {50, 1, 750}} {
		r := rand.New(rand.NewPCG(3, uint64(x.culprits)))
		var calls, before []int
		within := 0
		for range x.runs {
			culprits := map[int64]bool{}
			for len(culprits) < x.culprits {
				culprits[1+r.Int64N(10000)] = true
			}
			before = append(before, halved(10000, culprits))
			search := newRefusing(10000)
			search.culprits = culprits
			n := search.run(t)
			if calls = append(calls, n); n <= 60 {
				within++
			}
		}
		slices.Sort(calls)
		mean := func(a []int) float64 {
			sum := 0
			for _, v := range a {
				sum += v
			}
			return float64(sum) / float64(len(a))
		}
		t.Logf("%d of 10,000: %.1f calls on average, 90th percentile %d, worst %d, at most 60 in %d of %d; by halves %.1f", x.culprits, mean(calls), calls[len(calls)*9/10], calls[len(calls)-1], within, x.runs, mean(before))
		if mean(calls) > x.mean {
			t.Errorf("%d culprits: %.1f calls on average", x.culprits, mean(calls))
		}
	}
}
