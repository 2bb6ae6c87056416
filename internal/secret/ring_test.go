package secret

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRingIsCreatedOnceWithNarrowMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	_, err := LoadRing(path, false)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, path)

	rings := make([]*Ring, 8)
	var group sync.WaitGroup
	for i := range rings {
		group.Go(func() { rings[i], _ = LoadRing(path, true) })
	}
	group.Wait()
	for _, ring := range rings {
		require.NotNil(t, ring)
		require.Equal(t, rings[0].KeyIDs(), ring.KeyIDs(), "all must hold the one key that was stored")
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	requireNoLeftovers(t, path)
}

func TestModesOpenToOthersAreRefused(t *testing.T) {
	_, path := newRing(t)
	for _, mode := range []fs.FileMode{0o644, 0o640, 0o660, 0o604, 0o601, 0o777, 0o700} {
		require.NoError(t, os.Chmod(path, mode))
		for _, try := range []func() (*Ring, error){
			func() (*Ring, error) { return LoadRing(path, true) },
			func() (*Ring, error) { return Rotate(path) },
		} {
			_, err := try()
			require.ErrorContains(t, err, fmt.Sprintf("its mode is %04o", mode))
			require.ErrorContains(t, err, "chmod 600 "+path)
		}
	}
	require.NoError(t, os.Chmod(path, 0o400))
	_, err := LoadRing(path, false)
	require.NoError(t, err, "a read-only key file is narrower than asked")
	_, err = LoadRing(filepath.Dir(path), true)
	require.ErrorContains(t, err, "regular file")
}

func TestDamagedFilesAreRefusedAndKept(t *testing.T) {
	ring, path := newRing(t)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	text := string(whole)
	at := strings.Index(text, `"key": "`) + len(`"key": "`)
	flipped := "A"
	if text[at] == 'A' {
		flipped = "B"
	}
	cases := map[string]string{
		text[:at] + flipped + text[at+1:]:                                     "is damaged",
		strings.ReplaceAll(text, ring.PrimaryID(), "00000000"):                "is damaged",
		strings.Replace(text, `"version": 1`, `"version": 2, "cipher": 1`, 1): "its version is 2",
		strings.Replace(text, `"version": 1`, `"version": 1, "extra": 1`, 1):  "doesn't belong",
		`{"version": 1, "keys": []}`:                                          "no key",
		`{}`:                                                                  "its version is 0",
		"not a key file":                                                      "cut short",
	}
	for cut := range len(strings.TrimSpace(text)) {
		cases[text[:cut]] = "cut short"
	}
	for content, want := range cases {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := LoadRing(path, true)
		require.ErrorContains(t, err, want, "%.60q", content)
		require.ErrorContains(t, err, path)
		kept, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, content, string(kept), "a refused file is left alone")
	}
}

func TestRotationKeepsOldKeysUntilTheyAreDropped(t *testing.T) {
	old, path := newRing(t)
	sealed, err := old.Seal("a.b.1", New(canary))
	require.NoError(t, err)

	rotated, err := Rotate(path)
	require.NoError(t, err)
	require.NotEqual(t, old.PrimaryID(), rotated.PrimaryID())
	require.Equal(t, []string{rotated.PrimaryID(), old.PrimaryID()}, rotated.KeyIDs())
	opened, err := rotated.Open("a.b.1", sealed)
	require.NoError(t, err)
	require.Equal(t, canary, opened.Reveal())
	again, err := rotated.Seal("a.b.1", opened)
	require.NoError(t, err)

	_, err = Drop(path, rotated.PrimaryID())
	require.ErrorContains(t, err, "primary")
	_, err = Drop(path, old.PrimaryID(), "ffffffff")
	require.ErrorContains(t, err, "ffffffff")
	reloaded, err := LoadRing(path, false)
	require.NoError(t, err)
	require.Len(t, reloaded.KeyIDs(), 2, "a refused drop changes nothing")

	dropped, err := Drop(path, old.PrimaryID())
	require.NoError(t, err)
	require.Equal(t, []string{rotated.PrimaryID()}, dropped.KeyIDs())
	_, err = dropped.Open("a.b.1", sealed)
	require.ErrorIs(t, err, ErrMissingKey)
	opened, err = dropped.Open("a.b.1", again)
	require.NoError(t, err)
	require.Equal(t, canary, opened.Reveal())

	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	requireNoLeftovers(t, path)
}

func TestParallelRotationsLoseNoKey(t *testing.T) {
	_, path := newRing(t)
	primaries := make([]string, 8)
	var group sync.WaitGroup
	for i := range primaries {
		group.Go(func() {
			if ring, err := Rotate(path); err == nil {
				primaries[i] = ring.PrimaryID()
			}
		})
	}
	group.Wait()
	ring, err := LoadRing(path, false)
	require.NoError(t, err)
	require.Len(t, ring.KeyIDs(), 9)
	for _, id := range primaries {
		require.Contains(t, ring.KeyIDs(), id)
	}
}

func TestLinkedKeyFileStaysALink(t *testing.T) {
	_, path := newRing(t)
	link := filepath.Join(t.TempDir(), "link.json")
	require.NoError(t, os.Symlink(path, link))
	rotated, err := Rotate(link)
	require.NoError(t, err)
	behind, err := LoadRing(path, false)
	require.NoError(t, err)
	require.Equal(t, rotated.KeyIDs(), behind.KeyIDs())
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&fs.ModeSymlink)
}

func requireNoLeftovers(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1)
}
