package server

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"wtp-console/internal/db"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// countUpTo is how far matching servers are counted for every page of the list; beyond,
// it says "10,000+", and counts them all only for who wants to select them.
const countUpTo = 10_000

// listServers shows the servers of a project, or of all.
func (s *Server) listServers(r *request) error {
	return s.answerServers(r, r.Request.URL.Query(), nil)
}

// answerServers shows the list that q asks for. With faults of its own, what
// was asked for was refused, and the list says why.
func (s *Server) answerServers(r *request, q url.Values, refused wtp.Invalid) error {
	v, err := s.serversView(r, q)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if len(v.Faults) > 0 || len(refused) > 0 {
		status = http.StatusUnprocessableEntity
	}
	v.Faults = append(v.Faults, refused...)
	if len(refused) > 0 { // the page stands at another address than the list
		v.Page.Path = v.PageURL()
	}
	return r.show(status, views.ServersPage(v))
}

// swapServers is the part of the list that a changed filter or page swaps. The
// browser then shows the address of the page.
func (s *Server) swapServers(r *request) error {
	v, err := s.serversView(r, r.Request.URL.Query())
	if err != nil {
		return err
	}
	v.Page.Path = v.PageURL()
	status := http.StatusOK
	if len(v.Faults) > 0 {
		status = http.StatusUnprocessableEntity
	}
	r.Header("HX-Push-Url", v.PageURL())
	return r.show(status, views.ServerListParts(v))
}

func (s *Server) serversView(r *request, q url.Values) (views.ServersView, error) {
	title := r.printer().T("Servers")
	p, err := r.page("servers", title, views.Crumb{Text: title})
	if err != nil {
		return views.ServersView{}, err
	}
	v := views.ServersView{Page: p, After: q.Get("after"), Before: q.Get("before")}
	var bad wtp.Invalid
	if v.Filter, err = wtp.ParseServerFilter(q); err != nil && !errors.As(err, &bad) {
		return v, err
	}
	v.Sort = serverSort(&bad, q["sort"])
	ids := s.projectsAsked(r, &v, &bad, q["project"])
	if err := s.fillFilter(r, &v, ids); err != nil {
		return v, err
	}
	v.Faults = bad
	if len(bad) == 0 && len(ids) > 0 {
		if err := s.fillServers(r, &v, ids); err != nil {
			return v, err
		}
	}
	return v, s.fillSelection(r, &v)
}

func serverSort(bad *wtp.Invalid, words []string) string {
	if len(words) == 0 || words[0] == "" || words[0] == "name" {
		return "name"
	}
	if words[0] != "attacks" {
		bad.Add("sort", "%q is not an order of this list.", words[0])
		return "name"
	}
	return "attacks"
}

// projectsAsked are the projects whose servers are listed. A slug that the
// console doesn't know is a fault: it must not show everything.
func (s *Server) projectsAsked(r *request, v *views.ServersView, bad *wtp.Invalid, slugs []string) []int64 {
	if r.project.ID != 0 {
		return []int64{r.project.ID}
	}
	known := map[string]int64{}
	var ids []int64
	for _, p := range v.Projects {
		known[p.Slug] = p.ID
		ids = append(ids, p.ID)
	}
	var asked []int64
	for _, slug := range slugs {
		if slug == "" || slices.Contains(v.Slugs, slug) {
			continue
		}
		v.Slugs = append(v.Slugs, slug)
		if id, ok := known[slug]; ok {
			asked = append(asked, id)
		} else {
			bad.Add("project", "%q is not a project of this console.", slug)
		}
	}
	if len(v.Slugs) > 0 {
		return asked
	}
	return ids
}

// fillFilter loads what the filter offers to choose from.
func (s *Server) fillFilter(r *request, v *views.ServersView, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	groups, err := s.Store.Groups(r.ctx(), ids)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if !slices.Contains(v.Groups, g.Name) {
			v.Groups = append(v.Groups, g.Name)
		}
		v.Total += g.Total
	}
	v.Backups, err = s.Store.BackupServers(r.ctx(), ids)
	return err
}

func (s *Server) fillServers(r *request, v *views.ServersView, ids []int64) error {
	sort := ""
	if v.Sort == "attacks" {
		sort = "-attacks"
	}
	page, err := s.Store.Servers(r.ctx(), db.ServerQuery{ProjectIDs: ids, Filter: v.Filter, Sort: sort, After: v.After, Before: v.Before})
	var bad wtp.Invalid
	if errors.As(err, &bad) { // a cursor that isn't ours
		v.Faults = append(v.Faults, bad...)
		return nil
	}
	if err != nil {
		return err
	}
	v.Rows, v.Prev, v.Next = page.Servers, page.Prev, page.Next
	if err := s.fillUntil(r, v); err != nil {
		return err
	}
	v.Matching, v.More, err = s.Store.CountServers(r.ctx(), ids, v.Filter, countUpTo)
	return err
}

// fillSelection loads what is selected, and counts beyond countUpTo when only
// that tells whether all matching servers are.
func (s *Server) fillSelection(r *request, v *views.ServersView) error {
	if r.project.ID == 0 || !r.user.Role.May(wtp.Act) {
		return nil
	}
	var err error
	if v.Selected, err = s.Store.SelectionCount(r.ctx(), r.user.ID, r.project.ID); err != nil || v.Selected == 0 {
		return err
	}
	ids := make([]string, len(v.Rows))
	for i, row := range v.Rows {
		ids[i] = row.HostID
	}
	if v.Ticked, err = s.Store.Selected(r.ctx(), r.user.ID, r.project.ID, ids); err != nil || len(v.Faults) > 0 {
		return err
	}
	if v.Outside, err = s.Store.SelectedOutside(r.ctx(), r.user.ID, r.project.ID, v.Filter); err != nil {
		return err
	}
	if inside := v.Selected - v.Outside; v.More && inside > v.Matching {
		v.Matching, v.More, err = s.Store.CountServers(r.ctx(), []int64{r.project.ID}, v.Filter, inside)
	}
	return err
}

// serverEntries is how many entries of a server's history a page shows.
const serverEntries = 20

// showServer shows one server and what was changed on it.
func (s *Server) showServer(r *request) error {
	server, err := s.Store.Server(r.ctx(), r.project.ID, r.Param("host_id"))
	if err != nil {
		return err
	}
	name := views.Plain(server.Name)
	if name == "" {
		name = server.HostID
	}
	p, err := r.page("servers", name, views.Crumb{Text: r.printer().T("Servers"), Href: "/p/" + url.PathEscape(r.project.Slug) + "/servers"}, views.Crumb{Text: name})
	if err != nil {
		return err
	}
	v := views.ServerView{Page: p, Server: server}
	if err := s.fillServerBackup(r, &v); err != nil {
		return err
	}
	if err := s.fillServerHistory(r, &v); err != nil {
		return err
	}
	if err := s.fillServerTomcat(r, &v); err != nil {
		return err
	}
	until, err := s.Store.OffUntil(r.ctx(), r.project.ID, []string{server.HostID})
	if err != nil {
		return err
	}
	if t, ok := until[server.HostID]; ok {
		v.Until = &views.Until{DueAt: t.DueAt, Number: t.Number}
	}
	held := v.Open != nil && v.Open.Target.Kind == wtp.DynamicWTP
	v.Enable, v.Why = wtp.Classify(server, wtp.Enable, held)
	v.Disable, v.WhyNot = wtp.Classify(server, wtp.Disable, held)
	return r.show(http.StatusOK, views.ServerPage(v))
}

func (s *Server) fillServerBackup(r *request, v *views.ServerView) error {
	var err error
	if v.BackupNames, err = s.backupNames(r, wtp.Change{ProjectID: r.project.ID}); err != nil || v.Server.BackupHostID == "" {
		return err
	}
	backup, err := s.Store.BackupServer(r.ctx(), r.project.ID, v.Server.BackupHostID)
	if errors.Is(err, wtp.ErrNotFound) {
		return nil // HSS names one that it doesn't list
	}
	if err != nil {
		return err
	}
	use, err := s.Store.BackupUse(r.ctx(), r.project.ID)
	if err != nil {
		return err
	}
	v.Backup, v.Shared = &backup, use[backup.HostID]
	v.OldAddr, err = s.Store.OldAddr(r.ctx(), backup, v.Server.HostID)
	return err
}

func (s *Server) fillServerHistory(r *request, v *views.ServerView) error {
	before, err := optionalNumber("before", r.Query("before"))
	if err != nil {
		return err
	}
	rows, err := s.Store.ServerChanges(r.ctx(), r.project.ID, v.Server.HostID, before, serverEntries+1)
	if err != nil {
		return err
	}
	if len(rows) > serverEntries {
		rows = rows[:serverEntries]
		v.Older = rows[serverEntries-1].Change.ID
	}
	for _, row := range rows {
		e := views.ServerEntry{Change: row.Change, Target: row.Target}
		if row.Target.Outcome.Open() && v.Open == nil {
			v.Open = &e
		}
		v.History = append(v.History, e)
	}
	return nil
}

// optionalNumber reads a place in a list: "" is 0, the beginning.
func optionalNumber(field, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		var bad wtp.Invalid
		bad.Add(field, "%q is not a place in this list.", text)
		return 0, bad
	}
	return n, nil
}
