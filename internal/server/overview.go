package server

import (
	"net/http"

	"wtp-console/internal/db"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// showHome leads to the first project, or says what is missing.
func (s *Server) showHome(r *request) error {
	projects, err := s.Store.Projects(r.ctx())
	if err != nil {
		return err
	}
	if len(projects) > 0 {
		return r.see("/p/" + projects[0].Slug)
	}
	if r.user.Role.May(wtp.Administer) {
		return r.see("/settings")
	}
	p, err := r.page("overview", r.printer().T("No project yet"))
	if err != nil {
		return err
	}
	return r.show(http.StatusOK, views.NoProjectPage(p))
}

// showOverview draws a project from the counters that the store keeps.
func (s *Server) showOverview(r *request) error {
	title := r.printer().T("Overview")
	p, err := r.page("overview", title, views.Crumb{Text: title})
	if err != nil {
		return err
	}
	v := views.OverviewView{Page: p}
	groups, err := s.Store.Groups(r.ctx(), []int64{r.project.ID})
	if err != nil {
		return err
	}
	for _, g := range groups {
		v.Groups = append(v.Groups, views.GroupCoverage{Name: g.Name, Total: g.Total, On: g.On, Off: g.Off, Cannot: g.Cannot})
	}
	if v.Backups, err = s.Store.BackupServers(r.ctx(), []int64{r.project.ID}); err != nil {
		return err
	}
	if v.BackupUse, err = s.Store.BackupUse(r.ctx(), r.project.ID); err != nil {
		return err
	}
	recent, _, err := s.Store.Changes(r.ctx(), db.ChangeQuery{ProjectID: r.project.ID, Limit: 6})
	if err != nil {
		return err
	}
	timers, err := s.Store.PendingTimers(r.ctx(), r.project.ID)
	if err != nil {
		return err
	}
	for _, t := range timers {
		v.Timers = append(v.Timers, *timerView(t))
	}
	for _, c := range recent {
		v.Recent = append(v.Recent, recentChange(c))
	}
	return r.show(http.StatusOK, views.OverviewPage(v))
}

func recentChange(c db.ChangeRow) views.RecentChange {
	return views.RecentChange{Change: c.Change, Tally: tally(c.Counts), Until: c.BackAt}
}

// running lists the changes under way for the side bar: the project's, or all.
func (r *request) running(p views.Page) ([]views.RunningChange, error) {
	open, err := r.s.Store.OpenChanges(r.ctx(), r.project.ID)
	if err != nil {
		return nil, err
	}
	var out []views.RunningChange
	for _, c := range open {
		left := c.Counts.Of(wtp.TargetWaiting) + c.Counts.Of(wtp.TargetSending) + c.Counts.Of(wtp.TargetUnclear)
		out = append(out, views.RunningChange{
			Href:  views.ChangeURL(c.ProjectSlug, c.Number),
			Title: p.Timed(p.ShortTitle(c.Change), c.BackAt), Done: max(c.ToSend-left, 0), Total: c.ToSend,
			Confirmed: c.Counts.Confirmed,
			Bad:       c.Counts.Of(wtp.TargetRefused) + c.Counts.Of(wtp.TargetUnknown),
		})
		if len(out) == 5 { // the side bar has room for no more; the list of changes has all
			break
		}
	}
	return out, nil
}

func (s *Server) showRunning(r *request) error {
	p, err := r.page("", "")
	if err != nil {
		return err
	}
	return r.show(http.StatusOK, views.RunningNow(p))
}

// readAgain asks for a reading of HSS; the reader of the inventory does it.
func (s *Server) readAgain(r *request) error {
	if err := s.Store.WantRead(r.ctx(), r.project.ID); err != nil {
		return err
	}
	s.WakeReader()
	r.flash("info", r.printer().T("HSS is being read. Load the page again in a moment to see the result."))
	back := "/p/" + r.project.Slug
	if form, err := r.form(); err == nil && form.Get("next") != "" {
		back = localPath(form.Get("next"))
	}
	return r.see(back)
}
