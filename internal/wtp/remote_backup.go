package wtp

import (
	"encoding/json"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// What a target wants, or HSS shows, where it isn't the host ID of a backup server.
const (
	RemoteOff     = "off"     // of a server: it uses no backup server
	BackupRemoved = "removed" // of a backup server: HSS doesn't list it
)

// Remote is the backup server that the server uses, as targets keep it: its host ID,
// or RemoteOff.
func (s Server) Remote() string {
	if s.BackupHostID == "" {
		return RemoteOff
	}
	return s.BackupHostID
}

// UnknownAddr stands for an address in RemoteAt that isn't known, but isn't the present
// one of the backup server for sure.
const UnknownAddr = "?"

// RemoteAt is the state of a server of which the address matters: it uses the backup
// server of that host ID, and copies to addr.
func RemoteAt(hostID, addr string) string { return hostID + " " + addr }

// SplitRemote is the host ID, or RemoteOff, and the address of a state; "" if the
// address doesn't matter or is not known.
func SplitRemote(state string) (hostID, addr string) {
	i := strings.LastIndexByte(state, ' ')
	if i < 0 || state[i+1:] != UnknownAddr && !strings.Contains(state[i+1:], ":") {
		return state, ""
	}
	return state[:i], state[i+1:]
}

// TidyAddr is an address, "IP:port", as two of them are compared. What is none is only
// rid of its blanks.
func TidyAddr(addr string) string {
	addr = strings.Join(strings.Fields(addr), "")
	if a, err := netip.ParseAddrPort(addr); err == nil {
		return a.String()
	}
	return addr
}

// Addr is the present address of a backup server as TidyAddr has it, "" if HSS gives
// none.
func (b BackupServer) Addr() string {
	if b.IP == "" || b.Port == 0 {
		return ""
	}
	return TidyAddr(b.Config().Addr())
}

// RemoteTo is where a change of remote backup, or the removal of a backup server,
// points servers to. A change keeps it as JSON in BackupAfter.
type RemoteTo struct {
	Choice  string         `json:"choice"`            // host ID of a backup server, RemoteOff, or "" if each server goes back to its own
	Address bool           `json:"address,omitempty"` // only servers that use Choice already are sent to, because of its address
	Servers []BackupConfig `json:"to"`                // every backup server that a target wants, with the address it is sent
}

// ParseRemoteTo reads what JSON wrote.
func ParseRemoteTo(text string) (RemoteTo, error) {
	var to RemoteTo
	return to, json.Unmarshal([]byte(text), &to)
}

// JSON is the text that a change keeps.
func (t RemoteTo) JSON() string {
	b, err := json.Marshal(t)
	if err != nil {
		return "" // strings and numbers always marshal
	}
	return string(b)
}

// Server is the backup server with that host ID.
func (t RemoteTo) Server(hostID string) (BackupConfig, bool) {
	i := slices.IndexFunc(t.Servers, func(b BackupConfig) bool { return b.HostID == hostID })
	if i < 0 {
		return BackupConfig{}, false
	}
	return t.Servers[i], true
}

// Shown is what a target was seen as, once HSS showed that its server uses the backup
// server of that host ID ("": none) at addr. addr "": where it wasn't shown; then "" is
// returned if it matters.
func (t RemoteTo) Shown(of Target, hostID, addr string) string {
	sent, ok := t.Server(hostID)
	switch {
	case hostID == "":
		return RemoteOff
	case hostID != of.Wanted || !ok:
		return hostID
	case addr == "":
		if before, old := SplitRemote(of.Before); old != "" && before == hostID {
			return ""
		}
		return hostID
	case TidyAddr(addr) == TidyAddr(sent.Addr()):
		return hostID
	}
	return RemoteAt(hostID, TidyAddr(addr))
}

// Label is the name of the backup server, or its host ID while HSS gives none.
func (c BackupConfig) Label() string {
	if c.Name != "" {
		return c.Name
	}
	return c.HostID
}

// Addr is where protected servers reach it, "IP:port": backup_addr of
// POST /v5/{project_id}/wtp/{host_id}/set-remote-backup.
func (c BackupConfig) Addr() string { return net.JoinHostPort(c.IP, strconv.FormatInt(c.Port, 10)) }

// RemoteFacts is what else decides about a change of remote backup of a server.
type RemoteFacts struct {
	Running bool // HSS shows the backup server that is wanted as running
	Old     bool // the server uses it already, but isn't known to have its present address
	Held    bool // another open change sets the remote backup of this server
}

// ClassifyRemote puts a server into its bucket for a change of remote backup to the
// backup server wanted, or to RemoteOff.
//
// Rules: Linux only, WTP on (POST …/wtp/{host_id}/set-remote-backup), agent online;
// the backup server runs.
func ClassifyRemote(s Server, wanted string, f RemoteFacts) (Bucket, Why) {
	uses := s.Remote() == wanted
	switch {
	case s.AssetValue == Unlisted:
		return Cannot, WhyUnlisted
	case s.OS == "windows":
		return Cannot, WhyBackupWindows
	case s.OS != "linux":
		return Cannot, WhyBackupLinux
	case uses && wanted == RemoteOff:
		return AlreadySo, WhyUsesNone
	case uses && !f.Old:
		return AlreadySo, WhyUsesIt
	case s.HostID == wanted:
		return Cannot, WhyIsBackup
	case wanted != RemoteOff && !f.Running:
		return Cannot, WhyBackupDown
	}
	if why := unfit(s); why != "" {
		return Cannot, why
	}
	switch {
	case f.Held:
		return Cannot, WhyOpenChange
	case uses:
		return WillChange, WhyOldAddress
	case wanted == RemoteOff && s.AssetValue == "important":
		return Risky, WhyImportant
	case wanted == RemoteOff:
		return Risky, WhyNoCopies
	}
	return WillChange, ""
}

// Stays says why a server can't be pointed at any other backup server now, nor at none;
// "": it can. held is RemoteFacts.Held.
func (s Server) Stays(held bool) Why {
	const another = "another one"
	if b, why := ClassifyRemote(s, another, RemoteFacts{Running: true, Held: held}); b == Cannot {
		return why
	}
	return ""
}

// unfit is what keeps the agent or WTP of a server from applying anything.
func unfit(s Server) Why {
	switch s.AgentStatus {
	case "online":
	case "not_installed":
		return WhyAgentMissing
	default:
		return WhyAgentOffline
	}
	switch s.ProtectStatus {
	case "opened", "partial_protection":
		return ""
	case "protection_interruption":
		return WhyInterrupted
	case "protection_pause":
		return WhyPaused
	case "opening":
		return WhyStarting
	case "open_failed":
		return WhyStartFailed
	}
	return WhyNotProtected
}

// Reasons of remote backup.
const (
	WhyUsesIt        Why = "uses_it"
	WhyUsesNone      Why = "uses_none"
	WhyIsBackup      Why = "is_backup_server"
	WhyBackupDown    Why = "backup_not_running"
	WhyBackupWindows Why = "backup_windows"
	WhyBackupLinux   Why = "backup_not_linux"
	WhyNoCopies      Why = "no_copies"
	WhyStillUsed     Why = "still_used"   // of a backup server that is to be removed
	WhyUsesOther     Why = "uses_other"   // since a plan was shown
	WhyOtherConfig   Why = "other_config" // of a backup server, since a plan was shown
	WhyOldAddress    Why = "old_address"
	WhyAddressGone   Why = "address_gone" // to go back to
)

// remoteReason is Reason for the words of remote backup.
func (w Why) remoteReason() Text {
	switch w {
	case WhyUsesIt:
		return Say("It uses this backup server now. Nothing to do.")
	case WhyUsesNone:
		return Say("It has no remote backup now. Nothing to do.")
	case WhyIsBackup:
		return Say("It is this backup server itself.")
	case WhyBackupDown:
		return Say("HSS does not show that backup server as running.")
	case WhyBackupWindows, WhyBackupLinux:
		return Say("HSS offers remote backup on Linux only.")
	case WhyNoCopies:
		return Say("Nothing of it is copied to another server any more.")
	case WhyStillUsed:
		return Say("Servers that cannot be moved now use it.")
	case WhyUsesOther:
		return Say("It no longer uses the backup server. Nothing to do.")
	case WhyOtherConfig:
		return Say("HSS shows another address, port or directory of the backup server now.")
	case WhyOldAddress:
		return Say("It uses this backup server, as far as the console knows not at its present address.")
	case WhyAddressGone:
		return Say("Before that change it copied to an address that the backup server no longer has. To go back, give the backup server that address again first.")
	}
	return Text{}
}

// ParseBackupConfig reads a configuration that a change keeps.
func ParseBackupConfig(text string) (BackupConfig, error) {
	var c BackupConfig
	return c, json.Unmarshal([]byte(text), &c)
}
