package server

import (
	"net/http"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
)

// sheet is the selection form of a page as a browser without scripts sends it.
func sheet(page *goquery.Document, tick ...string) []string {
	var fields []string
	page.Find("form#selection input[type=hidden]").Each(func(_ int, s *goquery.Selection) {
		fields = append(fields, s.AttrOr("name", ""), s.AttrOr("value", ""))
	})
	for _, id := range tick {
		fields = append(fields, "host", id)
	}
	return fields
}

func (c *console) selected(name string, p wtp.Project) int64 {
	c.t.Helper()
	users, err := c.store.Users(c.ctx())
	require.NoError(c.t, err)
	for _, u := range users {
		if u.Name == name {
			n, err := c.store.SelectionCount(c.ctx(), u.ID, p.ID)
			require.NoError(c.t, err)
			return n
		}
	}
	c.t.Fatalf("nobody is called %s", name)
	return 0
}

func TestTicksAreKeptWithoutScripts(t *testing.T) {
	c, p, b := shop(t, fleet(120))
	first := b.get("/p/shop/servers?q=web").is(200).page()
	require.Equal(t, 50, first.Find("input[name=shown]").Length())
	require.True(t, first.Find("#bulk").HasClass("bulk-none"))
	b.post("/p/shop/selection", append(sheet(first, "host-00001", "host-00002"), "op", "save")...).to("/p/shop/servers?q=web")
	require.EqualValues(t, 2, c.selected("mei", p))

	// Ticks of the second page are added to those of the first.
	next, _ := first.Find("a[rel=next]").Attr("href")
	second := b.get(next).is(200).page()
	require.Equal(t, "2 servers selected", said(second.Find("#bulk b")))
	b.post("/p/shop/selection", append(sheet(second, "host-00051"), "op", "save")...).to(next)
	require.EqualValues(t, 3, c.selected("mei", p))

	// Unticking takes out what the page showed, and nothing else.
	again := b.get("/p/shop/servers?q=web").is(200).page()
	require.Equal(t, 2, again.Find("input[name=host][checked]").Length())
	b.post("/p/shop/selection", append(sheet(again, "host-00002"), "op", "save")...).is(303)
	require.EqualValues(t, 2, c.selected("mei", p))

	b.post("/p/shop/selection", append(sheet(again, "host-00002"), "op", "page")...).is(303)
	require.EqualValues(t, 50, c.selected("mei", p), "only this page")
	b.post("/p/shop/selection", "op", "matching", "query", "q=web-0000").is(303)
	require.EqualValues(t, 50, c.selected("mei", p))
	b.post("/p/shop/selection", "op", "all", "query", "").to("/p/shop/servers")
	require.EqualValues(t, 120, c.selected("mei", p))
	b.post("/p/shop/selection", "op", "none", "query", "").to("/p/shop/servers")
	require.Zero(t, c.selected("mei", p))
}

func TestSelectionIsOnesOwn(t *testing.T) {
	c, p, b := shop(t, fleet(3))
	other := c.as(c.user("ann", wtp.Operator))
	b.post("/p/shop/selection", "op", "all", "query", "").is(303)
	require.EqualValues(t, 3, c.selected("mei", p))
	require.Zero(t, c.selected("ann", p))
	require.Zero(t, other.get("/p/shop/servers").is(200).page().Find("input[name=host][checked]").Length())
}

func TestEachTickSwapsBarAndNote(t *testing.T) {
	_, _, b := shop(t, fleet(60))
	page := b.get("/p/shop/servers").is(200).page()
	b.headers.Set("HX-Request", "true")
	a := b.post("/p/shop/selection/bar", sheet(page, "host-00001")...).is(200)
	part := a.page()
	require.Equal(t, "1 server selected", said(part.Find("#bulk b")))
	require.Equal(t, "true", part.Find("#selnote").AttrOr("hx-swap-oob", ""))
	require.Equal(t, "1 server is selected. Select all 60 matching servers", said(part.Find("#selnote")))
	require.NotContains(t, a.text, "<table")

	// The same form as the page draws it afterwards.
	b.headers.Del("HX-Request")
	whole, err := goquery.OuterHtml(b.get("/p/shop/servers").is(200).page().Find("#bulk"))
	require.NoError(t, err)
	swapped, err := goquery.OuterHtml(part.Find("#bulk"))
	require.NoError(t, err)
	require.Equal(t, whole, swapped)

	b.post("/p/shop/selection", "op", "all", "query", "").is(303)
	page = b.get("/p/shop/servers").is(200).page()
	require.Equal(t, "All 60 servers are selected. Select only the 50 on this page", said(page.Find("#selnote")))
	require.Equal(t, 50, page.Find("input[name=host][checked]").Length())
	_, all := page.Find("input[data-tick-all]").Attr("checked")
	require.True(t, all)
}

func TestOutsideTheFilterIsSaid(t *testing.T) {
	servers := fleet(20)
	for i := range 5 {
		servers[i].OS = "windows"
	}
	_, _, b := shop(t, servers)
	b.post("/p/shop/selection", "op", "matching", "query", "os=linux").is(303)
	page := b.get("/p/shop/servers?os=windows").is(200).page()
	require.Equal(t, "15 servers are selected. 15 of the selected servers are outside this filter. Select all 5 matching servers", said(page.Find("#selnote")))
	require.Contains(t, said(page.Find("#bulk")), "15 outside this filter")
	b.post("/p/shop/selection", "op", "matching", "query", "os=windows").is(303)
	page = b.get("/p/shop/servers?os=windows").is(200).page()
	require.Equal(t, "All 5 matching servers are selected. 15 of the selected servers are outside this filter.", said(page.Find("#selnote")))
	require.Contains(t, said(b.get("/p/shop/servers?q=nothing").is(200).page().Find("#bulk")), "20 outside this filter", "an empty list still says what is selected")
}

func TestUnknownFilterSelectsNothing(t *testing.T) {
	c, p, b := shop(t, fleet(3))
	for _, query := range []string{
		"", "os=plan9", "%zz", "dynamc=closed", "gruop=Storefront", "gruop=Storefront&os=linux", "project=shop", "group*=x", "q=a;b",
		"group=", "dynamic=", "backup=", "attacks=", "q=", "q=+", "os=linux&group=", "os=linux&os=",
		"q=a&q=b", "q=web&q=", "attacks=1&attacks=1", "os=linux&after=x&after=y", "sort=attacks",
	} {
		a := b.post("/p/shop/selection", "op", "matching", "query", query, "shown", "host-00001", "host", "host-00001").is(http.StatusUnprocessableEntity)
		require.Equal(t, 1, a.page().Find("[role=alert]").Length(), query)
		require.Zero(t, c.selected("mei", p), query)
	}
	// A filter that is missing is not an empty one; of two, none is meant. All are meant
	// where that is said, and nothing else is.
	for _, fields := range [][]string{
		{}, {"op", "everything"}, {"op", "none", "op", "matching"}, {"op", "matching"}, {"op", "matching", "query", "", "query", "os=linux"},
		{"op", "all", "query", "os=linux"}, {"op", "all", "query", "os="}, {"op", "all", "query", "gruop=Storefront"}, {"op", "all", "query", "", "query", ""}, {"op", "all", "op", "all"},
	} {
		b.post("/p/shop/selection", fields...).is(http.StatusUnprocessableEntity)
		require.Zero(t, c.selected("mei", p))
	}
	require.Equal(t, []string{"all"}, values(b.get("/p/shop/servers?q=&group=&dynamic=&attacks=").is(200).page().Find("button[name=op][value=all], button[name=op][value=matching]")))
	require.Equal(t, []string{"matching"}, values(b.get("/p/shop/servers?os=linux").is(200).page().Find("button[name=op][value=all], button[name=op][value=matching]")))
	b.post("/p/shop/selection", "op", "all", "query", "sort=attacks").to("/p/shop/servers?sort=attacks")
	require.EqualValues(t, 3, c.selected("mei", p))
}

// values are the values of some buttons.
func values(s *goquery.Selection) []string {
	return s.Map(func(_ int, s *goquery.Selection) string { return s.AttrOr("value", "") })
}

func TestOnlyShownServersAreTicked(t *testing.T) {
	c, p, b := shop(t, fleet(3))
	b.post("/p/shop/selection", "op", "save", "shown", "host-00001", "host", "host-00001", "host", "host-00003").is(303)
	require.EqualValues(t, 1, c.selected("mei", p))
}
