package hss

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// object reads a JSON object leniently: unknown fields do not matter, missing and null ones are zero,
// numbers and texts stand for each other (process_id is a number in one edition and a text in another).
// What is something else altogether is remembered as an error, because a guess would look like a fact.
type object struct {
	fields map[string]json.RawMessage
	bad    *error // shared with the objects inside
}

func newObject(fields map[string]json.RawMessage) *object {
	return &object{fields: fields, bad: new(error)}
}

// err is the first field that could not be read.
func (o *object) err() error { return *o.bad }

func (o *object) fail(name, want string) {
	if *o.bad == nil {
		*o.bad = fmt.Errorf("field %s is not %s", name, want)
	}
}

func (o *object) has(name string) bool {
	raw, ok := o.fields[name]
	return ok && string(raw) != "null"
}

func (o *object) text(name string) string {
	if !o.has(name) {
		return ""
	}
	raw := o.fields[name]
	switch raw[0] {
	case '"':
		var s string
		if json.Unmarshal(raw, &s) == nil {
			return s
		}
	case '{', '[':
	default:
		return string(raw) // number or boolean
	}
	o.fail(name, "a text")
	return ""
}

func (o *object) integer(name string) int64 {
	text := strings.TrimSpace(o.text(name))
	if text == "" {
		return 0
	}
	n, err := parseInteger(text)
	if err != nil {
		o.fail(name, "a whole number")
	}
	return n
}

// parseInteger reads "12", and "12.0" or "1.2e1" as some writers print whole numbers.
func parseInteger(text string) (int64, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, fmt.Errorf("not a whole number")
	}
	return int64(f), nil
}

func (o *object) boolean(name string) bool {
	switch strings.ToLower(o.text(name)) {
	case "true", "1":
		return true
	case "", "false", "0":
		return false
	}
	o.fail(name, "true or false")
	return false
}

func (o *object) texts(name string) []string {
	if !o.has(name) {
		return nil
	}
	var list []string
	if json.Unmarshal(o.fields[name], &list) != nil {
		o.fail(name, "a list of texts")
		return nil
	}
	return list
}

// loose gives the same fields for those that nothing is decided by: what is odd about them stays zero, and
// does not cost the list it is in.
func (o *object) loose() *object { return newObject(o.fields) }

// object gives an object inside; an empty one when it is missing.
func (o *object) object(name string) *object {
	inner := &object{bad: o.bad}
	if o.has(name) && json.Unmarshal(o.fields[name], &inner.fields) != nil {
		o.fail(name, "an object")
	}
	return inner
}

// rows gives a list of objects, each with an error of its own.
func (o *object) rows(name string) ([]*object, error) {
	if !o.has(name) {
		return nil, nil
	}
	var list []map[string]json.RawMessage
	if json.Unmarshal(o.fields[name], &list) != nil {
		return nil, fmt.Errorf("field %s is not a list of objects", name)
	}
	rows := make([]*object, 0, len(list))
	for _, fields := range list {
		if fields == nil {
			return nil, fmt.Errorf("field %s has an empty row", name)
		}
		rows = append(rows, newObject(fields))
	}
	return rows, nil
}

// list opens a list answer, {"total_num":n,"data_list":[...]}. total_num must be there, unless data_list says
// that it is empty: without it a first page would pass for the whole, and a bare {} for an empty list. More
// rows than asked for are refused for the same reason.
func list(body []byte, limit int) (total int, rows []*object, err error) {
	top, err := objectOf(body)
	if err != nil {
		return 0, nil, err
	}
	if !top.has("total_num") {
		_, named := top.fields["data_list"]
		if rows, err := top.rows("data_list"); named && err == nil && len(rows) == 0 {
			return 0, nil, nil
		}
		return 0, nil, fmt.Errorf("field total_num is missing")
	}
	n := top.integer("total_num")
	if err := top.err(); err != nil {
		return 0, nil, err
	}
	if n < 0 || n > math.MaxInt32 {
		return 0, nil, fmt.Errorf("field total_num is %d", n)
	}
	if rows, err = top.rows("data_list"); err != nil {
		return 0, nil, err
	}
	if limit = max(limit, defaultLimit); len(rows) > limit {
		return 0, nil, fmt.Errorf("%d rows where at most %d were asked for", len(rows), limit)
	}
	return int(n), rows, nil
}
