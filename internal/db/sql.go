package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// one reads one row; none is wtp.ErrNotFound.
func one[T any](g *gorm.DB, query string, args ...any) (T, error) {
	// Into a slice: for a single value of a named type, such as wtp.Instant, GORM counts no rows.
	var none T
	rows, err := many[T](g, query, args...)
	if err != nil {
		return none, err
	}
	if len(rows) == 0 {
		return none, wtp.ErrNotFound
	}
	return rows[0], nil
}

// many reads all rows.
func many[T any](g *gorm.DB, query string, args ...any) ([]T, error) {
	var v []T
	return v, g.Raw(query, args...).Scan(&v).Error
}

// exec runs a statement and says how many rows it touched.
func exec(g *gorm.DB, query string, args ...any) (int64, error) {
	r := g.Exec(query, args...)
	return r.RowsAffected, r.Error
}

// moved turns "no row was touched" into wtp.ErrConflict.
func moved(n int64, err error) error {
	if err == nil && n == 0 {
		return wtp.ErrConflict
	}
	return err
}

// forUpdate locks the rows of a SELECT on PostgreSQL; on SQLite the immediate
// transaction is the lock. NO KEY: foreign keys may still point at the row.
func (s *Store) forUpdate() string {
	if s.postgres {
		return " FOR NO KEY UPDATE"
	}
	return ""
}

// skipLocked is forUpdate for a queue that several replicas take from.
func (s *Store) skipLocked() string {
	if s.postgres {
		return " FOR NO KEY UPDATE SKIP LOCKED"
	}
	return ""
}

// byHash has PostgreSQL join by hash while fn runs. It believes of a table that the
// same transaction has filled that it holds next to nothing, and would compare each row
// with every other: minutes for 100,000.
func (s *Store) byHash(tx *gorm.DB, fn func() error) error {
	if !s.postgres {
		return fn()
	}
	for _, other := range []string{"enable_nestloop", "enable_mergejoin"} {
		if _, err := exec(tx, "SET LOCAL "+other+" = off"); err != nil {
			return err
		}
	}
	if err := fn(); err != nil {
		return err
	}
	for _, other := range []string{"enable_nestloop", "enable_mergejoin"} {
		if _, err := exec(tx, "SET LOCAL "+other+" TO DEFAULT"); err != nil {
			return err
		}
	}
	return nil
}

// each is a table function over a JSON array given as the one parameter: each
// row's column "value" is an element. It carries lists of any length, where a
// list of parameters would end at 32,766.
func (s *Store) each() string {
	if s.postgres {
		return "json_array_elements(CAST(? AS json))"
	}
	return "json_each(?)"
}

// eachText is each for an array of strings: "value" is the text.
func (s *Store) eachText() string {
	if s.postgres {
		return "json_array_elements_text(CAST(? AS json))"
	}
	return "json_each(?)"
}

// jsonList is the parameter for each and eachText.
func jsonList[T any](list []T) (string, error) {
	if list == nil {
		list = []T{}
	}
	b, err := json.Marshal(list)
	if err != nil {
		return "", fmt.Errorf("encoding a list: %w", err)
	}
	return string(b), nil
}

// contains is the LIKE pattern (ESCAPE '\') that matches texts with q inside.
func contains(q string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(q)) + "%"
}

// clean makes a text from outside fit for both databases: PostgreSQL takes
// neither invalid UTF-8 nor NUL. Longer texts are cut at limit runes.
func clean(s string, limit int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if len(s) <= limit {
		return s
	}
	n := 0
	for i := range s {
		if n == limit {
			return s[:i]
		}
		n++
	}
	return s
}

// insertRows inserts n rows, many a statement, and adds suffix (an ON CONFLICT
// clause) to each statement. Values are strings and whole numbers.
func (s *Store) insertRows(ctx context.Context, tx *gorm.DB, table string, columns []string, n int, row func(i int) []any, suffix string) error {
	if s.postgres {
		return s.insertArrays(ctx, tx, table, columns, n, row, suffix)
	}
	const per = 500
	var stmt *sql.Stmt
	defer func() {
		if stmt != nil {
			_ = stmt.Close() // of a transaction that ends anyway
		}
	}()
	have := 0 // rows the prepared statement takes
	args := make([]any, 0, per*len(columns))
	for at := 0; at < n; {
		rows := min(per, n-at)
		if rows != have {
			if stmt != nil {
				_ = stmt.Close()
			}
			values := "(?" + strings.Repeat(",?", len(columns)-1) + ")"
			var err error
			if stmt, err = tx.Statement.ConnPool.PrepareContext(ctx, fmt.Sprintf("INSERT INTO %s (%s) VALUES %s", table, strings.Join(columns, ", "),
				values+strings.Repeat(","+values, rows-1)+suffix)); err != nil {
				return fmt.Errorf("preparing rows for %s: %w", table, s.translate(err))
			}
			have = rows
		}
		args = args[:0]
		for i := range rows {
			args = append(args, row(at+i)...)
		}
		if _, err := stmt.ExecContext(ctx, args...); err != nil {
			return fmt.Errorf("inserting rows into %s: %w", table, s.translate(err))
		}
		at += rows
	}
	return nil
}

// insertArrays is insertRows for PostgreSQL. An array a column: thousands of
// parameters would be planned anew at each statement.
func (s *Store) insertArrays(ctx context.Context, tx *gorm.DB, table string, columns []string, n int, row func(i int) []any, suffix string) error {
	const per = 5000
	for at := 0; at < n; at += per {
		rows := min(per, n-at)
		texts, numbers := make([][]string, len(columns)), make([][]int64, len(columns))
		for i := range rows {
			for c, v := range row(at + i) {
				switch v := reflect.ValueOf(v); {
				case v.Kind() == reflect.String:
					texts[c] = append(texts[c], v.String())
				case v.CanInt():
					numbers[c] = append(numbers[c], v.Int())
				default:
					return fmt.Errorf("inserting rows into %s: column %s can't hold a %s", table, columns[c], v.Kind())
				}
			}
		}
		args, places := make([]any, len(columns)), make([]string, len(columns))
		for c := range columns {
			if texts[c] != nil {
				args[c], places[c] = texts[c], fmt.Sprintf("$%d::text[]", c+1)
			} else {
				args[c], places[c] = numbers[c], fmt.Sprintf("$%d::bigint[]", c+1)
			}
		}
		query := fmt.Sprintf("INSERT INTO %s (%s) SELECT * FROM unnest(%s)", table, strings.Join(columns, ", "), strings.Join(places, ", "))
		if _, err := tx.Statement.ConnPool.ExecContext(ctx, query+suffix, args...); err != nil {
			return fmt.Errorf("inserting rows into %s: %w", table, s.translate(err))
		}
	}
	return nil
}

// translate does for statements sent past GORM what TranslateError does.
func (s *Store) translate(err error) error {
	if t, ok := s.write.Dialector.(gorm.ErrorTranslator); ok {
		return t.Translate(err)
	}
	return err
}

// duplicate says whether a unique index refused the row.
func duplicate(err error) bool { return errors.Is(err, gorm.ErrDuplicatedKey) }

func conflict(id string, args ...any) error {
	return &wtp.Refused{Kind: wtp.ErrConflict, Text: wtp.Say(id, args...)}
}

func invalid(field, id string, args ...any) error {
	var bad wtp.Invalid
	bad.Add(field, id, args...)
	return bad
}

func page(limit int) int {
	switch {
	case limit <= 0:
		return 50
	case limit > 10000:
		return 10000
	}
	return limit
}
