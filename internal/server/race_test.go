package server

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/wtp"
)

// TestOppositeDirectionsAtOnce: two people confirm turning the same 1,000 servers
// on and off at the same moment, while HSS is read and shows them now so, now so.
// At most one wins a round; the other is told why not, and nothing of theirs is
// ever sent.
func TestOppositeDirectionsAtOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, open func() *db.Store) {
		c := startEmpty(t, func(config *Config) { config.Store = open() })
		c.store = c.config.Store
		c.user("root", wtp.Admin)
		require.NoError(t, c.store.SetSetting(c.ctx(), c.system(), "typed_above", "100000"))
		p := c.project()
		state := func(dynamic string) []wtp.Server {
			servers := fleet(1000)
			for i := range servers {
				servers[i].Dynamic = dynamic
			}
			return servers
		}
		on, off := c.as(c.user("mei", wtp.Operator)), c.as(c.user("ann", wtp.Operator))
		wins := map[string]int{}
		told := map[string]bool{}
		for range 8 {
			c.inventory(p, state(wtp.Closed))
			turnOn := on.preview("enable")
			c.inventory(p, state(wtp.Opened))
			turnOff := off.preview("disable")
			var answers [2]answer
			var at sync.WaitGroup
			begin := make(chan struct{})
			at.Go(func() {
				<-begin
				answers[0] = on.post(turnOn+"/confirm", "reason", "Roll-out", "ticket", "CHG-1")
			})
			at.Go(func() {
				<-begin
				answers[1] = off.post(turnOff+"/confirm", "reason", "Release", "ticket", "CHG-2", "back", "4h")
			})
			at.Go(func() {
				<-begin
				for _, dynamic := range []string{wtp.Closed, wtp.Opened} {
					c.reread(p, state(dynamic))
				}
			})
			close(begin)
			at.Wait()

			won := 0
			for i, who := range []string{"mei", "ann"} {
				switch a := answers[i]; a.StatusCode {
				case http.StatusSeeOther:
					if strings.Contains(a.Header.Get("Location"), "instead=") {
						told["servers moved"] = true
						continue
					}
					won++
					wins[who]++
				case http.StatusConflict:
					text := said(a.page().Find("[role=alert]").First())
					require.NotEmpty(t, text, "refused without a word")
					told[text[:min(len(text), 40)]] = true
				default:
					t.Fatalf("%s: %d %s", who, a.StatusCode, lastLine(c.log))
				}
			}
			require.LessOrEqual(t, won, 1, "both changes of the same servers were confirmed")
			running, err := c.store.OpenChanges(c.ctx(), 0)
			require.NoError(t, err)
			require.Len(t, running, won)
			for i, path := range []string{turnOn, turnOff} {
				if strings.Contains(answers[i].Header.Get("Location"), "/changes/") {
					continue
				}
				lost, err := c.store.Plan(c.ctx(), p.ID, path[strings.LastIndex(path, "/")+1:])
				require.NoError(t, err)
				require.Zero(t, lost.Number)
				counts, err := c.store.ChangeCounts(c.ctx(), lost.ID)
				require.NoError(t, err)
				require.EqualValues(t, 1000, counts.Of(wtp.TargetPlanned), "a target of the loser's left its plan")
			}
			for _, change := range running {
				require.NoError(t, c.store.StopChange(c.ctx(), c.system(), p.ID, change.Number))
			}
		}
		require.NotEmpty(t, wins)
		t.Logf("won %v, told %v", wins, told)
	})
}

// TestSameServersAtOnce: two plans for the same servers are confirmed at once; one
// is carried out, and the other's person is told.
func TestSameServersAtOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, open func() *db.Store) {
		c := startEmpty(t, func(config *Config) { config.Store = open() })
		c.store = c.config.Store
		c.user("root", wtp.Admin)
		p := c.project()
		c.inventory(p, fleet(1000))
		people := []*browser{c.as(c.user("mei", wtp.Operator)), c.as(c.user("ann", wtp.Operator))}
		for range 8 {
			var plans [2]string
			for i, b := range people {
				plans[i] = b.preview("enable")
			}
			var codes [2]int
			var texts [2]string
			var at sync.WaitGroup
			begin := make(chan struct{})
			for i, b := range people {
				at.Go(func() {
					<-begin
					a := b.post(plans[i]+"/confirm", "reason", "Roll-out", "ticket", "CHG-1")
					codes[i], texts[i] = a.StatusCode, said(a.page().Find("main"))
				})
			}
			close(begin)
			at.Wait()
			require.ElementsMatch(t, []int{http.StatusSeeOther, http.StatusConflict}, codes[:])
			for i, code := range codes {
				if code == http.StatusConflict {
					require.Contains(t, texts[i], "still under way")
				}
			}
			running, err := c.store.OpenChanges(c.ctx(), 0)
			require.NoError(t, err)
			require.Len(t, running, 1)
			require.NoError(t, c.store.StopChange(c.ctx(), c.system(), p.ID, running[0].Number))
		}
	})
}

// reread is inventory while others are at the project: one that they have locked
// is not claimed at once.
func (c *console) reread(p wtp.Project, servers []wtp.Server) {
	for i := range servers {
		servers[i].NameKey = servers[i].Name
	}
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); {
		claimed, ok, err := c.store.ClaimRead(c.ctx(), "race", time.Hour)
		if err == nil && !ok {
			err = c.store.WantRead(c.ctx(), p.ID) // waits for the lock
		} else if err == nil {
			_, err = c.store.SaveInventory(c.ctx(), p.ID, "race", claimed.ReadStartedAt, servers, nil)
			assert.NoError(c.t, err)
			return
		}
		assert.NoError(c.t, err)
	}
	assert.Fail(c.t, "the project stays locked")
}
