package server

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3" // to look into the database file
	"github.com/stretchr/testify/require"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

func eventsOf() db.EventQuery { return db.EventQuery{Limit: 200} }

// failing is a console with a route that ends in err, or panics with it.
func failing(t *testing.T, err error, panics bool) *browser {
	t.Helper()
	c := start(t)
	c.server.handler = nil
	engine, engineErr := c.server.engine()
	require.NoError(t, engineErr)
	engine.GET("/fails", c.server.adapt(get("/fails", wtp.Read, func(*request) error {
		if panics {
			panic(err)
		}
		return err
	})))
	require.NoError(t, c.server.wrap(engine))
	c.http.Config.Handler = c.server.Handler()
	root, userErr := c.store.UserByName(c.ctx(), "root")
	require.NoError(t, userErr)
	return c.as(root)
}

func TestErrorsHaveOneStatusEach(t *testing.T) {
	var bad wtp.Invalid
	bad.Add("port", "Enter a port from 1 to 65535.")
	for _, row := range []struct {
		err    error
		status int
		says   string
	}{
		{wtp.ErrNotFound, 404, "There is no such page"},
		{fmt.Errorf("project shop: %w", wtp.ErrNotFound), 404, "no longer exists"},
		{wtp.ErrConflict, 409, "Somebody or something was faster"},
		{&wtp.Refused{Kind: wtp.ErrConflict, Text: wtp.Say("Change %d of this project is still under way. Wait for it or stop it first.", 7)}, 409, "Change 7 of"},
		{&wtp.Refused{Kind: wtp.ErrForbidden, Text: wtp.Say("No.")}, 403, "No."},
		{wtp.ErrForbidden, 403, "Your role"},
		{bad, 422, "Enter a port"},
		{&wtp.Upstream{Text: wtp.Say("The agent is offline. Try again when it is online."), Code: "HSS.0216", Message: "agent offline", RequestID: "r-1"}, 502, "HSS.0216"},
		{busy{wait: time.Minute}, 429, "Too many tries"},
		{fmt.Errorf("confirming: %w", db.ErrDiskFull), 507, "nothing was sent to HSS"},
		{fmt.Errorf("confirming: %w", db.ErrUnwritable), 503, "nothing was sent to HSS. The database is at /"},
		{errTooLarge, 413, "1 MiB"},
		{errors.New("boom"), 500, "Something went wrong"},
	} {
		a := failing(t, row.err, false).get("/fails").is(row.status)
		require.Contains(t, a.text, row.says)
		require.Equal(t, "text/html; charset=utf-8", a.Header.Get("Content-Type"))
		require.True(t, strings.HasPrefix(a.text, "<!doctype html>"))
		require.Contains(t, a.page().Find(".facts").Text(), a.Header.Get("X-Request-Id"))
	}
}

func TestUnexpectedErrorsStayInTheLog(t *testing.T) {
	for _, panics := range []bool{false, true} {
		b := failing(t, errors.New("marker-4711: dial tcp 10.0.0.7: secret"), panics)
		a := b.get("/fails").is(500)
		require.NotContains(t, a.text, "marker-4711")
		require.NotContains(t, a.text, "goroutine")
		require.Contains(t, b.c.log.String(), "marker-4711")
		require.Contains(t, b.c.log.String(), a.Header.Get("X-Request-Id"))
		b.headers.Set("HX-Request", "true")
		a = b.get("/fails").is(500)
		require.Equal(t, "#notice", a.Header.Get("HX-Retarget"))
		require.NotContains(t, a.text, "<html")
		require.NotContains(t, a.text, "marker-4711")
	}
}

func TestBrokenStoreIsAnErrorPageForEverybody(t *testing.T) {
	c := start(t)
	project := c.project()
	root, err := c.store.UserByName(c.ctx(), "root")
	require.NoError(t, err)
	b := c.as(root)
	require.NoError(t, c.store.Close())
	for _, rt := range c.server.routes() {
		if rt.path == "/healthz" || rt.path == staticRoute {
			continue
		}
		for _, who := range []*browser{b, c.browser()} {
			var a answer
			if rt.method == http.MethodPost {
				a = who.post(address(rt, project))
			} else {
				a = who.get(address(rt, project))
			}
			require.NotContains(t, a.text, "database", rt.path)
			require.NotContains(t, a.text, "sql:", rt.path)
			if rt.verb != public { // denied, and the handler never ran
				require.Contains(t, []int{401, 403, 500, 303}, a.StatusCode, "%s %s", rt.method, rt.path)
				require.NotEqual(t, 200, a.StatusCode)
			}
		}
	}
	b.get("/readyz").is(http.StatusServiceUnavailable)
	b.get("/healthz").is(200)
}

func TestUnknownAddressAndMethod(t *testing.T) {
	c := start(t)
	b := c.browser()
	require.Contains(t, b.get("/nowhere").is(404).text, "There is no such page")
	require.Contains(t, b.do(http.MethodDelete, "/account", "", "").is(405).text, "not for this kind of request")
	b.get("/p/").is(303)
	b.get("/nowhere/").is(303)
	b.get("/sign-in/").is(303)
	root, err := c.store.UserByName(c.ctx(), "root")
	require.NoError(t, err)
	c.as(root).get("/p/no-such-project").is(404)
	c.as(root).get("/p/no-such-project/running").is(404)
}

func TestHeadersAreOnEveryAnswer(t *testing.T) {
	c := start(t)
	project := c.project()
	root, err := c.store.UserByName(c.ctx(), "root")
	require.NoError(t, err)
	check := func(a answer, what string) {
		t.Helper()
		h := a.Header
		require.Equal(t, policy, h.Get("Content-Security-Policy"), what)
		require.NotContains(t, policy, "unsafe")
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), what)
		require.Equal(t, "no-referrer", h.Get("Referrer-Policy"), what)
		require.Equal(t, "same-origin", h.Get("Cross-Origin-Opener-Policy"), what)
		require.Equal(t, "same-origin", h.Get("Cross-Origin-Resource-Policy"), what)
		require.Equal(t, "require-corp", h.Get("Cross-Origin-Embedder-Policy"), what)
		require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-7`, h.Get("X-Request-Id"), what)
		require.Empty(t, h.Get("Server"))
	}
	b := c.as(root)
	for _, rt := range c.server.routes() {
		for _, who := range []*browser{c.browser(), b} {
			var a answer
			if rt.method == http.MethodPost {
				a = who.do(http.MethodPost, address(rt, project), "text/plain", "")
			} else {
				a = who.get(address(rt, project))
			}
			check(a, rt.method+" "+rt.path)
			require.Equal(t, "no-store", a.Header.Get("Cache-Control"), rt.path)
		}
		if rt.path == "/sign-out" {
			b = c.as(root)
		}
	}
	a := b.get(c.config.Assets.URL("app.js")).is(200)
	check(a, "static")
	require.Contains(t, a.Header.Get("Cache-Control"), "immutable")
	check(b.get("/nowhere"), "404")
	check(b.do(http.MethodPut, "/account", "", ""), "405")
	b.headers.Set("Sec-Fetch-Site", "cross-site")
	check(b.post("/account/theme"), "cross-site")
}

func TestLogHasNoQueryAndNoSecret(t *testing.T) {
	c := start(t)
	b := c.browser()
	b.get("/sign-in?next=%2Fsecretquery")
	b.signIn("root", "my-secret-typo", "/")
	require.NotContains(t, c.log.String(), "secretquery")
	require.NotContains(t, c.log.String(), "my-secret-typo")
}

func TestSpoofedProxyHeadersAreIgnored(t *testing.T) {
	c := start(t)
	b := c.browser()
	for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		b.headers.Set(name, "203.0.113.9")
	}
	b.signIn("root", passwordOf("root"), "/account").to("/account")
	require.Contains(t, b.get("/account").is(200).text, "127.0.0.1")
	require.NotContains(t, b.get("/account").is(200).text, "203.0.113.9")

	trusting := start(t, func(conf *Config) { conf.TrustedProxies = []string{"127.0.0.0/8"} })
	b = trusting.browser()
	b.headers.Set("X-Forwarded-For", "203.0.113.9")
	b.signIn("root", passwordOf("root"), "/account").to("/account")
	require.Contains(t, b.get("/account").is(200).text, "203.0.113.9")
	conf := trusting.config
	conf.TrustedProxies = []string{"nonsense"}
	_, err := New(conf)
	require.ErrorContains(t, err, "nonsense")
}

func TestReadingDoesNotCountAsActivityWhenThePageAsks(t *testing.T) {
	c := start(t)
	root, err := c.store.UserByName(c.ctx(), "root")
	require.NoError(t, err)
	polls := 0
	for _, rt := range c.server.routes() {
		if rt.poll {
			polls++
		}
	}
	require.GreaterOrEqual(t, polls, 2)
	b := c.as(root)
	b.get("/running").is(200)
	live, err := c.store.Sessions(c.ctx(), root.ID)
	require.NoError(t, err)
	require.Len(t, live, 1)
	require.Equal(t, live[0].CreatedAt, live[0].LastSeenAt)
}

// tables dumps every table of the database, without the time of last use that a
// session keeps.
func tables(t *testing.T, c *console) map[string]string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy.db")
	require.NoError(t, c.store.Backup(c.ctx(), copied))
	d, err := sql.Open("sqlite3", copied)
	require.NoError(t, err)
	defer d.Close()
	names, err := d.Query("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
	require.NoError(t, err)
	defer names.Close()
	out := map[string]string{}
	for names.Next() {
		var name string
		require.NoError(t, names.Scan(&name))
		rows, err := d.Query("SELECT * FROM " + name)
		require.NoError(t, err)
		columns, err := rows.Columns()
		require.NoError(t, err)
		for rows.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			require.NoError(t, rows.Scan(values...))
			for i, column := range columns {
				if column != "last_seen_at" {
					out[name] += fmt.Sprintf("%s=%v ", column, *values[i].(*any))
				}
			}
		}
		require.NoError(t, rows.Close())
	}
	require.NoError(t, names.Err())
	return out
}

func TestReadingChangesNothing(t *testing.T) {
	c := start(t)
	project := c.project()
	root, err := c.store.UserByName(c.ctx(), "root")
	require.NoError(t, err)
	b := c.as(root)
	before := tables(t, c)
	require.Contains(t, before, "events")
	for range 2 {
		for _, rt := range c.server.routes() {
			if rt.method == http.MethodGet {
				b.get(address(rt, project))
				b.do(http.MethodHead, address(rt, project), "", "")
			}
		}
	}
	require.Equal(t, before, tables(t, c))
}
