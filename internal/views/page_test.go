package views

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
)

func TestInstantsReadAsPeopleWriteThem(t *testing.T) {
	en, zh := testPage(t, "en"), testPage(t, "zh-CN")
	now := wtp.At(en.Now)
	lastYear := wtp.At(time.Date(2025, 5, 14, 1, 0, 0, 0, time.UTC))
	for _, row := range []struct{ got, want string }{
		{en.ClockText(now), "22:04"},
		{en.ClockText(now.Add(-23 * time.Hour)), "13 May 23:04"},
		{en.ClockText(lastYear), "14 May 2025"},
		{en.ClockText(0), "never"},
		{zh.ClockText(now.Add(-23 * time.Hour)), "5月13日 23:04"},
		{zh.ClockText(lastYear), "2025年5月14日"},
		{en.When(now), "Thursday 14 May 2026, 22:04:00 (UTC+8)"},
		{zh.When(now), "2026年5月14日 星期四 22:04:00（UTC+8）"},
		{en.Day(now), "Thursday 14 May 2026"},
		{zh.Day(now), "2026年5月14日 星期四"},
		{en.Ago(now.Add(-2 * time.Second)), "just now"},
		{en.Ago(now.Add(time.Hour)), "just now"},
		{en.Ago(now.Add(-40 * time.Second)), "40 s ago"},
		{en.Ago(now.Add(-6 * time.Minute)), "6 min ago"},
		{en.Ago(now.Add(-47 * time.Hour)), "47 h ago"},
		{en.Ago(now.Add(-49 * time.Hour)), "2 days ago"},
		{zh.Ago(now.Add(-6 * time.Minute)), "6 分钟前"},
		{en.Took(840 * time.Millisecond), "840 ms"},
		{en.Took(12 * time.Second), "12 s"},
		{en.Took(200 * time.Second), "3 min 20 s"},
		{en.Took(125 * time.Minute), "2 h 5 min"},
		{en.Took(-time.Second), "0 ms"},
	} {
		require.Equal(t, row.want, row.got)
	}
	en.Zone = time.FixedZone("x", -(5*3600 + 30*60))
	require.Contains(t, en.When(now), "(UTC-5:30)")
	en.Zone = nil
	require.Contains(t, en.When(now), "(UTC)")
	require.Equal(t, `<time datetime="2026-05-14T14:04:00Z" title="Thursday 14 May 2026, 14:04:00 (UTC)">14:04</time>`, render(t, en.Clock(now)))
}

func TestAddressesOfAProjectAreEscaped(t *testing.T) {
	p := testPage(t, "en")
	require.Equal(t, "/p/web-prod", p.URL())
	require.Equal(t, "/p/web-prod/servers/a%2Fb%3Fc", p.URL("servers", "a/b?c"))
	p.Project = nil
	require.Equal(t, "/", p.URL())
	require.Equal(t, "/servers", p.URL("servers"))
}

func TestTextsInsideTextsAreTranslatedToo(t *testing.T) {
	zh := testPage(t, "zh-CN")
	require.Equal(t, "名称：没有任何更改。", zh.Say(wtp.Say("%s: %s", wtp.Say("Name"), wtp.Say("Nothing was changed."))))
}

func TestOnlySignedInPeopleMayAnything(t *testing.T) {
	p := testPage(t, "en")
	require.True(t, p.May(wtp.Administer))
	p.User = &wtp.User{Role: wtp.Viewer}
	require.True(t, p.May(wtp.Read))
	require.False(t, p.May(wtp.Act))
	p.User = nil
	require.False(t, p.May(wtp.Read))
}

func TestProgressIsWholeOnlyAtTheEnd(t *testing.T) {
	require.EqualValues(t, 0, RunningChange{Done: 0, Total: 0}.Percent())
	require.EqualValues(t, 72, RunningChange{Done: 1325, Total: 1840}.Percent())
	require.EqualValues(t, 99, RunningChange{Done: 99999, Total: 100000}.Percent())
	require.EqualValues(t, 100, RunningChange{Done: 5, Total: 5}.Percent())
	require.Equal(t, "–", GroupCoverage{Cannot: 4, Total: 4}.percent())
	require.Equal(t, "85.2", GroupCoverage{On: 14352, Off: 2498}.share())
	require.Equal(t, "99.9", GroupCoverage{On: 99999, Off: 1}.share())
	require.Equal(t, "0.1", GroupCoverage{On: 1, Off: 99999}.share())
	require.Equal(t, "100.0%", GroupCoverage{On: 7}.percent())
}

func TestBarsFillTheirWidthAndHideNothing(t *testing.T) {
	parts := barParts([]Slice{{"ok", 100000, ""}, {"bad", 1, ""}, {"faint", 0, ""}})
	require.Len(t, parts, 2)
	require.Equal(t, "bad", parts[1].kind)
	require.Equal(t, []barPart{{"ok", "0.0", "1000.0"}}, barParts([]Slice{{"ok", 3, ""}}))
	require.Empty(t, barParts(nil))
	p := testPage(t, "en")
	require.Equal(t, "14,352 On, 2,498 Off", sliceText(p, []Slice{{"ok", 14352, "On"}, {"warn", 2498, "Off"}, {"faint", 0, "x"}}))
}

func TestOutcomeOfAnAnswerAloneIsNotASuccess(t *testing.T) {
	p := testPage(t, "en")
	require.NotContains(t, render(t, OutcomeStatus(p, wtp.TargetAccepted, wtp.SeenNothing)), "st-ok")
	require.Contains(t, render(t, OutcomeStatus(p, wtp.TargetAccepted, wtp.SeenWanted)), "st-ok")
	for _, o := range wtp.Outcomes() {
		require.NotContains(t, render(t, OutcomeStatus(p, o, "")), "help-circle\"></use></svg>"+string(o), o)
	}
}

func TestAgeOfTheInventoryIsShown(t *testing.T) {
	p := testPage(t, "en")
	now := wtp.At(p.Now)
	for _, row := range []struct {
		project    wtp.Project
		kind, text string
	}{
		{wtp.Project{ReadAt: now.Add(-40 * time.Second)}, "quiet", "HSS read 40 s ago"},
		{wtp.Project{ReadAt: now.Add(-time.Hour)}, "warn", "HSS read 1 h ago"},
		{wtp.Project{ReadAt: now.Add(-time.Minute), ReadFailedAt: now}, "warn", "HSS read 1 min ago"},
		{wtp.Project{ReadFailedAt: now.Add(-time.Minute)}, "bad", "Reading HSS failed 1 min ago"},
		{wtp.Project{ReadStartedAt: now, ReadLeaseUntil: now.Add(time.Minute)}, "info", "Reading HSS"},
		{wtp.Project{ReadStartedAt: now, ReadLeaseUntil: now.Add(-time.Minute)}, "quiet", "HSS not read yet"},
	} {
		f := p.freshness(row.project)
		require.Equal(t, row.kind, f.kind, row.text)
		require.Equal(t, row.text, f.text)
	}
}

func TestInitials(t *testing.T) {
	for name, want := range map[string]string{"Mei Chen": "MC", "root": "R", "": "", "王 小明": "王小", "a b c": "AB", "é": "É"} {
		require.Equal(t, want, Initials(name), name)
	}
}

func TestBrowserNames(t *testing.T) {
	p := testPage(t, "en")
	require.Equal(t, "Chrome on Linux", p.Browser("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0 Safari/537.36"))
	require.Equal(t, "Safari on iPhone", p.Browser("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1"))
	require.Equal(t, "curl", p.Browser("curl/8.5"))
	require.Equal(t, "Unknown browser", p.Browser(""))
}
