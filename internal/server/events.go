package server

import (
	"net/http"
	"slices"

	"wtp-console/internal/db"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// eventsShown is how many events a page has.
const eventsShown = 50

// listEvents shows everything recorded, newest first, of all projects or one.
func (s *Server) listEvents(r *request) error {
	title := r.printer().T("Events")
	p, err := r.page("events", title, views.Crumb{Text: title})
	if err != nil {
		return err
	}
	v, q := views.EventsView{Page: p, Slug: r.Query("project")}, db.EventQuery{Limit: eventsShown + 1}
	if v.Slug != "" {
		i := slices.IndexFunc(p.Projects, func(project wtp.Project) bool { return project.Slug == v.Slug })
		if i < 0 {
			return wtp.ErrNotFound // never everything in place of what was asked
		}
		q.ProjectID = p.Projects[i].ID
	}
	if q.Before, err = optionalNumber("before", r.Query("before")); err != nil {
		return err
	}
	v.First = q.Before == 0
	if v.Events, err = s.Store.Events(r.ctx(), q); err != nil {
		return err
	}
	if len(v.Events) > eventsShown {
		v.Events = v.Events[:eventsShown]
		v.Next = v.Events[eventsShown-1].Seq
	}
	return r.show(http.StatusOK, views.EventsPage(v))
}
