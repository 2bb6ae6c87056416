package server

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

// waiting is a shop of n servers, all turned on by change 1 and read back as on.
func waiting(t *testing.T, n int, edit func(i int, s *wtp.Server)) (*console, wtp.Project, *browser) {
	t.Helper()
	servers := fleet(n)
	for i := range servers {
		if edit != nil {
			edit(i, &servers[i])
		}
	}
	c, p, b := shop(t, servers)
	b.confirm("enable", "Wave 1")
	c.finish(c.send((n+199)/200, accept))
	for i := range servers {
		servers[i].Dynamic = wtp.Opened
	}
	c.inventory(p, servers)
	return c, p, b
}

func TestRestartsAreMarkedDone(t *testing.T) {
	c, _, b := waiting(t, 60, func(i int, s *wtp.Server) {
		if i < 3 {
			s.GroupName = ""
		}
	})
	const list = "/p/shop/restarts"
	overview := b.get("/p/shop").is(200).page()
	require.Contains(t, said(overview.Find("main .notice-warn")), "60 servers need a Tomcat restart.")
	require.Equal(t, list, overview.Find("main .notice-warn a").AttrOr("href", ""))
	require.Contains(t, said(b.get("/p/shop/changes/1").is(200).page().Find(".notice-warn")), "60 servers need a Tomcat restart.")

	page := b.get(list).is(200).page()
	require.Equal(t, 50, page.Find("tbody tr").Length())
	require.Equal(t, "Mark all 60 done", said(page.Find("button[value='all-60']")))
	next := page.Find("a[rel=next]").AttrOr("href", "")
	require.Equal(t, 10, b.get(next).is(200).page().Find("tbody tr").Length())
	require.Equal(t, 3, b.get(list+"?group=-").is(200).page().Find("tbody tr").Length())
	require.Equal(t, 50, b.get(list+"?change=1").is(200).page().Find("tbody tr").Length())
	require.Zero(t, b.get(list+"?change=2").is(200).page().Find("tbody tr").Length())
	for _, bad := range []string{"change=x", "tab=x", "after=x", "change=-1"} {
		b.get(list + "?" + bad).is(http.StatusUnprocessableEntity)
	}

	// Ticked ones, with a note.
	first := page.Find("tbody input[name=host]").First().AttrOr("value", "")
	b.post(list+"/done", "query", "", "how", "ticked", "host", first, "note", "by cron").to(list)
	require.Contains(t, said(b.get(list).page().Find("main")), "1 server was marked done.")
	done := b.get(list + "?tab=done").is(200).page()
	require.Contains(t, said(done.Find("tbody tr")), "by cron")
	again := b.post(list+"/done", "query", "", "how", "ticked", "host", first).is(http.StatusConflict).page()
	require.Contains(t, said(again.Find("[role=alert]")), "Nothing was marked")
	b.post(list+"/done", "query", "", "how", "ticked").is(http.StatusUnprocessableEntity)
	b.post(list+"/done", "query", "", "how", "ticked", "host", first, "note", strings.Repeat("x", 501)).is(http.StatusUnprocessableEntity)

	// All that match, only if they are as many as the button said.
	b.post(list+"/done", "query", "group=-", "how", "matching-9").is(http.StatusConflict)
	left := b.get(list + "?group=-").page().Find("tbody tr").Length()
	b.post(list+"/done", "query", "group=-", "how", fmt.Sprintf("matching-%d", left)).to(list + "?group=-")
	open, err := c.store.OpenRestarts(c.ctx(), 1)
	require.NoError(t, err)

	// Not done yet after all.
	b.post(list+"/reopen", "query", "", "host", first).to(list + "?tab=done")
	now, err := c.store.OpenRestarts(c.ctx(), 1)
	require.NoError(t, err)
	require.Equal(t, open+1, now)
	b.post(list+"/reopen", "query", "", "host", first).is(http.StatusConflict)

	rows := b.get("/p/shop/restarts.csv?tab=done").is(200).table()
	require.Len(t, rows, 1+60-int(now))
	require.Contains(t, b.get("/events").is(200).text, "Marked Tomcat restarts done")
}

func TestAllThatMatchAreMarkedHoweverMany(t *testing.T) {
	const many = 10_050 // more than the list of servers counts for every page
	c, _, b := waiting(t, many+1, func(i int, s *wtp.Server) {
		if i == 0 {
			s.GroupName = ""
		}
	})
	list := "/p/shop/restarts?change=1&q=web-"
	page := b.get(list + "&group=Storefront").is(200).page()
	all := page.Find("button[value^='matching-']")
	require.Equal(t, "Mark all 10,050 done", said(all))
	b.post("/p/shop/restarts/done", "query", "group=Storefront&change=1&q=web-", "how", all.AttrOr("value", "")).is(http.StatusSeeOther)
	open, err := c.store.OpenRestarts(c.ctx(), 1)
	require.NoError(t, err)
	require.EqualValues(t, 1, open)
	require.Contains(t, said(b.get("/p/shop/restarts").is(200).page().Find("main")), "10,050 servers were marked done.")
}

func TestInventoryForAnsible(t *testing.T) {
	rows := []db.RestartRow{
		{Restart: wtp.Restart{HostID: "96ae7317-b5c4-4bc8-aa90-eda53f23e99e", Name: "web-01", PrivateIP: "10.0.0.1"}, Dir: "/opt/tomcat/bin"},
		{Restart: wtp.Restart{HostID: "2", Name: "1", PrivateIP: "10.0.0.2", GroupName: "Shop: front"}},
		{Restart: wtp.Restart{HostID: "h-3", Name: "web-01", PrivateIP: "fe80::1", GroupName: "Shop: front"}},
		{Restart: wtp.Restart{HostID: "h-4", Name: "no: \"yes\" #x\n[a-z]", PrivateIP: "not an address", GroupName: "Shop- front"}, Dir: "/a b"},
		{Restart: wtp.Restart{HostID: "h-5", Name: "{{ lookup('pipe', 'id') }}", GroupName: "all"}},
		{Restart: wtp.Restart{HostID: "h-6", Name: "网站一", PrivateIP: "10.0.0.6", GroupName: "商城"}},
		{Restart: wtp.Restart{HostID: "h-7", Name: "网站二", PrivateIP: "10.0.0.7", GroupName: "商店"}},
		{Restart: wtp.Restart{HostID: "h-8", Name: "", PrivateIP: "10.0.0.8", GroupName: "商店"}},
		{Restart: wtp.Restart{HostID: "h-8", Name: "", PrivateIP: "10.0.0.9", GroupName: "商店"}},
	}
	var text strings.Builder
	w := newAnsibleInventory(&text)
	for _, r := range rows {
		w.add(r)
	}
	require.NoError(t, w.end())
	const golden = "testdata/restarts.yml"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(text.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), text.String())

	var got struct {
		All struct {
			Children map[string]struct {
				Vars  map[string]string            `yaml:"vars"`
				Hosts map[string]map[string]string `yaml:"hosts"`
			} `yaml:"children"`
		} `yaml:"all"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(text.String()), &got))
	n := 0
	for name, g := range got.All.Children {
		require.Regexp(t, `^hss_[A-Za-z0-9_]+$`, name)
		for host, vars := range g.Hosts {
			n++
			require.Regexp(t, `^[A-Za-z0-9_-]+$`, host)
			found := false
			for _, r := range rows {
				if r.HostID == vars["hss_host_id"] && r.Name == vars["hss_name"] && r.GroupName == g.Vars["hss_group"] && r.Dir == vars["tomcat_bin_dir"] {
					found = true
				}
			}
			require.True(t, found, "%s: %v", host, vars)
		}
	}
	require.Equal(t, len(rows), n, "each server is there once")

	text.Reset()
	require.NoError(t, newAnsibleInventory(&text).end())
	require.Equal(t, "all:\n  hosts: {}\n", text.String())
}

func TestInventoryIsServed(t *testing.T) {
	_, _, b := waiting(t, 5, nil)
	a := b.get("/p/shop/restarts.yml?q=web-00002").is(200)
	require.Equal(t, "application/yaml", a.Header.Get("Content-Type"))
	require.Equal(t, `attachment; filename="restarts.yml"`, a.Header.Get("Content-Disposition"))
	require.Contains(t, a.text, `hss_name: "web-00002"`)
	require.Equal(t, 1, strings.Count(a.text, "hss_name"))
	b.get("/p/shop/restarts.yml?change=x").is(http.StatusUnprocessableEntity)
}
