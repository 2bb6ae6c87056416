package hsstest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// spoil arms one fault on the switch, switches two servers on and returns the
// answer and which of the two were reached once everything has taken effect.
func spoil(t *testing.T, f Fault) (c *client, r result, reached []bool) {
	t.Helper()
	c = start(t, Config{})
	f.Op = OpSetRaspSwitch
	f.Times = 1
	ids := c.ids(2)
	id := c.sim.AddFault(f)
	r = c.switchRasp(true, ids...)
	c.clock.pass(time.Hour)
	for _, h := range ids {
		reached = append(reached, c.rasp(h) == "opened")
	}
	if req := c.sim.Requests()[0]; !slices.Equal(req.Faults, []int{id}) ||
		req.Applied != (reached[0] || reached[1]) || req.Answer != r.status {
		t.Errorf("%s: the evidence doesn't fit: %+v", f.Kind, req)
	}
	c.must(c.switchRasp(true, ids...), 200, "") // once is once
	c.clean()
	return c, r, reached
}

func TestFaultsOnTheSwitch(t *testing.T) {
	both, none := []bool{true, true}, []bool{false, false}
	cases := []struct {
		f       Fault
		status  int // 0: the connection broke
		code    string
		reached []bool
	}{
		{Fault{Kind: FaultStatus}, 500, "APIGW.0601", none},
		{Fault{Kind: FaultStatus, Status: 500, Apply: true}, 500, "APIGW.0601", both},
		{Fault{Kind: FaultStatus, Status: 429}, 429, "APIGW.0308", none},
		{Fault{Kind: FaultStatus, Status: 401}, 401, "APIGW.0301", none},
		{Fault{Kind: FaultStatus, Status: 403}, 403, "APIGW.0302", none},
		{Fault{Kind: FaultStatus, Status: 404}, 404, "APIGW.0101", none},
		{Fault{Kind: FaultStatus, Status: 503}, 503, "APIGW.0613", none},
		{Fault{Kind: FaultStatus, Status: 504, Apply: true}, 504, "APIGW.0201", both},
		{Fault{Kind: FaultStatus, Status: 418}, 418, "APIGW.0201", none},
		{Fault{Kind: FaultStatus, Status: 204, Apply: true}, 204, "", both},
		{Fault{Kind: FaultStatus, Status: 200, Body: `{"error_code":"HSS.0010"}`}, 200, "HSS.0010", none},
		{Fault{Kind: FaultHangUpBefore}, 0, "", none},
		{Fault{Kind: FaultHangUpAfter}, 0, "", both},
		{Fault{Kind: FaultRefuse}, 400, "HSS.1007", none},
		{Fault{Kind: FaultRefuse, Code: "00000010"}, 400, "00000010", none},
		{Fault{Kind: FaultRedirect}, 302, "", none},
		{Fault{Kind: FaultHTML}, 200, "", none},
		{Fault{Kind: FaultPartial, Count: 0}, 500, "APIGW.0601", none},
		{Fault{Kind: FaultPartial, Count: 1}, 500, "APIGW.0601", []bool{true, false}},
		{Fault{Kind: FaultPartial, Count: 200, Status: 503}, 503, "APIGW.0613", both},
		{Fault{Kind: FaultIgnore}, 200, "", none},
		{Fault{Kind: FaultLate, Delay: 20 * time.Second}, 504, "APIGW.0201", both},
		{Fault{Kind: FaultTruncate}, 200, "", both},
		{Fault{Kind: FaultSlowAnswer, Delay: time.Millisecond}, 200, "", both},
		{Fault{Kind: FaultSlowBody, Delay: time.Millisecond}, 200, "", both},
		{Fault{Kind: FaultLatency, Delay: time.Millisecond}, 200, "", both},
	}
	for _, tc := range cases {
		t.Run(fmt.Sprintf("%s %d", tc.f.Kind, tc.status), func(t *testing.T) {
			_, r, reached := spoil(t, tc.f)
			if r.status != tc.status || r.code() != tc.code || (r.err != nil) != (tc.status == 0) {
				t.Errorf("answer %d %s %v, want %d %s", r.status, r.body, r.err, tc.status, tc.code)
			}
			if !slices.Equal(reached, tc.reached) {
				t.Errorf("reached %v, want %v", reached, tc.reached)
			}
		})
	}
}

func TestAnswersOfFaults(t *testing.T) {
	_, r, _ := spoil(t, Fault{Kind: FaultStatus, Status: 502})
	if r.status != 502 || !strings.HasPrefix(r.body, "<html>") || r.header.Get("Content-Type") != "text/html" {
		t.Errorf("502 isn't HTML: %+v", r)
	}
	_, r, _ = spoil(t, Fault{Kind: FaultStatus, Status: 429, RetryAfter: "86400"})
	if r.header.Get("Retry-After") != "86400" || !strings.Contains(r.body, "over ratelimit,limit:5,time:1 minute") {
		t.Errorf("%+v", r)
	}
	_, r, _ = spoil(t, Fault{Kind: FaultRedirect, Status: 307, Body: "http://elsewhere.example/"})
	if r.status != 307 || r.header.Get("Location") != "http://elsewhere.example/" {
		t.Errorf("%+v", r)
	}
	_, r, _ = spoil(t, Fault{Kind: FaultTruncate})
	if r.err != nil || json.Valid([]byte(r.body)) {
		t.Errorf("the cut answer %q is whole", r.body)
	}
	_, r, _ = spoil(t, Fault{Kind: FaultDate, Delay: -20 * time.Minute})
	if r.header.Get("Date") != "Mon, 04 May 2026 07:40:00 GMT" {
		t.Errorf("Date %s", r.header.Get("Date"))
	}
	c := start(t, Config{})
	c.sim.AddFault(Fault{Kind: FaultShortBody, Op: OpSetRaspSwitch})
	if r := c.switchRasp(true, c.ids(1)...); r.err == nil || r.status != 200 {
		t.Errorf("the short answer is whole: %+v", r)
	}
	if c.rasp(c.ids(1)[0]) != "opened" {
		t.Error("not applied")
	}
}

func TestFaultsOnListsAndBackups(t *testing.T) {
	c := start(t, Config{})
	c.sim.AddFault(Fault{Kind: FaultTruncate, Op: OpListWtpProtectHost, Times: 1})
	if r := c.do("GET", c.path("/webtamper/hosts"), ""); r.err != nil || json.Valid([]byte(r.body)) {
		t.Errorf("%+v", r)
	}
	c.sim.AddFault(Fault{Kind: FaultTotal, Count: 99})
	if l := c.list("/webtamper/hosts"); l.Total != 99 || len(l.Rows) != 8 {
		t.Errorf("%+v", l)
	}
	c.sim.ClearFaults()
	c.sim.AddFault(Fault{Kind: FaultBackupFails, Times: 1})
	id := c.ids(1)[0]
	body := `{"host_id":"` + id + `","backup_host_ip":"10.0.0.1","backup_host_port":80,"backup_dir":"/b"}`
	for _, want := range []int{BackupFailed, BackupRunning} {
		c.must(c.do("PUT", c.path("/wtp/backup-hosts"), body), 200, "")
		if got := c.sim.Backups(c.acc.ProjectID)[0].Status; got != want {
			t.Errorf("status %d, want %d", got, want)
		}
	}
	c.clean()
}

func TestEarlyFaults(t *testing.T) {
	c := start(t, Config{})
	c.token = c.signIn(c.acc.User, c.acc.Password, "cn-north-4").header.Get("X-Subject-Token")
	c.sim.AddFault(Fault{Kind: FaultExpireTokens, Op: OpSetRaspSwitch, After: 1, Times: 1})
	ids := c.ids(1)
	c.must(c.switchRasp(true, ids...), 200, "")
	c.must(c.switchRasp(true, ids...), 401, "APIGW.0307")
	c.token = c.signIn(c.acc.User, c.acc.Password, "cn-north-4").header.Get("X-Subject-Token")
	c.must(c.switchRasp(true, ids...), 200, "")
	c.token = ""
	c.sim.AddFault(Fault{Kind: FaultLockKey, Path: "/v5/*/webtamper/rasp/status", Times: 1})
	if r := c.must(c.switchRasp(true, ids...), 401, "APIGW.0301"); !strings.Contains(r.body, "reach the limit") {
		t.Error(r.body)
	}
	c.clock.pass(5 * time.Minute)
	c.must(c.switchRasp(true, ids...), 200, "")
	c.sim.AddFault(Fault{Kind: FaultRevokeKey, Method: "POST"})
	c.must(c.do("GET", c.path("/webtamper/hosts"), ""), 200, "")
	if r := c.must(c.switchRasp(true, ids...), 401, "APIGW.0301"); !strings.Contains(r.body, "ak not exist") {
		t.Error(r.body)
	}
	c.clean()
}

func TestFaultsMatchServersAndCount(t *testing.T) {
	c := start(t, Config{})
	ids := c.ids(4)
	c.sim.AddFault(Fault{Kind: FaultRefuse, Hosts: ids[2:3]})
	c.must(c.switchRasp(true, ids[:2]...), 200, "")
	c.must(c.switchRasp(true, ids...), 400, "HSS.1007")
	c.must(c.switchRasp(true, ids[2]), 400, "HSS.1007")
	c.must(c.switchRasp(true, ids[3]), 200, "")
	c.sim.ClearFaults()
	c.sim.AddFault(Fault{Kind: FaultIgnore, Hosts: ids[:1]})
	c.must(c.switchRasp(false, ids[:2]...), 200, "")
	if c.rasp(ids[0]) != "opened" || c.rasp(ids[1]) != "closed" {
		t.Error("the wrong server was left out")
	}
	c.sim.ClearFaults()
	c.sim.AddFault(Fault{Kind: FaultStatus, Op: OpSetRaspSwitch, After: 1, Times: 2})
	var got []int
	for range 5 {
		got = append(got, c.switchRasp(true, ids...).status)
	}
	if !slices.Equal(got, []int{200, 500, 500, 200, 200}) {
		t.Error(got)
	}
	c.clean()
}

func TestSlowAnswerEndsWithTheSimulator(t *testing.T) {
	c := start(t, Config{})
	c.sim.AddFault(Fault{Kind: FaultLatency, Delay: time.Hour})
	answered := make(chan result)
	id := c.ids(1)[0]
	go func() { answered <- c.switchRasp(true, id) }()
	waitFor(t, func() bool { return len(c.sim.Requests()) == 1 })
	c.sim.Close()
	if r := <-answered; r.err == nil {
		t.Errorf("answered %d", r.status)
	}
	if c.sim.Accepted(c.acc.ProjectID, id) != "closed" {
		t.Error("carried out although the simulator closed")
	}
}

// waitFor polls until ok, at most a minute.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestParseFault(t *testing.T) {
	f, err := ParseFault("op=SetRaspSwitch, kind=status,status=502,after=2,times=1,delay=250ms,hosts=a|b,apply=true,retry_after=3")
	want := Fault{Op: OpSetRaspSwitch, Kind: FaultStatus, Status: 502, After: 2, Times: 1,
		Delay: 250 * time.Millisecond, Hosts: []string{"a", "b"}, Apply: true, RetryAfter: "3"}
	if err != nil || fmt.Sprint(f) != fmt.Sprint(want) {
		t.Errorf("%+v %v", f, err)
	}
	for _, bad := range []string{
		"", "kind", "kind=nonsense", "kind=status,op=Nothing", "kind=status,status=99", "kind=status,times=x",
		"kind=latency,delay=fast", "kind=status,whatever=1", "kind=status,apply=perhaps", "kind=status,path=[", "op=SetRaspSwitch",
		"kind=status,after=-1",
	} {
		if f, err := ParseFault(bad); err == nil {
			t.Errorf("%q is read as %+v", bad, f)
		}
	}
	data, _ := json.Marshal(want)
	var back Fault
	if err := json.Unmarshal(data, &back); err != nil || fmt.Sprint(back) != fmt.Sprint(want) {
		t.Errorf("%s is read as %+v %v", data, back, err)
	}
}

func TestUnknownFaultPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("an unknown kind is armed")
		}
	}()
	New(Config{}).AddFault(Fault{Kind: "nonsense"})
}

func TestHandlerServesUnderAnotherServer(t *testing.T) {
	c := start(t, Config{})
	c.sim.SetURL("http://hss.example")
	if a := c.sim.Access(); a.HSSEndpoint != "http://hss.example" || a.IAMEndpoint != a.HSSEndpoint {
		t.Errorf("%+v", a)
	}
	var _ http.Handler = c.sim.Handler()
}
