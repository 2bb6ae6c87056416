package server

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"wtp-console/internal/db"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// chooseRemote keeps the ticks of the list of servers and leads to the choice of a
// backup server for what is selected.
func (s *Server) chooseRemote(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	q, bad := listQuery(form)
	if err := s.keepTicks(r, form); err != nil {
		return err
	}
	n, err := s.Store.SelectionCount(r.ctx(), r.user.ID, r.project.ID)
	if err != nil {
		return err
	}
	if n == 0 {
		bad.Add("host", "Select at least one server first. Nothing was planned.")
	}
	if len(bad) > 0 {
		return s.answerServers(r, q, bad)
	}
	return r.see(remotePath(r))
}

func remotePath(r *request) string { return "/p/" + url.PathEscape(r.project.Slug) + "/remote-backup" }

// showRemoteChoice asks which backup server the selected servers are to use, or the
// one server or the users of the backup server that the address names.
func (s *Server) showRemoteChoice(r *request) error {
	v, _, err := s.remoteChoice(r, r.Request.URL.Query())
	if err != nil {
		return err
	}
	if v.Servers == 0 {
		r.flash("warn", r.printer().T("Select at least one server first."))
		return r.see(backToList(r, nil))
	}
	return r.show(http.StatusOK, views.RemoteChoicePage(v))
}

// remoteChoice reads whose remote backup is to be set, and from what to choose.
func (s *Server) remoteChoice(r *request, q url.Values) (views.RemoteChoiceView, db.PlanSource, error) {
	title := r.printer().T("Set remote backup")
	p, err := r.page("servers", title, views.Crumb{Text: r.printer().T("Servers"), Href: backToList(r, nil)}, views.Crumb{Text: title})
	if err != nil {
		return views.RemoteChoiceView{}, db.PlanSource{}, err
	}
	v, from := views.RemoteChoiceView{Page: p}, db.PlanSource{Selection: true}
	if v.Choices, err = s.remoteChoices(r); err != nil {
		return v, from, err
	}
	only, backup := q.Get("only"), q.Get("backup")
	switch {
	case only != "" && backup != "":
		return v, from, wtp.ErrNotFound
	case only != "":
		server, err := s.Store.Server(r.ctx(), r.project.ID, only)
		if err != nil {
			return v, from, err
		}
		v.Only, v.Servers, from = &server, 1, db.PlanSource{HostIDs: []string{server.HostID}}
	case backup != "":
		b, err := s.Store.BackupServer(r.ctx(), r.project.ID, backup)
		if err != nil {
			return v, from, err
		}
		uses, err := s.Store.BackupUse(r.ctx(), r.project.ID)
		if err != nil {
			return v, from, err
		}
		v.Of, v.Servers, from = &b, uses[b.HostID], db.PlanSource{Filter: &wtp.ServerFilter{Backup: []string{b.HostID}}}
	default:
		v.Servers, err = s.Store.SelectionCount(r.ctx(), r.user.ID, r.project.ID)
	}
	return v, from, err
}

// remoteChoices are the backup servers of the project, running ones first.
func (s *Server) remoteChoices(r *request) ([]views.RemoteChoice, error) {
	backups, err := s.Store.BackupServers(r.ctx(), []int64{r.project.ID})
	if err != nil {
		return nil, err
	}
	uses, err := s.Store.BackupUse(r.ctx(), r.project.ID)
	if err != nil {
		return nil, err
	}
	old, err := s.Store.OldAddrs(r.ctx(), r.project.ID)
	if err != nil {
		return nil, err
	}
	var running, others []views.RemoteChoice
	for _, b := range backups {
		c := views.RemoteChoice{BackupServer: b, Uses: uses[b.HostID], Old: old[b.HostID]}
		if b.Status == wtp.BackupRunning {
			running = append(running, c)
		} else {
			others = append(others, c)
		}
	}
	return append(running, others...), nil
}

// planRemote plans to have servers use the backup server of the form, or none, and
// leads to the preview. Nothing is sent.
func (s *Server) planRemote(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	v, from, err := s.remoteChoice(r, form)
	if err != nil {
		return err
	}
	choice, bad := oneChoice(form["to"])
	if len(bad) == 0 {
		plan, err := s.Store.PlanRemoteBackup(r.ctx(), r.actor(), r.project.ID, choice, from, planFor)
		if err == nil {
			return r.see(previewPath(r, plan.UID))
		}
		if !errors.As(err, &bad) {
			return err
		}
	}
	v.Chosen, v.Faults = choice, bad
	return r.show(http.StatusUnprocessableEntity, views.RemoteChoicePage(v))
}

// planAddress plans to send a backup server's present address to the servers that are
// known to use it at another, and leads to the preview. Nothing is sent.
func (s *Server) planAddress(r *request) error {
	plan, err := s.Store.PlanRemoteAddress(r.ctx(), r.actor(), r.project.ID, r.Param("host_id"), planFor)
	var bad wtp.Invalid
	var refused *wtp.Refused
	switch {
	case errors.As(err, &bad):
		r.flash("warn", r.say(bad[0].Text))
	case errors.As(err, &refused) && errors.Is(refused.Kind, wtp.ErrConflict):
		r.flash("warn", r.say(refused.Text))
	case err != nil:
		return err
	default:
		return r.see(previewPath(r, plan.UID))
	}
	return r.see(backupsPath(r))
}

// oneChoice is the backup server, or wtp.RemoteOff, that was chosen. None and two are
// refused: off is never a default.
func oneChoice(words []string) (string, wtp.Invalid) {
	var bad wtp.Invalid
	if len(words) != 1 || words[0] == "" {
		bad.Add("to", "Choose a backup server, or to turn remote backup off. Nothing was planned.")
		return "", bad
	}
	return words[0], nil
}

// showRemotePreview shows a plan of remote backup or of a removal.
func (s *Server) showRemotePreview(r *request, plan wtp.Change) error {
	v, err := s.remotePreview(r, plan, r.Request.URL.Query())
	if err != nil {
		return err
	}
	v.Form = planForm(r, v.PreviewView)
	status := http.StatusOK
	if len(v.Faults) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return showRemotePlan(r, status, v)
}

// showRemotePlan is showPlan for a plan of remote backup or of a removal.
func showRemotePlan(r *request, status int, v views.RemotePreviewView) error {
	if v.Moved != nil {
		return r.show(status, views.RemoteMovedPage(v))
	}
	return r.show(status, views.RemotePreviewPage(v))
}

func (s *Server) remotePreview(r *request, plan wtp.Change, q url.Values) (views.RemotePreviewView, error) {
	base, err := s.previewView(r, plan, q)
	v := views.RemotePreviewView{PreviewView: base}
	if err != nil {
		return v, err
	}
	if v.To, err = wtp.ParseRemoteTo(plan.BackupAfter); err != nil {
		return v, err
	}
	if v.Removes, err = removes(plan); err != nil {
		return v, err
	}
	if v.Moved != nil {
		shown, err := s.Store.Plan(r.ctx(), r.project.ID, v.Moved.Was)
		if err != nil {
			return v, err
		}
		if v.Was, err = wtp.ParseRemoteTo(shown.BackupAfter); err != nil {
			return v, err
		}
	}
	if v.Moved == nil && len(v.Stay()) > 0 && len(v.Faults) == 0 && q.Get("bucket") == "" { // first of all those that are in the way
		first := url.Values{"bucket": {string(wtp.Cannot)}}
		if q.Has("q") {
			first["q"] = q["q"]
		}
		if err := s.fillPreviewList(r, &v.PreviewView, first); err != nil {
			return v, err
		}
	}
	if v.Removes != nil {
		v.Page.Section = "backup-servers"
		v.Page.Crumbs = []views.Crumb{{Text: r.printer().T("Backup servers"), Href: backupsPath(r)}, {Text: r.printer().T("Preview")}}
		if v.Project != nil {
			v.Page.Crumbs = append([]views.Crumb{base.Crumbs[0]}, v.Page.Crumbs...)
		}
	}
	v.Names, err = s.backupNames(r, plan)
	return v, err
}

// removes is the backup server that a plan removes, nil for none.
func removes(plan wtp.Change) (*wtp.BackupConfig, error) {
	if plan.Kind != wtp.BackupRemoval {
		return nil, nil //nolint:nilnil // nothing is removed
	}
	b, err := wtp.ParseBackupConfig(plan.BackupBefore)
	return &b, err
}

// backupNames are the names of backup servers by host ID: those of the inventory, and
// those that a change points at or removes.
func (s *Server) backupNames(r *request, c wtp.Change) (map[string]string, error) {
	backups, err := s.Store.BackupServers(r.ctx(), []int64{c.ProjectID})
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(backups)+1)
	if b, err := removes(c); err == nil && b != nil {
		names[b.HostID] = b.Label()
	}
	if to, err := wtp.ParseRemoteTo(c.BackupAfter); err == nil {
		for _, b := range to.Servers {
			names[b.HostID] = b.Label()
		}
	}
	for _, b := range backups {
		names[b.HostID] = b.Label()
	}
	return names, nil
}

// confirmRemote confirms a plan of remote backup or of a removal as it was shown.
func (s *Server) confirmRemote(r *request, plan wtp.Change) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	typed := views.ConfirmForm{Reason: form.Get("reason"), Ticket: form.Get("ticket"), Confirm: form.Get("confirm")}
	bad, err := s.checkRemote(r, plan, typed)
	if err != nil {
		return err
	}
	if len(bad) == 0 {
		change, err := s.Store.ConfirmRemote(r.ctx(), r.actor(), r.project.ID, plan.UID, db.Confirmation{Reason: strings.TrimSpace(typed.Reason), Ticket: strings.TrimSpace(typed.Ticket)})
		if err == nil {
			s.Wake()
			return r.see(views.ChangeURL(r.project.Slug, change.Number))
		}
		if !errors.As(err, &bad) {
			return s.answerRemote(r, plan, typed, err)
		}
	}
	v, err := s.remotePreview(r, plan, sheetOf(form))
	if err != nil {
		return err
	}
	v.Form, v.Faults = typed, bad
	return showRemotePlan(r, http.StatusUnprocessableEntity, v)
}

// checkRemote holds the form to its rules, whoever filled it in.
func (s *Server) checkRemote(r *request, plan wtp.Change, typed views.ConfirmForm) (wtp.Invalid, error) {
	var bad wtp.Invalid
	wtp.CheckReason(&bad, typed.Reason, typed.Ticket)
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
	gone, err := removes(plan)
	if err != nil {
		return nil, err
	}
	want := views.RemoteConfirmation(plan, important, limits.TypedAbove, gone)
	if want == "" || strings.EqualFold(strings.Join(strings.Fields(typed.Confirm), " "), strings.Join(strings.Fields(want), " ")) {
		return bad, nil
	}
	if gone != nil {
		bad.Add("confirm", "Type “%s” exactly, the name of the backup server that is removed.", want)
	} else {
		bad.Add("confirm", "Type “%s” exactly, to confirm how many servers lose their remote backup.", want)
	}
	return bad, nil
}

// answerRemote says why a plan was not confirmed.
func (s *Server) answerRemote(r *request, plan wtp.Change, typed views.ConfirmForm, cause error) error {
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
	v, err := s.remotePreview(r, now, sheetOf(r.Request.PostForm))
	if err != nil {
		return err
	}
	v.Form, v.Refused = typed, v.Say(refused.Text)
	return showRemotePlan(r, http.StatusConflict, v)
}

// planRemoteFrom plans what follows a change of remote backup.
func (s *Server) planRemoteFrom(r *request, c wtp.Change, from db.PlanSource) error {
	plan, err := s.Store.PlanRemoteFrom(r.ctx(), r.actor(), r.project.ID, from, planFor)
	var refused *wtp.Refused
	if errors.As(err, &refused) && errors.Is(refused.Kind, wtp.ErrConflict) {
		r.flash("warn", r.say(refused.Text))
		return r.see(views.ChangeURL(r.project.Slug, c.Number))
	}
	if err != nil {
		return err
	}
	return r.see(previewPath(r, plan.UID))
}
