package apply

import (
	"context"
	"strings"

	"wtp-console/internal/wtp"
)

const (
	suspectsOf   = 16 // smaller batches are halved: a reading would save nothing
	suspectsMost = 8  // more than that isn't a few culprits, and each costs a call
)

// singleOut looks for the culprits of a whole batch that HSS refused: servers that its
// answer names, or else that went offline, lost WTP or left since the plan was made.
// Each is sent alone and the others together, which takes three calls in place of up
// to sixteen. Without such servers, or without a reading, the halves are sent as they
// are.
func (w *work) singleOut(ctx context.Context, s *sending) error {
	if s.batch.Parent != 0 || len(s.targets) < suspectsOf || w.change.Kind != wtp.DynamicWTP {
		return nil
	}
	suspects := named(s)
	if len(suspects) == 0 {
		var err error
		if suspects, err = w.unfit(ctx, s.targets); err != nil {
			w.log.Warn("what HSS shows of a refused batch could not be read; it is halved", "batch", s.batch.No, "err", err)
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
