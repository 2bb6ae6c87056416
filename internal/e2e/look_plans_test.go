package e2e_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestPagesOfPlansLookRight looks at what a preview and a change show only while
// something else is going on: servers that moved, a ramp, another change of the same
// servers, a budget that is used up.
func TestPagesOfPlansLookRight(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	url, password := startDemo(t)
	b.open(url + "/sign-in")
	b.fill("#name", "mei")
	b.fill("#password", password)
	b.follow("form [type=submit]")

	large, small := b.planFirst(url, 12), b.planFirst(url, 4)
	b.open(url + small)
	b.fill("#reason", "A first few")
	b.follow("#go")
	b.waitFor("#change-head", "Finished, read back")
	b.open(url + large)
	b.fill("#reason", "Storefront, second wave")
	b.fill("#ticket", "CHG-20871")
	b.follow("#go")
	b.glance(url, "preview-moved", strings.TrimPrefix(b.where(), url))

	many := b.planStorefront(url, 1000)
	b.open(url + many)
	b.fill("#reason", "Storefront, with care")
	b.click("#ramp")
	b.follow("#go")
	b.glance(url, "change-ramp", strings.TrimPrefix(b.where(), url))
	b.glance(url, "preview-conflicts", b.planFirst(url, 12))
	b.glance(url, "overview-running", "/p/web-prod")
}

// planFirst selects the first n servers of the storefront whose dynamic WTP is off,
// and plans to turn it on; it returns the preview's path.
func (b *browser) planFirst(url string, n int) string {
	b.t.Helper()
	return b.planFirstOf(url, "Storefront", n)
}

// planFirstOf is planFirst for another group.
func (b *browser) planFirstOf(url, group string, n int) string {
	b.t.Helper()
	list := url + "/p/web-prod/servers?group=" + group + "&dynamic=closed&agent=online&wtp=opened"
	b.open(list)
	if b.count("#bulk.bulk-none") == 0 { // something is selected already
		b.follow("#bulk button[value=none]")
		b.open(list)
	}
	eval[bool](b, fmt.Sprintf(`(()=>{[...document.querySelectorAll("[name=host]")].slice(0,%d).forEach(x=>x.click());return true})()`, n))
	b.waitFor("#bulk", fmt.Sprint(n))
	b.follow(`#bulk button[value=enable]`)
	return strings.TrimPrefix(b.where(), url)
}
