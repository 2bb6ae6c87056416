package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBulkChangeAndBack is the whole story of a large change on 5,000 servers, three
// of which HSS refuses: paste, plan, confirm, watch from two tabs, stop, go on, retry,
// undo. Once with JavaScript, and once without, by the same forms.
func TestBulkChangeAndBack(t *testing.T) {
	for name, scripts := range map[string]bool{"with JavaScript": true, "without JavaScript": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bulkStory(t, scripts)
		})
	}
}

const fleet = 5000

func bulkStory(t *testing.T, scripts bool) {
	b := newBrowser(t)
	sim := startSimulator(t, "--plain", "--servers", fmt.Sprint(fleet), "--latency", "120ms")
	dir := t.TempDir()
	c := startConsole(t, dir, provisioned(t, sim)...)
	mei := newPerson(t, c.url)
	mei.signIn("mei", meiPassword)
	mei.allow(600)
	servers := c.url + "/p/web-prod/servers"
	wait(t, "the inventory shows 5,000 servers", func() bool {
		return strings.Contains(mei.get("/p/web-prod/servers").words("#list-end"), comma(fleet))
	})
	waitListed(t, dir)
	file := filepath.Join(dir, "wtp-console.db")
	hosts := query(t, file, "SELECT name, host_id, private_ip FROM servers ORDER BY host_id")
	require.Len(t, hosts, fleet)
	sim.poison(t, hosts[777][1], hosts[2500][1], hosts[2501][1])
	if !scripts {
		b.withoutScripts()
	}
	b.open(c.url + "/sign-in")
	b.fill("#name", "mei")
	b.fill("#password", meiPassword)
	b.follow("form [type=submit]")

	// Paste: names, IDs and addresses mixed, some twice, one nobody knows.
	var lines strings.Builder
	for i, h := range hosts {
		lines.WriteString(h[i%3] + "\n")
	}
	lines.WriteString(hosts[0][1] + "\n" + "no-such-server\n")
	b.open(servers + "/import")
	b.paste("textarea", lines.String())
	b.follow("form[enctype] [type=submit]")
	require.Contains(t, b.text("main"), "Found 5,000 Unknown entry 1 Duplicate 1")
	b.shot("bulk-pasted")
	b.follow(`form[action$="/select"] button`)
	require.Equal(t, fleet, selectedCount(b))

	// Plan and confirm.
	b.follow("#bulk button[value=enable]")
	require.Contains(t, b.text("h1"), "5,000 servers")
	require.Contains(t, b.text("main"), "25 calls")
	b.fill("#reason", "Roll-out of dynamic WTP, all of the shop")
	mei.allow(6) // so that there is something left to stop, however long it takes to
	b.follow("#go")
	first := b.where()
	require.Contains(t, first, "/changes/1")

	// Watch from two tabs, stop from one.
	other := b.tab()
	// The other tab has JavaScript either way, and sees the same.
	other.open(first)
	wait(t, "some calls were made", func() bool { return sim.switches(t) >= 4 })
	b.open(first)
	if b.count("#change-head details summary") > 0 {
		b.click("#change-head details summary")
	}
	b.follow(`form[action$="/stop"] button`)
	b.waitFor("#change-head", "Stopped")
	other.waitFor("#change-head", "Stopped")
	b.shot("bulk-stopped")
	stopped := outcomes(t, file)
	require.Positive(t, stopped["accepted"], stopped)
	require.Positive(t, stopped["stopped"], stopped)
	require.Equal(t, stopped["accepted"], sim.opened(t), "what was accepted is what HSS shows")
	mei.allow(600)

	// Go on with what was not sent.
	b.open(first)
	b.follow(`form:has([name=outcome][value=stopped]) button`)
	b.follow("#go")
	second := b.where()
	require.Contains(t, second, "/changes/2")
	other.open(second)
	b.waitFor("#change-head", "Finished")
	other.waitFor("#change-head", "Finished")
	require.Equal(t, fleet-3, sim.opened(t))
	require.Equal(t, 3, outcomes(t, file)["refused"], "three are refused, each alone")
	require.LessOrEqual(t, sim.switches(t), 25+1+3*16, "a culprit among 200 takes at most 16 calls more")
	b.shot("bulk-refused")

	// Retry what HSS refused, once it doesn't any more.
	sim.clearFaults(t)
	for _, row := range query(t, file, "SELECT DISTINCT c.number FROM targets t JOIN changes c ON c.id = t.change_id WHERE t.outcome = 'refused' ORDER BY 1") {
		b.open(c.url + "/p/web-prod/changes/" + row[0])
		b.follow(`#change-head form:has([name=outcome][value=refused]) button`)
		b.follow("#go")
		b.waitFor("#change-head", "Finished")
	}
	require.Equal(t, fleet, sim.opened(t))

	// Undo the second change: only what it switched.
	flipped := query(t, file, `SELECT COUNT(*) FROM targets t JOIN changes c ON c.id = t.change_id WHERE c.number = 2 AND t.outcome = 'accepted'`)[0][0]
	b.open(second)
	b.follow(`#change-head form[action$="/undo"] button`)
	require.Contains(t, b.text("h1"), "Undo #2")
	b.fill("#confirm", eval[string](b, `document.querySelector("#confirm").dataset.confirm`))
	b.follow("#go")
	undo := b.where()
	b.waitFor("#change-head", "Finished")
	require.Contains(t, b.text("#record"), "Undoes")
	require.Equal(t, fmt.Sprint(fleet-sim.opened(t)), flipped)
	b.fullShot("bulk-undone")
	b.open(second)
	require.Contains(t, b.text("main"), "#"+undo[strings.LastIndex(undo, "/")+1:], "the two point at each other")
	require.Empty(t, b.complaints())
	require.Zero(t, sim.violations(t))
}

// opened is how many servers of its one project the simulator shows as on.
func (s simulator) opened(t *testing.T) int {
	t.Helper()
	var state struct {
		Projects []struct {
			Rasp map[string]int `json:"rasp"`
		} `json:"projects"`
	}
	s.get(t, "/state?servers=false", &state)
	return state.Projects[0].Rasp["opened"]
}

func (s simulator) violations(t *testing.T) int {
	t.Helper()
	var state struct {
		Violations int `json:"violations"`
	}
	s.get(t, "/state?servers=false", &state)
	return state.Violations
}

// poison has the simulator refuse every switch that names one of the servers.
func (s simulator) poison(t *testing.T, hosts ...string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"op": "SetRaspSwitch", "kind": "refuse", "hosts": hosts})
	require.NoError(t, err)
	res, err := http.Post(s.Control+"/faults", "application/json", bytes.NewReader(body))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
}

func (s simulator) clearFaults(t *testing.T) {
	t.Helper()
	req, err := http.NewRequest(http.MethodDelete, s.Control+"/faults", nil)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
}
