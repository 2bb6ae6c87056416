package server

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"os"
	"sort"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
)

var update = flag.Bool("update", false, "write the golden table of rights anew")

// address fills the parameters of a route with things that exist, as far as
// they can, or that are well-formed.
func address(rt route, p wtp.Project) string {
	path := strings.NewReplacer(":project", p.Slug, ":number", "1", ":uid", "no-such-plan", ":host_id", "no-such-host", ":id", "1",
		"*file", "none.css").Replace(rt.path)
	return path
}

func TestEveryRouteNamesAVerb(t *testing.T) {
	c := start(t)
	known := map[wtp.Verb]bool{public: true, wtp.Read: true, wtp.Act: true, wtp.Administer: true}
	open := map[string]bool{}
	seen := map[string]bool{}
	for _, rt := range c.server.routes() {
		require.True(t, known[rt.verb], "%s %s", rt.method, rt.path)
		require.NotNil(t, rt.handle, rt.path)
		require.Contains(t, []string{http.MethodGet, http.MethodPost}, rt.method, rt.path)
		require.False(t, seen[rt.method+rt.path], "%s %s is there twice", rt.method, rt.path)
		seen[rt.method+rt.path] = true
		if rt.verb == public {
			open[rt.method+" "+rt.path] = true
		}
		require.False(t, rt.poll && rt.method != http.MethodGet, rt.path)
	}
	require.Equal(t, map[string]bool{
		"GET /healthz": true, "GET /readyz": true, "GET /static/*file": true, "GET /setup": true, "POST /setup": true,
		"GET /sign-in": true, "POST /sign-in": true, "POST /sign-out": true, "POST /language": true,
	}, open, "a new public route needs a line here")
}

// TestRightsAreAsAgreed asks every route as everybody and compares who gets past
// the check of rights with the table in testdata.
func TestRightsAreAsAgreed(t *testing.T) {
	c := start(t)
	project := c.project()
	people := []struct {
		name string
		b    *browser
	}{{"anonymous", c.browser()}}
	expired := c.browser()
	expired.plant(c.server.sessionCookie(), "no-such-token")
	people = append(people, struct {
		name string
		b    *browser
	}{"expired", expired})
	for _, role := range wtp.Roles() {
		people = append(people, struct {
			name string
			b    *browser
		}{string(role), c.as(c.user("a "+string(role), role))})
	}
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "method\troute")
	for _, p := range people {
		fmt.Fprintf(w, "\t%s", p.name)
	}
	fmt.Fprintln(w)
	routes := c.server.routes()
	sort.Slice(routes, func(i, j int) bool { return routes[i].path+routes[i].method < routes[j].path+routes[j].method })
	for _, rt := range routes {
		if rt.path == "/sign-out" { // ends the very sessions that ask
			continue
		}
		fmt.Fprintf(w, "%s\t%s", rt.method, rt.path)
		for _, p := range people {
			fmt.Fprintf(w, "\t%s", verdict(p.b, rt, address(rt, project)))
		}
		fmt.Fprintln(w)
	}
	require.NoError(t, w.Flush())
	const golden = "testdata/rights.txt"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, table.Bytes(), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), table.String(), "rights changed; if that is meant, run go test -run Rights -update")
}

// verdict sends an empty request, so that nothing is ever done.
func verdict(b *browser, rt route, path string) string {
	var a answer
	if rt.method == http.MethodPost {
		a = b.do(http.MethodPost, path, "text/plain", "") // not a form: refused with 415 by who gets that far
	} else {
		a = b.get(path)
	}
	switch {
	case a.StatusCode == http.StatusForbidden:
		return "forbidden"
	case a.StatusCode == http.StatusUnauthorized, strings.HasPrefix(a.Header.Get("Location"), "/sign-in"):
		return "sign-in"
	case a.StatusCode >= 500:
		return fmt.Sprintf("BROKEN(%d)", a.StatusCode)
	}
	return "yes"
}

func TestEveryWriteRefusesOtherSites(t *testing.T) {
	c := start(t)
	project := c.project()
	root, err := c.store.UserByName(c.ctx(), "root")
	require.NoError(t, err)
	events, err := c.store.Events(c.ctx(), eventsOf())
	require.NoError(t, err)
	for name, headers := range map[string]http.Header{
		"cross-site":        {"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}},
		"same-site sibling": {"Sec-Fetch-Site": {"same-site"}, "Origin": {"http://sub.127.0.0.1"}},
		"null origin":       {"Origin": {"null"}},
		"other origin":      {"Origin": {"https://evil.example"}},
		"http downgrade":    {"Origin": {"http://127.0.0.1"}, "Sec-Fetch-Site": {"cross-site"}},
	} {
		b := c.as(root)
		b.headers = headers
		for _, rt := range c.server.routes() {
			if rt.method != http.MethodPost {
				continue
			}
			a := b.post(address(rt, project), "name", "root", "password", passwordOf("root"), "language", "zh-CN")
			require.Equal(t, http.StatusForbidden, a.StatusCode, "%s: POST %s", name, rt.path)
			require.Empty(t, a.Cookies(), "%s: POST %s", name, rt.path)
		}
		b.headers = http.Header{}
		b.get("/account").is(200) // not signed out
	}
	after, err := c.store.Events(c.ctx(), eventsOf())
	require.NoError(t, err)
	require.Equal(t, len(events)+5, len(after), "nothing but our own five sign-ins was done")

	good := c.as(root)
	good.headers = http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {c.http.URL}}
	good.post("/account/theme", "theme", "dark").to("/account")
}

func TestReadsByOtherSitesPagesAreRefused(t *testing.T) {
	c := start(t)
	root, err := c.store.UserByName(c.ctx(), "root")
	require.NoError(t, err)
	b := c.as(root)
	b.headers = http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Dest": {"script"}}
	b.get("/account").is(http.StatusForbidden)
	b.headers = http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}}
	b.get("/account").is(200) // a link in a chat
}

func TestFormsOfOtherKindsAreRefused(t *testing.T) {
	c := start(t)
	root, err := c.store.UserByName(c.ctx(), "root")
	require.NoError(t, err)
	b := c.as(root)
	b.do(http.MethodPost, "/account/theme", "text/plain", "theme=dark").is(http.StatusUnsupportedMediaType)
	b.do(http.MethodPost, "/account/theme", "", "theme=dark").is(http.StatusUnsupportedMediaType)
	b.do(http.MethodPost, "/account/theme", "application/json", `{"theme":"dark"}`).is(http.StatusUnsupportedMediaType)
	b.do(http.MethodPost, "/account/theme", "application/x-www-form-urlencoded", "theme=%zz").is(http.StatusBadRequest)
	b.do(http.MethodPost, "/account/theme", "application/x-www-form-urlencoded", "theme=dark&x="+strings.Repeat("a", maxBody)).is(http.StatusRequestEntityTooLarge)
	b.do(http.MethodPost, "/account/theme?theme=dark", "application/x-www-form-urlencoded", "").to("/account")
	require.Empty(t, b.cookie("theme"), "a value in the address is not a value of the form")
	// An address that takes a form leads to the page with the form, and does nothing.
	b.get("/account/theme?_method=POST&theme=dark").is(http.StatusSeeOther)
	require.Equal(t, "/", b.get("/").Request.URL.Path)
}
