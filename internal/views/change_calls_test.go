package views

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
)

// TestWhatTheConsoleNotedOnACallIsNotHSSs: it stands beside the answer, in the reader's
// language; what HSS said stays as it is, whatever the language.
func TestWhatTheConsoleNotedOnACallIsNotHSSs(t *testing.T) {
	row := func(lang string, c wtp.Call) (answer, said string) {
		v := doneChange()
		v.Page = testPage(t, lang)
		v.Calls = []wtp.Call{c}
		cells := drawn(t, changeCalls(v, false)).Find("tbody td")
		return strings.Join(words(cells.Eq(3).Children()), " "), words(cells)[4]
	}
	timeout := wtp.Call{BatchID: 1, Class: "unclear", Message: "No answer came within 30 s. (context deadline exceeded)"}
	broken := wtp.Call{BatchID: 1, Class: "unclear", Message: "The connection was closed before an answer came. (EOF)"}
	for _, tc := range []struct {
		lang         string
		call         wtp.Call
		answer, said string
	}{
		{"en", timeout, "No clear answer No answer came within 30 s. context deadline exceeded", "None"},
		{"en", broken, "No clear answer The connection was closed before an answer came. EOF", "None"},
		{"zh-CN", timeout, "无明确应答 30 秒内未收到应答。 context deadline exceeded", "无"},
		{"zh-CN", broken, "无明确应答 收到应答之前连接已断开。 EOF", "无"},
		{"zh-CN", wtp.Call{BatchID: 1, Class: "unclear", Message: wtp.CallAbandoned().String()}, "无明确应答 收到应答之前控制台已退出。", "无"},
		{"zh-CN", wtp.Call{BatchID: 1, Class: "not_sent", Message: wtp.HeldBack().String()}, "未发送 发送之前被暂缓，未发出。", "无"},
		{"zh-CN", wtp.Call{BatchID: 1, Class: "unclear", Status: 202, Message: "expected status 200"}, "202 · 无明确应答 预期的应答状态码为 200。", "无"},
		{"zh-CN", wtp.Call{BatchID: 1, Class: "refused", Status: 400, Code: "HSS.1007", Message: "the agent is offline"}, "400 · 被拒绝 HSS.1007 the agent is offline", "HSS.1007 the agent is offline"},
	} {
		answer, said := row(tc.lang, tc.call)
		require.Equal(t, tc.answer, answer)
		require.Equal(t, tc.said, said)
	}
}
