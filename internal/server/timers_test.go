package server

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
)

// allOn is a fleet with dynamic WTP on.
func allOn(n int) []wtp.Server {
	servers := fleet(n)
	for i := range servers {
		servers[i].Dynamic = wtp.Opened
	}
	return servers
}

// timedOff turns all servers off for four hours; HSS accepts it.
func (c *console) timedOff(b *browser) wtp.Change {
	c.t.Helper()
	b.post(b.preview("disable")+"/confirm", "reason", "Release", "back", "4h").to("/p/shop/changes/1")
	change := c.send(5, accept)
	c.finish(change)
	return change
}

func TestTurningOffOffersWhenToTurnBackOn(t *testing.T) {
	_, _, b := shop(t, allOn(3))
	b.plant("tz", "Asia/Shanghai")
	begun := time.Now()
	page := b.get(b.preview("disable")).is(200).page()
	require.Equal(t, []string{"1 h", "2 h", "4 h", "8 h", "Date…", "Never"}, texts(page.Find("fieldset.back label:has(input[type=radio])")))
	require.Equal(t, "4h", page.Find("input[name=back][checked]").AttrOr("value", ""))
	zone, err := time.LoadLocation("Asia/Shanghai")
	require.NoError(t, err)
	says := said(page.Find("[data-back='4h']"))
	in4h := func(from time.Time) string { return from.In(zone).Add(4 * time.Hour).Format("Monday 2 January") }
	require.True(t, strings.Contains(says, in4h(begun)) || strings.Contains(says, in4h(time.Now())), says) // a day may have begun meanwhile
	require.Contains(t, says, "You can change this later.")
	require.Equal(t, "datetime-local", page.Find("input[name=back_at]").AttrOr("type", ""))
	require.Equal(t, 1, page.Find(".back-never input[name=confirm]:not([data-confirm])").Length(), "typed only with Never")
	require.Zero(t, b.get(b.preview("disable")+"?bucket=already_so").is(200).page().Find("input[name=back][checked][value=never]").Length())
}

func TestTurningOffIsRefusedWithoutAChoice(t *testing.T) {
	_, _, b := shop(t, allOn(3))
	b.plant("tz", "Asia/Shanghai")
	path := b.preview("disable")
	for _, fields := range [][]string{
		{}, {"back", ""}, {"back", "3h"}, {"back", "4h", "back", "never"}, {"back", "4h", "back", "4h"}, {"back", "off"},
	} {
		a := b.post(path+"/confirm", append([]string{"reason", "Release", "ticket", "T-9"}, fields...)...).is(http.StatusUnprocessableEntity)
		require.Contains(t, said(a.page().Find("#errors")), "Choose when dynamic WTP is to be turned back on, or Never.", "%v", fields)
		require.Equal(t, "T-9", a.page().Find("input[name=ticket]").AttrOr("value", ""))
	}
	zone, err := time.LoadLocation("Asia/Shanghai")
	require.NoError(t, err)
	now := time.Now().In(zone)
	for _, date := range []string{"", "tomorrow", "2026-02-30T10:00", now.Add(-time.Minute).Format(wtp.BackLayout), now.Add(91 * 24 * time.Hour).Format(wtp.BackLayout)} {
		a := b.post(path+"/confirm", "reason", "Release", "back", "date", "back_at", date).is(http.StatusUnprocessableEntity)
		require.NotEmpty(t, said(a.page().Find("#back_at-err")), date)
		require.Equal(t, "date", a.page().Find("input[name=back][checked]").AttrOr("value", ""))
		if date != "" {
			require.Equal(t, date, a.page().Find("input[name=back_at]").AttrOr("value", ""))
		}
	}
	at := now.Add(30 * time.Hour).Format(wtp.BackLayout)
	b.post(path+"/confirm", "reason", "Release", "back", "date", "back_at", at).to("/p/shop/changes/1")
	due := b.get("/p/shop/changes/1").is(200).page()
	require.Contains(t, said(due.Find("#timer")), "Turns back on "+now.Add(30*time.Hour).Format("Monday 2 January at 15:04"))
}

func TestNeverIsTyped(t *testing.T) {
	c, p, b := shop(t, allOn(3))
	path := b.preview("disable")
	a := b.post(path+"/confirm", "reason", "Release", "back", "never").is(http.StatusUnprocessableEntity)
	require.Contains(t, said(a.page().Find("#errors")), "Type “turn off 3” exactly")
	require.Contains(t, said(a.page().Find(".back-never")), "Asked because Never is chosen")
	b.post(path+"/confirm", "reason", "Release", "back", "never", "confirm", "turn off 2").is(http.StatusUnprocessableEntity)
	b.post(path+"/confirm", "reason", "Release", "back", "never", "confirm", "turn off 3").to("/p/shop/changes/1")
	change, err := c.store.Change(c.ctx(), p.ID, 1)
	require.NoError(t, err)
	_, err = c.store.Timer(c.ctx(), change.ID)
	require.ErrorIs(t, err, wtp.ErrNotFound)
	require.Empty(t, said(b.get("/p/shop/changes/1").is(200).page().Find("#timer")))
}

func TestThresholdIsASetting(t *testing.T) {
	c, _, b := shop(t, allOn(3))
	limits := wtp.DefaultLimits()
	limits.TypedAbove = 2
	require.NoError(t, c.store.SaveLimits(c.ctx(), c.system(), limits))
	path := b.preview("disable")
	require.Contains(t, said(b.get(path).is(200).page().Find(".stick")), "Asked because more than 2 servers lose protection.")
	b.post(path+"/confirm", "reason", "Release", "back", "1h").is(http.StatusUnprocessableEntity)
	b.post(path+"/confirm", "reason", "Release", "back", "1h", "confirm", "turn off 3").to("/p/shop/changes/1")
}

func TestCapsHoldAtThePreviewAndForAnyClient(t *testing.T) {
	c, p, b := shop(t, fleet(4))
	limits := wtp.DefaultLimits()
	limits.CapOperator = 3
	require.NoError(t, c.store.SaveLimits(c.ctx(), c.system(), limits))
	path := b.preview("enable")
	page := b.get(path).is(200).page()
	require.Zero(t, page.Find("#go, form[action$='/confirm']").Length())
	require.Contains(t, said(page.Find(".stick")), "One change of yours may reach at most 3 servers. This one reaches 4")
	a := b.post(path+"/confirm", "reason", "Roll-out").is(http.StatusConflict)
	require.Contains(t, said(a.page().Find("[role=alert]").First()), "at most 3 servers; this one reaches 4")
	_, err := c.store.Change(c.ctx(), p.ID, 1)
	require.ErrorIs(t, err, wtp.ErrNotFound)
	admin := c.as(c.user("ada", wtp.Admin))
	admin.post(path+"/confirm", "reason", "Roll-out").to("/p/shop/changes/1")
}

func TestTimerIsSeenMovedAndCancelled(t *testing.T) {
	c, p, b := shop(t, allOn(3))
	change := c.timedOff(b)
	off := fleet(3)
	c.inventory(p, off)
	page := b.get("/p/shop/changes/1").is(200).page()
	require.Contains(t, said(page.Find("#timer")), "on 3 servers.")
	require.Contains(t, said(b.get("/p/shop").is(200).page().Find("[aria-labelledby=h-run]")), "#1 turns back on")
	rows := b.get("/p/shop/servers").is(200).page()
	require.Equal(t, 3, rows.Find("#list .st:contains('Off until')").Length())
	require.Contains(t, said(b.get("/p/shop/servers/host-00001").is(200).page().Find("main")), "Off until")
	require.Equal(t, 3, b.get("/servers").is(200).page().Find("#list .st:contains('Off until')").Length())

	// A page that is open follows the timer, though the change itself is over.
	require.Equal(t, "every 10s", page.Find("#progress").AttrOr("hx-trigger", ""))
	follow := page.Find("#progress").AttrOr("hx-get", "")

	viewer := c.as(c.user("vi", wtp.Viewer))
	require.Contains(t, said(viewer.get("/p/shop/changes/1").is(200).page().Find("#timer")), "Turns back on")
	require.Zero(t, viewer.get("/p/shop/changes/1").is(200).page().Find("#timer form").Length())
	viewer.post("/p/shop/changes/1/timer/cancel", "why", "x").is(http.StatusForbidden)

	// Another person moves it; then it is cancelled, with a reason.
	ann := c.as(c.user("ann", wtp.Operator))
	a := ann.post("/p/shop/changes/1/timer/move", "back_at", "2020-01-01T10:00").is(http.StatusUnprocessableEntity)
	require.Contains(t, said(a.page().Find("#back_at-err")), "This time has passed.")
	_, opened := a.page().Find("#timer details").Attr("open")
	require.True(t, opened)
	later := time.Now().UTC().Add(9 * time.Hour).Truncate(time.Minute)
	ann.post("/p/shop/changes/1/timer/move", "back_at", later.Format(wtp.BackLayout)).to("/p/shop/changes/1")
	timer, err := c.store.Timer(c.ctx(), change.ID)
	require.NoError(t, err)
	require.Equal(t, wtp.At(later), timer.DueAt)
	require.Contains(t, said(b.get(follow).is(200).page().Find("#timer")), "In 8 h 5")
	b.post("/p/shop/changes/1/timer/cancel", "why", " ", "confirm", "stay off 3").is(http.StatusUnprocessableEntity)
	for _, typed := range []string{"", "turn off 3", "stay off 2"} { // as Never would ask when they are turned off
		bad := b.post("/p/shop/changes/1/timer/cancel", "why", "Decommissioned", "confirm", typed).is(http.StatusUnprocessableEntity).page().Find("#timer")
		require.Equal(t, "Type “stay off 3” to confirm", said(bad.Find("label[for=confirm]")))
		require.Equal(t, "Type “stay off 3” exactly, to confirm how many servers stay off.", said(bad.Find("#confirm-err")))
		require.Equal(t, []string{"Decommissioned", typed}, values(bad.Find("input[name=why], input[name=confirm]")))
		require.Equal(t, 1, bad.Find("details[open]").Length())
	}
	b.post("/p/shop/changes/1/timer/cancel", "why", "Decommissioned", "confirm", "stay off 3").to("/p/shop/changes/1")
	require.Contains(t, said(b.get("/p/shop/changes/1").is(200).page().Find("#timer")), "Reason: Decommissioned")
	_, polls := b.get("/p/shop/changes/1").is(200).page().Find("#progress").Attr("hx-trigger")
	require.False(t, polls, "nothing is left to wait for")
	b.post("/p/shop/changes/1/timer/cancel", "why", "again").to("/p/shop/changes/1")
	require.Contains(t, said(b.get("/p/shop/changes/1").is(200).page().Find("main > .notice")), "Turning back on is no longer pending for change 1.")
	b.post("/p/shop/changes/9/timer/cancel", "why", "x").is(http.StatusNotFound)
	require.Zero(t, b.get("/p/shop/servers").is(200).page().Find("#list .st:contains('Off until')").Length())
}

// TestAnUndoneChangeDoesNotPromiseItsTimer: the timer finds nothing, and doesn't say
// that it turns all of them on.
func TestAnUndoneChangeDoesNotPromiseItsTimer(t *testing.T) {
	c, p, b := shop(t, allOn(3))
	c.timedOff(b)
	c.inventory(p, fleet(3))
	require.Contains(t, said(b.get("/p/shop/changes/1").is(200).page().Find("#timer")), "on 3 servers.")
	undo := b.post("/p/shop/changes/1/undo").is(303).Header.Get("Location")
	b.post(undo+"/confirm", "reason", "Too early").to("/p/shop/changes/2")
	require.Contains(t, said(b.get("/p/shop/changes/1").is(200).page().Find("#timer")), "What #2 turned on again is left alone.")
	require.NotContains(t, said(b.get("/p/shop/changes/1").is(200).page().Find("#timer")), "on 3 servers")
}

// TestAnUndoOffersToCancelTheTimer, and keeps the tick while something is mended.
func TestAnUndoOffersToCancelTheTimer(t *testing.T) {
	c, p, b := shop(t, allOn(3))
	c.timedOff(b)
	c.inventory(p, fleet(3))
	undo := b.post("/p/shop/changes/1/undo").is(303).Header.Get("Location")
	box := b.get(undo).is(200).page().Find("label:has(input[name=cancel_timer])")
	require.Contains(t, said(box), "Cancel the timer of #1")
	_, ticked := box.Find("input").Attr("checked")
	require.False(t, ticked)
	_, ticked = b.post(undo+"/confirm", "reason", "", "cancel_timer", "1").is(http.StatusUnprocessableEntity).page().Find("input[name=cancel_timer]").Attr("checked")
	require.True(t, ticked)
	b.post(undo+"/confirm", "reason", "Too early", "cancel_timer", "1").to("/p/shop/changes/2")
	require.Contains(t, said(b.get("/p/shop/changes/1").is(200).page().Find("#timer")), "Reason: Too early")

	c.finish(c.send(2, accept))
	c.inventory(p, allOn(3))
	again := b.post("/p/shop/changes/2/undo").is(303).Header.Get("Location")
	require.Zero(t, b.get(again).is(200).page().Find("input[name=cancel_timer]").Length(), "there is none")
}

// TestAnUndoThatLeavesServersOffAsksHowMany before it cancels the timer that would turn
// them on.
func TestAnUndoThatLeavesServersOffAsksHowMany(t *testing.T) {
	c, p, b := shop(t, allOn(3))
	c.timedOff(b)
	off := fleet(3)
	off[0].AgentStatus = "offline"
	c.inventory(p, off)
	undo := b.post("/p/shop/changes/1/undo").is(303).Header.Get("Location")
	require.Equal(t, "Type “stay off 1” to confirm", said(b.get(undo).is(200).page().Find("label[for=confirm]")))
	bad := b.post(undo+"/confirm", "reason", "Too early", "cancel_timer", "1", "confirm", "stay").is(http.StatusUnprocessableEntity).page()
	require.Equal(t, "Type “stay off 1” exactly, to confirm how many servers stay off.", said(bad.Find("#confirm-err")))
	require.Equal(t, []string{"stay"}, values(bad.Find("input#confirm")))
	require.Equal(t, 1, bad.Find("input[name=cancel_timer][checked]").Length())
	require.Contains(t, said(b.get("/p/shop/changes/1").is(200).page().Find("#timer")), "Turns back on")
	b.post(undo+"/confirm", "reason", "Too early", "cancel_timer", "1", "confirm", "stay off 1").to("/p/shop/changes/2")
	require.Contains(t, said(b.get("/p/shop/changes/1").is(200).page().Find("#timer")), "Reason: Too early")
}

// TestTurningOnEarlyIsNotCapped, neither by the preview nor when it is confirmed.
func TestTurningOnEarlyIsNotCapped(t *testing.T) {
	c, p, b := shop(t, allOn(4))
	c.timedOff(b)
	c.inventory(p, fleet(4))
	limits := wtp.DefaultLimits()
	limits.CapOperator = 3
	require.NoError(t, c.store.SaveLimits(c.ctx(), c.system(), limits))
	ann := c.as(c.user("ann", wtp.Operator))
	ann.post(ann.preview("enable")+"/confirm", "reason", "Release is out").is(http.StatusConflict)
	path := ann.post("/p/shop/changes/1/timer/now").is(303).Header.Get("Location")
	page := ann.get(path).is(200).page()
	require.Equal(t, 1, page.Find("form[action$='/confirm'] #go").Length())
	require.NotContains(t, said(page.Find(".stick")), "may reach at most")
	ann.post(path+"/confirm", "reason", "Release is out").to("/p/shop/changes/2")
	require.Contains(t, said(b.get("/p/shop/changes/1").is(200).page().Find("#timer")), "ann turned them on early")
}

func TestTurnOnNowEndsTheTimer(t *testing.T) {
	c, _, b := shop(t, allOn(3))
	c.timedOff(b)
	ann := c.as(c.user("ann", wtp.Operator))
	path := ann.post("/p/shop/changes/1/timer/now").is(303).Header.Get("Location")
	require.True(t, strings.HasPrefix(path, "/p/shop/previews/"), path)
	require.Equal(t, "Turn on dynamic WTP on 3 servers", said(ann.get(path).is(200).page().Find("h1")))
	require.Contains(t, said(ann.get(path).is(200).page().Find("main > .stack").First()), "Confirming ends the timer.")
	other := ann.post("/p/shop/changes/1/timer/now").is(303).Header.Get("Location")
	ann.post(other + "/drop").to("/p/shop/changes/1")
	require.Contains(t, said(b.get("/p/shop/changes/1").is(200).page().Find("#timer")), "Turns back on", "nothing has happened yet")
	ann.post(path+"/confirm", "reason", "Release is out").to("/p/shop/changes/2")
	ended := b.get("/p/shop/changes/1").is(200).page().Find("#timer")
	require.Contains(t, said(ended), "ann turned them on early")
	require.Equal(t, "/p/shop/changes/2", ended.Find("a").AttrOr("href", ""))
	b.post("/p/shop/changes/1/timer/now").to("/p/shop/changes/1")
}

func TestAutomaticChangeSaysWhoSetIt(t *testing.T) {
	c, p, b := shop(t, allOn(3))
	c.timedOff(b)
	for soon := 20 * time.Millisecond; ; soon *= 2 {
		err := c.store.MoveTimer(c.ctx(), c.system(), p.ID, 1, c.store.Now().Add(soon))
		var past wtp.Invalid
		if !errors.As(err, &past) || soon > time.Minute { // else it was no longer to come when it was set
			require.NoError(t, err)
			break
		}
	}
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		fired, err := c.store.FireTimer(c.ctx())
		require.NoError(t, err)
		if fired {
			break
		}
		require.True(t, time.Now().Before(end), "the timer does not fire")
	}
	page := b.get("/p/shop/changes/2").is(200).page()
	require.Contains(t, said(page.Find("#timer")), "Automatic, set by mei in #1")
	require.Equal(t, "/p/shop/changes/1", page.Find("#timer a").AttrOr("href", ""))
	require.Contains(t, said(page.Find("#record")), "Automatic set by mei in #1")
	first := b.get("/p/shop/changes/1").is(200).page().Find("#timer")
	require.Contains(t, said(first), "Turned back on by itself at")
	require.Equal(t, "/p/shop/changes/2", first.Find("a").AttrOr("href", ""))
	list := b.get("/p/shop/changes").is(200).page()
	require.Equal(t, "Automatic", said(list.Find(".c-who").First()))
	require.Contains(t, said(list.Find("#list")), "Set by mei in #1")
	require.Contains(t, said(b.get("/events").is(200).page().Find("main")), "Turned back on by itself")
}

func TestPauseSwitch(t *testing.T) {
	c, _, b := shop(t, fleet(3))
	viewer := c.as(c.user("vi", wtp.Viewer))
	require.Equal(t, 1, b.get("/p/shop").is(200).page().Find(".side-foot a[href='/pause']").Length())
	require.Zero(t, viewer.get("/p/shop").is(200).page().Find(".side-foot a[href='/pause']").Length())
	viewer.post("/pause", "why", "x").is(http.StatusForbidden)
	b.get("/pause").is(200)
	b.post("/pause", "why", " ").is(http.StatusUnprocessableEntity)
	b.post("/pause", "why", "HSS maintenance", "next", "/p/shop").to("/p/shop")
	for _, path := range []string{"/p/shop", "/p/shop/servers", "/changes", "/account", "/events"} {
		banner := viewer.get(path).is(200).page().Find("#paused")
		require.Contains(t, said(banner), "mei paused the console at", path)
		require.Contains(t, said(banner), "Reason: HSS maintenance", path)
		require.Zero(t, banner.Find("form").Length(), "a viewer can't resume")
	}
	b.post("/pause", "why", "again").to("/")
	path := b.preview("enable")
	require.Contains(t, said(b.get(path).is(200).page().Find(".stick")), "It waits until somebody resumes the console.")
	b.post(path+"/confirm", "reason", "Roll-out").to("/p/shop/changes/1")
	viewer.post("/resume").is(http.StatusForbidden)
	ann := c.as(c.user("ann", wtp.Operator))
	ann.post("/resume", "next", "/p/shop").to("/p/shop")
	page := ann.get("/p/shop").is(200).page()
	require.Zero(t, page.Find("#paused").Length())
	require.Contains(t, said(page.Find("main > .notice")), "The console sends again.")
	ann.post("/resume").to("/")
	events := said(b.get("/events").is(200).page().Find("main"))
	require.Contains(t, events, "Paused the console")
	require.Contains(t, events, "Resumed the console")
}
