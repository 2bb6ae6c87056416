package server

import (
	"encoding/csv"
	"strings"
	"unicode/utf8"
)

// csvRows is how many rows an export reads at a time.
const csvRows = 500

// csvTable writes a table to be downloaded, row by row.
type csvTable struct{ w *csv.Writer }

// csv begins a table with the name of its file and its head. It begins with a byte
// order mark: without one a spreadsheet on Chinese Windows takes UTF-8 for GBK and
// shows every Chinese name wrong. An imported list may begin with one.
func (r *request) csv(name string, head ...string) (csvTable, error) {
	h := r.Writer.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	if _, err := r.Writer.WriteString("\ufeff"); err != nil {
		return csvTable{}, err
	}
	t := csvTable{csv.NewWriter(r.Writer)}
	return t, t.row(head...)
}

// row writes one row; what flush says tells whether it arrived.
func (t csvTable) row(cells ...string) error {
	plain := make([]string, len(cells))
	for i, cell := range cells {
		plain[i] = plainCell(cell)
	}
	return t.w.Write(plain)
}

func (t csvTable) flush() error {
	t.w.Flush()
	return t.w.Error()
}

// plainCell keeps a spreadsheet from taking what people typed, or a name that HSS
// gave, for a formula: an apostrophe stands before it. Cells that begin with
// apostrophes and would then look the same get one more, so that wtp.ParseImport
// finds every server of the table again.
func plainCell(s string) string {
	first, _ := utf8.DecodeRuneInString(strings.TrimLeft(s, "'"))
	if strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) {
		return "'" + s
	}
	return s
}
