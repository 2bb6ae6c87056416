package server

import (
	"slices"
	"strconv"

	"wtp-console/internal/db"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// queue is the budget that a plan or a change shares, and what stands before it.
func (s *Server) queue(r *request, p views.Page, c wtp.Change, callsPerMinute int64) (views.QueueView, error) {
	var q views.QueueView
	var err error
	credential := r.project.CredentialID
	if q.Budget, err = s.Store.Budget(r.ctx(), credential, c.Kind.Operation(), callsPerMinute); err != nil {
		return q, err
	}
	ahead, calls, err := s.Store.Ahead(r.ctx(), credential, c.Kind, c.EventSeq)
	q.Calls = calls
	for _, a := range ahead {
		x := views.AheadChange{Title: "#" + strconv.FormatInt(a.Number, 10), By: byWhom(p, a.ConfirmedByName, a.SetIn), Calls: a.Calls}
		if slices.ContainsFunc(p.Projects, func(o wtp.Project) bool { return o.ID == a.ProjectID }) {
			x.Title, x.Href = a.ProjectName+" "+x.Title, views.ChangeURL(a.ProjectSlug, a.Number)
		}
		q.Ahead = append(q.Ahead, x)
	}
	return q, err
}

// byWhom is who confirmed a change, or the timer that made it.
func byWhom(p views.Page, name string, setIn int64) string {
	if setIn != 0 {
		return p.T("the timer of %s", "#"+strconv.FormatInt(setIn, 10))
	}
	return name
}

// conflicts is what else is about to happen to the servers of a plan that can still
// be confirmed.
func (s *Server) conflicts(r *request, p views.Page, plan wtp.Change) (views.ConflictsView, error) {
	var v views.ConflictsView
	if plan.State != wtp.Planned || plan.ExpiresAt <= s.Store.Now() {
		return v, nil
	}
	found, err := s.Store.Conflicts(r.ctx(), plan)
	for _, c := range found.Open {
		v.Open = append(v.Open, views.OpenConflict{Number: c.Number, By: byWhom(p, c.ConfirmedByName, c.SetIn), N: c.N, AtLeast: c.AtLeast})
	}
	for _, t := range found.Timers {
		v.Timers = append(v.Timers, views.TimerConflict{Number: t.Number, DueAt: t.DueAt, By: t.SetByName, Sent: t.Sent, Skipped: t.Skipped, Hosts: t.Hosts, AtLeast: t.AtLeast})
	}
	return v, err
}

// fillWaits loads what a change that is not over waits for.
func (s *Server) fillWaits(r *request, v *views.ChangeView) error {
	if v.Change.State.Over() {
		return nil
	}
	limits, err := s.Store.Limits(r.ctx())
	if err != nil {
		return err
	}
	if v.Queue, err = s.queue(r, v.Page, v.Change, limits.CallsPerMinute); err != nil {
		return err
	}
	p, err := s.Store.Pending(r.ctx(), v.Change, v.Boxes)
	v.Pending = pendingView(p)
	return err
}

func pendingView(p db.Pending) views.PendingView {
	return views.PendingView{Sending: p.Sending, Unclear: p.Unclear, Waiting: p.Waiting, RunAt: p.RunAt, Step: p.Step, LastStep: p.LastStep, Held: p.Held, HeldStep: p.HeldStep, HeldSize: p.HeldSize,
		ReadAt: p.ReadAt, ReadSince: p.ReadSince, LastRead: p.LastRead}
}
