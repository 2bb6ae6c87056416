// Package e2e_test drives the real binary: `web simulate` for HSS, `web serve`
// for the console, Chromium or plain HTTP for the person.
package e2e_test

import (
	"bufio"
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"
)

// patience is how long something may take that must come: far longer than it does, for
// a machine may have a lot else to do.
const patience = 5 * time.Minute

// wait polls a condition: tests wait for what they need, never for time.
func wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		late := time.Now().After(end)
		if done() {
			return
		}
		if late {
			t.Fatalf("still not so after %s: %s", patience, what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// binary is the program under test, built once per run with the tags of the tests, and
// under the race detector when they are.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "wtp-console-e2e-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "web")
	args := []string{"build", "-o", path}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, set := range info.Settings {
			if set.Key == "-tags" || set.Key == "-race" {
				args = append(args, set.Key+"="+set.Value)
			}
		}
	}
	out, err := exec.Command("go", append(args, "wtp-console/cmd/web")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// process is one run of the binary.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu  sync.Mutex
	out bytes.Buffer // stdout
	err bytes.Buffer // stderr: the log
}

func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := spawn(t, env, args...)
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s\nstdout:\n%s\nstderr:\n%s", args, p.stdout(), tail(p.log(), 6000))
		}
	})
	return p
}

// spawn is start for who ends the process.
func spawn(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	path, err := binary()
	require.NoError(t, err)
	p := &process{cmd: exec.Command(path, args...), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	stderr, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	var readers sync.WaitGroup
	readers.Go(func() { p.copy(&p.out, stdout) })
	readers.Go(func() { p.copy(&p.err, stderr) })
	t.Cleanup(func() {
		if _, race, found := strings.Cut(p.log(), "WARNING: DATA RACE"); found {
			t.Errorf("%s: data race%s", args, race[:min(len(race), 4000)])
		}
	})
	go func() {
		readers.Wait()
		_ = p.cmd.Wait()
		close(p.done)
	}()
	return p
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

func (p *process) copy(to *bytes.Buffer, from io.Reader) {
	r := bufio.NewReader(from)
	for {
		line, err := r.ReadString('\n')
		p.mu.Lock()
		to.WriteString(line)
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (p *process) stdout() string { p.mu.Lock(); defer p.mu.Unlock(); return p.out.String() }
func (p *process) log() string    { p.mu.Lock(); defer p.mu.Unlock(); return p.err.String() }

// kill is SIGKILL: nothing of the process runs after it.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop is SIGTERM, the orderly way; it returns the exit code.
func (p *process) stop(t *testing.T) int {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.done:
	case <-time.After(40 * time.Second):
		t.Fatal("did not stop within 40 s of SIGTERM")
	}
	return p.cmd.ProcessState.ExitCode()
}

// simulator is a running `web simulate`.
type simulator struct {
	HSS      string `json:"hss_endpoint"`
	IAM      string `json:"iam_endpoint"`
	Region   string `json:"region"`
	Project  string `json:"project_id"`
	AK       string `json:"ak"`
	SK       string `json:"sk"`
	Account  string `json:"account"`
	User     string `json:"user"`
	Password string `json:"password"`
	Control  string `json:"control"`
}

func startSimulator(t *testing.T, args ...string) simulator {
	t.Helper()
	p := start(t, nil, append([]string{"simulate"}, args...)...)
	wait(t, "the simulator prints its line", func() bool { return strings.Contains(p.stdout(), "\n") })
	var s simulator
	require.NoError(t, json.Unmarshal([]byte(p.stdout()), &s))
	return s
}

// get reads JSON from the control address.
func (s simulator) get(t *testing.T, path string, to any) {
	t.Helper()
	res, err := http.Get(s.Control + path)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode, "%s", body)
	require.NoError(t, json.Unmarshal(body, to), "%s", tail(string(body), 500))
}

// keptAddress is where a console listens that is started again: to a browser, another
// port is another console. It is below the ports that the system hands out, lest somebody
// is given it while the console is down.
func keptAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12000+rand.IntN(20000)))
		if err == nil {
			require.NoError(t, l.Close())
			return l.Addr().String()
		}
	}
	t.Fatal("no free port between 12000 and 32000")
	return ""
}

// console is a running `web serve`.
type console struct {
	*process
	url string
}

var listening = regexp.MustCompile(`"msg":"listening","address":"([^"]+)"`)

func startConsole(t *testing.T, dir string, env ...string) *console {
	t.Helper()
	env = append([]string{"WTP_CONSOLE_DATA_DIR=" + dir, "WTP_CONSOLE_LISTEN=127.0.0.1:0", "DATABASE_URL=", "WTP_CONSOLE_DATABASE_URL="}, env...)
	c := &console{process: start(t, env, "serve")}
	wait(t, "the console listens\n"+c.log(), func() bool {
		select {
		case <-c.done:
			t.Fatalf("the console ended:\n%s", c.log())
		default:
		}
		m := listening.FindStringSubmatch(c.log())
		if m == nil {
			return false
		}
		c.url = "http://" + m[1]
		return true
	})
	return c
}

// provisioned writes a provisioning file for one admin (mei), one project
// (web-prod) and the simulator's key, and returns the environment for it.
func provisioned(t *testing.T, sim simulator) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "provision.yaml")
	text := fmt.Sprintf(`people:
  - name: mei
    role: admin
    password_env: MEI_PASSWORD
credentials:
  - name: hss-ops
    kind: access_key
    access_key: %s
    secret_key_env: HSS_SECRET
    region: %s
    iam_endpoint: %s
projects:
  - name: web-prod
    region: %s
    project_id: %s
    enterprise_project_id: all_granted_eps
    credential: hss-ops
    hss_endpoint: %s
`, sim.AK, sim.Region, sim.IAM, sim.Region, sim.Project, sim.HSS)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return []string{"WTP_CONSOLE_PROVISION_FILE=" + file, "MEI_PASSWORD=" + meiPassword, "HSS_SECRET=" + sim.SK}
}

const meiPassword = "a quiet evening in Lijiang"

// waitListed waits until the list of HSS was paged through: what an export leaves out
// (group, importance) moves servers between the buckets of a plan when it is read.
func waitListed(t *testing.T, dir string) {
	t.Helper()
	wait(t, "every server is listed", func() bool {
		return query(t, filepath.Join(dir, "wtp-console.db"), "SELECT COUNT(*) FROM projects WHERE read_at = 0 OR unlisted > 0")[0][0] == "0"
	})
}

// query reads an SQLite file directly, not through the console.
func query(t *testing.T, file, text string) [][]string {
	t.Helper()
	conn, err := sql.Open("sqlite3", "file:"+file+"?mode=ro")
	require.NoError(t, err)
	defer conn.Close()
	rows, err := conn.Query(text)
	require.NoError(t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(t, err)
	var out [][]string
	for rows.Next() {
		row, to := make([]string, len(columns)), make([]any, len(columns))
		for i := range row {
			to[i] = &row[i]
		}
		require.NoError(t, rows.Scan(to...))
		out = append(out, row)
	}
	require.NoError(t, rows.Err())
	return out
}
