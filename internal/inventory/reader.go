// Package inventory keeps our picture of the servers and backup servers in step
// with HSS, and so notes what HSS shows of servers that a change has sent.
//
// HSS allows few calls: five a minute of each kind. A reading begins with the
// first page of the list, which says how many servers there are. Up to three pages
// (600 servers) are simply read. Beyond that, from the first reading on, an export is
// made: three calls for up to 200,000 servers. An exported row lacks operating system,
// group, importance, server status and the backup server in use. So
//
//   - beside the readings the list is read page by page, and each reading takes in what
//     it has shown since the one before: after a start, then once an hour, or after six
//     times as long as reading it takes, whichever is longer, and after a sixth of that
//     if more than three servers are there that it has not shown yet,
//   - up to three of those are looked up singly,
//   - of more, an export more and a page tell the operating system; until the list
//     shows them they are wtp.Unlisted, and a plan treats them with care,
//   - and the whole list is read at once where an export can't be had or lacks servers.
//
// For 100,000 servers and five calls a minute the list takes 100 minutes, but a reading
// a call of each kind and about a minute. What a plan decides by besides operating
// system and importance (agent, WTP and dynamic WTP status, attacks) is as fresh as the
// last reading; a group, an importance or a backup server in use may be as old as
// projects.listed_at.
package inventory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"wtp-console/internal/connect"
	"wtp-console/internal/db"
	"wtp-console/internal/hss"
	"wtp-console/internal/wtp"
)

// Defaults of Reader's fields.
const (
	DefaultEvery     = 5 * time.Minute
	DefaultListEvery = time.Hour
	DefaultPoll      = 5 * time.Second
	DefaultAtOnce    = 4
)

// Reader reads projects. Its fields are set once, before Run; a zero duration or
// number means its default.
type Reader struct {
	Store   *db.Store
	Connect *connect.Connector
	Owner   string           // of leases; another in each process
	Now     func() time.Time // the store's clock; nil: time.Now
	Logger  *slog.Logger     // nil: slog.Default
	Wake    chan struct{}    // for Poke, of size 1; nil: work is found by polling only

	Every     time.Duration // between two readings of a project
	ListEvery time.Duration // between two readings of the whole list of a large project
	AtOnce    int           // projects read at the same time
	Poll      time.Duration // between two looks for projects that are due

	claims   atomic.Int64
	mu       sync.Mutex
	listings map[int64]*listing // by project
}

// Poke says that a reading may be wanted. It never blocks.
func (r *Reader) Poke() {
	select {
	case r.Wake <- struct{}{}:
	default:
	}
}

// Run reads whatever is wanted or due until ctx ends, then returns nil.
func (r *Reader) Run(ctx context.Context) error {
	ended := make(chan struct{}, 1)
	var all sync.WaitGroup
	defer all.Wait()
	slots := make(chan struct{}, cmp.Or(r.AtOnce, DefaultAtOnce))
	for ctx.Err() == nil {
		for r.begin(ctx, &all, slots, ended) {
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

func (r *Reader) begin(ctx context.Context, all *sync.WaitGroup, slots, ended chan struct{}) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case slots <- struct{}{}:
	default:
		return false
	}
	// An owner of its own for each claim: see apply.
	owner := fmt.Sprintf("%s/%d", r.Owner, r.claims.Add(1))
	p, ok, err := r.Store.ClaimRead(ctx, owner, cmp.Or(r.Every, DefaultEvery))
	if err != nil && ctx.Err() == nil {
		r.logger().Error("looking for projects to read failed", "err", err)
	}
	if err != nil || !ok {
		<-slots
		return false
	}
	all.Go(func() {
		exported := r.read(ctx, p, owner)
		<-slots
		select {
		case ended <- struct{}{}:
		default:
		}
		if exported {
			r.list(ctx, p.ID)
		}
	})
	return true
}

// read carries out one claimed reading, and keeps its result or what it met. It says
// whether it has kept one that was made by an export.
func (r *Reader) read(ctx context.Context, p wtp.Project, owner string) (exported bool) {
	log := r.logger().With("project", p.ID, "name", p.Name)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	claim := claimed{cancel: cancel}
	var renewing sync.WaitGroup
	renew, still := context.WithCancel(context.WithoutCancel(ctx))
	defer renewing.Wait()
	defer still()
	renewing.Go(func() { r.renew(renew, p.ID, owner, claim.lost) })

	began := r.now()
	// What is read from here on is at least as new as this.
	startedAt := max(p.ReadStartedAt, wtp.At(began))
	rows := r.takeRows(p.ID)
	read, err := r.all(ctx, p, rows)
	if err != nil {
		r.giveRows(p.ID, rows)
		r.failed(ctx, log, p, owner, err)
		return false
	}
	claim.saving.Store(true)
	result, err := r.Store.SaveInventory(ctx, p.ID, owner, startedAt, read.servers, read.backups)
	if err != nil {
		r.giveRows(p.ID, rows)
	}
	switch {
	case errors.Is(err, wtp.ErrConflict):
		log.Warn("a reading was given up: the project is another process's, or gone")
	case err != nil:
		r.failed(ctx, log, p, owner, err)
	default:
		r.noteMissing(p.ID, int(result.Unlisted))
		if read.whole {
			err = r.Store.NoteListed(ctx, p.ID, startedAt)
		}
		log.Info("project read", "servers", result.Servers, "backup_servers", result.Backups, "new", result.New, "changed", result.Changed,
			"gone", result.Gone, "confirmed", result.Confirmed, "changed_outside", result.Outside, "unlisted", result.Unlisted, "took_ms", r.now().Sub(began).Milliseconds())
		if err != nil && ctx.Err() == nil {
			log.Error("that the list was read could not be noted", "err", err)
		}
		return !read.whole
	}
	return false
}

// claimed is a reading under a claim.
type claimed struct {
	cancel context.CancelFunc
	saving atomic.Bool
}

// lost ends the reading: another process may have it. But not while it is saved, which
// looks for itself whether the claim still holds. It also gives the claim back: a renewal
// that waited for its commit finds none, and must not cut it short before it has heard
// that it is done.
func (c *claimed) lost() {
	if !c.saving.Load() {
		c.cancel()
	}
}

// failed keeps why a reading failed: a sentence of ours on the first line, theirs
// (code, message, request ID) on the second.
func (r *Reader) failed(ctx context.Context, log *slog.Logger, p wtp.Project, owner string, err error) {
	why := wtp.Say("The console could not keep what it read. See its log.").ID
	up := connect.Upstream(err)
	var vendor *hss.Error
	var own *wtp.Upstream
	switch {
	case ctx.Err() != nil:
		why = wtp.Say("The reading was interrupted. It begins again by itself.").ID
	case errors.Is(err, connect.ErrListMoved):
		why = wtp.Say("HSS gave a list that contradicts itself, so it was not used. The console reads again by itself.").ID
	case errors.As(err, &vendor) || errors.As(err, &own):
		why = up.Text.ID
		if up.Code != "" || up.Message != "" || up.RequestID != "" {
			why += "\n" + theirs(up)
		}
	}
	log.Warn("reading HSS failed", "err", err)
	if err := r.Store.FailRead(context.WithoutCancel(ctx), p.ID, owner, why); err != nil && !errors.Is(err, wtp.ErrConflict) {
		log.Error("a failed reading could not be noted", "err", err)
	}
}

func theirs(up *wtp.Upstream) string {
	s := up.Operation
	if up.Code != "" {
		s += " " + up.Code
	}
	if up.Message != "" {
		s += ": " + up.Message
	}
	if up.RequestID != "" {
		s += fmt.Sprintf(" (request ID %s)", up.RequestID)
	}
	return s
}

// renew keeps the claim; by real time, since it guards against a process that
// stands still.
func (r *Reader) renew(ctx context.Context, project int64, owner string, lost func()) {
	t := time.NewTicker(max(r.Store.LeaseFor()/3, 50*time.Millisecond))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		switch err := r.Store.RenewRead(ctx, project, owner); {
		case errors.Is(err, wtp.ErrConflict):
			lost()
			return
		case err != nil && ctx.Err() == nil:
			r.logger().Error("a reading's lease could not be renewed", "project", project, "err", err)
		}
	}
}

func (r *Reader) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}

func (r *Reader) logger() *slog.Logger {
	if r.Logger == nil {
		return slog.Default()
	}
	return r.Logger
}

// ReadBackups reads the project's backup servers from HSS now, for somebody who
// waits, and keeps them. The error is a *wtp.Upstream or the store's.
func (r *Reader) ReadBackups(ctx context.Context, p wtp.Project) ([]wtp.BackupServer, error) {
	startedAt := wtp.At(r.now())
	backups, err := r.Connect.Backups(ctx, p)
	if err != nil {
		return nil, err
	}
	return backups, r.Store.SaveBackupServers(ctx, p.ID, startedAt, backups)
}
