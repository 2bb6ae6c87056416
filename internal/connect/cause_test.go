package connect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"wtp-console/internal/hss"
	"wtp-console/internal/wtp"
)

func TestCauseTellsTimeoutFromBrokenConnection(t *testing.T) {
	fault := func(class hss.Class, message string, err error) error {
		return &hss.Error{Op: hss.OpSetRaspSwitch, Class: class, Message: message, Err: err}
	}
	for _, tc := range []struct {
		err  error
		want string
	}{
		{fault(hss.ClassUnclear, "", fmt.Errorf("Post: %w", context.DeadlineExceeded)), "No answer came within 30 s. (Post: context deadline exceeded)"},
		{fault(hss.ClassUnclear, "", io.EOF), "The connection was closed before an answer came. (EOF)"},
		{fault(hss.ClassUnclear, "", errors.New("read tcp 10.0.0.1:5->10.0.0.2:443: read: connection reset by peer")), "The connection was closed before an answer came. (read tcp 10.0.0.1:5->10.0.0.2:443: read: connection reset by peer)"},
		{fault(hss.ClassUnclear, "", context.Canceled), "The console gave up waiting for the answer."},
		{fault(hss.ClassUnclear, "", errors.New(`malformed HTTP response "secret"`)), "Nothing came that can be understood as an answer. (malformed HTTP response)"},
		{fault(hss.ClassUnclear, "", errors.New("Post https://hss.example/v5?token=secret: EOF")), "The connection was closed before an answer came."},
		{fault(hss.ClassUnclear, "the answer did not arrive whole", io.ErrUnexpectedEOF), "the answer did not arrive whole (unexpected EOF)"},
		{fault(hss.ClassUnclear, "theirs", io.EOF), ""},
		{fault(hss.ClassUnclear, "", nil), ""},
		{fault(hss.ClassNotSent, "", context.Canceled), "It was held back before it was sent."},
		{fault(hss.ClassNotSent, "", errors.New("connection refused")), ""},
		{fault(hss.ClassRefused, "theirs", nil), ""},
		{nil, ""},
	} {
		got := Cause(tc.err, 30*time.Second+time.Millisecond)
		if got != tc.want {
			t.Errorf("%v: %q", tc.err, got)
		}
		if _, _, known := wtp.CallNote(got); got != "" && !known {
			t.Errorf("%q is not known to be ours", got)
		}
		if strings.Contains(got, "secret") {
			t.Errorf("%q", got)
		}
	}
}
