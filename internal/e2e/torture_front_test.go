package e2e_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wtp-console/internal/hss/hsstest"
)

// front is a simulated HSS with an unsteady network before it: every call takes
// some other time, before HSS acts on it and after, and a few go wrong. The moment
// a switch arrives, the front looks into the console's database, on a connection
// of its own, for the intent to make exactly this call.
type front struct {
	sim    *hsstest.Simulator
	server *httptest.Server
	db     *sql.DB

	writing, reading atomic.Int64 // calls under way
	faulty           atomic.Bool
	closed           chan struct{}

	mu       sync.Mutex
	rnd      *rand.Rand
	arrivals []arrival
	wrong    []string
	faults   int
}

// arrival is a switch that reached HSS, with the intent found for it.
type arrival struct {
	call, change, batch int64
	key                 string // direction and servers
}

func newFront(t *testing.T, seed uint64, config hsstest.Config) *front {
	t.Helper()
	f := &front{rnd: rand.New(rand.NewPCG(seed, 1)), closed: make(chan struct{})}
	config.KeepRequests = 1 << 20
	f.sim = hsstest.New(config)
	f.server = httptest.NewServer(f)
	f.sim.SetURL(f.server.URL)
	f.faulty.Store(true)
	t.Cleanup(func() {
		close(f.closed)
		f.server.CloseClientConnections()
		f.server.Close()
		f.sim.Close()
	})
	return f
}

// access is the front's address and key in the shape provisioned wants.
func (f *front) access() simulator {
	a := f.sim.Access()
	return simulator{HSS: a.HSSEndpoint, IAM: a.IAMEndpoint, Region: a.Region, Project: a.ProjectID, AK: a.AK, SK: a.SK}
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the console was killed within its own request
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	write := strings.HasSuffix(r.URL.Path, "/webtamper/rasp/status")
	under := &f.reading
	if write {
		under = &f.writing
		f.arrived(body)
	}
	under.Add(1)
	defer under.Add(-1)
	before, after := f.jitter(write)
	f.pass(before)
	f.maybeFail(write)
	f.sim.Handler().ServeHTTP(w, r)
	f.pass(after) // the answer is small, so net/http still holds it
}

func (f *front) jitter(write bool) (before, after time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	most := 8 * time.Millisecond
	if write {
		most = 40 * time.Millisecond
	}
	return upTo(f.rnd, most), upTo(f.rnd, most)
}

func (f *front) pass(d time.Duration) {
	select {
	case <-time.After(d):
	case <-f.closed:
	}
}

// throttled names the limit that the console has set, for it keeps to the one it is told:
// with the documented 5 calls a minute no run would end in time.
const throttled = `{"error_code":"APIGW.0308","error_msg":"The throttling threshold has been reached: policy user over ratelimit,limit:600,time:1 minute"}`

// maybeFail arms a fault for one call now and then.
func (f *front) maybeFail(write bool) {
	if !f.faulty.Load() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	kinds := []hsstest.Fault{
		{Kind: hsstest.FaultHangUpAfter}, {Kind: hsstest.FaultHangUpAfter}, {Kind: hsstest.FaultHangUpBefore},
		{Kind: hsstest.FaultStatus, Status: 500}, {Kind: hsstest.FaultStatus, Status: 502, Apply: true},
		{Kind: hsstest.FaultStatus, Status: 429, RetryAfter: "1", Body: throttled}, {Kind: hsstest.FaultPartial, Count: 77},
	}
	one, op := 0.05, hsstest.OpSetRaspSwitch
	if !write {
		kinds, one, op = []hsstest.Fault{{Kind: hsstest.FaultHangUpBefore}, {Kind: hsstest.FaultStatus, Status: 503}}, 0.005, hsstest.OpListWtpProtectHost
	}
	if f.rnd.Float64() < one {
		fault := kinds[f.rnd.IntN(len(kinds))]
		fault.Op, fault.Times = op, 1
		f.sim.AddFault(fault)
		f.faults++
	}
}

// calm ends all trouble but the servers that HSS refuses.
func (f *front) calm(poisoned []string) {
	f.faulty.Store(false)
	f.sim.ClearFaults()
	f.poison(poisoned)
}

// poison lets HSS refuse every batch with one of these servers in it.
func (f *front) poison(hosts []string) {
	f.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRaspSwitch, Kind: hsstest.FaultRefuse, Hosts: hosts})
}

// arrived finds the intent of a switch; none is what must never be.
func (f *front) arrived(body []byte) {
	var sent struct {
		HostIDs []string `json:"host_id_list"`
		Status  *bool    `json:"status"`
	}
	err := json.Unmarshal(body, &sent)
	if err == nil && sent.Status == nil {
		err = fmt.Errorf("a switch without a direction: %.200s", body)
	}
	var a arrival
	if err == nil {
		direction := "disable"
		if *sent.Status {
			direction = "enable"
		}
		slices.Sort(sent.HostIDs)
		a, err = f.intent(direction, sent.HostIDs)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.wrong = append(f.wrong, err.Error())
		return
	}
	f.arrivals = append(f.arrivals, a)
}

// intent looks for the call that is on record as being made, of a batch whose
// servers in flight are exactly these. Servers are in one open change at a time,
// so there is at most one.
func (f *front) intent(direction string, hosts []string) (arrival, error) {
	a := arrival{key: switchKey(direction, hosts)}
	rows, err := f.db.Query(fmt.Sprintf(`SELECT c.id, c.change_id, c.batch_id FROM calls c JOIN changes h ON h.id = c.change_id
		WHERE c.operation = 'SetRaspSwitch' AND c.ended_at = 0 AND c.class = '' AND c.sent_at > 0 AND h.state = 'running'
		AND c.hosts = %d AND h.direction = '%s'`, len(hosts), direction))
	if err != nil {
		return a, fmt.Errorf("looking for the intent: %w", err)
	}
	var found []arrival
	for rows.Next() {
		if err := rows.Scan(&a.call, &a.change, &a.batch); err != nil {
			return a, err
		}
		found = append(found, a)
	}
	if err := rows.Err(); err != nil {
		return a, err
	}
	for _, a := range found {
		ids, err := texts(f.db, fmt.Sprintf("SELECT host_id FROM targets WHERE batch_id = %d AND outcome = 'sending' ORDER BY host_id", a.batch))
		if err != nil {
			return a, err
		}
		if slices.Equal(ids, hosts) {
			return a, nil
		}
	}
	return a, fmt.Errorf("%s of %d servers (%s …) arrived, and no intent of it is on record", direction, len(hosts), hosts[0])
}

func switchKey(direction string, hosts []string) string {
	return direction + " " + strings.Join(slices.Sorted(slices.Values(hosts)), " ")
}

// texts is a query's first column.
func texts(conn *sql.DB, query string) ([]string, error) {
	rows, err := conn.Query(query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

func upTo(rnd *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(rnd.Int64N(int64(most)))
}
