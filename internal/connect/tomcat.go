package connect

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/hss"
	"wtp-console/internal/wtp"
)

// inAHurry is how long somebody in a browser waits for one value.
const inAHurry = 5 * time.Second

// TomcatDir reads the Tomcat bin directory of a server; "" if none is set.
func (r *Reading) TomcatDir(ctx context.Context, hostID string) (string, error) {
	dir := ""
	err := r.call(ctx, hss.OpShowWebTamperRaspPath, http.MethodGet, "/wtp/"+url.PathEscape(hostID)+"/rasp-path", 1, func(ctx context.Context) (hss.Meta, error) {
		answer, err := r.client.ShowWebTamperRaspPath(ctx, hostID)
		dir = answer.RaspPath
		return answer.Meta, err
	})
	return dir, err
}

// TomcatDir reads the Tomcat bin directory of a server now, for somebody who waits,
// within five seconds; "" if none is set. When the calls of the minute are used up,
// the error says when there will be one. It is a *wtp.Upstream.
func (c *Connector) TomcatDir(ctx context.Context, p wtp.Project, hostID string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, inAHurry)
	defer cancel()
	client, cred, err := c.Client(ctx, p)
	if err != nil {
		return "", Upstream(err)
	}
	taken, err := c.Take(ctx, cred.ID, hss.OpShowWebTamperRaspPath, db.Turn{Priority: db.ForPerson})
	if err != nil {
		return "", Upstream(err)
	}
	if taken.Wait > 0 {
		return "", &wtp.Upstream{Operation: hss.OpShowWebTamperRaspPath, Class: string(hss.ClassThrottled),
			Text: wtp.Say("The calls that HSS allows in a minute are used up. Try again in %d s.", int64((taken.Wait+time.Second-1)/time.Second))}
	}
	dir := ""
	_, err = c.Prepaid(ctx, hss.OpShowWebTamperRaspPath, taken, func(ctx context.Context) (hss.Meta, error) {
		answer, err := client.ShowWebTamperRaspPath(ctx, hostID)
		dir = answer.RaspPath
		return answer.Meta, err
	})
	if up := c.Heard(ctx, cred.ID, err); up != nil {
		return "", up
	}
	return dir, nil
}
