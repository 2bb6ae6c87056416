package e2e_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTimedChangeInTheBrowser turns servers off for a while, watches the
// countdown, gives it another time, and pauses the console; each page is held to
// what TestEveryPageLooksRight holds it to.
func TestTimedChangeInTheBrowser(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	url, password := startDemo(t)
	b.open(url + "/sign-in")
	b.fill("#name", "mei")
	b.fill("#password", password)
	b.follow("form [type=submit]")

	b.open(url + "/p/web-prod/servers?group=CMS&dynamic=opened&agent=online&wtp=opened&importance=common")
	b.click("table input[name=host]")
	b.follow(`#bulk button[value=disable]`)
	preview := strings.TrimPrefix(b.where(), url)
	require.Contains(t, b.text(`.back-says[data-back="4h"]`), "4 h: back on")
	b.glance(url, "preview-off", preview)
	b.open(url + preview)
	visible := func(css string) bool { return eval[bool](b, `document.querySelector("`+css+`").checkVisibility()`) }
	require.False(t, visible(".back-date") || visible("#confirm") || visible(`.back-says[data-back='1h']`))
	b.click(`.back label:has([value="date"])`)
	require.True(t, visible(".back-date"))
	b.click(`.back label:has([value="never"])`)
	require.True(t, visible("#confirm"))
	b.fullShot("preview-never.en.1440")
	b.fill("#reason", "Template update")
	b.follow("#go") // never, and nothing typed
	require.Contains(t, b.text("#errors"), "turn off 1")
	require.True(t, visible("#confirm"))
	b.fullShot("preview-refused.en.1440")
	b.click(`.back label:has([value="1h"])`)
	b.follow("#go")
	change := strings.TrimPrefix(b.where(), url)
	b.waitFor("#change-head", "Finished, read back")
	b.open(url + change)
	require.Contains(t, b.text("#timer"), "on 1 server")
	b.glance(url, "change-timed", change)
	b.glance(url, "overview-timed", "/p/web-prod")
	b.glance(url, "servers-timed", "/p/web-prod/servers?group=CMS&dynamic=closed")
	b.glance(url, "change-fired", "/p/web-prod/changes/1")
	b.glance(url, "change-automatic", "/p/web-prod/changes/2")
	b.glance(url, "changes-automatic", "/p/web-prod/changes")
	b.glance(url, "pause", "/pause")

	b.open(url + change)
	b.click("#timer summary")
	b.still()
	for _, width := range []int64{1440, 390} {
		b.size(width)
		require.LessOrEqual(t, eval[int](b, `document.documentElement.scrollWidth`), int(width), b.widest())
		b.fullShot("change-timer-menu.en." + map[int64]string{1440: "1440", 390: "390"}[width])
	}
	require.Empty(t, b.axe())
	b.size(1440)
	b.open(url + "/pause")
	b.fill("#why", "HSS maintenance")
	b.follow("form[action='/pause'] [type=submit]")
	require.Contains(t, b.text("#paused"), "mei paused the console")
	b.glance(url, "paused", "/p/web-prod")
	b.open(url + "/p/web-prod")
	b.follow("#paused [type=submit]")
	require.Zero(t, b.count("#paused"))
	require.Empty(t, b.complaints())
}
