package server

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
)

// TestAMisspeltFilterIsNoFilter asks every page and table for what it doesn't know:
// none shows what it shows without.
func TestAMisspeltFilterIsNoFilter(t *testing.T) {
	c, p, b := waiting(t, 5, func(int, *wtp.Server) {})
	preview := strings.TrimPrefix(b.preview("disable"), "/p/shop/previews/")
	imported, _ := b.report("host-00001", "")
	b.selectAll("")
	set := b.post("/p/shop/sets", "name", "Wave").is(303).Header.Get("Location")
	c.backed(p, fleet(5), "b-1")
	asked := 0
	for _, rt := range c.server.routes() {
		if rt.method != http.MethodGet || rt.verb != wtp.Read && rt.verb != wtp.Act || rt.path == "/" {
			continue
		}
		path := rt.path
		switch {
		case strings.Contains(path, "/import/:uid"):
			path = strings.Replace(path, "/p/:project/servers/import/:uid", imported, 1)
		case strings.Contains(path, "/sets/:uid"):
			path = strings.Replace(path, "/p/:project/sets/:uid", set, 1)
		case strings.Contains(path, "/backup-servers/"):
			path = strings.Replace(path, ":host_id", "b-1", 1)
		}
		path = strings.NewReplacer(":project", "shop", ":uid", preview, ":number", "1", ":host_id", "host-00001").Replace(path)
		whole := b.get(path)
		require.Contains(t, []int{200, 303}, whole.StatusCode, path)
		if len(rt.asks) == 0 {
			require.Equal(t, whole.StatusCode, b.get(path+"?gruop=Storefront").StatusCode, path)
			continue
		}
		for _, q := range []string{"gruop=Storefront", "gruop=", "gruop", "%67ruop=x", "group*=x", "q=%zz", "q=a;b=c"} {
			bad := b.get(path + "?" + q).is(http.StatusUnprocessableEntity)
			if strings.Contains(q, "ruop=S") {
				require.Contains(t, bad.text, "gruop")
			}
		}
		for _, name := range rt.asks {
			if name, several := strings.CutSuffix(name, "*"); !several {
				b.get(path + "?" + url.Values{name: {"1", "2"}}.Encode()).is(http.StatusUnprocessableEntity)
				b.get(path + "?" + url.Values{name: {"", ""}}.Encode()).is(http.StatusUnprocessableEntity)
			}
		}
		asked++
	}
	require.Greater(t, asked, 20)

	bad := b.get("/p/shop/servers?gruop=Storefront").is(422).page()
	require.Contains(t, said(bad.Find("main")), `"gruop" is not known here. Is it misspelt?`)
	require.Empty(t, names(bad))
	for path, page := range map[string]string{
		"/p/shop/servers": "/p/shop/servers", "/p/shop/restarts.csv": "/p/shop/restarts", "/p/shop/restarts.yml": "/p/shop/restarts", "/p/shop/changes.csv": "/p/shop/changes",
		"/changes.csv": "/changes", "/p/shop/changes/1/servers.csv": "/p/shop/changes/1", "/p/shop/backup-servers/b-1/servers.csv": "/p/shop/backup-servers/b-1/remove",
	} {
		require.Equal(t, page, b.get(path+"?whoo=jonas").is(422).page().Find("main a.btn-primary").AttrOr("href", ""), path)
		b.get(page).is(200)
	}
	// A value that a page doesn't know is none either.
	for _, path := range []string{"restarts?tab=zz", "restarts?change=%23", "restarts.csv?tab=zz", "restarts.yml?tab=zz", "restarts.csv?change=%23", "changes?kind=zz", "changes.csv?outcome=zz", "servers?attacks=2", strings.TrimPrefix(set, "/p/shop/") + "?gone=2"} {
		b.get("/p/shop/" + path).is(http.StatusUnprocessableEntity)
	}
	require.Empty(t, b.get("/p/shop/changes?q=%23").is(200).page().Find("li.chg").Text(), "a # alone")
	// What a form of ours sends with nothing chosen is no filter.
	b.get("/p/shop/servers?q=&group=&dynamic=&attacks=").is(200)
	b.get("/p/shop/restarts?q=&group=&change=").is(200)
	b.get("/p/shop/changes?q=&kind=&who=&outcome=&from=&to=").is(200)
}

// TestNoLinkOfOursIsRefused follows each link, form and swap of the pages, for a page
// that writes a name its target doesn't know would lead nowhere.
func TestNoLinkOfOursIsRefused(t *testing.T) {
	c, p, b := waiting(t, 120, func(int, *wtp.Server) {})
	imported, _ := b.report("host-00001\nhost-00002\nnobody", "")
	b.selectAll("")
	set := b.post("/p/shop/sets", "name", "Wave").is(303).Header.Get("Location")
	preview := b.preview("disable")
	c.backed(p, fleet(120), "b-1", "b-1")
	admin := c.as(c.user("ada", wtp.Admin))
	seen := map[string]int{}
	kinds := map[string]int{} // a path and the names it asks: one of a kind is enough
	next := []string{"/", "/servers", imported, set, preview, "/p/shop/servers?sort=attacks&os=linux&q=web", "/p/shop/changes/1?outcome=confirmed", "/p/shop/restarts?q=web&group=Storefront", "/p/shop/changes?who=mei", "/events", "/settings", "/p/shop/backup-servers"}
	for len(next) > 0 {
		path, _, _ := strings.Cut(next[0], "#")
		next = next[1:]
		u, err := url.Parse(path)
		require.NoError(t, err)
		kind := u.Path + "?" + strings.Join(slices.Sorted(maps.Keys(u.Query())), "&")
		if strings.Contains(u.Path, "/servers/host-") {
			kind = "/servers/" + u.Path[strings.LastIndex(u.Path, "/host-")+len("/host-00000"):]
		}
		if _, done := seen[path]; done || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "/static/") || kinds[kind] == 3 {
			continue
		}
		kinds[kind]++
		a := admin.get(path)
		seen[path] = a.StatusCode
		require.NotEqual(t, http.StatusUnprocessableEntity, a.StatusCode, path)
		if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
			continue
		}
		page := a.page()
		page.Find("a[href], [hx-get]").Each(func(_ int, s *goquery.Selection) {
			next = append(next, s.AttrOr("href", ""), s.AttrOr("hx-get", ""))
		})
		page.Find("form[method=get]").Each(func(_ int, s *goquery.Selection) {
			q := url.Values{}
			s.Find("input[name], select[name]").Each(func(_ int, in *goquery.Selection) {
				if kind := in.AttrOr("type", ""); (kind == "checkbox" || kind == "radio") && in.AttrOr("checked", "no") == "no" {
					return
				}
				q.Add(in.AttrOr("name", ""), in.AttrOr("value", in.Find("option[selected]").AttrOr("value", "")))
			})
			for _, to := range []string{s.AttrOr("action", ""), s.AttrOr("hx-get", "")} {
				to, _, _ = strings.Cut(to, "#")
				next = append(next, to+"?"+q.Encode())
			}
		})
	}
	require.Greater(t, len(seen), 100)
	t.Log(len(seen), "addresses")
}

func TestAMisspeltFilterMarksNoRestart(t *testing.T) {
	c, _, b := waiting(t, 12, func(int, *wtp.Server) {})
	const list = "/p/shop/restarts"
	open := func() int64 {
		n, err := c.store.OpenRestarts(c.ctx(), 1)
		require.NoError(t, err)
		return n
	}
	n := open()
	first := b.get(list).is(200).page().Find("tbody input[name=host]").First().AttrOr("value", "")
	for _, fields := range [][]string{
		{"how", "all-%d", "query", "gruop=Checkout"}, {"how", "all-%d", "query", "group="}, {"how", "all-%d", "query", "%zz"}, {"how", "all-%d", "query", "q=web"}, {"how", "all-%d", "query", "", "query", "q=web"},
		{"how", "matching-%d", "query", "gruop=Checkout"}, {"how", "matching-%d", "query", ""}, {"how", "matching-%d"}, {"how", "matching-%d", "query", "q="}, {"how", "matching-%d", "query", "q=+"},
		{"how", "matching-%d", "query", "group="}, {"how", "matching-%d", "query", "change=%23"}, {"how", "matching-%d", "query", "q=web&q=x"}, {"how", "matching-%d", "query", "state=done"},
		{"how", "ticked", "query", "gruop=x", "host", first},
	} {
		fields[1] = strings.Replace(fields[1], "%d", fmt.Sprint(n), 1)
		a := b.post(list+"/done", fields...).is(http.StatusUnprocessableEntity)
		require.Equal(t, 1, a.page().Find("#errors").Length(), fields)
		require.Equal(t, n, open(), fields)
	}
	for _, how := range []string{"everything", "all-", "all-x", "matching-0"} {
		b.post(list+"/done", "how", how, "query", "", "host", first).is(http.StatusBadRequest)
	}
	b.post(list+"/done", "how", "ticked", "how", fmt.Sprintf("all-%d", n), "query", "").is(http.StatusBadRequest)
	require.Equal(t, n, open())
	b.post(list+"/reopen", "query", "gruop=x", "host", first).is(http.StatusUnprocessableEntity)

	require.Equal(t, []string{fmt.Sprintf("matching-%d", n)}, values(b.get(list+"?q=web").is(200).page().Find("button[name=how]:not([value=ticked])")))
	all := values(b.get(list + "?q=&group=&change=").is(200).page().Find("button[name=how]:not([value=ticked])"))
	require.Equal(t, []string{fmt.Sprintf("all-%d", n)}, all)
	b.post(list+"/done", "how", all[0], "query", "").to(list)
	require.Zero(t, open())
}
