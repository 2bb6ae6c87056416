package hsstest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func (c *client) backup(id, ip string, port int, dir string) result {
	c.t.Helper()
	return c.do("PUT", c.path("/wtp/backup-hosts?enterprise_project_id=0"), fmt.Sprintf(
		`{"host_id":%q,"backup_host_ip":%q,"backup_host_port":%d,"backup_dir":%q}`, id, ip, port, dir))
}

func (c *client) backupStatus() (status []int) {
	for _, row := range c.list("/wtp/backup-hosts").Rows {
		status = append(status, int(row["backup_host_status"].(float64)))
	}
	return status
}

func TestBackupServersStartAfterAWhile(t *testing.T) {
	c := start(t, Config{BackupStartDelay: 10 * time.Second})
	ids := c.ids(3)
	c.sim.SetServer(c.acc.ProjectID, Server{HostID: ids[1], HostName: "www", ProtectDirs: []string{"/var/www"}})
	if r := c.must(c.backup(ids[0], "10.0.0.1", 8080, "/hss01"), 200, ""); r.body != "" {
		t.Error(r.body)
	}
	c.must(c.backup(ids[1], "10.0.0.2", 8080, "/var/www/backup"), 200, "") // inside what is protected
	c.must(c.backup(ids[2], "10.0.0.3", 0, "/b"), 200, "")
	if got := c.backupStatus(); fmt.Sprint(got) != "[2 2 2]" {
		t.Error(got)
	}
	c.clock.pass(9 * time.Second)
	if got := c.backupStatus(); fmt.Sprint(got) != "[2 2 2]" {
		t.Error(got)
	}
	c.clock.pass(time.Second)
	if got := c.backupStatus(); fmt.Sprint(got) != "[1 -1 -1]" {
		t.Error(got)
	}
	c.must(c.backup(ids[0], "10.0.0.9", 9090, "/hss02"), 200, "") // known: changed, not added
	l := c.list("/wtp/backup-hosts?limit=10&is_run=true")
	if row := l.Rows[0]; l.Total != 3 || row["backup_host_id"] != ids[0] || row["backup_host_ip"] != "10.0.0.9" ||
		row["backup_host_port"] != 9090.0 || row["backup_dir"] != "/hss02" || row["backup_host_status"] != 2.0 ||
		row["backup_host_name"] != "web-000001" {
		t.Errorf("%+v", l)
	}
	c.clean()
}

func TestBackupServersRefused(t *testing.T) {
	c := start(t, Config{})
	for code, sv := range map[string]Server{
		"HSS.0001": {OSType: "Windows"}, "HSS.1007": {AgentStatus: "offline"}, "HSS.1001": {AgentStatus: "not_installed"},
	} {
		sv.HostID = "bad"
		c.sim.SetServer(c.acc.ProjectID, sv)
		c.must(c.backup("bad", "10.0.0.1", 1, "/b"), 400, code)
	}
	c.must(c.backup("unknown", "10.0.0.1", 1, "/b"), 400, "00000010")
	if len(c.sim.Backups(c.acc.ProjectID)) != 0 {
		t.Error("a refused backup server is kept")
	}
	c.clean()
}

func TestRemoteBackupOfAServer(t *testing.T) {
	c := start(t, Config{BackupStartDelay: time.Second})
	ids := c.ids(2)
	set := func(body string) result { return c.do("POST", c.path("/wtp/"+ids[1]+"/set-remote-backup"), body) }
	on := `{"remote_backup":true,"backup_addr":"10.0.0.1:8080","backup_host_id":"` + ids[0] + `"}`
	show := func() string { return c.do("GET", c.path("/wtp/"+ids[1]+"/backup-host"), "").body }

	c.must(set(on), 400, "00000010") // no such backup server yet
	c.must(c.backup(ids[0], "10.0.0.1", 8080, "/b"), 200, "")
	c.must(set(on), 400, "HSS.0010") // still starting
	c.clock.pass(time.Second)
	c.must(set(on), 200, "")
	if got := show(); !strings.Contains(got, `"remote_backup":true`) || !strings.Contains(got, "10.0.0.1:8080") {
		t.Error(got)
	}
	row := c.list("/webtamper/hosts?host_id=" + ids[1]).Rows[0]
	if row["backup_host_id"] != ids[0] {
		t.Errorf("%+v", row)
	}
	if _, has := c.list("/webtamper/hosts?host_id=" + ids[0]).Rows[0]["backup_host_id"]; has {
		t.Error("backup_host_id is there without remote backup")
	}
	// It keeps the address it was told, and what HSS says it did isn't always done.
	c.must(c.backup(ids[0], "10.0.0.2", 9090, "/b"), 200, "")
	c.clock.pass(time.Second)
	if got := show(); !strings.Contains(got, "10.0.0.1:8080") {
		t.Error(got)
	}
	told := strings.ReplaceAll(on, "10.0.0.1:8080", "10.0.0.2:9090")
	c.sim.AddFault(Fault{Op: OpSetRemoteBackupInfo, Kind: FaultIgnore, Hosts: ids[1:], Times: 1})
	c.must(set(told), 200, "")
	if got := show(); !strings.Contains(got, "10.0.0.1:8080") {
		t.Error(got)
	}
	c.must(set(told), 200, "")
	if got := show(); !strings.Contains(got, "10.0.0.2:9090") {
		t.Error(got)
	}
	c.sim.AddServer(c.acc.ProjectID, Server{HostID: "late", BackupHostID: ids[0]})
	if s, _ := c.sim.Server(c.acc.ProjectID, "late"); s.BackupAddr != "10.0.0.2:9090" {
		t.Errorf("%+v", s)
	}
	c.must(set(`{"remote_backup":false}`), 200, "")
	if got := show(); got != `{"remote_backup":false}` {
		t.Error(got)
	}
	c.must(set(on), 200, "")
	c.must(c.do("DELETE", c.path("/wtp/backup-hosts"), `{"backup_host_id_list":["`+ids[0]+`"]}`), 200, "")
	if got := show(); got != `{"remote_backup":false}` {
		t.Error(got)
	}
	c.clean()
}

func TestDeletingBackupServers(t *testing.T) {
	for _, anyStatus := range []bool{false, true} {
		c := start(t, Config{DeleteAnyBackup: anyStatus})
		c.sim.SetBackup(c.acc.ProjectID, BackupServer{HostID: "up", Status: BackupRunning})
		c.sim.SetBackup(c.acc.ProjectID, BackupServer{HostID: "down", Status: BackupFailed})
		r := c.do("DELETE", c.path("/wtp/backup-hosts"), `{"backup_host_id_list":["up","down"]}`)
		if anyStatus {
			c.must(r, 200, "")
		} else {
			c.must(r, 400, "HSS.0010")
		}
		if left := len(c.sim.Backups(c.acc.ProjectID)); left != map[bool]int{false: 2, true: 0}[anyStatus] {
			t.Errorf("%d left", left)
		}
		c.must(c.do("DELETE", c.path("/wtp/backup-hosts"), `{"backup_host_id_list":["never"]}`), 400, "00000010")
		c.clean()
	}
}

func TestBackupPaging(t *testing.T) {
	c := start(t, Config{})
	for i := range 25 {
		c.sim.SetBackup(c.acc.ProjectID, BackupServer{HostID: fmt.Sprint("b", i), Status: BackupRunning})
	}
	if l := c.list("/wtp/backup-hosts"); l.Total != 25 || len(l.Rows) != 10 {
		t.Errorf("%d %d", l.Total, len(l.Rows))
	}
	if l := c.list("/wtp/backup-hosts?offset=20"); len(l.Rows) != 5 || l.Rows[0]["backup_host_id"] != "b20" {
		t.Errorf("%+v", l)
	}
	if l := c.list("/wtp/backup-hosts?is_run=true"); l.Total != 0 { // none of them is a known server
		t.Errorf("%+v", l)
	}
}
