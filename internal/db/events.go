package db

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// EventQuery chooses events, newest first.
type EventQuery struct {
	ProjectID, ChangeID int64 // 0: any
	Before              int64 // seq; 0: from the newest
	Limit               int   // 0: 50
}

// Longest texts kept of what a client sends.
const (
	maxName      = 512
	maxUserAgent = 512
	maxMessage   = 2000
)

// record appends an event to the history. It locks the end of the chain until
// the transaction ends, so it stands as late in the transaction as it can.
// detail is marshalled as the JSON object; nil for none.
func (s *Store) record(tx *gorm.DB, actor wtp.Actor, e wtp.Event, detail any) (wtp.Event, error) {
	head, err := one[struct {
		Seq  int64
		Hash string
	}](tx, "SELECT seq, hash FROM event_head WHERE id = 1"+s.forUpdate())
	if err != nil {
		return e, fmt.Errorf("end of the history: %w", err)
	}
	if detail != nil {
		b, err := json.Marshal(detail)
		if err != nil {
			return e, fmt.Errorf("detail of an event: %w", err)
		}
		e.Detail = clean(string(b), 1<<20)
	}
	e.Seq, e.At, e.PrevHash = head.Seq+1, s.Now(), head.Hash
	e.ActorID, e.Actor = actor.UserID, clean(actor.Name, maxName)
	e.IP, e.UserAgent, e.RequestID = clean(actor.IP, maxName), clean(actor.UserAgent, maxUserAgent), clean(actor.RequestID, maxName)
	e.Subject = clean(e.Subject, maxMessage)
	e.Hash = eventHash(e)
	if err := tx.Create(&e).Error; err != nil {
		return e, fmt.Errorf("writing an event: %w", err)
	}
	if err := moved(exec(tx, "UPDATE event_head SET seq = ?, hash = ? WHERE id = 1 AND seq = ?", e.Seq, e.Hash, head.Seq)); err != nil {
		return e, fmt.Errorf("end of the history: %w", err)
	}
	return e, nil
}

// eventHash is SHA-256 over all fields but the hash itself, each preceded by
// its length: no two different events have the same input.
func eventHash(e wtp.Event) string {
	h := sha256.New()
	for _, f := range []string{
		strconv.FormatInt(e.Seq, 10), strconv.FormatInt(int64(e.At), 10), strconv.FormatInt(e.ActorID, 10),
		e.Actor, e.IP, e.UserAgent, e.RequestID, e.Verb,
		strconv.FormatInt(e.ProjectID, 10), strconv.FormatInt(e.ChangeID, 10), e.Subject, e.Detail, e.PrevHash,
	} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(f)))
		h.Write(n[:])
		h.Write([]byte(f))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Events reads a page of the history, newest first.
func (s *Store) Events(ctx context.Context, q EventQuery) ([]wtp.Event, error) {
	g := s.reader(ctx).Order("seq DESC").Limit(page(q.Limit))
	if q.ProjectID != 0 {
		g = g.Where("project_id = ?", q.ProjectID)
	}
	if q.ChangeID != 0 {
		g = g.Where("change_id = ?", q.ChangeID)
	}
	if q.Before != 0 {
		g = g.Where("seq < ?", q.Before)
	}
	var es []wtp.Event
	if err := g.Find(&es).Error; err != nil {
		return nil, fmt.Errorf("reading events: %w", err)
	}
	return es, nil
}

// ExportEvents calls each with every event, oldest first, and stops at its
// first error.
func (s *Store) ExportEvents(ctx context.Context, each func(wtp.Event) error) error {
	for last := int64(0); ; {
		var es []wtp.Event
		if err := s.reader(ctx).Where("seq > ?", last).Order("seq").Limit(1000).Find(&es).Error; err != nil {
			return fmt.Errorf("reading events: %w", err)
		}
		for _, e := range es {
			if err := each(e); err != nil {
				return err
			}
		}
		if len(es) < 1000 {
			return nil
		}
		last = es[len(es)-1].Seq
	}
}

// VerifyEvents walks the whole chain. n is how many events hold; badSeq is the
// first that doesn't (changed, missing, or cut off at the end), 0 if all do.
func (s *Store) VerifyEvents(ctx context.Context) (n, badSeq int64, err error) {
	// The head is read first: what is appended meanwhile only makes the chain longer.
	head, err := one[struct {
		Seq  int64
		Hash string
	}](s.reader(ctx), "SELECT seq, hash FROM event_head WHERE id = 1")
	if err != nil {
		return 0, 0, fmt.Errorf("end of the history: %w", err)
	}
	prev, atHead := "", ""
	stop := fmt.Errorf("event %w", wtp.ErrConflict)
	err = s.ExportEvents(ctx, func(e wtp.Event) error {
		if e.Seq != n+1 || e.PrevHash != prev || e.Hash != eventHash(e) {
			badSeq = n + 1
			return stop
		}
		n, prev = n+1, e.Hash
		if e.Seq == head.Seq {
			atHead = e.Hash
		}
		return nil
	})
	switch {
	case badSeq != 0:
		return n, badSeq, nil
	case err != nil:
		return n, 0, err
	case n < head.Seq:
		return n, n + 1, nil
	case atHead != head.Hash:
		return n, head.Seq, nil
	}
	return n, 0, nil
}
