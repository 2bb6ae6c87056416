package server

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
)

func TestTitleSaysUntilWhen(t *testing.T) {
	c, _, b := shop(t, allOn(3))
	due := time.Now().UTC().Add(50 * time.Hour).Truncate(time.Minute)
	b.post(b.preview("disable")+"/confirm", "reason", "Release", "back", wtp.BackAt, "back_at", due.Format(wtp.BackLayout)).to("/p/shop/changes/1")
	titles := func() map[string]string {
		home := b.get("/p/shop").is(200).page()
		return map[string]string{
			"change":   said(b.get("/p/shop/changes/1").is(200).page().Find("h1")),
			"list":     said(b.get("/p/shop/changes").is(200).page().Find("#list a[href='/p/shop/changes/1']").First()),
			"overview": said(home.Find("main a.plain[href='/p/shop/changes/1']").First()),
			"running":  said(home.Find("aside a[href='/p/shop/changes/1'], .side a[href='/p/shop/changes/1']").First()),
		}
	}
	until := " until " + due.Format("2 Jan 15:04")
	for where, title := range titles() {
		require.Contains(t, title, until, where)
	}
	b.plant("lang", "zh-CN")
	require.Contains(t, said(b.get("/p/shop/changes/1").is(200).page().Find("h1")), "，至 "+due.Format("1月2日 15:04"))
	b.plant("lang", "en")
	c.finish(c.send(5, accept))
	require.Contains(t, titles()["change"], until)
	b.post("/p/shop/changes/1/timer/cancel", "why", "Stays off", "confirm", "stay off 3").to("/p/shop/changes/1")
	for where, title := range titles() {
		require.NotContains(t, title, "until", where)
	}
}

func TestSlashAtTheEndLeadsToThePage(t *testing.T) {
	c, _, b := shop(t, fleet(2))
	b.get("/p/shop/servers/?q=web").to("/p/shop/servers?q=web")
	b.get("/p/shop/").to("/p/shop")
	b.get("/sign-in/").to("/sign-in")
	b.get("//evil.example/").to("/evil.example")
	b.get("/%5Cevil.example/").to("/%5Cevil.example")
	b.get("/a//b/").is(404)
	b.post("/p/shop/selection/", "op", "none").is(404)
	b.get("/nothing").is(404)
	require.Contains(t, c.log.String(), `"took_ms":`)
}
