package hsstest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FaultKind is what a fault does.
type FaultKind string

// The kinds. "Applied" below means that HSS carries the call out.
const (
	// Before the call is looked at, in this order.
	FaultExpireTokens FaultKind = "expire-tokens" // every token issued so far dies
	FaultRevokeKey    FaultKind = "revoke-key"    // the key that signed the call is deleted
	FaultLockKey      FaultKind = "lock-key"      // that key is locked for five minutes
	FaultLatency      FaultKind = "latency"       // Delay longer; then as usual
	FaultDate         FaultKind = "date"          // the Date header is off by Delay (may be negative)

	// Not applied, unless Apply is set.
	FaultStatus       FaultKind = "status"         // Status (default 500) with its documented body, or Body
	FaultHangUpBefore FaultKind = "hang-up-before" // the connection is dropped without an answer
	FaultRedirect     FaultKind = "redirect"       // Status (default 302) to the URL in Body
	FaultHTML         FaultKind = "html"           // 200 with an HTML page, as a captive portal answers
	FaultRefuse       FaultKind = "refuse"         // the whole call answers 400 Code (default HSS.1007)

	// Applied; the answer is spoiled.
	FaultHangUpAfter FaultKind = "hang-up-after" // dropped without an answer
	FaultSlowAnswer  FaultKind = "slow-answer"   // the answer comes Delay later
	FaultSlowBody    FaultKind = "slow-body"     // the head at once, then a byte every Delay
	FaultTruncate    FaultKind = "truncate"      // JSON cut in the middle, well-formed HTTP
	FaultShortBody   FaultKind = "short-body"    // less than Content-Length promised, then dropped

	// Applied differently.
	FaultPartial      FaultKind = "partial"       // the switch reaches the first Count servers, then Status (default 500)
	FaultIgnore       FaultKind = "ignore"        // 200, but the switch or the remote backup leaves out Hosts (all of them if empty)
	FaultLate         FaultKind = "late"          // Status (default 504); the switch is applied Delay later
	FaultTotal        FaultKind = "total"         // lists report Count as total_num
	FaultBackupFails  FaultKind = "backup-fails"  // the saved backup server ends in -1
	FaultExportFails  FaultKind = "export-fails"  // the export task ends in failure
	FaultExportFormat FaultKind = "export-format" // the download is something else than CSV
)

// stages of a request at which a kind acts
const (
	stageEarly = iota + 1
	stageLate
)

func (k FaultKind) stage() int {
	switch k {
	case FaultExpireTokens, FaultRevokeKey, FaultLockKey, FaultLatency, FaultDate:
		return stageEarly
	case FaultStatus, FaultHangUpBefore, FaultRedirect, FaultHTML, FaultRefuse,
		FaultHangUpAfter, FaultSlowAnswer, FaultSlowBody, FaultTruncate, FaultShortBody,
		FaultPartial, FaultIgnore, FaultLate, FaultTotal,
		FaultBackupFails, FaultExportFails, FaultExportFormat:
		return stageLate
	}
	return 0
}

// Fault tells the simulator to misbehave. The first group of fields says on
// which calls, the second what happens.
//
// A fault counts the calls it fits; the early kinds count every arrival, the
// others only calls that passed sign-in and throttling.
type Fault struct {
	ID     int      // given by AddFault
	Op     string   // operation; empty fits every one
	Method string   // HTTP method; empty fits every one
	Path   string   // pattern as in path.Match (* is one segment); empty fits every one
	Hosts  []string // fits calls naming at least one of these servers; empty fits every call
	After  int      // how many fitting calls to let pass first
	Times  int      // how many fitting calls to act on; 0 is all, until removed

	Kind       FaultKind
	Delay      time.Duration // latency, date, slow-*, late
	Status     int           // status, redirect, partial, late
	Body       string        // status: instead of the documented body; redirect: the Location
	Code       string        // refuse: the error code ("00000010" takes the old kernel's shape)
	Count      int           // partial, total
	RetryAfter string        // status: the Retry-After header, as it stands
	Apply      bool          // status, hang-up-before, redirect, html: carry the call out all the same
}

type fault struct {
	Fault
	seen int
}

// AddFault arms a fault and returns its ID. It panics on an unknown kind.
func (s *Simulator) AddFault(f Fault) int {
	if err := f.check(); err != nil {
		panic("hsstest: " + err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextFault++
	f.ID = s.nextFault
	s.faults = append(s.faults, &fault{Fault: f})
	return f.ID
}

// RemoveFault disarms one fault and reports whether it was armed.
func (s *Simulator) RemoveFault(id int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.faults)
	s.faults = slices.DeleteFunc(s.faults, func(f *fault) bool { return f.ID == id })
	return len(s.faults) < n
}

// ClearFaults disarms all faults. What they did (a revoked key, dead tokens)
// stays done.
func (s *Simulator) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Faults returns the faults armed, also those whose Times are used up.
func (s *Simulator) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Fault, len(s.faults))
	for i, f := range s.faults {
		out[i] = f.Fault
	}
	return out
}

func (f Fault) check() error {
	if f.Kind.stage() == 0 {
		return fmt.Errorf("unknown fault kind %q", f.Kind)
	}
	if f.Op != "" && !slices.ContainsFunc(allowList(), func(r route) bool { return r.op == f.Op }) {
		return fmt.Errorf("unknown operation %q", f.Op)
	}
	if _, err := path.Match(f.Path, ""); err != nil {
		return fmt.Errorf("path pattern %q: %w", f.Path, err)
	}
	if f.After < 0 || f.Times < 0 || f.Count < 0 {
		return fmt.Errorf("after, times and count can't be negative")
	}
	if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
		return fmt.Errorf("status %d isn't 200 to 599", f.Status)
	}
	return nil
}

func (f *fault) fits(r *Request) bool {
	if (f.Op != "" && f.Op != r.Op) || (f.Method != "" && f.Method != r.Method) {
		return false
	}
	if f.Path != "" {
		if ok, _ := path.Match(f.Path, r.Path); !ok { // the pattern was checked
			return false
		}
	}
	return len(f.Hosts) == 0 || slices.ContainsFunc(r.HostIDs, func(id string) bool {
		return slices.Contains(f.Hosts, id)
	})
}

// take counts the call at every fault of a stage that fits it, and collects
// those that act on it.
func (c *call) take(stage int) {
	for _, f := range c.s.faults {
		if f.Kind.stage() != stage || !f.fits(c.rec) {
			continue
		}
		f.seen++
		if f.seen <= f.After || (f.Times > 0 && f.seen > f.After+f.Times) {
			continue
		}
		c.acting = append(c.acting, f.Fault)
		c.rec.Faults = append(c.rec.Faults, f.ID)
	}
}

// fault is the first fault of a kind that acts on this call.
func (c *call) fault(kind FaultKind) *Fault {
	for i := range c.acting {
		if c.acting[i].Kind == kind {
			return &c.acting[i]
		}
	}
	return nil
}

// early applies what happens before the call is looked at, and returns how
// much longer it shall take.
func (c *call) early() time.Duration {
	c.take(stageEarly)
	var delay time.Duration
	for _, f := range c.acting {
		switch f.Kind {
		case FaultExpireTokens:
			c.s.expireTokens()
		case FaultRevokeKey:
			if k := c.signingKey(); k != nil {
				k.revoked = true
			}
		case FaultLockKey:
			if k := c.signingKey(); k != nil {
				k.lockedUntil = c.now.Add(keyLock)
			}
		case FaultLatency:
			delay += f.Delay
		}
	}
	return delay
}

func (c *call) signingKey() *key {
	a, err := parseAuthorization(c.r.Header.Get("Authorization"))
	if err != nil {
		return nil
	}
	return c.s.accounts.key(a.access)
}

func (c *call) late() { c.take(stageLate) }

// spoiled is the answer a fault puts in place of HSS's own, nil if none does.
func (c *call) spoiled() *answer {
	var a answer
	f := c.spoiler()
	if f == nil {
		return nil
	}
	switch f.Kind {
	case FaultHangUpBefore:
		a = ok() // never sent
	case FaultHTML:
		a = htmlAnswer(http.StatusOK, "Sign in to the network")
	case FaultRedirect:
		a = answer{
			status: cmp.Or(f.Status, http.StatusFound),
			header: http.Header{"Location": {cmp.Or(f.Body, "https://portal.invalid/login")}},
		}
	case FaultRefuse:
		code := cmp.Or(f.Code, codeOffline)
		a = refuse(code, "The agent is offline")
		if code == "00000010" {
			a = denied()
		}
	default:
		a = c.statusAnswer(f, http.StatusInternalServerError)
	}
	return &a
}

func (c *call) statusAnswer(f *Fault, def int) answer {
	a := statusAnswer(cmp.Or(f.Status, def), c.s.throttleText("user"), c.requestID)
	if f.Body != "" {
		a.body = []byte(f.Body)
		a.header = http.Header{"Content-Type": {"application/json"}}
		if !json.Valid(a.body) {
			a.header.Set("Content-Type", "text/html")
		}
	}
	if f.RetryAfter != "" {
		if a.header == nil {
			a.header = http.Header{}
		}
		a.header.Set("Retry-After", f.RetryAfter)
	}
	return a
}

func (c *call) spoiler() *Fault {
	for i := range c.acting {
		switch c.acting[i].Kind {
		case FaultStatus, FaultHangUpBefore, FaultRedirect, FaultHTML, FaultRefuse:
			return &c.acting[i]
		}
	}
	return nil
}

func (c *call) appliesAnyway() bool {
	f := c.spoiler()
	return f.Apply && f.Kind != FaultRefuse
}

// faultJSON is a fault on the control address: a duration is a word like "2s".
type faultJSON struct {
	ID         int       `json:"id,omitempty"`
	Op         string    `json:"op,omitempty"`
	Method     string    `json:"method,omitempty"`
	Path       string    `json:"path,omitempty"`
	Hosts      []string  `json:"hosts,omitempty"`
	After      int       `json:"after,omitempty"`
	Times      int       `json:"times,omitempty"`
	Kind       FaultKind `json:"kind"`
	Delay      string    `json:"delay,omitempty"`
	Status     int       `json:"status,omitempty"`
	Body       string    `json:"body,omitempty"`
	Code       string    `json:"code,omitempty"`
	Count      int       `json:"count,omitempty"`
	RetryAfter string    `json:"retry_after,omitempty"`
	Apply      bool      `json:"apply,omitempty"`
}

// MarshalJSON writes the form that UnmarshalJSON reads.
func (f Fault) MarshalJSON() ([]byte, error) {
	j := faultJSON{
		ID: f.ID, Op: f.Op, Method: f.Method, Path: f.Path, Hosts: f.Hosts, After: f.After, Times: f.Times,
		Kind: f.Kind, Status: f.Status, Body: f.Body, Code: f.Code, Count: f.Count,
		RetryAfter: f.RetryAfter, Apply: f.Apply,
	}
	if f.Delay != 0 {
		j.Delay = f.Delay.String()
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads the lower-case field names of docs/simulator.md, with
// delay as a duration such as "250ms".
func (f *Fault) UnmarshalJSON(data []byte) error {
	var j faultJSON
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&j); err != nil {
		return err
	}
	var delay time.Duration
	if j.Delay != "" {
		var err error
		if delay, err = time.ParseDuration(j.Delay); err != nil {
			return err
		}
	}
	*f = Fault{
		ID: j.ID, Op: j.Op, Method: j.Method, Path: j.Path, Hosts: j.Hosts, After: j.After, Times: j.Times,
		Kind: j.Kind, Delay: delay, Status: j.Status, Body: j.Body, Code: j.Code, Count: j.Count,
		RetryAfter: j.RetryAfter, Apply: j.Apply,
	}
	return f.check()
}

// ParseFault reads the short form of the --fault flag: comma-separated
// name=value pairs with the names of the JSON form, several hosts joined
// by "|", for example "op=SetRaspSwitch,kind=status,status=502,after=2,times=1".
func ParseFault(text string) (Fault, error) {
	fields := map[string]any{}
	for part := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return Fault{}, fmt.Errorf("fault %q: %q isn't name=value", text, part)
		}
		switch name {
		case "after", "times", "status", "count":
			n, err := strconv.Atoi(value)
			if err != nil {
				return Fault{}, fmt.Errorf("fault %q: %s must be a whole number", text, name)
			}
			fields[name] = n
		case "apply":
			on, err := strconv.ParseBool(value)
			if err != nil {
				return Fault{}, fmt.Errorf("fault %q: apply must be true or false", text)
			}
			fields[name] = on
		case "hosts":
			fields[name] = strings.Split(value, "|")
		default:
			fields[name] = value
		}
	}
	data, err := json.Marshal(fields)
	if err != nil {
		return Fault{}, err
	}
	var f Fault
	if err := json.Unmarshal(data, &f); err != nil {
		return Fault{}, fmt.Errorf("fault %q: %w", text, err)
	}
	return f, nil
}
