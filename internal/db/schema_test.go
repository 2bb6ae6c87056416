package db_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gorm.io/gorm/schema"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/wtp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// tables are the structs that are rows.
func tables() []any {
	return []any{
		wtp.User{}, wtp.Session{}, wtp.Credential{}, wtp.Project{}, wtp.Server{}, wtp.BackupServer{},
		wtp.Change{}, wtp.Target{}, wtp.Batch{}, wtp.Call{}, wtp.Event{}, wtp.Timer{},
		wtp.Import{}, wtp.ImportLine{}, wtp.ServerSet{}, wtp.TomcatBin{}, wtp.Restart{},
	}
}

func TestColumnsAreTheStructs(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func() *db.Store) {
		s := open()
		var cache sync.Map
		for _, row := range tables() {
			sch, err := schema.Parse(row, &cache, schema.NamingStrategy{})
			if err != nil {
				t.Fatal(err)
			}
			cols, err := s.Reader().Migrator().ColumnTypes(row)
			if err != nil {
				t.Fatal(err)
			}
			var have []string
			for _, c := range cols {
				have = append(have, c.Name())
				if null, ok := c.Nullable(); ok && null && c.Name() != "id" && c.Name() != "seq" {
					t.Errorf("%s.%s may be NULL", sch.Table, c.Name())
				}
			}
			want := slices.Clone(sch.DBNames)
			if sch.Table == "servers" {
				have = append(have, "read_at") // the project's, see readServers
			}
			slices.Sort(have)
			slices.Sort(want)
			if !slices.Equal(have, want) {
				t.Errorf("%s has the columns\n%v, the struct\n%v", sch.Table, have, want)
			}
		}
	})
}

func TestSchemaIsTheGoldenOne(t *testing.T) {
	s := openOK(t, dbtest.Config(t, "sqlite"))
	var parts []string
	if err := s.Reader().Raw("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'goose_%' ORDER BY tbl_name, type DESC, name").Scan(&parts).Error; err != nil {
		t.Fatal(err)
	}
	got := strings.Join(parts, ";\n\n") + ";\n"
	file := filepath.Join("testdata", "schema.sql")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the schema differs from %s; if that is meant, run: go test ./internal/db -run Golden -update", file)
	}
}

// Both databases have the same tables, columns and indexes.
func TestBothSchemasAreTheSame(t *testing.T) {
	shape := map[string][]string{}
	dbtest.Each(t, func(t *testing.T, open func() *db.Store) {
		s := open()
		names, err := s.Reader().Migrator().GetTables()
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, table := range names {
			if strings.HasPrefix(table, "goose_") || strings.HasPrefix(table, "sqlite_") {
				continue
			}
			cols, err := s.Reader().Migrator().ColumnTypes(table)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range cols {
				out = append(out, table+"."+c.Name())
			}
		}
		q := "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
		if s.Dialect() == "postgres" {
			q = "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND indexname NOT LIKE '%_pkey' AND indexname NOT LIKE 'goose_%'"
		}
		var indexes []string
		if err := s.Reader().Raw(q).Scan(&indexes).Error; err != nil {
			t.Fatal(err)
		}
		out = append(out, indexes...)
		slices.Sort(out)
		shape[s.Dialect()] = out
	})
	if len(shape) == 2 && !slices.Equal(shape["sqlite"], shape["postgres"]) {
		t.Errorf("SQLite:\n%v\nPostgreSQL:\n%v", shape["sqlite"], shape["postgres"])
	}
}
