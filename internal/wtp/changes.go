package wtp

import (
	"strings"
	"time"
	"unicode/utf8"
)

// MaxHosts is how many servers one call of the dynamic WTP switch may name:
// POST /v5/{project_id}/webtamper/rasp/status, host_id_list 1 to 200.
const MaxHosts = 200

// Direction says which way a change switches dynamic WTP. There is no default.
type Direction string

// The two directions.
const (
	Enable  Direction = "enable"
	Disable Direction = "disable"
)

// ParseDirection accepts exactly one of the two words. A missing, doubled or
// unknown word is an error, never "disable".
func ParseDirection(words []string) (Direction, error) {
	if len(words) == 1 {
		switch d := Direction(words[0]); d {
		case Enable, Disable:
			return d, nil
		}
	}
	var bad Invalid
	bad.Add("direction", "Say whether to turn dynamic WTP on or off. Nothing was planned.")
	return "", bad
}

// Wanted is the state that HSS shows when the direction has taken hold.
func (d Direction) Wanted() string {
	switch d {
	case Enable:
		return Opened
	case Disable:
		return Closed
	}
	return ""
}

// Opposite is the direction that undoes this one.
func (d Direction) Opposite() Direction {
	switch d {
	case Enable:
		return Disable
	case Disable:
		return Enable
	}
	return ""
}

// ChangeKind is what a change writes to HSS.
type ChangeKind string

// The kinds of change.
const (
	DynamicWTP    ChangeKind = "dynamic_wtp"    // turns dynamic WTP on or off
	BackupHost    ChangeKind = "backup_server"  // adds or modifies a backup server
	RemoteBackup  ChangeKind = "remote_backup"  // has servers use a backup server, or none
	BackupRemoval ChangeKind = "backup_removal" // removes a backup server, after its servers were moved
	TomcatDir     ChangeKind = "tomcat_dir"     // sets the Tomcat bin directory of a server
)

// Directed says whether a change of this kind has a direction.
func (k ChangeKind) Directed() bool { return k == DynamicWTP || k == RemoteBackup }

// Remote says whether a change of this kind sets which backup server servers use.
func (k ChangeKind) Remote() bool { return k == RemoteBackup || k == BackupRemoval }

// ChangeState is where a change stands.
type ChangeState string

// The states of a change: planned -> queued (confirmed) or dropped; queued ->
// running -> done, or stopped.
const (
	Planned ChangeState = "planned"
	Dropped ChangeState = "dropped"
	Queued  ChangeState = "queued"
	Running ChangeState = "running"
	Done    ChangeState = "done"
	Stopped ChangeState = "stopped"
)

// Over says whether nothing more will be sent.
func (s ChangeState) Over() bool { return s == Done || s == Stopped || s == Dropped }

// Change is every write to HSS: planned, confirmed, carried out, finished.
type Change struct {
	ID              int64
	UID             string // random; names a plan in its URL
	ProjectID       int64
	Number          int64 // within the project, given at confirmation; 0 while planned
	EventSeq        int64 // of the event of its confirmation: the order across projects; 0 while planned
	Kind            ChangeKind
	Direction       Direction // "" for kinds that have none
	State           ChangeState
	Reason          string
	Ticket          string
	Selection       string // how the targets were chosen: a query string, a set (SetSelection), or "" for ticked rows
	PlannedBy       int64
	PlannedByName   string
	PlannedAt       Instant
	ExpiresAt       Instant // a plan can't be confirmed after this
	ConfirmedBy     int64
	ConfirmedByName string
	ConfirmedAt     Instant
	ConfirmedIP     string
	RequestID       string // of the confirming HTTP request
	StartedAt       Instant
	FinishedAt      Instant
	StoppedByName   string // "" if it stopped by itself
	StopWhy         string // text for people; see StopReason
	LeaseOwner      string
	LeaseUntil      Instant
	ReadBackAt      Instant // next reading back; 0: none due
	ReadBacks       int64   // how many were made
	TargetCount     int64   // all targets, skipped ones too
	ToSend          int64   // targets that are to be sent
	BackupBefore    string  // JSON of BackupConfig, "" if it is added; of TomcatConfig for a Tomcat bin directory
	BackupAfter     string  // JSON of BackupConfig or TomcatConfig
	UndoOf          int64   // number of the change of this project that it undoes; 0: none
	RetryOf         int64   // number of the change of this project that it tries again, or goes on with; 0: none
	TimerOf         int64   // the change whose timer this fires or, by a person, ends early; 0: none
	Ramp            int64   // 1: begins with 1 server, then 10, then whole batches; each step is read back first
	SetIn           int64   // number of the change whose timer made this by itself; 0: a person did
}

// Bucket is where a plan puts a server. Each server is in exactly one.
type Bucket string

// The five buckets. The first three are sent, the last two are not.
const (
	WillChange   Bucket = "will_change"
	NeedsRestart Bucket = "needs_restart" // takes effect only after Tomcat is restarted
	Risky        Bucket = "risky"         // an important server, or attacked in the last 7 days
	AlreadySo    Bucket = "already_so"
	Cannot       Bucket = "cannot"
)

// Buckets lists the buckets in the order they are shown.
func Buckets() []Bucket { return []Bucket{WillChange, NeedsRestart, Risky, AlreadySo, Cannot} }

// Sent says whether servers of this bucket are sent to HSS.
func (b Bucket) Sent() bool { return b == WillChange || b == NeedsRestart || b == Risky }

// Why is the reason for a target's bucket or outcome, as a word to filter by.
type Why string

// Reasons why a server is skipped.
const (
	WhyAlreadyOn    Why = "already_on"
	WhyAlreadyOff   Why = "already_off"
	WhyWindows      Why = "windows"
	WhyNotLinux     Why = "not_linux"
	WhyAgentOffline Why = "agent_offline"
	WhyAgentMissing Why = "agent_not_installed"
	WhyNotProtected Why = "wtp_off"
	WhyInterrupted  Why = "wtp_interrupted"
	WhyPaused       Why = "wtp_paused"
	WhyStarting     Why = "wtp_starting"
	WhyStartFailed  Why = "wtp_start_failed"
	WhyOpenChange   Why = "in_open_change"
	WhyGone         Why = "gone" // no longer in the inventory
	WhyUnknownState Why = "unknown_state"
	WhyImportant    Why = "important"
	WhyUnlisted     Why = "unlisted" // what decides it is not read yet: see Unlisted
	WhyAttacked     Why = "attacked"
	WhyUnread       Why = "unread_change" // a change of this console had it switched, and HSS was not read since
	WhyNewerChange  Why = "newer_change"  // another change of this console, newer than the one in question, has it

	// Of an undo: the server is not as the change that is undone left it.
	WhyChangedSince Why = "changed_since" // HSS showed it as that change left it, and no longer does; older rows say it of newer changes, too
	WhyNotRead      Why = "not_read_since"
	WhyNotShown     Why = "not_shown"
)

// Important says whether the word makes a plan one of important servers; those not
// known to be none count as such.
func (w Why) Important() bool { return w == WhyImportant || w == WhyUnlisted }

// Reason is the sentence for a word.
func (w Why) Reason() Text {
	switch w {
	case WhyAlreadyOn:
		return Say("Dynamic WTP is on now. Nothing to do.")
	case WhyAlreadyOff:
		return Say("Dynamic WTP is off now. Nothing to do.")
	case WhyWindows, WhyNotLinux:
		return Say("HSS offers dynamic WTP on Linux only.")
	case WhyAgentOffline:
		return Say("The agent is offline and cannot apply it.")
	case WhyAgentMissing:
		return Say("No HSS agent is installed.")
	case WhyNotProtected:
		return Say("WTP must protect the server first.")
	case WhyInterrupted:
		return Say("WTP is interrupted on this server.")
	case WhyPaused:
		return Say("WTP is paused on this server.")
	case WhyStarting:
		return Say("WTP is still being turned on.")
	case WhyStartFailed:
		return Say("WTP failed to start on this server.")
	case WhyOpenChange:
		return Say("Another change of this server is under way.")
	case WhyGone:
		return Say("HSS no longer lists this server.")
	case WhyUnknownState:
		return Say("HSS shows a state the console does not know.")
	case WhyImportant:
		return Say("Marked as an important asset.")
	case WhyUnlisted:
		return Say("Its group, importance and backup server are not read yet. It counts as important until they are.")
	case WhyAttacked:
		return Say("Attacked in the last 7 days.")
	case WhyUnread:
		return Say("A change of this console switched it, and HSS was not read since. Read again, then plan anew.")
	case WhyNewerChange:
		return Say("A newer change of this console has this server. It is left to that one.")
	case WhyChangedSince:
		return Say("HSS shows it otherwise by now. It is left alone.")
	case WhyNotRead:
		return Say("HSS was not read since that change, so its state is not known. Read again, then undo.")
	case WhyNotShown:
		return Say("HSS does not show what that change asked for: it was changed since, or is not there yet.")
	}
	return w.remoteReason()
}

// Classify puts a server into its bucket for a direction. inOpenChange says
// whether another open change has it.
//
// Rules: Linux only, WTP on, agent online (POST …/webtamper/rasp/status and its
// guide); enabling takes effect only once Tomcat is restarted.
func Classify(s Server, d Direction, inOpenChange bool) (Bucket, Why) {
	switch {
	case s.OS == "windows":
		return Cannot, WhyWindows
	case s.OS == "" && s.AssetValue == Unlisted:
		return Cannot, WhyUnlisted
	case s.OS != "linux":
		return Cannot, WhyNotLinux
	case s.Dynamic == d.Wanted() && inOpenChange: // that one may be about to turn it
		return Cannot, WhyOpenChange
	case s.Dynamic == d.Wanted() && d == Enable:
		return AlreadySo, WhyAlreadyOn
	case s.Dynamic == d.Wanted() && d == Disable:
		return AlreadySo, WhyAlreadyOff
	case s.Dynamic != Opened && s.Dynamic != Closed && s.Dynamic != "":
		return Cannot, WhyUnknownState
	}
	if why := unfit(s); why != "" {
		return Cannot, why
	}
	switch {
	case inOpenChange:
		return Cannot, WhyOpenChange
	case s.AssetValue == "important":
		return Risky, WhyImportant
	case s.AssetValue == Unlisted:
		return Risky, WhyUnlisted
	case d == Disable && s.Attacks() > 0:
		return Risky, WhyAttacked
	case d == Enable:
		return NeedsRestart, ""
	}
	return WillChange, ""
}

// Outcome is where a target stands.
type Outcome string

// The outcomes of a target. Over: skipped, accepted, refused, unknown, stopped.
const (
	TargetPlanned  Outcome = "planned"
	TargetWaiting  Outcome = "waiting"
	TargetSending  Outcome = "sending"
	TargetUnclear  Outcome = "unclear"  // no clear answer yet; will be read back
	TargetAccepted Outcome = "accepted" // HSS answered 200, or reading back shows the wanted state
	TargetRefused  Outcome = "refused"  // HSS refused it, alone
	TargetUnknown  Outcome = "unknown"  // could not be settled
	TargetSkipped  Outcome = "skipped"  // cannot, already so, or changed since
	TargetStopped  Outcome = "stopped"  // HSS did not accept it before the change was stopped; never sent, or only in a refused call
)

// SettleFor is how long a batch without a clear answer is tried to be read back, from the
// first reading that fails; then its servers are unknown.
const SettleFor = 30 * time.Minute

// Outcomes lists all outcomes in the order they are shown.
func Outcomes() []Outcome {
	return []Outcome{TargetAccepted, TargetRefused, TargetUnknown, TargetUnclear, TargetSending, TargetWaiting, TargetStopped, TargetSkipped, TargetPlanned}
}

// Open says whether the target's change may still touch the server.
func (o Outcome) Open() bool {
	return o == TargetWaiting || o == TargetSending || o == TargetUnclear
}

// Target is one server (or backup server) in a change.
type Target struct {
	ChangeID  int64 `gorm:"primaryKey"`
	Seq       int64 `gorm:"primaryKey"` // order in the plan, from 1
	ProjectID int64
	Kind      ChangeKind
	HostID    string
	Name      string
	PrivateIP string
	GroupName string
	Before    string // state when planned: opened, closed; for a backup server JSON or ""
	Wanted    string
	Bucket    Bucket
	Why       Why
	BatchID   int64
	Outcome   Outcome
	Code      string // HSS's error code, if refused
	Message   string // HSS's message, scrubbed
	CallID    int64  // the call that decided
	DecidedAt Instant
	Seen      string // what HSS showed when last read back
	SeenAt    Instant
}

// Confirmed says whether reading back showed what was wanted.
func (t Target) Confirmed() bool { return t.Seen != "" && t.Seen == t.Wanted }

// BatchState is where a batch stands; the words are those of its targets.
type BatchState string

// The states of a batch.
const (
	BatchWaiting  BatchState = "waiting"
	BatchSending  BatchState = "sending"
	BatchUnclear  BatchState = "unclear"
	BatchAccepted BatchState = "accepted"
	BatchRefused  BatchState = "refused" // of one target
	BatchSplit    BatchState = "split"   // refused, or joined with others; its targets went into other batches
	BatchUnknown  BatchState = "unknown"
	BatchMixed    BatchState = "mixed" // settled by reading back, target by target
	BatchStopped  BatchState = "stopped"
)

// BatchStates are all of them, in the order in which a batch goes through them.
func BatchStates() []BatchState {
	return []BatchState{BatchWaiting, BatchSending, BatchUnclear, BatchAccepted, BatchRefused, BatchSplit, BatchUnknown, BatchMixed, BatchStopped}
}

// Batch is up to MaxHosts targets sent in one HSS call.
type Batch struct {
	ID       int64
	ChangeID int64
	No       int64 // from 1, in order of sending
	Parent   int64 // the batch it was split from; 0: none
	Box      int64 // of the strip that it is counted in: see BoxOf; its parent's if it has one
	Step     int64 // begins when all of the steps before were read back as wanted; 0: waits for none
	State    BatchState
	Size     int64
	Attempts int64   // sendings so far
	RunAt    Instant // not before
}

// Call is one HTTP call to HSS for a change, kept before it is sent and
// completed when it is answered.
type Call struct {
	ID        int64
	ChangeID  int64
	BatchID   int64  // 0: not of a batch (reading back)
	Operation string // the vendor's name, e.g. SetRaspSwitch
	Method    string
	Path      string
	Hosts     int64 // how many IDs it names
	SentAt    Instant
	EndedAt   Instant // 0: not answered, or the process died
	Status    int64   // HTTP status; 0: no answer
	Class     string  // "ok" or the failure's class, e.g. refused, unclear, throttled
	Code      string  // HSS's error code
	Message   string  // HSS's message, scrubbed
	RequestID string  // HSS's request ID
}

// CheckReason holds reason (at most 500 characters, needed) and ticket (at most
// 100) to their rules.
func CheckReason(bad *Invalid, reason, ticket string) {
	switch n := utf8.RuneCountInString(strings.TrimSpace(reason)); {
	case n == 0:
		bad.Add("reason", "Say why, for whoever reads the history.")
	case n > 500:
		bad.Add("reason", "At most 500 characters; this has %d.", n)
	}
	if n := utf8.RuneCountInString(strings.TrimSpace(ticket)); n > 100 {
		bad.Add("ticket", "At most 100 characters; this has %d.", n)
	}
	if strings.ContainsFunc(ticket, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		bad.Add("ticket", "The ticket contains a control character.")
	}
}
