package server

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"wtp-console/internal/auth"
	"wtp-console/internal/wtp"
)

func (b *browser) signIn(name, password, next string) answer {
	return b.post("/sign-in", "name", name, "password", password, "next", next)
}

func TestSignInLeadsToWhereTheReaderWanted(t *testing.T) {
	c := start(t)
	b := c.browser()
	b.get("/settings/people?tab=roles").to("/sign-in?next=%2Fsettings%2Fpeople%3Ftab%3Droles")
	next, _ := b.get("/sign-in?next=%2Fsettings%2Fpeople%3Ftab%3Droles").is(200).page().Find("input[name=next]").Attr("value")
	require.Equal(t, "/settings/people?tab=roles", next)
	b.signIn(" ROOT ", passwordOf("root"), next).to("/settings/people?tab=roles")
	b.get("/account").is(200)
	b.get("/sign-in?next=/account").to("/account")
}

func TestOldHashesAreMadeAnewAtSignIn(t *testing.T) {
	c := start(t)
	old, err := c.store.UserByName(c.ctx(), "root")
	require.NoError(t, err)
	require.Contains(t, old.PasswordHash, "m=64,")
	c.browser().signIn("root", "wrong horse", "/").is(http.StatusUnauthorized)
	c.browser().signIn("root", passwordOf("root"), "/account").to("/account")
	now, err := c.store.UserByName(c.ctx(), "root")
	require.NoError(t, err)
	require.Contains(t, now.PasswordHash, "$argon2id$v=19$m=19456,t=2,p=1$")
	c.browser().signIn("root", passwordOf("root"), "/account").to("/account")
}

func TestWrongNameAndWrongPasswordAnswerTheSame(t *testing.T) {
	c := start(t)
	gone := c.user("gone", wtp.Viewer)
	_, err := c.store.ChangeUser(c.ctx(), c.system(), gone.ID, wtp.Viewer, true)
	require.NoError(t, err)
	var first string
	for _, try := range [][2]string{
		{"root", "wrong horse"}, {"nobody", "wrong horse"}, {"gone", passwordOf("gone")}, {"gone", "wrong horse"},
		{"\u202eroot", "wrong horse"}, {strings.Repeat("n", 300), "wrong horse"},
	} {
		a := c.browser().signIn(try[0], try[1], "/").is(http.StatusUnauthorized)
		require.Empty(t, a.Cookies())
		body := strings.ReplaceAll(a.text, `value="`+try[0]+`"`, `value=""`)
		if first == "" {
			first = body
		}
		require.Equal(t, first, body, try[0])
		require.NotContains(t, a.text, try[1])
	}
}

func TestGuessingIsStoppedPerAccount(t *testing.T) {
	c := start(t)
	inside := c.browser()
	inside.signIn("root", passwordOf("root"), "/account").to("/account")
	b := c.browser()
	for i := range auth.MaxAccountFailures {
		b.headers.Set("X-Forwarded-For", "203.0.113."+strconv.Itoa(i)) // nobody's proxy
		name := []string{"root", "ROOT", " Root ", "ｒｏｏｔ"}[i%4]
		b.signIn(name, "wrong horse", "/").is(http.StatusUnauthorized)
	}
	a := b.signIn("rOOt", passwordOf("root"), "/").is(http.StatusTooManyRequests)
	require.Equal(t, "900", a.Header.Get("Retry-After"))
	inside.get("/account").is(200) // who is inside stays so

	for range auth.MaxAccountFailures {
		b.signIn("nobody", "wrong horse", "/").is(http.StatusUnauthorized)
	}
	b.signIn("nobody", "wrong horse", "/").is(http.StatusTooManyRequests) // an unknown name is treated the same

	c.later.Store(int64(auth.AccountWindow + time.Minute))
	b.signIn("root", passwordOf("root"), "/account").to("/account")
}

func TestGuessingIsStoppedPerAddress(t *testing.T) {
	c := start(t)
	for i := range auth.MaxAddressFailures {
		require.NoError(t, c.store.NoteSignInFailure(c.ctx(), c.system(), "user:n"+strconv.Itoa(i), "ip:127.0.0.1"))
	}
	c.browser().signIn("root", passwordOf("root"), "/").is(http.StatusTooManyRequests)
	require.Equal(t, "ip:2001:db8:1:2::/64", addressKey("2001:db8:1:2:3:4:5:6"))
	require.Equal(t, "ip:192.0.2.1", addressKey("::ffff:192.0.2.1"))
}

func TestParallelGuessesCountBeforeTheyAreMade(t *testing.T) {
	c := start(t)
	codes := make(chan int, 40)
	for range cap(codes) {
		go func() {
			body := "name=root&password=wrong+horse"
			resp, err := http.Post(c.http.URL+"/sign-in", "application/x-www-form-urlencoded", strings.NewReader(body))
			if err != nil {
				codes <- 0
				return
			}
			resp.Body.Close()
			codes <- resp.StatusCode
		}()
	}
	checked := 0
	for range cap(codes) {
		switch <-codes {
		case http.StatusUnauthorized:
			checked++
		case http.StatusTooManyRequests:
		default:
			t.Error("neither refused nor stopped")
		}
	}
	require.LessOrEqual(t, checked, auth.MaxAccountFailures)
}

func TestTokenChangesAtSignInAndDiesAtSignOut(t *testing.T) {
	c := start(t)
	name := c.server.sessionCookie()
	b := c.browser()
	b.plant(name, "planted-by-somebody-else")
	b.signIn("root", passwordOf("root"), "/account").to("/account")
	first := b.cookie(name)
	require.NotEqual(t, "planted-by-somebody-else", first)
	b.signIn("root", passwordOf("root"), "/account").to("/account")
	second := b.cookie(name)
	require.NotEqual(t, first, second)
	old := c.browser()
	old.plant(name, first)
	old.get("/account").to("/sign-in?next=%2Faccount")

	a := b.post("/sign-out").to("/sign-in")
	require.Equal(t, `"cache", "storage"`, a.Header.Get("Clear-Site-Data"))
	require.Empty(t, b.cookie(name))
	replay := c.browser()
	replay.plant(name, second)
	replay.get("/account").to("/sign-in?next=%2Faccount")
}

func TestCookiesAreGuarded(t *testing.T) {
	for _, secure := range []bool{false, true} {
		c := start(t, func(conf *Config) { conf.SecureCookies = secure })
		a := c.browser().signIn("root", passwordOf("root"), "/account").to("/account")
		require.Len(t, a.Cookies(), 1)
		k := a.Cookies()[0]
		require.Equal(t, map[bool]string{false: "wtp_session", true: "__Host-wtp_session"}[secure], k.Name)
		require.Equal(t, secure, k.Secure)
		require.True(t, k.HttpOnly)
		require.Equal(t, http.SameSiteLaxMode, k.SameSite)
		require.Equal(t, "/", k.Path)
		require.Empty(t, k.Domain)
		require.Regexp(t, `^[A-Za-z0-9_-]{43}$`, k.Value)
		require.NotContains(t, c.log.String(), k.Value)
		require.Equal(t, secure, a.Header.Get("Strict-Transport-Security") != "")
	}
}

func TestSessionEndsByIdlingAndByAge(t *testing.T) {
	c := start(t)
	root, err := c.store.UserByName(c.ctx(), "root")
	require.NoError(t, err)
	b := c.as(root)
	c.later.Store(int64(29 * time.Minute))
	b.get("/account").is(200)
	c.later.Store(int64(31 * time.Minute))
	b.get("/account").to("/sign-in?next=%2Faccount")
	c.later.Store(int64(13 * time.Hour))
	b.get("/account").to("/sign-in?next=%2Faccount")
}

func TestEndedSessionIsToldByKindOfRequest(t *testing.T) {
	c := start(t)
	b := c.browser()
	b.get("/account?x=1").to("/sign-in?next=%2Faccount%3Fx%3D1")
	a := b.post("/account/password", "present", "hunter2hunter2", "password", "n", "again", "n").is(http.StatusUnauthorized)
	require.NotContains(t, a.text, "hunter2")
	back, _ := a.page().Find(`a[href^="/sign-in"]`).Attr("href")
	require.Equal(t, "/sign-in?next=%2Faccount%2Fpassword", back, "the way back to the form is lost")
	b.headers.Set("HX-Request", "true")
	b.headers.Set("HX-Current-URL", c.http.URL+"/p/shop/servers?q=web")
	a = b.get("/running").is(http.StatusUnauthorized)
	require.Equal(t, "/sign-in?next=%2Fp%2Fshop%2Fservers%3Fq%3Dweb", a.Header.Get("HX-Redirect"))
	require.Empty(t, a.text)
	b.headers.Set("HX-Current-URL", "https://evil.example/%0d")
	require.NotContains(t, b.get("/running").is(http.StatusUnauthorized).Header.Get("HX-Redirect"), "evil")
}

func TestDisabledPersonIsOutAtTheNextRequest(t *testing.T) {
	c := start(t)
	mei := c.user("Mei", wtp.Operator)
	b := c.as(mei)
	b.get("/account").is(200)
	_, err := c.store.ChangeUser(c.ctx(), c.system(), mei.ID, wtp.Operator, true)
	require.NoError(t, err)
	b.get("/account").to("/sign-in?next=%2Faccount")
}

func TestNextIsALocalPath(t *testing.T) {
	for _, next := range []string{
		"/p/shop/servers", "/p/shop/servers?q=web-&group=a&group=b", "/events", "/account", "/p/shop/changes/7",
		"/p/a%20b/servers", "/servers?q=%2F%2Fx", "/p/shop/servers?next=https://evil.example",
	} {
		require.Equal(t, next, localPath(next), next)
	}
	for _, hostile := range []string{
		"", " ", "/ ", "https://evil.example", "http://evil.example/", "HTTPS:evil.example", "//evil.example", "///evil.example",
		"////evil.example", "/\\evil.example", "\\\\evil.example", "\\/evil.example", "/\\/evil.example", "/\t/evil.example",
		"/\n/evil.example", "/\r/evil.example", "\t//evil.example", " //evil.example", "/\x00/evil.example", "/\u00a0/evil.example",
		"/\u2028/evil.example", "/\x7f/", "javascript:alert(1)", "JavaScript:alert(1)", "java\nscript:alert(1)", "data:text/html,x",
		"vbscript:x", "mailto:a@evil.example", "evil.example", "evil.example/p", "./p", "../p", "?q=1", "#x", "/#@evil.example",
		"/p#x", "/%2f/evil.example", "/%2F%2Fevil.example", "/%5cevil.example", "/%5C%5Cevil.example", "/x//evil.example",
		"/x/%2f%2fevil.example", "/..//evil.example", "/../evil.example", "/a/../../b", "/a/..", "/a/%2e%2e/b", "/./evil.example",
		"/%0d%0aSet-Cookie:x=1", "/%00", "/\ufffdx", "/%zz", "/sign-in", "/sign-in?next=/sign-in", "/sign-out", "/sign-out/",
		"/setup", "/language", "/static/app.js", "/running", "//user@evil.example", "/\u3000/evil.example",
		"/" + strings.Repeat("a", 2000), "*", "https:/evil.example", "https:///evil.example", "ftp://evil.example",
	} {
		require.Equal(t, "/", localPath(hostile), "%q", hostile)
	}
}

func TestNextCannotSplitAHeader(t *testing.T) {
	c := start(t)
	b := c.browser()
	b.signIn("root", passwordOf("root"), "/\r\nSet-Cookie: a=b").to("/")
	require.Equal(t, "/sign-in?next=%2Fp%2Fx%3Fa%3D1%26b%3D2", signInPath("/p/x?a=1&b=2"))
	w := httptest.NewRecorder()
	c.server.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/account?a=%0d%0ab", nil))
	require.Equal(t, http.StatusSeeOther, w.Code)
	require.NotContains(t, w.Header().Get("Location"), "\n")
}

func TestLanguageFollowsCookiePersonAndBrowser(t *testing.T) {
	c := start(t)
	b := c.browser()
	b.headers.Set("Accept-Language", "zh-CN,zh;q=0.9")
	require.Equal(t, "zh-CN", b.get("/sign-in").page().Find("html").AttrOr("lang", ""))
	b.post("/language", "language", "en", "next", "/sign-in?next=%2Fevents").to("/sign-in?next=%2Fevents")
	require.Equal(t, "en", b.get("/sign-in").page().Find("html").AttrOr("lang", ""))
	b.post("/language", "language", "fr", "next", "/").is(http.StatusNotFound)
	b.signIn("root", passwordOf("root"), "/account").to("/account")
	b.post("/account/language", "language", "zh-CN").to("/account")
	page := b.get("/account").is(200).page()
	require.Equal(t, "zh-CN", page.Find("html").AttrOr("lang", ""))
	require.Equal(t, "语言已设置。", strings.TrimSpace(page.Find(".notice[role=status] .grow").Text()))
	b.plant("lang", "en")
	require.Equal(t, "zh-CN", b.get("/account").page().Find("html").AttrOr("lang", ""))
	require.Zero(t, b.get("/account").page().Find(".notice[role=status]").Length(), "a message is shown once")
	b.post("/account/theme", "theme", "dark").to("/account")
	require.Equal(t, "dark", b.get("/account").page().Find("html").AttrOr("data-bs-theme", ""))
}
