package server

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

func backupsPath(r *request) string {
	return "/p/" + url.PathEscape(r.project.Slug) + "/backup-servers"
}

// showRemoval shows a backup server before it is removed, with who uses it.
func (s *Server) showRemoval(r *request) error {
	v, err := s.removalView(r)
	if err != nil {
		return err
	}
	return r.show(http.StatusOK, views.BackupRemovalPage(v))
}

func (s *Server) removalView(r *request) (views.RemovalView, error) {
	b, err := s.Store.BackupServer(r.ctx(), r.project.ID, r.Param("host_id"))
	if err != nil {
		return views.RemovalView{}, err
	}
	title := r.printer().T("Remove backup server")
	p, err := r.page("backup-servers", title, views.Crumb{Text: r.printer().T("Backup servers"), Href: backupsPath(r)}, views.Crumb{Text: title})
	if err != nil {
		return views.RemovalView{}, err
	}
	v := views.RemovalView{Page: p, Server: b}
	uses, err := s.Store.BackupUse(r.ctx(), r.project.ID)
	if err != nil {
		return v, err
	}
	v.Uses = uses[b.HostID]
	if v.Choices, err = s.remoteChoices(r); err != nil {
		return v, err
	}
	page, err := s.Store.Servers(r.ctx(), db.ServerQuery{ProjectIDs: []int64{r.project.ID}, Filter: wtp.ServerFilter{Backup: []string{b.HostID}},
		After: r.Query("after"), Before: r.Query("before"), Limit: listRows})
	v.Users, v.Prev, v.Next = page.Servers, page.Prev, page.Next
	return v, err
}

// planRemoval plans to remove a backup server, after its servers were moved to where
// the form says, and leads to the preview. Nothing is sent.
func (s *Server) planRemoval(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	v, err := s.removalView(r)
	if err != nil {
		return err
	}
	var choice string
	var bad wtp.Invalid
	if v.Uses > 0 || len(form["to"]) > 0 {
		choice, bad = oneChoice(form["to"])
	}
	if len(bad) == 0 {
		plan, err := s.Store.PlanBackupRemoval(r.ctx(), r.actor(), r.project.ID, v.Server.HostID, choice, planFor)
		if err == nil {
			return s.readBeforeRemoval(r, plan)
		}
		if !errors.As(err, &bad) {
			return err
		}
	}
	v.Chosen, v.Faults = choice, bad
	return r.show(http.StatusUnprocessableEntity, views.BackupRemovalPage(v))
}

// freshEnough is how old an inventory may be before a backup server is removed without
// reading HSS first.
const freshEnough = time.Minute

// smallFleet is how many servers the list gives in three calls, at 200 a page.
const smallFleet = 600

// readBeforeRemoval has an older inventory read again where that takes few calls:
// whoever uses the backup server by now is then seen when the plan is confirmed.
func (s *Server) readBeforeRemoval(r *request, plan wtp.Change) error {
	few := r.project.ServerCount <= smallFleet
	if few && s.Store.Now().Sub(r.project.ReadAt) > freshEnough {
		if err := s.Store.WantRead(r.ctx(), r.project.ID); err != nil {
			return err
		}
		s.WakeReader()
	}
	return r.see(previewPath(r, plan.UID))
}

// addAgain leads from the removal of a backup server to the form that adds it as it
// was: a removal itself has no undo.
func (s *Server) addAgain(r *request, c wtp.Change) error {
	was, err := wtp.ParseBackupConfig(c.BackupBefore)
	if err != nil {
		return err
	}
	return r.see(backupsPath(r) + "/new?" + url.Values{"host_id": {was.HostID}, "ip": {was.IP}, "port": {strconv.FormatInt(was.Port, 10)}, "dir": {was.Dir}}.Encode())
}
