package e2e_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// TestSelectingKeepsTheKeyboardAtTheSelection selects with the keyboard and goes on
// with what can be done with the selection; then looks at a set's page after it got
// other servers and another name.
func TestSelectingKeepsTheKeyboardAtTheSelection(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	url, password := startDemo(t)
	b.open(url + "/sign-in")
	b.fill("#name", "mei")
	b.fill("#password", password)
	b.follow("form [type=submit]")

	b.open(url + "/p/web-prod/servers?group=Storefront")
	b.click("[data-tick-all]")
	b.waitFor("#selnote", "Select all")
	for _, op := range []string{"matching", "page"} {
		b.followByKey(fmt.Sprintf(`#selnote button[value^=%s]`, op))
		b.atBulkBar()
		b.do(chromedp.KeyEvent("\t"))
		require.Equal(t, "Turn on…", eval[string](b, `document.activeElement.innerText.trim()`), op)
		require.Zero(t, eval[int](b, `Math.round(scrollY)`), "the list stays where it begins")
	}
	b.followByKey("#bulk button[value=none]")
	wait(t, "the list has the focus", func() bool { return eval[string](b, `document.activeElement.id`) == "list" })
	b.open(url + "/p/web-prod/servers")
	require.Empty(t, eval[string](b, `document.activeElement.id`), "only the page that it leads to")

	_, set := b.pasteAndSave(url)
	b.open(url + "/p/web-prod/servers?group=Storefront&dynamic=closed&agent=online&wtp=opened")
	few := b.text("#bulk b")
	b.click("[data-tick-all]")
	wait(t, "the ticks are kept", func() bool { return b.text("#bulk b") != few })
	b.open(url + set)
	b.follow(`form[action$="/replace"] button`)
	b.fill("#name", "Storefront, second wave")
	b.follow(`form[action$="/rename"] button`)
	b.follow(`form[action$="/select"] button[value=only]`)
	b.follow(`#bulk button[value=enable]`)
	b.fill("#reason", "A wave")
	b.follow("#go")
	b.glance(url, "set-history", set)
	b.open(url + set)
	require.Contains(t, b.text("section[aria-labelledby=h-hist]"), "Renamed from “Storefront, first wave”")
}

// followByKey presses Enter on a button and waits for the page it leads to.
func (b *browser) followByKey(css string) {
	b.t.Helper()
	eval[bool](b, fmt.Sprintf(`(()=>{document.querySelector(%q).focus();return true})()`, css))
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	_, err := chromedp.Run(ctx, chromedp.WaitEvent(page.LoadEventFired, nil, chromedp.KeyEvent("\r")))
	b.must(err)
}

func (b *browser) atBulkBar() {
	b.t.Helper()
	wait(b.t, "the selection's bar has the focus", func() bool { return eval[string](b, `document.activeElement.id`) == "bulk" })
}
