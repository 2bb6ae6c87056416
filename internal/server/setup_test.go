package server

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"wtp-console/internal/auth"
	"wtp-console/internal/wtp"
)

func (c *console) code() string {
	c.t.Helper()
	code, hash := auth.NewSetupCode()
	require.NoError(c.t, c.store.SetSetupCode(c.ctx(), hash, wtp.At(time.Now().Add(30*time.Minute))))
	return code
}

func TestEverythingLeadsToSetupUntilItIsDone(t *testing.T) {
	c := startEmpty(t)
	b := c.browser()
	for _, path := range []string{"/", "/sign-in", "/p/shop", "/settings", "/nowhere", "/events"} {
		b.get(path).to("/setup")
	}
	b.signIn("root", "x", "/").to("/setup")
	b.get("/healthz").is(200)
	b.get("/readyz").is(200)
	b.get(c.config.Assets.URL("console.css")).is(200)
	b.post("/language", "language", "zh-CN", "next", "/setup").to("/setup")
	require.Contains(t, b.get("/setup").is(200).text, "一次性代码")
	b.post("/language", "language", "en", "next", "/setup").to("/setup")
	page := b.get("/setup").is(200).page()
	require.Equal(t, 4, page.Find("form[action='/setup'] input").Length())

	code := c.code()
	b.post("/setup", "code", strings.ToLower(code), "name", "Mei Chen", "password", "eleven grey seagulls", "again", "eleven grey seagulls").to("/")
	b.get("/account").is(200)
	b.get("/").to("/settings")
	b.get("/setup").is(http.StatusNotFound)
	b.post("/setup", "code", code, "name", "Eve", "password", "eleven grey seagulls", "again", "eleven grey seagulls").is(http.StatusNotFound)
	require.NotContains(t, c.log.String(), code)
	require.NotContains(t, c.log.String(), "seagulls")
}

func TestSetupNamesEachFaultAndKeepsTheName(t *testing.T) {
	c := startEmpty(t)
	c.code()
	b := c.browser()
	page := b.post("/setup", "code", "x", "name", "Mei", "password", "short", "again", "other").is(422).page()
	require.Equal(t, 2, page.Find("#errors li").Length())
	require.Equal(t, "Mei", page.Find("input[name=name]").AttrOr("value", ""))
	require.Equal(t, "password-err password-hint", page.Find("#password").AttrOr("aria-describedby", ""))
	require.Empty(t, page.Find("#password").AttrOr("value", ""))
	page = b.post("/setup", "code", "WRONG", "name", "Mei", "password", "eleven grey seagulls", "again", "eleven grey seagulls").is(422).page()
	require.Contains(t, page.Find("#code-err").Text(), "The code is wrong or no longer valid.")
	for name, want := range map[string]string{"": "Enter a name.", "a\u202eb": "can't be seen", strings.Repeat("n", 65): "at most 64", "аdmin": "look alike"} {
		page = b.post("/setup", "code", "WRONG", "name", name, "password", "eleven grey seagulls", "again", "eleven grey seagulls").is(422).page()
		require.Contains(t, page.Find("#name-err").Text(), want)
	}
}

func TestOneOfManySetupsWins(t *testing.T) {
	c := startEmpty(t)
	code := c.code()
	codes := make(chan int, 8)
	for i := range cap(codes) {
		b := c.browser()
		go func() {
			codes <- b.post("/setup", "code", code, "name", "admin "+string(rune('a'+i)), "password", "eleven grey seagulls", "again", "eleven grey seagulls").StatusCode
		}()
	}
	won := 0
	for range cap(codes) {
		switch got := <-codes; got {
		case http.StatusSeeOther:
			won++
		case http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusTooManyRequests:
		default:
			t.Errorf("unexpected status %d", got)
		}
	}
	require.Equal(t, 1, won)
	users, err := c.store.Users(c.ctx())
	require.NoError(t, err)
	require.Len(t, users, 1)
	require.Equal(t, wtp.Admin, users[0].Role)
}

func TestSetupCodeCannotBeGuessed(t *testing.T) {
	c := startEmpty(t)
	code := c.code()
	b := c.browser()
	for range setupTries {
		b.post("/setup", "code", "00000-00000-00000-00000", "name", "Eve", "password", "eleven grey seagulls", "again", "eleven grey seagulls").is(422)
	}
	a := b.post("/setup", "code", code, "name", "Eve", "password", "eleven grey seagulls", "again", "eleven grey seagulls").is(http.StatusTooManyRequests)
	require.NotEmpty(t, a.Header.Get("Retry-After"))
	c.later.Store(int64(setupWindow + time.Minute))
	b.post("/setup", "code", code, "name", "Mei", "password", "eleven grey seagulls", "again", "eleven grey seagulls").to("/")
}
