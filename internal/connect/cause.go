package connect

import (
	"context"
	"errors"
	"strings"
	"time"

	"wtp-console/internal/hss"
	"wtp-console/internal/wtp"
)

// Cause says why a call has no answer of HSS's that could be used, after so long: a
// sentence of ours (see wtp.CallNote) with the error as it came behind it, and nothing
// that could hold a secret. "" if HSS said something itself, or nothing more is known.
func Cause(err error, took time.Duration) string {
	var own *wtp.Upstream
	var e *hss.Error
	if errors.As(err, &own) || !errors.As(err, &e) || e.Err == nil {
		return ""
	}
	switch e.Class {
	case hss.ClassNotSent:
		if errors.Is(e.Err, context.Canceled) {
			return wtp.WithDetail(wtp.HeldBack(), "")
		}
		return ""
	case hss.ClassUnclear:
	default:
		return ""
	}
	detail := bare(e.Err.Error())
	if _, _, ok := wtp.CallNote(e.Message); ok && detail != "" {
		return e.Message + " (" + detail + ")"
	}
	if e.Message != "" || e.Code != "" {
		return ""
	}
	text := strings.ToLower(e.Err.Error())
	switch {
	case errors.Is(e.Err, context.Canceled):
		return wtp.WithDetail(wtp.GaveUpWaiting(), "")
	case errors.Is(e.Err, context.DeadlineExceeded) || strings.Contains(text, "timeout") || strings.Contains(text, "timed out"):
		return wtp.WithDetail(wtp.NoAnswerWithin(took), detail)
	case strings.Contains(text, "eof") || strings.Contains(text, "reset") || strings.Contains(text, "closed") || strings.Contains(text, "broken pipe"):
		return wtp.WithDetail(wtp.HungUp(), detail)
	}
	return wtp.WithDetail(wtp.NothingUsable(), detail)
}

// bare is an error of the network without what it quotes of addresses and answers.
func bare(text string) string {
	text, _, _ = strings.Cut(text, `"`)
	if strings.Contains(text, "://") {
		return ""
	}
	return strings.TrimRight(text, ": ")
}
