package hsstest

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// call is one request on its way through the simulator. Everything but
// waiting and sending happens under the simulator's lock.
type call struct {
	s         *Simulator
	r         *http.Request
	body      []byte
	tooLarge  bool
	requestID string
	now       time.Time
	route     *route
	path      map[string]string
	rec       *Request
	caller    caller
	project   *project
	eps       string // enterprise project asked for: "0", an ID or all_granted_eps
	acting    []Fault
}

// Handler serves HSS (paths under /v5/) and IAM (under /v3/).
func (s *Simulator) Handler() http.Handler { return http.HandlerFunc(s.serve) }

func (s *Simulator) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBodyBytes+1))
	if err != nil {
		// The client went away within its own body: nothing was asked.
		panic(http.ErrAbortHandler)
	}
	c := &call{s: s, r: r, body: body, tooLarge: len(body) > maxBodyBytes, requestID: randomHex(16)}
	c.route, c.path = s.find(r)

	s.mu.Lock()
	c.now = s.cfg.Now()
	c.arrive()
	delay := s.cfg.Latency + c.early()
	s.mu.Unlock()

	// The request is complete, so it's carried out even if the client stops
	// waiting meanwhile, as behind a real gateway.
	if !s.wait(delay, nil) {
		panic(http.ErrAbortHandler)
	}

	s.mu.Lock()
	c.now = s.cfg.Now()
	a := c.decide()
	c.rec.Ended, c.rec.Answer = c.now, a.status
	if c.fault(FaultHangUpBefore) != nil || c.fault(FaultHangUpAfter) != nil {
		c.rec.Answer = 0
	}
	s.mu.Unlock()

	c.deliver(w, a)
}

// wait sleeps for d, unless the simulator closes or quit does.
func (s *Simulator) wait(d time.Duration, quit <-chan struct{}) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-quit:
	case <-s.done:
	}
	return false
}

// decide runs a request past the gateway, the faults and HSS itself.
func (c *call) decide() answer {
	if a := c.enter(); a != nil {
		return *a
	}
	c.late()
	spoiled := c.spoiled()
	if spoiled != nil && !c.appliesAnyway() {
		return *spoiled
	}
	a := c.handle()
	if spoiled != nil {
		return *spoiled
	}
	return a
}

// enter is the gateway: is there such an API, who calls, may they now.
func (c *call) enter() *answer {
	if c.route == nil {
		c.violate("not a call this client may make")
		a := notPublished(c.requestID)
		return &a
	}
	if slices.Contains(c.s.cfg.Unpublished, c.route.op) {
		a := notPublished(c.requestID)
		return &a
	}
	if c.tooLarge {
		c.violate("the body is larger than 12 MB")
		return c.gateway(http.StatusRequestEntityTooLarge, "0201", "Request entity too large")
	}
	if c.route.op == OpCreateToken {
		return nil // this is where callers come from
	}
	var refused *answer
	if c.caller, refused = c.signedIn(); refused != nil {
		return refused
	}
	c.rec.User = c.caller.user.Name
	if c.route.op == OpListProjects {
		return nil
	}
	if a := c.enterProject(); a != nil {
		return a
	}
	return c.throttle()
}

func (c *call) enterProject() *answer {
	id := c.path["project_id"]
	c.project = c.s.byProject[id]
	if c.project == nil {
		return c.gateway(http.StatusForbidden, "0310", "The project is unavailable")
	}
	if c.caller.token && c.caller.scope != id {
		return c.gateway(http.StatusForbidden, "0302", "The token is not scoped to this project")
	}
	if sent := c.r.Header.Get("X-Project-Id"); sent != "" && sent != id {
		c.violate("X-Project-Id %q isn't the project of the path", sent)
		return c.gateway(http.StatusForbidden, "0302", "X-Project-Id does not match the project")
	}
	if c.project.account != c.caller.user.Account {
		a := refuse("HSS.0013", "Insufficient permissions")
		return &a
	}
	return nil
}

// handle is HSS: what is checked for every call, then the call itself.
func (c *call) handle() answer {
	if c.project != nil {
		if a := c.checkCommon(); a != nil {
			return *a
		}
	}
	return c.route.handle(c)
}

func (c *call) checkCommon() *answer {
	role := c.caller.user.Role
	if role == RoleNone || (role == RoleRead && c.route.write) {
		a := refuse("HSS.0013", "Insufficient permissions")
		return &a
	}
	if a := c.checkRegion(); a != nil {
		return a
	}
	if c.r.Method == http.MethodGet && len(c.body) > 0 {
		c.violate("a GET has a body")
	}
	if c.r.Method != http.MethodGet && !strings.HasPrefix(c.r.Header.Get("Content-Type"), "application/json") {
		c.violate("Content-Type %q isn't application/json", c.r.Header.Get("Content-Type"))
	}
	c.eps = "0"
	query := c.r.URL.Query()
	if query.Has("enterprise_project_id") {
		c.eps = query.Get("enterprise_project_id")
		if n := utf8.RuneCountInString(c.eps); n < 1 || n > 256 {
			a := c.bad("enterprise_project_id must have 1 to 256 characters, not %d", n)
			return &a
		}
	}
	if c.eps != "0" && c.eps != allEnterpriseProjects && !slices.Contains(c.project.eps, c.eps) {
		a := refuse("HSS.0001", "Invalid parameter: unknown enterprise project")
		return &a
	}
	return nil
}

const allEnterpriseProjects = "all_granted_eps"

func (c *call) checkRegion() *answer {
	values := c.r.Header.Values("region")
	switch {
	case len(values) == 0 && c.s.cfg.RequireRegion && c.route.region:
		a := refuse("HSS.0001", "Invalid parameter: the region header is missing")
		return &a
	case len(values) > 0 && values[0] != c.project.region:
		a := c.bad("the region header says %q, the project is in %q", values[0], c.project.region)
		return &a
	}
	return nil
}

// sees says whether a server is within the enterprise project asked for.
func (c *call) sees(h *host) bool {
	return c.eps == allEnterpriseProjects || h.EnterpriseProjectID == c.eps
}

// target is the server named in the path, or HSS's refusal.
func (c *call) target() (*host, *answer) {
	h := c.project.host(c.path["host_id"])
	if h == nil || h.NoWTP || !c.sees(h) {
		a := denied()
		return nil, &a
	}
	return h, nil
}

// deliver sends an answer, spoiled on the way if a fault says so.
func (c *call) deliver(w http.ResponseWriter, a answer) {
	if c.fault(FaultHangUpBefore) != nil || c.fault(FaultHangUpAfter) != nil {
		panic(http.ErrAbortHandler) // net/http drops the connection, silently
	}
	if f := c.fault(FaultSlowAnswer); f != nil && !c.s.wait(f.Delay, c.r.Context().Done()) {
		panic(http.ErrAbortHandler)
	}
	head := w.Header()
	for name, values := range a.header {
		head[name] = values
	}
	head.Set("X-Request-Id", c.requestID)
	date := c.now
	if f := c.fault(FaultDate); f != nil {
		date = date.Add(f.Delay)
	}
	head.Set("Date", date.UTC().Format(http.TimeFormat))
	switch {
	case c.fault(FaultSlowBody) != nil:
		c.drip(w, a, c.fault(FaultSlowBody).Delay)
	case c.fault(FaultTruncate) != nil:
		cut := a.body[:len(a.body)/2]
		if len(a.body) == 0 {
			head.Set("Content-Type", "application/json")
			cut = []byte(`{"`)
		}
		write(w, a.status, cut, len(cut))
	case c.fault(FaultShortBody) != nil:
		full := a.body
		if len(full) == 0 {
			full = []byte("{}")
		}
		write(w, a.status, full[:len(full)/2], len(full))
		panic(http.ErrAbortHandler)
	default:
		write(w, a.status, a.body, len(a.body))
	}
}

// write promises length bytes and sends body. A failure to write means that
// the client has gone, which is its own affair.
func write(w http.ResponseWriter, status int, body []byte, length int) {
	if status != http.StatusNoContent && status != http.StatusNotModified {
		w.Header().Set("Content-Length", strconv.Itoa(length))
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
	if len(body) < length {
		_ = http.NewResponseController(w).Flush()
	}
}

// drip sends the head at once and the body a byte per delay; of an empty body
// it holds back the end.
func (c *call) drip(w http.ResponseWriter, a answer, delay time.Duration) {
	flush := http.NewResponseController(w).Flush
	if len(a.body) > 0 {
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	_ = flush()
	for i := range max(1, len(a.body)) {
		if !c.s.wait(delay, c.r.Context().Done()) {
			panic(http.ErrAbortHandler)
		}
		if i < len(a.body) {
			_, _ = w.Write(a.body[i : i+1])
			_ = flush()
		}
	}
}
