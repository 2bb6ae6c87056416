package server

import (
	"net/http"
	"net/url"
	"slices"

	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// changeSelection does one thing to the reader's selection in a project and
// leads back to the list as it was. The ticks of the page are kept first.
func (s *Server) changeSelection(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	q, bad := listQuery(form)
	if err := s.keepTicks(r, form); err != nil {
		return err
	}
	f, badFilter := wtp.ParseServerFilter(q)
	switch op := form["op"]; {
	case len(bad) > 0:
	case len(op) != 1:
		bad.Add("op", "Say what to do with the selection.")
	case op[0] == "save":
	case op[0] == "none":
		err = s.Store.ClearSelection(r.ctx(), r.user.ID, r.project.ID)
	case op[0] == "page":
		if err = s.Store.ClearSelection(r.ctx(), r.user.ID, r.project.ID); err == nil {
			_, err = s.Store.Select(r.ctx(), r.user.ID, r.project.ID, form["shown"], nil)
		}
	// A misspelt filter must not widen it, nor one that is missing or sent twice.
	case op[0] == "matching" && (len(form["query"]) != 1 || !listsOnly(q)):
		bad.Add("query", "The address of the list can't be read.")
	case op[0] == "matching" && badFilter != nil: // it must select nothing, never all
		return s.answerServers(r, q, nil)
	case op[0] == "matching":
		_, err = s.Store.SelectMatching(r.ctx(), r.user.ID, r.project.ID, f)
	default:
		bad.Add("op", "Say what to do with the selection.")
	}
	if len(bad) > 0 {
		return s.answerServers(r, q, bad)
	}
	if err != nil {
		return err
	}
	return r.see(backToList(r, q))
}

// swapSelection keeps the ticks of the page and answers with what they change
// in it: the bar and the note.
func (s *Server) swapSelection(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	q, bad := listQuery(form)
	if len(bad) > 0 {
		return bad
	}
	if err := s.keepTicks(r, form); err != nil {
		return err
	}
	v, err := s.serversView(r, q)
	if err != nil {
		return err
	}
	return r.show(http.StatusOK, views.SelectionParts(v))
}

// keepTicks merges the ticks of one page of the list into the selection: what
// was shown and isn't ticked is taken out. Only servers that were shown count.
func (s *Server) keepTicks(r *request, form url.Values) error {
	shown := form["shown"]
	if len(shown) == 0 {
		return nil
	}
	var add, remove []string
	for _, id := range shown {
		if slices.Contains(form["host"], id) {
			add = append(add, id)
		} else {
			remove = append(remove, id)
		}
	}
	_, err := s.Store.Select(r.ctx(), r.user.ID, r.project.ID, add, remove)
	return err
}

// listQuery is the query string of the list that a form was sent from.
func listQuery(form url.Values) (url.Values, wtp.Invalid) {
	q, err := url.ParseQuery(form.Get("query"))
	if err != nil {
		var bad wtp.Invalid
		bad.Add("query", "The address of the list can't be read.")
		return url.Values{}, bad
	}
	return q, nil
}

// listsOnly says whether a query has no parameter but those of the list.
func listsOnly(q url.Values) bool {
	for name := range q {
		switch name {
		case "q", "group", "os", "agent", "wtp", "dynamic", "backup", "importance", "attacks", "sort", "after", "before":
		default:
			return false
		}
	}
	return true
}

func backToList(r *request, q url.Values) string {
	path := "/p/" + url.PathEscape(r.project.Slug) + "/servers"
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}
