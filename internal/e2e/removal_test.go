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

// TestBackupServerIsRemoved carries the removal of a backup server in use to its end in
// a browser. A server that comes to use it while the preview is open is shown before
// anything is sent, and moved as well.
func TestBackupServerIsRemoved(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	sim := startSimulator(t, "--servers", "40", "--backup-start-delay", "500ms")
	dir := t.TempDir()
	c := startConsole(t, dir, provisioned(t, sim)...)
	mei := newPerson(t, c.url)
	mei.signIn("mei", meiPassword)
	mei.allow(600)
	waitListed(t, dir)
	file := filepath.Join(dir, "wtp-console.db")
	backups := query(t, file, "SELECT host_id, name FROM backup_servers ORDER BY name")
	stays, goes, name := backups[0][0], backups[1][0], backups[1][1]
	hosts := query(t, file, "SELECT host_id FROM servers WHERE os = 'linux' ORDER BY name LIMIT 4")
	for _, s := range query(t, file, "SELECT host_id FROM servers WHERE backup_host_id = '"+goes+"'") {
		sim.patch(t, s[0], `{"backup_host_id":""}`)
	}
	use := func(hosts ...[]string) {
		t.Helper()
		for _, h := range hosts {
			sim.patch(t, h[0], fmt.Sprintf(`{"agent_status":"online","protect_status":"opened","backup_host_id":%q,"backup_addr":"10.20.0.2:8090"}`, goes))
		}
	}
	use(hosts[:3]...)

	// HSS removes only one that runs: saved again, it starts.
	b.open(c.url + "/sign-in")
	b.fill("#name", "mei")
	b.fill("#password", meiPassword)
	b.follow("form [type=submit]")
	list := c.url + "/p/web-prod/backup-servers"
	b.open(list + "/" + goes + "/edit")
	b.fill("#port", "8095")
	b.fill("#reason", "Start it once more")
	b.waitFor("#diff", "8095")
	b.follow("button[form=bk][type=submit]")
	b.waitFor("#change-head", "Finished, read back")

	remove := list + "/" + goes + "/remove"
	readAgain := func(uses string) {
		t.Helper()
		wait(t, "the console has read "+uses, func() bool {
			b.open(remove)
			if strings.Contains(b.text(".head .sub"), uses) {
				return true
			}
			b.follow(`form[action$="/read"] button`)
			return false
		})
	}
	readAgain("3 servers use it")
	b.follow("#remove [type=submit]") // where they go is said by a person
	require.Contains(t, b.text("#errors"), "Choose a backup server")
	b.click(fmt.Sprintf("[name=to][value=%q]", stays))
	b.follow("#remove [type=submit]")
	preview := b.where()
	require.Contains(t, b.text("h1"), "after moving 3 servers")
	b.fullShot("removal-preview")

	use(hosts[3])
	readAgain("4 servers use it")
	b.open(preview)
	b.fill("#reason", "End of lease")
	b.fill("#confirm", name)
	b.follow("#go")
	require.Contains(t, b.text("main"), "1 server changed since it was made. Nothing was sent.")
	require.Contains(t, b.text("section[aria-labelledby=h-moved]"), "Was not in it")
	b.fullShot("removal-moved")
	require.Zero(t, sim.requests(t, "SetRemoteBackupInfo"))
	b.follow("#go")
	change := b.where()
	b.waitFor("#change-head", "Finished, read back")
	b.waitFor("h1", "Removed backup server "+name)
	b.fullShot("removal-done")
	require.Equal(t, []int{4, 1}, []int{sim.requests(t, "SetRemoteBackupInfo"), sim.requests(t, "DeleteBackupHostInfo")})
	require.NotContains(t, sim.backups(t), goes)
	require.Equal(t, [][]string{{"4"}}, query(t, file, fmt.Sprintf("SELECT COUNT(*) FROM targets WHERE kind = 'remote_backup' AND outcome = 'accepted' AND before = '%s' AND seen = '%s'", goes, stays)))

	b.open(list)
	require.NotContains(t, b.text("main"), name)
	b.open(c.url + "/p/web-prod/changes")
	require.Contains(t, b.text("main"), "Remove backup server "+name+" after moving 4 servers")
	b.open(c.url + "/p/web-prod/servers/" + hosts[3][0])
	require.Contains(t, b.text("main"), strings.TrimPrefix(change, c.url+"/p/web-prod/changes/"))
	require.Empty(t, b.complaints())
}

// patch changes a server of the first project as somebody else would.
func (s simulator) patch(t *testing.T, host, set string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"project_id": s.Project, "host_ids": []string{host}, "set": json.RawMessage(set)})
	require.NoError(t, err)
	res, err := http.Post(s.Control+"/servers", "application/json", bytes.NewReader(body))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
}

// requests is how many calls of an operation the simulator saw.
func (s simulator) requests(t *testing.T, op string) int {
	t.Helper()
	var state struct {
		Requests map[string]int `json:"requests"`
	}
	s.get(t, "/state?servers=false", &state)
	return state.Requests[op]
}

// backups are the host IDs of the backup servers of the first project.
func (s simulator) backups(t *testing.T) []string {
	t.Helper()
	var state struct {
		Projects []struct {
			Backups []struct {
				HostID string `json:"host_id"`
			} `json:"backups"`
		} `json:"projects"`
	}
	s.get(t, "/state?servers=false", &state)
	var ids []string
	for _, b := range state.Projects[0].Backups {
		ids = append(ids, b.HostID)
	}
	return ids
}
