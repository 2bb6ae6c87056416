package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"wtp-console/internal/db/dbtest"
	"wtp-console/internal/secret"
)

const twoCredentials = `people:
  - {name: Mei, role: admin, password_file: password}
credentials:
  - {name: ops, kind: access_key, access_key: AK1, secret_key_file: sk, region: cn-north-4}
  - {name: hk, kind: access_key, access_key: AK2, secret_key_file: sk, region: ap-southeast-1}
`

// site is a database, and what starts a console on it with one key file or another.
type site struct {
	t    *testing.T
	conf Config
	dir  string // what provisioning reads
}

// eachSite runs a test on both databases.
func eachSite(t *testing.T, test func(t *testing.T, s site)) {
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			s := site{t: t, dir: t.TempDir(), conf: Config{DataDir: t.TempDir(), ReadEvery: time.Minute, LogLevel: "error", LogFormat: "json"}}
			if kind == "postgres" {
				s.conf.DatabaseURL = dbtest.Config(t, kind).URL
			}
			s.write("sk", "the-secret-key")
			s.write("password", "a long enough password")
			test(t, s)
		})
	}
}

func (s site) write(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	require.NoError(s.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// start does what `web serve` does before it listens, and ends. log is what it said.
func (s site) start(keyFile, provision string, lostKeys bool) (log string, err error) {
	s.t.Helper()
	conf := s.conf
	conf.KeyFile = keyFile
	if provision != "" {
		conf.ProvisionFile = s.write("p.yaml", provision)
	}
	require.NoError(s.t, conf.prepare())
	var said bytes.Buffer
	a, err := start(s.t.Context(), &conf, slog.New(slog.NewJSONHandler(&said, nil)), lostKeys)
	if err != nil {
		require.Nil(s.t, a)
		return said.String(), err
	}
	return said.String(), a.store.Close()
}

// check is `web key check`.
func (s site) check(keyFile string) error {
	conf := s.conf
	conf.KeyFile = keyFile
	return (&KeyCheckCmd{conf}).Run(context.WithoutCancel(s.t.Context()))
}

func (s site) keys(name string) string { return filepath.Join(s.dir, name) }

func TestNoNewKeysForStoredSecrets(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		for range 2 { // a first start makes the key file, another one uses it
			log, err := s.start(s.keys("k"), twoCredentials, false)
			require.NoError(t, err)
			require.NotContains(t, log, "ERROR")
		}
		for _, provision := range []string{"", twoCredentials} {
			_, err := s.start(s.keys("typo"), provision, false)
			require.Error(t, err)
			for _, says := range []string{s.keys("typo"), "there is no such file", `(2): "hk", "ops"`, "--key-file", "WTP_CONSOLE_KEY_FILE", "--lost-keys"} {
				require.ErrorContains(t, err, says)
			}
			_, err = os.Stat(s.keys("typo"))
			require.ErrorIs(t, err, os.ErrNotExist)
			require.NoError(t, s.check(s.keys("k")))
		}
	})
}

func TestKeysOfAnotherDatabase(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		_, err := s.start(s.keys("k"), twoCredentials, false)
		require.NoError(t, err)
		_, err = secret.LoadRing(s.keys("other"), true)
		require.NoError(t, err)
		for _, provision := range []string{"", twoCredentials} {
			_, err := s.start(s.keys("other"), provision, false)
			for _, says := range []string{s.keys("other"), "opens none of the stored secrets", `(2): "hk", "ops"`, "--key-file", "--lost-keys"} {
				require.ErrorContains(t, err, says)
			}
			require.NoError(t, s.check(s.keys("k")))
		}
	})
}

func TestLostKeys(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		_, err := s.start(s.keys("k"), twoCredentials, false)
		require.NoError(t, err)

		log, err := s.start(s.keys("new"), "", true)
		require.NoError(t, err)
		require.Contains(t, log, `"level":"ERROR"`)
		require.Contains(t, log, `"credentials":["hk","ops"]`)
		require.NoError(t, s.check(s.keys("k")), "nothing was sealed anew yet")
		_, err = s.start(s.keys("new"), "", false)
		require.ErrorContains(t, err, "opens none of the stored secrets")

		// One secret is entered again: the console starts, and says what is left.
		one := strings.Join(strings.SplitAfter(twoCredentials, "\n")[:4], "")
		_, err = s.start(s.keys("new"), one, true)
		require.NoError(t, err)
		log, err = s.start(s.keys("new"), one, false)
		require.NoError(t, err)
		require.Contains(t, log, `"level":"ERROR"`)
		require.Contains(t, log, `"not_opened":1,"stored":2,"credentials":["hk"]`)

		// The file names it, too: not a reason to seal it anew either.
		_, err = s.start(s.keys("new"), twoCredentials, false)
		require.ErrorContains(t, err, "p.yaml:5: credentials[2]: ")
		require.ErrorContains(t, err, "--lost-keys")

		_, err = s.start(s.keys("new"), twoCredentials, true)
		require.NoError(t, err)
		log, err = s.start(s.keys("new"), twoCredentials, false)
		require.NoError(t, err)
		require.NotContains(t, log, "ERROR")
		require.NoError(t, s.check(s.keys("new")))
	})
}

// Keys that were rotated are other keys; a copy of the file from before opens nothing.
func TestKeysRotated(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		_, err := s.start(s.keys("k"), twoCredentials, false)
		require.NoError(t, err)
		before, err := os.ReadFile(s.keys("k"))
		require.NoError(t, err)
		s.write("copy", string(before))
		conf := s.conf
		conf.KeyFile = s.keys("k")
		require.NoError(t, (&KeyRotateCmd{conf}).Run(t.Context()))

		log, err := s.start(s.keys("k"), twoCredentials, false)
		require.NoError(t, err)
		require.NotContains(t, log, "ERROR")
		_, err = s.start(s.keys("copy"), twoCredentials, false)
		require.ErrorContains(t, err, "opens none of the stored secrets")
		require.NoError(t, s.check(s.keys("k")))
	})
}
