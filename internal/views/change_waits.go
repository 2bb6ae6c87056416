package views

import (
	"strings"
	"time"

	"wtp-console/internal/wtp"
)

// PendingView is what of a change waits, in batches.
type PendingView struct {
	Sending, Unclear, Waiting int64
	RunAt                     wtp.Instant // when the first of Waiting may be sent; 0: at once
	Step, LastStep            int64       // of a ramp: the one it is at, and its last; 0: it is none
	Held                      int64       // of a ramp: servers of the step before that are not yet read back as wanted
	HeldStep, HeldSize        int64       // that step, and how many servers it has
	ReadAt, ReadSince         wtp.Instant // while Unclear: when it is read back next (0: at once), and since when it is (0: not yet)
	LastRead                  wtp.Call    // while Unclear: the last reading back; its ID is 0 if there was none
}

// waitText says what a change waits for, and until when as far as that is known; ""
// if it is being carried out now, or is over.
func (v ChangeView) waitText() string {
	p, b := v.Pending, v.Queue.Budget
	switch {
	case v.Change.State.Over():
		return ""
	case v.DiskFull:
		return v.T("The disk of the console is full. It goes on by itself once there is room again.")
	case v.Unwritable.On():
		return v.T("The console cannot write to its database. It goes on by itself once that can be written again.")
	case p.Sending > 0 && v.stopping():
		return v.N(p.Sending, "Waits for the answer to %d call in flight.", "Waits for the answers to %d calls in flight.")
	case p.Sending > 0:
		return ""
	case v.Pause.On() && !v.stopping():
		return v.T("%s has paused the console: %s. It goes on once somebody resumes it.", v.Pause.By, v.Pause.Why)
	case b.LockedUntil > b.Now:
		return v.T("HSS has locked the access key. Next try about %s.", v.secondText(b.LockedUntil))
	case p.Unclear > 0:
		return v.readBackText()
	case v.stopping():
		return ""
	case p.Waiting == 0:
		return ""
	case p.Held > 0:
		return v.N(p.HeldSize, "Waits to read back step %d (%d server).", "Waits to read back step %d (%d servers).", p.HeldStep, p.HeldSize)
	case b.BlockedUntil > b.Now:
		return v.T("HSS refused a call as one too many. Next call about %s.", v.secondText(b.BlockedUntil))
	case p.RunAt > b.Now:
		return v.T("The last call did not get through. Next try about %s.", v.secondText(p.RunAt))
	case v.Change.State == wtp.Queued && len(v.Queue.Ahead) > 0:
		a := v.Queue.Ahead[0]
		return v.N(a.Calls, "Waits for %s of %s, which has %d call left.", "Waits for %s of %s, which has %d calls left.", a.Title, a.By, a.Calls)
	case b.Next() > b.WithoutSaid().Next():
		return v.N(b.Said.Limit, "HSS lets through %d call in %s. Next call about %s.", "HSS lets through %d calls in %s. Next call about %s.", b.Said.Limit, v.Took(b.Said.Per), v.secondText(b.Next()))
	case b.Next() > b.Now:
		return v.N(b.Limit, "Waits for the shared budget of %d call a minute. Next call about %s.", "Waits for the shared budget of %d calls a minute. Next call about %s.", b.Limit, v.secondText(b.Next()))
	}
	return ""
}

// readBackText says how reading back goes of what got no clear answer. A timer that turns
// back on doesn't wait for it.
func (v ChangeView) readBackText() string {
	p := v.Pending
	text := v.T("It reads back what HSS made of a call without a clear answer.")
	if !p.readingFails() {
		return text
	}
	why := v.callStatus(p.LastRead).text
	if note, _ := v.callNote(p.LastRead); note != "" {
		why += ": " + note
	} else if said := strings.TrimSpace(p.LastRead.Code + " " + p.LastRead.Message); said != "" {
		why += ": " + said
	}
	until := p.ReadSince.Add(wtp.SettleFor)
	if v.pending() {
		until = min(until, v.Timer.DueAt)
	}
	next := min(max(p.ReadAt, wtp.At(v.Now)), max(until, wtp.At(v.Now)))
	return text + " " + v.T("The last reading failed (%s).", strings.TrimRight(why, ".。")) + " " +
		v.T("Next try about %s, the last about %s; then its servers count as unknown.", v.secondText(next), v.secondText(max(until, next)))
}

// readingFails says whether what got no clear answer could not be read back the last time.
func (p PendingView) readingFails() bool {
	return p.Unclear > 0 && p.LastRead.ID != 0 && p.LastRead.Class != "ok"
}

// stoppingText says what a change that stops still does.
func (v ChangeView) stoppingText() string {
	switch {
	case v.Pending.Sending > 0:
		return v.T("Stopping. Calls in flight finish first.")
	case v.Pending.Unclear > 0:
		return v.T("Stopping. What got no clear answer is read back first.")
	}
	return v.T("Stopping.")
}

// secondText is a time of day to the second.
func (p Page) secondText(i wtp.Instant) string { return p.local(i).Format(time.TimeOnly) }

// rampText says how far a ramp is; "" for a change that is none.
func (v ChangeView) rampText() string {
	switch {
	case v.Change.Ramp == 0:
		return ""
	case v.Change.State.Over() || v.Pending.Step == 0:
		return v.T("1 server first, then 10, then 200 at a time")
	case v.Pending.Held > 0:
		return v.T("Step %d of %d was sent. The next begins once it is read back.", v.Pending.HeldStep, v.Pending.LastStep)
	}
	return v.T("Step %d of %d. Each goes on once the one before was read back.", v.Pending.Step, v.Pending.LastStep)
}
