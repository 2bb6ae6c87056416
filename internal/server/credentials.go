package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// credential finds the one that the address names. A removed one is gone.
func (r *request) credential() (wtp.Credential, error) {
	id, err := r.number("id")
	if err != nil {
		return wtp.Credential{}, err
	}
	c, err := r.s.Store.Credential(r.ctx(), id)
	if err == nil && c.RemovedAt != 0 {
		err = wtp.ErrNotFound
	}
	return c, err
}

func credentialPath(id int64, more string) string {
	return "/settings/credentials/" + strconv.FormatInt(id, 10) + more
}

func (s *Server) showCredential(r *request) error {
	c, err := r.credential()
	if err != nil {
		return err
	}
	p, err := r.settingsPage(c.Name, views.Crumb{Text: c.Name})
	if err != nil {
		return err
	}
	return r.show(http.StatusOK, views.CredentialPage(views.CredentialView{Page: p, Credential: c}))
}

func (s *Server) showNewCredential(r *request) error {
	return r.showCredentialForm(http.StatusOK, wtp.CredentialForm{Kind: string(wtp.AccessKey)}, nil, nil)
}

func (s *Server) showEditCredential(r *request) error {
	c, err := r.credential()
	if err != nil {
		return err
	}
	form := wtp.CredentialForm{Name: c.Name, Kind: string(c.Kind), AccessKey: c.AccessKey, Account: c.Account,
		IAMUser: c.IAMUser, Region: c.Region, IAMEndpoint: c.IAMEndpoint}
	return r.showCredentialForm(http.StatusOK, form, &c, nil)
}

// showCredentialForm never gives a typed secret back.
func (r *request) showCredentialForm(status int, form wtp.CredentialForm, stored *wtp.Credential, bad wtp.Invalid) error {
	form.Secret = ""
	t := r.printer()
	title, crumbs := t.T("Add credential"), []views.Crumb{{Text: t.T("Add credential")}}
	if stored != nil {
		title = t.T("Replace credential %s", stored.Name)
		crumbs = []views.Crumb{{Text: stored.Name, Href: credentialPath(stored.ID, "")}, {Text: t.T("Replace")}}
	}
	p, err := r.settingsPage(title, crumbs...)
	if err != nil {
		return err
	}
	return r.show(status, views.CredentialFormPage(views.CredentialFormView{Page: p, Form: form, Stored: stored, Bad: bad}))
}

func credentialValues(in url.Values) wtp.CredentialForm {
	return wtp.CredentialForm{Name: in.Get("name"), Kind: in.Get("kind"), AccessKey: in.Get("access_key"), Secret: in.Get("secret"),
		Account: in.Get("account"), IAMUser: in.Get("iam_user"), Region: in.Get("region"), IAMEndpoint: in.Get("iam_endpoint")}
}

func (s *Server) createCredential(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	form := credentialValues(in)
	c, err := form.Check(nil)
	if err == nil {
		c.UID = uuid.NewString()
		if c.SealedSecret, err = s.seal(c, form.PlainSecret()); err != nil {
			return err
		}
		c, err = s.Store.CreateCredential(r.ctx(), r.actor(), c)
	}
	var bad wtp.Invalid
	if errors.As(err, &bad) {
		return r.showCredentialForm(http.StatusUnprocessableEntity, form, nil, bad)
	}
	if err != nil {
		return err
	}
	return s.testAndShow(r, c, "/projects")
}

func (s *Server) replaceCredential(r *request) error {
	stored, err := r.credential()
	if err != nil {
		return err
	}
	in, err := r.form()
	if err != nil {
		return err
	}
	form := credentialValues(in)
	c, err := form.Check(&stored)
	if err == nil {
		c.SealedSecret = "" // the store keeps the one it has
		if form.PlainSecret() != "" {
			if c.SealedSecret, err = s.seal(c, form.PlainSecret()); err != nil {
				return err
			}
		}
		c, err = s.Store.ChangeCredential(r.ctx(), r.actor(), c)
	}
	var bad wtp.Invalid
	if errors.As(err, &bad) {
		return r.showCredentialForm(http.StatusUnprocessableEntity, form, &stored, bad)
	}
	if err != nil {
		return err
	}
	return s.testAndShow(r, c, "")
}

func (s *Server) seal(c wtp.Credential, plain string) (string, error) {
	if s.Seal == nil {
		return "", errors.New("no key to seal a secret with")
	}
	return s.Seal(c.SealContext(), plain)
}

// testAndShow tests a stored credential, keeps how it went, and leads to the
// page that says so: with what is chosen next if all went well.
func (s *Server) testAndShow(r *request, c wtp.Credential, next string) error {
	failed, err := s.test(r, c)
	if err != nil {
		return err
	}
	if failed {
		r.flash("bad", r.printer().T("The credential is stored, but the test failed. The steps say what is wrong."))
		return r.see(credentialPath(c.ID, ""))
	}
	r.flash("ok", r.printer().T("The credential is stored and works."))
	return r.see(credentialPath(c.ID, next))
}

// test tries a stored credential, with a project that uses it if there is one,
// and keeps the steps.
func (s *Server) test(r *request, c wtp.Credential) (failed bool, err error) {
	if s.CheckCredential == nil {
		return false, nil
	}
	projects, err := s.Store.Projects(r.ctx())
	if err != nil {
		return false, err
	}
	check := wtp.CredentialCheck{Credential: c}
	if i := slices.IndexFunc(projects, func(p wtp.Project) bool { return p.CredentialID == c.ID }); i >= 0 {
		check.Project = &projects[i]
	}
	return s.runTest(r, check)
}

func (s *Server) runTest(r *request, check wtp.CredentialCheck) (failed bool, err error) {
	if s.CheckCredential == nil {
		return false, nil
	}
	steps := s.CheckCredential(r.ctx(), check)
	text, err := json.Marshal(steps)
	if err != nil {
		return false, err
	}
	failed = slices.ContainsFunc(steps, func(t wtp.TestStep) bool { return t.State == "failed" })
	return failed, s.Store.NoteCredentialTest(r.ctx(), check.Credential.ID, string(text))
}

func (s *Server) testCredential(r *request) error {
	c, err := r.credential()
	if err != nil {
		return err
	}
	failed, err := s.test(r, c)
	if err != nil {
		return err
	}
	if failed {
		r.flash("bad", r.printer().T("The test failed. The steps say what is wrong."))
	} else {
		r.flash("ok", r.printer().T("The credential works."))
	}
	return r.see(credentialPath(c.ID, ""))
}

// removeCredential is refused by the store while projects use it.
func (s *Server) removeCredential(r *request) error {
	c, err := r.credential()
	if err != nil {
		return err
	}
	err = s.Store.RemoveCredential(r.ctx(), r.actor(), c.ID)
	var refused *wtp.Refused
	if errors.As(err, &refused) && errors.Is(err, wtp.ErrConflict) {
		r.flash("bad", r.say(refused.Text))
		return r.see(credentialPath(c.ID, ""))
	}
	if err != nil {
		return err
	}
	r.flash("ok", r.printer().T("The credential %s was removed and its secret erased.", c.Name))
	return r.see("/settings")
}

// say is a text in the reader's language, for a message left for the next page.
func (r *request) say(t wtp.Text) string { return r.bare("", "").Say(t) }

// showIAMProjects lists the projects that IAM shows for a credential.
func (s *Server) showIAMProjects(r *request) error {
	c, err := r.credential()
	if err != nil {
		return err
	}
	return s.showProjectChoices(r, http.StatusOK, views.IAMProjectsView{Credential: c})
}

func (s *Server) showProjectChoices(r *request, status int, v views.IAMProjectsView) error {
	c := v.Credential
	t := r.printer()
	p, err := r.settingsPage(t.T("Choose projects"), views.Crumb{Text: c.Name, Href: credentialPath(c.ID, "")}, views.Crumb{Text: t.T("Choose projects")})
	if err != nil {
		return err
	}
	v.Page = p
	v.Choices, err = s.iamProjects(r, c)
	if errors.As(err, &v.Upstream) {
		err = nil
	}
	if err != nil {
		return err
	}
	return r.show(status, views.IAMProjectsPage(v))
}

// iamProjects asks IAM, and gives each project its region.
func (s *Server) iamProjects(r *request, c wtp.Credential) ([]wtp.IAMProject, error) {
	if s.ListIAMProjects == nil {
		return nil, nil
	}
	list, err := s.ListIAMProjects(r.ctx(), wtp.CredentialCheck{Credential: c})
	for i := range list {
		if list[i].Region == "" {
			list[i].Region = wtp.RegionOfIAMProject(list[i].Name)
		}
	}
	return list, err
}

// manageProjects adds the projects that were ticked, all or those before the
// first that can't be added.
func (s *Server) manageProjects(r *request) error {
	c, err := r.credential()
	if err != nil {
		return err
	}
	in, err := r.form()
	if err != nil {
		return err
	}
	list, err := s.iamProjects(r, c)
	if err != nil {
		return err
	}
	var bad wtp.Invalid
	var added []wtp.Project
	same := wtp.ProjectForm{EnterpriseProjectID: in.Get("enterprise_project_id"), HSSEndpoint: in.Get("hss_endpoint"), CredentialID: strconv.FormatInt(c.ID, 10)}
	ticked := map[string]bool{}
	for _, id := range in["project"] {
		ticked[id] = true
		i := slices.IndexFunc(list, func(p wtp.IAMProject) bool { return p.ID == id })
		if i < 0 {
			bad.Add("project", "IAM does not list the project %s.", id)
			continue
		}
		form := same
		form.Name, form.Region, form.HSSProjectID = list[i].Name, list[i].Region, id
		p, err := s.addProject(r, form)
		var invalid wtp.Invalid
		switch {
		case errors.As(err, &invalid):
			bad = append(bad, invalid...)
		case err != nil:
			return err
		default:
			added = append(added, p)
		}
	}
	if len(added) == 0 {
		if len(bad) == 0 {
			bad.Add("project", "Tick at least one project.")
		}
		return s.showProjectChoices(r, http.StatusUnprocessableEntity, views.IAMProjectsView{Credential: c, Form: same, Ticked: ticked, Bad: bad})
	}
	return s.welcome(r, c, added, bad)
}

// welcome has the new projects read and the credential tested with the first.
func (s *Server) welcome(r *request, c wtp.Credential, added []wtp.Project, bad wtp.Invalid) error {
	s.WakeReader()
	failed, err := s.runTest(r, wtp.CredentialCheck{Credential: c, Project: &added[0]})
	if err != nil {
		return err
	}
	t := r.printer()
	switch {
	case failed:
		r.flashLink("bad", t.T("The project was added, but the test with it failed."), credentialPath(c.ID, ""), t.T("See the steps"))
	case len(bad) > 0:
		r.flash("warn", t.N(int64(len(added)), "%d project was added. ", "%d projects were added. ")+r.say(bad[0].Text))
	default:
		r.flash("ok", t.N(int64(len(added)), "%d project was added. The console reads its servers now.", "%d projects were added. The console reads their servers now."))
	}
	return r.see("/settings")
}
