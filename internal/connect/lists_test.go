package connect

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/wtp"
)

// before is called for each request, with its number, before it is sent.
type before func(n int, r *http.Request)

type hooked struct {
	before before
	n      int
}

func (h *hooked) RoundTrip(r *http.Request) (*http.Response, error) {
	h.n++
	h.before(h.n, r)
	return (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
}

// scripted answers each call by what it is given of the request.
type scripted func(r *http.Request) (body string)

func (s scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	body := s(r)
	return &http.Response{StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r}, nil
}

// reading opens a project of a rig with that transport, and calls without end.
func (g *rig) reads(transport http.RoundTripper) *Reading {
	g.t.Helper()
	_, p := g.store(g.keyPair())
	g.Transport = transport
	if err := g.Store.SetSetting(g.t.Context(), wtp.Actor{Name: "test"}, SettingCallsPerMinute, "1000"); err != nil {
		g.t.Fatal(err)
	}
	r, err := g.Reading(g.t.Context(), p, false)
	if err != nil {
		g.t.Fatal(err)
	}
	return r
}

// TestListShrinksBelowThePage: half the servers go while the list is read, so that the
// next page is beyond its end.
func TestListShrinksBelowThePage(t *testing.T) {
	clock := dbtest.NewClock()
	g := newRig(t, clock, dbtest.SQLiteClock(t, clock), hsstest.Config{Fleet: hsstest.PlainFleet(300)})
	project := g.sim.Access().ProjectID
	r := g.reads(&hooked{before: func(n int, _ *http.Request) {
		for i := 1; n == 2 && i <= 150; i++ {
			g.sim.RemoveServer(project, fmt.Sprintf("00000000-0000-4000-8000-%012d", i))
		}
	}})
	servers, err := r.Servers(t.Context(), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, s := range servers {
		there[s.HostID] = true
	}
	for _, s := range g.sim.Servers(project) {
		if !s.NoWTP && !there[s.HostID] {
			t.Errorf("%s is missing", s.HostID)
		}
	}
}

// TestBackupServersMoveWhileTheyAreRead: one of the first page goes, so that those
// behind it move up and one is on no page that was read.
func TestBackupServersMoveWhileTheyAreRead(t *testing.T) {
	clock := dbtest.NewClock()
	g := newRig(t, clock, dbtest.SQLiteClock(t, clock), hsstest.Config{})
	var ids []string
	for i := range 120 {
		ids = append(ids, fmt.Sprintf("backup-%03d", i))
	}
	calls := 0
	r := g.reads(scripted(func(r *http.Request) string {
		if calls++; calls == 2 {
			ids = ids[1:]
		}
		q := r.URL.Query()
		limit, _ := strconv.Atoi(q.Get("limit"))
		offset, _ := strconv.Atoi(q.Get("offset"))
		rows := []string{}
		for _, id := range ids[min(offset, len(ids)):min(offset+limit, len(ids))] {
			rows = append(rows, fmt.Sprintf(`{"backup_host_id":%q}`, id))
		}
		return fmt.Sprintf(`{"total_num":%d,"data_list":[%s]}`, len(ids), strings.Join(rows, ","))
	}))
	backups, err := r.Backups(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, b := range backups {
		there[b.HostID] = true
	}
	for _, id := range ids {
		if !there[id] {
			t.Errorf("%s is missing", id)
		}
	}
}

// TestFilterThatIsNotHeeded: a page of others says nothing of the server that was
// asked for.
func TestFilterThatIsNotHeeded(t *testing.T) {
	clock := dbtest.NewClock()
	g := newRig(t, clock, dbtest.SQLiteClock(t, clock), hsstest.Config{})
	total := 25
	r := g.reads(scripted(func(*http.Request) string {
		return fmt.Sprintf(`{"total_num":%d,"data_list":[{"host_id":"another"}]}`, total)
	}))
	if _, _, err := r.Server(t.Context(), "wanted"); !errors.Is(err, ErrListMoved) {
		t.Errorf("one of 25 was no other, so it is not there: %v", err)
	}
	total = 1
	if _, ok, err := r.Server(t.Context(), "wanted"); ok || err != nil {
		t.Errorf("the only one is another: %v, %v", ok, err)
	}
}

// TestExportedStateIsNotTheOneBefore: an empty cell must not pass for the state that
// a reading before has shown.
func TestExportedStateIsNotTheOneBefore(t *testing.T) {
	was := wtp.Server{HostID: "h", Name: "web-01", AgentStatus: "online", ProtectStatus: "opened", Dynamic: wtp.Opened, OS: "linux"}
	now := Overlay(was, wtp.Server{HostID: "h"})
	if now.Dynamic != "" || now.AgentStatus != "" || now.ProtectStatus != "" || now.Name != "web-01" || now.OS != "linux" {
		t.Errorf("%+v", now)
	}
	if bucket, why := wtp.Classify(now, wtp.Enable, false); bucket == wtp.AlreadySo {
		t.Errorf("%s, %s", bucket, why)
	}
}

// TestStatesNobodyKnows: a word that is neither on nor off says neither that a switch
// was applied nor that it was not.
func TestStatesNobodyKnows(t *testing.T) {
	clock := dbtest.NewClock()
	g := newRig(t, clock, dbtest.SQLiteClock(t, clock), hsstest.Config{})
	ids := []string{"a", "b", "c", "d"}
	r := g.reads(scripted(func(r *http.Request) string {
		rows := `{"host_id":"a","rasp_protect_status":"OPENED"},{"host_id":"b","rasp_protect_status":"opening"},{"host_id":"c"},{"host_id":"d","rasp_protect_status":"closed"}`
		if id := r.URL.Query().Get("host_id"); id != "" {
			for _, row := range strings.SplitAfter(rows, "},") {
				if row = strings.TrimSuffix(row, ","); strings.Contains(row, `"`+id+`"`) {
					return `{"total_num":1,"data_list":[` + row + `]}`
				}
			}
		}
		return `{"total_num":4,"data_list":[` + rows + `]}`
	}))
	for _, asked := range [][]string{ids, ids[:2], ids[2:]} {
		states, err := r.States(t.Context(), asked)
		if err != nil {
			t.Fatal(err)
		}
		for id, want := range map[string]string{"a": wtp.Opened, "b": "", "c": "", "d": wtp.Closed} {
			if got, ok := states[id]; slices.Contains(asked, id) && (got != want || ok != (want != "")) {
				t.Errorf("%v: %s is %q", asked, id, got)
			}
		}
	}
}
