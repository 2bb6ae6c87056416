// Package apply carries confirmed changes to their end. It claims a change by a
// lease, and for each batch: waits for the shared budget, writes the call down,
// commits, calls HSS, records what came of it. A batch that HSS refuses is split
// until the culprit stands alone. An answer that leaves open whether it was done
// is settled by reading back first, and never sent again blindly. What the package
// does with each answer is the function judge; the rules are in docs/design.md.
//
// A process that dies anywhere leaves the batches in flight, as many as calls_at_once
// says, and one that was ready marked as being sent; whoever claims the change next
// finds them unclear and reads them back.
package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"wtp-console/internal/connect"
	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

// Defaults of Runner's fields.
const (
	DefaultMaxSendings   = 3
	DefaultResumeWithin  = 24 * time.Hour
	DefaultReadBackAfter = 5 * time.Second
	DefaultSettleFor     = wtp.SettleFor
	DefaultFollowEvery   = 15 * time.Second
	DefaultFollowFor     = 5 * time.Minute
	DefaultGrace         = 30 * time.Second
	DefaultAtOnce        = 8
	DefaultPoll          = 2 * time.Second
)

// Runner carries changes out. Its fields are set once, before Run; a zero duration
// or number means its default.
type Runner struct {
	Store   *db.Store
	Connect *connect.Connector
	Owner   string           // of leases; another in each process, e.g. host name and random
	Now     func() time.Time // the store's clock; nil: time.Now
	Logger  *slog.Logger     // nil: slog.Default
	Wake    chan struct{}    // for Poke, of size 1; nil: work is found by polling only
	// Changed is called, when set, after a change has come to its end, so that
	// whoever reads back can begin.
	Changed func()

	MaxSendings   int64         // of one batch, when answers are unclear
	ResumeWithin  time.Duration // how long after its confirmation a change may still be begun or gone on with
	ReadBackAfter time.Duration // from an unclear answer to the first reading back: HSS may still be at it
	SettleFor     time.Duration // how long reading back is tried before its targets are unknown
	FollowEvery   time.Duration // between two readings of a saved backup server's status
	FollowFor     time.Duration // how long that is done
	Grace         time.Duration // for the call in flight when Run is told to end
	AtOnce        int           // changes carried out at the same time
	Poll          time.Duration // between two looks for work that nobody woke us for
	// Wait is how a change waits (for the budget, before reading back); nil waits
	// in real time. It returns the context's error when that ends first.
	Wait func(ctx context.Context, d time.Duration) error

	claims atomic.Int64
	mu     sync.Mutex
	mine   map[int64]bool // changes this process is at
}

// Poke says that there may be work. It never blocks.
func (r *Runner) Poke() {
	select {
	case r.Wake <- struct{}{}:
	default:
	}
}

// Run carries out changes until ctx ends. Then calls in flight get Grace to be
// answered and are recorded, leases are given back, and Run returns nil. An error
// that would come again at once (the database is gone) is logged, not returned.
func (r *Runner) Run(ctx context.Context) error {
	ended := make(chan struct{}, 1)
	var all sync.WaitGroup
	defer all.Wait()
	slots := make(chan struct{}, cmp.Or(r.AtOnce, DefaultAtOnce))
	for ctx.Err() == nil {
		r.fireTimers(ctx)
		for r.claim(ctx, &all, slots, ended) {
		}
		t := time.NewTimer(cmp.Or(r.Poll, DefaultPoll))
		select {
		case <-ctx.Done():
		case <-r.Wake:
		case <-ended:
		case <-t.C:
		}
		t.Stop()
	}
	return nil
}

// claim begins one change, if there is one and a free slot. It says whether to try
// for another.
func (r *Runner) claim(ctx context.Context, all *sync.WaitGroup, slots, ended chan struct{}) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case slots <- struct{}{}:
	default:
		return false
	}
	began := false
	defer func() {
		if !began {
			<-slots
		}
	}()
	// Each claim has an owner of its own: a process that stood still must not take
	// its own change over and then have two parts of it believe they hold the lease.
	// While one part is at a change, no other may have it: a clock that was put
	// forward ends leases that are alive.
	owner := fmt.Sprintf("%s/%d", r.Owner, r.claims.Add(1))
	change, ok, err := r.Store.ClaimChange(ctx, owner, r.atWork()...)
	if err != nil {
		if ctx.Err() == nil {
			r.logger().Error("looking for confirmed changes failed", "err", err)
		}
		return false
	}
	if !ok {
		return false
	}
	began = true
	r.atIt(change.ID, true)
	all.Go(func() {
		defer func() {
			r.atIt(change.ID, false)
			<-slots
			select {
			case ended <- struct{}{}:
			default:
			}
		}()
		r.carry(ctx, change, owner)
	})
	return true
}

// atIt notes that this process is at a change, or no longer.
func (r *Runner) atIt(change int64, at bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mine == nil {
		r.mine = map[int64]bool{}
	}
	if at {
		r.mine[change] = true
	} else {
		delete(r.mine, change)
	}
}

// atWork are the changes this process is at.
func (r *Runner) atWork() []int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.mine))
}

// carry carries one claimed change out as far as it goes.
func (r *Runner) carry(ctx context.Context, change wtp.Change, owner string) {
	log := r.logger().With("change", change.ID, "project", change.ProjectID, "number", change.Number)
	ctx, fence := context.WithCancelCause(ctx)
	defer fence(nil)
	var beating sync.WaitGroup
	beat, still := context.WithCancel(context.WithoutCancel(ctx))
	defer beating.Wait()
	defer still()
	beating.Go(func() { r.heartbeat(beat, change.ID, owner, fence) })

	w := newWork(r, change, owner, log)
	log.Info("change claimed", "confirmed_by", change.ConfirmedByName, "kind", change.Kind, "direction", change.Direction, "to_send", change.ToSend)
	err := w.run(ctx)
	switch {
	case err == nil:
	case errors.Is(err, errFenced) || errors.Is(context.Cause(ctx), errFenced):
		r.lost(ctx, change, log)
		return
	case ctx.Err() == nil:
		// Given back, so that it is tried again; a moment later, lest a broken
		// database be asked without end.
		log.Error("carrying the change out failed; it will be tried again", "err", err)
		_ = r.pause(ctx, 5*time.Second)
	}
	if err := r.Store.ReleaseChange(context.WithoutCancel(ctx), change.ID, owner); err != nil && !errors.Is(err, wtp.ErrConflict) && !errors.Is(err, wtp.ErrNotFound) {
		log.Error("the change's lease could not be given back", "err", err)
	}
}

// lost says that the lease of a change is gone. A heartbeat may find that of one that
// has just ended here: then nobody took it, and what follows its end still happens.
func (r *Runner) lost(ctx context.Context, change wtp.Change, log *slog.Logger) {
	if c, err := r.Store.ChangeByID(context.WithoutCancel(ctx), change.ID); err == nil && c.State.Over() {
		log.Info("change is over", "state", c.State)
		if r.Changed != nil {
			r.Changed()
		}
		return
	}
	log.Warn("change lost to another process; nothing more is recorded here")
}

// errFenced says that the lease is another's now.
var errFenced = errors.New("the lease was lost")

// heartbeat keeps the lease. It goes by real time whatever Now says: the lease
// guards against a process that stands still.
func (r *Runner) heartbeat(ctx context.Context, change int64, owner string, fence context.CancelCauseFunc) {
	t := time.NewTicker(max(r.Store.LeaseFor()/3, 50*time.Millisecond))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		switch err := r.Store.Heartbeat(ctx, change, owner); {
		case errors.Is(err, wtp.ErrConflict):
			fence(errFenced)
			return
		case err != nil && ctx.Err() == nil:
			r.logger().Error("the change's lease could not be renewed", "change", change, "err", err)
		}
	}
}

func (r *Runner) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}

func (r *Runner) logger() *slog.Logger {
	if r.Logger == nil {
		return slog.Default()
	}
	return r.Logger
}

func (r *Runner) pause(ctx context.Context, d time.Duration) error {
	if r.Wait != nil {
		return r.Wait(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
