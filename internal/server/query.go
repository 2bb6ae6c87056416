package server

import (
	"net/http"
	"net/url"
	"strings"

	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// serverListNames are what the address of a project's list of servers may ask.
func serverListNames() []string {
	return append(wtp.ServerFilterNames(), "sort", "after", "before")
}

// restartNames are the filter of the restart list.
func restartNames() []string { return []string{"q", "group", "change"} }

// changeListNames are what the address of the history may ask.
func changeListNames() []string {
	return []string{"q", "kind", "who", "outcome", "from", "to", "before"}
}

// checkQuery refuses an address that asks what its page doesn't know. A filter that is
// misspelt, given twice or unreadable must not show, nor export, everything. A page
// that asks nothing of its address shows the same whatever stands there.
func (r *request) checkQuery() error {
	if r.route.method != http.MethodGet || r.route.verb == public || len(r.route.asks) == 0 {
		return nil
	}
	q, err := url.ParseQuery(r.Request.URL.RawQuery)
	bad := wtp.CheckQuery(q, r.route.asks...)
	if err != nil {
		bad.Add("query", "What stands after the question mark can't be read.")
	}
	return bad.Err()
}

// offerWhole leads from an address whose query was refused to the page without one.
func (r *request) offerWhole(p views.Page, v *views.ErrorView) {
	if r.route.method != http.MethodGet || r.Request.URL.RawQuery == "" {
		return
	}
	v.Text = p.T("Nothing is shown, rather than more than was asked for.")
	v.Href, v.Link = pageOf(r.Request.URL.EscapedPath()), p.T("Open the page without it")
}

// pageOf is the page that an export or a part of a page belongs to.
func pageOf(path string) string {
	for _, end := range []string{"/servers.csv", "/lines.csv", "/list", "/progress"} {
		page, ok := strings.CutSuffix(path, end)
		if ok && end == "/servers.csv" && strings.Contains(page, "/backup-servers/") {
			return page + "/remove"
		}
		if ok {
			return page
		}
	}
	return strings.TrimSuffix(strings.TrimSuffix(path, ".csv"), ".yml")
}

// sentFrom is the query string that a page of ours wrote into a form, at most one.
func sentFrom(form url.Values, known ...string) (url.Values, wtp.Invalid) {
	q, err := url.ParseQuery(form.Get("query"))
	bad := wtp.CheckSent(q, known...)
	if err != nil || len(form["query"]) > 1 {
		bad.Add("query", "The address of the list can't be read.")
	}
	if len(bad) > 0 {
		return url.Values{}, bad
	}
	return q, nil
}
