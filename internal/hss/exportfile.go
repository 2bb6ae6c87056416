package hss

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

const utf8BOM = "\ufeff"

// maxLine bounds a line of an exported file: a quote that never closes would make all the rest one field.
const maxLine = 1 << 20

// exportFile reads an exported file, whose format HSS does not document: it is told by its content, and what
// is not understood for certain is refused, because ListWtpProtectHost gives the same rows more slowly.
type exportFile struct {
	each    func(ProtectHost) error
	columns []string // field names by column; "" for columns that are nobody's
	rows    int
}

// errEach marks an error of the function that takes the rows.
type errEach struct{ err error }

func (e errEach) Error() string { return e.err.Error() }

func badFile(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrExportFormat}, args...)...)
}

// read reads a whole file. Its error is that of the reader below, of each, or wraps ErrExportFormat.
func (f *exportFile) read(in *bufio.Reader) error {
	start, err := in.Peek(4)
	if err != nil && err != io.EOF {
		return err
	}
	if bytes.HasPrefix(start, []byte("PK\x03\x04")) {
		err = f.readArchive(in)
	} else {
		err = f.readCSV(in)
	}
	var own errEach
	if errors.As(err, &own) {
		return own.err
	}
	return err
}

func (f *exportFile) readCSV(in io.Reader) error {
	br := bufio.NewReaderSize(&lineGuard{r: in}, 64<<10)
	if start, _ := br.Peek(len(utf8BOM)); string(start) == utf8BOM {
		br.Discard(len(utf8BOM))
	}
	start, err := br.Peek(8 << 10)
	if err != nil && err != io.EOF {
		return err
	}
	title, _, _ := bytes.Cut(start, []byte("\n"))
	r := csv.NewReader(br)
	r.Comma = delimiterOf(title)
	r.ReuseRecord = true
	for {
		record, err := r.Read()
		if err == io.EOF {
			break
		}
		var syntax *csv.ParseError
		if errors.As(err, &syntax) {
			return badFile("line %d is not CSV", syntax.Line)
		}
		if err != nil {
			return err
		}
		if err := f.record(record); err != nil {
			return err
		}
	}
	if f.columns == nil {
		return badFile("it is empty")
	}
	return nil
}

// delimiterOf picks what stands most often in the title line; our titles hold none of the three.
func delimiterOf(title []byte) rune {
	best, most := ',', bytes.Count(title, []byte(","))
	for _, d := range ";\t" {
		if n := bytes.Count(title, []byte(string(d))); n > most {
			best, most = d, n
		}
	}
	return best
}

// record takes a row; the first is the title row.
func (f *exportFile) record(cells []string) error {
	if f.columns == nil {
		return f.title(cells)
	}
	if f.rows == MaxExportRows {
		return badFile("it has more than %d rows", MaxExportRows)
	}
	h, err := f.host(cells)
	if err != nil {
		return err
	}
	f.rows++
	if err := f.each(h); err != nil {
		return errEach{err}
	}
	return nil
}

// title matches the titles we asked for, which are the names of the fields.
func (f *exportFile) title(cells []string) error {
	columns := make([]string, len(cells))
	for i, cell := range cells {
		name := strings.ToLower(strings.TrimSpace(cell))
		if !slices.Contains(ExportFields(), name) {
			continue
		}
		if slices.Contains(columns[:i], name) {
			return badFile("two columns are titled %s", name)
		}
		columns[i] = name
	}
	if !slices.Contains(columns, "host_id") {
		return badFile("no column is titled host_id")
	}
	f.columns = columns
	return nil
}

// host reads a row. A count or a switch state that is not in the API's own words would be a guess.
func (f *exportFile) host(cells []string) (ProtectHost, error) {
	var h ProtectHost
	for i, cell := range cells {
		if i >= len(f.columns) {
			if cell != "" {
				return h, badFile("row %d has more cells than titles", f.rows+1)
			}
			continue
		}
		if !utf8.ValidString(cell) {
			return h, badFile("row %d is not UTF-8", f.rows+1)
		}
		cell = strings.TrimSpace(cell)
		if cell == "-" || cell == "--" {
			cell = ""
		}
		count := func() int64 {
			if cell == "" {
				return 0
			}
			n, err := parseInteger(cell)
			if err != nil || n < 0 {
				return -1
			}
			return n
		}
		var n int64
		switch f.columns[i] {
		case "host_id":
			h.HostID = cell
		case "host_name":
			h.HostName = cell
		case "public_ip":
			h.PublicIP = cell
		case "private_ip":
			h.PrivateIP = cell
		case "charging_mode":
			h.ChargingMode = cell
		case "agent_status":
			h.AgentStatus = cell
		case "protect_status":
			h.ProtectStatus = cell
		case "rasp_protect_status":
			if cell != "" && cell != "opened" && cell != "closed" {
				return h, badFile("row %d has a rasp_protect_status the API does not have", f.rows+1)
			}
			h.RaspProtectStatus = cell
		case "protect_dir_num":
			n = count()
			h.ProtectDirNum = int(n)
		case "anti_tampering_times":
			n = count()
			h.AntiTamperingTimes = n
		case "detect_tampering_times":
			n = count()
			h.DetectTamperingTimes = n
		}
		if n < 0 {
			return h, badFile("row %d has a %s that is no count", f.rows+1, f.columns[i])
		}
	}
	if h.HostID == "" {
		return h, badFile("row %d has no host_id", f.rows+1)
	}
	return h, nil
}

// lineGuard fails when a line grows beyond maxLine.
type lineGuard struct {
	r    io.Reader
	line int
}

func (g *lineGuard) Read(p []byte) (int, error) {
	n, err := g.r.Read(p)
	if i := bytes.LastIndexByte(p[:n], '\n'); i >= 0 {
		g.line = n - i - 1
	} else if g.line += n; g.line > maxLine {
		return 0, badFile("a line is longer than %d bytes", maxLine)
	}
	return n, err
}
