package hss

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func ids(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("host-%d", i)
	}
	return list
}

// TestLimitsAreHeldBeforeTheNetwork sends the edges and refuses what lies beyond them.
func TestLimitsAreHeldBeforeTheNetwork(t *testing.T) {
	requests := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { requests++ }))
	defer s.Close()
	c := connect(t, s.URL, nil)
	ctx := context.Background()
	backup := func(change func(*BackupHost)) error {
		b := BackupHost{HostID: hostA, IP: "192.168.1.1", Port: 8080, Dir: "/hss01"}
		change(&b)
		_, err := c.UpdateBackupHostInfo(ctx, b)
		return err
	}
	toggle := func(ids []string, s Switch) error { _, err := c.SetRaspSwitch(ctx, ids, s); return err }
	page := func(limit, offset int) error {
		_, err := c.ListWtpProtectHost(ctx, ListWtpProtectHostRequest{Limit: limit, Offset: offset})
		return err
	}
	remove := func(ids []string) error { _, err := c.DeleteBackupHostInfo(ctx, ids); return err }
	path := func(host, p string) error { _, err := c.UpdateWebTamperRaspPath(ctx, host, p); return err }
	remote := func(b RemoteBackup) error { _, err := c.SetRemoteBackupInfo(ctx, hostA, b); return err }
	export := func(q ExportRequest) error { _, err := c.ExportWebTamperHost(ctx, q); return err }

	long := strings.Repeat("测", 256)
	for name, run := range map[string]func() error{
		"1 id":                  func() error { return toggle(ids(1), SwitchOn) },
		"200 ids":               func() error { return toggle(ids(200), SwitchOff) },
		"id of 256":             func() error { return toggle([]string{long}, SwitchOn) },
		"limit 10":              func() error { return page(10, 0) },
		"limit 200":             func() error { return page(200, 2000000) },
		"port 1":                func() error { return backup(func(b *BackupHost) { b.Port = 1 }) },
		"port 65535":            func() error { return backup(func(b *BackupHost) { b.Port = 65535 }) },
		"IPv6":                  func() error { return backup(func(b *BackupHost) { b.IP = "2001:db8::1" }) },
		"dir of 256":            func() error { return backup(func(b *BackupHost) { b.Dir = "/" + strings.Repeat("d", 255) }) },
		"100 to delete":         func() error { return remove(ids(100)) },
		"a Tomcat path":         func() error { return path(hostA, "/opt/apache-tomcat_9.0/bin") },
		"remote backup off":     func() error { return remote(RemoteBackup{Switch: SwitchOff}) },
		"export of one field":   func() error { return export(ExportRequest{Size: 1, Fields: []string{"host_id"}}) },
		"export of 200000 rows": func() error { return export(ExportRequest{Size: 200000}) },
	} {
		before := requests
		if err := run(); classOf(t, err) == ClassNotSent || requests != before+1 {
			t.Errorf("%s was refused: %v", name, err)
		}
	}
	for name, run := range map[string]func() error{
		"no ids":               func() error { return toggle(nil, SwitchOn) },
		"201 ids":              func() error { return toggle(ids(201), SwitchOn) },
		"an empty id":          func() error { return toggle([]string{""}, SwitchOn) },
		"id of 257":            func() error { return toggle([]string{long + "x"}, SwitchOn) },
		"broken UTF-8":         func() error { return toggle([]string{"a\xff"}, SwitchOn) },
		"control character":    func() error { return toggle([]string{"a\n"}, SwitchOn) },
		"a doubled id":         func() error { return toggle([]string{"a", "b", "a"}, SwitchOn) },
		"no direction":         func() error { return toggle(ids(1), 0) },
		"another direction":    func() error { return toggle(ids(1), 3) },
		"limit 9":              func() error { return page(9, 0) },
		"limit 201":            func() error { return page(201, 0) },
		"limit 0":              func() error { return page(0, 0) },
		"offset -1":            func() error { return page(10, -1) },
		"offset 2000001":       func() error { return page(10, 2000001) },
		"port 0":               func() error { return backup(func(b *BackupHost) { b.Port = 0 }) },
		"port 65536":           func() error { return backup(func(b *BackupHost) { b.Port = 65536 }) },
		"no address":           func() error { return backup(func(b *BackupHost) { b.IP = "backup-01" }) },
		"address with a zone":  func() error { return backup(func(b *BackupHost) { b.IP = "fe80::1%eth0" }) },
		"no backup id":         func() error { return backup(func(b *BackupHost) { b.HostID = "" }) },
		"relative dir":         func() error { return backup(func(b *BackupHost) { b.Dir = "hss01" }) },
		"no dir":               func() error { return backup(func(b *BackupHost) { b.Dir = "" }) },
		"dir of 257":           func() error { return backup(func(b *BackupHost) { b.Dir = "/" + strings.Repeat("d", 256) }) },
		"dir with NUL":         func() error { return backup(func(b *BackupHost) { b.Dir = "/a\x00" }) },
		"none to delete":       func() error { return remove(nil) },
		"101 to delete":        func() error { return remove(ids(101)) },
		"path ends with /":     func() error { return path(hostA, "/opt/") },
		"path with a space":    func() error { return path(hostA, "/opt/a b") },
		"path in Chinese":      func() error { return path(hostA, "/测") },
		"path of 257":          func() error { return path(hostA, "/"+strings.Repeat("d", 256)) },
		"id that climbs":       func() error { return path("..", "/opt") },
		"id with a slash":      func() error { return path("../rasp", "/opt") },
		"id with a query":      func() error { return path("a?b", "/opt") },
		"remote no direction":  func() error { return remote(RemoteBackup{Addr: "1.2.3.4:1", BackupHostID: hostB}) },
		"remote on to nowhere": func() error { return remote(RemoteBackup{Switch: SwitchOn, BackupHostID: hostB}) },
		"remote on to nobody":  func() error { return remote(RemoteBackup{Switch: SwitchOn, Addr: "1.2.3.4:1"}) },
		"remote off to one":    func() error { return remote(RemoteBackup{Switch: SwitchOff, Addr: "1.2.3.4:1"}) },
		"export of nothing":    func() error { return export(ExportRequest{}) },
		"export of 200001":     func() error { return export(ExportRequest{Size: 200001}) },
		"export without id":    func() error { return export(ExportRequest{Size: 1, Fields: []string{"host_name"}}) },
		"export of a secret":   func() error { return export(ExportRequest{Size: 1, Fields: []string{"host_id", "password"}}) },
		"task without id":      func() error { _, err := c.ShowExportTask(ctx, ""); return err },
		"file that climbs":     func() error { _, err := c.DownloadExport(ctx, "../../x"); return err },
		"too long a filter": func() error {
			_, err := c.ListWtpProtectHost(ctx, ListWtpProtectHostRequest{Limit: 10, HostName: long + "x"})
			return err
		},
		"101 hosts picked": func() error {
			_, err := c.ListHostStatus(ctx, ListHostStatusRequest{Limit: 10, HostIDs: ids(101)})
			return err
		},
	} {
		before := requests
		if err := run(); classOf(t, err) != ClassNotSent || requests != before {
			t.Errorf("%s was not refused: %v", name, err)
		}
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	good := func() Config { return Config{Region: "cn-north-4", ProjectID: "p", Credential: keyPair()} }
	for name, change := range map[string]func(*Config){
		"as it is":            func(*Config) {},
		"no project":          func(c *Config) { c.ProjectID = "" },
		"temporary keys":      func(c *Config) { c.Credential.SecurityToken = "t" },
		"IAM user":            func(c *Config) { c.Credential = iamUser() },
		"loopback over http":  func(c *Config) { c.Endpoint, c.IAMEndpoint = "http://127.0.0.1:80/a", "http://[::1]:1" },
		"localhost over http": func(c *Config) { c.Endpoint = "http://localhost:8080/" },
		"unknown region":      func(c *Config) { c.Region = "cn-west-9" },
		"dedicated cloud": func(c *Config) {
			c.Region, c.Endpoint, c.IAMEndpoint = "Region_1", "https://hss.corp.example", "https://iam.corp.example"
		},
		"private address": func(c *Config) { c.Endpoint = "https://10.0.0.5:8443" },
	} {
		config := good()
		change(&config)
		if _, err := New(config); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*Config){
		"no region":            func(c *Config) { c.Region = "" },
		"region with a host":   func(c *Config) { c.Region = "evil.example/#" },
		"region with a dot":    func(c *Config) { c.Region = "cn-north-4.evil.example" },
		"region with a line":   func(c *Config) { c.Region = "cn\r\nX-A: b" },
		"region of 129":        func(c *Config) { c.Region = strings.Repeat("a", 129) },
		"region upper-case":    func(c *Config) { c.Region = "CN-NORTH-4" },
		"project that climbs":  func(c *Config) { c.ProjectID = ".." },
		"project with a slash": func(c *Config) { c.ProjectID = "a/b" },
		"project of 257":       func(c *Config) { c.ProjectID = strings.Repeat("a", 257) },
		"project with a line":  func(c *Config) { c.ProjectID = "a\nb" },
		"project in Chinese":   func(c *Config) { c.ProjectID = "测" },
		"eps with a line":      func(c *Config) { c.EnterpriseProjectID = "a\nb" },
		"no credential":        func(c *Config) { c.Credential = Credential{} },
		"half a key pair":      func(c *Config) { c.Credential = Credential{AccessKey: "a"} },
		"other half":           func(c *Config) { c.Credential = Credential{SecretKey: "a"} },
		"token alone":          func(c *Config) { c.Credential = Credential{SecurityToken: "a"} },
		"user without account": func(c *Config) { c.Credential = Credential{User: "u", Password: "p"} },
		"both":                 func(c *Config) { c.Credential.User = "u" },
		"AK with a line":       func(c *Config) { c.Credential.AccessKey = "a\nb" },
		"negative timeout":     func(c *Config) { c.Timeout = -1 },
		"http":                 func(c *Config) { c.Endpoint = "http://hss.example.com" },
		"http by IP":           func(c *Config) { c.IAMEndpoint = "http://10.0.0.5" },
		"no scheme":            func(c *Config) { c.Endpoint = "hss.example.com" },
		"ftp":                  func(c *Config) { c.Endpoint = "ftp://hss.example.com" },
		"with a user":          func(c *Config) { c.Endpoint = "https://a:b@hss.example.com" },
		"with a query":         func(c *Config) { c.Endpoint = "https://hss.example.com?x=1" },
		"with a fragment":      func(c *Config) { c.Endpoint = "https://hss.example.com#x" },
		"that climbs":          func(c *Config) { c.Endpoint = "https://hss.example.com/a/../b" },
		"no host":              func(c *Config) { c.Endpoint = "https://" },
		"port alone":           func(c *Config) { c.Endpoint = "https://:443" },
		"metadata service":     func(c *Config) { c.Endpoint = "https://169.254.169.254/" },
		"metadata in IPv6":     func(c *Config) { c.Endpoint = "https://[fe80::a9fe:a9fe]/" },
		"unspecified":          func(c *Config) { c.Endpoint = "https://0.0.0.0" },
	} {
		config := good()
		change(&config)
		if _, err := New(config); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestEndpointsFollowTheRegion(t *testing.T) {
	for region, want := range map[string][2]string{
		"cn-north-4":     {"https://hss.cn-north-4.myhuaweicloud.com", "https://iam.cn-north-4.myhuaweicloud.com"},
		"ap-southeast-3": {"https://hss.ap-southeast-3.myhuaweicloud.com", "https://iam.ap-southeast-3.myhuaweicloud.com"},
		"eu-west-101":    {"https://hss.eu-west-101.myhuaweicloud.eu", "https://iam.eu-west-101.myhuaweicloud.eu"},
		"cn-south-4":     {"https://hss.cn-south-4.myhuaweicloud.com", "https://iam.myhuaweicloud.com"},
		"cn-west-9":      {"https://hss.cn-west-9.myhuaweicloud.com", "https://iam.myhuaweicloud.com"},
	} {
		c, err := New(Config{Region: region, Credential: keyPair()})
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]string{c.hss.String(), c.iam.String()}; got != want {
			t.Errorf("%s: %v", region, got)
		}
	}
	if n := len(Regions()); n != 30 {
		t.Errorf("%d regions", n)
	}
}

func TestLinkLocalIsNotDialled(t *testing.T) {
	for address, bad := range map[string]bool{
		"169.254.169.254:80": true, "[fe80::1%eth0]:80": true, "[::ffff:169.254.169.254]:80": true, "0.0.0.0:1": true,
		"127.0.0.1:80": false, "10.0.0.1:443": false, "203.0.113.1:443": false,
	} {
		if err := refuseLinkLocal("tcp", address, nil); (err != nil) != bad {
			t.Errorf("%s: %v", address, err)
		}
	}
}
