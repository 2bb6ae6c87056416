package connect

import (
	"context"
	"fmt"

	"wtp-console/internal/hss"
	"wtp-console/internal/wtp"
)

// Systems reads the operating system of servers that only an export has shown, with
// an export more (three calls) and one page of the list: no exported row says it, but
// both can be narrowed by it. total is how many servers HSS counts. others is the
// system of those that are not in the map, "" if it isn't known. The error wraps
// ErrNoExport when this HSS can't narrow them, or the counts don't fit.
func (r *Reading) Systems(ctx context.Context, total int) (systems map[string]string, others string, err error) {
	_, windows, err := r.page(ctx, hss.ListWtpProtectHostRequest{OSType: "Windows", Limit: hss.MinLimit})
	if NotOffered(err) {
		return nil, "", fmt.Errorf("%w: %w", ErrNoExport, err)
	}
	if err != nil {
		return nil, "", err
	}
	rows, err := r.exportedAs(ctx, hss.ExportRequest{OSType: "Linux"})
	if err != nil {
		return nil, "", err
	}
	// An HSS that doesn't narrow at all would make every server a Linux one.
	if len(rows)+windows > total {
		return nil, "", fmt.Errorf("%w: %d Linux and %d Windows servers of %d", ErrNoExport, len(rows), windows, total)
	}
	systems = make(map[string]string, len(rows))
	for _, s := range rows {
		systems[s.HostID] = "linux"
	}
	if len(systems)+windows == total {
		others = "windows"
	}
	return systems, others, nil
}

// Unlisted is the server of an exported row that no list has shown.
func Unlisted(exported wtp.Server) wtp.Server {
	return Overlay(wtp.Server{HostID: exported.HostID, AssetValue: wtp.Unlisted}, exported)
}

// Listed puts what only the list shows over what is known of a server.
func Listed(known, listed wtp.Server) wtp.Server {
	known.GroupName, known.OS, known.OSName, known.AssetValue = listed.GroupName, listed.OS, listed.OSName, listed.AssetValue
	known.HostStatus, known.BackupHostID, known.InterruptReason = listed.HostStatus, listed.BackupHostID, listed.InterruptReason
	return known
}
