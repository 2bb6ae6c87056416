package views

import (
	"encoding/json"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
)

// TestWhyAChangeStoppedIsSaidInTheReadersLanguage: the record is English, and stays so.
func TestWhyAChangeStoppedIsSaidInTheReadersLanguage(t *testing.T) {
	const lost = "HSS locked the credential for 5 minutes after several failed sign-ins. Nothing more was sent. Check it in the settings, then plan the rest again."
	const idle = "This change turned no server off, so there is none to turn on again."
	const own = "Because of 100% of nothing"
	shown := func(lang, verb, why string) string {
		p := testPage(t, lang)
		kept, err := json.Marshal(map[string]any{"not_sent": 3, "why": why})
		require.NoError(t, err)
		page := drawn(t, EventsPage(EventsView{Page: p, Events: []wtp.Event{{Seq: 7, At: wtp.At(p.Now), Verb: verb, Subject: "change 2", Detail: string(kept)}}}))
		dt := page.Find("#e7 dt").FilterFunction(func(_ int, s *goquery.Selection) bool { return s.Text() == "why" })
		require.Equal(t, 1, dt.Length())
		return words(dt.Next())[0]
	}
	for _, x := range []struct{ verb, kept, en, zh string }{
		{"change.stopped", wtp.StoppedUnclear(1).String(), wtp.StoppedUnclear(1).String(), "HSS 没有给出明确答复，后续内容均未发送。已发送的内容正在读回核对；HSS 恢复答复后请重新计划其余部分。"},
		{"change.stopped", wtp.StoppedRefused(20).String(), wtp.StoppedRefused(20).String(), ""},
		{"change.stopped", wtp.StoppedUnreached(3).String(), wtp.StoppedUnreached(3).String(), ""},
		{"change.stopped", lost, lost, ""},
		{"timer.ended", idle, idle, ""},
		{"change.stopped", own, own, own},
		{"console.paused", idle, idle, idle},
		{"timer.cancelled", idle, idle, idle},
	} {
		require.Equal(t, x.en, shown("en", x.verb, x.kept))
		got := shown("zh-CN", x.verb, x.kept)
		if x.zh == "" {
			x.zh = testPage(t, "zh-CN").Say(wtp.StopReason(x.kept))
			require.NotEqual(t, x.kept, x.zh)
		}
		require.Equal(t, x.zh, got)
	}
}
