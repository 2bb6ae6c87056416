package views

import (
	"maps"
	"net/url"
	"slices"

	"wtp-console/internal/wtp"
)

// addressFaults are those of the address, not of the form.
func (v PreviewView) addressFaults() []wtp.FieldError {
	var s []wtp.FieldError
	for _, e := range v.Faults {
		if slices.Contains([]string{"bucket", "why", "q", "after", "before", "instead"}, e.Field) {
			s = append(s, e)
		}
	}
	return s
}

// listQuery is a list of this preview as a query string: a bucket, of it a reason
// ("" for all) and what a search leaves.
func (v PreviewView) listQuery(b wtp.Bucket, w wtp.Why, search string) url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"bucket": string(b), "why": string(w), "q": search} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

func (v PreviewView) listURL(b wtp.Bucket, w wtp.Why) string {
	return v.listAt(v.listQuery(b, w, ""))
}

// listAt is the address of a list of this preview. It holds what the server knows to be
// chosen in the form, for readers without scripts: their whole page is loaded anew.
func (v PreviewView) listAt(q url.Values) string {
	maps.Copy(q, FormQuery(v.Form))
	return withQuery(v.url(), q.Encode()) + "#servers"
}

// kept are the fields of FormQuery for the form that filters the list, in order.
func (v PreviewView) kept() []KeptField {
	q := FormQuery(v.Form)
	var s []KeptField
	for _, name := range slices.Sorted(maps.Keys(q)) {
		s = append(s, KeptField{Name: name, Value: q.Get(name)})
	}
	return s
}

// saysList is what a swap of the list says: which part of the preview, and how many.
func (v PreviewView) saysList() string {
	if len(v.addressFaults()) > 0 {
		return "" // an alert says it
	}
	return v.bucketName(v.Bucket) + " " + v.listedText()
}

// csvURL is what is listed as a table, or (all) every server of the preview.
func (v PreviewView) csvURL(all bool) string {
	if all {
		return v.url("servers.csv")
	}
	return withQuery(v.url("servers.csv"), v.listQuery(v.Bucket, v.Why, v.Query).Encode())
}

// narrowed says whether the list shows less than its bucket.
func (v PreviewView) narrowed() bool { return v.Why != "" || v.Query != "" }

// whys are the reasons of the bucket that is listed, with their numbers.
func (v PreviewView) whys() []PlanCount {
	var s []PlanCount
	for _, c := range v.Counts {
		if c.Bucket == v.Bucket && c.Why != "" && c.N > 0 {
			s = append(s, c)
		}
	}
	return s
}

func (v PreviewView) whyOption(c PlanCount) string {
	return v.T("%s (%d)", v.whyStatus(c.Why).text, c.N)
}

// listed is how many servers the list has; -1: a search is not counted.
func (v PreviewView) listed() int64 {
	switch {
	case v.Query != "":
		return -1
	case v.Why == "":
		return v.count(v.Bucket)
	}
	for _, c := range v.Counts {
		if c.Bucket == v.Bucket && c.Why == v.Why {
			return c.N
		}
	}
	return 0
}

func (v PreviewView) listedText() string {
	n := int64(len(v.Targets))
	if v.listed() < 0 {
		return v.N(n, "%d shown", "%d shown")
	}
	return v.T("%d of %d", n, v.listed())
}

func (v PreviewView) pager() PagerView {
	at := func(name string, seq int64) string {
		q := v.listQuery(v.Bucket, v.Why, v.Query)
		setNumber(q, name, seq)
		return v.listAt(q)
	}
	pv := PagerView{Text: v.listedText(), Part: "servers"}
	if v.Prev > 0 {
		pv.First, pv.Prev = at("after", 0), at("before", v.Prev)
	}
	if v.Next > 0 {
		pv.Next = at("after", v.Next)
	}
	return pv
}
