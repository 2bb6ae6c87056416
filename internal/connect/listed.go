package connect

import (
	"context"
	"slices"

	"wtp-console/internal/wtp"
)

// Listed is what HSS lists of these servers now, by host ID, by few calls. An export
// has not all fields, see Exported.
func (r *Reading) Listed(ctx context.Context, hostIDs []string) (map[string]wtp.Server, error) {
	rows, err := r.these(ctx, hostIDs)
	if err != nil {
		return nil, err
	}
	listed := make(map[string]wtp.Server, len(hostIDs))
	for _, s := range rows {
		if slices.Contains(hostIDs, s.HostID) {
			listed[s.HostID] = s
		}
	}
	return listed, nil
}
