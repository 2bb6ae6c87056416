package views

import (
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

// SetView is one set with its servers and the changes planned from it.
type SetView struct {
	Page
	Set           wtp.ServerSet
	Name          string // what the form to rename it holds
	Servers       []wtp.SetServer
	Gone          int64 // servers that HSS no longer lists
	GoneOnly      bool
	After, Next   int64
	Selected      int64 // size of the reader's selection
	Changes       []ChangeRow
	ChangesBefore int64
	ChangesNext   int64
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
	return v.N(v.Set.N, "%d server, saved by %s %s", "%d servers, saved by %s %s", v.Set.N, v.Set.CreatedByName, v.Ago(v.Set.CreatedAt))
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
		p.First = v.place(v.GoneOnly, 0, v.ChangesBefore)
	}
	if v.Next > 0 {
		p.Next = v.place(v.GoneOnly, v.Next, v.ChangesBefore)
	}
	return p
}

func (v SetView) changesPager() PagerView {
	p := PagerView{Text: v.N(int64(len(v.Changes)), "%d shown", "%d shown")}
	if v.ChangesBefore > 0 {
		p.First = v.place(v.GoneOnly, v.After, 0)
	}
	if v.ChangesNext > 0 {
		p.Next = v.place(v.GoneOnly, v.After, v.ChangesNext)
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

// history draws the changes as the list of changes does.
func (v SetView) history() ChangesView { return ChangesView{Page: v.Page} }

// decimalInt is a number as a form sends it back.
func decimalInt(n int64) string { return strconv.FormatInt(n, 10) }
