package wtp

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// BackupServer is a WTP remote backup server as the inventory shows it.
type BackupServer struct {
	ProjectID int64  `gorm:"primaryKey"`
	HostID    string `gorm:"primaryKey"`
	Name      string
	IP        string
	Port      int64
	Dir       string
	Status    int64 // BackupFailed, BackupNotStarted, BackupRunning, BackupStarting
	ReadAt    Instant
	Since     Instant // when the present status was first seen
}

// Status of a backup server, HSS's numbers.
const (
	BackupFailed     = -1
	BackupNotStarted = 0
	BackupRunning    = 1
	BackupStarting   = 2
)

// BackupConfig is what a person sets on a backup server and HSS is sent.
type BackupConfig struct {
	HostID string `json:"host_id"`
	Name   string `json:"name,omitempty"`
	IP     string `json:"ip"`
	Port   int64  `json:"port"`
	Dir    string `json:"dir"`
}

// Config is the part of a backup server that can be changed.
func (b BackupServer) Config() BackupConfig {
	return BackupConfig{HostID: b.HostID, Name: b.Name, IP: b.IP, Port: b.Port, Dir: b.Dir}
}

// BackupForm is what a person typed, raw.
type BackupForm struct {
	HostID string
	Accept bool // the person accepts a host ID that the picker doesn't know
	IP     string
	Port   string
	Dir    string
	Reason string
	Ticket string
}

// BackupFacts is what is known that the form is checked against.
type BackupFacts struct {
	Known         bool     // the picker or the list of backup servers knows the host ID
	ProtectedDirs []string // protected directories of that same server, where known
}

// Check holds the form to every rule and returns the configuration to send. The
// error is an Invalid with a message per field; the configuration then holds what
// was readable. Blanks around a value are left out and nothing else is mended, so
// that what is shown is what is sent.
//
// Ranges: PUT /v5/{project_id}/wtp/backup-hosts, edition 2026-04-03. Port 0 is
// inside HSS's documented range but no service listens there, so it is refused.
func (f BackupForm) Check(facts BackupFacts) (BackupConfig, error) {
	var bad Invalid
	c := BackupConfig{HostID: trimBlanks(f.HostID), IP: trimBlanks(f.IP), Dir: trimBlanks(f.Dir)}
	switch n := utf8.RuneCountInString(c.HostID); {
	case n == 0:
		bad.Add("host_id", "Choose the server, or enter its host ID.")
	case n > 256:
		bad.Add("host_id", "A host ID has at most 256 characters; this has %d.", n)
	case hasControl(c.HostID):
		bad.Add("host_id", "The host ID contains a control character.")
	case !facts.Known && !f.Accept:
		bad.Add("host_id", "HSS does not list a server with this host ID. Choose one from the list, or tick the box to use this ID all the same.")
	}
	checkIP(&bad, c.IP)
	c.Port = checkPort(&bad, trimBlanks(f.Port))
	checkDir(&bad, c.Dir, facts.ProtectedDirs)
	CheckReason(&bad, f.Reason, f.Ticket)
	return c, bad.Err()
}

func checkIP(bad *Invalid, ip string) {
	a, err := netip.ParseAddr(ip)
	switch {
	case ip == "":
		bad.Add("ip", "Enter the IP address of the server, for example 192.168.0.10.")
	case err != nil || a.Zone() != "":
		bad.Add("ip", "%q is not an IPv4 or IPv6 address.", short(ip))
	case a.Is4In6():
		// Whether HSS and the agent read this form as the IPv4 address is not documented.
		bad.Add("ip", "Write the IPv4 address by itself: %s.", a.Unmap().String())
	case a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a.IsLinkLocalUnicast() || ip == "255.255.255.255":
		bad.Add("ip", "%q is not an address that protected servers can reach.", ip)
	}
}

// checkPort reads digits only: no sign, no leading zero, which somebody may take
// for octal, no other script's digits.
func checkPort(bad *Invalid, port string) int64 {
	digits := port != "" && strings.Trim(port, "0123456789") == ""
	p, err := strconv.ParseInt(port, 10, 64)
	switch {
	case port == "":
		bad.Add("port", "Enter a port from 1 to 65535.")
	case digits && strings.Trim(port, "0") == "":
		bad.Add("port", "HSS accepts port 0, but nothing can listen there. Enter a port from 1 to 65535.")
	case digits && port[0] == '0':
		bad.Add("port", "Leave out the zero at the start of %q.", short(port))
	case digits && (err != nil || p > 65535), err == nil && p < 0:
		bad.Add("port", "%s is outside 1 to 65535.", short(port))
	case !digits:
		bad.Add("port", "%q is not a whole number from 1 to 65535.", short(port))
	default:
		return p
	}
	return 0
}

func checkDir(bad *Invalid, dir string, protected []string) {
	n := utf8.RuneCountInString(dir)
	switch {
	case dir == "":
		bad.Add("dir", "Enter the backup directory, for example /data/wtp-backup.")
	case !utf8.ValidString(dir) || hasControl(dir):
		bad.Add("dir", "The directory contains a control character.")
	case !strings.HasPrefix(dir, "/"):
		bad.Add("dir", "Start with /, for example /data/wtp-backup.")
	case n > 256:
		bad.Add("dir", "At most 256 characters; this has %d.", n)
	case dir != "/" && strings.HasSuffix(dir, "/"):
		bad.Add("dir", "Leave out the / at the end.")
	case strings.Contains(dir, `\`):
		bad.Add("dir", "Backup servers run Linux: write the path with /, without \\.")
	case strings.Contains(dir, "//"):
		bad.Add("dir", "Write the path without // in it.")
	case hasDotSegment(dir):
		bad.Add("dir", "Write the path without . or .. in it.")
	default:
		for _, p := range protected {
			if overlaps(dir, p) {
				bad.Add("dir", "%s overlaps the protected directory %s of this same server; the backup would fail.", dir, p)
				return
			}
		}
	}
}

func hasDotSegment(dir string) bool {
	for s := range strings.SplitSeq(dir, "/") {
		if s == "." || s == ".." {
			return true
		}
	}
	return false
}

// overlaps says whether one path lies inside the other.
func overlaps(a, b string) bool {
	a, b = strings.TrimRight(a, "/")+"/", strings.TrimRight(b, "/")+"/"
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

// FieldDiff is one field before and after a change.
type FieldDiff struct {
	Field         string // "host_id", "ip", "port", "dir"
	Before, After string
	Changed       bool
}

// DiffBackup compares what HSS has now (nil: nothing, so the server is added)
// with what would be sent.
func DiffBackup(now *BackupServer, to BackupConfig) []FieldDiff {
	var old BackupConfig
	oldPort := ""
	if now != nil {
		old = now.Config()
		oldPort = strconv.FormatInt(old.Port, 10)
	}
	d := []FieldDiff{
		{Field: "host_id", Before: old.HostID, After: to.HostID},
		{Field: "ip", Before: old.IP, After: to.IP},
		{Field: "port", Before: oldPort, After: strconv.FormatInt(to.Port, 10)},
		{Field: "dir", Before: old.Dir, After: to.Dir},
	}
	for i := range d {
		d[i].Changed = d[i].Before != d[i].After
	}
	return d
}

// trimBlanks leaves out spaces around a pasted value. It leaves line breaks and
// other control characters, which are refused rather than mended.
func trimBlanks(s string) string { return strings.Trim(s, " ") }

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return r < 0x20 || r == 0x7f || (r >= 0x80 && r < 0xa0) || r == 0x2028 || r == 0x2029 || r == utf8.RuneError
	})
}

func short(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// BackupNotes says what is no fault but should be known before a backup server is
// added or changed: other backup servers at the same address, what becomes of the
// servers that use it (uses of them) and of the backups it keeps.
func BackupNotes(now *BackupServer, to BackupConfig, others []BackupServer, uses int64) []Text {
	var notes []Text
	for _, o := range others {
		switch {
		case o.HostID == to.HostID || o.IP != to.IP:
		case o.Port == to.Port:
			notes = append(notes, Say("%s has the same address and port, %s port %s. Only one of them can listen there.", o.Label(), o.IP, strconv.FormatInt(o.Port, 10)))
		case overlaps(o.Dir, to.Dir):
			notes = append(notes, Say("%s has the same address and the directory %s. Backups of both would be mixed if it is the same machine.", o.Label(), o.Dir))
		default:
			notes = append(notes, Say("%s has the same address, %s.", o.Label(), o.IP))
		}
	}
	if now == nil {
		return notes
	}
	if uses > 0 && (now.IP != to.IP || now.Port != to.Port) {
		notes = append(notes, Say("Servers that use it: %d. HSS does not document that they take over a new address or port by themselves: it has to be sent to them. Saving does not do that; once HSS shows it, the list of backup servers offers to.", uses))
	}
	if now.Dir != to.Dir {
		notes = append(notes, Say("Nothing moves what is in %s now.", now.Dir))
	}
	return notes
}

// Label is the name of the server, or its host ID while HSS gives none.
func (b BackupServer) Label() string {
	if b.Name != "" {
		return b.Name
	}
	return b.HostID
}
