package server

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"

	"wtp-console/internal/auth"
	"wtp-console/internal/i18n"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

func (s *Server) showAccount(r *request) error { return r.showAccount(http.StatusOK, nil) }

func (r *request) showAccount(status int, bad wtp.Invalid) error {
	title := r.printer().T("Your account")
	p, err := r.page("account", title, views.Crumb{Text: title})
	if err != nil {
		return err
	}
	p.Narrow = true
	live, err := r.s.Store.Sessions(r.ctx(), r.user.ID)
	if err != nil {
		return err
	}
	v := views.AccountView{Page: p, Errors: bad, IdleMin: int64(r.s.IdleFor.Minutes()), Hours: int64(r.s.SessionFor.Hours())}
	for _, sess := range live {
		if r.idle(sess) {
			continue
		}
		v.Sessions = append(v.Sessions, views.SessionView{
			Key: sessionKey(sess), Session: sess, This: sess.TokenHash == r.session.TokenHash,
		})
	}
	return r.show(status, views.AccountPage(v))
}

func (r *request) idle(sess wtp.Session) bool {
	return sess.TokenHash != r.session.TokenHash && sess.LastSeenAt.Add(r.s.IdleFor) <= r.now()
}

// sessionKey names a session in a page without giving away what is kept of it.
func sessionKey(sess wtp.Session) string {
	sum := sha256.Sum256([]byte("key " + sess.TokenHash))
	return hex.EncodeToString(sum[:12])
}

func (s *Server) keepLanguage(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	lang := form.Get("language")
	if lang != "" && !i18n.Known(lang) {
		return wtp.ErrNotFound
	}
	if err := s.Store.SetLanguage(r.ctx(), r.user.ID, lang); err != nil {
		return err
	}
	r.setPreference("lang", lang)
	r.user.Language = lang
	r.flash("ok", r.printer().T("The language was set."))
	return r.see("/account")
}

func (s *Server) keepTheme(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	theme := form.Get("theme")
	if theme != "" && theme != "light" && theme != "dark" {
		return wtp.ErrNotFound
	}
	r.setPreference("theme", theme)
	r.flash("ok", r.printer().T("The theme was set."))
	return r.see("/account")
}

// changePassword asks for the present password, under the same limits as
// signing in. Every other session ends, and this one gets a new token.
func (s *Server) changePassword(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	var bad wtp.Invalid
	account := accountKey(r.user.NameKey)
	others := s.tries.begin(account)
	defer s.tries.end(account)
	n, err := r.failures(account, others, r.now().Add(-auth.AccountWindow))
	if err != nil {
		return err
	}
	if !auth.Allow(n, 0) {
		return busy{wait: auth.AccountWindow}
	}
	password := form.Get("password")
	checkNewPassword(&bad, "password", password, r.user.Name)
	if password != form.Get("again") {
		bad.Add("again", "The two passwords differ.")
	}
	match, _, err := s.hasher.Check(r.ctx(), form.Get("present"), r.user.PasswordHash)
	if err != nil {
		return err
	}
	if !match {
		if err := s.Store.NoteSignInFailure(r.ctx(), r.actor(), account); err != nil {
			return err
		}
		bad.Add("present", "This is not your present password.")
	}
	if len(bad) > 0 {
		return r.showAccount(http.StatusUnprocessableEntity, bad)
	}
	hash, err := s.hasher.Hash(r.ctx(), password)
	if err != nil {
		return err
	}
	if err := s.Store.SetPassword(r.ctx(), r.actor(), r.user.ID, hash, ""); err != nil {
		return err
	}
	if err := r.begin(r.user); err != nil {
		return err
	}
	r.flash("ok", r.printer().T("The password was changed. All your other sign-ins ended."))
	return r.see("/account")
}

func (s *Server) endSession(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	live, err := s.Store.Sessions(r.ctx(), r.user.ID)
	if err != nil {
		return err
	}
	for _, sess := range live {
		if sessionKey(sess) != form.Get("session") {
			continue
		}
		if err := s.Store.EndSession(r.ctx(), r.actor(), sess.TokenHash); err != nil && !errors.Is(err, wtp.ErrNotFound) {
			return err
		}
		r.flash("ok", r.printer().T("The sign-in was ended."))
		return r.see("/account")
	}
	return wtp.ErrNotFound
}

func (s *Server) endOtherSessions(r *request) error {
	if err := s.Store.EndSessions(r.ctx(), r.actor(), r.user.ID, r.session.TokenHash); err != nil {
		return err
	}
	r.flash("ok", r.printer().T("All your other sign-ins were ended."))
	return r.see("/account")
}
