package auth

import (
	"context"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
	"github.com/stretchr/testify/require"
)

func TestHashIsArgon2idAndFitsOnlyItsPassword(t *testing.T) {
	h := NewHasher()
	ctx := t.Context()
	long := strings.Repeat("ü", 127)
	for _, password := range []string{"correct horse", long + "a", "密码密码密码密码", "with\x00zero byte"} {
		hash, err := h.Hash(ctx, password)
		require.NoError(t, err)
		require.Regexp(t, `^\$argon2id\$v=19\$m=19456,t=2,p=1\$`, hash)
		match, rehash, err := h.Check(ctx, password, hash)
		require.NoError(t, err)
		require.True(t, match)
		require.False(t, rehash)
		for _, other := range []string{password + "b", strings.TrimSuffix(password, password[len(password)-1:]), long + "b", ""} {
			match, _, err = h.Check(ctx, other, hash)
			require.NoError(t, err)
			require.False(t, match, "%q", other)
		}
	}
}

func TestUnknownPersonCostsTheSameWork(t *testing.T) {
	h := NewHasher()
	params, salt, key, err := argon2id.DecodeHash(h.nobody())
	require.NoError(t, err)
	require.Equal(t, h.params, params)
	require.Len(t, salt, 16)
	require.Len(t, key, 32)
	match, rehash, err := h.Check(t.Context(), "", "")
	require.NoError(t, err)
	require.False(t, match)
	require.False(t, rehash)
}

func TestWeakHashIsMadeAnewOnlyAfterAMatch(t *testing.T) {
	h := NewHasher()
	weak, err := argon2id.CreateHash("correct horse", &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	require.NoError(t, err)
	match, rehash, err := h.Check(t.Context(), "correct horse", weak)
	require.NoError(t, err)
	require.True(t, match)
	require.True(t, rehash)
	match, rehash, err = h.Check(t.Context(), "wrong horse", weak)
	require.NoError(t, err)
	require.False(t, match)
	require.False(t, rehash)
	for _, other := range []string{"x", "$2a$10$abcdefghijklmnopqrstuv", "$argon2i$v=19$m=64,t=1,p=1$AAAA$AAAA"} {
		_, _, err = h.Check(t.Context(), "correct horse", other)
		require.Error(t, err, other)
	}
}

func TestHasherWaitsItsTurnOrGivesUp(t *testing.T) {
	h := &Hasher{params: hashParams(), turns: make(chan struct{}, 1)}
	h.turns <- struct{}{}
	gone, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the reader went away")
	cancel(why)
	_, err := h.Hash(gone, "correct horse")
	require.ErrorIs(t, err, why)
	_, _, err = h.Check(gone, "correct horse", "")
	require.ErrorIs(t, err, why)
	<-h.turns
	_, err = h.Hash(t.Context(), "correct horse")
	require.NoError(t, err)
	require.Empty(t, h.turns, "a turn is given back")
}

func TestPasswordRules(t *testing.T) {
	for password, want := range map[string]error{
		"":                                ErrPasswordShort,
		"Tr0ub4d":                         ErrPasswordShort,
		"ééééééé":                         ErrPasswordShort,
		strings.Repeat("x1y2", 32) + "z":  ErrPasswordLong,
		strings.Repeat("密码字号", 32):        nil,
		"correct horse battery staple":    nil,
		"8 of any":                        nil,
		"purple-mango":                    nil,
		"   leading blanks":               nil,
		"!§$%&/()=?":                      nil,
		"password":                        ErrPasswordCommon,
		"PASSWORD":                        ErrPasswordCommon,
		"12345678":                        ErrPasswordCommon,
		"iloveyou":                        ErrPasswordCommon,
		"1qaz2wsx":                        ErrPasswordCommon,
		"aaaaaaaaaaaaaa":                  ErrPasswordCommon,
		"abababababab":                    ErrPasswordCommon,
		"WTP-Console1!":                   ErrPasswordNamed,
		"wtpconsole2026":                  ErrPasswordNamed,
		"Huawei@123":                      ErrPasswordNamed,
		"Huawei12#$":                      ErrPasswordNamed,
		"Admin@9000":                      ErrPasswordNamed,
		"Changeme_123":                    ErrPasswordNamed,
		"maria.ortega":                    ErrPasswordNamed,
		"Maria.Ortega!99":                 ErrPasswordNamed,
		"maria.ortega rides a green bike": nil,
		"huawei and seven other words":    nil,
	} {
		require.ErrorIs(t, CheckPassword(password, "Maria.Ortega"), want, "%q", password)
	}
	require.NoError(t, CheckPassword("eleven seagulls", "e"), "a name of one letter forbids nothing")
}

func TestCommonPasswordsAreAllLongEnoughToMatter(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(commonPasswords, "\n"), "\n")
	require.Len(t, lines, 3000)
	for _, line := range lines {
		require.GreaterOrEqual(t, utf8.RuneCountInString(line), MinPassword, line)
		require.Equal(t, strings.ToLower(strings.TrimSpace(line)), line)
		require.Error(t, CheckPassword(strings.ToUpper(line), ""), line)
	}
}

func TestSpellingsOfANameAreOneName(t *testing.T) {
	for spelling, want := range map[string]string{
		"Admin": "admin", "ADMIN": "admin", " admin ": "admin", "ａｄｍｉｎ": "admin", "admin\u3000": "admin", "ⓐdmin": "admin",
		"\tadmin\n": "admin", "Jo  Ann": "jo ann", "Jo\u00a0Ann": "jo ann", "e\u0301va": "éva", "Éva": "éva",
		"王小明": "王小明", "王 Li": "王 li", "ops-1_x@example.com": "ops-1_x@example.com", "Пётр": "пётр",
		"ﬁona": "fiona", strings.Repeat("A", 64): strings.Repeat("a", 64),
	} {
		key, err := CanonicalName(spelling)
		require.NoError(t, err, "%q", spelling)
		require.Equal(t, want, key, "%q", spelling)
		again, err := CanonicalName(key)
		require.NoError(t, err)
		require.Equal(t, key, again, "canonical already")
	}
}

func TestNamesThatCannotBeReadAreRefused(t *testing.T) {
	for name, want := range map[string]error{
		"": ErrNameEmpty, "  \t ": ErrNameEmpty, "\u3000": ErrNameEmpty,
		strings.Repeat("a", 65): ErrNameLong, strings.Repeat("é", 65): ErrNameLong,
		strings.Repeat("a", 1<<20): ErrNameLong, strings.Repeat("\ufdfa", 10): ErrNameLong,
		"ad\x00min": ErrNameCharacters, "ad\nmin": ErrNameCharacters, "a\u202edmin": ErrNameCharacters,
		"admin\u200b": ErrNameCharacters, "\u2066admin": ErrNameCharacters, "ad\u00admin": ErrNameCharacters,
		"adm\u034fin": ErrNameCharacters, "admin\ufe0f": ErrNameCharacters, "\u3164": ErrNameCharacters,
		"ad\xffmin": ErrNameCharacters, "\ue000": ErrNameCharacters, "\x7fadmin": ErrNameCharacters,
		"\u0430dmin": ErrNameScripts, "αdmin": ErrNameScripts,
	} {
		key, err := CanonicalName(name)
		require.ErrorIs(t, err, want, "%.40q", name)
		require.Empty(t, key)
	}
}

func FuzzCanonicalName(f *testing.F) {
	for _, seed := range []string{"Admin", "İstanbul", "ß", "ﬃ", "a\u0323\u0307", "Σς", "ǅ", "\u1e9e"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		key, err := CanonicalName(name)
		if err != nil {
			return
		}
		again, err := CanonicalName(key)
		if err != nil || again != key {
			t.Fatalf("%q -> %q -> %q %v", name, key, again, err)
		}
	})
}

func TestTokensAreLongRandomAndStoredAsHash(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		token, hash := NewToken()
		require.Regexp(t, `^[A-Za-z0-9_-]{43}$`, token)
		require.Regexp(t, `^[0-9a-f]{64}$`, hash)
		require.Equal(t, hash, HashToken(token))
		require.False(t, seen[token])
		seen[token] = true
	}
	require.Equal(t, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", HashToken("abc"))
}

func TestSetupCodeForgivesHowItIsTyped(t *testing.T) {
	for range 200 {
		code, hash := NewSetupCode()
		require.Regexp(t, `^[0-9A-HJKMNP-TV-Z]{5}(-[0-9A-HJKMNP-TV-Z]{5}){3}$`, code)
		for _, typed := range []string{
			code, strings.ToLower(code), strings.ReplaceAll(code, "-", ""), " " + strings.ReplaceAll(code, "-", " ") + "\n",
			strings.ReplaceAll(code, "0", "o"), strings.ReplaceAll(code, "1", "l"), strings.ReplaceAll(code, "1", "I"),
		} {
			require.Equal(t, hash, HashSetupCode(typed), "%q", typed)
		}
		require.NotEqual(t, hash, HashSetupCode(code[1:]))
	}
}

func TestThrottleStopsAtItsLimits(t *testing.T) {
	require.True(t, Allow(0, 0))
	require.True(t, Allow(MaxAccountFailures-1, MaxAddressFailures-1))
	require.False(t, Allow(MaxAccountFailures, 0))
	require.False(t, Allow(0, MaxAddressFailures))
}
