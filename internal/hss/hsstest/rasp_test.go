package hsstest

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestSwitchIsEmptyAndShowsLater(t *testing.T) {
	c := start(t, Config{ApplyDelay: time.Minute})
	ids, p := c.ids(3), c.acc.ProjectID
	r := c.must(c.switchRasp(true, ids[:2]...), 200, "")
	if r.body != "" || r.header.Get("X-Request-Id") == "" || r.header.Get("Date") == "" {
		t.Errorf("body %q, head %v", r.body, r.header)
	}
	if c.rasp(ids[0]) != "closed" || c.sim.Accepted(p, ids[0]) != "opened" || c.sim.Accepted(p, ids[2]) != "closed" {
		t.Error("the switch shows at once, or wasn't accepted")
	}
	c.clock.pass(time.Minute - time.Second)
	if c.rasp(ids[1]) != "closed" {
		t.Error("too early")
	}
	c.clock.pass(time.Second)
	if c.rasp(ids[0]) != "opened" || c.rasp(ids[1]) != "opened" || c.rasp(ids[2]) != "closed" {
		t.Error("not shown")
	}
	c.must(c.switchRasp(false, ids[0]), 200, "")
	c.clock.pass(30 * time.Second)
	c.must(c.switchRasp(true, ids[0]), 200, "")
	c.clock.pass(30 * time.Second)
	if c.rasp(ids[0]) != "closed" {
		t.Error("the first of two switches isn't shown")
	}
	c.clock.pass(30 * time.Second)
	if c.rasp(ids[0]) != "opened" {
		t.Error("the second of two switches isn't shown")
	}
	if reqs := c.sim.Requests(); reqs[0].Direction != "enable" || !reqs[0].Applied || len(reqs[0].HostIDs) != 2 ||
		reqs[0].Op != OpSetRaspSwitch || reqs[0].Answer != 200 || reqs[0].RequestID != r.header.Get("X-Request-Id") {
		t.Errorf("%+v", reqs[0])
	}
	c.clean()
}

// A call that HSS carries out late undoes what was asked since.
func TestLateSwitchOvertakesALaterOne(t *testing.T) {
	c := start(t, Config{ApplyDelay: time.Second})
	ids := c.ids(1)
	c.sim.AddFault(Fault{Kind: FaultLate, Op: OpSetRaspSwitch, Delay: time.Minute, Times: 1})
	c.must(c.switchRasp(true, ids...), 504, "APIGW.0201")
	c.must(c.switchRasp(false, ids...), 200, "")
	if c.sim.Accepted(c.acc.ProjectID, ids[0]) != "opened" {
		t.Error("the late switch isn't the last to take effect")
	}
	c.clock.pass(time.Minute)
	if c.rasp(ids[0]) != "closed" {
		t.Error("too early")
	}
	c.clock.pass(time.Second)
	if c.rasp(ids[0]) != "opened" {
		t.Error("the late switch never takes effect")
	}
	c.clean()
}

func TestUnfitServersRefuseTheWholeCall(t *testing.T) {
	unfit := map[string]Server{
		"HSS.0001": {OSType: "Windows"},
		"HSS.1001": {AgentStatus: "not_installed"},
		"HSS.1007": {AgentStatus: "offline"},
		"HSS.1009": {ProtectStatus: "closed"},
	}
	c := start(t, Config{})
	ids := c.ids(1)
	for code, sv := range unfit {
		sv.HostID = "bad"
		c.sim.SetServer(c.acc.ProjectID, sv)
		c.must(c.switchRasp(true, ids[0], "bad"), 400, code)
	}
	r := c.must(c.switchRasp(true, ids[0], "unknown"), 400, "00000010")
	if strings.Contains(r.body, "error_msg") {
		t.Error("the old kernel has no error_msg")
	}
	if c.rasp(ids[0]) != "closed" {
		t.Error("a refused call was carried out")
	}
	for _, status := range []string{"opened", "partial_protection", "protection_pause"} {
		c.sim.SetServer(c.acc.ProjectID, Server{HostID: "bad", ProtectStatus: status})
		c.must(c.switchRasp(true, "bad"), 200, "")
	}
	c.clean()
}

func TestUnfitServersMayBeSkipped(t *testing.T) {
	c := start(t, Config{SkipUnfit: true})
	id := c.ids(1)[0]
	c.sim.SetServer(c.acc.ProjectID, Server{HostID: "off", AgentStatus: "offline"})
	c.must(c.switchRasp(true, "off", "unknown", id), 200, "")
	if c.rasp(id) != "opened" || c.rasp("off") != "closed" {
		t.Error("the wrong ones were skipped")
	}
	if last := c.sim.Requests()[0]; len(last.AppliedIDs) != 1 || last.AppliedIDs[0] != id {
		t.Errorf("%+v", last)
	}
}

func TestThrottlePerAPIUserAndAddress(t *testing.T) {
	fleet := PlainFleet(3)
	fleet.Users = []User{{Name: "one"}, {Name: "two"}}
	fleet.Keys = []Key{{User: "one"}, {AK: "TWO", SK: "two", User: "two"}}
	c := start(t, Config{Fleet: fleet, Limit: 5, Per: time.Minute})
	ids := c.ids(1)
	for range 5 {
		c.must(c.switchRasp(true, ids...), 200, "")
		c.clock.pass(time.Second)
	}
	r := c.must(c.switchRasp(false, ids...), 429, "APIGW.0308")
	if !strings.Contains(r.body, "policy user over ratelimit,limit:5,time:1 minute") || r.header.Get("Retry-After") != "" {
		t.Error(r.body, r.header)
	}
	if c.rasp(ids[0]) != "opened" { // another API has its own allowance
		t.Error("a throttled call was carried out")
	}
	one := c.acc
	c.acc.AK, c.acc.SK = "TWO", "two"
	r = c.must(c.switchRasp(true, ids...), 429, "APIGW.0308")
	if !strings.Contains(r.body, "policy ip over ratelimit,limit:5") {
		t.Error(r.body)
	}
	c.acc = one
	c.clock.pass(55 * time.Second) // the first call is 60 s old
	c.must(c.switchRasp(true, ids...), 200, "")
	c.must(c.switchRasp(true, ids...), 429, "APIGW.0308")
	c.sim.SetThrottle(0, 0)
	c.must(c.switchRasp(true, ids...), 200, "")
	for per, want := range map[time.Duration]string{
		time.Second: "time:1 second", 5 * time.Minute: "time:5 minute", time.Hour: "time:1 hour", 24 * time.Hour: "time:1 day",
	} {
		c.sim.SetThrottle(1, per)
		c.must(c.switchRasp(true, ids...), 200, "")
		if r := c.must(c.switchRasp(true, ids...), 429, "APIGW.0308"); !strings.Contains(r.body, "limit:1,"+want) {
			t.Error(r.body)
		}
	}
	c.clean()
}

func TestRaspPathAndPolicy(t *testing.T) {
	c := start(t, Config{})
	id := c.ids(1)[0]
	c.sim.SetServer(c.acc.ProjectID, Server{HostID: id, ProtectDirs: []string{"/var/www"}})
	c.must(c.do("PUT", c.path("/wtp/"+id+"/rasp-path"), `{"rasp_path":"/srv/tomcat/bin"}`), 200, "")
	if r := c.do("GET", c.path("/wtp/"+id+"/rasp-path"), ""); r.body != `{"rasp_path":"/srv/tomcat/bin"}` {
		t.Error(r.body)
	}
	r := c.must(c.do("GET", c.path("/webtamper/"+id+"/policy"), ""), 200, "")
	for _, want := range []string{`"protect_dir":"/var/www"`, `"enable_rasp_protect":false`, `"rasp_path":"/srv/tomcat/bin"`} {
		if !strings.Contains(r.body, want) {
			t.Errorf("%s lacks %s", r.body, want)
		}
	}
	c.must(c.do("GET", c.path("/wtp/unknown/rasp-path"), ""), 400, "00000010")
	c.sim.SetServer(c.acc.ProjectID, Server{HostID: "win", OSType: "Windows"})
	c.must(c.do("GET", c.path("/wtp/win/rasp-path"), ""), 400, "HSS.0001")
	c.clean()
}

func TestListFiltersAndPages(t *testing.T) {
	c := start(t, Config{Fleet: PlainFleet(25)})
	p := c.acc.ProjectID
	odd := Server{HostID: "odd", HostName: "Shop 测试+1", PrivateIP: "10.9.9.9", PublicIP: "203.0.113.9", GroupName: "Shop",
		OSType: "Windows", AssetValue: "important", AgentStatus: "offline", ProtectStatus: "protection_interruption",
		InterruptReason: "off", RaspStatus: "opened"}
	c.sim.AddServer(p, odd)
	for _, q := range []string{
		"host_id=odd", "host_name=op%20%E6%B5%8B", "private_ip=10.9.9.9", "public_ip=203.0.113.9", "group_name=Shop",
		"os_type=windows", "asset_value=important", "agent_status=offline", "wtp_status=protection_interruption",
		"rasp_status=opened", "host_name=Shop&rasp_status=opened&limit=200",
	} {
		l := c.list("/webtamper/hosts?" + q)
		if l.Total != 1 || len(l.Rows) != 1 || l.Rows[0]["host_id"] != "odd" || l.Rows[0]["interrupt_reason"] != "off" {
			t.Errorf("%s: %+v", q, l)
		}
	}
	if l := c.list("/webtamper/hosts?host_id=odd&os_type=Linux"); l.Total != 0 || l.Rows == nil {
		t.Errorf("%+v", l)
	}
	if l := c.list("/webtamper/hosts?offset=20&limit=10"); l.Total != 26 || len(l.Rows) != 6 {
		t.Errorf("%+v", l)
	}
	if l := c.list("/webtamper/hosts?offset=30"); l.Total != 26 || len(l.Rows) != 0 {
		t.Errorf("%+v", l)
	}
	// The host list has the two candidates for backup servers beside them.
	if l := c.list("/host-management/hosts?os_type=Linux&agent_status=online&host_status=ACTIVE&limit=200"); l.Total != 27 {
		t.Errorf("%d", l.Total)
	}
	l := c.list("/host-management/hosts?host_name=backup-01")
	if l.Total != 1 || l.Rows[0]["agent_id"] == "" || l.Rows[0]["private_ip"] != "192.168.0.1" {
		t.Errorf("%+v", l)
	}
	for _, q := range []string{"ip_addr=203.0.113.9", "host_id_list=odd,other", "host_id=odd", "agent_status=offline"} {
		if l := c.list("/host-management/hosts?" + q); l.Total != 1 || l.Rows[0]["host_id"] != "odd" {
			t.Errorf("%s: %+v", q, l)
		}
	}
	c.sim.RemoveServer(p, "odd")
	if l := c.list("/webtamper/hosts"); l.Total != 25 {
		t.Error("a removed server is still listed")
	}
	c.clean()
}

func TestBodyOverTheGatewaysLimit(t *testing.T) {
	c := start(t, Config{})
	c.alter = func(r *http.Request) { r.Header.Set("X-Sdk-Content-Sha256", "UNSIGNED-PAYLOAD") }
	r := c.do("POST", c.path("/webtamper/rasp/status"), strings.Repeat(" ", maxBodyBytes+1))
	c.must(r, 413, "APIGW.0201")
}
