package views

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"wtp-console/internal/wtp"
)

// EventsView is a page of everything recorded, newest first.
type EventsView struct {
	Page
	Events []wtp.Event
	Slug   string // of the project asked for; "": all
	First  bool   // this is the newest page
	Next   int64  // seq that the next page stays below; 0: no more
}

func (v EventsView) url(before int64) string {
	q := url.Values{}
	if v.Slug != "" {
		q.Set("project", v.Slug)
	}
	if before > 0 {
		q.Set("before", strconv.FormatInt(before, 10))
	}
	if len(q) == 0 {
		return "/events"
	}
	return "/events?" + q.Encode()
}

func (v EventsView) pager() PagerView {
	p := PagerView{Text: v.N(int64(len(v.Events)), "%d event", "%d events")}
	if !v.First {
		p.First = v.url(0)
	}
	if v.Next > 0 {
		p.Next = v.url(v.Next)
	}
	return p
}

func (v EventsView) project(id int64) string {
	for _, p := range v.Projects {
		if p.ID == id {
			return p.Name
		}
	}
	return ""
}

// change is the address and number of the change that an event is about; "" if
// it is about none, or of a project that is no longer managed.
func (v EventsView) change(e wtp.Event) (href, number string) {
	n, err := strconv.ParseInt(strings.TrimPrefix(e.Subject, "change "), 10, 64)
	if e.ChangeID == 0 || err != nil || n <= 0 {
		return "", ""
	}
	for _, p := range v.Projects {
		if p.ID == e.ProjectID {
			return "/p/" + url.PathEscape(p.Slug) + "/changes/" + strconv.FormatInt(n, 10), numberText(n)
		}
	}
	return "", ""
}

// subject is what an event is about, in the reader's words where it isn't a name.
func (v EventsView) subject(e wtp.Event) string {
	if n, ok := strings.CutPrefix(e.Subject, "change "); ok && n != "" && strings.Trim(n, "0123456789") == "" {
		return "#" + n
	}
	if label := (LimitsView{Page: v.Page}).labels()[e.Subject]; label != "" && e.Verb == "setting.changed" {
		return label
	}
	return e.Subject
}

// eventWord says what an event is. A verb that the console doesn't know, of a
// newer version perhaps, stands for itself.
func (p Page) eventWord(verb string) string {
	switch verb {
	case "setup.done":
		return p.T("Set up the console")
	case "user.created":
		return p.T("Added a person")
	case "user.changed":
		return p.T("Changed a person")
	case "user.password_changed":
		return p.T("Set a password")
	case "user.signed_in":
		return p.T("Signed in")
	case "user.signed_out":
		return p.T("Signed out")
	case "user.sign_in_failed":
		return p.T("Sign-in failed")
	case "session.ended":
		return p.T("Ended a sign-in")
	case "setting.changed":
		return p.T("Changed a limit")
	case "console.paused":
		return p.T("Paused the console")
	case "console.resumed":
		return p.T("Resumed the console")
	case "timer.set":
		return p.T("Set a time to turn back on")
	case "timer.moved":
		return p.T("Changed the time to turn back on")
	case "timer.cancelled":
		return p.T("Cancelled turning back on")
	case "timer.ended":
		return p.T("Ended turning back on")
	case "timer.fired":
		return p.T("Turned back on by itself")
	case "credential.created":
		return p.T("Added a credential")
	case "credential.changed":
		return p.T("Changed a credential")
	case "credential.replaced":
		return p.T("Replaced a secret")
	case "credential.removed":
		return p.T("Removed a credential")
	case "project.created":
		return p.T("Added a project")
	case "project.changed":
		return p.T("Changed a project")
	case "project.removed":
		return p.T("Removed a project")
	case "inventory.changed_outside":
		return p.T("Changed outside the console")
	case "set.created":
		return p.T("Saved a set")
	case "set.renamed":
		return p.T("Renamed a set")
	case "set.replaced":
		return p.T("Replaced a set")
	case "set.deleted":
		return p.T("Deleted a set")
	case "restart.needed":
		return p.T("A Tomcat restart is needed")
	case "restart.done":
		return p.T("Marked Tomcat restarts done")
	case "restart.reopened":
		return p.T("Took back marks of Tomcat restarts")
	case "restart.off":
		return p.T("A Tomcat restart is no longer needed")
	case "change.confirmed":
		return p.T("Confirmed a change")
	case "change.stop_asked":
		return p.T("Asked a change to stop")
	case "change.stopped":
		return p.T("Change stopped")
	case "change.finished":
		return p.T("Change finished")
	}
	return verb
}

func eventIcon(verb string) (icon, class string) {
	switch verb {
	case "user.sign_in_failed":
		return "alert-circle", "t-warn"
	case "inventory.changed_outside":
		return "zoom-exclamation", "t-warn"
	case "credential.removed", "project.removed", "set.deleted":
		return "trash", "faint"
	}
	switch head, _, _ := bytes.Cut([]byte(verb), []byte(".")); string(head) {
	case "user", "session", "setup":
		return "user", "faint"
	case "credential":
		return "key", "faint"
	case "project":
		return "folder", "faint"
	case "setting":
		return "settings", "faint"
	case "console":
		return "player-pause", "t-warn"
	case "timer":
		return "clock-shield", "faint"
	case "restart":
		return "refresh", "faint"
	case "change":
		return "history", "faint"
	}
	return "list", "faint"
}

// detailRow is one value of an event's detail.
type detailRow struct{ key, value string }

// detail is all that is recorded of an event. Why the console stopped a change, or a
// timer found nothing to do, is recorded in English and said in the reader's language;
// what a person wrote stays as it is.
func (v EventsView) detail(e wtp.Event) []detailRow {
	rows := detail(e)
	if e.Verb != "change.stopped" && e.Verb != "timer.ended" {
		return rows
	}
	for i, row := range rows {
		if row.key == "why" {
			rows[i].value = v.Say(wtp.StopReason(row.value))
		}
	}
	return rows
}

// detail lays an event's JSON out as rows, keys of nested objects joined by dots.
// What is empty is left out.
func detail(e wtp.Event) []detailRow {
	d := json.NewDecoder(bytes.NewReader([]byte(e.Detail)))
	d.UseNumber()
	var value any
	if e.Detail == "" || d.Decode(&value) != nil {
		return nil
	}
	return flatten(nil, "", value)
}

func flatten(rows []detailRow, key string, value any) []detailRow {
	object, ok := value.(map[string]any)
	if !ok {
		if text := plain(value); text != "" {
			rows = append(rows, detailRow{key, text})
		}
		return rows
	}
	keys := make([]string, 0, len(object))
	for k := range object {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		name := k
		if key != "" {
			name = key + "." + k
		}
		rows = flatten(rows, name, object[k])
	}
	return rows
}

func plain(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	}
	text, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return string(text)
}

func (v EventsView) eventActor(e wtp.Event) string {
	if e.Actor == "" {
		return v.T("The console")
	}
	return e.Actor
}
