package apply

import (
	"context"
	"errors"
	"time"

	"wtp-console/internal/connect"
	"wtp-console/internal/db"
	"wtp-console/internal/hss"
	"wtp-console/internal/wtp"
)

// ruling is what is to be done about the answer to a batch.
type ruling struct {
	verdict   db.Verdict
	stop      string // not "": the change stops, for this reason
	neverLeft bool   // no byte of the call left this machine
}

// judge says what an answer means, err being what package hss made of it, for a
// batch of size targets. tries counts the sendings that never left, this one
// included; most is how many of those in a row there may be.
//
//	exact, whole 200            accepted
//	4xx with an error of HSS's  split; alone: refused
//	429                         again when it may, as often as needed
//	never left                  again with back-off, then the change stops
//	401, 403, locked key,       again (it was certainly not applied) and the change
//	clock, not in region        stops, since the next batch would fare no better
//	everything else             unclear: read back before anything else
func judge(err error, size int, tries, most int64, now time.Time, readBackAfter time.Duration) ruling {
	if err == nil {
		return ruling{verdict: db.Verdict{Kind: db.Accepted}}
	}
	up := connect.Upstream(err)
	again := db.Verdict{Kind: db.Again, RunAt: wtp.At(now), Free: true}
	switch hss.Class(up.Class) {
	case hss.ClassRefused:
		if size > 1 {
			return ruling{verdict: db.Verdict{Kind: db.Split}}
		}
		message := up.Message
		if message == "" {
			message = up.Text.ID
		}
		return ruling{verdict: db.Verdict{Kind: db.Refused, Code: up.Code, Message: message}}
	case hss.ClassThrottled:
		var e *hss.Error
		if errors.As(err, &e) {
			again.RunAt = wtp.At(now.Add(connect.Hold(e)))
		}
		return ruling{verdict: again}
	case hss.ClassNotSent:
		switch {
		case errors.Is(err, context.Canceled): // told to end before it left
			return ruling{verdict: again, neverLeft: true}
		case tries >= most:
			return ruling{verdict: again, neverLeft: true, stop: whyStop(up.Class, tries)}
		}
		again.RunAt = wtp.At(now.Add(backOff(tries)))
		return ruling{verdict: again, neverLeft: true}
	case hss.ClassNotSignedIn, hss.ClassKeyLocked, hss.ClassClock, hss.ClassNoPermission, hss.ClassNotInRegion, connect.ClassNoCredential, connect.ClassNoKey:
		return ruling{verdict: again, stop: whyStop(up.Class, 1)}
	}
	return ruling{verdict: db.Verdict{Kind: db.Unclear, RunAt: wtp.At(now.Add(readBackAfter))}}
}

// whyStop is the reason, for people, why a class of failure stops a change after it
// came n times in a row.
func whyStop(class string, n int64) string {
	var t wtp.Text
	switch hss.Class(class) {
	case hss.ClassNotSignedIn:
		t = wtp.Say("Huawei Cloud no longer accepts the credential. Nothing more was sent. Correct it in the settings, then plan the rest again.")
	case hss.ClassKeyLocked:
		t = wtp.Say("HSS locked the credential for 5 minutes after several failed sign-ins. Nothing more was sent. Check it in the settings, then plan the rest again.")
	case hss.ClassClock:
		t = wtp.Say("The clock of the console's machine is more than 15 minutes off, so HSS refuses its calls. Nothing more was sent. Set the clock, then plan the rest again.")
	case hss.ClassNoPermission:
		t = wtp.Say("The credential's user may not do this in HSS. Nothing more was sent. Have the right granted, then plan the rest again.")
	case hss.ClassNotInRegion:
		t = wtp.Say("HSS does not offer this call in this region. Nothing more was sent.")
	case hss.ClassNotSent:
		t = wtp.StoppedUnreached(n)
	case connect.ClassNoCredential:
		t = wtp.Say("The credential of this project cannot be used any more. Nothing more was sent. Look at it in the settings, then plan the rest again.")
	case connect.ClassNoKey:
		t = wtp.Say("The console that carried this out has a key file without the key of this credential's secret. Nothing more was sent. Give it the right key file, the same for every replica, then plan the rest again.")
	default:
		t = wtp.StoppedUnclear(n)
	}
	return t.String()
}
