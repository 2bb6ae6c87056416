package db

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// SetQuery chooses servers of a set, in its order.
type SetQuery struct {
	SetID int64
	Gone  bool  // only those that HSS no longer lists
	After int64 // seq
	Limit int   // 0: 50
}

// ServerSets lists the sets of a project, by name.
func (s *Store) ServerSets(ctx context.Context, projectID int64) ([]wtp.ServerSet, error) {
	return many[wtp.ServerSet](s.reader(ctx), "SELECT * FROM server_sets WHERE project_id = ? ORDER BY name_key, id", projectID)
}

// ServerSet finds a set by the random name in its address.
func (s *Store) ServerSet(ctx context.Context, projectID int64, uid string) (wtp.ServerSet, error) {
	return one[wtp.ServerSet](s.reader(ctx), "SELECT * FROM server_sets WHERE project_id = ? AND uid = ?", projectID, clean(uid, maxName))
}

// SetServers reads a page of the servers of a set, as they are now.
func (s *Store) SetServers(ctx context.Context, q SetQuery) ([]wtp.SetServer, error) {
	gone := ""
	if q.Gone {
		gone = " AND s.host_id IS NULL"
	}
	rows, err := many[wtp.SetServer](s.reader(ctx), `SELECT h.seq, t.project_id, h.host_id, COALESCE(s.name, h.name) AS name, COALESCE(s.private_ip, '') AS private_ip,
			COALESCE(s.group_name, '') AS group_name, COALESCE(s.os, '') AS os, COALESCE(s.agent_status, '') AS agent_status,
			COALESCE(s.protect_status, '') AS protect_status, COALESCE(s.dynamic, '') AS dynamic, s.host_id IS NULL AS gone
		FROM server_set_hosts h JOIN server_sets t ON t.id = h.set_id LEFT JOIN servers s ON s.project_id = t.project_id AND s.host_id = h.host_id
		WHERE h.set_id = ? AND h.seq > ?`+gone+" ORDER BY h.seq LIMIT ?", q.SetID, q.After, page(q.Limit))
	if err != nil {
		return nil, fmt.Errorf("servers of a set: %w", err)
	}
	return rows, nil
}

// SetGone counts the servers of a set that HSS no longer lists.
func (s *Store) SetGone(ctx context.Context, setID int64) (int64, error) {
	return one[int64](s.reader(ctx), `SELECT COUNT(*) FROM server_set_hosts h JOIN server_sets t ON t.id = h.set_id
		WHERE h.set_id = ? AND NOT EXISTS (SELECT 1 FROM servers s WHERE s.project_id = t.project_id AND s.host_id = h.host_id)`, setID)
}

// SetChanges reads the confirmed changes whose servers were exactly the set's
// when they were planned, newest first; before is an EventSeq, 0 for the newest.
func (s *Store) SetChanges(ctx context.Context, set wtp.ServerSet, before int64, limit int) ([]ChangeRow, error) {
	return s.changeRows(ctx, "c.project_id = ? AND c.event_seq > 0 AND c.selection LIKE ? AND (CAST(? AS bigint) = 0 OR c.event_seq < ?) ORDER BY c.event_seq DESC LIMIT ?",
		set.ProjectID, wtp.SetSelection(set.UID, "%"), before, before, page(limit))
}

// SetEvents reads what was done to a set, newest first: that it was saved, renamed
// and given other servers. before is a seq, 0 for the newest. An event names its set
// as it was called then, and a name is one set's at a time; so the way back goes from
// each renaming to the name before it, and ends where the set was saved first.
func (s *Store) SetEvents(ctx context.Context, set wtp.ServerSet, before int64, limit int) ([]wtp.Event, error) {
	var found []wtp.Event
	name, at := set.Name, int64(math.MaxInt64)
	for {
		rows, err := many[wtp.Event](s.reader(ctx), `SELECT * FROM events WHERE project_id = ? AND subject = ? AND seq < ?
			AND verb IN ('set.created', 'set.renamed', 'set.replaced', 'set.deleted') ORDER BY seq DESC LIMIT ?`, set.ProjectID, name, at, page(limit))
		if err != nil {
			return nil, fmt.Errorf("history of a set: %w", err)
		}
		was := name
		for _, e := range rows {
			at = e.Seq
			if before == 0 || e.Seq < before {
				found = append(found, e)
			}
			if len(found) == page(limit) || e.Verb == "set.created" {
				return found, nil
			}
			if e.Verb == "set.renamed" {
				if was, err = nameBefore(e); err != nil {
					return nil, err
				}
				break
			}
		}
		if was == name && len(rows) < page(limit) {
			return found, nil
		}
		name = was
	}
}

// nameBefore is what a set was called until this renaming.
func nameBefore(e wtp.Event) (string, error) {
	var names struct{ Before string }
	if err := json.Unmarshal([]byte(e.Detail), &names); err != nil {
		return "", fmt.Errorf("detail of event %d: %w", e.Seq, err)
	}
	return names.Before, nil
}

// SaveSet keeps a person's selection under a name. An empty selection, a name
// that is taken or breaks the rules is a wtp.Invalid.
func (s *Store) SaveSet(ctx context.Context, actor wtp.Actor, projectID int64, name string) (wtp.ServerSet, error) {
	var set wtp.ServerSet
	name, err := wtp.CheckSetName(name)
	if err != nil {
		return set, err
	}
	err = s.tx(ctx, func(tx *gorm.DB) error {
		if _, err := s.lockProject(tx, projectID); err != nil {
			return err
		}
		if err := nameFree(tx, projectID, 0, name); err != nil {
			return err
		}
		n, err := one[int64](tx, "SELECT COUNT(*) FROM selection_hosts WHERE user_id = ? AND project_id = ?", actor.UserID, projectID)
		if err != nil {
			return fmt.Errorf("saving a set: %w", err)
		}
		if n == 0 {
			return invalid("name", "Select at least one server first. Nothing was saved.")
		}
		now, who := s.Now(), clean(actor.Name, maxName)
		set = wtp.ServerSet{UID: rand.Text(), ProjectID: projectID, Name: name, NameKey: strings.ToLower(name), N: n,
			CreatedBy: actor.UserID, CreatedByName: who, CreatedAt: now, ChangedByName: who, ChangedAt: now}
		if err := tx.Create(&set).Error; err != nil {
			return fmt.Errorf("saving a set: %w", err)
		}
		if err := fillSet(tx, set.ID, actor.UserID, projectID); err != nil {
			return err
		}
		_, err = s.record(tx, actor, wtp.Event{Verb: "set.created", ProjectID: projectID, Subject: set.Name}, map[string]any{"servers": n})
		return err
	})
	return set, err
}

// fillSet copies a person's selection into an empty set, in the order of names.
func fillSet(tx *gorm.DB, setID, userID, projectID int64) error {
	if _, err := exec(tx, `INSERT INTO server_set_hosts (set_id, seq, host_id, name)
		SELECT CAST(? AS bigint), row_number() OVER (ORDER BY CASE WHEN s.host_id IS NULL THEN 1 ELSE 0 END, s.name_key, h.host_id), h.host_id, COALESCE(s.name, '')
		FROM selection_hosts h LEFT JOIN servers s ON s.project_id = h.project_id AND s.host_id = h.host_id WHERE h.user_id = ? AND h.project_id = ?`,
		setID, userID, projectID); err != nil {
		return fmt.Errorf("filling a set: %w", err)
	}
	return nil
}

// RenameSet gives a set another name. changedAt is the ServerSet.ChangedAt that
// the person saw; if somebody changed the set since, it is a wtp.Refused.
func (s *Store) RenameSet(ctx context.Context, actor wtp.Actor, projectID int64, uid string, changedAt wtp.Instant, name string) error {
	name, err := wtp.CheckSetName(name)
	if err != nil {
		return err
	}
	return s.tx(ctx, func(tx *gorm.DB) error {
		set, err := s.lockSet(tx, projectID, uid, changedAt)
		if err != nil || name == set.Name {
			return err
		}
		if err := nameFree(tx, projectID, set.ID, name); err != nil {
			return err
		}
		if err := s.touchSet(tx, actor, set, "name = ?, name_key = ?", name, strings.ToLower(name)); err != nil {
			return err
		}
		_, err = s.record(tx, actor, wtp.Event{Verb: "set.renamed", ProjectID: projectID, Subject: name}, map[string]any{"before": set.Name, "after": name})
		return err
	})
}

// ReplaceSet makes a set hold the person's selection. changedAt is as in
// RenameSet; an empty selection is a wtp.Refused.
func (s *Store) ReplaceSet(ctx context.Context, actor wtp.Actor, projectID int64, uid string, changedAt wtp.Instant) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		set, err := s.lockSet(tx, projectID, uid, changedAt)
		if err != nil {
			return err
		}
		n, err := one[int64](tx, "SELECT COUNT(*) FROM selection_hosts WHERE user_id = ? AND project_id = ?", actor.UserID, projectID)
		if err != nil {
			return fmt.Errorf("replacing a set: %w", err)
		}
		if n == 0 {
			return conflict("No server is selected. The set stays as it is.")
		}
		added, err := one[int64](tx, `SELECT COUNT(*) FROM selection_hosts h WHERE h.user_id = ? AND h.project_id = ?
			AND NOT EXISTS (SELECT 1 FROM server_set_hosts o WHERE o.set_id = ? AND o.host_id = h.host_id)`, actor.UserID, projectID, set.ID)
		if err != nil {
			return fmt.Errorf("replacing a set: %w", err)
		}
		if _, err := exec(tx, "DELETE FROM server_set_hosts WHERE set_id = ?", set.ID); err != nil {
			return fmt.Errorf("replacing a set: %w", err)
		}
		if err := fillSet(tx, set.ID, actor.UserID, projectID); err != nil {
			return err
		}
		if err := s.touchSet(tx, actor, set, "n = ?", n); err != nil {
			return err
		}
		_, err = s.record(tx, actor, wtp.Event{Verb: "set.replaced", ProjectID: projectID, Subject: set.Name},
			map[string]any{"before": set.N, "after": n, "added": added, "removed": set.N - (n - added)})
		return err
	})
}

// DeleteSet removes a set; the servers and the changes stay. changedAt is as in
// RenameSet.
func (s *Store) DeleteSet(ctx context.Context, actor wtp.Actor, projectID int64, uid string, changedAt wtp.Instant) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		set, err := s.lockSet(tx, projectID, uid, changedAt)
		if err != nil {
			return err
		}
		for _, q := range []string{"DELETE FROM server_set_hosts WHERE set_id = ?", "DELETE FROM server_sets WHERE id = ?"} {
			if _, err := exec(tx, q, set.ID); err != nil {
				return fmt.Errorf("deleting a set: %w", err)
			}
		}
		_, err = s.record(tx, actor, wtp.Event{Verb: "set.deleted", ProjectID: projectID, Subject: set.Name}, map[string]any{"servers": set.N})
		return err
	})
}

// SelectSet adds the servers of a set to a person's selection, or with only
// makes the selection just these; n is its size afterwards. shown is how many
// the person saw: if the set has another size now, nothing is selected.
func (s *Store) SelectSet(ctx context.Context, userID, projectID int64, uid string, shown int64, only bool) (n int64, err error) {
	return s.selectTx(ctx, userID, projectID, func(tx *gorm.DB) (int64, error) {
		set, err := one[wtp.ServerSet](tx, "SELECT * FROM server_sets WHERE project_id = ? AND uid = ?"+s.forUpdate(), projectID, clean(uid, maxName))
		if err != nil {
			return 0, err
		}
		if set.N != shown {
			return 0, conflict("The set has %d servers now, not %d. Nothing was selected; look at it again.", set.N, shown)
		}
		var gone int64
		if only {
			if gone, err = exec(tx, "DELETE FROM selection_hosts WHERE user_id = ? AND project_id = ?", userID, projectID); err != nil {
				return 0, err
			}
		}
		added, err := exec(tx, `INSERT INTO selection_hosts (user_id, project_id, host_id)
			SELECT CAST(? AS bigint), CAST(? AS bigint), host_id FROM server_set_hosts WHERE set_id = ? ON CONFLICT DO NOTHING`, userID, projectID, set.ID)
		return added - gone, err
	})
}

// selectedSet is Change.Selection for a plan of a person's selection: it names
// the set that holds exactly these servers, "" if none does.
func selectedSet(tx *gorm.DB, userID, projectID int64) (string, error) {
	set, err := one[wtp.ServerSet](tx, `SELECT t.* FROM server_sets t JOIN selections n ON n.user_id = ? AND n.project_id = t.project_id AND n.n = t.n
		WHERE t.project_id = ? AND NOT EXISTS (SELECT 1 FROM server_set_hosts h WHERE h.set_id = t.id AND NOT EXISTS (
			SELECT 1 FROM selection_hosts p WHERE p.user_id = n.user_id AND p.project_id = n.project_id AND p.host_id = h.host_id))
		ORDER BY t.changed_at DESC, t.id DESC LIMIT 1`, userID, projectID)
	if errors.Is(err, wtp.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("looking for the set that is selected: %w", err)
	}
	return wtp.SetSelection(set.UID, set.Name), nil
}

// lockSet reads a set that is as the person saw it, and locks it.
func (s *Store) lockSet(tx *gorm.DB, projectID int64, uid string, changedAt wtp.Instant) (wtp.ServerSet, error) {
	if _, err := s.lockProject(tx, projectID); err != nil { // names are unique in a project
		return wtp.ServerSet{}, err
	}
	set, err := one[wtp.ServerSet](tx, "SELECT * FROM server_sets WHERE project_id = ? AND uid = ?"+s.forUpdate(), projectID, clean(uid, maxName))
	if err == nil && set.ChangedAt != changedAt {
		err = conflict("%s changed this set meanwhile. Nothing was done; look at it as it is now.", set.ChangedByName)
	}
	return set, err
}

// touchSet writes a change of a set and who made it.
func (s *Store) touchSet(tx *gorm.DB, actor wtp.Actor, set wtp.ServerSet, change string, args ...any) error {
	at := max(s.Now(), set.ChangedAt+1)
	return moved(exec(tx, "UPDATE server_sets SET changed_by_name = ?, changed_at = ?, "+change+" WHERE id = ?",
		append([]any{clean(actor.Name, maxName), at}, append(args, set.ID)...)...))
}

// nameFree refuses a name that another set of the project has.
func nameFree(tx *gorm.DB, projectID, but int64, name string) error {
	n, err := one[int64](tx, "SELECT COUNT(*) FROM server_sets WHERE project_id = ? AND name_key = ? AND id <> ?", projectID, strings.ToLower(name), but)
	if err != nil {
		return fmt.Errorf("names of sets: %w", err)
	}
	if n > 0 {
		return invalid("name", "Another set has this name.")
	}
	return nil
}
