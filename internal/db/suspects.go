package db

import (
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// suspect keeps who was in a batch of several that HSS refuses, until Arrange finds it
// explained.
func suspect(tx *gorm.DB, b wtp.Batch) error {
	if _, err := exec(tx, "INSERT INTO suspects (change_id, batch_id, seq) SELECT t.change_id, t.batch_id, t.seq FROM targets t WHERE "+inBatch+" AND t.outcome = 'sending'", b.ID); err != nil {
		return fmt.Errorf("noting suspects: %w", err)
	}
	return nil
}

// forget ends searches: no culprit of these batches is looked for any more.
func forget(tx *gorm.DB, changeID int64, batches []int64) error {
	if len(batches) == 0 {
		return nil
	}
	if _, err := exec(tx, "DELETE FROM suspects WHERE change_id = ? AND batch_id IN ?", changeID, batches); err != nil {
		return fmt.Errorf("forgetting suspects: %w", err)
	}
	return nil
}

// SingleOut says who the culprits of a split batch are: each of hosts that was not sent
// since is a batch of its own, and the others stay in the halves.
func (s *Store) SingleOut(ctx context.Context, owner string, batchID int64, hosts []string) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		change, err := one[int64](tx, "SELECT change_id FROM batches WHERE id = ?", batchID)
		if err != nil {
			return err
		}
		if _, err := s.fence(tx, change, owner); err != nil {
			return err
		}
		halves, err := many[wtp.Batch](tx, "SELECT * FROM batches WHERE change_id = ? AND parent = ? AND state = 'waiting' AND attempts = 0 ORDER BY no", change, batchID)
		if err != nil {
			return fmt.Errorf("halves of a batch: %w", err)
		}
		if err := forget(tx, change, []int64{batchID}); err != nil {
			return err
		}
		for _, half := range halves {
			if err := singleOut(tx, half, hosts); err != nil {
				return err
			}
		}
		return nil
	})
}

func singleOut(tx *gorm.DB, half wtp.Batch, hosts []string) error {
	targets, err := many[wtp.Target](tx, "SELECT t.seq, t.host_id FROM targets t WHERE "+inBatch+" AND t.outcome = 'waiting' ORDER BY t.seq", half.ID)
	if err != nil {
		return fmt.Errorf("targets of a batch: %w", err)
	}
	left := int64(len(targets))
	for _, t := range targets {
		if !slices.Contains(hosts, t.HostID) {
			continue
		}
		alone := half
		if left > 1 {
			if alone, err = cutOff(tx, half, []int64{t.Seq}); err != nil {
				return err
			}
			left--
			if err := resize(tx, half, left); err != nil {
				return err
			}
		}
		if _, err := exec(tx, "INSERT INTO suspects (change_id, batch_id, seq) VALUES (?, ?, ?)", half.ChangeID, alone.ID, t.Seq); err != nil {
			return fmt.Errorf("noting suspects: %w", err)
		}
	}
	return nil
}

// cutOff makes a batch of some targets of another.
func cutOff(tx *gorm.DB, b wtp.Batch, seqs []int64) (wtp.Batch, error) {
	n := wtp.Batch{Parent: b.ID, Step: b.Step, State: wtp.BatchWaiting, Size: int64(len(seqs))}
	if b.Parent != 0 {
		n.Parent = b.Parent
	}
	if err := createBatch(tx, b, &n); err != nil {
		return b, err
	}
	return n, putInto(tx, n, seqs)
}

// putInto puts waiting targets into a batch, whose size is kept elsewhere.
func putInto(tx *gorm.DB, b wtp.Batch, seqs []int64) error {
	n, err := exec(tx, "UPDATE targets SET batch_id = ? WHERE change_id = ? AND seq IN ? AND outcome = 'waiting'", b.ID, b.ChangeID, seqs)
	if err != nil {
		return fmt.Errorf("filling batch %d: %w", b.No, err)
	}
	if n != int64(len(seqs)) {
		return fmt.Errorf("filling batch %d: %d of %d targets wait: %w", b.No, n, len(seqs), wtp.ErrConflict)
	}
	return nil
}

// resize keeps the size of a batch that never left; one without targets is over.
func resize(tx *gorm.DB, b wtp.Batch, size int64) error {
	if size == 0 {
		return moveBatchAlone(tx, b, wtp.BatchSplit)
	}
	if err := moved(exec(tx, "UPDATE batches SET size = ? WHERE id = ? AND state = 'waiting' AND attempts = 0", size, b.ID)); err != nil {
		return fmt.Errorf("size of batch %d: %w", b.No, err)
	}
	return nil
}

// Arranged is what Arrange made of the batches that wait.
type Arranged struct {
	Batch   wtp.Batch
	Targets []wtp.Target
	Wait    bool // nothing is to be sent before what is in flight is answered
	Search  bool // the culprit of a refused call is looked for
	Again   bool // that, or pieces of batches are left: the next batch is to be arranged, too
}

// Arrange makes the batch that is sent next, in place of b, which NextBatch gave out:
// while the culprit of a refused call is looked for, one with a few suspects in it
// (wtp.Pool); else b itself, with other pieces of batches joined to it. Only batches of
// b's step that never left are touched. apart keeps suspects from travelling with
// others. wtp.ErrConflict if the lease is lost.
func (s *Store) Arrange(ctx context.Context, owner string, b wtp.Batch, apart bool) (a Arranged, err error) {
	err = s.tx(ctx, func(tx *gorm.DB) error {
		if _, err := s.fence(tx, b.ChangeID, owner); err != nil {
			return err
		}
		if a.Batch, err = lockBatch(tx, b.ID, b.ChangeID); err != nil {
			return err
		}
		if a.Batch.State == wtp.BatchWaiting && a.Batch.Attempts == 0 {
			if err := s.arrange(tx, &a, apart); err != nil {
				return err
			}
		} else {
			a.Again = true // it was sent before, and is sent as it is
		}
		a.Targets, err = many[wtp.Target](tx, "SELECT * FROM targets t WHERE "+inBatch+" AND t.outcome = ? ORDER BY t.seq", a.Batch.ID, a.Batch.State)
		if err != nil {
			return fmt.Errorf("targets of a batch: %w", err)
		}
		return nil
	})
	return a, err
}

func (s *Store) arrange(tx *gorm.DB, a *Arranged, apart bool) error {
	const (
		never = "change_id = ? AND state = 'waiting' AND attempts = 0 AND run_at <= ? AND step = ?"
		whole = 3 // untouched batches that are looked into: more than a call holds
	)
	refused, among, err := refusals(tx, a.Batch.ChangeID)
	if err != nil {
		return err
	}
	batches, err := many[wtp.Batch](tx, "SELECT * FROM batches WHERE "+never+" ORDER BY no", a.Batch.ChangeID, s.Now(), a.Batch.Step)
	if err != nil {
		return fmt.Errorf("reading batches: %w", err)
	}
	pool := wtp.Pool{Apart: apart}
	var looked []wtp.Batch
	untouched := 0
	for _, b := range batches {
		touched := b.ID == a.Batch.ID || b.Parent != 0 || b.Size < wtp.MaxHosts || among[b.ID]
		if !touched {
			untouched++
		}
		if touched || untouched <= whole {
			looked = append(looked, b)
		} else {
			pool.More += int(b.Size)
		}
	}
	piles, err := readPiles(tx, looked)
	if err != nil {
		return err
	}
	if len(refused) == 0 {
		return join(tx, a, piles)
	}
	for _, p := range piles {
		pool.Ready = append(pool.Ready, p.seqs...)
	}
	slices.Sort(pool.Ready)
	pool.Refused = reachable(refused, pool.Ready)
	if len(pool.Refused) == 0 {
		a.Again = true // their targets are in batches that were sent before
		return nil
	}
	call, wait := pool.Next()
	a.Wait, a.Search, a.Again = wait, true, true
	if wait || len(call) == 0 {
		return nil
	}
	a.Batch, err = gather(tx, piles, call)
	return err
}

// suspected is a target under suspicion, and where it is.
type suspected struct {
	Refused  int64
	Seq      int64
	Outcome  wtp.Outcome
	BatchID  int64
	Attempts int64
}

// refusals reads the refusals that no culprit explains yet, and which batches their
// targets are in. It forgets those that are explained or of which nothing is open.
func refusals(tx *gorm.DB, changeID int64) (live []refusal, among map[int64]bool, err error) {
	rows, err := many[suspected](tx, `SELECT x.batch_id AS refused, x.seq, t.outcome, t.batch_id, b.attempts FROM suspects x
		JOIN targets t ON t.change_id = x.change_id AND t.seq = x.seq JOIN batches b ON b.id = t.batch_id WHERE x.change_id = ? ORDER BY x.batch_id, x.seq`, changeID)
	if err != nil {
		return nil, nil, fmt.Errorf("reading suspects: %w", err)
	}
	among = map[int64]bool{}
	var over []int64
	for len(rows) > 0 {
		n := slices.IndexFunc(rows, func(r suspected) bool { return r.Refused != rows[0].Refused })
		if n < 0 {
			n = len(rows)
		}
		r := refusal{}
		explained := false
		for _, x := range rows[:n] {
			switch {
			case x.Outcome == wtp.TargetRefused:
				explained = true
			case x.Outcome == wtp.TargetAccepted:
				r.taken++
			case x.Outcome == wtp.TargetSending:
				r.flying = append(r.flying, x.Seq)
			case x.Outcome.Open():
				r.waiting = append(r.waiting, x.Seq)
			}
		}
		if explained || len(r.flying)+len(r.waiting) == 0 {
			over = append(over, rows[0].Refused)
		} else {
			live = append(live, r)
			for _, x := range rows[:n] {
				among[x.BatchID] = true
			}
		}
		rows = rows[n:]
	}
	return live, among, forget(tx, changeID, over)
}
