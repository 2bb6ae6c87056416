package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"wtp-console/internal/db"
)

// errNoPostgres: PostgreSQL is not installed.
var errNoPostgres = errors.New("PostgreSQL is not installed (Debian, Ubuntu: apt-get install postgresql)")

// cluster is a running PostgreSQL with a migrated template database.
type cluster struct {
	dir   string
	n     atomic.Int64
	alive io.Closer // held open: the cluster ends when it is closed
}

// start starts the cluster once per test binary.
var start = sync.OnceValues(startCluster) //nolint:gochecknoglobals // once per process is the point

func (c *cluster) url(database string) string {
	return "postgres:///" + database + "?" + url.Values{"host": {c.dir}, "user": {"postgres"}}.Encode()
}

// freshDatabase makes a database from the template and drops it after the test.
func freshDatabase(t testing.TB) string {
	t.Helper()
	c, err := start()
	if errors.Is(err, errNoPostgres) {
		missing(t, "%v", err)
	}
	if err != nil {
		t.Fatalf("starting PostgreSQL: %v", err)
	}
	name := "t" + strconv.FormatInt(c.n.Add(1), 10)
	if err := c.alone("CREATE DATABASE " + name + " TEMPLATE console"); err != nil {
		t.Fatalf("creating a database: %v", err)
	}
	t.Cleanup(func() {
		if err := c.alone("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("dropping a database: %v", err)
		}
	})
	return c.url(name)
}

func (c *cluster) admin(query string) (err error) {
	d, err := sql.Open("pgx", c.url("postgres"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	_, err = d.ExecContext(context.Background(), query)
	return err
}

// alone does what no other connection may be beside. Those that were closed end a
// little later; PostgreSQL waits five seconds for them, a busy machine may take longer.
func (c *cluster) alone(query string) error {
	for end := time.Now().Add(2 * time.Minute); ; {
		err := c.admin(query)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "55006" || time.Now().After(end) { // object_in_use
			return err
		}
	}
}

// EmptyPostgres is the URL of a database without any schema.
func EmptyPostgres(t testing.TB) string {
	t.Helper()
	u := freshDatabase(t)
	d, err := sql.Open("pgx", u)
	if err == nil {
		_, err = d.ExecContext(context.Background(), "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
		err = errors.Join(err, d.Close())
	}
	if err != nil {
		t.Fatalf("emptying a database: %v", err)
	}
	return u
}

// tool finds a program of PostgreSQL; the newest installed version wins.
func tool(name string) (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil {
		return "", err
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))) // what isn't a number comes first
		return n
	}
	slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
	if len(found) > 0 {
		return found[0], nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", errNoPostgres
	}
	return path, nil
}

func startCluster() (*cluster, error) {
	initdb, err := tool("initdb")
	if err != nil {
		return nil, err
	}
	server, err := tool("postgres")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "wtp-pg-")
	if err != nil {
		return nil, err
	}
	as, err := unprivileged(dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	data := filepath.Join(dir, "data")
	mk := exec.Command(initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	mk.Dir, mk.SysProcAttr = dir, as
	if out, err := mk.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w: %s", err, out), os.RemoveAll(dir))
	}
	// The shell waits for the end of its input, which comes when this process
	// ends in whatever way; then it stops the server and removes everything.
	const script = `"$0" -D "$1/data" -k "$1" -c listen_addresses= -c fsync=off -c full_page_writes=off -c synchronous_commit=off ` +
		`-c max_connections=200 -c shared_buffers=64MB >"$1/log" 2>&1 & p=$!; read x; kill -QUIT $p; wait $p; rm -rf "$1"`
	run := exec.Command("/bin/sh", "-c", script, server, dir)
	run.Dir, run.SysProcAttr = dir, as
	run.SysProcAttr.Setpgid = true // not ended by Ctrl-C before the tests are
	alive, err := run.StdinPipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := run.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	c := &cluster{dir: dir, alive: alive}
	deadline := time.Now().Add(3 * time.Minute)
	for {
		err := c.admin("SELECT 1")
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(dir, "log")) //nolint:gosec // our own file
			return nil, fmt.Errorf("PostgreSQL does not answer: %w: %s", err, log)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return c, c.template()
}

// template makes the migrated database that tests copy.
func (c *cluster) template() error {
	if err := c.admin("CREATE DATABASE console"); err != nil {
		return err
	}
	s, err := db.Open(context.Background(), db.Config{URL: c.url("console"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	return s.Close()
}

// unprivileged is how to run PostgreSQL, which refuses to run as root: then as
// the user postgres, who owns dir.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	if os.Getuid() != 0 {
		return &syscall.SysProcAttr{}, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL can't run as root, and there is no user postgres: %w", err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}
