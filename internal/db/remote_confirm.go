package db

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// ConfirmRemote is Confirm for a plan of remote backup or of the removal of a backup
// server. *Moved also if the backup server that was chosen is no longer as shown, or
// if other servers use the one that is to be removed.
func (s *Store) ConfirmRemote(ctx context.Context, actor wtp.Actor, projectID int64, uid string, with Confirmation) (wtp.Change, error) {
	var bad wtp.Invalid
	wtp.CheckReason(&bad, with.Reason, with.Ticket)
	if err := bad.Err(); err != nil {
		return wtp.Change{}, err
	}
	with.Ramp = false
	var c wtp.Change
	var drift *Moved
	err := s.tx(ctx, func(tx *gorm.DB) error {
		drift = nil
		if _, err := s.lockProject(tx, projectID); err != nil {
			return err
		}
		var err error
		if c, err = s.lockPlan(tx, projectID, uid); err != nil {
			return err
		}
		switch {
		case c.Kind != wtp.RemoteBackup && c.Kind != wtp.BackupRemoval:
			return wtp.ErrNotFound
		case c.ExpiresAt <= s.Now():
			return conflict("This preview has expired. Plan again. Nothing was sent.")
		case c.ToSend == 0:
			return conflict("Nothing of this plan would be sent.")
		}
		if err := overCap(tx, actor, c); err != nil {
			return err
		}
		if err := inTheWay(tx, c); err != nil {
			return err
		}
		if drift, err = s.remoteDrift(ctx, tx, c, with); err != nil || drift != nil {
			return err
		}
		if err := removalInTheWay(tx, c); err != nil {
			return err
		}
		c, err = s.queue(ctx, tx, actor, c, with)
		return err
	})
	if err != nil {
		return wtp.Change{}, err
	}
	if drift != nil {
		return wtp.Change{}, drift
	}
	return c, nil
}

// removalInTheWay refuses what would cross the removal of a backup server: servers
// pointed at one that is being removed, or removing one that servers are being pointed
// at or that keeps servers.
func removalInTheWay(tx *gorm.DB, c wtp.Change) error {
	const open = " AND o.outcome IN ('waiting', 'sending', 'unclear')"
	other, err := one[wtp.Change](tx, `SELECT d.* FROM changes d WHERE d.id IN (SELECT o.change_id FROM targets o WHERE o.project_id = ? AND o.kind = 'backup_server' AND o.wanted = 'removed'`+open+`
		AND o.host_id IN (SELECT t.wanted FROM targets t WHERE t.change_id = ? AND t.kind = 'remote_backup')) ORDER BY d.id LIMIT 1`, c.ProjectID, c.ID)
	if err == nil {
		return conflict("Change %d of %s removes the backup server that these servers would use. Nothing was sent.", other.Number, other.ConfirmedByName)
	}
	if !errors.Is(err, wtp.ErrNotFound) {
		return fmt.Errorf("looking for other changes: %w", err)
	}
	if c.Kind != wtp.BackupRemoval {
		return nil
	}
	other, err = one[wtp.Change](tx, `SELECT d.* FROM changes d WHERE d.id IN (SELECT o.change_id FROM targets o WHERE o.project_id = ? AND o.kind = 'remote_backup'`+open+`
		AND o.wanted IN (SELECT t.host_id FROM targets t WHERE t.change_id = ? AND t.kind = 'backup_server')) ORDER BY d.id LIMIT 1`, c.ProjectID, c.ID)
	if err == nil {
		return conflict("Change %d of %s has servers use this backup server. Wait for it or stop it, then plan again. Nothing was sent.", other.Number, other.ConfirmedByName)
	}
	if !errors.Is(err, wtp.ErrNotFound) {
		return fmt.Errorf("looking for other changes: %w", err)
	}
	other, err = one[wtp.Change](tx, `SELECT c.* FROM changes c WHERE c.project_id = ? AND c.id <> ? AND `+lookedUpSQL+` AND EXISTS (SELECT 1 FROM targets o
		WHERE o.change_id = c.id AND o.kind = 'remote_backup' AND o.outcome IN ('accepted', 'unknown') AND o.seen <> o.wanted
		AND o.wanted IN (SELECT t.host_id FROM targets t WHERE t.change_id = ? AND t.kind = 'backup_server')) ORDER BY c.id LIMIT 1`, c.ProjectID, c.ID, c.ID)
	if err == nil {
		return conflict("Change %d of %s has servers use this backup server, and HSS was not seen to show it yet. Wait until it is read back, then plan again. Nothing was sent.", other.Number, other.ConfirmedByName)
	}
	if !errors.Is(err, wtp.ErrNotFound) {
		return fmt.Errorf("looking for other changes: %w", err)
	}
	if err := allListed(tx, c.ProjectID); err != nil {
		return err
	}
	stay, err := one[int64](tx, "SELECT COUNT(*) FROM targets WHERE change_id = ? AND bucket = 'cannot'", c.ID)
	if err != nil {
		return fmt.Errorf("servers that stay: %w", err)
	}
	if stay > 0 {
		return conflict("Servers that use this backup server cannot be moved now. It is not removed while they use it. Nothing was sent.")
	}
	return nil
}

// remoteDrift compares a plan with what the inventory shows now. If it would be
// another one, it is dropped and made afresh. The fresh one keeps the reason and the
// ticket, as drift says.
func (s *Store) remoteDrift(ctx context.Context, tx *gorm.DB, c wtp.Change, with Confirmation) (*Moved, error) {
	was, err := wtp.ParseRemoteTo(c.BackupAfter)
	if err != nil {
		return nil, fmt.Errorf("reading a plan: %w", err)
	}
	p := remotePlan{choice: was.Choice, address: was.Address, with: "SELECT t.host_id, t.wanted FROM targets t WHERE t.change_id = ? AND t.kind = 'remote_backup'", args: []any{c.ID}}
	if c.Kind == wtp.BackupRemoval {
		host, err := one[string](tx, "SELECT host_id FROM targets WHERE change_id = ? AND kind = 'backup_server'", c.ID)
		if err != nil {
			return nil, fmt.Errorf("reading a plan: %w", err)
		}
		b, err := one[wtp.BackupServer](tx, "SELECT * FROM backup_servers WHERE project_id = ? AND host_id = ?", c.ProjectID, host)
		if errors.Is(err, wtp.ErrNotFound) {
			return nil, conflict("HSS no longer lists this backup server. Nothing was sent.")
		}
		if err != nil {
			return nil, fmt.Errorf("reading a backup server: %w", err)
		}
		p = removalPlan(c.ProjectID, b, was.Choice)
	}
	old, err := many[wtp.Target](tx, "SELECT * FROM targets WHERE change_id = ? ORDER BY seq", c.ID)
	if err != nil {
		return nil, fmt.Errorf("reading a plan: %w", err)
	}
	now, to, err := s.remoteTargets(tx, c, p)
	if err != nil {
		return nil, err
	}
	if was.Choice == "" && c.Kind == wtp.BackupRemoval && len(now) > 1 {
		return nil, conflict("Servers have come to use this backup server since this was planned. Plan again. Nothing was sent.")
	}
	moved := remoteDifferences(old, now, was, to)
	if len(moved) == 0 {
		return nil, nil //nolint:nilnil // nothing moved
	}
	m := &Moved{N: int64(len(moved)), Targets: moved[:min(len(moved), 100)]}
	if err := moveChange(tx, c.ID, []wtp.ChangeState{wtp.Planned}, wtp.Dropped); err != nil {
		return nil, err
	}
	at := s.Now()
	m.Change, err = s.freezeRemote(ctx, tx, wtp.Change{
		UID: rand.Text(), ProjectID: c.ProjectID, Kind: c.Kind, Direction: c.Direction, State: wtp.Planned, Selection: c.Selection, UndoOf: c.UndoOf, RetryOf: c.RetryOf,
		BackupBefore: c.BackupBefore, PlannedBy: c.PlannedBy, PlannedByName: c.PlannedByName, PlannedAt: at, ExpiresAt: at.Add(c.ExpiresAt.Sub(c.PlannedAt)),
		Reason: clean(strings.TrimSpace(with.Reason), 500), Ticket: clean(strings.TrimSpace(with.Ticket), 100),
	}, p)
	return m, err
}

// RemoteDifference is Difference for a plan of remote backup or of the removal of a
// backup server. after is how many servers are on the pages before.
func (s *Store) RemoteDifference(ctx context.Context, plan wtp.Change, was string, after int64, limit int) (Difference, error) {
	g := s.reader(ctx)
	old, err := one[wtp.Change](g, `SELECT * FROM changes WHERE project_id = ? AND uid = ? AND state = 'dropped' AND id < ? AND kind = ? AND direction = ? AND undo_of = ? AND retry_of = ?`,
		plan.ProjectID, clean(was, maxName), plan.ID, plan.Kind, plan.Direction, plan.UndoOf, plan.RetryOf)
	if err != nil {
		return Difference{}, err
	}
	from, err := wtp.ParseRemoteTo(old.BackupAfter)
	if err != nil {
		return Difference{}, fmt.Errorf("reading a plan: %w", err)
	}
	to, err := wtp.ParseRemoteTo(plan.BackupAfter)
	if err != nil {
		return Difference{}, fmt.Errorf("reading a plan: %w", err)
	}
	same, err := one[int64](g, `SELECT COUNT(*) FROM targets t JOIN targets o ON o.project_id = t.project_id AND o.kind = t.kind AND o.host_id = t.host_id AND o.change_id + 0 = ?
		WHERE t.change_id = ? AND t.kind = ?`, old.ID, plan.ID, cmp.Or(map[wtp.ChangeKind]string{wtp.BackupRemoval: string(wtp.BackupHost)}[plan.Kind], string(wtp.RemoteBackup)))
	if err != nil {
		return Difference{}, fmt.Errorf("comparing plans: %w", err)
	}
	if same == 0 || from.Choice != to.Choice {
		return Difference{}, wtp.ErrNotFound // of other servers
	}
	var targets [2][]wtp.Target
	for i, c := range []int64{old.ID, plan.ID} {
		if targets[i], err = many[wtp.Target](g, "SELECT * FROM targets WHERE change_id = ? ORDER BY seq", c); err != nil {
			return Difference{}, fmt.Errorf("comparing plans: %w", err)
		}
	}
	moved := remoteDifferences(targets[0], targets[1], from, to)
	d := Difference{N: int64(len(moved))}
	moved = moved[min(after, d.N):]
	if n := page(limit); len(moved) > n {
		moved, d.Next = moved[:n], after+int64(n)
	}
	d.Targets = moved
	return d, nil
}

// remoteDifferences are the targets that a fresh plan treats otherwise than the one
// before. From is "" for a server that was not in it.
func remoteDifferences(old, now []wtp.Target, was, to wtp.RemoteTo) []MovedTarget {
	type key struct {
		kind wtp.ChangeKind
		host string
	}
	addr := func(to wtp.RemoteTo, hostID string) string {
		c, _ := to.Server(hostID)
		return c.Addr()
	}
	var moved []MovedTarget
	fresh := make(map[key]wtp.Target, len(now))
	for _, t := range now {
		fresh[key{t.Kind, t.HostID}] = t
	}
	for _, t := range old {
		k := key{t.Kind, t.HostID}
		x, ok := fresh[k]
		delete(fresh, k)
		m := MovedTarget{HostID: t.HostID, Name: cmp.Or(x.Name, t.Name), From: t.Bucket, To: x.Bucket, Why: x.Why, Before: t.Before, Now: x.Before}
		switch {
		case !ok: // the backup server that is to be removed
			m.To, m.Why = wtp.AlreadySo, wtp.WhyUsesOther
		case t.Kind == wtp.BackupHost && x.Before == t.Before: // it only follows its servers
			continue
		case t.Kind == wtp.BackupHost:
			m.Why = wtp.WhyOtherConfig
		case x.Bucket != t.Bucket, x.Bucket.Sent() && x.Before != t.Before:
		case x.Bucket.Sent() && addr(was, t.Wanted) != addr(to, x.Wanted):
			m.Why = wtp.WhyOtherConfig
		default:
			continue
		}
		moved = append(moved, m)
	}
	for _, t := range now {
		if _, ok := fresh[key{t.Kind, t.HostID}]; ok {
			moved = append(moved, MovedTarget{HostID: t.HostID, Name: t.Name, To: t.Bucket, Why: t.Why, Now: t.Before})
		}
	}
	return moved
}
