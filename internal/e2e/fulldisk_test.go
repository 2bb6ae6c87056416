package e2e_test

import (
	"database/sql"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFullDisk fills the console's disk while a change runs. Nothing more may be
// sent then, for it couldn't be written down before; whoever asks for a write is
// told why it can't be; and all goes on by itself once there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t)
	sim := startSimulator(t, "--plain", "--servers", "2000", "--fault", slowSwitch)
	c := startConsole(t, disk, provisioned(t, sim)...)
	mei := newPerson(t, c.url)
	mei.signIn("mei", meiPassword)
	mei.allow(600)
	wait(t, "the inventory shows 2,000 servers", func() bool {
		return strings.Contains(mei.get("/p/web-prod/servers").words("#list-end"), "2,000")
	})
	waitListed(t, disk)
	idle := mei.plan("web-prod", "q=web-0000", "enable")
	mei.post("/p/web-prod/selection", url.Values{"op": {"none"}})
	preview := mei.plan("web-prod", "q=web-001", "enable") // 1,000 servers, five calls
	form := url.Values{"reason": {"Roll-out"}, "ticket": {"CHG-1"}}
	change := mei.post(preview+"/confirm", form).path
	require.Contains(t, change, "/changes/1")

	// The third call is under way: one has been answered.
	wait(t, "the simulator has seen three switch calls", func() bool { return sim.switches(t) >= 3 })
	file := filepath.Join(disk, "wtp-console.db")
	emptyLog(t, file)
	makeRoom := fill(t, disk)
	failures := func() int { return strings.Count(c.log(), "its disk is full") }
	wait(t, "the change has met the full disk", func() bool { return failures() > 0 })
	page := mei.post(idle+"/confirm", form)
	require.Equal(t, http.StatusInsufficientStorage, page.status, page.words("main"))
	require.Contains(t, page.words("main"), "The disk is full")
	require.Contains(t, page.words("main"), "nothing was sent to HSS")
	res, err := http.Get(c.url + "/readyz")
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Contains(t, mei.raw("/readyz"), "the disk is full")
	require.Contains(t, mei.raw("/healthz"), "ok")
	looked := mei.get(change)
	require.Equal(t, http.StatusOK, looked.status, "looking goes on")
	require.Contains(t, looked.words("#disk-full"), "nothing can be changed", "every page says so")
	require.Contains(t, looked.words("#waits"), "once there is room again")
	require.Contains(t, mei.get("/").words("#disk-full"), "nothing can be changed")
	before := failures()
	wait(t, "the change has tried again", func() bool { return failures() >= before+4 })
	sent := sim.switches(t)
	require.Positive(t, sent)
	require.LessOrEqual(t, sent, intents(t, file), "a batch was sent whose intent could not be written")

	makeRoom()
	wait(t, "the change goes on by itself and ends", func() bool { return mei.ended(change) })
	require.Equal(t, "ok\n", mei.raw("/readyz"))
	require.Zero(t, mei.get("/").Find("#disk-full").Length())
	require.Equal(t, map[string]int{"accepted": 1000, "planned": 99}, outcomes(t, file))
	require.LessOrEqual(t, sim.switches(t), 5, "nothing is sent twice")
	again := mei.post(idle+"/confirm", form)
	require.Equal(t, http.StatusOK, again.status, again.words("main"))
	wait(t, "the other change is carried out", func() bool { return mei.ended(again.path) })
	require.Equal(t, 0, c.stop(t))
	var state struct {
		Projects []struct {
			Rasp map[string]int `json:"rasp"`
		} `json:"projects"`
		Violations int `json:"violations"`
	}
	sim.get(t, "/state?servers=false", &state)
	require.Equal(t, 1099, state.Projects[0].Rasp["opened"])
	require.Zero(t, state.Violations)
	require.Equal(t, map[string]int{"accepted": 1099}, outcomes(t, file))
}

// slowSwitch is a fault of the simulator by which a change of five calls, two at once,
// takes 15 seconds: long enough for something to happen in its middle.
const slowSwitch = "op=SetRaspSwitch,kind=latency,delay=5s"

// intents is how many switches the console has on record as sent, or about to be.
func intents(t *testing.T, file string) int {
	t.Helper()
	n, err := strconv.Atoi(query(t, file, "SELECT COUNT(*) FROM calls WHERE operation = 'SetRaspSwitch'")[0][0])
	require.NoError(t, err)
	return n
}

// smallDisk is a directory with a file system of 24 MiB of its own: by mount where
// that is allowed, else a /dev/shm that is small itself, as in a container.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", dir).CombinedOutput()
	if err == nil {
		t.Cleanup(func() {
			if out, err := exec.Command("umount", "--lazy", dir).CombinedOutput(); err != nil {
				t.Errorf("umount: %v %s", err, out)
			}
		})
		return dir
	}
	var shm syscall.Statfs_t
	if syscall.Statfs("/dev/shm", &shm) == nil && shm.Blocks*uint64(shm.Bsize) <= 256<<20 { //nolint:gosec // a block has a positive size
		dir, err := os.MkdirTemp("/dev/shm", "wtp-console-")
		require.NoError(t, err)
		t.Cleanup(func() { os.RemoveAll(dir) })
		return dir
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("no small disk to fill, and nothing may be left out: mount says %s", out)
	}
	t.Skipf("no small disk to fill: mount says %s", out)
	return ""
}

// fill takes all the room there is on a directory's disk; the function it gives
// makes room again.
func fill(t *testing.T, dir string) func() {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "ballast"))
	require.NoError(t, err)
	t.Cleanup(func() { f.Close(); os.Remove(f.Name()) })
	for size := 1 << 20; size >= 512; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else {
			require.NoError(t, err)
		}
	}
	return func() { require.NoError(t, f.Truncate(0)) }
}

// emptyLog makes SQLite's write-ahead log empty, so that the next write needs room.
func emptyLog(t *testing.T, file string) {
	t.Helper()
	conn, err := sql.Open("sqlite3", "file:"+file+"?_busy_timeout=10000")
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
	require.NoError(t, err)
}
