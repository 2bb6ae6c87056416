package inventory

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"wtp-console/internal/connect"
	"wtp-console/internal/hss"
	"wtp-console/internal/wtp"
)

// noExportFor is how long an HSS that gave no usable export isn't asked for one.
const noExportFor = 6 * time.Hour

// all reads the whole of a project: every server, with every field, and every
// backup server.
func (r *Reader) all(ctx context.Context, p wtp.Project) ([]wtp.Server, []wtp.BackupServer, error) {
	reading, err := r.Connect.Reading(ctx, p, p.ReadWantedAt != 0)
	if err != nil {
		return nil, nil, err
	}
	servers, err := r.servers(ctx, reading)
	if err != nil {
		return nil, nil, err
	}
	// Last, because somebody who follows a backup server may have kept a newer
	// state than one read before all these servers.
	backups, err := reading.Backups(ctx)
	var e *hss.Error
	if !connect.NotOffered(err) && !(errors.As(err, &e) && e.Status >= http.StatusInternalServerError) {
		return servers, backups, err
	}
	// Some regions have no backup servers (hss-api 1.2), some users no right to see
	// them, and a call that few use may be broken. The servers are no worse for it.
	// But what was seen once doesn't vanish because a right was taken away.
	kept, storeErr := r.Store.BackupServers(ctx, []int64{p.ID})
	if up := connect.Upstream(err); storeErr != nil || len(kept) > 0 && up.Class != string(hss.ClassNotInRegion) {
		return nil, nil, err
	}
	r.logger().Warn("backup servers can't be listed: the servers are kept without them", "project", p.ID, "err", err)
	return servers, nil, nil
}

func (r *Reader) servers(ctx context.Context, reading *connect.Reading) ([]wtp.Server, error) {
	began := r.now()
	first, total, err := reading.Page(ctx, 0)
	if err != nil {
		return nil, err
	}
	if reading.Pages(total) > connect.PagesAtOnce && !r.listDue(reading.Project.ID) {
		servers, err := r.exported(ctx, reading, first, total)
		if err == nil || !errors.Is(err, errListNeeded) {
			return servers, err
		}
	}
	servers, err := reading.Servers(ctx, first, total)
	if err == nil {
		r.noteListed(reading.Project.ID, r.now().Sub(began))
	}
	return servers, err
}

// errListNeeded says that the whole list must be read.
var errListNeeded = errors.New("an export is not enough")

// exported reads by an export, and takes what it lacks from what is known. first
// is the list's first page, total how many servers HSS counts.
func (r *Reader) exported(ctx context.Context, reading *connect.Reading, first []wtp.Server, total int) ([]wtp.Server, error) {
	known, err := r.known(ctx, reading.Project)
	if err != nil {
		return nil, err
	}
	rows, err := reading.Exported(ctx, nil)
	if errors.Is(err, connect.ErrNoExport) {
		r.logger().Warn("no usable export: the list is read instead", "project", reading.Project.ID, "err", err)
		r.noteNoExport(reading.Project.ID)
		return nil, errListNeeded
	}
	if err != nil {
		return nil, err
	}
	if err := r.lookUpRemotes(ctx, reading, known, total); err != nil {
		return nil, err
	}
	for _, s := range first {
		known[s.HostID] = s
	}
	servers := make(map[string]wtp.Server, len(rows))
	var look []string
	for _, row := range rows {
		if s, ok := known[row.HostID]; ok {
			servers[row.HostID] = connect.Overlay(s, row)
		} else {
			look = append(look, row.HostID)
		}
	}
	if len(servers)+len(look) < total {
		// The export was made a moment after the first page was read: a server
		// may have gone since. But it must not lose one that is still there.
		for id := range known {
			if _, ok := servers[id]; !ok {
				look = append(look, id)
			}
		}
	}
	if len(look) > connect.LookUps {
		return nil, errListNeeded
	}
	gone := 0
	for _, id := range look {
		s, ok, err := reading.Server(ctx, id)
		if err != nil {
			return nil, err
		}
		if ok {
			servers[id] = s
		} else {
			gone++
		}
	}
	if len(servers)+gone < total {
		return nil, errListNeeded
	}
	list := make([]wtp.Server, 0, len(servers))
	for _, s := range servers {
		list = append(list, s)
	}
	return list, nil
}

// lookUpRemotes puts into known which backup server those servers use that a change
// has just set, because no export shows it.
func (r *Reader) lookUpRemotes(ctx context.Context, reading *connect.Reading, known map[string]wtp.Server, total int) error {
	hosts, err := r.Store.UnseenRemote(ctx, reading.Project.ID)
	if err != nil || len(hosts) == 0 {
		return err
	}
	if len(hosts) >= reading.Pages(total) {
		return errListNeeded
	}
	remotes, err := reading.Remotes(ctx, hosts)
	for id, remote := range remotes {
		s, ok := known[id]
		if !ok {
			continue
		}
		if s.BackupHostID = remote; remote == wtp.RemoteOff {
			s.BackupHostID = ""
		}
		known[id] = s
	}
	return err
}

// known is the present inventory by host ID.
func (r *Reader) known(ctx context.Context, p wtp.Project) (map[string]wtp.Server, error) {
	known := make(map[string]wtp.Server, p.ServerCount)
	return known, r.Store.EachServer(ctx, p.ID, func(s wtp.Server) { known[s.HostID] = s })
}

// listDue says whether the whole list is to be read. After a start it is: when it
// was last read is not kept, and one reading more does no harm.
func (r *Reader) listDue(project int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	due, ok := r.listed[project]
	if !ok || !r.now().Before(due) {
		return true
	}
	refused, ok := r.refused[project]
	return ok && r.now().Sub(refused) < noExportFor
}

func (r *Reader) noteListed(project int64, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listed == nil {
		r.listed = map[int64]time.Time{}
	}
	r.listed[project] = r.now().Add(max(cmp.Or(r.ListEvery, DefaultListEvery), 6*took))
}

func (r *Reader) noteNoExport(project int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refused == nil {
		r.refused = map[int64]time.Time{}
	}
	r.refused[project] = r.now()
}
