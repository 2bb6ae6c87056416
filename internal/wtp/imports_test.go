package wtp

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestListsAreReadAsPeoplePasteThem(t *testing.T) {
	for name, row := range map[string]struct {
		in   string
		want string // entries as line:text
	}{
		"nothing":          {"", ""},
		"only separators":  {" \r\n,;\t，；\n\n", ""},
		"lines":            {"a\nb\r\nc\rd", "1:a 2:b 3:c 4:d"},
		"separators":       {"a,b;c\td，e；f", "1:a 1:b 1:c 1:d 1:e 1:f"},
		"spaces":           {"  a\u3000\n\u00a0b \u200b\n\tc", "1:a 2:b 3:c"},
		"inner spaces":     {"web 01,web 02", "1:web 01 1:web 02"},
		"byte order mark":  {"\ufeffa\nb", "1:a 2:b"},
		"UTF-16":           {"\xff\xfea\x00\n\x00b\x00", "1:a 2:b"},
		"UTF-16 big":       {"\xfe\xff\x00a\x00,\x00b", "1:a 1:b"},
		"quoted cells":     {`"a","b, c" , "d""e"` + "\n" + `"f"`, `1:a 1:b, c 1:d"e 2:f`},
		"unclosed quote":   {"\"a\nb,\"c", `1:"a 2:b 2:"c`},
		"quote inside":     {`a"b,"c"d`, `1:a"b 1:"c"d`},
		"empty quotes":     {`"",a`, "1:a"},
		"case is kept":     {"Web-01\nweb-01", "1:Web-01 2:web-01"},
		"blank lines":      {"a\n\n\nb", "1:a 4:b"},
		"a space in front": {` "a,b"`, "1:a,b"},
		"marked formulas":  {"'=a,\"'-b\"\n'＋c,''@d", "1:=a 1:-b 2:＋c 2:'@d"},
		"table":            {"\ufeffhost_id,name,private_ip\r\nh1,web-1,10.0.0.1\r\nh2,web-2,10.0.0.2\r\n", "2:h1 3:h2"},
		"table, no ID":     {"Group;Server name;Private IP\nA;web-1;10.0.0.1\nB;;10.0.0.2\n;;\nC;web-3", "2:web-1 3:10.0.0.2 5:web-3"},
		"Chinese table":    {"\n服务器名称\t服务器 ID\n门户-01\th1", "3:h1"},
		"table of IDs":     {"Host ID\nh1\nh2,h3", "2:h1 3:h2"},
		"ends in a comma":  {"id,name\nh1,", "2:h1"},
		"table of names":   {"name\nweb-1\nname", "2:web-1 3:name"},
		"table of servers": {"\n Server \r\nweb-1", "3:web-1"},
		"break in a head":  {"group,\"Host\r\nID\"\r\nA,h1\r\n", "3:h1"},
		"break in a row":   {"name,comment\r\n\"web-2\",\"replaces\r\nweb-4, and\r\nweb-6\r\n\"\r\nweb-8,\r\n", "2:web-2 6:web-8"},
		"break, semicolon": {"comment;name\n\"old\nweb-4;web-5\";web-2\nnew;web-3", "3:web-2 4:web-3"},
		"break, tab":       {"name\tcomment\tip\nweb-2\t\"a \"\"b\"\"\rweb-4\tweb-5\"\t10.0.0.1\nweb-3\t\t", "2:web-2 4:web-3"},
		"other separator":  {"comment\tname\nold, new; more\tweb-1\n\"a\",b\tweb-2", "2:web-1 3:web-2"},
		"comma in a name":  {"name;ip\nweb-1, web-2;10.0.0.1", "2:web-1, web-2"},
		"stray quotes":     {"name,comment\nweb-1,\"5\" disk\nweb-2,\"open\nweb-3,19\"\"\n", "2:web-1 3:web-2 4:web-3"},
		"quote not ended":  {"name,comment\nweb-1,\"open\nweb-2,x\nweb-3," + strings.Repeat("y", 200_000) + "\nweb-4,\"end\"", "2:web-1 3:web-2 4:web-3 5:web-4"},
		"one line":         {"name,web-1,web-2", "1:name 1:web-1 1:web-2"},
		"wide, no table":   {strings.Repeat(",", 80) + "id\nh1,a", "1:id 2:h1 2:a"},
		"apostrophes":      {"'a,'',o'=b", "1:'a 1:'' 1:o'=b"},
	} {
		entries, n := ParseImport([]byte(row.in))
		require.Len(t, entries, n, name)
		var got []string
		for _, e := range entries {
			require.False(t, e.Unreadable, name)
			got = append(got, fmt.Sprintf("%d:%s", e.Line, e.Text))
		}
		require.Equal(t, row.want, strings.Join(got, " "), name)
	}
}

func TestHostIDsInCapitalsAreFolded(t *testing.T) {
	for in, want := range map[string]string{
		"0B7D6A5E-4c3f-4E21-9A8B-00000000000F": "0b7d6a5e-4c3f-4e21-9a8b-00000000000f",
		"0b7d6a5e-4c3f-4e21-9a8b-00000000000f": "0b7d6a5e-4c3f-4e21-9a8b-00000000000f",
		"0B7D6A5E-4C3F-4E21-9A8B-00000000000G": "0B7D6A5E-4C3F-4E21-9A8B-00000000000G",
		"0B7D6A5E-4C3F-4E21-9A8B000000000000F": "0B7D6A5E-4C3F-4E21-9A8B000000000000F",
		"0B7D6A5EA4C3F-4E21-9A8B-00000000000F": "0B7D6A5EA4C3F-4E21-9A8B-00000000000F",
		"WEB-01":                               "WEB-01",
		"":                                     "",
	} {
		require.Equal(t, want, FoldHostID(in))
	}
}

func TestWhatCannotBeAnEntryIsSaid(t *testing.T) {
	for name, text := range map[string]string{
		"too long": strings.Repeat("é", MaxImportText+1), "megabytes": strings.Repeat("x", 1<<20), "a line break in quotes": "\"web-1\r\nweb-2\"", "not UTF-8": "a\xffb", "control": "a\x00b", "escape": "a\x1b[31mb",
	} {
		entries, n := ParseImport([]byte(text))
		require.Equal(t, 1, n, name)
		require.True(t, entries[0].Unreadable, name)
		require.True(t, utf8.ValidString(entries[0].Text), name)
		require.NotContains(t, entries[0].Text, "\x00", name)
		require.LessOrEqual(t, utf8.RuneCountInString(entries[0].Text), MaxImportText, name)
	}
	entries, _ := ParseImport([]byte(strings.Repeat("字", MaxImportText)))
	require.False(t, entries[0].Unreadable, "as long as a name may be")
}

func TestTooManyEntriesAreCountedNotKept(t *testing.T) {
	entries, n := ParseImport([]byte(strings.Repeat("a,", MaxImportEntries+7)))
	require.Equal(t, MaxImportEntries+7, n)
	require.Len(t, entries, MaxImportEntries)
}

// Garbage of the largest size gets an answer soon. The limit is generous for a
// busy machine; a quadratic parser would take hours.
func TestGarbageOfFiveMegabytesIsReadSoon(t *testing.T) {
	for _, piece := range []string{`"`, `""`, `"a,""b,`, `"""x,`, "\"\n", ",", "a,", "\x00", "\xff", "，", "\xef\xbc", `" `, "\r", `"a,`, " ", `  "`, "\u200b", "\"\"\"\n", "\"\"\n", "\"\"\"x\n\"\"", ",\"\n" + strings.Repeat(`""`, 1000)} {
		start := time.Now()
		ParseImport([]byte(strings.Repeat(piece, MaxImportBytes/len(piece))))
		require.Less(t, time.Since(start), time.Minute, "%q", piece)
	}
}

// A table of the largest size, as a spreadsheet writes it with comments of two lines.
func TestALargeTableIsReadSoon(t *testing.T) {
	var text strings.Builder
	text.WriteString("name;comment\r\n")
	for i := range MaxImportEntries {
		fmt.Fprintf(&text, "web-%06d;\"replaces\r\nweb-%06d\"\r\n", i, i+1)
	}
	start := time.Now()
	entries, n := ParseImport([]byte(text.String()))
	require.Less(t, time.Since(start), time.Minute)
	require.Equal(t, MaxImportEntries, n)
	require.Equal(t, ImportEntry{Line: 2 * MaxImportEntries, Text: "web-099999"}, entries[n-1])
}

// FuzzTable writes tables as encoding/csv does: whatever stands in the cells, each row is
// one entry, and only what stands in the column of names is one.
func FuzzTable(f *testing.F) {
	for _, seed := range []string{"replaces\r\nweb-4, and\nweb-6\n", "\"", "a\"\nb\"", ";", "\t", " x", "\r", "，\n", "\"\"\n,\"", "\xff\n"} {
		f.Add("web-1", seed)
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, name, comment string) {
		if len(name)+len(comment) > 30_000 {
			return // longer than a cell may be
		}
		for _, comma := range ",;\t" {
			var text strings.Builder
			w := csv.NewWriter(&text)
			w.Comma = comma
			require.NoError(t, w.WriteAll([][]string{{"comment", "name", "note"}, {comment, name, comment}, {comment, "last", ""}}))
			entries, n := ParseImport([]byte(text.String()))
			require.Len(t, entries, n)
			require.NotEmpty(t, entries, "%q", text.String())
			require.Equal(t, "last", entries[n-1].Text, "%q", text.String())
			named := len(strings.TrimFunc(name, importSpace)) > 0
			require.Equal(t, named, n == 2, "%q", text.String())
			require.LessOrEqual(t, n, 2, "%q", text.String())
			if named && !entries[0].Unreadable {
				require.Equal(t, string(withoutMark([]byte(strings.TrimFunc(name, importSpace)))), entries[0].Text)
			}
		}
	})
}

func FuzzParseImport(f *testing.F) {
	for _, seed := range []string{"a,b\r\nc", "\"a\"\"b\";\"c\n", "\ufeffa，b；c", "\xff\xfea\x00", "\xef\xbc", "a\x00b", ` "x" y`, "id,name\nh1,a\n,b", "\n\nhost_id\n", "name;b\n\"x\ny\";\"\r\"\r\nz"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, n := ParseImport(data)
		require.Len(t, entries, min(n, MaxImportEntries))
		line, lines := int64(1), int64(len(data)+1)
		for _, e := range entries {
			require.NotEmpty(t, e.Text)
			require.True(t, utf8.ValidString(e.Text))
			require.LessOrEqual(t, utf8.RuneCountInString(e.Text), MaxImportText)
			require.NotContains(t, e.Text, "\n")
			require.GreaterOrEqual(t, e.Line, line)
			require.LessOrEqual(t, e.Line, lines)
			line = e.Line
		}
	})
}

func TestSwitchableAsThePlanWouldSayIt(t *testing.T) {
	good := Server{OS: "linux", AgentStatus: "online", ProtectStatus: "opened", Dynamic: Closed}
	for name, row := range map[string]struct {
		edit func(s *Server)
		why  Why
	}{
		"off":         {func(*Server) {}, ""},
		"on":          {func(s *Server) { s.Dynamic = Opened }, ""},
		"important":   {func(s *Server) { s.AssetValue = "important" }, ""},
		"windows":     {func(s *Server) { s.OS = "windows" }, WhyWindows},
		"offline":     {func(s *Server) { s.AgentStatus = "offline" }, WhyAgentOffline},
		"on, offline": {func(s *Server) { s.Dynamic, s.AgentStatus = Opened, "offline" }, WhyAgentOffline},
		"no WTP":      {func(s *Server) { s.ProtectStatus = "closed" }, WhyNotProtected},
	} {
		s := good
		row.edit(&s)
		why, ok := Switchable(s)
		require.Equal(t, row.why, why, name)
		require.Equal(t, row.why == "", ok, name)
	}
}
