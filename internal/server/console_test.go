package server

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/alexedwards/argon2id"
	"github.com/stretchr/testify/require"

	"wtp-console/internal/auth"
	"wtp-console/internal/db"
	"wtp-console/internal/i18n"
	"wtp-console/internal/wtp"
	"wtp-console/static"
)

// console is a whole console over a real SQLite file, without anything that
// calls HSS.
type console struct {
	t      *testing.T
	store  *db.Store
	config Config
	server *Server
	http   *httptest.Server
	log    *logBuffer
	later  atomic.Int64 // how far the server's clock is ahead, in nanoseconds
}

// logBuffer keeps the log lines of a console.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// startEmpty starts a console that nobody has set up. change may alter its
// configuration.
func startEmpty(t *testing.T, change ...func(*Config)) *console {
	t.Helper()
	c := &console{t: t, log: &logBuffer{}}
	store, err := db.Open(t.Context(), db.Config{Path: filepath.Join(t.TempDir(), "console.db"), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	c.store = store
	catalogue, err := i18n.Load()
	require.NoError(t, err)
	c.config = Config{
		Store: store, Assets: static.New(), Catalogue: catalogue, Version: "test",
		Logger: slog.New(slog.NewJSONHandler(c.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now:    func() time.Time { return time.Now().Add(time.Duration(c.later.Load())) },
	}
	for _, f := range change {
		f(&c.config)
	}
	c.server, err = New(c.config)
	require.NoError(t, err)
	c.http = httptest.NewServer(c.server.Handler())
	t.Cleanup(c.http.Close)
	return c
}

// start starts a console with an admin "root".
func start(t *testing.T, change ...func(*Config)) *console {
	t.Helper()
	c := startEmpty(t, change...)
	c.user("root", wtp.Admin)
	return c
}

func (c *console) ctx() context.Context { return c.t.Context() }

func (c *console) system() wtp.Actor { return wtp.Actor{Name: "test", Role: wtp.Admin} }

// user creates a person whose password is their name followed by " rides a green bike".
func (c *console) user(name string, role wtp.Role) wtp.User {
	c.t.Helper()
	key, err := auth.CanonicalName(name)
	require.NoError(c.t, err)
	// A hash of old, cheap parameters: it is quick, and made anew at the first sign-in.
	hash, err := argon2id.CreateHash(passwordOf(name), &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	require.NoError(c.t, err)
	u, err := c.store.CreateUser(c.ctx(), c.system(), wtp.User{Name: name, NameKey: key, PasswordHash: hash, Role: role})
	require.NoError(c.t, err)
	return u
}

func passwordOf(name string) string { return name + " rides a green bike" }

// project creates a project "Shop" with a credential.
func (c *console) project() wtp.Project {
	c.t.Helper()
	cred, err := c.store.CreateCredential(c.ctx(), c.system(), wtp.Credential{
		UID: "uid-1", Name: "Shop key", Kind: wtp.AccessKey, AccessKey: "AK", Region: "cn-north-4", SealedSecret: "v1.k.c2VhbGVk",
	})
	require.NoError(c.t, err)
	p, err := c.store.CreateProject(c.ctx(), c.system(), wtp.Project{
		Name: "Shop", Region: "cn-north-4", HSSProjectID: "p1", CredentialID: cred.ID,
	})
	require.NoError(c.t, err)
	return p
}

// browser is a client that keeps cookies and follows nothing by itself.
type browser struct {
	c       *console
	client  *http.Client
	headers http.Header
}

func (c *console) browser() *browser {
	jar := &jar{cookies: map[string]*http.Cookie{}}
	return &browser{c: c, headers: http.Header{}, client: &http.Client{
		Jar: jar, Timeout: 2 * time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// as is a browser with a session of that person.
func (c *console) as(u wtp.User) *browser {
	c.t.Helper()
	token, hash := auth.NewToken()
	require.NoError(c.t, c.store.CreateSession(c.ctx(), wtp.Actor{UserID: u.ID, Name: u.Name, Role: u.Role}, wtp.Session{
		TokenHash: hash, UserID: u.ID, ExpiresAt: wtp.At(time.Now().Add(12 * time.Hour)), IP: "127.0.0.1", UserAgent: "test",
	}))
	b := c.browser()
	b.plant(c.server.sessionCookie(), token)
	return b
}

// jar keeps every cookie whatever its flags say: flags have tests of their own.
type jar struct {
	mu      sync.Mutex
	cookies map[string]*http.Cookie
}

// SetCookies implements http.CookieJar.
func (j *jar) SetCookies(_ *url.URL, cookies []*http.Cookie) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range cookies {
		if c.MaxAge < 0 {
			delete(j.cookies, c.Name)
			continue
		}
		j.cookies[c.Name] = &http.Cookie{Name: c.Name, Value: c.Value}
	}
}

// Cookies implements http.CookieJar.
func (j *jar) Cookies(*url.URL) (out []*http.Cookie) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range j.cookies {
		out = append(out, c)
	}
	return out
}

func (b *browser) plant(name, value string) {
	b.client.Jar.SetCookies(nil, []*http.Cookie{{Name: name, Value: value}})
}

func (b *browser) cookie(name string) string {
	for _, c := range b.client.Jar.Cookies(nil) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// answer is a response that has been read whole.
type answer struct {
	t *testing.T
	*http.Response
	text string
	log  *logBuffer
}

func (b *browser) do(method, path, kind, body string) answer {
	b.c.t.Helper()
	req, err := http.NewRequestWithContext(b.c.ctx(), method, b.c.http.URL+path, strings.NewReader(body))
	require.NoError(b.c.t, err)
	for name, values := range b.headers {
		req.Header[name] = values
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := b.client.Do(req)
	require.NoError(b.c.t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(b.c.t, err)
	return answer{b.c.t, resp, string(raw), b.c.log}
}

func (b *browser) get(path string) answer { return b.do(http.MethodGet, path, "", "") }

// post sends a form; fields are name, value, name, value.
func (b *browser) post(path string, fields ...string) answer {
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return b.do(http.MethodPost, path, "application/x-www-form-urlencoded", form.Encode())
}

func (a answer) is(status int) answer {
	a.t.Helper()
	if a.StatusCode != status {
		text := strings.Join(strings.Fields(a.page().Find("main, .notice").Text()), " ")
		require.Equal(a.t, status, a.StatusCode, "%s %s: %.500s\n%s", a.Request.Method, a.Request.URL, text, lastLine(a.log))
	}
	return a
}

// to asserts a redirect to a path.
func (a answer) to(path string) answer {
	a.t.Helper()
	a.is(http.StatusSeeOther)
	require.Equal(a.t, path, a.Header.Get("Location"))
	return a
}

func (a answer) page() *goquery.Document {
	a.t.Helper()
	d, err := goquery.NewDocumentFromReader(strings.NewReader(a.text))
	require.NoError(a.t, err)
	return d
}

func lastLine(l *logBuffer) string {
	lines := strings.Split(strings.TrimSpace(l.String()), "\n")
	return lines[len(lines)-1]
}
