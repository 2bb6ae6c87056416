package db

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// OpenWith opens with other migrations than this version's.
func OpenWith(ctx context.Context, c Config, numbered fs.FS) (*Store, error) {
	return openWith(ctx, c, numbered)
}

// Writer and Reader are the handles, for tests that look underneath.
func (s *Store) Writer() *gorm.DB { return s.write }

// Reader is the handle that can't write.
func (s *Store) Reader() *gorm.DB { return s.read }

// EventHash is the hash of an event.
func EventHash(e wtp.Event) string { return eventHash(e) }

// Older compares versions.
func Older(a, b string) bool { return older(a, b) }

// Slug makes a project's address.
func Slug(name, region string) string { return slug(name, region) }

// Clean makes text fit for the database.
func Clean(s string, limit int) string { return clean(s, limit) }

// keptBatches and countedBatches are the same by the counters and by the rows.
const (
	keptBatches    = "SELECT change_id, box, waiting, sending, unclear, accepted, refused, split, unknown, mixed, stopped FROM batch_counts"
	countedBatches = `SELECT change_id, box, SUM(CASE state WHEN 'waiting' THEN 1 ELSE 0 END), SUM(CASE state WHEN 'sending' THEN 1 ELSE 0 END), SUM(CASE state WHEN 'unclear' THEN 1 ELSE 0 END),
		SUM(CASE state WHEN 'accepted' THEN 1 ELSE 0 END), SUM(CASE state WHEN 'refused' THEN 1 ELSE 0 END), SUM(CASE state WHEN 'split' THEN 1 ELSE 0 END),
		SUM(CASE state WHEN 'unknown' THEN 1 ELSE 0 END), SUM(CASE state WHEN 'mixed' THEN 1 ELSE 0 END), SUM(CASE state WHEN 'stopped' THEN 1 ELSE 0 END) FROM batches GROUP BY change_id, box`
)

// Check holds everything that is kept twice against what it is kept of: counters
// against COUNT(*), batches against their targets, states against each other,
// the chain of events.
func (s *Store) Check(ctx context.Context) error {
	g := s.read.WithContext(ctx)
	var errs []error
	none := func(what, query string) {
		rows, err := many[map[string]any](g, query)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
		for _, r := range rows {
			errs = append(errs, fmt.Errorf("%s: %v", what, r))
		}
	}
	counted := "SELECT " + cellSQL + ", COUNT(*) AS n FROM targets t GROUP BY 1, 2, 3, 4, 5"
	kept := "SELECT change_id, bucket, why, outcome, confirmed, n FROM change_counts WHERE n > 0"
	none("targets not in change_counts", "SELECT * FROM ("+counted+") x EXCEPT "+kept)
	none("change_counts without targets", kept+" EXCEPT SELECT * FROM ("+counted+") x")
	none("batches that batch_counts doesn't count", "SELECT * FROM ("+countedBatches+") x EXCEPT "+keptBatches)
	none("batch_counts without batches", keptBatches+" EXCEPT SELECT * FROM ("+countedBatches+") x")
	none("batch in another box than the one it was cut from", "SELECT b.id, b.box FROM batches b JOIN batches p ON p.id = b.parent WHERE b.box <> p.box")
	none("wrong target_count", "SELECT id, target_count FROM changes c WHERE state <> 'dropped' AND target_count <> (SELECT COUNT(*) FROM targets t WHERE t.change_id = c.id)")
	none("wrong to_send", "SELECT id, to_send FROM changes c WHERE to_send <> (SELECT COUNT(*) FROM targets t WHERE t.change_id = c.id AND t.bucket NOT IN ('already_so', 'cannot'))")
	none("open target outside a batch of its state", `SELECT t.change_id, t.seq, t.outcome FROM targets t LEFT JOIN batches b ON b.id = t.batch_id AND b.change_id = t.change_id
		WHERE t.outcome IN ('waiting', 'sending', 'unclear') AND (b.state IS NULL OR b.state <> t.outcome)`)
	none("open batch without targets", `SELECT b.id, b.state FROM batches b WHERE b.state IN ('waiting', 'sending', 'unclear')
		AND NOT EXISTS (SELECT 1 FROM targets t WHERE t.batch_id = b.id AND t.outcome = b.state)`)
	none("batch that says other than its targets", `SELECT b.id, b.state FROM batches b WHERE b.state IN ('accepted', 'refused', 'unknown', 'stopped')
		AND EXISTS (SELECT 1 FROM targets t WHERE t.batch_id = b.id AND t.outcome <> b.state)`)
	none("split batch with targets in flight", "SELECT b.id FROM batches b JOIN targets t ON t.batch_id = b.id WHERE b.state = 'split' AND t.outcome IN ('waiting', 'sending', 'unclear')")
	none("too many in a batch", "SELECT batch_id, COUNT(*) AS n FROM targets WHERE batch_id > 0 GROUP BY batch_id HAVING COUNT(*) > 200")
	none("change that is over with open targets", `SELECT c.id, c.state FROM changes c WHERE c.state IN ('planned', 'dropped', 'done', 'stopped')
		AND EXISTS (SELECT 1 FROM targets t WHERE t.change_id = c.id AND t.outcome IN ('waiting', 'sending', 'unclear'))`)
	none("confirmed change with planned targets", "SELECT c.id FROM changes c JOIN targets t ON t.change_id = c.id WHERE c.number > 0 AND t.outcome = 'planned'")
	none("decided target without a time", "SELECT change_id, seq FROM targets WHERE outcome IN ('accepted', 'refused', 'unknown', 'stopped') AND decided_at = 0")
	none("gap in the numbers", "SELECT p.id, p.last_number FROM projects p WHERE p.last_number <> (SELECT COUNT(*) FROM changes c WHERE c.project_id = p.id AND c.number > 0)")
	none("change that isn't in the history", `SELECT c.id FROM changes c WHERE c.number > 0
		AND NOT EXISTS (SELECT 1 FROM events e WHERE e.seq = c.event_seq AND e.verb = 'change.confirmed' AND e.change_id = c.id)`)
	none("selection's size", "SELECT user_id, project_id, n FROM selections s WHERE n <> (SELECT COUNT(*) FROM selection_hosts h WHERE h.user_id = s.user_id AND h.project_id = s.project_id)")
	none("set's size", "SELECT id, n FROM server_sets t WHERE n <> (SELECT COUNT(*) FROM server_set_hosts h WHERE h.set_id = t.id)")
	none("counts of a pasted list", `SELECT i.id FROM imports i WHERE i.entries <> (SELECT COUNT(*) FROM import_lines l WHERE l.import_id = i.id)
		OR i.found <> (SELECT COUNT(*) FROM import_lines l WHERE l.import_id = i.id AND l.result = 'found')`)
	none("project's counters", `SELECT p.id FROM projects p WHERE p.server_count <> (SELECT COUNT(*) FROM servers s WHERE s.project_id = p.id)
		OR p.unlisted <> (SELECT COUNT(*) FROM servers s WHERE s.project_id = p.id AND s.asset_value = 'unlisted')
		OR p.backup_count <> (SELECT COUNT(*) FROM backup_servers b WHERE b.project_id = p.id)
		OR p.backup_trouble <> (SELECT COUNT(*) FROM backup_servers b WHERE b.project_id = p.id AND b.status <> 1)`)
	none("group counters", `SELECT project_id, name, total, dynamic_on FROM group_counts EXCEPT
		SELECT project_id, group_name, COUNT(*), SUM(CASE WHEN dynamic = 'opened' THEN 1 ELSE 0 END) FROM servers GROUP BY project_id, group_name`)
	none("group counters that don't add up", "SELECT project_id, name FROM group_counts WHERE total <> dynamic_on + dynamic_off + cannot")
	none("groups not counted", `SELECT DISTINCT project_id, group_name FROM servers EXCEPT SELECT project_id, name FROM group_counts`)
	none("use of backup servers", `SELECT project_id, backup_host_id, group_name, n FROM backup_use EXCEPT
		SELECT project_id, backup_host_id, group_name, COUNT(*) FROM servers WHERE backup_host_id <> '' GROUP BY project_id, backup_host_id, group_name`)
	const addrs = "SELECT project_id, backup_host_id, addr, COUNT(*) AS n FROM remote_addrs GROUP BY project_id, backup_host_id, addr"
	none("addresses not counted", addrs+" EXCEPT SELECT project_id, backup_host_id, addr, n FROM remote_addr_counts")
	none("counters of addresses that aren't there", "SELECT project_id, backup_host_id, addr, n FROM remote_addr_counts WHERE n > 0 EXCEPT SELECT * FROM ("+addrs+") x")
	none("counter of the restart list", `SELECT c.project_id, c.n FROM restart_counts c WHERE c.n <> (SELECT COUNT(*) FROM restarts r WHERE r.project_id = c.project_id AND r.state = 'open')`)
	none("restart list not counted", "SELECT project_id FROM restarts WHERE state = 'open' EXCEPT SELECT project_id FROM restart_counts WHERE n > 0")
	none("search in a change that is over", "SELECT DISTINCT s.change_id FROM suspects s JOIN changes c ON c.id = s.change_id WHERE c.state IN ('done', 'stopped')")
	if n, bad, err := s.VerifyEvents(ctx); err != nil || bad != 0 {
		errs = append(errs, fmt.Errorf("history: %d events hold, event %d doesn't: %w", n, bad, err))
	}
	return errors.Join(errs...)
}

// Watch calls seen with every statement that goes through GORM.
func (s *Store) Watch(seen func(query string, vars []any)) error {
	note := func(g *gorm.DB) { seen(g.Statement.SQL.String(), g.Statement.Vars) }
	var errs []error
	for _, g := range []*gorm.DB{s.read, s.write} {
		errs = append(errs, g.Callback().Query().After("gorm:query").Register("watch", note),
			g.Callback().Row().After("gorm:row").Register("watch", note), g.Callback().Raw().After("gorm:raw").Register("watch", note))
	}
	return errors.Join(errs...)
}
