package e2e_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/wtp"
)

// told is one server in one change, as the database has it.
type told struct {
	change         int64
	host           string
	wanted, before string
	outcome        string
}

func (g *torture) rows(query string, each func(scan func(...any) error) error) {
	g.t.Helper()
	rows, err := g.db.Query(query)
	require.NoError(g.t, err, query)
	defer rows.Close()
	for rows.Next() {
		require.NoError(g.t, each(rows.Scan))
	}
	require.NoError(g.t, rows.Err())
}

// check holds what the console says against what HSS knows.
func (g *torture) check() {
	t := g.t
	require.Empty(t, g.front.wrong, "switches that arrived without an intent on record")
	require.Empty(t, g.front.sim.Violations())
	applied := g.applied()
	g.checkTargets(applied)
	g.checkCalls()
	g.checkCounters()
	if g.kind == "sqlite" {
		found, err := texts(g.db, "PRAGMA integrity_check")
		require.NoError(t, err)
		require.Equal(t, []string{"ok"}, found)
	}
	require.Equal(t, g.count("SELECT COUNT(*) FROM events"), g.count("SELECT MAX(seq) FROM events"), "a gap in the history")
	env := append(slices.Clone(g.env), "WTP_CONSOLE_DATA_DIR="+g.dirs[0], "WTP_CONSOLE_DATABASE_URL="+g.url)
	verify := spawn(t, env, "history", "verify")
	<-verify.done
	require.Equal(t, 0, verify.cmd.ProcessState.ExitCode(), verify.log())
	require.Contains(t, verify.stdout(), "unbroken")
}

// applied tells by change which servers HSS switched for it. What arrived is in
// the same order in the front's list and in the simulator's, for each key.
func (g *torture) applied() map[int64]map[string]bool {
	byKey := map[string][]arrival{}
	for _, a := range g.front.arrivals {
		byKey[a.key] = append(byKey[a.key], a)
	}
	out := map[int64]map[string]bool{}
	n := 0
	for _, r := range g.front.sim.Requests() {
		if r.Op != hsstest.OpSetRaspSwitch {
			continue
		}
		n++
		key := switchKey(r.Direction, r.HostIDs)
		require.NotEmpty(g.t, byKey[key], "a switch that the front didn't see")
		change := byKey[key][0].change
		byKey[key] = byKey[key][1:]
		if out[change] == nil {
			out[change] = map[string]bool{}
		}
		for _, id := range r.AppliedIDs {
			out[change][id] = true
		}
	}
	require.Len(g.t, g.front.arrivals, n)
	return out
}

// checkTargets: one final outcome each, and HSS is as they say.
func (g *torture) checkTargets(applied map[int64]map[string]bool) {
	t := g.t
	project := g.front.sim.Access().ProjectID
	expected := map[string]string{} // what HSS must show; "" for whatever
	bad := 0
	fault := func(format string, args ...any) {
		if bad++; bad <= 20 {
			t.Errorf(format, args...)
		}
	}
	last := ""
	g.rows(`SELECT t.change_id, t.host_id, t.wanted, t.before, t.outcome FROM targets t JOIN changes h ON h.id = t.change_id
		WHERE h.number > 0 ORDER BY h.number, t.host_id`, func(scan func(...any) error) error {
		var x told
		if err := scan(&x.change, &x.host, &x.wanted, &x.before, &x.outcome); err != nil {
			return err
		}
		if key := fmt.Sprint(x.change, x.host); key == last {
			fault("%s is in change %d twice", x.host, x.change)
		} else {
			last = key
		}
		switch x.outcome {
		case "accepted":
			expected[x.host] = x.wanted
			if !applied[x.change][x.host] && x.before == x.wanted {
				fault("%s is accepted in change %d, which needn't have sent it", x.host, x.change)
			}
		case "unknown":
			expected[x.host] = ""
		case "refused", "stopped", "skipped":
			if applied[x.change][x.host] {
				fault("%s is %s in change %d, but HSS switched it for that", x.host, x.outcome, x.change)
			}
		default:
			fault("%s is %q in change %d", x.host, x.outcome, x.change)
		}
		return nil
	})
	for host, want := range expected {
		if state := g.front.sim.Accepted(project, host); want != "" && state != want {
			fault("%s must be %s by the outcomes, and is %s in HSS", host, want, state)
		}
	}
	require.Zero(t, bad, "servers whose outcome and state differ")
}

// call is a row of calls.
type callRow struct {
	id, change, batch, sent, ended int64
	operation, class               string
}

// checkCalls: every call was sent at most once, and a batch whose sending had no
// clear answer was sent again only after HSS had been asked what it shows.
func (g *torture) checkCalls() {
	t := g.t
	arrived := map[int64]int{}
	for _, a := range g.front.arrivals {
		arrived[a.call]++
	}
	for call, n := range arrived {
		require.Equal(t, 1, n, "call %d arrived so often", call)
	}
	open := map[int64]callRow{} // by batch: sent without a clear answer, not read back since
	g.rows("SELECT id, change_id, batch_id, sent_at, ended_at, operation, class FROM calls ORDER BY id", func(scan func(...any) error) error {
		var c callRow
		if err := scan(&c.id, &c.change, &c.batch, &c.sent, &c.ended, &c.operation, &c.class); err != nil {
			return err
		}
		if c.operation != "SetRaspSwitch" {
			if c.class == "ok" {
				maps.DeleteFunc(open, func(_ int64, was callRow) bool { return was.change == c.change })
			}
			return nil
		}
		if was, ok := open[c.batch]; ok {
			t.Errorf("batch %d of change %d was sent as call %d and, unseen, as call %d", c.batch, c.change, was.id, c.id)
		}
		switch c.class {
		case "":
			t.Errorf("call %d has no end", c.id)
		case "unclear":
			open[c.batch] = c
		case "ok":
			if arrived[c.id] == 0 {
				t.Errorf("call %d is on record as answered and never arrived", c.id)
			}
		}
		return nil
	})
}

// checkCounters holds the kept counters against the targets.
func (g *torture) checkCounters() {
	read := func(query string) map[string]int {
		out := map[string]int{}
		g.rows(query, func(scan func(...any) error) error {
			var change, n int
			var bucket, why, outcome string
			err := scan(&change, &bucket, &why, &outcome, &n)
			if n != 0 {
				out[fmt.Sprint(change, bucket, why, outcome)] = n
			}
			return err
		})
		return out
	}
	kept := read("SELECT change_id, bucket, why, outcome, SUM(n) FROM change_counts GROUP BY change_id, bucket, why, outcome")
	counted := read("SELECT change_id, bucket, why, outcome, COUNT(*) FROM targets GROUP BY change_id, bucket, why, outcome")
	require.Equal(g.t, counted, kept, "kept counters and counted targets")
	var columns []string
	for _, s := range wtp.BatchStates() {
		columns = append(columns, fmt.Sprintf("SELECT change_id, box, '' AS why, '%[1]s' AS state, %[1]s AS n FROM batch_counts", s))
	}
	kept = read(strings.Join(columns, " UNION ALL "))
	counted = read("SELECT change_id, box, '' AS why, state, COUNT(*) FROM batches GROUP BY change_id, box, state")
	require.Equal(g.t, counted, kept, "kept counters and counted batches")
}

// claims reads from the logs who carried each change out, one after the other, and
// counts how often that was another replica than before.
func (g *torture) takeovers() (claims, takeovers int) {
	type claim struct {
		at      time.Time
		change  int64
		replica int
	}
	var all []claim
	for i, lives := range g.lives {
		for _, l := range lives {
			for line := range strings.Lines(l.log()) {
				var e struct {
					Time   time.Time
					Msg    string
					Change int64
				}
				if strings.Contains(line, `"change claimed"`) && json.Unmarshal([]byte(line), &e) == nil {
					all = append(all, claim{e.Time, e.Change, i})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b claim) int { return a.at.Compare(b.at) })
	by := map[int64]int{}
	for _, c := range all {
		if was, ok := by[c.change]; ok && was != c.replica {
			takeovers++
		}
		by[c.change] = c.replica
	}
	return len(all), takeovers
}

func (g *torture) report(kills int, killing, all time.Duration) {
	claims, takeovers := g.takeovers()
	outcomes := map[string]int{}
	g.rows("SELECT t.outcome, COUNT(*) FROM targets t JOIN changes h ON h.id = t.change_id WHERE h.number > 0 GROUP BY t.outcome", func(scan func(...any) error) error {
		var o string
		var n int
		err := scan(&o, &n)
		outcomes[o] = n
		return err
	})
	classes := map[string]int{}
	g.rows("SELECT class, COUNT(*) FROM calls WHERE operation = 'SetRaspSwitch' GROUP BY class", func(scan func(...any) error) error {
		var o string
		var n int
		err := scan(&o, &n)
		classes[o] = n
		return err
	})
	targets := 0
	for _, n := range outcomes {
		targets += n
	}
	phases := slices.SortedFunc(maps.Keys(g.figures.phases), func(a, b string) int { return cmp.Compare(g.figures.phases[b], g.figures.phases[a]) })
	var b strings.Builder
	for _, p := range phases {
		fmt.Fprintf(&b, "\n    %3d %s", g.figures.phases[p], p)
	}
	g.t.Logf(`torture, %s, %d replica(s), seed %d
  %d kills in %.0f s, all done after %.0f s; %d batches caught in flight
  changes %d (%d stopped), claims %d, taken over by the other replica %d
  targets %d: %v
  switch calls %d on record: %v; %d arrived; %d faults of HSS beside %d poisoned servers
  plans %d, confirmations answered %d, lost with their answer %d; asked to stop: %d
  last refusal of a form: %s
  kills by phase:%s`, g.kind, len(g.replicas), g.seed, kills, killing.Seconds(), all.Seconds(), g.figures.inFlight,
		g.count("SELECT COUNT(*) FROM changes WHERE number > 0"), g.count("SELECT COUNT(*) FROM changes WHERE state = 'stopped'"), claims, takeovers,
		targets, outcomes, g.count("SELECT COUNT(*) FROM calls WHERE operation = 'SetRaspSwitch'"), classes, len(g.front.arrivals), g.front.faults, len(g.poisoned),
		g.person.planned.Load(), g.person.confirmed.Load(), g.person.lost.Load(), g.person.stopped.Load(), g.person.failure.Load(), b.String())
}

// dump writes the ends of the last logs, for finding out what went wrong.
func (g *torture) dump() {
	for i, lives := range g.lives {
		for _, l := range lives[max(0, len(lives)-2):] {
			g.t.Logf("replica %d:\n%s", i, tail(l.log(), 5000))
		}
	}
}
