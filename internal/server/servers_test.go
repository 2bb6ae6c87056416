package server

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
)

// fleet is n servers "web-0001"… that dynamic WTP can be turned on for.
func fleet(n int) []wtp.Server {
	servers := make([]wtp.Server, n)
	for i := range servers {
		servers[i] = wtp.Server{
			HostID: fmt.Sprintf("host-%05d", i+1), Name: fmt.Sprintf("web-%05d", i+1), PrivateIP: fmt.Sprintf("10.0.%d.%d", i/250, i%250+1),
			GroupName: "Storefront", OS: "linux", AssetValue: "common", HostStatus: "active", AgentStatus: "online", ProtectStatus: "opened", Dynamic: wtp.Closed,
		}
	}
	return servers
}

// inventory makes servers and backup servers what HSS shows in a project.
func (c *console) inventory(p wtp.Project, servers []wtp.Server, backups ...wtp.BackupServer) {
	c.t.Helper()
	for i := range servers {
		servers[i].NameKey = strings.ToLower(servers[i].Name)
	}
	for now := c.store.Now(); c.store.Now() == now; { // what is read was decided before
		runtime.Gosched()
	}
	require.NoError(c.t, c.store.WantRead(c.ctx(), p.ID))
	claimed, ok, err := c.store.ClaimRead(c.ctx(), "test", time.Hour)
	require.NoError(c.t, err)
	require.True(c.t, ok, "nothing to read")
	require.Equal(c.t, p.ID, claimed.ID)
	_, err = c.store.SaveInventory(c.ctx(), p.ID, "test", claimed.ReadStartedAt, servers, backups)
	require.NoError(c.t, err)
}

// shop is a console with a project of these servers, and an operator's browser.
func shop(t *testing.T, servers []wtp.Server, change ...func(*Config)) (*console, wtp.Project, *browser) {
	t.Helper()
	c := start(t, change...)
	p := c.project()
	c.inventory(p, servers)
	return c, p, c.as(c.user("mei", wtp.Operator))
}

func texts(s *goquery.Selection) []string {
	return s.Map(func(_ int, s *goquery.Selection) string { return strings.Join(strings.Fields(s.Text()), " ") })
}

func names(page *goquery.Document) []string {
	return texts(page.Find("table.dt tbody th[scope=row] > a"))
}

func said(s *goquery.Selection) string { return strings.Join(strings.Fields(s.Text()), " ") }

func TestServersAreListedInPages(t *testing.T) {
	_, _, b := shop(t, fleet(120))
	page := b.get("/p/shop/servers").is(200).page()
	require.Equal(t, "120 servers protected by WTP in Shop", said(page.Find(".head .sub")))
	require.Len(t, names(page), 50)
	require.Equal(t, "web-00001", names(page)[0])
	require.Equal(t, "50 of 120", said(page.Find("#list-end")))
	require.Contains(t, said(page.Find(".head")), "As of")

	next, _ := page.Find("a[rel=next]").Attr("href")
	second := b.get(next).is(200).page()
	require.Equal(t, "web-00051", names(second)[0])
	next, _ = second.Find("a[rel=next]").Attr("href")
	third := b.get(next).is(200).page()
	require.Len(t, names(third), 20)
	require.Zero(t, third.Find("a[rel=next]").Length())
	back, _ := third.Find("a[rel=prev]").Attr("href")
	require.Equal(t, names(second), names(b.get(back).is(200).page()))

	link, _ := page.Find("table.dt tbody th a").First().Attr("href")
	require.Equal(t, "/p/shop/servers/host-00001", link)
}

func TestEmptyListsSayWhyAndWhatNext(t *testing.T) {
	c := start(t)
	p := c.project()
	b := c.as(c.user("mei", wtp.Operator))
	require.Contains(t, said(b.get("/p/shop/servers").is(200).page().Find(".none")), "HSS is not read yet")
	c.inventory(p, nil)
	require.Contains(t, said(b.get("/p/shop/servers").is(200).page().Find(".none")), "WTP protects no server here")
	c.inventory(p, fleet(3))
	none := b.get("/p/shop/servers?q=nothing-has-this").is(200).page().Find(".none")
	require.Contains(t, said(none), "No server matches")
	require.Contains(t, said(none), "3 servers are hidden by the filter.")
	clear, _ := none.Find("a").Attr("href")
	require.Equal(t, "/p/shop/servers", clear)
}

func TestNothingReadYetIsNotNothingThere(t *testing.T) {
	c := start(t)
	b := c.as(c.user("mei", wtp.Operator))
	require.Contains(t, said(b.get("/servers").is(200).page().Find(".none")), "No project yet")
	p := c.project()
	require.Contains(t, said(b.get("/servers").is(200).page().Find(".none")), "HSS is not read yet")
	c.inventory(p, nil)
	require.Contains(t, said(b.get("/servers").is(200).page().Find(".none")), "WTP protects no server here")
}

func TestFilterStandsInTheAddress(t *testing.T) {
	servers := fleet(4)
	servers[0].OS, servers[0].Dynamic = "windows", ""
	servers[1].GroupName, servers[1].StaticAttacks = "Checkout & Pay", 7
	servers[2].AgentStatus, servers[2].AssetValue = "offline", "important"
	servers[3].Dynamic, servers[3].GroupName = wtp.Opened, ""
	_, _, b := shop(t, servers)
	for query, want := range map[string][]string{
		"os=windows":                            {"web-00001"},
		"group=Checkout+%26+Pay":                {"web-00002"},
		"agent=offline":                         {"web-00003"},
		"importance=important":                  {"web-00003"},
		"dynamic=opened":                        {"web-00004"},
		"group=-":                               {"web-00004"},
		"attacks=1":                             {"web-00002"},
		"q=web-00003":                           {"web-00003"},
		"q=10.0.0.2":                            {"web-00002"},
		"q=host-00004":                          {"web-00004"},
		"os=linux&agent=online&dynamic=closed":  {"web-00002"},
		"agent=offline&agent=online&os=windows": {"web-00001"},
		"sort=attacks&os=linux&agent=online":    {"web-00002", "web-00004"},
	} {
		page := b.get("/p/shop/servers?" + query).is(200).page()
		require.Equal(t, want, names(page), query)
	}
	page := b.get("/p/shop/servers?group=Checkout+%26+Pay&agent=online").is(200).page()
	require.Equal(t, "Group Checkout & Pay", said(page.Find("#chip-group")))
	without, _ := page.Find("#unchip-group a").Attr("href")
	require.Equal(t, "/p/shop/servers?agent=online", without)
	require.Equal(t, 1, page.Find("input[name=group][checked]").Length())
	require.Equal(t, "/p/shop/servers", page.Find("form#filter").AttrOr("action", ""))
}

func TestUnknownFilterNeverMeansAll(t *testing.T) {
	_, _, b := shop(t, fleet(3))
	for _, query := range []string{"os=plan9", "dynamic=on", "agent=ONLINE", "attacks=yes", "sort=danger", "wtp=opened&wtp=nonsense", "after=%21%21", "q=" + strings.Repeat("x", 300)} {
		for _, path := range []string{"/p/shop/servers?", "/p/shop/servers/list?"} {
			a := b.get(path + query).is(http.StatusUnprocessableEntity)
			require.Empty(t, names(a.page()), path+query)
			require.NotEmpty(t, said(a.page().Find("[role=alert]")), path+query)
			require.Zero(t, a.page().Find("button[value=matching]").Length(), "all matching is offered for %s", query)
		}
	}
	require.Empty(t, names(b.get("/servers?project=nowhere").is(http.StatusUnprocessableEntity).page()))
}

func TestFragmentIsThePartOfThePage(t *testing.T) {
	_, _, b := shop(t, fleet(120))
	query := "q=web&sort=attacks"
	page := b.get("/p/shop/servers?" + query).is(200).page()
	b.headers.Set("HX-Request", "true")
	a := b.get("/p/shop/servers/list?" + query + "&group=").is(200)
	require.Equal(t, "/p/shop/servers?"+query, a.Header.Get("HX-Push-Url"))
	require.NotContains(t, a.text, "<html")
	whole, err := goquery.OuterHtml(page.Find("#list"))
	require.NoError(t, err)
	part, err := goquery.OuterHtml(a.page().Find("#list"))
	require.NoError(t, err)
	require.Equal(t, whole, part)
	require.Equal(t, "true", a.page().Find("#chip-group").AttrOr("hx-swap-oob", ""))
	require.Zero(t, page.Find("[hx-swap-oob]").Length())
}

func TestMatchingIsExactUpToTenThousand(t *testing.T) {
	c, p, b := shop(t, fleet(10_050))
	page := b.get("/p/shop/servers").is(200).page()
	require.Equal(t, "50 of 10,050", said(page.Find("#list-end")), "the kept counter is exact")
	require.Equal(t, "50 of 10,000+", said(b.get("/servers?os=linux").is(200).page().Find("#list-end")))
	page = b.get("/p/shop/servers?os=linux").is(200).page()
	require.Equal(t, "50 of 10,000+", said(page.Find("#list-end")))
	require.Equal(t, "Select all 10,000+ matching servers…", said(page.Find("button[value=count]").First()))
	require.Empty(t, page.Find("button[value^=matching-]").Length(), "a button that selects says how many")
	page = b.post("/p/shop/selection", "op", "count", "query", "os=linux").is(200).page()
	require.Contains(t, said(page.Find("#list > [role=alert]")), "10,050 servers match. Nothing was selected yet.")
	require.Equal(t, "Select all 10,050 matching servers", said(page.Find("#list > [role=alert] button[value=matching-10050]")))
	n, err := c.store.SelectionCount(c.ctx(), 2, p.ID)
	require.NoError(t, err)
	require.Zero(t, n)
	b.post("/p/shop/selection", "op", "matching-10050", "query", "os=linux").to("/p/shop/servers?os=linux")
	page = b.get("/p/shop/servers?os=linux").is(200).page()
	require.Equal(t, "50 of 10,050", said(page.Find("#list-end")))
	require.Contains(t, said(page.Find("#selnote")), "All 10,050 matching servers are selected.")
	require.Equal(t, "10,050 servers selected", said(page.Find("#bulk b")))
	// The last page of many.
	after := ""
	for range 3 {
		next, ok := page.Find("a[rel=next]").Attr("href")
		require.True(t, ok)
		require.NotEqual(t, after, next)
		after = next
		page = b.get(next).is(200).page()
	}
	require.Equal(t, "web-00151", names(page)[0])
	n, err = c.store.SelectionCount(c.ctx(), 2, p.ID)
	require.NoError(t, err)
	require.EqualValues(t, 10_050, n)
}

func TestHostileNamesStayText(t *testing.T) {
	servers := fleet(2)
	servers[0].Name = `<script>alert(1)</script>"'>`
	servers[0].GroupName = `"><img src=x onerror=alert(1)>`
	servers[1].HostID = "a/b?c=d#e"
	_, _, b := shop(t, servers)
	for _, path := range []string{"/p/shop/servers", "/p/shop/servers/host-00001", "/servers"} {
		a := b.get(path).is(200)
		require.Contains(t, a.text, "&lt;script&gt;alert(1)")
		require.NotContains(t, a.text, "<script>alert")
		require.Zero(t, a.page().Find("img").Length())
	}
	link, _ := b.get("/p/shop/servers?q=web-00002").is(200).page().Find("table.dt tbody th a").Attr("href")
	require.Equal(t, "web-00002", said(b.get(link).is(200).page().Find("h1")))
}

func TestAllProjectsAreReadOnly(t *testing.T) {
	_, _, b := shop(t, fleet(2))
	page := b.get("/servers").is(200).page()
	require.Equal(t, "2 servers protected by WTP in all projects", said(page.Find(".head .sub")))
	require.Zero(t, page.Find("input[name=host], #bulk").Length(), "something can be selected")
	link, _ := page.Find("table.dt tbody th a").First().Attr("href")
	require.Equal(t, "/p/shop/servers/host-00001", link)
	require.Equal(t, []string{"web-00001", "web-00002"}, names(b.get("/servers?project=shop").is(200).page()))
}

func TestViewerCannotSelect(t *testing.T) {
	c, _, _ := shop(t, fleet(2))
	b := c.as(c.user("vi", wtp.Viewer))
	page := b.get("/p/shop/servers").is(200).page()
	require.Len(t, names(page), 2)
	require.Zero(t, page.Find("main form[method=post], #bulk, input[name=host]").Length())
	b.post("/p/shop/selection", "op", "matching").is(http.StatusForbidden)
	b.post("/p/shop/selection/bar", "shown", "host-00001").is(http.StatusForbidden)
	b.post("/p/shop/previews", "direction", "enable", "host", "host-00001", "shown", "host-00001").is(http.StatusForbidden)
}

func TestOneServer(t *testing.T) {
	servers := fleet(3)
	servers[0].BackupHostID, servers[1].BackupHostID = "bk-1", "bk-1"
	servers[0].StaticAttacks, servers[0].DynamicAttacks = 5, 2
	c := start(t)
	p := c.project()
	c.inventory(p, servers, wtp.BackupServer{HostID: "bk-1", Name: "bkp-01", IP: "10.9.9.9", Port: 8080, Dir: "/data", Status: wtp.BackupRunning})
	b := c.as(c.user("mei", wtp.Operator))
	page := b.get("/p/shop/servers/host-00001").is(200).page()
	require.Equal(t, "web-00001", said(page.Find("h1")))
	facts := said(page.Find("main"))
	for _, want := range []string{"10.0.0.1", "bkp-01", "10.9.9.9:8080", "/data", "1 other server", "5 static, 2 dynamic", "This console has not changed this server yet."} {
		require.Contains(t, facts, want)
	}
	require.Equal(t, 1, page.Find("button[name=direction][value=enable]").Length())
	require.Zero(t, page.Find("button[name=direction][value=disable]").Length(), "it is off already")
	b.get("/p/shop/servers/host-99999").is(http.StatusNotFound)
	b.get("/p/elsewhere/servers/host-00001").is(http.StatusNotFound)
	require.Contains(t, b.get("/p/shop/servers/host-00001?before=x").is(http.StatusUnprocessableEntity).text, "is not a place in this list")
}

func TestServersInChinese(t *testing.T) {
	_, _, b := shop(t, fleet(2))
	b.plant("lang", "zh-CN")
	page := b.get("/p/shop/servers").is(200).page()
	require.Equal(t, "服务器", said(page.Find("h1")))
	require.Equal(t, "zh-CN", page.Find("html").AttrOr("lang", ""))
	require.Contains(t, said(page.Find("thead")), "动态防篡改")
	require.Equal(t, "2 台，共 2 台", said(page.Find("#list-end")))
}
