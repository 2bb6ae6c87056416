// Package i18n keeps the catalogue of translations. The English sentence is the
// key, as in gettext, so that the source reads as the page does and a missing
// translation shows English rather than a code.
package i18n

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"golang.org/x/text/language"
)

// The languages of the console, as written in cookies, users.language and the
// lang attribute of a page.
const (
	English = "en"
	Chinese = "zh-CN"
)

//go:embed zh-CN/*.json
var files embed.FS

// Catalogue holds every translation. It doesn't change after Load and may be
// used by many goroutines.
type Catalogue struct {
	chinese map[string]string
	matcher language.Matcher
}

// Load reads the embedded catalogue. It fails if a file isn't a JSON object of
// strings.
func Load() (*Catalogue, error) {
	c := &Catalogue{
		chinese: map[string]string{},
		matcher: language.NewMatcher([]language.Tag{language.English, language.SimplifiedChinese}),
	}
	names, err := fs.Glob(files, "zh-CN/*.json")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		raw, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		words := map[string]string{}
		if err := json.Unmarshal(raw, &words); err != nil {
			return nil, fmt.Errorf("i18n: %s: %w", name, err)
		}
		for id, text := range words {
			if _, ok := c.chinese[id]; !ok { // a test holds that no two files disagree
				c.chinese[id] = text
			}
		}
	}
	return c, nil
}

// Known says whether lang is one of the console's languages.
func Known(lang string) bool { return lang == English || lang == Chinese }

// Printer speaks lang; English if the console doesn't have lang.
func (c *Catalogue) Printer(lang string) Printer {
	if lang == Chinese {
		return Printer{words: c.chinese, chinese: true}
	}
	return Printer{}
}

// Match chooses a language: what the cookie names if the console has it, else
// the best match of an Accept-Language header, else English.
func (c *Catalogue) Match(cookie, acceptLanguage string) string {
	if Known(cookie) {
		return cookie
	}
	if len(acceptLanguage) > 512 { // nobody reads that many languages
		return English
	}
	tags, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil {
		return English
	}
	if _, i, confidence := c.matcher.Match(tags...); i == 1 && confidence != language.No {
		return Chinese
	}
	return English
}

// Printer writes sentences in one language. The zero Printer writes English.
type Printer struct {
	words   map[string]string
	chinese bool
}

// T is the sentence id in the reader's language, with args in its placeholders.
// Whole numbers in %d get thousands separators.
func (p Printer) T(id string, args ...any) string {
	return format(p.text(id), args)
}

// N is the sentence for n things: one if n is 1 and the language tells one from
// many, else many, which is also the key of the catalogue. Without args, n fills
// the placeholder.
func (p Printer) N(n int64, one, many string, args ...any) string {
	if len(args) == 0 {
		args = []any{n}
	}
	if n == 1 && !p.chinese {
		return format(one, args)
	}
	return format(p.text(many), args)
}

// Int is n with thousands separators: 12,345.
func (p Printer) Int(n int64) string { return group(n) }

func (p Printer) text(id string) string {
	if text, ok := p.words[id]; ok {
		return text
	}
	return id
}

func format(text string, args []any) string {
	if !strings.Contains(text, "%") {
		return text
	}
	if len(args) == 0 {
		return strings.ReplaceAll(text, "%%", "%")
	}
	shown := make([]any, len(args))
	for i, a := range args {
		switch n := a.(type) {
		case int:
			shown[i] = whole(n)
		case int32:
			shown[i] = whole(n)
		case int64:
			shown[i] = whole(n)
		default:
			shown[i] = a
		}
	}
	return fmt.Sprintf(text, shown...)
}

// whole prints itself with thousands separators, whatever the verb.
type whole int64

// Format implements fmt.Formatter.
func (n whole) Format(f fmt.State, _ rune) {
	_, _ = f.Write([]byte(group(int64(n)))) // fmt's own buffer, which can't fail
}

func group(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}
