package views

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"
	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
	"wtp-console/static"
)

func changePage() Page {
	return Page{
		Lang: "en", Assets: static.New(), Zone: time.UTC, Now: time.Date(2026, 5, 14, 22, 5, 0, 0, time.UTC),
		User: &wtp.User{ID: 1, Name: "Mei Chen", Role: wtp.Operator}, Project: &wtp.Project{ID: 1, Slug: "web-prod", Name: "web-prod", Region: "cn-north-4"},
	}
}

func drawn(t *testing.T, c templ.Component) *goquery.Document {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, c.Render(t.Context(), &b))
	d, err := goquery.NewDocumentFromReader(&b)
	require.NoError(t, err)
	return d
}

func words(s *goquery.Selection) []string {
	return s.Map(func(_ int, s *goquery.Selection) string { return strings.Join(strings.Fields(s.Text()), " ") })
}

func doneChange() ChangeView {
	return ChangeView{
		Page:   changePage(),
		Change: wtp.Change{ID: 1, Number: 2481, Kind: wtp.DynamicWTP, Direction: wtp.Disable, State: wtp.Done, ToSend: 10, TargetCount: 12, ConfirmedByName: "Mei Chen"},
		Tally:  Tally{Outcome: map[wtp.Outcome]int64{wtp.TargetAccepted: 10, wtp.TargetSkipped: 2}},
	}
}

func TestAcceptedIsNeverGreen(t *testing.T) {
	v := doneChange()
	v.Change.ToSend = 210
	v.Tally.Outcome[wtp.TargetAccepted] = 210
	v.Boxes = []wtp.Box{{Box: 1, Accepted: 1}, {Box: 2, Accepted: 1}}
	d := drawn(t, ChangeProgress(v))
	require.Zero(t, d.Find(".tile-ok, .f-ok, .st-ok").Length())
	require.Equal(t, "warn", v.pill().kind)
	v.Tally.Confirmed = 210
	d = drawn(t, ChangeProgress(v))
	require.Equal(t, 2, d.Find(".tile-ok").Length())
	require.Equal(t, "ok", v.pill().kind)
}

func TestShownOtherwiseIsAProblemOnceReadingEnded(t *testing.T) {
	v := doneChange()
	v.Tally.Confirmed, v.Tally.Otherwise = 4, 5
	v.Change.ReadBackAt = 1
	require.Empty(t, v.troubles())
	require.Equal(t, "Accepted, reading back", v.pill().text)
	list := func() string {
		return ChangesView{Page: v.Page}.rowOutcome(ChangeRow{Change: v.Change, Tally: v.Tally}).text
	}
	require.Equal(t, "10 accepted, 4 read back", list())
	v.Change.State, v.Change.ReadBackAt = wtp.Running, 0 // in steps, each read back before the next
	require.Empty(t, v.troubles())
	v.Change.State = wtp.Done
	d := drawn(t, ChangeProgress(v))
	require.Equal(t, []string{"Succeeded 4", "Accepted, not seen yet 1", "Accepted, HSS shows otherwise 5", "Skipped 2"}, words(d.Find(".lgd li")))
	require.Contains(t, words(d.Find("ul.list li"))[0], "HSS accepted it, but shows otherwise")
	require.Equal(t, "Accepted, HSS shows otherwise on 5", v.pill().text)
	require.Equal(t, "10 accepted, HSS shows otherwise on 5", list())
	_, polls := d.Find("#progress").Attr("hx-trigger")
	require.False(t, polls)
}

func TestManyBatchesShareBoxes(t *testing.T) {
	v := doneChange()
	v.Change.ToSend = 100_001 // 501 batches
	for no := int64(1); no <= 56; no++ {
		v.Boxes = append(v.Boxes, wtp.Box{Box: no, Accepted: 9})
	}
	v.Boxes[1] = wtp.Box{Box: 2, Accepted: 10, Split: 2, Refused: 1}
	v.Boxes[55] = wtp.Box{Box: 56, Accepted: 6}
	tiles := v.tiles()
	require.Len(t, tiles, 56)
	require.Equal(t, "Batches 10 to 18: 10 accepted, 1 refused, 2 sent on in other batches", tiles[1].title)
	require.Equal(t, "tile-bad", tiles[1].class)
	require.Equal(t, "Batches 496 to 501: 6 accepted", tiles[55].title)
	require.Equal(t, "A box is 9 batches, and shows the one that most needs to be looked at.", v.boxText())
	require.Equal(t, "503 of 503 done, at most 200 servers each", v.batchText())

	v.Change.ToSend = 60 * 200
	v.Boxes = v.Boxes[:2]
	v.Boxes[0] = wtp.Box{Box: 1, Unclear: 1}
	require.Equal(t, "Batch 1: checking", v.tiles()[0].title)
	require.Empty(t, v.boxText())
	v.Change.Kind, v.Change.ToSend = wtp.RemoteBackup, 10_000
	require.EqualValues(t, 2, v.tiles()[1].no, "a number of at most three digits")
}

func TestCallsAreCountedOnce(t *testing.T) {
	v := doneChange()
	v.Calls = []wtp.Call{{ID: 1}, {ID: 2}, {ID: 3}}
	require.Equal(t, 1, strings.Count(drawn(t, ChangePage(v)).Find("#calls").Text(), "3 shown"))
}

func TestWhatAStopLeftIsNotDone(t *testing.T) {
	v := doneChange()
	v.Change.State, v.Change.ToSend = wtp.Stopped, 1200
	v.Boxes = []wtp.Box{{Box: 1, Accepted: 1}, {Box: 2, Unknown: 1}, {Box: 3, Stopped: 1}, {Box: 4, Stopped: 1}, {Box: 5, Stopped: 1}, {Box: 6, Stopped: 1}}
	require.Equal(t, "2 of 6 done, 4 not done, at most 200 servers each", v.batchText())
	// Some of them may have been in a call that HSS refused as a whole.
	require.Equal(t, "Not accepted by HSS before the stop.", v.whyText(wtp.Target{Outcome: wtp.TargetStopped}))

	// While it stops, its headline counts what HSS answered, not what is left out.
	v.Change.State, v.Change.StoppedByName, v.Change.ToSend = wtp.Running, "Mei Chen", 2000
	v.Tally.Outcome = map[wtp.Outcome]int64{wtp.TargetAccepted: 400, wtp.TargetSending: 600, wtp.TargetStopped: 1000}
	require.Equal(t, []string{"400 of 2,000 servers"}, words(drawn(t, ChangeProgress(v)).Find(".big")))
	require.Equal(t, "0 percent done.", v.sayText())
}

func TestProgressIsAnnouncedByQuarters(t *testing.T) {
	v := doneChange()
	v.Change.State, v.Change.ToSend = wtp.Running, 100
	at := func(accepted, refused int64) string {
		v.Tally.Outcome = map[wtp.Outcome]int64{wtp.TargetAccepted: accepted, wtp.TargetRefused: refused, wtp.TargetWaiting: 100 - accepted - refused}
		return v.sayText()
	}
	require.Equal(t, "0 percent done.", at(24, 0))
	require.Equal(t, "25 percent done.", at(25, 0))
	require.Equal(t, at(25, 0), at(49, 0))
	require.Equal(t, "50 percent done, with problems.", at(49, 1))
}

func TestChangePageHasOneOfEach(t *testing.T) {
	v := doneChange()
	v.Change.Reason = `<b>why</b>`
	d := drawn(t, ChangePage(v))
	for _, id := range []string{"#progress", "#change-head", "#record", "#servers", "#calls", "#tabs"} {
		require.Equal(t, 1, d.Find(id).Length(), id)
	}
	require.Contains(t, d.Find("#record").Text(), "<b>why</b>")
	require.Zero(t, d.Find("[style], #record b").Length())
}

func TestAboutTime(t *testing.T) {
	p := changePage()
	for _, row := range []struct {
		took time.Duration
		want string
	}{{0, "less than a minute"}, {59 * time.Second, "less than a minute"}, {65 * time.Second, "about 1 minute"}, {95 * time.Second, "about 2 minutes"}, {99 * time.Minute, "about 99 minutes"}, {199 * time.Minute, "about 3 h 19 min"}} {
		require.Equal(t, row.want, p.about(row.took), "%+v", row)
	}
}

func TestTypedConfirmationOnlyForDisabling(t *testing.T) {
	plan := wtp.Change{Direction: wtp.Disable, ToSend: 100}
	require.Empty(t, TypedConfirmation(plan, 0, 100, false))
	require.Equal(t, "turn off 100", TypedConfirmation(plan, 1, 100, false))
	plan.ToSend = 10788
	require.Equal(t, "turn off 10788", TypedConfirmation(plan, 0, 100, false))
	plan.Direction = wtp.Enable
	require.Empty(t, TypedConfirmation(plan, 5, 100, false))
	require.Empty(t, TypedConfirmation(wtp.Change{Direction: wtp.Disable}, 3, 100, true))
	few := wtp.Change{Direction: wtp.Disable, ToSend: 1}
	require.Empty(t, TypedConfirmation(few, 0, 100, false))
	require.Equal(t, "turn off 1", TypedConfirmation(few, 0, 100, true), "never is always typed")
	require.Equal(t, "turn off 1", TypedConfirmation(few, 0, 0, false))
}

func TestATimerIsListedOnce(t *testing.T) {
	v := PreviewView{Page: changePage(), Plan: wtp.Change{Kind: wtp.DynamicWTP, Direction: wtp.Enable, State: wtp.Planned, UndoOf: 7, TargetCount: 10, ToSend: 8}}
	v.Conflicts.Timers = []TimerConflict{{Number: 7, By: "mei", Sent: 8, Skipped: 2, Hosts: 11}, {Number: 6, By: "li", Skipped: 1, Hosts: 1}, {Number: 5, By: "jo", Sent: 3, Hosts: 3}, {Number: 4, Hosts: 9}}
	var said []string
	for _, line := range v.conflictLines() {
		said = append(said, line.text)
	}
	require.Len(t, said, 3, said)
	require.Contains(t, said[0], "turns 8 of these servers on")
	require.Contains(t, said[0], "It stays for 2 servers that are skipped here. It stays for the other servers of that change.")
	require.Contains(t, said[1], "turns 1 of the servers that are skipped here on")
	require.NotContains(t, said[2], "It stays")
	v.Plan.Direction = wtp.Disable
	require.Len(t, v.conflictLines(), 3)
	require.Contains(t, v.conflictLines()[0].text, "It stays for 2 servers that are skipped here.")
}

func TestAPlanNeverTakesAtLeastLessThanAMinute(t *testing.T) {
	v := PreviewView{Page: changePage(), Plan: wtp.Change{Kind: wtp.DynamicWTP, ToSend: 5}}
	v.Queue.Budget = wtp.Budget{Limit: 5, Now: wtp.At(v.Now)}
	require.Equal(t, "less than a minute, at about 22:05", v.timeText(true))
	v.Plan.ToSend = 5000
	require.Contains(t, v.timeText(true), "at least about ")
}
