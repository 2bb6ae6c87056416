package server

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

// opened is a fleet that HSS shows with dynamic WTP on, but for some.
func opened(n int, off ...int) []wtp.Server {
	servers := fleet(n)
	for i := range servers {
		servers[i].Dynamic = wtp.Opened
	}
	for _, i := range off {
		servers[i].Dynamic = wtp.Closed
	}
	return servers
}

func (c *console) counts(change wtp.Change) db.Counts {
	c.t.Helper()
	n, err := c.store.ChangeCounts(c.ctx(), change.ID)
	require.NoError(c.t, err)
	return n
}

func TestUndoIsPlannedFromTheChange(t *testing.T) {
	c, p, b := shop(t, fleet(6))
	path := b.confirm("enable", "Roll-out wave 6")
	require.Zero(t, b.get(path).page().Find("form[action$='/undo']").Length(), "it is under way")
	b.post(path + "/undo").to(path)
	require.Contains(t, said(b.get(path).page().Find(".notice")), "Change 1 is still under way.")
	c.finish(c.send(1, accept))

	// Not read since: nothing is known, nothing would be sent, and the plan says so.
	unread := b.get(b.post(path + "/undo").is(303).Header.Get("Location")).is(200).page()
	require.Contains(t, said(unread.Find("main .notice-warn")), "HSS was not read since #1 ended, so 6 servers are skipped.")
	require.Equal(t, path, unread.Find("form[action='/p/shop/read'] input[name=next]").AttrOr("value", ""))
	require.Contains(t, said(unread.Find("aside, main")), "Nothing can be switched back now.")

	c.inventory(p, opened(6))
	c.inventory(p, opened(6, 2, 4)) // two were switched back by somebody
	b.post("/p/shop/selection", "op", "none", "query", "").is(303)
	done := b.get(path).is(200).page()
	require.Equal(t, "Undo…", said(done.Find("#change-head form[action='"+path+"/undo'] button")))
	require.Zero(t, done.Find("form[action$='/retry']").Length(), "nothing failed")

	a := b.post(path + "/undo").is(303)
	where := a.Header.Get("Location")
	preview := b.get(where).is(200).page()
	require.Equal(t, "Undo #1: turn off dynamic WTP on 4 servers", said(preview.Find("h1")))
	require.Contains(t, said(preview.Find(".head .sub")), "Preview of 6 servers that #1 switched, made at")
	require.Equal(t, "Undo of #1: Roll-out wave 6", preview.Find("textarea[name=reason]").Text())
	require.Equal(t, "CHG-20871", preview.Find("input[name=ticket]").AttrOr("value", ""))
	require.Equal(t, path, preview.Find("main .notice-info a").AttrOr("href", ""))
	require.Contains(t, said(preview.Find("table").First()), "Changed since")
	require.Equal(t, []string{"web-00003", "web-00005"}, names(b.get(where+"?bucket=cannot&why=changed_since").is(200).page()))
	require.NotContains(t, said(preview.Find("main")), "HSS was not read since", "it was read")

	undo := b.post(where+"/confirm", "reason", "Undo of #1: too early", "ticket", "", "back", "never", "confirm", "turn off 4").is(303).Header.Get("Location")
	require.Equal(t, "/p/shop/changes/2", undo)
	page := b.get(undo).is(200).page()
	require.Equal(t, path, page.Find("#record a[href='"+path+"']").AttrOr("href", ""))
	require.Contains(t, said(page.Find("#record")), "Undoes#1 Turn on dynamic WTP on 6 servers")
	require.Contains(t, said(b.get(path).page().Find("#record")), "Undone by#2 Undo #1: turn off dynamic WTP on 4 servers")
	rows := texts(b.get("/p/shop/changes").is(200).page().Find("li.chg"))
	require.Contains(t, rows[0], "Undo #1: turn off dynamic WTP on 4 servers")
	require.Contains(t, rows[1], "undone by #2")
	require.Contains(t, b.get("/p/shop/changes.csv").is(200).text, "undo_of,retry_of")

	// A plan that is given up leads back to the change.
	b.post(b.post(path+"/undo").is(303).Header.Get("Location") + "/drop").to(path)
}

func TestWhatFailedIsTriedAgain(t *testing.T) {
	c, _, b := shop(t, fleet(450))
	path := b.confirm("enable", "Wave 7")
	change := c.send(1, accept)
	require.NoError(t, c.store.ReleaseChange(c.ctx(), change.ID, "runner"))
	c.send(30, func(w wtp.Batch, call *wtp.Call) db.Verdict {
		if w.No == 2 || w.Parent > 0 {
			return refuseOne("HSS.1007", "poison")(w, call)
		}
		return accept(w, call)
	})
	refused := c.counts(change).Of(wtp.TargetRefused)
	require.Positive(t, refused)
	b.post(path + "/stop").to(path)
	c.finish(change)
	counts := c.counts(change)
	stopped := counts.Of(wtp.TargetStopped)
	require.Positive(t, stopped)

	page := b.get(path).is(200).page()
	head := texts(page.Find("#change-head button"))
	require.Equal(t, []string{"Undo…", "Go on with " + strconv.FormatInt(stopped, 10) + "…", "Retry " + strconv.FormatInt(refused, 10) + " failed…"}, head)
	require.Equal(t, 1, page.Find("#change-head .btn-primary").Length(), "one main button")
	require.Zero(t, page.Find("#progress form").Length(), "a person stopped it, and knows")

	a := b.post(path+"/retry", "outcome", "refused", "outcome", "unknown").is(303)
	preview := b.get(a.Header.Get("Location")).is(200).page()
	require.Equal(t, "Turn on dynamic WTP on "+strconv.FormatInt(refused, 10)+" servers", said(preview.Find("h1")))
	require.Equal(t, "Wave 7", preview.Find("textarea[name=reason]").Text())
	require.Contains(t, said(preview.Find("main .notice-info")), "Retries #1 Turn on dynamic WTP on 450 servers")
	on := b.get(b.post(path+"/retry", "outcome", "stopped").is(303).Header.Get("Location")).is(200).page()
	require.Equal(t, "Turn on dynamic WTP on "+strconv.FormatInt(stopped, 10)+" servers", said(on.Find("h1")))

	next := b.post(a.Header.Get("Location")+"/confirm", "reason", "Wave 7", "ticket", "CHG-20871").is(303).Header.Get("Location")
	require.Contains(t, said(b.get(next).page().Find("#record")), "Retries#1")
	require.Contains(t, said(b.get(path).page().Find("#record")), "Retried by#2")
	require.Contains(t, texts(b.get("/p/shop/changes").page().Find("li.chg"))[0], "Retry of #1")

	b.post(path+"/retry", "outcome", "accepted").is(http.StatusUnprocessableEntity)
	b.post(path + "/retry").is(http.StatusUnprocessableEntity)
	b.post("/p/shop/changes/99/retry", "outcome", "refused").is(http.StatusNotFound)
	b.post(path+"/retry", "outcome", "unknown").to(path)
}

// A change that stopped by itself offers what to do, until somebody chose.
func TestStoppedByItselfOffersThreeWays(t *testing.T) {
	c, _, b := shop(t, fleet(450))
	path := b.confirm("enable", "Wave 8")
	change := c.send(1, accept)
	require.NoError(t, c.store.StopRunning(c.ctx(), change.ID, "runner", "HSS could not be reached, three times in a row. Nothing more was sent. Check the network, then plan the rest again."))
	c.finish(change)
	page := b.get(path).is(200).page()
	notice := said(page.Find("#progress .notice"))
	for _, want := range []string{"The console stopped this change. 250 servers stay as they were.", "HSS could not be reached, 3 times in a row.", "Go on with 250…", "Undo…", "Or leave it: what HSS accepted stays"} {
		require.Contains(t, notice, want)
	}
	require.Empty(t, texts(page.Find("#change-head button")), "it is offered once")
	require.Equal(t, 1, page.Find(".btn-primary").Length())

	on := b.post(path+"/retry", "outcome", "stopped").is(303).Header.Get("Location")
	b.post(on+"/confirm", "reason", "Wave 8").is(303)
	page = b.get(path).is(200).page()
	require.Zero(t, page.Find("#progress .notice form").Length(), "somebody chose")
	require.Equal(t, []string{"Undo…", "Go on with 250…"}, texts(page.Find("#change-head button")))
}

func TestServersOfATabAreSelected(t *testing.T) {
	c, p, b := shop(t, mixed())
	path := b.confirm("enable", "Wave 9")
	require.Zero(t, b.get(path).page().Find("#select-these form").Length(), "it is under way")
	c.finish(c.send(1, accept))
	c.inventory(p, opened(13, 0, 1))
	for tab, want := range map[string]string{"skipped": "3", "confirmed": "8", "otherwise": "2"} {
		page := b.get(path + "?outcome=" + tab).is(200).page()
		require.Equal(t, "Select these "+want, said(page.Find("#select-these button")), tab)
		require.Equal(t, tab, page.Find("#select-these input[name=outcome]").AttrOr("value", ""))
		b.post(path+"/select", "outcome", tab, "shown", "9").to(path + "?outcome=" + tab + "#select-these")
		require.Contains(t, said(b.get(path+"?outcome="+tab).is(200).page().Find(".notice")), "There are "+want+" of these servers now, not 9. Your selection stays as it was")
		b.post(path+"/select", hidden(page, "/select")...).to("/p/shop/servers")
		list := b.get("/p/shop/servers").is(200).page()
		require.Contains(t, said(list.Find("#bulk")), want+" servers selected", tab)
	}
	before := c.selected("mei", p)
	b.post(path+"/select", "outcome", "refused", "shown", "1").to(path)
	require.Contains(t, said(b.get(path).is(200).page().Find(".notice")), "No server of change #1 ended that way. Your selection stays as it was.")
	require.Equal(t, before, c.selected("mei", p))
	for _, x := range []struct {
		why    string
		fields []string
	}{
		{`"everything" is not an outcome the console knows.`, []string{"outcome", "everything"}},
		{"The outcome is missing. Nothing was done; choose again.", nil},
		{`"outcome" is given more than once.`, []string{"outcome", "skipped", "outcome", "confirmed"}},
		{`"why" is not known here. Is it misspelt?`, []string{"outcome", "skipped", "why", "windows"}},
		{"The form does not say how many servers were shown.", []string{"outcome", "skipped"}},
		{"The form does not say how many servers were shown.", []string{"outcome", "skipped", "shown", "0"}},
		{`"shown" is given more than once.`, []string{"outcome", "skipped", "shown", "3", "shown", "3"}},
	} {
		bad := b.post(path+"/select", x.fields...).is(http.StatusUnprocessableEntity).page().Find("main")
		require.Contains(t, said(bad), x.why)
		require.NotContains(t, said(bad), `""`)
		require.Equal(t, before, c.selected("mei", p), "a refused request selects nothing else")
	}
}

func TestViewersPlanNothingFromAChange(t *testing.T) {
	c, p, b := shop(t, fleet(450))
	path := b.confirm("enable", "Wave 10")
	change := c.send(1, accept)
	require.NoError(t, c.store.StopRunning(c.ctx(), change.ID, "runner", "because"))
	c.finish(change)
	c.inventory(p, opened(450))
	viewer := c.as(c.user("vic", wtp.Viewer))
	page := viewer.get(path + "?outcome=stopped").is(200).page()
	require.Zero(t, page.Find("main form[method=post]").Length(), "a viewer is offered something")
	for _, end := range []string{"/undo", "/retry", "/select"} {
		viewer.post(path+end, "outcome", "stopped").is(http.StatusForbidden)
	}
	where := b.post(path + "/undo").is(303).Header.Get("Location")
	require.Zero(t, viewer.get(where).is(200).page().Find("main form[method=post]").Length())
}

func TestABackupServerIsPutBack(t *testing.T) {
	was := wtp.BackupServer{HostID: "b1", Name: "bk-1", IP: "10.0.0.9", Port: 10000, Dir: "/data/a", Status: wtp.BackupRunning}
	now := was
	now.Dir = "/data/b"
	h := &hss{backups: []wtp.BackupServer{now}}
	c := start(t, h.config)
	p := c.project()
	mei := c.user("mei", wtp.Operator)
	b := c.as(mei)
	c.inventory(p, nil, was)
	change, err := c.store.ConfirmBackup(c.ctx(), wtp.Actor{UserID: mei.ID, Name: "mei", Role: mei.Role}, p.ID, &was, now.Config(), "Bigger disk", "NET-2")
	require.NoError(t, err)
	c.finish(c.send(1, accept))
	c.inventory(p, nil, now)
	page := b.get("/p/shop/changes/1").is(200).page()
	link := page.Find("#change-head a:contains('Undo…')").AttrOr("href", "")
	require.Equal(t, "/p/shop/backup-servers/b1/edit?undo=1", link)
	b.post("/p/shop/changes/1/undo").to(link)

	form := b.get(link).is(200).page()
	require.Equal(t, "/data/a", form.Find("#dir").AttrOr("value", ""))
	require.Equal(t, "Undo of #1: Bigger disk", form.Find("textarea[name=reason]").Text())
	require.Contains(t, said(form.Find("#message")), "This is the configuration of before change #1.")
	fields := []string{"undo", form.Find("input[name=undo]").AttrOr("value", "")}
	for _, name := range []string{"host_id", "ip", "port", "dir", "was", "seen"} {
		fields = append(fields, name, form.Find("[name="+name+"]").AttrOr("value", ""))
	}
	undo := b.post("/p/shop/backup-servers/b1/edit", append(fields, "reason", "back", "ticket", "")...).is(303).Header.Get("Location")
	require.Equal(t, "/p/shop/changes/2", undo)
	second := b.get(undo).is(200).page()
	require.Contains(t, said(second.Find("h1")), "Undo #1: change backup server bk-1")
	require.Contains(t, said(second.Find("#record")), "Undoes#1")
	require.Contains(t, said(b.get("/p/shop/changes/1").page().Find("#record")), "Undone by#2")
	require.Equal(t, int64(1), change.Number)

	// Once HSS shows something else, there is nothing to put back.
	h.backups[0].Port = 10001
	other := b.get(link).is(200).page()
	require.Contains(t, said(other.Find("#message")), "HSS no longer shows what change #1 left")
	require.Equal(t, "10001", other.Find("#port").AttrOr("value", ""))
	require.Zero(t, other.Find("input[name=undo]").Length())
	for _, bad := range []string{"99", "x", "-1"} {
		b.get("/p/shop/backup-servers/b1/edit?undo=" + bad).is(http.StatusNotFound)
	}
	c.inventory(p, nil, h.backups[0])
	require.Contains(t, said(b.get("/p/shop/changes/1").page().Find("#record")), "Undone by")
	require.False(t, strings.Contains(b.get("/p/shop/changes/1").text, "edit?undo"), "HSS shows something else")
}
