package hss

import (
	"context"
	"errors"
	"net/http"
)

// Switch is a direction that somebody has said. The zero value is nobody's wish and is refused: the API's
// own default is "off".
type Switch int

// The directions.
const (
	SwitchOn  Switch = 1
	SwitchOff Switch = 2
)

// String returns "on", "off" or "unset".
func (s Switch) String() string {
	switch s {
	case SwitchOn:
		return "on"
	case SwitchOff:
		return "off"
	}
	return "unset"
}

func (s Switch) check() error {
	if s != SwitchOn && s != SwitchOff {
		return errors.New("neither on nor off was asked for")
	}
	return nil
}

// SetRaspSwitch switches dynamic WTP on or off for 1 to 200 Linux servers that have WTP on. The answer has
// no result per server: no error means accepted, and what came of it is read with ListWtpProtectHost.
//
// POST /v5/{project_id}/webtamper/rasp/status, HSS API Reference "Enabling or Disabling Dynamic Web Tamper
// Protection".
func (c *Client) SetRaspSwitch(ctx context.Context, hostIDs []string, enable Switch) (Meta, error) {
	op := &call{op: OpSetRaspSwitch, method: http.MethodPost, path: []string{"webtamper", "rasp", "status"}, region: true, want: http.StatusOK}
	if err := enable.check(); err != nil {
		return Meta{}, c.notSent(op, err)
	}
	if err := checkIDs(hostIDs, MaxSwitchHosts); err != nil {
		return Meta{}, c.notSent(op, err)
	}
	op.body = struct { // status has no omitempty: left out, it would mean off
		HostIDs []string `json:"host_id_list"`
		Status  bool     `json:"status"`
	}{hostIDs, enable == SwitchOn}
	return c.do(ctx, op)
}

// ShowWebTamperRaspPathResponse is the answer of ShowWebTamperRaspPath.
type ShowWebTamperRaspPathResponse struct {
	Meta
	RaspPath string // 0-512 characters; "" when none is set
}

// ShowWebTamperRaspPath reads the Tomcat bin directory of a Linux server.
//
// GET /v5/{project_id}/wtp/{host_id}/rasp-path, HSS API Reference "Querying the Tomcat bin directory".
func (c *Client) ShowWebTamperRaspPath(ctx context.Context, hostID string) (ShowWebTamperRaspPathResponse, error) {
	var r ShowWebTamperRaspPathResponse
	op := &call{op: OpShowWebTamperRaspPath, method: http.MethodGet, path: []string{"wtp", hostID, "rasp-path"}, want: http.StatusOK}
	if err := checkID("host ID", hostID); err != nil {
		return r, c.notSent(op, err)
	}
	op.decode = func(body []byte) error {
		top, err := objectOf(body)
		if err != nil {
			return err
		}
		r.RaspPath = top.text("rasp_path")
		return top.err()
	}
	var err error
	r.Meta, err = c.do(ctx, op)
	return r, err
}

// UpdateWebTamperRaspPath sets the Tomcat bin directory of a Linux server: 1 to 256 characters, absolute,
// no "/" at the end, letters, digits, "_", "-" and ".".
//
// PUT /v5/{project_id}/wtp/{host_id}/rasp-path, HSS API Reference "Modifying the Tomcat bin directory".
func (c *Client) UpdateWebTamperRaspPath(ctx context.Context, hostID, path string) (Meta, error) {
	op := &call{op: OpUpdateWebTamperRaspPath, method: http.MethodPut, path: []string{"wtp", hostID, "rasp-path"}, want: http.StatusOK}
	if err := checkID("host ID", hostID); err != nil {
		return Meta{}, c.notSent(op, err)
	}
	if err := checkRaspPath(path); err != nil {
		return Meta{}, c.notSent(op, err)
	}
	op.body = struct {
		RaspPath string `json:"rasp_path"`
	}{path}
	return c.do(ctx, op)
}
