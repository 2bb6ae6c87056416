package server

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

const (
	// planFor is how long a preview may be confirmed.
	planFor = 10 * time.Minute
	// listRows is how many rows a page of targets or calls holds.
	listRows = 50
)

// planChange plans a change of the reader's selection, or of the one server
// that the form names, and leads to its preview. Nothing is sent.
func (s *Server) planChange(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	q, bad := listQuery(form)
	if err := s.keepTicks(r, form); err != nil {
		return err
	}
	direction, err := wtp.ParseDirection(form["direction"])
	if err != nil && !errors.As(err, &bad) {
		return err
	}
	from := db.PlanSource{Selection: true}
	if only := form["only"]; len(only) > 0 {
		from = db.PlanSource{HostIDs: only}
	}
	if len(bad) == 0 && from.Selection {
		n, err := s.Store.SelectionCount(r.ctx(), r.user.ID, r.project.ID)
		if err != nil {
			return err
		}
		if n == 0 {
			bad.Add("host", "Select at least one server first. Nothing was planned.")
		}
	}
	if len(bad) > 0 {
		return s.answerServers(r, q, bad)
	}
	plan, err := s.Store.PlanDynamicWTP(r.ctx(), r.actor(), r.project.ID, direction, from, planFor)
	if errors.As(err, &bad) {
		return s.answerServers(r, q, bad)
	}
	if err != nil {
		return err
	}
	return r.see(previewPath(r, plan.UID))
}

func previewPath(r *request, uid string) string {
	return "/p/" + url.PathEscape(r.project.Slug) + "/previews/" + url.PathEscape(uid)
}

// showPreview shows a plan. One that was confirmed leads to its change.
func (s *Server) showPreview(r *request) error {
	plan, err := s.plan(r)
	if err != nil {
		return err
	}
	if plan.Number > 0 {
		change := views.ChangeURL(r.project.Slug, plan.Number)
		if r.htmx() { // a list of a preview was asked for; that of a change must not stand in its place
			r.Header("HX-Redirect", change)
			r.Status(http.StatusNoContent)
			return nil
		}
		return r.see(change)
	}
	if plan.Kind.Remote() {
		return s.showRemotePreview(r, plan)
	}
	v, err := s.previewView(r, plan, r.Request.URL.Query())
	if err != nil {
		return err
	}
	v.Form = planForm(r, v)
	status := http.StatusOK
	if len(v.Faults) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return showPlan(r, status, v)
}

// plan is the plan that the address names.
func (s *Server) plan(r *request) (wtp.Change, error) {
	plan, err := s.Store.Plan(r.ctx(), r.project.ID, r.Param("uid"))
	if err == nil && plan.Kind != wtp.DynamicWTP && !plan.Kind.Remote() {
		return plan, wtp.ErrNotFound
	}
	return plan, err
}

func (s *Server) previewView(r *request, plan wtp.Change, q url.Values) (views.PreviewView, error) {
	title := r.printer().T("Preview")
	p, err := r.page("servers", title, views.Crumb{Text: r.printer().T("Servers"), Href: backToList(r, nil)}, views.Crumb{Text: title})
	if err != nil {
		return views.PreviewView{}, err
	}
	v := views.PreviewView{Page: p, Plan: plan}
	if v.Linked, err = s.linked(r, plan); err != nil {
		return v, err
	}
	if err := s.fillPlanTimer(r, &v); err != nil {
		return v, err
	}
	if v.Counts, err = s.planCounts(r, plan); err != nil {
		return v, err
	}
	if err := s.fillPreviewList(r, &v, q); err != nil {
		return v, err
	}
	if plan.Direction == wtp.Enable {
		if v.NoDir, err = s.Store.NoTomcatDir(r.ctx(), plan); err != nil {
			return v, err
		}
	}
	if v.Limits, err = s.Store.Limits(r.ctx()); err != nil {
		return v, err
	}
	if v.Queue, err = s.queue(r, p, plan, v.Limits.CallsPerMinute); err != nil {
		return v, err
	}
	if v.Conflicts, err = s.conflicts(r, p, plan); err != nil {
		return v, err
	}
	groups, err := s.Store.Groups(r.ctx(), []int64{r.project.ID})
	if err != nil {
		return v, err
	}
	for _, g := range groups {
		v.On += g.On
		v.Can += g.On + g.Off
	}
	return v, nil
}

func (s *Server) planCounts(r *request, plan wtp.Change) ([]views.PlanCount, error) {
	rows, err := s.Store.PlanCounts(r.ctx(), plan.ID)
	if err != nil {
		return nil, err
	}
	counts := make([]views.PlanCount, len(rows))
	for i, row := range rows {
		counts[i] = views.PlanCount{Bucket: row.Bucket, Why: row.Why, N: row.N}
	}
	return counts, nil
}

// fillPreviewList loads the servers of one bucket. An unknown bucket or reason
// shows none.
func (s *Server) fillPreviewList(r *request, v *views.PreviewView, q url.Values) error {
	bad := previewPlace(v, q)
	if len(bad) > 0 {
		v.Faults = bad
		return nil
	}
	if err := s.fillMoved(r, v, q); err != nil || v.Moved != nil {
		return err // the whole list is one link away
	}
	if v.Bucket == "" {
		v.Bucket = views.FirstBucket(v.Counts)
	}
	rows, err := s.Store.TargetPage(r.ctx(), db.TargetQuery{ChangeID: v.Plan.ID, Bucket: v.Bucket, Why: v.Why, Query: v.Query, After: v.After, Before: v.Before, Limit: listRows})
	v.Targets, v.Prev, v.Next = rows.Targets, rows.Prev, rows.Next
	return err
}

// previewPlace reads which servers of a plan are asked for.
func previewPlace(v *views.PreviewView, q url.Values) wtp.Invalid {
	var bad wtp.Invalid
	v.Bucket = wtp.Bucket(q.Get("bucket"))
	if v.Bucket != "" && !slices.Contains(wtp.Buckets(), v.Bucket) {
		bad.Add("bucket", "%q is not a part of a preview.", string(v.Bucket))
		v.Bucket = ""
	}
	v.Why = wtp.Why(q.Get("why"))
	if v.Why != "" && v.Why.Reason().ID == "" {
		bad.Add("why", "%q is not a reason the console knows.", string(v.Why))
		v.Why = ""
	}
	if v.Query = strings.TrimSpace(q.Get("q")); len(v.Query) > 256 {
		bad.Add("q", "Search for at most 256 characters.")
		v.Query = ""
	}
	for field, to := range map[string]*int64{"after": &v.After, "before": &v.Before} {
		n, err := optionalNumber(field, q.Get(field))
		var badPlace wtp.Invalid
		if errors.As(err, &badPlace) {
			bad = append(bad, badPlace...)
		}
		*to = n
	}
	return bad
}

// confirmChange confirms a plan as it was shown, and leads to its change.
func (s *Server) confirmChange(r *request) error {
	plan, err := s.plan(r)
	if err != nil {
		return err
	}
	if plan.Number > 0 {
		return s.alreadyConfirmed(r, plan)
	}
	if plan.Kind.Remote() {
		return s.confirmRemote(r, plan)
	}
	form, err := r.form()
	if err != nil {
		return err
	}
	typed := views.ConfirmForm{Reason: form.Get("reason"), Ticket: form.Get("ticket"), Confirm: form.Get("confirm"), Back: form.Get("back"), BackAt: form.Get("back_at"), Ramp: form.Get("ramp") == "1", CancelTimer: form.Get("cancel_timer") == "1"}
	var back wtp.BackOn
	bad, err := s.checkConfirm(r, plan, typed, form["back"], &back)
	if err != nil {
		return err
	}
	if len(bad) == 0 {
		change, err := s.Store.Confirm(r.ctx(), r.actor(), r.project.ID, plan.UID, db.Confirmation{Reason: strings.TrimSpace(typed.Reason), Ticket: strings.TrimSpace(typed.Ticket), Back: back, CancelTimer: typed.CancelTimer, Typed: typed.Confirm, Ramp: typed.Ramp && plan.ToSend > 1})
		if err == nil {
			s.Wake()
			return r.see(views.ChangeURL(r.project.Slug, change.Number))
		}
		if !errors.As(err, &bad) {
			return s.answerUnconfirmed(r, plan, typed, err)
		}
	}
	return answerForm(r, plan, typed, http.StatusUnprocessableEntity, func(v *views.PreviewView) { v.Faults = bad })
}

// checkConfirm holds the form to its rules, whoever filled it in, and reads when to
// turn back on.
func (s *Server) checkConfirm(r *request, plan wtp.Change, typed views.ConfirmForm, choice []string, back *wtp.BackOn) (wtp.Invalid, error) {
	var bad wtp.Invalid
	wtp.CheckReason(&bad, typed.Reason, typed.Ticket)
	if plan.Direction == wtp.Disable {
		*back = wtp.ParseBackOn(&bad, choice, typed.BackAt, r.zone(), s.Store.Now())
	}
	limits, err := s.Store.Limits(r.ctx())
	if err != nil {
		return nil, err
	}
	counts, err := s.planCounts(r, plan)
	if err != nil {
		return nil, err
	}
	var important int64
	for _, c := range counts {
		if c.Why.Important() {
			important += c.N
		}
	}
	if want := views.TypedConfirmation(plan, important, limits.TypedAbove, back.Never); want != "" && !strings.EqualFold(strings.Join(strings.Fields(typed.Confirm), " "), want) {
		bad.Add("confirm", "Type “%s” exactly, to confirm how many servers lose protection.", want)
	}
	return bad, nil
}

// answerUnconfirmed says why a plan was not confirmed: another request was
// faster, servers moved since, or something stands in the way.
func (s *Server) answerUnconfirmed(r *request, plan wtp.Change, typed views.ConfirmForm, cause error) error {
	var moved *db.Moved
	if errors.As(cause, &moved) {
		return answerMoved(r, plan, typed, moved)
	}
	var refused *wtp.Refused
	if !errors.As(cause, &refused) || !errors.Is(refused.Kind, wtp.ErrConflict) {
		return cause
	}
	now, err := s.plan(r)
	if err != nil {
		return err
	}
	if now.Number > 0 {
		return s.alreadyConfirmed(r, now)
	}
	return answerForm(r, now, typed, http.StatusConflict, func(v *views.PreviewView) { v.Refused = v.Say(refused.Text) })
}

// alreadyConfirmed leads a second confirmation to the change of the first.
func (s *Server) alreadyConfirmed(r *request, plan wtp.Change) error {
	r.flash("info", r.printer().T("This preview was confirmed before, by %s. It is carried out once; this is that change.", plan.ConfirmedByName))
	return r.see(views.ChangeURL(r.project.Slug, plan.Number))
}

// dropPreview gives a plan up. The selection stays.
func (s *Server) dropPreview(r *request) error {
	plan, err := s.plan(r)
	if err != nil {
		return err
	}
	if plan.Number > 0 {
		return s.alreadyConfirmed(r, plan)
	}
	if plan.State == wtp.Planned {
		if err := s.Store.Drop(r.ctx(), r.actor(), r.project.ID, plan.UID); err != nil && !errors.Is(err, wtp.ErrConflict) {
			return err
		}
	}
	r.flash("info", r.printer().T("The preview was cancelled. Nothing was sent."))
	if of := cmp.Or(plan.UndoOf, plan.RetryOf); of != 0 {
		return r.see(views.ChangeURL(r.project.Slug, of))
	}
	if plan.TimerOf != 0 {
		of, err := s.Store.ChangeByID(r.ctx(), plan.TimerOf)
		if err != nil {
			return err
		}
		return r.see(views.ChangeURL(r.project.Slug, of.Number))
	}
	return r.see(backToList(r, nil))
}
