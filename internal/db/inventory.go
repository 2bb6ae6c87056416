package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// SaveResult says what a reading brought.
type SaveResult struct {
	Servers, Backups   int64 // now in the inventory
	Unlisted           int64 // servers, of these, that no list has shown
	New, Changed, Gone int64 // servers
	Confirmed          int64 // targets now seen as wanted that were not before
	Outside            int64 // differences of dynamic WTP that no change of ours explains
}

// readRetry is how long a failed reading waits, unless somebody asks for one.
const readRetry = time.Minute

// WantRead asks for a reading of the project's inventory.
func (s *Store) WantRead(ctx context.Context, projectID int64) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		n, err := exec(tx, "UPDATE projects SET read_wanted_at = ? WHERE id = ? AND removed_at = 0", s.Now(), projectID)
		if err == nil && n == 0 {
			return wtp.ErrNotFound
		}
		return err
	})
}

// ClaimRead gives owner one project to read: one whose reading is wanted, is
// older than readEvery, or whose changes wait to be read back. false: there is
// none now.
func (s *Store) ClaimRead(ctx context.Context, owner string, readEvery time.Duration) (p wtp.Project, ok bool, err error) {
	now := s.Now()
	query := `SELECT p.* FROM projects p WHERE p.removed_at = 0 AND p.read_lease_until <= ?
		AND (p.read_failed_at = 0 OR p.read_failed_at <= ? OR p.read_failed_at > ? OR p.read_wanted_at > p.read_failed_at)
		AND (p.read_wanted_at > 0 OR p.read_at = 0 OR p.read_at <= ? OR p.read_at > ?
			OR EXISTS (SELECT 1 FROM changes c WHERE c.project_id = p.id AND c.read_back_at > 0 AND c.read_back_at <= ?))
		ORDER BY CASE WHEN p.read_wanted_at > 0 THEN 0 ELSE 1 END, p.read_at, p.id LIMIT 1`
	ahead := now.Add(time.Minute) // what was read later than this was read before the clock was put back
	args := []any{now, now.Add(-readRetry), ahead, now.Add(-readEvery), ahead, now}
	// Looked at with the reader first: most of the time there is nothing to claim.
	if _, err := one[wtp.Project](s.reader(ctx), query, args...); err != nil {
		if errors.Is(err, wtp.ErrNotFound) {
			return p, false, nil
		}
		return p, false, fmt.Errorf("looking for a project to read: %w", err)
	}
	err = s.tx(ctx, func(tx *gorm.DB) error {
		var err error
		if p, err = one[wtp.Project](tx, query+s.skipLocked(), args...); err != nil {
			return err
		}
		p.ReadStartedAt, p.ReadLease, p.ReadLeaseUntil = now, owner, now.Add(s.leaseFor)
		return moved(exec(tx, "UPDATE projects SET read_started_at = ?, read_lease = ?, read_lease_until = ? WHERE id = ?", p.ReadStartedAt, p.ReadLease, p.ReadLeaseUntil, p.ID))
	})
	if errors.Is(err, wtp.ErrNotFound) {
		return wtp.Project{}, false, nil
	}
	if err != nil {
		return wtp.Project{}, false, fmt.Errorf("claiming a reading: %w", err)
	}
	return p, true, nil
}

// RenewRead keeps the claim; wtp.ErrConflict once it is lost.
func (s *Store) RenewRead(ctx context.Context, projectID int64, owner string) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		return moved(exec(tx, "UPDATE projects SET read_lease_until = ? WHERE id = ? AND read_lease = ? AND removed_at = 0", s.Now().Add(s.leaseFor), projectID, owner))
	})
}

// FailRead ends a claim without a result; why is for people. wtp.ErrConflict if
// the claim is lost.
func (s *Store) FailRead(ctx context.Context, projectID int64, owner, why string) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		return moved(exec(tx, `UPDATE projects SET read_failed_at = ?, read_error = ?, read_started_at = 0, read_lease = '', read_lease_until = 0
			WHERE id = ? AND read_lease = ?`, s.Now(), clean(why, maxMessage), projectID, owner))
	})
}

func serverColumns() []string {
	return []string{
		"project_id", "host_id", "name", "name_key", "private_ip", "public_ip", "group_name", "os", "os_name", "asset_value", "host_status",
		"agent_status", "protect_status", "dynamic", "protect_dir_num", "interrupt_reason", "backup_host_id", "static_attacks", "dynamic_attacks",
		"dynamic_since",
	}
}

func serverRow(s *wtp.Server) []any {
	return []any{
		s.ProjectID, s.HostID, s.Name, s.NameKey, s.PrivateIP, s.PublicIP, s.GroupName, s.OS, s.OSName, s.AssetValue, s.HostStatus,
		s.AgentStatus, s.ProtectStatus, s.Dynamic, s.ProtectDirNum, s.InterruptReason, s.BackupHostID, s.StaticAttacks, s.DynamicAttacks,
		int64(s.DynamicSince),
	}
}

// flip is a server whose dynamic WTP differs from the reading before.
type flip struct{ host, now string }

// SaveInventory puts a whole reading, begun at startedAt, in place of the one
// before, in one transaction: the rows, the kept counters, what is now seen of
// sent targets, the next reading back of changes, and one event if something
// changed that no change of ours explains. ProjectID, NameKey, ReadAt,
// DynamicSince and Since are filled in here; both slices are sorted in place. A
// host ID that occurs twice counts once. wtp.ErrConflict if owner lost the claim.
func (s *Store) SaveInventory(ctx context.Context, projectID int64, owner string, startedAt wtp.Instant, servers []wtp.Server, backups []wtp.BackupServer) (SaveResult, error) {
	servers = tidyServers(servers, projectID, startedAt)
	backups = tidyBackups(backups, projectID, startedAt)
	var res SaveResult
	err := s.tx(ctx, func(tx *gorm.DB) error {
		res = SaveResult{Servers: int64(len(servers)), Backups: int64(len(backups))}
		for i := range servers {
			if servers[i].AssetValue == wtp.Unlisted {
				res.Unlisted++
			}
		}
		p, err := s.lockProject(tx, projectID)
		if err != nil {
			return err
		}
		if p.ReadLease != owner {
			return wtp.ErrConflict
		}
		if err := keepNewerRemotes(tx, projectID, startedAt, servers); err != nil {
			return err
		}
		if _, err := keepOldAddrs(tx, projectID, backups); err != nil {
			return err
		}
		flips, err := s.saveServers(ctx, tx, projectID, servers, &res)
		if err != nil {
			return err
		}
		trouble, err := s.saveBackups(ctx, tx, projectID, backups)
		if err != nil {
			return err
		}
		if err := s.saveCounters(ctx, tx, projectID, servers); err != nil {
			return err
		}
		if err := dropAddrs(tx, projectID); err != nil {
			return err
		}
		outside, err := s.unexplained(tx, p, flips)
		if err != nil {
			return err
		}
		res.Outside = int64(len(outside))
		var seen []int64
		if res.Confirmed, seen, err = s.noteSeen(tx, projectID, startedAt, backups); err != nil {
			return err
		}
		if err := countAddrs(tx, projectID); err != nil {
			return err
		}
		if err := s.scheduleReadBacks(tx, projectID, startedAt, backups); err != nil {
			return err
		}
		if _, err := exec(tx, `UPDATE projects SET server_count = ?, unlisted = ?, backup_count = ?, backup_trouble = ?, read_at = ?, read_started_at = 0,
			read_wanted_at = CASE WHEN read_wanted_at <= ? THEN 0 ELSE read_wanted_at END, read_failed_at = 0, read_error = '',
			read_lease = '', read_lease_until = 0 WHERE id = ?`, len(servers), res.Unlisted, len(backups), trouble, startedAt, startedAt, projectID); err != nil {
			return fmt.Errorf("saving the inventory: %w", err)
		}
		if err := s.dropRestarts(tx, projectID, startedAt); err != nil {
			return err
		}
		if err := s.needRestart(tx, projectID, seen, startedAt); err != nil {
			return err
		}
		return s.recordOutside(tx, p, outside)
	})
	return res, err
}

// NoteListed notes since when the whole list of a project has been read: whatever only
// the list shows is at least as new as at.
func (s *Store) NoteListed(ctx context.Context, projectID int64, at wtp.Instant) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		_, err := exec(tx, "UPDATE projects SET listed_at = ? WHERE id = ? AND listed_at < ?", at, projectID, at)
		return err
	})
}

// tidyServers cleans, sorts by host ID, and drops rows without or with a
// doubled host ID.
func tidyServers(list []wtp.Server, project int64, at wtp.Instant) []wtp.Server {
	for i := range list {
		v := &list[i]
		for _, t := range []*string{
			&v.Name, &v.PrivateIP, &v.PublicIP, &v.GroupName, &v.OS, &v.OSName, &v.AssetValue, &v.HostStatus, &v.AgentStatus,
			&v.ProtectStatus, &v.Dynamic, &v.InterruptReason, &v.BackupHostID,
		} {
			*t = clean(*t, maxName)
		}
		v.HostID = clean(v.HostID, 256)
		v.ProjectID, v.NameKey, v.ReadAt, v.DynamicSince = project, strings.ToLower(v.Name), at, at
	}
	list = slices.DeleteFunc(list, func(v wtp.Server) bool { return v.HostID == "" })
	byID := func(a, b wtp.Server) int { return strings.Compare(a.HostID, b.HostID) }
	if !slices.IsSortedFunc(list, byID) {
		slices.SortStableFunc(list, byID)
	}
	return slices.CompactFunc(list, func(a, b wtp.Server) bool { return a.HostID == b.HostID })
}

func tidyBackups(list []wtp.BackupServer, project int64, at wtp.Instant) []wtp.BackupServer {
	for i := range list {
		v := &list[i]
		v.ProjectID, v.ReadAt, v.Since = project, at, at
		v.HostID, v.Name, v.IP, v.Dir = clean(v.HostID, 256), clean(v.Name, maxName), clean(v.IP, maxName), clean(v.Dir, maxName)
	}
	list = slices.DeleteFunc(list, func(v wtp.BackupServer) bool { return v.HostID == "" })
	slices.SortStableFunc(list, func(a, b wtp.BackupServer) int { return strings.Compare(a.HostID, b.HostID) })
	return slices.CompactFunc(list, func(a, b wtp.BackupServer) bool { return a.HostID == b.HostID })
}

// saveServers writes only the rows that differ: both lists are sorted by host
// ID and walked side by side.
func (s *Store) saveServers(ctx context.Context, tx *gorm.DB, project int64, servers []wtp.Server, res *SaveResult) ([]flip, error) {
	var (
		write []int // of servers
		gone  []string
		flips []flip
		i     int
	)
	err := scanServers(ctx, tx, project, func(old *wtp.Server) {
		for i < len(servers) && servers[i].HostID < old.HostID {
			write = append(write, i)
			res.New++
			i++
		}
		if i == len(servers) || servers[i].HostID > old.HostID {
			gone = append(gone, strings.Clone(old.HostID))
			return
		}
		v := &servers[i]
		if v.Dynamic == old.Dynamic {
			v.DynamicSince = old.DynamicSince
		} else if v.Dynamic != "" && old.Dynamic != "" {
			flips = append(flips, flip{host: v.HostID, now: v.Dynamic})
		}
		old.ReadAt = v.ReadAt // of the project, see readServers
		if *v != *old {
			write = append(write, i)
			res.Changed++
		}
		i++
	})
	if err != nil {
		return nil, fmt.Errorf("reading the inventory: %w", err)
	}
	for ; i < len(servers); i++ {
		write = append(write, i)
		res.New++
	}
	res.Gone = int64(len(gone))
	if len(gone) > 0 {
		list, err := jsonList(gone)
		if err != nil {
			return nil, err
		}
		if _, err := exec(tx, "DELETE FROM servers WHERE project_id = ? AND host_id IN (SELECT value FROM "+s.eachText()+" v)", project, list); err != nil {
			return nil, fmt.Errorf("removing servers: %w", err)
		}
	}
	// In the order of names, which most indexes follow: they grow at few places.
	slices.SortFunc(write, func(a, b int) int { return strings.Compare(servers[a].NameKey, servers[b].NameKey) })
	return flips, s.insertRows(ctx, tx, "servers", serverColumns(), len(write),
		func(n int) []any { return serverRow(&servers[write[n]]) }, upsert(serverColumns(), "project_id", "host_id"))
}

// upsert is the ON CONFLICT clause that takes every column but the keys.
func upsert(columns []string, keys ...string) string {
	var set []string
	for _, c := range columns {
		if !slices.Contains(keys, c) {
			set = append(set, c+" = excluded."+c)
		}
	}
	return " ON CONFLICT (" + strings.Join(keys, ", ") + ") DO UPDATE SET " + strings.Join(set, ", ")
}

// scanServers walks the servers of a project by host ID. The one struct is
// used again for each row.
func scanServers(ctx context.Context, tx *gorm.DB, project int64, row func(*wtp.Server)) (err error) {
	rows, err := tx.WithContext(ctx).Raw("SELECT "+strings.Join(serverColumns(), ", ")+" FROM servers WHERE project_id = ? ORDER BY host_id", project).Rows()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var v wtp.Server
	to := []any{
		&v.ProjectID, &v.HostID, &v.Name, &v.NameKey, &v.PrivateIP, &v.PublicIP, &v.GroupName, &v.OS, &v.OSName, &v.AssetValue, &v.HostStatus,
		&v.AgentStatus, &v.ProtectStatus, &v.Dynamic, &v.ProtectDirNum, &v.InterruptReason, &v.BackupHostID, &v.StaticAttacks, &v.DynamicAttacks,
		&v.DynamicSince,
	}
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			return err
		}
		row(&v)
	}
	return rows.Err()
}

// EachServer walks the servers of a project by host ID, in one reading of the
// database. ReadAt is not filled in: it is the project's.
func (s *Store) EachServer(ctx context.Context, projectID int64, each func(wtp.Server)) error {
	if err := scanServers(ctx, s.reader(ctx), projectID, func(v *wtp.Server) { each(*v) }); err != nil {
		return fmt.Errorf("reading servers: %w", err)
	}
	return nil
}

// saveBackups replaces the backup servers (HSS allows few) and counts those
// that don't run.
func (s *Store) saveBackups(ctx context.Context, tx *gorm.DB, project int64, backups []wtp.BackupServer) (trouble int64, err error) {
	old, err := many[wtp.BackupServer](tx, "SELECT * FROM backup_servers WHERE project_id = ?", project)
	if err != nil {
		return 0, fmt.Errorf("reading backup servers: %w", err)
	}
	for i := range backups {
		b := &backups[i]
		if b.Status != wtp.BackupRunning {
			trouble++
		}
		if j := slices.IndexFunc(old, func(o wtp.BackupServer) bool { return o.HostID == b.HostID }); j >= 0 && old[j].Status == b.Status {
			b.Since = old[j].Since
		}
	}
	if _, err := exec(tx, "DELETE FROM backup_servers WHERE project_id = ?", project); err != nil {
		return 0, fmt.Errorf("saving backup servers: %w", err)
	}
	return trouble, s.insertRows(ctx, tx, "backup_servers", []string{"project_id", "host_id", "name", "ip", "port", "dir", "status", "read_at", "since"},
		len(backups), func(i int) []any {
			b := backups[i]
			return []any{b.ProjectID, b.HostID, b.Name, b.IP, b.Port, b.Dir, b.Status, int64(b.ReadAt), int64(b.Since)}
		}, "")
}

// saveCounters counts the groups and the use of backup servers anew.
func (s *Store) saveCounters(ctx context.Context, tx *gorm.DB, project int64, servers []wtp.Server) error {
	type use struct{ backup, group string }
	groups, uses := map[string]*GroupCount{}, map[use]int64{}
	for i := range servers {
		v := &servers[i]
		g := groups[v.GroupName]
		if g == nil {
			g = &GroupCount{Name: v.GroupName}
			groups[v.GroupName] = g
		}
		g.Total++
		if b, _ := wtp.Classify(*v, wtp.Enable, false); v.Dynamic == wtp.Opened {
			g.On++
		} else if b == wtp.Cannot {
			g.Cannot++
		} else {
			g.Off++
		}
		if v.BackupHostID != "" {
			uses[use{v.BackupHostID, v.GroupName}]++
		}
	}
	for _, t := range []string{"group_counts", "backup_use"} {
		if _, err := exec(tx, "DELETE FROM "+t+" WHERE project_id = ?", project); err != nil {
			return fmt.Errorf("counting the inventory: %w", err)
		}
	}
	var gs, us [][]any
	for _, g := range groups {
		gs = append(gs, []any{project, g.Name, g.Total, g.On, g.Off, g.Cannot})
	}
	for u, n := range uses {
		us = append(us, []any{project, u.backup, u.group, n})
	}
	if err := s.insertRows(ctx, tx, "group_counts", []string{"project_id", "name", "total", "dynamic_on", "dynamic_off", "cannot"},
		len(gs), func(i int) []any { return gs[i] }, ""); err != nil {
		return err
	}
	return s.insertRows(ctx, tx, "backup_use", []string{"project_id", "backup_host_id", "group_name", "n"}, len(us), func(i int) []any { return us[i] }, "")
}
