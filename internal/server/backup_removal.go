package server

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
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
	status := http.StatusOK
	if len(v.Faults) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return r.show(status, views.BackupRemovalPage(v))
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
	if v.Choices, err = s.remoteChoices(r); err != nil {
		return v, err
	}
	users, err := s.Store.BackupUsers(r.ctx(), r.project.ID, b.HostID)
	if err != nil {
		return v, err
	}
	v.Uses, v.Stay = int64(len(users)), stays(users)
	if v.Place, v.Faults = removalPlace(r.Request.URL.Query()); len(v.Faults) > 0 {
		return v, nil
	}
	at := v.Place
	users = slices.DeleteFunc(users, func(u db.BackupUser) bool { return !asked(u, at) })
	v.Shown = int64(len(users))
	users = users[min(at.After, v.Shown):]
	if len(users) > listRows {
		users, v.Next = users[:listRows], at.After+listRows
	}
	for _, u := range users {
		v.Users = append(v.Users, views.RemovalUser{Server: u.Server, Stays: u.Stays})
	}
	return v, nil
}

// stays is how many of these servers can't be moved, for each reason, most first.
func stays(users []db.BackupUser) []views.PlanCount {
	n := map[wtp.Why]int64{}
	for _, u := range users {
		if u.Stays != "" {
			n[u.Stays]++
		}
	}
	var counts []views.PlanCount
	for why, k := range n {
		counts = append(counts, views.PlanCount{Bucket: wtp.Cannot, Why: why, N: k})
	}
	slices.SortFunc(counts, func(a, b views.PlanCount) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Why, b.Why)) })
	return counts
}

// removalPlace reads which of the servers that use a backup server are asked for.
func removalPlace(q url.Values) (views.RemovalPlace, wtp.Invalid) {
	var bad wtp.Invalid
	at := views.RemovalPlace{Part: q.Get("show"), Why: wtp.Why(q.Get("why")), Query: strings.TrimSpace(q.Get("q"))}
	if !slices.Contains([]string{"", views.RemovalCan, views.RemovalCannot}, at.Part) {
		bad.Add("show", "%q is not a part of this list.", at.Part)
		at.Part = ""
	}
	if at.Why != "" && at.Why.Reason().ID == "" {
		bad.Add("why", "%q is not a reason the console knows.", string(at.Why))
		at.Why = ""
	}
	if len(at.Query) > 256 {
		bad.Add("q", "Search for at most 256 characters.")
		at.Query = ""
	}
	var err error
	var place wtp.Invalid
	if at.After, err = optionalNumber("after", q.Get("after")); errors.As(err, &place) {
		bad = append(bad, place...)
	}
	return at, bad
}

// asked says whether a server is one of those that are asked for.
func asked(u db.BackupUser, at views.RemovalPlace) bool {
	switch {
	case at.Part == views.RemovalCan && u.Stays != "", at.Part == views.RemovalCannot && u.Stays == "", at.Why != "" && u.Stays != at.Why:
		return false
	}
	words := strings.ToLower(at.Query)
	return words == "" || slices.ContainsFunc([]string{u.Name, u.HostID, u.PrivateIP, u.PublicIP}, func(text string) bool {
		return strings.Contains(strings.ToLower(text), words)
	})
}

// exportBackupUsers writes the servers that use a backup server as a table: those that
// the page of its removal lists.
func (s *Server) exportBackupUsers(r *request) error {
	b, err := s.Store.BackupServer(r.ctx(), r.project.ID, r.Param("host_id"))
	if err != nil {
		return err
	}
	at, bad := removalPlace(r.Request.URL.Query())
	if len(bad) > 0 {
		return bad
	}
	users, err := s.Store.BackupUsers(r.ctx(), r.project.ID, b.HostID)
	if err != nil {
		return err
	}
	table, err := r.csv("servers.csv", "host_id", "name", "private_ip", "group", "agent", "wtp", "stays", "reason")
	if err != nil {
		return err
	}
	for _, u := range users {
		if !asked(u, at) {
			continue
		}
		if err := table.row(u.HostID, u.Name, u.PrivateIP, u.GroupName, u.AgentStatus, u.ProtectStatus, string(u.Stays), r.reason(u.Stays)); err != nil {
			return err
		}
	}
	return table.flush()
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

// stillThere is the backup server that a removal is of, nil if HSS no longer lists it.
func (s *Server) stillThere(r *request, c wtp.Change) (*wtp.BackupServer, error) {
	was, err := wtp.ParseBackupConfig(c.BackupBefore)
	if err != nil {
		return nil, err
	}
	b, err := s.Store.BackupServer(r.ctx(), r.project.ID, was.HostID)
	if errors.Is(err, wtp.ErrNotFound) {
		return nil, nil //nolint:nilnil // it was removed
	}
	return &b, err
}

// undoRemoval plans to move servers back to a backup server that a removal did not come
// to remove, or leads to the form that adds it again.
func (s *Server) undoRemoval(r *request, c wtp.Change) error {
	still, err := s.stillThere(r, c)
	if err != nil {
		return err
	}
	if still == nil {
		return s.addAgain(r, c)
	}
	return s.planRemoteFrom(r, c, db.PlanSource{UndoOf: c.Number})
}

// planRemovalAgain plans the rest of a removal that ended before its end. If it has to
// be said anew where servers go, its page asks.
func (s *Server) planRemovalAgain(r *request, c wtp.Change) error {
	plan, err := s.Store.PlanRemovalAgain(r.ctx(), r.actor(), r.project.ID, c.Number, planFor)
	var bad wtp.Invalid
	if errors.As(err, &bad) {
		still, err := s.stillThere(r, c)
		if err != nil || still == nil {
			return err
		}
		r.flash("warn", r.say(bad[0].Text))
		return r.see(backupsPath(r) + "/" + url.PathEscape(still.HostID) + "/remove")
	}
	var refused *wtp.Refused
	if errors.As(err, &refused) && errors.Is(refused.Kind, wtp.ErrConflict) {
		r.flash("warn", r.say(refused.Text))
		return r.see(views.ChangeURL(r.project.Slug, c.Number))
	}
	if err != nil {
		return err
	}
	return s.readBeforeRemoval(r, plan)
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
