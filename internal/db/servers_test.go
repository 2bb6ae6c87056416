package db_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

// walk pages through all servers forwards and back and holds both to each other.
func (r *rig) walk(q db.ServerQuery) []string {
	r.Helper()
	var there, back []string
	var last db.ServerPage
	for {
		p := must(r.s.Servers(r.ctx, q))(r)
		for _, s := range p.Servers {
			there = append(there, fmt.Sprintf("%d/%s", s.ProjectID, s.HostID))
		}
		last = p
		if p.Next == "" {
			break
		}
		q.After = p.Next
	}
	for p := last; ; {
		for _, s := range slices.Backward(p.Servers) {
			back = append(back, fmt.Sprintf("%d/%s", s.ProjectID, s.HostID))
		}
		if p.Prev == "" {
			break
		}
		q.After, q.Before = "", p.Prev
		p = must(r.s.Servers(r.ctx, q))(r)
		if p.Next == "" {
			r.Error("a page before another has no next")
		}
	}
	slices.Reverse(back)
	r.equal(back, there)
	return there
}

func TestServerPages(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		two := r.project("Two")
		names := func(i int, s *wtp.Server) {
			s.Name = []string{"a", "B", "b", "Z", "ä", "名", "b"}[i%7] // equal names, letters beyond ASCII
			s.StaticAttacks = int64(i % 5)
		}
		r.read(r.p, fleet(53, names))
		r.read(two, fleet(31, names))
		both := []int64{r.p.ID, two.ID}
		for _, sort := range []string{"", "name", "-attacks"} {
			for _, projects := range [][]int64{{r.p.ID}, both, {two.ID, r.p.ID}} {
				for _, limit := range []int{1, 7, 53, 84, 100} {
					got := r.walk(db.ServerQuery{ProjectIDs: projects, Sort: sort, Limit: limit})
					want := 53
					if len(projects) == 2 {
						want = 84
					}
					sorted := slices.Clone(got)
					slices.Sort(sorted)
					r.equal(len(slices.Compact(sorted)), want)
					r.equal(len(got), want)
				}
			}
		}
		first := must(r.s.Servers(r.ctx, db.ServerQuery{ProjectIDs: both, Sort: "-attacks", Limit: 3}))(r)
		r.equal([]any{first.Servers[0].Attacks(), first.Servers[0].Name, first.Prev}, []any{4, "a", ""})
		all := must(r.s.Servers(r.ctx, db.ServerQuery{ProjectIDs: both, Limit: 100}))(r).Servers
		r.equal([]any{all[0].Name, all[len(all)-1].Name}, []any{"a", "名"}) // by bytes, on both databases

		var bad wtp.Invalid
		for _, q := range []db.ServerQuery{{After: "x"}, {Before: "!!"}, {After: "bm90IGpzb24"}, {Sort: "name; DROP TABLE servers"}} {
			q.ProjectIDs = both
			if _, err := r.s.Servers(r.ctx, q); !errors.As(err, &bad) {
				r.Errorf("%+v: %v", q, err)
			}
		}
		r.equal(len(must(r.s.Servers(r.ctx, db.ServerQuery{}))(r).Servers), 0)
	})
}

func TestServerFilters(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(40, func(i int, s *wtp.Server) {
			if i < 10 {
				s.GroupName = ""
			}
			if i%2 == 0 {
				s.BackupHostID = "b1"
			}
			if i == 5 {
				s.Name, s.PublicIP, s.DynamicAttacks = "50%_\\off", "2001:db8::1", 2
			}
			if i == 6 {
				s.OS, s.AgentStatus, s.ProtectStatus, s.AssetValue, s.Dynamic = "windows", "offline", "closed", "important", wtp.Opened
			}
		}))
		for _, c := range []struct {
			f    wtp.ServerFilter
			want int64
		}{
			{wtp.ServerFilter{}, 40},
			{wtp.ServerFilter{Query: "WEB-0000"}, 8}, // 1 to 9 without the sixth, which has another name
			{wtp.ServerFilter{Query: "50%_\\"}, 1},
			{wtp.ServerFilter{Query: "%"}, 1},
			{wtp.ServerFilter{Query: "_"}, 1},
			{wtp.ServerFilter{Query: "2001:DB8"}, 1},
			{wtp.ServerFilter{Query: "H-00040"}, 1},
			{wtp.ServerFilter{Query: "10.0.0.3"}, 11},
			{wtp.ServerFilter{Query: "' OR '1'='1"}, 0},
			{wtp.ServerFilter{Group: []string{"-"}}, 10},
			{wtp.ServerFilter{Group: []string{"-", "shop"}}, 40},
			{wtp.ServerFilter{Backup: []string{"-"}}, 20},
			{wtp.ServerFilter{Backup: []string{"b1"}, Group: []string{"shop"}}, 15},
			{wtp.ServerFilter{OS: []string{"windows"}}, 1},
			{wtp.ServerFilter{OS: []string{"windows", "linux"}, Agent: []string{"offline"}, WTP: []string{"closed"}, Dynamic: []string{"opened"}, Importance: []string{"important"}}, 1},
			{wtp.ServerFilter{Attacked: true}, 1},
		} {
			n, more, err := r.s.CountServers(r.ctx, []int64{r.p.ID}, c.f, 1000)
			r.ok(err)
			got := int64(len(r.walk(db.ServerQuery{ProjectIDs: []int64{r.p.ID}, Filter: c.f, Limit: 6})))
			r.equal([]any{n, got, more}, []any{c.want, c.want, false})
		}
		n, more, err := r.s.CountServers(r.ctx, []int64{r.p.ID}, wtp.ServerFilter{OS: []string{"linux"}}, 10)
		r.ok(err)
		r.equal([]any{n, more}, []any{10, true})
	})
}

func TestGroupsAndUse(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		two := r.project("Two")
		edit := func(i int, s *wtp.Server) {
			switch i % 4 {
			case 0:
				s.GroupName, s.Dynamic, s.BackupHostID = "api", wtp.Opened, "b1"
			case 1:
				s.GroupName, s.OS = "", "windows"
			case 2:
				s.BackupHostID = "b1"
			}
		}
		r.read(r.p, fleet(8, edit))
		r.read(two, fleet(4, edit))
		r.equal(must(r.s.Groups(r.ctx, []int64{r.p.ID, two.ID}))(r), []db.GroupCount{
			{Name: "", Total: 3, Cannot: 3}, {Name: "api", Total: 3, On: 3}, {Name: "shop", Total: 6, Off: 6},
		})
		r.equal(must(r.s.BackupUse(r.ctx, r.p.ID))(r), map[string]int64{"b1": 4})
		r.equal(must(r.s.BackupUseByGroup(r.ctx, r.p.ID, "b1"))(r), []db.GroupUse{{Name: "api", N: 2}, {Name: "shop", N: 2}})
		n, _, err := r.s.CountServers(r.ctx, []int64{r.p.ID, two.ID}, wtp.ServerFilter{}, 1)
		r.ok(err)
		r.equal(n, 12)
	})
}

func TestSelection(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(20, func(i int, s *wtp.Server) {
			if i < 5 {
				s.GroupName = "api"
			}
		}))
		me, p := r.mei.UserID, r.p.ID
		r.equal(must(r.s.SelectionCount(r.ctx, me, p))(r), 0)
		r.equal(must(r.s.Select(r.ctx, me, p, []string{"h-00001", "h-00001", "h-00010", "", "gone"}, nil))(r), 3)
		r.equal(must(r.s.Select(r.ctx, me, p, []string{"h-00010"}, []string{"gone", "never"}))(r), 2)
		api := wtp.ServerFilter{Group: []string{"api"}}
		_, refused := r.s.SelectMatching(r.ctx, me, p, api, 4)
		r.is(refused, wtp.ErrConflict)
		r.equal(must(r.s.SelectionCount(r.ctx, me, p))(r), 2)
		r.equal(must(r.s.SelectMatching(r.ctx, me, p, api, 5))(r), 6)
		r.equal(must(r.s.SelectedOutside(r.ctx, me, p, api))(r), 1)
		r.equal(must(r.s.SelectedOutside(r.ctx, me, p, wtp.ServerFilter{}))(r), 0)
		r.equal(must(r.s.Selected(r.ctx, me, p, []string{"h-00001", "h-00009", "h-00010"}))(r), map[string]bool{"h-00001": true, "h-00010": true})
		// Another person's, and another project's, is another.
		li := must(r.s.CreateUser(r.ctx, r.mei, wtp.User{Name: "Li", NameKey: "li", Role: wtp.Operator}))(r)
		r.equal(must(r.s.SelectionCount(r.ctx, li.ID, p))(r), 0)
		r.ok(r.s.ClearSelection(r.ctx, li.ID, p))
		r.equal(must(r.s.SelectionCount(r.ctx, me, p))(r), 6)
		r.ok(r.s.ClearSelection(r.ctx, me, p))
		r.equal(must(r.s.SelectionCount(r.ctx, me, p))(r), 0)
		_, err := r.s.Select(r.ctx, me, 999, []string{"x"}, nil)
		r.is(err, wtp.ErrNotFound)
		r.equal(must(r.s.Select(r.ctx, me, p, ids(1, 40000), nil))(r), 40000) // more than SQLite has parameters
	})
}

// TestUnlistedServers: what no list has shown is not "none".
func TestUnlistedServers(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		list := fleet(4, func(i int, s *wtp.Server) {
			s.GroupName, s.BackupHostID = "", ""
			if i == 0 {
				s.AssetValue = wtp.Unlisted
			}
		})
		r.read(r.p, list, backups(wtp.BackupRunning)...)
		for _, f := range []wtp.ServerFilter{{Group: []string{"-"}}, {Backup: []string{"-"}}, {Group: []string{"web", "-"}}} {
			if got := r.walk(db.ServerQuery{ProjectIDs: []int64{r.p.ID}, Filter: f}); len(got) != 3 {
				t.Errorf("%v: %v", f.Values(), got)
			}
		}
		if p := must(r.s.ProjectByID(r.ctx, r.p.ID))(r); p.Unlisted != 1 {
			t.Errorf("%d not on the list", p.Unlisted)
		}
		if _, err := r.s.PlanBackupRemoval(r.ctx, r.mei, r.p.ID, "b-1", "", time.Hour); !errors.Is(err, wtp.ErrConflict) {
			t.Errorf("a backup server is removed while its servers aren't known: %v", err)
		}
		if c := r.planTo("b-1", list[0].HostID); c.ToSend != 0 || r.target(c, list[0].HostID).Why != wtp.WhyUnlisted {
			t.Errorf("%+v", c)
		}
		c := must(r.s.PlanDynamicWTP(r.ctx, r.mei, r.p.ID, wtp.Disable, db.PlanSource{HostIDs: []string{list[0].HostID}}, time.Hour))(r)
		if got := r.target(c, list[0].HostID); got.Why == "" || got.Bucket == wtp.WillChange {
			t.Errorf("%+v", got)
		}
	})
}
