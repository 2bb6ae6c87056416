package wtp

import (
	"strings"
	"unicode/utf8"
)

// TomcatBin is the Tomcat bin directory of a server as HSS showed it.
type TomcatBin struct {
	ProjectID int64  `gorm:"primaryKey"`
	HostID    string `gorm:"primaryKey"`
	Dir       string // "": none is set
	ReadAt    Instant
}

// TableName implements GORM's tabler.
func (TomcatBin) TableName() string { return "tomcat_dirs" }

// TomcatConfig is what a change of kind TomcatDir was and is to be: its
// BackupBefore and BackupAfter hold it as JSON.
type TomcatConfig struct {
	HostID string `json:"host_id"`
	Name   string `json:"name"`
	Dir    string `json:"dir"`
}

// MaxTomcatDir is how long a Tomcat bin directory may be, in bytes:
// PUT /v5/{project_id}/wtp/{host_id}/rasp-path, rasp_path 1 to 256.
const MaxTomcatDir = 256

// TomcatForm is what a person enters to set the Tomcat bin directory of a server.
type TomcatForm struct{ Dir, Reason, Ticket string }

// Check holds the form to its rules and gives the directory: absolute, no "/" at
// its end, no part "." or "..", of letters, digits, "_", "-", "." and "/", at most
// MaxTomcatDir long. The error is an Invalid.
func (f TomcatForm) Check() (string, error) {
	var bad Invalid
	dir := strings.TrimSpace(f.Dir)
	checkTomcatDir(&bad, dir)
	CheckReason(&bad, f.Reason, f.Ticket)
	return dir, bad.Err()
}

func checkTomcatDir(bad *Invalid, dir string) {
	switch {
	case dir == "":
		bad.Add("dir", "Enter the Tomcat bin directory.")
	case len(dir) > MaxTomcatDir:
		bad.Add("dir", "At most %d characters; this has %d.", MaxTomcatDir, utf8.RuneCountInString(dir))
	case dir[0] != '/':
		bad.Add("dir", "The directory must begin with /.")
	case strings.HasSuffix(dir, "/"):
		bad.Add("dir", "The directory must not end with /.")
	case strings.Contains(dir, "//"):
		bad.Add("dir", "The directory must not contain //.")
	case hasDotSegment(dir):
		bad.Add("dir", "Write the path without . or .. in it.")
	case strings.ContainsFunc(dir, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-/", r))
	}):
		bad.Add("dir", "Use letters, digits, _, -, . and / only: HSS takes nothing else.")
	}
}

// RestartState is where an entry of the restart list stands.
type RestartState string

// The states of an entry.
const (
	RestartOpen RestartState = "open"
	RestartDone RestartState = "done" // somebody marked it done
	RestartOff  RestartState = "off"  // dynamic WTP was seen off again
)

// RestartStates lists the states in the order they are shown.
func RestartStates() []RestartState { return []RestartState{RestartOpen, RestartDone, RestartOff} }

// Restart is an entry of the restart list: a server on which a change turned
// dynamic WTP on, which takes effect only once Tomcat is restarted.
type Restart struct {
	ID          int64
	ProjectID   int64
	ChangeID    int64
	Number      int64 // of that change
	HostID      string
	Name        string // the server's, when it was read back; so are the next two
	PrivateIP   string
	GroupName   string
	Since       Instant // when it was read back as on
	State       RestartState
	EndedAt     Instant
	EndedByName string // who marked it done
	Note        string // what they said
	OffChangeID int64  // RestartOff: the change that turned it off; 0: it happened outside the console
	OffNumber   int64  // of that change
}

// MaxRestartNote is how long a note may be, in characters.
const MaxRestartNote = 500

// CheckRestartNote holds a note to its length.
func CheckRestartNote(bad *Invalid, note string) {
	if n := utf8.RuneCountInString(strings.TrimSpace(note)); n > MaxRestartNote {
		bad.Add("note", "At most %d characters; this has %d.", MaxRestartNote, n)
	}
}
