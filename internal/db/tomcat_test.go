package db_test

import (
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

func (r *rig) saveDir(host, dir string) wtp.TomcatBin {
	r.Helper()
	r.clock.Advance(time.Second)
	r.ok(r.s.SaveTomcatDir(r.ctx, r.p.ID, host, r.s.Now(), dir))
	r.clock.Advance(time.Second)
	return must(r.s.TomcatDir(r.ctx, r.p.ID, host))(r)
}

func (r *rig) setDir(t db.TomcatChange) (wtp.Change, error) {
	r.Helper()
	return r.s.ConfirmTomcatDir(r.ctx, r.mei, r.p.ID, t, db.Confirmation{Reason: "because"})
}

func TestSetTomcatDir(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(3, nil))
		_, err := r.s.TomcatDir(r.ctx, r.p.ID, "h-00001")
		r.is(err, wtp.ErrNotFound)
		_, err = r.setDir(db.TomcatChange{HostID: "h-00001", Dir: "/opt/tomcat/bin"}) // never read
		r.is(err, wtp.ErrConflict)
		was := r.saveDir("h-00001", "/srv/old/bin")
		// An older reading doesn't take its place.
		r.ok(r.s.SaveTomcatDir(r.ctx, r.p.ID, "h-00001", was.ReadAt-1, "/older"))
		r.equal(must(r.s.TomcatDir(r.ctx, r.p.ID, "h-00001"))(r), was)
		_, err = r.setDir(db.TomcatChange{HostID: "h-00001", Was: wtp.TomcatBin{Dir: "/other"}, Dir: "/opt/tomcat/bin"})
		r.is(err, wtp.ErrConflict)
		_, err = r.setDir(db.TomcatChange{HostID: "h-00001", Was: was, Dir: was.Dir})
		r.is(err, wtp.ErrConflict)
		_, err = r.setDir(db.TomcatChange{HostID: "nobody", Was: was, Dir: "/opt/tomcat/bin"})
		r.is(err, wtp.ErrConflict)

		c := must(r.setDir(db.TomcatChange{HostID: "h-00001", Was: was, Dir: "/opt/tomcat/bin"}))(r)
		r.equal([]any{c.Kind, c.Direction, c.Number, c.State, c.UndoOf}, []any{wtp.TomcatDir, wtp.Direction(""), 1, wtp.Queued, 0})
		_, err = r.setDir(db.TomcatChange{HostID: "h-00001", Was: was, Dir: "/another"})
		r.is(err, wtp.ErrConflict) // one is under way
		r.claim("runner")
		r.send(c, "runner", db.Verdict{Kind: db.Accepted})
		must(r.s.FinishChange(r.ctx, c.ID, "runner"))(r)
		r.equal(r.counts(c).Confirmed, 0)
		r.saveDir("h-00001", "/srv/old/bin") // HSS takes its time
		r.equal([]any{r.counts(c).Confirmed, r.counts(c).Otherwise}, []any{0, 1})
		now := r.saveDir("h-00001", "/opt/tomcat/bin")
		r.equal([]any{r.counts(c).Confirmed, r.counts(c).Otherwise}, []any{1, 0})
		// The inventory doesn't show it, so it isn't read back through that.
		r.read(r.p, fleet(3, nil))
		r.equal(must(r.s.ChangeByID(r.ctx, c.ID))(r).ReadBackAt, 0)
		r.equal(r.openRestarts(), 0)

		undo := must(r.setDir(db.TomcatChange{HostID: "h-00001", Was: now, Dir: "/srv/old/bin", Undo: 1}))(r)
		r.equal(undo.UndoOf, 1)
		r.ok(r.s.StopChange(r.ctx, r.mei, r.p.ID, undo.Number))
		other := must(r.setDir(db.TomcatChange{HostID: "h-00001", Was: now, Dir: "/third", Undo: 1}))(r)
		r.equal(other.UndoOf, 0)
	})
}

func TestPlanKnowsWhichHaveNoTomcatDir(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(6, func(i int, s *wtp.Server) {
			if i == 5 {
				s.OS = "windows"
			}
		}))
		r.saveDir("h-00002", "/opt/tomcat/bin")
		r.saveDir("h-00003", "") // read: none is set
		r.saveDir("h-00006", "/opt/tomcat/bin")
		plan := r.plan(wtp.Enable, ids(1, 6)...)
		r.equal(must(r.s.NoTomcatDir(r.ctx, plan))(r), 4)
		first := must(r.s.TargetsWithoutDir(r.ctx, plan.ID, 0, 2))(r)
		rest := must(r.s.TargetsWithoutDir(r.ctx, plan.ID, first[1].Seq, 50))(r)
		r.equal([]any{first[0].HostID, first[1].HostID, rest[0].HostID, rest[1].HostID, len(rest)}, []any{"h-00001", "h-00003", "h-00004", "h-00005", 2})
	})
}
