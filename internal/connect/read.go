package connect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/hss"
	"wtp-console/internal/wtp"
)

const (
	// PagesAtOnce is how many pages of the list are read rather than an export
	// made: an export takes at least three calls and its rows hold less.
	PagesAtOnce = 3
	// LookUps is how many single servers are looked up, a call each, rather than
	// read from a list or an export.
	LookUps = 3

	exportPoll = 12 * time.Second // five a minute
	exportFor  = 10 * time.Minute // then the task is given up
)

// ErrNoExport is wrapped by the errors of Exported when this HSS offers no export
// that the console understands, or the task failed: read the list instead.
var ErrNoExport = errors.New("no usable export")

// ErrListMoved is wrapped by the errors of lists that contradict themselves, so
// that they can't pass for whole.
var ErrListMoved = errors.New("the list contradicts itself")

// Around is put around each call of a Reading, for instance to write it down
// before it is made. hosts is how many IDs the call names.
type Around func(ctx context.Context, operation, method, path string, hosts int, call func(context.Context) (hss.Meta, error)) error

// Reading reads what HSS shows of one project. Calls that HSS throttled, that did
// not leave or whose answer was no use are made again, at most three times in
// all; calls are paced by the shared budget.
type Reading struct {
	Project      wtp.Project
	CredentialID int64
	Around       Around // nil: just call

	connector *Connector
	client    *hss.Client
	waiter    waiter
	signIn    signIn
}

// Reading opens the project's credential for reading, with all the time that ctx
// lets it have. asked says that a person asked for it: then it goes before what
// nobody asked for, and is tried even if the sign-in was refused before.
func (c *Connector) Reading(ctx context.Context, p wtp.Project, asked bool) (*Reading, error) {
	w := upkeep()
	if asked {
		w.turn.Priority = db.ForPerson
	}
	return c.reading(ctx, p, w)
}

func (c *Connector) reading(ctx context.Context, p wtp.Project, w waiter) (*Reading, error) {
	client, cred, err := c.client(ctx, p, w)
	if err != nil {
		return nil, err
	}
	as := signInOf(cred, p)
	if w.turn.Priority == db.ForUpkeep {
		if why := c.refused(as); why != nil {
			return nil, why
		}
	}
	return &Reading{Project: p, CredentialID: cred.ID, connector: c, client: client, waiter: w, signIn: as}, nil
}

const readTries = 3

// call makes one reading call, again where that can help.
func (r *Reading) call(ctx context.Context, operation, method, path string, hosts int, call func(context.Context) (hss.Meta, error)) error {
	around := r.Around
	if around == nil {
		around = func(ctx context.Context, operation, _, _ string, _ int, call func(context.Context) (hss.Meta, error)) error {
			taken, err := r.connector.pace(ctx, r.CredentialID, operation, r.waiter)
			if err != nil {
				return err
			}
			_, err = r.connector.Prepaid(ctx, operation, taken, call)
			return err
		}
	}
	path = "/v5/" + r.Project.HSSProjectID + path
	for try := 1; ; try++ {
		err := around(ctx, operation, method, path, hosts, call)
		r.connector.signedIn(r.signIn, err)
		if err == nil {
			return nil
		}
		r.connector.Heard(ctx, r.CredentialID, err)
		var e *hss.Error
		if try >= readTries || ctx.Err() != nil || !errors.As(err, &e) || errors.Is(err, hss.ErrExportFormat) || NotOffered(err) {
			return err
		}
		switch e.Class {
		case hss.ClassThrottled: // the budget is blocked by now and says how long
		case hss.ClassUnclear, hss.ClassNotSent:
			var kept *wtp.Upstream
			if errors.As(err, &kept) {
				return err
			}
			if err := r.connector.wait(ctx, time.Duration(try)*2*time.Second); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// Page reads rows of the list of protected servers from an offset. total is how
// many there are in all.
func (r *Reading) Page(ctx context.Context, offset int) (rows []wtp.Server, total int, err error) {
	limit := r.pageLimit()
	rows, total, err = r.page(ctx, hss.ListWtpProtectHostRequest{Limit: limit, Offset: offset})
	var e *hss.Error
	if err == nil || limit <= smallPage || !errors.As(err, &e) || e.Code != "HSS.0001" {
		return rows, total, err
	}
	// Older editions take at most 100 rows a page (hss-api section 7, #3).
	if rows, total, err = r.page(ctx, hss.ListWtpProtectHostRequest{Limit: smallPage, Offset: offset}); err != nil {
		return rows, total, err // it was not the size: nothing is to be remembered
	}
	r.connector.mu.Lock()
	defer r.connector.mu.Unlock()
	if r.connector.small == nil {
		r.connector.small = map[int64]bool{}
	}
	r.connector.small[r.Project.ID] = true
	return rows, total, nil
}

// smallPage is what every edition takes.
const smallPage = 100

func (r *Reading) pageLimit() int {
	r.connector.mu.Lock()
	defer r.connector.mu.Unlock()
	if r.connector.small[r.Project.ID] {
		return smallPage
	}
	return hss.MaxLimit
}

// Pages is how many pages a list of n rows takes.
func (r *Reading) Pages(n int) int { return (n + r.pageLimit() - 1) / r.pageLimit() }

func (r *Reading) page(ctx context.Context, q hss.ListWtpProtectHostRequest) (rows []wtp.Server, total int, err error) {
	named := 0
	if q.HostID != "" {
		named = 1
	}
	err = r.call(ctx, hss.OpListWtpProtectHost, http.MethodGet, "/webtamper/hosts", named, func(ctx context.Context) (hss.Meta, error) {
		answer, err := r.client.ListWtpProtectHost(ctx, q)
		rows, total = make([]wtp.Server, 0, len(answer.Hosts)), answer.TotalNum
		for _, h := range answer.Hosts {
			rows = append(rows, serverOf(h))
		}
		return answer.Meta, err
	})
	return rows, total, err
}

// Server looks one protected server up. ok false: HSS doesn't list it. The error wraps
// ErrListMoved when HSS lists others in its place, and not all of them.
func (r *Reading) Server(ctx context.Context, hostID string) (s wtp.Server, ok bool, err error) {
	rows, total, err := r.page(ctx, hss.ListWtpProtectHostRequest{HostID: hostID, Limit: hss.MinLimit})
	for _, row := range rows {
		if row.HostID == hostID {
			return row, true, err
		}
	}
	if err == nil && total > len(rows) {
		err = fmt.Errorf("%w: %d servers have one host ID", ErrListMoved, total)
	}
	return wtp.Server{}, false, err
}

// Servers reads the whole list, page after page; first is the page at offset 0 if
// it was read already. A server that moves to another page while the list is read
// is neither missed nor doubled: a list that changed on the way is read once more
// and both readings are put together. The error wraps ErrListMoved when even then
// fewer servers came than HSS counts.
func (r *Reading) Servers(ctx context.Context, first []wtp.Server, total int) ([]wtp.Server, error) {
	all, least, moved, err := r.pass(ctx, first, total)
	if err != nil || !moved {
		return values(all), err
	}
	again, least, moved, err := r.pass(ctx, nil, least)
	if err != nil {
		return nil, err
	}
	if moved {
		for id, s := range all {
			if _, ok := again[id]; !ok {
				again[id] = s
			}
		}
	}
	if len(again) < least {
		return nil, fmt.Errorf("%w: %d servers came where HSS counts %d", ErrListMoved, len(again), least)
	}
	return values(again), nil
}

// pass reads the list once. least is the smallest total HSS named; moved says
// whether the list changed on the way, or a row is missing.
func (r *Reading) pass(ctx context.Context, first []wtp.Server, total int) (all map[string]wtp.Server, least int, moved bool, err error) {
	rows := first
	if rows == nil {
		if rows, total, err = r.Page(ctx, 0); err != nil {
			return nil, 0, false, err
		}
	}
	all, least = make(map[string]wtp.Server, total), total
	for offset := 0; ; {
		for _, s := range rows {
			if _, ok := all[s.HostID]; ok {
				moved = true
			}
			all[s.HostID] = s
		}
		if len(rows) > 0 && offset+len(rows) > total { // no row there: the list has shrunk
			return nil, 0, false, fmt.Errorf("%w: row %d of %d", ErrListMoved, offset+len(rows), total)
		}
		// By what came rather than by what was asked for: an HSS that silently
		// gives smaller pages must not make us skip rows.
		offset += len(rows)
		if offset >= total || len(rows) == 0 || offset > hss.MaxOffset {
			return all, least, moved || len(all) < least, nil
		}
		was := total
		if rows, total, err = r.Page(ctx, offset); err != nil {
			return nil, 0, false, err
		}
		moved = moved || total != was
		least = min(least, total)
	}
}

// Exported reads servers by an export task: three calls for up to 200,000 servers.
// hostIDs nil: all. An export has neither operating system, group, importance nor
// backup server (hss-api 1.7): only the fields that Overlay takes are filled. The error wraps
// ErrNoExport when the list has to be read instead.
func (r *Reading) Exported(ctx context.Context, hostIDs []string) ([]wtp.Server, error) {
	return r.exportedAs(ctx, hss.ExportRequest{HostIDs: hostIDs})
}

func (r *Reading) exportedAs(ctx context.Context, q hss.ExportRequest) ([]wtp.Server, error) {
	rows, err := r.exported(ctx, q)
	var e *hss.Error
	if err != nil && !errors.Is(err, ErrNoExport) && ctx.Err() == nil && errors.As(err, &e) &&
		(NotOffered(err) || e.Class == hss.ClassUnclear) {
		return nil, fmt.Errorf("%w: %w", ErrNoExport, err)
	}
	return rows, err
}

// NotOffered says that HSS has answered that it doesn't do this: it has no such
// call, not for this user, or not with these values. Asking again is no use, and
// what isn't needed can be done without.
func NotOffered(err error) bool {
	var e *hss.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Class {
	case hss.ClassNotInRegion, hss.ClassNoPermission, hss.ClassRefused:
		return true
	case hss.ClassUnclear: // without a word of HSS's own
		return e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed || e.Status == http.StatusNotImplemented
	}
	return false
}

func (r *Reading) exported(ctx context.Context, q hss.ExportRequest) ([]wtp.Server, error) {
	q.Size = hss.MaxExportRows
	var task string
	err := r.call(ctx, hss.OpExportWebTamperHost, http.MethodPost, "/webtamper/host/export", len(q.HostIDs), func(ctx context.Context) (hss.Meta, error) {
		answer, err := r.client.ExportWebTamperHost(ctx, q)
		task = answer.TaskID
		return answer.Meta, err
	})
	if err != nil {
		return nil, err
	}
	file, err := r.exportFile(ctx, task)
	if err != nil {
		return nil, err
	}
	var rows []wtp.Server
	var columns []string
	err = r.call(ctx, hss.OpDownloadExport, http.MethodGet, "/download/"+file, 0, func(ctx context.Context) (hss.Meta, error) {
		rows = rows[:0]
		answer, err := r.client.StreamExport(ctx, file, func(h hss.ProtectHost) error {
			rows = append(rows, serverOf(h))
			return nil
		})
		columns = answer.Columns
		return answer.Meta, err
	})
	if err != nil {
		return nil, err
	}
	for _, f := range []string{"host_id", "agent_status", "protect_status", "rasp_protect_status"} {
		if !slices.Contains(columns, f) {
			return nil, fmt.Errorf("%w: the file has no column %s", ErrNoExport, f)
		}
	}
	return rows, nil
}

// exportFile waits for an export task and gives the file to download.
func (r *Reading) exportFile(ctx context.Context, task string) (string, error) {
	until := r.connector.now().Add(exportFor)
	for wait := 2 * time.Second; ; wait = exportPoll {
		if err := r.connector.wait(ctx, wait); err != nil {
			return "", err
		}
		var status, file string
		err := r.call(ctx, hss.OpShowExportTask, http.MethodGet, "/export-task/"+task, 0, func(ctx context.Context) (hss.Meta, error) {
			answer, err := r.client.ShowExportTask(ctx, task)
			status, file = answer.Status, answer.FileID
			return answer.Meta, err
		})
		switch {
		case err != nil:
			return "", err
		case status == hss.ExportSuccess:
			return file, nil
		case status == hss.ExportFailure:
			return "", fmt.Errorf("%w: the export task failed", ErrNoExport)
		case r.connector.now().After(until):
			return "", fmt.Errorf("%w: the export task did not end in %s", ErrNoExport, exportFor)
		}
	}
}

// States reads dynamic WTP of exactly these servers, by whatever takes the fewest
// calls. A server that HSS doesn't list, or of which it says neither on nor off, is not
// in the map.
func (r *Reading) States(ctx context.Context, hostIDs []string) (map[string]string, error) {
	states := make(map[string]string, len(hostIDs))
	if len(hostIDs) <= LookUps {
		for _, id := range hostIDs {
			s, ok, err := r.Server(ctx, id)
			if err != nil {
				return nil, err
			}
			if ok && knownState(s) {
				states[id] = s.Dynamic
			}
		}
		return states, nil
	}
	rows, err := r.these(ctx, hostIDs)
	if err != nil {
		return nil, err
	}
	for _, s := range rows {
		if knownState(s) && slices.Contains(hostIDs, s.HostID) {
			states[s.HostID] = s.Dynamic
		}
	}
	return states, nil
}

func knownState(s wtp.Server) bool { return s.Dynamic == wtp.Opened || s.Dynamic == wtp.Closed }

func (r *Reading) these(ctx context.Context, hostIDs []string) ([]wtp.Server, error) {
	if r.Pages(int(r.Project.ServerCount)) > PagesAtOnce {
		rows, err := r.Exported(ctx, hostIDs)
		if !errors.Is(err, ErrNoExport) {
			return rows, err
		}
	}
	return r.Servers(ctx, nil, 0)
}

// Backups reads all backup servers. A list that moved on the way is read once more and
// both readings are put together, as with Servers.
func (r *Reading) Backups(ctx context.Context) ([]wtp.BackupServer, error) {
	all, _, moved, err := r.backups(ctx)
	if err != nil || !moved {
		return all, err
	}
	again, least, moved, err := r.backups(ctx)
	if err != nil {
		return nil, err
	}
	if moved {
		for _, b := range all {
			if !slices.ContainsFunc(again, func(have wtp.BackupServer) bool { return have.HostID == b.HostID }) {
				again = append(again, b)
			}
		}
	}
	if len(again) < least {
		return nil, fmt.Errorf("%w: %d backup servers came where HSS counts %d", ErrListMoved, len(again), least)
	}
	return again, nil
}

// backups reads the list once; least and moved are those of pass.
func (r *Reading) backups(ctx context.Context) (all []wtp.BackupServer, least int, moved bool, err error) {
	seen := map[string]bool{}
	for offset, was := 0, 0; ; {
		var answer hss.ListBackupHostsInfoResponse
		err := r.call(ctx, hss.OpListBackupHostsInfo, http.MethodGet, "/wtp/backup-hosts", 0, func(ctx context.Context) (hss.Meta, error) {
			var err error
			answer, err = r.client.ListBackupHostsInfo(ctx, hss.ListBackupHostsInfoRequest{Limit: smallPage, Offset: offset})
			return answer.Meta, err
		})
		if err != nil {
			return nil, 0, false, err
		}
		total, rows := answer.TotalNum, len(answer.Hosts)
		if rows > 0 && offset+rows > total {
			return nil, 0, false, fmt.Errorf("%w: row %d of %d", ErrListMoved, offset+rows, total)
		}
		for _, b := range answer.Hosts {
			if seen[b.HostID] {
				moved = true
				continue
			}
			seen[b.HostID] = true
			all = append(all, backupOf(b))
		}
		if offset == 0 {
			was, least = total, total
		}
		moved, least = moved || total != was, min(least, total)
		if offset, was = offset+rows, total; offset >= total || rows == 0 {
			return all, least, moved || len(all) < least, nil
		}
	}
}

// Overlay puts what an exported row says over what an earlier list row said. Where it
// names no state, there is none: the one before may be over.
func Overlay(known, exported wtp.Server) wtp.Server {
	for _, f := range []struct {
		to   *string
		from string
	}{{&known.Name, exported.Name}, {&known.PublicIP, exported.PublicIP}, {&known.PrivateIP, exported.PrivateIP}} {
		if f.from != "" {
			*f.to = f.from
		}
	}
	known.AgentStatus, known.ProtectStatus, known.Dynamic = exported.AgentStatus, exported.ProtectStatus, exported.Dynamic
	if known.ProtectStatus != "protection_interruption" {
		known.InterruptReason = ""
	}
	known.ProtectDirNum, known.StaticAttacks, known.DynamicAttacks = exported.ProtectDirNum, exported.StaticAttacks, exported.DynamicAttacks
	return known
}

func serverOf(h hss.ProtectHost) wtp.Server {
	return wtp.Server{
		HostID: h.HostID, Name: h.HostName, PrivateIP: h.PrivateIP, PublicIP: h.PublicIP, GroupName: h.GroupName,
		OS: strings.ToLower(h.OSType), OSName: strings.TrimSpace(h.OSName + " " + h.OSVersion),
		AssetValue: strings.ToLower(h.AssetValue), HostStatus: strings.ToLower(h.HostStatus),
		AgentStatus: strings.ToLower(h.AgentStatus), ProtectStatus: strings.ToLower(h.ProtectStatus), Dynamic: strings.ToLower(h.RaspProtectStatus),
		ProtectDirNum: int64(h.ProtectDirNum), InterruptReason: h.InterruptReason, BackupHostID: h.BackupHostID,
		StaticAttacks: h.AntiTamperingTimes, DynamicAttacks: h.DetectTamperingTimes,
	}
}

func backupOf(b hss.BackupHostInfo) wtp.BackupServer {
	return wtp.BackupServer{HostID: b.HostID, Name: b.HostName, IP: b.IP, Port: int64(b.Port), Dir: b.Dir, Status: int64(b.Status)}
}

func values(all map[string]wtp.Server) []wtp.Server {
	list := make([]wtp.Server, 0, len(all))
	for _, s := range all {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b wtp.Server) int { return strings.Compare(a.HostID, b.HostID) })
	return list
}

// SameConfig says whether a backup server is as a change wanted it.
func SameConfig(b wtp.BackupServer, want wtp.BackupConfig) bool {
	return db.ConfigJSON(b.Config()) == db.ConfigJSON(want)
}
