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

const (
	// importsFor is how long a pasted list is kept.
	importsFor = 24 * time.Hour
	// importsEach is how many pasted lists of one person are kept. Removing one of
	// 100,000 entries takes as long as storing one, so it is done when tidying; a
	// person who pastes importsMost before that waits for it.
	importsEach = 20
	importsMost = 60
	// MaxCandidates is how many servers are offered for an ambiguous entry.
	MaxCandidates = 20
)

// LineQuery chooses entries of a pasted list, in their order.
type LineQuery struct {
	ImportID int64
	Results  []wtp.ImportResult // none: all
	After    int64              // seq
	Limit    int                // 0: 50
}

// StoreImport looks a pasted list up in the project's inventory and keeps what
// was found of each entry. An entry is first taken as a host ID, byte by byte
// and then as wtp.FoldHostID has it, then as a name (whatever the case) or an address. An empty list, or one of
// more than wtp.MaxImportEntries, is a wtp.Invalid.
func (s *Store) StoreImport(ctx context.Context, userID, projectID int64, entries []wtp.ImportEntry) (wtp.Import, error) {
	if len(entries) == 0 || len(entries) > wtp.MaxImportEntries {
		return wtp.Import{}, invalid("list", "There is nothing in the list.")
	}
	start := time.Now() // not the store's clock: this is a stopwatch
	// Before the transaction: nobody who writes shall wait for it.
	found, err := s.matchImport(ctx, projectID, entries)
	if err != nil {
		return wtp.Import{}, err
	}
	var imp wtp.Import
	err = s.tx(ctx, func(tx *gorm.DB) error {
		if _, err := s.lockProject(tx, projectID); err != nil {
			return err
		}
		if err := dropOldImports(tx, userID); err != nil {
			return err
		}
		imp = wtp.Import{UID: rand.Text(), UserID: userID, ProjectID: projectID, CreatedAt: s.Now()}
		if err := tx.Create(&imp).Error; err != nil {
			return fmt.Errorf("storing a list: %w", err)
		}
		if err := s.insertLines(ctx, tx, imp.ID, found); err != nil {
			return err
		}
		if err := countImport(tx, imp.ID); err != nil {
			return err
		}
		if _, err := exec(tx, "UPDATE imports SET took_ms = ? WHERE id = ?", time.Since(start).Milliseconds(), imp.ID); err != nil {
			return err
		}
		imp, err = one[wtp.Import](tx, "SELECT * FROM imports WHERE id = ?", imp.ID)
		return err
	})
	return imp, err
}

// meaning is what a text of a list stands for in the inventory.
type meaning struct {
	n            int64 // servers
	hostID, name string
	why          wtp.Why // the one server can't be switched
	able         bool
}

// listed is what matchImport needs of a server.
type listed struct{ hostID, name, nameKey, privateIP, publicIP, class string }

// means notes that a text may stand for this server. able is its class.
func (m *meaning) means(v *listed, able ableClass) {
	if m.n++; m.n == 1 {
		m.hostID, m.name, m.why, m.able = v.hostID, v.name, able.why, able.able
	}
}

// ableClass says whether the servers of a class can be switched.
type ableClass struct {
	why  wtp.Why
	able bool
}

// matchImport goes through the inventory once and keeps only what the list asks
// for: the time is linear in servers and entries, and the memory in entries,
// whatever is pasted and however many servers share a name.
func (s *Store) matchImport(ctx context.Context, project int64, entries []wtp.ImportEntry) ([]wtp.ImportLine, error) {
	byID, byKey := make(map[string]*meaning, len(entries)), make(map[string]*meaning, len(entries))
	meanings := make([]meaning, 2*len(entries))
	for i, e := range entries {
		if e.Unreadable {
			continue
		}
		byID[e.Text], byKey[strings.ToLower(e.Text)] = &meanings[2*i], &meanings[2*i+1]
		if id := wtp.FoldHostID(e.Text); byID[id] == nil {
			byID[id] = &meaning{}
		}
	}
	classes := map[string]ableClass{}
	if err := s.scanListed(ctx, project, func(v *listed) {
		able, known := classes[v.class]
		if !known {
			able = classOfServer(v.class)
			classes[v.class] = able
		}
		if m := byID[v.hostID]; m != nil {
			m.means(v, able)
		}
		keys := [...]string{v.nameKey, strings.ToLower(v.privateIP), strings.ToLower(v.publicIP)}
		for i, key := range keys {
			if m := byKey[key]; m != nil && !slices.Contains(keys[:i], key) { // a server counts once
				m.means(v, able)
			}
		}
	}); err != nil {
		return nil, fmt.Errorf("reading servers: %w", err)
	}
	return judgeEntries(entries, byID, byKey), nil
}

// classSep stands between the parts of a server's class; no status has it.
const classSep = "\x1f"

// scanListed walks the servers of a project. What decides whether a server can be
// switched comes as one column, its class: a column costs as much as a row's
// look-up in the list. The one struct is used again for each row.
func (s *Store) scanListed(ctx context.Context, project int64, row func(*listed)) (err error) {
	rows, err := s.reader(ctx).Raw(`SELECT host_id, name, name_key, private_ip, public_ip, os || ? || dynamic || ? || agent_status || ? || protect_status || ? || asset_value
		FROM servers WHERE project_id = ?`, classSep, classSep, classSep, classSep, project).Rows()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var v listed
	for rows.Next() {
		if err := rows.Scan(&v.hostID, &v.name, &v.nameKey, &v.privateIP, &v.publicIP, &v.class); err != nil {
			return err
		}
		row(&v)
	}
	return rows.Err()
}

// classOfServer says of a class as scanListed gives it whether its servers can be
// switched. Attacks, which it lacks, never decide that.
func classOfServer(class string) ableClass {
	parts := append(strings.Split(class, classSep), "", "", "", "", "")
	why, able := wtp.Switchable(wtp.Server{OS: parts[0], Dynamic: parts[1], AgentStatus: parts[2], ProtectStatus: parts[3], AssetValue: parts[4]})
	return ableClass{why, able}
}

// judgeEntries gives each entry its one result.
func judgeEntries(entries []wtp.ImportEntry, byID, byKey map[string]*meaning) []wtp.ImportLine {
	lines := make([]wtp.ImportLine, len(entries))
	texts, hosts := make(map[string]int64, len(entries)), make(map[string]int64, len(entries))
	for i, e := range entries {
		l := &lines[i]
		*l = wtp.ImportLine{Seq: int64(i) + 1, Line: e.Line, Text: clean(e.Text, wtp.MaxImportText), Result: wtp.ImportUnknown}
		if e.Unreadable {
			l.Result = wtp.ImportUnreadable
			continue
		}
		m := byID[e.Text]
		if m.n == 0 {
			m = byID[wtp.FoldHostID(e.Text)]
		}
		if m.n == 0 {
			m = byKey[strings.ToLower(e.Text)]
		}
		first, again := texts[e.Text]
		if !again {
			texts[e.Text] = e.Line
		}
		if l.Candidates = m.n; m.n == 1 {
			l.HostID, l.Name = m.hostID, m.name
			if line, taken := hosts[l.HostID]; taken {
				first, again = line, true
			}
		}
		switch {
		case again:
			l.Result, l.DuplicateOf = wtp.ImportDuplicate, first
		case m.n > 1:
			l.Result = wtp.ImportAmbiguous
		case m.n == 1:
			hosts[l.HostID] = e.Line
			if l.Result = wtp.ImportFound; !m.able {
				l.Result, l.Why = wtp.ImportCannot, m.why
			}
		}
	}
	return lines
}

func (s *Store) insertLines(ctx context.Context, tx *gorm.DB, id int64, lines []wtp.ImportLine) error {
	return s.insertRows(ctx, tx, "import_lines", []string{"import_id", "seq", "line", "text", "result", "host_id", "name", "why", "candidates", "duplicate_of"}, len(lines), func(i int) []any {
		l := &lines[i]
		return []any{id, l.Seq, l.Line, l.Text, string(l.Result), l.HostID, l.Name, string(l.Why), l.Candidates, l.DuplicateOf}
	}, "")
}

// countImport sets the counts of a list to those of its entries.
func countImport(tx *gorm.DB, id int64) error {
	rows, err := many[struct {
		Result wtp.ImportResult
		N      int64
	}](tx, "SELECT result, COUNT(*) AS n FROM import_lines WHERE import_id = ? GROUP BY result", id)
	if err != nil {
		return fmt.Errorf("counting a list: %w", err)
	}
	n, total := map[wtp.ImportResult]int64{}, int64(0)
	for _, r := range rows {
		n[r.Result] = r.N
		total += r.N
	}
	return moved(exec(tx, "UPDATE imports SET entries = ?, found = ?, ambiguous = ?, unknown = ?, duplicate = ?, cannot = ?, unreadable = ? WHERE id = ?", total,
		n[wtp.ImportFound], n[wtp.ImportAmbiguous], n[wtp.ImportUnknown], n[wtp.ImportDuplicate], n[wtp.ImportCannot], n[wtp.ImportUnreadable], id))
}

// Import finds a pasted list by the random name in its address.
func (s *Store) Import(ctx context.Context, projectID int64, uid string) (wtp.Import, error) {
	return one[wtp.Import](s.reader(ctx), "SELECT * FROM imports WHERE project_id = ? AND uid = ? AND created_at >= ?", projectID, clean(uid, maxName), s.Now().Add(-importsFor))
}

// ImportLines reads a page of the entries of a pasted list.
func (s *Store) ImportLines(ctx context.Context, q LineQuery) ([]wtp.ImportLine, error) {
	query, args := "SELECT * FROM import_lines WHERE import_id = ? AND seq > ?", []any{q.ImportID, q.After}
	if len(q.Results) > 0 {
		query += " AND result IN ?"
		args = append(args, q.Results)
	}
	lines, err := many[wtp.ImportLine](s.reader(ctx), query+" ORDER BY seq LIMIT ?", append(args, page(q.Limit))...)
	if err != nil {
		return nil, fmt.Errorf("reading a list: %w", err)
	}
	return lines, nil
}

// Candidates are the servers that the ambiguous ones among these entries may
// mean now, by the entry's number: the first MaxCandidates of each.
func (s *Store) Candidates(ctx context.Context, projectID int64, lines []wtp.ImportLine) (map[int64][]wtp.Server, error) {
	return s.candidates(s.reader(ctx), projectID, lines)
}

func (s *Store) candidates(g *gorm.DB, projectID int64, lines []wtp.ImportLine) (map[int64][]wtp.Server, error) {
	seqs := map[string][]int64{}
	var keys []string
	for _, l := range lines {
		if l.Result == wtp.ImportAmbiguous {
			key := strings.ToLower(l.Text)
			keys = append(keys, key)
			seqs[key] = append(seqs[key], l.Seq)
		}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	list, err := jsonList(keys)
	if err != nil {
		return nil, err
	}
	part := func(column string) string {
		return "SELECT s." + column + " AS key, s.host_id FROM servers s WHERE s.project_id = ? AND s." + column + " IN (SELECT key FROM keys)"
	}
	rows, err := many[struct {
		Key string
		wtp.Server
	}](g, `WITH keys AS MATERIALIZED (SELECT DISTINCT value AS key FROM `+s.eachText()+` v),
		hits AS (`+part("name_key")+` UNION `+part("private_ip")+` UNION `+part("public_ip")+`),
		ranked AS (SELECT key, host_id, row_number() OVER (PARTITION BY key ORDER BY host_id) AS place FROM hits)
		SELECT r.key, s.* FROM ranked r JOIN servers s ON s.project_id = ? AND s.host_id = r.host_id WHERE r.place <= ? ORDER BY r.key, r.place`,
		list, projectID, projectID, projectID, projectID, MaxCandidates)
	if err != nil {
		return nil, fmt.Errorf("reading candidates: %w", err)
	}
	out := map[int64][]wtp.Server{}
	for _, r := range rows {
		for _, seq := range seqs[r.Key] {
			out[seq] = append(out[seq], r.Server)
		}
	}
	return out, nil
}

// ResolveImport settles ambiguous entries of one's own list: picks names a
// candidate by the entry's number. A pick that is no candidate, or of an entry
// that isn't ambiguous any more, is a wtp.ErrConflict, and none is taken.
func (s *Store) ResolveImport(ctx context.Context, userID, projectID int64, uid string, picks map[int64]string) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		imp, err := s.lockImport(tx, userID, projectID, uid)
		if err != nil {
			return err
		}
		var seqs []int64
		for seq := range picks {
			seqs = append(seqs, seq)
		}
		slices.Sort(seqs)
		lines, err := many[wtp.ImportLine](tx, "SELECT * FROM import_lines WHERE import_id = ? AND result = 'ambiguous' AND seq IN ?", imp.ID, append(seqs, 0))
		if err != nil {
			return fmt.Errorf("reading a list: %w", err)
		}
		candidates, err := s.candidates(tx, projectID, lines)
		if err != nil {
			return err
		}
		for _, seq := range seqs {
			at := slices.IndexFunc(candidates[seq], func(c wtp.Server) bool { return c.HostID == picks[seq] })
			if at < 0 {
				return conflict("One of the servers you ticked is no longer a candidate. Nothing was changed; look at the list again.")
			}
			if err := settleLine(tx, imp.ID, seq, candidates[seq][at]); err != nil {
				return err
			}
		}
		return countImport(tx, imp.ID)
	})
}

func settleLine(tx *gorm.DB, importID, seq int64, server wtp.Server) error {
	result, of := wtp.ImportFound, int64(0)
	why, able := wtp.Switchable(server)
	if !able {
		result = wtp.ImportCannot
	}
	first, err := one[int64](tx, "SELECT line FROM import_lines WHERE import_id = ? AND host_id = ? AND result IN ('found', 'cannot')", importID, server.HostID)
	switch {
	case err == nil:
		result, of, why = wtp.ImportDuplicate, first, ""
	case !errors.Is(err, wtp.ErrNotFound):
		return err
	}
	return moved(exec(tx, "UPDATE import_lines SET result = ?, host_id = ?, name = ?, why = ?, duplicate_of = ? WHERE import_id = ? AND seq = ? AND result = 'ambiguous'",
		result, server.HostID, server.Name, why, of, importID, seq))
}

// SelectImport adds the servers found by a list to a person's selection in the
// project; n is its size afterwards. shown is how many the person saw: if
// another number was found meanwhile, nothing is selected.
func (s *Store) SelectImport(ctx context.Context, userID, projectID int64, uid string, shown int64) (n int64, err error) {
	return s.selectTx(ctx, userID, projectID, func(tx *gorm.DB) (int64, error) {
		imp, err := one[wtp.Import](tx, "SELECT * FROM imports WHERE project_id = ? AND uid = ? AND created_at >= ?"+s.forUpdate(), projectID, clean(uid, maxName), s.Now().Add(-importsFor))
		if err != nil {
			return 0, err
		}
		if imp.Found != shown {
			return 0, conflict("The list finds %d servers now, not %d. Nothing was selected; look at it again.", imp.Found, shown)
		}
		return exec(tx, `INSERT INTO selection_hosts (user_id, project_id, host_id)
			SELECT CAST(? AS bigint), CAST(? AS bigint), host_id FROM import_lines WHERE import_id = ? AND result = 'found' ON CONFLICT DO NOTHING`, userID, projectID, imp.ID)
	})
}

// lockImport locks one's own list.
func (s *Store) lockImport(tx *gorm.DB, userID, projectID int64, uid string) (wtp.Import, error) {
	imp, err := one[wtp.Import](tx, "SELECT * FROM imports WHERE project_id = ? AND uid = ? AND created_at >= ?"+s.forUpdate(), projectID, clean(uid, maxName), s.Now().Add(-importsFor))
	if err == nil && imp.UserID != userID {
		return imp, wtp.ErrForbidden
	}
	return imp, err
}

// dropOldImports makes room for one more list of a person.
func dropOldImports(tx *gorm.DB, userID int64) error {
	ids, err := many[int64](tx, "SELECT id FROM imports WHERE user_id = ? ORDER BY id DESC LIMIT 1000 OFFSET ?", userID, importsMost-1)
	if err != nil {
		return fmt.Errorf("reading lists: %w", err)
	}
	return deleteImports(tx, ids)
}

func deleteImports(tx *gorm.DB, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	for _, q := range []string{"DELETE FROM import_lines WHERE import_id IN ?", "DELETE FROM imports WHERE id IN ?"} {
		if _, err := exec(tx, q, ids); err != nil {
			return fmt.Errorf("removing lists: %w", err)
		}
	}
	return nil
}

// tidyImports removes the lists that are older than a day, and those of a person
// beyond importsEach, one a transaction.
func (s *Store) tidyImports(ctx context.Context) error {
	old, err := many[int64](s.reader(ctx), `SELECT id FROM (SELECT id, created_at, row_number() OVER (PARTITION BY user_id ORDER BY id DESC) AS place FROM imports) i
		WHERE created_at < ? OR place > ? ORDER BY id`, s.Now().Add(-importsFor), importsEach)
	for _, id := range old {
		if err == nil {
			err = s.tx(ctx, func(tx *gorm.DB) error { return deleteImports(tx, []int64{id}) })
		}
	}
	if err != nil {
		return fmt.Errorf("removing old lists: %w", err)
	}
	return nil
}
