package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
)

func TestMovedPlanAsksAgain(t *testing.T) {
	c, p, b := shop(t, fleet(5))
	path := b.preview("enable")
	servers := fleet(4) // the fifth is gone
	servers[0].AgentStatus = "offline"
	servers[1].Dynamic = wtp.Opened
	c.inventory(p, servers)
	address := b.post(path+"/confirm", "reason", "Roll-out", "ticket", "CHG-9", "ramp", "1").is(http.StatusSeeOther).Header.Get("Location")
	require.NotContains(t, address, "Roll", "a reason is kept from addresses")
	look := func() *goquery.Document { return b.get(address).is(200).page() }
	page := look()
	require.Equal(t, "Turn on dynamic WTP on 2 servers", said(page.Find("h1")))
	require.Contains(t, said(page.Find("[role=alert]").First()), "3 servers changed since it was made. Nothing was sent.")
	rows := texts(page.Find("section[aria-labelledby=h-moved] tbody tr"))
	require.Len(t, rows, 3, "what did not move is not shown")
	require.Contains(t, rows[0], "web-00001 The agent is offline and cannot apply it.Needs a Tomcat restart CannotOff")
	require.Contains(t, rows[1], "web-00002 Dynamic WTP is on now. Nothing to do.Needs a Tomcat restart Already onOffOn")
	require.Contains(t, rows[2], "web-00005 HSS no longer lists this server.")
	require.Equal(t, "Needs a Tomcat restart 2 · Already on 1 · Cannot 2", said(page.Find("section[aria-labelledby=h-now] .muted")))
	require.Equal(t, "Roll-out", page.Find("textarea[name=reason]").Text())
	require.Equal(t, "CHG-9", page.Find("input[name=ticket]").AttrOr("value", ""))
	require.Equal(t, 1, page.Find("input[name=ramp][checked]").Length())
	require.Contains(t, said(b.get(path).is(200).page().Find(".stick")), "This preview is closed")

	// Loading it again shows the same; the whole is one link away.
	require.Equal(t, rows, texts(look().Find("section[aria-labelledby=h-moved] tbody tr")))
	whole := b.get(page.Find("section[aria-labelledby=h-now] a").AttrOr("href", "")).is(200).page()
	require.Equal(t, []string{"Needs a Tomcat restart 2", "Already on 1", "Cannot 2"}, texts(whole.Find("nav.tabs a")))
	require.Equal(t, "Roll-out", whole.Find("textarea[name=reason]").Text())
	require.Equal(t, 1, whole.Find("input[name=ramp][checked]").Length())

	// Faults of the form are shown with the difference.
	again := page.Find("form[action$='/confirm']").AttrOr("action", "")
	require.NotEqual(t, path+"/confirm", again)
	was := page.Find("input[name=instead]").AttrOr("value", "")
	bad := b.post(again, "instead", was, "reason", "").is(http.StatusUnprocessableEntity).page()
	require.Equal(t, rows, texts(bad.Find("section[aria-labelledby=h-moved] tbody tr")))
	require.Equal(t, 1, bad.Find("#errors li").Length())

	// A server that moves again leads to the difference from what was just shown.
	c.inventory(p, fleet(1))
	next := b.post(again, "instead", was, "reason", "Roll-out").is(http.StatusSeeOther).Header.Get("Location")
	page = b.get(next).is(200).page()
	require.Contains(t, said(page.Find("[role=alert]").First()), "4 servers changed since it was made.")
	b.post(page.Find("form[action$='/confirm']").AttrOr("action", ""), "reason", "Roll-out").to("/p/shop/changes/1")
}

func TestMovedPlanKeepsWhatWasTyped(t *testing.T) {
	on := fleet(250)
	for i := range on {
		on[i].Dynamic = wtp.Opened
	}
	c, p, b := shop(t, on)
	path := b.preview("disable")
	for i := range 130 {
		on[i].AgentStatus = "offline"
	}
	c.inventory(p, on)
	address := b.post(path+"/confirm", "reason", "Release", "back", wtp.BackAt, "back_at", "2099-01-01T10:00", "confirm", "turn off 250").is(http.StatusUnprocessableEntity)
	require.Contains(t, address.text, "back_at", "a date too far away is a fault before anything is compared")
	location := b.post(path+"/confirm", "reason", "Release", "back", "8h", "confirm", "turn off 250").is(http.StatusSeeOther).Header.Get("Location")
	page := b.get(location).is(200).page()
	require.Equal(t, "8h", page.Find("input[name=back][checked]").AttrOr("value", ""))
	require.Equal(t, "turn off 250", page.Find("input[name=confirm]").AttrOr("value", ""))
	require.Contains(t, said(page.Find(".stick")), "Type “turn off 120” to confirm")

	// The first 100 are shown, the others are a page away.
	require.Len(t, texts(page.Find("section[aria-labelledby=h-moved] tbody tr")), 100)
	require.Contains(t, said(page.Find("section[aria-labelledby=h-moved] .pager")), "100 of 130")
	second := b.get(page.Find("section[aria-labelledby=h-moved] a[rel=next]").AttrOr("href", "")).is(200).page()
	require.Len(t, texts(second.Find("section[aria-labelledby=h-moved] tbody tr")), 30)
	require.Equal(t, "8h", second.Find("input[name=back][checked]").AttrOr("value", ""))

	// An address that names another plan, or nonsense, shows neither the difference nor
	// a list that could pass for it.
	other := b.preview("disable")
	here := location[:strings.Index(location, "?")]
	for _, q := range []string{"?instead=x", "?instead=" + other[strings.LastIndex(other, "/")+1:], "?instead=" + here[strings.LastIndex(here, "/")+1:]} {
		bad := b.get(here + q).is(http.StatusUnprocessableEntity).page()
		require.Contains(t, said(bad.Find("#servers [role=alert]")), "is not a preview that this one stands for.", q)
		require.Zero(t, bad.Find("#servers tbody tr").Length(), q)
		b.get(bad.Find("nav.tabs a").First().AttrOr("href", "")).is(200)
	}
	require.Equal(t, 1, b.get(here+"?instead=").is(200).page().Find("nav.tabs").Length())
	form := page.Find("form[action$='/confirm']").AttrOr("action", "")
	b.post(form, "reason", "Release", "back", "8h", "confirm", "turn off 250").is(http.StatusUnprocessableEntity)
	b.post(form, "reason", "Release", "back", "8h", "confirm", "turn off 120").to("/p/shop/changes/1")
}
