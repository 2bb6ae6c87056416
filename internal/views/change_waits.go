package views

import (
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
	case v.stopping() || p.Sending > 0:
		return ""
	case v.Pause.On():
		return v.T("%s has paused the console: %s. It goes on once somebody resumes it.", v.Pause.By, v.Pause.Why)
	case b.LockedUntil > b.Now:
		return v.T("HSS has locked the access key. Next try about %s.", v.secondText(b.LockedUntil))
	case p.Unclear > 0:
		return v.T("It reads back what HSS made of a call without a clear answer.")
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
