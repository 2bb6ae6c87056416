package server

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// listChanges shows the history of a project, or of all.
func (s *Server) listChanges(r *request) error {
	v, err := s.changesView(r)
	if err != nil {
		return err
	}
	return r.show(changesStatus(v), views.ChangesPage(v))
}

// swapChanges is the part of the history that a changed filter swaps.
func (s *Server) swapChanges(r *request) error {
	v, err := s.changesView(r)
	if err != nil {
		return err
	}
	v.Page.Path = v.PageURL()
	r.Header("HX-Push-Url", v.PageURL())
	return r.show(changesStatus(v), views.ChangeListParts(v))
}

func changesStatus(v views.ChangesView) int {
	if len(v.Faults) > 0 {
		return http.StatusUnprocessableEntity
	}
	return http.StatusOK
}

func (s *Server) changesView(r *request) (views.ChangesView, error) {
	title := r.printer().T("Changes")
	p, err := r.page("changes", title, views.Crumb{Text: title})
	if err != nil {
		return views.ChangesView{}, err
	}
	filter, query, bad := s.changeQuery(r)
	v := views.ChangesView{Page: p, Filter: filter, Before: query.Before}
	people, err := s.Store.Users(r.ctx())
	if err != nil {
		return v, err
	}
	for _, u := range people {
		v.People = append(v.People, u.Name)
	}
	if len(bad) > 0 {
		v.Faults = bad
		return v, nil
	}
	rows, next, err := s.Store.Changes(r.ctx(), query)
	for _, row := range rows {
		v.Rows = append(v.Rows, views.ChangeRow{Change: row.Change, Tally: tally(row.Counts), ProjectSlug: row.ProjectSlug, ProjectName: row.ProjectName, UndoneBy: row.UndoneBy, Until: row.BackAt})
	}
	v.Next = next
	return v, err
}

// changeQuery reads the filter of the address. A word that it doesn't know is a
// fault: the history must not seem to hold more than was asked for.
func (s *Server) changeQuery(r *request) (views.ChangeFilter, db.ChangeQuery, wtp.Invalid) {
	q := r.Request.URL.Query()
	f := views.ChangeFilter{
		Query: strings.TrimSpace(q.Get("q")), Kind: q.Get("kind"), Who: q.Get("who"), Outcome: q.Get("outcome"), From: q.Get("from"), To: q.Get("to"),
	}
	var bad wtp.Invalid
	query := db.ChangeQuery{ProjectID: r.project.ID, Query: f.Query, Who: f.Who, Outcome: f.Outcome}
	if number, ok := strings.CutPrefix(f.Query, "#"); ok && number != "" { // a "#" alone would find all
		query.Query = number
	}
	if len(f.Query) > 256 {
		bad.Add("q", "Search for at most 256 characters.")
	}
	query.Kind = wtp.ChangeKind(f.Kind)
	if f.Kind != "" && !slices.Contains(views.ChangeKinds(), f.Kind) {
		bad.Add("kind", "%q is not a kind of change.", f.Kind)
	}
	if f.Outcome != "" && !slices.Contains(views.ChangeOutcomes(), f.Outcome) {
		bad.Add("outcome", "%q is not an outcome the console knows.", f.Outcome)
	}
	query.From = day(&bad, r, "from", f.From, 0)
	query.To = day(&bad, r, "to", f.To, 1)
	var err error
	var badPlace wtp.Invalid
	if query.Before, err = optionalNumber("before", q.Get("before")); errors.As(err, &badPlace) {
		bad = append(bad, badPlace...)
	}
	return f, query, bad
}

// day is the beginning of a day in the reader's zone, plus some days.
func day(bad *wtp.Invalid, r *request, field, text string, plus int) wtp.Instant {
	if text == "" {
		return 0
	}
	t, err := time.ParseInLocation(time.DateOnly, text, r.zone())
	if err != nil {
		bad.Add(field, "%q is not a day written as 2026-05-14.", text)
		return 0
	}
	return wtp.At(t.AddDate(0, 0, plus))
}

// exportChanges writes the history that the filter leaves as a table.
func (s *Server) exportChanges(r *request) error {
	_, query, bad := s.changeQuery(r)
	if len(bad) > 0 {
		return bad
	}
	query.Limit = csvRows
	rows, next, err := s.Store.Changes(r.ctx(), query)
	if err != nil {
		return err
	}
	t, err := r.csv("changes.csv", "project", "number", "confirmed_at", "who", "from_ip", "kind", "direction", "state", "reason", "ticket", "servers", "to_send",
		"accepted", "read_back", "not_seen_yet", "shows_otherwise", "refused", "unknown", "stopped", "skipped", "started_at", "finished_at", "request_id", "undo_of", "retry_of", "set_in")
	if err != nil {
		return err
	}
	for {
		for _, row := range rows {
			if err := t.row(csvRow(row)...); err != nil {
				return err
			}
		}
		if err := t.flush(); err != nil {
			return err
		}
		if next == 0 {
			return nil
		}
		query.Before = next
		if rows, next, err = s.Store.Changes(r.ctx(), query); err != nil {
			return err // the table ends early; the log says why
		}
	}
}

func csvRow(row db.ChangeRow) []string {
	n := func(n int64) string { return strconv.FormatInt(n, 10) }
	at := func(i wtp.Instant) string {
		if i == 0 {
			return ""
		}
		return i.Time().Format(time.RFC3339)
	}
	link := func(i int64) string {
		if i == 0 {
			return ""
		}
		return n(i)
	}
	c, of := row.Change, row.Counts.Of
	return []string{row.ProjectName, n(c.Number), at(c.ConfirmedAt), c.ConfirmedByName, c.ConfirmedIP, string(c.Kind), string(c.Direction), string(c.State), c.Reason, c.Ticket,
		n(c.TargetCount), n(c.ToSend), n(of(wtp.TargetAccepted)), n(row.Counts.Confirmed), n(of(wtp.TargetAccepted) - row.Counts.Confirmed - row.Counts.Otherwise), n(row.Counts.Otherwise), n(of(wtp.TargetRefused)), n(of(wtp.TargetUnknown)), n(of(wtp.TargetStopped)),
		n(of(wtp.TargetSkipped)), at(c.StartedAt), at(c.FinishedAt), c.RequestID, link(c.UndoOf), link(c.RetryOf), link(c.SetIn)}
}
