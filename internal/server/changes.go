package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"wtp-console/internal/db"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// problemRows is how many refused servers are grouped by what HSS said.
const problemRows = 200

func tally(c db.Counts) views.Tally {
	return views.Tally{Outcome: c.Outcome, Confirmed: c.Confirmed, Otherwise: c.Otherwise}
}

// showChange shows one change with its servers and calls.
func (s *Server) showChange(r *request) error {
	v, err := s.changeView(r)
	if err != nil {
		return err
	}
	if err := s.fillLists(r, &v); err != nil {
		return err
	}
	status := http.StatusOK
	if len(v.Faults) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return r.show(status, views.ChangePage(v))
}

// swapProgress is what the page of a change asks for while it is under way. It
// reads kept counters, and the lists only when the change has moved on.
func (s *Server) swapProgress(r *request) error {
	v, err := s.changeView(r)
	if err != nil {
		return err
	}
	moved := r.Query("was") != v.HeadKey()
	if moved {
		if err := s.fillLists(r, &v); err != nil {
			return err
		}
	} else {
		v.Drawn = r.Query("drawn")
		if err := placeOf(&v, r.Request.URL.Query()); err != nil {
			return err
		}
		if err := s.fillAside(r, &v); err != nil {
			return err
		}
	}
	return r.show(http.StatusOK, views.ChangeParts(v, moved))
}

// fillLists loads the servers and the calls that the address asks for.
func (s *Server) fillLists(r *request, v *views.ChangeView) error {
	if err := placeOf(v, r.Request.URL.Query()); err != nil {
		var bad wtp.Invalid
		if !errors.As(err, &bad) {
			return err
		}
		v.Faults = bad
	}
	if err := s.fillTargets(r, v); err != nil {
		return err
	}
	if err := s.fillAside(r, v); err != nil {
		return err
	}
	return s.fillCalls(r, v)
}

// fillAside finds whether the part that is listed holds the backup server that a removal
// is of. It is the last target of its change, and no server to select.
func (s *Server) fillAside(r *request, v *views.ChangeView) error {
	if v.Change.Kind != wtp.BackupRemoval || !v.Change.State.Over() || len(v.Faults) > 0 {
		return nil
	}
	outcome, seen, _ := views.ChangeTab(v.Tab)
	last, err := s.Store.Targets(r.ctx(), db.TargetQuery{ChangeID: v.Change.ID, Outcome: outcome, Seen: seen, After: v.Change.TargetCount - 1, Limit: 1})
	v.Linked.Aside = int64(len(last))
	return err
}

// changeView loads what the progress, head and record of a change show.
func (s *Server) changeView(r *request) (views.ChangeView, error) {
	number, err := r.number("number")
	if err != nil {
		return views.ChangeView{}, err
	}
	c, err := s.Store.Change(r.ctx(), r.project.ID, number)
	if err != nil {
		return views.ChangeView{}, err
	}
	title := "#" + strconv.FormatInt(c.Number, 10)
	p, err := r.page("changes", title, views.Crumb{Text: r.printer().T("Changes"), Href: "/p/" + url.PathEscape(r.project.Slug) + "/changes"}, views.Crumb{Text: title})
	if err != nil {
		return views.ChangeView{}, err
	}
	v := views.ChangeView{Page: p, Change: c}
	counts, err := s.Store.ChangeCounts(r.ctx(), c.ID)
	if err != nil {
		return v, err
	}
	v.Tally = tally(counts)
	if v.Linked, err = s.linked(r, c); err != nil {
		return v, err
	}
	if err := s.fillTimer(r, &v); err != nil {
		return v, err
	}
	if v.Boxes, err = s.Store.Strip(r.ctx(), c.ID); err != nil {
		return v, err
	}
	if err := s.fillWaits(r, &v); err != nil {
		return v, err
	}
	if err := s.fillProblems(r, &v); err != nil {
		return v, err
	}
	if c.Kind == wtp.BackupHost {
		return v, s.fillBackup(r, &v)
	}
	if err := s.fillChangeTomcat(r, &v); err != nil {
		return v, err
	}
	if c.Kind.Remote() {
		v.BackupNames, err = s.backupNames(r, c)
		return v, err
	}
	return v, nil
}

// fillProblems groups the refused servers by what HSS said of them.
func (s *Server) fillProblems(r *request, v *views.ChangeView) error {
	refused := v.Tally.Outcome[wtp.TargetRefused]
	if refused == 0 {
		return nil
	}
	rows, err := s.Store.Targets(r.ctx(), db.TargetQuery{ChangeID: v.Change.ID, Outcome: wtp.TargetRefused, Limit: problemRows})
	if err != nil {
		return err
	}
	v.Problems = groupProblems(rows, refused > int64(len(rows)))
	return nil
}

func groupProblems(rows []wtp.Target, more bool) []views.Problem {
	var problems []views.Problem
	at := map[[2]string]int{}
	for _, t := range rows {
		key := [2]string{t.Code, t.Message}
		i, ok := at[key]
		if !ok {
			i = len(problems)
			at[key] = i
			problems = append(problems, views.Problem{Outcome: t.Outcome, Code: t.Code, Message: t.Message, AtLeast: more})
		}
		problems[i].N++
	}
	return problems
}

// fillBackup loads the configuration before and after a change of a backup
// server, and the server as HSS shows it now.
func (s *Server) fillBackup(r *request, v *views.ChangeView) error {
	var to, from wtp.BackupConfig
	if err := json.Unmarshal([]byte(v.Change.BackupAfter), &to); err != nil {
		return err
	}
	var before *wtp.BackupServer
	if v.Change.BackupBefore != "" {
		if err := json.Unmarshal([]byte(v.Change.BackupBefore), &from); err != nil {
			return err
		}
		before = &wtp.BackupServer{HostID: from.HostID, Name: from.Name, IP: from.IP, Port: from.Port, Dir: from.Dir}
	}
	v.Diff = wtp.DiffBackup(before, to)
	now, err := s.Store.BackupServer(r.ctx(), r.project.ID, to.HostID)
	if errors.Is(err, wtp.ErrNotFound) {
		return nil // not read yet, or removed since
	}
	v.Backup = &now
	sent := v.Tally.Outcome[wtp.TargetAccepted]+v.Tally.Outcome[wtp.TargetUnknown] > 0
	if err == nil && before != nil && sent && v.Change.State.Over() && v.May(wtp.Act) && db.ConfigJSON(now.Config()) == db.ConfigJSON(to) {
		v.UndoBackup, err = undoBackupPath(r, v.Change)
	}
	return err
}

// placeOf reads which servers and calls of a change are asked for. The error is
// a wtp.Invalid that names every word it doesn't know.
func placeOf(v *views.ChangeView, q url.Values) error {
	var bad, badPlace wtp.Invalid
	var err error
	v.Tab = q.Get("outcome")
	if _, _, ok := views.ChangeTab(v.Tab); !ok {
		bad.Add("outcome", "%q is not an outcome the console knows.", v.Tab)
		v.Tab = ""
	}
	v.Why = wtp.Why(q.Get("why"))
	if v.Why != "" && v.Why.Reason().ID == "" {
		bad.Add("why", "%q is not a reason the console knows.", string(v.Why))
		v.Why = ""
	}
	if v.After, err = optionalNumber("after", q.Get("after")); errors.As(err, &badPlace) {
		bad = append(bad, badPlace...)
	}
	if v.Before, err = optionalNumber("before", q.Get("before")); errors.As(err, &badPlace) {
		bad = append(bad, badPlace...)
	}
	if v.CallsAfter, err = optionalNumber("calls", q.Get("calls")); errors.As(err, &badPlace) {
		bad = append(bad, badPlace...)
	}
	return bad.Err()
}

// fillTargets loads one page of the servers of a change; none if the address
// has a fault.
func (s *Server) fillTargets(r *request, v *views.ChangeView) error {
	if v.Change.Kind == wtp.BackupHost || len(v.Faults) > 0 {
		return nil
	}
	outcome, seen, _ := views.ChangeTab(v.Tab)
	rows, err := s.Store.TargetPage(r.ctx(), db.TargetQuery{ChangeID: v.Change.ID, Outcome: outcome, Seen: seen, Why: v.Why, After: v.After, Before: v.Before, Limit: listRows})
	v.Targets, v.Prev, v.Next = rows.Targets, rows.Prev, rows.Next
	if err != nil || !v.Change.State.Over() {
		return err
	}
	var unseen []string
	for _, t := range rows.Targets {
		if t.Outcome == wtp.TargetAccepted && t.SeenAt == 0 {
			unseen = append(unseen, t.HostID)
		}
	}
	v.Overtaken, err = s.Store.Overtaken(r.ctx(), v.Change.ID, unseen)
	return err
}

func (s *Server) fillCalls(r *request, v *views.ChangeView) error {
	var err error
	v.Calls, err = s.Store.Calls(r.ctx(), v.Change.ID, v.CallsAfter, listRows+1)
	if len(v.Calls) > listRows {
		v.Calls = v.Calls[:listRows]
		v.CallsNext = v.Calls[listRows-1].ID
	}
	if err != nil {
		return err
	}
	ids := make([]int64, len(v.Calls))
	for i, c := range v.Calls {
		ids[i] = c.BatchID
	}
	v.BatchNos, err = s.Store.BatchNumbers(r.ctx(), ids)
	return err
}

// stopChange asks for a change to send nothing more.
func (s *Server) stopChange(r *request) error {
	number, err := r.number("number")
	if err != nil {
		return err
	}
	err = s.Store.StopChange(r.ctx(), r.actor(), r.project.ID, number)
	switch {
	case err == nil:
		s.Wake()
		r.flash("info", r.printer().T("Stopping. What was sent already finishes and is recorded."))
	case errors.Is(err, wtp.ErrConflict):
		c, readErr := s.Store.Change(r.ctx(), r.project.ID, number)
		if readErr != nil {
			return readErr
		}
		if !c.State.Over() {
			return err
		}
		r.flash("warn", r.printer().T("This change was over already. Nothing was stopped."))
	default:
		return err
	}
	return r.see(views.ChangeURL(r.project.Slug, number))
}
