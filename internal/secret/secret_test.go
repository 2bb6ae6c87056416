package secret

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const canary = "c4nary-Secret"

func newRing(t testing.TB) (*Ring, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	ring, err := LoadRing(path, true)
	require.NoError(t, err)
	return ring, path
}

func TestValueIsRedactedEverywhere(t *testing.T) {
	v := New(canary)
	type exported struct{ V Value }
	type unexported struct {
		v  Value
		vs []Value
		m  map[string]Value
	}
	holder := unexported{v: v, vs: []Value{v}, m: map[string]Value{"sk": v}}
	var out strings.Builder
	for _, verb := range []string{"v", "+v", "#v", "s", "q", "x", "X", "d", "t", "c", "U", "e", "f", "g", "o", "O", "b", "p", "T", "w"} {
		format := "%" + verb + "\n"
		require.NotContains(t, fmt.Sprintf(format, v), canary, verb)
		if verb != "T" && verb != "p" && verb != "w" {
			require.Equal(t, Redacted+"\n", fmt.Sprintf(format, v), verb)
		}
		fmt.Fprintf(&out, format, &v)
		fmt.Fprintf(&out, format, exported{v})
		fmt.Fprintf(&out, format, &exported{v})
		fmt.Fprintf(&out, format, holder)
		fmt.Fprintf(&out, format, []any{v, &holder})
	}
	fmt.Fprintln(&out, v, fmt.Errorf("failed: %v %s", v, v))
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(handler).Info("m", "v", v, "p", &v, "e", exported{v}, "any", []Value{v}, "h", holder)
	}
	for _, marshal := range []func(any) ([]byte, error){json.Marshal, xml.Marshal} {
		b, err := marshal(exported{v})
		require.NoError(t, err)
		require.Contains(t, string(b), Redacted)
		out.Write(b)
	}
	text := out.String()
	require.NotContains(t, text, canary)
	require.NotContains(t, strings.ToLower(text), fmt.Sprintf("%x", canary))

	_, err := v.Value()
	require.Error(t, err, "a column never takes an unsealed secret")
	require.Equal(t, canary, v.Reveal())
	require.False(t, v.IsZero())
	require.True(t, Value{}.IsZero())
	require.Equal(t, Redacted, Value{}.String())
}

func TestSealedTextOpensOnlyInItsPlace(t *testing.T) {
	ring, _ := newRing(t)
	for _, text := range []string{"", "x", canary, strings.Repeat("密", 1000)} {
		sealed, err := ring.Seal("credentials.sk.7", New(text))
		require.NoError(t, err)
		require.Regexp(t, `^v1\.[0-9a-f]{8}\.[A-Za-z0-9+/]+$`, sealed)
		opened, err := ring.Open("credentials.sk.7", sealed)
		require.NoError(t, err)
		require.Equal(t, text, opened.Reveal())
		for _, moved := range []string{"credentials.sk.8", "credentials.password.7", "users.sk.7", "", "credentials.sk.7 "} {
			_, err := ring.Open(moved, sealed)
			require.ErrorIs(t, err, ErrTampered, moved)
		}
	}
	_, err := ring.Seal("", New("x"))
	require.Error(t, err)
}

func TestSealingTwiceGivesTwoTexts(t *testing.T) {
	ring, _ := newRing(t)
	seen := map[string]bool{}
	for range 2000 {
		sealed, err := ring.Seal("a.b.1", New("same"))
		require.NoError(t, err)
		require.False(t, seen[sealed])
		seen[sealed] = true
	}
}

func TestEveryBitFlipIsNoticed(t *testing.T) {
	ring, _ := newRing(t)
	sealed, err := ring.Seal("a.b.1", New(canary))
	require.NoError(t, err)
	for at := range len(sealed) {
		for bit := range 8 {
			flipped := []byte(sealed)
			flipped[at] ^= 1 << bit
			_, err := ring.Open("a.b.1", string(flipped))
			require.Error(t, err, "byte %d bit %d", at, bit)
			require.NotContains(t, err.Error(), canary)
		}
		_, err := ring.Open("a.b.1", sealed[:at])
		require.Error(t, err, "cut at %d", at)
	}
	for _, other := range []string{sealed + "A", sealed + "=", sealed + "\n", sealed[:20] + "\n" + sealed[20:], " " + sealed, "", canary,
		"v2" + sealed[2:], strings.ToUpper(sealed), sealed + strings.Repeat("A", maxSealed)} {
		_, err := ring.Open("a.b.1", other)
		require.ErrorIs(t, err, ErrTampered, "%.40q", other)
	}
}

func TestMissingKeyIsNamed(t *testing.T) {
	ring, _ := newRing(t)
	other, _ := newRing(t)
	sealed, err := other.Seal("a.b.1", New("x"))
	require.NoError(t, err)
	_, err = ring.Open("a.b.1", sealed)
	require.ErrorIs(t, err, ErrMissingKey)
	require.ErrorContains(t, err, other.PrimaryID())
	id, err := KeyID(sealed)
	require.NoError(t, err)
	require.Equal(t, other.PrimaryID(), id)
	_, err = KeyID("AKIAPLAIN")
	require.ErrorIs(t, err, ErrTampered)
}

func TestKeyOfAnotherSealedTextDoesNotOpen(t *testing.T) {
	ring, path := newRing(t)
	sealed, err := ring.Seal("a.b.1", New("x"))
	require.NoError(t, err)
	rotated, err := Rotate(path)
	require.NoError(t, err)
	_, err = rotated.Open("a.b.1", strings.Replace(sealed, ring.PrimaryID(), rotated.PrimaryID(), 1))
	require.ErrorIs(t, err, ErrTampered)
}

func TestRingShowsNoKeys(t *testing.T) {
	ring, _ := newRing(t)
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "ring", ring)
	fmt.Fprintf(&out, "%v %+v %#v %x", ring, ring, ring, ring)
	require.Equal(t, 5, strings.Count(out.String(), "key ring "+ring.PrimaryID()))
}

func FuzzOpen(f *testing.F) {
	ring, _ := newRing(f)
	const aad = "credentials.sk.1"
	sealed, err := ring.Seal(aad, New(canary))
	require.NoError(f, err)
	for _, seed := range []string{"", sealed, "v1..", "v1." + ring.PrimaryID() + ".", "v1." + ring.PrimaryID() + ".AAAA", "v1.zzzzzzzz.AAAA", "."} {
		f.Add(aad, seed)
	}
	f.Add("credentials.sk.2", sealed)
	f.Fuzz(func(t *testing.T, place, text string) {
		v, err := ring.Open(place, text)
		if opened := err == nil; opened != (place == aad && text == sealed) {
			t.Fatalf("opened=%v for another place or text", opened)
		}
		if err != nil && !v.IsZero() {
			t.Fatal("an error came with a secret")
		}
	})
}
