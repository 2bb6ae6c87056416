package connect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/secret"
	"wtp-console/internal/wtp"
)

// rig is a connector over a real store, with a simulated HSS.
type rig struct {
	*Connector
	t     *testing.T
	clock *dbtest.Clock
	sim   *hsstest.Simulator
	log   *strings.Builder
}

func newRig(t *testing.T, clock *dbtest.Clock, store *db.Store, config hsstest.Config) *rig {
	t.Helper()
	config.Now = clock.Now
	ring, err := secret.LoadRing(filepath.Join(t.TempDir(), "keys"), true)
	if err != nil {
		t.Fatal(err)
	}
	g := &rig{t: t, clock: clock, sim: hsstest.Start(t, config), log: &strings.Builder{}}
	g.Connector = &Connector{Store: store, Ring: ring, Now: clock.Now, Logger: slog.New(slog.NewTextHandler(g.log, nil)),
		Wait: func(ctx context.Context, d time.Duration) error { clock.Advance(d); return ctx.Err() }}
	return g
}

// keyPair is the simulator's key pair, not stored.
func (g *rig) keyPair() wtp.CredentialCheck {
	a := g.sim.Access()
	return wtp.CredentialCheck{Secret: a.SK,
		Credential: wtp.Credential{Kind: wtp.AccessKey, AccessKey: a.AK, Region: a.Region, IAMEndpoint: a.IAMEndpoint},
		Project:    &wtp.Project{Region: a.Region, HSSProjectID: a.ProjectID, HSSEndpoint: a.HSSEndpoint}}
}

func (g *rig) user() wtp.CredentialCheck {
	c, a := g.keyPair(), g.sim.Access()
	c.Secret, c.Credential.Kind, c.Credential.AccessKey, c.Credential.Account, c.Credential.IAMUser = a.Password, wtp.IAMPassword, "", a.Account, a.User
	return c
}

// store keeps a credential and a project that uses it.
func (g *rig) store(check wtp.CredentialCheck) (wtp.Credential, wtp.Project) {
	g.t.Helper()
	c := check.Credential
	c.UID, c.Name = "uid", "cred"
	var err error
	if c.SealedSecret, err = g.Ring.Seal(c.SealContext(), secret.New(check.Secret)); err != nil {
		g.t.Fatal(err)
	}
	actor := wtp.Actor{Name: "test"}
	if c, err = g.Store.CreateCredential(g.t.Context(), actor, c); err != nil {
		g.t.Fatal(err)
	}
	p := *check.Project
	p.Name, p.CredentialID = "web", c.ID
	if p, err = g.Store.CreateProject(g.t.Context(), actor, p); err != nil {
		g.t.Fatal(err)
	}
	return c, p
}

func word(steps []wtp.TestStep) string {
	var w []string
	for _, s := range steps {
		w = append(w, s.State)
	}
	return strings.Join(w, " ")
}

func TestCheckNamesWhatIsWrong(t *testing.T) {
	const allGood = "ok ok ok not_tested not_tested"
	const noIAM = "not_tested ok ok not_tested not_tested" // which a key pair can do without
	const noSignIn = "failed not_tested not_tested not_tested not_tested"
	const refused = "http://127.0.0.1:1" // nobody listens; a port that was just given back might be another's by now
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	defer tls.Close()
	for _, tc := range []struct {
		name  string
		spoil func(g *rig, c *wtp.CredentialCheck)
		user  bool
		want  string
		says  string // of the first step that failed
	}{
		{"key pair", func(*rig, *wtp.CredentialCheck) {}, false, allGood, ""},
		{"IAM user", func(*rig, *wtp.CredentialCheck) {}, true, allGood, ""},
		{"enterprise project", func(_ *rig, c *wtp.CredentialCheck) { c.Project.EnterpriseProjectID = "all_granted_eps" }, false, "ok ok ok ok not_tested", ""},
		{"enterprise project of somebody else", func(_ *rig, c *wtp.CredentialCheck) { c.Project.EnterpriseProjectID = "no-such" }, false, "", "enterprise project"},
		{"unknown key", func(_ *rig, c *wtp.CredentialCheck) { c.Credential.AccessKey = "UNKNOWN" }, false, noSignIn, "does not know this access key"},
		{"wrong SK", func(_ *rig, c *wtp.CredentialCheck) { c.Secret = "not-its-SK" }, false, noSignIn, "does not belong to this AK"},
		{"wrong password", func(_ *rig, c *wtp.CredentialCheck) { c.Secret = "not-its-SK" }, true, noSignIn, "IAM refused the account name"},
		{"locked key", func(g *rig, c *wtp.CredentialCheck) { g.sim.LockKey(c.Credential.AccessKey) }, false, noSignIn, "locked this credential"},
		{"clock", func(g *rig, _ *wtp.CredentialCheck) {
			g.Connector.Now = func() time.Time { return g.clock.Now().Add(-time.Hour) }
		}, false, noSignIn, "The clock of this machine"},
		{"no right", func(g *rig, c *wtp.CredentialCheck) {
			g.sim.AddUser(hsstest.User{Name: "weak", Role: hsstest.RoleNone})
			g.sim.AddKey(hsstest.Key{AK: "WEAK", SK: "weak-sk", User: "weak"})
			c.Credential.AccessKey, c.Secret = "WEAK", "weak-sk"
		}, false, "ok failed failed not_tested not_tested", "may not do that in HSS"},
		{"not in this region", func(g *rig, c *wtp.CredentialCheck) {
			g.sim.AddFault(hsstest.Fault{Op: hsstest.OpListBackupHostsInfo, Kind: hsstest.FaultStatus, Status: 404})
		}, false, "ok ok failed not_tested not_tested", "does not offer this call"},
		{"nobody listens", func(_ *rig, c *wtp.CredentialCheck) { c.Credential.IAMEndpoint = refused }, true, noSignIn, "Nothing answers at the endpoint"},
		{"no such name", func(_ *rig, c *wtp.CredentialCheck) { c.Credential.IAMEndpoint = "https://nowhere.invalid" }, true, noSignIn, ""},
		{"certificate", func(_ *rig, c *wtp.CredentialCheck) { c.Credential.IAMEndpoint = tls.URL }, true, noSignIn, "certificate is not trusted"},
		{"key pair, no IAM", func(_ *rig, c *wtp.CredentialCheck) { c.Credential.IAMEndpoint = refused }, false, noIAM, ""},
		{"key pair, wrong IAM", func(g *rig, _ *wtp.CredentialCheck) {
			g.sim.AddFault(hsstest.Fault{Op: hsstest.OpListProjects, Kind: hsstest.FaultStatus, Status: 404})
		}, false, noIAM, ""},
		{"key pair, nobody at all", func(_ *rig, c *wtp.CredentialCheck) {
			c.Credential.IAMEndpoint = refused
			c.Project.HSSEndpoint = c.Credential.IAMEndpoint
		}, false, "failed failed failed not_tested not_tested", "Nothing answers at the endpoint"},
		{"a region that is none", func(_ *rig, c *wtp.CredentialCheck) { c.Project.Region = "cn north" }, false, noSignIn, "could not be prepared"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			clock := dbtest.NewClock()
			g := newRig(t, clock, dbtest.SQLiteClock(t, clock), hsstest.Config{})
			check := g.keyPair()
			if tc.user {
				check = g.user()
			}
			tc.spoil(g, &check)
			steps := g.Check(t.Context(), check)
			if tc.want != "" && word(steps) != tc.want {
				t.Errorf("%s, want %s", word(steps), tc.want)
			}
			says := ""
			for _, s := range steps {
				if s.State == "failed" && says == "" {
					says = s.Says
				}
				if s.State == "failed" && s.Says == "" {
					t.Errorf("%s failed without a word", s.Name)
				}
				if text := fmt.Sprintf("%+v", s); strings.Contains(text, check.Secret) {
					t.Errorf("the secret is in a step: %s", text)
				}
			}
			if !strings.Contains(says, tc.says) || tc.says == "" && strings.Contains(tc.want, "failed") && says == "" {
				t.Errorf("says %q, want %q", says, tc.says)
			}
			if strings.Contains(g.log.String(), check.Secret) {
				t.Error("the secret is in the log")
			}
		})
	}
}

func TestCheckStoredCredential(t *testing.T) {
	clock := dbtest.NewClock()
	g := newRig(t, clock, dbtest.SQLiteClock(t, clock), hsstest.Config{})
	c, p := g.store(g.keyPair())
	if got := word(g.Check(t.Context(), wtp.CredentialCheck{Credential: c, Project: &p})); got != "ok ok ok not_tested not_tested" {
		t.Error(got)
	}
	if got := word(g.Check(t.Context(), wtp.CredentialCheck{Credential: c})); got != "ok not_tested" {
		t.Error(got)
	}
	// A key that HSS locks is left alone by everybody for five minutes.
	g.sim.LockKey(c.AccessKey)
	g.Check(t.Context(), wtp.CredentialCheck{Credential: c, Project: &p})
	calls := len(g.sim.Requests())
	var up *wtp.Upstream
	if _, _, err := g.Client(t.Context(), p); !errors.As(err, &up) || up.Class != "key_locked" {
		t.Errorf("a locked credential gave %v", err)
	}
	if _, err := g.FindHosts(t.Context(), p, ""); !errors.As(err, &up) || up.Class != "key_locked" {
		t.Errorf("a locked credential gave %v", err)
	}
	if n := len(g.sim.Requests()); n != calls {
		t.Errorf("%d calls with a locked key", n-calls)
	}
	clock.Advance(6 * time.Minute)
	if _, err := g.Backups(t.Context(), p); err != nil {
		t.Error(err)
	}
}

// TestTypedSecretTakesFromTheBudget: HSS counts the calls of a test like all others.
func TestTypedSecretTakesFromTheBudget(t *testing.T) {
	clock := dbtest.NewClock()
	g := newRig(t, clock, dbtest.SQLiteClock(t, clock), hsstest.Config{Limit: 5})
	check := g.keyPair()
	c, p := g.store(check)
	for range 5 {
		if got := word(g.Check(t.Context(), wtp.CredentialCheck{Credential: c, Project: &p, Secret: check.Secret})); got != "ok ok ok not_tested not_tested" {
			t.Error(got)
		}
	}
	if got := word(g.Check(t.Context(), wtp.CredentialCheck{Credential: c, Project: &p, Secret: check.Secret})); got != "ok failed failed not_tested not_tested" {
		t.Error(got)
	}
	for _, r := range g.sim.Requests() {
		if r.Answer != http.StatusOK {
			t.Errorf("%s was answered %d", r.Op, r.Answer)
		}
	}
}

func TestSecretThatDoesNotOpen(t *testing.T) {
	clock := dbtest.NewClock()
	g := newRig(t, clock, dbtest.SQLiteClock(t, clock), hsstest.Config{})
	_, p := g.store(g.keyPair())
	other, err := secret.LoadRing(filepath.Join(t.TempDir(), "other"), true)
	if err != nil {
		t.Fatal(err)
	}
	g.Ring = other
	var up *wtp.Upstream
	if _, _, err := g.Client(t.Context(), p); !errors.As(err, &up) || !strings.Contains(up.Text.ID, "missing from the key file") {
		t.Errorf("%v", err)
	}
}

func TestIAMProjects(t *testing.T) {
	clock := dbtest.NewClock()
	g := newRig(t, clock, dbtest.SQLiteClock(t, clock), hsstest.Config{})
	g.sim.AddProject("ap-southeast-3", "fedcba9876543210fedcba9876543210", "sg")
	for _, check := range []wtp.CredentialCheck{g.keyPair(), g.user()} {
		check.Project = nil
		got, err := g.IAMProjects(t.Context(), check)
		if err != nil || len(got) != 2 || got[0].Region != "ap-southeast-3" || got[1].ID != g.sim.Access().ProjectID || !got[1].Enabled {
			t.Errorf("%+v, %v", got, err)
		}
	}
	check := g.user()
	check.Secret = "not-its-SK"
	var up *wtp.Upstream
	if _, err := g.IAMProjects(t.Context(), check); !errors.As(err, &up) || up.Class != "not_signed_in" {
		t.Errorf("%v", err)
	}
}

func TestFindHosts(t *testing.T) {
	clock := dbtest.NewClock()
	g := newRig(t, clock, dbtest.SQLiteClock(t, clock), hsstest.Config{Fleet: hsstest.PlainFleet(3)})
	_, p := g.store(g.keyPair())
	g.sim.AddServer(p.HSSProjectID, hsstest.Server{HostID: "10000000-0000-4000-8000-000000000001", HostName: "backup-00", AgentStatus: "offline", NoWTP: true, PrivateIP: "192.168.0.99"})
	g.sim.AddServer(p.HSSProjectID, hsstest.Server{HostID: "10000000-0000-4000-8000-000000000002", HostName: "backup-win", OSType: "Windows", NoWTP: true})
	for query, want := range map[string]string{
		"backup": "backup-01 backup-02 backup-00", "192.168.0.2": "backup-02", "00000000-0000-4000-8000-000000000002": "web-000002", "nothing": "",
	} {
		clock.Advance(time.Minute)
		found, err := g.FindHosts(t.Context(), p, query)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, h := range found {
			names = append(names, h.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

func TestProtectedDirs(t *testing.T) {
	clock := dbtest.NewClock()
	g := newRig(t, clock, dbtest.SQLiteClock(t, clock), hsstest.Config{Fleet: hsstest.PlainFleet(1)})
	_, p := g.store(g.keyPair())
	g.sim.AddServer(p.HSSProjectID, hsstest.Server{HostID: "with", ProtectDirs: []string{"/srv/www", "/opt/site"}})
	for id, want := range map[string]string{"with": "[/srv/www /opt/site]", "00000000-0000-4000-9000-000000000001": "[]", "unknown": "[]"} {
		if got, err := g.ProtectedDirs(t.Context(), p, id); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s: %v, %v", id, got, err)
		}
	}
	g.sim.RevokeKey(g.sim.Access().AK)
	if _, err := g.ProtectedDirs(t.Context(), p, "with"); err == nil {
		t.Error("no error with a key that is gone")
	}
}

// TestNobodyWaitsAMinuteInABrowser: the budget is used up.
func TestNobodyWaitsAMinuteInABrowser(t *testing.T) {
	clock := dbtest.NewClock()
	g := newRig(t, clock, dbtest.SQLiteClock(t, clock), hsstest.Config{})
	_, p := g.store(g.keyPair())
	for range 5 {
		if _, err := g.FindHosts(t.Context(), p, "x"); err != nil {
			t.Fatal(err)
		}
	}
	var up *wtp.Upstream
	if _, err := g.FindHosts(t.Context(), p, "x"); !errors.As(err, &up) || up.Class != "throttled" || up.Operation == "" {
		t.Errorf("%v", err)
	}
	if n := g.sim.Counts()[hsstest.OpListHostStatus]; n != 5 {
		t.Errorf("%d calls", n)
	}
}

// TestBudgetIsShared: many calls at once, of two connectors over one store, never
// exceed what HSS allows.
func TestBudgetIsShared(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), hsstest.Config{Limit: 5})
		_, p := g.store(g.keyPair())
		// The clock jumps only while no call is on its way: one that takes a minute
		// to arrive would be no fault of the budget's.
		var under sync.RWMutex
		g.Wait = func(ctx context.Context, d time.Duration) error {
			under.RUnlock()
			under.Lock()
			clock.Advance(d)
			under.Unlock()
			under.RLock()
			return ctx.Err()
		}
		second := &Connector{Store: g.Store, Ring: g.Ring, Now: g.Now, Logger: g.Logger, Wait: g.Wait}
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				under.RLock()
				defer under.RUnlock()
				c := []*Connector{g.Connector, second}[i%2]
				r, err := c.Reading(t.Context(), p, false)
				if err == nil {
					_, _, err = r.Page(t.Context(), 0)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for _, r := range g.sim.Requests() {
			if r.Answer == http.StatusTooManyRequests {
				t.Error("throttled")
			}
		}
	})
}
