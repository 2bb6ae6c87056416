package db

import (
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// A server that is told to use a backup server is told its address, too, and goes on
// with it when the backup server gets another one (ADR 11). The list of servers doesn't
// show the address, so what is known of it is kept beside the inventory.

// remoteAddr is the address at which a server uses a backup server.
type remoteAddr struct {
	BackupHostID string
	Addr         string
	SeenAt       wtp.Instant // when HSS showed it; 0: only the backup server was seen there
}

// NoteRemoteAddr notes that HSS showed, asked at at, that a server uses a backup server
// at addr. The next inventory drops it if it has the server use another one.
func (s *Store) NoteRemoteAddr(ctx context.Context, projectID int64, hostID, backupHostID, addr string, at wtp.Instant) error {
	hostID, backupHostID, addr = clean(hostID, 256), clean(backupHostID, 256), wtp.TidyAddr(clean(addr, maxName))
	if hostID == "" || backupHostID == "" || addr == "" {
		return nil
	}
	return s.tx(ctx, func(tx *gorm.DB) error {
		if _, err := s.lockProject(tx, projectID); err != nil {
			return err
		}
		have, err := many[remoteAddr](tx, "SELECT backup_host_id, addr, seen_at FROM remote_addrs WHERE project_id = ? AND host_id = ?", projectID, hostID)
		if err != nil || len(have) > 0 && have[0].SeenAt > at {
			return err
		}
		if _, err := exec(tx, `INSERT INTO remote_addrs (project_id, host_id, backup_host_id, addr, seen_at) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (project_id, host_id) DO UPDATE SET backup_host_id = excluded.backup_host_id, addr = excluded.addr, seen_at = excluded.seen_at`,
			projectID, hostID, backupHostID, addr, at); err != nil {
			return fmt.Errorf("noting an address: %w", err)
		}
		for _, h := range have {
			if err := countAddr(tx, projectID, h.BackupHostID, h.Addr, -1); err != nil {
				return err
			}
		}
		return countAddr(tx, projectID, backupHostID, addr, 1)
	})
}

func countAddr(tx *gorm.DB, project int64, backupHostID, addr string, by int64) error {
	if by < 0 {
		return moved(exec(tx, "UPDATE remote_addr_counts SET n = n + ? WHERE project_id = ? AND backup_host_id = ? AND addr = ?", by, project, backupHostID, addr))
	}
	_, err := exec(tx, `INSERT INTO remote_addr_counts (project_id, backup_host_id, addr, n) VALUES (?, ?, ?, ?)
		ON CONFLICT (project_id, backup_host_id, addr) DO UPDATE SET n = remote_addr_counts.n + excluded.n`, project, backupHostID, addr, by)
	return err
}

// keepOldAddrs is for a list of backup servers before it takes the place of the one
// before: where one has another address now, or is gone, the servers that used it so far
// are taken to be at the address it had, unless more is known. It says whether there
// are any.
func keepOldAddrs(tx *gorm.DB, project int64, backups []wtp.BackupServer) (bool, error) {
	old, err := many[wtp.BackupServer](tx, "SELECT * FROM backup_servers WHERE project_id = ?", project)
	if err != nil {
		return false, fmt.Errorf("reading backup servers: %w", err)
	}
	kept := false
	for _, o := range old {
		i := slices.IndexFunc(backups, func(b wtp.BackupServer) bool { return b.HostID == o.HostID })
		if o.Addr() == "" || i >= 0 && (backups[i].Addr() == "" || backups[i].Addr() == o.Addr()) {
			continue
		}
		n, err := exec(tx, `INSERT INTO remote_addrs (project_id, host_id, backup_host_id, addr, seen_at)
			SELECT s.project_id, s.host_id, s.backup_host_id, CAST(? AS text), 0 FROM servers s WHERE s.project_id = ? AND s.backup_host_id = ?
			ON CONFLICT (project_id, host_id) DO NOTHING`, o.Addr(), project, o.HostID)
		if err != nil {
			return false, fmt.Errorf("keeping an old address: %w", err)
		}
		kept = kept || n > 0
	}
	return kept, nil
}

// dropAddrs forgets the addresses of servers that are gone or use another backup server.
// Here and below an empty text is appended because a planner would rather go by the
// backup server, which thousands of rows have, than by the host ID.
func dropAddrs(tx *gorm.DB, project int64) error {
	if _, err := exec(tx, `DELETE FROM remote_addrs WHERE project_id = ? AND NOT EXISTS (SELECT 1 FROM servers s
		WHERE s.project_id = remote_addrs.project_id AND s.host_id = remote_addrs.host_id AND s.backup_host_id || '' = remote_addrs.backup_host_id)`, project); err != nil {
		return fmt.Errorf("forgetting addresses: %w", err)
	}
	return nil
}

// countAddrs counts the addresses of a project anew.
func countAddrs(tx *gorm.DB, project int64) error {
	for _, query := range []string{
		"DELETE FROM remote_addr_counts WHERE project_id = ?",
		`INSERT INTO remote_addr_counts (project_id, backup_host_id, addr, n)
			SELECT project_id, backup_host_id, addr, COUNT(*) FROM remote_addrs WHERE project_id = ? GROUP BY project_id, backup_host_id, addr`,
	} {
		if _, err := exec(tx, query, project); err != nil {
			return fmt.Errorf("counting addresses: %w", err)
		}
	}
	return nil
}

// keepSentAddrs is for changes that servers were just seen to have taken from: they use
// the backup server at the address that they were sent, unless HSS showed another.
func keepSentAddrs(tx *gorm.DB, changes []int64, startedAt wtp.Instant) error {
	slices.Sort(changes)
	for _, id := range slices.Compact(changes) {
		c, err := one[wtp.Change](tx, "SELECT * FROM changes WHERE id = ?", id)
		if err != nil {
			return fmt.Errorf("reading a change: %w", err)
		}
		to, err := wtp.ParseRemoteTo(c.BackupAfter)
		if err != nil {
			return fmt.Errorf("reading a change: %w", err)
		}
		for _, b := range to.Servers {
			if _, err := exec(tx, `INSERT INTO remote_addrs (project_id, host_id, backup_host_id, addr, seen_at)
				SELECT t.project_id, t.host_id, t.wanted, CAST(? AS text), 0 FROM targets t
				WHERE t.change_id = ? AND t.kind = 'remote_backup' AND t.wanted = ? AND t.seen = t.wanted AND t.seen_at = ?
				ON CONFLICT (project_id, host_id) DO NOTHING`, wtp.TidyAddr(b.Addr()), id, b.HostID, startedAt); err != nil {
				return fmt.Errorf("keeping an address: %w", err)
			}
		}
	}
	return nil
}

// OldAddrs says how many servers use each backup server at another address than it has,
// by its host ID, as far as is known. The counts are kept.
func (s *Store) OldAddrs(ctx context.Context, projectID int64) (map[string]int64, error) {
	backups, err := s.BackupServers(ctx, []int64{projectID})
	if err != nil {
		return nil, err
	}
	rows, err := many[struct {
		BackupHostID, Addr string
		N                  int64
	}](s.reader(ctx), "SELECT backup_host_id, addr, n FROM remote_addr_counts WHERE project_id = ? AND n > 0", projectID)
	if err != nil {
		return nil, fmt.Errorf("counting addresses: %w", err)
	}
	now, old := presentAddrs(backups), map[string]int64{}
	for _, r := range rows {
		if now[r.BackupHostID] != "" && r.Addr != now[r.BackupHostID] {
			old[r.BackupHostID] += r.N
		}
	}
	return old, nil
}

// OldAddr is the address at which a server is known to use a backup server, "" if that
// isn't known or is the present one.
func (s *Store) OldAddr(ctx context.Context, backup wtp.BackupServer, hostID string) (string, error) {
	rows, err := many[string](s.reader(ctx), "SELECT addr FROM remote_addrs WHERE project_id = ? AND host_id = ? AND backup_host_id = ?", backup.ProjectID, clean(hostID, maxName), backup.HostID)
	if err != nil || len(rows) == 0 || backup.Addr() == "" || rows[0] == backup.Addr() {
		return "", err
	}
	return rows[0], nil
}

// presentAddrs are the addresses of backup servers by host ID.
func presentAddrs(backups []wtp.BackupServer) map[string]string {
	now := make(map[string]string, len(backups))
	for _, b := range backups {
		now[b.HostID] = b.Addr()
	}
	return now
}

// addressedSQL is true of targets (as t) of which the address matters: one that was
// sent a backup server that it used already, or that HSS showed at another address. The
// list says nothing of them.
const addressedSQL = `(substr(t.before, 1, length(t.wanted) + 1) = t.wanted || ' ' OR substr(t.seen, 1, length(t.wanted) + 1) = t.wanted || ' ')`

// unseenAddr is true of such targets of remote backup that HSS accepted and that aren't
// seen as wanted.
const unseenAddr = "t.kind = 'remote_backup' AND t.outcome IN ('accepted', 'unknown') AND t.seen <> t.wanted AND " + addressedSQL

// UnseenAddrs reads the targets of a change that HSS accepted, that are not seen as
// wanted, and of which no list will say so, at most limit of them.
func (s *Store) UnseenAddrs(ctx context.Context, changeID int64, limit int) ([]wtp.Target, error) {
	ts, err := many[wtp.Target](s.reader(ctx), "SELECT * FROM targets t WHERE t.change_id = ? AND t.outcome = 'accepted' AND "+unseenAddr+" ORDER BY t.seen_at, t.seq LIMIT ?", changeID, limit)
	if err != nil {
		return nil, fmt.Errorf("targets of a change: %w", err)
	}
	return ts, nil
}

// AddrsToLookUp lists servers whose address is to be looked up by a reading, at most
// limit: those of changes that are read back, and those that are taken to have an old
// one, who was looked up longest ago first. None while a change of remote backup is
// carried out, which looks up its own.
func (s *Store) AddrsToLookUp(ctx context.Context, projectID int64, limit int) ([]string, error) {
	g := s.reader(ctx)
	busy, err := one[int64](g, "SELECT COUNT(*) FROM changes WHERE project_id = ? AND state IN ('queued', 'running') AND kind IN ('remote_backup', 'backup_removal')", projectID)
	if err != nil || busy > 0 {
		return nil, err
	}
	hosts, err := many[string](g, `SELECT t.host_id FROM targets t JOIN changes c ON c.id = t.change_id WHERE t.project_id = ? AND c.read_back_at > 0 AND `+unseenAddr+`
		GROUP BY t.host_id ORDER BY MIN(t.seen_at), t.host_id LIMIT ?`, projectID, limit)
	if err != nil {
		return nil, fmt.Errorf("servers of changes: %w", err)
	}
	old, err := s.OldAddrs(ctx, projectID)
	if err != nil {
		return nil, err
	}
	backups, err := s.BackupServers(ctx, []int64{projectID})
	if err != nil {
		return nil, err
	}
	for _, b := range backups {
		if old[b.HostID] == 0 || len(hosts) >= limit {
			continue
		}
		more, err := many[string](g, "SELECT host_id FROM remote_addrs WHERE project_id = ? AND backup_host_id = ? AND addr <> ? ORDER BY seen_at, host_id LIMIT ?", projectID, b.HostID, b.Addr(), limit)
		if err != nil {
			return nil, fmt.Errorf("servers at an old address: %w", err)
		}
		for _, host := range more {
			if len(hosts) < limit && !slices.Contains(hosts, host) {
				hosts = append(hosts, host)
			}
		}
	}
	return hosts, nil
}

// noteSeenAddrs is noteSeen for targets of which the address matters: only what HSS
// showed of one server since counts.
func (s *Store) noteSeenAddrs(tx *gorm.DB, project int64, startedAt wtp.Instant) (confirmed int64, err error) {
	rows, err := many[struct {
		Target      wtp.Target `gorm:"embedded"`
		BackupAfter string
		Addr        string
		AddrAt      wtp.Instant
	}](tx, `SELECT t.*, c.backup_after, r.addr, r.seen_at AS addr_at
		FROM targets t JOIN changes c ON c.id = t.change_id JOIN remote_addrs r ON r.project_id = t.project_id AND r.host_id = t.host_id AND r.backup_host_id || '' = t.wanted
		JOIN servers s ON s.project_id = t.project_id AND s.host_id = t.host_id AND s.backup_host_id || '' = t.wanted
		WHERE t.project_id = ? AND `+unseenAddr+` AND r.seen_at > t.decided_at AND r.seen_at > t.seen_at AND t.decided_at >= ?
			AND NOT EXISTS (SELECT 1 FROM targets n WHERE n.project_id = t.project_id AND n.host_id = t.host_id AND n.kind = t.kind AND n.change_id <> t.change_id
				AND (n.outcome IN ('sending', 'unclear') OR (n.outcome IN ('accepted', 'unknown') AND n.decided_at > t.decided_at)))
		ORDER BY t.change_id, t.seq`, project, startedAt.Add(-seenFor))
	if err != nil {
		return 0, fmt.Errorf("noting what was seen: %w", err)
	}
	for _, r := range rows {
		to, err := wtp.ParseRemoteTo(r.BackupAfter)
		if err != nil {
			return confirmed, fmt.Errorf("reading a change: %w", err)
		}
		t, from := r.Target, cellOf(r.Target)
		t.Seen = to.Shown(t, t.Wanted, r.Addr)
		if _, err := exec(tx, "UPDATE targets SET seen = ?, seen_at = ? WHERE change_id = ? AND seq = ?", t.Seen, r.AddrAt, t.ChangeID, t.Seq); err != nil {
			return confirmed, fmt.Errorf("noting what was seen: %w", err)
		}
		now := cellOf(t)
		if now.Confirmed == seenAsWanted {
			confirmed++
		}
		if err := shiftCounts(tx, []countCell{from}, []countCell{now}); err != nil {
			return confirmed, err
		}
	}
	return confirmed, nil
}
