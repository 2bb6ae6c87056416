package wtp

import "time"

// CallWindow is the window in which calls are counted: the minute that HSS counts
// in, and a second more. A call is counted here when it leaves and there when it
// arrives; one that took long on its way, and a quick one a minute later, would be
// too close together.
const CallWindow = time.Minute + time.Second

const (
	moreCareful = 4 * time.Second
	carefulFor  = time.Hour
)

// Careful is how much longer the window of an operation is for the hour after HSS
// has throttled it: the second wasn't enough, or somebody else makes calls too.
// blockedUntil is how long HSS asked to wait when it last did; 0: never.
func Careful(blockedUntil, now Instant) time.Duration {
	if blockedUntil == 0 || blockedUntil.Add(carefulFor) < now {
		return 0
	}
	return moreCareful
}

// Operation is HSS's name of the call that a change of this kind makes; its budget
// is shared by all who make it with the same credential.
func (k ChangeKind) Operation() string {
	switch k {
	case DynamicWTP:
		return "SetRaspSwitch"
	case BackupHost:
		return "UpdateBackupHostInfo"
	case RemoteBackup:
		return "SetRemoteBackupInfo"
	case BackupRemoval:
		return "DeleteBackupHostInfo"
	case TomcatDir:
		return "UpdateWebTamperRaspPath"
	}
	return ""
}

// Budget is what may be called when, of one operation with one credential.
type Budget struct {
	Now          Instant
	Limit        int64     // calls in any CallWindow, at least 1
	Taken        []Instant // those taken in the last window, oldest first, at most Limit
	BlockedUntil Instant   // HSS asked to wait; 0: it didn't
	LockedUntil  Instant   // HSS has locked the credential; 0: it hasn't
}

// Next is when the next call may be made; Now if at once.
func (b Budget) Next() Instant { return b.At(1) }

// At is when the nth call from now may be made, if nobody else takes one.
func (b Budget) At(n int64) Instant {
	at := max(b.Now, b.BlockedUntil, b.LockedUntil)
	window := CallWindow + Careful(b.BlockedUntil, b.Now)
	limit := int(max(b.Limit, 1))
	// A ring of the newest calls: the oldest of them leaving the window makes room.
	ring := make([]Instant, limit)
	taken := b.Taken[max(len(b.Taken)-limit, 0):]
	for i, t := range taken {
		ring[i] = min(t, b.Now) // a call of the future means that the clock was set back
	}
	place := len(taken) % limit
	for range n {
		if oldest := ring[place]; oldest != 0 {
			at = max(at, oldest.Add(window))
		}
		ring[place] = at
		place = (place + 1) % limit
	}
	return at
}
