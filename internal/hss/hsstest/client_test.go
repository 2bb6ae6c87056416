package hsstest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is the simulator's time in tests; it stands until moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// client calls a simulator as a well-behaved client would, unless told.
type client struct {
	t     *testing.T
	sim   *Simulator
	clock *clock
	acc   Access
	http  *http.Client
	token string              // used in place of the key when set
	skew  time.Duration       // of the signing clock
	alter func(*http.Request) // after signing
}

func start(t *testing.T, cfg Config) *client {
	t.Helper()
	ck := newClock()
	cfg.Now = ck.Now
	sim := Start(t, cfg)
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &client{t: t, sim: sim, clock: ck, acc: sim.Access(), http: &http.Client{
		Transport:     tr,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

type result struct {
	status int
	header http.Header
	body   string
	err    error
}

func (r result) code() string {
	var b struct {
		Code string `json:"error_code"`
	}
	_ = json.Unmarshal([]byte(r.body), &b)
	return b.Code
}

// path completes a path below the project's.
func (c *client) path(rest string) string { return "/v5/" + c.acc.ProjectID + rest }

func (c *client) do(method, path, body string) result {
	c.t.Helper()
	r, err := http.NewRequest(method, c.sim.URL()+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if body == "" {
		r.Body, r.ContentLength = nil, 0
	} else {
		r.Header.Set("Content-Type", "application/json")
	}
	c.sign(r, body)
	if c.alter != nil {
		c.alter(r)
	}
	return c.send(r)
}

func (c *client) send(r *http.Request) result {
	resp, err := c.http.Do(r)
	if err != nil {
		return result{err: err}
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return result{status: resp.StatusCode, header: resp.Header, body: string(data), err: err}
}

func (c *client) sign(r *http.Request, body string) {
	if c.token != "" {
		r.Header.Set("X-Auth-Token", c.token)
		return
	}
	date := c.clock.Now().Add(c.skew).UTC().Format(dateLayout)
	r.Header.Set("X-Sdk-Date", date)
	r.Host = r.URL.Host
	signed := []string{"host", "x-sdk-date"}
	canonical, err := canonicalRequest(r, signed, []byte(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", algorithm+" Access="+c.acc.AK+", SignedHeaders="+strings.Join(signed, ";")+
		", Signature="+signature(c.acc.SK, date, canonical))
}

// must fails the test unless the answer has this status (and code).
func (c *client) must(r result, status int, code string) result {
	c.t.Helper()
	if r.err != nil || r.status != status || r.code() != code {
		c.t.Fatalf("answer %d %q %s (%v), want %d %q", r.status, r.code(), r.body, r.err, status, code)
	}
	return r
}

func (c *client) switchRasp(on bool, ids ...string) result {
	c.t.Helper()
	body, _ := json.Marshal(map[string]any{"host_id_list": ids, "status": on})
	return c.do("POST", c.path("/webtamper/rasp/status"), string(body))
}

type listed struct {
	Total int              `json:"total_num"`
	Rows  []map[string]any `json:"data_list"`
}

func (c *client) list(rest string) listed {
	c.t.Helper()
	r := c.must(c.do("GET", c.path(rest), ""), 200, "")
	var l listed
	if err := json.NewDecoder(bytes.NewReader([]byte(r.body))).Decode(&l); err != nil {
		c.t.Fatal(err)
	}
	return l
}

func (c *client) rasp(id string) string {
	c.t.Helper()
	l := c.list("/webtamper/hosts?host_id=" + id)
	if len(l.Rows) != 1 {
		c.t.Fatalf("server %s has %d rows", id, len(l.Rows))
	}
	return l.Rows[0]["rasp_protect_status"].(string)
}

// clean fails the test if the simulator noted a violation.
func (c *client) clean() {
	c.t.Helper()
	if v := c.sim.Violations(); len(v) > 0 {
		c.t.Fatalf("violations: %q", v)
	}
}

// violated fails the test unless a violation mentions what.
func (c *client) violated(what string) {
	c.t.Helper()
	if !slices.ContainsFunc(c.sim.Violations(), func(v string) bool { return strings.Contains(v, what) }) {
		c.t.Fatalf("no violation mentions %q: %q", what, c.sim.Violations())
	}
}

func (c *client) ids(n int) []string {
	var out []string
	for _, sv := range c.sim.Servers(c.acc.ProjectID)[:n] {
		out = append(out, sv.HostID)
	}
	return out
}

func (c *client) signIn(user, password, project string) result {
	c.t.Helper()
	body, _ := json.Marshal(map[string]any{"auth": map[string]any{
		"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{"user": map[string]any{
			"name": user, "password": password, "domain": map[string]any{"name": c.acc.Account},
		}}},
		"scope": map[string]any{"project": map[string]any{"name": project}},
	}})
	r, err := http.NewRequest("POST", c.sim.URL()+"/v3/auth/tokens?nocatalog=true", bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json;charset=utf8")
	return c.send(r)
}
