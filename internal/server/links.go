package server

import (
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"

	"wtp-console/internal/db"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// reasonRunes is how long a reason may be; see wtp.CheckReason.
const reasonRunes = 500

// change is the confirmed change that the address names.
func (r *request) change() (wtp.Change, error) {
	number, err := r.number("number")
	if err != nil {
		return wtp.Change{}, err
	}
	return r.s.Store.Change(r.ctx(), r.project.ID, number)
}

// undoChange plans the inverse of what a change really switched, and leads to
// the preview. That of a backup server is undone by its form. Nothing is sent.
func (s *Server) undoChange(r *request) error {
	c, err := r.change()
	if err != nil {
		return err
	}
	if c.Kind == wtp.BackupHost {
		if c.BackupBefore == "" {
			r.flash("warn", r.printer().T("This change added the backup server. Adding has no undo."))
			return r.see(views.ChangeURL(r.project.Slug, c.Number))
		}
		path, err := undoBackupPath(r, c)
		if err != nil {
			return err
		}
		return r.see(path)
	}
	switch c.Kind {
	case wtp.TomcatDir:
		return s.undoTomcat(r, c)
	case wtp.RemoteBackup:
		return s.planRemoteFrom(r, c, db.PlanSource{UndoOf: c.Number})
	case wtp.BackupRemoval:
		return s.undoRemoval(r, c)
	}
	return s.planLinked(r, c, c.Direction.Opposite(), db.PlanSource{UndoOf: c.Number})
}

// retryChange plans a change again for those of its servers that ended as the
// form says: refused, unknown or stopped. Nothing is sent.
func (s *Server) retryChange(r *request) error {
	c, err := r.change()
	if err != nil {
		return err
	}
	form, err := r.form()
	if err != nil {
		return err
	}
	from := db.PlanSource{RetryOf: c.Number}
	for _, o := range form["outcome"] {
		from.Outcomes = append(from.Outcomes, wtp.Outcome(o))
	}
	switch c.Kind {
	case wtp.BackupHost, wtp.TomcatDir:
		return wtp.ErrNotFound
	case wtp.BackupRemoval:
		return s.planRemovalAgain(r, c)
	case wtp.RemoteBackup:
		return s.planRemoteFrom(r, c, from)
	}
	return s.planLinked(r, c, c.Direction, from)
}

// planLinked plans what follows a change. What stands in the way is said on
// the change's page.
func (s *Server) planLinked(r *request, c wtp.Change, d wtp.Direction, from db.PlanSource) error {
	plan, err := s.Store.PlanDynamicWTP(r.ctx(), r.actor(), r.project.ID, d, from, planFor)
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

// selectTargets makes the servers of one tab of a change the reader's
// selection, and leads to the list of servers.
func (s *Server) selectTargets(r *request) error {
	c, err := r.change()
	if err != nil {
		return err
	}
	form, err := r.form()
	if err != nil {
		return err
	}
	if c.Kind == wtp.BackupHost {
		return wtp.ErrNotFound
	}
	// Any other field would narrow what is selected, and it isn't done.
	bad := wtp.CheckQuery(form, "outcome", "shown")
	outcome, seen, ok := views.ChangeTab(form.Get("outcome"))
	switch {
	case !form.Has("outcome"):
		bad.Add("outcome", "The outcome is missing. Nothing was done; choose again.")
	case !ok:
		bad.Add("outcome", "%q is not an outcome the console knows.", form.Get("outcome"))
	}
	var shown int64
	if len(bad) == 0 {
		shown = shownNumber(&bad, "shown", form.Get("shown"))
	}
	if len(bad) > 0 {
		return bad
	}
	n, err := s.Store.SelectTargets(r.ctx(), r.user.ID, r.project.ID, db.TargetQuery{ChangeID: c.ID, Outcome: outcome, Seen: seen}, shown)
	var refused *wtp.Refused
	if errors.As(err, &refused) && errors.Is(err, wtp.ErrConflict) {
		r.flash("warn", r.say(refused.Text))
		return r.see(views.ChangeURL(r.project.Slug, c.Number) + "?" + url.Values{"outcome": {form.Get("outcome")}}.Encode() + "#select-these")
	}
	if err != nil {
		return err
	}
	if n == 0 {
		r.flash("warn", r.printer().T("No server of change %s ended that way. Your selection stays as it was.", "#"+strconv.FormatInt(c.Number, 10)))
		return r.see(views.ChangeURL(r.project.Slug, c.Number))
	}
	r.flash("info", r.printer().N(n, "%d server of change %s is selected now, in place of what was selected before.", "%d servers of change %s are selected now, in place of what was selected before.",
		n, "#"+strconv.FormatInt(c.Number, 10)))
	return r.see(backToList(r, nil))
}

// linked is what a change or a plan is connected with.
func (s *Server) linked(r *request, c wtp.Change) (views.Linked, error) {
	l, err := s.Store.Links(r.ctx(), c)
	v := views.Linked{Of: l.Of, Undo: l.Undo, Next: l.Next}
	if err != nil || c.Kind != wtp.BackupRemoval || !c.State.Over() {
		return v, err
	}
	v.Still, err = s.stillThere(r, c)
	return v, err
}

// linkedForm is what the form of a plan says at first: the reason and ticket of
// the change that it follows.
func linkedForm(r *request, plan wtp.Change, of *wtp.Change) views.ConfirmForm {
	if of == nil {
		return views.ConfirmForm{}
	}
	if plan.UndoOf != 0 {
		return views.ConfirmForm{Reason: undoReason(r, *of), Ticket: of.Ticket}
	}
	return views.ConfirmForm{Reason: of.Reason, Ticket: of.Ticket}
}

func undoReason(r *request, of wtp.Change) string {
	text := []rune(r.printer().T("Undo of %s: %s", "#"+strconv.FormatInt(of.Number, 10), of.Reason))
	return strings.TrimSpace(string(text[:min(len(text), reasonRunes)]))
}

// undoBackupPath is the form that puts a backup server back to what it was
// before a change.
func undoBackupPath(r *request, c wtp.Change) (string, error) {
	var was wtp.BackupConfig
	if err := json.Unmarshal([]byte(c.BackupBefore), &was); err != nil {
		return "", err
	}
	return "/p/" + url.PathEscape(r.project.Slug) + "/backup-servers/" + url.PathEscape(was.HostID) + "/edit?undo=" + strconv.FormatInt(c.Number, 10), nil
}

// fillUndo fills the form with what the backup server had before the change of
// that number, if HSS still shows what that change left.
func (f *backupForm) fillUndo(number string) error {
	r := f.r
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n <= 0 {
		return wtp.ErrNotFound
	}
	c, err := r.s.Store.Change(r.ctx(), r.project.ID, n)
	if err != nil {
		return err
	}
	var was, left wtp.BackupConfig
	if c.Kind != wtp.BackupHost || c.BackupBefore == "" || !c.State.Over() {
		return wtp.ErrNotFound
	}
	if err := errors.Join(json.Unmarshal([]byte(c.BackupBefore), &was), json.Unmarshal([]byte(c.BackupAfter), &left)); err != nil {
		return err
	}
	if left.HostID != f.view.Form.HostID {
		return wtp.ErrNotFound
	}
	mark := "#" + strconv.FormatInt(n, 10)
	if f.view.Present == nil || db.ConfigJSON(f.view.Present.Config()) != db.ConfigJSON(left) {
		f.say("warn", wtp.Say("HSS no longer shows what change %s left: it was changed since. This form shows the present configuration.", mark))
		return nil
	}
	f.view.Undo = n
	f.view.Form.IP, f.view.Form.Port, f.view.Form.Dir = was.IP, strconv.FormatInt(was.Port, 10), was.Dir
	f.view.Form.Reason, f.view.Form.Ticket = undoReason(r, c), c.Ticket
	f.say("info", wtp.Say("This is the configuration of before change %s. Look at the difference, then save to undo that change.", mark))
	return nil
}
