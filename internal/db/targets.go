package db

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"wtp-console/internal/wtp"
)

// TargetQuery chooses targets of a change, or of a plan, in the order of the plan.
type TargetQuery struct {
	ChangeID int64
	Outcome  wtp.Outcome // "": any
	Bucket   wtp.Bucket  // "": any
	Why      wtp.Why     // "": any
	Seen     wtp.Seen    // "": any
	Query    string      // part of name, private address or host ID; "": any
	After    int64       // seq; only those after it
	Before   int64       // seq; the last ones before it; 0: not given
	Limit    int         // 0: 50
}

// where is a query as a condition on targets; its page is left out.
func (q TargetQuery) where() (string, []any) {
	where, args := []string{"change_id = ?"}, []any{q.ChangeID}
	add := func(cond string, vs ...any) {
		where = append(where, cond)
		args = append(args, vs...)
	}
	if q.Outcome != "" {
		add("outcome = ?", q.Outcome)
	}
	if q.Bucket != "" {
		add("bucket = ?", q.Bucket)
	}
	if q.Why != "" {
		add("why = ?", q.Why)
	}
	switch q.Seen {
	case wtp.SeenWanted:
		add("seen = wanted")
	case wtp.SeenOtherwise:
		add("seen <> '' AND seen <> wanted")
	case wtp.SeenNothing:
		add("seen = ''")
	}
	if q.Query != "" {
		p := contains(clean(q.Query, maxName))
		add(`(lower(name) LIKE ? ESCAPE '\' OR lower(host_id) LIKE ? ESCAPE '\' OR private_ip LIKE ? ESCAPE '\')`, p, p, p)
	}
	return strings.Join(where, " AND "), args
}

// Targets reads a page of targets.
func (s *Store) Targets(ctx context.Context, q TargetQuery) ([]wtp.Target, error) {
	where, args := q.where()
	g := s.reader(ctx).Where(where, args...).Limit(page(q.Limit))
	if q.Before > 0 {
		g = g.Where("seq < ?", q.Before).Order("seq DESC")
	} else {
		g = g.Where("seq > ?", q.After).Order("seq")
	}
	var ts []wtp.Target
	if err := g.Find(&ts).Error; err != nil {
		return nil, fmt.Errorf("reading targets: %w", err)
	}
	if q.Before > 0 {
		slices.Reverse(ts)
	}
	return ts, nil
}

// Overtaken says of servers of a change by which newer change they were sent first
// since, by its number. What the older one did to them may never be seen.
func (s *Store) Overtaken(ctx context.Context, changeID int64, hostIDs []string) (map[string]int64, error) {
	if len(hostIDs) == 0 {
		return nil, nil //nolint:nilnil // no servers, none of them overtaken
	}
	rows, err := many[struct {
		HostID string
		Number int64
	}](s.reader(ctx), `SELECT t.host_id, MIN(nc.number) AS number FROM targets t JOIN changes c ON c.id = t.change_id
		JOIN targets n ON n.project_id = t.project_id AND n.kind = t.kind AND n.host_id = t.host_id AND n.change_id <> t.change_id
			AND n.outcome IN ('sending', 'unclear', 'accepted', 'unknown')
		JOIN changes nc ON nc.id = n.change_id AND nc.event_seq > c.event_seq
		WHERE t.project_id = c.project_id AND t.change_id = ? AND t.host_id IN ? GROUP BY t.host_id`, changeID, hostIDs)
	if err != nil {
		return nil, fmt.Errorf("newer changes of servers: %w", err)
	}
	out := make(map[string]int64, len(rows))
	for _, r := range rows {
		out[r.HostID] = r.Number
	}
	return out, nil
}

// TargetPage is a page of targets with its neighbours: Prev is the Before, Next the
// After of the page beside it; 0 where there is none.
type TargetPage struct {
	Targets    []wtp.Target
	Prev, Next int64
}

// TargetPage reads a page of targets and looks whether there are more.
func (s *Store) TargetPage(ctx context.Context, q TargetQuery) (TargetPage, error) {
	n := page(q.Limit)
	q.Limit = n + 1
	ts, err := s.Targets(ctx, q)
	if err != nil || len(ts) == 0 {
		return TargetPage{}, err
	}
	more := len(ts) > n
	switch {
	case more && q.Before > 0:
		ts = ts[1:]
	case more:
		ts = ts[:n]
	}
	p := TargetPage{Targets: ts}
	if q.Before > 0 && more || q.Before == 0 && q.After > 0 {
		p.Prev = ts[0].Seq
	}
	if q.Before > 0 || more {
		p.Next = ts[len(ts)-1].Seq
	}
	return p, nil
}
