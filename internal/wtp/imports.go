package wtp

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits of a pasted list of servers.
const (
	MaxImportBytes   = 5 << 20 // of the text or file
	MaxImportEntries = 100_000
	MaxImportText    = 256 // characters of an entry; a host ID or name is never longer
)

// ImportEntry is one entry of a pasted list: a host ID, a name or an address.
type ImportEntry struct {
	Line       int64  // of the list, from 1
	Text       string // without the spaces and quotes around it; 1 to MaxImportText characters
	Unreadable bool   // too long, not UTF-8, or with control characters; Text is what can be shown of it
}

// ParseImport reads a pasted list or a CSV file: entries stand on lines of their
// own or are separated by commas, semicolons (also full-width ones) or tabs;
// cells may be quoted, with line breaks in them as well, and the apostrophe that keeps a
// spreadsheet from taking a cell for a formula is taken off. Empty entries don't count.
// Of a table, whose first line names its columns, each row is one entry: the host ID,
// else the name, else an address. n is how many entries there are; only the first MaxImportEntries are
// returned. The time is linear in the length of data.
func ParseImport(data []byte) (entries []ImportEntry, n int) {
	p := importParser{rest: utf8Text(data), line: 1}
	add := func(line int64, cell []byte) {
		if n++; n <= MaxImportEntries {
			entries = append(entries, importEntry(line, cell))
		}
	}
	columns := p.head()
	var best []byte // of this row of a table
	var bestRank int
	var bestLine int64
	for column := 0; len(p.rest) > 0; column++ {
		line, cell := p.line, p.cell()
		switch rank, names := columns[column]; {
		case len(cell) == 0:
		case columns == nil: // no table
			add(line, cell)
		case names && (best == nil || rank < bestRank):
			best, bestRank, bestLine = cell, rank, line
		}
		if ended := p.separator(); ended {
			if best != nil {
				add(bestLine, best)
			}
			best, column = nil, -1
		}
	}
	if best != nil {
		add(bestLine, best)
	}
	return entries, n
}

// columnRank says whether a column of that name names a server, and which of them is
// asked first.
func columnRank(name string) (rank int, ok bool) {
	switch strings.ToLower(strings.NewReplacer(" ", "", "_", "", "-", "", "\r", "", "\n", "").Replace(name)) {
	case "hostid", "serverid", "instanceid", "id", "主机id", "服务器id", "云服务器id", "实例id":
		return 0, true
	case "hostname", "servername", "name", "server", "主机名称", "服务器名称", "主机名", "服务器", "名称":
		return 1, true
	case "privateip", "ip", "ipaddress", "私有ip", "私网ip", "内网ip", "ip地址":
		return 2, true
	case "publicip", "eip", "公网ip", "弹性公网ip":
		return 3, true
	case "entry":
		return 4, true
	}
	return 0, false
}

// maxHead is how many cells are looked at to see whether they begin a table.
const maxHead = 64

// head steps over the first line if it names the columns of a table, and gives the
// rank of those that name a server; else nil. From then on only what separates the
// names separates cells: a comma in a cell of a table made with tabs is part of it.
func (p *importParser) head() map[int]int {
	q := *p
	columns, column, began := map[int]int{}, 0, false
	separators := map[string]bool{}
	for range maxHead {
		cell := q.cell()
		began = began || len(cell) > 0
		if rank, ok := columnRank(string(cell[:min(len(cell), MaxImportText)])); ok {
			columns[column] = rank
		}
		column++
		if len(q.rest) == 0 {
			return nil // a table has a second line
		}
		by := string(q.rest[:separatorLen(q.rest)])
		switch ended := q.separator(); {
		case ended && began && len(columns) == 0:
			return nil
		case ended && began:
			if *p = q; len(separators) == 1 {
				for by := range separators {
					p.only = by
				}
			}
			return columns
		case ended: // an empty line before the table
			column = 0
			clear(separators)
		default:
			separators[by] = true
		}
	}
	return nil
}

// cell takes the next cell, up to its separator.
func (p *importParser) cell() []byte {
	cell, quoted := p.quoted()
	if !quoted {
		cell = p.plain()
	}
	return withoutMark(bytes.TrimFunc(cell, importSpace))
}

// utf8Text is the text without a byte order mark; UTF-16, as spreadsheets write
// it, is converted.
func utf8Text(data []byte) []byte {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		order = binary.BigEndian
	default:
		return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	}
	units := make([]uint16, 0, len(data)/2)
	for i := 2; i+1 < len(data); i += 2 {
		units = append(units, order.Uint16(data[i:]))
	}
	return []byte(string(utf16.Decode(units)))
}

type importParser struct {
	rest []byte
	line int64
	only string // separates cells beside the end of a line; "": all that may
}

// maxQuoted is how far the end of a quoted cell is looked for, in bytes: as far as a
// cell of a spreadsheet may reach. A quote that stands there by mistake hides no more.
const maxQuoted = 32_767 * utf8.UTFMax

// quoted takes a cell in double quotes, which may go over several lines. What begins
// with a quote and isn't such a cell is left for plain. A search that fails ends at a
// quote where no other search goes on, so that the time is linear.
func (p *importParser) quoted() ([]byte, bool) {
	text := bytes.TrimLeft(p.rest, " ")
	if len(text) == 0 || text[0] != '"' {
		return nil, false
	}
	end := 1
	for {
		i := bytes.IndexByte(text[end:min(len(text), maxQuoted)], '"')
		if i < 0 {
			return nil, false
		}
		if end += i + 1; end == len(text) || text[end] != '"' {
			break
		}
		if end++; end >= min(len(text), maxQuoted) {
			return nil, false
		}
	}
	after := bytes.TrimLeft(text[end:], " ")
	if len(after) > 0 && p.separatorLen(after) == 0 {
		return nil, false
	}
	cell := text[1 : end-1]
	p.line += lineBreaks(cell)
	p.rest = after
	return bytes.ReplaceAll(cell, []byte(`""`), []byte(`"`)), true
}

// lineBreaks is how many lines end in a text: by LF, CR or both.
func lineBreaks(text []byte) int64 {
	return int64(bytes.Count(text, []byte("\n")) + bytes.Count(text, []byte("\r")) - bytes.Count(text, []byte("\r\n")))
}

// plain takes everything up to the next separator.
func (p *importParser) plain() []byte {
	for i := range p.rest {
		if p.separatorLen(p.rest[i:]) > 0 {
			cell := p.rest[:i]
			p.rest = p.rest[i:]
			return cell
		}
	}
	cell := p.rest
	p.rest = nil
	return cell
}

// separator steps over one separator and counts lines; ended says that it was the
// end of one.
func (p *importParser) separator() (ended bool) {
	if len(p.rest) == 0 {
		return true
	}
	if c := p.rest[0]; c == '\n' || c == '\r' {
		ended = true
		p.line++
	}
	p.rest = p.rest[separatorLen(p.rest):]
	return ended
}

// separatorLen is how many bytes of a separator of cells or lines text begins with.
func (p *importParser) separatorLen(text []byte) int {
	n := separatorLen(text)
	if n == 0 || p.only == "" || text[0] == '\n' || text[0] == '\r' || string(text[:n]) == p.only {
		return n
	}
	return 0
}

// separatorLen is how many bytes of any separator text begins with, 0 for none.
func separatorLen(text []byte) int {
	switch text[0] {
	case '\r':
		if len(text) > 1 && text[1] == '\n' {
			return 2
		}
		return 1
	case '\n', ',', ';', '\t':
		return 1
	case 0xef: // U+FF0C, U+FF1B
		if len(text) > 2 && text[1] == 0xbc && (text[2] == 0x8c || text[2] == 0x9b) {
			return 3
		}
	}
	return 0
}

// importSpace is what may stand around an entry: white space, and marks of
// width zero that come along when a list is copied.
func importSpace(r rune) bool {
	return unicode.IsSpace(r) || r == '\ufeff' || r == '\u200b'
}

// withoutMark takes one apostrophe off what would be a formula without it: exported
// tables have it there.
func withoutMark(cell []byte) []byte {
	rest := bytes.TrimLeft(cell, "'")
	if first, _ := utf8.DecodeRune(rest); len(rest) < len(cell) && strings.ContainsRune("=+-@＝＋－＠", first) {
		return cell[1:]
	}
	return cell
}

func importEntry(line int64, cell []byte) ImportEntry {
	e := ImportEntry{Line: line}
	if len(cell) > utf8.UTFMax*MaxImportText { // don't walk through megabytes
		cell, e.Unreadable = cell[:utf8.UTFMax*MaxImportText], true
	}
	e.Unreadable = e.Unreadable || !utf8.Valid(cell) || utf8.RuneCount(cell) > MaxImportText || bytes.ContainsFunc(cell, unicode.IsControl)
	e.Text = string(cell)
	if e.Unreadable {
		shown := []rune(strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return utf8.RuneError
			}
			return r
		}, strings.ToValidUTF8(e.Text, string(utf8.RuneError))))
		e.Text = string(shown[:min(len(shown), MaxImportText)])
	}
	return e
}

// FoldHostID is a text in the form of a UUID in small letters, as HSS gives host IDs;
// spreadsheets and other consoles write them in capitals. Any other text is returned
// as it is.
func FoldHostID(text string) string {
	const form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	if len(text) != len(form) {
		return text
	}
	for i := range form {
		if c := text[i]; form[i] == '-' && c != '-' || form[i] == 'x' && !strings.ContainsRune("0123456789abcdefABCDEF", rune(c)) {
			return text
		}
	}
	return strings.ToLower(text)
}

// ImportResult is what became of an entry.
type ImportResult string

// The results. Each entry has exactly one.
const (
	ImportFound      ImportResult = "found"      // one server, the first time it is named
	ImportCannot     ImportResult = "cannot"     // one server, but dynamic WTP can be switched neither on nor off
	ImportAmbiguous  ImportResult = "ambiguous"  // several servers have this name or address
	ImportUnknown    ImportResult = "unknown"    // no server of the project
	ImportDuplicate  ImportResult = "duplicate"  // a server or text that an earlier entry names
	ImportUnreadable ImportResult = "unreadable" // can't be an ID, name or address
)

// ImportResults lists the results in the order they are shown.
func ImportResults() []ImportResult {
	return []ImportResult{ImportFound, ImportAmbiguous, ImportUnknown, ImportDuplicate, ImportCannot, ImportUnreadable}
}

// Import is a pasted list that was looked up in the inventory. It is kept for a
// day. Nothing is selected by it.
type Import struct {
	ID         int64
	UID        string // random; names it in its URL
	UserID     int64  // who pasted it
	ProjectID  int64
	CreatedAt  Instant
	TookMS     int64 // how long the looking up took, in milliseconds
	Entries    int64 // the sum of the counts below
	Found      int64
	Ambiguous  int64
	Unknown    int64
	Duplicate  int64
	Cannot     int64
	Unreadable int64
}

// Of is the count of one result.
func (i Import) Of(r ImportResult) int64 {
	switch r {
	case ImportFound:
		return i.Found
	case ImportAmbiguous:
		return i.Ambiguous
	case ImportUnknown:
		return i.Unknown
	case ImportDuplicate:
		return i.Duplicate
	case ImportCannot:
		return i.Cannot
	case ImportUnreadable:
		return i.Unreadable
	}
	return 0
}

// ImportLine is one entry of a pasted list and what became of it.
type ImportLine struct {
	ImportID    int64 `gorm:"primaryKey"`
	Seq         int64 `gorm:"primaryKey"` // from 1
	Line        int64 // of the list, from 1
	Text        string
	Result      ImportResult
	HostID      string // of the one server; "" if there is none or several
	Name        string // of that server, then
	Why         Why    // for ImportCannot
	Candidates  int64  // how many servers it may mean
	DuplicateOf int64  // the line of the earlier entry
}

// Switchable says whether a change in either direction would send the server,
// were no other change open for it; if not, why not.
func Switchable(s Server) (Why, bool) {
	var why Why
	for _, d := range []Direction{Disable, Enable} {
		bucket, reason := Classify(s, d, false)
		if bucket.Sent() {
			return "", true
		}
		if bucket == Cannot {
			why = reason
		}
	}
	return why, false
}
