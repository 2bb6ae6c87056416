package db_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/wtp"
	"wtp-console/migrations"
)

// A database of before 0006, which replaces tables that others point at, keeps its
// rows, its counters and the numbers it has given out.
func TestKindsMigrationKeepsWhatIsThere(t *testing.T) {
	for kind, all := range map[string]func() (fs.FS, error){"sqlite": migrations.SQLite, "postgres": migrations.Postgres} {
		t.Run(kind, func(t *testing.T) {
			c := dbtest.Config(t, kind)
			if kind == "postgres" { // the tests' database begins with the newest schema
				s := openOK(t, c)
				if err := s.Writer().Exec("DROP SCHEMA public CASCADE; CREATE SCHEMA public").Error; err != nil {
					t.Fatal(err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			from, err := all()
			if err != nil {
				t.Fatal(err)
			}
			names, err := fs.Glob(from, "000[1-5]_*.sql")
			if err != nil || len(names) != 5 {
				t.Fatalf("%v, %v", names, err)
			}
			before := fstest.MapFS{}
			for _, name := range names {
				data, err := fs.ReadFile(from, name)
				if err != nil {
					t.Fatal(err)
				}
				before[name] = &fstest.MapFile{Data: data}
			}
			s, err := db.OpenWith(t.Context(), c, before)
			if err != nil {
				t.Fatal(err)
			}
			for _, sql := range []string{
				"INSERT INTO credentials (id, uid, name, kind) VALUES (1, 'k', 'k', 'access_key')",
				"INSERT INTO projects (id, slug, name, region, hss_project_id, credential_id, last_number) VALUES (1, 'p', 'P', 'r', 'h', 1, 1)",
				"INSERT INTO changes (id, uid, project_id, number, event_seq, kind, direction, state, target_count, to_send, reason, undo_of) VALUES (7, 'u', 1, 1, 1, 'dynamic_wtp', 'enable', 'done', 3, 3, 'why', 0)",
				"INSERT INTO changes (id, uid, project_id, kind, direction, state) VALUES (9, 'v', 1, 'dynamic_wtp', 'disable', 'planned')",
				"DELETE FROM changes WHERE id = 9",
				"INSERT INTO batches (id, change_id, no, state, size) VALUES (1, 7, 1, 'accepted', 3)",
				// Another one, whose batches come by threes into a box, and whose fifth was cut twice.
				"INSERT INTO changes (id, uid, project_id, number, event_seq, kind, direction, state, target_count, to_send) VALUES (8, 'x', 1, 2, 2, 'dynamic_wtp', 'enable', 'done', 30000, 30000)",
				batches(8, 130),
				"UPDATE batches SET state = 'split' WHERE change_id = 8 AND no = 5",
				"INSERT INTO batches (id, change_id, no, parent, state, size) VALUES (901, 8, 131, (SELECT id FROM batches WHERE change_id = 8 AND no = 5), 'accepted', 1), (902, 8, 132, (SELECT id FROM batches WHERE change_id = 8 AND no = 5), 'split', 2)",
				"INSERT INTO batches (id, change_id, no, parent, state, size) VALUES (903, 8, 133, 902, 'refused', 1), (904, 8, 134, 902, 'unknown', 1)",
				"INSERT INTO calls (id, change_id, operation) VALUES (1, 7, 'SetRaspSwitch')",
				"INSERT INTO targets (change_id, seq, project_id, kind, host_id, wanted, bucket, outcome, batch_id, seen) VALUES (7, 1, 1, 'dynamic_wtp', 'a', 'opened', 'will_change', 'accepted', 1, 'opened'), (7, 2, 1, 'dynamic_wtp', 'b', 'opened', 'will_change', 'accepted', 1, 'closed'), (7, 3, 1, 'dynamic_wtp', 'c', 'opened', 'will_change', 'accepted', 1, '')",
				"INSERT INTO change_counts (change_id, bucket, outcome, confirmed, n) VALUES (7, 'will_change', 'accepted', 0, 2), (7, 'will_change', 'accepted', 1, 1)",
			} {
				if err := s.Writer().Exec(sql).Error; err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openOK(t, c)
			got, err := s.ChangeCounts(t.Context(), 7)
			if err != nil || got.Of(wtp.TargetAccepted) != 3 || got.Confirmed != 1 || got.Otherwise != 1 {
				t.Errorf("the counters are %+v, %v", got, err)
			}
			strip, err := s.Strip(t.Context(), 8)
			if err != nil || len(strip) != 44 || strip[0] != (wtp.Box{ChangeID: 8, Box: 1, Accepted: 3}) || strip[43].Accepted != 1 {
				t.Errorf("the strip is %+v, %v", strip, err)
			} else if strip[1] != (wtp.Box{ChangeID: 8, Box: 2, Accepted: 3, Split: 2, Refused: 1, Unknown: 1}) {
				t.Errorf("the box with the batch that was cut is %+v", strip[1])
			}
			if targets, err := s.Targets(t.Context(), db.TargetQuery{ChangeID: 7, Limit: 10}); err != nil || len(targets) != 3 {
				t.Errorf("%d targets, %v", len(targets), err)
			}
			if one, err := s.ChangeByID(t.Context(), 7); err != nil || one.Reason != "why" || one.Ramp != 0 {
				t.Errorf("the change is %+v, %v", one, err)
			}
			if kind == "sqlite" { // IDENTITY of PostgreSQL isn't touched by the migration
				var id int64
				if err := s.Writer().Raw("INSERT INTO changes (uid, project_id, kind, direction, state) VALUES ('w', 1, 'remote_backup', 'enable', 'planned') RETURNING id").Scan(&id).Error; err != nil || id != 10 {
					t.Errorf("the next change has the ID %d, %v", id, err)
				}
			}
			if err := s.Writer().Exec("INSERT INTO batches (change_id, no, state, size) VALUES (99, 1, 'waiting', 1)").Error; err == nil {
				t.Error("a batch of no change was stored")
			}
		})
	}
}

// batches is a statement that stores n accepted batches of a change.
func batches(change, n int) string {
	var rows []string
	for no := 1; no <= n; no++ {
		rows = append(rows, fmt.Sprintf("(%d, %d, %d, 'accepted', 200)", 100+no, change, no))
	}
	return "INSERT INTO batches (id, change_id, no, state, size) VALUES " + strings.Join(rows, ", ")
}
