package server

import (
	"net/http"

	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// settingsPage is a page of the settings.
func (r *request) settingsPage(title string, crumbs ...views.Crumb) (views.Page, error) {
	crumbs = append([]views.Crumb{{Text: r.printer().T("Settings"), Href: "/settings"}}, crumbs...)
	p, err := r.page("settings", title, crumbs...)
	p.Narrow = true
	return p, err
}

// showSettings lists projects and credentials.
func (s *Server) showSettings(r *request) error {
	t := r.printer()
	p, err := r.settingsPage(t.T("Settings"), views.Crumb{Text: t.T("Projects and credentials")})
	if err != nil {
		return err
	}
	credentials, err := s.Store.Credentials(r.ctx())
	if err != nil {
		return err
	}
	return r.show(http.StatusOK, views.SettingsPage(views.SettingsView{Page: p, Credentials: credentials}))
}

func (s *Server) showLimits(r *request) error {
	limits, err := s.Store.Limits(r.ctx())
	if err != nil {
		return err
	}
	return s.answerLimits(r, http.StatusOK, limits.Settings(), nil)
}

func (s *Server) answerLimits(r *request, status int, form map[string]string, bad wtp.Invalid) error {
	t := r.printer()
	p, err := r.settingsPage(t.T("Limits"), views.Crumb{Text: t.T("Limits")})
	if err != nil {
		return err
	}
	said, err := s.Store.Throttles(r.ctx())
	if err != nil {
		return err
	}
	v := views.LimitsView{Page: p, Form: form, Bad: bad}
	for _, t := range said {
		v.Said = append(v.Said, views.SaidLimit{Throttle: t.Throttle, Credential: t.Credential, Operation: t.Operation})
	}
	return r.show(status, views.LimitsPage(v))
}

func (s *Server) saveLimits(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	limits, bad := wtp.ParseLimits(form.Get)
	if bad != nil {
		typed := map[string]string{}
		for name := range limits.Settings() {
			typed[name] = form.Get(name)
		}
		return s.answerLimits(r, http.StatusUnprocessableEntity, typed, bad)
	}
	if err := s.Store.SaveLimits(r.ctx(), r.actor(), limits); err != nil {
		return err
	}
	r.flash("ok", r.printer().T("The limits were saved. They hold from the next call and the next confirmation on."))
	return r.see("/settings/limits")
}
