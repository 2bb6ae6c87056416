package db_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/wtp"
)

// rig is a store with a person, a credential and a project in it. Every
// operation through it is followed by db's Check.
type rig struct {
	*testing.T
	s     *db.Store
	ctx   context.Context
	clock *dbtest.Clock
	mei   wtp.Actor
	key   wtp.Credential
	p     wtp.Project
}

func eachRig(t *testing.T, test func(r *rig, open func() *db.Store)) {
	t.Helper()
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		r := &rig{T: t, s: open(), ctx: context.Background(), clock: clock}
		u := must(r.s.CreateUser(r.ctx, wtp.Actor{Name: "console"}, wtp.User{Name: "Mei", NameKey: "mei", Role: wtp.Admin}))(r)
		r.mei = wtp.Actor{UserID: u.ID, Name: "Mei", Role: wtp.Admin, IP: "192.0.2.7", UserAgent: "Browser", RequestID: "req-1"}
		r.key = must(r.s.CreateCredential(r.ctx, r.mei, wtp.Credential{UID: "c1", Name: "main", Kind: wtp.AccessKey, AccessKey: "AK", Region: "cn-north-4", SealedSecret: "v1.k.abc"}))(r)
		r.p = r.project("Shop")
		test(r, open)
		r.check()
	})
}

func (r *rig) project(name string) wtp.Project {
	return must(r.s.CreateProject(r.ctx, r.mei, wtp.Project{Name: name, Region: "cn-north-4", HSSProjectID: "hss-" + name, CredentialID: r.key.ID}))(r)
}

// must fails the test on an error.
func must[T any](v T, err error) func(r *rig) T {
	return func(r *rig) T {
		r.Helper()
		r.ok(err)
		return v
	}
}

func (r *rig) ok(err error) {
	r.Helper()
	if err != nil {
		r.Fatalf("unexpected error: %v", err)
	}
	r.check()
}

func (r *rig) check() {
	r.Helper()
	if r.s == nil {
		return
	}
	if err := r.s.Check(r.ctx); err != nil {
		r.Fatalf("what is kept twice differs:\n%v", err)
	}
}

func (r *rig) is(err, want error) {
	r.Helper()
	if !errors.Is(err, want) {
		r.Fatalf("the error is %v, not %v", err, want)
	}
	r.check()
}

func (r *rig) equal(got, want any) {
	r.Helper()
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		r.Fatalf("got  %+v\nwant %+v", got, want)
	}
}

// fleet is n plain servers (protected Linux, dynamic WTP off), each changed by
// edit, which may be nil.
func fleet(n int, edit func(i int, s *wtp.Server)) []wtp.Server {
	out := make([]wtp.Server, n)
	for i := range out {
		out[i] = wtp.Server{
			HostID: fmt.Sprintf("h-%05d", i+1), Name: fmt.Sprintf("Web-%05d", i+1), PrivateIP: fmt.Sprintf("10.0.%d.%d", i/250, i%250), GroupName: "shop",
			OS: "linux", OSName: "Debian", AssetValue: "common", HostStatus: "active", AgentStatus: "online", ProtectStatus: "opened", Dynamic: wtp.Closed,
		}
		if edit != nil {
			edit(i, &out[i])
		}
	}
	return out
}

// read saves an inventory as if HSS had been read now, a second after whatever
// happened before.
func (r *rig) read(p wtp.Project, servers []wtp.Server, backups ...wtp.BackupServer) db.SaveResult {
	r.Helper()
	r.clock.Advance(time.Second)
	r.ok(r.s.WantRead(r.ctx, p.ID))
	for {
		got, ok, err := r.s.ClaimRead(r.ctx, "reader", time.Hour)
		r.ok(err)
		if !ok {
			r.Fatal("no project to read")
		}
		if got.ID != p.ID {
			r.ok(r.s.FailRead(r.ctx, got.ID, "reader", "not now"))
			continue
		}
		res, err := r.s.SaveInventory(r.ctx, p.ID, "reader", r.s.Now(), servers, backups)
		r.ok(err)
		r.clock.Advance(time.Second)
		return res
	}
}

func (r *rig) plan(d wtp.Direction, ids ...string) wtp.Change {
	r.Helper()
	return must(r.s.PlanDynamicWTP(r.ctx, r.mei, r.p.ID, d, db.PlanSource{HostIDs: ids}, time.Hour))(r)
}

func (r *rig) confirm(c wtp.Change) wtp.Change {
	r.Helper()
	return must(r.s.Confirm(r.ctx, r.mei, c.ProjectID, c.UID, db.Confirmation{Reason: "because", Ticket: "T-1", Back: wtp.BackOn{Never: true}}))(r)
}

func (r *rig) claim(owner string) wtp.Change {
	r.Helper()
	c, ok, err := r.s.ClaimChange(r.ctx, owner)
	r.ok(err)
	if !ok {
		r.Fatal("no change to claim")
	}
	return c
}

func (r *rig) next(c wtp.Change, owner string) (wtp.Batch, []wtp.Target) {
	r.Helper()
	b, ts, ok, until, err := r.s.NextBatch(r.ctx, c.ID, owner)
	r.ok(err)
	if !ok {
		r.Fatalf("no batch is due (until %d)", until)
	}
	return b, ts
}

func (r *rig) begin(b wtp.Batch, owner string) wtp.Call {
	r.Helper()
	return must(r.s.BeginCall(r.ctx, owner, b, wtp.Call{Operation: "SetRaspSwitch", Method: "POST", Path: "/v5/x"}))(r)
}

// send sends the next batch and ends the call with a verdict.
func (r *rig) send(c wtp.Change, owner string, v db.Verdict) wtp.Batch {
	r.Helper()
	b, _ := r.next(c, owner)
	call := r.begin(b, owner)
	call.Class, call.Status = "ok", 200
	r.ok(r.s.EndCall(r.ctx, owner, call, v))
	return b
}

func (r *rig) counts(c wtp.Change) db.Counts {
	r.Helper()
	return must(r.s.ChangeCounts(r.ctx, c.ID))(r)
}

// wantCounts holds the counters to outcomes given as pairs.
func (r *rig) wantCounts(c wtp.Change, want map[wtp.Outcome]int64) {
	r.Helper()
	got := r.counts(c).Outcome
	for o, n := range got {
		if n != want[o] {
			r.Fatalf("outcomes are %v, not %v", got, want)
		}
	}
	for o, n := range want {
		if n != got[o] {
			r.Fatalf("outcomes are %v, not %v", got, want)
		}
	}
}

func ids(from, to int) []string {
	var out []string
	for i := from; i <= to; i++ {
		out = append(out, fmt.Sprintf("h-%05d", i))
	}
	return out
}

func (r *rig) state(c wtp.Change) wtp.ChangeState {
	r.Helper()
	return must(r.s.ChangeByID(r.ctx, c.ID))(r).State
}

func (r *rig) batches(c wtp.Change) []wtp.Batch {
	r.Helper()
	return must(r.s.Batches(r.ctx, c.ID, 0, 1000))(r)
}

func (r *rig) events(verb string) []wtp.Event {
	r.Helper()
	var out []wtp.Event
	r.ok(r.s.ExportEvents(r.ctx, func(e wtp.Event) error {
		if e.Verb == verb {
			out = append(out, e)
		}
		return nil
	}))
	return out
}
