package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// NewToken gives a random token of 256 bits for a cookie (43 characters, base64url) and its hash for the database.
func NewToken() (token, hash string) {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails: crypto/rand ends the process instead
	token = base64.RawURLEncoding.EncodeToString(raw)
	return token, HashToken(token)
}

// HashToken is what the database keeps of a token: SHA-256 in hexadecimal. A token is random, so it needs no salt
// and no slow hash.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// crockford leaves out I, L, O and U, which are misread.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// The set-up code has groups of characters that a person can type from a terminal: 4 × 5 × 5 = 100 bits.
const (
	codeGroups    = 4
	codeGroupSize = 5
)

// NewSetupCode gives the one-time code for the first start, such as "7K3QF-0ZB1M-...", and its hash.
func NewSetupCode() (code, hash string) {
	raw := make([]byte, codeGroups*codeGroupSize)
	_, _ = rand.Read(raw)
	var b strings.Builder
	for i, r := range raw {
		if i > 0 && i%codeGroupSize == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(crockford[r%32]) // 256 is a multiple of 32: no character is likelier
	}
	return b.String(), HashSetupCode(b.String())
}

// HashSetupCode is the hash of a code as typed: small or large letters, with or without hyphens and blanks, and
// with O for 0 or I and L for 1.
func HashSetupCode(typed string) string {
	return HashToken(strings.Map(func(r rune) rune {
		switch r {
		case '-', ' ', '\t', '\r', '\n', '\u00a0', '\u2010', '\u2011', '\u2013':
			return -1
		case 'O':
			return '0'
		case 'I', 'L':
			return '1'
		}
		return r
	}, strings.ToUpper(typed)))
}
