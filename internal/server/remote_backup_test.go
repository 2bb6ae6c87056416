package server

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
)

// backedUp is a console whose servers 1 and 2 of six use bkp-01, one of two running
// backup servers; a third one failed.
func backedUp(t *testing.T) (*console, wtp.Project, *browser) {
	t.Helper()
	c, p, b := shop(t, fleet(6))
	c.backed(p, fleet(6), "b-1", "b-1")
	return c, p, b
}

// backed reads an inventory in which the servers use these backup servers, in order.
func (c *console) backed(p wtp.Project, servers []wtp.Server, uses ...string) {
	c.t.Helper()
	for i, id := range uses {
		servers[i].BackupHostID = id
	}
	c.inventory(p, servers, wtp.BackupServer{HostID: "b-1", Name: "bkp-01", IP: "10.36.0.11", Port: 8080, Dir: "/hss", Status: wtp.BackupRunning},
		wtp.BackupServer{HostID: "b-2", Name: "bkp-02", IP: "10.36.0.12", Port: 8080, Dir: "/hss", Status: wtp.BackupRunning},
		wtp.BackupServer{HostID: "b-3", Name: "bkp-03", IP: "10.36.0.13", Port: 8080, Dir: "/hss", Status: wtp.BackupFailed})
}

func TestRemoteBackupIsChosenPlannedAndConfirmed(t *testing.T) {
	c, p, b := backedUp(t)
	b.post("/p/shop/remote-backup", "query", "").is(422) // nothing is selected
	b.get("/p/shop/remote-backup").to("/p/shop/servers")
	b.selectAll("q=web")
	b.post("/p/shop/remote-backup", "query", "").to("/p/shop/remote-backup")
	form := b.get("/p/shop/remote-backup").is(200).page()
	require.Contains(t, said(form.Find(".head .sub")), "For 6 selected servers.")
	require.Zero(t, form.Find("input[name=to][checked]").Length(), "nothing is chosen at first")
	require.Equal(t, 1, form.Find("input[name=to][disabled][value=b-3]").Length())
	require.Contains(t, said(form.Find("fieldset")), "HSS takes only one that runs.")
	for _, to := range [][]string{nil, {"to", ""}, {"to", "b-1", "to", "off"}, {"to", "b-3"}, {"to", "b-9"}} {
		b.post("/p/shop/remote-backup/previews", to...).is(422)
	}
	where := b.post("/p/shop/remote-backup/previews", "to", "b-1").is(303).Header.Get("Location")
	preview := b.get(where).is(200).page()
	require.Equal(t, "Use bkp-01 for remote backup on 4 servers", said(preview.Find("h1")))
	require.Contains(t, said(preview.Find("dl.facts")), "4 calls, one a server")
	require.Contains(t, said(preview.Find("main table").First()), "Uses it already")
	require.Contains(t, b.get(where+"/servers.csv").is(200).text, "remote_backup_before,wanted")
	b.post(where+"/confirm", "reason", "").is(422)

	// One of them comes to use it in the meantime.
	c.backed(p, fleet(6), "b-1", "b-1", "b-1")
	again := b.get(b.post(where+"/confirm", "reason", "Nightly copies").is(303).Header.Get("Location")).is(200).page()
	require.Contains(t, said(again.Find("main .notice-warn")), "1 server changed since it was made. Nothing was sent.")
	rows := texts(again.Find("section[aria-labelledby=h-moved] tbody tr"))
	require.Len(t, rows, 1, "what did not move is not shown")
	require.Contains(t, rows[0], "web-00003 It uses this backup server now. Nothing to do.Will change Already soNo remote backupbkp-01")
	require.Equal(t, "Nightly copies", again.Find("textarea[name=reason]").Text())
	require.Equal(t, "Will change 3 · Already so 3", said(again.Find("section[aria-labelledby=h-now] .muted")))
	where = strings.TrimSuffix(again.Find("form[action$='/confirm']").AttrOr("action", ""), "/confirm")
	was := again.Find("input[name=instead]").AttrOr("value", "")
	bad := b.post(where+"/confirm", "reason", "", "instead", was).is(422).page()
	require.Equal(t, rows, texts(bad.Find("section[aria-labelledby=h-moved] tbody tr")))
	whole := b.get(again.Find("section[aria-labelledby=h-now] a").AttrOr("href", "")).is(200).page()
	require.Equal(t, 1, whole.Find("nav.tabs").Length())
	require.Contains(t, said(b.get(where+"?instead=x").is(422).page().Find("#servers [role=alert]")), "is not a preview that this one stands for.")
	require.Equal(t, 1, b.post(where+"/confirm", "reason", "", "instead", "x").is(422).page().Find("#servers table").Length(), "a form shows what it is about")
	change := b.post(where+"/confirm", "reason", "Nightly copies").is(303).Header.Get("Location")
	require.Equal(t, "/p/shop/changes/1", change)
	require.Contains(t, said(b.get(change).is(200).page().Find("h1")), "Use bkp-01 for remote backup on 3 servers")
	b.post(where+"/confirm", "reason", "Nightly copies").to(change)
	c.finish(c.send(3, accept))
	c.backed(p, fleet(6), "b-1", "b-1", "b-1", "b-1", "b-1", "b-1")
	page := b.get(change).is(200).page()
	require.Contains(t, said(page.Find("h1")), "Used bkp-01 for remote backup on 3 servers")
	require.Contains(t, said(page.Find("#servers table")), "No remote backup")
	require.Contains(t, said(b.get("/p/shop/changes?kind=remote_backup").is(200).page().Find("main")), "Use")
	require.Contains(t, said(b.get("/p/shop").is(200).page().Find("main")), "bkp-01")

	undo := b.post(change + "/undo").is(303).Header.Get("Location")
	plan := b.get(undo).is(200).page()
	require.Equal(t, "Undo #1: put back remote backup on 3 servers", said(plan.Find("h1")))
	b.post(undo+"/confirm", "reason", "Too slow").is(303)
	require.Contains(t, said(b.get("/p/shop/servers/host-00004").is(200).page().Find("#history")), "Turn off remote backup")
}

func TestTurningRemoteBackupOffAsksForTheCount(t *testing.T) {
	c, p, b := backedUp(t)
	require.NoError(t, c.store.SetSetting(c.ctx(), c.system(), wtp.TypedAbove, "1"))
	c.backed(p, fleet(6), "b-1", "b-1", "b-2")
	form := b.get("/p/shop/remote-backup?backup=b-1").is(200).page()
	require.Contains(t, said(form.Find(".head .sub")), "For all 2 servers that use bkp-01.")
	where := b.post("/p/shop/remote-backup/previews", "to", "off", "backup", "b-1").is(303).Header.Get("Location")
	preview := b.get(where).is(200).page()
	require.Contains(t, said(preview.Find("main")), "are no longer copied to another server")
	require.Equal(t, 1, preview.Find("#go.btn-danger").Length())
	b.post(where+"/confirm", "reason", "Moving house").is(422)
	b.post(where+"/confirm", "reason", "Moving house", "confirm", "turn off 2").to("/p/shop/changes/1")
	one := b.get("/p/shop/remote-backup?" + url.Values{"only": {"host-00003"}}.Encode()).is(200).page()
	require.Contains(t, said(one.Find(".head .sub")), "For web-00003.")
	b.get("/p/shop/remote-backup?only=host-00003&backup=b-1").is(404)
}

func TestBackupServerIsRemovedByItsName(t *testing.T) {
	_, _, b := backedUp(t)
	require.Equal(t, 3, b.get("/p/shop/backup-servers").is(200).page().Find("a[href$='/remove']").Length())
	page := b.get("/p/shop/backup-servers/b-1/remove").is(200).page()
	require.Contains(t, said(page.Find(".head .sub")), "2 servers use it and have to be moved first.")
	require.Equal(t, 2, page.Find("main table tbody tr").Length())
	require.Zero(t, page.Find("input[name=to][checked]").Length())
	require.Equal(t, 1, page.Find("input[name=to][disabled][value=b-1]").Length())
	b.post("/p/shop/backup-servers/b-1/remove").is(422)
	b.post("/p/shop/backup-servers/b-1/remove", "to", "b-1").is(422)
	where := b.post("/p/shop/backup-servers/b-1/remove", "to", "b-2").is(303).Header.Get("Location")
	preview := b.get(where).is(200).page()
	require.Equal(t, "Remove backup server bkp-01 after moving 2 servers", said(preview.Find("h1")))
	require.Contains(t, said(preview.Find("dl.facts")), "3 calls: one a server, and one to remove")
	b.post(where+"/confirm", "reason", "End of lease").is(422)
	b.post(where+"/confirm", "reason", "End of lease", "confirm", "bkp-02").is(422)
	change := b.post(where+"/confirm", "reason", "End of lease", "confirm", "bkp-01").is(303).Header.Get("Location")
	running := b.get(change).is(200).page()
	require.Contains(t, said(running.Find("#servers table")), "The backup server itself, last")
	require.Contains(t, b.get(change+"/servers.csv").is(200).text, "removed")

	// One that nobody uses: only the removal.
	alone := b.get(b.post("/p/shop/backup-servers/b-3/remove").is(303).Header.Get("Location")).is(200).page()
	require.Equal(t, "Remove backup server bkp-03", said(alone.Find("h1")))
	b.get("/p/shop/backup-servers/b-9/remove").is(404)
}

func TestBackupServerStaysWhileAServerCannotBeMoved(t *testing.T) {
	c, p, b := backedUp(t)
	plan := b.post("/p/shop/backup-servers/b-1/remove", "to", "b-2").is(303).Header.Get("Location")
	stuck := fleet(6)
	stuck[1].AgentStatus, stuck[2].ProtectStatus = "offline", "protection_pause"
	c.backed(p, stuck, "b-1", "b-1", "b-1", "b-1")

	// The page of the removal says which, why, and what to do, and moves the others only.
	page := b.get("/p/shop/backup-servers/b-1/remove").is(200).page()
	require.Equal(t, "Backup server bkp-01 cannot be removed yet", said(page.Find("h1")))
	require.Contains(t, said(page.Find(".head .sub")), "2 of the 4 servers that use it cannot be moved now.")
	ways := texts(page.Find("section[aria-labelledby=h-stay] tbody tr"))
	require.Contains(t, ways[0], "The agent is offline and cannot apply it. Bring its agent online again.")
	require.Contains(t, ways[1], "Resume its WTP in the HSS console.")
	require.Equal(t, []string{"All 4", "Cannot be moved now 2", "Can be moved 2"}, texts(page.Find("nav.tabs a")))
	require.Contains(t, said(page.Find("#h-to")), "Where do the other 2 servers go meanwhile?")
	remove := "/p/shop/backup-servers/b-1/remove"
	rows := func(query string) []string {
		return texts(b.get(remove + query).is(200).page().Find("#users tbody th a"))
	}
	require.Equal(t, []string{"web-00002", "web-00003"}, rows("?show=cannot"))
	require.Equal(t, []string{"web-00001", "web-00004"}, rows("?show=can"))
	require.Equal(t, []string{"web-00003"}, rows("?why=wtp_paused"))
	require.Equal(t, []string{"web-00004"}, rows("?q=00004"))
	require.Empty(t, rows("?after=99"))
	for _, q := range []string{"?show=x", "?why=x", "?after=x", "?q=" + strings.Repeat("x", 257)} {
		require.Equal(t, 1, b.get(remove+q).is(422).page().Find("#users [role=alert]").Length(), q)
	}
	csv := b.get("/p/shop/backup-servers/b-1/servers.csv?show=cannot").is(200).text
	require.Contains(t, csv, "host-00002,web-00002")
	require.Contains(t, csv, "agent_offline,The agent is offline")
	require.NotContains(t, csv, "host-00001")
	form := page.Find("form#remove")
	others := b.post(form.AttrOr("action", ""), "backup", form.Find("input[name=backup]").AttrOr("value", ""), "to", "b-2").is(303).Header.Get("Location")
	require.Equal(t, "Use bkp-02 for remote backup on 2 servers", said(b.get(others).is(200).page().Find("h1")))
	require.Equal(t, 1, b.get(others).is(200).page().Find(".head a[href='/p/shop/remote-backup?backup=b-1']").Length())

	// A plan from before says so too, and offers what can be done.
	fresh := b.get(b.post(plan+"/confirm", "reason", "End of lease", "confirm", "bkp-01").is(303).Header.Get("Location")).is(200).page()
	require.Contains(t, said(fresh.Find("main .notice-warn")), "3 servers changed since it was made.")
	require.Equal(t, "Backup server bkp-01 cannot be removed yet", said(fresh.Find("h1")))
	require.Zero(t, fresh.Find("form[action$='/confirm']").Length())
	require.Contains(t, said(fresh.Find("main .stick .notice-bad")), "2 servers that use it cannot be moved now")
	whole := b.get(b.post(remove, "to", "b-2").is(303).Header.Get("Location")).is(200).page()
	require.Contains(t, said(whole.Find("section[aria-labelledby=h-what]")), "Bring its agent online again.")
	require.Contains(t, texts(whole.Find("#servers tbody th")), "bkp-01 The backup server itself, last", "first of all what cannot be done")
	require.Equal(t, "Move the other 2 servers…", said(whole.Find(".stick form[action$='/remote-backup/previews'] button")))

	// Nothing can be moved: no button that could only be refused.
	stuck[0].AgentStatus, stuck[3].AgentStatus = "not_installed", "offline"
	c.backed(p, stuck)
	page = b.get(remove).is(200).page()
	require.Zero(t, page.Find("form#remove").Length())
	b.get("/p/shop/backup-servers/b-9/servers.csv").is(404)
}

func TestMovedRemovalShowsTheDifference(t *testing.T) {
	c, p, b := backedUp(t)
	where := b.post("/p/shop/backup-servers/b-1/remove", "to", "b-2").is(303).Header.Get("Location")
	// One of its servers went elsewhere, one has come to use it, and where they go has
	// another port.
	servers := fleet(6)
	servers[0].BackupHostID, servers[1].BackupHostID, servers[2].BackupHostID = "b-1", "b-2", "b-1"
	c.inventory(p, servers, wtp.BackupServer{HostID: "b-1", Name: "bkp-01", IP: "10.36.0.11", Port: 8080, Dir: "/hss", Status: wtp.BackupRunning},
		wtp.BackupServer{HostID: "b-2", Name: "bkp-02", IP: "10.36.0.12", Port: 9090, Dir: "/hss", Status: wtp.BackupRunning})
	page := b.get(b.post(where+"/confirm", "reason", "End of lease", "confirm", "bkp-01").is(303).Header.Get("Location")).is(200).page()
	require.Contains(t, said(page.Find("main .notice-warn")), "bkp-02 was shown at 10.36.0.12:8080 and is at 10.36.0.12:9090 now.")
	rows := texts(page.Find("section[aria-labelledby=h-moved] tbody tr"))
	require.Len(t, rows, 3)
	require.Contains(t, rows[0], "web-00001 HSS shows another address, port or directory of the backup server now.")
	require.Contains(t, rows[1], "web-00002 It no longer uses the backup server.")
	require.Contains(t, rows[2], "web-00003 Was not in it Will change")
	require.Equal(t, "bkp-01", page.Find("input[name=confirm]").AttrOr("value", ""))
	again := page.Find("form[action$='/confirm']").AttrOr("action", "")
	change := b.post(again, "reason", "End of lease", "confirm", "bkp-01").is(303).Header.Get("Location")
	require.Contains(t, said(b.get(change).is(200).page().Find("h1")), "after moving 2 servers")
}

func TestRemovedBackupServerIsAddedAgain(t *testing.T) {
	c, p, b := backedUp(t)
	where := b.post("/p/shop/backup-servers/b-3/remove").is(303).Header.Get("Location")
	change := b.post(where+"/confirm", "reason", "Broken", "confirm", "bkp-03").is(303).Header.Get("Location")
	c.finish(c.send(1, accept))
	c.inventory(p, fleet(6))
	page := b.get(change).is(200).page()
	require.Contains(t, said(page.Find("h1")), "Removed backup server bkp-03")
	require.Contains(t, said(page.Find("#change-head")), "Add it again…")
	again := b.post(change + "/undo").is(303).Header.Get("Location")
	require.Equal(t, "/p/shop/backup-servers/new?dir=%2Fhss&host_id=b-3&ip=10.36.0.13&port=8080", again)
	require.Zero(t, page.Find("form[action$='/retry']").Length())
	require.Zero(t, page.Find("#select-these button").Length(), "no server was in it")
	b.post(change+"/retry", "outcome", "refused").to(change) // there is nothing to try again
}

func TestRestOfARemovalIsPlannedAgain(t *testing.T) {
	c, p, b := backedUp(t)
	where := b.post("/p/shop/backup-servers/b-1/remove", "to", "b-2").is(303).Header.Get("Location")
	change := b.post(where+"/confirm", "reason", "End of lease", "confirm", "bkp-01").is(303).Header.Get("Location")
	require.Zero(t, b.get(change).is(200).page().Find("form[action$='/retry']").Length(), "it is under way")
	sent := c.send(1, accept)
	b.post(change + "/stop").to(change)
	c.finish(sent)
	c.backed(p, fleet(6), "b-2", "b-1", "b-1") // one was moved, and one more has come to use it
	page := b.get(change).is(200).page()
	require.Equal(t, []string{"Undo…", "Plan the rest again…"}, texts(page.Find("#change-head form button")))
	// The backup server is none of those that can be selected.
	require.Equal(t, "Select these 2", said(page.Find("#select-these button")))
	require.Equal(t, "Select this server", said(b.get(change+"?outcome=stopped").is(200).page().Find("#select-these button")))
	b.post(change+"/select", hidden(page, "/select")...).to("/p/shop/servers")
	require.EqualValues(t, 2, c.selected("mei", p))
	back := b.get(b.post(change + "/undo").is(303).Header.Get("Location")).is(200).page()
	require.Equal(t, "Undo #1: put back remote backup on 1 server", said(back.Find("h1")))
	again := b.post(change+"/retry", "outcome", "stopped").is(303).Header.Get("Location")
	plan := b.get(again).is(200).page()
	require.Equal(t, "Remove backup server bkp-01 after moving 2 servers", said(plan.Find("h1")))
	require.Contains(t, said(plan.Find("main .notice-info")), "Servers that use the backup server by now are moved")
	require.Equal(t, "End of lease", plan.Find("textarea[name=reason]").Text())
	b.post(again+"/confirm", "reason", "End of lease", "confirm", "bkp-01").to("/p/shop/changes/2")

	// Where they were to go runs no longer: the page of the removal asks anew.
	c.inventory(p, fleet(6), wtp.BackupServer{HostID: "b-1", Name: "bkp-01", IP: "10.36.0.11", Port: 8080, Dir: "/hss", Status: wtp.BackupFailed})
	require.Equal(t, []string{"Plan the rest again…"}, texts(b.get(change).is(200).page().Find("#change-head form button")), "HSS takes nobody back")
	uses := fleet(6)
	uses[0].BackupHostID = "b-1"
	c.inventory(p, uses, wtp.BackupServer{HostID: "b-1", Name: "bkp-01", IP: "10.36.0.11", Port: 8080, Dir: "/hss", Status: wtp.BackupFailed})
	b.post(change+"/retry", "outcome", "stopped").to("/p/shop/backup-servers/b-1/remove")
}

func TestNewAddressIsOfferedPlannedAndSent(t *testing.T) {
	c, p, b := backedUp(t)
	require.Zero(t, b.get("/p/shop/backup-servers").is(200).page().Find("form[action$='/address']").Length())
	b.post("/p/shop/backup-servers/b-1/address").to("/p/shop/backup-servers")
	require.Contains(t, said(b.get("/p/shop/backup-servers").is(200).page().Find("main")), "No server is known to use bkp-01 at an old address.")
	b.post("/p/shop/backup-servers/b-9/address").is(404)

	// The backup server gets another port.
	moved := []wtp.BackupServer{{HostID: "b-1", Name: "bkp-01", IP: "10.36.0.11", Port: 9090, Dir: "/hss", Status: wtp.BackupRunning}, {HostID: "b-2", Name: "bkp-02", IP: "10.36.0.12", Port: 8080, Dir: "/hss", Status: wtp.BackupRunning}}
	servers := fleet(6)
	servers[0].BackupHostID, servers[1].BackupHostID = "b-1", "b-1"
	c.inventory(p, servers, moved...)
	list := b.get("/p/shop/backup-servers").is(200).page()
	require.Contains(t, said(list.Find("main .notice-warn")), "2 servers use bkp-01 at an old address.")
	require.Contains(t, said(list.Find("tr#b-b-1")), "2 at an old address")
	require.Contains(t, said(b.get("/p/shop/remote-backup?only=host-00003").is(200).page().Find("fieldset")), "2 servers use it · 2 at an old address")

	where := b.post("/p/shop/backup-servers/b-1/address").is(303).Header.Get("Location")
	preview := b.get(where).is(200).page()
	require.Equal(t, "Send the new address of bkp-01 to 2 servers", said(preview.Find("h1")))
	require.Contains(t, said(preview.Find(".head .sub")), "Preview of 2 servers with an old address")
	rows := texts(preview.Find("#servers tbody tr"))
	require.Len(t, rows, 2)
	require.Contains(t, rows[0], "10.36.0.11:808010.36.0.11:9090")
	require.Contains(t, rows[0], "It uses this backup server, as far as is known at 10.36.0.11:8080. The backup server is at 10.36.0.11:9090 now.")
	b.post(where+"/confirm", "reason", "New port").to("/p/shop/changes/1")
	c.finish(c.send(2, accept))
	c.inventory(p, servers, moved...)
	page := b.get("/p/shop/changes/1").is(200).page()
	require.Contains(t, said(page.Find("h1")), "Send the new address of bkp-01 to 2 servers", "nothing is read back")
	require.Contains(t, said(page.Find("#servers table")), "10.36.0.11:808010.36.0.11:9090")
	require.Equal(t, 1, b.get("/p/shop/backup-servers").is(200).page().Find("form[action$='/address']").Length(), "the list has shown nothing of the address")
	for _, id := range []string{"host-00001", "host-00002"} {
		require.NoError(t, c.store.NoteRemoteAddr(c.ctx(), p.ID, id, "b-1", "10.36.0.11:9090", c.store.Now()))
	}
	require.Zero(t, b.get("/p/shop/backup-servers").is(200).page().Find("form[action$='/address']").Length())
	c.inventory(p, servers, moved...)
	require.Contains(t, said(b.get("/p/shop/changes/1").is(200).page().Find("h1")), "Sent the new address of bkp-01 to 2 servers")

	// What it undoes can't be gone back to.
	undo := b.get(b.post("/p/shop/changes/1/undo").is(303).Header.Get("Location")).is(200).page()
	require.Contains(t, said(undo.Find("main")), "Nothing would change.")
	require.Contains(t, said(undo.Find("#servers")), "To go back, give the backup server that address again first.")
}
