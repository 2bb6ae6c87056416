package apply

import (
	"slices"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/wtp"
)

// undo plans, confirms and carries out the undo of a change.
func (g *rig) undo(c wtp.Change) wtp.Change {
	g.t.Helper()
	plan, err := g.store.PlanDynamicWTP(g.t.Context(), g.actor, g.project.ID, c.Direction.Opposite(), db.PlanSource{UndoOf: c.Number}, time.Hour)
	g.must(err)
	c, err = g.store.Confirm(g.t.Context(), g.actor, g.project.ID, plan.UID, db.Confirmation{Reason: "undo", Back: wtp.BackOn{Never: true}})
	g.must(err)
	g.finish(c)
	return c
}

// flip is somebody who switches a server in HSS itself.
func (g *rig) flip(hostID, state string) {
	g.t.Helper()
	sv, ok := g.sim.Server(g.project.HSSProjectID, hostID)
	if !ok {
		g.t.Fatalf("no server %s", hostID)
	}
	sv.RaspStatus = state
	g.sim.SetServer(g.project.HSSProjectID, sv)
}

// TestUndoTurnsBackExactlyWhatWasFlipped: of 1,000 servers, 100 were on before,
// two are refused, and of the other 898 somebody switches seven back by hand.
func TestUndoTurnsBackExactlyWhatWasFlipped(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		servers := hsstest.PlainFleet(1000)
		for i := range 100 {
			servers.Projects[0].Servers[i*10].RaspStatus = wtp.Opened
		}
		g := newRig(t, clock, open(), hsstest.Config{Fleet: servers})
		g.read()
		change := g.confirm(wtp.Enable)
		var sent []wtp.Target
		for _, x := range g.targets(change) {
			if x.Bucket.Sent() {
				sent = append(sent, x)
			}
		}
		for _, i := range []int{3, 700} {
			g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRaspSwitch, Kind: hsstest.FaultRefuse, Hosts: []string{sent[i].HostID}})
		}
		g.finish(change)
		g.want(change, wtp.Done, "accepted 898 refused 2 skipped 100")
		g.sim.ClearFaults()
		g.read()
		var byHand []string
		for i := 10; i < 17; i++ {
			byHand = append(byHand, sent[i].HostID)
			g.flip(sent[i].HostID, wtp.Closed)
		}
		g.read()
		g.sim.Forget()

		change, err := g.store.ChangeByID(t.Context(), change.ID)
		g.must(err)
		undone := g.undo(change)
		g.want(undone, wtp.Done, "accepted 891 skipped 7")
		var got []string
		for _, r := range g.sim.Requests() {
			if r.Op == hsstest.OpSetRaspSwitch {
				if r.Direction != "disable" {
					t.Errorf("a call to %s", r.Direction)
				}
				got = append(got, r.HostIDs...)
			}
		}
		var want []string
		for i, x := range sent {
			if i != 3 && i != 700 && !slices.Contains(byHand, x.HostID) {
				want = append(want, x.HostID)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%d servers were sent, not the %d that were flipped", len(got), len(want))
		}
		for _, x := range g.targets(undone) {
			if x.Outcome == wtp.TargetSkipped && x.Why != wtp.WhyChangedSince {
				t.Errorf("%s is skipped because %s", x.HostID, x.Why)
			}
		}
		g.read()
		for _, x := range g.targets(change) {
			if now := g.sim.Accepted(g.project.HSSProjectID, x.HostID); now != x.Before {
				t.Errorf("%s is %s, and was %s before", x.HostID, now, x.Before)
			}
		}
		// Undoing the undo puts back what the first change had done.
		undone, err = g.store.ChangeByID(t.Context(), undone.ID)
		g.must(err)
		g.want(g.undo(undone), wtp.Done, "accepted 891")
	})
}
