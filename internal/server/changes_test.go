package server

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"

	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

// confirm plans a change of all servers and confirms it.
func (b *browser) confirm(direction, reason string) string {
	b.c.t.Helper()
	a := b.post(b.preview(direction)+"/confirm", "reason", reason, "ticket", "CHG-20871").is(303)
	return a.Header.Get("Location")
}

// send sends up to n batches of the change under way as its runner would;
// answer says what each call met.
func (c *console) send(n int, answer func(b wtp.Batch, call *wtp.Call) db.Verdict) wtp.Change {
	c.t.Helper()
	change, ok, err := c.store.ClaimChange(c.ctx(), "runner")
	require.NoError(c.t, err)
	require.True(c.t, ok, "no change waits")
	for range n {
		b, _, ok, _, err := c.store.NextBatch(c.ctx(), change.ID, "runner")
		require.NoError(c.t, err)
		if !ok {
			break
		}
		call, err := c.store.BeginCall(c.ctx(), "runner", b, wtp.Call{Operation: "SetRaspSwitch", Method: "POST", Path: "/v5/p1/webtamper/rasp/status"})
		require.NoError(c.t, err)
		verdict := answer(b, &call)
		require.NoError(c.t, c.store.EndCall(c.ctx(), "runner", call, verdict))
	}
	return change
}

func accept(_ wtp.Batch, call *wtp.Call) db.Verdict {
	call.Status, call.Class, call.RequestID = 200, "ok", "rid-accepted"
	return db.Verdict{Kind: db.Accepted}
}

// refuseOne refuses a batch until its last server stands alone.
func refuseOne(code, message string) func(wtp.Batch, *wtp.Call) db.Verdict {
	return func(b wtp.Batch, call *wtp.Call) db.Verdict {
		call.Status, call.Class, call.Code, call.Message, call.RequestID = 400, "refused", code, message, "rid-refused"
		if b.Size > 1 {
			return db.Verdict{Kind: db.Split}
		}
		return db.Verdict{Kind: db.Refused, Code: code, Message: message}
	}
}

func (c *console) finish(change wtp.Change) {
	c.t.Helper()
	_, err := c.store.FinishChange(c.ctx(), change.ID, "runner")
	require.NoError(c.t, err)
}

func TestChangeIsFollowedToItsEnd(t *testing.T) {
	c, p, b := shop(t, fleet(450))
	path := b.confirm("enable", "Roll-out wave 6")
	require.Equal(t, "/p/shop/changes/1", path)

	queued := b.get(path).is(200).page()
	require.Equal(t, "#1 Turn on dynamic WTP on 450 servers", said(queued.Find("h1")))
	require.Equal(t, "Waiting", said(queued.Find("#change-head .pill")))
	progress := queued.Find("#progress")
	require.Equal(t, "every 2s", progress.AttrOr("hx-trigger", ""))
	require.Equal(t, path+"/progress?drawn=ci.0.0.0&was=queued", progress.AttrOr("hx-get", ""))
	require.Contains(t, said(queued.Find("#calls")), "Nothing was sent to HSS yet.")
	record := said(queued.Find("#record"))
	for _, want := range []string{"mei", "127.0.0.1", "Roll-out wave 6", "CHG-20871", "Shop", "450 servers by mei"} {
		require.Contains(t, record, want)
	}

	change := c.send(2, accept)
	running := b.get(path).is(200).page()
	require.Equal(t, "400 of 450 servers", said(running.Find(".big")))
	require.Equal(t, []string{"Accepted, not seen yet 400", "Waiting 50"}, texts(running.Find("#progress .lgd li")))
	require.Equal(t, "75 percent done.", running.Find("#progress").AttrOr("data-say", ""))
	require.Equal(t, 3, running.Find(".tiles li").Length())
	require.Zero(t, running.Find(".tile-ok, .st-ok .ic[aria-label]").Length(), "an answer alone is painted green")
	require.Equal(t, []string{"All 450", "Accepted, not seen yet 400", "Waiting 50"}, texts(running.Find("#tabs a")))

	require.NoError(t, c.store.ReleaseChange(c.ctx(), change.ID, "runner"))
	c.finish(c.send(5, accept))
	done := b.get(path).is(200).page()
	require.Equal(t, "Accepted, reading back", said(done.Find("#change-head .pill")))
	require.Equal(t, "#1 Turn on dynamic WTP on 450 servers", said(done.Find("h1")), "it is not yet seen as done")
	require.Equal(t, "every 10s", done.Find("#progress").AttrOr("hx-trigger", ""))

	seen := fleet(450)
	for i := range seen {
		seen[i].Dynamic = wtp.Opened
	}
	c.inventory(p, seen)
	end := b.get(path).is(200).page()
	require.Equal(t, "#1 Turned on dynamic WTP on 450 servers", said(end.Find("h1")))
	require.Equal(t, "Finished, read back", said(end.Find("#change-head .pill")))
	_, polls := end.Find("#progress").Attr("hx-trigger")
	require.False(t, polls, "a finished change still asks")
	require.Equal(t, []string{"Succeeded 450"}, texts(end.Find("#progress .lgd li")))
	require.Equal(t, 3, end.Find(".tile-ok").Length())
	calls := texts(end.Find("#calls tbody tr"))
	require.Len(t, calls, 3)
	require.Contains(t, calls[0], "rid-accepted")
	require.Contains(t, calls[0], "200 · Accepted")
	require.Contains(t, said(b.get("/p/shop/servers/host-00001").is(200).page().Find("#history")), "#1 Turn on dynamic WTP")
}

func TestProgressIsThePartOfThePage(t *testing.T) {
	stamp := regexp.MustCompile(`stamp=[\w-]+&amp;`) // only the fragment knows when it was drawn
	c, _, b := shop(t, fleet(450))
	path := b.confirm("enable", "Roll-out")
	c.send(1, accept)
	outer := func(d *goquery.Document, selector string) string {
		s, err := goquery.OuterHtml(d.Find(selector))
		require.NoError(t, err)
		// The clock goes on between two requests.
		d.Find(selector).Find("p.small, p.muted").Each(func(_ int, x *goquery.Selection) {
			h, err := goquery.OuterHtml(x)
			require.NoError(t, err)
			s = strings.ReplaceAll(s, h, "")
		})
		return stamp.ReplaceAllString(s, "")
	}
	page := b.get(path).is(200).page()
	b.headers.Set("HX-Request", "true")
	same := b.get(path + "/progress?was=running").is(200).page()
	require.Equal(t, outer(page, "#progress"), outer(same, "#progress"))
	require.Zero(t, same.Find("#change-head, #record, #servers, #calls, #tab-newer").Length(), "an open menu or a list being read would be swapped away")
	require.Equal(t, "true", same.Find("#tabs").AttrOr("hx-swap-oob", ""))
	older := b.get(path + "/progress?was=running&drawn=0.0.0.0&outcome=waiting").is(200).page()
	require.Equal(t, path+"?outcome=waiting#servers", older.Find("#tab-newer").AttrOr("href", ""))
	require.Contains(t, older.Find("#progress").AttrOr("hx-get", ""), "drawn=0.0.0.0&outcome=waiting&")
	moved := b.get(path + "/progress?was=queued&outcome=waiting").is(200).page()
	require.Equal(t, 4, moved.Find("#change-head[hx-swap-oob], #record[hx-swap-oob], #servers[hx-swap-oob], #calls[hx-swap-oob]").Length())
	require.Len(t, moved.Find("#servers tbody tr").Nodes, 50)
	b.get(path + "/progress?was=running&outcome=fine").is(http.StatusUnprocessableEntity)
}

func TestProblemsAreGroupedByWhatHSSSaid(t *testing.T) {
	c, _, b := shop(t, fleet(4))
	path := b.confirm("enable", "Roll-out")
	refuse := refuseOne("HSS.1059", "agent <b>offline</b>")
	c.finish(c.send(20, func(batch wtp.Batch, call *wtp.Call) db.Verdict {
		if batch.Size == 1 && batch.No%2 == 1 {
			return accept(batch, call)
		}
		return refuse(batch, call)
	}))
	page := b.get(path).is(200).page()
	counts := texts(page.Find("#tabs a"))
	require.Contains(t, counts, "Refused 2")
	require.Contains(t, said(page.Find("#change-head .pill")), "Finished, 2 refused")
	problem := page.Find("#progress ul.list li")
	require.Equal(t, 1, problem.Length())
	require.Equal(t, "HSS.1059 agent <b>offline</b>", said(problem.Find(".st")))
	require.Equal(t, "2 servers", said(problem.Find("a")))
	link, _ := problem.Find("a").Attr("href")
	require.Equal(t, path+"?outcome=refused#servers", link)
	require.Len(t, servers(b.get(path+"?outcome=refused").is(200)), 2)
}

func TestTabsShowWhatTheySay(t *testing.T) {
	c, p, b := shop(t, mixed())
	path := b.confirm("enable", "Roll-out")
	c.finish(c.send(5, accept))
	seen := mixed()
	for i := range seen {
		if i > 6 {
			seen[i].Dynamic = wtp.Opened
		}
	}
	c.inventory(p, seen)
	page := b.get(path).is(200).page()
	require.Equal(t, []string{"All 13", "Succeeded 6", "Accepted, HSS does not show it yet 4", "Skipped 3"}, texts(page.Find("#tabs a")))
	require.Equal(t, []string{"Succeeded 6", "Accepted, HSS does not show it yet 4", "Skipped 3"}, texts(page.Find("#progress .lgd li")))
	require.Zero(t, page.Find("#progress ul.list").Length(), "it is read again before that is called a problem")
	require.Len(t, servers(b.get(path+"?outcome=confirmed").is(200)), 6)
	require.Len(t, servers(b.get(path+"?outcome=otherwise").is(200)), 4)
	require.Len(t, servers(b.get(path+"?outcome=skipped").is(200)), 3)
	require.Equal(t, []string{"web-00004"}, servers(b.get(path+"?outcome=skipped&why=windows").is(200)))
	for _, q := range []string{"?outcome=fine", "?outcome=skipped&why=x", "?after=x", "?calls=x"} {
		a := b.get(path + q).is(http.StatusUnprocessableEntity)
		require.Empty(t, servers(a), q)
	}
}

// servers are the names in the list of targets.
func servers(a answer) []string {
	return texts(a.page().Find("#servers tbody th[scope=row] > a"))
}

func TestTargetsAndCallsArePaged(t *testing.T) {
	c, _, b := shop(t, fleet(130))
	path := b.confirm("enable", "Roll-out")
	c.send(1, accept)
	first := b.get(path)
	require.Len(t, servers(first), 50)
	next, _ := first.page().Find("#servers a[rel=next]").Attr("href")
	second := b.get(next)
	require.Equal(t, "web-00051", servers(second)[0])
	next, _ = second.page().Find("#servers a[rel=next]").Attr("href")
	require.Len(t, servers(b.get(next)), 30)
}

func TestStop(t *testing.T) {
	c, _, b := shop(t, fleet(450))
	path := b.confirm("enable", "Roll-out")
	viewer := c.as(c.user("vi", wtp.Viewer))
	require.Zero(t, viewer.get(path).is(200).page().Find("main form").Length())
	viewer.post(path + "/stop").is(http.StatusForbidden)

	page := b.get(path).is(200).page()
	require.Contains(t, said(page.Find("form[action$='/stop']")), "450 servers stay as they are.")
	b.post(path + "/stop").to(path)
	stopped := b.get(path).is(200).page()
	require.Contains(t, said(stopped.Find(".notice").First()), "Stopping.")
	require.Contains(t, said(stopped.Find("#progress .notice")), "mei stopped this change. 450 servers stay as they were.")
	require.Equal(t, "Stopped", said(stopped.Find("#change-head .pill")))
	require.Zero(t, stopped.Find("form[action$='/stop']").Length())
	b.post(path + "/stop").to(path)
	require.Contains(t, said(b.get(path).is(200).page().Find(".notice").First()), "This change was over already.")
}

func TestBackupServerChange(t *testing.T) {
	c := start(t)
	p := c.project()
	before := wtp.BackupServer{HostID: "bk-1", Name: "bkp-01", IP: "10.9.9.9", Port: 8080, Dir: "/data", Status: wtp.BackupStarting}
	c.inventory(p, nil, before)
	mei := c.user("mei", wtp.Operator)
	now, err := c.store.BackupServer(c.ctx(), p.ID, "bk-1")
	require.NoError(t, err)
	to := now.Config()
	to.Port = 10051
	_, err = c.store.ConfirmBackup(c.ctx(), wtp.Actor{UserID: mei.ID, Name: "mei", Role: mei.Role}, p.ID, &now, to, "Firewall", "NET-1")
	require.NoError(t, err)
	b := c.as(mei)
	page := b.get("/p/shop/changes/1").is(200).page()
	require.Equal(t, "#1 Change backup server bkp-01", said(page.Find("h1")))
	port := page.Find("table.tall tbody tr").Eq(2)
	require.Equal(t, "8080", said(port.Find("del")))
	require.Equal(t, "10051", said(port.Find("ins")))
	require.Contains(t, said(page.Find("#progress")), "HSS is starting it.")
	require.Zero(t, page.Find("#servers, #tabs").Length())
	row := b.get("/p/shop/changes").is(200).page().Find("li.chg")
	require.Contains(t, said(row), "Change backup server bkp-01")
}

func TestChangeOfAnotherProjectIsNotFound(t *testing.T) {
	c, p, b := shop(t, fleet(2))
	preview := b.preview("enable")
	b.post(preview+"/confirm", "reason", "Roll-out").is(303)
	other, err := c.store.CreateProject(c.ctx(), c.system(), wtp.Project{Name: "Other", Region: "cn-east-3", HSSProjectID: "p2", CredentialID: p.CredentialID})
	require.NoError(t, err)
	require.Equal(t, "other", other.Slug)
	for _, path := range []string{"/p/other/changes/1", "/p/other/changes/1/progress", "/p/other" + strings.TrimPrefix(preview, "/p/shop"), "/p/shop/changes/2", "/p/shop/changes/x", "/p/shop/changes/-1"} {
		b.get(path).is(http.StatusNotFound)
	}
	b.post("/p/other/changes/1/stop").is(http.StatusNotFound)
	b.post("/p/other"+strings.TrimPrefix(preview, "/p/shop")+"/confirm", "reason", "x").is(http.StatusNotFound)
	require.Zero(t, b.get("/p/other/changes").is(200).page().Find("li.chg").Length())
	all := b.get("/changes").is(200).page()
	require.Contains(t, said(all.Find("li.chg")), "Shop")
	require.Equal(t, "/p/shop/changes/1", all.Find("li.chg a").AttrOr("href", ""))
}

func TestHistoryIsFilteredAndPaged(t *testing.T) {
	_, _, b := shop(t, fleet(1))
	require.Contains(t, said(b.get("/p/shop/changes").is(200).page().Find(".none")), "No changes yet")
	today := func() string { return time.Now().UTC().Format(time.DateOnly) }
	day := today()
	for i := range 60 {
		path := b.confirm("enable", "Roll-out of "+[]string{"checkout", "storefront"}[i%2])
		b.post(path + "/stop").is(303)
	}
	page := b.get("/p/shop/changes").is(200).page()
	require.Equal(t, 50, page.Find("li.chg").Length())
	require.Equal(t, "#60", said(page.Find("li.chg .c-num").First()))
	if day == today() { // unless midnight came in between
		require.Contains(t, said(page.Find("h2.day").First()), "Today")
	}
	next, _ := page.Find("a[rel=next]").Attr("href")
	require.Equal(t, 10, b.get(next).is(200).page().Find("li.chg").Length())
	require.Equal(t, 30, b.get("/p/shop/changes?q=Checkout").is(200).page().Find("li.chg").Length())
	require.Equal(t, 1, b.get("/p/shop/changes?q=%2317").is(200).page().Find("li.chg").Length())
	require.Zero(t, b.get("/p/shop/changes?who=root").is(200).page().Find("li.chg").Length())
	require.Zero(t, b.get("/p/shop/changes?outcome=running").is(200).page().Find("li.chg").Length())
	require.Zero(t, b.get("/p/shop/changes?kind=backup_server").is(200).page().Find("li.chg").Length())
	require.Equal(t, 50, b.get("/p/shop/changes?from="+day).is(200).page().Find("li.chg").Length())
	require.Zero(t, b.get("/p/shop/changes?to=2020-01-01").is(200).page().Find("li.chg").Length())
	for _, q := range []string{"kind=all", "outcome=ok", "from=yesterday", "before=x"} {
		for _, at := range []string{"/p/shop/changes?", "/p/shop/changes/list?"} {
			require.Zero(t, b.get(at+q).is(http.StatusUnprocessableEntity).page().Find("li.chg").Length(), q)
		}
		b.get("/p/shop/changes.csv?" + q).is(http.StatusUnprocessableEntity)
	}
}

func TestExportKeepsFormulasOut(t *testing.T) {
	_, _, b := shop(t, fleet(2))
	b.confirm("enable", `=HYPERLINK("http://evil","x")`)
	rows := b.get("/p/shop/changes.csv").is(200).table()
	require.Len(t, rows, 2)
	require.Equal(t, `'=HYPERLINK("http://evil","x")`, rows[1][8])
	require.Equal(t, "2", rows[1][11])
	require.Len(t, strings.Split(strings.TrimSpace(b.get("/changes.csv").is(200).text), "\n"), 2)
}
