package db

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// PlanRemoteBackup plans to have servers use the backup server of that host ID, or
// with wtp.RemoteOff none. A choice that is missing or not a running backup server is
// a wtp.Invalid on "to", a plan of no servers one on "selection". The plan can be
// confirmed by ConfirmRemote for as long as validFor.
func (s *Store) PlanRemoteBackup(ctx context.Context, actor wtp.Actor, projectID int64, choice string, from PlanSource, validFor time.Duration) (wtp.Change, error) {
	if from.UndoOf != 0 || from.RetryOf != 0 {
		return wtp.Change{}, errors.New("what follows a change is planned by PlanRemoteFrom")
	}
	return s.planRemote(ctx, actor, projectID, validFor, func(tx *gorm.DB, c *wtp.Change) (remotePlan, error) {
		src, kept, err := s.source(actor, projectID, from)
		if err != nil {
			return remotePlan{}, err
		}
		if from.Selection {
			if kept, err = selectedSet(tx, actor.UserID, projectID); err != nil {
				return remotePlan{}, err
			}
		}
		c.Kind, c.Direction, c.Selection = wtp.RemoteBackup, wtp.Enable, kept
		if choice == wtp.RemoteOff {
			c.Direction = wtp.Disable
		}
		p := remotePlan{choice: choice, with: src.with, args: src.withArgs}
		if src.with == "" {
			p.with, p.args = "SELECT s.host_id FROM servers s WHERE s.project_id = ? AND "+src.where, append([]any{projectID}, src.args...)
		}
		p.with = "SELECT x.host_id, CAST(? AS text) AS wanted FROM (" + p.with + ") x"
		p.args = append([]any{choice}, p.args...)
		return p, s.checkChoice(tx, projectID, choice)
	})
}

// PlanRemoteAddress plans to send the backup server of that host ID, with its present
// address, to the servers that use it at another one, as far as is known. One that
// doesn't run is a wtp.Invalid on "to"; it is a *wtp.Refused if there are no such servers.
func (s *Store) PlanRemoteAddress(ctx context.Context, actor wtp.Actor, projectID int64, hostID string, validFor time.Duration) (wtp.Change, error) {
	return s.planRemote(ctx, actor, projectID, validFor, func(tx *gorm.DB, c *wtp.Change) (remotePlan, error) {
		b, err := one[wtp.BackupServer](tx, "SELECT * FROM backup_servers WHERE project_id = ? AND host_id = ?", projectID, clean(hostID, maxName))
		if err != nil {
			return remotePlan{}, err
		}
		if err := s.checkChoice(tx, projectID, b.HostID); err != nil {
			return remotePlan{}, err
		}
		old, err := one[int64](tx, "SELECT CAST(COALESCE(SUM(n), 0) AS bigint) FROM remote_addr_counts WHERE project_id = ? AND backup_host_id = ? AND addr <> ?", projectID, b.HostID, b.Addr())
		switch {
		case err != nil:
			return remotePlan{}, fmt.Errorf("counting addresses: %w", err)
		case old == 0 || b.Addr() == "":
			return remotePlan{}, conflict("No server is known to use %s at an old address. Nothing was planned.", b.Label())
		}
		c.Kind, c.Direction = wtp.RemoteBackup, wtp.Enable
		return remotePlan{choice: b.HostID, address: true, with: "SELECT r.host_id, r.backup_host_id AS wanted FROM remote_addrs r WHERE r.project_id = ? AND r.backup_host_id = ? AND r.addr <> ?",
			args: []any{projectID, b.HostID, b.Addr()}}, nil
	})
}

// PlanRemoteFrom plans what follows a change of remote backup: its undo, each server
// back to what it used before, or the rest of it again. The undo of a removal moves
// the servers back; the backup server itself must still be there.
func (s *Store) PlanRemoteFrom(ctx context.Context, actor wtp.Actor, projectID int64, from PlanSource, validFor time.Duration) (wtp.Change, error) {
	return s.planRemote(ctx, actor, projectID, validFor, func(tx *gorm.DB, c *wtp.Change) (remotePlan, error) {
		number := cmp.Or(from.UndoOf, from.RetryOf)
		earlier, err := one[wtp.Change](tx, "SELECT * FROM changes WHERE project_id = ? AND number = ? AND number > 0", projectID, number)
		if err != nil {
			return remotePlan{}, err
		}
		switch {
		case earlier.Kind != wtp.RemoteBackup && (earlier.Kind != wtp.BackupRemoval || from.UndoOf == 0):
			return remotePlan{}, conflict("Change %d is not of remote backup. Nothing was planned.", number)
		case !earlier.State.Over():
			return remotePlan{}, conflict("Change %d is still under way. Wait for it or stop it first. Nothing was planned.", number)
		}
		c.Kind, c.UndoOf, c.RetryOf = wtp.RemoteBackup, from.UndoOf, from.RetryOf
		p := remotePlan{from: from, args: []any{earlier.ID}}
		if from.UndoOf != 0 {
			// What was off before is turned off again: that is the direction that needs care.
			c.Direction = wtp.Enable
			off, err := one[int64](tx, "SELECT COUNT(*) FROM targets t WHERE t.change_id = ? AND t.before = 'off' AND "+remoteFlippedSQL, earlier.ID)
			if err != nil {
				return p, fmt.Errorf("targets to undo: %w", err)
			}
			if off > 0 {
				c.Direction = wtp.Disable
			}
			p.with = "SELECT t.host_id, t.before AS wanted FROM targets t WHERE t.change_id = ? AND " + remoteFlippedSQL
			return p, nil
		}
		for _, o := range from.Outcomes {
			if !retriable(o) {
				return p, invalid("outcome", "%q is not an outcome that can be tried again.", string(o))
			}
		}
		if len(from.Outcomes) == 0 {
			return p, invalid("outcome", "Say which servers of the change to try again.")
		}
		to, err := wtp.ParseRemoteTo(earlier.BackupAfter)
		if err != nil {
			return p, fmt.Errorf("the change to try again: %w", err)
		}
		c.Direction, p.choice, p.address = earlier.Direction, to.Choice, to.Address
		p.with = "SELECT t.host_id, t.wanted FROM targets t WHERE t.change_id = ? AND t.outcome IN ?"
		p.args = append(p.args, from.Outcomes)
		return p, nil
	})
}

// remoteFlippedSQL is flippedSQL for targets of remote backup.
const remoteFlippedSQL = `t.kind = 'remote_backup' AND (t.outcome = 'accepted' OR (t.outcome = 'unknown' AND t.seen = t.wanted)) AND t.before <> '' AND t.before <> t.wanted`

// remotePlan is which servers a plan has, and what each of them is to use.
type remotePlan struct {
	choice  string
	address bool       // wtp.RemoteTo.Address
	from    PlanSource // for what follows a change
	with    string     // a query for host_id and wanted
	args    []any
	remove  *wtp.BackupServer // removed last
}

func (s *Store) planRemote(ctx context.Context, actor wtp.Actor, projectID int64, validFor time.Duration, how func(*gorm.DB, *wtp.Change) (remotePlan, error)) (wtp.Change, error) {
	var c wtp.Change
	err := s.tx(ctx, func(tx *gorm.DB) error {
		if _, err := s.lockProject(tx, projectID); err != nil {
			return err
		}
		now := s.Now()
		c = wtp.Change{
			UID: rand.Text(), ProjectID: projectID, State: wtp.Planned, PlannedBy: actor.UserID, PlannedByName: clean(actor.Name, maxName),
			PlannedAt: now, ExpiresAt: now.Add(validFor),
		}
		p, err := how(tx, &c)
		if err != nil {
			return err
		}
		if c, err = s.freezeRemote(ctx, tx, c, p); err != nil {
			return err
		}
		if c.TargetCount == 0 {
			return noTargets(p.from)
		}
		return nil
	})
	return c, err
}

// checkChoice holds the backup server that was chosen to being one that runs.
func (s *Store) checkChoice(tx *gorm.DB, projectID int64, choice string) error {
	switch choice {
	case "":
		return invalid("to", "Choose a backup server, or to turn remote backup off. Nothing was planned.")
	case wtp.RemoteOff:
		return nil
	}
	b, err := one[wtp.BackupServer](tx, "SELECT * FROM backup_servers WHERE project_id = ? AND host_id = ?", projectID, clean(choice, maxName))
	switch {
	case errors.Is(err, wtp.ErrNotFound):
		return invalid("to", "HSS does not list that backup server. Nothing was planned.")
	case err != nil:
		return fmt.Errorf("reading a backup server: %w", err)
	case b.Status != wtp.BackupRunning:
		return invalid("to", "%s does not run, and HSS only takes one that does. Nothing was planned.", b.Label())
	}
	return nil
}

// freezeRemote stores a plan and its targets: the servers as they are now.
func (s *Store) freezeRemote(ctx context.Context, tx *gorm.DB, c wtp.Change, p remotePlan) (wtp.Change, error) {
	targets, to, err := s.remoteTargets(tx, c, p)
	if err != nil {
		return c, err
	}
	c.BackupAfter = to.JSON()
	c.TargetCount, c.ToSend = int64(len(targets)), 0
	for _, t := range targets {
		if t.Bucket.Sent() {
			c.ToSend++
		}
	}
	if err := tx.Create(&c).Error; err != nil {
		return c, fmt.Errorf("storing a plan: %w", err)
	}
	err = s.insertRows(ctx, tx, "targets", []string{"change_id", "seq", "project_id", "kind", "host_id", "name", "private_ip", "group_name", "before", "wanted", "bucket", "why", "outcome"},
		len(targets), func(i int) []any {
			t := targets[i]
			return []any{c.ID, i + 1, c.ProjectID, string(t.Kind), t.HostID, t.Name, t.PrivateIP, t.GroupName, t.Before, t.Wanted, string(t.Bucket), string(t.Why), string(wtp.TargetPlanned)}
		}, "")
	if err != nil {
		return c, err
	}
	if _, err := exec(tx, "INSERT INTO change_counts (change_id, bucket, why, outcome, confirmed, n) SELECT "+cellSQL+", COUNT(*) FROM targets t WHERE t.change_id = ? GROUP BY 1, 2, 3, 4, 5", c.ID); err != nil {
		return c, fmt.Errorf("counting targets: %w", err)
	}
	return c, nil
}

// remoteTargets are the targets of a plan by what the inventory shows now, and where
// they point. The rule is wtp.ClassifyRemote's, for one server at a time: at a call a
// server no plan of remote backup that could ever be carried out is large.
func (s *Store) remoteTargets(tx *gorm.DB, c wtp.Change, p remotePlan) ([]wtp.Target, wtp.RemoteTo, error) {
	to := wtp.RemoteTo{Choice: p.choice, Address: p.address}
	list, err := many[wtp.BackupServer](tx, "SELECT * FROM backup_servers WHERE project_id = ? ORDER BY host_id", c.ProjectID)
	if err != nil {
		return nil, to, fmt.Errorf("reading backup servers: %w", err)
	}
	running, addrs := map[string]bool{}, presentAddrs(list)
	for _, b := range list {
		running[b.HostID] = b.Status == wtp.BackupRunning
	}
	rows, err := many[struct {
		Host, Wanted string
		Gone, Held   int64
		Addr         string     // at which it uses its backup server; "": not known
		Unread       int64      // whether it was sent another since: 1, or 2 by a change that is under way
		Server       wtp.Server `gorm:"embedded"`
	}](tx, "WITH picked AS ("+p.with+`)
		SELECT p.host_id AS host, p.wanted, CASE WHEN s.host_id IS NULL THEN 1 ELSE 0 END AS gone,
			`+heldSQL+` AS held, CASE WHEN r.backup_host_id = s.backup_host_id THEN r.addr ELSE '' END AS addr, `+unreadAddrSQL+` AS unread,
			s.host_id, COALESCE(s.name, '') AS name, COALESCE(s.private_ip, '') AS private_ip, COALESCE(s.group_name, '') AS group_name,
			s.os, s.agent_status, s.protect_status, s.asset_value, s.backup_host_id
		FROM picked p LEFT JOIN servers s ON s.project_id = ? AND s.host_id = p.host_id
		LEFT JOIN remote_addrs r ON r.project_id = s.project_id AND r.host_id = s.host_id ORDER BY 3, s.name_key, p.host_id`,
		append(slices.Clone(p.args), c.ProjectID)...)
	if err != nil {
		return nil, to, fmt.Errorf("servers of a plan: %w", err)
	}
	since, err := s.remoteSince(tx, c)
	if err != nil {
		return nil, to, err
	}
	targets, wanted, stay := make([]wtp.Target, 0, len(rows)+1), map[string]bool{}, false
	for _, r := range rows {
		r.Wanted, _ = wtp.SplitRemote(r.Wanted)
		t := wtp.Target{Kind: wtp.RemoteBackup, HostID: r.Host, Name: r.Server.Name, PrivateIP: r.Server.PrivateIP, GroupName: r.Server.GroupName, Wanted: r.Wanted}
		if r.Gone == 1 {
			t.Bucket, t.Why = wtp.Cannot, wtp.WhyGone
		} else {
			facts := wtp.RemoteFacts{Running: running[r.Wanted], Held: r.Held == 1 || r.Unread == 2 && r.Server.Remote() == r.Wanted}
			t.Before = r.Server.Remote()
			if old := oldAddr(r.Addr, addrs[r.Wanted], r.Unread > 0); old != "" && t.Before == r.Wanted {
				t.Before, facts.Old = wtp.RemoteAt(r.Wanted, old), true
			}
			t.Bucket, t.Why = wtp.ClassifyRemote(r.Server, r.Wanted, facts)
			if p.address && r.Server.Remote() != r.Wanted {
				t.Bucket, t.Why = wtp.AlreadySo, wtp.WhyUsesOther
			}
			if c.UndoOf != 0 {
				if why := since.of(r.Server, addrs); why != "" {
					t.Bucket, t.Why = wtp.Cannot, why
				}
			}
		}
		wanted[t.Wanted], stay = true, stay || t.Bucket == wtp.Cannot
		targets = append(targets, t)
	}
	for _, b := range list {
		if wanted[b.HostID] {
			to.Servers = append(to.Servers, b.Config())
		}
	}
	if p.remove != nil {
		t := wtp.Target{Kind: wtp.BackupHost, HostID: p.remove.HostID, Name: p.remove.Name, PrivateIP: p.remove.IP,
			Before: ConfigJSON(p.remove.Config()), Wanted: wtp.BackupRemoved, Bucket: wtp.WillChange}
		if stay {
			t.Bucket, t.Why = wtp.Cannot, wtp.WhyStillUsed
		}
		targets = append(targets, t)
	}
	return targets, to, nil
}

// oldAddr is the address that keeps a server from being as wanted, "" if none does. An
// address that isn't known counts as the present one: it is known of whom it was changed.
func oldAddr(known, present string, unread bool) string {
	switch {
	case present == "", known == "" && !unread, known == present && !unread:
		return ""
	case known == "" || known == present:
		return wtp.UnknownAddr
	}
	return known
}

// unreadAddrSQL says of a server (as s, with its address as r) whether it was sent an
// address and nothing has shown since at which it is: 1, or 2 if the change is under way.
const unreadAddrSQL = `COALESCE((SELECT MAX(CASE d.state WHEN 'running' THEN 2 ELSE 1 END) FROM targets t JOIN changes d ON d.id = t.change_id
	WHERE t.project_id = s.project_id AND t.host_id = s.host_id AND ` + unseenAddr + ` AND t.wanted = s.backup_host_id AND t.decided_at > CASE WHEN r.backup_host_id = s.backup_host_id THEN r.seen_at ELSE 0 END), 0)`

// sinceRemote is what the change that is undone left, by host ID.
type sinceRemote struct {
	readAt wtp.Instant
	left   map[string]struct {
		wtp.Target `gorm:"embedded"`
		Newer      int64
	}
}

// remoteSince reads what a plan that is an undo is held to.
func (s *Store) remoteSince(tx *gorm.DB, c wtp.Change) (sinceRemote, error) {
	var since sinceRemote
	if c.UndoOf == 0 {
		return since, nil
	}
	var err error
	if since.readAt, err = one[wtp.Instant](tx, "SELECT read_at FROM projects WHERE id = ?", c.ProjectID); err != nil {
		return since, fmt.Errorf("reading a project: %w", err)
	}
	type row = struct {
		wtp.Target `gorm:"embedded"`
		Newer      int64
	}
	rows, err := many[row](tx, `SELECT u.host_id, u.before, u.wanted, u.seen, u.decided_at, CASE WHEN EXISTS (SELECT 1 FROM targets n
			WHERE n.project_id = u.project_id AND n.host_id = u.host_id AND n.kind = u.kind AND n.change_id <> u.change_id
			AND n.outcome IN ('accepted', 'unknown') AND (n.decided_at > u.decided_at OR (n.decided_at = u.decided_at AND n.change_id > u.change_id))) THEN 1 ELSE 0 END AS newer
		FROM targets u JOIN changes d ON d.id = u.change_id WHERE d.project_id = ? AND d.number = ? AND d.number > 0 AND u.kind = 'remote_backup'`, c.ProjectID, c.UndoOf)
	if err != nil {
		return since, fmt.Errorf("the change to undo: %w", err)
	}
	since.left = make(map[string]row, len(rows))
	for _, r := range rows {
		since.left[r.HostID] = r
	}
	return since, nil
}

// of says why a server is left alone by the undo; "": it is as the change left it. addrs
// are the addresses that backup servers have now: a server can't go back to another.
func (x sinceRemote) of(s wtp.Server, addrs map[string]string) wtp.Why {
	u := x.left[s.HostID]
	before, addr := wtp.SplitRemote(u.Before)
	switch {
	case u.Newer == 1:
		return wtp.WhyNewerChange
	case s.Remote() == u.Wanted && addr != "" && addr != addrs[before]:
		return wtp.WhyAddressGone
	case s.Remote() == u.Wanted:
		return ""
	case x.readAt <= u.DecidedAt:
		return wtp.WhyNotRead
	case u.Seen == u.Wanted:
		return wtp.WhyChangedSince
	}
	return wtp.WhyNotShown
}
