package auth

import (
	_ "embed" // the list of common passwords
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The length of a password, in characters.
const (
	MinPassword = 8
	MaxPassword = 128
)

var (
	// ErrPasswordShort refuses fewer than MinPassword characters.
	ErrPasswordShort = errors.New("the password has fewer than 8 characters")
	// ErrPasswordLong refuses more than MaxPassword characters.
	ErrPasswordLong = errors.New("the password has more than 128 characters")
	// ErrPasswordCommon refuses what others try first.
	ErrPasswordCommon = errors.New("the password is one of the commonest")
	// ErrPasswordNamed refuses little more than the person's or the product's own name.
	ErrPasswordNamed = errors.New("the password is little more than your name or the name of this product")
)

// commonPasswords has one per line, in lower case.
//
//go:embed common_passwords.txt
var commonPasswords string

// CheckPassword holds a new password of the named person to the rules: 8 to 128 characters of any kind, not a
// common one, and not just names that anybody would try here. Nothing is cut off or changed. The error is one of
// the ErrPassword values. It is for new passwords only: at sign-in every password is simply compared.
func CheckPassword(password, name string) error {
	length := utf8.RuneCountInString(password)
	if length < MinPassword {
		return ErrPasswordShort
	}
	if length > MaxPassword {
		return ErrPasswordLong
	}
	folded := strings.ToLower(password)
	if strings.Contains("\n"+commonPasswords, "\n"+folded+"\n") || distinct(folded) < 3 {
		return ErrPasswordCommon
	}
	if tellingRest(folded, name) < 5 {
		return ErrPasswordNamed
	}
	return nil
}

func distinct(s string) int {
	runes := []rune(s)
	slices.Sort(runes)
	return len(slices.Compact(runes))
}

// tellingRest counts the letters and digits that are left of a password without the words anybody would try here:
// "Huawei@123" has three. Words without a letter or digit beside them count too, so that a password in any script
// or of punctuation alone passes unless it holds such a word.
func tellingRest(folded, name string) int {
	words := []string{"wtp-console", "wtpconsole", "huaweicloud", "administrator", "changeme", "password", "passw0rd",
		"console", "huawei", "tamper", "admin", "cloud", "wtp", "hss"}
	if key, err := CanonicalName(name); err == nil && utf8.RuneCountInString(key) >= 3 {
		words = append([]string{key}, words...)
	}
	rest := folded
	for _, word := range words {
		rest = strings.ReplaceAll(rest, word, "")
	}
	if rest == folded {
		return utf8.RuneCountInString(folded)
	}
	count := 0
	for _, r := range rest {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			count++
		}
	}
	return count
}
