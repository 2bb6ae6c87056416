package views

import (
	"strconv"

	"github.com/a-h/templ"

	"wtp-console/internal/wtp"
)

// FieldView is one field of a form: label, hint and what is wrong with it.
type FieldView struct {
	Name     string
	ID       string // Name if ""
	Label    string
	Hint     string
	Error    string
	Optional bool // the label says so
}

func (f FieldView) id() string {
	if f.ID != "" {
		return f.ID
	}
	return f.Name
}

// Attrs are what the control inside Field needs: id, name, and the links to its
// error and hint.
func (f FieldView) Attrs() templ.Attributes {
	a := templ.Attributes{"id": f.id(), "name": f.Name}
	described := ""
	if f.Error != "" {
		a["aria-invalid"] = "true"
		described = f.id() + "-err"
	}
	if f.Hint != "" {
		if described != "" {
			described += " "
		}
		described += f.id() + "-hint"
	}
	if described != "" {
		a["aria-describedby"] = described
	}
	return a
}

// FieldErrors is what is wrong, by field, in the reader's language; the first
// fault of each field.
func (p Page) FieldErrors(bad []wtp.FieldError) map[string]string {
	m := map[string]string{}
	for _, e := range bad {
		if m[e.Field] == "" {
			m[e.Field] = p.Say(e.Text)
		}
	}
	return m
}

// PagerView leads to the neighbours of a page of a list; "" means there is none.
type PagerView struct {
	First, Prev, Next string
	Text              string // what is shown, e.g. "50 of 12,431"
	Part              string // ID of the part of the page that forward swaps alone; "": the page is loaded
}

// Slice is one part of an OutcomeBar. Kind is "ok", "info", "warn", "bad",
// "unk", "idle" or "faint"; Label is in the reader's language.
type Slice struct {
	Kind  string
	N     int64
	Label string
}

type barPart struct{ kind, x, width string }

// barParts lays the slices out on 1,000 units, with 4 units between them, and
// never hides a part that isn't empty.
func barParts(slices []Slice) []barPart {
	var total int64
	last := -1
	for i, s := range slices {
		total += s.N
		if s.N > 0 {
			last = i
		}
	}
	var parts []barPart
	x := 0.0
	for i, s := range slices {
		if s.N <= 0 {
			continue
		}
		share := float64(s.N) / float64(total) * 1000
		width := share - 4
		if i == last {
			width = 1000 - x
		}
		parts = append(parts, barPart{s.Kind, decimal(x), decimal(max(width, 3))})
		x += share
	}
	return parts
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }

// sliceText says what a bar shows: "14,352 On, 2,498 Off".
func sliceText(p Page, slices []Slice) string {
	s := ""
	for _, x := range slices {
		if x.N == 0 {
			continue
		}
		if s != "" {
			s += p.T(", ")
		}
		s += p.T("%d %s", x.N, x.Label)
	}
	if s == "" {
		return p.T("None")
	}
	return s
}

// shortID is the head of a long ID.
func shortID(id string) string {
	if r := []rune(id); len(r) > 13 {
		return string(r[:8]) + "…"
	}
	return id
}

// alertIf makes what a page says of a request be read out at once.
func alertIf(on bool) templ.Attributes {
	if on {
		return templ.Attributes{"role": "alert"}
	}
	return nil
}

func noticeIcon(kind string) string {
	switch kind {
	case "ok":
		return "check"
	case "warn":
		return "alert-triangle"
	case "bad":
		return "alert-circle"
	}
	return "info-circle"
}

type freshness struct{ kind, icon, text, title string }

func (p Page) freshness(project wtp.Project) freshness {
	switch {
	case project.ReadFailedAt != 0 && project.ReadAt == 0:
		return freshness{"bad", "cloud-off", p.T("Reading HSS failed %s", p.Ago(project.ReadFailedAt)), p.When(project.ReadFailedAt)}
	case project.ReadStartedAt != 0 && project.ReadLeaseUntil > wtp.At(p.Now):
		return freshness{"info", "loader-2", p.T("Reading HSS"), p.When(project.ReadStartedAt)}
	case project.ReadAt == 0:
		return freshness{"quiet", "clock", p.T("HSS not read yet"), ""}
	case project.ReadFailedAt != 0 || p.old(project):
		return freshness{"warn", "clock-exclamation", p.T("HSS read %s", p.Ago(project.ReadAt)), p.When(project.ReadAt)}
	}
	return freshness{"quiet", "refresh", p.T("HSS read %s", p.Ago(project.ReadAt)), p.When(project.ReadAt)}
}

// fieldLabel is the label of a field that a fault or a difference names; the
// field's own name if the form gave none.
func fieldLabel(labels map[string]string, field string) string {
	if l := labels[field]; l != "" {
		return l
	}
	return field
}
