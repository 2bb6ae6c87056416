package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
)

func TestAddAPersonWhoThenSignsIn(t *testing.T) {
	c, _, b := withCloud(t)
	b.post("/settings/people/new", "name", " Li Wei ", "role", "operator", "password", "orange tram at dawn", "again", "orange tram at dawn").to("/settings/people")
	d := b.get("/settings/people").is(http.StatusOK).page()
	require.Contains(t, d.Find("table.people").Text(), "Li Wei")
	require.Contains(t, d.Find(".notice").Text(), "Li Wei was added")
	u, err := c.store.UserByName(t.Context(), "li wei")
	require.NoError(t, err)
	require.Equal(t, wtp.Operator, u.Role)
	other := c.browser()
	other.post("/sign-in", "name", "Li Wei", "password", "orange tram at dawn").is(http.StatusSeeOther)
	other.get("/account").is(http.StatusOK)
}

func TestPersonRules(t *testing.T) {
	c, _, b := withCloud(t)
	good := []string{"name", "Li", "role", "viewer", "password", "orange tram at dawn", "again", "orange tram at dawn"}
	for _, row := range []struct{ field, value, wrong string }{
		{"name", "", "name"}, {"name", long(65), "name"}, {"name", "a\x00b", "name"}, {"name", "ROOT", "name"},
		{"role", "", "role"}, {"role", "owner", "role"}, {"again", "orange tram at dusk", "again"},
	} {
		a := b.post("/settings/people/new", with(good, row.field, row.value)...).is(http.StatusUnprocessableEntity)
		require.Equal(t, 1, a.page().Find(`#errors a[href="#`+row.wrong+`"]`).Length(), row)
		require.NotContains(t, a.text, "orange tram")
	}
	for _, weak := range []string{"short", "password123", long(129), "aaaaaaaaaa"} {
		d := b.post("/settings/people/new", with(with(good, "password", weak), "again", weak)...).is(http.StatusUnprocessableEntity).page()
		require.Equal(t, 1, d.Find("#password-err").Length(), weak)
	}
	users, err := c.store.Users(t.Context())
	require.NoError(t, err)
	require.Len(t, users, 1)
}

func TestTheLastAdminStays(t *testing.T) {
	c, _, b := withCloud(t)
	for _, path := range []string{"/settings/people/1/role", "/settings/people/1/disable"} {
		d := b.post(path, "role", "viewer").is(http.StatusConflict).page()
		require.Contains(t, d.Find("#errors").Text(), "last active admin")
	}
	c.user("second", wtp.Admin)
	b.post("/settings/people/1/role", "role", "viewer").to("/")
	b.get("/settings").is(http.StatusSeeOther) // a smaller role ended the session
}

func TestRoleAndSwitch(t *testing.T) {
	c, _, b := withCloud(t)
	li := c.user("Li", wtp.Operator)
	path := fmt.Sprintf("/settings/people/%d", li.ID)
	theirs := c.as(li)
	theirs.get("/account").is(http.StatusOK)
	b.post(path+"/role", "role", "").is(http.StatusUnprocessableEntity)
	b.post(path+"/role", "role", "viewer").to(path)
	theirs.get("/account").is(http.StatusSeeOther)
	b.post(path + "/disable").to(path)
	require.Contains(t, b.get(path).page().Find(".pill").Text(), "Disabled")
	c.browser().post("/sign-in", "name", "Li", "password", passwordOf("Li")).is(http.StatusUnauthorized)
	b.post(path + "/enable").to(path)
	c.browser().post("/sign-in", "name", "Li", "password", passwordOf("Li")).is(http.StatusSeeOther)
	b.get("/settings/people/99").is(http.StatusNotFound)
	b.get("/settings/people/x").is(http.StatusNotFound)
}

func TestResetAPassword(t *testing.T) {
	c, _, b := withCloud(t)
	li := c.user("Li", wtp.Viewer)
	theirs := c.as(li)
	path := fmt.Sprintf("/settings/people/%d", li.ID)
	b.post(path+"/password", "password", "orange tram at dawn", "again", "orange").is(http.StatusUnprocessableEntity)
	b.post(path+"/password", "password", "short", "again", "short").is(http.StatusUnprocessableEntity)
	theirs.get("/account").is(http.StatusOK)
	b.post(path+"/password", "password", "orange tram at dawn", "again", "orange tram at dawn").to(path)
	theirs.get("/account").is(http.StatusSeeOther)
	c.browser().post("/sign-in", "name", "Li", "password", "orange tram at dawn").is(http.StatusSeeOther)
	// One's own sessions go on where the reset was made.
	b.post("/settings/people/1/password", "password", "green tram at dawn", "again", "green tram at dawn").to("/settings/people/1")
	b.get("/settings").is(http.StatusOK)
}

func TestEndSignInsOfAPerson(t *testing.T) {
	c, _, b := withCloud(t)
	li := c.user("Li", wtp.Viewer)
	first, second := c.as(li), c.as(li)
	path := fmt.Sprintf("/settings/people/%d", li.ID)
	d := b.get(path).page()
	require.Equal(t, 2, d.Find("input[name=session]").Length())
	b.post(path+"/sessions/end", "session", "nonsense").is(http.StatusNotFound)
	b.post(path+"/sessions/end", "session", d.Find("input[name=session]").First().AttrOr("value", "")).to(path)
	left := 0
	for _, x := range []*browser{first, second} {
		if x.get("/account").StatusCode == http.StatusOK {
			left++
		}
	}
	require.Equal(t, 1, left)
	b.post(path + "/sessions/end-all").to(path)
	first.get("/account").is(http.StatusSeeOther)
	second.get("/account").is(http.StatusSeeOther)
}

func TestEventsShowWhatWasDone(t *testing.T) {
	c, _, _ := withCloud(t)
	c.project()
	b := c.as(c.user("vera <b>", wtp.Viewer))
	d := b.get("/events").is(http.StatusOK).page()
	text := d.Find("main").Text()
	for _, part := range []string{"Added a credential", "Added a project", "Added a person", "Signed in", "vera <b>", "web history verify"} {
		require.Contains(t, text, part)
	}
	created := d.Find("tbody tr").FilterFunction(func(_ int, s *goquery.Selection) bool { return strings.Contains(s.Text(), "Added a credential") })
	require.Contains(t, created.Find("details").Text(), "access_key")
	require.Contains(t, created.Find("details").Text(), "AK")
	require.Equal(t, 1, b.get("/events?project=shop").is(http.StatusOK).page().Find("tbody tr").Length())
	b.get("/events?project=none").is(http.StatusNotFound)
	for _, bad := range []string{"x", "-1", "1e3", "99999999999999999999"} {
		refused := b.get("/events?before=" + bad).is(http.StatusUnprocessableEntity).page().Find("main")
		require.Contains(t, said(refused), fmt.Sprintf("%q is not a place in this list.", bad))
		require.Equal(t, "/events", refused.Find("a.btn-primary").AttrOr("href", ""))
	}
	require.Contains(t, said(b.get("/events?before=0").is(http.StatusOK).page().Find("main")), "Signed in")
}

func TestEventsArePagedByKey(t *testing.T) {
	c, _, b := withCloud(t)
	for i := range 120 {
		require.NoError(t, c.store.SetSetting(t.Context(), c.system(), wtp.CallsPerMinute, fmt.Sprint(i+1)))
	}
	seen := map[string]bool{}
	path, pages := "/events", 0
	for path != "" {
		d := b.get(path).is(http.StatusOK).page()
		d.Find("tbody tr").Each(func(_ int, s *goquery.Selection) {
			id := s.AttrOr("id", "")
			require.False(t, seen[id], id)
			seen[id] = true
		})
		path = d.Find(`.pager a[rel=next]`).AttrOr("href", "")
		pages++
	}
	require.Equal(t, 3, pages)
	require.Len(t, seen, 122)
}
