package hss

import (
	"archive/zip"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// exported are the two rows that every good file of these tests holds.
func exported() []ProtectHost {
	return []ProtectHost{
		{HostID: hostA, HostName: "web, \"01\"", PrivateIP: "192.168.0.10", AgentStatus: "online", ProtectStatus: "opened",
			RaspProtectStatus: "closed", ProtectDirNum: 2, AntiTamperingTimes: 12, DetectTamperingTimes: 3},
		{HostID: hostB, HostName: "测试; 服务器", ProtectStatus: "protection_pause", RaspProtectStatus: "opened"},
	}
}

const exportedCSV = "host_id,host_name,private_ip,agent_status,protect_status,rasp_protect_status,protect_dir_num,anti_tampering_times,detect_tampering_times\n" +
	hostA + ",\"web, \"\"01\"\"\",192.168.0.10,online,opened,closed,2,12,3\n" +
	hostB + ",测试; 服务器,--,,protection_pause,opened,-,,0\n"

func zipped(t testing.TB, parts map[string]string) string {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	names := make([]string, 0, len(parts))
	for name := range parts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, parts[name])
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// workbook has its texts shared, inline and direct, a gap between cells, and its sheet where the relation says.
func workbook() map[string]string {
	return map[string]string{
		"[Content_Types].xml": `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>`,
		"xl/workbook.xml": `<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">` +
			`<sheets><sheet name="Hosts" sheetId="4" r:id="rId7"/><sheet name="Other" sheetId="5" r:id="rId8"/></sheets></workbook>`,
		"xl/_rels/workbook.xml.rels": `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
			`<Relationship Id="rId8" Target="worksheets/sheet1.xml"/><Relationship Id="rId7" Target="/xl/worksheets/hosts.xml"/></Relationships>`,
		"xl/sharedStrings.xml":     `<sst><si><t>host_id</t></si><si><r><t>host_</t></r><r><t>name</t></r><rPh><t>x</t></rPh></si><si><t>web, "01"</t></si></sst>`,
		"xl/worksheets/sheet1.xml": `<worksheet/>`,
		"xl/worksheets/hosts.xml": `<worksheet><sheetData>` +
			`<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="inlineStr"><is><t>private_ip</t></is></c>` +
			`<c t="inlineStr"><is><t>agent_status</t></is></c><c t="inlineStr"><is><t>protect_status</t></is></c><c t="inlineStr"><is><t>rasp_protect_status</t></is></c>` +
			`<c t="inlineStr"><is><t>protect_dir_num</t></is></c><c t="inlineStr"><is><t>anti_tampering_times</t></is></c><c t="inlineStr"><is><t>detect_tampering_times</t></is></c></row>` +
			`<row r="2"><c r="A2" t="str"><v>` + hostA + `</v></c><c r="B2" t="s"><v>2</v></c><c r="C2" t="str"><v>192.168.0.10</v></c><c t="str"><v>online</v></c>` +
			`<c t="str"><v>opened</v></c><c t="str"><v>closed</v></c><c><v>2</v></c><c><v>1.2E1</v></c><c><v>3.0</v></c></row>` +
			`<row r="3"><c r="A3" t="str"><v>` + hostB + `</v></c><c r="B3" t="inlineStr"><is><t>测试; 服务器</t></is></c>` +
			`<c r="E3" t="str"><v>protection_pause</v></c><c r="F3" t="str"><v>opened</v></c><c r="I3"><v>0</v></c></row>` +
			`<row r="4"/></sheetData></worksheet>`,
	}
}

func readExport(content string) (exportFile, []ProtectHost, error) {
	var hosts []ProtectHost
	f := exportFile{each: func(h ProtectHost) error { hosts = append(hosts, h); return nil }}
	err := f.read(bufio.NewReaderSize(strings.NewReader(content), 64<<10))
	return f, hosts, err
}

func TestExportFormats(t *testing.T) {
	for name, content := range map[string]string{
		"CSV":                exportedCSV,
		"CSV with BOM":       "\ufeff" + exportedCSV,
		"CSV of Windows":     "\ufeff" + strings.ReplaceAll(exportedCSV, "\n", "\r\n"),
		"CSV without end":    strings.TrimSuffix(exportedCSV, "\n"),
		"semicolons":         semicolons(),
		"tabs":               strings.NewReplacer("\"web, \"\"01\"\"\"", "\"web, \"\"01\"\"\"", ",", "\t").Replace(exportedCSV),
		"titles in capitals": strings.Replace(exportedCSV, "host_id,host_name", " HOST_ID ,Host_Name", 1),
		"more columns":       strings.NewReplacer("host_id,", "extra,host_id,", hostA+",", "x,"+hostA+",", hostB+",", ","+hostB+",").Replace(exportedCSV),
		"zip":                zipped(t, map[string]string{"export/hosts.CSV": "\ufeff" + exportedCSV, "readme.txt": "hello"}),
		"XLSX":               zipped(t, workbook()),
	} {
		t.Run(name, func(t *testing.T) {
			f, hosts, err := readExport(content)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := fmt.Sprintf("%+v", hosts), fmt.Sprintf("%+v", exported()); got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
			if f.rows != 2 || !slices.Contains(f.columns, "rasp_protect_status") {
				t.Errorf("%d rows of %v", f.rows, f.columns)
			}
		})
	}
}

// semicolons writes the same file with the other delimiter, quoting by hand what then needs it.
func semicolons() string {
	var b strings.Builder
	for i, line := range strings.Split(strings.TrimSuffix(exportedCSV, "\n"), "\n") {
		switch i {
		case 1:
			line = strings.Replace(strings.ReplaceAll(line, ",", ";"), "web; ", "web, ", 1)
		case 2:
			line = strings.Replace(strings.ReplaceAll(strings.Replace(line, "测试; 服务器", "NAME", 1), ",", ";"), "NAME", `"测试; 服务器"`, 1)
		default:
			line = strings.ReplaceAll(line, ",", ";")
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

func TestUnknownExportFormats(t *testing.T) {
	sheet := func(change func(map[string]string)) string {
		parts := workbook()
		change(parts)
		return zipped(t, parts)
	}
	for name, content := range map[string]string{
		"nothing":              "",
		"HTML":                 "<html><body>Sign in</body></html>",
		"localized titles":     "服务器ID,服务器名称\n" + hostA + ",web\n",
		"no id":                "host_name\nweb\n",
		"doubled title":        "host_id,host_name,host_id\na,b,c\n",
		"row too short":        "host_id,host_name\na\n",
		"row too long":         "host_id,host_name\na,b,c\n",
		"row without id":       "host_id,host_name\n,b\n",
		"open quote":           "host_id,host_name\na,\"b\nc,d\n",
		"localized state":      "host_id,rasp_protect_status\na,已开启\n",
		"count that is none":   "host_id,protect_dir_num\na,many\n",
		"negative count":       "host_id,protect_dir_num\na,-3\n",
		"GBK":                  "host_id,host_name\na,\xb2\xe2\xca\xd4\n",
		"UTF-16":               "\xff\xfeh\x00o\x00s\x00t\x00",
		"old Excel":            "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
		"one endless line":     "host_id,host_name\na,\"" + strings.Repeat("x", 2*maxLine) + "\"\n",
		"damaged zip":          zipped(t, map[string]string{"a.csv": exportedCSV})[:60],
		"empty zip":            "PK\x03\x04",
		"two tables":           zipped(t, map[string]string{"a.csv": exportedCSV, "b.csv": exportedCSV}),
		"zip of something":     zipped(t, map[string]string{"a.pdf": "x"}),
		"zip bomb":             zipped(t, map[string]string{"a.csv": "host_id\n" + strings.Repeat("\x00", 3*maxLine)}),
		"workbook w/o sheet":   sheet(func(p map[string]string) { delete(p, "xl/worksheets/hosts.xml") }),
		"workbook w/o texts":   sheet(func(p map[string]string) { delete(p, "xl/sharedStrings.xml") }),
		"empty sheet":          sheet(func(p map[string]string) { p["xl/worksheets/hosts.xml"] = "<worksheet/>" }),
		"broken sheet":         sheet(func(p map[string]string) { p["xl/worksheets/hosts.xml"] = "<worksheet><row><c>" }),
		"cells in the far":     sheet(func(p map[string]string) { p["xl/worksheets/hosts.xml"] = `<row><c r="ZZZ1"><v>1</v></c></row>` }),
		"cells going backward": sheet(func(p map[string]string) { p["xl/worksheets/hosts.xml"] = `<row><c r="B1"/><c r="A1"/></row>` }),
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := readExport(content); !errors.Is(err, ErrExportFormat) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestMoreRowsThanAnExportCanHave(t *testing.T) {
	var b strings.Builder
	b.WriteString("host_id\n")
	for i := range MaxExportRows + 1 {
		fmt.Fprintf(&b, "h%d\n", i)
		if i == MaxExportRows-1 {
			if f, _, err := readExport(b.String()); err != nil || f.rows != MaxExportRows {
				t.Fatalf("%d rows, %v", f.rows, err)
			}
		}
	}
	if _, _, err := readExport(b.String()); !errors.Is(err, ErrExportFormat) {
		t.Error(err)
	}
}

func FuzzExport(f *testing.F) {
	f.Add([]byte(exportedCSV))
	f.Add([]byte("\ufeffhost_id;host_name\n1;\"a;b\"\n"))
	f.Add([]byte(zipped(f, workbook())))
	f.Add([]byte(zipped(f, map[string]string{"a.csv": exportedCSV})))
	f.Fuzz(func(t *testing.T, content []byte) {
		file, hosts, err := readExport(string(content))
		if err != nil {
			if !errors.Is(err, ErrExportFormat) {
				t.Fatalf("another error: %v", err)
			}
			return
		}
		if len(hosts) != file.rows || !slices.Contains(file.columns, "host_id") {
			t.Fatalf("%d rows, %d counted, columns %q", len(hosts), file.rows, file.columns)
		}
		for _, h := range hosts {
			if h.HostID == "" || h.ProtectDirNum < 0 {
				t.Fatalf("row %+v", h)
			}
		}
	})
}

func TestDownloadOutcomes(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		status     int
		length     int // announced beyond the body
		want       Class
		format     bool
		code       string
	}{
		{name: "good", body: exportedCSV, status: 200},
		{name: "cut short", body: exportedCSV, status: 200, length: 100, want: ClassUnclear},
		{name: "HTML", body: "<html>", status: 200, want: ClassUnclear, format: true},
		{name: "an error in a 200", body: ` {"error_code":"HSS.0011","error_msg":"gone"}`, status: 200, want: ClassRefused, code: "HSS.0011"},
		{name: "other JSON", body: `{"url":"x"}`, status: 200, want: ClassUnclear, format: true},
		{name: "an error", body: `{"error_code":"HSS.0011","error_msg":"gone"}`, status: 400, want: ClassRefused, code: "HSS.0011"},
		{name: "redirect", status: 302, want: ClassUnclear},
		{name: "no content", status: 204, want: ClassUnclear},
		{name: "partial content", body: exportedCSV, status: 206, want: ClassUnclear},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Request-Id", "req-1")
				if tc.length > 0 {
					w.Header().Set("Content-Length", fmt.Sprint(len(tc.body)+tc.length))
				}
				w.WriteHeader(tc.status)
				io.WriteString(w, tc.body)
			}))
			defer s.Close()
			r, err := connect(t, s.URL, nil).DownloadExport(t.Context(), "file-1")
			if got := classOf(t, err); got != tc.want || errors.Is(err, ErrExportFormat) != tc.format {
				t.Fatalf("class %q: %v", got, err)
			}
			if (err == nil) != (len(r.Hosts) == 2) || r.Status != tc.status || r.RequestID != "req-1" {
				t.Errorf("%+v", r)
			}
			var e *Error
			if errors.As(err, &e) && (e.Code != tc.code || e.Op != OpDownloadExport || e.Status != tc.status || e.RequestID != "req-1") {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestStreamEndsWithTheReadersError(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, exportedCSV) }))
	defer s.Close()
	full, rows := errors.New("the disk is full"), 0
	_, err := connect(t, s.URL, nil).StreamExport(t.Context(), "file-1", func(ProtectHost) error { rows++; return full })
	if err != full || rows != 1 {
		t.Errorf("%v after %d rows", err, rows)
	}
}
