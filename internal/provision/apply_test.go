package provision

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/secret"
	"wtp-console/internal/wtp"
)

// setting is one store, key ring and environment that files are applied to.
type setting struct {
	t     *testing.T
	store *db.Store
	ring  *secret.Ring
	env   map[string]string

	keysLost bool
}

func newSetting(t *testing.T, open func() *db.Store) *setting {
	ring, err := secret.LoadRing(filepath.Join(t.TempDir(), "key"), true)
	require.NoError(t, err)
	return &setting{t: t, store: open(), ring: ring, env: map[string]string{"MEI": "a long enough password", "SK": canary}}
}

func (s *setting) apply(text string) error {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "p.yaml")
	require.NoError(s.t, os.WriteFile(path, []byte(text), 0o600))
	f, err := Load(path, func(name string) string { return s.env[name] })
	require.NoError(s.t, err)
	f.KeysLost = s.keysLost
	hash := func(_ context.Context, password string) (string, error) { return "hash of " + password, nil }
	return Apply(s.t.Context(), s.store, s.ring, hash, f)
}

func (s *setting) stored() []wtp.Credential {
	s.t.Helper()
	credentials, err := s.store.Credentials(s.t.Context())
	require.NoError(s.t, err)
	return credentials
}

func (s *setting) events() int64 {
	s.t.Helper()
	events, err := s.store.Events(s.t.Context(), db.EventQuery{Limit: 1})
	require.NoError(s.t, err)
	if len(events) == 0 {
		return 0
	}
	return events[0].Seq
}

const small = `people:
  - {name: Mei, role: admin, password_env: MEI}
credentials:
  - {name: ops, kind: access_key, access_key: AK1, secret_key_env: SK, region: cn-north-4}
projects:
  - {name: web, region: cn-north-4, project_id: p1, credential: ops}
`

func TestApplyCreatesThenLeavesAlone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func() *db.Store) {
		s := newSetting(t, open)
		ctx := t.Context()
		require.NoError(t, s.apply(small))

		u, err := s.store.UserByName(ctx, "mei")
		require.NoError(t, err)
		require.Equal(t, wtp.Admin, u.Role)
		require.Equal(t, "hash of a long enough password", u.PasswordHash)
		credentials, err := s.store.Credentials(ctx)
		require.NoError(t, err)
		require.Len(t, credentials, 1)
		require.NotContains(t, credentials[0].SealedSecret, canary)
		held, err := s.ring.Open(credentials[0].SealContext(), credentials[0].SealedSecret)
		require.NoError(t, err)
		require.Equal(t, canary, held.Reveal())
		p, err := s.store.Project(ctx, "web")
		require.NoError(t, err)
		require.Equal(t, credentials[0].ID, p.CredentialID)
		needs, err := s.store.NeedsSetup(ctx)
		require.NoError(t, err)
		require.False(t, needs)

		before := s.events()
		require.EqualValues(t, 3, before)
		require.NoError(t, s.store.SetPassword(ctx, wtp.Actor{Name: "Mei"}, u.ID, "hash of her own", ""))
		before = s.events()
		require.NoError(t, s.apply(small))
		require.Equal(t, before, s.events(), "applying the same file again changes nothing")
		u, err = s.store.UserByName(ctx, "mei")
		require.NoError(t, err)
		require.Equal(t, "hash of her own", u.PasswordHash, "who exists keeps their password")
		again, err := s.store.Credentials(ctx)
		require.NoError(t, err)
		require.Equal(t, credentials, again)
	})
}

func TestApplyUpdates(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func() *db.Store) {
		s := newSetting(t, open)
		ctx := t.Context()
		require.NoError(t, s.apply(small))
		s.env["SK"] = "another secret"
		changed := strings.NewReplacer("AK1", "AK2", "project_id: p1", "project_id: p2").Replace(small)
		require.NoError(t, s.apply(changed))

		credentials, err := s.store.Credentials(ctx)
		require.NoError(t, err)
		require.Len(t, credentials, 1)
		require.Equal(t, "AK2", credentials[0].AccessKey)
		require.True(t, s.ring.Holds(credentials[0].SealContext(), credentials[0].SealedSecret, secret.New("another secret")))
		p, err := s.store.Project(ctx, "web")
		require.NoError(t, err)
		require.Equal(t, "p2", p.HSSProjectID)
	})
}

func TestApplyAllOrNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func() *db.Store) {
		s := newSetting(t, open)
		ctx := t.Context()
		err := s.apply(small + "  - {name: lost, region: cn-north-4, project_id: p9, credential: nobody}\n")
		var faults Faults
		require.ErrorAs(t, err, &faults)
		require.Len(t, faults, 1)
		require.Equal(t, 7, faults[0].Line)
		require.Equal(t, "projects[2].credential", faults[0].Field)
		require.Contains(t, faults[0].Says, "There is no credential nobody.")
		require.Zero(t, s.events())
		for _, left := range []func() (int, error){
			func() (int, error) { l, err := s.store.Users(ctx); return len(l), err },
			func() (int, error) { l, err := s.store.Credentials(ctx); return len(l), err },
			func() (int, error) { l, err := s.store.Projects(ctx); return len(l), err },
		} {
			n, err := left()
			require.NoError(t, err)
			require.Zero(t, n)
		}
	})
}

func TestApplyKeepsAnAdmin(t *testing.T) {
	s := newSetting(t, func() *db.Store { return dbtest.SQLite(t) })
	require.NoError(t, s.apply(small))
	err := s.apply(strings.Replace(small, "role: admin", "role: viewer", 1))
	var faults Faults
	require.ErrorAs(t, err, &faults)
	require.Equal(t, 2, faults[0].Line)
	require.Contains(t, faults[0].Says, "last active admin")
	// One admin can follow another in the same file.
	s.env["LI"] = "another long password"
	require.NoError(t, s.apply(strings.Replace(strings.Replace(small, "role: admin", "role: viewer", 1), "credentials:", "  - {name: Li, role: admin, password_env: LI}\ncredentials:", 1)))
}

func TestApplyNamesTheLineOfADuplicate(t *testing.T) {
	s := newSetting(t, func() *db.Store { return dbtest.SQLite(t) })
	require.NoError(t, s.apply(small))
	err := s.apply(strings.Replace(small, "{name: web,", "{name: web again,", 1))
	var faults Faults
	require.ErrorAs(t, err, &faults)
	require.Equal(t, "projects[1].project_id", faults[0].Field)
	require.Equal(t, 6, faults[0].Line)
}

func TestApplyByTwoAtOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func() *db.Store) {
		s := newSetting(t, open)
		results := make(chan error, 2)
		for range 2 {
			go func() { results <- s.apply(small) }()
		}
		require.NoError(t, errors.Join(<-results, <-results))
		require.EqualValues(t, 3, s.events())
	})
}

// With another key file the stored secret is not taken from those who can open it.
func TestApplyWithOtherKeys(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func() *db.Store) {
		s := newSetting(t, open)
		require.NoError(t, s.apply(small))
		before, events := s.stored(), s.events()

		right := s.ring
		other, err := secret.LoadRing(filepath.Join(t.TempDir(), "other"), true)
		require.NoError(t, err)
		s.ring = other
		err = s.apply(strings.Replace(small, "{name: web,", "{name: another,", 1))
		var faults Faults
		require.ErrorAs(t, err, &faults)
		require.Len(t, faults, 1)
		require.Equal(t, 4, faults[0].Line)
		require.Equal(t, "credentials[1]", faults[0].Field)
		require.Contains(t, faults[0].Says, right.PrimaryID())
		require.Contains(t, faults[0].Says, "--lost-keys")
		require.NotContains(t, err.Error(), canary)
		require.Equal(t, before, s.stored())
		require.Equal(t, events, s.events())

		s.keysLost = true
		require.NoError(t, s.apply(small))
		now := s.stored()[0]
		require.True(t, other.Holds(now.SealContext(), now.SealedSecret, secret.New(canary)))
	})
}
