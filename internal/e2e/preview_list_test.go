package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestLookingAtAPreviewKeepsWhatWasTyped fills in the form of a plan, looks at its lists
// in every way the page offers, and confirms what was chosen at first.
func TestLookingAtAPreviewKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	url, password := startDemo(t)
	b.open(url + "/sign-in")
	b.fill("#name", "mei")
	b.fill("#password", password)
	b.follow("form [type=submit]")
	b.open(url + "/p/web-prod/servers?dynamic=opened")
	b.click("[data-tick-all]")
	b.waitFor("#bulk", "50")
	b.follow("#selnote button[value^=matching-]")
	b.follow("#bulk button[value=disable]")
	preview := b.where()

	b.paste("#reason", "Release 7.2,\nwith its restart")
	b.fill("#ticket", "CHG-4711")
	b.click(`.back label:has([value="8h"])`)
	b.click("#ramp")
	typed := func() string {
		return eval[string](b, `JSON.stringify(["#reason","#ticket","#back :checked"].map(css=>document.querySelector(css).value).concat(document.querySelector("#ramp").checked))`)
	}
	const kept = `["Release 7.2,\nwith its restart","CHG-4711","8h",true]`
	require.JSONEq(t, kept, typed())
	eval[bool](b, `window.sameDocument = true`)
	// shows waits for a list of the same document, and looks at the form.
	shows := func(what, js string) string {
		t.Helper()
		wait(t, what, func() bool { return eval[bool](b, js) })
		require.True(t, eval[bool](b, `window.sameDocument === true`), what)
		require.JSONEq(t, kept, typed(), what)
		return b.where()
	}
	has := func(query string) string { return `location.search.includes("` + query + `") && ` }
	rows := func(n string) string { return `document.querySelectorAll("#servers tbody tr").length` + n }

	b.click("#tab-risky")
	shows("the risky ones", has("bucket=risky")+`document.querySelector("#tab-risky[aria-current]") !== null && `+rows(" > 1"))
	require.Equal(t, "tab-risky", eval[string](b, `document.activeElement.id`))
	b.shot("preview-list-risky.en.1440")
	found, host := b.text("#servers tbody th a"), eval[string](b, `document.querySelector("#servers tbody th a").getAttribute("href").split("/").pop()`)
	b.fill("#servers-q", host)
	b.click("#servers form[method=get] [type=submit]")
	searched := shows("what a search finds", has("q="+host)+rows(" === 1"))
	b.click("#tab-will_change")
	shows("a long list", has("bucket=will_change")+rows(" === 50")+` && document.querySelector("#servers a[rel=next]") !== null`)
	first := b.text("#servers tbody th a")
	b.click("#servers a[rel=next]")
	paged := shows("its second page", has("after=")+`document.querySelector("#servers a[rel=prev]") !== null`)
	second := b.text("#servers tbody th a")
	require.NotEqual(t, first, second)
	b.click(`main table a[href*="why="]`)
	shows("those that are skipped, for one reason", has("why=")+`document.querySelector("#tab-cannot[aria-current]") !== null`)

	// The way back shows each list again, and so does its address.
	back := func() { eval[bool](b, `(history.back(), true)`) }
	back()
	shows("the second page again", has("after=")+`document.querySelector("#servers tbody th a")?.innerText === "`+second+`"`)
	back()
	shows("the first page again", has("bucket=will_change")+`!location.search.includes("after=") && document.querySelector("#servers tbody th a")?.innerText === "`+first+`"`)
	back()
	shows("the search again", has("q="+host)+rows(" === 1")+` && document.querySelector("#servers-q").value === "`+host+`"`)
	eval[bool](b, `(history.forward(), true)`)
	shows("the way forward", has("bucket=will_change")+`document.querySelector("#servers tbody th a")?.innerText === "`+first+`"`)
	beside := b.tab()
	for address, row := range map[string]string{searched: found, paged: second} {
		beside.open(address)
		require.Equal(t, row, beside.text("#servers tbody th a"))
	}

	// A form that is refused keeps it all too, and can be looked away from.
	if confirm := eval[string](b, `document.querySelector("#confirm").dataset.confirm ?? ""`); confirm != "" {
		b.fill("#confirm", confirm)
	}
	b.paste("#reason", "")
	b.follow("#go")
	require.Contains(t, b.text("#errors"), "Reason")
	b.paste("#reason", "Release 7.2,\nwith its restart")
	eval[bool](b, `window.sameDocument = true`)
	b.click("#tab-risky")
	shows("the risky ones, beside the refused form", has("bucket=risky")+`document.querySelector("#tab-risky[aria-current]") !== null`)
	require.True(t, strings.HasPrefix(b.where(), preview+"?"), b.where())
	beside.open(b.where())
	require.Equal(t, "8h", eval[string](beside, `document.querySelector("#back :checked").value`))

	b.follow("#go")
	require.Contains(t, b.where(), "/p/web-prod/changes/")
	record := b.text("#record")
	require.Contains(t, record, "Release 7.2, with its restart")
	require.Contains(t, record, "CHG-4711")
	due := eval[string](b, `[...document.querySelectorAll("#record dt")].find(e=>e.innerText.trim()==="Turns back on").nextElementSibling.querySelector("time").dateTime`)
	at, err := time.Parse(time.RFC3339, due)
	require.NoError(t, err)
	require.InDelta(t, 8, time.Until(at).Hours(), 0.5, "8 h, less what this test took since")
	require.Empty(t, b.complaints())
	require.Empty(t, beside.complaints())
}
