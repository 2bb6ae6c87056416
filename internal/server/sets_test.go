package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
)

func TestASelectionIsSavedUsedAndDeleted(t *testing.T) {
	c, p, b := shop(t, fleet(60))
	require.Contains(t, said(b.get("/p/shop/sets").is(200).page().Find(".none")), "No set yet")
	require.Contains(t, said(b.get("/p/shop/sets/new").is(200).page().Find(".none")), "No server is selected")

	// The ticks of the page are kept on the way to the form.
	list := b.get("/p/shop/servers").is(200).page()
	require.Equal(t, "/p/shop/sets/new", list.Find("#bulk button").FilterFunction(func(_ int, s *goquery.Selection) bool { return said(s) == "Save as set…" }).AttrOr("formaction", ""))
	b.post("/p/shop/sets/new", sheet(list, "host-00002", "host-00003")...).to("/p/shop/sets/new")
	form := b.get("/p/shop/sets/new").is(200).page()
	require.Equal(t, "Save 2 servers", said(form.Find("form.card button")))
	b.post("/p/shop/sets", "name", " ").is(http.StatusUnprocessableEntity)
	path := b.post("/p/shop/sets", "name", "Shop <b>front</b>").is(303).Header.Get("Location")
	again := b.post("/p/shop/sets", "name", "shop <B>FRONT</B>").is(http.StatusUnprocessableEntity).page()
	require.Equal(t, "Another set has this name.", said(again.Find("#name-err")))
	require.Equal(t, []string{"Shop <b>front</b>"}, texts(b.get("/p/shop/sets").page().Find("table th[scope=row]")))

	page := b.get(path).is(200).page()
	require.Equal(t, "Shop <b>front</b>", said(page.Find("h1")))
	require.Equal(t, []string{"web-00002", "web-00003"}, names(page))

	// A change of exactly these servers belongs to the set.
	preview := b.post("/p/shop/previews", "direction", "enable", "query", "").is(303).Header.Get("Location")
	b.post(preview+"/confirm", "reason", "because").to("/p/shop/changes/1")
	require.Contains(t, said(b.get("/p/shop/changes/1").page().Find("main")), "The set “Shop <b>front</b>”")
	page = b.get(path).is(200).page()
	require.Contains(t, said(page.Find("section[aria-labelledby=h-hist]")), "#1 ")

	require.Zero(t, c.selected("mei", p), "confirming empties the selection")
	b.post(path+"/select", append(hidden(page, "/select"), "how", "add")...).to("/p/shop/servers")
	require.EqualValues(t, 2, c.selected("mei", p))
	b.selectAll("q=web-0001")
	require.EqualValues(t, 12, c.selected("mei", p))
	page = b.get(path).is(200).page()
	require.Equal(t, []string{"Add to the 12 selected", "Select only these 2"}, texts(page.Find(`form[action$="/select"] button`)))
	b.post(path+"/replace", hidden(page, "/replace")...).to(path)
	b.post(path+"/replace", hidden(page, "/replace")...).is(http.StatusConflict)
	b.post(path+"/select", append(hidden(page, "/select"), "how", "only")...).is(http.StatusConflict)
	page = b.get(path).is(200).page()
	require.Contains(t, said(page.Find(".sub")), "12 servers, saved by mei")
	b.post(path+"/rename", append(hidden(page, "/rename"), "name", "")...).is(http.StatusUnprocessableEntity)
	b.post(path+"/rename", append(hidden(page, "/rename"), "name", "Storefront")...).to(path)
	page = b.get(path).is(200).page()
	history := texts(page.Find("section[aria-labelledby=h-hist] li .min-w-0"))
	require.Len(t, history, 4, "its history outlives its name")
	require.Equal(t, "Renamed from “Shop <b>front</b>” to “Storefront” mei", history[0])
	require.Equal(t, "Servers replaced: 2 before, 12 after 10 added, 0 removed mei", history[1])
	require.True(t, strings.HasPrefix(history[2], "Used in change #1 Turn on "), history[2])
	require.Equal(t, "Saved with 2 servers mei", history[3])

	c.inventory(p, fleet(10))
	page = b.get(path).is(200).page()
	require.Equal(t, []string{"All 12", "Gone 9"}, texts(page.Find(".tabs .tab")))
	require.Equal(t, 9, b.get(path+"?gone=1").is(200).page().Find("table tbody tr").Length())

	viewer := c.as(c.user("vic", wtp.Viewer))
	require.Zero(t, viewer.get(path).is(200).page().Find("main form").Length())
	viewer.post(path+"/delete", hidden(page, "/delete")...).is(http.StatusForbidden)
	require.Equal(t, "Delete the set", said(page.Find(`details form[action$="/delete"] button`)))
	b.post(path+"/delete", hidden(page, "/delete")...).to("/p/shop/sets")
	b.get(path).is(http.StatusNotFound)
	b.get("/p/shop/changes/1").is(200)
	events := said(b.get("/events").is(200).page().Find("main"))
	for _, text := range []string{"Saved a set", "Renamed a set", "Replaced a set", "Deleted a set"} {
		require.True(t, strings.Contains(events, text), text)
	}
}

func TestTheHistoryOfASetNamesWhoSavedItLast(t *testing.T) {
	c, _, mei := shop(t, fleet(30))
	mei.selectAll("q=web-0000")
	path := mei.post("/p/shop/sets", "name", "Front").is(303).Header.Get("Location")
	jun := c.as(c.user("jun", wtp.Operator))
	jun.selectAll("q=web-0001")
	jun.post(path+"/replace", hidden(jun.get(path).is(200).page(), "/replace")...).to(path)
	require.Contains(t, said(mei.get(path).is(200).page().Find(".sub")), "10 servers, saved by jun")
	require.Contains(t, said(mei.get("/p/shop/sets").is(200).page().Find("table tbody td:nth-child(3)")), "jun")

	for i := range 20 {
		page := mei.get(path).is(200).page()
		mei.post(path+"/rename", append(hidden(page, "/rename"), "name", fmt.Sprint("Front ", i))...).to(path)
	}
	page := mei.get(path).is(200).page()
	first := texts(page.Find("section[aria-labelledby=h-hist] li .w500"))
	require.Len(t, first, 20)
	require.Equal(t, "Renamed from “Front 18” to “Front 19”", first[0])
	older := mei.get(page.Find("section[aria-labelledby=h-hist] a[rel=next]").AttrOr("href", "")).is(200).page()
	rest := older.Find("section[aria-labelledby=h-hist]")
	require.Len(t, texts(rest.Find("li")), 2)
	require.Zero(t, rest.Find("a[rel=next]").Length())
	require.Contains(t, said(rest.Find("li").First()), "added")
	require.Contains(t, said(rest.Find("li").First()), "jun")
	require.Contains(t, said(rest.Find("li").Last()), "Saved with")
}
