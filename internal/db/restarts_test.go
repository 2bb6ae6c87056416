package db_test

import (
	"fmt"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

// turn carries out a change of dynamic WTP that HSS accepts whole.
func (r *rig) turn(d wtp.Direction, ids ...string) wtp.Change {
	r.Helper()
	c := r.confirm(r.plan(d, ids...))
	r.claim("runner")
	for range (len(ids) + 199) / 200 {
		r.send(c, "runner", db.Verdict{Kind: db.Accepted})
	}
	return must(r.s.FinishChange(r.ctx, c.ID, "runner"))(r)
}

// listed are the servers and states of a part of the restart list.
func (r *rig) listed(q db.RestartQuery) string {
	r.Helper()
	q.ProjectID = r.p.ID
	text := ""
	for _, row := range must(r.s.Restarts(r.ctx, q))(r) {
		text += fmt.Sprintf("%s #%d %s %s;", row.HostID, row.Number, row.State, row.Dir)
	}
	return text
}

func (r *rig) openRestarts() int64 {
	r.Helper()
	return must(r.s.OpenRestarts(r.ctx, r.p.ID))(r)
}

func onList() db.RestartQuery { return db.RestartQuery{State: wtp.RestartOpen} }

func TestRestartIsNeededOnceReadBackAsOn(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		on := map[int]bool{}
		now := func() []wtp.Server {
			return fleet(6, func(i int, s *wtp.Server) {
				s.Dynamic = wtp.Closed
				if on[i+1] {
					s.Dynamic = wtp.Opened
				}
			})
		}
		r.read(r.p, now())
		r.turn(wtp.Enable, ids(1, 4)...)
		r.equal(r.listed(onList()), "") // accepted is not on
		on[1], on[2], on[3], on[5] = true, true, true, true
		r.read(r.p, now())
		r.equal(r.listed(onList()), "h-00001 #1 open ;h-00002 #1 open ;h-00003 #1 open ;") // 4 isn't on yet, 5 was somebody else
		r.equal(r.openRestarts(), 3)
		on[4] = true
		r.read(r.p, now())
		r.equal(r.openRestarts(), 4)
		r.equal([]any{len(r.events("restart.needed")), r.events("restart.needed")[0].Detail}, []any{2, `{"servers":3}`})
		r.read(r.p, now()) // nothing new
		r.equal(r.openRestarts(), 4)

		// Off by a change of ours, and off outside, takes it off the list.
		r.turn(wtp.Disable, ids(1, 1)...)
		r.equal(r.openRestarts(), 4) // accepted is not off
		on[1], on[2] = false, false
		r.read(r.p, now())
		r.equal(r.openRestarts(), 2)
		off := must(r.s.Restarts(r.ctx, db.RestartQuery{ProjectID: r.p.ID, State: wtp.RestartOff}))(r)
		r.equal([]any{off[0].HostID, off[0].OffNumber, off[1].HostID, off[1].OffNumber, off[1].OffChangeID}, []any{"h-00001", 2, "h-00002", 0, 0})

		// On again is on the list again.
		r.turn(wtp.Enable, ids(1, 1)...)
		on[1] = true
		r.read(r.p, now())
		r.equal(r.listed(onList()), "h-00001 #3 open ;h-00004 #1 open ;h-00003 #1 open ;")
		r.equal(must(r.s.OpenRestart(r.ctx, r.p.ID, "h-00003"))(r).Number, 1)
	})
}

func TestRestartOfASettledBatch(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(3, nil))
		settle := func(d wtp.Direction, seen map[string]string) {
			c := r.confirm(r.plan(d, ids(1, 3)...))
			r.claim("runner")
			b := r.send(c, "runner", db.Verdict{Kind: db.Unclear})
			r.clock.Advance(time.Second)
			r.ok(r.s.Settle(r.ctx, "runner", b.ID, seen, 0))
			_, err := r.s.FinishChange(r.ctx, c.ID, "runner")
			r.ok(err)
			r.clock.Advance(time.Second)
		}
		settle(wtp.Enable, map[string]string{"h-00001": wtp.Opened, "h-00002": wtp.Opened, "h-00003": wtp.Closed})
		r.equal(r.listed(onList()), "h-00001 #1 open ;h-00002 #1 open ;")
		r.read(r.p, fleet(3, func(i int, s *wtp.Server) {
			if i < 2 {
				s.Dynamic = wtp.Opened
			}
		}))
		r.equal(r.openRestarts(), 2)
		settle(wtp.Disable, map[string]string{"h-00001": wtp.Closed, "h-00002": wtp.Opened})
		r.equal(r.listed(onList()), "h-00002 #1 open ;")
		r.equal(r.listed(db.RestartQuery{State: wtp.RestartOff}), "h-00001 #1 off ;")
	})
}

func TestMarkRestarts(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		servers := fleet(400, func(i int, s *wtp.Server) {
			if i%2 == 0 {
				s.GroupName = ""
			}
		})
		r.read(r.p, servers)
		r.turn(wtp.Enable, ids(1, 400)...)
		for i := range servers {
			servers[i].Dynamic = wtp.Opened
		}
		r.read(r.p, servers)
		r.equal(r.openRestarts(), 400)
		r.equal(must(r.s.RestartGroups(r.ctx, r.p.ID))(r), []string{"", "shop"})

		none := ""
		q := db.RestartQuery{ProjectID: r.p.ID, State: wtp.RestartOpen, Query: "web-0003", Group: &none, Number: 1}
		n, more, err := r.s.CountRestarts(r.ctx, q, 100)
		r.ok(err)
		r.equal([]any{n, more}, []any{5, false})
		mark := func(m db.RestartMark) error {
			_, err := r.s.MarkRestarts(r.ctx, r.mei, r.p.ID, m)
			return err
		}
		r.is(mark(db.RestartMark{Query: q, Shown: 6}), wtp.ErrConflict)
		r.equal(r.openRestarts(), 400)
		r.ok(mark(db.RestartMark{Query: q, Shown: 5, Note: " by hand "}))
		r.equal(r.openRestarts(), 395)
		done := must(r.s.Restarts(r.ctx, db.RestartQuery{ProjectID: r.p.ID, State: wtp.RestartDone}))(r)
		r.equal([]any{len(done), done[0].EndedByName, done[0].Note, done[0].EndedAt}, []any{5, "Mei", "by hand", r.s.Now()})

		// Ticked ones; one that is not open any more spoils all.
		page := must(r.s.Restarts(r.ctx, db.RestartQuery{ProjectID: r.p.ID, State: wtp.RestartOpen, Limit: 2}))(r)
		r.is(mark(db.RestartMark{IDs: []int64{page[0].ID, done[0].ID}}), wtp.ErrConflict)
		r.ok(mark(db.RestartMark{IDs: []int64{page[0].ID, page[1].ID}}))
		r.equal(r.openRestarts(), 393)
		if err := mark(db.RestartMark{}); err == nil {
			r.Error("nothing was marked without a word")
		}

		// All pages by key are each entry once.
		seen := map[string]bool{}
		for q := (db.RestartQuery{ProjectID: r.p.ID, State: wtp.RestartOpen, Limit: 50}); ; {
			rows := must(r.s.Restarts(r.ctx, q))(r)
			if len(rows) == 0 {
				break
			}
			for _, row := range rows {
				seen[row.HostID] = true
			}
			q.After = db.RestartPlace{EndedAt: rows[len(rows)-1].EndedAt, ID: rows[len(rows)-1].ID}
		}
		r.equal(len(seen), 393)
		var last *db.RestartRow
		n = 0
		for {
			rows := must(r.s.RestartsByGroup(r.ctx, db.RestartQuery{ProjectID: r.p.ID, State: wtp.RestartOpen, Limit: 50}, last))(r)
			if len(rows) == 0 {
				break
			}
			n += int64(len(rows))
			last = &rows[len(rows)-1]
		}
		r.equal(n, 393)

		// A mark is taken back once.
		r.ok(r.s.ReopenRestarts(r.ctx, r.mei, r.p.ID, []int64{page[0].ID}))
		r.equal(r.openRestarts(), 394)
		r.is(r.s.ReopenRestarts(r.ctx, r.mei, r.p.ID, []int64{page[0].ID}), wtp.ErrConflict)
		r.equal([]any{len(r.events("restart.done")), len(r.events("restart.reopened"))}, []any{2, 1})

		// Marked done, off, on again: the old mark can't be taken back beside the new entry.
		host := page[1].HostID
		r.turn(wtp.Disable, host)
		for i := range servers {
			if servers[i].HostID == host {
				servers[i].Dynamic = wtp.Closed
			}
		}
		r.read(r.p, servers)
		r.turn(wtp.Enable, host)
		for i := range servers {
			servers[i].Dynamic = wtp.Opened
		}
		r.read(r.p, servers)
		r.is(r.s.ReopenRestarts(r.ctx, r.mei, r.p.ID, []int64{page[1].ID}), wtp.ErrConflict)
		r.equal(r.openRestarts(), 395)
	})
}
