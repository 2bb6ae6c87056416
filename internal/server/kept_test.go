package server

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
)

// end ends every session of a person, as another of their browsers does.
func (c *console) end(name string) {
	c.t.Helper()
	u, err := c.store.UserByName(c.ctx(), name)
	require.NoError(c.t, err)
	require.NoError(c.t, c.store.EndSessions(c.ctx(), c.system(), u.ID, ""))
}

// keptForm is the form that a page holds.
func (a answer) keptForm() *goquery.Selection {
	a.t.Helper()
	return a.is(http.StatusUnauthorized).page().Find(`form[aria-labelledby="h-kept"]`)
}

// again presses the button of a kept form, as a browser without scripts does.
func (b *browser) again(form *goquery.Selection) answer {
	b.c.t.Helper()
	require.Equal(b.c.t, 1, form.Length())
	require.Equal(b.c.t, "post", form.AttrOr("method", ""))
	var body bytes.Buffer
	parts, values := multipart.NewWriter(&body), []string{}
	form.Find("input:not([type=file]), textarea").Each(func(_ int, s *goquery.Selection) {
		name, value := s.AttrOr("name", ""), s.AttrOr("value", "")
		if goquery.NodeName(s) == "textarea" {
			value = s.Text()
		}
		value = strings.ReplaceAll(value, "\n", "\r\n")
		require.NoError(b.c.t, parts.WriteField(name, value))
		values = append(values, url.QueryEscape(name)+"="+url.QueryEscape(value))
	})
	require.NoError(b.c.t, parts.Close())
	kind, text := "application/x-www-form-urlencoded", strings.Join(values, "&")
	if form.AttrOr("enctype", "") == "multipart/form-data" {
		kind, text = parts.FormDataContentType(), body.String()
	}
	return b.do(http.MethodPost, form.AttrOr("action", ""), kind, text)
}

// paste sends a list without a file, in the words of a browser.
func (b *browser) paste(list string) answer {
	const mark = "----WebKitFormBoundary0"
	part := func(head, text string) string {
		return "--" + mark + "\r\nContent-Disposition: form-data; " + head + "\r\n\r\n" + text + "\r\n"
	}
	return b.do(http.MethodPost, "/p/shop/servers/import", "multipart/form-data; boundary="+mark,
		part(`name="list"`, list)+part("name=\"file\"; filename=\"\"\r\nContent-Type: application/octet-stream", "")+"--"+mark+"--\r\n")
}

func TestAListSentAfterTheSessionIsKept(t *testing.T) {
	c, p, b := shop(t, fleet(60))
	list := "\r\nhost-00001\r\nweb-00002\r\n  10.0.0.3\r\n<script>alert(1)</script>\r\n</textarea>&amp;\r\n"
	c.end("mei")
	a := b.paste(list)
	form := a.keptForm()
	require.Equal(t, "/p/shop/servers/import", form.AttrOr("action", ""))
	require.Equal(t, strings.ReplaceAll(list, "\r\n", "\n"), form.Find("textarea[name=list]").Text())
	require.Zero(t, form.Find("input[type=file]").Length(), "an empty file field is not a chosen file")
	require.Zero(t, a.page().Find("main script").Length())
	require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
	require.NotContains(t, a.Header.Get("Content-Security-Policy"), "unsafe")
	link := a.page().Find(`a[target=_blank]`)
	require.Equal(t, "noopener", link.AttrOr("rel", ""))
	require.Equal(t, "/sign-in?next=%2Fp%2Fshop%2Fservers%2Fimport", link.AttrOr("href", ""))
	require.NotContains(t, c.log.String(), "host-00001")

	// Too early: the same page, nothing lost.
	form = b.again(form).keptForm()
	require.Equal(t, strings.ReplaceAll(list, "\r\n", "\n"), form.Find("textarea[name=list]").Text())

	// A person who may not: the ordinary refusal.
	viewer := c.as(c.user("vic", wtp.Viewer))
	require.Contains(t, viewer.again(form).is(http.StatusForbidden).text, "Your role does not allow this.")

	b.signIn("mei", passwordOf("mei"), "/").is(http.StatusSeeOther)
	path := b.again(form).is(http.StatusSeeOther).Header.Get("Location")
	require.Equal(t, "3 servers found in Shop", said(b.get(path).is(200).page().Find(".big")))
	require.Zero(t, c.selected("mei", p))
}

func TestALongListIsKeptWholeAndATooLongOneIsNot(t *testing.T) {
	c, _, b := shop(t, fleet(1))
	c.end("mei")
	list := strings.Repeat("0123456789abcdef0123456789abcdef\n", 90_000)
	require.Equal(t, list, b.paste(list).keptForm().Find("textarea").Text())

	a := b.paste(strings.Repeat("x", wtp.MaxImportBytes+1))
	require.Zero(t, a.keptForm().Length())
	require.Contains(t, a.text, "Sign in and send it again.")
	a = b.post("/p/shop/sets", "name", strings.Repeat("x", maxBody))
	require.Zero(t, a.keptForm().Length())
	require.Zero(t, b.post("/p/shop/sets", make([]string, 2*maxKept+2)...).keptForm().Length())
}

func TestAFileIsAskedForAgain(t *testing.T) {
	c, _, b := shop(t, fleet(5))
	c.end("mei")
	a := b.upload("/p/shop/servers/import", "", "host_id\nhost-00001\n")
	form := a.keptForm()
	require.Equal(t, "multipart/form-data", form.AttrOr("enctype", ""))
	require.Equal(t, "file", form.Find("input[type=file]").AttrOr("name", ""))
	require.Contains(t, said(form), "Choose the file again")
	require.NotContains(t, a.text, "host-00001")
}

func TestAConfirmationSentAfterTheSessionIsKept(t *testing.T) {
	c, p, b := shop(t, mixed())
	path := b.preview("enable")
	reason := "Roll-out \"wave\" 6,\r\n第六批 <b>&amp;</b>"
	c.later.Store(int64(31 * time.Minute)) // idle for too long
	a := b.post(path+"/confirm", "reason", reason, "ticket", "CHG-1", "ramp", "")
	form := a.keptForm()
	require.Equal(t, path+"/confirm", form.AttrOr("action", ""))
	require.Equal(t, strings.ReplaceAll(reason, "\r\n", "\n"), form.Find("textarea[name=reason]").Text())
	require.Equal(t, "CHG-1", form.Find("textarea[name=ticket]").Text())
	require.Equal(t, 1, form.Find("input[type=hidden][name=ramp]").Length())
	_, err := c.store.Change(c.ctx(), p.ID, 1)
	require.ErrorIs(t, err, wtp.ErrNotFound)

	c.later.Store(0)
	b.signIn("mei", passwordOf("mei"), "/").is(http.StatusSeeOther)
	b.again(form).to("/p/shop/changes/1")
	b.again(form).to("/p/shop/changes/1") // twice is once
	change, err := c.store.Change(c.ctx(), p.ID, 1)
	require.NoError(t, err)
	require.Equal(t, reason, change.Reason)
	_, err = c.store.Change(c.ctx(), p.ID, 2)
	require.ErrorIs(t, err, wtp.ErrNotFound)
}

func TestKeptFieldsStayInOrderAndAreOnlyText(t *testing.T) {
	c, _, b := shop(t, fleet(1))
	c.end("mei")
	hostile := `"><img src=x onerror=alert(1)> '`
	var body string
	sent := [][2]string{{"host", "b"}, {hostile, hostile}, {"host", "a"}, {"op", ""}, {"host", "b"}, {"method", "get"}}
	for _, f := range sent {
		body += "&" + url.QueryEscape(f[0]) + "=" + url.QueryEscape(f[1])
	}
	a := b.do(http.MethodPost, "/p/shop/selection?a=%22%3E%3Cb%3E", "application/x-www-form-urlencoded; charset=utf-8", body)
	require.Zero(t, a.page().Find("main img, main b").Length())
	form := a.keptForm()
	require.Equal(t, "/p/shop/selection?a=%22%3E%3Cb%3E", form.AttrOr("action", ""))
	var kept [][2]string
	form.Find("input[type=hidden]").Each(func(_ int, s *goquery.Selection) {
		kept = append(kept, [2]string{s.AttrOr("name", ""), s.AttrOr("value", "")})
	})
	require.Equal(t, sent, kept)
}

func TestOnlyAnEndedSessionHasItsFormKept(t *testing.T) {
	c, _, b := shop(t, fleet(1))
	b.headers = http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {c.http.URL}}
	never := c.browser()
	require.Zero(t, never.post("/p/shop/sets", "name", "marker").keptForm().Length())
	never.plant(c.server.sessionCookie(), "no-such-token")
	require.Zero(t, never.post("/p/shop/sets", "name", "marker").keptForm().Length())

	c.end("mei")
	require.Equal(t, "marker", b.post("/p/shop/sets", "name", "marker").keptForm().Find("[name=name]").Text())
	for _, body := range []string{"", "&&", "name=%zz"} {
		require.Zero(t, b.do(http.MethodPost, "/p/shop/sets", "application/x-www-form-urlencoded", body).keptForm().Length(), body)
	}
	require.Zero(t, b.do(http.MethodPost, "/p/shop/sets", "text/plain", "name=marker").keptForm().Length())
	b.get("/p/shop/sets").to("/sign-in?next=%2Fp%2Fshop%2Fsets")
	b.headers.Set("HX-Request", "true")
	require.Empty(t, b.post("/p/shop/selection/bar", "host", "x").is(http.StatusUnauthorized).text)
	b.headers = http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}}
	require.NotContains(t, b.post("/p/shop/sets", "name", "marker").is(http.StatusForbidden).text, "marker")
}

// TestNoFormWithASecretIsKept walks all pages for the fields that hold a secret, and
// sends each to every address.
func TestNoFormWithASecretIsKept(t *testing.T) {
	secrets := map[string]bool{}
	collect := func(a answer) {
		a.page().Find("input[type=password]").Each(func(_ int, s *goquery.Selection) { secrets[s.AttrOr("name", "")] = true })
	}
	fresh := startEmpty(t)
	setup := fresh.browser().get("/setup").is(200)
	collect(setup)
	require.Equal(t, 1, setup.page().Find("[name=code]").Length())
	secrets["code"] = true

	c := start(t)
	project := c.project()
	root, err := c.store.UserByName(c.ctx(), "root")
	require.NoError(t, err)
	b := c.as(root)
	collect(c.browser().get("/sign-in").is(200))
	var posts []route
	for _, rt := range c.server.routes() {
		if rt.method == http.MethodGet {
			if a := b.get(address(rt, project)); strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
				collect(a)
			}
		} else if rt.verb != public {
			posts = append(posts, rt)
		}
	}
	require.Equal(t, map[string]bool{"password": true, "again": true, "present": true, "secret": true, "code": true}, secrets)

	c.end("root")
	for name := range secrets {
		require.True(t, holdsSecret(name), name)
		for i, rt := range posts {
			marker := fmt.Sprintf("marker-%s-%d", name, i)
			a := b.post(address(rt, project), "kind", "x", "reason", "typed", name, marker)
			require.Zero(t, a.keptForm().Length(), rt.path)
			require.NotContains(t, a.text, marker)
			require.Zero(t, b.post(address(rt, project), "reason", "typed", name, "").keptForm().Length(), "not filled in: %s", rt.path)
			require.NotContains(t, c.log.String(), marker)
		}
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		require.NoError(t, w.WriteField("list", "typed"))
		require.NoError(t, w.WriteField(name, "marker"))
		require.NoError(t, w.Close())
		require.Zero(t, b.do(http.MethodPost, "/p/shop/servers/import", w.FormDataContentType(), body.String()).keptForm().Length())
	}
}
