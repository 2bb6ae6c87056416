package apply

import (
	"path/filepath"
	"strings"
	"testing"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/secret"
	"wtp-console/internal/wtp"
)

// A replica with another key file than those that sealed the secret has nothing that
// could be mended in the settings.
func TestStopNamesTheKeyFile(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		g := newRig(t, clock, open(), fleet(10))
		g.read()
		c := g.confirm(wtp.Enable)
		other, err := secret.LoadRing(filepath.Join(t.TempDir(), "other"), true)
		if err != nil {
			t.Fatal(err)
		}
		g.runner.Connect.Ring = other
		now := g.finish(c)
		if now.State != wtp.Stopped || !strings.Contains(now.StopWhy, "Give it the right key file") {
			t.Errorf("%s because %q", now.State, now.StopWhy)
		}
		if n := g.sent(hsstest.OpSetRaspSwitch); n != 0 {
			t.Errorf("%d calls", n)
		}
	})
}
