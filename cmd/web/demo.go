package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"wtp-console/internal/auth"
	"wtp-console/internal/db"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/wtp"
)

// DemoCmd runs the whole product against the simulator.
type DemoCmd struct {
	Listen
	Servers   int           `help:"Servers in the simulated fleet." default:"2500"`
	Simulator string        `help:"Address the simulated HSS listens on." default:"127.0.0.1:0"`
	Control   string        `help:"Address for reading the simulator's state and setting faults." default:"127.0.0.1:0"`
	Latency   time.Duration `help:"How long the simulated HSS takes to answer." default:"150ms"`
	LogFile   string        `help:"Where the log goes; default demo.log in the temporary directory."`
}

// The simulator answers slower than these and takes far more calls a minute
// than the 5 that HSS documents, so that a change of 1,000 servers can be
// watched to its end.
const (
	demoCallsPerMinute = 120
	mostCallsPerMinute = 600
	demoApplyDelay     = 4 * time.Second
	demoBackupDelay    = 8 * time.Second
)

// Run prints where to go and how to sign in, and serves until told to stop.
// Everything lives in a temporary directory that is removed at the end.
func (c *DemoCmd) Run(ctx context.Context) error {
	if err := c.check(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "wtp-console-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	logTo, err := c.openLog(dir)
	if err != nil {
		return err
	}
	defer logTo.Close()
	log := slog.New(slog.NewJSONHandler(logTo, nil))

	sim := hsstest.New(hsstest.Config{Fleet: hsstest.DemoFleet(1, c.Servers)})
	defer sim.Close()
	if err := sim.Listen(c.Simulator, c.Control); err != nil {
		return err
	}
	config := Config{DataDir: dir, ReadEvery: 15 * time.Minute}
	if err := config.prepare(); err != nil {
		return err
	}
	clock := &demoClock{}
	a, err := open(ctx, &config, log, clock.Now, false)
	if err != nil {
		return err
	}
	defer a.store.Close()
	d := demo{console: a, sim: sim, clock: clock, servers: c.Servers}
	password, err := d.fill(ctx)
	if err != nil {
		return fmt.Errorf("filling the demo: %w", err)
	}
	// The past was written without delays; what people do now takes its time.
	sim.SetPace(c.Latency, demoApplyDelay, demoBackupDelay)
	err = a.serve(ctx, c.Listen, func(address string) {
		fmt.Printf(`
wtp-console demo is ready.

  Open      %s
  Sign in   mei  with the password  %s
            (jonas is an operator, li a viewer; same password)
  HSS       simulated at %s, control at %s

Press Ctrl+C to stop; nothing is kept.
`, c.base(address), password, sim.URL(), sim.ControlURL())
	})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (c *DemoCmd) openLog(dir string) (io.WriteCloser, error) {
	name := c.LogFile
	if name == "" {
		name = filepath.Join(dir, "demo.log")
	}
	return os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// demoClock shows the present less an offset, so that history can be made by
// the product's own code at times that lie in the past.
type demoClock struct{ behind atomic.Int64 }

// Now is the demo's time.
func (c *demoClock) Now() time.Time { return time.Now().Add(-time.Duration(c.behind.Load())) }

func (c *demoClock) set(behind time.Duration) { c.behind.Store(int64(behind)) }

type demo struct {
	*console
	sim     *hsstest.Simulator
	clock   *demoClock
	servers int
}

// fill makes people, credentials, projects, the inventory and some history, the
// way a team would have made them: with the runner and the reader at work.
func (d demo) fill(ctx context.Context) (password string, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	d.clock.set(9 * 24 * time.Hour)
	people, password, err := d.people(ctx)
	if err != nil {
		return "", err
	}
	if err := d.store.SetSetting(ctx, people["mei"], "calls_per_minute", demoCalls(d.servers)); err != nil {
		return "", err
	}
	projects, err := d.projects(ctx, people["mei"])
	if err != nil {
		return "", err
	}
	var working sync.WaitGroup
	defer working.Wait()
	defer stop()
	working.Go(func() { _ = d.runner.Run(ctx) }) // Run has no error to give
	working.Go(func() { _ = d.reader.Run(ctx) })
	if err := d.readAll(ctx, projects); err != nil {
		return "", err
	}
	for _, step := range demoHistory() {
		d.clock.set(step.ago)
		if err := d.carryOut(ctx, people[step.who], projects[step.project], step); err != nil {
			return "", fmt.Errorf("%q: %w", step.reason, err)
		}
	}
	d.clock.set(0)
	if err := d.testCredentials(ctx, projects); err != nil {
		return "", err
	}
	return password, d.readAll(ctx, projects)
}

// testCredentials does what "Test connection" does.
func (d demo) testCredentials(ctx context.Context, projects []wtp.Project) error {
	for _, p := range projects {
		c, err := d.store.Credential(ctx, p.CredentialID)
		if err != nil {
			return err
		}
		steps, err := json.Marshal(d.conn.Check(ctx, wtp.CredentialCheck{Credential: c, Project: &p}))
		if err != nil {
			return err
		}
		if err := d.store.NoteCredentialTest(ctx, c.ID, string(steps)); err != nil {
			return err
		}
	}
	return nil
}

func (d demo) people(ctx context.Context) (map[string]wtp.Actor, string, error) {
	token, _ := auth.NewToken()
	password := token[:16]
	hash, err := auth.NewHasher().Hash(ctx, password)
	if err != nil {
		return nil, "", err
	}
	people := map[string]wtp.Actor{}
	for _, p := range []struct {
		name string
		role wtp.Role
	}{{"mei", wtp.Admin}, {"jonas", wtp.Operator}, {"li", wtp.Viewer}} {
		u, err := d.store.CreateUser(ctx, consoleActor("demo"), wtp.User{Name: p.name, NameKey: p.name, PasswordHash: hash, Role: p.role})
		if err != nil {
			return nil, "", err
		}
		people[p.name] = wtp.Actor{UserID: u.ID, Name: u.Name, Role: u.Role, IP: "127.0.0.1", UserAgent: "wtp-console demo"}
	}
	return people, password, nil
}

// readAll reads every project as of the demo's present time.
func (d demo) readAll(ctx context.Context, projects []wtp.Project) error {
	from := wtp.At(d.clock.Now())
	for _, p := range projects {
		if err := d.store.WantRead(ctx, p.ID); err != nil {
			return err
		}
	}
	return d.until(ctx, func() (bool, error) {
		d.reader.Poke()
		for _, p := range projects {
			now, err := d.store.ProjectByID(ctx, p.ID)
			if err != nil {
				return false, err
			}
			if now.ReadFailedAt >= from {
				return false, errors.New(now.ReadError)
			}
			if now.ReadAt < from {
				return false, nil
			}
		}
		return true, nil
	})
}

// demoCalls is the budget of a demo: filling it reads the whole fleet about ten
// times, and a large one would use up what does for a small one.
func demoCalls(servers int) string {
	return strconv.Itoa(min(max(demoCallsPerMinute, servers/30), mostCallsPerMinute))
}

// until waits for the runner or the reader. Either takes seconds, and minutes on a
// machine that has a lot else to do.
func (d demo) until(ctx context.Context, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// projects stores one credential of each kind and the simulator's projects.
func (d demo) projects(ctx context.Context, by wtp.Actor) ([]wtp.Project, error) {
	access := d.sim.Access()
	keep := func(c wtp.Credential, plain string) (wtp.Credential, error) {
		c.UID, _ = auth.NewToken()
		c.IAMEndpoint = access.IAMEndpoint
		sealed, err := d.seal(c.SealContext(), plain)
		if err != nil {
			return c, err
		}
		c.SealedSecret = sealed
		return d.store.CreateCredential(ctx, by, c)
	}
	key, err := keep(wtp.Credential{Name: "hss-ops-key", Kind: wtp.AccessKey, AccessKey: access.AK, Region: access.Region}, access.SK)
	if err != nil {
		return nil, err
	}
	user, err := keep(wtp.Credential{Name: "hss-ops-user", Kind: wtp.IAMPassword, Account: access.Account, IAMUser: access.User, Region: access.Region}, access.Password)
	if err != nil {
		return nil, err
	}
	var out []wtp.Project
	for i, p := range d.sim.Projects() {
		c := key
		if i > 0 {
			c = user
		}
		stored, err := d.store.CreateProject(ctx, by, wtp.Project{Name: p.Name, Region: p.Region, HSSProjectID: p.ProjectID, EnterpriseProjectID: "all_granted_eps", HSSEndpoint: access.HSSEndpoint, CredentialID: c.ID})
		if err != nil {
			return nil, err
		}
		out = append(out, stored)
	}
	return out, nil
}

type demoStep struct {
	ago       time.Duration
	who       string
	project   int
	direction wtp.Direction
	filter    wtp.ServerFilter
	most      int
	reason    string
	ticket    string
	back      time.Duration // of turning off: a timer turns back on after it; 0: never
}

func demoHistory() []demoStep {
	const day = 24 * time.Hour
	group := func(name string) wtp.ServerFilter { return wtp.ServerFilter{Group: []string{name}} }
	return []demoStep{
		{8 * day, "mei", 0, wtp.Disable, group("Checkout"), 150, "Release 8.3 of checkout reloads classes", "CHG-20839", 4 * time.Hour},
		{6*day + 3*time.Hour, "jonas", 1, wtp.Disable, group("Portal"), 60, "Load test of the portal abroad", "CHG-20842", 0},
		{6 * day, "jonas", 1, wtp.Enable, group("Portal"), 60, "Load test is over", "CHG-20842", 0},
		{4 * day, "jonas", 0, wtp.Disable, group("CMS"), 40, "Template update of the CMS landing pages reloads classes", "CHG-20847", 2 * time.Hour},
		{26 * time.Hour, "mei", 0, wtp.Enable, group("官网集群"), 30, "官网集群启用动态防篡改，第一批", "CHG-20864", 0},
	}
}

// carryOut plans, confirms and carries out one change of the past with the same
// code that serves people, and waits until it was read back.
func (d demo) carryOut(ctx context.Context, by wtp.Actor, p wtp.Project, step demoStep) error {
	hosts, err := d.eligible(ctx, p, step)
	if err != nil || len(hosts) == 0 {
		return err
	}
	plan, err := d.store.PlanDynamicWTP(ctx, by, p.ID, step.direction, db.PlanSource{HostIDs: hosts}, 10*time.Minute)
	if err != nil {
		return err
	}
	change, err := d.store.Confirm(ctx, by, p.ID, plan.UID, db.Confirmation{Reason: step.reason, Ticket: step.ticket,
		Back: wtp.BackOn{After: step.back, Never: step.back == 0}})
	if err != nil {
		return err
	}
	if err := d.over(ctx, change.ID); err != nil || step.direction != wtp.Disable || step.back == 0 {
		return err
	}
	d.clock.set(step.ago - step.back - time.Second)
	var timer db.TimerRow
	if err := d.until(ctx, func() (bool, error) {
		d.runner.Poke()
		timer, err = d.store.Timer(ctx, change.ID)
		return timer.State != wtp.TimerPending, err
	}); err != nil || timer.FiredChangeID == 0 {
		return err
	}
	return d.over(ctx, timer.FiredChangeID)
}

// over waits until a change is over and was read back.
func (d demo) over(ctx context.Context, change int64) error {
	return d.until(ctx, func() (bool, error) {
		d.runner.Poke()
		now, err := d.store.ChangeByID(ctx, change)
		return now.State.Over() && now.ReadBackAt == 0, err
	})
}

// eligible is the first servers of a step's group that it would send.
func (d demo) eligible(ctx context.Context, p wtp.Project, step demoStep) ([]string, error) {
	var hosts []string
	for after := ""; len(hosts) < step.most; {
		page, err := d.store.Servers(ctx, db.ServerQuery{ProjectIDs: []int64{p.ID}, Filter: step.filter, After: after})
		if err != nil {
			return nil, err
		}
		for _, s := range page.Servers {
			if bucket, _ := wtp.Classify(s, step.direction, false); bucket.Sent() && len(hosts) < step.most {
				hosts = append(hosts, s.HostID)
			}
		}
		if after = page.Next; after == "" {
			break
		}
	}
	return hosts, nil
}
