package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"wtp-console/internal/auth"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// Guesses of the one-time code that are borne, and for how long they count.
const (
	setupTries  = 10
	setupWindow = 15 * time.Minute
	setupKey    = "setup"
)

// needsSetup says whether there is no user yet. Once there is one it never asks
// the database again.
func (s *Server) needsSetup(ctx context.Context) (bool, error) {
	if s.setupDone.Load() {
		return false, nil
	}
	needed, err := s.Store.NeedsSetup(ctx)
	if err == nil && !needed {
		s.setupDone.Store(true)
	}
	return needed, err
}

func (s *Server) showSetup(r *request) error {
	needed, err := s.needsSetup(r.ctx())
	if err != nil {
		return err
	}
	if !needed {
		return wtp.ErrNotFound
	}
	return r.showSetup(http.StatusOK, "", nil)
}

func (r *request) showSetup(status int, name string, bad wtp.Invalid) error {
	p := r.bare("", r.printer().T("Set up the console"))
	return r.show(status, views.SetupPage(views.SetupView{Page: p, Name: name, Errors: bad}))
}

// setUp creates the first admin. Of many at once, the database lets one win.
func (s *Server) setUp(r *request) error {
	needed, err := s.needsSetup(r.ctx())
	if err != nil {
		return err
	}
	if !needed {
		return wtp.ErrNotFound
	}
	form, err := r.form()
	if err != nil {
		return err
	}
	others := s.tries.begin(setupKey)
	defer s.tries.end(setupKey)
	n, err := r.failures(setupKey, others, r.now().Add(-setupWindow))
	if err != nil {
		return err
	}
	if n >= setupTries {
		return busy{wait: setupWindow}
	}
	name, password := form.Get("name"), form.Get("password")
	key, bad := checkNewPerson(name, password, form.Get("again"))
	if len(bad) > 0 {
		return r.showSetup(http.StatusUnprocessableEntity, name, bad)
	}
	hash, err := s.hasher.Hash(r.ctx(), password)
	if err != nil {
		return err
	}
	actor := r.actor()
	actor.Name, actor.Role = name, wtp.Admin
	u, err := s.Store.CreateFirstAdmin(r.ctx(), actor, auth.HashSetupCode(form.Get("code")),
		wtp.User{Name: name, NameKey: key, PasswordHash: hash, Role: wtp.Admin})
	var refused *wtp.Refused
	if errors.As(err, &refused) {
		if err := s.Store.NoteSignInFailure(r.ctx(), actor, setupKey); err != nil {
			return err
		}
		bad.Add("code", "The code is wrong or no longer valid.")
		return r.showSetup(http.StatusUnprocessableEntity, name, bad)
	}
	if err != nil {
		return err
	}
	s.setupDone.Store(true)
	if err := r.begin(u); err != nil {
		return err
	}
	return r.see("/")
}

// checkNewPerson holds a name and a password typed twice to the rules, and gives
// the name's canonical form.
func checkNewPerson(name, password, again string) (key string, bad wtp.Invalid) {
	key, err := auth.CanonicalName(name)
	switch {
	case errors.Is(err, auth.ErrNameEmpty):
		bad.Add("name", "Enter a name.")
	case errors.Is(err, auth.ErrNameLong):
		bad.Add("name", "A name has at most 64 characters.")
	case errors.Is(err, auth.ErrNameScripts):
		bad.Add("name", "The name mixes letters of alphabets that look alike.")
	case err != nil:
		bad.Add("name", "The name has characters that can't be seen.")
	}
	checkNewPassword(&bad, "password", password, name)
	if password != again {
		bad.Add("again", "The two passwords differ.")
	}
	return key, bad
}

// checkNewPassword holds a new password of the named person to the rules.
func checkNewPassword(bad *wtp.Invalid, field, password, name string) {
	err := auth.CheckPassword(password, name)
	switch {
	case errors.Is(err, auth.ErrPasswordShort):
		bad.Add(field, "A password has at least 8 characters.")
	case errors.Is(err, auth.ErrPasswordLong):
		bad.Add(field, "A password has at most 128 characters.")
	case errors.Is(err, auth.ErrPasswordCommon):
		bad.Add(field, "This password is one of those that others try first. Choose another.")
	case err != nil:
		bad.Add(field, "This password is little more than a name that anybody would try here. Choose another.")
	}
}
