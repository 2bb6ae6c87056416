package connect

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"wtp-console/internal/hss"
	"wtp-console/internal/wtp"
)

// Remote is the remote backup of a server as HSS shows it.
type Remote struct {
	BackupHostID string // "" for none
	Addr         string // at which it uses that one, "IP:port"; "" where that isn't shown, as by the list
}

// Remotes reads which backup server each of these servers uses. They are looked up one
// by one, a call each, unless the whole list takes fewer calls. A server that HSS
// doesn't list is not in the map.
func (r *Reading) Remotes(ctx context.Context, hostIDs []string) (map[string]Remote, error) {
	if len(hostIDs) > LookUps && len(hostIDs) > r.Pages(int(r.Project.ServerCount)) {
		return r.listRemotes(ctx, hostIDs)
	}
	remotes, err := r.LookUpRemotes(ctx, hostIDs)
	var e *hss.Error
	if errors.As(err, &e) && (e.Class == hss.ClassNotInRegion || e.Class == hss.ClassUnclear && NotOffered(err)) {
		// Some regions have no such call (hss-api 1.2); the list shows it as well.
		return r.listRemotes(ctx, hostIDs)
	}
	return remotes, err
}

// LookUpRemotes is Remotes by a call for each server, which shows addresses, too.
func (r *Reading) LookUpRemotes(ctx context.Context, hostIDs []string) (map[string]Remote, error) {
	remotes := make(map[string]Remote, len(hostIDs))
	for _, id := range hostIDs {
		remote, ok, err := r.remote(ctx, id)
		if err != nil {
			return nil, err
		}
		if ok {
			remotes[id] = remote
		}
	}
	return remotes, nil
}

func (r *Reading) listRemotes(ctx context.Context, hostIDs []string) (map[string]Remote, error) {
	rows, err := r.Servers(ctx, nil, 0)
	if err != nil {
		return nil, err
	}
	wanted := make(map[string]bool, len(hostIDs))
	for _, id := range hostIDs {
		wanted[id] = true
	}
	remotes := make(map[string]Remote, len(hostIDs))
	for _, s := range rows {
		if wanted[s.HostID] {
			remotes[s.HostID] = Remote{BackupHostID: s.BackupHostID}
		}
	}
	return remotes, nil
}

// remote looks one server up, and keeps the address it is shown at. ok false: HSS knows
// no such server, or doesn't say.
func (r *Reading) remote(ctx context.Context, hostID string) (remote Remote, ok bool, err error) {
	var asked wtp.Instant
	err = r.call(ctx, hss.OpShowRemoteBackupHostInfo, http.MethodGet, "/wtp/"+url.PathEscape(hostID)+"/backup-host", 1, func(ctx context.Context) (hss.Meta, error) {
		asked = wtp.At(r.connector.now())
		answer, err := r.client.ShowRemoteBackupHostInfo(ctx, hostID)
		switch {
		case answer.Switch == hss.SwitchOff:
			remote, ok = Remote{}, true
		case answer.BackupHostID != "":
			remote, ok = Remote{BackupHostID: answer.BackupHostID, Addr: wtp.TidyAddr(answer.Addr)}, true
		}
		return answer.Meta, err
	})
	var e *hss.Error
	if errors.As(err, &e) && e.Class == hss.ClassRefused {
		return Remote{}, false, nil
	}
	if err == nil && ok && remote.Addr != "" {
		err = r.connector.Store.NoteRemoteAddr(ctx, r.Project.ID, hostID, remote.BackupHostID, remote.Addr, asked)
	}
	return remote, ok, err
}
