// Package server turns HTTP into verbs of the store and answers with views. It
// alone knows statuses, cookies and forms. What it needs of other rooms arrives
// as functions, so that a web request can neither open a secret nor reach the
// API that changes servers.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzhttp"

	"wtp-console/internal/auth"
	"wtp-console/internal/db"
	"wtp-console/internal/i18n"
	"wtp-console/internal/wtp"
	"wtp-console/static"
)

// Config is what a Server is built from. Store, Assets and Catalogue are needed;
// a function left nil answers that the console can't do it here.
type Config struct {
	Store     *db.Store
	Assets    *static.Assets
	Catalogue *i18n.Catalogue
	Logger    *slog.Logger     // nil: slog.Default
	Now       func() time.Time // nil: time.Now
	Version   string
	Zone      *time.Location // for readers whose browser doesn't say; nil: UTC

	TrustedProxies []string // addresses or networks whose X-Forwarded-For counts; none by default
	PublicURL      string   // as readers see it, e.g. https://wtp.example.com; "" if not known
	SecureCookies  bool     // readers come by HTTPS

	IdleFor    time.Duration // a session ends without activity; 0: 30 minutes
	SessionFor time.Duration // a session ends in any case; 0: 12 hours

	Wake       func() // there may be a change to carry out
	WakeReader func() // there may be a project to read

	// Seal seals a secret for the place that context names.
	Seal func(context, plain string) (string, error)
	// CheckCredential tries a credential and says how each step went.
	CheckCredential func(ctx context.Context, c wtp.CredentialCheck) []wtp.TestStep
	// ListIAMProjects lists the projects of a credential; *wtp.Upstream if IAM refuses.
	ListIAMProjects func(ctx context.Context, c wtp.CredentialCheck) ([]wtp.IAMProject, error)
	// FindHosts lists servers that may become a backup server.
	FindHosts func(ctx context.Context, p wtp.Project, query string) ([]wtp.HostChoice, error)
	// ReadBackups reads the backup servers from HSS, now.
	ReadBackups func(ctx context.Context, p wtp.Project) ([]wtp.BackupServer, error)
	// ReadTomcatDir reads the Tomcat bin directory of a server from HSS, now; "" for none.
	ReadTomcatDir func(ctx context.Context, p wtp.Project, hostID string) (string, error)
	// ProtectedDirs lists the directories that WTP protects on a server.
	ProtectedDirs func(ctx context.Context, p wtp.Project, hostID string) ([]string, error)
}

// Server answers every request. Make it with New.
type Server struct {
	Config
	hasher    *auth.Hasher
	sessions  *sessionStore
	tries     tries
	buffers   buffers
	setupDone atomic.Bool // once true, true for ever
	handler   http.Handler
}

// New builds the server. It fails if something needed is missing or an address
// in the configuration can't be read.
func New(c Config) (*Server, error) {
	if c.Store == nil || c.Assets == nil || c.Catalogue == nil {
		return nil, errors.New("server: Store, Assets and Catalogue are needed")
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	if c.IdleFor == 0 {
		c.IdleFor = 30 * time.Minute
	}
	if c.SessionFor == 0 {
		c.SessionFor = 12 * time.Hour
	}
	if c.Wake == nil {
		c.Wake = func() {}
	}
	if c.WakeReader == nil {
		c.WakeReader = func() {}
	}
	s := &Server{Config: c, hasher: auth.NewHasher()}
	s.sessions = &sessionStore{s: s}
	s.tries.running = map[string]int{}
	engine, err := s.engine()
	if err != nil {
		return nil, err
	}
	return s, s.wrap(engine)
}

// Handler is the whole console: compression, headers, request log, refusal of
// cross-site requests, routes.
func (s *Server) Handler() http.Handler { return s.handler }

func (s *Server) engine() (*gin.Engine, error) {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false // such an answer would be built from the request
	e.UseRawPath = true             // a host ID may hold an escaped slash
	e.UnescapePathValues = true
	var proxies []string
	for _, p := range s.TrustedProxies {
		if _, err := netip.ParsePrefix(p); err != nil {
			if _, err := netip.ParseAddr(p); err != nil {
				return nil, fmt.Errorf("server: trusted proxy %q is neither an address nor a network", p)
			}
		}
		proxies = append(proxies, p)
	}
	if err := e.SetTrustedProxies(proxies); err != nil {
		return nil, err
	}
	for _, rt := range s.routes() {
		h := s.adapt(rt)
		e.Handle(rt.method, rt.path, h)
		if rt.method == http.MethodGet {
			e.Handle(http.MethodHead, rt.path, h)
		}
	}
	e.NoRoute(s.adapt(route{verb: public, handle: noRoute}))
	e.NoMethod(s.adapt(route{verb: public, handle: wrongMethod}))
	return e, nil
}

// wrap puts around the routes what holds for every answer.
func (s *Server) wrap(engine *gin.Engine) error {
	crossSite := http.NewCrossOriginProtection()
	if s.PublicURL != "" {
		u, err := url.Parse(s.PublicURL)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return fmt.Errorf("server: public URL %q must be http:// or https:// and a host", s.PublicURL)
		}
		if err := crossSite.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			return fmt.Errorf("server: public URL: %w", err)
		}
	}
	refuse := gin.New()
	refuse.NoRoute(s.adapt(route{verb: public, handle: func(*request) error { return errCrossSite }}))
	if err := refuse.SetTrustedProxies(s.TrustedProxies); err != nil {
		return err
	}
	crossSite.SetDenyHandler(refuse)
	zip, err := gzhttp.NewWrapper(gzhttp.MinSize(1024))
	if err != nil {
		return err
	}
	inner := sameSiteReads(refuse, crossSite.Handler(engine))
	s.handler = zip(s.headers(s.log(inner)))
	return nil
}

// noRoute answers an address that doesn't exist: one that ends in a slash leads to
// the same without it.
func noRoute(r *request) error {
	at := r.Request.URL.EscapedPath()
	without := "/" + strings.Trim(at, "/")
	if m := r.Request.Method; m != http.MethodGet && m != http.MethodHead || !strings.HasSuffix(at, "/") || strings.Contains(without, "//") || strings.Contains(without, "\\") || without == "/" {
		return wtp.ErrNotFound
	}
	if q := r.Request.URL.RawQuery; q != "" {
		without += "?" + q
	}
	return r.see(without)
}

// wrongMethod answers an address that exists for another method. One that takes
// a form stays in the address bar when the form comes back with faults; whoever
// loads it again, or shares it, is led to the page that has the form.
func wrongMethod(r *request) error {
	if m := r.Request.Method; m == http.MethodGet || m == http.MethodHead {
		return r.see(path.Dir(r.Request.URL.Path))
	}
	return errMethod
}
