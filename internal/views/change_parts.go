package views

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"wtp-console/internal/wtp"
)

type tab struct {
	key, label string
	n          int64
}

func (t tab) id() string {
	if t.key == "" {
		return "all"
	}
	return t.key
}

// tabs are the parts of the list of targets: all, and each that isn't empty.
func (v ChangeView) tabs() []tab {
	t := v.Tally
	all := []tab{
		{"", v.T("All"), t.total()},
		{tabConfirmed, outcomeStatus(v.Page, wtp.TargetAccepted, wtp.SeenWanted).text, t.Confirmed},
		{tabNotSeen, outcomeStatus(v.Page, wtp.TargetAccepted, wtp.SeenNothing).text, t.unseen()},
		{tabOtherwise, v.outcome(wtp.TargetAccepted, wtp.SeenOtherwise).text, t.Otherwise},
	}
	if v.Tab == string(wtp.TargetAccepted) { // of an older link
		all = append(all, tab{v.Tab, v.T("Accepted"), t.of(wtp.TargetAccepted)})
	}
	for _, o := range wtp.Outcomes() {
		if o != wtp.TargetAccepted && o != wtp.TargetPlanned {
			all = append(all, tab{string(o), outcomeStatus(v.Page, o, "").text, t.of(o)})
		}
	}
	var shown []tab
	for _, x := range all {
		if x.n > 0 || x.key == "" || x.key == v.Tab {
			shown = append(shown, x)
		}
	}
	return shown
}

// query is the query of this page with other values of its parameters.
func (v ChangeView) query(outcome string, why wtp.Why, after, callsAfter int64) url.Values {
	q := url.Values{}
	if outcome != "" {
		q.Set("outcome", outcome)
	}
	if why != "" {
		q.Set("why", string(why))
	}
	setNumber(q, "after", after)
	setNumber(q, "calls", callsAfter)
	return q
}

// setNumber sets a parameter of an address unless it is 0.
func setNumber(q url.Values, name string, n int64) {
	if n > 0 {
		q.Set(name, strconv.FormatInt(n, 10))
	}
}

func (v ChangeView) place(outcome string, why wtp.Why, after, callsAfter int64) string {
	return withQuery(v.url(), v.query(outcome, why, after, callsAfter).Encode())
}

func (v ChangeView) tabURL(outcome string, why wtp.Why, after int64) string {
	return v.place(outcome, why, after, v.CallsAfter) + "#servers"
}

func (v ChangeView) listed() int64 {
	for _, t := range v.tabs() {
		if t.key == v.Tab {
			return t.n
		}
	}
	return 0
}

// plannedText is how many servers were planned, and by whom; a backup server that is
// removed is none of them.
func (v ChangeView) plannedText() string {
	n := v.Change.TargetCount
	if v.Change.Kind == wtp.BackupRemoval {
		n--
	}
	if n < 1 {
		return v.Change.PlannedByName
	}
	return v.N(n, "%d server by %s", "%d servers by %s", n, v.Change.PlannedByName)
}

// csvURL is the list that is shown as a table.
func (v ChangeView) csvURL() string {
	return withQuery(v.url("servers.csv"), v.query(v.Tab, v.Why, 0, 0).Encode())
}

func (v ChangeView) targetPager() PagerView {
	pv := PagerView{Text: v.T("%d of %d", len(v.Targets), v.listed())}
	if v.Why != "" {
		pv.Text = v.N(int64(len(v.Targets)), "%d shown", "%d shown")
	}
	if v.Prev > 0 {
		pv.First = v.tabURL(v.Tab, v.Why, 0)
		q := v.query(v.Tab, v.Why, 0, v.CallsAfter)
		setNumber(q, "before", v.Prev)
		pv.Prev = withQuery(v.url(), q.Encode()) + "#servers"
	}
	if v.Next > 0 {
		pv.Next = v.tabURL(v.Tab, v.Why, v.Next)
	}
	return pv
}

func (v ChangeView) callPager() PagerView {
	pv := PagerView{Text: v.N(int64(len(v.Calls)), "%d shown", "%d shown")}
	if v.CallsAfter > 0 {
		pv.First = v.place(v.Tab, v.Why, v.After, 0) + "#calls"
	}
	if v.CallsNext > 0 {
		pv.Next = v.place(v.Tab, v.Why, v.After, v.CallsNext) + "#calls"
	}
	return pv
}

// whyText is what happened to a target, beyond its outcome.
func (v ChangeView) whyText(t wtp.Target) string {
	switch {
	case t.Outcome == wtp.TargetSkipped && t.Why != "":
		return v.Say(t.Why.Reason())
	case t.Code != "" || t.Message != "":
		return strings.TrimSpace(t.Code + " " + t.Message)
	case t.Outcome == wtp.TargetAccepted && t.Shown() == wtp.SeenOtherwise && v.live():
		return v.T("HSS accepted it.")
	case t.Outcome == wtp.TargetAccepted && t.Shown() == wtp.SeenOtherwise:
		return v.T("HSS accepted it, but shows otherwise.")
	case t.Outcome == wtp.TargetAccepted && t.Shown() == wtp.SeenNothing:
		return v.T("HSS accepted it.")
	case t.Outcome == wtp.TargetUnclear:
		return v.T("No clear answer; it is being read back.")
	case t.Outcome == wtp.TargetUnknown:
		return v.T("No clear answer, and reading back did not settle it.")
	case t.Outcome == wtp.TargetStopped:
		return v.T("Not accepted by HSS before the stop.")
	}
	return ""
}

// callStatus is how a call ended.
func (v ChangeView) callStatus(c wtp.Call) status {
	s := status{"bad", "x", c.Class}
	switch c.Class {
	case "":
		return status{"info", "loader-2", v.T("Waiting for the answer")}
	case "ok":
		s = status{"quiet", "check", v.T("Accepted")}
	case "refused":
		s.text = v.T("Refused")
	case "unclear":
		s = status{"unk", "help-circle", v.T("No clear answer")}
	case "throttled":
		s = status{"warn", "clock", v.T("Too many calls, sent again later")}
	case "not_signed_in":
		s.text = v.T("Credential not accepted")
	case "key_locked":
		s.text = v.T("Access key locked")
	case "clock":
		s.text = v.T("Clock is off")
	case "no_permission":
		s.text = v.T("No permission")
	case "not_in_region":
		s.text = v.T("Not in this region")
	case "not_sent":
		s = status{"warn", "x", v.T("Not sent")}
	}
	if c.Status != 0 {
		s.text = strconv.FormatInt(c.Status, 10) + " · " + s.text
	}
	return s
}

// callNote is what the console itself noted on a call, with the error behind it; "" for
// the words of HSS, which stay as they are.
func (v ChangeView) callNote(c wtp.Call) (note, detail string) {
	if c.Code != "" {
		return "", ""
	}
	text, detail, ok := wtp.CallNote(c.Message)
	if !ok {
		return "", ""
	}
	return v.Say(text), detail
}

func (v ChangeView) updatedText() string { return v.Now.In(v.zone()).Format(time.TimeOnly) }

func (p Page) zone() *time.Location {
	if p.Zone == nil {
		return time.UTC
	}
	return p.Zone
}

func (v ChangeView) backupSays() string {
	switch v.Backup.Status {
	case wtp.BackupRunning:
		return v.T("HSS shows that it runs.")
	case wtp.BackupStarting:
		return v.T("HSS is starting it. This page follows it until it runs or fails.")
	case wtp.BackupNotStarted:
		return v.T("HSS has not started it yet. This page follows it until it runs or fails.")
	case wtp.BackupFailed:
		return v.T("It failed to start. Check that the agent is online, the port is free, and the directory exists and can be written.")
	}
	return ""
}

// trouble is one line of the list of problems.
type trouble struct{ kind, icon, text, note, count, tab string }

func (v ChangeView) troubles() []trouble {
	var s []trouble
	add := func(n int64, kind, icon, text, note, key string) {
		if n > 0 {
			s = append(s, trouble{kind, icon, text, note, v.N(n, "%d server", "%d servers"), key})
		}
	}
	for _, p := range v.Problems {
		text := strings.TrimSpace(p.Code + " " + p.Message)
		if text == "" {
			text = v.T("HSS refused it without a reason")
		}
		count := v.N(p.N, "%d server", "%d servers")
		if p.AtLeast {
			count = v.N(p.N, "at least %d server", "at least %d servers")
		}
		s = append(s, trouble{"bad", "x", text, v.T("HSS refused this server on its own."), count, string(wtp.TargetRefused)})
	}
	add(v.Tally.of(wtp.TargetUnknown), "unk", "help-circle", v.T("HSS did not answer clearly, and reading back did not settle it"), v.T("It may have worked. Look at the server in HSS before trying again."), string(wtp.TargetUnknown))
	add(v.Tally.of(wtp.TargetUnclear), "unk", "zoom-question", v.T("No clear answer from HSS yet"), v.T("It may have worked. The console reads these servers back before anything is sent again."), string(wtp.TargetUnclear))
	if !v.live() { // before, it is what HSS shows at first
		add(v.Tally.Otherwise, "warn", "alert-triangle", v.T("HSS accepted it, but shows otherwise"), v.T("The console read it back for 30 minutes after the end."), tabOtherwise)
	}
	return s
}

func (v ChangeView) troubleCount() string {
	n := v.failed() + v.unknown() + v.Tally.of(wtp.TargetUnclear)
	if !v.live() {
		n += v.Tally.Otherwise
	}
	return v.N(n, "%d server", "%d servers")
}

func troubleID(i int) string { return "problem-" + strconv.Itoa(i) }

type batchTileView struct {
	no                 int64
	class, icon, title string
}

// planned is how many batches the change was cut into when it was confirmed.
func (v ChangeView) planned() int64 {
	return wtp.CutOf(v.Change.Kind, v.Change.Ramp == 1).Calls(v.Change.ToSend)
}

// batches is how many there are, with those that others were cut into.
func (v ChangeView) batches() int64 {
	var n int64
	for _, b := range v.Boxes {
		n += b.Done() + b.Stopped + b.Open() + b.Split
	}
	return n
}

// batchText says how many batches were sent and have an outcome. What a batch was cut
// into counts in its place.
func (v ChangeView) batchText() string {
	var done, stopped, all int64
	for _, b := range v.Boxes {
		done, stopped = done+b.Done(), stopped+b.Stopped
		all += b.Done() + b.Stopped + b.Open()
	}
	text := v.N(all, "%d of %d done", "%d of %d done", done, all)
	if stopped > 0 {
		text = v.T("%s, %d not done", text, stopped)
	}
	if per := v.Change.Kind.PerCall(); per > 1 {
		text = v.T("%s, at most %d servers each", text, per)
	}
	return text
}

// boxText says what a box of the strip is; "" if it is one batch.
func (v ChangeView) boxText() string {
	per := wtp.PerBox(v.planned())
	if per == 1 {
		return ""
	}
	return v.T("A box is %d batches, and shows the one that most needs to be looked at.", per)
}

// tiles are the boxes of the strip, each drawn as the batch in it that most needs to
// be noticed.
func (v ChangeView) tiles() []batchTileView {
	n := v.planned()
	per := wtp.PerBox(n)
	tiles := make([]batchTileView, 0, len(v.Boxes))
	for _, b := range v.Boxes {
		first, last := (b.Box-1)*per+1, min(b.Box*per, n)
		var worst wtp.BatchState
		var words []string
		var all int64
		for _, s := range wtp.BatchStates() {
			k := b.Of(s)
			if k == 0 {
				continue
			}
			if all += k; rank(s) > rank(worst) {
				worst = s
			}
			_, _, word := v.batchStatus(s)
			words = append(words, v.T("%d %s", k, word))
		}
		class, icon, word := v.batchStatus(worst)
		if all > 1 {
			word = strings.Join(words, v.T(", "))
		}
		title := v.T("Batch %s: %s", strconv.FormatInt(first, 10), word)
		if last > first {
			title = v.T("Batches %s to %s: %s", strconv.FormatInt(first, 10), strconv.FormatInt(last, 10), word)
		}
		no := first
		if n > 999 {
			no = b.Box // four digits have no room
		}
		tiles = append(tiles, batchTileView{no, class, icon, title})
	}
	return tiles
}

// rank orders the states of batches by how much they need to be noticed.
func rank(s wtp.BatchState) int {
	for i, x := range []wtp.BatchState{wtp.BatchSplit, wtp.BatchAccepted, wtp.BatchStopped, wtp.BatchWaiting, wtp.BatchSending, wtp.BatchMixed, wtp.BatchUnclear, wtp.BatchUnknown, wtp.BatchRefused} {
		if s == x {
			return i
		}
	}
	return -1 // "", of no batch
}

// batchStatus draws a batch. An accepted one is green only once all that was
// accepted has been read back.
func (v ChangeView) batchStatus(s wtp.BatchState) (class, icon, word string) {
	switch s {
	case wtp.BatchWaiting:
		return "", "", v.T("waiting")
	case wtp.BatchSending:
		return "tile-run", "loader-2", v.T("in progress")
	case wtp.BatchUnclear:
		return "tile-unk", "zoom-question", v.T("checking")
	case wtp.BatchAccepted:
		if v.Tally.of(wtp.TargetAccepted) == v.Tally.Confirmed {
			return "tile-ok", "check", v.T("accepted and read back")
		}
		return "", "check", v.T("accepted")
	case wtp.BatchRefused:
		return "tile-bad", "x", v.T("refused")
	case wtp.BatchSplit:
		return "", "arrows-sort", v.T("sent on in other batches")
	case wtp.BatchUnknown:
		return "tile-unk", "help-circle", v.T("unknown")
	case wtp.BatchMixed:
		return "tile-unk", "list-check", v.T("settled by reading back")
	case wtp.BatchStopped:
		return "", "player-stop", v.T("stopped, not done")
	}
	return "", "help-circle", string(s)
}
