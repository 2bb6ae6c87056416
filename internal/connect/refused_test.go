package connect

import (
	"testing"
	"time"

	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/hss"
	"wtp-console/internal/hss/hsstest"
	"wtp-console/internal/secret"
	"wtp-console/internal/wtp"
)

// TestRefusedSignInIsNotRepeatedUnasked: failures in a row lock the key or the user,
// for everybody else who uses it too.
func TestRefusedSignInIsNotRepeatedUnasked(t *testing.T) {
	for _, kind := range []wtp.CredentialKind{wtp.AccessKey, wtp.IAMPassword} {
		t.Run(string(kind), func(t *testing.T) {
			clock := dbtest.NewClock()
			g := newRig(t, clock, dbtest.SQLiteClock(t, clock), hsstest.Config{})
			wrong := g.keyPair()
			if kind == wtp.IAMPassword {
				wrong = g.user()
			}
			right := wrong.Secret
			wrong.Secret = "wrong-secret"
			cred, p := g.store(wrong)
			// attempts are the requests that a reading makes.
			attempts := func(asked bool) int {
				t.Helper()
				before := len(g.sim.Requests())
				r, err := g.Reading(t.Context(), p, asked)
				if err == nil {
					_, _, err = r.Page(t.Context(), 0)
				}
				if up := Upstream(err); up != nil && up.Class != string(hss.ClassNotSignedIn) {
					t.Fatalf("%s: %v", up.Class, err)
				}
				return len(g.sim.Requests()) - before
			}
			if n := attempts(false); n != 1 {
				t.Fatalf("the first reading made %d requests", n)
			}
			for range 60 {
				clock.Advance(6 * time.Minute)
				if n := attempts(false); n != 0 {
					t.Fatalf("a reading that nobody asked for made %d requests", n)
				}
			}
			if n := attempts(true); n != 1 {
				t.Errorf("a reading that somebody asked for made %d requests", n)
			}
			clock.Advance(25 * time.Hour)
			if n := attempts(false); n != 1 {
				t.Errorf("%d requests a day later", n)
			}
			sealed, err := g.Ring.Seal(cred.SealContext(), secret.New(right))
			if err != nil {
				t.Fatal(err)
			}
			clock.Advance(time.Minute)
			cred.SealedSecret = sealed
			if _, err := g.Store.ChangeCredential(t.Context(), wtp.Actor{Name: "test"}, cred); err != nil {
				t.Fatal(err)
			}
			if n := attempts(false); n == 0 {
				t.Error("the new secret isn't tried")
			}
			if n := attempts(false); n == 0 {
				t.Error("nothing is read though the secret is right")
			}
		})
	}
}
