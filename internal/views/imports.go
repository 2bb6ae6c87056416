package views

import (
	"net/url"
	"strconv"

	"github.com/a-h/templ"

	"wtp-console/internal/wtp"
)

// MaxListShown is how many entries of a checked list the text box still shows.
const MaxListShown = 2000

// ImportProblems are the results that need somebody's attention.
func ImportProblems() []wtp.ImportResult {
	return []wtp.ImportResult{wtp.ImportAmbiguous, wtp.ImportUnknown, wtp.ImportUnreadable}
}

// ImportView is the form to paste a list and, with Import, what became of it.
type ImportView struct {
	Page
	Text    string // what the text box holds
	Faults  []wtp.FieldError
	Import  *wtp.Import
	Mine    bool // the reader pasted it
	Tab     wtp.ImportResult
	Rows    []ImportRow
	After   int64
	Next    int64  // seq; 0: no more
	Refused string // why the last act on the report was refused
}

// ImportRow is one entry, and the servers that an ambiguous one may mean.
type ImportRow struct {
	wtp.ImportLine
	Servers []wtp.Server
}

func (r ImportRow) pick() string { return "pick-" + strconv.FormatInt(r.Seq, 10) }

// more is how many candidates aren't offered.
func (r ImportRow) more() int64 { return r.Candidates - int64(len(r.Servers)) }

func (v ImportView) url(parts ...string) string {
	return v.URL(append([]string{"servers", "import", v.Import.UID}, parts...)...)
}

func (v ImportView) place(result wtp.ImportResult, after int64) string {
	q := url.Values{}
	if result != "" {
		q.Set("result", string(result))
	}
	if after > 0 {
		q.Set("after", strconv.FormatInt(after, 10))
	}
	return withQuery(v.url(), q.Encode())
}

func (v ImportView) csvURL(result string) string {
	q := url.Values{}
	if result != "" {
		q.Set("result", result)
	}
	return withQuery(v.url("lines.csv"), q.Encode())
}

// fault is what is wrong with the form's only entry, wherever it was found.
func (v ImportView) fault(field string) string { return v.FieldErrors(v.Faults)[field] }

func (v ImportView) labels() map[string]string {
	return map[string]string{"list": v.T("List"), "file": v.T("File"), "result": v.T("Result"), "after": v.T("Line")}
}

func (v ImportView) checkText() string {
	if v.Import == nil {
		return v.T("Check the list")
	}
	return v.T("Check the list again")
}

// resultStatus is how a result is shown.
func (p Page) resultStatus(r wtp.ImportResult) status {
	switch r {
	case wtp.ImportFound:
		return status{"ok", "check", p.T("Found")}
	case wtp.ImportAmbiguous:
		return status{"warn", "help-circle", p.T("Ambiguous")}
	case wtp.ImportUnknown:
		return status{"bad", "zoom-question", p.T("Unknown entry")}
	case wtp.ImportDuplicate:
		return status{"quiet", "copy", p.T("Duplicate")}
	case wtp.ImportCannot:
		return status{"quiet", "ban", p.T("Cannot be switched")}
	case wtp.ImportUnreadable:
		return status{"warn", "alert-circle", p.T("Unreadable")}
	}
	return status{"unk", "help-circle", string(r)}
}

// lineStatus is resultStatus with what is particular to the entry.
func (v ImportView) lineStatus(r ImportRow) status {
	s := v.resultStatus(r.Result)
	switch r.Result {
	case wtp.ImportDuplicate:
		s.text = v.T("Duplicate of line %d", r.DuplicateOf)
	case wtp.ImportAmbiguous:
		s.text = v.N(r.Candidates, "%d server fits", "%d servers fit")
	}
	return s
}

func (v ImportView) slices() []Slice {
	kinds := map[wtp.ImportResult]string{wtp.ImportFound: "ok", wtp.ImportAmbiguous: "unk", wtp.ImportUnknown: "bad",
		wtp.ImportDuplicate: "idle", wtp.ImportCannot: "faint", wtp.ImportUnreadable: "warn"}
	var out []Slice
	for _, r := range wtp.ImportResults() {
		out = append(out, Slice{Kind: kinds[r], N: v.Import.Of(r), Label: v.resultStatus(r).text})
	}
	return out
}

func (v ImportView) tabs() []tab {
	tabs := []tab{{"", v.T("All"), v.Import.Entries}}
	for _, r := range wtp.ImportResults() {
		if n := v.Import.Of(r); n > 0 || r == v.Tab {
			tabs = append(tabs, tab{string(r), v.resultStatus(r).text, n})
		}
	}
	return tabs
}

func (v ImportView) listed() int64 {
	if v.Tab == "" {
		return v.Import.Entries
	}
	return v.Import.Of(v.Tab)
}

func (v ImportView) pager() PagerView {
	p := PagerView{Text: v.T("%d of %d", len(v.Rows), v.listed())}
	if v.After > 0 {
		p.First = v.place(v.Tab, 0)
	}
	if v.Next > 0 {
		p.Next = v.place(v.Tab, v.Next)
	}
	return p
}

func (v ImportView) foundText() string {
	return v.N(v.Import.Found, "server found in %s", "servers found in %s", v.Project.Name)
}

func (v ImportView) selectText() string {
	return v.N(v.Import.Found, "Select %d server", "Select the %d servers found")
}

func (v ImportView) problems() (n int64) {
	for _, r := range ImportProblems() {
		n += v.Import.Of(r)
	}
	return n
}

func (v ImportView) problemText() string {
	return v.N(v.problems(), "Download %d problem line", "Download %d problem lines")
}

func (v ImportView) leftOutText() string {
	n := v.Import.Entries - v.Import.Found
	if n == 0 {
		return ""
	}
	return v.N(n, "The other entry is left out.", "The other %d entries are left out.")
}

// settles says whether ticked candidates can be sent from this page.
func (v ImportView) settles() bool {
	if !v.Mine || !v.May(wtp.Act) {
		return false
	}
	for _, r := range v.Rows {
		if r.Result == wtp.ImportAmbiguous {
			return true
		}
	}
	return false
}

func (r ImportRow) candidateText(s wtp.Server) string {
	text := serverName(s)
	for _, part := range []string{s.PrivateIP, s.PublicIP, s.GroupName} {
		if part != "" {
			text += " · " + Plain(part)
		}
	}
	return text
}

func (v ImportView) listAttrs() templ.Attributes {
	return FieldView{Name: "list", Hint: "-", Error: v.fault("list")}.Attrs()
}

// shortEntry is the head and tail of an entry that is longer than a name
// usually is; the whole of it shows on hover and in the download.
func shortEntry(text string) string {
	if r := []rune(text); len(r) > 24 {
		return string(r[:12]) + "…" + string(r[len(r)-6:])
	}
	return text
}
