package server

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"

	"wtp-console/internal/db"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// listBackups shows the backup servers of a project.
func (s *Server) listBackups(r *request) error {
	p, err := r.page("backup-servers", r.printer().T("Backup servers"), views.Crumb{Text: r.printer().T("Backup servers")})
	if err != nil {
		return err
	}
	backups, err := s.Store.BackupServers(r.ctx(), []int64{r.project.ID})
	if err != nil {
		return err
	}
	v := views.BackupsView{Page: p}
	if v.Uses, err = s.Store.BackupUse(r.ctx(), r.project.ID); err != nil {
		return err
	}
	old, err := s.Store.OldAddrs(r.ctx(), r.project.ID)
	if err != nil {
		return err
	}
	last, err := s.lastBackupChanges(r)
	if err != nil {
		return err
	}
	for _, b := range backups {
		row := views.BackupRow{BackupServer: b, Uses: v.Uses[b.HostID], Old: old[b.HostID]}
		if c, ok := last[b.HostID]; ok {
			row.Number, row.At = c.Number, c.ConfirmedAt
		}
		v.Servers = append(v.Servers, row)
	}
	slices.SortStableFunc(v.Servers, func(a, b views.BackupRow) int { return cmp.Compare(trouble(a.Status), trouble(b.Status)) })
	return r.show(http.StatusOK, views.BackupsPage(v))
}

// trouble orders statuses for a list: what needs a look comes first.
func trouble(status int64) int {
	switch status {
	case wtp.BackupFailed:
		return 0
	case wtp.BackupStarting:
		return 1
	case wtp.BackupNotStarted:
		return 2
	case wtp.BackupRunning:
		return 4
	}
	return 3
}

// lastBackupChanges finds the newest change of each backup server among the
// project's last few hundred; an older one is still in the history.
func (s *Server) lastBackupChanges(r *request) (map[string]wtp.Change, error) {
	rows, _, err := s.Store.Changes(r.ctx(), db.ChangeQuery{ProjectID: r.project.ID, Kind: wtp.BackupHost, Limit: 200})
	if err != nil {
		return nil, err
	}
	last := map[string]wtp.Change{}
	for _, row := range rows {
		var after wtp.BackupConfig
		if json.Unmarshal([]byte(row.BackupAfter), &after) != nil {
			continue
		}
		if _, newer := last[after.HostID]; !newer {
			last[after.HostID] = row.Change
		}
	}
	return last, nil
}
