package hsstest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// Every documented range, at both sides of its ends. "bad" must be refused
// with HSS.0001 and noted as a violation; "good" must be neither.
func TestDocumentedRanges(t *testing.T) {
	c := start(t, Config{Fleet: PlainFleet(201)})
	ids := c.ids(201)
	h := ids[0]
	long := func(n int) string { return strings.Repeat("x", n) }
	dir := func(n int) string { return "/" + long(n-1) }
	list := func(v any) string { data, _ := json.Marshal(v); return string(data) }
	rasp := func(ids any, status string) string {
		return `{"host_id_list":` + list(ids) + `,"status":` + status + `}`
	}
	backup := func(id, ip string, port any, dir string) string {
		return list(map[string]any{"host_id": id, "backup_host_ip": ip, "backup_host_port": port, "backup_dir": dir})
	}
	export := func(size any, headers string) string {
		return fmt.Sprintf(`{"export_size":%v,"export_headers":%s}`, size, headers)
	}
	const headers = `[["host_id","ID"]]`
	cases := []struct {
		method, path, body string
		good               bool
	}{
		{"GET", "/webtamper/hosts", "", true},
		{"GET", "/webtamper/hosts?limit=10", "", true},
		{"GET", "/webtamper/hosts?limit=200&offset=2000000", "", true},
		{"GET", "/webtamper/hosts?limit=9", "", false},
		{"GET", "/webtamper/hosts?limit=201", "", false},
		{"GET", "/webtamper/hosts?limit=", "", false},
		{"GET", "/webtamper/hosts?limit=ten", "", false},
		{"GET", "/webtamper/hosts?offset=-1", "", false},
		{"GET", "/webtamper/hosts?offset=2000001", "", false},
		{"GET", "/webtamper/hosts?host_name=", "", false},
		{"GET", "/webtamper/hosts?host_name=" + long(256), "", true},
		{"GET", "/webtamper/hosts?host_name=" + long(257), "", false},
		{"GET", "/webtamper/hosts?host_id=" + long(64), "", true},
		{"GET", "/webtamper/hosts?host_id=" + long(65), "", false},
		{"GET", "/webtamper/hosts?group_name=" + long(65), "", false},
		{"GET", "/webtamper/hosts?public_ip=1.1", "", false},
		{"GET", "/webtamper/hosts?private_ip=" + long(129), "", false},
		{"GET", "/webtamper/hosts?os_type=linux", "", true},
		{"GET", "/webtamper/hosts?os_type=BSD", "", false},
		{"GET", "/webtamper/hosts?asset_value=low", "", false},
		{"GET", "/webtamper/hosts?wtp_status=protection_interruption", "", true},
		{"GET", "/webtamper/hosts?wtp_status=closed", "", false},
		{"GET", "/webtamper/hosts?agent_status=online&rasp_status=closed&protect_status=opened", "", true},
		{"GET", "/webtamper/hosts?agent_status=on", "", false},
		{"GET", "/webtamper/hosts?rasp_status=on", "", false},
		{"GET", "/webtamper/hosts?enterprise_project_id=" + long(257), "", false},
		{"GET", "/webtamper/hosts?enterprise_project_id=", "", false},

		{"POST", "/webtamper/rasp/status", rasp(ids[:1], "true"), true},
		{"POST", "/webtamper/rasp/status", rasp(ids[:200], "false"), true},
		{"POST", "/webtamper/rasp/status", rasp(ids[:201], "true"), false},
		{"POST", "/webtamper/rasp/status", rasp([]string{}, "true"), false},
		{"POST", "/webtamper/rasp/status", rasp([]string{""}, "true"), false},
		{"POST", "/webtamper/rasp/status", rasp([]string{long(129)}, "true"), false},
		{"POST", "/webtamper/rasp/status", rasp(ids[:1], "null"), false},
		{"POST", "/webtamper/rasp/status", rasp(ids[:1], `"true"`), false},
		{"POST", "/webtamper/rasp/status", rasp(ids[:1], "1"), false},
		{"POST", "/webtamper/rasp/status", `{"host_id_list":["` + h + `"]}`, false},
		{"POST", "/webtamper/rasp/status", `{"status":true}`, false},

		{"PUT", "/wtp/backup-hosts", backup(h, "10.0.0.1", 1, "/b"), true},
		{"PUT", "/wtp/backup-hosts", backup(h, "10.0.0.1", 0, "/b"), true},
		{"PUT", "/wtp/backup-hosts", backup(h, "10.0.0.1", 65535, dir(256)), true},
		{"PUT", "/wtp/backup-hosts", backup(h, long(256), 1, "/b"), true},
		{"PUT", "/wtp/backup-hosts", backup(h, "10.0.0.1", -1, "/b"), false},
		{"PUT", "/wtp/backup-hosts", backup(h, "10.0.0.1", 65536, "/b"), false},
		{"PUT", "/wtp/backup-hosts", backup(h, "10.0.0.1", "8080", "/b"), false},
		{"PUT", "/wtp/backup-hosts", backup(h, "10.0.0.1", 80.5, "/b"), false},
		{"PUT", "/wtp/backup-hosts", backup(h, "10.0.0.1", 1, dir(257)), false},
		{"PUT", "/wtp/backup-hosts", backup(h, long(257), 1, "/b"), false},
		{"PUT", "/wtp/backup-hosts", backup(long(257), "10.0.0.1", 1, "/b"), false},
		{"PUT", "/wtp/backup-hosts", `{"host_id":"` + h + `","backup_host_ip":"10.0.0.1","backup_dir":"/b"}`, false},
		{"PUT", "/wtp/backup-hosts", `{"backup_host_ip":"10.0.0.1","backup_dir":"/b","backup_host_port":1}`, false},
		{"GET", "/wtp/backup-hosts?is_run=true&limit=200", "", true},
		{"GET", "/wtp/backup-hosts?is_run=yes", "", false},
		{"GET", "/wtp/backup-hosts?limit=5", "", false},
		{"DELETE", "/wtp/backup-hosts", list(map[string]any{"backup_host_id_list": []string{}}), false},
		{"DELETE", "/wtp/backup-hosts", list(map[string]any{"backup_host_id_list": ids[:101]}), false},
		{"DELETE", "/wtp/backup-hosts", `{}`, false},

		{"POST", "/wtp/" + h + "/set-remote-backup", `{"remote_backup":false}`, true},
		{"POST", "/wtp/" + h + "/set-remote-backup", `{}`, false},
		{"POST", "/wtp/" + h + "/set-remote-backup", `{"remote_backup":true}`, false},
		{"POST", "/wtp/" + h + "/set-remote-backup", `{"remote_backup":true,"backup_addr":"x","backup_host_id":"y"}`, false},

		{"PUT", "/wtp/" + h + "/rasp-path", list(map[string]any{"rasp_path": dir(256)}), true},
		{"PUT", "/wtp/" + h + "/rasp-path", list(map[string]any{"rasp_path": dir(257)}), false},
		{"PUT", "/wtp/" + h + "/rasp-path", list(map[string]any{"rasp_path": ""}), false},
		{"PUT", "/wtp/" + h + "/rasp-path", list(map[string]any{"rasp_path": "/"}), false},
		{"PUT", "/wtp/" + h + "/rasp-path", list(map[string]any{"rasp_path": "opt/tomcat"}), false},
		{"PUT", "/wtp/" + h + "/rasp-path", list(map[string]any{"rasp_path": "/opt/tomcat/"}), false},
		{"PUT", "/wtp/" + h + "/rasp-path", list(map[string]any{"rasp_path": "/opt/my tomcat"}), false},
		{"PUT", "/wtp/" + h + "/rasp-path", list(map[string]any{"rasp_path": "/opt/tomcat\n"}), false},
		{"PUT", "/wtp/" + h + "/rasp-path?host_name=" + long(257), list(map[string]any{"rasp_path": "/opt"}), false},

		{"GET", "/host-management/hosts?limit=200&os_type=Linux&host_status=ACTIVE&agent_status=online&refresh=false", "", true},
		{"GET", "/host-management/hosts?host_id_list=" + strings.Join(ids[:100], ","), "", true},
		{"GET", "/host-management/hosts?host_id_list=" + strings.Join(ids[:101], ","), "", false},
		{"GET", "/host-management/hosts?host_status=ON", "", false},
		{"GET", "/host-management/hosts?limit=9", "", false},

		{"POST", "/webtamper/host/export", export(1, headers), true},
		{"POST", "/webtamper/host/export", export(200000, headers), true},
		{"POST", "/webtamper/host/export", export(0, headers), false},
		{"POST", "/webtamper/host/export", export(200001, headers), false},
		{"POST", "/webtamper/host/export", export(1, `[]`), false},
		{"POST", "/webtamper/host/export", export(1, `[["nothing","X"]]`), false},
		{"POST", "/webtamper/host/export", export(1, `[["host_id"]]`), false},
		{"POST", "/webtamper/host/export", export(1, `"host_id"`), false},
		{"POST", "/webtamper/host/export", `{"export_size":1}`, false},
		{"POST", "/webtamper/host/export", `{"export_headers":[["host_id","ID"]]}`, false},
	}
	for _, tc := range cases {
		c.sim.Forget()
		r := c.do(tc.method, c.path(tc.path), tc.body)
		name := fmt.Sprintf("%s %.60s %.80s", tc.method, tc.path, tc.body)
		violations := c.sim.Violations()
		if tc.good && (r.status != 200 || len(violations) > 0) {
			t.Errorf("%s: %d %s %q", name, r.status, r.body, violations)
		}
		if !tc.good && (r.status != 400 || r.code() != "HSS.0001" || len(violations) == 0) {
			t.Errorf("%s: %d %s %q", name, r.status, r.body, violations)
		}
	}
}

func TestBodiesThatAreNoObjects(t *testing.T) {
	c := start(t, Config{})
	for _, body := range []string{"", "[]", "{", `{"status":tru}`, `"x"`, `{"status":true} {}`} {
		r := c.do("POST", c.path("/webtamper/rasp/status"), body)
		if r.status != 400 || (r.code() != "HSS.0002" && r.code() != "HSS.0001") {
			t.Errorf("%q: %d %s", body, r.status, r.body)
		}
	}
}

func TestCallsOutsideTheAllowList(t *testing.T) {
	c := start(t, Config{})
	for _, call := range []string{
		"PUT /v5/{p}/rasp/status", // application protection, the namesake
		"GET /v5/{p}/webtamper/rasp/status",
		"POST /v5/{p}/webtamper/rasp/status/",
		"POST /v5/{p}//webtamper/rasp/status",
		"POST /v5/{p}/webtamper/static/status",
		"POST /v5/{p}/wtp/backup-hosts",
		"GET /", "GET /v3/users",
	} {
		c.sim.Forget()
		method, path, _ := strings.Cut(call, " ")
		path = strings.Replace(path, "{p}", c.acc.ProjectID, 1)
		c.must(c.do(method, path, ""), 404, "APIGW.0101")
		c.violated("not a call this client may make")
	}
}

func TestBreachesThatAreAnsweredAllTheSame(t *testing.T) {
	c := start(t, Config{})
	h := c.ids(1)[0]
	cases := []struct {
		what, method, path, body string
	}{
		{"sent twice in one call", "POST", "/webtamper/rasp/status", `{"host_id_list":["` + h + `","` + h + `"],"status":true}`},
		{`field "status" is sent twice`, "POST", "/webtamper/rasp/status", `{"host_id_list":["` + h + `"],"status":false,"status":true}`},
		{`field "Status" isn't documented`, "POST", "/webtamper/rasp/status", `{"host_id_list":["` + h + `"],"status":true,"Status":true}`},
		{`"host_nam" isn't documented`, "GET", "/webtamper/hosts?host_nam=x", ""},
		{`"limit" is sent 2 times`, "GET", "/webtamper/hosts?limit=10&limit=20", ""},
		{"encoded as +", "GET", "/webtamper/hosts?host_name=a+b", ""},
	}
	for _, tc := range cases {
		c.sim.Forget()
		c.must(c.do(tc.method, c.path(tc.path), tc.body), 200, "")
		c.violated(tc.what)
	}
	c.alter = func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }
	c.must(c.switchRasp(true, h), 200, "")
	c.violated("Content-Type")
}
