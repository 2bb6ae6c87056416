package hsstest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Config says what the simulator serves and how it behaves. The zero value is
// one project in cn-north-4 with eight servers that may be switched, no
// latency, no throttling, and changes visible at once.
type Config struct {
	// Now is the simulator's clock: the 15 minute signature window, token
	// life, throttling and every delayed state follow it. Default time.Now.
	Now func() time.Time
	// Fleet is what exists at the start: see [PlainFleet] and [DemoFleet].
	Fleet Fleet
	// Latency is added before every HSS and IAM answer.
	Latency time.Duration
	// Limit is how many calls of one API one user, and one address, may make
	// in Per. 0 means no throttling. HSS documents 5 a minute.
	Limit int
	// Per is the throttling window. Default one minute.
	Per time.Duration
	// ApplyDelay is how long after an accepted switch the lists show the new
	// state. 0 means at once.
	ApplyDelay time.Duration
	// BackupStartDelay is how long a saved backup server stays "starting" (2)
	// before it is "running" (1) or "start failed" (-1).
	BackupStartDelay time.Duration
	// ExportDelay is how long an export task stays "running".
	ExportDelay time.Duration
	// SkipUnfit changes what the RASP switch does with servers it can't switch
	// (unknown, Windows, unprotected, agent offline): false refuses the whole
	// call, true skips them silently and answers 200. HSS documents neither.
	SkipUnfit bool
	// DeleteAnyBackup lets DELETE remove backup servers that aren't running.
	// The documents ask for running ones, so the default refuses the rest.
	DeleteAnyBackup bool
	// RequireRegion refuses calls without a "region" header where older and
	// European editions demand it.
	RequireRegion bool
	// MaxLimit is the largest page: 200 today (default), 100 in older editions.
	MaxLimit int
	// Unpublished names operations this region doesn't have: they answer 404
	// APIGW.0101, and asking for them is no violation.
	Unpublished []string
	// KeepRequests is how many requests are remembered. Default 4,096.
	KeepRequests int
}

// Simulator is a running HSS and IAM. All methods may be called at any time
// from any goroutine.
type Simulator struct {
	cfg    Config
	routes []route
	done   chan struct{} // closed by Close: ends every delay

	mu         sync.Mutex
	accounts   directory
	projects   []*project
	byProject  map[string]*project
	tokens     map[string]*token
	windows    map[string][]time.Time
	exports    []*export
	faults     []*fault
	nextFault  int
	seq        int
	applied    int
	requests   []*Request
	counts     map[string]int
	violations []string
	broken     int
	url        string
	controlURL string
	servers    []*http.Server
	closed     bool
}

// New builds a simulator. It panics if the fleet in cfg contradicts itself
// (two projects or two servers with one ID), which only a programming mistake
// can bring about.
func New(cfg Config) *Simulator {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Per <= 0 {
		cfg.Per = time.Minute
	}
	if cfg.MaxLimit <= 0 {
		cfg.MaxLimit = 200
	}
	if cfg.KeepRequests <= 0 {
		cfg.KeepRequests = 4096
	}
	if len(cfg.Fleet.Projects) == 0 {
		plain := PlainFleet(8)
		cfg.Fleet.Projects = plain.Projects
	}
	s := &Simulator{
		cfg:       cfg,
		done:      make(chan struct{}),
		byProject: map[string]*project{},
		tokens:    map[string]*token{},
		windows:   map[string][]time.Time{},
		counts:    map[string]int{},
	}
	s.routes = allowList()
	s.accounts = newDirectory(cfg.Fleet)
	for _, p := range cfg.Fleet.Projects {
		if p.Account == "" {
			p.Account = s.accounts.account
		}
		s.loadProject(p)
	}
	// The state lives in s.projects from here on; keeping the slices of a
	// large fleet a second time would double its memory.
	s.cfg.Fleet = Fleet{}
	return s
}

// TB is what Start needs of a *testing.T, *testing.B or *testing.F.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Start builds a simulator, lets it listen on two free ports of 127.0.0.1 (API
// and control) and closes it when the test ends.
func Start(t TB, cfg Config) *Simulator {
	t.Helper()
	s := New(cfg)
	if err := s.Listen("127.0.0.1:0", "127.0.0.1:0"); err != nil {
		t.Fatalf("start the HSS simulator: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// Listen serves the API on api and, unless it is empty, the control address on
// control ("host:port"; port 0 takes a free one), and returns at once. Stop
// with Close.
func (s *Simulator) Listen(api, control string) error {
	apiURL, err := s.serveOn(api, s.Handler())
	if err != nil {
		return fmt.Errorf("listen for the API on %s: %w", api, err)
	}
	controlURL := ""
	if control != "" {
		controlURL, err = s.serveOn(control, s.ControlHandler())
		if err != nil {
			s.Close()
			return fmt.Errorf("listen for control on %s: %w", control, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.url, s.controlURL = apiURL, controlURL
	return nil
}

func (s *Simulator) serveOn(addr string, h http.Handler) (string, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", err
	}
	// Tokens may be 32,768 characters long, more than net/http's usual buffer
	// allows beside other headers only by luck: say it.
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 128 << 10}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		l.Close()
		return "", errors.New("the simulator is closed")
	}
	s.servers = append(s.servers, srv)
	s.mu.Unlock()
	// Serve's error is always ErrServerClosed here: Close is the only end.
	go srv.Serve(l)
	return "http://" + l.Addr().String(), nil
}

// Close ends every delay in progress, closes the listeners and all
// connections. It may be called more than once.
func (s *Simulator) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	servers := s.servers
	s.servers = nil
	s.mu.Unlock()
	close(s.done)
	for _, srv := range servers {
		srv.Close()
	}
}

// SetPace changes Latency, ApplyDelay and BackupStartDelay from now on, for
// instance after a fleet's past was made without waiting.
func (s *Simulator) SetPace(latency, applyDelay, backupStartDelay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.Latency, s.cfg.ApplyDelay, s.cfg.BackupStartDelay = latency, applyDelay, backupStartDelay
}

// SetThrottle changes Limit and Per from now on; a limit of 0 ends throttling.
func (s *Simulator) SetThrottle(limit int, per time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if per <= 0 {
		per = time.Minute
	}
	s.cfg.Limit, s.cfg.Per = limit, per
	clear(s.windows)
}

// URL is the endpoint of both HSS and IAM, such as http://127.0.0.1:41234.
// Empty before Listen.
func (s *Simulator) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url
}

// SetURL names the endpoint when Handler is served by a server of the
// caller's own.
func (s *Simulator) SetURL(u string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.url = u
}

// ControlURL is the control address, empty if there is none.
func (s *Simulator) ControlURL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.controlURL
}

// Access is all a client needs to call the simulator: the first project, the
// first user and that user's first key.
type Access struct {
	HSSEndpoint string `json:"hss_endpoint"`
	IAMEndpoint string `json:"iam_endpoint"`
	Region      string `json:"region"`
	ProjectID   string `json:"project_id"`
	AK          string `json:"ak"`
	SK          string `json:"sk"`
	Account     string `json:"account"`
	User        string `json:"user"`
	Password    string `json:"password"`
}

// Access returns how to call the simulator.
func (s *Simulator) Access() Access {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, k := s.accounts.users[0], s.accounts.keys[0]
	return Access{
		HSSEndpoint: s.url, IAMEndpoint: s.url,
		Region: s.projects[0].region, ProjectID: s.projects[0].id,
		AK: k.AK, SK: k.SK,
		Account: u.Account, User: u.Name, Password: u.Password,
	}
}

// Announcement is the one line of JSON that "web simulate" prints.
type Announcement struct {
	Access
	Control  string           `json:"control"`
	Projects []ProjectSummary `json:"projects"`
}

// ProjectSummary names one project of the simulator.
type ProjectSummary struct {
	Region    string `json:"region"`
	ProjectID string `json:"project_id"`
	Name      string `json:"name"`
	// Servers counts the servers in the WTP list, without those that could
	// only be backup servers.
	Servers int `json:"servers"`
}

// Announcement returns everything a newcomer needs to use the simulator.
func (s *Simulator) Announcement() Announcement {
	return Announcement{Access: s.Access(), Control: s.ControlURL(), Projects: s.Projects()}
}

// Projects lists the projects in the order they were added.
func (s *Simulator) Projects() []ProjectSummary {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]ProjectSummary, 0, len(s.projects))
	for _, p := range s.projects {
		out = append(out, ProjectSummary{Region: p.region, ProjectID: p.id, Name: p.name, Servers: p.wtpCount})
	}
	return out
}
