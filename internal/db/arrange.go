package db

import (
	"fmt"
	"slices"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// refusal is a refused call of a change, and where its targets are now.
type refusal struct {
	waiting, flying []int64
	taken           int
}

// reachable are the refusals of which something waits among ready (sorted) or is in
// flight.
func reachable(all []refusal, ready []int64) []wtp.Refusal {
	var out []wtp.Refusal
	for _, r := range all {
		open := slices.Clone(r.flying)
		for _, seq := range r.waiting {
			if _, ok := slices.BinarySearch(ready, seq); ok {
				open = append(open, seq)
			}
		}
		if len(open) > 0 {
			slices.Sort(open)
			out = append(out, wtp.Refusal{Open: open, Taken: r.taken})
		}
	}
	return out
}

// pile is a batch that never left, and its targets.
type pile struct {
	wtp.Batch
	seqs []int64
}

func readPiles(tx *gorm.DB, batches []wtp.Batch) ([]*pile, error) {
	var piles []*pile
	for _, b := range batches {
		seqs, err := many[int64](tx, "SELECT t.seq FROM targets t WHERE "+inBatch+" AND t.outcome = 'waiting' ORDER BY t.seq", b.ID)
		if err != nil {
			return nil, fmt.Errorf("targets of a batch: %w", err)
		}
		piles = append(piles, &pile{b, seqs})
	}
	return piles, nil
}

// join fills a piece of a batch up with other pieces: what several refusals left over
// takes no more calls than it must.
func join(tx *gorm.DB, a *Arranged, piles []*pile) error {
	var call []int64
	pieces := 0
	whole := false
	for _, own := range []bool{true, false} {
		for _, p := range piles {
			if (p.ID == a.Batch.ID) != own {
				continue
			}
			if len(p.seqs) >= wtp.MaxHosts {
				whole = whole || own
				continue
			}
			pieces++
			call = append(call, p.seqs[:min(len(p.seqs), wtp.MaxHosts-len(call))]...)
		}
	}
	a.Again = pieces > 1
	if whole || pieces < 2 {
		return nil // the pieces come later, or there is one
	}
	slices.Sort(call)
	var err error
	a.Batch, err = gather(tx, piles, call)
	return err
}

// gather makes a batch of exactly the targets of call (sorted), which are in piles, and
// gives it back. Other targets of that batch go where those of call came from, so
// that no batch is added where the call is a whole one.
func gather(tx *gorm.DB, piles []*pile, call []int64) (wtp.Batch, error) {
	split := func(p *pile) (in, out []int64) {
		for _, seq := range p.seqs {
			if _, ok := slices.BinarySearch(call, seq); ok {
				in = append(in, seq)
			} else {
				out = append(out, seq)
			}
		}
		return in, out
	}
	var into *pile
	most := 0
	for _, p := range piles {
		if in, _ := split(p); len(in) > most {
			into, most = p, len(in)
		}
	}
	if into == nil {
		return wtp.Batch{}, fmt.Errorf("the next call's targets don't wait: %w", wtp.ErrConflict)
	}
	_, displaced := split(into)
	if len(into.seqs) > len(call) {
		// A piece of it, and perhaps of others: they keep the rest.
		b, err := cutOff(tx, into.Batch, call)
		if err != nil {
			return b, err
		}
		for _, p := range piles {
			if in, out := split(p); len(in) > 0 {
				if err := resize(tx, p.Batch, int64(len(out))); err != nil {
					return b, err
				}
			}
		}
		return b, nil
	}
	var moving []int64
	for _, p := range piles {
		in, out := split(p)
		if p == into || len(in) == 0 {
			continue
		}
		moving = append(moving, in...)
		back := displaced[:min(len(displaced), len(in))]
		displaced = displaced[len(back):]
		if len(back) > 0 {
			if err := putInto(tx, p.Batch, back); err != nil {
				return into.Batch, err
			}
		}
		if n := len(out) + len(back); n != len(p.seqs) {
			if err := resize(tx, p.Batch, int64(n)); err != nil {
				return into.Batch, err
			}
		}
	}
	if len(moving) > 0 {
		if err := putInto(tx, into.Batch, moving); err != nil {
			return into.Batch, err
		}
	}
	if len(into.seqs) != len(call) {
		if err := resize(tx, into.Batch, int64(len(call))); err != nil {
			return into.Batch, err
		}
	}
	b := into.Batch
	b.Size = int64(len(call))
	return b, nil
}
