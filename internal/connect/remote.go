package connect

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"wtp-console/internal/hss"
	"wtp-console/internal/wtp"
)

// Remotes reads which backup server each of these servers uses, as
// wtp.Server.Remote says it. They are looked up one by one, a call each, unless the
// whole list takes fewer calls. A server that HSS doesn't list is not in the map.
func (r *Reading) Remotes(ctx context.Context, hostIDs []string) (map[string]string, error) {
	remotes := make(map[string]string, len(hostIDs))
	if len(hostIDs) > LookUps && len(hostIDs) > r.Pages(int(r.Project.ServerCount)) {
		return remotes, r.listRemotes(ctx, hostIDs, remotes)
	}
	for _, id := range hostIDs {
		remote, ok, err := r.remote(ctx, id)
		var e *hss.Error
		if errors.As(err, &e) && (e.Class == hss.ClassNotInRegion || e.Class == hss.ClassUnclear && NotOffered(err)) {
			// Some regions have no such call (hss-api 1.2); the list shows it as well.
			return remotes, r.listRemotes(ctx, hostIDs, remotes)
		}
		if err != nil {
			return nil, err
		}
		if ok {
			remotes[id] = remote
		}
	}
	return remotes, nil
}

func (r *Reading) listRemotes(ctx context.Context, hostIDs []string, to map[string]string) error {
	rows, err := r.Servers(ctx, nil, 0)
	if err != nil {
		return err
	}
	wanted := make(map[string]bool, len(hostIDs))
	for _, id := range hostIDs {
		wanted[id] = true
	}
	for _, s := range rows {
		if wanted[s.HostID] {
			to[s.HostID] = s.Remote()
		}
	}
	return nil
}

// remote looks one server up. ok false: HSS knows no such server, or doesn't say.
func (r *Reading) remote(ctx context.Context, hostID string) (remote string, ok bool, err error) {
	err = r.call(ctx, hss.OpShowRemoteBackupHostInfo, http.MethodGet, "/wtp/"+url.PathEscape(hostID)+"/backup-host", 1, func(ctx context.Context) (hss.Meta, error) {
		answer, err := r.client.ShowRemoteBackupHostInfo(ctx, hostID)
		switch {
		case answer.Switch == hss.SwitchOff:
			remote, ok = wtp.RemoteOff, true
		case answer.BackupHostID != "":
			remote, ok = answer.BackupHostID, true
		}
		return answer.Meta, err
	})
	var e *hss.Error
	if errors.As(err, &e) && e.Class == hss.ClassRefused {
		return "", false, nil
	}
	return remote, ok, err
}
