package apply

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/wtp"
)

// logged collects what is logged.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestWhyThereIsNoAnswerIsOnRecord: of a call that HSS gave no answer to, the record and
// the log say why, for a reading too.
func TestWhyThereIsNoAnswerIsOnRecord(t *testing.T) {
	clock := dbtest.NewClock()
	g := newRig(t, clock, dbtest.SQLiteClock(t, clock), fleet(400))
	log := &logged{}
	g.runner.Logger = slog.New(slog.NewTextHandler(log, nil))
	g.read()
	d := wtp.Enable
	for _, tc := range []struct {
		fault hsstest.FaultKind
		op    string
		want  string
	}{
		{hsstest.FaultHangUpBefore, hsstest.OpSetRaspSwitch, wtp.HungUp().ID},
		{hsstest.FaultHangUpAfter, hsstest.OpSetRaspSwitch, wtp.HungUp().ID},
		{hsstest.FaultHangUpBefore, hsstest.OpListWtpProtectHost, wtp.HungUp().ID},
		{hsstest.FaultSlowAnswer, hsstest.OpSetRaspSwitch, "No answer came within "},
		{hsstest.FaultShortBody, hsstest.OpSetRaspSwitch, "the answer did not arrive whole (unexpected EOF)"},
	} {
		g.sim.ClearFaults()
		if tc.op != hsstest.OpSetRaspSwitch { // so that there is something to read back
			g.sim.AddFault(hsstest.Fault{Op: hsstest.OpSetRaspSwitch, Kind: hsstest.FaultStatus, Status: 502, Times: 1})
			g.sim.AddFault(hsstest.Fault{Op: hsstest.OpExportWebTamperHost, Kind: tc.fault})
		}
		g.sim.AddFault(hsstest.Fault{Op: tc.op, Kind: tc.fault, Delay: time.Hour, Times: 1}) // an hour is never waited for, see wire
		c := g.confirm(d)
		g.finish(c)
		g.want(c, wtp.Done, "accepted 400")
		calls, err := g.store.Calls(t.Context(), c.ID, 0, 1000)
		g.must(err)
		found := false
		for _, call := range calls {
			if call.Operation == tc.op && strings.HasPrefix(call.Message, tc.want) {
				found = true
				if _, _, ours := wtp.CallNote(call.Message); !ours {
					t.Errorf("%q is not known to be the console's", call.Message)
				}
				line := fmt.Sprintf("batch=1 servers=200 attempt=1 class=unclear status=%d code=\"\" message=%q", call.Status, call.Message)
				if call.BatchID != 0 && !strings.Contains(log.String(), line) {
					t.Errorf("the log has no %s", line)
				}
			}
		}
		if !found {
			t.Errorf("%s of %s: no call says %q\n%s", tc.fault, tc.op, tc.want, g.calls(c))
		}
		d = d.Opposite()
		g.sim.ClearFaults()
		g.read()
	}
}
