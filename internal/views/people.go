package views

import "wtp-console/internal/wtp"

// PeopleView lists who can sign in.
type PeopleView struct {
	Page
	People []wtp.User
}

// PersonFormView adds a person.
type PersonFormView struct {
	Page
	Name string
	Role wtp.Role
	Bad  []wtp.FieldError
}

// PersonView is one person: role, password, sign-ins.
type PersonView struct {
	Page
	Person   wtp.User
	Sessions []SessionView
	Bad      []wtp.FieldError
}

func (p Page) personLabels() map[string]string {
	return map[string]string{"name": p.T("Name"), "role": p.T("Role"), "password": p.T("Password"), "again": p.T("Password again")}
}

func (p Page) personField(bad []wtp.FieldError, name, hint string) FieldView {
	return FieldView{Name: name, Label: p.personLabels()[name], Hint: hint, Error: p.FieldErrors(bad)[name]}
}

// roleDuties is one line of the table of roles.
type roleDuty struct {
	text string
	verb wtp.Verb
}

func (p Page) roleDuties() []roleDuty {
	return []roleDuty{
		{p.T("See servers, backup servers, changes and events"), wtp.Read},
		{p.T("Turn dynamic WTP on or off"), wtp.Act},
		{p.T("Add and change backup servers"), wtp.Act},
		{p.T("Stop a change, read HSS again"), wtp.Act},
		{p.T("Manage projects, credentials and limits"), wtp.Administer},
		{p.T("Manage people and roles"), wtp.Administer},
	}
}
