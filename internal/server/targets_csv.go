package server

import (
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// exportPreview writes the servers of a plan as a table: one bucket, narrowed as
// the page shows it, or all.
func (s *Server) exportPreview(r *request) error {
	plan, err := s.plan(r)
	if err != nil {
		return err
	}
	v := views.PreviewView{Plan: plan}
	if bad := previewPlace(&v, r.Request.URL.Query()); len(bad) > 0 {
		return bad
	}
	before := "dynamic_wtp_before"
	if plan.Kind.Remote() {
		before = "remote_backup_before"
	}
	head := []string{"bucket", "why", "reason", "host_id", "name", "private_ip", "group", before, "wanted"}
	return s.exportTargets(r, head, db.TargetQuery{ChangeID: plan.ID, Bucket: v.Bucket, Why: v.Why, Query: v.Query}, func(t wtp.Target) []string {
		return []string{string(t.Bucket), string(t.Why), r.reason(t.Why), t.HostID, t.Name, t.PrivateIP, t.GroupName, t.Before, t.Wanted}
	})
}

// exportChange writes the servers of a change as a table: one tab of its page, or
// all.
func (s *Server) exportChange(r *request) error {
	c, err := r.change()
	if err != nil {
		return err
	}
	if c.Kind == wtp.BackupHost {
		return wtp.ErrNotFound
	}
	v := views.ChangeView{Change: c}
	if err := placeOf(&v, r.Request.URL.Query()); err != nil {
		return err
	}
	outcome, seen, _ := views.ChangeTab(v.Tab)
	head := []string{"outcome", "read_back_shows", "host_id", "name", "private_ip", "group", "before", "wanted", "read_back", "read_back_at", "decided_at", "bucket", "why", "reason", "code", "message"}
	return s.exportTargets(r, head, db.TargetQuery{ChangeID: c.ID, Outcome: outcome, Seen: seen, Why: v.Why}, func(t wtp.Target) []string {
		return []string{string(t.Outcome), string(t.Shown()), t.HostID, t.Name, t.PrivateIP, t.GroupName, t.Before, t.Wanted, t.Seen, instantCell(t.SeenAt), instantCell(t.DecidedAt),
			string(t.Bucket), string(t.Why), r.reason(t.Why), t.Code, t.Message}
	})
}

// reason is the sentence for a word, "" for none.
func (r *request) reason(w wtp.Why) string {
	if w == "" {
		return ""
	}
	return r.say(w.Reason())
}

func instantCell(i wtp.Instant) string {
	if i == 0 {
		return ""
	}
	return i.Time().Format(time.RFC3339)
}

// exportTargets writes targets as they are read, some hundred at a time, however
// many there are.
func (s *Server) exportTargets(r *request, head []string, q db.TargetQuery, cells func(wtp.Target) []string) error {
	q.Limit = csvRows
	rows, err := s.Store.Targets(r.ctx(), q)
	if err != nil {
		return err
	}
	table, err := r.csv("servers.csv", head...)
	if err != nil {
		return err
	}
	for {
		for _, t := range rows {
			if err := table.row(cells(t)...); err != nil {
				return err
			}
		}
		if err := table.flush(); err != nil || len(rows) < csvRows {
			return err
		}
		q.After = rows[len(rows)-1].Seq
		if rows, err = s.Store.Targets(r.ctx(), q); err != nil {
			return err // the table ends early; the log says why
		}
	}
}
