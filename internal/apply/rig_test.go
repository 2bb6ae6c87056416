package apply

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"wtp-console/internal/connect"
	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/inventory"
	"wtp-console/internal/secret"
	"wtp-console/internal/wtp"
)

// rig is a console without pages: a real store, a simulated HSS over real HTTP,
// a clock that jumps ahead whenever somebody would wait.
type rig struct {
	t       *testing.T
	clock   *dbtest.Clock
	store   *db.Store
	sim     *hsstest.Simulator
	ring    *secret.Ring
	wire    *wire
	connect *connect.Connector
	reader  *inventory.Reader
	runner  *Runner
	user    wtp.User
	actor   wtp.Actor
	project wtp.Project
	ended   chan struct{}
}

func newRig(t *testing.T, clock *dbtest.Clock, store *db.Store, config hsstest.Config) *rig {
	t.Helper()
	config.Now = clock.Now
	g := &rig{t: t, clock: clock, store: store, sim: hsstest.Start(t, config)}
	ring, err := secret.LoadRing(filepath.Join(t.TempDir(), "keys"), true)
	g.must(err)
	g.ring = ring
	ctx := t.Context()
	g.must(store.SetSetting(ctx, wtp.Actor{Name: "test"}, connect.SettingCallsPerMinute, "100000"))
	g.sideBySide(1)
	_, err = store.CreateUser(ctx, wtp.Actor{Name: "test"}, wtp.User{Name: "root", NameKey: "root", PasswordHash: "x", Role: wtp.Admin})
	g.must(err)
	g.user, err = store.CreateUser(ctx, wtp.Actor{Name: "test"}, wtp.User{Name: "mei", NameKey: "mei", PasswordHash: "x", Role: wtp.Operator})
	g.must(err)
	g.actor = wtp.Actor{UserID: g.user.ID, Name: g.user.Name, Role: g.user.Role, IP: "10.0.0.1"}
	access := g.sim.Access()
	g.project = g.addProject(wtp.Credential{Kind: wtp.AccessKey, AccessKey: access.AK}, access.SK)
	g.wired(store)
	return g
}

// addProject makes a credential and the simulator's project with it.
func (g *rig) addProject(c wtp.Credential, plain string) wtp.Project {
	g.t.Helper()
	access := g.sim.Access()
	c.UID, c.Name, c.Region, c.IAMEndpoint = "uid-"+string(c.Kind), "cred "+string(c.Kind), access.Region, access.IAMEndpoint
	sealed, err := g.ring.Seal(c.SealContext(), secret.New(plain))
	g.must(err)
	c.SealedSecret = sealed
	c, err = g.store.CreateCredential(g.t.Context(), g.actor, c)
	g.must(err)
	p, err := g.store.CreateProject(g.t.Context(), g.actor, wtp.Project{Name: "web " + string(c.Kind), Region: access.Region, HSSProjectID: access.ProjectID,
		EnterpriseProjectID: map[wtp.CredentialKind]string{wtp.IAMPassword: "all_granted_eps"}[c.Kind], HSSEndpoint: access.HSSEndpoint, IAMEndpoint: access.IAMEndpoint, CredentialID: c.ID})
	g.must(err)
	return p
}

// wired builds runner and reader over a store, as a process does that starts.
func (g *rig) wired(store *db.Store) {
	g.store = store
	g.wire = &wire{rig: g, store: store}
	quiet := slog.New(slog.NewTextHandler(g.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	g.connect = &connect.Connector{Store: store, Ring: g.ring, Now: g.clock.Now, Logger: quiet, Transport: g.wire, Wait: g.wait, Timeout: 5 * time.Minute}
	g.ended = make(chan struct{}, 100)
	g.runner = &Runner{Store: store, Connect: g.connect, Owner: fmt.Sprintf("test-%p", g.wire), Now: g.clock.Now, Logger: quiet,
		Wake: make(chan struct{}, 1), Changed: func() { g.ended <- struct{}{} }, Poll: time.Hour, Wait: g.wait}
	g.reader = &inventory.Reader{Store: store, Connect: g.connect, Owner: "reader-" + g.runner.Owner, Now: g.clock.Now, Logger: quiet,
		Wake: make(chan struct{}, 1), Poll: time.Hour}
}

// sideBySide sets how many calls of a change may be in flight.
func (g *rig) sideBySide(n int) {
	g.t.Helper()
	g.limit(wtp.CallsAtOnce, n)
}

// limit sets one of the limits.
func (g *rig) limit(name string, n int) {
	g.t.Helper()
	g.must(g.store.SetSetting(g.t.Context(), wtp.Actor{Name: "test"}, name, strconv.Itoa(n)))
}

// wait lets the clock jump instead.
func (g *rig) wait(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.clock.Advance(d)
	return nil
}

func (g *rig) must(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

// read lets the inventory be read once.
func (g *rig) read() {
	g.t.Helper()
	g.clock.Advance(time.Second) // what is read was decided before
	g.must(g.store.WantRead(g.t.Context(), g.project.ID))
	ctx, cancel := context.WithCancel(g.t.Context())
	var done sync.WaitGroup
	done.Go(func() { _ = g.reader.Run(ctx) })
	looks := 0
	g.until("the project is read", func() bool {
		p, err := g.store.ProjectByID(ctx, g.project.ID)
		g.must(err)
		if p.ReadError != "" {
			g.t.Fatalf("reading failed: %s", p.ReadError)
		}
		if looks++; looks%100 == 0 && p.ReadLease == "" {
			g.reader.Poke() // the project may have been locked by a store that was just closed
		}
		g.project = p
		return p.ReadWantedAt == 0 && p.ReadAt != 0
	})
	cancel()
	done.Wait()
}

// until polls for a condition, for at most a minute.
func (g *rig) until(what string, ok func() bool) {
	g.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(deadline) {
			g.t.Fatalf("waited in vain until %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// confirm plans and confirms switching servers; none: every server.
func (g *rig) confirm(d wtp.Direction, hosts ...string) wtp.Change {
	g.t.Helper()
	from := db.PlanSource{HostIDs: hosts}
	if len(hosts) == 0 {
		from = db.PlanSource{Filter: &wtp.ServerFilter{}}
	}
	plan, err := g.store.PlanDynamicWTP(g.t.Context(), g.actor, g.project.ID, d, from, time.Hour)
	g.must(err)
	c, err := g.store.Confirm(g.t.Context(), g.actor, g.project.ID, plan.UID, db.Confirmation{Reason: "test", Back: wtp.BackOn{Never: true}})
	g.must(err)
	return c
}

// start runs the runner until the returned function is called.
func (g *rig) start() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { _ = g.runner.Run(ctx) })
	stop = func() { cancel(); done.Wait() }
	g.t.Cleanup(stop)
	return stop
}

// finish runs the runner until the change is over.
func (g *rig) finish(c wtp.Change) wtp.Change {
	g.t.Helper()
	stop := g.start()
	defer stop()
	return g.over(c)
}

// over waits until a change is over.
func (g *rig) over(c wtp.Change) wtp.Change {
	g.t.Helper()
	deadline := time.After(2 * time.Minute)
	for {
		now, err := g.store.ChangeByID(g.t.Context(), c.ID)
		g.must(err)
		if now.State.Over() {
			return now
		}
		again := time.NewTimer(200 * time.Millisecond)
		select {
		case <-g.ended:
		case <-again.C: // the change may have been locked by a store that was just closed
			g.runner.Poke()
		case <-deadline:
			g.t.Fatalf("the change is still %s: %+v", now.State, g.outcomes(c))
		}
	}
}

func (g *rig) outcomes(c wtp.Change) map[wtp.Outcome]int64 {
	g.t.Helper()
	counts, err := g.store.ChangeCounts(g.t.Context(), c.ID)
	g.must(err)
	got := map[wtp.Outcome]int64{}
	for _, o := range wtp.Outcomes() {
		if n := counts.Of(o); n != 0 {
			got[o] = n
		}
	}
	return got
}

// want checks outcomes, as "accepted 3 refused 1", and everything that must hold
// of any change.
func (g *rig) want(c wtp.Change, state wtp.ChangeState, outcomes string) {
	g.t.Helper()
	got := ""
	now, err := g.store.ChangeByID(g.t.Context(), c.ID)
	g.must(err)
	for _, o := range wtp.Outcomes() {
		if n := g.outcomes(c)[o]; n != 0 {
			got += fmt.Sprintf(" %s %d", o, n)
		}
	}
	if got = strings.TrimSpace(got); got != outcomes || now.State != state {
		g.t.Errorf("change is %s (%s) with %q, want %s with %q\n%s", now.State, now.StopWhy, got, state, outcomes, g.calls(c))
	}
	g.check(c)
}

func (g *rig) calls(c wtp.Change) string {
	calls, err := g.store.Calls(g.t.Context(), c.ID, 0, 100)
	g.must(err)
	var b strings.Builder
	for _, call := range calls {
		fmt.Fprintf(&b, "%d batch %d %s %d hosts: %d %s %s %s\n", call.ID, call.BatchID, call.Operation, call.Hosts, call.Status, call.Class, call.Code, call.Message)
	}
	return b.String()
}

func (g *rig) targets(c wtp.Change) []wtp.Target {
	g.t.Helper()
	var all []wtp.Target
	for after := int64(0); ; {
		page, err := g.store.Targets(g.t.Context(), db.TargetQuery{ChangeID: c.ID, After: after, Limit: 500})
		g.must(err)
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
		after = page[len(page)-1].Seq
	}
}

// check holds a finished change against what HSS saw: the invariants of every
// fault test.
func (g *rig) check(c wtp.Change) {
	g.t.Helper()
	ctx := g.t.Context()
	for _, fault := range g.wire.faults() {
		g.t.Errorf("intent: %s", fault)
	}
	for _, v := range g.sim.Violations() {
		g.t.Errorf("the client broke the contract: %s", v)
	}
	counted := map[wtp.Outcome]int64{}
	for _, t := range g.targets(c) {
		counted[t.Outcome]++
		if c.Kind != wtp.DynamicWTP {
			continue
		}
		switch state := g.sim.Accepted(g.project.HSSProjectID, t.HostID); {
		case t.Outcome == wtp.TargetAccepted && state != t.Wanted:
			g.t.Errorf("%s is accepted but %s in HSS", t.HostID, state)
		case (t.Outcome == wtp.TargetRefused || t.Outcome == wtp.TargetStopped) && state != t.Before:
			g.t.Errorf("%s is %s but %s in HSS", t.HostID, t.Outcome, state)
		case t.Outcome.Open():
			g.t.Errorf("%s is still %s", t.HostID, t.Outcome)
		}
	}
	if got := g.outcomes(c); !mapsEqual(got, counted) {
		g.t.Errorf("counters say %v, targets %v", got, counted)
	}
	calls, err := g.store.Calls(ctx, c.ID, 0, 100000)
	g.must(err)
	for _, call := range calls {
		if call.EndedAt == 0 && call.Class == "" {
			g.t.Errorf("call %d has no end", call.ID)
		}
	}
	if _, bad, err := g.store.VerifyEvents(ctx); err != nil || bad != 0 {
		g.t.Errorf("events: bad %d, %v", bad, err)
	}
}

func mapsEqual(a, b map[wtp.Outcome]int64) bool {
	return fmt.Sprint(a) == fmt.Sprint(b)
}

// sent counts the requests of an operation that reached HSS.
func (g *rig) sent(op string) int { return g.sim.Counts()[op] }

// wire is the network between the console and HSS. Before it passes a write on it
// makes sure that exactly this call is in the database; and it can fail.
type wire struct {
	rig   *rig
	store *db.Store

	mu    sync.Mutex
	wrong []string
	// before, when set, sees each write first: an error keeps it from being sent.
	before func(*http.Request) error
	// after, when set, sees each write's answer and may spoil it.
	after func(*http.Response, error) (*http.Response, error)
	// read, when set, sees each reading call first.
	read func(*http.Request)
}

func (w *wire) faults() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.wrong)
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	write := strings.HasSuffix(r.URL.Path, "/webtamper/rasp/status") || strings.HasSuffix(r.URL.Path, "/set-remote-backup") ||
		r.Method == http.MethodPut || r.Method == http.MethodDelete
	w.mu.Lock()
	before, after := w.before, w.after
	w.mu.Unlock()
	if write {
		if err := w.intended(r); err != nil {
			w.mu.Lock()
			w.wrong = append(w.wrong, err.Error())
			w.mu.Unlock()
		}
		if before != nil {
			if err := before(r); err != nil {
				return nil, err
			}
		}
	}
	if !write && w.read != nil {
		w.read(r)
	}
	headed := make(chan struct{})
	if write {
		r = w.mute(r, headed)
	}
	resp, err := transport().RoundTrip(r)
	close(headed)
	if write && after != nil {
		return after(resp, err)
	}
	return resp, err
}

func transport() *http.Transport { return &http.Transport{DisableKeepAlives: true} }

// mute ends the time of a write that HSS carries out but never answers, as soon as it is
// carried out and, if that is all that comes, its head is here. A timeout of its own
// would have to be short, and on a busy machine it would end other calls' time as well.
func (w *wire) mute(r *http.Request, headed <-chan struct{}) *http.Request {
	mutes := slices.DeleteFunc(w.rig.sim.Faults(), func(f hsstest.Fault) bool {
		return f.Kind != hsstest.FaultSlowAnswer && f.Kind != hsstest.FaultSlowBody
	})
	body, err := bodyOf(r)
	if len(mutes) == 0 || err != nil {
		return r
	}
	fault, before := mutes[0], len(w.rig.sim.Requests())
	ctx, timeUp := context.WithCancelCause(r.Context())
	go func() {
		if fault.Kind == hsstest.FaultSlowBody {
			select {
			case <-headed:
			case <-ctx.Done():
			}
		}
		for ; ctx.Err() == nil; time.Sleep(time.Millisecond) { // it ends with the call
			if slices.ContainsFunc(w.rig.sim.Requests()[before:], func(q hsstest.Request) bool {
				return q.Path == r.URL.Path && q.Body == string(body) && slices.Contains(q.Faults, fault.ID) && !q.Ended.IsZero()
			}) {
				timeUp(context.DeadlineExceeded)
			}
		}
	}()
	return r.WithContext(ctx)
}

// bodyOf reads a request's body and puts it back.
func bodyOf(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body, err
}

// intended says whether a write is on record, with the same servers, before it
// leaves.
func (w *wire) intended(r *http.Request) error {
	body, err := bodyOf(r)
	if err != nil {
		return err
	}
	var sent struct {
		HostIDs []string `json:"host_id_list"`
		HostID  string   `json:"host_id"`
		Status  *bool    `json:"status"`
		Backups []string `json:"backup_host_id_list"`
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		return err
	}
	if sent.HostID != "" {
		sent.HostIDs = []string{sent.HostID}
	}
	sent.HostIDs = append(sent.HostIDs, sent.Backups...)
	for _, end := range []string{"/set-remote-backup", "/rasp-path"} {
		if one, ok := strings.CutSuffix(r.URL.Path, end); ok {
			sent.HostIDs = []string{path.Base(one)}
		}
	}
	ctx := context.Background()
	open, err := w.store.OpenChanges(ctx, 0)
	if err != nil {
		return err
	}
	for _, row := range open {
		sending, err := w.store.Targets(ctx, db.TargetQuery{ChangeID: row.ID, Outcome: wtp.TargetSending, Limit: 5000})
		if err != nil {
			return err
		}
		calls, err := w.store.Calls(ctx, row.ID, 0, 100000)
		if err != nil {
			return err
		}
		if row.Kind == wtp.DynamicWTP && (sent.Status == nil || *sent.Status != (row.Direction == wtp.Enable)) {
			continue
		}
		want := slices.Sorted(slices.Values(sent.HostIDs))
		for _, c := range calls {
			if c.EndedAt != 0 || c.Class != "" || c.BatchID == 0 || int(c.Hosts) != len(want) || c.SentAt == 0 || !strings.HasSuffix(r.URL.Path, c.Path) {
				continue
			}
			ids := hostIDs(slices.DeleteFunc(slices.Clone(sending), func(t wtp.Target) bool { return t.BatchID != c.BatchID }))
			slices.Sort(ids)
			if slices.Equal(ids, want) {
				return nil
			}
		}
	}
	return fmt.Errorf("%s %s with %d servers left without a record of it", r.Method, r.URL.Path, len(sent.HostIDs))
}

// errWire is a connection that broke.
var errWire = errors.New("connection reset by the test")
