package inventory

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"wtp-console/internal/connect"
	"wtp-console/internal/hss"
	"wtp-console/internal/wtp"
)

// noExportFor is how long an HSS that gave no usable export isn't asked for one.
const noExportFor = 6 * time.Hour

// picture is a project as a reading found it.
type picture struct {
	servers []wtp.Server
	backups []wtp.BackupServer
	whole   bool // by the whole list, or else by an export
}

// all reads the whole of a project: every server and every backup server. rows is
// what the list showed of servers since the reading before.
func (r *Reader) all(ctx context.Context, p wtp.Project, rows []wtp.Server) (picture, error) {
	// Whoever asked was answered by a reading that failed since; the next is ours.
	reading, err := r.Connect.Reading(ctx, p, p.ReadWantedAt > p.ReadFailedAt)
	if err != nil {
		return picture{}, err
	}
	read, err := r.servers(ctx, reading, rows)
	if err != nil {
		return picture{}, err
	}
	if err := r.lookUpAddrs(ctx, reading); err != nil {
		return picture{}, err
	}
	// Last, because somebody who follows a backup server may have kept a newer
	// state than one read before all these servers.
	read.backups, err = reading.Backups(ctx)
	var e *hss.Error
	if !connect.NotOffered(err) && !(errors.As(err, &e) && e.Status >= http.StatusInternalServerError) {
		return read, err
	}
	// Some regions have no backup servers (hss-api 1.2), some users no right to see
	// them, and a call that few use may be broken. The servers are no worse for it.
	// But what was seen once doesn't vanish because a right was taken away.
	kept, storeErr := r.Store.BackupServers(ctx, []int64{p.ID})
	if up := connect.Upstream(err); storeErr != nil || len(kept) > 0 && up.Class != string(hss.ClassNotInRegion) {
		return picture{}, err
	}
	r.logger().Warn("backup servers can't be listed: the servers are kept without them", "project", p.ID, "err", err)
	return read, nil
}

func (r *Reader) servers(ctx context.Context, reading *connect.Reading, rows []wtp.Server) (picture, error) {
	began := r.now()
	first, total, err := reading.Page(ctx, 0)
	if err != nil {
		return picture{}, err
	}
	if reading.Pages(total) > connect.PagesAtOnce && !r.noExport(reading.Project.ID) {
		servers, err := r.exported(ctx, reading, slices.Concat(rows, first), total)
		if err == nil || !errors.Is(err, errListNeeded) {
			return picture{servers: servers}, err
		}
	}
	servers, err := reading.Servers(ctx, first, total)
	if err == nil {
		r.noteWhole(reading.Project.ID, began)
	}
	return picture{servers: servers, whole: true}, err
}

// errListNeeded says that the whole list must be read.
var errListNeeded = errors.New("an export is not enough")

// exported reads by an export, and takes what it lacks from what is known and from
// rows of the list, a later one before an earlier one. total is how many servers HSS
// counts. Of servers that no list has shown only the operating system is read, unless
// they are few.
func (r *Reader) exported(ctx context.Context, reading *connect.Reading, rows []wtp.Server, total int) ([]wtp.Server, error) {
	export, err := reading.Exported(ctx, nil)
	if errors.Is(err, connect.ErrNoExport) {
		r.logger().Warn("no usable export: the list is read instead", "project", reading.Project.ID, "err", err)
		r.noteNoExport(reading.Project.ID)
		return nil, errListNeeded
	}
	if err != nil {
		return nil, err
	}
	known, err := r.known(ctx, reading.Project, total)
	if err != nil {
		return nil, err
	}
	for _, s := range rows {
		if k, ok := known[s.HostID]; ok {
			s = connect.Listed(k, s)
		}
		known[s.HostID] = s
	}
	if err := r.lookUpRemotes(ctx, reading, known, total); err != nil {
		return nil, err
	}
	servers := make(map[string]wtp.Server, len(export))
	var unlisted, look []string
	for _, row := range export {
		s, ok := known[row.HostID]
		if ok {
			s = connect.Overlay(s, row)
		} else {
			s = connect.Unlisted(row)
		}
		if servers[s.HostID] = s; s.AssetValue == wtp.Unlisted {
			unlisted = append(unlisted, s.HostID)
		}
	}
	if len(servers) < total {
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
	if len(unlisted) <= connect.LookUps {
		look = append(look, unlisted...)
	} else if err := r.lookUpSystems(ctx, reading, servers, unlisted, total); err != nil {
		return nil, err
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
			delete(servers, id)
			gone++
		}
	}
	if len(servers)+gone < total {
		return nil, errListNeeded
	}
	// In the order in which they are saved: to sort IDs is cheap, to sort servers is not.
	list := make([]wtp.Server, 0, len(servers))
	for _, id := range slices.Sorted(maps.Keys(servers)) {
		list = append(list, servers[id])
	}
	return list, nil
}

// lookUpSystems puts the operating system into those servers that no list has shown
// and that have none yet. Where HSS doesn't say it so, they have none until the list
// shows it, and are left out of changes.
func (r *Reader) lookUpSystems(ctx context.Context, reading *connect.Reading, servers map[string]wtp.Server, unlisted []string, total int) error {
	if !slices.ContainsFunc(unlisted, func(id string) bool { return servers[id].OS == "" }) {
		return nil
	}
	systems, others, err := reading.Systems(ctx, total)
	if errors.Is(err, connect.ErrNoExport) {
		r.logger().Warn("operating systems are not known before the list is read", "project", reading.Project.ID, "err", err)
		return nil
	}
	if err != nil {
		return err
	}
	for _, id := range unlisted {
		s := servers[id]
		if s.OS == "" {
			s.OS = cmp.Or(systems[id], others)
			servers[id] = s
		}
	}
	return nil
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
		s.BackupHostID = remote.BackupHostID
		known[id] = s
	}
	return err
}

// lookUpAddrs has a few servers looked up of which it is open whether they use their
// backup server at its present address, because no list shows that. The servers are no
// worse if HSS doesn't say.
func (r *Reader) lookUpAddrs(ctx context.Context, reading *connect.Reading) error {
	hosts, err := r.Store.AddrsToLookUp(ctx, reading.Project.ID, connect.LookUps)
	if err != nil || len(hosts) == 0 {
		return err
	}
	if _, err = reading.LookUpRemotes(ctx, hosts); err != nil && ctx.Err() == nil {
		r.logger().Warn("the address of a backup server can't be looked up", "project", reading.Project.ID, "err", err)
		return nil
	}
	return err
}

// known is the present inventory by host ID; about n servers.
func (r *Reader) known(ctx context.Context, p wtp.Project, n int) (map[string]wtp.Server, error) {
	known := make(map[string]wtp.Server, n)
	return known, r.Store.EachServer(ctx, p.ID, func(s wtp.Server) { known[s.HostID] = s })
}
