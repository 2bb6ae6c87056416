package wtp

import "slices"

// Refusal is a call of several servers that HSS refused, where no server of it was
// refused alone yet: at least one of them is the culprit.
type Refusal struct {
	Open  []int64 // its targets that are undecided: waiting or in flight
	Taken int     // how many of its targets HSS has accepted since
}

// MostRefused calls in a row, none accepted between them: suspects no longer travel with
// others.
const MostRefused = 4

// Pool is what there is for the next call of a change in which HSS refused calls.
//
// A search for the culprit of a refused call costs nothing as long as its suspects
// travel, a few in each, in calls that are to be made anyway: a call that HSS accepts
// clears those in it. One that it refuses is lost, but leaves only those few, and they
// travel in smaller numbers again; who travelled alone is then sent alone. What else was
// in a lost call is presumed good and kept back until the culprit is known.
type Pool struct {
	Ready   []int64   // targets in batches that never left, in order
	More    int       // how many of such beside those in Ready, none of them suspect
	Refused []Refusal // calls that no culprit explains yet
	// Apart keeps suspects from travelling with others: HSS refuses too much for that.
	Apart bool
}

// Next says which of Ready the next call names, at most MaxHosts, in order. Wait says
// that the answers to what is in flight are needed first. Without Refused it is
// empty: any batch may be sent as it is.
func (p Pool) Next() (call []int64, wait bool) {
	if len(p.Refused) == 0 {
		return nil, false
	}
	group, score, taken := p.suspects()
	suspect := map[int64]bool{}
	for _, t := range group {
		suspect[t] = true
	}
	var suspects, clean, presumed []int64
	for _, t := range p.Ready {
		switch {
		case suspect[t]:
			suspects = append(suspects, t)
		case score[t] == 0:
			clean = append(clean, t)
		case score[t] == 1 && score[group[0]] > 1 && p.shares(t, group):
			presumed = append(presumed, t)
		}
	}
	if p.Apart {
		clean, p.More = nil, 0
	}
	flying := len(suspects) < len(group)
	switch {
	case len(group) == 1 && !flying:
		return suspects, false
	case len(suspects) == 0 || len(clean) == 0 && flying:
		call = clean[:min(len(clean), MaxHosts)]
		return call, len(call) == 0
	}
	n := len(suspects)
	switch {
	case len(clean) > 0:
		n = travelling(n, (len(clean)+len(presumed)+p.More+n)/MaxHosts)
	case taken && score[group[0]] == 1:
		// HSS may have refused it for a moment only: the rest is sent whole, once.
	default:
		n = travelling(n, min((len(presumed)+n)/MaxHosts, 1))
	}
	call = slices.Clone(suspects[:n])
	with := slices.Concat(clean, presumed)
	call = append(call, with[:min(len(with), MaxHosts-n)]...)
	slices.Sort(call)
	return call, false
}

// suspects are the targets that the refusals point at most: those that most of them
// share, in the smallest of these. Score is how many refusals each target is part of;
// taken says that HSS accepted part of that smallest one since.
func (p Pool) suspects() (group []int64, score map[int64]int, taken bool) {
	score, top := map[int64]int{}, 0
	for _, r := range p.Refused {
		for _, t := range r.Open {
			score[t]++
			top = max(top, score[t])
		}
	}
	least := 0
	for _, r := range p.Refused {
		isTop := func(t int64) bool { return score[t] == top }
		if !slices.ContainsFunc(r.Open, isTop) || least != 0 && len(r.Open) > least {
			continue
		}
		least, taken, group = len(r.Open), r.Taken > 0, nil
		for _, t := range r.Open {
			if isTop(t) {
				group = append(group, t)
			}
		}
	}
	return group, score, taken
}

// shares says that all refusals of t are explained if the culprit is in group.
func (p Pool) shares(t int64, group []int64) bool {
	for _, r := range p.Refused {
		if slices.Contains(r.Open, t) && !slices.ContainsFunc(group, func(g int64) bool { return slices.Contains(r.Open, g) }) {
			return false
		}
	}
	return true
}

// travelling is how many of n suspects, one of them the culprit, travel in the next
// call, when so many calls are to be made anyway: the number that loses the fewest
// calls on average. 0 calls: the call is made for them.
func travelling(n, calls int) int {
	// Calls beyond these are better kept for another search.
	const most, each = 24, 0.002
	if n < 2 {
		return n
	}
	calls = min(calls, most)
	cost, best := make([][]float64, calls+1), 0
	for w := range cost {
		cost[w] = make([]float64, n+1)
		cost[w][1] = 1 // it is sent alone
		for s := 2; s <= n; s++ {
			cost[w][s] = -1
			for m := 1; m < s; m++ {
				q, c := float64(m)/float64(s), 0.0
				if w == 0 {
					c = 1 + q*cost[0][m] + (1-q)*cost[0][s-m]
				} else {
					c = each + q*(1+cost[w][m]) + (1-q)*cost[w-1][s-m]
				}
				if cost[w][s] < 0 || c < cost[w][s]+1e-9 {
					cost[w][s], best = c, m
				}
			}
		}
	}
	if calls == 0 {
		return (n + 1) / 2
	}
	return best
}
