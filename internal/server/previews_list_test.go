package server

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
)

// swaps asserts that each of these links and forms puts the part in place of itself,
// from the address that it leads to without scripts, and how the address is kept.
func swaps(t *testing.T, s *goquery.Selection, part, kept string) {
	t.Helper()
	require.NotZero(t, s.Length())
	s.Each(func(_ int, e *goquery.Selection) {
		plain, anchor, _ := strings.Cut(e.AttrOr("href", e.AttrOr("action", "")), "#")
		require.Contains(t, []string{"", part}, anchor)
		require.Equal(t, plain, e.AttrOr("hx-get", ""))
		require.Equal(t, "#"+part, e.AttrOr("hx-target", ""), plain)
		require.Equal(t, "#"+part, e.AttrOr("hx-select", ""), plain)
		require.Equal(t, "true", e.AttrOr(kept, ""), plain)
		require.Zero(t, e.Closest("form[action$='/confirm']").Length())
	})
}

// lists are the links and forms that show other servers of a plan.
func lists(page *goquery.Document, part string) *goquery.Selection {
	return page.Find("nav.tabs a, #" + part + " form[method=get], #" + part + " .pager a, a[href$='#" + part + "']")
}

func TestAListOfAPreviewLeavesItsFormAlone(t *testing.T) {
	on := allOn(130)
	on[0].AssetValue, on[129].AgentStatus = "important", "offline"
	_, _, b := shop(t, on)
	path := b.preview("disable")
	for _, q := range []string{"", "?bucket=risky", "?bucket=will_change&q=web", "?bucket=cannot&q=nothing"} {
		page := b.get(path + q).is(200).page()
		require.Equal(t, 1, page.Find("#servers[hx-history-elt]").Length(), q)
		require.Zero(t, page.Find("#servers form[action$='/confirm']").Length(), q)
		swaps(t, lists(page, "servers"), "servers", "hx-push-url")
	}
	page := b.get(path).is(200).page()
	require.Equal(t, "Will change 50 of 128", page.Find("#servers").AttrOr("data-say", ""))
	require.Equal(t, 1, page.Find("#servers a[rel=next]").Length())
	require.NotZero(t, page.Find("main tbody a[href*='why=agent_offline']").Length())
}

// TestListsCarryTheChoices follows the links of a form that was refused: they hold what
// was chosen, and nothing of what was typed.
func TestListsCarryTheChoices(t *testing.T) {
	on := allOn(130)
	on[0].AssetValue = "important"
	_, _, b := shop(t, on)
	path := b.preview("disable")
	page := b.post(path+"/confirm", "reason", "", "ticket", "CHG-7", "back", wtp.BackAt, "back_at", "2099-01-01T10:00", "ramp", "1").is(http.StatusUnprocessableEntity).page()
	require.Equal(t, "CHG-7", page.Find("input[name=ticket]").AttrOr("value", ""))
	all := lists(page, "servers")
	// An address that only takes forms is nothing to come back to.
	swaps(t, all, "servers", "hx-replace-url")
	require.Zero(t, page.Find("[hx-push-url]").Length())
	all.Filter("a").Each(func(_ int, a *goquery.Selection) {
		u, err := url.Parse(a.AttrOr("href", ""))
		require.NoError(t, err)
		q := u.Query()
		require.Equal(t, []string{wtp.BackAt, "2099-01-01T10:00", "1"}, []string{q.Get("back"), q.Get("back_at"), q.Get("ramp")}, u)
		require.False(t, q.Has("ticket") || q.Has("reason") || strings.Contains(u.String(), "CHG-7"), u)
		listed := b.get(a.AttrOr("hx-get", "")).is(200).page()
		require.Equal(t, wtp.BackAt, listed.Find("input[name=back][checked]").AttrOr("value", ""), u)
		require.Equal(t, "2099-01-01T10:00", listed.Find("input[name=back_at]").AttrOr("value", ""), u)
		require.Equal(t, 1, listed.Find("input[name=ramp][checked]").Length(), u)
		swaps(t, lists(listed, "servers"), "servers", "hx-push-url")
	})
	search := url.Values{}
	page.Find("#servers form[method=get] input").Each(func(_ int, i *goquery.Selection) {
		search.Add(i.AttrOr("name", ""), i.AttrOr("value", ""))
	})
	search.Set("q", "web-00002")
	found := b.get(path + "?" + search.Encode()).is(200).page()
	require.Equal(t, []string{"web-00002"}, names(found))
	require.Equal(t, wtp.BackAt, found.Find("input[name=back][checked]").AttrOr("value", ""))
	// A table is asked for without them.
	page.Find("#servers a[download]").Each(func(_ int, a *goquery.Selection) {
		require.NotContains(t, a.AttrOr("href", ""), "back")
		b.get(a.AttrOr("href", "")).is(200)
	})
}

// TestAListIsNotPutInPlaceOfAnother asks for lists, as the page's script does, of what is
// no preview any more.
func TestAListIsNotPutInPlaceOfAnother(t *testing.T) {
	_, _, b := shop(t, mixed())
	path := b.preview("enable")
	b.headers.Set("HX-Request", "true")
	require.Empty(t, b.get(path+"?bucket=risky").is(200).Header.Get("HX-Redirect"))

	// A fault of the whole request is shown where every page has room, whatever part
	// was to be selected, and leaves the address.
	bad := b.get(path + "?bocket=risky").is(http.StatusUnprocessableEntity)
	require.Equal(t, "#notice", bad.Header.Get("HX-Retarget"))
	require.Equal(t, "false", bad.Header.Get("HX-Push-Url"))
	require.Equal(t, 1, bad.page().Find(bad.Header.Get("HX-Reselect")).Length())
	require.Contains(t, said(bad.page().Find(bad.Header.Get("HX-Reselect"))), "That can't be used")

	b.headers.Del("HX-Request")
	b.post(path+"/confirm", "reason", "Roll-out").to("/p/shop/changes/1")
	b.headers.Set("HX-Request", "true")
	require.Equal(t, "/p/shop/changes/1", b.get(path+"?bucket=risky").is(http.StatusNoContent).Header.Get("HX-Redirect"))
	b.headers.Del("HX-Request")
	b.get(path + "?bucket=risky").to("/p/shop/changes/1")
}

// TestOtherPlansKeepTheirFormsToo looks at the links of what a plan of remote backup, a
// fresh plan's difference and the removal of a backup server list.
func TestOtherPlansKeepTheirFormsToo(t *testing.T) {
	c, p, b := shop(t, fleet(130))
	c.backed(p, fleet(130), "b-1")
	b.selectAll("")
	remote := b.post("/p/shop/remote-backup/previews", "to", "b-1").is(303).Header.Get("Location")
	page := b.get(remote).is(200).page()
	require.Equal(t, 1, page.Find("#servers[hx-history-elt] a[rel=next]").Length())
	swaps(t, lists(page, "servers"), "servers", "hx-push-url")

	// More of them come to use it than a page of the difference holds.
	servers := fleet(130)
	for i := range 120 {
		servers[i].BackupHostID = "b-1"
	}
	c.backed(p, servers)
	moved := b.get(b.post(remote+"/confirm", "reason", "Nightly copies").is(303).Header.Get("Location")).is(200).page()
	require.Equal(t, 1, moved.Find("#servers[hx-history-elt] a[rel=next]").Length())
	swaps(t, moved.Find("#servers .pager a"), "servers", "hx-push-url")
	next := moved.Find("#servers a[rel=next]").AttrOr("hx-get", "")
	require.Equal(t, 1, b.get(next).is(200).page().Find("#servers[aria-labelledby=h-moved]").Length())

	servers[0].AgentStatus = "offline"
	c.backed(p, servers)
	at := "/p/shop/backup-servers/b-1/remove"
	for _, q := range []string{"", "?show=can", "?show=cannot", "?q=nothing"} {
		page := b.get(at + q).is(200).page()
		require.Equal(t, 1, page.Find("#users[hx-history-elt]").Length(), q)
		require.Zero(t, page.Find("#users #remove").Length(), q)
		swaps(t, lists(page, "users"), "users", "hx-push-url")
	}
	require.Equal(t, "50 of 120", b.get(at).is(200).page().Find("#users").AttrOr("data-say", ""))
	swaps(t, b.get(at).page().Find("main a[href*='why=agent_offline']"), "users", "hx-push-url")
	swaps(t, lists(b.post(at).is(http.StatusUnprocessableEntity).page(), "users"), "users", "hx-push-url")
}
