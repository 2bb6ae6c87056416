package hsstest

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// control calls the control address and decodes the answer.
func (c *client) control(method, path, body string, into any) int {
	c.t.Helper()
	r, err := http.NewRequest(method, c.sim.ControlURL()+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(data, into); err != nil {
			c.t.Fatalf("%s %s: %s", method, path, data)
		}
	}
	return resp.StatusCode
}

func TestControlAnnouncement(t *testing.T) {
	c := start(t, Config{Fleet: DemoFleet(1, 100)})
	var m map[string]any
	c.control("GET", "/", "", &m)
	for _, name := range []string{
		"hss_endpoint", "iam_endpoint", "region", "project_id", "ak", "sk", "account", "user", "password", "control",
	} {
		if v, _ := m[name].(string); v == "" {
			t.Errorf("%s is missing: %v", name, m)
		}
	}
	projects := m["projects"].([]any)
	if first := projects[0].(map[string]any); len(projects) != 2 || first["region"] != "cn-north-4" ||
		first["name"] != "web-prod" || first["servers"] != 74.0 || first["project_id"] != m["project_id"] {
		t.Errorf("%v", projects)
	}
}

func TestControlStateAndRequests(t *testing.T) {
	c := start(t, Config{ApplyDelay: time.Minute})
	ids := c.ids(2)
	c.must(c.switchRasp(true, ids...), 200, "")
	var st state
	c.control("GET", "/state", "", &st)
	p := st.Projects[0]
	if p.Rasp[Opened] != 0 || p.Rasp[Closed] != 8 || p.Pending != 2 || p.States[ids[0]] != Closed || st.Requests[OpSetRaspSwitch] != 1 {
		t.Errorf("%+v", st)
	}
	c.clock.pass(time.Minute)
	st = state{}
	c.control("GET", "/state?servers=false", "", &st)
	if p := st.Projects[0]; p.Rasp[Opened] != 2 || p.Pending != 0 || p.States != nil {
		t.Errorf("%+v", st)
	}
	c.list("/webtamper/hosts")
	var reqs []Request
	c.control("GET", "/requests?op=SetRaspSwitch", "", &reqs)
	if len(reqs) != 1 || !slices.Equal(reqs[0].HostIDs, ids) || reqs[0].Direction != "enable" || reqs[0].Body == "" {
		t.Errorf("%+v", reqs)
	}
	c.control("GET", "/requests?after=1", "", &reqs)
	if len(reqs) != 1 || reqs[0].Op != OpListWtpProtectHost {
		t.Errorf("%+v", reqs)
	}
	c.do("PUT", c.path("/rasp/status"), `{}`)
	var violations []string
	c.control("GET", "/violations", "", &violations)
	if len(violations) != 1 || !strings.Contains(violations[0], "/rasp/status") {
		t.Error(violations)
	}
	c.control("DELETE", "/requests", "", nil)
	c.control("GET", "/violations", "", &violations)
	if len(violations) != 0 || len(c.sim.Requests()) != 0 {
		t.Error("not forgotten")
	}
}

func TestControlFaults(t *testing.T) {
	c := start(t, Config{})
	ids := c.ids(1)
	var f Fault
	if st := c.control("POST", "/faults", `{"op":"SetRaspSwitch","kind":"status","status":503}`, &f); st != 200 || f.ID == 0 {
		t.Fatalf("%d %+v", st, f)
	}
	c.must(c.switchRasp(true, ids...), 503, "APIGW.0613")
	var faults []Fault
	c.control("GET", "/faults", "", &faults)
	if len(faults) != 1 || faults[0].Status != 503 {
		t.Errorf("%+v", faults)
	}
	if c.control("DELETE", "/faults/1", "", nil) != 200 || c.control("DELETE", "/faults/1", "", nil) != 400 {
		t.Error("a fault is removed once")
	}
	c.must(c.switchRasp(true, ids...), 200, "")
	c.control("POST", "/faults", `{"kind":"hang-up-before"}`, nil)
	c.control("DELETE", "/faults", "", nil)
	c.must(c.switchRasp(true, ids...), 200, "")
	for _, bad := range []string{`{}`, `{"kind":"x"}`, `{"kind":"status","nonsense":1}`, `[]`, `{"kind":"latency","delay":"x"}`} {
		if st := c.control("POST", "/faults", bad, nil); st != 400 {
			t.Errorf("%s: %d", bad, st)
		}
	}
}

func TestControlKeysTokensServers(t *testing.T) {
	c := start(t, Config{})
	ids := c.ids(2)
	c.token = c.signIn(c.acc.User, c.acc.Password, "cn-north-4").header.Get("X-Subject-Token")
	c.control("POST", "/expire-tokens", "", nil)
	c.must(c.switchRasp(true, ids...), 401, "APIGW.0307")
	c.token = ""
	c.control("POST", "/servers", `{"project_id":"`+c.acc.ProjectID+`","host_ids":["`+ids[0]+`"],"set":{"rasp_status":"opened","agent_status":"offline"}}`, nil)
	sv, _ := c.sim.Server(c.acc.ProjectID, ids[0])
	if sv.RaspStatus != Opened || sv.AgentStatus != "offline" || sv.HostName != "web-000001" {
		t.Errorf("%+v", sv)
	}
	for _, bad := range []string{`{}`, `{"project_id":"` + c.acc.ProjectID + `","host_ids":["x"],"set":{}}`, `x`} {
		if st := c.control("POST", "/servers", bad, nil); st != 400 {
			t.Errorf("%s: %d", bad, st)
		}
	}
	c.control("POST", "/lock-key", `{"ak":"`+c.acc.AK+`"}`, nil)
	c.must(c.switchRasp(true, ids...), 401, "APIGW.0301")
	if c.control("POST", "/revoke-key", `{"ak":"`+c.acc.AK+`"}`, nil) != 200 ||
		c.control("POST", "/revoke-key", `{"ak":"none"}`, nil) != 400 {
		t.Error("revoking")
	}
	c.must(c.switchRasp(true, ids...), 401, "APIGW.0301")
}

func TestControlRefusesOtherOrigins(t *testing.T) {
	c := start(t, Config{})
	r, _ := http.NewRequest("POST", c.sim.ControlURL()+"/expire-tokens", nil)
	r.Header.Set("Origin", "https://evil.example")
	resp, err := c.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("answered %d", resp.StatusCode)
	}
}

func TestRequestsAreBounded(t *testing.T) {
	c := start(t, Config{KeepRequests: 3})
	for range 10 {
		c.list("/webtamper/hosts")
	}
	reqs := c.sim.Requests()
	if len(reqs) != 3 || reqs[2].Seq != 10 || c.sim.Counts()[OpListWtpProtectHost] != 10 {
		t.Errorf("%d kept, last %d", len(reqs), reqs[len(reqs)-1].Seq)
	}
}

func TestManyClientsAtOnce(t *testing.T) {
	c := start(t, Config{Fleet: PlainFleet(400), ApplyDelay: time.Second})
	ids := c.ids(400)
	done := make(chan result)
	for i := range 20 {
		go func() { done <- c.switchRasp(true, ids[i*20:i*20+20]...) }()
		go func() { done <- c.do("GET", c.path("/webtamper/hosts?limit=200"), "") }()
		go func() {
			c.clock.pass(100 * time.Millisecond)
			c.sim.AddFault(Fault{Kind: FaultLatency, Delay: time.Microsecond})
			c.sim.Violations()
			done <- result{status: 200}
		}()
	}
	for range 60 {
		if r := <-done; r.status != 200 {
			t.Errorf("%+v", r)
		}
	}
	c.clock.pass(time.Second)
	for _, sv := range c.sim.Servers(c.acc.ProjectID)[:400] {
		if sv.RaspStatus != Opened {
			t.Fatalf("%s is %s", sv.HostID, sv.RaspStatus)
		}
	}
	c.clean()
}
