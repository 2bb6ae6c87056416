package wtp

import (
	"testing"
	"time"
)

func TestCallNotesAreToldFromWhatHSSSaid(t *testing.T) {
	for _, tc := range []struct{ kept, note, detail string }{
		{WithDetail(HungUp(), "EOF"), "The connection was closed before an answer came.", "EOF"},
		{WithDetail(HungUp(), ""), "The connection was closed before an answer came.", ""},
		{WithDetail(NoAnswerWithin(29_998*time.Millisecond), "context deadline exceeded"), "No answer came within 30 s.", "context deadline exceeded"},
		{"The console ended before an answer came.", "The console ended before an answer came.", ""},
		{"It was held back before it was sent.", "It was held back before it was sent.", ""},
		{"the answer did not arrive whole", "The answer did not arrive whole.", ""},
		{"the answer did not arrive whole (unexpected EOF)", "The answer did not arrive whole.", "unexpected EOF"},
		{"the answer is HTML", "The answer is HTML, so somebody between here and HSS gave it.", ""},
		{"the answer is HTML, so somebody between here and HSS gave it", "The answer is HTML, so somebody between here and HSS gave it.", ""},
		{"expected status 200", "An answer with status 200 was expected.", ""},
		{"", "", ""},
		{"expected status", "", ""},
		{"No answer came within a s.", "", ""},
		{"No answer came within 30 minutes", "", ""},
		{"the answer is HTML and more", "", ""},
		{"The agent is offline.", "", ""},
		{"connect: connection refused", "", ""},
	} {
		note, detail, ok := CallNote(tc.kept)
		if note.String() != tc.note || detail != tc.detail || ok != (tc.note != "") {
			t.Errorf("%q: %q, %q, %v", tc.kept, note.String(), detail, ok)
		}
	}
}
