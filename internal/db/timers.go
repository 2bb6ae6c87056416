package db

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// TimerRow is a timer with the changes it stands between.
type TimerRow struct {
	wtp.Timer
	Number      int64 // of the change that turned off
	Hosts       int64 // how many servers may be off by that change
	FiredNumber int64 // of the change that turns on again; 0: none
}

// turnedOff is the condition for the targets (as t) of a change that turned
// dynamic WTP off: HSS accepted it, or was seen to show it.
const turnedOff = "(t.outcome = 'accepted' OR (t.outcome = 'unknown' AND t.seen = t.wanted))"

// maybeOff is the condition for those that may be off by that change: HSS can still do
// what it gave no clear answer to, whatever it showed meanwhile.
const maybeOff = "t.outcome IN ('accepted', 'unknown')"

// newerThan is the condition that a newer change of ours has touched the server
// of a target since the change it is of; both are given by their names in the
// query.
func newerThan(target, change string) string {
	return fmt.Sprintf(`EXISTS (SELECT 1 FROM targets n JOIN changes nc ON nc.id = n.change_id
		WHERE n.project_id = %[1]s.project_id AND n.kind = %[1]s.kind AND n.host_id = %[1]s.host_id AND n.change_id <> %[1]s.change_id
		AND n.outcome IN ('waiting', 'sending', 'unclear', 'accepted', 'unknown') AND nc.event_seq > %[2]s.event_seq)`, target, change)
}

// judgeTimer is how a change puts servers into buckets that turns on what a timer
// is for. What a newer change has touched is left to that one; and what the
// inventory shows as on is believed only if it was read after the server was
// turned off, lest it stay off because of an old picture. Of a server of which it is
// unknown whether it was turned off, and that nobody saw off, on is what it was
// before: it is turned on in any case.
func judgeTimer(c wtp.Change) judgement {
	newer := newerThan("u", "uc")
	const unread = "c.bucket = 'already_so' AND (r.read_at <= u.decided_at OR (u.outcome = 'unknown' AND u.seen <> u.wanted))"
	return judgement{
		join: ` LEFT JOIN projects r ON r.id = s.project_id
			LEFT JOIN targets u ON u.project_id = s.project_id AND u.host_id = s.host_id AND u.kind = 'dynamic_wtp' AND u.change_id = ?
			LEFT JOIN changes uc ON uc.id = u.change_id`,
		args:   []any{c.TimerOf},
		bucket: "CASE WHEN s.host_id IS NULL OR " + newer + " THEN 'cannot' WHEN " + unread + " THEN 'needs_restart' ELSE c.bucket END",
		why:    "CASE WHEN s.host_id IS NULL THEN 'gone' WHEN " + newer + " THEN 'newer_change' WHEN " + unread + " THEN '' ELSE c.why END",
	}
}

// timerSource is the servers of a timer: all that may be off by its change.
func timerSource(changeID int64) source {
	return source{with: "SELECT t.host_id FROM targets t WHERE t.change_id = ? AND " + maybeOff, withArgs: []any{changeID}}
}

const timerRows = `SELECT tm.*, c.number AS number, COALESCE(f.number, 0) AS fired_number,
	(SELECT CAST(COALESCE(SUM(n.n), 0) AS bigint) FROM change_counts n WHERE n.change_id = tm.change_id AND n.outcome IN ('accepted', 'unknown')) AS hosts
	FROM timers tm JOIN changes c ON c.id = tm.change_id LEFT JOIN changes f ON f.id = tm.fired_change_id AND tm.fired_change_id > 0 WHERE `

// Timer finds the timer that a change set, or wtp.ErrNotFound.
func (s *Store) Timer(ctx context.Context, changeID int64) (TimerRow, error) {
	return one[TimerRow](s.reader(ctx), timerRows+"tm.change_id = ?", changeID)
}

// PendingTimers lists the timers of a project that have yet to fire, the next
// first, at most 100.
func (s *Store) PendingTimers(ctx context.Context, projectID int64) ([]TimerRow, error) {
	return many[TimerRow](s.reader(ctx), timerRows+"tm.project_id = ? AND tm.state = 'pending' ORDER BY tm.due_at, tm.change_id LIMIT 100", projectID)
}

// OffUntil says of servers of one project which are off for a while, by host ID.
func (s *Store) OffUntil(ctx context.Context, projectID int64, hostIDs []string) (map[string]TimerRow, error) {
	if len(hostIDs) == 0 {
		return nil, nil //nolint:nilnil // no servers, none of them off
	}
	rows, err := many[struct {
		wtp.Timer
		Number int64
		HostID string
	}](s.reader(ctx), `SELECT tm.*, c.number AS number, t.host_id AS host_id FROM timers tm JOIN changes c ON c.id = tm.change_id
		JOIN targets t ON t.project_id = tm.project_id AND t.change_id = tm.change_id AND t.host_id IN ?
		WHERE tm.project_id = ? AND tm.state = 'pending' AND `+turnedOff+" AND NOT "+newerThan("t", "c"), hostIDs, projectID)
	if err != nil {
		return nil, fmt.Errorf("reading timers: %w", err)
	}
	out := make(map[string]TimerRow, len(rows))
	for _, r := range rows {
		out[r.HostID] = TimerRow{Timer: r.Timer, Number: r.Number}
	}
	return out, nil
}

// setTimer stores the timer of a change that has just been confirmed, or ends the
// one that the change turns on early.
func (s *Store) setTimer(tx *gorm.DB, actor wtp.Actor, c wtp.Change, due wtp.Instant) error {
	if c.TimerOf != 0 && c.SetIn == 0 {
		return s.endTimer(tx, actor, c)
	}
	if due == 0 {
		return nil
	}
	t := wtp.Timer{ChangeID: c.ID, ProjectID: c.ProjectID, DueAt: due, State: wtp.TimerPending, SetBy: actor.UserID, SetByName: clean(actor.Name, maxName), SetAt: s.Now()}
	if err := tx.Create(&t).Error; err != nil {
		return fmt.Errorf("storing a timer: %w", err)
	}
	_, err := s.record(tx, actor, timerEvent("timer.set", c), map[string]any{"due_at": when(due)})
	return err
}

// holdTimer locks the timer of a change, if it has one, before the end of the history
// is locked.
func (s *Store) holdTimer(tx *gorm.DB, changeID int64) error {
	if _, err := many[int64](tx, "SELECT change_id FROM timers WHERE change_id = ?"+s.forUpdate(), changeID); err != nil {
		return fmt.Errorf("locking a timer: %w", err)
	}
	return nil
}

// endTimer ends the timer whose servers the change c, confirmed by a person,
// turns on again.
func (s *Store) endTimer(tx *gorm.DB, actor wtp.Actor, c wtp.Change) error {
	n, err := exec(tx, "UPDATE timers SET state = 'ended', ended_at = ?, ended_by_name = ?, fired_change_id = ? WHERE change_id = ? AND state = 'pending'",
		s.Now(), clean(actor.Name, maxName), c.ID, c.TimerOf)
	if err != nil {
		return fmt.Errorf("ending a timer: %w", err)
	}
	if n == 0 {
		return nil // it fired or was cancelled meanwhile; this change stands by itself
	}
	of, err := one[wtp.Change](tx, "SELECT * FROM changes WHERE id = ?", c.TimerOf)
	if err != nil {
		return fmt.Errorf("change of a timer: %w", err)
	}
	_, err = s.record(tx, actor, timerEvent("timer.ended", of), map[string]any{"by_change": c.Number})
	return err
}

// endIdleTimer ends the timer of a change that is over and can have turned nothing off.
func (s *Store) endIdleTimer(tx *gorm.DB, c wtp.Change, outcomes map[wtp.Outcome]int64) error {
	if outcomes[wtp.TargetAccepted]+outcomes[wtp.TargetUnknown] > 0 {
		return nil
	}
	why := wtp.Say("This change turned no server off, so there is none to turn on again.").ID
	n, err := exec(tx, "UPDATE timers SET state = 'ended', ended_at = ?, why = ? WHERE change_id = ? AND state = 'pending'", s.Now(), why, c.ID)
	if err != nil {
		return fmt.Errorf("ending a timer: %w", err)
	}
	if n == 0 {
		return nil
	}
	_, err = s.record(tx, wtp.Actor{}, timerEvent("timer.ended", c), map[string]any{"why": why})
	return err
}

func timerEvent(verb string, c wtp.Change) wtp.Event {
	return wtp.Event{Verb: verb, ProjectID: c.ProjectID, ChangeID: c.ID, Subject: fmt.Sprintf("change %d", c.Number)}
}

// when writes an instant into an event's detail.
func when(i wtp.Instant) string { return i.Time().Format(time.RFC3339) }

// lockTimer reads and locks the pending timer of a confirmed change.
func (s *Store) lockTimer(tx *gorm.DB, projectID, number int64) (wtp.Change, wtp.Timer, error) {
	c, err := one[wtp.Change](tx, "SELECT * FROM changes WHERE project_id = ? AND number = ? AND number > 0"+s.forUpdate(), projectID, number)
	if err != nil {
		return c, wtp.Timer{}, err
	}
	t, err := one[wtp.Timer](tx, "SELECT * FROM timers WHERE change_id = ?"+s.forUpdate(), c.ID)
	if err == nil && t.State != wtp.TimerPending {
		return c, t, conflict("Turning back on is no longer pending for change %d. Nothing was changed.", number)
	}
	return c, t, err
}

// MoveTimer gives a pending timer another time: later than now, within
// wtp.MaxTimer; else it is a wtp.Invalid on "back_at".
func (s *Store) MoveTimer(ctx context.Context, actor wtp.Actor, projectID, number int64, to wtp.Instant) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		var bad wtp.Invalid
		if wtp.CheckBackAt(&bad, to, s.Now()); len(bad) > 0 {
			return bad
		}
		c, t, err := s.lockTimer(tx, projectID, number)
		if err != nil || t.DueAt == to {
			return err
		}
		if err := moved(exec(tx, "UPDATE timers SET due_at = ? WHERE change_id = ? AND state = 'pending'", to, c.ID)); err != nil {
			return fmt.Errorf("moving a timer: %w", err)
		}
		_, err = s.record(tx, actor, timerEvent("timer.moved", c), map[string]any{"before": when(t.DueAt), "after": when(to)})
		return err
	})
}

// CancelTimer cancels a pending timer: the servers stay off. As for turning off for good,
// it needs a reason and, typed, how many they are (wtp.Limits.TypedStay); faults of them
// are a wtp.Invalid on "why" and "confirm".
func (s *Store) CancelTimer(ctx context.Context, actor wtp.Actor, projectID, number int64, why, typed string) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		c, t, err := s.lockTimer(tx, projectID, number)
		if err != nil {
			return err
		}
		row, err := one[TimerRow](tx, timerRows+"tm.change_id = ?", c.ID)
		if err != nil {
			return fmt.Errorf("servers of a timer: %w", err)
		}
		limits, err := readLimits(tx)
		if err != nil {
			return err
		}
		var bad wtp.Invalid
		wtp.CheckWhy(&bad, "why", why)
		limits.CheckStay(&bad, "confirm", typed, wtp.StayOff(c, row.Hosts))
		if len(bad) > 0 {
			return bad
		}
		return s.cancelTimer(tx, actor, c, t, clean(strings.TrimSpace(why), 500))
	})
}

func (s *Store) cancelTimer(tx *gorm.DB, actor wtp.Actor, c wtp.Change, t wtp.Timer, why string) error {
	if err := moved(exec(tx, "UPDATE timers SET state = 'cancelled', ended_at = ?, ended_by_name = ?, why = ? WHERE change_id = ? AND state = 'pending'",
		s.Now(), clean(actor.Name, maxName), why, c.ID)); err != nil {
		return fmt.Errorf("cancelling a timer: %w", err)
	}
	_, err := s.record(tx, actor, timerEvent("timer.cancelled", c), map[string]any{"due_at": when(t.DueAt), "why": why})
	return err
}

// leftOff is how many servers a timer of the change of would turn on that the plan c, or
// a newer change, does not: they stay off for good if it is cancelled.
func leftOff(g *gorm.DB, of, c wtp.Change) (int64, error) {
	n, err := one[int64](g, `SELECT COUNT(*) FROM targets t JOIN changes o ON o.id = t.change_id
		JOIN projects r ON r.id = t.project_id JOIN servers s ON s.project_id = t.project_id AND s.host_id = t.host_id AND NOT (s.dynamic = 'opened' AND r.read_at > t.decided_at)
		WHERE t.change_id = ? AND `+maybeOff+" AND NOT "+newerThan("t", "o")+`
		AND NOT EXISTS (SELECT 1 FROM targets p WHERE p.change_id = ? AND p.host_id = t.host_id AND p.bucket IN ?)`, of.ID, c.ID, sentBuckets())
	if err != nil {
		return 0, fmt.Errorf("servers that stay off: %w", err)
	}
	return n, nil
}

// LeftOff is how many servers stay off for good if an undo that turns on cancels the
// timer of the change of that it undoes.
func (s *Store) LeftOff(ctx context.Context, of, plan wtp.Change) (int64, error) {
	return leftOff(s.reader(ctx), of, plan)
}

// cancelUndone cancels the timer of the change that c undoes. One that fired or was
// ended meanwhile needs no cancelling. How many servers c leaves off has to be typed as
// for CancelTimer; a fault of that is a wtp.Invalid on "confirm".
func (s *Store) cancelUndone(tx *gorm.DB, actor wtp.Actor, c wtp.Change, typed string) error {
	of, err := one[wtp.Change](tx, "SELECT * FROM changes WHERE project_id = ? AND number = ?", c.ProjectID, c.UndoOf)
	if err != nil {
		return fmt.Errorf("change of a timer: %w", err)
	}
	t, err := one[wtp.Timer](tx, "SELECT * FROM timers WHERE change_id = ? AND state = 'pending'"+s.forUpdate(), of.ID)
	if errors.Is(err, wtp.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("timer of a change: %w", err)
	}
	left, err := leftOff(tx, of, c)
	if err != nil {
		return err
	}
	limits, err := readLimits(tx)
	if err != nil {
		return err
	}
	var bad wtp.Invalid
	if limits.CheckStay(&bad, "confirm", typed, left); len(bad) > 0 {
		return bad
	}
	return s.cancelTimer(tx, actor, of, t, c.Reason)
}

// PlanTurnOn plans to turn on, before its time, what a change with a pending
// timer turned off. Confirming the plan ends the timer. A change without a pending timer is a *wtp.Refused.
func (s *Store) PlanTurnOn(ctx context.Context, actor wtp.Actor, projectID, number int64, validFor time.Duration) (wtp.Change, error) {
	var c wtp.Change
	err := s.tx(ctx, func(tx *gorm.DB) error {
		if _, err := s.lockProject(tx, projectID); err != nil {
			return err
		}
		of, _, err := s.lockTimer(tx, projectID, number)
		if err != nil {
			return err
		}
		now := s.Now()
		c, err = s.freeze(tx, wtp.Change{
			UID: rand.Text(), ProjectID: projectID, Kind: wtp.DynamicWTP, Direction: wtp.Enable, State: wtp.Planned, TimerOf: of.ID,
			PlannedBy: actor.UserID, PlannedByName: clean(actor.Name, maxName), PlannedAt: now, ExpiresAt: now.Add(validFor),
		}, timerSource(of.ID))
		if err != nil {
			return err
		}
		if c.TargetCount == 0 {
			return conflict("No server is off by this change any more, or none is yet. Nothing was planned.")
		}
		return nil
	})
	return c, err
}

// FireTimer does what the timer that has been due longest asks for: it plans and
// confirms one change that turns on what the first change turned off, in the same
// transaction that takes the timer out of pending, so that it happens once whoever
// else tries. Servers that were seen on since, or that a newer change has touched,
// are skipped. false: nothing was due. While the console is paused nothing fires.
//
// A change that still turns servers off when its time comes is stopped first; its
// timer fires once it is over.
func (s *Store) FireTimer(ctx context.Context) (fired bool, err error) {
	if p, err := s.Paused(ctx); err != nil || p.On() {
		return false, err
	}
	const due = "SELECT tm.* FROM timers tm JOIN changes c ON c.id = tm.change_id WHERE tm.state = 'pending' AND tm.due_at <= ? AND "
	late, err := one[wtp.Timer](s.reader(ctx), due+"c.state IN ('queued', 'running') AND c.stopped_by_name = '' AND c.stop_why = '' ORDER BY tm.due_at LIMIT 1", s.Now())
	if err == nil {
		return true, s.stopForTimer(ctx, late.ChangeID)
	}
	if !errors.Is(err, wtp.ErrNotFound) {
		return false, fmt.Errorf("looking for timers: %w", err)
	}
	t, err := one[wtp.Timer](s.reader(ctx), due+"c.state IN ('done', 'stopped') ORDER BY tm.due_at, tm.change_id LIMIT 1", s.Now())
	if errors.Is(err, wtp.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for timers: %w", err)
	}
	err = s.tx(ctx, func(tx *gorm.DB) error { return s.fire(ctx, tx, t.ChangeID) })
	if errors.Is(err, errNotDue) {
		return true, nil // another replica was faster, or somebody gave it another time
	}
	if err != nil {
		return false, fmt.Errorf("turning back on after change %d: %w", t.ChangeID, err)
	}
	return true, nil
}

// errNotDue: the timer is no longer pending or due.
var errNotDue = errors.New("the timer is not due")

func (s *Store) stopForTimer(ctx context.Context, changeID int64) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		c, err := one[wtp.Change](tx, "SELECT * FROM changes WHERE id = ?"+s.forUpdate(), changeID)
		if err != nil || c.State.Over() || stopping(c) {
			return err
		}
		return s.stop(tx, wtp.Actor{}, c, "", wtp.Say("The time to turn back on came before everything was turned off. Nothing more was sent.").ID)
	})
}

// fire fires one timer in the transaction.
func (s *Store) fire(ctx context.Context, tx *gorm.DB, changeID int64) error {
	of, err := one[wtp.Change](tx, "SELECT * FROM changes WHERE id = ?", changeID)
	if err != nil {
		return err
	}
	if _, err := s.lockProject(tx, of.ProjectID); err != nil {
		return err
	}
	t, err := one[wtp.Timer](tx, "SELECT * FROM timers WHERE change_id = ?"+s.forUpdate(), changeID)
	if err != nil {
		return err
	}
	now := s.Now()
	if t.State != wtp.TimerPending || t.DueAt > now {
		return errNotDue
	}
	actor := wtp.Actor{UserID: t.SetBy, Name: t.SetByName}
	c, err := s.freeze(tx, wtp.Change{
		UID: rand.Text(), ProjectID: of.ProjectID, Kind: wtp.DynamicWTP, Direction: wtp.Enable, State: wtp.Planned, TimerOf: of.ID, SetIn: of.Number,
		PlannedBy: t.SetBy, PlannedByName: t.SetByName, PlannedAt: now, ExpiresAt: now,
	}, timerSource(of.ID))
	if err != nil {
		return err
	}
	if c.ToSend == 0 {
		return s.nothingToFire(tx, of, t, c)
	}
	if c, err = s.queue(ctx, tx, actor, c, Confirmation{Reason: of.Reason, Ticket: of.Ticket}); err != nil {
		return err
	}
	note, err := s.fireNote(tx, t)
	if err != nil {
		return err
	}
	if err := moved(exec(tx, "UPDATE timers SET state = 'fired', ended_at = ?, fired_change_id = ?, why = ? WHERE change_id = ? AND state = 'pending'", now, c.ID, note, of.ID)); err != nil {
		return err
	}
	_, err = s.record(tx, wtp.Actor{}, timerEvent("timer.fired", of), map[string]any{"due_at": when(t.DueAt), "late_s": int64(now.Sub(t.DueAt) / time.Second), "by_change": c.Number})
	return err
}

// fireNote says what is out of the ordinary about a timer that fires.
func (s *Store) fireNote(tx *gorm.DB, t wtp.Timer) (string, error) {
	u, err := one[wtp.User](tx, "SELECT * FROM users WHERE id = ?", t.SetBy)
	if err != nil && !errors.Is(err, wtp.ErrNotFound) {
		return "", fmt.Errorf("who set a timer: %w", err)
	}
	if u.ID == 0 || u.DisabledAt != 0 || !u.Role.May(wtp.Act) {
		return wtp.Say("The person who set it may no longer act. It is done all the same, because turning protection back on is the safe direction.").ID, nil
	}
	return "", nil
}

// nothingToFire ends a timer that finds nothing left to turn on.
func (s *Store) nothingToFire(tx *gorm.DB, of wtp.Change, t wtp.Timer, plan wtp.Change) error {
	if err := deletePlan(tx, plan.ID); err != nil {
		return fmt.Errorf("dropping a plan: %w", err)
	}
	why := wtp.Say("No server was left to turn on when the time came: each was on again, could not be changed, or was in a newer change.").ID
	if err := moved(exec(tx, "UPDATE timers SET state = 'ended', ended_at = ?, why = ? WHERE change_id = ? AND state = 'pending'", s.Now(), why, of.ID)); err != nil {
		return err
	}
	_, err := s.record(tx, wtp.Actor{}, timerEvent("timer.ended", of), map[string]any{"due_at": when(t.DueAt), "why": why})
	return err
}
