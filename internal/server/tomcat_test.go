package server

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

// tomcats is what HSS shows of Tomcat bin directories, and how often it was asked.
type tomcats struct {
	dirs  map[string]string
	fails error
	reads int
}

func (h *tomcats) read(_ context.Context, _ wtp.Project, hostID string) (string, error) {
	h.reads++
	return h.dirs[hostID], h.fails
}

func TestTomcatDirIsReadAndSet(t *testing.T) {
	hss := &tomcats{dirs: map[string]string{"host-00001": "/srv/old/bin"}}
	c, _, b := shop(t, fleet(3), func(c *Config) { c.ReadTomcatDir = hss.read })
	const server, form = "/p/shop/servers/host-00001", "/p/shop/servers/host-00001/tomcat-dir"
	require.Contains(t, said(b.get(server).is(200).page().Find("#tomcat")), "Not read yet")

	// Reading: what HSS can't tell now is said, with when.
	hss.fails = &wtp.Upstream{Text: wtp.Say("The calls that HSS allows in a minute are used up. Try again in %d s.", int64(40))}
	b.post(form + "/read").to(server + "#tomcat")
	require.Contains(t, said(b.get(server).page().Find("main")), "Try again in 40 s.")
	require.Contains(t, said(b.post(form, "dir", "/opt/tomcat/bin", "reason", "Moved").is(http.StatusBadGateway).page().Find("[role=alert]")), "Nothing was sent.")
	hss.fails = nil
	b.post(form + "/read").to(server + "#tomcat")
	require.Contains(t, said(b.get(server).page().Find("#tomcat")), "/srv/old/bin")

	// What is wrong with the form is said beside its field, and costs no call.
	reads := hss.reads
	for dir, says := range map[string]string{"": "Enter the Tomcat bin directory.", "opt/bin": "must begin with /", "/opt/": "must not end with /", "/a//b": "must not contain //", "/a/../b": "without . or ..",
		"/my tomcat": "HSS takes nothing else", "/" + strings.Repeat("x", 256): "At most 256 characters; this has 257."} {
		require.Contains(t, said(b.post(form, "dir", dir, "reason", "Moved").is(http.StatusUnprocessableEntity).page().Find("#errors")), says)
	}
	b.post(form, "dir", "/opt/tomcat/bin", "reason", "").is(http.StatusUnprocessableEntity)
	require.Equal(t, reads, hss.reads)
	require.Contains(t, said(b.post(form, "dir", "/srv/old/bin", "reason", "Moved").is(200).page().Find("#message")), "exactly this directory")

	// The difference is shown before anything is sent.
	first := b.post(form, "dir", "/opt/tomcat/bin", "reason", "Moved", "ticket", "T-1").is(200).page()
	require.Contains(t, said(first.Find("del")), "/srv/old/bin")
	require.Contains(t, said(first.Find("ins")), "/opt/tomcat/bin")
	seen := first.Find("input[name=seen]").AttrOr("value", "")
	require.NotEmpty(t, seen)
	_, err := c.store.Change(c.ctx(), 1, 1)
	require.ErrorIs(t, err, wtp.ErrNotFound)

	// Somebody changes it meanwhile, and the reading is old: it is read again.
	hss.dirs["host-00001"] = "/third/bin"
	c.later.Store(int64(5 * time.Minute))
	moved := b.post(form, "dir", "/opt/tomcat/bin", "shown", "/opt/tomcat/bin", "seen", seen, "reason", "Moved").is(http.StatusConflict).page()
	require.Contains(t, said(moved.Find("#message")), "another directory now")
	seen = moved.Find("input[name=seen]").AttrOr("value", "")
	path := b.post(form, "dir", "/opt/tomcat/bin", "shown", "/opt/tomcat/bin", "seen", seen, "reason", "Moved", "ticket", "T-1").is(303).Header.Get("Location")
	require.Equal(t, "/p/shop/changes/1", path)

	page := b.get(path).is(200).page()
	require.Equal(t, "#1 Set the Tomcat bin directory of web-00001 to /opt/tomcat/bin", said(page.Find("h1")))
	require.Contains(t, said(page.Find("table.dt tbody")), "/third/bin")
	change := c.send(1, accept)
	c.finish(change)
	c.later.Store(int64(6 * time.Minute))
	hss.dirs["host-00001"] = "/opt/tomcat/bin"
	b.post(form + "/read").is(303)
	page = b.get(path).is(200).page()
	require.Equal(t, "#1 The Tomcat bin directory of web-00001 was set to /opt/tomcat/bin", said(page.Find("h1")))
	for _, list := range []string{"/p/shop/changes", "/p/shop/changes?kind=tomcat_dir", "/changes", "/p/shop", server} {
		require.Contains(t, b.get(list).is(200).text, "/opt/tomcat/bin", list)
	}
	require.Contains(t, b.get("/p/shop/changes.csv").is(200).text, "tomcat_dir")
	require.Contains(t, b.get(path+"/servers.csv").is(200).text, "/opt/tomcat/bin")
	require.Contains(t, b.get("/events").is(200).text, "/opt/tomcat/bin")

	// Undo leads to the form with what was there before.
	undo := b.post(path + "/undo").is(303).Header.Get("Location")
	require.Equal(t, form+"?undo=1", undo)
	back := b.get(undo).is(200).page()
	require.Equal(t, "/third/bin", back.Find("input[name=dir]").AttrOr("value", ""))
	require.Equal(t, "Undo of #1: Moved", back.Find("textarea[name=reason]").Text())
	seen = b.post(form, "dir", "/third/bin", "undo", "1", "reason", "Undo").is(200).page().Find("input[name=seen]").AttrOr("value", "")
	second := b.post(form, "dir", "/third/bin", "shown", "/third/bin", "seen", seen, "undo", "1", "reason", "Undo").is(303).Header.Get("Location")
	require.Equal(t, "#2 Undo #1: set the Tomcat bin directory of web-00001 to /third/bin", said(b.get(second).is(200).page().Find("h1")))
	b.post(path+"/retry", "outcome", "refused").is(http.StatusNotFound)
	b.get("/p/shop/servers/nobody/tomcat-dir").is(http.StatusNotFound)
}

func TestPreviewSaysWhereTheTomcatDirIsUnknown(t *testing.T) {
	c, p, b := shop(t, fleet(60))
	require.NoError(t, c.store.SaveTomcatDir(c.ctx(), p.ID, "host-00002", wtp.At(time.Now()), "/opt/tomcat/bin"))
	preview := b.preview("enable")
	page := b.get(preview).is(200).page()
	require.Contains(t, said(page.Find(".notice-warn")), "For 59 of these servers the Tomcat bin directory is not known here.")
	list := page.Find("a[href$='/tomcat-dirs']").AttrOr("href", "")
	first := b.get(list).is(200).page()
	require.Len(t, names(first), 50)
	rest := names(b.get(first.Find("a[rel=next]").AttrOr("href", "")).is(200).page())
	require.Len(t, rest, 9)
	require.NotContains(t, append(names(first), rest...), "web-00002")
	require.Equal(t, preview, first.Find(".head a.btn").AttrOr("href", ""))

	off, err := c.store.PlanDynamicWTP(c.ctx(), wtp.Actor{UserID: 2, Name: "mei", Role: wtp.Operator}, p.ID, wtp.Disable, db.PlanSource{HostIDs: []string{"host-00001"}}, time.Hour)
	require.NoError(t, err)
	require.NotContains(t, b.get("/p/shop/previews/"+off.UID).is(200).text, "tomcat-dirs")
}
