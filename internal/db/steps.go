package db

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// Step is a step of a change, as the step after it sees it.
type Step struct {
	Step   int64       // its number; 0: there is none before
	Size   int64       // how many targets it has
	Failed int64       // those that HSS didn't accept: no further step will ever begin
	Unseen int64       // those accepted and not yet read back as wanted
	Since  wtp.Instant // when the last of them was decided
}

// Held says whether the next step may not begin yet.
func (s Step) Held() bool { return s.Failed > 0 || s.Unseen > 0 }

// StepBefore says how the step before a batch's stands. The steps before that one
// are over: it began only when they were read back as wanted.
func (s *Store) StepBefore(ctx context.Context, b wtp.Batch) (Step, error) {
	return stepBefore(s.reader(ctx), b)
}

// ofStep is the condition for the targets (as t) of a step of a change.
const ofStep = "t.batch_id > 0 AND t.batch_id IN (SELECT b.id FROM batches b WHERE b.change_id = ? AND b.step = ? AND b.step > 0)"

func stepBefore(g *gorm.DB, b wtp.Batch) (Step, error) {
	before, err := one[int64](g, "SELECT COALESCE(MAX(step), 0) FROM batches WHERE change_id = ? AND step > 0 AND step < ?", b.ChangeID, b.Step)
	if err != nil || before == 0 {
		return Step{}, err
	}
	step, err := one[Step](g, `SELECT COUNT(*) AS size, COALESCE(SUM(CASE WHEN t.outcome <> 'accepted' THEN 1 ELSE 0 END), 0) AS failed,
		COALESCE(SUM(CASE WHEN t.outcome = 'accepted' AND t.seen <> t.wanted THEN 1 ELSE 0 END), 0) AS unseen, COALESCE(MAX(t.decided_at), 0) AS since
		FROM targets t WHERE `+ofStep, b.ChangeID, before)
	if err != nil {
		return step, fmt.Errorf("targets of a step: %w", err)
	}
	step.Step = before
	return step, nil
}

// UnseenOfStep reads the targets of a step that were accepted and not yet read back
// as wanted, in their order, at most limit of them.
func (s *Store) UnseenOfStep(ctx context.Context, changeID, step int64, limit int) ([]wtp.Target, error) {
	ts, err := many[wtp.Target](s.reader(ctx), "SELECT * FROM targets t WHERE "+ofStep+" AND t.outcome = 'accepted' AND t.seen <> t.wanted ORDER BY t.seq LIMIT ?", changeID, step, limit)
	if err != nil {
		return nil, fmt.Errorf("targets of a step: %w", err)
	}
	return ts, nil
}

// NoteSeen notes on accepted targets of a change what a reading that began after
// they were decided showed: seen is the state by host ID, as for Settle.
func (s *Store) NoteSeen(ctx context.Context, owner string, changeID int64, targets []wtp.Target, seen map[string]string) error {
	type group struct {
		batch int64
		seen  string
		as    int64
	}
	groups, remotes := map[group][]int64{}, map[string]string{}
	for _, t := range targets {
		if state, ok := seen[t.HostID]; ok && t.Kind == wtp.RemoteBackup {
			remotes[t.HostID] = clean(state, maxMessage)
		}
		if state, ok := seen[t.HostID]; ok && clean(state, maxMessage) != t.Seen {
			state = clean(state, maxMessage)
			k := group{t.BatchID, state, seenAs(state, t.Wanted)}
			groups[k] = append(groups[k], t.Seq)
		}
	}
	if len(groups) == 0 {
		return nil
	}
	order := slices.SortedFunc(maps.Keys(groups), func(a, b group) int { return int(groups[a][0] - groups[b][0]) })
	return s.tx(ctx, func(tx *gorm.DB) error {
		of, err := one[wtp.Change](tx, "SELECT * FROM changes WHERE id = ?", changeID)
		if err != nil {
			return err
		}
		if err := s.holdInventory(tx, of); err != nil {
			return err
		}
		c, err := s.fence(tx, changeID, owner)
		if err != nil {
			return err
		}
		now := s.Now()
		for _, k := range order {
			// Somebody else's reading may have noted some of them meanwhile.
			left, err := many[int64](tx, "SELECT t.seq FROM targets t WHERE "+inBatch+" AND t.outcome = 'accepted' AND t.seq IN ? AND t.seen <> t.wanted", k.batch, groups[k])
			if err != nil {
				return fmt.Errorf("noting what was seen: %w", err)
			}
			if len(left) == 0 {
				continue
			}
			m := targetMove{batch: k.batch, from: wtp.TargetAccepted, to: wtp.TargetAccepted, where: "t.seq IN ?", args: []any{left},
				sets: []set{{"seen", k.seen}, {"seen_at", now}}, seen: &k.as}
			if _, err := moveTargets(tx, m); err != nil {
				return fmt.Errorf("noting what was seen: %w", err)
			}
		}
		if err := keepRemotes(tx, c.ProjectID, remotes); err != nil {
			return err
		}
		return s.noteRestarts(tx, c, now)
	})
}
