package views

import (
	"strconv"
	"strings"

	"wtp-console/internal/wtp"
)

// SignedOutView is a form that was sent after the session had ended. The page
// holds it, so that it can be sent again.
type SignedOutView struct {
	Page      Page
	Action    string // path the form was sent to, with its query
	SignIn    string // path of the sign-in page
	Upload    bool   // a multipart form
	Fields    []KeptField
	Files     []string // names of the fields that had a file, which no page can hold
	RequestID string   // to quote
	At        wtp.Instant
}

// KeptField is one field of a form as it was sent; a name may come more than once.
type KeptField struct{ Name, Value string }

// shows says under which label a reader finds a field again; "" if it is one that
// nobody typed, or is empty.
func (v SignedOutView) shows(f KeptField) string {
	if f.Value == "" {
		return ""
	}
	p := v.Page
	switch f.Name {
	case "reason", "why":
		return p.T("Reason")
	case "ticket":
		return p.T("Ticket")
	case "confirm":
		return p.T("Confirmation")
	case "back_at":
		return p.T("Date and time")
	case "list":
		return p.T("List")
	case "note":
		return p.T("Note")
	case "name":
		return p.T("Name")
	case "dir":
		return p.T("Directory")
	}
	return ""
}

func (v SignedOutView) readable() bool {
	for _, f := range v.Fields {
		if v.shows(f) != "" {
			return true
		}
	}
	return len(v.Files) > 0
}

// rows is how high the box of a text is.
func (f KeptField) rows() string {
	switch lines := strings.Count(f.Value, "\n") + 1; {
	case lines > 1:
		return strconv.Itoa(min(lines+1, 10))
	case len(f.Value) > 60:
		return "3"
	}
	return "1"
}

func (f KeptField) wrap() string {
	if f.Name == "list" {
		return "off"
	}
	return "soft"
}

// text is what goes into a textarea: a browser drops a line break right after the tag.
func (f KeptField) text() string { return "\n" + f.Value }

func keptID(kind string, i int) string { return kind + "-" + strconv.Itoa(i) }

func (v SignedOutView) enctype() string {
	if v.Upload {
		return "multipart/form-data"
	}
	return "application/x-www-form-urlencoded"
}
