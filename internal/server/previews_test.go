package server

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
)

// mixed is a fleet with some servers of every bucket for turning on: 8 need a
// restart, 2 are important, 1 is on, 1 is Windows, 1 offline.
func mixed() []wtp.Server {
	servers := fleet(13)
	servers[0].AssetValue, servers[1].AssetValue = "important", "important"
	servers[2].Dynamic = wtp.Opened
	servers[3].OS, servers[3].Dynamic = "windows", ""
	servers[4].AgentStatus = "offline"
	return servers
}

// preview selects all servers and plans; it returns the preview's address.
func (b *browser) preview(direction string) string {
	b.c.t.Helper()
	b.selectAll("")
	a := b.post("/p/shop/previews", "direction", direction, "query", "").is(303)
	path := a.Header.Get("Location")
	require.True(b.c.t, strings.HasPrefix(path, "/p/shop/previews/"), path)
	return path
}

func TestPreviewShowsFiveBuckets(t *testing.T) {
	_, _, b := shop(t, mixed())
	path := b.preview("enable")
	page := b.get(path).is(200).page()
	require.Equal(t, "Turn on dynamic WTP on 10 servers", said(page.Find("h1")))
	require.Contains(t, said(page.Find(".head .sub")), "Preview of 13 selected servers")
	require.Equal(t, []string{"Needs a Tomcat restart 8", "Risky 2", "Already on 1", "Cannot 2"}, texts(page.Find("nav.tabs a")))
	require.Equal(t, "Needs a Tomcat restart 8", said(page.Find("nav.tabs a[aria-current]")))
	skips := texts(page.Find("caption").First().Parent().Find("tbody tr"))
	require.Len(t, skips, 3)
	require.Contains(t, strings.Join(skips, "|"), "Windows")
	require.Contains(t, said(page.Find("ul.list")), "It takes effect only after Tomcat is restarted")
	require.Contains(t, said(page.Find("ul.list")), "setenv.sh")
	require.Contains(t, said(page.Find("ul.list")), "Coverage of Shop rises from")
	require.Contains(t, said(page.Find("ul.list")), "2 of these servers are marked as important assets.")
	rail := said(page.Find(".stick"))
	require.Contains(t, rail, "1 call, of at most 200 servers")
	require.Contains(t, rail, "less than a minute")
	require.Contains(t, rail, "Turn on dynamic WTP on 10 servers")
	require.Zero(t, page.Find("input[name=confirm]").Length())

	risky := b.get(path + "?bucket=risky").is(200).page()
	require.Equal(t, []string{"web-00001", "web-00002"}, names(risky))
	offline := b.get(path + "?bucket=cannot&why=agent_offline").is(200).page()
	require.Equal(t, []string{"web-00005"}, names(offline))
	require.Contains(t, said(offline.Find("#servers tbody")), "The agent is offline and cannot apply it.")
	for _, q := range []string{"?bucket=everything", "?bucket=risky&why=nonsense", "?after=-1"} {
		require.Empty(t, names(b.get(path+q).is(http.StatusUnprocessableEntity).page()), q)
	}
}

func TestPreviewIsPaged(t *testing.T) {
	_, _, b := shop(t, fleet(120))
	path := b.preview("enable")
	page := b.get(path).is(200).page()
	require.Len(t, names(page), 50)
	next, _ := page.Find("#servers a[rel=next]").Attr("href")
	second := b.get(next).is(200).page()
	require.Equal(t, "web-00051", names(second)[0])
	next, _ = second.Find("#servers a[rel=next]").Attr("href")
	last := b.get(next).is(200).page()
	require.Len(t, names(last), 20)
	require.Zero(t, last.Find("#servers a[rel=next]").Length())
}

func TestDirectionIsRequiredOnce(t *testing.T) {
	c, p, b := shop(t, fleet(3))
	b.selectAll("")
	for _, fields := range [][]string{{}, {"direction", ""}, {"direction", "off"}, {"direction", "enable", "direction", "disable"}, {"direction", "disable", "direction", "disable"}} {
		a := b.post("/p/shop/previews", fields...).is(http.StatusUnprocessableEntity)
		require.Contains(t, a.text, "Say whether to turn dynamic WTP on or off.")
	}
	// A direction in the address is not one in the form.
	b.post("/p/shop/previews?direction=disable").is(http.StatusUnprocessableEntity)
	require.EqualValues(t, 3, c.selected("mei", p))
}

func TestPlanTakesTheTicksOfThePage(t *testing.T) {
	_, _, b := shop(t, fleet(60))
	page := b.get("/p/shop/servers").is(200).page()
	a := b.post("/p/shop/previews", append(sheet(page, "host-00007", "host-00009"), "direction", "enable")...).is(303)
	preview := b.get(a.Header.Get("Location")).is(200).page()
	require.Equal(t, []string{"web-00007", "web-00009"}, names(preview))

	none := b.post("/p/shop/previews", append(sheet(page), "direction", "enable")...).is(http.StatusUnprocessableEntity)
	require.Contains(t, none.text, "Select at least one server first.")
	// One server by its own page, whatever is selected.
	a = b.post("/p/shop/previews", "only", "host-00030", "direction", "enable").is(303)
	require.Equal(t, []string{"web-00030"}, names(b.get(a.Header.Get("Location")).is(200).page()))
}

func TestConfirmOnceAndForAll(t *testing.T) {
	var woken atomic.Int64
	c, p, b := shop(t, mixed(), func(c *Config) { c.Wake = func() { woken.Add(1) } })
	path := b.preview("enable")

	// Faults keep what was typed, and nothing is queued.
	a := b.post(path+"/confirm", "reason", " ", "ticket", strings.Repeat("T", 101)).is(http.StatusUnprocessableEntity)
	require.Equal(t, 2, a.page().Find("#errors li").Length())
	require.Equal(t, strings.Repeat("T", 101), a.page().Find("input[name=ticket]").AttrOr("value", ""))
	require.Equal(t, "true", a.page().Find("textarea[name=reason]").AttrOr("aria-invalid", ""))
	a = b.post(path+"/confirm", "reason", strings.Repeat("因", 501)).is(http.StatusUnprocessableEntity)
	require.Contains(t, a.text, "At most 500 characters; this has 501.")
	require.Zero(t, woken.Load())

	b.post(path+"/confirm", "reason", "Roll-out wave 6", "ticket", "CHG-1").to("/p/shop/changes/1")
	require.EqualValues(t, 1, woken.Load())
	require.Zero(t, c.selected("mei", p), "the selection is used up")

	// A double click, a second tab and another person all reach that change.
	other := c.as(c.user("ann", wtp.Operator))
	for _, who := range []*browser{b, other} {
		who.post(path+"/confirm", "reason", "Again", "ticket", "").to("/p/shop/changes/1")
		require.Contains(t, said(who.get("/p/shop/changes/1").is(200).page().Find(".notice").First()), "This preview was confirmed before, by mei.")
		who.get(path).to("/p/shop/changes/1")
		who.post(path + "/drop").to("/p/shop/changes/1")
	}
	require.EqualValues(t, 1, woken.Load())
	change, err := c.store.Change(c.ctx(), p.ID, 1)
	require.NoError(t, err)
	require.Equal(t, "Roll-out wave 6", change.Reason)
	require.EqualValues(t, 10, change.ToSend)
	_, err = c.store.Change(c.ctx(), p.ID, 2)
	require.ErrorIs(t, err, wtp.ErrNotFound)
}

func TestTypedConfirmation(t *testing.T) {
	on := fleet(101)
	for i := range on {
		on[i].Dynamic = wtp.Opened
	}
	_, _, b := shop(t, on)
	path := b.preview("disable")
	page := b.get(path).is(200).page()
	field := page.Find("input[name=confirm]")
	require.Equal(t, "turn off 101", field.AttrOr("data-confirm", ""))
	require.Equal(t, "go", field.AttrOr("data-for", ""))
	require.Contains(t, said(page.Find(".stick")), "Asked because more than 100 servers lose protection.")
	require.Contains(t, said(page.Find("ul.list")), "Protection of files and directories stays on.")
	require.Contains(t, said(page.Find("ul.list")), "Coverage of Shop falls from 100.0% to 0.0%.")
	require.Equal(t, "Turn off on 101 servers", said(page.Find("#go")))
	for _, typed := range []string{"", "turn off", "turn off 100", "turn on 101", "101"} {
		a := b.post(path+"/confirm", "reason", "Release", "back", "4h", "confirm", typed).is(http.StatusUnprocessableEntity)
		require.Equal(t, typed, a.page().Find("input[name=confirm]").AttrOr("value", ""))
	}
	b.post(path+"/confirm", "reason", "Release", "back", "4h", "confirm", " Turn off  101 ").to("/p/shop/changes/1")
}

func TestImportantServersAskForTheCountToo(t *testing.T) {
	on := fleet(3)
	for i := range on {
		on[i].Dynamic = wtp.Opened
	}
	on[2].AssetValue = "important"
	_, _, b := shop(t, on)
	path := b.preview("disable")
	require.Contains(t, said(b.get(path).is(200).page().Find(".stick")), "Asked because important servers are among them.")
	b.post(path+"/confirm", "reason", "Release", "back", "4h").is(http.StatusUnprocessableEntity)
	b.post(path+"/confirm", "reason", "Release", "back", "4h", "confirm", "turn off 3").to("/p/shop/changes/1")
}

func TestNothingToChangeHasNoButton(t *testing.T) {
	_, _, b := shop(t, fleet(2))
	path := b.preview("disable")
	page := b.get(path).is(200).page()
	require.Zero(t, page.Find("#go, form[action$='/confirm']").Length())
	require.Contains(t, said(page.Find(".stick")), "Nothing would change")
	b.post(path+"/confirm", "reason", "Anyway", "back", "4h").is(http.StatusConflict)
	b.post(path + "/drop").to("/p/shop/servers")
	require.Contains(t, said(b.get("/p/shop/servers").is(200).page().Find(".notice")), "The preview was cancelled.")
	require.Contains(t, said(b.get(path).is(200).page().Find(".stick")), "This preview is closed")
	late := b.post(path+"/confirm", "reason", "Anyway", "back", "4h").is(http.StatusConflict).page()
	require.Contains(t, said(late.Find("[role=alert]")), "This preview was cancelled or replaced.")
	require.Equal(t, 1, strings.Count(said(late.Find("main")), "Nothing was sent."), said(late.Find("main")))
}

func TestPreviewExpires(t *testing.T) {
	c, _, b := shop(t, fleet(2))
	path := b.preview("enable")
	c.later.Store(int64(11 * time.Minute))
	page := b.get(path).is(200).page()
	require.Zero(t, page.Find("#go").Length())
	require.Contains(t, said(page.Find(".notice-warn")), "This preview has expired")
}

func TestServerInAnotherChangeIsInTheWay(t *testing.T) {
	_, _, b := shop(t, fleet(2))
	first, second := b.preview("enable"), b.preview("enable")
	b.post(first+"/confirm", "reason", "One").to("/p/shop/changes/1")
	a := b.post(second+"/confirm", "reason", "Two").is(http.StatusConflict)
	alert := said(a.page().Find("[role=alert]").First())
	require.Contains(t, alert, "Nothing was sent.")
	require.Equal(t, 1, strings.Count(said(a.page().Find("main")), "Nothing was sent."), alert)
	third := b.get(b.preview("enable")).is(200).page()
	require.Equal(t, []string{"Cannot 2"}, texts(third.Find("nav.tabs a")))
	require.Contains(t, said(third.Find("main")), "Another change of this server is under way.")
}

func TestViewerSeesNoActingControls(t *testing.T) {
	c, _, b := shop(t, fleet(2))
	path := b.preview("enable")
	viewer := c.as(c.user("vi", wtp.Viewer))
	page := viewer.get(path).is(200).page()
	require.Zero(t, page.Find("main form[method=post]").Length())
	require.Contains(t, said(page.Find(".stick")), "You can look, not change")
	viewer.post(path+"/confirm", "reason", "x").is(http.StatusForbidden)
	viewer.post(path + "/drop").is(http.StatusForbidden)
	b.get("/p/shop/previews/nothing").is(http.StatusNotFound)
}
