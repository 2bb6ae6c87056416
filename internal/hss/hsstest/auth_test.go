package hsstest

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestClockWindow(t *testing.T) {
	c := start(t, Config{})
	for _, skew := range []time.Duration{0, 15 * time.Minute, -15 * time.Minute} {
		c.skew = skew
		c.must(c.do("GET", c.path("/webtamper/hosts"), ""), 200, "")
	}
	for _, skew := range []time.Duration{15*time.Minute + time.Second, -15*time.Minute - time.Second, -time.Hour} {
		c.skew = skew
		r := c.must(c.do("GET", c.path("/webtamper/hosts"), ""), 401, "APIGW.0301")
		if !strings.Contains(r.body, "signature expired") || !strings.Contains(r.body, "20260504T080000Z") {
			t.Errorf("skew %v: %s", skew, r.body)
		}
		if got := r.header.Get("Date"); got != "Mon, 04 May 2026 08:00:00 GMT" {
			t.Errorf("Date %q isn't the simulator's clock", got)
		}
	}
	c.clean()
}

func TestKeyLocksAfterMoreThanFiveFailures(t *testing.T) {
	c := start(t, Config{})
	good := c.acc.SK
	fail := func(want string) {
		t.Helper()
		if r := c.must(c.do("GET", c.path("/webtamper/hosts"), ""), 401, "APIGW.0301"); !strings.Contains(r.body, want) {
			t.Fatalf("%s, want %q", r.body, want)
		}
	}
	c.acc.SK = "wrong"
	for range 5 {
		fail("verify aksk signature fail")
	}
	c.acc.SK = good
	c.must(c.do("GET", c.path("/webtamper/hosts"), ""), 200, "") // ends the row
	c.acc.SK = "wrong"
	for range 6 {
		fail("verify aksk signature fail")
	}
	c.acc.SK = good
	fail("AK access failed to reach the limit,forbidden")
	c.clock.pass(5*time.Minute - time.Second)
	fail("AK access failed to reach the limit,forbidden")
	c.clock.pass(time.Second)
	c.must(c.do("GET", c.path("/webtamper/hosts"), ""), 200, "")
	c.violated("bad signature")
}

func TestUnknownAndRevokedKey(t *testing.T) {
	c := start(t, Config{})
	if !c.sim.RevokeKey(c.acc.AK) || c.sim.RevokeKey(c.acc.AK) || c.sim.LockKey("nobody's") {
		t.Error("a key is revoked once, and an unknown one can't be locked")
	}
	for _, ak := range []string{c.acc.AK, "UNKNOWN"} {
		c.acc.AK = ak
		r := c.must(c.do("GET", c.path("/webtamper/hosts"), ""), 401, "APIGW.0301")
		if !strings.Contains(r.body, "Get secretKey failed") || !strings.Contains(r.body, "ak not exist") {
			t.Error(r.body)
		}
	}
}

func TestTemporaryKey(t *testing.T) {
	c := start(t, Config{})
	c.sim.AddKey(Key{AK: "TEMP", SK: "temp", SecurityToken: "tok", Expires: c.clock.Now().Add(time.Hour)})
	c.acc.AK, c.acc.SK = "TEMP", "temp"
	c.must(c.do("GET", c.path("/webtamper/hosts"), ""), 401, "APIGW.0301")
	c.alter = func(r *http.Request) { r.Header.Set("X-Security-Token", "tok") }
	c.must(c.do("GET", c.path("/webtamper/hosts"), ""), 200, "")
	c.clock.pass(time.Hour)
	c.must(c.do("GET", c.path("/webtamper/hosts"), ""), 401, "APIGW.0301")
}

func TestTokenLife(t *testing.T) {
	c := start(t, Config{})
	r := c.signIn(c.acc.User, c.acc.Password, "cn-north-4")
	if r.status != 201 || r.header.Get("X-Subject-Token") == "" ||
		!strings.Contains(r.body, `"expires_at":"2026-05-05T08:00:00.000000Z"`) {
		t.Fatalf("%d %s", r.status, r.body)
	}
	c.token = r.header.Get("X-Subject-Token")
	c.clock.pass(24*time.Hour - time.Second)
	c.must(c.do("GET", c.path("/webtamper/hosts"), ""), 200, "")
	c.clock.pass(time.Second)
	c.must(c.do("GET", c.path("/webtamper/hosts"), ""), 401, "APIGW.0307")

	old := c.token
	c.token = c.signIn(c.acc.User, c.acc.Password, "cn-north-4").header.Get("X-Subject-Token")
	c.must(c.do("GET", c.path("/webtamper/hosts"), ""), 200, "")
	if c.token == old {
		t.Error("a new token is the old one")
	}
	c.sim.ExpireTokens()
	c.must(c.do("GET", c.path("/webtamper/hosts"), ""), 401, "APIGW.0307")
	c.token = "made up"
	c.must(c.do("GET", c.path("/webtamper/hosts"), ""), 401, "APIGW.0301")
	c.clean()
	c.alter = func(r *http.Request) { r.Header.Del("X-Auth-Token") }
	c.must(c.do("GET", c.path("/webtamper/hosts"), ""), 401, "APIGW.0301")
	c.violated("neither Authorization nor X-Auth-Token")
}

func TestTokenScope(t *testing.T) {
	c := start(t, Config{})
	c.sim.AddProject("ap-southeast-1", "p2", "intl")
	c.sim.AddProject("cn-north-4", "p3", "sub")
	for region, project := range map[string]string{
		"cn-north-4": c.acc.ProjectID, "ap-southeast-1": "p2", "cn-north-4_sub": "p3",
	} {
		c.token = c.signIn(c.acc.User, c.acc.Password, region).header.Get("X-Subject-Token")
		for _, id := range []string{c.acc.ProjectID, "p2", "p3"} {
			r := c.do("GET", "/v5/"+id+"/webtamper/hosts", "")
			if want := map[bool]int{true: 200, false: 403}[id == project]; r.status != want {
				t.Errorf("token of %s on %s: %d", region, id, r.status)
			}
		}
	}
	if r := c.signIn(c.acc.User, c.acc.Password, "mars-1"); r.status != 400 {
		t.Errorf("unknown scope: %d %s", r.status, r.body)
	}
}

func TestSignInFailsAndLocks(t *testing.T) {
	c := start(t, Config{})
	for i := range 7 {
		r := c.signIn(c.acc.User, "wrong", "cn-north-4")
		if r.status != 401 || !strings.Contains(r.body, `"code":401`) ||
			strings.Contains(r.body, "locked") != (i == 6) {
			t.Fatalf("try %d: %d %s", i, r.status, r.body)
		}
	}
	if r := c.signIn(c.acc.User, c.acc.Password, "cn-north-4"); r.status != 401 {
		t.Error("a locked user signs in")
	}
	c.clock.pass(15 * time.Minute)
	if r := c.signIn(c.acc.User, c.acc.Password, "cn-north-4"); r.status != 201 {
		t.Error("the lock doesn't end")
	}
	if r := c.signIn("nobody", "x", "cn-north-4"); r.status != 401 {
		t.Error(r)
	}
	for _, req := range c.sim.Requests() {
		if req.Body != "" {
			t.Errorf("a sign-in's body is kept: %s", req.Body)
		}
	}
}

func TestProjects(t *testing.T) {
	c := start(t, Config{Fleet: DemoFleet(1, 50)})
	all := c.must(c.do("GET", "/v3/projects", ""), 200, "")
	if strings.Count(all.body, `"domain_id"`) != 2 {
		t.Error(all.body)
	}
	one := c.must(c.do("GET", "/v3/projects?name=cn-north-4", ""), 200, "")
	if strings.Count(one.body, `"domain_id"`) != 1 || !strings.Contains(one.body, c.acc.ProjectID) {
		t.Error(one.body)
	}
	c.clean()
}

func TestProjectRegionAndRights(t *testing.T) {
	fleet := PlainFleet(2)
	fleet.Projects = append(fleet.Projects, Project{Region: "cn-north-4", ID: "theirs", Name: "x", Account: "others"})
	fleet.Projects[0].EnterpriseProjects = []string{"ep-1"}
	fleet.Projects[0].Servers[1].EnterpriseProjectID = "ep-1"
	fleet.Users = []User{{Name: "full"}, {Name: "reader", Role: RoleRead}, {Name: "none", Role: RoleNone}}
	fleet.Keys = []Key{{}, {AK: "READ", SK: "r", User: "reader"}, {AK: "NONE", SK: "n", User: "none"}}
	c := start(t, Config{Fleet: fleet})

	c.must(c.do("GET", "/v5/unknown/webtamper/hosts", ""), 403, "APIGW.0310")
	c.must(c.do("GET", "/v5/theirs/webtamper/hosts", ""), 400, "HSS.0013")
	for eps, total := range map[string]int{"0": 1, "all_granted_eps": 2, "ep-1": 1} {
		if l := c.list("/webtamper/hosts?enterprise_project_id=" + eps); l.Total != total {
			t.Errorf("%s has %d servers", eps, l.Total)
		}
	}
	c.must(c.do("GET", c.path("/webtamper/hosts?enterprise_project_id=ep-9"), ""), 400, "HSS.0001")
	c.must(c.switchRasp(true, c.ids(2)[1]), 400, "00000010") // another enterprise project's
	c.clean()

	full := c.acc
	c.acc.AK, c.acc.SK = "READ", "r"
	c.must(c.do("GET", c.path("/webtamper/hosts"), ""), 200, "")
	c.must(c.switchRasp(true, c.ids(1)...), 400, "HSS.0013")
	c.acc.AK, c.acc.SK = "NONE", "n"
	c.must(c.do("GET", c.path("/webtamper/hosts"), ""), 400, "HSS.0013")
	c.acc = full

	c.alter = func(r *http.Request) { r.Header.Set("region", "cn-north-4") }
	c.must(c.do("GET", c.path("/webtamper/hosts"), ""), 200, "")
	c.clean()
	c.alter = func(r *http.Request) { r.Header.Set("region", "ap-southeast-1") }
	c.must(c.do("GET", c.path("/webtamper/hosts"), ""), 400, "HSS.0001")
	c.violated("region header")
	c.alter = func(r *http.Request) { r.Header.Set("X-Project-Id", "other") }
	c.must(c.do("GET", c.path("/webtamper/hosts"), ""), 403, "APIGW.0302")
	c.violated("X-Project-Id")
}

func TestOlderEditions(t *testing.T) {
	c := start(t, Config{RequireRegion: true, MaxLimit: 100, Unpublished: []string{OpListBackupHostsInfo}})
	c.must(c.do("GET", c.path("/webtamper/hosts"), ""), 400, "HSS.0001")
	c.alter = func(r *http.Request) { r.Header.Set("region", "cn-north-4") }
	c.must(c.do("GET", c.path("/webtamper/hosts?limit=100"), ""), 200, "")
	c.must(c.do("GET", c.path("/webtamper/hosts?limit=200"), ""), 400, "HSS.0001")
	c.must(c.do("GET", c.path("/wtp/backup-hosts"), ""), 404, "APIGW.0101")
	c.clean()
}
