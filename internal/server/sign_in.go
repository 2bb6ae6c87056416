package server

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"unicode"

	"wtp-console/internal/auth"
	"wtp-console/internal/i18n"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// tries counts the password checks under way. With the failures that the
// database keeps, it makes parallel guesses count before they are made.
type tries struct {
	mu      sync.Mutex
	running map[string]int
}

// begin counts a check of key and says how many others of it are under way.
func (t *tries) begin(key string) (others int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	others = t.running[key]
	t.running[key]++
	return others
}

func (t *tries) end(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running[key]--; t.running[key] <= 0 {
		delete(t.running, key)
	}
}

func accountKey(nameKey string) string { return "user:" + nameKey }

// addressKey is one bucket per IPv4 address, and per IPv6 network of /64, of
// which one person has all addresses.
func addressKey(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return "ip:" + ip
	}
	if a = a.Unmap().WithZone(""); a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return "ip:" + p.String()
		}
	}
	return "ip:" + a.String()
}

// failures is how many of the present tries of key count: those the database
// keeps and those under way.
func (r *request) failures(key string, others int, window wtp.Instant) (int, error) {
	n, err := r.s.Store.SignInFailures(r.ctx(), key, window)
	return int(n) + others, err
}

func (s *Server) showSignIn(r *request) error {
	if r.user.ID != 0 {
		return r.see(localPath(r.Query("next")))
	}
	p := r.bare("", r.printer().T("Sign in"))
	return r.show(http.StatusOK, views.SignInPage(views.SignInView{Page: p, Next: r.Query("next")}))
}

// signIn answers the same, after the same work, whether the name exists, is
// disabled, or the password is wrong.
func (s *Server) signIn(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	name, next := form.Get("name"), localPath(form.Get("next"))
	nameKey, err := auth.CanonicalName(name)
	if err != nil {
		nameKey = "" // nobody's; the work is done all the same
	}
	account, address := accountKey(nameKey), addressKey(r.ClientIP())
	othersAccount, othersAddress := s.tries.begin(account), s.tries.begin(address)
	defer s.tries.end(account)
	defer s.tries.end(address)
	ofAccount, err := r.failures(account, othersAccount, r.now().Add(-auth.AccountWindow))
	if err != nil {
		return err
	}
	ofAddress, err := r.failures(address, othersAddress, r.now().Add(-auth.AddressWindow))
	if err != nil {
		return err
	}
	if !auth.Allow(ofAccount, ofAddress) {
		return r.showSignInAgain(http.StatusTooManyRequests, name, next,
			r.printer().T("Too many tries. Wait 15 minutes, then sign in again. Those who are signed in stay so."))
	}

	u, ok, err := r.checkPassword(nameKey, form.Get("password"))
	if err != nil {
		return err
	}
	if !ok {
		actor := r.actor()
		actor.Name = nameKey
		if err := s.Store.NoteSignInFailure(r.ctx(), actor, account, address); err != nil {
			return err
		}
		return r.showSignInAgain(http.StatusUnauthorized, name, next, r.printer().T("Name or password is wrong."))
	}
	if err := s.Store.ClearSignInFailures(r.ctx(), account); err != nil {
		return err
	}
	if err := r.begin(u); err != nil {
		return err
	}
	return r.see(next)
}

// checkPassword finds the person whose password it is. A hash of older
// parameters is made anew.
func (r *request) checkPassword(nameKey, password string) (u wtp.User, ok bool, err error) {
	if nameKey != "" {
		u, err = r.s.Store.UserByName(r.ctx(), nameKey)
		if err != nil && !errors.Is(err, wtp.ErrNotFound) {
			return wtp.User{}, false, err
		}
	}
	match, again, err := r.s.hasher.Check(r.ctx(), password, u.PasswordHash)
	if err != nil {
		return wtp.User{}, false, err
	}
	if !match || u.ID == 0 || u.DisabledAt != 0 {
		return wtp.User{}, false, nil
	}
	if again {
		hash, err := r.s.hasher.Hash(r.ctx(), password)
		if err != nil {
			return wtp.User{}, false, err
		}
		if err := r.s.Store.RehashPassword(r.ctx(), u.ID, hash); err != nil {
			return wtp.User{}, false, err
		}
	}
	return u, true, nil
}

func (r *request) showSignInAgain(status int, name, next, why string) error {
	if status == http.StatusTooManyRequests {
		r.Header("Retry-After", "900")
	}
	p := r.bare("", r.printer().T("Sign in"))
	p.Path = signInPath(next)
	return r.show(status, views.SignInPage(views.SignInView{Page: p, Name: name, Next: next, Error: why}))
}

func (s *Server) signOut(r *request) error {
	if r.session.TokenHash != "" {
		if err := s.Store.EndSession(r.ctx(), r.actor(), r.session.TokenHash); err != nil && !errors.Is(err, wtp.ErrNotFound) {
			return err
		}
	}
	if err := r.forget(); err != nil {
		return err
	}
	r.Header("Clear-Site-Data", `"cache", "storage"`)
	return r.see("/sign-in")
}

// chooseLanguage is for pages without a session; a person's own choice is kept
// with their account.
func (s *Server) chooseLanguage(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	lang := form.Get("language")
	if !i18n.Known(lang) {
		return wtp.ErrNotFound
	}
	r.setPreference("lang", lang)
	if r.user.ID != 0 {
		if err := s.Store.SetLanguage(r.ctx(), r.user.ID, lang); err != nil {
			return err
		}
	}
	next := form.Get("next")
	if to := localPath(next); to != "/" {
		return r.see(to)
	}
	if u, err := url.Parse(next); err == nil && u.Path == "/sign-in" { // its own next is checked when it is used
		return r.see(signInPath(localPath(u.Query().Get("next"))))
	}
	if next == "/setup" {
		return r.see(next)
	}
	return r.see("/")
}

// setPreference keeps how the reader wants pages in a cookie that the page's
// script may read; "" takes it back.
func (r *request) setPreference(name, value string) {
	age := 365 * 24 * 60 * 60
	if value == "" {
		age = -1
	}
	http.SetCookie(r.Writer, &http.Cookie{
		Name: name, Value: url.QueryEscape(value), Path: "/", MaxAge: age,
		Secure: r.s.SecureCookies, SameSite: http.SameSiteLaxMode,
	})
}

// signInPath leads to the sign-in page, and from there to next.
func signInPath(next string) string {
	if next == "/" {
		return "/sign-in"
	}
	return "/sign-in?next=" + url.QueryEscape(next)
}

// localPath is next if it leads to a page of this console, else "/". Whatever a
// browser might read as another host, as a script or as a way back to signing
// in or out is refused.
func localPath(next string) string {
	if len(next) > 2000 || !strings.HasPrefix(next, "/") || strings.ContainsFunc(next, func(c rune) bool {
		return c == '\\' || c == unicode.ReplacementChar || unicode.IsControl(c) || unicode.IsSpace(c)
	}) {
		return "/"
	}
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || u.Fragment != "" {
		return "/"
	}
	// Once more on the decoded path: some proxies decode before they forward.
	if strings.Contains(u.Path, "//") || strings.Contains(u.Path, "\\") || strings.Contains(u.Path, "/../") || strings.HasSuffix(u.Path, "/..") ||
		strings.Contains(u.Path, "/./") || strings.ContainsFunc(u.Path, unicode.IsControl) {
		return "/"
	}
	for _, p := range []string{"/sign-in", "/sign-out", "/setup", "/language", "/static", "/running"} {
		if u.Path == p || strings.HasPrefix(u.Path, p+"/") {
			return "/"
		}
	}
	return next
}
