package views

import "wtp-console/internal/wtp"

// SetupView is the form of the first start.
type SetupView struct {
	Page   Page
	Name   string
	Errors []wtp.FieldError
}

func (v SetupView) labels() map[string]string {
	return map[string]string{
		"code": v.Page.T("One-time code"), "name": v.Page.T("Your name"),
		"password": v.Page.T("Password"), "again": v.Page.T("Password again"),
	}
}

func (v SetupView) field(name, hint string) FieldView {
	return FieldView{Name: name, Label: v.labels()[name], Hint: hint, Error: v.Page.FieldErrors(v.Errors)[name]}
}
