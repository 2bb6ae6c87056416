package db_test

import (
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

// TestPendingSaysHowReadingBackGoes: since when, when again, and what the last reading
// came to; nothing of an earlier sending's.
func TestPendingSaysHowReadingBackGoes(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(250, nil))
		plan := must(r.s.PlanDynamicWTP(r.ctx, r.mei, r.p.ID, wtp.Enable, db.PlanSource{Filter: &wtp.ServerFilter{}}, time.Hour))(r)
		c := must(r.s.Confirm(r.ctx, r.mei, r.p.ID, plan.UID, db.Confirmation{Reason: "x", Back: wtp.BackOn{Never: true}}))(r)
		r.claim("a")
		pending := func() []any {
			p := must(r.s.Pending(r.ctx, c, must(r.s.Strip(r.ctx, c.ID))(r)))(r)
			return []any{p.Unclear, p.ReadAt, p.ReadSince, p.LastRead.ID, p.LastRead.Class}
		}
		read := func(class string) wtp.Call {
			call := must(r.s.NoteCall(r.ctx, wtp.Call{ChangeID: c.ID, Operation: "ListWtpProtectHost"}))(r)
			if class != "" {
				done := call
				done.Class = class
				r.ok(r.s.CompleteCall(r.ctx, done))
			}
			return call
		}
		read("refused") // of something earlier
		at := r.s.Now().Add(5 * time.Second)
		b := r.send(c, "a", db.Verdict{Kind: db.Unclear, RunAt: at})
		r.equal(pending(), []any{1, at, 0, 0, ""})

		r.clock.Advance(10 * time.Second)
		first := read("")
		r.equal(pending(), []any{1, at, first.SentAt, 0, ""})
		r.clock.Advance(10 * time.Second)
		failed := read("unclear")
		r.equal(pending(), []any{1, at, first.SentAt, failed.ID, "unclear"})
		next := r.s.Now().Add(20 * time.Second)
		r.ok(r.s.SettleLater(r.ctx, "a", b.ID, next))
		read("") // under way
		r.equal(pending(), []any{1, next, first.SentAt, failed.ID, "unclear"})
		good := read("ok")
		r.equal(pending(), []any{1, next, first.SentAt, good.ID, "ok"})

		r.ok(r.s.GiveUp(r.ctx, "a", b.ID))
		r.equal(pending(), []any{0, 0, 0, 0, ""})
	})
}
