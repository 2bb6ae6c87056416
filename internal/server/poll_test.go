package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"

	"wtp-console/internal/auth"
	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/i18n"
	"wtp-console/internal/wtp"
	"wtp-console/static"
)

// TestAWatchingPageCostsOneQueryAPoll: while nothing moves, both things that a
// page of a change asks for by itself are one query each, the session's included,
// and swap nothing. Whatever moves is drawn at once.
func TestAWatchingPageCostsOneQueryAPoll(t *testing.T) {
	var queries atomic.Int64
	c := startEmpty(t, func(config *Config) {
		require.NoError(t, config.Store.Close())
		var err error
		config.Store, err = db.Open(t.Context(), db.Config{Path: filepath.Join(t.TempDir(), "counted.db"), Logger: slog.New(slog.DiscardHandler), OnQuery: func() { queries.Add(1) }})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, config.Store.Close()) })
		now := time.Now().Truncate(drawAnew)
		config.Now = func() time.Time { return now }
	})
	c.store = c.config.Store
	c.user("root", wtp.Admin)
	p := c.project()
	c.inventory(p, fleet(450))
	b := c.as(c.user("mei", wtp.Operator))
	path := b.confirm("enable", "because")

	poll := func(url, id string) (again string) {
		t.Helper()
		again = b.get(url).is(http.StatusOK).page().Find(id).AttrOr("hx-get", "")
		require.Contains(t, again, "stamp=")
		queries.Store(0)
		for range 3 {
			require.Empty(t, b.get(again).is(http.StatusNoContent).text)
		}
		require.EqualValues(t, 3, queries.Load(), "queries of three polls of %s", again)
		return again
	}
	first := b.get(path).is(http.StatusOK).page()
	progress := poll(first.Find("#progress").AttrOr("hx-get", ""), "#progress")
	running := poll(first.Find("#running").AttrOr("hx-get", ""), "#running")

	c.send(1, accept)
	for _, url := range []string{progress, running} {
		b.get(url).is(http.StatusOK)
	}
	progress = poll(progress, "#progress")
	require.NoError(t, c.store.Pause(c.ctx(), c.system(), "a freeze"))
	b.get(progress).is(http.StatusOK)

	// Whoever may no longer look isn't told that nothing moved.
	b.headers.Set("HX-Request", "true")
	nobody := c.browser()
	nobody.headers.Set("HX-Request", "true")
	require.NotEqual(t, http.StatusNoContent, nobody.get(progress).StatusCode)
}

// BenchmarkProgressFragment answers a poll of a change under way: drawn draws all
// that a poll swaps, unmoved finds that nothing has moved. The bar is 5 ms of
// server time, whatever the number of servers.
func BenchmarkProgressFragment(b *testing.B) {
	for _, kind := range []string{"sqlite", "postgres"} {
		for _, n := range []int{1_000, 10_000, 100_000} {
			b.Run(fmt.Sprintf("%s/servers=%d", kind, n), func(b *testing.B) {
				x, path := benchChange(b, kind, n)
				get := func(path string, status int) string { return x.get(b, path, status) }
				url := func(body string) string {
					d, err := goquery.NewDocumentFromReader(strings.NewReader(body))
					if err != nil {
						b.Fatal(err)
					}
					return d.Find("#progress").AttrOr("hx-get", "")
				}
				page := get(path, http.StatusOK)
				drawn := url(page)
				unmoved := url(get(drawn, http.StatusOK))
				for _, c := range []struct {
					name, url string
					status    int
				}{{"drawn", drawn, http.StatusOK}, {"unmoved", unmoved, http.StatusNoContent}} {
					b.Run(c.name, func(b *testing.B) {
						size := 0
						for b.Loop() {
							size = len(get(c.url, c.status))
						}
						b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)*200, "x_of_limit")
						b.ReportMetric(float64(size)/1000, "kB")
					})
				}
			})
		}
	}
}

// bench is a console of one project with n servers, for benchmarks.
type bench struct {
	store  *db.Store
	h      http.Handler
	actor  wtp.Actor
	p      wtp.Project
	cookie *http.Cookie
}

func newBench(b *testing.B, kind string, n int) bench {
	b.Helper()
	ok := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	ctx, actor, now := b.Context(), wtp.Actor{Name: "bench", Role: wtp.Admin}, time.Now().Truncate(drawAnew)
	store, err := db.Open(ctx, dbtest.Config(b, kind))
	ok(err)
	b.Cleanup(func() { _ = store.Close() })
	catalogue, err := i18n.Load()
	ok(err)
	s, err := New(Config{Store: store, Assets: static.New(), Catalogue: catalogue, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
	ok(err)
	u, err := store.CreateUser(ctx, actor, wtp.User{Name: "mei", NameKey: "mei", PasswordHash: "x", Role: wtp.Admin})
	ok(err)
	k, err := store.CreateCredential(ctx, actor, wtp.Credential{UID: "c", Name: "c", Kind: wtp.AccessKey, SealedSecret: "v1.k.x"})
	ok(err)
	p, err := store.CreateProject(ctx, actor, wtp.Project{Name: "p", Region: "r", HSSProjectID: "p", CredentialID: k.ID})
	ok(err)
	_, _, err = store.ClaimRead(ctx, "bench", time.Hour)
	ok(err)
	_, err = store.SaveInventory(ctx, p.ID, "bench", store.Now(), fleet(n), nil)
	ok(err)
	token, hash := auth.NewToken()
	ok(store.CreateSession(ctx, wtp.Actor{UserID: u.ID, Name: u.Name}, wtp.Session{TokenHash: hash, UserID: u.ID, ExpiresAt: wtp.At(time.Now().Add(time.Hour))}))
	return bench{store, s.Handler(), wtp.Actor{UserID: u.ID, Name: u.Name, Role: u.Role}, p, &http.Cookie{Name: s.sessionCookie(), Value: token}}
}

// get answers a request of the page's reader.
func (x bench) get(b *testing.B, path string, status int) string {
	b.Helper()
	r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	r.AddCookie(x.cookie)
	w := httptest.NewRecorder()
	if x.h.ServeHTTP(w, r); w.Code != status {
		b.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

// benchChange is a console whose only change, of n servers, is half sent.
func benchChange(b *testing.B, kind string, n int) (x bench, path string) {
	b.Helper()
	ok := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	x = newBench(b, kind, n)
	ctx, store := b.Context(), x.store
	plan, err := store.PlanDynamicWTP(ctx, x.actor, x.p.ID, wtp.Enable, db.PlanSource{Filter: &wtp.ServerFilter{}}, time.Hour)
	ok(err)
	c, err := store.Confirm(ctx, x.actor, x.p.ID, plan.UID, db.Confirmation{Reason: "bench"})
	ok(err)
	_, _, err = store.ClaimChange(ctx, "bench")
	ok(err)
	for range n / wtp.MaxHosts / 2 {
		batch, _, _, _, err := store.NextBatch(ctx, c.ID, "bench")
		ok(err)
		call, err := store.BeginCall(ctx, "bench", batch, wtp.Call{Operation: "SetRaspSwitch"})
		ok(err)
		ok(store.EndCall(ctx, "bench", call, db.Verdict{Kind: db.Accepted}))
	}
	return x, "/p/" + x.p.Slug + "/changes/" + strconv.FormatInt(c.Number, 10)
}
