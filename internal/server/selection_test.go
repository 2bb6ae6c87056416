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

// selectAll presses the button that selects all servers of the list that query asks for.
func (b *browser) selectAll(query string) answer {
	b.c.t.Helper()
	page := b.get("/p/shop/servers?" + query).is(200).page()
	op := page.Find("button[name=op][value^=all-], button[name=op][value^=matching-]").First().AttrOr("value", "")
	return b.post("/p/shop/selection", append(sheet(page), "op", op)...).is(303)
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
	b.selectAll("q=web-0000")
	require.EqualValues(t, 50, c.selected("mei", p))
	b.selectAll("").to("/p/shop/servers")
	require.EqualValues(t, 120, c.selected("mei", p))
	b.post("/p/shop/selection", "op", "none", "query", "").to("/p/shop/servers")
	require.Zero(t, c.selected("mei", p))
}

func TestSelectionIsOnesOwn(t *testing.T) {
	c, p, b := shop(t, fleet(3))
	other := c.as(c.user("ann", wtp.Operator))
	b.selectAll("")
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

	b.selectAll("")
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
	b.selectAll("os=linux")
	page := b.get("/p/shop/servers?os=windows").is(200).page()
	require.Equal(t, "15 servers are selected. 15 of the selected servers are outside this filter. Select all 5 matching servers", said(page.Find("#selnote")))
	require.Contains(t, said(page.Find("#bulk")), "15 outside this filter")
	b.selectAll("os=windows")
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
		a := b.post("/p/shop/selection", "op", "matching-3", "query", query, "shown", "host-00001", "host", "host-00001").is(http.StatusUnprocessableEntity)
		require.Equal(t, 1, a.page().Find("[role=alert]").Length(), query)
		require.Zero(t, c.selected("mei", p), query)
	}
	// A filter that is missing is not an empty one; of two, none is meant. All are meant
	// where that is said, and nothing else is.
	for _, fields := range [][]string{
		{}, {"op", "everything"}, {"op", "none", "op", "matching-3"}, {"op", "matching-3"}, {"op", "matching-3", "query", "", "query", "os=linux"},
		{"op", "all-3", "query", "os=linux"}, {"op", "all-3", "query", "os="}, {"op", "all-3", "query", "gruop=Storefront"}, {"op", "all-3", "query", "", "query", ""}, {"op", "all-3", "op", "all-3"},
		// Neither is a number that nobody was shown.
		{"op", "all", "query", ""}, {"op", "all-", "query", ""}, {"op", "all-0", "query", ""}, {"op", "all--3", "query", ""}, {"op", "all-3-3", "query", ""}, {"op", "all-x", "query", ""}, {"op", "page-3", "query", ""},
		{"op", "matching", "query", "os=linux"}, {"op", "matching-", "query", "os=linux"}, {"op", "matching-0", "query", "os=linux"},
	} {
		b.post("/p/shop/selection", fields...).is(http.StatusUnprocessableEntity)
		require.Zero(t, c.selected("mei", p))
	}
	require.Equal(t, []string{"all-3"}, values(b.get("/p/shop/servers?q=&group=&dynamic=&attacks=").is(200).page().Find("button[name=op][value^=all], button[name=op][value^=matching]")))
	require.Equal(t, []string{"matching-3"}, values(b.get("/p/shop/servers?os=linux").is(200).page().Find("button[name=op][value^=all], button[name=op][value^=matching]")))
	b.selectAll("sort=attacks").to("/p/shop/servers?sort=attacks")
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

// TestAllThatMatchAreThoseTheButtonCounted: while the page was open, others came to match
// or ceased to. Then nothing is selected but what was ticked, and the page has the number
// of now.
func TestAllThatMatchAreThoseTheButtonCounted(t *testing.T) {
	servers := fleet(26)
	for i := range servers {
		servers[i].OS = "linux"
	}
	servers[25].OS = "windows"
	c, p, b := shop(t, servers)
	b.post("/p/shop/selection", "op", "save", "shown", "host-00026", "host", "host-00026", "query", "").is(303)
	page := b.get("/p/shop/servers?os=linux&sort=attacks").is(200).page()
	button := page.Find("#selnote button[name=op]")
	require.Equal(t, "Select all 25 matching servers", said(button))
	sent := append(sheet(page, "host-00003"), "op", button.AttrOr("value", ""))
	for i := range 5 {
		servers[i].OS = "windows"
	}
	c.inventory(p, servers)
	a := b.post("/p/shop/selection", sent...).is(http.StatusConflict).page()
	notice := a.Find("#list > [role=alert]")
	require.Equal(t, "20 servers match now, not 25. Nothing was selected; look at the list again. Select all 20 matching servers", said(notice))
	require.EqualValues(t, 2, c.selected("mei", p), "what was selected, and what was ticked")
	require.Equal(t, "os=linux&sort=attacks", a.Find("#selection input[name=query]").AttrOr("value", ""))
	require.Equal(t, 20, a.Find("#list input[name=shown]").Length())
	again := notice.Find("button")
	require.Equal(t, "selection", again.AttrOr("form", ""))
	require.Equal(t, []string{"matching-20"}, values(again))
	b.post("/p/shop/selection", append(sheet(a), "op", again.AttrOr("value", ""))...).to("/p/shop/servers?os=linux&sort=attacks")
	require.EqualValues(t, 22, c.selected("mei", p))

	// Without a filter, too; and of none there is nothing to offer.
	b.post("/p/shop/selection", "op", "none", "query", "").is(303)
	c.inventory(p, fleet(27))
	b.post("/p/shop/selection", "op", "all-26", "query", "").is(http.StatusConflict)
	require.Zero(t, c.selected("mei", p))
	a = b.post("/p/shop/selection", "op", "matching-5", "query", "os=windows").is(http.StatusConflict).page()
	require.Equal(t, "0 servers match now, not 5. Nothing was selected; look at the list again.", said(a.Find("#list > [role=alert]")))
}

// TestEachTickBringsTheNumberOfNow: the note that a tick swaps in says what its button sends.
func TestEachTickBringsTheNumberOfNow(t *testing.T) {
	c, p, b := shop(t, fleet(60))
	page := b.get("/p/shop/servers").is(200).page()
	c.inventory(p, fleet(58))
	button := b.post("/p/shop/selection/bar", sheet(page, "host-00001")...).is(200).page().Find("#selnote button")
	require.Equal(t, "Select all 58 matching servers", said(button))
	require.Equal(t, []string{"all-58"}, values(button))
}
