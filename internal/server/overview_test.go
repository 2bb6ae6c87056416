package server

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

func TestHomeLeadsToAProjectOrSaysWhatIsMissing(t *testing.T) {
	c := start(t)
	root, err := c.store.UserByName(c.ctx(), "root")
	require.NoError(t, err)
	admin, viewer := c.as(root), c.as(c.user("li", wtp.Viewer))
	admin.get("/").to("/settings")
	page := viewer.get("/").is(200).page()
	require.Equal(t, "No project yet", page.Find(".none h2").Text())
	require.Zero(t, page.Find(`a[href^="/settings"]`).Length())
	p := c.project()
	admin.get("/").to("/p/" + p.Slug)
	viewer.get("/").to("/p/" + p.Slug)
}

func TestOverviewBeforeTheFirstReading(t *testing.T) {
	c := start(t)
	p := c.project()
	b := c.as(c.user("mei", wtp.Operator))
	page := b.get("/p/" + p.Slug).is(200).page()
	require.Equal(t, "HSS not read yet", page.Find(".none h2").First().Text())
	require.Contains(t, said(page.Find("header.top")), "HSS not read yet")
	require.Zero(t, page.Find("#h-cov").Length(), "nothing is drawn that has no data behind it")

	claimed, ok, err := c.store.ClaimRead(c.ctx(), "test", 1)
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, c.store.FailRead(c.ctx(), claimed.ID, "test", "The agent is offline. Try again when it is online.\nHSS.0216 no agent, request r-4711"))
	page = b.get("/p/" + p.Slug).is(200).page()
	require.Contains(t, said(page.Find("main .notice-warn")), "The last reading of HSS failed")
	require.Contains(t, said(page.Find("main .notice-warn .mono")), "HSS.0216 no agent, request r-4711")
	b.plant("lang", "zh-CN")
	require.Contains(t, b.get("/p/"+p.Slug).text, "Agent 离线。请在其在线后重试。")
}

func TestOverviewCountsWhatTheInventoryHas(t *testing.T) {
	servers := fleet(12)
	for i := range 4 {
		servers[i].Dynamic = wtp.Opened
	}
	servers[4].OS, servers[4].GroupName = "windows", ""
	c, p, b := shop(t, servers)
	page := b.get("/p/" + p.Slug).is(200).page()
	require.Equal(t, "36.4%", said(page.Find(".big")))
	require.Contains(t, said(page.Find("[aria-labelledby=h-cov] h3")), "4 of 11 servers that can have it")
	require.Equal(t, []string{"On 4", "Off 7", "Not possible 1"}, texts(page.Find("[aria-labelledby=h-cov] .lgd li")))
	require.Equal(t, []string{"Storefront36.4%", "No group–"}, texts(page.Find(".pairs > a")))
	require.Equal(t, "/p/"+p.Slug+"/servers?group=-", page.Find(".pairs > a").Last().AttrOr("href", ""))
	require.Equal(t, "No changes yet", page.Find("[aria-labelledby=h-rec] .none h2").Text())
	require.Equal(t, 1, page.Find(`form[action="/p/`+p.Slug+`/read"]`).Length())

	viewer := c.as(c.user("li", wtp.Viewer))
	page = viewer.get("/p/" + p.Slug).is(200).page()
	require.Zero(t, page.Find(`form[action="/p/`+p.Slug+`/read"]`).Length())
}

func TestReadingAgainIsAskedFor(t *testing.T) {
	woken := 0
	c, p, b := shop(t, fleet(1), func(conf *Config) { conf.WakeReader = func() { woken++ } })
	b.post("/p/" + p.Slug + "/read").to("/p/" + p.Slug)
	require.Equal(t, 1, woken)
	now, err := c.store.Project(c.ctx(), p.Slug)
	require.NoError(t, err)
	require.NotZero(t, now.ReadWantedAt)
	require.Contains(t, said(b.get("/p/"+p.Slug).page().Find(".notice[role=status]")), "HSS is being read.")
	b.post("/p/"+p.Slug+"/read", "next", "/p/"+p.Slug+"/servers?q=a").to("/p/" + p.Slug + "/servers?q=a")
	b.post("/p/"+p.Slug+"/read", "next", "//evil.example").to("/")
	c.as(c.user("li", wtp.Viewer)).post("/p/" + p.Slug + "/read").is(http.StatusForbidden)
}

func TestRunningNowIsTheSameInPageAndFragment(t *testing.T) {
	c, p, b := shop(t, fleet(3))
	require.Empty(t, b.get("/p/"+p.Slug).page().Find("#running").AttrOr("hx-get", ""), "nothing runs, so the page doesn't ask")
	user, err := c.store.UserByName(c.ctx(), "mei")
	require.NoError(t, err)
	actor := wtp.Actor{UserID: user.ID, Name: user.Name, Role: user.Role}
	plan, err := c.store.PlanDynamicWTP(c.ctx(), actor, p.ID, wtp.Enable, planOf("host-00001", "host-00002"), 600e9)
	require.NoError(t, err)
	_, err = c.store.Confirm(c.ctx(), actor, p.ID, plan.UID, confirmed())
	require.NoError(t, err)

	page := b.get("/p/" + p.Slug).is(200).page().Find("#running")
	require.Equal(t, "/p/"+p.Slug+"/running", page.AttrOr("hx-get", ""))
	require.Equal(t, "Running now#1 Turn on0%0 / 2 servers", said(page))
	fragment := b.get("/p/" + p.Slug + "/running").is(200)
	require.NotContains(t, fragment.text, "<html")
	whole, err := page.Html()
	require.NoError(t, err)
	part, err := fragment.page().Find("#running").Html()
	require.NoError(t, err)
	require.Equal(t, whole, part)
	require.Equal(t, "Running now#1 Turn on0%0 / 2 servers", said(b.get("/running").is(200).page().Find("#running")))
}

func planOf(hosts ...string) db.PlanSource { return db.PlanSource{HostIDs: hosts} }

func confirmed() db.Confirmation { return db.Confirmation{Reason: "for the test", Ticket: "T-1"} }
