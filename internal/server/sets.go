package server

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"wtp-console/internal/db"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// setEntries is how much of a set's history its page shows at a time.
const setEntries = 20

func (s *Server) listSets(r *request) error {
	v, err := s.setsView(r)
	if err != nil {
		return err
	}
	return r.show(http.StatusOK, views.SetsPage(v))
}

func (s *Server) setsView(r *request) (views.SetsView, error) {
	t := r.printer()
	p, err := r.page("servers", t.T("Sets"), views.Crumb{Text: t.T("Servers"), Href: backToList(r, nil)}, views.Crumb{Text: t.T("Sets")})
	if err != nil {
		return views.SetsView{}, err
	}
	v := views.SetsView{Page: p}
	if v.Sets, err = s.Store.ServerSets(r.ctx(), r.project.ID); err != nil {
		return v, err
	}
	v.Selected, err = s.selectedCount(r)
	return v, err
}

// selectedCount is the size of the reader's selection.
func (s *Server) selectedCount(r *request) (int64, error) {
	if !r.user.Role.May(wtp.Act) {
		return 0, nil
	}
	return s.Store.SelectionCount(r.ctx(), r.user.ID, r.project.ID)
}

// newSet keeps the ticks of the list, then leads to the form that names the set.
func (s *Server) newSet(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	if err := s.keepTicks(r, form); err != nil {
		return err
	}
	return r.see(setPath(r, "new"))
}

func (s *Server) showNewSet(r *request) error { return s.answerNewSet(r, http.StatusOK, "", nil) }

func (s *Server) answerNewSet(r *request, status int, name string, bad wtp.Invalid) error {
	t := r.printer()
	title := t.T("Save the selection")
	p, err := r.page("servers", title, views.Crumb{Text: t.T("Servers"), Href: backToList(r, nil)}, views.Crumb{Text: t.T("Sets"), Href: setPath(r, "")}, views.Crumb{Text: title})
	if err != nil {
		return err
	}
	p.Narrow = true
	v := views.SetFormView{Page: p, Name: name, Bad: bad}
	if v.Selected, err = s.selectedCount(r); err != nil {
		return err
	}
	return r.show(status, views.SetFormPage(v))
}

func (s *Server) saveSet(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	set, err := s.Store.SaveSet(r.ctx(), r.actor(), r.project.ID, form.Get("name"))
	var bad wtp.Invalid
	if errors.As(err, &bad) {
		return s.answerNewSet(r, http.StatusUnprocessableEntity, form.Get("name"), bad)
	}
	if err != nil {
		return err
	}
	r.flash("ok", r.printer().N(set.N, "%d server was saved as “%s”.", "%d servers were saved as “%s”.", set.N, set.Name))
	return r.see(setPath(r, set.UID))
}

func setPath(r *request, uid string) string {
	path := "/p/" + url.PathEscape(r.project.Slug) + "/sets"
	if uid != "" {
		path += "/" + url.PathEscape(uid)
	}
	return path
}

func (s *Server) showSet(r *request) error {
	set, err := s.Store.ServerSet(r.ctx(), r.project.ID, r.Param("uid"))
	if err != nil {
		return err
	}
	return s.answerSet(r, http.StatusOK, set, set.Name, nil, "")
}

// answerSet shows a set; name is what the form to rename it holds.
func (s *Server) answerSet(r *request, status int, set wtp.ServerSet, name string, bad wtp.Invalid, refused string) error {
	p, err := r.page("servers", set.Name, views.Crumb{Text: r.printer().T("Servers"), Href: backToList(r, nil)},
		views.Crumb{Text: r.printer().T("Sets"), Href: setPath(r, "")}, views.Crumb{Text: set.Name})
	if err != nil {
		return err
	}
	v := views.SetView{Page: p, Set: set, Name: name, Bad: bad, Refused: refused}
	var badPlace wtp.Invalid
	q := r.Request.URL.Query()
	if v.After, err = optionalNumber("after", q.Get("after")); errors.As(err, &badPlace) {
		return badPlace
	}
	if v.HistoryBefore, err = optionalNumber("before", q.Get("before")); errors.As(err, &badPlace) {
		return badPlace
	}
	if v.GoneOnly = q.Get("gone") == "1"; !v.GoneOnly && q.Get("gone") != "" {
		badPlace.Add("gone", "%q is not a part of this list.", q.Get("gone"))
		return badPlace
	}
	if v.Gone, err = s.Store.SetGone(r.ctx(), set.ID); err != nil {
		return err
	}
	if v.Servers, err = s.Store.SetServers(r.ctx(), db.SetQuery{SetID: set.ID, Gone: v.GoneOnly, After: v.After, Limit: listRows + 1}); err != nil {
		return err
	}
	if len(v.Servers) > listRows {
		v.Servers = v.Servers[:listRows]
		v.Next = v.Servers[listRows-1].Seq
	}
	if v.Selected, err = s.selectedCount(r); err != nil {
		return err
	}
	if err := s.setHistory(r, &v); err != nil {
		return err
	}
	return r.show(status, views.SetPage(v))
}

// setHistory reads what was done to a set and the changes of it into one list; both
// have their place in the order of events.
func (s *Server) setHistory(r *request, v *views.SetView) error {
	events, err := s.Store.SetEvents(r.ctx(), v.Set, v.HistoryBefore, setEntries+1)
	if err != nil {
		return err
	}
	rows, err := s.Store.SetChanges(r.ctx(), v.Set, v.HistoryBefore, setEntries+1)
	if err != nil {
		return err
	}
	last := int64(0)
	for len(events)+len(rows) > 0 {
		if len(v.History) == setEntries {
			v.HistoryNext = last
			return nil
		}
		if len(rows) == 0 || len(events) > 0 && events[0].Seq > rows[0].EventSeq {
			last = events[0].Seq
			v.History = append(v.History, views.SetEntry{Event: events[0]})
			events = events[1:]
			continue
		}
		row := rows[0]
		last = row.EventSeq
		v.History = append(v.History, views.SetEntry{Change: &views.ChangeRow{Change: row.Change, Tally: tally(row.Counts), ProjectSlug: row.ProjectSlug, ProjectName: row.ProjectName, Until: row.BackAt}})
		rows = rows[1:]
	}
	return nil
}

// actOnSet does one thing to the set that the address names, as the form saw it.
func (s *Server) actOnSet(r *request, act func(set wtp.ServerSet, seen wtp.Instant, form url.Values) (done, path string, err error)) error {
	set, err := s.Store.ServerSet(r.ctx(), r.project.ID, r.Param("uid"))
	if err != nil {
		return err
	}
	form, err := r.form()
	if err != nil {
		return err
	}
	seen, err := strconv.ParseInt(form.Get("seen"), 10, 64)
	if err != nil {
		return errForm
	}
	done, path, err := act(set, wtp.Instant(seen), form)
	var bad wtp.Invalid
	var refused *wtp.Refused
	switch {
	case errors.As(err, &bad):
		return s.answerSet(r, http.StatusUnprocessableEntity, set, form.Get("name"), bad, "")
	case errors.As(err, &refused):
		return s.answerSet(r, http.StatusConflict, set, set.Name, nil, r.say(refused.Text))
	case err != nil:
		return err
	}
	r.flash("ok", done)
	return r.see(path)
}

// selectSet adds the servers of a set to the reader's selection, or makes the
// selection just these, and leads to the servers.
func (s *Server) selectSet(r *request) error {
	return s.actOnSet(r, func(set wtp.ServerSet, seen wtp.Instant, form url.Values) (string, string, error) {
		if seen != set.ChangedAt {
			return "", "", &wtp.Refused{Kind: wtp.ErrConflict, Text: wtp.Say("%s changed this set meanwhile. Nothing was done; look at it as it is now.", set.ChangedByName)}
		}
		n, err := s.Store.SelectSet(r.ctx(), r.user.ID, r.project.ID, set.UID, set.N, form.Get("how") == "only")
		return r.printer().N(set.N, "%d server of “%s” is selected, %d in all.", "%d servers of “%s” are selected, %d in all.", set.N, set.Name, n), backToList(r, nil), err
	})
}

func (s *Server) renameSet(r *request) error {
	return s.actOnSet(r, func(set wtp.ServerSet, seen wtp.Instant, form url.Values) (string, string, error) {
		err := s.Store.RenameSet(r.ctx(), r.actor(), r.project.ID, set.UID, seen, form.Get("name"))
		return r.printer().T("The set was renamed."), setPath(r, set.UID), err
	})
}

func (s *Server) replaceSet(r *request) error {
	return s.actOnSet(r, func(set wtp.ServerSet, seen wtp.Instant, _ url.Values) (string, string, error) {
		err := s.Store.ReplaceSet(r.ctx(), r.actor(), r.project.ID, set.UID, seen)
		return r.printer().T("The set now holds what is selected."), setPath(r, set.UID), err
	})
}

func (s *Server) deleteSet(r *request) error {
	return s.actOnSet(r, func(set wtp.ServerSet, seen wtp.Instant, _ url.Values) (string, string, error) {
		err := s.Store.DeleteSet(r.ctx(), r.actor(), r.project.ID, set.UID, seen)
		return r.printer().T("The set “%s” was deleted. Its servers and changes stay.", set.Name), setPath(r, ""), err
	})
}
