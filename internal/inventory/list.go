package inventory

import (
	"cmp"
	"context"
	"time"

	"wtp-console/internal/connect"
	"wtp-console/internal/hss"
	"wtp-console/internal/wtp"
)

// listing is the reading of a large project's list, beside its readings by export.
type listing struct {
	running bool
	at      int       // row to go on from; 0: at the beginning
	began   time.Time // when row 0 was read
	took    time.Duration
	rows    []wtp.Server // read, and in no saved reading yet
	ended   time.Time    // when the list was last read to its end; zero: never
	missing int          // servers of the last saved reading that no list has shown
	refused time.Time    // when an export was last not to be had
}

// listing is that of a project. r.mu is held.
func (r *Reader) listing(project int64) *listing {
	if r.listings == nil {
		r.listings = map[int64]*listing{}
	}
	l := r.listings[project]
	if l == nil {
		l = &listing{}
		r.listings[project] = l
	}
	return l
}

// list reads the list of a large project to its end, if that is due. Readings by
// export put what it found into the inventory. It returns when the list is read, a
// page can't be had or the project is gone; the next time it goes on from there.
func (r *Reader) list(ctx context.Context, project int64) {
	if !r.beginList(project) {
		return
	}
	for r.listPage(ctx, project) && ctx.Err() == nil {
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listing(project).running = false
}

// beginList says whether the list is to be read, and that nobody else does.
func (r *Reader) beginList(project int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.listing(project)
	wait := max(cmp.Or(r.ListEvery, DefaultListEvery), 6*l.took)
	if l.missing > connect.LookUps {
		wait /= 6 // many came that no list has shown
	}
	if l.running || l.at == 0 && !l.ended.IsZero() && r.now().Sub(l.ended) < wait {
		return false
	}
	l.running = true
	if l.at == 0 {
		l.began = r.now()
	}
	return true
}

// listPage reads one more page of the list. false: there is no more, or not now.
func (r *Reader) listPage(ctx context.Context, project int64) bool {
	p, err := r.Store.ProjectByID(ctx, project)
	if err != nil || p.RemovedAt != 0 {
		return false
	}
	r.mu.Lock()
	at := r.listing(project).at
	r.mu.Unlock()
	var rows []wtp.Server
	var total int
	reading, err := r.Connect.Reading(ctx, p, false)
	if err == nil {
		rows, total, err = reading.Page(ctx, at)
	}
	if err != nil {
		r.logger().Warn("the list can't be read on now", "project", project, "row", at, "err", err)
		return false
	}
	r.mu.Lock()
	l := r.listing(project)
	l.rows = append(l.rows, rows...)
	l.at += len(rows)
	over := len(rows) == 0 || l.at >= total || l.at > hss.MaxOffset
	began, waiting := l.began, l.missing > 0
	if over {
		l.at, l.ended, l.took = 0, r.now(), r.now().Sub(began)
	}
	r.mu.Unlock()
	if !over {
		return true
	}
	if err := r.Store.NoteListed(ctx, project, wtp.At(began)); err != nil && ctx.Err() == nil {
		r.logger().Error("that the list was read could not be noted", "project", project, "err", err)
	}
	if waiting { // servers stand as unlisted until a reading takes in what was found
		if err := r.Store.WantRead(ctx, project); err != nil && ctx.Err() == nil {
			r.logger().Error("a reading could not be asked for", "project", project, "err", err)
		}
		r.Poke()
	}
	return false
}

// takeRows gives what the list showed since the last saved reading; giveRows puts
// it back, for a reading that was not saved.
func (r *Reader) takeRows(project int64) []wtp.Server {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.listing(project)
	rows := l.rows
	l.rows = nil
	return rows
}

func (r *Reader) giveRows(project int64, rows []wtp.Server) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.listing(project)
	l.rows = append(rows, l.rows...) // the later one of two counts
}

// noteWhole notes that a reading was of the whole list.
func (r *Reader) noteWhole(project int64, began time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.listing(project)
	l.at, l.rows, l.ended, l.took = 0, nil, r.now(), r.now().Sub(began)
}

// noExport says whether an export was lately not to be had.
func (r *Reader) noExport(project int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	refused := r.listing(project).refused
	return !refused.IsZero() && r.now().Sub(refused) < noExportFor
}

func (r *Reader) noteNoExport(project int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listing(project).refused = r.now()
}

func (r *Reader) noteMissing(project int64, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listing(project).missing = n
}
