package apply

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

// TestAnswerIsKeptThroughAFullDisk: what HSS answered is recorded when the database
// can be written again, however long that takes; other trouble is given up after ten tries.
func TestAnswerIsKeptThroughAFullDisk(t *testing.T) {
	for _, tc := range []struct {
		trouble error
		lasts   int
		tries   int
		want    bool
	}{
		{fmt.Errorf("recording: %w", db.ErrDiskFull), 500, 501, true},
		{fmt.Errorf("recording: %w", db.ErrUnwritable), 500, 501, true},
		{errors.New("trouble"), 9, 10, true},
		{errors.New("trouble"), 500, 10, false},
	} {
		w := newWork(&Runner{Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}, wtp.Change{}, "owner", slog.New(slog.DiscardHandler))
		tries := 0
		err := w.record(t.Context(), func(context.Context) error {
			if tries++; tries <= tc.lasts {
				return tc.trouble
			}
			return nil
		})
		if (err == nil) != tc.want || tries != tc.tries {
			t.Errorf("%v for %d tries: %v after %d", tc.trouble, tc.lasts, err, tries)
		}
		// Told to end, it ends all the same.
		ended, end := context.WithCancel(t.Context())
		end()
		if err := w.record(ended, func(context.Context) error { return tc.trouble }); err == nil {
			t.Error("recorded nowhere, without an error")
		}
	}
}
