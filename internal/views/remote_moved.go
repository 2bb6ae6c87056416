package views

import "strings"

// addressesText says which backup servers have another address than was shown, "" for
// none.
func (v RemotePreviewView) addressesText() string {
	var lines []string
	for _, was := range v.Was.Servers {
		if now, ok := v.To.Server(was.HostID); ok && now.Addr() != was.Addr() {
			lines = append(lines, v.T("%s was shown at %s and is at %s now.", Plain(now.Label()), was.Addr(), now.Addr()))
		}
	}
	return strings.Join(lines, " ")
}

// removed says whether a host ID is that of the backup server that is to be removed.
func (v RemotePreviewView) removed(hostID string) bool {
	return v.Removes != nil && v.Removes.HostID == hostID
}
