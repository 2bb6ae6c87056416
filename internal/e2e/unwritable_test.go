package e2e_test

import (
	"math"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestUnwritableDatabase takes from the console the right to write files while a
// change runs, as a file system does that turns read-only: every write fails, however
// small, though there is room. It must be said as a full disk is, and pass as that does.
func TestUnwritableDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sim := startSimulator(t, "--plain", "--servers", "2000", "--fault", slowSwitch)
	c := startConsole(t, dir, provisioned(t, sim)...)
	mei := newPerson(t, c.url)
	mei.signIn("mei", meiPassword)
	mei.allow(600)
	wait(t, "the inventory shows 2,000 servers", func() bool {
		return strings.Contains(mei.get("/p/web-prod/servers").words("#list-end"), "2,000")
	})
	waitListed(t, dir)
	idle := mei.plan("web-prod", "q=web-0000", "enable")
	mei.post("/p/web-prod/selection", url.Values{"op": {"none"}})
	preview := mei.plan("web-prod", "q=web-001", "enable") // 1,000 servers, five calls
	form := url.Values{"reason": {"Roll-out"}, "ticket": {"CHG-1"}}
	change := mei.post(preview+"/confirm", form).path
	require.Contains(t, change, "/changes/1")

	wait(t, "the simulator has seen three switch calls", func() bool { return sim.switches(t) >= 3 })
	file := filepath.Join(dir, "wtp-console.db")
	c.mayWrite(t, 0)
	failures := func() int { return strings.Count(c.log(), "the database can't be written") }
	wait(t, "the change has met the trouble", func() bool { return failures() > 0 })
	for _, path := range []string{idle + "/confirm", change + "/stop", "/p/web-prod/selection"} {
		page := mei.post(path, url.Values{"reason": {"Roll-out"}, "ticket": {"CHG-1"}, "op": {"all-2000"}})
		require.Equal(t, http.StatusServiceUnavailable, page.status, "%s: %s", path, page.words("main"))
		require.Contains(t, page.words("main"), "Nothing was changed and nothing was sent to HSS. The database is at "+file)
	}
	stranger := newPerson(t, c.url).post("/sign-in", url.Values{"name": {"mei"}, "password": {meiPassword}})
	require.Equal(t, http.StatusServiceUnavailable, stranger.status)
	require.Contains(t, stranger.words("main"), "The console cannot write to its database")
	require.NotContains(t, stranger.Text(), dir, "a stranger need not know where it is")
	res, err := http.Get(c.url + "/readyz")
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Equal(t, "not ready: the database can't be written\n", mei.raw("/readyz"))
	require.Contains(t, mei.raw("/healthz"), "ok")
	looked := mei.get(change)
	require.Equal(t, http.StatusOK, looked.status, "looking goes on")
	require.Contains(t, looked.words("#unwritable"), file, "every page says so")
	require.Contains(t, looked.words("#waits"), "once that can be written again")
	require.NotContains(t, looked.words("main"), "left, until", "nobody can tell how long it takes")
	require.Zero(t, looked.Find("#disk-full").Length())
	before := failures()
	wait(t, "the change has tried again", func() bool { return failures() >= before+4 })
	require.Contains(t, mei.get("/").words("#unwritable"), "Nothing can be changed", "it is not forgotten meanwhile")
	sent := sim.switches(t)
	require.Positive(t, sent)
	require.LessOrEqual(t, sent, intents(t, file), "a batch was sent whose intent could not be written")

	c.mayWrite(t, math.MaxUint64) // no limit
	wait(t, "it is ready again", func() bool { return mei.raw("/readyz") == "ok\n" })
	wait(t, "the change goes on by itself and ends", func() bool { return mei.ended(change) })
	require.Zero(t, mei.get("/").Find("#unwritable").Length())
	require.Equal(t, map[string]int{"accepted": 1000, "planned": 99}, outcomes(t, file))
	require.LessOrEqual(t, sim.switches(t), 5, "nothing is sent twice")
	require.Equal(t, 0, c.stop(t))
}

// mayWrite sets how far into a file the console may write from now on; a file that
// is that long already can only be read.
func (c *console) mayWrite(t *testing.T, most uint64) {
	t.Helper()
	// The hard limit stays, so that anybody may lift the soft one again.
	require.NoError(t, unix.Prlimit(c.cmd.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: most, Max: math.MaxUint64}, nil))
}
