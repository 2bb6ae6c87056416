package db

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// Confirmation is what a person says when confirming a plan.
type Confirmation struct {
	Reason, Ticket string
	Back           wtp.BackOn // needed for turning off; else it is not looked at
	CancelTimer    bool       // an undo that turns on also cancels the timer of the change it undoes, if that still waits
	Typed          string     // then, how many servers are left off; see LeftOff and wtp.Limits.TypedStay
	Ramp           bool       // begin with 1 server, then 10, then whole batches, each read back before the next; dynamic WTP only
}

// MovedTarget is a server that is no longer as the plan showed it.
type MovedTarget struct {
	HostID, Name string
	From, To     wtp.Bucket
	Why          wtp.Why // for To
	Before       string  // dynamic WTP when planned
	Now          string  // dynamic WTP now
}

// Moved refuses a confirmation because servers moved since they were shown. It
// is a wtp.ErrConflict. The plan was dropped; Change is a fresh plan of the same
// servers, to be confirmed instead.
type Moved struct {
	Change  wtp.Change
	N       int64         // how many servers moved
	Targets []MovedTarget // the first 100 of them
}

// Error says how many servers moved.
func (m *Moved) Error() string {
	return fmt.Sprintf("%d servers moved since the plan was shown", m.N)
}

// Unwrap makes it a wtp.ErrConflict.
func (m *Moved) Unwrap() error { return wtp.ErrConflict }

// Confirm makes a plan a change: planned -> queued, with its number, its
// batches and its event, in one transaction. It clears the person's selection
// in the project. Faults of reason or ticket are a wtp.Invalid; *Moved if a
// server's bucket is another one now; any other *wtp.Refused leaves the plan as
// it is and says why. Turning off without a choice of when to turn back on is a
// wtp.Invalid on "back"; the timer is stored with the change.
func (s *Store) Confirm(ctx context.Context, actor wtp.Actor, projectID int64, uid string, with Confirmation) (wtp.Change, error) {
	var bad wtp.Invalid
	wtp.CheckReason(&bad, with.Reason, with.Ticket)
	if err := bad.Err(); err != nil {
		return wtp.Change{}, err
	}
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
		case c.Kind != wtp.DynamicWTP:
			return wtp.ErrNotFound
		case c.ExpiresAt <= s.Now():
			return conflict("This preview has expired. Plan again. Nothing was sent.")
		case c.ToSend == 0:
			return conflict("Nothing of this plan would be sent.")
		}
		var due wtp.Instant
		if c.Direction == wtp.Disable {
			if due, err = with.Back.Due(s.Now()); err != nil {
				return err
			}
		}
		if err := overCap(tx, actor, c); err != nil {
			return err
		}
		if err := s.holdTimer(tx, c.TimerOf); err != nil {
			return err
		}
		if err := inTheWay(tx, c); err != nil {
			return err
		}
		if drift, err = s.drift(tx, c, with); err != nil || drift != nil {
			return err
		}
		if c, err = s.queue(ctx, tx, actor, c, with); err != nil {
			return err
		}
		if with.CancelTimer && c.UndoOf != 0 && c.Direction == wtp.Enable {
			if err := s.cancelUndone(tx, actor, c, with.Typed); err != nil {
				return err
			}
		}
		return s.setTimer(tx, actor, c, due)
	})
	if err != nil {
		return wtp.Change{}, err
	}
	if drift != nil {
		return wtp.Change{}, drift
	}
	return c, nil
}

// drift compares a plan with the servers as they are now. If one would be in
// another bucket, or starts from another state, the plan is dropped and made
// afresh. The fresh one keeps the reason and the ticket, so that nobody has to type
// them again.
func (s *Store) drift(tx *gorm.DB, c wtp.Change, with Confirmation) (*Moved, error) {
	classes, err := s.classes(tx, c.ProjectID, c.Direction)
	if err != nil {
		return nil, err
	}
	j, err := judge(tx, c)
	if err != nil {
		return nil, err
	}
	rows, err := many[struct {
		HostID, Name string
		From         wtp.Bucket `gorm:"column:was"`
		To           wtp.Bucket `gorm:"column:is_now"`
		Why          wtp.Why
		Before       string
		Now          string `gorm:"column:dynamic"`
		N            int64
	}](tx, "WITH "+s.classesSQL()+`, now AS (
		SELECT t.seq, t.host_id, t.name, t.bucket AS was, t.before, COALESCE(s.dynamic, '') AS dynamic,
			`+j.bucket+" AS is_now, "+j.why+` AS why
		FROM targets t LEFT JOIN servers s ON s.project_id = t.project_id AND s.host_id = t.host_id`+j.join+`
		LEFT JOIN classes c ON `+classOf+` WHERE t.change_id = ?)
		SELECT *, COUNT(*) OVER () AS n FROM now WHERE was <> is_now OR (before <> dynamic AND is_now NOT IN ('cannot', 'already_so')) ORDER BY seq LIMIT 100`,
		slices.Concat([]any{classes}, j.args, []any{c.ID})...)
	if err != nil {
		return nil, fmt.Errorf("comparing the plan: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil //nolint:nilnil // nothing moved
	}
	m := &Moved{N: rows[0].N}
	for _, r := range rows {
		m.Targets = append(m.Targets, MovedTarget{HostID: r.HostID, Name: r.Name, From: r.From, To: r.To, Why: r.Why, Before: r.Before, Now: r.Now})
	}
	if err := moveChange(tx, c.ID, []wtp.ChangeState{wtp.Planned}, wtp.Dropped); err != nil {
		return nil, err
	}
	now := s.Now()
	m.Change, err = s.freeze(tx, wtp.Change{
		UID: rand.Text(), ProjectID: c.ProjectID, Kind: c.Kind, Direction: c.Direction, State: wtp.Planned, Selection: c.Selection, UndoOf: c.UndoOf, RetryOf: c.RetryOf, TimerOf: c.TimerOf,
		PlannedBy: c.PlannedBy, PlannedByName: c.PlannedByName, PlannedAt: now, ExpiresAt: now.Add(c.ExpiresAt.Sub(c.PlannedAt)),
		Reason: clean(strings.TrimSpace(with.Reason), 500), Ticket: clean(strings.TrimSpace(with.Ticket), 100),
	}, source{with: "SELECT host_id FROM targets WHERE change_id = ?", withArgs: []any{c.ID}})
	return m, err
}

// queue gives a plan its number and its batches and moves it to the queue.
func (s *Store) queue(ctx context.Context, tx *gorm.DB, actor wtp.Actor, c wtp.Change, with Confirmation) (wtp.Change, error) {
	number, err := one[int64](tx, "UPDATE projects SET last_number = last_number + 1 WHERE id = ? RETURNING last_number", c.ProjectID)
	if err != nil {
		return c, fmt.Errorf("numbering the change: %w", err)
	}
	cut := wtp.CutOf(c.Kind, with.Ramp)
	if cut.Leading() > 0 {
		c.Ramp = 1
	}
	sizes := cut.Sizes(c.ToSend)
	if err := s.createBatches(ctx, tx, c, sizes); err != nil {
		return c, err
	}
	var n int64
	err = s.byHash(tx, func() (err error) {
		n, err = moveTargets(tx, targetMove{
			change: c.ID, from: wtp.TargetPlanned, to: wtp.TargetWaiting, where: "t.bucket IN ?", args: []any{sentBuckets()},
			join: &targetJoin{
				set: "batch_id = r.batch_id",
				// wtp.Cut, of the n-th target that is sent.
				from: `(SELECT x.seq, b.id AS batch_id FROM (SELECT seq, row_number() OVER (ORDER BY seq) AS n
				FROM targets WHERE change_id = ? AND bucket IN ?) x JOIN batches b ON b.change_id = ?
				AND b.no = CASE WHEN x.n <= ? THEN 1 WHEN x.n <= ? THEN 2 ELSE (x.n - CAST(? AS bigint) - 1) / CAST(? AS bigint) + 1 + ? END) r`,
				on:   "t.seq = r.seq",
				args: []any{c.ID, sentBuckets(), c.ID, cut.Lead[0], cut.Lead[1], cut.Lead[1], cut.Per, cut.Leading()},
			},
		})
		return err
	})
	if duplicate(err) {
		// The unique index has the last word, whatever was looked at before.
		return c, conflict("Another change of some of these servers is still under way. Wait for it or stop it, then plan again.")
	}
	if err != nil {
		return c, fmt.Errorf("queueing targets: %w", err)
	}
	if n != c.ToSend {
		return c, fmt.Errorf("%d targets are to be sent, not the %d of the plan: %w", n, c.ToSend, wtp.ErrConflict)
	}
	if c.TargetCount > c.ToSend {
		if _, err := moveTargets(tx, targetMove{change: c.ID, from: wtp.TargetPlanned, to: wtp.TargetSkipped}); err != nil {
			return c, fmt.Errorf("skipping targets: %w", err)
		}
	}
	if (c.Kind == wtp.DynamicWTP || c.Kind == wtp.RemoteBackup) && c.UndoOf == 0 && c.RetryOf == 0 && c.TimerOf == 0 {
		if err := clearSelection(tx, actor.UserID, c.ProjectID); err != nil {
			return c, err
		}
	}
	return s.confirmed(tx, actor, c, number, with)
}

// stepOf is the step of the i-th of n batches: each of a ramp is one; a backup server
// is removed only after its servers were moved.
func stepOf(c wtp.Change, i, n int) int64 {
	switch {
	case c.Kind == wtp.BackupRemoval && n > 1 && i == n-1:
		return 2
	case c.Kind == wtp.BackupRemoval && n > 1:
		return 1
	}
	return c.Ramp * int64(i+1)
}

// confirmed writes who confirmed, and the event, whose place in the history is
// the change's place among all changes.
func (s *Store) confirmed(tx *gorm.DB, actor wtp.Actor, c wtp.Change, number int64, with Confirmation) (wtp.Change, error) {
	c.Number, c.State = number, wtp.Queued
	c.Reason, c.Ticket = clean(strings.TrimSpace(with.Reason), 500), clean(strings.TrimSpace(with.Ticket), 100)
	c.ConfirmedBy, c.ConfirmedByName, c.ConfirmedAt = actor.UserID, clean(actor.Name, maxName), s.Now()
	c.ConfirmedIP, c.RequestID = clean(actor.IP, maxName), clean(actor.RequestID, maxName)
	detail := map[string]any{
		"number": c.Number, "kind": c.Kind, "direction": c.Direction, "targets": c.TargetCount, "to_send": c.ToSend,
		"selection": c.Selection, "reason": c.Reason, "ticket": c.Ticket,
	}
	if c.SetIn != 0 {
		detail["set_in"] = c.SetIn
	}
	if c.UndoOf != 0 {
		detail["undo_of"] = c.UndoOf
	}
	if c.RetryOf != 0 {
		detail["retry_of"] = c.RetryOf
	}
	if c.Ramp != 0 {
		detail["ramp"] = true
	}
	if c.BackupAfter != "" {
		detail["before"], detail["after"] = raw(c.BackupBefore), raw(c.BackupAfter)
	}
	e, err := s.record(tx, actor, wtp.Event{Verb: "change.confirmed", ProjectID: c.ProjectID, ChangeID: c.ID, Subject: fmt.Sprintf("change %d", c.Number)}, detail)
	if err != nil {
		return c, err
	}
	c.EventSeq = e.Seq
	return c, moveChange(tx, c.ID, []wtp.ChangeState{wtp.Planned}, c.State,
		set{"number", c.Number}, set{"event_seq", c.EventSeq}, set{"reason", c.Reason}, set{"ticket", c.Ticket},
		set{"confirmed_by", c.ConfirmedBy}, set{"confirmed_by_name", c.ConfirmedByName}, set{"confirmed_at", c.ConfirmedAt},
		set{"confirmed_ip", c.ConfirmedIP}, set{"request_id", c.RequestID}, set{"ramp", c.Ramp})
}

// raw is JSON we made ourselves, as part of more JSON; null for "".
func raw(s string) json.RawMessage {
	if s == "" {
		return json.RawMessage("null")
	}
	return json.RawMessage(s)
}

// ConfirmBackup plans and confirms the change of one backup server in one
// transaction. now is what the person was shown, nil if the server is to be
// added; if it is no longer so, or another open change has the server, it is a
// *wtp.Refused. to has passed wtp.BackupForm.Check.
func (s *Store) ConfirmBackup(ctx context.Context, actor wtp.Actor, projectID int64, now *wtp.BackupServer, to wtp.BackupConfig, reason, ticket string) (wtp.Change, error) {
	return s.confirmBackup(ctx, actor, projectID, now, to, Confirmation{Reason: reason, Ticket: ticket}, 0)
}

// ConfirmBackupUndo is ConfirmBackup for a form that was opened to undo the
// change of that number. Only if to is what was there before that change does
// the new one say that it undoes it.
func (s *Store) ConfirmBackupUndo(ctx context.Context, actor wtp.Actor, projectID, undo int64, now *wtp.BackupServer, to wtp.BackupConfig, with Confirmation) (wtp.Change, error) {
	return s.confirmBackup(ctx, actor, projectID, now, to, with, undo)
}

func (s *Store) confirmBackup(ctx context.Context, actor wtp.Actor, projectID int64, now *wtp.BackupServer, to wtp.BackupConfig, with Confirmation, undo int64) (wtp.Change, error) {
	var bad wtp.Invalid
	wtp.CheckReason(&bad, with.Reason, with.Ticket)
	if err := bad.Err(); err != nil {
		return wtp.Change{}, err
	}
	var c wtp.Change
	err := s.tx(ctx, func(tx *gorm.DB) error {
		if _, err := s.lockProject(tx, projectID); err != nil {
			return err
		}
		have, err := one[wtp.BackupServer](tx, "SELECT * FROM backup_servers WHERE project_id = ? AND host_id = ?", projectID, to.HostID)
		switch {
		case err != nil && !errors.Is(err, wtp.ErrNotFound):
			return fmt.Errorf("reading a backup server: %w", err)
		case errors.Is(err, wtp.ErrNotFound) != (now == nil), now != nil && ConfigJSON(now.Config()) != ConfigJSON(have.Config()):
			return conflict("The backup server was changed since this form was shown. Look at the difference again. Nothing was sent.")
		}
		after, err := json.Marshal(to)
		if err != nil {
			return fmt.Errorf("encoding the configuration: %w", err)
		}
		at := s.Now()
		c = wtp.Change{
			UID: rand.Text(), ProjectID: projectID, Kind: wtp.BackupHost, State: wtp.Planned, PlannedBy: actor.UserID, PlannedByName: clean(actor.Name, maxName),
			PlannedAt: at, ExpiresAt: at, TargetCount: 1, ToSend: 1, BackupAfter: string(after),
		}
		t := wtp.Target{
			Seq: 1, ProjectID: projectID, Kind: wtp.BackupHost, HostID: to.HostID, Name: clean(to.Name, maxName), PrivateIP: to.IP,
			Wanted: ConfigJSON(to), Bucket: wtp.WillChange, Outcome: wtp.TargetPlanned,
		}
		if now != nil {
			before, err := json.Marshal(have.Config())
			if err != nil {
				return fmt.Errorf("encoding the configuration: %w", err)
			}
			c.BackupBefore, t.Before = string(before), ConfigJSON(have.Config())
		}
		if c.UndoOf, err = undoneBackup(tx, projectID, undo, now, to); err != nil {
			return err
		}
		if err := tx.Create(&c).Error; err != nil {
			return fmt.Errorf("storing a plan: %w", err)
		}
		t.ChangeID = c.ID
		if err := tx.Create(&t).Error; err != nil {
			return fmt.Errorf("storing a target: %w", err)
		}
		if err := shiftCounts(tx, nil, []countCell{cellOf(t)}); err != nil {
			return err
		}
		if err := inTheWay(tx, c); err != nil {
			return err
		}
		c, err = s.queue(ctx, tx, actor, c, with)
		return err
	})
	return c, err
}
