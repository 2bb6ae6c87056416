package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWhatWasTypedOutlivesTheSession sends a list and a reason after another sign-in
// ended the session, looks at what comes, signs in beside it and sends them again.
func TestWhatWasTypedOutlivesTheSession(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	at, password := startDemo(t)
	signIn := func(b *browser) {
		b.fill("#name", "mei")
		b.fill("#password", password)
		b.follow("form [type=submit]")
	}
	endTheOthers := func() {
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		elsewhere := &http.Client{Jar: jar}
		for _, path := range []string{"/sign-in", "/account/sessions/end-others"} {
			resp, err := elsewhere.PostForm(at+path, url.Values{"name": {"mei"}, "password": {password}})
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, http.StatusOK, resp.StatusCode, path)
		}
	}
	send := `form[aria-labelledby=h-kept] [type=submit]`
	look := func(name string) {
		for _, lang := range []string{"en", "zh-CN"} {
			b.cookie(at, "lang", lang)
			b.follow(send) // too early: the page comes again, in that language
			require.Equal(t, lang, eval[string](b, `document.documentElement.lang`))
			b.still()
			for _, dark := range []bool{false, true} {
				b.dark(dark)
				for _, width := range []int64{1440, 390} {
					b.size(width)
					full := fmt.Sprintf("%s.%s.%d%s", name, lang, width, map[bool]string{true: ".dark"}[dark])
					b.fullShot(full)
					require.LessOrEqual(t, eval[int](b, `document.documentElement.scrollWidth`), int(width), "%s: %s", full, b.widest())
					require.Empty(t, b.spilling(), full)
					require.Empty(t, b.axe(), full)
				}
			}
		}
		b.cookie(at, "lang", "en")
		b.dark(false)
		b.size(1440)
	}
	goOn := func() {
		beside := b.tab()
		beside.open(at + eval[string](b, `document.querySelector("main a[target=_blank]").getAttribute("href")`))
		signIn(beside)
		b.follow(send)
	}

	b.open(at + "/sign-in")
	signIn(b)
	preview := b.planStorefront(at, 1000)
	b.open(at + "/p/web-prod/servers/import")
	list := "\nnobody-has-this-name\n" + strings.Repeat("192.0.2.1; <b>x</b> & y\n", 400)
	b.paste("#list", list)
	endTheOthers()
	b.follow("form.card [type=submit]")
	require.Equal(t, list, eval[string](b, `document.querySelector("[name=list]").value`))
	look("kept-list")
	require.Equal(t, list, eval[string](b, `document.querySelector("[name=list]").value`))
	goOn()
	require.Contains(t, b.where(), "/servers/import/")
	require.Contains(t, b.text("main"), "nobody-has-this-name")

	b.open(at + preview)
	b.paste("#reason", "Roll-out of dynamic WTP,\nwave 9: storefront")
	b.fill("#ticket", "CHG-20903")
	endTheOthers()
	b.follow("#go")
	look("kept-reason")
	goOn()
	require.Contains(t, b.where(), "/p/web-prod/changes/")
	require.Contains(t, b.text("main"), "wave 9: storefront")
	require.Empty(t, b.complaints())
}
