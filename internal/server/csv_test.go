package server

import (
	"encoding/csv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// table reads a downloaded table: its head and its rows.
func (a answer) table() [][]string {
	a.t.Helper()
	require.Equal(a.t, "text/csv; charset=utf-8", a.Header.Get("Content-Type"))
	text, marked := strings.CutPrefix(a.text, "\ufeff")
	require.True(a.t, marked, "a spreadsheet on Chinese Windows needs the byte order mark")
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	require.NoError(a.t, err)
	return rows
}

func TestDownloadedTablesHoldNoFormulas(t *testing.T) {
	names := []string{`=HYPERLINK("http://evil.example")`, "+1", "-2", "@SUM(1)", "＝1", "'=1", "''@x", "'quoted", "门户-01"}
	all := fleet(len(names))
	for i, name := range names {
		all[i].Name = name
	}
	_, _, b := shop(t, all)
	path, page := b.report(strings.Join([]string{all[0].HostID, all[1].HostID, all[2].HostID, all[3].HostID, all[4].HostID, all[5].HostID, all[6].HostID, all[7].HostID, all[8].HostID, "-nobody"}, "\n"), "")
	require.Equal(t, []string{"All 10", "Found 9", "Unknown entry 1"}, texts(page.Find(".tabs .tab")))
	download := b.get(path + "/lines.csv").is(200)
	var cells []string
	for _, row := range download.table()[1:] {
		cells = append(cells, row[4])
		require.NotContains(t, []string{"=", "+", "-", "@", "＝"}, string(append([]rune(row[4]), ' ')[0]))
	}
	require.Equal(t, []string{`'=HYPERLINK("http://evil.example")`, "'+1", "'-2", "'@SUM(1)", "'＝1", "''=1", "'''@x", "'quoted", "门户-01", ""}, cells)
	require.Equal(t, "'-nobody", download.table()[10][1])

	// A table of names only, as somebody cuts it out of a download, finds every server again.
	var file strings.Builder
	file.WriteString("\ufeff")
	w := csv.NewWriter(&file)
	for _, cell := range cells[:len(names)] {
		require.NoError(t, w.Write([]string{cell}))
	}
	w.Flush()
	_, page = b.report("", file.String())
	require.Equal(t, []string{"All 9", "Found 9"}, texts(page.Find(".tabs .tab")))

	// And so does the download as it is.
	_, page = b.report("", download.text)
	require.Contains(t, texts(page.Find(".tabs .tab")), "Found 9")
}
