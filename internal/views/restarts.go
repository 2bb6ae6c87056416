package views

import (
	"net/url"
	"strconv"

	"wtp-console/internal/wtp"
)

// RestartsView is one part of the restart list of a project.
type RestartsView struct {
	Page
	State   wtp.RestartState
	Query   string
	Group   string   // as in the address: "" any, "-" none
	Groups  []string // that have open entries; "" for none
	Number  string   // of a change, as it was entered
	Rows    []RestartRow
	Open    int64 // of the project
	Count   int64 // how many match
	More    bool  // there are more than Count
	First   bool  // this is the first page
	Next    string
	Note    string
	Bad     []wtp.FieldError
	Refused string
}

// RestartRow is an entry with the Tomcat bin directory, where that is known.
type RestartRow struct {
	wtp.Restart
	Dir       string
	DirReadAt wtp.Instant // 0: not known
}

// RestartTab is the word of a part of the list in its address.
func RestartTab(s wtp.RestartState) string {
	if s == wtp.RestartOpen {
		return ""
	}
	return string(s)
}

// Values are the filter as a query string has it, without the part of the list.
func (v RestartsView) Values() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"q": v.Query, "group": v.Group, "change": v.Number} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

func (v RestartsView) place(state wtp.RestartState, q url.Values, after string) string {
	if tab := RestartTab(state); tab != "" {
		q.Set("tab", tab)
	}
	if after != "" {
		q.Set("after", after)
	}
	return withQuery(v.URL("restarts"), q.Encode())
}

func (v RestartsView) tabURL(state wtp.RestartState) string { return v.place(state, v.Values(), "") }

func (v RestartsView) clearURL() string { return v.place(v.State, url.Values{}, "") }

func (v RestartsView) exportURL(name string) string {
	q := v.Values()
	if tab := RestartTab(v.State); tab != "" {
		q.Set("tab", tab)
	}
	return withQuery(v.URL(name), q.Encode())
}

func (v RestartsView) narrowed() bool { return len(v.Values()) > 0 }

func (v RestartsView) tabName(state wtp.RestartState) string {
	switch state {
	case wtp.RestartOpen:
		return v.T("To do")
	case wtp.RestartDone:
		return v.T("Done")
	case wtp.RestartOff:
		return v.T("Taken off")
	}
	return string(state)
}

func (v RestartsView) pager() PagerView {
	p := PagerView{Text: v.N(int64(len(v.Rows)), "%d server", "%d servers")}
	if v.Count > int64(len(v.Rows)) || v.More {
		p.Text = v.T("%d of %s servers", len(v.Rows), v.countText())
	}
	if !v.First {
		p.First = v.place(v.State, v.Values(), "")
	}
	if v.Next != "" {
		p.Next = v.place(v.State, v.Values(), v.Next)
	}
	return p
}

func (v RestartsView) countText() string {
	if v.More {
		return v.Int(v.Count) + "+"
	}
	return v.Int(v.Count)
}

// marks says whether the reader may tick entries of this part.
func (v RestartsView) marks() bool {
	return v.May(wtp.Act) && len(v.Rows) > 0 && v.State != wtp.RestartOff
}

func (v RestartsView) groupName(name string) string {
	if name == "" {
		return v.T("No group")
	}
	return Plain(name)
}

func groupWord(name string) string {
	if name == "" {
		return "-"
	}
	return name
}

// markAllWord is what marks all that match, and how many were shown. Without a filter it
// says that all are meant: a filter that gets lost must not mean it.
func (v RestartsView) markAllWord() string {
	if v.narrowed() {
		return "matching-" + strconv.FormatInt(v.Count, 10)
	}
	return "all-" + strconv.FormatInt(v.Count, 10)
}

func (v RestartsView) markAllText() string {
	return v.N(v.Count, "Mark %d server done", "Mark all %d done")
}

func (v RestartsView) changeURL(number int64) string {
	return v.URL("changes", strconv.FormatInt(number, 10))
}

func (r RestartRow) label() string {
	if name := Plain(r.Name); name != "" {
		return name
	}
	return r.HostID
}

// offText says why an entry was taken off the list.
func (v RestartsView) offText(r RestartRow) string {
	if r.OffNumber == 0 {
		return v.T("Turned off outside the console")
	}
	return v.T("Turned off by %s", numberText(r.OffNumber))
}

// RestartText says on the page of an overview or a change how many servers wait.
func (p Page) RestartText(n int64) string {
	return p.N(n, "%d server needs a Tomcat restart.", "%d servers need a Tomcat restart.")
}

func (v RestartsView) restartAction() string {
	if v.State == wtp.RestartOpen {
		return v.URL("restarts", "done")
	}
	return v.URL("restarts", "reopen")
}

// dirNote says of a Tomcat bin directory that isn't there why not.
func (p Page) dirNote(readAt wtp.Instant) string {
	if readAt == 0 {
		return p.T("Not read yet")
	}
	return p.T("None set")
}
