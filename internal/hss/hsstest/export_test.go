package hsstest

import (
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func (c *client) export(body string) map[string]string {
	c.t.Helper()
	r := c.must(c.do("POST", c.path("/webtamper/host/export?enterprise_project_id=all_granted_eps"), body), 200, "")
	return c.object(r)
}

func (c *client) object(r result) map[string]string {
	c.t.Helper()
	var v map[string]string
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		c.t.Fatal(err)
	}
	return v
}

func (c *client) task(id string) map[string]string {
	c.t.Helper()
	return c.object(c.must(c.do("GET", c.path("/export-task/"+id), ""), 200, ""))
}

func TestExport(t *testing.T) {
	c := start(t, Config{Fleet: PlainFleet(300), ExportDelay: time.Second})
	ids := c.ids(3)
	c.sim.SetServer(c.acc.ProjectID, Server{HostID: ids[1], HostName: `a "b", 测试`, RaspStatus: "opened",
		ProtectDirs: []string{"/a", "/b"}, AntiTampering: 7})
	task := c.export(`{"export_size":200000,"export_headers":[["rasp_protect_status","动态"],["host_id","ID"],["host_name","Name"],["protect_dir","Dirs"],["anti_tampering_times","N"]]}`)
	if st := c.task(task["task_id"]); st["task_status"] != "running" || st["file_id"] != "" {
		t.Error(st)
	}
	c.clock.pass(time.Second)
	done := c.task(task["task_id"])
	if done["task_status"] != "success" || !strings.HasSuffix(done["file_name"], ".csv") {
		t.Error(done)
	}
	r := c.must(c.do("GET", c.path("/download/"+done["file_id"]), ""), 200, "")
	text, ok := strings.CutPrefix(r.body, "\uFEFF")
	if !ok {
		t.Error("no byte order mark")
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) != 301 {
		t.Fatal(len(rows), err)
	}
	if got := strings.Join(rows[0], "|"); got != "动态|ID|Name|Dirs|N" {
		t.Error(got)
	}
	if got := strings.Join(rows[2], "|"); got != "opened|"+ids[1]+`|a "b", 测试|/a;/b|7` {
		t.Error(got)
	}
	c.clean()
}

func TestExportFiltered(t *testing.T) {
	c := start(t, Config{Fleet: PlainFleet(30)})
	ids := c.ids(3)
	c.must(c.switchRasp(true, ids[0]), 200, "")
	for filter, want := range map[string]int{
		`"host_id_list":["` + ids[0] + `","` + ids[2] + `","unknown"]`: 2,
		`"rasp_protect_status":"opened"`:                               1,
		`"host_name":"web-00001"`:                                      10,
		`"group_name":"none"`:                                          0,
		`"export_size":4`:                                              4,
	} {
		if !strings.Contains(filter, "export_size") {
			filter += `,"export_size":200000`
		}
		task := c.export(`{"export_headers":[["host_id","id"]],` + filter + `}`)
		r := c.do("GET", c.path("/download/"+c.task(task["task_id"])["file_id"]), "")
		if got := strings.Count(r.body, "\n") - 1; got != want {
			t.Errorf("%s: %d rows, want %d", filter, got, want)
		}
	}
	c.clean()
}

func TestExportsThatGoWrong(t *testing.T) {
	c := start(t, Config{})
	const body = `{"export_size":10,"export_headers":[["host_id","id"]]}`
	c.sim.AddFault(Fault{Kind: FaultExportFails, Times: 1})
	if st := c.task(c.export(body)["task_id"]); st["task_status"] != "failure" || st["file_id"] != "" {
		t.Error(st)
	}
	c.sim.AddFault(Fault{Kind: FaultExportFormat})
	st := c.task(c.export(body)["task_id"])
	if r := c.do("GET", c.path("/download/"+st["file_id"]), ""); !strings.HasPrefix(r.body, "PK") {
		t.Error(r.body)
	}
	c.must(c.do("GET", c.path("/download/unknown"), ""), 400, "HSS.0011")
	c.must(c.do("GET", c.path("/export-task/unknown"), ""), 400, "HSS.0011")
	c.sim.AddProject("ap-southeast-1", "p2", "intl")
	c.must(c.do("GET", "/v5/p2/download/"+st["file_id"], ""), 400, "HSS.0011")
	c.clean()
}
