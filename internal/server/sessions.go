package server

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"wtp-console/internal/auth"
	"wtp-console/internal/db"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// sessionStore is gorilla's store over our database: the cookie carries a random
// token and nothing else, the row behind it can be revoked.
type sessionStore struct{ s *Server }

// What a session holds while a request lasts.
const (
	valueToken = "token" // the token just made, to be sent
	valueRow   = "row"   // wtp.Session
	valueUser  = "user"  // wtp.User
)

// cookieName binds the cookie to this host where HTTPS allows the prefix.
func (s *Server) cookieName(name string) string {
	if s.SecureCookies {
		return "__Host-" + name
	}
	return name
}

func (s *Server) sessionCookie() string { return s.cookieName("wtp_session") }

// Get gives the session of a request, looked up once.
func (st *sessionStore) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(st, name)
}

// New looks the cookie's token up. Without a live session it gives a new, empty
// one; the error is of the database only.
func (st *sessionStore) New(r *http.Request, name string) (*sessions.Session, error) {
	sess := sessions.NewSession(st, name)
	sess.IsNew = true
	sess.Options = &sessions.Options{
		// The cookie outlives what it stands for, which the row alone decides: a form
		// sent after the end is kept for who had the session.
		Path: "/", MaxAge: int((st.s.SessionFor + 24*time.Hour).Seconds()), HttpOnly: true,
		Secure: st.s.SecureCookies, SameSite: http.SameSiteLaxMode,
	}
	c, err := r.Cookie(name)
	if err != nil || len(c.Value) > 128 || c.Value == "" {
		return sess, nil
	}
	row, user, err := st.s.Store.Session(r.Context(), auth.HashToken(c.Value))
	if errors.Is(err, wtp.ErrNotFound) {
		return sess, nil
	}
	if err != nil {
		return sess, err
	}
	now := wtp.At(st.s.Now())
	if row.LastSeenAt.Add(st.s.IdleFor) <= now || row.ExpiresAt <= now {
		return sess, nil
	}
	sess.IsNew = false
	sess.ID = row.TokenHash
	sess.Values[valueToken], sess.Values[valueRow], sess.Values[valueUser] = c.Value, row, user
	return sess, nil
}

// Save sends the cookie, or takes it back if MaxAge is negative.
func (st *sessionStore) Save(_ *http.Request, w http.ResponseWriter, sess *sessions.Session) error {
	token, _ := sess.Values[valueToken].(string)
	if sess.Options.MaxAge < 0 {
		token = ""
	}
	http.SetCookie(w, sessions.NewCookie(sess.Name(), token, sess.Options))
	return nil
}

// identify finds out who asks. Without a session the request goes on as nobody's.
func (r *request) identify() error {
	sess, err := r.s.sessions.Get(r.Request, r.s.sessionCookie())
	if err != nil {
		return err
	}
	r.cookie = sess
	if sess.IsNew {
		return nil
	}
	r.session, _ = sess.Values[valueRow].(wtp.Session)
	r.user, _ = sess.Values[valueUser].(wtp.User)
	traceOf(r.ctx()).user = r.user.Name
	if r.route.poll {
		return nil
	}
	err = r.s.Store.TouchSession(r.ctx(), r.session.TokenHash)
	if errors.Is(err, db.ErrUnwritable) {
		return nil // looking must go on
	}
	return err
}

// begin signs u in with a new token and ends the session that the browser had,
// so that no token outlives a change of rights.
func (r *request) begin(u wtp.User) error {
	token, hash := auth.NewToken()
	before := r.user
	r.user = u
	err := r.s.Store.CreateSession(r.ctx(), r.actor(), wtp.Session{
		TokenHash: hash, UserID: u.ID, ExpiresAt: r.now().Add(r.s.SessionFor),
		IP: r.ClientIP(), UserAgent: r.Request.UserAgent(),
	})
	if err != nil {
		r.user = before // the error's page is theirs who sees it: nobody's without a session
		return err
	}
	if old := r.session.TokenHash; old != "" {
		if err := r.s.Store.EndSession(r.ctx(), r.actor(), old); err != nil && !errors.Is(err, wtp.ErrNotFound) {
			return err
		}
	}
	r.cookie.Values[valueToken] = token
	return r.cookie.Save(r.Request, r.Writer)
}

// forget takes the session's cookie back.
func (r *request) forget() error {
	r.cookie.Options.MaxAge = -1
	return r.cookie.Save(r.Request, r.Writer)
}

// flash leaves a message for the page after the redirect. Kind is "ok", "info",
// "warn" or "bad".
func (r *request) flash(kind, text string) { r.flashLink(kind, text, "", "") }

// flashLink leaves a message with a link to a path of ours.
func (r *request) flashLink(kind, text, href, link string) {
	codec := r.flashCodec()
	if codec == nil {
		return
	}
	name := r.s.cookieName("wtp_flash")
	value, err := codec.Encode(name, views.Notice{Kind: kind, Text: text, Link: href, LinkText: link})
	if err != nil {
		traceOf(r.ctx()).err = err // the action was done all the same
		return
	}
	r.setFlash(value, 300)
}

func (r *request) setFlash(value string, maxAge int) {
	http.SetCookie(r.Writer, &http.Cookie{
		Name: r.s.cookieName("wtp_flash"), Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: r.s.SecureCookies, SameSite: http.SameSiteLaxMode,
	})
}

// takeFlash reads the message left for this page and takes it back. Fragments
// leave it to the page.
func (r *request) takeFlash() *views.Notice {
	if r.htmx() {
		return nil
	}
	name := r.s.cookieName("wtp_flash")
	c, err := r.Request.Cookie(name)
	if err != nil || c.Value == "" {
		return nil
	}
	r.setFlash("", -1)
	codec := r.flashCodec()
	if codec == nil {
		return nil
	}
	var n views.Notice
	if err := codec.Decode(name, c.Value, &n); err != nil {
		return nil // of an older session, or not ours
	}
	return &n
}

// flashCodec seals messages under a key that only this session's cookie yields,
// so that nobody can plant a message in another's browser.
func (r *request) flashCodec() *securecookie.SecureCookie {
	token, _ := r.cookie.Values[valueToken].(string)
	if token == "" {
		return nil
	}
	hash := sha256.Sum256([]byte("flash hash " + token))
	block := sha256.Sum256([]byte("flash block " + token))
	return securecookie.New(hash[:], block[:]).SetSerializer(securecookie.JSONEncoder{}).MaxAge(300)
}
