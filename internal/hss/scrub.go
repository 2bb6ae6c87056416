package hss

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMessage is how much of a service's text is kept, in characters.
const maxMessage = 500

// scrub makes a text from outside fit to be stored and shown: no secret of the call in a usual encoding, no
// value behind a word like "Authorization:" (a signature error may echo the whole canonical request), no
// token-like run of characters, no control or direction characters, one line, at most maxMessage characters.
func scrub(text string, secrets []string) string {
	text = strings.ToValidUTF8(text, "?")
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		if len(secret) < 4 { // replacing "a" everywhere would mark where it stands
			if strings.Contains(text, secret) {
				return redacted
			}
			continue
		}
		for _, form := range encodingsOf(secret) {
			text = strings.ReplaceAll(text, form, redacted)
		}
	}
	text = scrubLabelled(text)
	text = scrubRuns(text)
	var b strings.Builder
	space, n := false, 0
	for _, r := range text {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			space = b.Len() > 0
			continue
		}
		if unicode.Is(unicode.Cf, r) || r == utf8.RuneError { // direction marks, zero width
			continue
		}
		if n >= maxMessage {
			b.WriteString("…")
			break
		}
		if space {
			b.WriteByte(' ')
			space, n = false, n+1
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

func encodingsOf(secret string) []string {
	forms := []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret), escape(secret),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawStdEncoding.EncodeToString([]byte(secret)),
		base64.RawURLEncoding.EncodeToString([]byte(secret)),
		hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))),
	}
	if quoted, err := json.Marshal(secret); err == nil {
		forms = append(forms, string(quoted[1:len(quoted)-1]))
	}
	return forms
}

// scrubLabelled removes the value behind names that carry secrets, whoever's they are.
func scrubLabelled(text string) string {
	for _, label := range []string{
		"authorization", "sdk-hmac-sha256 access", "signature", "x-auth-token", "x-subject-token", "x-security-token",
		"securitytoken", "security_token", "token", "password", "passwd", "secretkey", "secret_key", "secret", "sk", "ak",
	} {
		text = scrubLabel(text, label)
	}
	return text
}

func scrubLabel(text, label string) string {
	lower := asciiLower(text)
	var b strings.Builder
	at := 0
	for {
		i := strings.Index(lower[at:], label)
		if i < 0 {
			b.WriteString(text[at:])
			return b.String()
		}
		i += at
		end := i + len(label)
		b.WriteString(text[at:end])
		at = end
		if i > 0 && isWord(text[i-1]) {
			continue
		}
		value := end
		for value < len(text) && strings.IndexByte(` "'\`, text[value]) >= 0 {
			value++
		}
		if value == len(text) || text[value] != ':' && text[value] != '=' {
			continue
		}
		value++
		for value < len(text) && strings.IndexByte(` "'\`, text[value]) >= 0 {
			value++
		}
		if strings.HasPrefix(text[value:], redacted) {
			continue
		}
		stop := value
		wholeLine := label == "authorization" || strings.HasPrefix(label, "sdk-")
		for stop < len(text) && text[stop] != '\n' && text[stop] != '\r' &&
			(wholeLine || strings.IndexByte(" \t\"',;&}\\", text[stop]) < 0) {
			stop++
		}
		if stop > value {
			b.WriteString(text[end:value] + redacted)
			at = stop
		}
	}
}

// scrubRuns removes runs of 100 and more token characters: part of a token, wherever it was cut.
func scrubRuns(text string) string {
	const least = 100
	var b strings.Builder
	start := 0
	for i := 0; i <= len(text); i++ {
		if i < len(text) && (isWord(text[i]) || strings.IndexByte("+/=-", text[i]) >= 0) {
			continue
		}
		if i-start >= least {
			b.WriteString(redacted)
		} else {
			b.WriteString(text[start:i])
		}
		if i < len(text) {
			b.WriteByte(text[i])
		}
		start = i + 1
	}
	return b.String()
}

// asciiLower keeps byte positions, which strings.ToLower does not.
func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}

// plainCode keeps an error code or a request ID only if it looks like one: printable ASCII without spaces,
// at most 128 bytes, no secret.
func plainCode(s string, secrets []string) string {
	if len(s) > 128 || !headerSafe(s) || scrub(s, secrets) != s {
		return ""
	}
	return s
}
