package hss

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// parseThrottle reads "policy user over ratelimit,limit:200,time:5 minute".
func parseThrottle(text string) Throttle {
	text = strings.ToLower(text)
	limit, _, ok := numberAfter(text, "limit:")
	if !ok || limit <= 0 {
		return Throttle{}
	}
	count, rest, ok := numberAfter(text, "time:")
	if !ok || count <= 0 {
		return Throttle{}
	}
	rest = strings.TrimLeft(rest, " ")
	var unit time.Duration
	switch {
	case strings.HasPrefix(rest, "s"):
		unit = time.Second
	case strings.HasPrefix(rest, "m"):
		unit = time.Minute
	case strings.HasPrefix(rest, "h"):
		unit = time.Hour
	case strings.HasPrefix(rest, "d"):
		unit = 24 * time.Hour
	default:
		return Throttle{}
	}
	return Throttle{Limit: limit, Per: time.Duration(count) * unit}
}

// numberAfter reads up to six digits behind label; longer numbers are no policy. A label may occur inside
// another word first ("ratelimit:" before "limit:"), so each place is tried.
func numberAfter(text, label string) (int, string, bool) {
	for {
		_, after, ok := strings.Cut(text, label)
		if !ok {
			return 0, "", false
		}
		digits := strings.TrimLeft(after, " ")
		n := 0
		for n < len(digits) && digits[n] >= '0' && digits[n] <= '9' {
			n++
		}
		if n > 0 && n <= 6 {
			value, err := strconv.Atoi(digits[:n])
			return value, digits[n:], err == nil
		}
		text = after
	}
}

// parseRetryAfter reads seconds or a date, the latter against the server's own Date when there is one.
// Nonsense and the past are 0; more than a day is a day.
func parseRetryAfter(header http.Header, serverDate, now time.Time) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if value == "" {
		return 0
	}
	const most = 24 * time.Hour
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		if seconds > int64(most/time.Second) {
			return most
		}
		return max(0, time.Duration(seconds)*time.Second)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if !serverDate.IsZero() {
		now = serverDate
	}
	return min(most, max(0, at.Sub(now)))
}
