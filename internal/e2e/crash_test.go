package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestKillInTheMiddle kills the console with SIGKILL while 1,000 servers are
// being switched on, starts it again on the same file, and holds what it says
// at the end against what the simulator knows: nothing lost, nothing invented,
// nothing sent that was not written down.
func TestKillInTheMiddle(t *testing.T) {
	sim := startSimulator(t, "--plain", "--servers", "1000", "--latency", "250ms")
	env := provisioned(t, sim)
	dir := t.TempDir()
	c := startConsole(t, dir, env...)
	mei := newPerson(t, c.url)
	mei.signIn("mei", meiPassword)
	mei.allow(600)
	wait(t, "the inventory shows 1,000 servers", func() bool {
		return strings.Contains(mei.get("/p/web-prod/servers").words("#list-end"), "1,000")
	})
	waitListed(t, dir)
	preview := mei.plan("web-prod", "", "enable")
	page := mei.post(preview+"/confirm", url.Values{"reason": {"Roll-out, wave 7"}, "ticket": {"CHG-1"}})
	require.Equal(t, http.StatusOK, page.status, page.words("main"))
	change := page.path
	require.Contains(t, change, "/changes/1")

	// The third call is under way: two have been answered.
	wait(t, "the simulator has seen three switch calls", func() bool { return sim.switches(t) >= 3 })
	c.kill()
	before := sim.switches(t)

	c = startConsole(t, dir, env...)
	mei.base = c.url
	require.Equal(t, http.StatusOK, mei.get(change).status, "a restart signs nobody out")
	wait(t, "the change ends after the restart", func() bool { return mei.ended(change) })
	wait(t, "all 1,000 are confirmed by reading back", func() bool {
		return strings.Contains(mei.get(change).words("#progress"), "1,000")
	})
	require.Equal(t, 0, c.stop(t), "orderly stop")

	var state struct {
		Projects []struct {
			Rasp map[string]int `json:"rasp"`
		} `json:"projects"`
		Violations int `json:"violations"`
	}
	sim.get(t, "/state?servers=false", &state)
	require.Equal(t, 1000, state.Projects[0].Rasp["opened"], "the simulator's own state")
	require.Zero(t, state.Violations)
	after := sim.switches(t)
	t.Logf("switch calls seen by the simulator: %d before the kill, %d in all", before, after)
	require.LessOrEqual(t, after, 6, "at most the batch in flight is sent twice, and only if reading back showed it was not applied")

	out := outcomes(t, filepath.Join(dir, "wtp-console.db"))
	require.Equal(t, map[string]int{"accepted": 1000}, out)
}

// TestPageSaysWhenTheConsoleIsGone: a page that follows a change says so while
// nobody answers, and goes on by itself when the console is back. The console is paused
// at first, so that the change is surely under way when it goes.
func TestPageSaysWhenTheConsoleIsGone(t *testing.T) {
	b := newBrowser(t)
	sim := startSimulator(t, "--plain", "--servers", "1000")
	env := append(provisioned(t, sim), "WTP_CONSOLE_LISTEN="+keptAddress(t))
	dir := t.TempDir()
	c := startConsole(t, dir, env...)
	mei := newPerson(t, c.url)
	mei.signIn("mei", meiPassword)
	mei.allow(600)
	wait(t, "the inventory shows 1,000 servers", func() bool {
		return strings.Contains(mei.get("/p/web-prod/servers").words("#list-end"), "1,000")
	})
	waitListed(t, dir)
	b.open(c.url + "/sign-in")
	b.fill("#name", "mei")
	b.fill("#password", meiPassword)
	b.follow("form [type=submit]")
	require.Equal(t, http.StatusOK, mei.post("/pause", url.Values{"why": {"Watched"}}).status)
	preview := mei.plan("web-prod", "", "enable")
	change := mei.post(preview+"/confirm", url.Values{"reason": {"Watched"}}).path
	require.Contains(t, change, "/changes/1")
	b.open(c.url + change)
	offline := func() bool { return eval[bool](b, `document.querySelector("#offline").checkVisibility()`) }
	require.False(t, offline())
	c.kill()
	wait(t, "the page says that nobody answers", offline)
	require.Contains(t, b.text("#offline"), "does not answer")
	startConsole(t, dir, env...)
	wait(t, "the page has an answer again", func() bool { return !offline() })
	require.Equal(t, http.StatusOK, mei.post("/resume", url.Values{}).status)
	b.waitFor("#change-head", "Finished")
}

// switches counts the dynamic WTP calls the simulator saw.
func (s simulator) switches(t *testing.T) int {
	t.Helper()
	var state struct {
		Requests map[string]int `json:"requests"`
	}
	s.get(t, "/state?servers=false", &state)
	return state.Requests["SetRaspSwitch"]
}

// outcomes reads the targets' outcomes from the database file itself, with the
// sqlite driver's own connection, not through the console.
func outcomes(t *testing.T, file string) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, row := range query(t, file, `SELECT outcome, COUNT(*) FROM targets GROUP BY outcome`) {
		var n int
		_, err := fmt.Sscan(row[1], &n)
		require.NoError(t, err)
		out[row[0]] = n
	}
	return out
}
