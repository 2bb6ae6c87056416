package hsstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// params reads a query and remembers the first thing wrong with it.
type params struct {
	values  url.Values
	problem string
}

// query checks that every parameter is one of the documented names (a typo in
// a filter would otherwise just list everything) and comes once.
func (c *call) query(documented ...string) *params {
	q := &params{values: url.Values{}}
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		q.fail("the query can't be parsed")
		return q
	}
	for name, all := range values {
		if !slices.Contains(documented, name) {
			c.violate("query parameter %q isn't documented or not simulated", name)
		}
		if len(all) > 1 {
			c.violate("query parameter %q is sent %d times", name, len(all))
		}
	}
	if strings.Contains(c.r.URL.RawQuery, "+") {
		c.violate("a blank in the query is encoded as + instead of %%20")
	}
	q.values = values
	return q
}

func (q *params) fail(format string, args ...any) {
	if q.problem == "" {
		q.problem = fmt.Sprintf(format, args...)
	}
}

// text reads an optional parameter of lo to hi characters.
func (q *params) text(name string, lo, hi int) string {
	v := q.values.Get(name)
	if n := utf8.RuneCountInString(v); q.values.Has(name) && (n < lo || n > hi) {
		q.fail("%s must have %d to %d characters, not %d", name, lo, hi, n)
	}
	return v
}

// word reads an optional parameter that must be one of the given words, in
// any case for os_type's sake (older editions use lower case).
func (q *params) word(name string, words ...string) string {
	if !q.values.Has(name) {
		return ""
	}
	v := q.values.Get(name)
	for _, w := range words {
		if strings.EqualFold(v, w) {
			return w
		}
	}
	q.fail("%s must be one of %s", name, strings.Join(words, ", "))
	return ""
}

func (q *params) number(name string, lo, hi, def int) int {
	if !q.values.Has(name) {
		return def
	}
	n, err := strconv.Atoi(q.values.Get(name))
	if err != nil || n < lo || n > hi {
		q.fail("%s must be %d to %d", name, lo, hi)
		return def
	}
	return n
}

func (q *params) flag(name string) bool {
	switch v := q.values.Get(name); v {
	case "true":
		return true
	case "", "false":
	default:
		q.fail("%s must be true or false", name)
	}
	return false
}

// form reads a JSON body and remembers the first thing wrong with it.
type form struct {
	fields  map[string]json.RawMessage
	problem string
	unread  bool // the body isn't a JSON object at all
}

// form parses the body, which must be one JSON object with each field once.
func (c *call) form(documented ...string) *form {
	f := &form{fields: map[string]json.RawMessage{}}
	dec := json.NewDecoder(bytes.NewReader(c.body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		f.unread = true
		return f
	}
	for dec.More() {
		name, err := dec.Token()
		var raw json.RawMessage
		if err != nil || dec.Decode(&raw) != nil {
			f.unread = true
			return f
		}
		key, _ := name.(string)
		if _, twice := f.fields[key]; twice {
			c.violate("body field %q is sent twice", key)
		}
		if !slices.Contains(documented, key) {
			c.violate("body field %q isn't documented", key)
		}
		f.fields[key] = raw
	}
	if _, err := dec.Token(); err != nil || dec.More() {
		f.unread = true
	}
	return f
}

// check returns the refusal if anything read so far was wrong.
func (f *form) check(c *call) *answer {
	if f.unread {
		c.violate("the body isn't one JSON object")
		a := refuse("HSS.0002", "The request could not be parsed")
		return &a
	}
	if f.problem != "" {
		a := c.bad("%s", f.problem)
		return &a
	}
	return nil
}

func (f *form) fail(format string, args ...any) {
	if f.problem == "" {
		f.problem = fmt.Sprintf(format, args...)
	}
}

func (f *form) has(name string) bool {
	raw, ok := f.fields[name]
	return ok && string(raw) != "null"
}

// read decodes a field; a required one must be there, and neither may have
// another JSON type.
func (f *form) read(name string, required bool, into any, kind string) bool {
	if !f.has(name) {
		if required {
			f.fail("%s is missing", name)
		}
		return false
	}
	if err := json.Unmarshal(f.fields[name], into); err != nil {
		f.fail("%s must be %s", name, kind)
		return false
	}
	return true
}

func (f *form) text(name string, required bool, lo, hi int) string {
	var v string
	if f.read(name, required, &v, "a string") {
		if n := utf8.RuneCountInString(v); n < lo || n > hi {
			f.fail("%s must have %d to %d characters, not %d", name, lo, hi, n)
		}
	}
	return v
}

func (f *form) flag(name string) bool {
	var v bool
	f.read(name, true, &v, "true or false")
	return v
}

func (f *form) number(name string, lo, hi int) int {
	var v int
	if f.read(name, true, &v, "a whole number") && (v < lo || v > hi) {
		f.fail("%s must be %d to %d, not %d", name, lo, hi, v)
	}
	return v
}

// ids reads a list of lo to hi host IDs of 1 to 128 characters.
func (f *form) ids(name string, required bool, lo, hi int) []string {
	var v []string
	if !f.read(name, required, &v, "an array of strings") {
		return nil
	}
	if len(v) < lo || len(v) > hi {
		f.fail("%s must hold %d to %d IDs, not %d", name, lo, hi, len(v))
	}
	for _, id := range v {
		if n := utf8.RuneCountInString(id); n < 1 || n > 128 {
			f.fail("an ID in %s has %d characters", name, n)
		}
	}
	return v
}

// once drops repeated IDs, noting that they were sent.
func (c *call) once(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	out := ids[:0:0]
	for _, id := range ids {
		if seen[id] {
			c.violate("host ID %s is sent twice in one call", id)
			continue
		}
		seen[id] = true
		out = append(out, id)
	}
	return out
}
