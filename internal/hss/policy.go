package hss

import (
	"context"
	"net/http"
)

// ShowWebTamperHostPolicyResponse is what the console uses of the answer of ShowWebTamperHostPolicy.
type ShowWebTamperHostPolicyResponse struct {
	Meta
	ProtectDirs []string // absolute paths, at most 50
	RaspPath    string   // the Tomcat bin directory; "" when none is set
}

// ShowWebTamperHostPolicy reads the WTP policy of a server: which directories it protects.
//
// GET /v5/{project_id}/webtamper/{host_id}/policy, HSS API Reference "Querying the Protection Policy of a Server".
func (c *Client) ShowWebTamperHostPolicy(ctx context.Context, hostID string) (ShowWebTamperHostPolicyResponse, error) {
	var r ShowWebTamperHostPolicyResponse
	op := &call{op: OpShowWebTamperHostPolicy, method: http.MethodGet, path: []string{"webtamper", hostID, "policy"}, want: http.StatusOK}
	if err := checkID("host ID", hostID); err != nil {
		return r, c.notSent(op, err)
	}
	op.decode = func(body []byte) error {
		top, err := objectOf(body)
		if err != nil {
			return err
		}
		rows, err := top.object("protect_dir_info").rows("protect_dir_list")
		if err != nil {
			return err
		}
		r.ProtectDirs = make([]string, 0, len(rows))
		for _, row := range rows {
			if dir := row.text("protect_dir"); dir != "" {
				r.ProtectDirs = append(r.ProtectDirs, dir)
			}
		}
		r.RaspPath = top.text("rasp_path")
		return top.err()
	}
	var err error
	r.Meta, err = c.do(ctx, op)
	return r, err
}
