package views

import (
	"net/url"
	"strconv"

	"github.com/a-h/templ"

	"wtp-console/internal/wtp"
)

func (p Page) title() string {
	s := p.Title
	if s == "" {
		return "wtp-console"
	}
	if p.Project != nil {
		s += " · " + p.Project.Name
	}
	return s + " · wtp-console"
}

func (p Page) theme() templ.Attributes {
	if p.Theme != "light" && p.Theme != "dark" {
		return nil
	}
	return templ.Attributes{"data-bs-theme": p.Theme}
}

func projectLine(project wtp.Project) string {
	s := project.Region
	if e := project.EnterpriseProjectID; e != "" {
		s += " · " + e
	}
	return s
}

func (p Page) isProject(project wtp.Project) bool {
	return p.Project != nil && p.Project.ID == project.ID
}

// current marks a link to where the reader is.
func (p Page) current(here bool) templ.Attributes {
	if !here {
		return nil
	}
	return templ.Attributes{"aria-current": "page"}
}

// projectLink keeps the reader in the same section of the other project.
func (p Page) projectLink(project wtp.Project) string {
	base := "/p/" + url.PathEscape(project.Slug)
	switch p.Section {
	case "servers", "changes", "backup-servers":
		return base + "/" + p.Section
	}
	return base
}

// stamped adds the stamp of what is drawn to the query of a poll.
func (p Page) stamped(q url.Values) url.Values {
	if p.Stamp != "" {
		q.Set("stamp", p.Stamp)
	}
	return q
}

// runningPoll makes RunningNow ask for itself while a change is under way.
func (p Page) runningPoll() templ.Attributes {
	if len(p.Running) == 0 {
		return nil
	}
	return templ.Attributes{
		"hx-get":     withQuery(p.URL("running"), p.stamped(url.Values{}).Encode()),
		"hx-trigger": "every 3s",
		"hx-swap":    "outerHTML",
		// A failed poll leaves what is shown; the next one may do better.
		"hx-status:5xx": "swap:none",
		"hx-status:4xx": "swap:none",
	}
}

func (r RunningChange) slices(p Page) []Slice {
	return []Slice{
		{Kind: "ok", N: r.Confirmed, Label: p.T("read back")},
		{Kind: "info", N: r.Done - r.Bad - r.Confirmed, Label: p.T("accepted")},
		{Kind: "bad", N: r.Bad, Label: p.T("refused or unknown")},
		{Kind: "faint", N: r.Total - r.Done, Label: p.T("to do")},
	}
}

type tile struct{ kind, x, y, opacity string }

// tiles are 26 by 15 squares, the same at every visit.
func tiles() []tile {
	out := make([]tile, 0, 26*15)
	seed := uint32(7)
	for y := range 15 {
		for x := range 26 {
			seed = seed*1664525 + 1013904223
			n := seed >> 16 % 100
			t := tile{"ok", strconv.Itoa(x * 20), strconv.Itoa(y * 20), "0." + strconv.Itoa(35+int(seed>>8%60))}
			switch {
			case n < 6:
				t.kind, t.opacity = "warn", "0.90"
			case n < 12:
				t.kind, t.opacity = "faint", "0.90"
			}
			out = append(out, t)
		}
	}
	return out
}
