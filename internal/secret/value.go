// Package secret seals and opens what must never be read by accident: access keys and passwords for Huawei Cloud.
// A Value prints as [redacted] wherever it goes; a Ring seals it under one of several keys, bound to its place.
package secret

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what a Value shows of itself.
const Redacted = "[redacted]"

// Value is a secret text. Only Reveal gives it back. The zero Value is the empty secret.
//
// The text is behind a pointer because fmt doesn't call methods on unexported fields: printing a struct that holds
// a Value in one shows an address, never the text.
type Value struct{ text *string }

// New wraps a text that must not be shown.
func New(text string) Value { return Value{text: &text} }

// Reveal gives the text. Call it at the moment of use and keep the result nowhere.
func (v Value) Reveal() string {
	if v.text == nil {
		return ""
	}
	return *v.text
}

// IsZero reports whether the secret is empty.
func (v Value) IsZero() bool { return v.Reveal() == "" }

// String is Redacted.
func (v Value) String() string { return Redacted }

// GoString is Redacted.
func (v Value) GoString() string { return Redacted }

// Format writes Redacted for every verb.
func (v Value) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, Redacted) }

// MarshalText is Redacted; it also serves XML, YAML and JSON object keys.
func (v Value) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// MarshalJSON is Redacted as a JSON string.
func (v Value) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// LogValue is Redacted.
func (v Value) LogValue() slog.Value { return slog.StringValue(Redacted) }

// Value refuses to be stored: a column holds the sealed text, never the secret and never "[redacted]".
func (v Value) Value() (driver.Value, error) {
	return nil, errors.New("secret: a secret can't be stored unsealed")
}
