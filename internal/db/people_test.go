package db_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/wtp"
)

func TestSetupHasOneWinner(t *testing.T) {
	dbtest.EachClock(t, func(t *testing.T, clock *dbtest.Clock, open func() *db.Store) {
		r := &rig{T: t, s: open(), ctx: t.Context(), clock: clock}
		who := wtp.Actor{IP: "192.0.2.1"}
		u := wtp.User{Name: "Mei", NameKey: "mei", PasswordHash: "h", Role: wtp.Viewer}
		r.equal(must(r.s.NeedsSetup(r.ctx))(r), true)
		_, err := r.s.CreateFirstAdmin(r.ctx, who, "", u) // no code was made
		r.is(err, wtp.ErrForbidden)
		r.ok(r.s.SetSetupCode(r.ctx, "old", r.s.Now().Add(time.Hour)))
		r.ok(r.s.SetSetupCode(r.ctx, "hash", r.s.Now().Add(time.Hour)))
		for _, code := range []string{"", "old", "hash2"} {
			_, err := r.s.CreateFirstAdmin(r.ctx, who, code, u)
			r.is(err, wtp.ErrForbidden)
		}
		clock.Advance(time.Hour)
		_, err = r.s.CreateFirstAdmin(r.ctx, who, "hash", u)
		r.is(err, wtp.ErrForbidden) // expired
		r.ok(r.s.SetSetupCode(r.ctx, "hash", r.s.Now().Add(time.Hour)))

		var wg sync.WaitGroup
		errs := make([]error, 5)
		for i := range errs {
			wg.Go(func() {
				x := u
				x.Name, x.NameKey = x.Name+string(rune('a'+i)), x.NameKey+string(rune('a'+i))
				_, errs[i] = r.s.CreateFirstAdmin(r.ctx, who, "hash", x)
			})
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				r.is(err, wtp.ErrNotFound)
			}
		}
		users := must(r.s.Users(r.ctx))(r)
		r.equal([]any{won, len(users), users[0].Role}, []any{1, 1, wtp.Admin})
		r.equal(must(r.s.NeedsSetup(r.ctx))(r), false)
		for _, key := range []string{"setup.code_hash", "setup.code_expires"} {
			r.equal(must(r.s.Setting(r.ctx, key))(r), "")
		}
		r.equal(len(r.events("setup.done")), 1)
	})
}

func TestUsers(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		li := must(r.s.CreateUser(r.ctx, r.mei, wtp.User{ID: 77, Name: "Li", NameKey: "li", PasswordHash: "h1", Role: wtp.Operator}))(r)
		var bad wtp.Invalid
		_, err := r.s.CreateUser(r.ctx, r.mei, wtp.User{Name: "LI", NameKey: "li", Role: wtp.Viewer})
		if !errors.As(err, &bad) || bad[0].Field != "name" {
			r.Error(err)
		}
		_, err = r.s.CreateUser(r.ctx, r.mei, wtp.User{Name: "X", NameKey: "x", Role: "root"})
		if err == nil {
			r.Error("an unknown role was stored")
		}
		r.equal(must(r.s.UserByName(r.ctx, "li"))(r), li)
		_, err = r.s.UserByName(r.ctx, "nobody\x00")
		r.is(err, wtp.ErrNotFound)
		r.ok(r.s.RehashPassword(r.ctx, li.ID, "h2"))
		r.ok(r.s.SetLanguage(r.ctx, li.ID, "zh-CN"))
		li = must(r.s.User(r.ctx, li.ID))(r)
		r.equal([]any{li.PasswordHash, li.Language}, []any{"h2", "zh-CN"})
		r.is(r.s.SetLanguage(r.ctx, 99, "en"), wtp.ErrNotFound)
		got := must(r.s.ChangeUser(r.ctx, r.mei, li.ID, wtp.Viewer, true))(r)
		r.equal([]any{got.Role, got.DisabledAt}, []any{wtp.Viewer, r.s.Now()})
		r.equal(must(r.s.User(r.ctx, li.ID))(r), got)
		_, err = r.s.ChangeUser(r.ctx, r.mei, 99, wtp.Viewer, false)
		r.is(err, wtp.ErrNotFound)
	})
}

func TestOneAdminAlwaysStays(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		for _, try := range []struct {
			role wtp.Role
			off  bool
		}{{wtp.Admin, true}, {wtp.Operator, false}, {wtp.Viewer, true}} {
			_, err := r.s.ChangeUser(r.ctx, r.mei, r.mei.UserID, try.role, try.off)
			r.is(err, wtp.ErrConflict)
		}
		admins := []int64{r.mei.UserID}
		for _, name := range []string{"a", "b", "c"} {
			admins = append(admins, must(r.s.CreateUser(r.ctx, r.mei, wtp.User{Name: name, NameKey: name, Role: wtp.Admin}))(r).ID)
		}
		var wg sync.WaitGroup
		for i, id := range admins {
			wg.Go(func() {
				role := wtp.Admin
				if i%2 == 0 {
					role = wtp.Viewer
				}
				if _, err := r.s.ChangeUser(r.ctx, r.mei, id, role, i%2 == 1); err != nil && !errors.Is(err, wtp.ErrConflict) {
					r.Error(err)
				}
			})
		}
		wg.Wait()
		left := 0
		for _, u := range must(r.s.Users(r.ctx))(r) {
			if u.Role == wtp.Admin && u.DisabledAt == 0 {
				left++
			}
		}
		r.equal(left, 1)
	})
}

func TestSessions(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		li := must(r.s.CreateUser(r.ctx, r.mei, wtp.User{Name: "Li", NameKey: "li", Role: wtp.Operator}))(r)
		me := wtp.Actor{UserID: li.ID, Name: "Li"}
		end := r.s.Now().Add(12 * time.Hour)
		sign := func(hash string) {
			r.Helper()
			r.ok(r.s.CreateSession(r.ctx, me, wtp.Session{TokenHash: hash, UserID: li.ID, ExpiresAt: end, IP: "192.0.2.1", UserAgent: "bad\xff\x00 agent"}))
		}
		live := func(hash string) bool {
			r.Helper()
			_, u, err := r.s.Session(r.ctx, hash)
			if err != nil {
				r.is(err, wtp.ErrNotFound)
				return false
			}
			r.equal(u.ID, li.ID)
			return true
		}
		sign("s1")
		sign("s2")
		sign("s3")
		sess, u, err := r.s.Session(r.ctx, "s1")
		r.ok(err)
		r.equal([]any{sess.CreatedAt, sess.LastSeenAt, sess.ExpiresAt, sess.UserAgent, u.LastSignInAt}, []any{r.s.Now(), r.s.Now(), end, "bad\uFFFD\uFFFD agent", r.s.Now()})
		r.equal([]any{live("s2"), live("no such"), len(must(r.s.Sessions(r.ctx, li.ID))(r))}, []any{true, false, 3})

		r.clock.Advance(59 * time.Second)
		r.ok(r.s.TouchSession(r.ctx, "s1")) // not yet a minute
		sess, _, _ = r.s.Session(r.ctx, "s1")
		r.equal(sess.LastSeenAt, sess.CreatedAt)
		r.clock.Advance(time.Second)
		r.ok(r.s.TouchSession(r.ctx, "s1"))
		sess, _, _ = r.s.Session(r.ctx, "s1")
		r.equal(sess.LastSeenAt, r.s.Now())

		r.ok(r.s.EndSession(r.ctx, me, "s2"))
		r.is(r.s.EndSession(r.ctx, me, "s2"), wtp.ErrNotFound)
		r.equal([]any{live("s1"), live("s2")}, []any{true, false})
		r.equal([]any{must(r.s.WasSession(r.ctx, "s1"))(r), must(r.s.WasSession(r.ctx, "s2"))(r), must(r.s.WasSession(r.ctx, "no such"))(r)}, []any{true, true, false})
		r.ok(r.s.EndSession(r.ctx, r.mei, "s3"))
		r.equal([]any{len(r.events("user.signed_out")), len(r.events("session.ended")), r.events("session.ended")[0].Subject}, []any{1, 1, "Li"})

		sign("s4")
		r.ok(r.s.SetPassword(r.ctx, me, li.ID, "new", "s4"))
		r.equal([]any{live("s1"), live("s4")}, []any{false, true})
		sign("s5")
		r.ok(r.s.EndSessions(r.ctx, me, li.ID, "s5"))
		r.equal([]any{live("s4"), live("s5")}, []any{false, true})

		// More rights keep the sessions, fewer end them.
		must(r.s.ChangeUser(r.ctx, r.mei, li.ID, wtp.Admin, false))(r)
		r.equal(live("s5"), true)
		must(r.s.ChangeUser(r.ctx, r.mei, li.ID, wtp.Operator, false))(r)
		r.equal(live("s5"), false)
		sign("s6")
		must(r.s.ChangeUser(r.ctx, r.mei, li.ID, wtp.Operator, true))(r)
		r.equal(live("s6"), false)
		r.is(r.s.CreateSession(r.ctx, me, wtp.Session{TokenHash: "s7", UserID: li.ID, ExpiresAt: end}), wtp.ErrConflict)
		must(r.s.ChangeUser(r.ctx, r.mei, li.ID, wtp.Operator, false))(r)
		r.equal(live("s6"), false) // being enabled again doesn't bring them back
		sign("s8")
		r.clock.Advance(12 * time.Hour)
		r.equal(live("s8"), false) // expired
		r.clock.Advance(31 * 24 * time.Hour)
		r.ok(r.s.Tidy(r.ctx))
		r.equal(len(must(r.s.Sessions(r.ctx, li.ID))(r)), 0)
	})
}

func TestSignInFailures(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		who := wtp.Actor{Name: "mei", IP: "192.0.2.9"}
		since := r.s.Now()
		for range 3 {
			r.ok(r.s.NoteSignInFailure(r.ctx, who, "user:mei", "ip:192.0.2.9"))
			r.clock.Advance(time.Minute)
		}
		n := func(key string, since wtp.Instant) int64 { return must(r.s.SignInFailures(r.ctx, key, since))(r) }
		r.equal([]any{n("user:mei", since), n("user:mei", since.Add(time.Minute)), n("ip:192.0.2.9", since), n("user:li", since)}, []any{3, 2, 3, 0})
		r.ok(r.s.ClearSignInFailures(r.ctx, "user:mei"))
		r.equal([]any{n("user:mei", since), n("ip:192.0.2.9", since)}, []any{0, 3})
		es := r.events("user.sign_in_failed")
		r.equal([]any{len(es), es[0].Actor, es[0].IP}, []any{3, "mei", "192.0.2.9"})
	})
}

func TestSettings(t *testing.T) {
	eachRig(t, func(r *rig, _ func() *db.Store) {
		r.equal(must(r.s.Setting(r.ctx, "calls_per_minute"))(r), "")
		r.ok(r.s.SetSetting(r.ctx, r.mei, "calls_per_minute", "5"))
		r.ok(r.s.SetSetting(r.ctx, r.mei, "calls_per_minute", "5")) // no second event
		r.ok(r.s.SetSetting(r.ctx, r.mei, "calls_per_minute", "10"))
		r.equal(must(r.s.Setting(r.ctx, "calls_per_minute"))(r), "10")
		es := r.events("setting.changed")
		r.equal([]any{len(es), es[1].Detail}, []any{2, `{"after":"10","before":"5"}`})
		if err := r.s.SetSetting(r.ctx, r.mei, "setup.code_hash", "mine"); err == nil {
			r.Error("the set-up code can be set as a setting")
		}
	})
}
