package views

import (
	"net/url"
	"strconv"

	"wtp-console/internal/wtp"
)

// ChangesView is the history of a project or, without Page.Project, of all.
type ChangesView struct {
	Page
	Filter ChangeFilter
	People []string // who has ever confirmed a change, for the filter
	Rows   []ChangeRow
	Before int64            // where this page of the list begins; 0: at the newest
	Next   int64            // pass as ?before= for older ones; 0: none
	Faults []wtp.FieldError // of the filter; the list is empty then
}

// ChangeFilter narrows the history. The fields are as in the query string.
type ChangeFilter struct {
	Query, Kind, Who, Outcome string
	From, To                  string // days, YYYY-MM-DD, both included
}

// Values is the filter as a query string.
func (f ChangeFilter) Values() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"q": f.Query, "kind": f.Kind, "who": f.Who, "outcome": f.Outcome, "from": f.From, "to": f.To} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// ChangeKinds are the words of the filter by kind.
func ChangeKinds() []string {
	return []string{string(wtp.DynamicWTP), string(wtp.RemoteBackup), string(wtp.BackupHost), string(wtp.BackupRemoval), string(wtp.TomcatDir)}
}

// ChangeOutcomes are the words of the filter by outcome.
func ChangeOutcomes() []string {
	return []string{"running", "failed", "unknown", "not_seen", "otherwise"}
}

// ChangeRow is one line of the history.
type ChangeRow struct {
	Change      wtp.Change
	Tally       Tally
	ProjectSlug string
	ProjectName string
	UndoneBy    int64       // number of the change that undoes it; 0: none
	Until       wtp.Instant // when its pending timer turns back on; 0: it has none
}

type changeDay struct {
	at   wtp.Instant
	rows []ChangeRow
}

// days groups the rows by the reader's day.
func (v ChangesView) days() []changeDay {
	var days []changeDay
	for _, r := range v.Rows {
		at := r.Change.ConfirmedAt
		if n := len(days); n > 0 && v.sameDay(days[n-1].at, at) {
			days[n-1].rows = append(days[n-1].rows, r)
			continue
		}
		days = append(days, changeDay{at, []ChangeRow{r}})
	}
	return days
}

func (p Page) sameDay(a, b wtp.Instant) bool {
	x, y := p.local(a), p.local(b)
	return x.Year() == y.Year() && x.YearDay() == y.YearDay()
}

// dayName is "Today" or "Yesterday", "" for other days.
func (v ChangesView) dayName(at wtp.Instant) string {
	switch {
	case v.sameDay(at, wtp.At(v.Now)):
		return v.T("Today")
	case v.sameDay(at, wtp.At(v.Now.AddDate(0, 0, -1))):
		return v.T("Yesterday")
	}
	return ""
}

func (v ChangesView) subtitle() string {
	if v.Project == nil {
		return v.T("Everything this console changed in HSS, in all projects")
	}
	return v.T("Everything this console changed in %s", v.Project.Name)
}

func (v ChangesView) filtered() bool { return len(v.Filter.Values()) > 0 }

func (v ChangesView) without(fields ...string) string {
	q := v.Filter.Values()
	for _, f := range fields {
		q.Del(f)
	}
	return withQuery(v.URL("changes"), q.Encode())
}

func (v ChangesView) csvURL() string {
	return withQuery(v.URL("changes.csv"), v.Filter.Values().Encode())
}

// Query is the query string of this very page of the list.
func (v ChangesView) Query() string {
	q := v.Filter.Values()
	if v.Before > 0 {
		q.Set("before", strconv.FormatInt(v.Before, 10))
	}
	return q.Encode()
}

// PageURL is the address of this very page of the list.
func (v ChangesView) PageURL() string { return withQuery(v.URL("changes"), v.Query()) }

func (v ChangesView) pager() PagerView {
	pv := PagerView{Text: v.N(int64(len(v.Rows)), "%d change shown", "%d changes shown")}
	if v.Before > 0 {
		pv.First = v.without()
	}
	if v.Next > 0 {
		q := v.Filter.Values()
		q.Set("before", strconv.FormatInt(v.Next, 10))
		pv.Next = withQuery(v.URL("changes"), q.Encode())
	}
	return pv
}

func (v ChangesView) facets() []facet {
	one := func(s string) []string {
		if s == "" {
			return nil
		}
		return []string{s}
	}
	fs := []facet{
		{name: "kind", label: v.T("Kind"), options: options(ChangeKinds(), one(v.Filter.Kind), v.changeKindName)},
		{name: "who", label: v.T("Who"), options: options(v.People, one(v.Filter.Who), func(s string) string { return s })},
		{name: "outcome", label: v.T("Outcome"), options: options(ChangeOutcomes(), one(v.Filter.Outcome), v.outcomeFilterName)},
	}
	for i := range fs {
		fs[i].single, fs[i].comma, fs[i].remove = true, v.T(", "), v.without(fs[i].name)
	}
	return fs
}

// when is the filter by day as a chip says it.
func (v ChangesView) when() facet {
	f := facet{name: "when", label: v.T("When"), remove: v.without("from", "to")}
	switch {
	case v.Filter.From != "" && v.Filter.To != "":
		f.options = []facetOption{{label: v.T("%s to %s", v.Filter.From, v.Filter.To), on: true}}
	case v.Filter.From != "":
		f.options = []facetOption{{label: v.T("from %s", v.Filter.From), on: true}}
	case v.Filter.To != "":
		f.options = []facetOption{{label: v.T("until %s", v.Filter.To), on: true}}
	}
	return f
}

func (p Page) changeKindName(word string) string {
	switch word {
	case string(wtp.DynamicWTP):
		return p.T("Dynamic WTP")
	case string(wtp.BackupHost):
		return p.T("Backup server")
	case string(wtp.TomcatDir):
		return p.T("Tomcat bin directory")
	case string(wtp.RemoteBackup):
		return p.T("Remote backup")
	case string(wtp.BackupRemoval):
		return p.T("Backup server removed")
	}
	return word
}

func (p Page) outcomeFilterName(word string) string {
	switch word {
	case "running":
		return p.T("Running")
	case "failed":
		return p.T("With refused servers")
	case "unknown":
		return p.T("With unknown servers")
	case "not_seen":
		return p.T("Accepted, not seen yet")
	case "otherwise":
		return p.T("Accepted, HSS shows otherwise")
	}
	return word
}

func (v ChangesView) rowURL(r ChangeRow) string {
	return "/p/" + url.PathEscape(r.ProjectSlug) + "/changes/" + strconv.FormatInt(r.Change.Number, 10)
}

// rowKind is the icon of a line and the words that stand for it.
func (v ChangesView) rowKind(r ChangeRow) status {
	if s, ok := v.remoteKind(r.Change); ok && r.Change.UndoOf == 0 {
		return s
	}
	switch {
	case r.Change.UndoOf != 0:
		return status{"quiet", "arrow-back-up", v.T("Undo")}
	case r.Change.SetIn != 0:
		return status{"info", "clock-shield", v.T("Turn back on")}
	case r.Change.Kind == wtp.TomcatDir:
		return status{"quiet", "folder", v.T("Tomcat bin directory")}
	case r.Change.Kind == wtp.BackupHost:
		return status{"quiet", "database", v.T("Backup server")}
	case r.Change.Direction == wtp.Enable:
		return status{"ok", "shield-check-f", v.T("Turn on")}
	}
	return status{"warn", "shield-off", v.T("Turn off")}
}

func (v ChangesView) rowReason(r ChangeRow) string {
	if r.Change.SetIn != 0 {
		return v.T("Set by %s in %s", r.Change.ConfirmedByName, numberText(r.Change.SetIn)) + " · " + v.rowWhy(r)
	}
	if r.Change.RetryOf != 0 {
		return v.T("Retry of %s", numberText(r.Change.RetryOf)) + " · " + v.rowWhy(r)
	}
	return v.rowWhy(r)
}

func (v ChangesView) rowWhy(r ChangeRow) string {
	if r.Change.Ticket == "" {
		return r.Change.Reason
	}
	return r.Change.Ticket + " · " + r.Change.Reason
}

func (v ChangesView) rowMeta(r ChangeRow) string {
	return numberText(r.Change.Number) + " · " + v.whoText(r.Change) + " · " + v.local(r.Change.ConfirmedAt).Format("15:04")
}

// rowOutcome is the result of a line in one phrase.
func (v ChangesView) rowOutcome(r ChangeRow) status {
	c, t := r.Change, r.Tally
	bad, unknown := t.of(wtp.TargetRefused), t.of(wtp.TargetUnknown)
	switch {
	case !c.State.Over():
		return v.changePill(c, t)
	case bad > 0 && unknown > 0:
		return status{"bad", "x", v.T("%d refused, %d unknown", bad, unknown)}
	case bad > 0:
		return status{"bad", "x", v.T("%d refused", bad)}
	case unknown > 0:
		return status{"unk", "help-circle", v.T("%d unknown", unknown)}
	case c.State == wtp.Stopped:
		return status{"warn", "player-stop", v.T("Stopped, %d not done", t.of(wtp.TargetStopped))}
	case (c.Kind == wtp.BackupHost || c.Kind == wtp.TomcatDir) && t.Confirmed == c.ToSend:
		return status{"ok", "check", v.T("Read back as set")}
	case t.Confirmed == c.ToSend:
		return status{"ok", "check", v.T("%d read back", t.Confirmed)}
	case t.Otherwise > 0 && c.ReadBackAt == 0: // before that it is soon to say so
		return status{"warn", "alert-triangle", v.T("%d accepted, HSS shows otherwise on %d", t.of(wtp.TargetAccepted), t.Otherwise)}
	}
	return status{"info", "circle-dashed", v.T("%d accepted, %d read back", t.of(wtp.TargetAccepted), t.Confirmed)}
}

// mixed says whether a line needs a bar: it has more than one outcome.
func (r ChangeRow) mixed() bool {
	n := 0
	for o, k := range r.Tally.Outcome {
		if o != wtp.TargetSkipped && k > 0 {
			n++
		}
	}
	return n > 1
}

func (v ChangesView) rowSlices(r ChangeRow) []Slice {
	all := ChangeView{Page: v.Page, Change: r.Change, Tally: r.Tally}.slices()
	return all[:len(all)-1] // what was skipped says nothing about how it went
}

func (v ChangesView) sayText() string {
	return v.N(int64(len(v.Rows)), "%d change shown", "%d changes shown")
}
