package db

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"wtp-console/internal/wtp"
)

// ServerQuery chooses a page of servers.
type ServerQuery struct {
	ProjectIDs    []int64
	Filter        wtp.ServerFilter
	Sort          string // "" or "name"; "-attacks": most attacked first
	After, Before string // a cursor of the page before or after; at most one
	Limit         int    // 0: 50
}

// ServerPage is a page of servers with the cursors of its neighbours, "" where
// there is none.
type ServerPage struct {
	Servers    []wtp.Server
	Prev, Next string
}

// GroupCount counts the servers of a group. Each server counts once: dynamic
// WTP is on, off and could be switched on, or can't be switched.
type GroupCount struct {
	Name   string // "" for no group
	Total  int64
	On     int64 `gorm:"column:dynamic_on"`
	Off    int64 `gorm:"column:dynamic_off"`
	Cannot int64
}

// readServers begins a query for servers. A server was last read when its
// project was.
const readServers = "SELECT s.*, p.read_at FROM servers s JOIN projects p ON p.id = s.project_id WHERE "

// serverWhere is a filter as SQL over servers as s. Values are parameters only.
func serverWhere(f wtp.ServerFilter) (string, []any) {
	var where []string
	var args []any
	add := func(cond string, vs ...any) {
		where = append(where, cond)
		args = append(args, vs...)
	}
	// none is the word that stands for the empty value.
	in := func(column string, values []string, none string) {
		if len(values) == 0 {
			return
		}
		list := make([]string, len(values))
		for i, v := range values {
			if none == "" || v != none {
				list[i] = clean(v, maxName)
			} else {
				add("s.asset_value <> ?", wtp.Unlisted) // not read yet is not none
			}
		}
		add("s."+column+" IN ?", list)
	}
	if f.Query != "" {
		p := contains(clean(f.Query, maxName))
		add(`(s.name_key LIKE ? ESCAPE '\' OR lower(s.host_id) LIKE ? ESCAPE '\' OR s.private_ip LIKE ? ESCAPE '\' OR s.public_ip LIKE ? ESCAPE '\')`, p, p, p, p)
	}
	in("group_name", f.Group, "-")
	in("os", f.OS, "")
	in("agent_status", f.Agent, "")
	in("protect_status", f.WTP, "")
	in("dynamic", f.Dynamic, "")
	in("backup_host_id", f.Backup, "-")
	in("asset_value", f.Importance, "")
	if f.Attacked {
		add("s.static_attacks + s.dynamic_attacks > 0")
	}
	if len(where) == 0 {
		return "1 = 1", nil
	}
	return strings.Join(where, " AND "), args
}

// serverCursor is the sort key of a row at the edge of a page.
type serverCursor struct {
	Attacks int64  `json:"a"`
	NameKey string `json:"n"`
	HostID  string `json:"h"`
	Project int64  `json:"p"`
}

func cursorOf(s wtp.Server) serverCursor {
	return serverCursor{Attacks: s.Attacks(), NameKey: s.NameKey, HostID: s.HostID, Project: s.ProjectID}
}

func (c serverCursor) text() (string, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("encoding a cursor: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

func parseServerCursor(field, text string) (serverCursor, error) {
	var c serverCursor
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		return c, invalid(field, "This page address is not one of ours. Start at the first page.")
	}
	c.NameKey, c.HostID = clean(c.NameKey, maxName), clean(c.HostID, maxName)
	return c, nil
}

// compare is the order of a page: by name or attacks, then name, host ID,
// project. It is the order of the indexes servers_name and servers_attacks.
func (c serverCursor) compare(o serverCursor, byAttacks bool) int {
	if byAttacks && c.Attacks != o.Attacks {
		if c.Attacks > o.Attacks {
			return -1
		}
		return 1
	}
	if n := strings.Compare(c.NameKey, o.NameKey); n != 0 {
		return n
	}
	if n := strings.Compare(c.HostID, o.HostID); n != 0 {
		return n
	}
	return int(c.Project - o.Project)
}

// Servers reads a page of servers. Each project is read through its own index
// and the pages are merged. A cursor that isn't ours is a wtp.Invalid.
func (s *Store) Servers(ctx context.Context, q ServerQuery) (ServerPage, error) {
	limit, byAttacks := page(q.Limit), q.Sort == "-attacks"
	if q.Sort != "" && q.Sort != "name" && !byAttacks {
		return ServerPage{}, invalid("sort", "Servers can't be sorted by %q.", q.Sort)
	}
	var edge *serverCursor
	back := q.Before != ""
	for _, c := range []struct{ field, text string }{{"after", q.After}, {"before", q.Before}} {
		if c.text == "" {
			continue
		}
		at, err := parseServerCursor(c.field, c.text)
		if err != nil {
			return ServerPage{}, err
		}
		edge = &at
	}
	var rows []wtp.Server
	for _, id := range q.ProjectIDs {
		part, err := s.serverRows(ctx, id, q.Filter, edge, back, byAttacks, limit+1)
		if err != nil {
			return ServerPage{}, err
		}
		rows = append(rows, part...)
	}
	if len(q.ProjectIDs) > 1 {
		slices.SortFunc(rows, func(a, b wtp.Server) int {
			n := cursorOf(a).compare(cursorOf(b), byAttacks)
			if back {
				return -n
			}
			return n
		})
	}
	more := len(rows) > limit
	if more {
		rows = rows[:limit]
	}
	if back {
		slices.Reverse(rows)
	}
	p := ServerPage{Servers: rows}
	if len(rows) == 0 {
		return p, nil
	}
	var err error
	if (back && more) || (!back && edge != nil) {
		if p.Prev, err = cursorOf(rows[0]).text(); err != nil {
			return p, err
		}
	}
	if back || more {
		p.Next, err = cursorOf(rows[len(rows)-1]).text()
	}
	return p, err
}

// serverRows reads the first rows of one project beyond the edge.
func (s *Store) serverRows(ctx context.Context, project int64, f wtp.ServerFilter, edge *serverCursor, back, byAttacks bool, limit int) ([]wtp.Server, error) {
	where, args := serverWhere(f)
	args = append([]any{project}, args...)
	keys := []string{"s.name_key", "s.host_id"}
	if byAttacks {
		keys = []string{"(-(s.static_attacks + s.dynamic_attacks))", "s.name_key", "s.host_id"}
	}
	dir, op := "", ">"
	if back {
		dir, op = " DESC", "<"
	}
	if edge != nil {
		// The project is the last part of the order: of rows equal in all else,
		// those of projects beyond the edge's are beyond it too.
		if project != edge.Project && (project > edge.Project) != back {
			op += "="
		}
		if byAttacks {
			where += " AND (" + strings.Join(keys, ", ") + ") " + op + " (CAST(? AS bigint), ?, ?)"
			args = append(args, -edge.Attacks, edge.NameKey, edge.HostID)
		} else {
			where += " AND (" + strings.Join(keys, ", ") + ") " + op + " (?, ?)"
			args = append(args, edge.NameKey, edge.HostID)
		}
	}
	rows, err := many[wtp.Server](s.reader(ctx),
		readServers+"s.project_id = ? AND "+where+" ORDER BY "+strings.Join(keys, dir+", ")+dir+" LIMIT ?", append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("reading servers: %w", err)
	}
	return rows, nil
}

// CountServers counts the servers that match. All servers of the projects are
// known from a kept counter; others are counted up to limit, and more says that
// there are more.
func (s *Store) CountServers(ctx context.Context, projectIDs []int64, f wtp.ServerFilter, limit int64) (n int64, more bool, err error) {
	if len(projectIDs) == 0 {
		return 0, false, nil
	}
	if f.Empty() {
		n, err = one[int64](s.reader(ctx), "SELECT CAST(COALESCE(SUM(server_count), 0) AS bigint) FROM projects WHERE id IN ?", projectIDs)
		return n, false, err
	}
	where, args := serverWhere(f)
	args = append(append([]any{projectIDs}, args...), limit+1)
	n, err = one[int64](s.reader(ctx), "SELECT COUNT(*) FROM (SELECT 1 FROM servers s WHERE s.project_id IN ? AND "+where+" LIMIT ?) c", args...)
	if err != nil {
		return 0, false, fmt.Errorf("counting servers: %w", err)
	}
	return min(n, limit), n > limit, nil
}

// Server finds one server of the inventory.
func (s *Store) Server(ctx context.Context, projectID int64, hostID string) (wtp.Server, error) {
	return one[wtp.Server](s.reader(ctx), readServers+"s.project_id = ? AND s.host_id = ?", projectID, clean(hostID, maxName))
}

// Groups counts the servers of each group, by name; groups of one name in
// several projects are one. The counts are kept with the inventory.
func (s *Store) Groups(ctx context.Context, projectIDs []int64) ([]GroupCount, error) {
	if len(projectIDs) == 0 {
		return nil, nil
	}
	return many[GroupCount](s.reader(ctx), `SELECT name, CAST(SUM(total) AS bigint) AS total, CAST(SUM(dynamic_on) AS bigint) AS dynamic_on,
		CAST(SUM(dynamic_off) AS bigint) AS dynamic_off, CAST(SUM(cannot) AS bigint) AS cannot
		FROM group_counts WHERE project_id IN ? GROUP BY name ORDER BY name`, projectIDs)
}
