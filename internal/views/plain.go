package views

import (
	"fmt"
	"strings"
	"unicode"
)

// Plain is a name from outside with what would hide or reorder text shown as a
// mark, such as [U+202E]: two servers that look the same are never two. The
// joiners stay between letters of scripts that need them and inside emoji.
func Plain(name string) string {
	if strings.IndexFunc(name, hides) < 0 {
		return name
	}
	var b strings.Builder
	var last rune
	for _, r := range name {
		joins := (r == '\u200c' || r == '\u200d') && last > unicode.MaxLatin1
		if hides(r) && !joins {
			fmt.Fprintf(&b, "[U+%04X]", r)
		} else {
			b.WriteRune(r)
		}
		last = r
	}
	return b.String()
}

// hides is true for control and format characters, and the two separators of
// lines and paragraphs. Language tags inside flags count as hidden, too.
func hides(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}
