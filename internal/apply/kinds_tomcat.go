package apply

import (
	"cmp"
	"context"
	"net/http"
	"net/url"

	"wtp-console/internal/connect"
	"wtp-console/internal/db"
	"wtp-console/internal/hss"
	"wtp-console/internal/wtp"
)

// tomcatDir sets the Tomcat bin directory of a server, one a call.
type tomcatDir struct{}

func (tomcatDir) call(targets []wtp.Target) wtp.Call {
	return wtp.Call{Operation: hss.OpUpdateWebTamperRaspPath, Method: http.MethodPut, Path: "/wtp/" + url.PathEscape(targets[0].HostID) + "/rasp-path", Hosts: 1}
}

func (tomcatDir) write(ctx context.Context, client *hss.Client, targets []wtp.Target) (hss.Meta, error) {
	return client.UpdateWebTamperRaspPath(ctx, targets[0].HostID, targets[0].Wanted)
}

func (tomcatDir) seen(ctx context.Context, reading *connect.Reading, targets []wtp.Target) (map[string]string, error) {
	seen := make(map[string]string, len(targets))
	for _, t := range targets {
		dir, err := reading.TomcatDir(ctx, t.HostID)
		if err != nil {
			return nil, err
		}
		seen[t.HostID] = dir
	}
	return seen, nil
}

// follow reads the directory until HSS shows what was set, at most three times: no
// inventory shows it, so nobody else would.
func (tomcatDir) follow(ctx context.Context, w *work) error {
	targets, err := w.Store.Targets(ctx, db.TargetQuery{ChangeID: w.change.ID, Outcome: wtp.TargetAccepted, Limit: 1})
	if err != nil || len(targets) == 0 {
		return err
	}
	t := targets[0]
	wait := min(cmp.Or(w.FollowEvery, DefaultFollowEvery), firstLook)
	for range 3 {
		if err := w.pause(ctx, wait); err != nil {
			return err
		}
		wait = cmp.Or(w.FollowEvery, DefaultFollowEvery)
		started := wtp.At(w.now())
		dir, err := w.readTomcatDir(ctx, t.HostID)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil: // no error of the change's: its call was accepted
			w.log.Warn("the Tomcat bin directory could not be read back", "err", err)
			if hopeless(connect.Upstream(err)) {
				return nil
			}
			continue
		}
		if err := w.Store.SaveTomcatDir(ctx, w.project.ID, t.HostID, started, dir); err != nil || dir == t.Wanted {
			return err
		}
	}
	return nil
}

func (w *work) readTomcatDir(ctx context.Context, hostID string) (string, error) {
	reading, err := w.reading(ctx)
	if err != nil {
		return "", err
	}
	return reading.TomcatDir(ctx, hostID)
}
