package auth

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxName is the length of a name, in characters.
const MaxName = 64

var (
	// ErrNameEmpty refuses a name without a visible character.
	ErrNameEmpty = errors.New("the name is empty")
	// ErrNameLong refuses a name of more than MaxName characters.
	ErrNameLong = errors.New("the name has more than 64 characters")
	// ErrNameCharacters refuses control characters, marks of writing direction and other invisible ones.
	ErrNameCharacters = errors.New("the name has invisible or control characters")
	// ErrNameScripts refuses a name that mixes look-alike alphabets, such as a Cyrillic letter in a Latin name.
	ErrNameScripts = errors.New("the name mixes letters of alphabets that look alike")
)

// CanonicalName is the form in which names are compared and kept unique: compatibility characters resolved (NFKC),
// lower case, blanks trimmed and runs of them made one. A name has 1 to 64 characters. The error is one of the
// ErrName values.
func CanonicalName(name string) (string, error) {
	if !utf8.ValidString(name) {
		return "", ErrNameCharacters
	}
	if utf8.RuneCountInString(name) > 4*MaxName { // before any work is spent on it
		return "", ErrNameLong
	}
	// Lower case may undo a composition, and composing may need lower case once more.
	key := norm.NFKC.String(strings.ToLower(norm.NFKC.String(name)))
	key = strings.Join(strings.Fields(key), " ")
	if strings.ContainsFunc(strings.TrimSpace(name), hidden) || strings.ContainsFunc(key, hidden) {
		return "", ErrNameCharacters
	}
	switch length := utf8.RuneCountInString(key); {
	case length == 0:
		return "", ErrNameEmpty
	case length > MaxName || utf8.RuneCountInString(strings.TrimSpace(name)) > MaxName:
		return "", ErrNameLong
	}
	if lookalikes(key) {
		return "", ErrNameScripts
	}
	return key, nil
}

// hidden is true of characters that show nothing or change how others show.
func hidden(r rune) bool {
	return unicode.In(r, unicode.C, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point,
		unicode.Variation_Selector) || r == utf8.RuneError
}

// lookalikes is true when letters of two of these alphabets meet in one name. Chinese, Japanese and Korean
// characters go with any of them.
func lookalikes(s string) bool {
	seen := 0
	for _, script := range []*unicode.RangeTable{unicode.Latin, unicode.Cyrillic, unicode.Greek, unicode.Armenian,
		unicode.Cherokee, unicode.Coptic, unicode.Lisu} {
		if strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(script, r) }) {
			seen++
		}
	}
	return seen > 1
}
