package db_test

import (
	"testing"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

// TestSuspectsTravelWithOthers: culprits are found by batches that Arrange makes. It
// makes the same one again if nothing was sent meanwhile, never loses a target, and
// leaves no trace when the change is over.
func TestSuspectsTravelWithOthers(t *testing.T) {
	eachRig(t, func(r *rig, open func() *db.Store) {
		const n = 1500
		r.read(r.p, fleet(n, nil))
		c := r.confirm(r.plan(wtp.Enable, ids(1, n)...))
		r.claim("a")
		poison := map[string]bool{"h-00250": true, "h-00399": true, "h-01100": true}
		calls, rows := 0, 0
		for {
			b, _, ok, _, err := r.s.NextBatch(r.ctx, c.ID, "a")
			r.ok(err)
			if !ok {
				break
			}
			_, err = r.s.Arrange(r.ctx, "another", b, false)
			r.is(err, wtp.ErrConflict)
			a := must(r.s.Arrange(r.ctx, "a", b, false))(r)
			b, _ = r.next(c, "a")
			again := must(r.s.Arrange(r.ctx, "a", b, false))(r)
			if !a.Search {
				a = again
			}
			r.equal([]any{again.Batch.ID, again.Batch.Size, len(again.Targets), again.Search}, []any{a.Batch.ID, len(a.Targets), len(a.Targets), a.Search})
			call := r.begin(a.Batch, "a")
			calls++
			v := db.Verdict{Kind: db.Accepted}
			for _, x := range a.Targets {
				if poison[x.HostID] && len(a.Targets) == 1 {
					v.Kind = db.Refused
				} else if poison[x.HostID] {
					v.Kind = db.Split
				}
			}
			r.ok(r.s.EndCall(r.ctx, "a", call, v))
			rows = max(rows, r.suspects())
		}
		must(r.s.FinishChange(r.ctx, c.ID, "a"))(r)
		r.wantCounts(c, map[wtp.Outcome]int64{wtp.TargetAccepted: n - 3, wtp.TargetRefused: 3})
		if calls > 8+3*10 {
			r.Errorf("%d calls", calls)
		}
		r.equal([]any{rows >= 400, r.suspects()}, []any{true, 0})
	})
}

func (r *rig) suspects() (n int) {
	r.Helper()
	r.ok(r.s.Reader().Raw("SELECT COUNT(*) FROM suspects").Scan(&n).Error)
	return n
}

// TestNamedCulpritsAreSentAlone: the servers that were singled out go alone, and the
// pieces of their batch go together.
func TestNamedCulpritsAreSentAlone(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(450, nil))
		c := r.confirm(r.plan(wtp.Enable, ids(1, 450)...))
		r.claim("a")
		first := r.send(c, "a", db.Verdict{Kind: db.Split})
		r.ok(r.s.SingleOut(r.ctx, "a", first.ID, []string{"h-00003", "h-00150", "h-00400"}))
		var sizes []int
		for {
			b, _, ok, _, err := r.s.NextBatch(r.ctx, c.ID, "a")
			r.ok(err)
			if !ok {
				break
			}
			a := must(r.s.Arrange(r.ctx, "a", b, false))(r)
			sizes = append(sizes, len(a.Targets))
			v := db.Verdict{Kind: db.Accepted}
			if len(a.Targets) == 1 {
				v.Kind = db.Refused
			}
			r.ok(r.s.EndCall(r.ctx, "a", r.begin(a.Batch, "a"), v))
		}
		r.wantCounts(c, map[wtp.Outcome]int64{wtp.TargetAccepted: 448, wtp.TargetRefused: 2})
		r.equal(sizes, []int{1, 1, 200, 48, 200})
	})
}
