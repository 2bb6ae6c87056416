package views

import (
	"net/url"
	"strings"
)

// MostTyped is how many bytes of a field that is not the reason an address holds.
const MostTyped = 100

// FormQuery is what was typed into the form of a plan, but for reason and ticket, as
// a query string.
func FormQuery(f ConfirmForm) url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"back": f.Back, "back_at": f.BackAt, "confirm": f.Confirm} {
		if value != "" && len(value) <= MostTyped {
			q.Set(name, value)
		}
	}
	if f.CancelTimer {
		q.Set("cancel_timer", "1")
	}
	if f.Ramp {
		q.Set("ramp", "1")
	}
	return q
}

// wholeURL is the whole of a plan whose difference is shown.
func (v PreviewView) wholeURL() string { return withQuery(v.url(), FormQuery(v.Form).Encode()) }

func (v PreviewView) movedPager() PagerView {
	at := func(seq int64) string {
		q := FormQuery(v.Form)
		q.Set("instead", v.Moved.Was)
		setNumber(q, "after", seq)
		return withQuery(v.url(), q.Encode())
	}
	pv := PagerView{Text: v.T("%d of %d", int64(len(v.Moved.Targets)), v.Moved.N), Part: "servers"}
	if v.After > 0 {
		pv.First = at(0)
	}
	if v.Moved.Next > 0 {
		pv.Next = at(v.Moved.Next)
	}
	return pv
}

// movedTitle is what differs, as the head of its table.
func (v PreviewView) movedTitle() string {
	return v.N(v.Moved.N, "%d server is not as it was shown", "%d servers are not as they were shown")
}

// sinceText says that a plan was out of date, and what the page shows instead. What
// refused this one too says that nothing was sent.
func (v PreviewView) sinceText() string {
	if v.Refused != "" {
		return v.N(v.Moved.N, "%d server changed since it was made. Below is what is different now; confirm again if that is right.", "%d servers changed since it was made. Below is what is different now; confirm again if that is right.")
	}
	return v.N(v.Moved.N, "%d server changed since it was made. Nothing was sent. Below is what is different now; confirm again if that is right.", "%d servers changed since it was made. Nothing was sent. Below is what is different now; confirm again if that is right.")
}

// countsText is how many servers the plan has in each bucket, in one line.
func (v PreviewView) countsText() string {
	var parts []string
	for _, b := range v.buckets() {
		parts = append(parts, v.countedName(b)+" "+v.Int(v.count(b)))
	}
	return strings.Join(parts, " · ")
}

// addressesText says which backup servers have another address than was shown, "" for
// none.
func (v RemotePreviewView) addressesText() string {
	var lines []string
	for _, was := range v.Was.Servers {
		if now, ok := v.To.Server(was.HostID); ok && now.Addr() != was.Addr() {
			lines = append(lines, v.T("%s was shown at %s and is at %s now.", Plain(now.Label()), was.Addr(), now.Addr()))
		}
	}
	return strings.Join(lines, " ")
}

// removedID is the host ID of the backup server that is to be removed, "" for none.
func (v RemotePreviewView) removedID() string {
	if v.Removes == nil {
		return ""
	}
	return v.Removes.HostID
}
