package hss

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The names of the operations, as passed to Config.Pace and found in Error.Op; they are the vendor's.
const (
	OpSetRaspSwitch            = "SetRaspSwitch"
	OpListWtpProtectHost       = "ListWtpProtectHost"
	OpListHostStatus           = "ListHostStatus"
	OpListBackupHostsInfo      = "ListBackupHostsInfo"
	OpUpdateBackupHostInfo     = "UpdateBackupHostInfo"
	OpDeleteBackupHostInfo     = "DeleteBackupHostInfo"
	OpSetRemoteBackupInfo      = "SetRemoteBackupInfo"
	OpShowRemoteBackupHostInfo = "ShowRemoteBackupHostInfo"
	OpShowWebTamperRaspPath    = "ShowWebTamperRaspPath"
	OpUpdateWebTamperRaspPath  = "UpdateWebTamperRaspPath"
	OpShowWebTamperHostPolicy  = "ShowWebTamperHostPolicy"
	OpExportWebTamperHost      = "ExportWebTamperHost"
	OpShowExportTask           = "ShowExportTask"
	OpDownloadExport           = "ListDownloadExportedFile" // the vendor's name of DownloadExport
	OpCreateToken              = "CreateToken"
	OpListProjects             = "ListProjects"
)

// Documented ranges, refused here before anything is sent.
const (
	MaxSwitchHosts   = 200     // ids per SetRaspSwitch
	MaxDeleteBackups = 100     // ids per DeleteBackupHostInfo
	MinLimit         = 10      // rows per page of a list
	MaxLimit         = 200     // rows per page of a list; older editions allow 100
	MaxOffset        = 2000000 // record offset of a list
	MaxExportRows    = 200000  // rows per export
	MaxHostIDLength  = 256     // characters
	MaxDirLength     = 256     // characters, of backup_dir and rasp_path
)

const defaultLimit = MinLimit

// checkText refuses what is empty, too long in characters, or has control characters or broken UTF-8, which
// JSON would change on the way.
func checkText(what, s string, most int) error {
	switch n := utf8.RuneCountInString(s); {
	case n < 1 || n > most:
		return fmt.Errorf("the %s must have 1 to %d characters", what, most)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("the %s has a character that cannot be sent", what)
	}
	return nil
}

// checkID is for ids that become part of a path, where "..", "/" and the like would name another call.
func checkID(what, s string) error {
	if err := checkText(what, s, MaxHostIDLength); err != nil {
		return err
	}
	if s == "." || s == ".." || strings.ContainsAny(s, `/\?#%;`) {
		return fmt.Errorf("the %s has a character that no id has", what)
	}
	return nil
}

// checkIDs is for id lists in a body.
func checkIDs(ids []string, most int) error {
	if len(ids) < 1 || len(ids) > most {
		return fmt.Errorf("1 to %d host IDs go into one call, not %d", most, len(ids))
	}
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		if err := checkText("host ID", id, MaxHostIDLength); err != nil {
			return err
		}
		if seen[id] {
			return fmt.Errorf("the host ID %s is there twice", id)
		}
		seen[id] = true
	}
	return nil
}

func checkPage(limit, offset int) error {
	if limit < MinLimit || limit > MaxLimit {
		return fmt.Errorf("the limit must be %d to %d, not %d", MinLimit, MaxLimit, limit)
	}
	if offset < 0 || offset > MaxOffset {
		return fmt.Errorf("the offset must be 0 to %d, not %d", MaxOffset, offset)
	}
	return nil
}

// checkBackupHost holds the documented lengths, and the narrower rules that make sense of them: port 0 is in
// the vendor's range but no port, and the address must be one.
func checkBackupHost(b BackupHost) error {
	if err := checkText("host ID", b.HostID, MaxHostIDLength); err != nil {
		return err
	}
	if ip, err := netip.ParseAddr(b.IP); err != nil || ip.Zone() != "" {
		return fmt.Errorf("the address must be an IPv4 or IPv6 address")
	}
	if b.Port < 1 || b.Port > 65535 {
		return fmt.Errorf("the port must be 1 to 65535, not %d", b.Port)
	}
	if err := checkText("directory", b.Dir, MaxDirLength); err != nil {
		return err
	}
	if b.Dir[0] != '/' {
		return fmt.Errorf("the directory must begin with /")
	}
	return nil
}

// checkRaspPath holds the vendor's rule: begins with "/", does not end with it, letters, digits, "_", "-", ".".
func checkRaspPath(path string) error {
	if err := checkText("Tomcat bin directory", path, MaxDirLength); err != nil {
		return err
	}
	if path[0] != '/' {
		return fmt.Errorf("the Tomcat bin directory must begin with /")
	}
	for _, name := range strings.Split(path[1:], "/") {
		if name == "" {
			return fmt.Errorf("the Tomcat bin directory must have no // and no / at its end")
		}
		for _, r := range name {
			if r > 127 || !isWord(byte(r)) && r != '-' && r != '.' {
				return fmt.Errorf("the Tomcat bin directory may have letters, digits, _, -, . and / only")
			}
		}
	}
	return nil
}
