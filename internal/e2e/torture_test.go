package e2e_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/wtp"
)

// TestTortureSQLite kills the console with SIGKILL again and again while bulk
// changes run, and starts it again on the same file. `make torture` kills 200
// times.
func TestTortureSQLite(t *testing.T) {
	t.Parallel()
	newTorture(t, "sqlite", 1).run(kills(t, "WTP_TORTURE_KILLS", 10))
}

// TestTorturePostgres does so with two replicas on one PostgreSQL, killing either.
func TestTorturePostgres(t *testing.T) {
	t.Parallel()
	newTorture(t, "postgres", 2).run(kills(t, "WTP_TORTURE_KILLS_POSTGRES", 4))
}

func kills(t *testing.T, name string, short int) int {
	text := os.Getenv(name)
	if text == "" {
		return short
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, name)
	return n
}

const (
	tortureGroups = 24
	tortureGroup  = 110
	tortureLease  = 2 * time.Second
)

// torture is one run: an HSS that misbehaves, replicas that are killed, and a
// person who goes on regardless.
type torture struct {
	t        *testing.T
	kind     string
	seed     uint64
	rnd      *rand.Rand
	front    *front
	db       *sql.DB // for looking, beside the console
	url      string  // PostgreSQL's
	dirs     []string
	env      []string
	poisoned []string

	mu       sync.Mutex
	replicas []*console  // nil: not there
	lives    [][]*life   // of each replica, for their logs
	begun    []time.Time // of each replica's present life
	person   *stubborn
	figures  figures
}

// life is one run of a replica from start to death.
type life struct{ *process }

// figures are what a run is reported by.
type figures struct {
	phases   map[string]int
	inFlight int // batches that were under way at a kill
}

func newTorture(t *testing.T, kind string, replicas int) *torture {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("TORTURE_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, "TORTURE_SEED")
	}
	t.Logf("TORTURE_SEED=%d repeats the choices of this run", seed)
	g := &torture{t: t, kind: kind, seed: seed, rnd: rand.New(rand.NewPCG(seed, 0)), figures: figures{phases: map[string]int{}}}
	fleet := hsstest.PlainFleet(tortureGroups * tortureGroup)
	servers := fleet.Projects[0].Servers
	for i := range tortureGroups * tortureGroup {
		servers[i].GroupName = fmt.Sprintf("g%02d", i%tortureGroups)
	}
	for range 3 {
		g.poisoned = append(g.poisoned, servers[g.rnd.IntN(tortureGroups*tortureGroup)].HostID)
	}
	config := hsstest.Config{Fleet: fleet}
	if kind == "sqlite" {
		// Reading back by the list takes a moment, by an export seconds: few would
		// come to their end between two kills.
		config.Unpublished = []string{hsstest.OpExportWebTamperHost}
	}
	g.front = newFront(t, seed, config)
	g.front.poison(g.poisoned)
	keys := filepath.Join(t.TempDir(), "keys")
	g.env = []string{"WTP_CONSOLE_LISTEN=127.0.0.1:0", "DATABASE_URL=", "WTP_CONSOLE_KEY_FILE=" + keys, "WTP_CONSOLE_LEASE=" + tortureLease.String()}
	driver, source := "sqlite3", ""
	if kind == "postgres" {
		g.url = dbtest.Config(t, kind).URL
		driver, source = "pgx", g.url
	}
	for range replicas {
		g.dirs = append(g.dirs, t.TempDir())
	}
	if kind == "sqlite" {
		source = "file:" + g.file() + "?mode=ro&_busy_timeout=10000"
	}
	g.replicas, g.lives, g.begun = make([]*console, replicas), make([][]*life, replicas), make([]time.Time, replicas)
	g.prepare()
	var err error
	g.db, err = sql.Open(driver, source)
	require.NoError(t, err)
	g.front.db = g.db
	t.Cleanup(func() {
		for i := range g.replicas {
			g.kill(i)
		}
		g.db.Close()
		if t.Failed() {
			g.dump()
		}
	})
	return g
}

func (g *torture) file() string { return filepath.Join(g.dirs[0], "wtp-console.db") }

// prepare makes people, credential, project and the limits with a first run.
func (g *torture) prepare() {
	g.start(0, provisioned(g.t, g.front.access())...)
	g.listen(0)
	g.kill(0) // the inventory is read later, under the limits set here
	store, err := db.Open(g.t.Context(), db.Config{URL: g.url, Path: g.file()})
	require.NoError(g.t, err)
	for name, value := range map[string]string{"calls_per_minute": "1000000", "typed_above": "100000", "cap_operator": "0", "cap_admin": "0"} {
		require.NoError(g.t, store.SetSetting(g.t.Context(), wtp.Actor{Name: "test"}, name, value))
	}
	require.NoError(g.t, store.Close())
}

// start starts a replica; it needn't listen yet.
func (g *torture) start(i int, env ...string) {
	env = append(append(slices.Clone(g.env), "WTP_CONSOLE_DATA_DIR="+g.dirs[i], "WTP_CONSOLE_DATABASE_URL="+g.url), env...)
	p := spawn(g.t, env, "serve")
	g.mu.Lock()
	defer g.mu.Unlock()
	g.replicas[i], g.begun[i] = &console{process: p}, time.Now()
	g.lives[i] = append(g.lives[i], &life{p})
}

// listen waits until a replica answers.
func (g *torture) listen(i int) {
	c := g.replicas[i]
	wait(g.t, "the console listens", func() bool {
		select {
		case <-c.done:
			g.t.Fatalf("replica %d ended by itself:\n%s", i, tail(c.log(), 3000))
		default:
		}
		m := listening.FindStringSubmatch(c.log())
		if m == nil {
			return false
		}
		g.mu.Lock()
		c.url = "http://" + m[1]
		g.mu.Unlock()
		return true
	})
}

// base is the address of some replica that answers.
func (g *torture) base() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, i := range rand.Perm(len(g.replicas)) {
		if c := g.replicas[i]; c != nil && c.url != "" {
			return c.url
		}
	}
	return ""
}

// kill ends a replica with SIGKILL and takes down what it was at.
func (g *torture) kill(i int) {
	g.mu.Lock()
	c := g.replicas[i]
	g.replicas[i] = nil
	g.mu.Unlock()
	if c != nil {
		c.kill()
	}
}

func (g *torture) count(query string) int {
	g.t.Helper()
	var n int
	require.NoError(g.t, g.db.QueryRow(query).Scan(&n), query)
	return n
}

const openChanges = "SELECT COUNT(*) FROM changes WHERE state IN ('queued', 'running')"

// run kills as often as told, lets everything come to its end, and checks.
func (g *torture) run(kills int) {
	began := time.Now()
	for i := range g.replicas {
		g.start(i)
	}
	for i := range g.replicas {
		g.listen(i)
	}
	g.person = newStubborn(g.seed, tortureGroups, g.base, func() bool {
		n, err := texts(g.db, openChanges)
		return err == nil && len(n) == 1 && len(n[0]) == 1 && n[0] < "8"
	})
	ctx, enough := context.WithCancel(g.t.Context())
	defer enough()
	signedIn := newPerson(g.t, g.base())
	signedIn.http.Jar = g.person.http.Jar
	signedIn.signIn("mei", meiPassword)
	wait(g.t, "the inventory is read", func() bool { return g.count("SELECT COUNT(*) FROM servers") == tortureGroups*tortureGroup })
	var going sync.WaitGroup
	going.Go(func() { g.person.goOn(ctx) })
	g.t.Cleanup(func() { enough(); going.Wait() })
	for k := range kills {
		if k == kills*4/5 {
			g.front.faulty.Store(false)
		}
		g.killOnce()
	}
	enough()
	going.Wait()
	killed := time.Since(began)
	g.front.calm(g.poisoned)
	for i := range g.replicas {
		g.listen(i)
	}
	wait(g.t, "every change has ended", func() bool { return g.count(openChanges) == 0 })
	for i := range g.replicas {
		require.Equal(g.t, 0, g.replicas[i].stop(g.t), "orderly stop")
		g.replicas[i] = nil
	}
	g.check()
	g.report(kills, killed, time.Since(began))
}

// killOnce kills one replica at some moment and starts it again.
func (g *torture) killOnce() {
	i := g.victim()
	if g.rnd.IntN(6) > 0 { // else it may still be starting
		g.listen(i)
		g.moment()
	} else {
		<-time.After(upTo(g.rnd, 250*time.Millisecond))
	}
	phase := g.phase(i)
	pid := g.replicas[i].cmd.Process.Pid
	g.kill(i)
	owned := "TRUE"
	if len(g.replicas) > 1 {
		owned = fmt.Sprintf("h.lease_owner LIKE '%%-%d-%%'", pid)
	}
	caught := g.count("SELECT COUNT(*) FROM batches b JOIN changes h ON h.id = b.change_id WHERE b.state = 'sending' AND h.state = 'running' AND " + owned)
	if phase != "starting" && phase != "sending" && caught > 0 {
		phase = "between intent and sending, or recording" // the call itself isn't under way
	}
	g.figures.phases[phase]++
	g.figures.inFlight += caught
	if len(g.replicas) > 1 && g.rnd.IntN(3) > 0 {
		<-time.After(upTo(g.rnd, tortureLease*3/2)) // the other one is alone for a while
	}
	g.start(i)
}

// victim is most often a replica that carries something out.
func (g *torture) victim() int {
	i := g.rnd.IntN(len(g.replicas))
	if len(g.replicas) > 1 && g.rnd.IntN(3) > 0 {
		for j, c := range g.replicas {
			if g.count(fmt.Sprintf("SELECT COUNT(*) FROM changes WHERE state = 'running' AND lease_owner LIKE '%%-%d-%%'", c.cmd.Process.Pid)) > 0 {
				i = j
			}
		}
	}
	return i
}

// moment lets some time pass: a random one, or until a batch is on its way.
func (g *torture) moment() {
	if g.rnd.IntN(2) == 0 {
		<-time.After(upTo(g.rnd, 1500*time.Millisecond))
		return
	}
	for end := time.Now().Add(2 * time.Second); g.front.writing.Load() == 0 && time.Now().Before(end); {
		<-time.After(time.Millisecond)
	}
	<-time.After(upTo(g.rnd, 120*time.Millisecond))
}

// phase says what goes on.
func (g *torture) phase(i int) string {
	doing := g.person.doing.Load().(string)
	switch {
	case !strings.Contains(g.replicas[i].log(), `"msg":"listening"`):
		return "starting"
	case g.front.writing.Load() > 0:
		return "sending"
	case g.front.reading.Load() > 0 && g.count("SELECT COUNT(*) FROM batches WHERE state = 'unclear'") > 0:
		return "reading back"
	case doing != "":
		return doing
	case g.front.reading.Load() > 0:
		return "reading the inventory"
	case g.count(openChanges) > 0:
		return "between two calls"
	}
	return "idle"
}
