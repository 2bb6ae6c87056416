package db

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// Ahead is a change that is under way with the credential and the operation that
// another one needs: they share a budget.
type Ahead struct {
	Number          int64
	ProjectID       int64
	ProjectSlug     string
	ProjectName     string
	ConfirmedByName string
	SetIn           int64 // number of the change whose timer made it; 0: a person did
	EventSeq        int64
	Calls           int64 // still to be made, if none has to be made twice
}

// Ahead lists the open changes of that kind on the credential, in the order they
// were confirmed; only those before the place in the history, if it isn't 0. At
// most 100 are listed; calls counts all of them.
func (s *Store) Ahead(ctx context.Context, credentialID int64, kind wtp.ChangeKind, before int64) (rows []Ahead, calls int64, err error) {
	rows, err = many[Ahead](s.reader(ctx), `SELECT c.number, c.project_id, p.slug AS project_slug, p.name AS project_name, c.confirmed_by_name, c.set_in, c.event_seq,
		(SELECT CAST(COALESCE(SUM(b.waiting + b.sending + b.unclear), 0) AS bigint) FROM batch_counts b WHERE b.change_id = c.id) AS calls
		FROM changes c JOIN projects p ON p.id = c.project_id
		WHERE c.state IN ('queued', 'running') AND p.credential_id = ? AND c.kind = ? AND (CAST(? AS bigint) = 0 OR c.event_seq < ?) ORDER BY c.event_seq`,
		credentialID, kind, before, before)
	if err != nil {
		return nil, 0, fmt.Errorf("reading the queue: %w", err)
	}
	for _, r := range rows {
		calls += r.Calls
	}
	return rows[:min(len(rows), 100)], calls, nil
}

// Budget reads what is left of the budget of a credential for one operation, in a
// window of wtp.CallWindow, and in the one that HSS itself named; limit is how many
// calls the first lets through.
func (s *Store) Budget(ctx context.Context, credentialID int64, operation string, limit int64) (wtp.Budget, error) {
	g := s.reader(ctx)
	now := s.Now()
	b := wtp.Budget{Limit: max(limit, 1), Now: now}
	var err error
	if b.LockedUntil, err = one[wtp.Instant](g, "SELECT locked_until FROM credentials WHERE id = ?", credentialID); err != nil {
		return b, fmt.Errorf("credential: %w", err)
	}
	b.BlockedUntil, err = one[wtp.Instant](g, "SELECT until FROM budget_blocks WHERE credential_id = ? AND operation = ?", credentialID, operation)
	if err != nil && !errors.Is(err, wtp.ErrNotFound) {
		return b, fmt.Errorf("budget: %w", err)
	}
	careful := wtp.Careful(b.BlockedUntil, now)
	if b.Taken, err = takenCalls(g, credentialID, operation, now.Add(-wtp.CallWindow-careful), b.Limit); err != nil {
		return b, err
	}
	said, err := readThrottle(g, credentialID, operation)
	if err != nil || !said.On(now) {
		return b, err
	}
	b.Said = said
	b.SaidTaken, err = takenCalls(g, credentialID, operation, now.Add(-said.Window()-careful), said.Limit)
	return b, err
}

// takenCalls are the newest calls since then, oldest first, at most limit.
func takenCalls(g *gorm.DB, credentialID int64, operation string, since wtp.Instant, limit int64) ([]wtp.Instant, error) {
	taken, err := many[wtp.Instant](g, "SELECT at FROM budget_calls WHERE credential_id = ? AND operation = ? AND at > ? ORDER BY at DESC LIMIT ?",
		credentialID, operation, since, limit)
	if err != nil {
		return nil, fmt.Errorf("budget: %w", err)
	}
	slices.Reverse(taken)
	return taken, nil
}

// Pending says what of a change waits, so that its page can say for what.
type Pending struct {
	Sending  int64       // batches in flight
	Unclear  int64       // batches to be read back
	Waiting  int64       // batches to be sent
	RunAt    wtp.Instant // when the first of Waiting may be sent; 0: at once
	Step     int64       // of a ramp: the first step of which something waits or is in flight; 0: none
	LastStep int64       // of a ramp: its last step
	Held     int64       // of a ramp: how many servers of the steps before Step are not yet read back as wanted
	HeldStep int64       // the step they are of
	HeldSize int64       // how many servers that step has

	// While Unclear is not 0:
	ReadAt    wtp.Instant // when the first of Unclear is read back, or again; 0: at once
	ReadSince wtp.Instant // when reading back began, after the last sending; 0: not yet
	LastRead  wtp.Call    // the last reading since then that was answered, or failed; its ID is 0 if there is none
}

// readingBack reads how reading back goes: nothing is sent meanwhile, so the calls after
// the last sending are its own, and they are few.
func readingBack(g *gorm.DB, changeID int64, p *Pending) error {
	var err error
	p.ReadAt, err = one[wtp.Instant](g, "SELECT run_at FROM batches WHERE change_id = ? AND state = 'unclear' ORDER BY run_at LIMIT 1", changeID)
	if err != nil && !errors.Is(err, wtp.ErrNotFound) { // it may be settled since the strip was read
		return fmt.Errorf("reading batches: %w", err)
	}
	sent, err := one[int64](g, "SELECT id FROM calls WHERE change_id = ? AND batch_id > 0 ORDER BY id DESC LIMIT 1", changeID)
	if err != nil && !errors.Is(err, wtp.ErrNotFound) {
		return fmt.Errorf("reading calls: %w", err)
	}
	first, err := one[wtp.Call](g, "SELECT * FROM calls WHERE change_id = ? AND id > ? ORDER BY id LIMIT 1", changeID, sent)
	if errors.Is(err, wtp.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading calls: %w", err)
	}
	p.ReadSince = first.SentAt
	p.LastRead, err = one[wtp.Call](g, "SELECT * FROM calls WHERE change_id = ? AND id > ? AND class <> '' ORDER BY id DESC LIMIT 1", changeID, sent)
	if err != nil && !errors.Is(err, wtp.ErrNotFound) {
		return fmt.Errorf("reading calls: %w", err)
	}
	return nil
}

// Pending reads what of a change waits; strip is what Strip read of it. Its cost doesn't
// grow with the change: the batches of one box are looked at, for a ramp the servers of
// one step, and while a batch is read back the calls that do so.
func (s *Store) Pending(ctx context.Context, c wtp.Change, strip []wtp.Box) (Pending, error) {
	g := s.reader(ctx)
	var p Pending
	var first int64 // the first box of which something is open
	for _, b := range strip {
		p.Sending, p.Unclear, p.Waiting = p.Sending+b.Sending, p.Unclear+b.Unclear, p.Waiting+b.Waiting
		if first == 0 && b.Open() > 0 {
			first = b.Box
		}
	}
	if p.Waiting > 0 {
		var err error
		p.RunAt, err = one[wtp.Instant](g, "SELECT run_at FROM batches WHERE change_id = ? AND state = 'waiting' ORDER BY run_at LIMIT 1", c.ID)
		if err != nil && !errors.Is(err, wtp.ErrNotFound) { // it may have left since the strip was read
			return p, fmt.Errorf("reading batches: %w", err)
		}
	}
	if p.Unclear > 0 {
		if err := readingBack(g, c.ID, &p); err != nil {
			return p, err
		}
	}
	if c.Ramp == 0 {
		return p, nil
	}
	// Each of the batches that a ramp is cut into is a step of the same number.
	p.LastStep = wtp.CutOf(c.Kind, true).Calls(c.ToSend)
	if first > 0 {
		per := wtp.PerBox(p.LastStep)
		var err error
		p.Step, err = one[int64](g, `SELECT step FROM batches WHERE change_id = ? AND step > 0 AND step BETWEEN ? AND ?
			AND state IN ('waiting', 'sending', 'unclear') ORDER BY step LIMIT 1`, c.ID, per*(first-1)+1, per*first)
		if err != nil && !errors.Is(err, wtp.ErrNotFound) {
			return p, fmt.Errorf("reading batches: %w", err)
		}
	}
	if p.Step < 2 {
		return p, nil
	}
	p.HeldStep = p.Step - 1
	held, err := one[struct{ N, Held int64 }](g, `SELECT COUNT(*) AS n, COALESCE(SUM(CASE WHEN t.outcome = 'accepted' AND t.seen <> t.wanted THEN 1 ELSE 0 END), 0) AS held
		FROM targets t WHERE t.batch_id > 0 AND t.batch_id IN (SELECT b.id FROM batches b WHERE b.change_id = ? AND b.step = ? AND b.state <> 'split')`, c.ID, p.HeldStep)
	if err != nil {
		return p, fmt.Errorf("targets of a step: %w", err)
	}
	p.HeldSize, p.Held = held.N, held.Held
	return p, nil
}
