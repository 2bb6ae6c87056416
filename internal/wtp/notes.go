package wtp

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// What the console itself notes on a call (Call.Message) that HSS said nothing usable to.

// NoAnswerWithin notes a call that was given up after so long, whole seconds.
func NoAnswerWithin(d time.Duration) Text {
	return Say("No answer came within %d s.", int64(math.Round(d.Seconds())))
}

// HungUp notes a call whose connection ended first.
func HungUp() Text { return Say("The connection was closed before an answer came.") }

// GaveUpWaiting notes a call that the console let go of, being told to end.
func GaveUpWaiting() Text { return Say("The console gave up waiting for the answer.") }

// NothingUsable notes a call without an answer for any other cause.
func NothingUsable() Text { return Say("Nothing came that can be understood as an answer.") }

// CallAbandoned notes a call whose answer nobody waited for any more.
func CallAbandoned() Text { return Say("The console ended before an answer came.") }

// HeldBack notes a call that never left.
func HeldBack() Text { return Say("It was held back before it was sent.") }

// WithDetail is how a note is kept: the English sentence, and behind it in brackets the
// error as it came, "" for none.
func WithDetail(note Text, detail string) string {
	if detail == "" {
		return note.String()
	}
	return note.String() + " (" + detail + ")"
}

// CallNote tells what the console noted on a call itself from what HSS said. kept is
// Call.Message; note is to be shown in the reader's language, and detail as it is. ok is
// false for the words of HSS, which are nobody's to translate.
func CallNote(kept string) (note Text, detail string, ok bool) {
	for _, n := range callNotes() {
		rest, found := strings.CutPrefix(kept, n.kept)
		if !found {
			continue
		}
		if n.number {
			digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
			k, err := strconv.ParseInt(digits, 10, 64)
			if err != nil {
				continue
			}
			n.note.Args = []any{k}
			if rest, found = strings.CutPrefix(rest[len(digits):], n.after); !found {
				continue
			}
		}
		if rest == "" {
			return n.note, "", true
		}
		if inner, ok := strings.CutPrefix(rest, " ("); ok && strings.HasSuffix(inner, ")") {
			return n.note, strings.TrimSuffix(inner, ")"), true
		}
	}
	return Text{}, "", false
}

// callNote is one note, and how it begins where it is kept; one with a number goes on
// with that, and with after.
type callNote struct {
	note        Text
	kept, after string
	number      bool
}

// callNotes are all notes, with those of package hss on answers it can't use.
func callNotes() []callNote {
	var list []callNote
	for _, t := range []Text{HungUp(), GaveUpWaiting(), NothingUsable(), CallAbandoned(), HeldBack()} {
		list = append(list, callNote{note: t, kept: t.ID})
	}
	within := NoAnswerWithin(0)
	before, after, _ := strings.Cut(within.ID, "%d")
	return append(list,
		callNote{note: within, kept: before, after: after, number: true},
		callNote{note: Say("The answer did not arrive whole."), kept: "the answer did not arrive whole"},
		callNote{note: Say("The answer is HTML, so somebody between here and HSS gave it."), kept: "the answer is HTML, so somebody between here and HSS gave it"},
		callNote{note: Say("The answer is HTML, so somebody between here and HSS gave it."), kept: "the answer is HTML"},
		callNote{note: Say("The answer is not JSON."), kept: "the answer is not JSON"},
		callNote{note: Say("The answer cannot be understood."), kept: "the answer cannot be understood"},
		callNote{note: Say("The answer is a redirect, which is never followed."), kept: "a redirect, which is never followed"},
		callNote{note: Say("An answer with status %d was expected.", 0), kept: "expected status ", number: true},
	)
}
