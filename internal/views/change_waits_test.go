package views

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
)

// TestAChangeThatStopsSaysWhatItStillWaitsFor: and doesn't make up how long that takes.
func TestAChangeThatStopsSaysWhatItStillWaitsFor(t *testing.T) {
	at := func(clock string) wtp.Instant {
		i, err := time.Parse(time.DateTime, "2026-05-14 "+clock)
		require.NoError(t, err)
		return wtp.At(i)
	}
	stopping := func(lang string, p PendingView) ChangeView {
		v := doneChange()
		v.Page = testPage(t, lang)
		v.Zone, v.Now = time.UTC, at("22:05:00").Time()
		v.Change.State, v.Change.StoppedByName, v.Pending = wtp.Running, "Mei Chen", p
		v.Queue.Budget = wtp.Budget{Limit: 5, Now: at("22:05:00")}
		return v
	}
	failed := PendingView{Unclear: 1, ReadAt: at("22:06:20"), ReadSince: at("22:01:00"), LastRead: wtp.Call{ID: 7, Class: "unclear", Status: 500, Code: "HSS.0500", Message: "internal error"}}
	for _, tc := range []struct {
		lang          string
		p             PendingView
		notice, waits string
	}{
		{"en", PendingView{Sending: 2}, "Stopping. Calls in flight finish first.", "Waits for the answers to 2 calls in flight."},
		{"en", PendingView{Unclear: 1}, "Stopping. What got no clear answer is read back first.", "It reads back what HSS made of a call without a clear answer."},
		{"en", PendingView{Unclear: 1, LastRead: wtp.Call{ID: 7, Class: "ok"}}, "Stopping. What got no clear answer is read back first.", "It reads back what HSS made of a call without a clear answer."},
		{"en", failed, "Stopping. What got no clear answer is read back first.",
			"It reads back what HSS made of a call without a clear answer. The last reading failed (500 · No clear answer: HSS.0500 internal error). Next try about 22:06:20, the last about 22:31:00; then its servers count as unknown."},
		{"zh-CN", failed, "正在停止。会先回读没有明确应答的内容。",
			"有一次调用没有明确答复，正在回读 HSS 的实际结果。 最近一次读取失败（500 · 无明确应答: HSS.0500 internal error）。 下次尝试约在 22:06:20，最后一次约在 22:31:00；此后其服务器按未知处理。"},
		{"en", PendingView{}, "Stopping.", ""},
	} {
		v := stopping(tc.lang, tc.p)
		page := drawn(t, ChangeProgress(v))
		require.Equal(t, []string{tc.notice}, words(page.Find(".notice b")))
		require.Equal(t, tc.waits, page.Find("#waits span").Text())
		require.Empty(t, v.leftText())
	}

	// Turning back on doesn't wait for reading back.
	v := stopping("en", failed)
	v.Timer = &TimerView{Timer: wtp.Timer{State: wtp.TimerPending, DueAt: at("22:06:00")}}
	require.Contains(t, v.waitText(), "Next try about 22:06:00, the last about 22:06:00;")

	// A note of the console's own is in the reader's language here too.
	failed.LastRead = wtp.Call{ID: 7, Class: "unclear", Message: wtp.WithDetail(wtp.HungUp(), "EOF")}
	require.Contains(t, stopping("zh-CN", failed).waitText(), "最近一次读取失败（无明确应答: 收到应答之前连接已断开）。")

	// Nor is there a time for one that goes on but can't read back.
	v = stopping("en", failed)
	v.Change.StoppedByName = ""
	require.Empty(t, v.leftText())
	require.Contains(t, v.waitText(), "The last reading failed (No clear answer: The connection was closed before an answer came).")
	v.Pending = PendingView{Waiting: 3}
	require.NotEmpty(t, v.leftText())
}
