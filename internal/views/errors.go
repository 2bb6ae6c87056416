package views

import "wtp-console/internal/wtp"

// ErrorView says what went wrong, that nothing was changed if so, and what to do
// next.
type ErrorView struct {
	Page       Page
	Status     int // HTTP status
	Icon       string
	Title      string
	Text       string
	Faults     []string // one sentence each
	Code       string   // HSS's or IAM's error code
	Message    string   // their message
	UpstreamID string   // their request ID
	RequestID  string   // ours, to quote
	At         wtp.Instant
	Href, Link string // the one next step; "" for the start page
}
