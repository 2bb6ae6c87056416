package hss

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// ExportRequest says which protected servers to export, and which of their fields.
type ExportRequest struct {
	HostIDs             []string // only these, at most 200,000; empty: all
	HostName            string   // filters, as in ListWtpProtectHostRequest
	PublicIP, PrivateIP string
	GroupName           string
	OSType              string
	AssetValue          string
	ProtectStatus       string
	WtpStatus           string
	AgentStatus         string
	RaspStatus          string
	Fields              []string // of ExportFields, with host_id; empty: all of them
	Size                int      // rows at most, 1-200000
}

// ExportFields are the fields of a server that an export can have. The API has more, about directories; with
// those a server may take several rows, so they are not offered.
func ExportFields() []string {
	return []string{
		"host_id", "host_name", "public_ip", "private_ip", "charging_mode", "agent_status", "protect_status",
		"protect_dir_num", "rasp_protect_status", "anti_tampering_times", "detect_tampering_times",
	}
}

// ExportWebTamperHostResponse names the task to ask ShowExportTask about.
type ExportWebTamperHostResponse struct {
	Meta
	TaskID string
}

// ExportWebTamperHost starts an export of the protection list: three calls for up to 200,000 rows. The titles
// of the columns are asked to be the names of the fields.
//
// POST /v5/{project_id}/webtamper/host/export, HSS API Reference "Exporting the Protection List".
func (c *Client) ExportWebTamperHost(ctx context.Context, q ExportRequest) (ExportWebTamperHostResponse, error) {
	var r ExportWebTamperHostResponse
	op := &call{op: OpExportWebTamperHost, method: http.MethodPost, path: []string{"webtamper", "host", "export"}, region: true, want: http.StatusOK}
	if len(q.HostIDs) > 0 {
		if err := checkIDs(q.HostIDs, MaxExportRows); err != nil {
			return r, c.notSent(op, err)
		}
	}
	if q.Size < 1 || q.Size > MaxExportRows {
		return r, c.notSent(op, fmt.Errorf("the size must be 1 to %d rows, not %d", MaxExportRows, q.Size))
	}
	fields := q.Fields
	if len(fields) == 0 {
		fields = ExportFields()
	}
	headers := make([][2]string, 0, len(fields))
	for i, f := range fields {
		if !slices.Contains(ExportFields(), f) || slices.Contains(fields[:i], f) {
			return r, c.notSent(op, fmt.Errorf("the field %q cannot be exported, or is there twice", f))
		}
		headers = append(headers, [2]string{f, f})
	}
	if !slices.Contains(fields, "host_id") {
		return r, c.notSent(op, fmt.Errorf("an export needs the field host_id"))
	}
	body := map[string]any{"export_headers": headers, "export_size": q.Size}
	if len(q.HostIDs) > 0 {
		body["host_id_list"] = q.HostIDs
	}
	for name, value := range map[string]string{
		"host_name": q.HostName, "public_ip": q.PublicIP, "private_ip": q.PrivateIP, "group_name": q.GroupName,
		"os_type": q.OSType, "asset_value": q.AssetValue, "protect_status": q.ProtectStatus, "wtp_status": q.WtpStatus,
		"agent_status": q.AgentStatus, "rasp_protect_status": q.RaspStatus,
	} {
		if value == "" {
			continue
		}
		if err := checkText(name+" filter", value, 256); err != nil {
			return r, c.notSent(op, err)
		}
		body[name] = value
	}
	op.body = body
	op.decode = func(answer []byte) error {
		top, err := objectOf(answer)
		if err != nil {
			return err
		}
		if r.TaskID = top.text("task_id"); r.TaskID == "" && top.err() == nil {
			return fmt.Errorf("field task_id is missing")
		}
		return top.err()
	}
	var err error
	r.Meta, err = c.do(ctx, op)
	return r, err
}

// Export task states.
const (
	ExportRunning = "running"
	ExportSuccess = "success"
	ExportFailure = "failure"
)

// ShowExportTaskResponse is the state of an export.
type ShowExportTaskResponse struct {
	Meta
	Status   string // ExportRunning, ExportSuccess, ExportFailure
	FileID   string // with ExportSuccess
	FileName string
}

// ShowExportTask asks how far an export is.
//
// GET /v5/{project_id}/export-task/{task_id}, HSS API Reference "Querying an Export Task".
func (c *Client) ShowExportTask(ctx context.Context, taskID string) (ShowExportTaskResponse, error) {
	var r ShowExportTaskResponse
	op := &call{op: OpShowExportTask, method: http.MethodGet, path: []string{"export-task", taskID}, region: true, want: http.StatusOK}
	if err := checkID("task ID", taskID); err != nil {
		return r, c.notSent(op, err)
	}
	op.decode = func(answer []byte) error {
		top, err := objectOf(answer)
		if err != nil {
			return err
		}
		r.Status, r.FileID, r.FileName = strings.ToLower(top.text("task_status")), top.text("file_id"), top.text("file_name")
		switch {
		case top.err() != nil:
			return top.err()
		case r.Status == "":
			return fmt.Errorf("field task_status is missing")
		case r.Status == ExportSuccess && r.FileID == "":
			return fmt.Errorf("field file_id is missing")
		}
		return nil
	}
	var err error
	r.Meta, err = c.do(ctx, op)
	return r, err
}

// DownloadExportResponse is an exported file, read.
type DownloadExportResponse struct {
	Meta
	Columns []string      // the fields the file has; the others are zero in every row
	Rows    int           // rows read
	Hosts   []ProtectHost // of DownloadExport only
}

// DownloadExport fetches an exported file and reads it: CSV, CSV in a zip archive, or XLSX, at most 256 MiB
// and 200,000 rows. The error wraps ErrExportFormat when the file came but cannot be understood.
//
// GET /v5/{project_id}/download/{file_id}, HSS API Reference "Downloading an Exported File".
func (c *Client) DownloadExport(ctx context.Context, fileID string) (DownloadExportResponse, error) {
	var hosts []ProtectHost
	r, err := c.StreamExport(ctx, fileID, func(h ProtectHost) error {
		hosts = append(hosts, h)
		return nil
	})
	if err == nil {
		r.Hosts = hosts
	}
	return r, err
}

// StreamExport is DownloadExport for callers that take the rows one by one. Rows handed over before an error
// are a part of the file only: throw them away. An error of each ends the reading and is returned as it is.
func (c *Client) StreamExport(ctx context.Context, fileID string, each func(ProtectHost) error) (DownloadExportResponse, error) {
	var r DownloadExportResponse
	// Ten times the deadline of other calls: the file of a large fleet has tens of megabytes.
	op := &call{op: OpDownloadExport, method: http.MethodGet, path: []string{"download", fileID}, region: true, want: http.StatusOK, patience: 10}
	if err := checkID("file ID", fileID); err != nil {
		return r, c.notSent(op, err)
	}
	op.stream = func(body io.Reader) error {
		in := bufio.NewReaderSize(body, 64<<10)
		start, _ := in.Peek(512)
		if start = bytes.TrimSpace(bytes.TrimPrefix(start, []byte(utf8BOM))); len(start) > 0 && start[0] == '{' {
			return faultInFile(in)
		}
		file := exportFile{each: each}
		err := file.read(in)
		r.Columns, r.Rows = file.columns, file.rows
		return err
	}
	var err error
	r.Meta, err = c.do(ctx, op)
	return r, err
}

// faultInFile reads JSON where a file should be: an error of HSS, most likely.
func faultInFile(in io.Reader) error {
	body, err := io.ReadAll(io.LimitReader(in, maxAnswer))
	if err != nil {
		return err
	}
	f := readFault(bytes.TrimPrefix(body, []byte(utf8BOM)))
	if !f.known && !f.odd {
		return fmt.Errorf("%w: JSON", ErrExportFormat)
	}
	return &Error{Class: classify(http.StatusOK, f, 0, false), Code: f.code, Message: f.message}
}
