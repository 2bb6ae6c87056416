package server

import (
	"errors"
	"net/url"
	"slices"

	"wtp-console/internal/db"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// movedRows is how many of the servers that moved a page shows.
const movedRows = 100

// answerMoved leads a confirmation that was refused, because servers moved, to the
// difference: the address is the fresh plan's, and holds what was typed but for
// reason and ticket, which the fresh plan keeps.
func answerMoved(r *request, was wtp.Change, typed views.ConfirmForm, moved *db.Moved) error {
	q := views.FormQuery(typed)
	q.Set("instead", was.UID)
	return r.see(previewPath(r, moved.Change.UID) + "?" + q.Encode())
}

// fillMoved loads the difference from the plan that this one stands for, if the
// address or the form names one, and this one can still be confirmed. One that it
// can't stand for is a fault: the whole must not pass for a difference.
func (s *Server) fillMoved(r *request, v *views.PreviewView, q url.Values) error {
	was := q.Get("instead")
	if was == "" || len(v.Faults) > 0 || v.Plan.State != wtp.Planned || v.Plan.ExpiresAt <= s.Store.Now() {
		return nil
	}
	difference := s.Store.Difference
	if v.Plan.Kind.Remote() {
		difference = s.Store.RemoteDifference
	}
	d, err := difference(r.ctx(), v.Plan, was, v.After, movedRows)
	if errors.Is(err, wtp.ErrNotFound) {
		bad := wtp.Invalid(v.Faults)
		bad.Add("instead", "%q is not a preview that this one stands for.", was[:min(len(was), views.MostTyped)])
		v.Faults = bad
		return nil
	}
	if err != nil || d.N == 0 {
		return err
	}
	v.Moved = &views.MovedView{N: d.N, Was: was, Next: d.Next}
	for _, t := range d.Targets {
		v.Moved.Targets = append(v.Moved.Targets, movedTarget(t))
	}
	return nil
}

func movedTarget(t db.MovedTarget) views.MovedTarget {
	return views.MovedTarget{HostID: t.HostID, Name: t.Name, From: t.From, To: t.To, Why: t.Why, Before: t.Before, Now: t.Now}
}

// showPlan draws a plan: what differs from the one it stands for, or else the whole.
func showPlan(r *request, status int, v views.PreviewView) error {
	if v.Moved != nil {
		return r.show(status, views.MovedPage(v))
	}
	return r.show(status, views.PreviewPage(v))
}

// planForm is what the form of a plan says at first: what the plan keeps of the one
// it stands for or of the change that it follows, and what the address says.
func planForm(r *request, v views.PreviewView) views.ConfirmForm {
	f := linkedForm(r, v.Plan, v.Of)
	if v.Plan.Reason != "" {
		f.Reason, f.Ticket = v.Plan.Reason, v.Plan.Ticket
	}
	short := func(name string) string {
		if text := r.Query(name); len(text) <= views.MostTyped {
			return text
		}
		return ""
	}
	if back := short("back"); slices.Contains(append(wtp.BackAfter(), wtp.BackAt, wtp.BackNever), back) {
		f.Back = back
	}
	f.BackAt, f.Confirm, f.Ramp, f.CancelTimer = short("back_at"), short("confirm"), r.Query("ramp") == "1", r.Query("cancel_timer") == "1"
	return f
}

// sheetOf is the part of a form that says which sheet of a plan it stands on.
func sheetOf(form url.Values) url.Values {
	if form.Get("instead") == "" {
		return nil
	}
	return url.Values{"instead": form["instead"][:1]}
}

// answerForm shows a plan again whose form has faults, or was refused.
func answerForm(r *request, plan wtp.Change, typed views.ConfirmForm, status int, fill func(*views.PreviewView)) error {
	v, err := r.s.previewView(r, plan, sheetOf(r.Request.PostForm))
	if err != nil {
		return err
	}
	v.Form = typed
	fill(&v)
	return showPlan(r, status, v)
}
