package views

import (
	"encoding/json"
	"net/url"
	"strconv"

	"wtp-console/internal/wtp"
)

// SetsView lists the sets of a project.
type SetsView struct {
	Page
	Sets     []wtp.ServerSet
	Selected int64 // size of the reader's selection
}

// SetFormView names a set that is to hold the selection.
type SetFormView struct {
	Page
	Name     string
	Selected int64
	Bad      []wtp.FieldError
}

func (v SetFormView) fault() string { return v.FieldErrors(v.Bad)["name"] }

func (v SetFormView) saveText() string {
	return v.N(v.Selected, "Save %d server", "Save %d servers")
}

// SetEntry is one thing of a set's history: what was done to it, or a change of it.
type SetEntry struct {
	Event  wtp.Event  // when Change is nil
	Change *ChangeRow // a change of exactly its servers
}

// SetView is one set with its servers and its history.
type SetView struct {
	Page
	Set           wtp.ServerSet
	Name          string // what the form to rename it holds
	Servers       []wtp.SetServer
	Gone          int64 // servers that HSS no longer lists
	GoneOnly      bool
	After, Next   int64
	Selected      int64      // size of the reader's selection
	History       []SetEntry // newest first
	HistoryBefore int64      // seq that this page of it stays below; 0: the newest
	HistoryNext   int64      // 0: no more
	Bad           []wtp.FieldError
	Refused       string
}

func (v SetView) fault() string { return v.FieldErrors(v.Bad)["name"] }

func (v SetView) url(parts ...string) string {
	return v.URL(append([]string{"sets", v.Set.UID}, parts...)...)
}

func (v SetView) seen() string { return strconv.FormatInt(int64(v.Set.ChangedAt), 10) }

func (v SetView) place(gone bool, after, before int64) string {
	q := url.Values{}
	if gone {
		q.Set("gone", "1")
	}
	if after > 0 {
		q.Set("after", strconv.FormatInt(after, 10))
	}
	if before > 0 {
		q.Set("before", strconv.FormatInt(before, 10))
	}
	return withQuery(v.url(), q.Encode())
}

func (v SetView) subtitle() string {
	return v.N(v.Set.N, "%d server, saved by %s %s", "%d servers, saved by %s %s", v.Set.N, v.Set.ChangedByName, v.Ago(v.Set.ChangedAt))
}

func (v SetView) listed() int64 {
	if v.GoneOnly {
		return v.Gone
	}
	return v.Set.N
}

func (v SetView) pager() PagerView {
	p := PagerView{Text: v.T("%d of %d", len(v.Servers), v.listed())}
	if v.After > 0 {
		p.First = v.place(v.GoneOnly, 0, v.HistoryBefore)
	}
	if v.Next > 0 {
		p.Next = v.place(v.GoneOnly, v.Next, v.HistoryBefore)
	}
	return p
}

func (v SetView) historyPager() PagerView {
	p := PagerView{Text: v.N(int64(len(v.History)), "%d shown", "%d shown")}
	if v.HistoryBefore > 0 {
		p.First = v.place(v.GoneOnly, v.After, 0)
	}
	if v.HistoryNext > 0 {
		p.Next = v.place(v.GoneOnly, v.After, v.HistoryNext)
	}
	return p
}

func (v SetView) addText() string {
	if v.Selected == 0 {
		return v.N(v.Set.N, "Select this server", "Select these %d")
	}
	return v.T("Add to the %d selected", v.Selected)
}

func (v SetView) onlyText() string {
	return v.N(v.Set.N, "Select only this server", "Select only these %d")
}

func (v SetView) replaceText() string {
	return v.N(v.Selected, "Replace by the %d selected server", "Replace by the %d selected servers")
}

// changes draws a change as the list of changes does.
func (v SetView) changes() ChangesView { return ChangesView{Page: v.Page} }

// eventText says what was done to the set, from what was recorded of it.
func (v SetView) eventText(e wtp.Event) string {
	switch e.Verb {
	case "set.created":
		var d struct{ Servers int64 }
		if json.Unmarshal([]byte(e.Detail), &d) == nil {
			return v.N(d.Servers, "Saved with %d server", "Saved with %d servers")
		}
	case "set.renamed":
		var d struct{ Before, After string }
		if json.Unmarshal([]byte(e.Detail), &d) == nil {
			return v.T("Renamed from “%s” to “%s”", d.Before, d.After)
		}
	case "set.replaced":
		var d struct{ Before, After int64 }
		if json.Unmarshal([]byte(e.Detail), &d) == nil {
			return v.T("Servers replaced: %d before, %d after", d.Before, d.After)
		}
	}
	return v.eventWord(e.Verb)
}

// movedText is how many servers a replacement put in and took out; "" for what
// replaced none.
func (v SetView) movedText(e wtp.Event) string {
	var d struct{ Added, Removed int64 }
	if e.Verb != "set.replaced" || json.Unmarshal([]byte(e.Detail), &d) != nil {
		return ""
	}
	return v.T("%d added, %d removed", d.Added, d.Removed)
}

func setIcon(verb string) string {
	switch verb {
	case "set.renamed":
		return "pencil"
	case "set.replaced":
		return "refresh"
	}
	return "device-floppy"
}

// decimalInt is a number as a form sends it back.
func decimalInt(n int64) string { return strconv.FormatInt(n, 10) }
