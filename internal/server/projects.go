package server

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// settingsProject finds the project that the address names by its number.
func (r *request) settingsProject() (wtp.Project, error) {
	id, err := r.number("id")
	if err != nil {
		return wtp.Project{}, err
	}
	p, err := r.s.Store.ProjectByID(r.ctx(), id)
	if err == nil && p.RemovedAt != 0 {
		err = wtp.ErrNotFound
	}
	return p, err
}

func (s *Server) showNewProject(r *request) error {
	form := wtp.ProjectForm{CredentialID: r.Query("credential")}
	if id, err := strconv.ParseInt(form.CredentialID, 10, 64); err == nil {
		if c, err := s.Store.Credential(r.ctx(), id); err == nil {
			form.Region = c.Region
		}
	}
	return r.showProjectForm(http.StatusOK, form, nil, nil)
}

func (s *Server) showEditProject(r *request) error {
	p, err := r.settingsProject()
	if err != nil {
		return err
	}
	form := wtp.ProjectForm{Name: p.Name, Region: p.Region, HSSProjectID: p.HSSProjectID, EnterpriseProjectID: p.EnterpriseProjectID,
		CredentialID: strconv.FormatInt(p.CredentialID, 10), HSSEndpoint: p.HSSEndpoint, IAMEndpoint: p.IAMEndpoint}
	return r.showProjectForm(http.StatusOK, form, &p, nil)
}

func (r *request) showProjectForm(status int, form wtp.ProjectForm, stored *wtp.Project, bad wtp.Invalid) error {
	t := r.printer()
	title := t.T("Add project")
	if stored != nil {
		title = t.T("Change project %s", stored.Name)
	}
	p, err := r.settingsPage(title, views.Crumb{Text: title})
	if err != nil {
		return err
	}
	credentials, err := r.s.Store.Credentials(r.ctx())
	if err != nil {
		return err
	}
	return r.show(status, views.ProjectFormPage(views.ProjectFormView{Page: p, Form: form, Stored: stored, Credentials: credentials, Bad: bad}))
}

func projectValues(in url.Values) wtp.ProjectForm {
	return wtp.ProjectForm{Name: in.Get("name"), Region: in.Get("region"), HSSProjectID: in.Get("project_id"),
		EnterpriseProjectID: in.Get("enterprise_project_id"), CredentialID: in.Get("credential"),
		HSSEndpoint: in.Get("hss_endpoint"), IAMEndpoint: in.Get("iam_endpoint")}
}

func (s *Server) createProject(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	form := projectValues(in)
	p, err := s.addProject(r, form)
	var bad wtp.Invalid
	if errors.As(err, &bad) {
		return r.showProjectForm(http.StatusUnprocessableEntity, form, nil, bad)
	}
	if err != nil {
		return err
	}
	c, err := s.Store.Credential(r.ctx(), p.CredentialID)
	if err != nil {
		return err
	}
	return s.welcome(r, c, []wtp.Project{p}, nil)
}

// addProject holds a project to its rules and keeps it; the store asks for its
// first reading.
func (s *Server) addProject(r *request, form wtp.ProjectForm) (wtp.Project, error) {
	p, err := s.checkProject(r, form)
	if err != nil {
		return p, err
	}
	p, err = s.Store.CreateProject(r.ctx(), r.actor(), p)
	return p, formFields(err)
}

func (s *Server) checkProject(r *request, form wtp.ProjectForm) (wtp.Project, error) {
	credentials, err := s.Store.Credentials(r.ctx())
	if err != nil {
		return wtp.Project{}, err
	}
	return form.Check(credentials)
}

// formFields names the faults that the store finds by the fields of the form.
func formFields(err error) error {
	var bad wtp.Invalid
	if !errors.As(err, &bad) {
		return err
	}
	for i := range bad {
		if bad[i].Field == "hss_project_id" {
			bad[i].Field = "project_id"
		}
	}
	return bad
}

func (s *Server) changeProject(r *request) error {
	stored, err := r.settingsProject()
	if err != nil {
		return err
	}
	in, err := r.form()
	if err != nil {
		return err
	}
	form := projectValues(in)
	p, err := s.checkProject(r, form)
	if err == nil {
		p.ID = stored.ID
		p, err = s.Store.ChangeProject(r.ctx(), r.actor(), p)
		err = formFields(err)
	}
	var bad wtp.Invalid
	var refused *wtp.Refused
	switch {
	case errors.As(err, &bad):
		return r.showProjectForm(http.StatusUnprocessableEntity, form, &stored, bad)
	case errors.As(err, &refused) && errors.Is(err, wtp.ErrConflict):
		return r.showProjectForm(http.StatusConflict, form, &stored, wtp.Invalid{{Field: "project_id", Text: refused.Text}})
	case err != nil:
		return err
	}
	s.WakeReader()
	c, err := s.Store.Credential(r.ctx(), p.CredentialID)
	if err != nil {
		return err
	}
	failed, err := s.runTest(r, wtp.CredentialCheck{Credential: c, Project: &p})
	if err != nil {
		return err
	}
	t := r.printer()
	if failed {
		r.flashLink("bad", t.T("The project was changed, but the test with it failed."), credentialPath(c.ID, ""), t.T("See the steps"))
	} else {
		r.flash("ok", t.T("The project %s was changed.", p.Name))
	}
	return r.see("/settings")
}

// removeProject is refused by the store while a change is open.
func (s *Server) removeProject(r *request) error {
	p, err := r.settingsProject()
	if err != nil {
		return err
	}
	err = s.Store.RemoveProject(r.ctx(), r.actor(), p.ID)
	var refused *wtp.Refused
	if errors.As(err, &refused) && errors.Is(err, wtp.ErrConflict) {
		r.flash("bad", r.say(refused.Text))
		return r.see("/settings/projects/" + strconv.FormatInt(p.ID, 10) + "/edit")
	}
	if err != nil {
		return err
	}
	r.flash("ok", r.printer().T("The project %s was removed. Its history stays.", p.Name))
	return r.see("/settings")
}
