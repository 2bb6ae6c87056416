package views

import (
	"strings"

	"wtp-console/internal/wtp"
)

// AccountView is the reader's own page.
type AccountView struct {
	Page     Page
	Sessions []SessionView
	Errors   []wtp.FieldError // of the password form
	IdleMin  int64            // minutes without activity that end a session
	Hours    int64            // hours that end a session in any case
}

// SessionView is one signed-in browser.
type SessionView struct {
	Key     string // names it in the form
	Session wtp.Session
	This    bool // the reader's own, now
}

func (v AccountView) labels() map[string]string {
	return map[string]string{
		"present": v.Page.T("Present password"), "password": v.Page.T("New password"), "again": v.Page.T("New password again"),
	}
}

func (v AccountView) field(name, hint string) FieldView {
	return FieldView{Name: name, Label: v.labels()[name], Hint: hint, Error: v.Page.FieldErrors(v.Errors)[name]}
}

// Browser names the browser and system of a user agent, as far as it tells.
func (p Page) Browser(agent string) string {
	browser := ""
	for _, b := range [][2]string{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"}} {
		if strings.Contains(agent, b[0]) {
			browser = b[1]
			break
		}
	}
	if browser == "" {
		return p.T("Unknown browser")
	}
	for _, o := range [][2]string{{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Mac OS", "macOS"}, {"Linux", "Linux"}} {
		if strings.Contains(agent, o[0]) {
			return p.T("%s on %s", browser, o[1])
		}
	}
	return browser
}

func deviceIcon(agent string) string {
	switch {
	case strings.Contains(agent, "iPhone"), strings.Contains(agent, "Android"):
		return "device-mobile"
	case strings.Contains(agent, "Windows"), strings.Contains(agent, "X11"):
		return "device-desktop"
	}
	return "device-laptop"
}

// others says whether there is a session to end beside the reader's own.
func (v AccountView) others() bool {
	for _, s := range v.Sessions {
		if !s.This {
			return true
		}
	}
	return false
}
