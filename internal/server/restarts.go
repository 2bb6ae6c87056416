package server

import (
	"errors"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"wtp-console/internal/db"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// listRestarts shows the restart list of a project.
func (s *Server) listRestarts(r *request) error {
	return s.answerRestarts(r, http.StatusOK, r.Request.URL.Query(), views.RestartsView{})
}

// answerRestarts shows the part of the list that q asks for; v holds what a refused
// form left to say.
func (s *Server) answerRestarts(r *request, status int, q url.Values, v views.RestartsView) error {
	title := r.printer().T("Tomcat restarts")
	p, err := r.page("restarts", title, views.Crumb{Text: title})
	if err != nil {
		return err
	}
	query, bad := restartQuery(r, q, &v)
	v.Page, v.First = p, query.After.ID == 0
	v.Bad = append(v.Bad, bad...)
	if v.Open, err = s.Store.OpenRestarts(r.ctx(), r.project.ID); err != nil {
		return err
	}
	if v.Groups, err = s.Store.RestartGroups(r.ctx(), r.project.ID); err != nil {
		return err
	}
	if len(bad) > 0 {
		return r.show(http.StatusUnprocessableEntity, views.RestartsPage(v))
	}
	upTo := int64(countUpTo)
	if query.State == wtp.RestartOpen { // one entry a server at most; and "mark all" must know how many
		upTo = math.MaxInt32
	}
	if v.Count, v.More, err = s.Store.CountRestarts(r.ctx(), query, upTo); err != nil {
		return err
	}
	query.Limit = listRows + 1
	rows, err := s.Store.Restarts(r.ctx(), query)
	if err != nil {
		return err
	}
	if len(rows) > listRows {
		rows = rows[:listRows]
		last := rows[listRows-1]
		v.Next = strconv.FormatInt(int64(last.EndedAt), 10) + "." + strconv.FormatInt(last.ID, 10)
	}
	for _, row := range rows {
		v.Rows = append(v.Rows, views.RestartRow(row))
	}
	return r.show(status, views.RestartsPage(v))
}

// restartQuery reads the filter of the address into v and as a query. A word that it
// doesn't know is a fault: the list must not show more than was asked for.
func restartQuery(r *request, q url.Values, v *views.RestartsView) (db.RestartQuery, wtp.Invalid) {
	var bad wtp.Invalid
	v.State, v.Query, v.Group, v.Number = wtp.RestartOpen, strings.TrimSpace(q.Get("q")), q.Get("group"), strings.TrimPrefix(strings.TrimSpace(q.Get("change")), "#")
	if tab := q.Get("tab"); tab != "" {
		if v.State = wtp.RestartState(tab); !slices.Contains(wtp.RestartStates(), v.State) {
			bad.Add("tab", "%q is not a part of this list.", tab)
			v.State = wtp.RestartOpen
		}
	}
	query := db.RestartQuery{ProjectID: r.project.ID, State: v.State, Query: v.Query}
	if len(v.Query) > 256 {
		bad.Add("q", "Search for at most 256 characters.")
	}
	if v.Group != "" {
		group := v.Group
		if group == "-" {
			group = ""
		}
		query.Group = &group
	}
	if v.Number != "" || strings.TrimSpace(q.Get("change")) != "" { // a "#" alone is no number
		n, err := strconv.ParseInt(v.Number, 10, 64)
		if err != nil || n <= 0 {
			bad.Add("change", "%q is not the number of a change.", v.Number)
		}
		query.Number = n
	}
	if after := q.Get("after"); after != "" {
		ended, id, _ := strings.Cut(after, ".")
		at, err := strconv.ParseInt(ended, 10, 64)
		n, idErr := strconv.ParseInt(id, 10, 64)
		if err != nil || idErr != nil || at < 0 || n <= 0 {
			bad.Add("after", "%q is not a place in this list.", after)
		}
		query.After = db.RestartPlace{EndedAt: wtp.Instant(at), ID: n}
	}
	return query, bad
}

// restartMark is what a form of the restart list asks for.
type restartMark struct {
	ids           []int64
	q             url.Values // the filter it was sent from
	all, matching bool
	shown         int64 // how many the button of all, or of all that match, said
}

// markForm reads which entries a form names, and the filter it was sent from.
func markForm(form url.Values) (m restartMark, bad wtp.Invalid, err error) {
	if m.q, bad = sentFrom(form, restartNames()...); len(bad) > 0 {
		return m, bad, nil
	}
	for _, text := range form["host"] {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id <= 0 || len(m.ids) >= listRows {
			return m, nil, errForm
		}
		m.ids = append(m.ids, id)
	}
	how := form.Get("how")
	if len(form["how"]) > 1 {
		return m, nil, errForm
	}
	number, all := strings.CutPrefix(how, "all-")
	m.all = all
	if !all {
		number, m.matching = strings.CutPrefix(how, "matching-")
	}
	switch {
	case m.all || m.matching:
		if m.shown, err = strconv.ParseInt(number, 10, 64); err != nil || m.shown <= 0 {
			return m, nil, errForm
		}
		m.ids = nil
	case how != "" && how != "ticked":
		return m, nil, errForm
	}
	return m, nil, nil
}

// markRestarts marks the ticked entries done, or all, or all that match the filter,
// whose number the button said.
func (s *Server) markRestarts(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	v := views.RestartsView{Note: form.Get("note")}
	m, bad, err := markForm(form)
	if err != nil {
		return err
	}
	if len(bad) > 0 {
		v.Bad = bad
		return s.answerRestarts(r, http.StatusUnprocessableEntity, m.q, v)
	}
	query, bad := restartQuery(r, m.q, &v)
	if len(bad) > 0 { // the list says so itself
		return s.answerRestarts(r, http.StatusUnprocessableEntity, m.q, v)
	}
	if v.Bad = checkScope(m.all, m.matching, len(v.Values()) > 0); len(v.Bad) > 0 {
		return s.answerRestarts(r, http.StatusUnprocessableEntity, m.q, v)
	}
	n, err := s.Store.MarkRestarts(r.ctx(), r.actor(), r.project.ID, db.RestartMark{IDs: m.ids, Query: query, Note: v.Note, Shown: m.shown})
	if answered, err := s.refusedMarks(r, m.q, v, err); answered || err != nil {
		return err
	}
	r.flash("ok", r.printer().N(n, "%d server was marked done.", "%d servers were marked done."))
	return r.see(restartsPath(r, m.q))
}

// reopenRestarts takes back the marks of the ticked entries.
func (s *Server) reopenRestarts(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	m, bad, err := markForm(form)
	if err != nil {
		return err
	}
	m.q.Set("tab", string(wtp.RestartDone))
	if len(bad) > 0 {
		return s.answerRestarts(r, http.StatusUnprocessableEntity, m.q, views.RestartsView{Bad: bad})
	}
	err = s.Store.ReopenRestarts(r.ctx(), r.actor(), r.project.ID, m.ids)
	if answered, err := s.refusedMarks(r, m.q, views.RestartsView{}, err); answered || err != nil {
		return err
	}
	r.flash("ok", r.printer().N(int64(len(m.ids)), "%d server is on the list again.", "%d servers are on the list again."))
	return r.see(restartsPath(r, m.q))
}

// refusedMarks shows the list again with why nothing was marked.
func (s *Server) refusedMarks(r *request, q url.Values, v views.RestartsView, err error) (answered bool, _ error) {
	var bad wtp.Invalid
	var refused *wtp.Refused
	switch {
	case errors.As(err, &bad):
		v.Bad = bad
		return true, s.answerRestarts(r, http.StatusUnprocessableEntity, q, v)
	case errors.As(err, &refused) && errors.Is(err, wtp.ErrConflict):
		v.Refused = r.say(refused.Text)
		return true, s.answerRestarts(r, http.StatusConflict, q, v)
	}
	return false, err
}

func restartsPath(r *request, q url.Values) string {
	path := "/p/" + url.PathEscape(r.project.Slug) + "/restarts"
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return path
}

// exportRestarts writes one part of the list as a table.
func (s *Server) exportRestarts(r *request) error {
	var v views.RestartsView
	query, bad := restartQuery(r, r.Request.URL.Query(), &v)
	if len(bad) > 0 {
		return bad
	}
	query.Limit, query.After = csvRows, db.RestartPlace{}
	rows, err := s.Store.Restarts(r.ctx(), query)
	if err != nil {
		return err
	}
	t, err := r.csv("restarts.csv", "state", "host_id", "name", "private_ip", "group", "tomcat_bin_dir", "tomcat_bin_dir_read_at", "on_since", "change", "ended_at", "done_by", "note", "turned_off_by_change")
	if err != nil {
		return err
	}
	for {
		for _, row := range rows {
			off := ""
			if row.OffNumber > 0 {
				off = strconv.FormatInt(row.OffNumber, 10)
			}
			if err := t.row(string(row.State), row.HostID, row.Name, row.PrivateIP, row.GroupName, row.Dir, instantCell(row.DirReadAt), instantCell(row.Since),
				strconv.FormatInt(row.Number, 10), instantCell(row.EndedAt), row.EndedByName, row.Note, off); err != nil {
				return err
			}
		}
		if err := t.flush(); err != nil || len(rows) < csvRows {
			return err
		}
		query.After = db.RestartPlace{EndedAt: rows[len(rows)-1].EndedAt, ID: rows[len(rows)-1].ID}
		if rows, err = s.Store.Restarts(r.ctx(), query); err != nil {
			return err // the table ends early; the log says why
		}
	}
}

// exportInventory writes one part of the list as an inventory for Ansible.
func (s *Server) exportInventory(r *request) error {
	var v views.RestartsView
	query, bad := restartQuery(r, r.Request.URL.Query(), &v)
	if len(bad) > 0 {
		return bad
	}
	query.Limit = csvRows
	rows, err := s.Store.RestartsByGroup(r.ctx(), query, nil)
	if err != nil {
		return err
	}
	h := r.Writer.Header()
	h.Set("Content-Type", "application/yaml")
	h.Set("Content-Disposition", `attachment; filename="restarts.yml"`)
	w := newAnsibleInventory(r.Writer)
	for len(rows) > 0 {
		for _, row := range rows {
			w.add(row)
		}
		if len(rows) < csvRows {
			break
		}
		if rows, err = s.Store.RestartsByGroup(r.ctx(), query, &rows[len(rows)-1]); err != nil {
			return err // the inventory ends early; the log says why
		}
	}
	return w.end()
}
