package db

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// PlanSource says where the servers of a plan come from: exactly one is given.
type PlanSource struct {
	Selection bool              // the person's selection in the project
	HostIDs   []string          // these
	Filter    *wtp.ServerFilter // all that match
	UndoOf    int64             // what the change of this number really switched
	RetryOf   int64             // those of the change of this number that ended with one of Outcomes
	Outcomes  []wtp.Outcome     // refused, unknown, stopped; for RetryOf
}

// source is where the servers of a plan come from, as SQL.
type source struct {
	with     string // begins the WITH clause; "" or a query for "picked", which names hosts
	withArgs []any
	where    string // over servers as s, if there is no with
	args     []any
}

// source is the source as SQL, and the filter as it is kept.
func (s *Store) source(actor wtp.Actor, project int64, from PlanSource) (src source, kept string, err error) {
	given := 0
	if from.Selection {
		given++
		src = source{with: "SELECT host_id FROM selection_hosts WHERE user_id = ? AND project_id = ?", withArgs: []any{actor.UserID, project}}
	}
	if from.HostIDs != nil {
		given++
		list, err := jsonList(cleanHosts(from.HostIDs))
		if err != nil {
			return source{}, "", err
		}
		src = source{with: "SELECT DISTINCT value AS host_id FROM " + s.eachText() + " v", withArgs: []any{list}}
	}
	if from.Filter != nil {
		given++
		where, args := serverWhere(*from.Filter)
		src = source{where: where, args: args}
		kept = from.Filter.Values().Encode()
	}
	if from.UndoOf != 0 {
		given++
	}
	if from.RetryOf != 0 {
		given++
	}
	if (from.UndoOf != 0 || from.RetryOf != 0) && given == 1 {
		src, err = linkedSource(project, from)
		return src, "", err
	}
	if given != 1 {
		return source{}, "", invalid("selection", "Choose at least one server. Nothing was planned.")
	}
	return src, kept, nil
}

// PlanDynamicWTP plans to turn dynamic WTP on or off: one transaction freezes
// the servers, each in its bucket, in the order of their names; those not in
// the inventory come last. A plan of no servers is a wtp.Invalid. The plan can be
// confirmed for as long as validFor.
func (s *Store) PlanDynamicWTP(ctx context.Context, actor wtp.Actor, projectID int64, d wtp.Direction, from PlanSource, validFor time.Duration) (wtp.Change, error) {
	if _, err := wtp.ParseDirection([]string{string(d)}); err != nil {
		return wtp.Change{}, err
	}
	var c wtp.Change
	err := s.tx(ctx, func(tx *gorm.DB) error {
		if _, err := s.lockProject(tx, projectID); err != nil {
			return err
		}
		src, kept, err := s.source(actor, projectID, from)
		if err != nil {
			return err
		}
		if from.Selection {
			if kept, err = selectedSet(tx, actor.UserID, projectID); err != nil {
				return err
			}
		}
		now := s.Now()
		c = wtp.Change{
			UID: rand.Text(), ProjectID: projectID, Kind: wtp.DynamicWTP, Direction: d, State: wtp.Planned, Selection: kept,
			PlannedBy: actor.UserID, PlannedByName: clean(actor.Name, maxName), PlannedAt: now, ExpiresAt: now.Add(validFor),
		}
		if err := link(tx, &c, from); err != nil {
			return err
		}
		if c, err = s.freeze(tx, c, src); err != nil {
			return err
		}
		if c.TargetCount == 0 {
			return noTargets(from)
		}
		return nil
	})
	return c, err
}

// freeze stores a plan and its targets: the servers of the source, as they are
// now. The database joins them; none passes through the program.
func (s *Store) freeze(tx *gorm.DB, c wtp.Change, src source) (wtp.Change, error) {
	if err := tx.Create(&c).Error; err != nil {
		return c, fmt.Errorf("storing a plan: %w", err)
	}
	classes, err := s.classes(tx, c.ProjectID, c.Direction)
	if err != nil {
		return c, err
	}
	j, err := judge(tx, c)
	if err != nil {
		return c, err
	}
	with, host, order := s.classesSQL(), "s.host_id", "s.name_key, s.host_id"
	from, where := "servers s", "s.project_id = ? AND "+src.where
	if src.with != "" {
		with += ", picked AS (" + src.with + ")"
		host, order = "p.host_id", "CASE WHEN s.host_id IS NULL THEN 1 ELSE 0 END, s.name_key, p.host_id"
		from, where = "picked p LEFT JOIN servers s ON s.project_id = ? AND s.host_id = p.host_id", "1 = 1"
	}
	args := slices.Concat([]any{classes}, src.withArgs, []any{c.ID, c.ProjectID, c.Direction.Wanted(), c.ProjectID}, j.args, src.args)
	n, err := exec(tx, "WITH "+with+`
		INSERT INTO targets (change_id, seq, project_id, kind, host_id, name, private_ip, group_name, before, wanted, bucket, why, outcome)
		SELECT CAST(? AS bigint), row_number() OVER (ORDER BY `+order+`),
			CAST(? AS bigint), 'dynamic_wtp', `+host+`, COALESCE(s.name, ''), COALESCE(s.private_ip, ''), COALESCE(s.group_name, ''), COALESCE(s.dynamic, ''),
			CAST(? AS text), `+j.bucket+", "+j.why+`, 'planned'
		FROM `+from+j.join+" LEFT JOIN classes c ON "+classOf+" WHERE "+where, args...)
	if err != nil {
		return c, fmt.Errorf("storing targets: %w", err)
	}
	if _, err := exec(tx, "INSERT INTO change_counts (change_id, bucket, why, outcome, confirmed, n) SELECT "+cellSQL+", COUNT(*) FROM targets t WHERE t.change_id = ? GROUP BY 1, 2, 3, 4, 5", c.ID); err != nil {
		return c, fmt.Errorf("counting targets: %w", err)
	}
	c.TargetCount = n
	if c.ToSend, err = one[int64](tx, "SELECT CAST(COALESCE(SUM(n), 0) AS bigint) FROM change_counts WHERE change_id = ? AND bucket IN ?", c.ID, sentBuckets()); err != nil {
		return c, fmt.Errorf("counting targets: %w", err)
	}
	return c, moved(exec(tx, "UPDATE changes SET target_count = ?, to_send = ? WHERE id = ?", c.TargetCount, c.ToSend, c.ID))
}

// sentBuckets are the buckets that are sent to HSS.
func sentBuckets() []wtp.Bucket {
	var out []wtp.Bucket
	for _, b := range wtp.Buckets() {
		if b.Sent() {
			out = append(out, b)
		}
	}
	return out
}

// classOf joins a server (s) and a picked host (p) with its class (c).
const classOf = `c.os = s.os AND c.dynamic = s.dynamic AND c.agent = s.agent_status AND c.protect = s.protect_status AND c.asset = s.asset_value
	AND c.attacked = CASE WHEN s.static_attacks + s.dynamic_attacks > 0 THEN '1' ELSE '0' END
	AND c.open = CASE WHEN EXISTS (SELECT 1 FROM targets o WHERE o.project_id = s.project_id AND o.kind = 'dynamic_wtp' AND o.host_id = s.host_id
		AND o.outcome IN ('waiting', 'sending', 'unclear')) THEN '1' ELSE '0' END`

// classesSQL is the table of classes as a part of WITH; its one parameter comes
// from classes.
func (s *Store) classesSQL() string {
	var cols []string
	for i, name := range []string{"os", "dynamic", "agent", "protect", "asset", "attacked", "open", "bucket", "why"} {
		cols = append(cols, fmt.Sprintf("v.value ->> %d AS %s", i, name))
	}
	return "classes AS MATERIALIZED (SELECT " + strings.Join(cols, ", ") + " FROM " + s.each() + " v)"
}

// classes asks wtp.Classify once for each kind of server the project has,
// however many there are of it: the rule stays in one place, and the database
// puts the servers into their buckets.
func (s *Store) classes(tx *gorm.DB, project int64, d wtp.Direction) (string, error) {
	kinds, err := many[wtp.Server](tx, `SELECT DISTINCT os, dynamic, agent_status, protect_status, asset_value,
		CASE WHEN static_attacks + dynamic_attacks > 0 THEN 1 ELSE 0 END AS static_attacks FROM servers WHERE project_id = ?`, project)
	if err != nil {
		return "", fmt.Errorf("kinds of servers: %w", err)
	}
	rows := make([][9]string, 0, 2*len(kinds))
	for _, k := range kinds {
		attacked := "0"
		if k.Attacks() > 0 {
			attacked = "1"
		}
		for open, word := range map[bool]string{false: "0", true: "1"} {
			b, why := wtp.Classify(k, d, open)
			rows = append(rows, [9]string{k.OS, k.Dynamic, k.AgentStatus, k.ProtectStatus, k.AssetValue, attacked, word, string(b), string(why)})
		}
	}
	return jsonList(rows)
}

// Plan finds a plan by the random name in its address. One that was confirmed
// or dropped is found too: State tells.
func (s *Store) Plan(ctx context.Context, projectID int64, uid string) (wtp.Change, error) {
	return one[wtp.Change](s.reader(ctx), "SELECT * FROM changes WHERE project_id = ? AND uid = ?", projectID, clean(uid, maxName))
}

// lockPlan reads a plan that can still be confirmed and locks it. The error
// says why it can't be.
func (s *Store) lockPlan(tx *gorm.DB, projectID int64, uid string) (wtp.Change, error) {
	c, err := one[wtp.Change](tx, "SELECT * FROM changes WHERE project_id = ? AND uid = ?"+s.forUpdate(), projectID, clean(uid, maxName))
	switch {
	case err != nil:
		return c, err
	case c.State == wtp.Dropped:
		return c, conflict("This plan was replaced or dropped. Nothing was sent.")
	case c.State != wtp.Planned:
		return c, conflict("%s has confirmed this already, as change %d.", c.ConfirmedByName, c.Number)
	}
	return c, nil
}

// Drop gives a plan up. One confirmed already is a wtp.Refused.
func (s *Store) Drop(ctx context.Context, actor wtp.Actor, projectID int64, uid string) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		c, err := s.lockPlan(tx, projectID, uid)
		if err != nil {
			return err
		}
		s.log.DebugContext(ctx, "plan dropped", "change", c.ID, "user", actor.Name)
		return moveChange(tx, c.ID, []wtp.ChangeState{wtp.Planned}, wtp.Dropped)
	})
}

// inTheWay looks for a server of the plan that another open change has.
func inTheWay(tx *gorm.DB, c wtp.Change) error {
	// A subquery for each target, not a join: it is one look into the unique index
	// of open targets, whatever the planner believes of a table just filled.
	other, err := one[wtp.Change](tx, `SELECT * FROM changes WHERE id = (SELECT MIN(x.other) FROM (
		SELECT (SELECT o.change_id FROM targets o WHERE o.project_id = t.project_id AND o.kind = t.kind AND o.host_id = t.host_id
			AND o.outcome IN ('waiting', 'sending', 'unclear')) AS other
		FROM targets t WHERE t.change_id = ? AND t.bucket IN ?) x)`, c.ID, sentBuckets())
	if errors.Is(err, wtp.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for other changes: %w", err)
	}
	return conflict("Change %d of %s is still under way for some of these servers. Wait for it or stop it, then plan again.", other.Number, other.ConfirmedByName)
}
