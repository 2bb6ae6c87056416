package e2e_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNewAddressReachesTheServersOfABackupServer changes the port of a backup server in
// use in a browser, and sends it to the servers that use it.
func TestNewAddressReachesTheServersOfABackupServer(t *testing.T) {
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
	backup := query(t, file, "SELECT host_id, name, ip FROM backup_servers WHERE status = 1")[0]
	hosts := query(t, file, "SELECT host_id FROM servers WHERE os = 'linux' ORDER BY name LIMIT 5")
	for _, s := range query(t, file, "SELECT host_id FROM servers WHERE backup_host_id = '"+backup[0]+"'") {
		sim.patch(t, s[0], `{"backup_host_id":"","backup_addr":""}`)
	}
	for i, h := range hosts {
		agent := map[bool]string{true: "offline", false: "online"}[i == 4]
		sim.patch(t, h[0], fmt.Sprintf(`{"agent_status":%q,"protect_status":"opened","backup_host_id":%q,"backup_addr":"%s:8080"}`, agent, backup[0], backup[2]))
	}

	b.open(c.url + "/sign-in")
	b.fill("#name", "mei")
	b.fill("#password", meiPassword)
	b.follow("form [type=submit]")
	list, users := "/p/web-prod/backup-servers", "tr[id='b-"+backup[0]+"'] td.num.h-md a"
	wait(t, "the console has read who uses it", func() bool {
		b.open(c.url + list)
		if b.count(users) == 1 && b.text(users) == "5" {
			return true
		}
		b.open(c.url + list + "/" + backup[0] + "/remove")
		b.follow(`form[action$="/read"] button`)
		return false
	})
	require.Zero(t, b.count("form[action$='/address']"))

	b.open(c.url + list + "/" + backup[0] + "/edit")
	b.fill("#port", "9443")
	b.fill("#reason", "The firewall lets 9443 through only")
	b.waitFor("#diff", "Servers that use it: 5.")
	b.fullShot("address-form")
	b.follow("button[form=bk][type=submit]")
	b.waitFor("#change-head", "Finished, read back")
	require.Zero(t, sim.requests(t, "SetRemoteBackupInfo"), "nothing is sent by itself")
	b.glance(c.url, "address-list", list)
	b.glance(c.url, "address-edit", list+"/"+backup[0]+"/edit")
	b.glance(c.url, "address-choice", "/p/web-prod/remote-backup?only="+hosts[0][0])

	b.open(c.url + list)
	require.Contains(t, b.text("main"), "5 servers use "+backup[1]+" at an old address.")
	b.follow("form[action$='/address'] button")
	preview := strings.TrimPrefix(b.where(), c.url)
	require.Contains(t, b.text("h1"), "Send the new address of "+backup[1]+" to 4 servers")
	require.Contains(t, b.text("#servers"), "as far as is known at "+backup[2]+":8080.")
	b.glance(c.url, "address-preview", preview)
	b.open(c.url + preview)
	b.fill("#reason", "The firewall lets 9443 through only")
	b.follow("#go")
	change := strings.TrimPrefix(b.where(), c.url)
	b.waitFor("#change-head", "Finished, read back")
	b.waitFor("h1", "Sent the new address of "+backup[1]+" to 4 servers")
	b.glance(c.url, "address-change", change)
	require.Equal(t, 4, sim.requests(t, "SetRemoteBackupInfo"))
	require.GreaterOrEqual(t, sim.requests(t, "ShowRemoteBackupHostInfo"), 4)

	b.open(c.url + list)
	require.Contains(t, b.text("main"), "1 server uses "+backup[1]+" at an old address.")
	b.glance(c.url, "address-server", "/p/web-prod/servers/"+hosts[0][0])
	b.open(c.url + "/p/web-prod/servers/" + hosts[4][0])
	require.Contains(t, b.text("section[aria-labelledby=h-backup]"), "This server uses it at "+backup[2]+":8080, as far as is known.")
	b.glance(c.url, "address-left", "/p/web-prod/servers/"+hosts[4][0])

	// What there was can't be gone back to.
	b.open(c.url + change)
	b.follow("form[action$='/undo'] button")
	require.Contains(t, b.text("main"), "Nothing would change.")
	require.Contains(t, b.text("main"), "give the backup server that address again first")
	b.glance(c.url, "address-undo", strings.TrimPrefix(b.where(), c.url))
	require.Empty(t, b.complaints())
}
