package server

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

func (s *Server) listPeople(r *request) error {
	t := r.printer()
	p, err := r.settingsPage(t.T("People and roles"), views.Crumb{Text: t.T("People and roles")})
	if err != nil {
		return err
	}
	people, err := s.Store.Users(r.ctx())
	if err != nil {
		return err
	}
	return r.show(http.StatusOK, views.PeoplePage(views.PeopleView{Page: p, People: people}))
}

func (s *Server) showNewPerson(r *request) error {
	return r.showNewPerson(http.StatusOK, "", wtp.Viewer, nil)
}

func (r *request) showNewPerson(status int, name string, role wtp.Role, bad wtp.Invalid) error {
	t := r.printer()
	p, err := r.settingsPage(t.T("Add person"), peopleCrumb(r), views.Crumb{Text: t.T("Add person")})
	if err != nil {
		return err
	}
	return r.show(status, views.PersonFormPage(views.PersonFormView{Page: p, Name: name, Role: role, Bad: bad}))
}

func peopleCrumb(r *request) views.Crumb {
	return views.Crumb{Text: r.printer().T("People and roles"), Href: "/settings/people"}
}

func (s *Server) createPerson(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	name, role := strings.TrimSpace(form.Get("name")), wtp.Role(form.Get("role"))
	key, bad := checkNewPerson(name, form.Get("password"), form.Get("again"))
	checkRole(&bad, role)
	if len(bad) > 0 {
		return r.showNewPerson(http.StatusUnprocessableEntity, name, role, bad)
	}
	hash, err := s.hasher.Hash(r.ctx(), form.Get("password"))
	if err != nil {
		return err
	}
	u, err := s.Store.CreateUser(r.ctx(), r.actor(), wtp.User{Name: name, NameKey: key, PasswordHash: hash, Role: role})
	if errors.As(err, &bad) {
		return r.showNewPerson(http.StatusUnprocessableEntity, name, role, bad)
	}
	if err != nil {
		return err
	}
	r.flash("ok", r.printer().T("%s was added and can sign in now.", u.Name))
	return r.see("/settings/people")
}

func checkRole(bad *wtp.Invalid, role wtp.Role) {
	if !role.Valid() {
		bad.Add("role", "Choose a role.")
	}
}

// person finds the person that the address names.
func (r *request) person() (wtp.User, error) {
	id, err := r.number("id")
	if err != nil {
		return wtp.User{}, err
	}
	return r.s.Store.User(r.ctx(), id)
}

func personPath(id int64) string { return "/settings/people/" + strconv.FormatInt(id, 10) }

func (s *Server) showPerson(r *request) error {
	u, err := r.person()
	if err != nil {
		return err
	}
	return r.showPerson(http.StatusOK, u, nil)
}

func (r *request) showPerson(status int, u wtp.User, bad wtp.Invalid) error {
	p, err := r.settingsPage(u.Name, peopleCrumb(r), views.Crumb{Text: u.Name})
	if err != nil {
		return err
	}
	v := views.PersonView{Page: p, Person: u, Bad: bad}
	live, err := r.s.Store.Sessions(r.ctx(), u.ID)
	if err != nil {
		return err
	}
	for _, sess := range live {
		if !r.idle(sess) {
			v.Sessions = append(v.Sessions, views.SessionView{Key: sessionKey(sess), Session: sess, This: sess.TokenHash == r.session.TokenHash})
		}
	}
	return r.show(status, views.PersonPage(v))
}

func (s *Server) changeRole(r *request) error {
	u, err := r.person()
	if err != nil {
		return err
	}
	form, err := r.form()
	if err != nil {
		return err
	}
	var bad wtp.Invalid
	role := wtp.Role(form.Get("role"))
	if checkRole(&bad, role); len(bad) > 0 {
		return r.showPerson(http.StatusUnprocessableEntity, u, bad)
	}
	return s.changePerson(r, u, role, u.DisabledAt != 0)
}

func (s *Server) disablePerson(r *request) error { return s.switchPerson(r, true) }

func (s *Server) enablePerson(r *request) error { return s.switchPerson(r, false) }

func (s *Server) switchPerson(r *request, disabled bool) error {
	u, err := r.person()
	if err != nil {
		return err
	}
	return s.changePerson(r, u, u.Role, disabled)
}

// changePerson is refused by the store for the last active admin.
func (s *Server) changePerson(r *request, u wtp.User, role wtp.Role, disabled bool) error {
	changed, err := s.Store.ChangeUser(r.ctx(), r.actor(), u.ID, role, disabled)
	var refused *wtp.Refused
	if errors.As(err, &refused) && errors.Is(err, wtp.ErrConflict) {
		return r.showPerson(http.StatusConflict, u, wtp.Invalid{{Field: "role", Text: refused.Text}})
	}
	if err != nil {
		return err
	}
	if u.ID == r.user.ID && !changed.Role.May(wtp.Administer) {
		return r.see("/") // they may no longer see this page, and are signed out
	}
	t := r.printer()
	switch {
	case changed.DisabledAt != 0 && u.DisabledAt == 0:
		r.flash("ok", t.T("%s can no longer sign in, and all their sign-ins ended.", u.Name))
	case changed.DisabledAt == 0 && u.DisabledAt != 0:
		r.flash("ok", t.T("%s can sign in again.", u.Name))
	default:
		r.flash("ok", t.T("The role of %s was saved.", u.Name))
	}
	return r.see(personPath(u.ID))
}

func (s *Server) resetPassword(r *request) error {
	u, err := r.person()
	if err != nil {
		return err
	}
	form, err := r.form()
	if err != nil {
		return err
	}
	var bad wtp.Invalid
	checkNewPassword(&bad, "password", form.Get("password"), u.Name)
	if form.Get("password") != form.Get("again") {
		bad.Add("again", "The two passwords differ.")
	}
	if len(bad) > 0 {
		return r.showPerson(http.StatusUnprocessableEntity, u, bad)
	}
	hash, err := s.hasher.Hash(r.ctx(), form.Get("password"))
	if err != nil {
		return err
	}
	keep := ""
	if u.ID == r.user.ID {
		keep = r.session.TokenHash
	}
	if err := s.Store.SetPassword(r.ctx(), r.actor(), u.ID, hash, keep); err != nil {
		return err
	}
	r.flash("ok", r.printer().T("The password of %s was set. Their sign-ins ended.", u.Name))
	return r.see(personPath(u.ID))
}

func (s *Server) endPersonSession(r *request) error {
	u, err := r.person()
	if err != nil {
		return err
	}
	form, err := r.form()
	if err != nil {
		return err
	}
	live, err := s.Store.Sessions(r.ctx(), u.ID)
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
		return r.see(personPath(u.ID))
	}
	return wtp.ErrNotFound
}

func (s *Server) endPersonSessions(r *request) error {
	u, err := r.person()
	if err != nil {
		return err
	}
	if err := s.Store.EndSessions(r.ctx(), r.actor(), u.ID, ""); err != nil {
		return err
	}
	r.flash("ok", r.printer().T("All sign-ins of %s were ended.", u.Name))
	return r.see(personPath(u.ID))
}
