package server

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

// hss is what HSS answers in these tests.
type hss struct {
	mu      sync.Mutex
	backups []wtp.BackupServer
	hosts   []wtp.HostChoice
	dirs    []string
	err     error
	reads   atomic.Int64
	wakes   atomic.Int64
}

func (h *hss) config(c *Config) {
	c.Wake = func() { h.wakes.Add(1) }
	c.ReadBackups = func(context.Context, wtp.Project) ([]wtp.BackupServer, error) {
		h.reads.Add(1)
		h.mu.Lock()
		defer h.mu.Unlock()
		return append([]wtp.BackupServer(nil), h.backups...), h.err
	}
	c.FindHosts = func(_ context.Context, _ wtp.Project, q string) ([]wtp.HostChoice, error) {
		var found []wtp.HostChoice
		for _, c := range h.hosts {
			if strings.Contains(c.Name+" "+c.PrivateIP+" "+c.HostID, q) {
				found = append(found, c)
			}
		}
		return found, h.err
	}
	c.ProtectedDirs = func(context.Context, wtp.Project, string) ([]string, error) { return h.dirs, nil }
}

const (
	oldBackup = "5c0f7e1a-93d2-4e0b-8f6c-2a7d41b9e305"
	newBackup = "aaaa0000-93d2-4e0b-8f6c-2a7d41b9e305"
)

// withBackups is a console with three backup servers, three servers, and an HSS
// that shows the same.
func withBackups(t *testing.T) (*console, *hss, wtp.Project) {
	t.Helper()
	h := &hss{
		backups: []wtp.BackupServer{
			{HostID: "b-run", Name: "bkp-01", IP: "10.36.0.11", Port: 10050, Dir: "/data/wtp-backup", Status: wtp.BackupRunning},
			{HostID: oldBackup, Name: "bkp-07", IP: "10.36.0.17", Port: 10050, Dir: "/data/wtp-backup", Status: wtp.BackupFailed},
			{HostID: "b-start", Name: "bkp-09", IP: "10.36.0.19", Port: 10050, Dir: "/data/wtp-backup", Status: wtp.BackupStarting},
		},
		hosts: []wtp.HostChoice{
			{HostID: newBackup, Name: "store-01", PrivateIP: "10.36.0.31", Online: true, Active: true, Linux: true},
			{HostID: "win-1", Name: "store-win", PrivateIP: "10.36.0.32", Online: true, Active: true},
		},
	}
	c := start(t, h.config)
	p := c.project()
	c.inventory(p, []wtp.Server{
		{HostID: "s1", Name: "web-1", OS: "linux", GroupName: "Storefront", BackupHostID: oldBackup, ProtectStatus: "opened", AgentStatus: "online", Dynamic: wtp.Opened},
		{HostID: "s2", Name: "web-2", OS: "linux", BackupHostID: oldBackup, ProtectStatus: "opened", AgentStatus: "online", Dynamic: wtp.Opened},
		{HostID: "s3", Name: "web-3", OS: "linux", ProtectStatus: "opened", AgentStatus: "online", Dynamic: wtp.Closed},
	}, slices.Clone(h.backups)...)
	return c, h, p
}

func (c *console) changes(p wtp.Project) []db.ChangeRow {
	c.t.Helper()
	rows, _, err := c.store.Changes(c.ctx(), db.ChangeQuery{ProjectID: p.ID})
	require.NoError(c.t, err)
	return rows
}

// seen is the token of the difference that a page shows.
func seen(d *goquery.Document) string { return d.Find("input[name=seen]").AttrOr("value", "") }

func TestBackupServersWithProblemsComeFirst(t *testing.T) {
	c, _, p := withBackups(t)
	d := c.as(c.user("vera", wtp.Viewer)).get("/p/" + p.Slug + "/backup-servers").is(http.StatusOK).page()
	var names []string
	d.Find("tbody tr th").Each(func(_ int, s *goquery.Selection) { names = append(names, strings.Fields(s.Text())[0]) })
	require.Equal(t, []string{"bkp-07", "bkp-09", "bkp-01"}, names)
	require.Contains(t, d.Find(".notice-bad").Text(), "bkp-07 failed to start.")
	require.Contains(t, d.Find(".notice-bad").Text(), "2 servers back up to it")
	row := d.Find("tr#b-" + oldBackup)
	require.Contains(t, row.Text(), "10.36.0.17:10050")
	require.Contains(t, row.Text(), "/data/wtp-backup")
	require.Contains(t, row.Text(), "Start failed")
	require.Equal(t, 1, row.Find(`a[href="/p/shop/servers?backup=`+oldBackup+`"]`).Length())
	require.Contains(t, d.Find("section[aria-labelledby=h-cov]").Text(), "2 of 3")
	require.Zero(t, d.Find(`main a[href$="/edit"], main a[href$="/new"]`).Length(), "a viewer is offered nothing to change")
}

func TestNoBackupServerSaysWhatToDo(t *testing.T) {
	c := start(t, (&hss{}).config)
	p := c.project()
	b := c.as(c.user("olga", wtp.Operator))
	require.Contains(t, b.get("/p/shop/backup-servers").is(http.StatusOK).page().Find(".none").Text(), "HSS not read yet")
	c.inventory(p, nil)
	none := b.get("/p/shop/backup-servers").is(http.StatusOK).page().Find(".none")
	require.Contains(t, none.Text(), "No backup server")
	require.Equal(t, 1, none.Find(`a[href="/p/shop/backup-servers/new"]`).Length())
}

func TestViewersCannotChangeBackupServers(t *testing.T) {
	c, h, p := withBackups(t)
	b := c.as(c.user("vera", wtp.Viewer))
	for _, path := range []string{"/new", "/hosts?q=a", "/diff", "/" + oldBackup + "/edit"} {
		b.get("/p/" + p.Slug + "/backup-servers" + path).is(http.StatusForbidden)
	}
	b.post("/p/"+p.Slug+"/backup-servers/new", "host_id", newBackup).is(http.StatusForbidden)
	require.Zero(t, h.reads.Load())
	require.Empty(t, c.changes(p))
}

func TestChangeABackupServer(t *testing.T) {
	c, h, p := withBackups(t)
	b := c.as(c.user("olga", wtp.Operator))
	path := "/p/shop/backup-servers/" + oldBackup + "/edit"
	d := b.get(path).is(http.StatusOK).page()
	require.Contains(t, d.Find("h1").Text(), "Change backup server bkp-07")
	require.Contains(t, d.Find("#what-happens").Text(), "2 servers back up to it")
	require.Equal(t, "10.36.0.17", d.Find("#ip").AttrOr("value", ""))
	require.Contains(t, d.Find("section[aria-labelledby=h-use]").Text(), "Storefront")
	require.Contains(t, d.Find("section[aria-labelledby=h-use]").Text(), "No group")
	was := d.Find("#was").AttrOr("value", "")

	// Typing asks for the difference, which says what it stands for.
	q := url.Values{"host_id": {oldBackup}, "ip": {"10.36.1.17"}, "port": {"10051"}, "dir": {"/data2/wtp-backup"}, "was": {was}}
	f := b.get("/p/shop/backup-servers/diff?" + q.Encode()).is(http.StatusOK)
	require.NotContains(t, f.text, "<html")
	diff := f.page()
	require.Equal(t, "10.36.0.17", diff.Find("del").First().Text())
	require.Equal(t, "10.36.1.17", diff.Find("ins").First().Text())
	require.Contains(t, diff.Text(), "3 of 4 fields")
	require.Contains(t, diff.Text(), "Nothing moves what is in /data/wtp-backup now.")
	token := seen(diff)
	require.NotEmpty(t, token)
	require.Empty(t, c.changes(p))

	b.post(path, "host_id", oldBackup, "ip", "10.36.1.17", "port", "10051", "dir", "/data2/wtp-backup", "was", was, "seen", token,
		"reason", " New storage network ", "ticket", "NET-1").to("/p/shop/changes/1")
	rows := c.changes(p)
	require.Len(t, rows, 1)
	require.Equal(t, wtp.BackupHost, rows[0].Kind)
	require.Equal(t, "New storage network", rows[0].Reason)
	require.Equal(t, "NET-1", rows[0].Ticket)
	require.Equal(t, "olga", rows[0].ConfirmedByName)
	var before, after wtp.BackupConfig
	require.NoError(t, json.Unmarshal([]byte(rows[0].BackupBefore), &before))
	require.NoError(t, json.Unmarshal([]byte(rows[0].BackupAfter), &after))
	require.Equal(t, wtp.BackupConfig{HostID: oldBackup, Name: "bkp-07", IP: "10.36.0.17", Port: 10050, Dir: "/data/wtp-backup"}, before)
	require.Equal(t, wtp.BackupConfig{HostID: oldBackup, Name: "bkp-07", IP: "10.36.1.17", Port: 10051, Dir: "/data2/wtp-backup"}, after)
	require.EqualValues(t, 1, h.wakes.Load())
	require.Contains(t, b.get("/p/shop/backup-servers").page().Find("tr#b-"+oldBackup).Text(), "#1")

	// While it is under way, nobody else changes the same one.
	again := b.post(path, "host_id", oldBackup, "ip", "10.36.1.17", "port", "10051", "dir", "/data2/wtp-backup", "seen", token, "reason", "x").is(http.StatusConflict)
	require.Contains(t, again.page().Find("#message").Text(), "still under way")
	require.Len(t, c.changes(p), 1)
}

func TestWithoutScriptTheDifferenceIsShownOnce(t *testing.T) {
	c, h, p := withBackups(t)
	b := c.as(c.user("olga", wtp.Operator))
	form := []string{"host_id", newBackup, "ip", "10.36.0.31", "port", "10050", "dir", "/data/b", "reason", "More room"}
	page := b.post("/p/shop/backup-servers/new", form...).is(http.StatusOK).page()
	require.Contains(t, page.Find("#message").Text(), "Nothing was sent yet")
	require.Contains(t, page.Find("#what-happens").Text(), "so saving adds one")
	require.Contains(t, page.Find("h1").Text(), "Add store-01 as a backup server")
	require.Equal(t, "More room", page.Find("#reason").Text())
	require.Empty(t, c.changes(p))
	require.Zero(t, h.wakes.Load())
	b.post("/p/shop/backup-servers/new", append(form, "seen", seen(page), "was", page.Find("#was").AttrOr("value", ""))...).to("/p/shop/changes/1")
	require.Empty(t, c.changes(p)[0].BackupBefore)
}

func TestAnotherHandInBetween(t *testing.T) {
	c, h, p := withBackups(t)
	b := c.as(c.user("olga", wtp.Operator))
	path := "/p/shop/backup-servers/" + oldBackup + "/edit"
	first := b.get(path).page()
	was := first.Find("#was").AttrOr("value", "")
	form := []string{"host_id", oldBackup, "ip", "10.36.1.17", "port", "10050", "dir", "/data/wtp-backup", "reason", "r", "was", was}
	token := seen(b.post(path, form...).is(http.StatusOK).page())

	h.mu.Lock()
	h.backups[1].Port = 9999
	h.mu.Unlock()
	d := b.post(path, append(form, "seen", token)...).is(http.StatusConflict).page()
	require.Contains(t, d.Find("#message").Text(), "another configuration now than when you opened this form")
	require.Contains(t, d.Find("#diff").Text(), "9999")
	require.Empty(t, c.changes(p))

	// What HSS has is now known to the person, but not yet to the console's own list.
	d = b.post(path, append(form[:10], "was", d.Find("#was").AttrOr("value", ""), "seen", seen(d))...).is(http.StatusConflict).page()
	require.Contains(t, d.Find("#message").Text(), "being read again now")
	require.Empty(t, c.changes(p))
	c.inventory(p, nil, slices.Clone(h.backups)...)
	b.post(path, append(form[:10], "was", d.Find("#was").AttrOr("value", ""), "seen", seen(d))...).to("/p/shop/changes/1")
}

func TestNothingChangedIsNotSent(t *testing.T) {
	c, h, p := withBackups(t)
	b := c.as(c.user("olga", wtp.Operator))
	d := b.post("/p/shop/backup-servers/"+oldBackup+"/edit", "host_id", oldBackup, "ip", "10.36.0.17", "port", "10050", "dir", "/data/wtp-backup", "reason", "r").is(http.StatusOK).page()
	require.Contains(t, d.Find("#message").Text(), "exactly this configuration")
	require.Empty(t, c.changes(p))
	require.Zero(t, h.wakes.Load())
}

func TestHSSThatCannotBeReadStopsTheForm(t *testing.T) {
	c, h, p := withBackups(t)
	h.err = &wtp.Upstream{Operation: "ListBackupHostsInfo", Text: wtp.Say("HSS locked this credential."), Code: "APIGW.0301", Message: "reach the limit", RequestID: "req-77"}
	b := c.as(c.user("olga", wtp.Operator))
	path := "/p/shop/backup-servers/" + oldBackup + "/edit"
	d := b.get(path).is(http.StatusOK).page()
	text := d.Find("main").Text()
	for _, part := range []string{"HSS could not be read", "APIGW.0301", "reach the limit", "req-77", "Try again"} {
		require.Contains(t, text, part)
	}
	require.Zero(t, d.Find("button[form=bk]").Length(), "there is nothing to save blindly")
	d = b.post(path, "host_id", oldBackup, "ip", "10.36.1.17", "port", "1", "dir", "/x", "reason", "kept").is(http.StatusBadGateway).page()
	require.Equal(t, "10.36.1.17", d.Find("#ip").AttrOr("value", ""))
	require.Equal(t, "kept", d.Find("#reason").Text())
	require.Empty(t, c.changes(p))
}

func TestUnknownHostIDNeedsATick(t *testing.T) {
	c, _, p := withBackups(t)
	b := c.as(c.user("olga", wtp.Operator))
	form := []string{"host_id", "typed-by-hand", "ip", "10.36.0.40", "port", "10050", "dir", "/data/b", "reason", "r"}
	d := b.post("/p/shop/backup-servers/new", form...).is(http.StatusUnprocessableEntity).page()
	require.Contains(t, d.Find("#host_id-err").Text(), "HSS does not list a server with this host ID")
	require.Equal(t, 1, d.Find("input[name=accept]").Length())
	d = b.post("/p/shop/backup-servers/new", append(form, "accept", "1")...).is(http.StatusOK).page()
	b.post("/p/shop/backup-servers/new", append(form, "accept", "1", "seen", seen(d))...).to("/p/shop/changes/1")
	require.Len(t, c.changes(p), 1)
}

func TestPickerFindsServersAndFillsInTheAddress(t *testing.T) {
	c, _, _ := withBackups(t)
	b := c.as(c.user("olga", wtp.Operator))
	f := b.get("/p/shop/backup-servers/hosts?q=store").is(http.StatusOK)
	require.NotContains(t, f.text, "<html")
	require.Equal(t, 2, f.page().Find("input[type=radio][name=host_id]").Length())
	_, off := f.page().Find("input[value=win-1]").Attr("disabled")
	require.True(t, off, "a Windows server can't be a backup server")
	require.Contains(t, b.get("/p/shop/backup-servers/hosts?q=nobody").page().Text(), "no server that matches")
	d := b.get("/p/shop/backup-servers/new?q=store").is(http.StatusOK).page()
	require.Equal(t, 2, d.Find("#hosts input[type=radio]").Length())
	d = b.get("/p/shop/backup-servers/new?q=store&host_id=" + newBackup).is(http.StatusOK).page()
	require.Equal(t, newBackup, d.Find("#host_id").AttrOr("value", ""))
	require.Equal(t, "10.36.0.31", d.Find("#ip").AttrOr("value", ""))
	// One that is a backup server already is changed, and says so.
	d = b.get("/p/shop/backup-servers/new?host_id=" + oldBackup).is(http.StatusOK).page()
	require.Contains(t, d.Find("#what-happens").Text(), "saving changes it")
	require.Equal(t, "10.36.0.17", d.Find("#ip").AttrOr("value", ""))
}

func TestBackupServerThatNobodyKnows(t *testing.T) {
	c, h, _ := withBackups(t)
	b := c.as(c.user("olga", wtp.Operator))
	b.get("/p/shop/backup-servers/none/edit").is(http.StatusNotFound)
	b.post("/p/shop/backup-servers/"+oldBackup+"/edit", "host_id", "b-run").is(http.StatusNotFound)
	h.backups = h.backups[:1]
	d := b.get("/p/shop/backup-servers/" + oldBackup + "/edit").is(http.StatusOK).page()
	require.Contains(t, d.Find("#message").Text(), "no longer has this backup server")
	require.Equal(t, "10.36.0.17", d.Find("#ip").AttrOr("value", ""))
}
