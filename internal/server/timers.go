package server

import (
	"errors"
	"net/http"

	"wtp-console/internal/db"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

func timerView(t db.TimerRow) *views.TimerView {
	return &views.TimerView{Timer: t.Timer, Number: t.Number, Hosts: t.Hosts, FiredNumber: t.FiredNumber}
}

// fillTimer loads the timer of a change, and the one that made it.
func (s *Server) fillTimer(r *request, v *views.ChangeView) error {
	if v.Change.Direction == wtp.Disable {
		t, err := s.Store.Timer(r.ctx(), v.Change.ID)
		if err == nil {
			v.Timer = timerView(t)
		} else if !errors.Is(err, wtp.ErrNotFound) {
			return err
		}
	}
	if v.Change.SetIn != 0 {
		t, err := s.Store.Timer(r.ctx(), v.Change.TimerOf)
		if err == nil {
			v.MadeBy = timerView(t)
		} else if !errors.Is(err, wtp.ErrNotFound) {
			return err
		}
	}
	return nil
}

// fillPlanTimer loads the change whose timer a plan would end, or how many servers stay
// off if an undo cancels the timer of what it undoes.
func (s *Server) fillPlanTimer(r *request, v *views.PreviewView) error {
	if v.Plan.UndoOf != 0 && v.Plan.Direction == wtp.Enable && v.Of != nil {
		t, err := s.Store.Timer(r.ctx(), v.Of.ID)
		if errors.Is(err, wtp.ErrNotFound) || err == nil && t.State != wtp.TimerPending {
			return nil
		}
		if err != nil {
			return err
		}
		v.LeftOff, err = s.Store.LeftOff(r.ctx(), *v.Of, v.Plan)
		return err
	}
	if v.Plan.TimerOf == 0 {
		return nil
	}
	of, err := s.Store.ChangeByID(r.ctx(), v.Plan.TimerOf)
	v.Of = &of
	return err
}

// fillUntil finds which servers of a page are off for a while.
func (s *Server) fillUntil(r *request, v *views.ServersView) error {
	off := map[int64][]string{}
	for _, row := range v.Rows {
		if row.Dynamic != wtp.Opened {
			off[row.ProjectID] = append(off[row.ProjectID], row.HostID)
		}
	}
	v.Until = map[string]views.Until{}
	for project, hosts := range off {
		until, err := s.Store.OffUntil(r.ctx(), project, hosts)
		if err != nil {
			return err
		}
		for host, t := range until {
			v.Until[views.UntilKey(wtp.Server{ProjectID: project, HostID: host})] = views.Until{DueAt: t.DueAt, Number: t.Number}
		}
	}
	return nil
}

// moveTimer gives the timer of a change another time.
func (s *Server) moveTimer(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	typed := views.TimerForm{BackAt: form.Get("back_at")}
	var bad wtp.Invalid
	at, ok := wtp.ParseBackAt(&bad, typed.BackAt, r.zone(), s.Store.Now())
	if !ok {
		return s.answerTimer(r, typed, bad)
	}
	return s.changeTimer(r, typed, func(number int64) error {
		return s.Store.MoveTimer(r.ctx(), r.actor(), r.project.ID, number, at)
	}, func() string { return r.printer().T("The time was changed.") })
}

// cancelTimer keeps the servers of a change off.
func (s *Server) cancelTimer(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	typed := views.TimerForm{Why: form.Get("why"), Confirm: form.Get("confirm")}
	return s.changeTimer(r, typed, func(number int64) error {
		return s.Store.CancelTimer(r.ctx(), r.actor(), r.project.ID, number, typed.Why, typed.Confirm)
	}, func() string {
		return r.printer().T("Turning back on was cancelled. The servers stay off until somebody turns them on.")
	})
}

func (s *Server) changeTimer(r *request, typed views.TimerForm, change func(number int64) error, done func() string) error {
	number, err := r.number("number")
	if err != nil {
		return err
	}
	var bad wtp.Invalid
	var refused *wtp.Refused
	switch err := change(number); {
	case errors.As(err, &bad):
		return s.answerTimer(r, typed, bad)
	case errors.As(err, &refused) && errors.Is(err, wtp.ErrConflict):
		r.flash("warn", r.say(refused.Text))
	case err != nil:
		return err
	default:
		s.Wake()
		r.flash("ok", done())
	}
	return r.see(views.ChangeURL(r.project.Slug, number))
}

// answerTimer shows the change with what is wrong with its timer's form.
func (s *Server) answerTimer(r *request, typed views.TimerForm, bad wtp.Invalid) error {
	v, err := s.changeView(r)
	if err != nil {
		return err
	}
	if v.Timer == nil {
		return wtp.ErrNotFound
	}
	if err := s.fillLists(r, &v); err != nil {
		return err
	}
	typed.Faults = bad
	v.TimerForm = typed
	return r.show(http.StatusUnprocessableEntity, views.ChangePage(v))
}

// planTurnOn plans to turn on now what a timer would turn on later.
func (s *Server) planTurnOn(r *request) error {
	number, err := r.number("number")
	if err != nil {
		return err
	}
	plan, err := s.Store.PlanTurnOn(r.ctx(), r.actor(), r.project.ID, number, planFor)
	var refused *wtp.Refused
	if errors.As(err, &refused) && errors.Is(err, wtp.ErrConflict) {
		r.flash("warn", r.say(refused.Text))
		return r.see(views.ChangeURL(r.project.Slug, number))
	}
	if err != nil {
		return err
	}
	return r.see(previewPath(r, plan.UID))
}

func (s *Server) showPause(r *request) error {
	return s.answerPause(r, http.StatusOK, "", localPath(r.Query("next")), nil)
}

func (s *Server) answerPause(r *request, status int, why, next string, bad wtp.Invalid) error {
	title := r.printer().T("Pause the console")
	p, err := r.page("pause", title, views.Crumb{Text: title})
	if err != nil {
		return err
	}
	p.Narrow = true
	return r.show(status, views.PausePage(views.PauseView{Page: p, Why: why, Next: next, Faults: bad}))
}

// pause keeps the whole console from sending anything.
func (s *Server) pause(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	err = s.Store.Pause(r.ctx(), r.actor(), form.Get("why"))
	var bad wtp.Invalid
	if errors.As(err, &bad) {
		return s.answerPause(r, http.StatusUnprocessableEntity, form.Get("why"), localPath(form.Get("next")), bad)
	}
	return s.afterPause(r, err, localPath(form.Get("next")), func() string { return r.printer().T("The console is paused. Nothing more is sent.") })
}

// resume lets the console send again.
func (s *Server) resume(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	err = s.Store.Resume(r.ctx(), r.actor())
	if err == nil {
		s.Wake()
	}
	return s.afterPause(r, err, localPath(form.Get("next")), func() string {
		return r.printer().T("The console sends again. Changes and timers that waited go on.")
	})
}

func (s *Server) afterPause(r *request, err error, next string, done func() string) error {
	var refused *wtp.Refused
	switch {
	case errors.As(err, &refused) && errors.Is(err, wtp.ErrConflict):
		r.flash("warn", r.say(refused.Text))
	case err != nil:
		return err
	default:
		r.flash("ok", done())
	}
	return r.see(next)
}
