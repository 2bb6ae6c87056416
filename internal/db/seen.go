package db

import (
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// seenFor is how long after a target was decided readings are noted on it.
const seenFor = 30 * 24 * time.Hour

// readBackAfter is when a finished change is read back, counted from its end;
// the first reading is due at once.
func readBackAfter() []time.Duration {
	return []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 20 * time.Minute, 30 * time.Minute}
}

// noteSeen notes what the new inventory shows on the targets that were sent and
// are not yet seen as wanted, if they were decided before the reading began. A
// server that a later change has touched says nothing about an earlier one. It
// returns how many are now seen as wanted, and the changes that those of servers
// are of.
func (s *Store) noteSeen(tx *gorm.DB, project int64, startedAt wtp.Instant, backups []wtp.BackupServer) (int64, []int64, error) {
	// The changes are locked in one order before their counters are.
	if _, err := many[int64](tx, `SELECT id FROM changes WHERE project_id = ? AND id IN (SELECT change_id FROM targets
		WHERE project_id = ? AND outcome IN ('accepted', 'unknown') AND seen <> wanted) ORDER BY id`+s.forUpdate(), project, project); err != nil {
		return 0, nil, fmt.Errorf("locking changes: %w", err)
	}
	confirmed, changes, err := noteSeenServers(tx, project, startedAt, wtp.DynamicWTP, "s.dynamic", "s.dynamic <> ''")
	if err != nil {
		return 0, nil, err
	}
	// An inventory made from an export doesn't show the use of backup servers; only
	// those that are looked up for it are surely fresh: see UnseenRemote. And no list
	// shows at which address they are used.
	n, more, err := noteSeenServers(tx, project, startedAt, wtp.RemoteBackup, remoteSQL,
		"EXISTS (SELECT 1 FROM changes c WHERE c.id = t.change_id AND "+lookedUpSQL+") AND NOT ("+remoteSQL+" = t.wanted AND "+addressedSQL+")")
	if err != nil {
		return 0, nil, err
	}
	confirmed += n
	if err := keepSentAddrs(tx, slices.Clone(more), startedAt); err != nil {
		return 0, nil, err
	}
	if n, err = s.noteSeenAddrs(tx, project, startedAt); err != nil {
		return 0, nil, err
	}
	confirmed += n
	n, err = s.noteSeenBackups(tx, project, startedAt, backups)
	return confirmed + n, append(changes, more...), err
}

// noteSeenServers notes what servers (as s) show on the targets of a kind: state says
// what, only which count.
func noteSeenServers(tx *gorm.DB, project int64, startedAt wtp.Instant, kind wtp.ChangeKind, state, only string) (confirmed int64, changes []int64, err error) {
	from := ` t.project_id = ? AND t.kind = '` + string(kind) + `' AND t.outcome IN ('accepted', 'unknown') AND t.seen <> t.wanted
		AND t.decided_at < ? AND t.decided_at >= ?
		AND s.project_id = t.project_id AND s.host_id = t.host_id AND ` + only + `
		AND NOT EXISTS (SELECT 1 FROM targets n WHERE n.project_id = t.project_id AND n.host_id = t.host_id AND n.kind = t.kind AND n.change_id <> t.change_id
			AND (n.outcome IN ('sending', 'unclear') OR (n.outcome IN ('accepted', 'unknown') AND n.decided_at > t.decided_at)))`
	args := []any{project, startedAt, startedAt.Add(-seenFor)}
	cells, err := many[struct {
		Cell    countCell `gorm:"embedded"`
		Becomes int64
	}](tx, "SELECT "+cellSQL+", CASE "+state+` WHEN t.wanted THEN 1 ELSE 2 END AS becomes, COUNT(*) AS n
		FROM targets t, servers s WHERE`+from+" AND t.seen <> "+state+" GROUP BY 1, 2, 3, 4, 5, 6", args...)
	if err != nil {
		return 0, nil, fmt.Errorf("noting what was seen: %w", err)
	}
	if _, err := exec(tx, "UPDATE targets AS t SET seen = "+state+", seen_at = ? FROM servers s WHERE"+from, append([]any{startedAt}, args...)...); err != nil {
		return 0, nil, fmt.Errorf("noting what was seen: %w", err)
	}
	for _, c := range cells {
		to := c.Cell
		to.Confirmed = c.Becomes
		if to.Confirmed == seenAsWanted {
			confirmed += c.Cell.N
			changes = append(changes, c.Cell.ChangeID)
		}
		if err := shiftCounts(tx, []countCell{c.Cell}, []countCell{to}); err != nil {
			return 0, nil, err
		}
	}
	return confirmed, changes, nil
}

// noteSeenBackups is noteSeen for backup servers: there are few.
func (s *Store) noteSeenBackups(tx *gorm.DB, project int64, startedAt wtp.Instant, backups []wtp.BackupServer) (int64, error) {
	open, err := many[wtp.Target](tx, `SELECT * FROM targets WHERE project_id = ? AND kind = 'backup_server' AND outcome IN ('accepted', 'unknown') AND seen <> wanted
		AND decided_at < ? AND decided_at >= ? ORDER BY decided_at DESC, change_id DESC`, project, startedAt, startedAt.Add(-seenFor))
	if err != nil {
		return 0, fmt.Errorf("reading targets: %w", err)
	}
	var confirmed int64
	for _, t := range open {
		later, err := one[int64](tx, `SELECT COUNT(*) FROM targets WHERE project_id = ? AND host_id = ? AND kind = 'backup_server' AND change_id <> ?
			AND (outcome IN ('sending', 'unclear') OR (outcome IN ('accepted', 'unknown') AND decided_at > ?))`, project, t.HostID, t.ChangeID, t.DecidedAt)
		if err != nil {
			return 0, fmt.Errorf("reading targets: %w", err)
		}
		i := slices.IndexFunc(backups, func(b wtp.BackupServer) bool { return b.HostID == t.HostID })
		if later > 0 || i < 0 && t.Wanted != wtp.BackupRemoved {
			continue
		}
		from := cellOf(t)
		if t.Seen = wtp.BackupRemoved; i >= 0 {
			t.Seen = ConfigJSON(backups[i].Config())
		}
		if _, err := exec(tx, "UPDATE targets SET seen = ?, seen_at = ? WHERE change_id = ? AND seq = ?", t.Seen, startedAt, t.ChangeID, t.Seq); err != nil {
			return 0, fmt.Errorf("noting what was seen: %w", err)
		}
		to := cellOf(t)
		if to.Confirmed == seenAsWanted {
			confirmed++
		}
		if err := shiftCounts(tx, []countCell{from}, []countCell{to}); err != nil {
			return 0, err
		}
	}
	return confirmed, nil
}

// scheduleReadBacks sets when each finished change is read back next: not any
// more once every target that HSS accepted, or may have, is seen as wanted (a
// backup server must also run or have failed), or half an hour after the change
// ended.
func (s *Store) scheduleReadBacks(tx *gorm.DB, project int64, startedAt wtp.Instant, backups []wtp.BackupServer) error {
	due, err := many[wtp.Change](tx, "SELECT * FROM changes WHERE project_id = ? AND read_back_at > 0 AND finished_at > 0 AND finished_at < ? ORDER BY id"+s.forUpdate(), project, startedAt)
	if err != nil {
		return fmt.Errorf("changes to read back: %w", err)
	}
	for _, c := range due {
		unseen, err := one[int64](tx, "SELECT CAST(COALESCE(SUM(n), 0) AS bigint) FROM change_counts WHERE change_id = ? AND outcome IN ('accepted', 'unknown') AND confirmed <> 1", c.ID)
		if err != nil {
			return fmt.Errorf("counting targets: %w", err)
		}
		wait := unseen > 0
		if c.Kind == wtp.BackupHost && !wait {
			host, err := one[string](tx, "SELECT host_id FROM targets WHERE change_id = ? AND seq = 1", c.ID)
			if err != nil {
				return fmt.Errorf("reading a target: %w", err)
			}
			wait = slices.ContainsFunc(backups, func(b wtp.BackupServer) bool {
				return b.HostID == host && b.Status != wtp.BackupRunning && b.Status != wtp.BackupFailed
			})
		}
		if c.Kind == wtp.TomcatDir {
			wait = false // the inventory doesn't show it; its own change reads it back
		}
		var next wtp.Instant
		if wait {
			for _, after := range readBackAfter() {
				if at := c.FinishedAt.Add(after); at > startedAt {
					next = at
					break
				}
			}
		}
		if _, err := exec(tx, "UPDATE changes SET read_back_at = ?, read_backs = read_backs + 1 WHERE id = ?", next, c.ID); err != nil {
			return fmt.Errorf("next reading back: %w", err)
		}
	}
	return nil
}

// unexplained leaves of the flips those that no change of ours accounts for: a
// change explains one if it was sent for this server, wanted this state, and
// had not been seen to take hold before the last reading.
func (s *Store) unexplained(tx *gorm.DB, p wtp.Project, flips []flip) ([]flip, error) {
	if len(flips) == 0 || p.ReadAt == 0 {
		return nil, nil
	}
	pairs := make([][2]string, len(flips))
	for i, f := range flips {
		pairs[i] = [2]string{f.host, f.now}
	}
	list, err := jsonList(pairs)
	if err != nil {
		return nil, err
	}
	ours, err := many[string](tx, "SELECT v.value ->> 0 FROM "+s.each()+` v WHERE EXISTS (SELECT 1 FROM targets t
		WHERE t.project_id = ? AND t.host_id = v.value ->> 0 AND t.kind = 'dynamic_wtp' AND t.wanted = v.value ->> 1
		AND t.outcome IN ('sending', 'unclear', 'accepted', 'unknown') AND (t.seen <> t.wanted OR t.seen_at > ?)
		AND (t.decided_at = 0 OR t.decided_at >= ?))`, list, p.ID, p.ReadAt, s.Now().Add(-seenFor))
	if err != nil {
		return nil, fmt.Errorf("explaining differences: %w", err)
	}
	known := make(map[string]bool, len(ours))
	for _, h := range ours {
		known[h] = true
	}
	return slices.DeleteFunc(flips, func(f flip) bool { return known[f.host] }), nil
}

// recordOutside writes one event for all that changed outside the console, with
// the counts and the first 100 host IDs.
func (s *Store) recordOutside(tx *gorm.DB, p wtp.Project, outside []flip) error {
	if len(outside) == 0 {
		return nil
	}
	var on, off int64
	hosts := make([]string, 0, min(100, len(outside)))
	for _, f := range outside {
		switch f.now {
		case wtp.Opened:
			on++
		case wtp.Closed:
			off++
		}
		if len(hosts) < 100 {
			hosts = append(hosts, f.host)
		}
	}
	_, err := s.record(tx, wtp.Actor{}, wtp.Event{Verb: "inventory.changed_outside", ProjectID: p.ID, Subject: p.Name},
		map[string]any{"servers": len(outside), "on": on, "off": off, "host_ids": hosts})
	return err
}
