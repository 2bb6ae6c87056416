package apply

import (
	"context"
	"strings"

	"wtp-console/internal/wtp"
)

const (
	suspectsOf   = 16 // of smaller batches a reading would save nothing
	suspectsMost = 8  // more than that isn't a few culprits, and each costs a call
)

// search sends what is best sent next while HSS may have refused calls whose culprits
// are not known: b or another batch made in its place.
func (w *work) search(ctx context.Context, b wtp.Batch) error {
	a, err := w.Store.Arrange(ctx, w.owner, b, w.refused >= wtp.MostRefused)
	switch {
	case err != nil:
		return err
	case a.Wait && w.flying > 0:
		return w.idle(ctx, look)
	case len(a.Targets) == 0:
		return nil // stopped this very moment: the next round knows
	}
	w.searching = a.Again
	w.mixed[a.Batch.ID] = a.Search
	return w.send(ctx, a.Batch, a.Targets)
}

// singleOut looks for the culprits of a batch that HSS refused: servers that its answer
// names, or else that went offline, lost WTP or left since the plan was made. Each is
// sent alone. Without such servers, or without a reading, they are searched for; see
// wtp.Pool.
func (w *work) singleOut(ctx context.Context, s *sending) error {
	if w.change.Kind != wtp.DynamicWTP {
		return nil
	}
	suspects := named(s)
	// A reading is not made again for what a search sends.
	if len(suspects) == 0 && s.batch.Parent == 0 && !w.mixed[s.batch.ID] && len(s.targets) >= suspectsOf {
		var err error
		if suspects, err = w.unfit(ctx, s.targets); err != nil {
			w.log.Warn("what HSS shows of a refused batch could not be read; its culprit is searched for", "batch", s.batch.No, "err", err)
			return ctx.Err()
		}
	}
	if len(suspects) == 0 || len(suspects) > suspectsMost {
		return nil
	}
	return w.record(ctx, func(ctx context.Context) error { return w.Store.SingleOut(ctx, w.owner, s.batch.ID, suspects) })
}

// named are the servers that HSS's answer names.
func named(s *sending) []string {
	var hosts []string
	for _, t := range s.targets {
		if strings.Contains(s.call.Message, t.HostID) {
			hosts = append(hosts, t.HostID)
		}
	}
	return hosts
}

// unfit are the servers that HSS shows in a state it can't switch, or no longer lists.
func (w *work) unfit(ctx context.Context, targets []wtp.Target) ([]string, error) {
	reading, err := w.reading(ctx)
	if err != nil {
		return nil, err
	}
	listed, err := reading.Listed(ctx, hostIDs(targets))
	if err != nil {
		return nil, err
	}
	var hosts []string
	for _, t := range targets {
		now, ok := listed[t.HostID]
		now.OS = "linux" // an export doesn't say, and it doesn't change
		now.Dynamic = t.Before
		if bucket, _ := wtp.Classify(now, w.change.Direction, false); !ok || bucket == wtp.Cannot {
			hosts = append(hosts, t.HostID)
		}
	}
	return hosts, nil
}
