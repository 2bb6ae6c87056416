package hss

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// answering gives a client whose every call is answered 200 with body.
func answering(t testing.TB, body string) *Client {
	c, err := New(Config{Region: "cn-north-4", ProjectID: vectorProject, Credential: keyPair(),
		Transport: tripFunc(func(r *http.Request) (*http.Response, error) { return respond(r, 200, body), nil })})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestListsAreDecodedLeniently(t *testing.T) {
	r, err := answering(t, `{"total_num":"3","new_field":{"a":[1]},"data_list":[
		{"host_id":"h1","host_name":"web-01","private_ip":"192.168.0.10","os_type":"linux","host_status":"ACTIVE","agent_status":"online",
		 "protect_status":"opened","rasp_protect_status":"closed","protect_dir_num":2,"charging_mode":"packet_cycle","backup_host_id":"b1",
		 "anti_tampering_times":2000000000,"detect_tampering_times":"7","abnormal_dir_list":["/a"],"abnormal_reason":1,"unknown":{"x":1}},
		{"host_id":12345,"os_type":"Windows","protect_dir_num":null,"backup_host_id":null,"abnormal_dir_list":null,"protect_status":"invented"},
		{"host_id":"h3","protect_dir_num":2.0}]}`).ListWtpProtectHost(t.Context(), ListWtpProtectHostRequest{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	want := []ProtectHost{
		{HostID: "h1", HostName: "web-01", PrivateIP: "192.168.0.10", OSType: "linux", HostStatus: "ACTIVE", AgentStatus: "online",
			ProtectStatus: "opened", RaspProtectStatus: "closed", ProtectDirNum: 2, ChargingMode: "packet_cycle", BackupHostID: "b1",
			AntiTamperingTimes: 2000000000, DetectTamperingTimes: 7, AbnormalDirList: []string{"/a"}, AbnormalReason: 1},
		{HostID: "12345", OSType: "Windows", ProtectStatus: "invented"},
		{HostID: "h3", ProtectDirNum: 2},
	}
	if got := fmt.Sprintf("%+v", r.Hosts); got != fmt.Sprintf("%+v", want) || r.TotalNum != 3 {
		t.Errorf("%d: %s", r.TotalNum, got)
	}
	if !r.Hosts[0].IsLinux() || r.Hosts[0].IsWindows() || !r.Hosts[1].IsWindows() || r.Hosts[2].IsLinux() {
		t.Error("os_type is compared wrongly")
	}
}

// TestAListThatCannotBeTrustedIsNoList: half a list must not pass for the whole.
func TestAListThatCannotBeTrustedIsNoList(t *testing.T) {
	row := `{"host_id":"h"},`
	for _, body := range []string{
		``, `{}`, `null`, `[]`, `"x"`, `7`, `{"data_list":{}}`, `{"data_list":[{"host_id":"h"}]}`, `{"total_num":null}`, `{"total_num":-1,"data_list":[]}`,
		`{"total_num":1.5}`, `{"total_num":99999999999}`, `{"total_num":{},"data_list":[]}`, `{"total_num":1,"data_list":{}}`,
		`{"total_num":1,"data_list":"x"}`, `{"total_num":1,"data_list":[null]}`, `{"total_num":1,"data_list":[1]}`,
		`{"total_num":1,"data_list":[{}]}`, `{"total_num":1,"data_list":[{"host_id":""}]}`, `{"total_num":1,"data_list":[{"host_id":{"a":1}}]}`,
		`{"total_num":1,"data_list":[{"host_id":"h","protect_dir_num":"many"}]}`,
		`{"total_num":11,"data_list":[` + strings.TrimSuffix(strings.Repeat(row, 11), ",") + `]}`,
		`{"total_num":1,"data_list":[{"host_id":"h"}]`,
		`{"total_num":1,"data_list":` + strings.Repeat(`[`, 20000) + strings.Repeat(`]`, 20000) + `}`,
	} {
		r, err := answering(t, body).ListWtpProtectHost(t.Context(), ListWtpProtectHostRequest{Limit: 10})
		if classOf(t, err) != ClassUnclear || len(r.Hosts) != 0 || r.TotalNum != 0 {
			t.Errorf("%.80s: %d hosts, %v", body, len(r.Hosts), err)
		}
	}
	for _, body := range []string{`{"total_num":0}`, `{"total_num":0,"data_list":null}`, `{"data_list":[]}`, `{"data_list":null}`, `{"total_num":null,"data_list":[]}`} {
		if r, err := answering(t, body).ListWtpProtectHost(t.Context(), ListWtpProtectHostRequest{Limit: 10}); err != nil || r.TotalNum != 0 {
			t.Errorf("an empty list, %s: %v", body, err)
		}
	}
}

// TestWhatNothingIsDecidedByCostsNoList: oddities around and beside what the console uses.
func TestWhatNothingIsDecidedByCostsNoList(t *testing.T) {
	for _, body := range []string{
		"\ufeff" + `{"total_num":1,"data_list":[{"host_id":"h"}]}`,
		"\r\n\t " + `{"total_num":1,"data_list":[{"host_id":"h"}]}` + "\r\n\r\n",
		`{"total_num":1,"data_list":[{"host_id":"h","abnormal_dir_list":"/a;/b","abnormal_reason":"1,2"}]}`,
		`{"total_num":1,"data_list":[{"host_id":"h","abnormal_dir_list":7,"abnormal_reason":[1]}]}`,
		`{"total_num":1,"data_list":[{"host_id":"h","labels":{"a":"b"}}]}`,
	} {
		c := answering(t, body)
		r, err := c.ListWtpProtectHost(t.Context(), ListWtpProtectHostRequest{Limit: 10})
		if err != nil || len(r.Hosts) != 1 || r.Hosts[0].HostID != "h" {
			t.Errorf("%q: %+v, %v", body, r.Hosts, err)
		}
		if hosts, err := c.ListHostStatus(t.Context(), ListHostStatusRequest{Limit: 10}); err != nil || len(hosts.Hosts) != 1 {
			t.Errorf("%q: %+v, %v", body, hosts.Hosts, err)
		}
	}
}

func TestOtherAnswersAreDecoded(t *testing.T) {
	ctx := t.Context()
	backups, err := answering(t, `{"total_num":2,"data_list":[{"backup_host_id":"b1","backup_host_name":"backup-01","backup_host_ip":"192.168.1.1",
		"backup_host_port":8080,"backup_dir":"/hss01","backup_host_status":-1},{"backup_host_id":"b2"}]}`).
		ListBackupHostsInfo(ctx, ListBackupHostsInfoRequest{Limit: 10})
	if err != nil || !slices.Equal(backups.Hosts, []BackupHostInfo{
		{BackupHost: BackupHost{HostID: "b1", IP: "192.168.1.1", Port: 8080, Dir: "/hss01"}, HostName: "backup-01", Status: BackupFailed},
		{BackupHost: BackupHost{HostID: "b2"}, Status: BackupStatusUnknown}}) {
		t.Errorf("%+v, %v", backups, err)
	}
	for body, want := range map[string]Switch{`{"remote_backup":true}`: SwitchOn, `{"remote_backup":"false"}`: SwitchOff, `{}`: 0} {
		remote, err := answering(t, body).ShowRemoteBackupHostInfo(ctx, hostA)
		if err != nil || remote.Switch != want {
			t.Errorf("%s: %+v, %v", body, remote, err)
		}
	}
	if _, err := answering(t, `{"remote_backup":"perhaps"}`).ShowRemoteBackupHostInfo(ctx, hostA); classOf(t, err) != ClassUnclear {
		t.Error(err)
	}
	path, err := answering(t, `{"rasp_path":"/opt/tomcat/bin"}`).ShowWebTamperRaspPath(ctx, hostA)
	if err != nil || path.RaspPath != "/opt/tomcat/bin" {
		t.Errorf("%+v, %v", path, err)
	}
	hosts, err := answering(t, `{"total_num":1,"data_list":[{"host_id":"h","agent_id":"a","os_type":"Linux","outside_host":true,"labels":["x"],
		"version":"hss.version.wtp","wtp_protect_status":"opened"}]}`).ListHostStatus(ctx, ListHostStatusRequest{Limit: 200})
	if err != nil || len(hosts.Hosts) != 1 || hosts.Hosts[0].AgentID != "a" || !hosts.Hosts[0].OutsideHost || !hosts.Hosts[0].IsLinux() {
		t.Errorf("%+v, %v", hosts, err)
	}
	projects, err := answering(t, `{"projects":[{"id":"p","name":"cn-north-4","domain_id":"d","parent_id":"d","enabled":true,"is_domain":false},
		{"id":"q","name":"cn-north-4_team","enabled":false},{"id":"r"}],"links":{}}`).ListProjects(ctx, "")
	if err != nil || !slices.Equal(projects.Projects, []IAMProject{{ID: "p", Name: "cn-north-4", DomainID: "d", ParentID: "d", Enabled: true},
		{ID: "q", Name: "cn-north-4_team"}, {ID: "r", Enabled: true}}) {
		t.Errorf("%+v, %v", projects, err)
	}
	task, err := answering(t, `{"task_id":"t","task_status":"success","file_id":"f","file_name":"n.csv"}`).ShowExportTask(ctx, "t")
	if err != nil || task.Status != ExportSuccess || task.FileID != "f" || task.FileName != "n.csv" {
		t.Errorf("%+v, %v", task, err)
	}
	if task, err = answering(t, `{"task_status":"RUNNING"}`).ShowExportTask(ctx, "t"); err != nil || task.Status != ExportRunning {
		t.Errorf("%+v, %v", task, err)
	}
	for _, body := range []string{`{}`, `{"task_status":"success"}`} {
		if _, err := answering(t, body).ShowExportTask(ctx, "t"); classOf(t, err) != ClassUnclear {
			t.Errorf("%s: %v", body, err)
		}
	}
	if _, err := answering(t, `{}`).ExportWebTamperHost(ctx, ExportRequest{Size: 1}); classOf(t, err) != ClassUnclear {
		t.Error(err)
	}
}

// TestReadsNeedAWhole200 shows that reads do not take a redirect or an empty answer for a list either.
func TestReadsNeedAWhole200(t *testing.T) {
	for _, status := range []int{201, 204, 302} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, `{"total_num":0,"data_list":[]}`)
		}))
		if _, err := connect(t, s.URL, nil).ListWtpProtectHost(t.Context(), ListWtpProtectHostRequest{Limit: 10}); classOf(t, err) != ClassUnclear {
			t.Errorf("%d: %v", status, err)
		}
		s.Close()
	}
}

func FuzzList(f *testing.F) {
	f.Add([]byte(`{"total_num":1,"data_list":[{"host_id":"h","os_type":"Linux","protect_dir_num":2,"abnormal_dir_list":["a"]}]}`))
	f.Add([]byte(`{"total_num":"1e1","data_list":[{"host_id":1,"anti_tampering_times":"9"}]}`))
	f.Add([]byte(`{"error_code":"HSS.1"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := answering(t, string(body)).ListWtpProtectHost(t.Context(), ListWtpProtectHostRequest{Limit: 10})
		if err != nil {
			if class := classOf(t, err); class != ClassUnclear && class != ClassRefused && class != ClassNoPermission || len(r.Hosts) > 0 {
				t.Fatalf("%v with %d hosts", err, len(r.Hosts))
			}
			return
		}
		if !json.Valid(body) || len(r.Hosts) > 10 || r.TotalNum < 0 {
			t.Fatalf("a list of %q: %+v", body, r)
		}
		for _, h := range r.Hosts {
			if h.HostID == "" {
				t.Fatalf("a row without id in %q", body)
			}
		}
	})
}
