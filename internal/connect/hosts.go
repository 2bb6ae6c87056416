package connect

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"wtp-console/internal/hss"
	"wtp-console/internal/wtp"
)

// FindHosts looks for servers that could become a backup server, in one call: up
// to 100 Linux servers whose name contains the query, or with exactly this address
// or host ID. Those that are fit (running, agent online) come first. An ID
// that this HSS can't look up is not found. The error is a *wtp.Upstream.
func (c *Connector) FindHosts(ctx context.Context, p wtp.Project, query string) ([]wtp.HostChoice, error) {
	ctx, cancel := within(ctx)
	defer cancel()
	r, err := c.reading(ctx, p, somebody())
	if err != nil {
		return nil, Upstream(err)
	}
	q := hss.ListHostStatusRequest{OSType: "Linux", Limit: 100}
	named := 0
	query = strings.TrimSpace(query)
	_, noAddress := netip.ParseAddr(query)
	switch {
	case query == "":
	case noAddress == nil:
		q.IPAddr = query
	case isHostID(query):
		q.HostID, named = query, 1
	default:
		q.HostName = query
	}
	var found []wtp.HostChoice
	err = r.call(ctx, hss.OpListHostStatus, http.MethodGet, "/host-management/hosts", named, func(ctx context.Context) (hss.Meta, error) {
		found = found[:0]
		answer, err := r.client.ListHostStatus(ctx, q)
		for _, h := range answer.Hosts {
			found = append(found, wtp.HostChoice{
				HostID: h.HostID, Name: h.HostName, PrivateIP: h.PrivateIP, AgentID: h.AgentID,
				Online: strings.EqualFold(h.AgentStatus, "online"), Active: strings.EqualFold(h.HostStatus, "ACTIVE"), Linux: h.IsLinux(),
			})
		}
		return answer.Meta, err
	})
	if named == 1 && NotOffered(err) {
		return nil, nil // nobody can say: the ID is the person's own word
	}
	if err != nil {
		return nil, Upstream(err)
	}
	slices.SortStableFunc(found, func(a, b wtp.HostChoice) int {
		if fit := func(h wtp.HostChoice) bool { return h.Online && h.Active && h.Linux }; fit(a) != fit(b) {
			if fit(a) {
				return -1
			}
			return 1
		}
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	return found, nil
}

// isHostID says whether a query looks like a host ID: 32 hexadecimal digits, with
// or without hyphens.
func isHostID(s string) bool {
	digits := strings.ReplaceAll(s, "-", "")
	return len(digits) == 32 && strings.Trim(strings.ToLower(digits), "0123456789abcdef") == ""
}

// Backups reads the project's backup servers from HSS now, for somebody who waits.
// The error is a *wtp.Upstream.
func (c *Connector) Backups(ctx context.Context, p wtp.Project) ([]wtp.BackupServer, error) {
	ctx, cancel := within(ctx)
	defer cancel()
	r, err := c.reading(ctx, p, somebody())
	if err != nil {
		return nil, Upstream(err)
	}
	found, err := r.Backups(ctx)
	if err != nil {
		return nil, Upstream(err)
	}
	return found, nil
}

// ProtectedDirs are the directories that WTP protects on a server; none if HSS
// knows no policy of it (it needs no WTP to be a backup server) or doesn't offer
// the call in this region. The error is a *wtp.Upstream.
func (c *Connector) ProtectedDirs(ctx context.Context, p wtp.Project, hostID string) ([]string, error) {
	ctx, cancel := within(ctx)
	defer cancel()
	r, err := c.reading(ctx, p, somebody())
	if err != nil {
		return nil, Upstream(err)
	}
	var dirs []string
	err = r.call(ctx, hss.OpShowWebTamperHostPolicy, http.MethodGet, "/webtamper/"+hostID+"/policy", 1, func(ctx context.Context) (hss.Meta, error) {
		answer, err := r.client.ShowWebTamperHostPolicy(ctx, hostID)
		dirs = answer.ProtectDirs
		return answer.Meta, err
	})
	up := Upstream(err)
	switch {
	case up == nil:
		return dirs, nil
	case up.Class == string(hss.ClassRefused) || up.Class == string(hss.ClassNotInRegion):
		return nil, nil
	}
	return nil, up
}
