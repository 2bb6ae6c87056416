package views

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/a-h/templ"

	"wtp-console/internal/wtp"
)

// SettingsView is the list of projects and credentials.
type SettingsView struct {
	Page
	Credentials []wtp.Credential
}

func (v SettingsView) credential(id int64) wtp.Credential {
	for _, c := range v.Credentials {
		if c.ID == id {
			return c
		}
	}
	return wtp.Credential{}
}

// users are the projects that use a credential.
func users(projects []wtp.Project, id int64) []wtp.Project {
	var used []wtp.Project
	for _, p := range projects {
		if p.CredentialID == id {
			used = append(used, p)
		}
	}
	return used
}

// LimitsView is the form of the limits.
type LimitsView struct {
	Page
	Form map[string]string // as typed, by the names of the limits
	Bad  []wtp.FieldError
	Said []SaidLimit
}

// SaidLimit is a limit that HSS itself named, and that is kept to for a while.
type SaidLimit struct {
	wtp.Throttle
	Credential string // its name
	Operation  string
}

func (v LimitsView) saidText(s SaidLimit) string {
	return v.N(s.Limit, "%s, %s: HSS said at %s that it lets through %d call in %s. The console keeps to that until %s.",
		"%s, %s: HSS said at %s that it lets through %d calls in %s. The console keeps to that until %s.",
		s.Credential, s.Operation, v.ClockText(s.At), s.Limit, v.Took(s.Per), v.ClockText(s.Until()))
}

func (v LimitsView) labels() map[string]string {
	return map[string]string{wtp.CallsPerMinute: v.T("Calls a minute"), wtp.CallsAtOnce: v.T("Calls side by side"),
		wtp.StopUnclear: v.T("Stop after batches without a clear answer"), wtp.StopRefused: v.T("Stop after refused calls"), wtp.TypedAbove: v.T("Type the count above"),
		wtp.CapOperator: v.T("Servers in one change of an operator"), wtp.CapAdmin: v.T("Servers in one change of an admin")}
}

func (v LimitsView) field(name, hint string) FieldView {
	return FieldView{Name: name, Label: v.labels()[name], Error: v.FieldErrors(v.Bad)[name], Hint: hint}
}

// wholeNumber are the attributes of a field for a number.
func wholeNumber() templ.Attributes {
	return templ.Attributes{"inputmode": "numeric", "autocomplete": "off"}
}

// testStatus says in a word how the last test of a credential went.
func testStatus(p Page, c wtp.Credential) status {
	if c.LockedUntil > wtp.At(p.Now) {
		return status{"bad", "lock", p.T("Locked by HSS")}
	}
	steps := testSteps(c)
	if len(steps) == 0 {
		return status{"quiet", "minus", p.T("Not tested")}
	}
	for _, s := range steps {
		if s.State == "failed" {
			return status{"bad", "x", p.T("%s: %s", p.Say(wtp.Text{ID: s.Name}), p.T("failed"))}
		}
	}
	return status{"ok", "check", p.T("Works")}
}

// testSteps are the steps of the last test; none if there was no test.
func testSteps(c wtp.Credential) []wtp.TestStep {
	var steps []wtp.TestStep
	if c.Test == "" || json.Unmarshal([]byte(c.Test), &steps) != nil {
		return nil
	}
	return steps
}

func testTook(p Page, steps []wtp.TestStep) string {
	var ms int64
	for _, s := range steps {
		ms += s.Millis
	}
	return p.Took(time.Duration(ms) * time.Millisecond)
}

func (p Page) millis(ms int64) string { return p.Took(time.Duration(ms) * time.Millisecond) }

// enterpriseProject is an enterprise project ID in words where it has some.
func (p Page) enterpriseProject(id string) string {
	switch id {
	case "", "0":
		return p.T("Default")
	case "all_granted_eps":
		return p.T("All granted")
	}
	return id
}

func (p Page) kindName(k wtp.CredentialKind) string {
	switch k {
	case wtp.AccessKey:
		return p.T("Access key pair of an IAM user")
	case wtp.IAMPassword:
		return p.T("IAM user with password")
	}
	return string(k)
}

func credentialURL(id int64, more ...string) string {
	return idURL("/settings/credentials/", id, more)
}

func settingsProjectURL(id int64, more ...string) string {
	return idURL("/settings/projects/", id, more)
}

func personURL(id int64, more ...string) string { return idURL("/settings/people/", id, more) }

func idURL(base string, id int64, more []string) string {
	u := base + strconv.FormatInt(id, 10)
	for _, m := range more {
		u += "/" + m
	}
	return u
}

// CredentialView is one credential, how its last test went, and who uses it.
type CredentialView struct {
	Page
	Credential wtp.Credential
}

// CredentialFormView adds a credential or replaces what it is made of.
type CredentialFormView struct {
	Page
	Form   wtp.CredentialForm // its Secret is never shown
	Stored *wtp.Credential    // nil: a new one
	Bad    []wtp.FieldError
}

func (v CredentialFormView) labels() map[string]string {
	return map[string]string{"name": v.T("Name"), "kind": v.T("Kind"), "access_key": v.T("Access key ID"), "secret": v.T("Secret"),
		"account": v.T("Account name"), "iam_user": v.T("IAM user name"), "region": v.T("Region"), "iam_endpoint": v.T("IAM endpoint")}
}

func (v CredentialFormView) field(name, label, hint string) FieldView {
	return FieldView{Name: name, Label: label, Hint: hint, Error: v.FieldErrors(v.Bad)[name]}
}

func (v CredentialFormView) action() string {
	if v.Stored != nil {
		return credentialURL(v.Stored.ID, "edit")
	}
	return "/settings/credentials/new"
}

func (v CredentialFormView) secretHint() string {
	if v.Stored == nil {
		return v.T("The secret access key, or the password of the IAM user. It is stored encrypted and never shown again.")
	}
	return v.T("Stored encrypted since %s. You can only replace it. Leave it empty to keep it.", v.ClockText(v.Stored.SecretSetAt))
}

// IAMProjectsView lists the projects that IAM shows for a credential, to be
// ticked.
type IAMProjectsView struct {
	Page
	Credential wtp.Credential
	Choices    []wtp.IAMProject
	Form       wtp.ProjectForm // what is the same for all that are ticked: enterprise project and endpoint
	Ticked     map[string]bool // by project ID
	Upstream   *wtp.Upstream
	Bad        []wtp.FieldError
}

// managed says whether the console has the project already.
func (v IAMProjectsView) managed(c wtp.IAMProject) bool {
	for _, p := range v.Projects {
		if p.HSSProjectID == c.ID && p.Region == c.Region {
			return true
		}
	}
	return false
}

// ProjectFormView adds or changes a project.
type ProjectFormView struct {
	Page
	Form        wtp.ProjectForm
	Stored      *wtp.Project // nil: a new one
	Credentials []wtp.Credential
	Bad         []wtp.FieldError
}

func (v ProjectFormView) labels() map[string]string {
	return map[string]string{"name": v.T("Name"), "region": v.T("Region"), "project_id": v.T("Project ID"),
		"enterprise_project_id": v.T("Enterprise project ID"), "credential": v.T("Credential"),
		"hss_endpoint": v.T("HSS endpoint"), "iam_endpoint": v.T("IAM endpoint")}
}

func (v ProjectFormView) field(name, label, hint string) FieldView {
	return FieldView{Name: name, Label: label, Hint: hint, Error: v.FieldErrors(v.Bad)[name]}
}

func (v ProjectFormView) optional(name, label, hint string) FieldView {
	f := v.field(name, label, hint)
	f.Optional = true
	return f
}

func (v ProjectFormView) action() string {
	if v.Stored != nil {
		return settingsProjectURL(v.Stored.ID, "edit")
	}
	return "/settings/projects/new"
}

func decimalID(id int64) string { return strconv.FormatInt(id, 10) }
