package server

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// dirFresh is how old a reading of a Tomcat bin directory may be for a change to be
// based on it: each reading costs one of the few calls of a minute.
const dirFresh = 2 * time.Minute

// fillServerTomcat loads what is known of the Tomcat of one server.
func (s *Server) fillServerTomcat(r *request, v *views.ServerView) error {
	known, err := s.knownTomcatDir(r, v.Server.HostID)
	if err != nil {
		return err
	}
	v.Tomcat = known
	restart, err := s.Store.OpenRestart(r.ctx(), r.project.ID, v.Server.HostID)
	if errors.Is(err, wtp.ErrNotFound) {
		return nil
	}
	v.Restart = &restart
	return err
}

// knownTomcatDir is the zero value for a directory that was never read.
func (s *Server) knownTomcatDir(r *request, hostID string) (wtp.TomcatBin, error) {
	known, err := s.Store.TomcatDir(r.ctx(), r.project.ID, hostID)
	if errors.Is(err, wtp.ErrNotFound) {
		return wtp.TomcatBin{}, nil
	}
	return known, err
}

// readTomcat reads the directory of a server from HSS and keeps it.
func (s *Server) readTomcat(r *request, hostID string) error {
	if s.ReadTomcatDir == nil {
		return &wtp.Upstream{Text: wtp.Say("This console has no connection to HSS.")}
	}
	started := r.now()
	dir, err := s.ReadTomcatDir(r.ctx(), r.project, hostID)
	if err != nil {
		return err
	}
	return s.Store.SaveTomcatDir(r.ctx(), r.project.ID, hostID, started, dir)
}

// readTomcatDir reads the directory now and leads back to the server.
func (s *Server) readTomcatDir(r *request) error {
	server, err := s.Store.Server(r.ctx(), r.project.ID, r.Param("host_id"))
	if err != nil {
		return err
	}
	err = s.readTomcat(r, server.HostID)
	var up *wtp.Upstream
	switch {
	case errors.As(err, &up):
		r.flash("warn", r.printer().T("The Tomcat bin directory could not be read. %s", r.say(up.Text)))
	case err != nil:
		return err
	default:
		r.flash("ok", r.printer().T("The Tomcat bin directory was read from HSS."))
	}
	return r.see("/p/" + url.PathEscape(r.project.Slug) + "/servers/" + url.PathEscape(server.HostID) + "#tomcat")
}

// tomcatForm is the form of the server that the address names, with what is known.
func (s *Server) tomcatForm(r *request) (views.TomcatView, error) {
	server, err := s.Store.Server(r.ctx(), r.project.ID, r.Param("host_id"))
	if err != nil {
		return views.TomcatView{}, err
	}
	v := views.TomcatView{Server: server}
	v.Known, err = s.knownTomcatDir(r, server.HostID)
	return v, err
}

// showTomcatForm shows the form with the directory that is known; one that undoes a
// change holds what was there before it.
func (s *Server) showTomcatForm(r *request) error {
	v, err := s.tomcatForm(r)
	if err != nil {
		return err
	}
	v.Form.Dir = v.Known.Dir
	if undo := r.Query("undo"); undo != "" {
		if err := s.fillTomcatUndo(r, &v, undo); err != nil {
			return err
		}
	}
	return s.answerTomcat(r, http.StatusOK, v)
}

// fillTomcatUndo fills the form with what a server had before the change of that
// number, if that is still as the change left it, as far as is known.
func (s *Server) fillTomcatUndo(r *request, v *views.TomcatView, number string) error {
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n <= 0 {
		return wtp.ErrNotFound
	}
	c, err := s.Store.Change(r.ctx(), r.project.ID, n)
	if err != nil {
		return err
	}
	was, left, ok := tomcatConfigs(c)
	if !ok || !c.State.Over() || was.Dir == "" || left.HostID != v.Server.HostID {
		return wtp.ErrNotFound
	}
	mark := "#" + strconv.FormatInt(n, 10)
	if v.Known.Dir != left.Dir {
		say := wtp.Say("HSS no longer shows what change %s left: it was changed since. This form shows the present configuration.", mark)
		v.Kind, v.Message = "warn", &say
		return nil
	}
	v.Undo = n
	v.Form = wtp.TomcatForm{Dir: was.Dir, Reason: undoReason(r, c), Ticket: c.Ticket}
	say := wtp.Say("This is the configuration of before change %s. Look at the difference, then save to undo that change.", mark)
	v.Kind, v.Message = "info", &say
	return nil
}

// tomcatConfigs are what a change of a Tomcat bin directory was and is to be.
func tomcatConfigs(c wtp.Change) (was, to wtp.TomcatConfig, ok bool) {
	err := errors.Join(json.Unmarshal([]byte(c.BackupBefore), &was), json.Unmarshal([]byte(c.BackupAfter), &to))
	return was, to, err == nil && c.Kind == wtp.TomcatDir
}

// setTomcatDir sends a change only if what the person saw, the difference to what HSS
// has, is what HSS showed within the last minutes.
func (s *Server) setTomcatDir(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	v, err := s.tomcatForm(r)
	if err != nil {
		return err
	}
	v.Form = wtp.TomcatForm{Dir: form.Get("dir"), Reason: form.Get("reason"), Ticket: form.Get("ticket")}
	if n, err := strconv.ParseInt(form.Get("undo"), 10, 64); err == nil && n > 0 {
		v.Undo = n
	}
	dir, err := v.Form.Check()
	var bad wtp.Invalid
	if errors.As(err, &bad) {
		v.Bad = bad
		return s.answerTomcat(r, http.StatusUnprocessableEntity, v)
	}
	if status, err := s.refreshTomcat(r, &v); err != nil || status != 0 {
		return s.answerOr(r, status, v, err)
	}
	v.To, v.Seen = dir, dirToken(v.Known.Dir, dir)
	say := func(kind string, t wtp.Text) { v.Kind, v.Message = kind, &t }
	switch seen := form.Get("seen"); {
	case v.Known.Dir == dir:
		v.To, v.Seen = "", ""
		say("info", wtp.Say("HSS has exactly this directory now. Nothing was sent."))
		return s.answerTomcat(r, http.StatusOK, v)
	case seen == v.Seen:
		return s.confirmTomcat(r, v)
	case seen != "" && strings.TrimSpace(form.Get("shown")) == dir:
		say("bad", wtp.Say("HSS has another directory now than what you saw. Nothing was sent. Look at the new difference, then save again."))
		return s.answerTomcat(r, http.StatusConflict, v)
	}
	say("info", wtp.Say("This is what would change. Nothing was sent yet. Look at the difference, then save again."))
	return s.answerTomcat(r, http.StatusOK, v)
}

// refreshTomcat reads the directory again if what is known is too old to base a
// change on. The status is not 0 if that failed.
func (s *Server) refreshTomcat(r *request, v *views.TomcatView) (status int, err error) {
	if v.Known.ReadAt != 0 && r.now().Sub(v.Known.ReadAt) <= dirFresh {
		return 0, nil
	}
	err = s.readTomcat(r, v.Server.HostID)
	var up *wtp.Upstream
	if errors.As(err, &up) {
		v.Upstream = up
		return http.StatusBadGateway, nil
	}
	if err != nil {
		return 0, err
	}
	v.Known, err = s.knownTomcatDir(r, v.Server.HostID)
	return 0, err
}

func (s *Server) answerOr(r *request, status int, v views.TomcatView, err error) error {
	if err != nil {
		return err
	}
	return s.answerTomcat(r, status, v)
}

func (s *Server) confirmTomcat(r *request, v views.TomcatView) error {
	change, err := s.Store.ConfirmTomcatDir(r.ctx(), r.actor(), r.project.ID, db.TomcatChange{HostID: v.Server.HostID, Was: v.Known, Dir: v.To, Undo: v.Undo},
		db.Confirmation{Reason: strings.TrimSpace(v.Form.Reason), Ticket: strings.TrimSpace(v.Form.Ticket)})
	var refused *wtp.Refused
	switch {
	case errors.As(err, &refused) && errors.Is(err, wtp.ErrConflict):
		v.Kind, v.Message = "bad", &refused.Text
		return s.answerTomcat(r, http.StatusConflict, v)
	case err != nil:
		return err
	}
	s.Wake()
	return r.see(views.ChangeURL(r.project.Slug, change.Number))
}

func (s *Server) answerTomcat(r *request, status int, v views.TomcatView) error {
	name := views.Plain(v.Server.Name)
	if name == "" {
		name = v.Server.HostID
	}
	title := r.printer().T("Tomcat bin directory")
	list := "/p/" + url.PathEscape(r.project.Slug) + "/servers"
	p, err := r.page("servers", title, views.Crumb{Text: r.printer().T("Servers"), Href: list}, views.Crumb{Text: name, Href: list + "/" + url.PathEscape(v.Server.HostID)}, views.Crumb{Text: title})
	if err != nil {
		return err
	}
	p.Narrow = true
	v.Page = p
	return r.show(status, views.TomcatPage(v))
}

// dirToken stands for one difference. It keeps a person from sending what they didn't
// see; it is no secret.
func dirToken(before, after string) string {
	sum := sha256.Sum256([]byte(before + "\n" + after))
	return hex.EncodeToString(sum[:])
}

// tomcatUndoPath is the form that puts the Tomcat bin directory back to what it was
// before a change; "" if there was none.
func tomcatUndoPath(r *request, c wtp.Change) string {
	was, _, ok := tomcatConfigs(c)
	if !ok || was.Dir == "" {
		return ""
	}
	return "/p/" + url.PathEscape(r.project.Slug) + "/servers/" + url.PathEscape(was.HostID) + "/tomcat-dir?undo=" + strconv.FormatInt(c.Number, 10)
}

// listNoTomcatDir lists the servers of a preview whose Tomcat bin directory isn't known.
func (s *Server) listNoTomcatDir(r *request) error {
	plan, err := s.Store.Plan(r.ctx(), r.project.ID, r.Param("uid"))
	if err != nil {
		return err
	}
	if plan.Kind != wtp.DynamicWTP {
		return wtp.ErrNotFound
	}
	after, err := optionalNumber("after", r.Query("after"))
	if err != nil {
		return err
	}
	title := r.printer().T("Tomcat bin directory not known")
	p, err := r.page("servers", title, views.Crumb{Text: r.printer().T("Preview"), Href: previewPath(r, plan.UID)}, views.Crumb{Text: title})
	if err != nil {
		return err
	}
	v := views.NoDirView{Page: p, Plan: plan, First: after == 0}
	if v.N, err = s.Store.NoTomcatDir(r.ctx(), plan); err != nil {
		return err
	}
	if v.Targets, err = s.Store.TargetsWithoutDir(r.ctx(), plan.ID, after, listRows+1); err != nil {
		return err
	}
	if len(v.Targets) > listRows {
		v.Targets = v.Targets[:listRows]
		v.Next = v.Targets[listRows-1].Seq
	}
	return r.show(http.StatusOK, views.NoDirPage(v))
}

// undoTomcat leads to the form that undoes a change of a Tomcat bin directory.
func (s *Server) undoTomcat(r *request, c wtp.Change) error {
	path := tomcatUndoPath(r, c)
	if path == "" {
		r.flash("warn", r.printer().T("No directory was set before this change. HSS cannot take one away."))
		path = views.ChangeURL(r.project.Slug, c.Number)
	}
	return r.see(path)
}

// fillChangeTomcat loads what the page of a change says of Tomcat: how many servers
// wait for a restart, or the form that undoes the change of a directory.
func (s *Server) fillChangeTomcat(r *request, v *views.ChangeView) error {
	var err error
	switch {
	case v.Change.Kind == wtp.DynamicWTP && v.Change.Direction == wtp.Enable && v.Tally.Confirmed > 0:
		v.Restarts, err = s.Store.RestartsOf(r.ctx(), v.Change.ID, views.MoreRestarts)
	case v.Change.Kind == wtp.TomcatDir && v.Change.State.Over() && v.May(wtp.Act):
		_, to, _ := tomcatConfigs(v.Change)
		var known wtp.TomcatBin
		if known, err = s.knownTomcatDir(r, to.HostID); err == nil && known.Dir == to.Dir && v.Tally.Outcome[wtp.TargetAccepted]+v.Tally.Outcome[wtp.TargetUnknown] > 0 {
			v.UndoBackup = tomcatUndoPath(r, v.Change)
		}
	}
	return err
}
