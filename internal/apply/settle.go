package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"wtp-console/internal/connect"
	"wtp-console/internal/db"
	"wtp-console/internal/hss"
	"wtp-console/internal/wtp"
)

// settle reads back what HSS shows of a batch whose outcome is open.
func (w *work) settle(ctx context.Context, b wtp.Batch, targets []wtp.Target) error {
	seen, err := w.seen(ctx, targets)
	if err != nil && ctx.Err() == nil {
		return w.settleLater(ctx, b, err)
	}
	if err != nil {
		return err
	}
	delete(w.unsettled, b.ID)
	delete(w.readings, b.ID)
	if !slices.ContainsFunc(targets, func(t wtp.Target) bool { return seen[t.HostID] != t.Wanted }) {
		// It was HSS that got it, whoever answered, and HSS did it.
		clear(w.failed)
		w.unclear = 0
	}
	sendings := cmp.Or(w.MaxSendings, DefaultMaxSendings)
	if again, err := w.mayAgain(ctx); err != nil {
		return err
	} else if !again {
		sendings = 0 // what HSS doesn't show is not sent again
	}
	return w.record(ctx, func(ctx context.Context) error { return w.Store.Settle(ctx, w.owner, b.ID, seen, sendings) })
}

// settleLater is for a batch that could not be read back.
func (w *work) settleLater(ctx context.Context, b wtp.Batch, err error) error {
	now := wtp.At(w.now())
	up := connect.Upstream(err)
	if w.unsettled[b.ID] == 0 {
		w.unsettled[b.ID] = now
	}
	w.readings[b.ID]++
	w.log.Warn("a batch could not be read back", "batch", b.No, "try", w.readings[b.ID], "class", up.Class, "err", err)
	// Turning back on needs no reading, so it doesn't wait for one: what may be off then
	// is turned on.
	due, err := w.backOnAt(ctx)
	if err != nil {
		return err
	}
	if hopeless(up) || due > 0 && due <= now || now.Sub(w.unsettled[b.ID]) >= cmp.Or(w.SettleFor, DefaultSettleFor) {
		return w.record(ctx, func(ctx context.Context) error { return w.Store.GiveUp(ctx, w.owner, b.ID) })
	}
	next := now.Add(min(10*time.Second<<min(w.readings[b.ID], 6), 5*time.Minute))
	if due > 0 {
		next = min(next, due)
	}
	return w.record(ctx, func(ctx context.Context) error { return w.Store.SettleLater(ctx, w.owner, b.ID, next) })
}

// backOnAt is when the change's timer turns back on, 0 if none is pending.
func (w *work) backOnAt(ctx context.Context) (wtp.Instant, error) {
	t, err := w.Store.Timer(ctx, w.change.ID)
	if errors.Is(err, wtp.ErrNotFound) || err == nil && t.State != wtp.TimerPending {
		return 0, nil
	}
	return t.DueAt, err
}

// hopeless says that another reading would fare no better, and after a failed
// sign-in could lock the key.
func hopeless(up *wtp.Upstream) bool {
	switch hss.Class(up.Class) {
	case hss.ClassNotSignedIn, hss.ClassClock, hss.ClassNoPermission, hss.ClassNotInRegion, connect.ClassNoCredential, connect.ClassNoKey:
		return true
	}
	return false
}

// seen is what HSS shows of the targets of a batch; see kind.
func (w *work) seen(ctx context.Context, targets []wtp.Target) (map[string]string, error) {
	how := kindOf(w.change, targets[0].Kind)
	if how == nil {
		return nil, fmt.Errorf("a change of kind %q can't be read back by this version", w.change.Kind)
	}
	reading, err := w.reading(ctx)
	if err != nil {
		return nil, err
	}
	return how.seen(ctx, reading, targets)
}

// reading reads for this change: each call is written down as one of it.
func (w *work) reading(ctx context.Context) (*connect.Reading, error) {
	reading, err := w.Connect.Reading(ctx, w.project, true)
	if err != nil {
		return nil, err
	}
	reading.Around = func(ctx context.Context, operation, method, path string, hosts int, call func(context.Context) (hss.Meta, error)) error {
		var taken db.Taken
		for {
			var err error
			if taken, err = w.Connect.Take(ctx, reading.CredentialID, operation, w.turn()); err != nil {
				return err
			}
			if taken.Wait <= 0 {
				break
			}
			if err := w.pause(ctx, min(taken.Wait, look)); err != nil {
				return err
			}
		}
		noted, err := w.Store.NoteCall(ctx, wtp.Call{ChangeID: w.change.ID, Operation: operation, Method: method, Path: path, Hosts: int64(hosts)})
		if err != nil {
			return err
		}
		meta, callErr := w.Connect.Prepaid(ctx, operation, taken, call)
		fill(&noted, meta, connect.Upstream(callErr), callErr)
		noted.EndedAt = wtp.At(w.now())
		if err := w.Store.CompleteCall(context.WithoutCancel(ctx), noted); err != nil {
			return err
		}
		return callErr
	}
	return reading, nil
}
