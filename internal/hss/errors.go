package hss

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Class says what an answer, or the lack of one, means for the call.
type Class string

// The classes. For a write, only a call that returned no error was accepted; ClassUnclear alone leaves open
// whether it was applied; with every other class it certainly was not.
const (
	// ClassRefused: HSS answered 4xx with an error body, or 200 with an error code.
	ClassRefused Class = "refused"
	// ClassUnclear: timeout or broken connection once connected, 5xx, 3xx, 1xx and 2xx other than 200, 200
	// with HTML, truncated or undecodable, 4xx that is not HSS's own. For a write: read back before anything else.
	ClassUnclear Class = "unclear"
	// ClassThrottled: 429 (APIGW.0308); see Error.Throttle and Error.RetryAfter.
	ClassThrottled Class = "throttled"
	// ClassNotSignedIn: 401; unknown key, bad signature, wrong password, dead token.
	ClassNotSignedIn Class = "not_signed_in"
	// ClassKeyLocked: 401 because of too many failures in a row; a key pair is locked for 5 minutes.
	ClassKeyLocked Class = "key_locked"
	// ClassClock: 401 because the clocks differ by more than 15 minutes; see Error.Skew.
	ClassClock Class = "clock"
	// ClassNoPermission: 403, or HSS.0013.
	ClassNoPermission Class = "no_permission"
	// ClassNotInRegion: 404 (or another 4xx) APIGW.0101, the API is not published in this region.
	ClassNotInRegion Class = "not_in_region"
	// ClassNotSent: refused by this client, DNS failure, connection refused, TLS failure, proxy refusal, no
	// token to be had: the request never left.
	ClassNotSent Class = "not_sent"
)

// ErrExportFormat is wrapped by the error of DownloadExport when the file arrived but cannot be understood;
// page through ListWtpProtectHost instead.
var ErrExportFormat = errors.New("the exported file has an unknown format")

// Throttle is the policy named in a 429 text, as in "limit:5,time:1 minute". Zero when the text has none.
type Throttle struct {
	Limit int           // calls
	Per   time.Duration // window
}

// Error is the error of every call. Its texts are free of the secrets of the call (scrubbed, at most
// 500 characters), but may be in Chinese or English as the service likes; map Class and Code to own words.
type Error struct {
	Op         string // as in the Op constants
	Method     string
	Path       string // without host and query
	Class      Class
	Status     int    // HTTP status; 0 when no answer came
	Code       string // "HSS.1007", "APIGW.0308", "00000010", "401"; "" when none was given
	Message    string
	RequestID  string // X-Request-Id, else request_id of the body, else X-IAM-Trace-Id
	Throttle   Throttle
	RetryAfter time.Duration // from Retry-After; 0 when absent, never negative, at most 24 h
	Skew       time.Duration // the server's clock minus ours; 0 when the answer had no Date
	Err        error         `json:"-"` // cause: context.DeadlineExceeded, ErrExportFormat, the *Error of a failed login...
}

// Error says what was done, what came of it, and the request ID to quote.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op + ": " + e.Class.phrase())
	if e.Status != 0 {
		fmt.Fprintf(&b, ", HTTP %d", e.Status)
	}
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Err != nil && e.Err.Error() != e.Message {
		b.WriteString(": " + e.Err.Error())
	}
	if e.RequestID != "" {
		b.WriteString(" (request ID " + e.RequestID + ")")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Format prints the text of Error for every verb, so that %#v cannot walk into a cause.
func (e *Error) Format(s fmt.State, _ rune) { io.WriteString(s, e.Error()) }

// LogValue gives slog the fields worth searching for.
func (e *Error) LogValue() slog.Value {
	return slog.GroupValue(slog.String("op", e.Op), slog.String("class", string(e.Class)), slog.Int("status", e.Status),
		slog.String("code", e.Code), slog.String("request_id", e.RequestID), slog.String("text", e.Error()))
}

func (c Class) phrase() string {
	switch c {
	case ClassRefused:
		return "refused"
	case ClassUnclear:
		return "outcome unclear"
	case ClassThrottled:
		return "throttled"
	case ClassNotSignedIn:
		return "not signed in"
	case ClassKeyLocked:
		return "locked after too many failures"
	case ClassClock:
		return "clocks too far apart"
	case ClassNoPermission:
		return "no permission"
	case ClassNotInRegion:
		return "not available in this region"
	case ClassNotSent:
		return "not sent"
	}
	return string(c)
}

// cause replaces an error from below by its scrubbed text: net/http quotes bytes of a malformed answer, and
// an answer may echo the token. It still is the sentinel it was.
type cause struct {
	text     string
	sentinel error
}

func (c *cause) Error() string { return c.text }
func (c *cause) Unwrap() error { return c.sentinel }

func causeOf(err error, secrets []string) error {
	if err == nil {
		return nil
	}
	c := &cause{text: scrub(err.Error(), secrets)}
	for _, s := range []error{context.DeadlineExceeded, context.Canceled, io.ErrUnexpectedEOF, ErrExportFormat} {
		if errors.Is(err, s) {
			c.sentinel = s
			break
		}
	}
	return c
}

// fault is an error as a body tells it.
type fault struct {
	code, message, requestID string
	known                    bool // an error in one of the shapes HSS, the gateway or IAM use
	odd                      bool // code and message of a shape no WTP call is known to use
}

// readFault understands the shapes of HSS (error_code with error_msg or error_description), of the gateway
// (error_code, error_msg, request_id), of IAM (error.code, error.message) and of other services (code,
// message; errorCode, errorMsg). Codes may be numbers. 0, "" and all zeros are no error.
func readFault(body []byte) fault {
	var top map[string]json.RawMessage
	if json.Unmarshal(body, &top) != nil {
		return fault{}
	}
	f := fault{requestID: textOf(top["request_id"])}
	if inner := top["error"]; f.requestID == "" && len(inner) > 0 {
		var m map[string]json.RawMessage
		if json.Unmarshal(inner, &m) == nil {
			f.requestID = textOf(m["request_id"])
		}
	}
	if raw, ok := top["error_code"]; ok && string(raw) != "null" {
		code := textOf(raw)
		f.message = firstText(top, "error_msg", "error_description", "message")
		switch {
		case strings.Trim(code, "0") != "":
			f.code, f.known = code, true
		case code == "" && string(raw) != `""`:
			f.odd = true // neither text nor number: nobody can say what it means
		}
		return f
	}
	var inner map[string]json.RawMessage
	if raw, ok := top["error"]; ok && json.Unmarshal(raw, &inner) == nil && inner != nil {
		f.code = firstText(inner, "code", "error_code")
		f.message = firstText(inner, "message", "error_msg", "title")
		f.known = strings.Trim(f.code, "0") != "" || f.message != ""
		return f
	}
	if code := textOf(top["code"]); strings.Trim(code, "0") != "" && top["message"] != nil {
		f.code, f.message, f.odd = code, textOf(top["message"]), true
		return f
	}
	if code := textOf(top["errorCode"]); strings.Trim(code, "0") != "" {
		f.code, f.message, f.odd = code, firstText(top, "errorMsg", "errorMessage", "message"), true
		return f
	}
	f.message = firstText(top, "error_msg", "error_description", "error")
	f.odd = f.message != ""
	return f
}

// firstText is the first of these fields that says anything.
func firstText(fields map[string]json.RawMessage, names ...string) string {
	for _, name := range names {
		if text := textOf(fields[name]); text != "" {
			return text
		}
	}
	return ""
}

// textOf reads a JSON string or number as text; anything else is "".
func textOf(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return strings.TrimSpace(s)
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		if f, err := n.Float64(); err == nil && f == 0 {
			return "0"
		}
		return n.String()
	}
	return ""
}

// classify turns a status and what the body told into a class. signed tells that a key pair was used.
func classify(status int, f fault, skew time.Duration, signed bool) Class {
	number, text := gatewayNumber(f.code), strings.ToLower(f.message)
	switch {
	case status == http.StatusOK:
		switch {
		case !f.known:
			return ClassUnclear
		case f.code == "HSS.0013":
			return ClassNoPermission
		}
		return ClassRefused
	case status == http.StatusProxyAuthRequired:
		return ClassNotSent // a proxy of ours wants a password; it has passed nothing on
	case status < 400 || status >= 500 || status == http.StatusRequestTimeout:
		return ClassUnclear
	case status == http.StatusTooManyRequests || number == "0308":
		return ClassThrottled
	case status == http.StatusUnauthorized || number == "0301" || number == "0303" || number == "0305" || number == "0307":
		switch {
		case strings.Contains(text, "reach the limit") || strings.Contains(text, "locked"):
			return ClassKeyLocked
		case signed && (strings.Contains(text, "expired") || skew.Abs() > 15*time.Minute):
			return ClassClock
		}
		return ClassNotSignedIn
	case status == http.StatusForbidden || f.code == "HSS.0013" ||
		number == "0302" || number == "0310" || number == "0401" || number == "0402" || number == "0802":
		return ClassNoPermission
	case number == "0101": // 404 as documented; a gateway may say 405 for a wrong method
		return ClassNotInRegion
	case f.known || f.odd || f.message != "":
		return ClassRefused
	}
	return ClassUnclear // 4xx without an error of HSS's: somebody in between
}

// gatewayNumber gives "0308" for APIGW.0308, APIG.0308 and APIC.0308, and "" for other codes.
func gatewayNumber(code string) string {
	prefix, number, ok := strings.Cut(code, ".")
	if !ok {
		return ""
	}
	switch strings.ToUpper(prefix) {
	case "APIGW", "APIG", "APIC":
		return number
	}
	return ""
}

// tokenDied tells the one 401 that a new token cures: the gateway's 0307, or a token it cannot decrypt.
func tokenDied(status int, f fault) bool {
	if status != http.StatusUnauthorized {
		return false
	}
	return gatewayNumber(f.code) == "0307" || strings.Contains(strings.ToLower(f.message), "decrypt token fail")
}
