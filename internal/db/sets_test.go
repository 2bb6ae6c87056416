package db_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/wtp"
)

// selects makes a person's selection just these servers.
func (r *rig) selects(who wtp.Actor, hosts ...string) {
	r.Helper()
	r.ok(r.s.ClearSelection(r.ctx, who.UserID, r.p.ID))
	must(r.s.Select(r.ctx, who.UserID, r.p.ID, hosts, nil))(r)
}

func (r *rig) set(uid string) wtp.ServerSet {
	r.Helper()
	return must(r.s.ServerSet(r.ctx, r.p.ID, uid))(r)
}

func TestSetsKeepTheServersOfASelection(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(10, nil))
		var bad wtp.Invalid
		_, err := r.s.SaveSet(r.ctx, r.mei, r.p.ID, "Empty")
		if !errors.As(err, &bad) {
			r.Fatalf("an empty set was saved: %v", err)
		}
		r.selects(r.mei, ids(3, 7)...)
		set := must(r.s.SaveSet(r.ctx, r.mei, r.p.ID, "  Shop  front "))(r)
		r.equal(fmt.Sprint(set.Name, " ", set.N, " ", set.CreatedByName), "Shop front 5 Mei")
		if _, err = r.s.SaveSet(r.ctx, r.mei, r.p.ID, "SHOP FRONT"); !errors.As(err, &bad) {
			r.Fatalf("a name was given twice: %v", err)
		}
		must(r.s.SaveSet(r.ctx, r.mei, r.p.ID, "Also"))(r)
		r.equal(len(must(r.s.ServerSets(r.ctx, r.p.ID))(r)), 2)

		// What HSS no longer lists stays in the set and is shown as gone.
		r.read(r.p, fleet(10, nil)[:5])
		r.equal(must(r.s.SetGone(r.ctx, set.ID))(r), 2)
		all := must(r.s.SetServers(r.ctx, db.SetQuery{SetID: set.ID, Limit: 3}))(r)
		r.equal(fmt.Sprint(len(all), all[0].HostID, all[0].Gone, all[0].Dynamic), "3h-00003falseclosed")
		gone := must(r.s.SetServers(r.ctx, db.SetQuery{SetID: set.ID, Gone: true}))(r)
		r.equal(fmt.Sprint(len(gone), gone[0].HostID, gone[0].Name, gone[0].Gone), "2h-00006Web-00006true")
		r.equal(len(must(r.s.SetServers(r.ctx, db.SetQuery{SetID: set.ID, After: all[2].Seq}))(r)), 2)

		r.selects(r.mei, "h-00001", "h-00003")
		_, err = r.s.SelectSet(r.ctx, r.mei.UserID, r.p.ID, set.UID, 4, false)
		r.is(err, wtp.ErrConflict)
		r.equal(must(r.s.SelectSet(r.ctx, r.mei.UserID, r.p.ID, set.UID, 5, false))(r), 6)
		r.equal(must(r.s.SelectSet(r.ctx, r.mei.UserID, r.p.ID, set.UID, 5, true))(r), 5)
	})
}

func TestSetsAreChangedByOneAtATime(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(10, nil))
		r.selects(r.mei, ids(1, 4)...)
		set := must(r.s.SaveSet(r.ctx, r.mei, r.p.ID, "One"))(r)
		two := must(r.s.SaveSet(r.ctx, r.mei, r.p.ID, "Two"))(r)
		r.ok(r.s.RenameSet(r.ctx, r.mei, r.p.ID, set.UID, set.ChangedAt, "Uno"))
		r.is(r.s.RenameSet(r.ctx, r.mei, r.p.ID, set.UID, set.ChangedAt, "Eins"), wtp.ErrConflict)
		set = r.set(set.UID)
		var bad wtp.Invalid
		if err := r.s.RenameSet(r.ctx, r.mei, r.p.ID, set.UID, set.ChangedAt, "two"); !errors.As(err, &bad) {
			r.Fatalf("a name was given twice: %v", err)
		}
		r.ok(r.s.RenameSet(r.ctx, r.mei, r.p.ID, set.UID, set.ChangedAt, "UNO"))
		set = r.set(set.UID)

		r.selects(r.mei, ids(3, 8)...)
		r.ok(r.s.ReplaceSet(r.ctx, r.mei, r.p.ID, set.UID, set.ChangedAt))
		r.is(r.s.DeleteSet(r.ctx, r.mei, r.p.ID, set.UID, set.ChangedAt), wtp.ErrConflict)
		set = r.set(set.UID)
		r.equal(set.N, 6)
		r.selects(r.mei)
		r.is(r.s.ReplaceSet(r.ctx, r.mei, r.p.ID, set.UID, set.ChangedAt), wtp.ErrConflict)
		r.ok(r.s.DeleteSet(r.ctx, r.mei, r.p.ID, set.UID, set.ChangedAt))
		r.is(r.s.DeleteSet(r.ctx, r.mei, r.p.ID, set.UID, set.ChangedAt), wtp.ErrNotFound)
		r.equal(r.set(two.UID).N, 4)
		for verb, n := range map[string]int{"set.created": 2, "set.renamed": 2, "set.replaced": 1, "set.deleted": 1} {
			r.equal(len(r.events(verb)), n)
		}
		r.equal(r.events("set.replaced")[0].Detail, `{"added":4,"after":6,"before":4,"removed":2}`)
	})
}

func TestASetHasTheChangesPlannedFromIt(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.read(r.p, fleet(10, nil))
		r.selects(r.mei, ids(1, 4)...)
		set := must(r.s.SaveSet(r.ctx, r.mei, r.p.ID, "Shop"))(r)
		plan := func() wtp.Change {
			return must(r.s.PlanDynamicWTP(r.ctx, r.mei, r.p.ID, wtp.Enable, db.PlanSource{Selection: true}, time.Hour))(r)
		}
		c := plan()
		r.equal(c.Selection, wtp.SetSelection(set.UID, "Shop"))
		r.equal(len(must(r.s.SetChanges(r.ctx, set, 0, 0))(r)), 0)
		r.confirm(c)
		rows := must(r.s.SetChanges(r.ctx, set, 0, 0))(r)
		r.equal(len(rows), 1)
		r.equal(rows[0].Number, 1)
		r.equal(len(must(r.s.SetChanges(r.ctx, set, rows[0].EventSeq, 0))(r)), 0)

		// The same size but not the same servers, or more, is not the set.
		r.selects(r.mei, ids(2, 5)...)
		r.equal(plan().Selection, "")
		r.selects(r.mei, ids(1, 5)...)
		r.equal(plan().Selection, "")
		r.ok(r.s.RenameSet(r.ctx, r.mei, r.p.ID, set.UID, set.ChangedAt, "Renamed"))
		r.equal(len(must(r.s.SetChanges(r.ctx, r.set(set.UID), 0, 0))(r)), 1)
	})
}

func TestASetHasItsOwnHistory(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		jun := wtp.Actor{UserID: r.mei.UserID, Name: "Jun"}
		rename := func(uid, name string) {
			r.Helper()
			r.ok(r.s.RenameSet(r.ctx, jun, r.p.ID, uid, r.set(uid).ChangedAt, name))
		}
		lines := func(uid string, before int64, limit int) (all []string, last int64) {
			r.Helper()
			for _, e := range must(r.s.SetEvents(r.ctx, r.set(uid), before, limit))(r) {
				all, last = append(all, strings.TrimPrefix(e.Verb, "set.")+" "+e.Subject+" "+e.Actor), e.Seq
			}
			return all, last
		}
		r.read(r.p, fleet(10, nil))
		r.selects(r.mei, ids(1, 4)...)
		// Other sets that had the names before, or take them afterwards.
		gone := must(r.s.SaveSet(r.ctx, r.mei, r.p.ID, "Shop"))(r)
		r.ok(r.s.DeleteSet(r.ctx, r.mei, r.p.ID, gone.UID, gone.ChangedAt))
		moved := must(r.s.SaveSet(r.ctx, r.mei, r.p.ID, "Store"))(r)
		rename(moved.UID, "Elsewhere")

		set := must(r.s.SaveSet(r.ctx, r.mei, r.p.ID, "Shop"))(r)
		r.selects(r.mei, ids(3, 8)...)
		r.ok(r.s.ReplaceSet(r.ctx, jun, r.p.ID, set.UID, set.ChangedAt))
		rename(set.UID, "Store")
		rename(moved.UID, "Shop")
		rename(set.UID, "STORE")

		all := []string{"renamed STORE Jun", "renamed Store Jun", "replaced Shop Jun", "created Shop Mei"}
		got, _ := lines(set.UID, 0, 20)
		r.equal(fmt.Sprint(got), fmt.Sprint(all))
		got, _ = lines(moved.UID, 0, 20)
		r.equal(fmt.Sprint(got), "[renamed Shop Jun renamed Elsewhere Jun created Store Mei]")
		r.equal(r.set(set.UID).ChangedByName, "Jun")

		// By pages of any size it is the same.
		for size := 1; size <= len(all); size++ {
			var pages []string
			for before := int64(0); ; {
				var got []string
				if got, before = lines(set.UID, before, size); len(got) == 0 {
					break
				}
				pages = append(pages, got...)
			}
			r.equal(fmt.Sprint(pages), fmt.Sprint(all))
		}
	})
}

func TestTheHistoryOfASetIsFoundByItsIndex(t *testing.T) {
	s := dbtest.SQLiteClock(t, dbtest.NewClock())
	var query string
	var vars []any
	if err := s.Watch(func(q string, v []any) { query, vars = q, v }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SetEvents(t.Context(), wtp.ServerSet{ProjectID: 1, Name: "Shop"}, 0, 20); err != nil {
		t.Fatal(err)
	}
	asked, args := query, vars
	var plan []struct{ Detail string }
	if err := s.Writer().Raw("EXPLAIN QUERY PLAN "+asked, args...).Scan(&plan).Error; err != nil {
		t.Fatal(err)
	}
	if len(plan) != 1 || !strings.Contains(plan[0].Detail, "USING INDEX events_sets (project_id=? AND subject=? AND seq<?)") {
		t.Fatalf("%v", plan)
	}
}
