package server

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
)

func TestPasswordChangeEndsOtherSessionsAndRenewsThisOne(t *testing.T) {
	c := start(t)
	mei := c.user("Mei", wtp.Viewer)
	b, other := c.as(mei), c.as(mei)
	before := b.cookie(c.server.sessionCookie())

	page := b.post("/account/password", "present", "wrong horse", "password", "eleven grey seagulls", "again", "eleven").is(422).page()
	require.Equal(t, 2, page.Find("#errors li").Length())
	require.NotContains(t, page.Text(), "seagulls")
	other.get("/account").is(200)

	b.post("/account/password", "present", passwordOf("Mei"), "password", "eleven grey seagulls", "again", "eleven grey seagulls").to("/account")
	require.NotEqual(t, before, b.cookie(c.server.sessionCookie()))
	require.Contains(t, b.get("/account").is(200).text, "The password was changed.")
	other.get("/account").is(http.StatusSeeOther)
	c.browser().signIn("Mei", passwordOf("Mei"), "/").is(http.StatusUnauthorized)
	c.browser().signIn("Mei", "eleven grey seagulls", "/account").to("/account")
}

func TestPresentPasswordCannotBeGuessedFromInside(t *testing.T) {
	c := start(t)
	b := c.as(c.user("Mei", wtp.Viewer))
	for range 10 {
		b.post("/account/password", "present", "wrong horse", "password", "eleven grey seagulls", "again", "eleven grey seagulls").is(422)
	}
	b.post("/account/password", "present", passwordOf("Mei"), "password", "eleven grey seagulls", "again", "eleven grey seagulls").is(http.StatusTooManyRequests)
}

func TestPeopleSeeAndEndTheirOwnSessions(t *testing.T) {
	c := start(t)
	mei := c.user("Mei", wtp.Viewer)
	root, err := c.store.UserByName(c.ctx(), "root")
	require.NoError(t, err)
	b, second, third, admin := c.as(mei), c.as(mei), c.as(mei), c.as(root)
	page := b.get("/account").is(200).page()
	require.Equal(t, 3, page.Find("ul.list li").Length())
	require.Equal(t, 1, page.Find("ul.list .pill").Length())
	keys := page.Find("input[name=session]")
	require.Equal(t, 2, keys.Length())
	admin.post("/account/sessions/end", "session", keys.First().AttrOr("value", "")).is(http.StatusNotFound)

	b.post("/account/sessions/end", "session", keys.First().AttrOr("value", "")).to("/account")
	live := 0
	for _, o := range []*browser{second, third} {
		if o.get("/account").StatusCode == 200 {
			live++
		}
	}
	require.Equal(t, 1, live)
	b.post("/account/sessions/end-others").to("/account")
	second.get("/account").is(http.StatusSeeOther)
	third.get("/account").is(http.StatusSeeOther)
	b.get("/account").is(200)
	admin.get("/account").is(200)
}

func TestFlashCannotBePlanted(t *testing.T) {
	c := start(t)
	b, other := c.as(c.user("Mei", wtp.Viewer)), c.as(c.user("Li", wtp.Viewer))
	b.post("/account/theme", "theme", "light").to("/account")
	other.plant("wtp_flash", b.cookie("wtp_flash"))
	require.Zero(t, other.get("/account").is(200).page().Find(".notice[role=status]").Length())
	require.Equal(t, 1, b.get("/account").is(200).page().Find(".notice[role=status]").Length())
}
