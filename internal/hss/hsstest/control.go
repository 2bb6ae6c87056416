package hsstest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// ControlHandler serves the control address: what the simulator knows, and
// what it shall do wrong. docs/simulator.md lists its calls. It refuses
// requests that a web page of another origin makes a browser send.
func (s *Simulator) ControlHandler() http.Handler {
	mux := http.NewServeMux()
	get := func(path string, what func(*http.Request) any) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) { reply(w, http.StatusOK, what(r)) })
	}
	act := func(pattern string, do func(*http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			result, err := do(r)
			if err != nil {
				reply(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
				return
			}
			reply(w, http.StatusOK, result)
		})
	}
	get("/{$}", func(*http.Request) any { return s.Announcement() })
	get("/state", func(r *http.Request) any { return s.state(r.URL.Query().Get("servers") != "false") })
	get("/requests", func(r *http.Request) any { return s.requestsFor(r) })
	get("/violations", func(*http.Request) any { return notNil(s.Violations()) })
	get("/faults", func(*http.Request) any { return notNil(s.Faults()) })
	act("POST /faults", s.postFault)
	act("DELETE /faults", func(*http.Request) (any, error) { s.ClearFaults(); return done(), nil })
	act("DELETE /faults/{id}", s.deleteFault)
	act("POST /expire-tokens", func(*http.Request) (any, error) { s.ExpireTokens(); return done(), nil })
	act("POST /revoke-key", s.keyCall(s.RevokeKey))
	act("POST /lock-key", s.keyCall(s.LockKey))
	act("POST /servers", s.patchServers)
	act("DELETE /requests", func(*http.Request) (any, error) { s.Forget(); return done(), nil })
	return http.NewCrossOriginProtection().Handler(mux)
}

func done() map[string]bool { return map[string]bool{"done": true} }

func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a failure means the client has gone
}

// projectState is one project in GET /state.
type projectState struct {
	ProjectSummary
	Rasp    map[string]int    `json:"rasp"`    // counted by what the list shows
	Pending int               `json:"pending"` // accepted but not shown yet
	Backups []BackupServer    `json:"backups"`
	States  map[string]string `json:"rasp_status,omitempty"` // by host ID
}

type state struct {
	Projects   []projectState `json:"projects"`
	Requests   map[string]int `json:"requests"` // by operation
	Violations int            `json:"violations"`
	Faults     int            `json:"faults"`
}

func (s *Simulator) state(perServer bool) state {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	out := state{Requests: map[string]int{}, Violations: s.broken, Faults: len(s.faults)}
	for op, n := range s.counts {
		out.Requests[op] = n
	}
	for _, p := range s.projects {
		ps := projectState{
			ProjectSummary: ProjectSummary{Region: p.region, ProjectID: p.id, Name: p.name, Servers: p.wtpCount},
			Rasp:           map[string]int{Opened: 0, Closed: 0},
			Backups:        p.backupList(now),
		}
		if perServer {
			ps.States = make(map[string]string, p.wtpCount)
		}
		for i := range p.hosts {
			h := &p.hosts[i]
			if h.NoWTP {
				continue
			}
			h.settle(now)
			ps.Rasp[h.RaspStatus]++
			if len(h.pending) > 0 {
				ps.Pending++
			}
			if perServer {
				ps.States[h.HostID] = h.RaspStatus
			}
		}
		out.Projects = append(out.Projects, ps)
	}
	return out
}

// requestsFor narrows the requests by ?op= and ?after= (a sequence number).
func (s *Simulator) requestsFor(r *http.Request) []Request {
	op := r.URL.Query().Get("op")
	after, _ := strconv.Atoi(r.URL.Query().Get("after"))
	out := []Request{}
	for _, req := range s.Requests() {
		if req.Seq > after && (op == "" || op == req.Op) {
			out = append(out, req)
		}
	}
	return out
}

func decode(r *http.Request, into any) error {
	data, err := io.ReadAll(io.LimitReader(r.Body, maxBodyBytes))
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

func (s *Simulator) postFault(r *http.Request) (any, error) {
	var f Fault
	if err := decode(r, &f); err != nil {
		return nil, err
	}
	f.ID = s.AddFault(f)
	return f, nil
}

func (s *Simulator) deleteFault(r *http.Request) (any, error) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || !s.RemoveFault(id) {
		return nil, fmt.Errorf("no fault %q", r.PathValue("id"))
	}
	return done(), nil
}

func (s *Simulator) keyCall(do func(ak string) bool) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		var body struct {
			AK string `json:"ak"`
		}
		if err := decode(r, &body); err != nil {
			return nil, err
		}
		if !do(body.AK) {
			return nil, fmt.Errorf("no access key %q", body.AK)
		}
		return done(), nil
	}
}

// patchServers changes servers as somebody else would: {"project_id": "…",
// "host_ids": ["…"], "set": {fields of Server}}.
func (s *Simulator) patchServers(r *http.Request) (any, error) {
	var body struct {
		ProjectID string          `json:"project_id"`
		HostIDs   []string        `json:"host_ids"`
		Set       json.RawMessage `json:"set"`
	}
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.byProject[body.ProjectID]
	if p == nil {
		return nil, fmt.Errorf("no project %q", body.ProjectID)
	}
	now := s.cfg.Now()
	var changed []Server
	for _, id := range body.HostIDs {
		h := p.host(id)
		if h == nil {
			return nil, fmt.Errorf("no server %q", id)
		}
		h.settle(now)
		sv := h.Server
		if err := json.Unmarshal(body.Set, &sv); err != nil {
			return nil, fmt.Errorf("set: %w", err)
		}
		sv.HostID = id
		changed = append(changed, sv)
	}
	for _, sv := range changed {
		s.setServer(p, sv)
	}
	return map[string]int{"changed": len(changed)}, nil
}
