package hsstest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Request is what the simulator remembers of one call.
type Request struct {
	Seq       int       `json:"seq"`   // order of arrival, from 1
	At        time.Time `json:"at"`    // arrival
	Ended     time.Time `json:"ended"` // when the answer was decided; zero while in flight
	Op        string    `json:"op"`    // operation, empty outside the allow-list
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	Query     string    `json:"query,omitempty"`
	ProjectID string    `json:"project_id,omitempty"`
	RequestID string    `json:"request_id"` // as sent back in X-Request-Id
	User      string    `json:"user,omitempty"`
	// HostIDs are all server IDs the call names, in path and body.
	HostIDs []string `json:"host_ids,omitempty"`
	// Direction is "enable" or "disable" for a RASP switch that says which.
	Direction string `json:"direction,omitempty"`
	// Applied says whether anything was changed, whatever the answer was;
	// AppliedIDs are the servers it was changed for.
	Applied    bool     `json:"applied"`
	AppliedIDs []string `json:"applied_ids,omitempty"`
	// Order numbers the calls that changed something in the order they did,
	// which latency can make another than the order of arrival.
	Order int `json:"order,omitempty"`
	// Answer is the HTTP status sent back, 0 if the connection was dropped.
	Answer int `json:"answer"`
	// Faults are the IDs of the faults that acted on the call.
	Faults []int `json:"faults,omitempty"`
	// Body is the body of an HSS write, up to 16 KiB. Bodies with passwords
	// are never kept.
	Body string `json:"body,omitempty"`
}

const (
	keepBody       = 16 << 10
	keepViolations = 1000
)

// arrive notes a request before anything can go wrong with it.
func (c *call) arrive() {
	s := c.s
	s.seq++
	c.rec = &Request{
		Seq: s.seq, At: c.now, Method: c.r.Method, Path: c.r.URL.Path, Query: c.r.URL.RawQuery,
		RequestID: c.requestID, ProjectID: c.path["project_id"],
	}
	if c.route != nil {
		c.rec.Op = c.route.op
		s.counts[c.route.op]++
		if c.route.write {
			c.noteTargets()
		}
	}
	if id := c.path["host_id"]; id != "" {
		c.rec.HostIDs = append(c.rec.HostIDs, id)
	}
	if len(s.requests) >= 2*s.cfg.KeepRequests {
		s.requests = slices.Clone(s.requests[len(s.requests)-s.cfg.KeepRequests:])
	}
	s.requests = append(s.requests, c.rec)
}

// noteTargets reads the servers out of a body, however wrong it may be.
func (c *call) noteTargets() {
	var b struct {
		HostIDs   []string `json:"host_id_list"`
		BackupIDs []string `json:"backup_host_id_list"`
		HostID    string   `json:"host_id"`
		Status    *bool    `json:"status"`
	}
	// A body of another shape simply yields less.
	_ = json.Unmarshal(c.body, &b)
	c.rec.Body = string(c.body[:min(len(c.body), keepBody)])
	c.rec.HostIDs = slices.Concat(b.HostIDs, b.BackupIDs)
	if b.HostID != "" {
		c.rec.HostIDs = append(c.rec.HostIDs, b.HostID)
	}
	if b.Status != nil && c.route.op == OpSetRaspSwitch {
		c.rec.Direction = "disable"
		if *b.Status {
			c.rec.Direction = "enable"
		}
	}
}

// applied notes that the call changed something.
func (c *call) applied(hostIDs ...string) {
	c.s.applied++
	c.rec.Order = c.s.applied
	c.rec.Applied = true
	c.rec.AppliedIDs = hostIDs
}

// violate notes a breach of the contract by the client.
func (c *call) violate(format string, args ...any) {
	c.s.broken++
	if len(c.s.violations) >= keepViolations {
		return
	}
	c.s.violations = append(c.s.violations, fmt.Sprintf("#%d %s %s: ", c.rec.Seq, c.r.Method, c.r.URL.Path)+
		fmt.Sprintf(format, args...))
}

// Requests returns the calls remembered, oldest first, as copies.
func (s *Simulator) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.requests[max(0, len(s.requests)-s.cfg.KeepRequests):]
	out := make([]Request, len(kept))
	for i, r := range kept {
		out[i] = *r
	}
	return out
}

// Counts returns how many calls of each operation ever arrived, also refused
// and throttled ones.
func (s *Simulator) Counts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}

// Violations returns every breach of the contract by a client so far (the
// first 1,000): paths outside the allow-list, ranges, missing or doubled
// fields, bad signatures. Servers that HSS refuses for what they are (offline,
// Windows) are none.
func (s *Simulator) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.violations)
}

// Forget empties requests, counts and violations; the state stays.
func (s *Simulator) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests, s.violations, s.broken = nil, nil, 0
	clear(s.counts)
}
