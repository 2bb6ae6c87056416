package db_test

import (
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/wtp"
)

// A large table is found through an index by every statement of the main job,
// and a batch's targets through their own.
func TestNoStatementScansALargeTable(t *testing.T) {
	clock := dbtest.NewClock()
	r := &rig{T: t, s: dbtest.SQLiteClock(t, clock), ctx: t.Context(), clock: clock}
	type statement struct {
		query string
		vars  []any
	}
	var mu sync.Mutex
	seen := map[string]statement{}
	watching := false
	r.ok(r.s.Watch(func(q string, vars []any) {
		mu.Lock()
		defer mu.Unlock()
		if watching && !strings.HasPrefix(q, "PRAGMA") {
			seen[q] = statement{q, vars}
		}
	}))
	r.mei = wtp.Actor{UserID: must(r.s.CreateUser(r.ctx, r.mei, wtp.User{Name: "Mei", NameKey: "mei", Role: wtp.Admin}))(r).ID, Name: "Mei"}
	r.key = must(r.s.CreateCredential(r.ctx, r.mei, wtp.Credential{UID: "c", Name: "c", Kind: wtp.AccessKey, SealedSecret: "v1.x"}))(r)
	r.p = r.project("P")
	mainJob(r, func(f func()) { watching = true; f(); watching = false })

	scan := regexp.MustCompile(`^SCAN (\w+)`)
	// Few rows, or as many as LIMIT says, in the order of the index or of the key.
	ordered := regexp.MustCompile(`USING INDEX changes_(open|order)|^SCAN events .* ORDER BY seq DESC LIMIT`)
	small := map[string]bool{ // tables of few rows, and what isn't a table
		"settings": true, "users": true, "credentials": true, "projects": true, "backup_servers": true,
		"v": true, "x": true, "r": true, "u": true, "f": true, "w": true, "picked": true, "classes": true, "now": true, "p": true, "CONSTANT": true, "subquery": true,
	}
	for _, st := range seen {
		var plan []struct{ Detail string }
		if err := r.s.Writer().Raw("EXPLAIN QUERY PLAN "+st.query, st.vars...).Scan(&plan).Error; err != nil {
			t.Errorf("%v\n%s", err, st.query)
		}
		var all []string
		for _, line := range plan {
			all = append(all, line.Detail)
			if m := scan.FindStringSubmatch(line.Detail); m != nil && !small[m[1]] && !ordered.MatchString(line.Detail+" "+st.query) {
				t.Errorf("%s\n%s", line.Detail, st.query)
			}
		}
		text := strings.Join(all, "; ")
		if strings.Contains(st.query, "t.batch_id = ?") && !strings.Contains(text, "targets_batch") {
			t.Errorf("a batch is not found by its index: %s\n%s", text, st.query)
		}
	}
	if len(seen) < 60 {
		t.Errorf("only %d statements were seen", len(seen))
	}
}

// mainJob goes through the verbs whose cost must not grow with the tables; during
// runs each of them alone, without the checks around it.
func mainJob(r *rig, during func(func())) {
	fail := func(err error) {
		if err != nil {
			r.Error(err)
		}
	}
	servers := fleet(450, func(i int, s *wtp.Server) { s.GroupName = []string{"a", "b"}[i%2] })
	saveNow := func(list []wtp.Server) {
		r.clock.Advance(time.Hour)
		_, _, err := r.s.ClaimRead(r.ctx, "reader", time.Minute)
		fail(err)
		_, err = r.s.SaveInventory(r.ctx, r.p.ID, "reader", r.s.Now(), list, []wtp.BackupServer{{HostID: "b1"}})
		fail(err)
		r.clock.Advance(time.Second)
	}
	var c wtp.Change
	during(func() {
		saveNow(servers)
		_, err := r.s.SelectMatching(r.ctx, r.mei.UserID, r.p.ID, wtp.ServerFilter{Group: []string{"a", "b"}}, 450)
		fail(err)
		_, err = r.s.Select(r.ctx, r.mei.UserID, r.p.ID, ids(1, 2), ids(3, 3))
		fail(err)
		_, err = r.s.Selected(r.ctx, r.mei.UserID, r.p.ID, ids(1, 50))
		fail(err)
		_, err = r.s.SelectedOutside(r.ctx, r.mei.UserID, r.p.ID, wtp.ServerFilter{Group: []string{"a"}})
		fail(err)
		for _, sort := range []string{"name", "-attacks"} {
			p, err := r.s.Servers(r.ctx, db.ServerQuery{ProjectIDs: []int64{r.p.ID}, Sort: sort})
			fail(err)
			_, err = r.s.Servers(r.ctx, db.ServerQuery{ProjectIDs: []int64{r.p.ID}, Sort: sort, After: p.Next, Filter: wtp.ServerFilter{Group: []string{"a"}}})
			fail(err)
		}
		plan, err := r.s.PlanDynamicWTP(r.ctx, r.mei, r.p.ID, wtp.Enable, db.PlanSource{Selection: true}, time.Hour)
		fail(err)
		c, err = r.s.Confirm(r.ctx, r.mei, r.p.ID, plan.UID, db.Confirmation{Reason: "x"})
		fail(err)
		_, _, err = r.s.ClaimChange(r.ctx, "a")
		fail(err)
		for _, kind := range []db.VerdictKind{db.Accepted, db.Split, db.Unclear} {
			b, _, _, _, err := r.s.NextBatch(r.ctx, c.ID, "a")
			fail(err)
			call, err := r.s.BeginCall(r.ctx, "a", b, wtp.Call{Operation: "SetRaspSwitch"})
			fail(err)
			fail(r.s.EndCall(r.ctx, "a", call, db.Verdict{Kind: kind}))
			if kind == db.Unclear {
				fail(r.s.Settle(r.ctx, "a", b.ID, map[string]string{"h-00401": wtp.Opened}, 3))
			}
		}
		b, _, _, _, err := r.s.NextBatch(r.ctx, c.ID, "a")
		fail(err)
		call, err := r.s.BeginCall(r.ctx, "a", b, wtp.Call{Operation: "SetRaspSwitch"})
		fail(err)
		fail(r.s.EndCall(r.ctx, "a", call, db.Verdict{Kind: db.Accepted}))
		fail(r.s.Heartbeat(r.ctx, c.ID, "a"))
		fail(r.s.StopRunning(r.ctx, c.ID, "a", "enough"))
		_, err = r.s.FinishChange(r.ctx, c.ID, "a")
		fail(err)
		for i := range servers {
			servers[i].Dynamic = wtp.Opened
		}
		saveNow(servers)
		for _, o := range []string{"", "failed", "unknown", "running"} {
			_, _, err = r.s.Changes(r.ctx, db.ChangeQuery{Outcome: o})
			fail(err)
			_, _, err = r.s.Changes(r.ctx, db.ChangeQuery{ProjectID: r.p.ID, Outcome: o})
			fail(err)
		}
		_, err = r.s.OpenChanges(r.ctx, 0)
		fail(err)
		_, err = r.s.Targets(r.ctx, db.TargetQuery{ChangeID: c.ID, Outcome: wtp.TargetAccepted})
		fail(err)
		_, err = r.s.Targets(r.ctx, db.TargetQuery{ChangeID: c.ID, Bucket: wtp.NeedsRestart})
		fail(err)
		_, err = r.s.ServerChanges(r.ctx, r.p.ID, "h-00001", 0, 10)
		fail(err)
		_, err = r.s.Batches(r.ctx, c.ID, 0, 10)
		fail(err)
		_, err = r.s.Calls(r.ctx, c.ID, 0, 10)
		fail(err)
		_, err = r.s.Events(r.ctx, db.EventQuery{})
		fail(err)
		_, err = r.s.Events(r.ctx, db.EventQuery{ProjectID: r.p.ID})
		fail(err)
		_, err = r.s.TakeCall(r.ctx, r.key.ID, "SetRaspSwitch", 5, time.Minute, db.Turn{})
		fail(err)
	})
	r.check()
}
