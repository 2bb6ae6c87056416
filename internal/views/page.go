// Package views draws pages and fragments from plain structs. It fetches
// nothing, knows no clock but the page's, and no request.
package views

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"wtp-console/internal/i18n"
	"wtp-console/internal/wtp"
	"wtp-console/static"
)

// Page is what every page needs around its own content.
type Page struct {
	i18n.Printer                // T, N and Int
	Lang         string         // "en" or "zh-CN"
	Assets       *static.Assets // addresses of files
	Version      string         // of the console, for the foot of the sign-in page
	Title        string         // of the browser's tab
	Section      string         // "overview", "servers", "changes", "backup-servers", "settings", "events", "account" or ""
	Theme        string         // "", "light" or "dark"
	Zone         *time.Location // of the reader
	Now          time.Time
	User         *wtp.User     // nil: signed out
	Project      *wtp.Project  // nil: all projects, settings
	Projects     []wtp.Project // for the switcher
	Running      []RunningChange
	Crumbs       []Crumb   // the last has no Href
	Flash        *Notice   // shown once, after a redirect
	Pause        wtp.Pause // of the whole console
	DiskFull     bool      // nothing can be written now, for want of room
	Unwritable   Unwritable
	Restarts     int64  // of the project: servers that need a Tomcat restart
	Path         string // of this page, with its query
	RequestID    string
	Stamp        string // of what a poll has drawn; the next one gives it back. "" on a page
	Narrow       bool   // main column of limited width: forms, settings
}

// Unwritable says where the database is that can't be written now, for another reason
// than a full disk. Its zero value: it can be.
type Unwritable struct {
	Place  string
	Server bool // it is a PostgreSQL server's
}

// On says whether nothing can be written.
func (u Unwritable) On() bool { return u.Place != "" }

// Crumb is one step of the path to a page.
type Crumb struct{ Text, Href string }

// Notice is a message in a page. Kind is "info", "ok", "warn" or "bad".
type Notice struct {
	Kind     string
	Text     string
	Link     string // "" for none
	LinkText string
}

// RunningChange is one line of "Running now" in the side bar.
type RunningChange struct {
	Href  string
	Title string // e.g. "#2480 Turn on"
	Done  int64
	Total int64
	Bad   int64 // of Done: refused or unknown
	// Confirmed is how many of Done HSS was seen to show as wanted.
	Confirmed int64
}

// Percent is how much of the change is decided, 0 to 100. It is 100 only when
// all is.
func (r RunningChange) Percent() int64 { return percent(r.Done, r.Total) }

func percent(n, of int64) int64 {
	if of <= 0 || n <= 0 {
		return 0
	}
	if n >= of {
		return 100
	}
	return min(n*100/of, 99)
}

// Say is a text of package wtp in the reader's language, texts among its values
// too.
func (p Page) Say(t wtp.Text) string {
	if len(t.Args) == 0 {
		return p.Printer.T(t.ID)
	}
	args := make([]any, len(t.Args))
	for i, a := range t.Args {
		if inner, ok := a.(wtp.Text); ok {
			a = p.Say(inner)
		}
		args[i] = a
	}
	return p.Printer.T(t.ID, args...)
}

// URL is an address under the page's project, "/p/{slug}/…", each part escaped;
// without a project it is "/…".
func (p Page) URL(parts ...string) string {
	var b strings.Builder
	if p.Project != nil {
		b.WriteString("/p/" + url.PathEscape(p.Project.Slug))
	}
	for _, part := range parts {
		b.WriteString("/" + url.PathEscape(part))
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}

// May says whether the reader is signed in with a role that may do v.
func (p Page) May(v wtp.Verb) bool { return p.User != nil && p.User.Role.May(v) }

func (p Page) local(i wtp.Instant) time.Time {
	zone := p.Zone
	if zone == nil {
		zone = time.UTC
	}
	return i.Time().In(zone)
}

// ClockText is the short form of an instant: "22:04" today, "14 May 22:04" this
// year, "14 May 2025" before; a dash for never.
func (p Page) ClockText(i wtp.Instant) string {
	if i == 0 {
		return p.T("never")
	}
	t, now := p.local(i), p.Now
	now = now.In(t.Location())
	sameYear := t.Year() == now.Year()
	switch {
	case sameYear && t.YearDay() == now.YearDay():
		return t.Format("15:04")
	case sameYear && p.Lang == i18n.Chinese:
		return t.Format("1月2日 15:04")
	case sameYear:
		return t.Format("2 Jan 15:04")
	case p.Lang == i18n.Chinese:
		return t.Format("2006年1月2日")
	}
	return t.Format("2 Jan 2006")
}

// When is the long form of an instant, with its zone, for a title or a fact.
func (p Page) When(i wtp.Instant) string {
	if i == 0 {
		return p.T("never")
	}
	t := p.local(i)
	if p.Lang == i18n.Chinese {
		days := []string{"日", "一", "二", "三", "四", "五", "六"}
		return t.Format("2006年1月2日 ") + "星期" + days[t.Weekday()] + t.Format(" 15:04:05") + "（" + offset(t) + "）"
	}
	return t.Format("Monday 2 January 2006, 15:04:05") + " (" + offset(t) + ")"
}

// Day is the date of an instant: "Thursday 14 May 2026".
func (p Page) Day(i wtp.Instant) string {
	t := p.local(i)
	if p.Lang == i18n.Chinese {
		days := []string{"日", "一", "二", "三", "四", "五", "六"}
		return t.Format("2006年1月2日 ") + "星期" + days[t.Weekday()]
	}
	return t.Format("Monday 2 January 2006")
}

func offset(t time.Time) string {
	_, seconds := t.Zone()
	if seconds == 0 {
		return "UTC"
	}
	sign := "+"
	if seconds < 0 {
		sign, seconds = "-", -seconds
	}
	s := "UTC" + sign + strconv.Itoa(seconds/3600)
	if minutes := seconds % 3600 / 60; minutes != 0 {
		s += ":" + strconv.Itoa(minutes/10) + strconv.Itoa(minutes%10)
	}
	return s
}

func (p Page) machine(i wtp.Instant) string { return p.local(i).Format(time.RFC3339) }

// Ago is how long ago an instant was: "40 s ago". The future counts as now.
func (p Page) Ago(i wtp.Instant) string {
	if i == 0 {
		return p.T("never")
	}
	d := p.Now.Sub(i.Time())
	switch {
	case d < 5*time.Second:
		return p.T("just now")
	case d < time.Minute:
		return p.T("%d s ago", int64(d.Seconds()))
	case d < time.Hour:
		return p.T("%d min ago", int64(d.Minutes()))
	case d < 48*time.Hour:
		return p.T("%d h ago", int64(d.Hours()))
	}
	return p.T("%d days ago", int64(d.Hours()/24))
}

// Took is a duration: "840 ms", "12 s", "3 min 20 s", "2 h 5 min".
func (p Page) Took(d time.Duration) string {
	switch {
	case d < time.Second:
		return p.T("%d ms", max(d.Milliseconds(), 0))
	case d < time.Minute:
		return p.T("%d s", int64(d.Seconds()))
	case d < time.Hour:
		return p.T("%d min %d s", int64(d.Minutes()), int64(d.Seconds())%60)
	}
	return p.T("%d h %d min", int64(d.Hours()), int64(d.Minutes())%60)
}

// RoleName is the word for a role.
func (p Page) RoleName(r wtp.Role) string {
	switch r {
	case wtp.Viewer:
		return p.T("Viewer")
	case wtp.Operator:
		return p.T("Operator")
	case wtp.Admin:
		return p.T("Admin")
	}
	return string(r)
}

// Initials are one or two letters that stand for a name.
func Initials(name string) string {
	words := strings.Fields(name)
	letters := ""
	for _, w := range words {
		letters += string([]rune(w)[:1])
		if len(letters) >= 2 && len([]rune(letters)) == 2 {
			break
		}
	}
	return strings.ToUpper(letters)
}

// old says whether the inventory is older than three missed readings.
func (p Page) old(project wtp.Project) bool {
	return p.Now.Sub(project.ReadAt.Time()) > 15*time.Minute
}

type readFault struct{ ours, theirs string }

// readFault is why the last reading of the project failed: our sentence, and
// HSS's code, message and request ID if it gave any.
func (p Page) readFault() readFault {
	ours, theirs, _ := strings.Cut(p.Project.ReadError, "\n")
	return readFault{p.Say(wtp.Text{ID: ours}), theirs}
}
