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

// Throttle is what HSS said of its own limit when it refused a call as one too many:
// so many calls of an operation in a while. The zero value is none.
type Throttle struct {
	Limit int64         `json:"limit"` // calls, at least 1
	Per   time.Duration `json:"per"`   // in which HSS counts them
	At    Instant       `json:"at"`    // when it said so last
}

// Until is how long the console keeps to it: an hour, as the limit may be raised.
func (t Throttle) Until() Instant { return t.At.Add(carefulFor) }

// On says whether it is to be kept to. One of the future is from before the clock
// was set back.
func (t Throttle) On(now Instant) bool {
	return t.Limit > 0 && t.Per > 0 && t.At <= now && now < t.Until()
}

// Window is the while in which calls are counted here, for the reason CallWindow
// gives.
func (t Throttle) Window() time.Duration { return t.Per + CallWindow - time.Minute }

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
	Said         Throttle  // what HSS said of its own limit, if that is to be kept to
	SaidTaken    []Instant // those taken in the last Said.Window, oldest first, at most Said.Limit
}

// Next is when the next call may be made; Now if at once.
func (b Budget) Next() Instant { return b.At(1) }

// WithoutSaid is the budget as it would be had HSS said nothing of its own limit.
func (b Budget) WithoutSaid() Budget {
	b.Said, b.SaidTaken = Throttle{}, nil
	return b
}

// At is when the nth call from now may be made, if nobody else takes one.
func (b Budget) At(n int64) Instant {
	careful := Careful(b.BlockedUntil, b.Now)
	rings := []ring{newRing(b.Limit, CallWindow+careful, b.Taken, b.Now)}
	if b.Said.On(b.Now) {
		rings = append(rings, newRing(b.Said.Limit, b.Said.Window()+careful, b.SaidTaken, b.Now))
	}
	at := max(b.Now, b.BlockedUntil, b.LockedUntil)
	for range n {
		for _, r := range rings {
			at = r.free(at)
		}
		for i := range rings {
			rings[i].take(at)
		}
	}
	return at
}

// ring holds the newest calls of a window: the oldest of them leaving it makes room.
type ring struct {
	calls  []Instant
	place  int
	window time.Duration
}

func newRing(limit int64, window time.Duration, taken []Instant, now Instant) ring {
	r := ring{calls: make([]Instant, int(max(limit, 1))), window: window}
	for _, t := range taken[max(len(taken)-len(r.calls), 0):] {
		r.take(min(t, now)) // a call of the future means that the clock was set back
	}
	return r
}

func (r *ring) take(at Instant) {
	r.calls[r.place] = at
	r.place = (r.place + 1) % len(r.calls)
}

func (r *ring) free(at Instant) Instant {
	if oldest := r.calls[r.place]; oldest != 0 {
		return max(at, oldest.Add(r.window))
	}
	return at
}
