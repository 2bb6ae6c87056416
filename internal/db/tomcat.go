package db

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// TomcatDir is the Tomcat bin directory of a server as HSS last showed it;
// wtp.ErrNotFound if it was never read.
func (s *Store) TomcatDir(ctx context.Context, projectID int64, hostID string) (wtp.TomcatBin, error) {
	return one[wtp.TomcatBin](s.reader(ctx), "SELECT * FROM tomcat_dirs WHERE project_id = ? AND host_id = ?", projectID, clean(hostID, maxName))
}

// SaveTomcatDir keeps what a reading that began at startedAt showed: the directory of
// a server, "" for none. It is noted on sent targets that wanted one, too. A reading
// older than the one that is kept changes nothing.
func (s *Store) SaveTomcatDir(ctx context.Context, projectID int64, hostID string, startedAt wtp.Instant, dir string) error {
	hostID, dir = clean(hostID, 256), clean(dir, maxMessage)
	return s.tx(ctx, func(tx *gorm.DB) error {
		if _, err := s.lockProject(tx, projectID); err != nil {
			return err
		}
		n, err := exec(tx, `INSERT INTO tomcat_dirs (project_id, host_id, dir, read_at) VALUES (?, ?, ?, ?)
			ON CONFLICT (project_id, host_id) DO UPDATE SET dir = excluded.dir, read_at = excluded.read_at WHERE excluded.read_at >= tomcat_dirs.read_at`, projectID, hostID, dir, startedAt)
		if err != nil {
			return fmt.Errorf("keeping a Tomcat bin directory: %w", err)
		}
		if n == 0 {
			return nil
		}
		return s.noteTomcatDir(tx, projectID, hostID, startedAt, dir)
	})
}

// noteTomcatDir notes a directory on the newest sent target of a server, if it was
// decided before the reading began and is not yet seen as wanted.
func (s *Store) noteTomcatDir(tx *gorm.DB, project int64, hostID string, startedAt wtp.Instant, dir string) error {
	t, err := one[wtp.Target](tx, `SELECT * FROM targets WHERE project_id = ? AND host_id = ? AND kind = 'tomcat_dir' AND outcome IN ('sending', 'unclear', 'accepted', 'unknown')
		ORDER BY change_id DESC LIMIT 1`, project, hostID)
	if errors.Is(err, wtp.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading targets: %w", err)
	}
	// The change is locked before its target is looked at again: its runner notes, too.
	if _, err := one[int64](tx, "SELECT id FROM changes WHERE id = ?"+s.forUpdate(), t.ChangeID); err != nil {
		return fmt.Errorf("locking changes: %w", err)
	}
	if t, err = one[wtp.Target](tx, "SELECT * FROM targets WHERE change_id = ? AND seq = ?", t.ChangeID, t.Seq); err != nil {
		return fmt.Errorf("reading targets: %w", err)
	}
	if t.Outcome.Open() || t.DecidedAt >= startedAt || t.Seen == t.Wanted || t.Seen == dir {
		return nil
	}
	from := cellOf(t)
	t.Seen = dir
	if _, err := exec(tx, "UPDATE targets SET seen = ?, seen_at = ? WHERE change_id = ? AND seq = ?", t.Seen, startedAt, t.ChangeID, t.Seq); err != nil {
		return fmt.Errorf("noting what was seen: %w", err)
	}
	return shiftCounts(tx, []countCell{from}, []countCell{cellOf(t)})
}

// TomcatChange is what a person confirms of the Tomcat bin directory of one server.
type TomcatChange struct {
	HostID string
	Was    wtp.TomcatBin // as it was shown to them
	Dir    string        // has passed wtp.TomcatForm.Check
	Undo   int64         // number of the change that the form was opened to undo; 0: none
}

// ConfirmTomcatDir plans and confirms setting the Tomcat bin directory of one server
// in one transaction. If it is known to be another one now than what was shown, the
// server is gone, or another open change has it, it is a *wtp.Refused. Only if the
// directory is what was there before the change that it is to undo does the new one
// say that it undoes it.
func (s *Store) ConfirmTomcatDir(ctx context.Context, actor wtp.Actor, projectID int64, t TomcatChange, with Confirmation) (wtp.Change, error) {
	var bad wtp.Invalid
	wtp.CheckReason(&bad, with.Reason, with.Ticket)
	if err := bad.Err(); err != nil {
		return wtp.Change{}, err
	}
	with.Ramp = false
	var c wtp.Change
	err := s.tx(ctx, func(tx *gorm.DB) error {
		if _, err := s.lockProject(tx, projectID); err != nil {
			return err
		}
		server, err := one[wtp.Server](tx, "SELECT * FROM servers WHERE project_id = ? AND host_id = ?", projectID, clean(t.HostID, maxName))
		if errors.Is(err, wtp.ErrNotFound) {
			return conflict("HSS no longer lists this server. Nothing was sent.")
		}
		if err != nil {
			return fmt.Errorf("reading a server: %w", err)
		}
		have, err := one[wtp.TomcatBin](tx, "SELECT * FROM tomcat_dirs WHERE project_id = ? AND host_id = ?", projectID, server.HostID)
		if err != nil && !errors.Is(err, wtp.ErrNotFound) {
			return fmt.Errorf("reading a Tomcat bin directory: %w", err)
		}
		switch {
		case have.ReadAt == 0 || have.Dir != t.Was.Dir:
			return conflict("The Tomcat bin directory was read anew since this form was shown, and is another one. Look at the difference again. Nothing was sent.")
		case have.Dir == t.Dir:
			return conflict("HSS has exactly this directory now. Nothing was sent.")
		}
		if c, err = s.planTomcatDir(tx, actor, server, have.Dir, t); err != nil {
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

func (s *Store) planTomcatDir(tx *gorm.DB, actor wtp.Actor, server wtp.Server, before string, t TomcatChange) (wtp.Change, error) {
	at := s.Now()
	c := wtp.Change{
		UID: rand.Text(), ProjectID: server.ProjectID, Kind: wtp.TomcatDir, State: wtp.Planned, PlannedBy: actor.UserID, PlannedByName: clean(actor.Name, maxName),
		PlannedAt: at, ExpiresAt: at, TargetCount: 1, ToSend: 1,
	}
	for _, x := range []struct {
		to  *string
		dir string
	}{{&c.BackupBefore, before}, {&c.BackupAfter, t.Dir}} {
		text, err := json.Marshal(wtp.TomcatConfig{HostID: server.HostID, Name: server.Name, Dir: x.dir})
		if err != nil {
			return c, fmt.Errorf("encoding a directory: %w", err)
		}
		*x.to = string(text)
	}
	if t.Undo != 0 {
		n, err := one[int64](tx, `SELECT COUNT(*) FROM targets t JOIN changes d ON d.id = t.change_id WHERE d.project_id = ? AND d.number = ? AND d.number > 0
			AND t.kind = 'tomcat_dir' AND t.host_id = ? AND t.before = ? AND t.wanted = ?`, server.ProjectID, t.Undo, server.HostID, t.Dir, before)
		if err != nil {
			return c, fmt.Errorf("the change to undo: %w", err)
		}
		if n > 0 {
			c.UndoOf = t.Undo
		}
	}
	if err := tx.Create(&c).Error; err != nil {
		return c, fmt.Errorf("storing a plan: %w", err)
	}
	target := wtp.Target{
		ChangeID: c.ID, Seq: 1, ProjectID: server.ProjectID, Kind: wtp.TomcatDir, HostID: server.HostID, Name: server.Name, PrivateIP: server.PrivateIP, GroupName: server.GroupName,
		Before: before, Wanted: t.Dir, Bucket: wtp.WillChange, Outcome: wtp.TargetPlanned,
	}
	if err := tx.Create(&target).Error; err != nil {
		return c, fmt.Errorf("storing a target: %w", err)
	}
	return c, shiftCounts(tx, nil, []countCell{cellOf(target)})
}

// knownDir is the condition that the Tomcat bin directory of a target (as t) is known
// and set.
const knownDir = "EXISTS (SELECT 1 FROM tomcat_dirs d WHERE d.project_id = t.project_id AND d.host_id = t.host_id AND d.dir <> '')"

// NoTomcatDir is how many of the servers that a plan or change sends have no known
// Tomcat bin directory. Its cost grows with the directories that are known.
func (s *Store) NoTomcatDir(ctx context.Context, c wtp.Change) (int64, error) {
	known, err := one[int64](s.reader(ctx), `SELECT COUNT(*) FROM tomcat_dirs d WHERE d.project_id = ? AND d.dir <> ''
		AND 0 < (SELECT COUNT(*) FROM targets t WHERE t.project_id = d.project_id AND t.host_id = d.host_id AND t.change_id = ? AND t.bucket IN ?)`, c.ProjectID, c.ID, sentBuckets())
	if err != nil {
		return 0, fmt.Errorf("counting Tomcat bin directories: %w", err)
	}
	return max(c.ToSend-known, 0), nil
}

// TargetsWithoutDir reads a page of those servers in the order of the plan, after a
// seq, with the directories that were read as not set.
func (s *Store) TargetsWithoutDir(ctx context.Context, changeID, after int64, limit int) ([]wtp.Target, error) {
	ts, err := many[wtp.Target](s.reader(ctx), "SELECT * FROM targets t WHERE t.change_id = ? AND t.seq > ? AND t.bucket IN ? AND NOT "+knownDir+" ORDER BY t.seq LIMIT ?",
		changeID, after, sentBuckets(), page(limit))
	if err != nil {
		return nil, fmt.Errorf("reading targets: %w", err)
	}
	return ts, nil
}
