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
// error is an Invalid with a message per field.
//
// Ranges: PUT /v5/{project_id}/wtp/backup-hosts, edition 2026-04-03. Port 0 is
// inside HSS's documented range but no service listens there, so it is refused.
func (f BackupForm) Check(facts BackupFacts) (BackupConfig, error) {
	var bad Invalid
	c := BackupConfig{HostID: strings.TrimSpace(f.HostID), IP: strings.TrimSpace(f.IP), Dir: strings.TrimSpace(f.Dir)}
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
	if c.IP == "" {
		bad.Add("ip", "Enter the IP address of the server, for example 192.168.0.10.")
	} else if a, err := netip.ParseAddr(c.IP); err != nil || a.Zone() != "" {
		bad.Add("ip", "%q is not an IPv4 or IPv6 address.", short(c.IP))
	} else if a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() {
		bad.Add("ip", "%q is not an address that protected servers can reach.", c.IP)
	}
	port := strings.TrimSpace(f.Port)
	switch p, err := strconv.ParseInt(port, 10, 64); {
	case port == "":
		bad.Add("port", "Enter a port from 1 to 65535.")
	case err != nil || strings.HasPrefix(port, "+"):
		bad.Add("port", "%q is not a whole number from 1 to 65535.", short(port))
	case p == 0:
		bad.Add("port", "HSS accepts port 0, but nothing can listen there. Enter a port from 1 to 65535.")
	case p < 0 || p > 65535:
		bad.Add("port", "%s is outside 1 to 65535.", port)
	default:
		c.Port = p
	}
	checkDir(&bad, c.Dir, facts.ProtectedDirs)
	CheckReason(&bad, f.Reason, f.Ticket)
	return c, bad.Err()
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
