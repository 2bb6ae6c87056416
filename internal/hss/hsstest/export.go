package hsstest

import (
	"bytes"
	"encoding/csv"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// export is one export task with its finished file.
type export struct {
	task, file, name, project string
	readyAt                   time.Time
	failed                    bool
	content                   []byte
}

// Exports kept for download; older ones answer HSS.0011.
const keepExports = 4

func exportFields() []string {
	return []string{
		"host_name", "host_id", "public_ip", "private_ip", "charging_mode", "agent_status", "protect_status",
		"protect_dir_num", "rasp_protect_status", "anti_tampering_times", "detect_tampering_times", "protect_dir",
		"exclude_child_dir", "exclude_file_list", "local_backup_dir", "exclude_file_type", "dir_protect_status", "error",
	}
}

// exportHosts is ExportWebTamperHost: it writes the file at once and only
// pretends to take its time.
func (c *call) exportHosts() answer {
	c.query("enterprise_project_id")
	f := c.form("host_id", "host_id_list", "host_name", "public_ip", "private_ip", "agent_id", "os_type", "asset_value",
		"group_name", "protect_status", "agent_status", "rasp_protect_status", "wtp_status",
		"offset", "limit", "export_headers", "export_size")
	narrowed := readFilter(f, "rasp_protect_status")
	if f.has("host_id_list") {
		narrowed.hostIDs = map[string]bool{}
		for _, id := range f.ids("host_id_list", false, 0, 20000) {
			narrowed.hostIDs[id] = true
		}
		if len(narrowed.hostIDs) == 0 {
			narrowed.hostIDs = nil
		}
	}
	size := f.number("export_size", 1, 200000)
	var headers [][]string
	if f.read("export_headers", true, &headers, "an array of [field, title]") {
		checkHeaders(f, headers)
	}
	if a := f.check(c); a != nil {
		return *a
	}

	page, _ := c.pick(func(h *host) bool { return !h.NoWTP && narrowed.fits(h) }, 0, size)
	e := &export{
		task: randomHex(16), file: randomHex(16), project: c.project.id,
		name:    "web-tamper-host-" + c.now.UTC().Format("20060102150405") + ".csv",
		readyAt: c.now.Add(c.s.cfg.ExportDelay),
		failed:  c.fault(FaultExportFails) != nil,
		content: exportCSV(headers, page),
	}
	c.s.exports = append(c.s.exports, e)
	if len(c.s.exports) > keepExports {
		c.s.exports = slices.Delete(c.s.exports, 0, 1)
	}
	return okJSON(map[string]string{"task_id": e.task})
}

func checkHeaders(f *form, headers [][]string) {
	if len(headers) == 0 {
		f.fail("export_headers is empty")
	}
	known := exportFields()
	for _, pair := range headers {
		if len(pair) != 2 {
			f.fail("export_headers must hold pairs of field and title")
			return
		}
		if !slices.Contains(known, pair[0]) {
			f.fail("export_headers names the unknown field %q", pair[0])
		}
	}
}

// exportCSV writes UTF-8 with a byte order mark: the titles asked for, then
// one line per server.
func exportCSV(headers [][]string, hosts []*host) []byte {
	var b bytes.Buffer
	b.WriteString("\uFEFF")
	w := csv.NewWriter(&b)
	record := make([]string, len(headers))
	for i, pair := range headers {
		record[i] = pair[1]
	}
	_ = w.Write(record) // a bytes.Buffer takes everything
	for _, h := range hosts {
		for i, pair := range headers {
			record[i] = exportValue(h, pair[0])
		}
		_ = w.Write(record)
	}
	w.Flush()
	return b.Bytes()
}

func exportValue(h *host, field string) string {
	perDir := func(value string) string {
		return strings.TrimSuffix(strings.Repeat(value+";", len(h.ProtectDirs)), ";")
	}
	switch field {
	case "host_name":
		return h.HostName
	case "host_id":
		return h.HostID
	case "public_ip":
		return h.PublicIP
	case "private_ip":
		return h.PrivateIP
	case "charging_mode":
		return "packet_cycle"
	case "agent_status":
		return h.AgentStatus
	case "protect_status":
		return h.ProtectStatus
	case "protect_dir_num":
		return strconv.Itoa(len(h.ProtectDirs))
	case "rasp_protect_status":
		return h.RaspStatus
	case "anti_tampering_times":
		return strconv.FormatInt(h.AntiTampering, 10)
	case "detect_tampering_times":
		return strconv.FormatInt(h.DetectTampering, 10)
	case "protect_dir":
		return strings.Join(h.ProtectDirs, ";")
	case "local_backup_dir":
		return perDir("/var/hss-backup")
	case "exclude_file_type":
		return "log;pid;text"
	case "dir_protect_status":
		return perDir(Opened)
	}
	return ""
}

// showExportTask answers running, success or failure.
func (c *call) showExportTask() answer {
	c.query("enterprise_project_id")
	for _, e := range c.s.exports {
		if e.task != c.path["task_id"] || e.project != c.project.id {
			continue
		}
		switch {
		case c.now.Before(e.readyAt):
			return okJSON(map[string]string{"task_id": e.task, "task_status": "running"})
		case e.failed:
			return okJSON(map[string]string{"task_id": e.task, "task_status": "failure"})
		}
		return okJSON(map[string]string{
			"task_id": e.task, "task_status": "success", "file_id": e.file, "file_name": e.name,
		})
	}
	return refuse("HSS.0011", "Resource not found")
}

// downloadExport hands out the file of a finished task.
func (c *call) downloadExport() answer {
	c.query("enterprise_project_id")
	for _, e := range c.s.exports {
		if e.file != c.path["file_id"] || e.project != c.project.id || e.failed || c.now.Before(e.readyAt) {
			continue
		}
		a := answer{status: http.StatusOK, body: e.content, header: http.Header{
			"Content-Type":        {"application/octet-stream"},
			"Content-Disposition": {`attachment; filename="` + e.name + `"`},
		}}
		if c.fault(FaultExportFormat) != nil {
			a.body = []byte("PK\x03\x04 not a table of ours")
		}
		return a
	}
	return refuse("HSS.0011", "Resource not found")
}
