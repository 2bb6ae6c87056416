// Package wtp holds the words and the rules of the product: servers, backup
// servers, changes, targets, roles, and what a plan is. It is pure: it imports
// only the standard library and knows neither HTTP nor SQL nor HSS's wire
// format. Its structs are also the rows that package db keeps; the struct tags
// say so and cost nothing here.
package wtp

import (
	"errors"
	"fmt"
	"time"
)

// Errors that callers tell apart. They are wrapped with what they are about.
var (
	// ErrNotFound: there is no such thing, or it is not this project's.
	ErrNotFound = errors.New("not found")
	// ErrConflict: the thing is no longer in the state the caller believed.
	ErrConflict = errors.New("conflict")
	// ErrForbidden: the person's role doesn't allow it.
	ErrForbidden = errors.New("not allowed")
)

// Instant is a point in time as milliseconds since the epoch, UTC; 0 means
// never. All times are kept this way: a number sorts and compares the same in
// both databases, whatever the time zone of whoever wrote it.
type Instant int64

// At converts a time.
func At(t time.Time) Instant {
	if t.IsZero() {
		return 0
	}
	return Instant(t.UnixMilli())
}

// Time is the instant in UTC; the zero time for never.
func (i Instant) Time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(i)).UTC()
}

// Add moves the instant by d.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d.Milliseconds()) }

// Sub is the time from j to i.
func (i Instant) Sub(j Instant) time.Duration { return time.Duration(i-j) * time.Millisecond }

// Text is a sentence for a person: an English message, which is also its key
// in the catalogue of translations, and the values for its placeholders (%s,
// %d, %q). The values may be Text themselves.
type Text struct {
	ID   string
	Args []any
}

// Say makes a Text.
func Say(id string, args ...any) Text { return Text{ID: id, Args: args} }

// String is the English sentence, for logs and for callers without a reader.
func (t Text) String() string {
	if len(t.Args) == 0 {
		return t.ID
	}
	return fmt.Sprintf(t.ID, t.Args...)
}

// FieldError is one thing wrong with one field of a form.
type FieldError struct {
	Field string // the form field's name
	Text  Text
}

// Invalid says what is wrong with what a person entered; nothing was done.
type Invalid []FieldError

// Error lists the fields in English.
func (v Invalid) Error() string {
	s := "invalid input"
	for _, e := range v {
		s += "; " + e.Field + ": " + e.Text.String()
	}
	return s
}

// Add notes one more fault.
func (v *Invalid) Add(field, id string, args ...any) {
	*v = append(*v, FieldError{Field: field, Text: Say(id, args...)})
}

// Err is the faults as an error, or nil if there are none.
func (v Invalid) Err() error {
	if len(v) == 0 {
		return nil
	}
	return v
}

// Refused is an ErrConflict or ErrForbidden with a sentence for the person who
// asked: what is in the way, and of whom.
type Refused struct {
	Kind error // ErrConflict or ErrForbidden
	Text Text
}

// Error is the English sentence.
func (r *Refused) Error() string { return r.Text.String() }

// Unwrap is the kind, so that errors.Is works.
func (r *Refused) Unwrap() error { return r.Kind }
