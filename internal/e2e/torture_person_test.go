package e2e_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/PuerkitoBio/goquery"
)

// stubborn is a person who plans and confirms one bulk change after the other,
// by the forms, whether or not the console is there.
type stubborn struct {
	http    *http.Client
	rnd     *rand.Rand
	base    func() string // of a console that may answer; "" for none
	groups  int
	room    func() bool // for another change
	off     bool        // which way to begin with
	doing   atomic.Value
	failure atomic.Value // the last one
	planned atomic.Int64
	// confirmed counts confirmations that were answered, lost those that weren't:
	// the change may be there or not.
	confirmed, lost, stopped atomic.Int64
}

func newStubborn(seed uint64, groups int, base func() string, room func() bool) *stubborn {
	jar, _ := cookiejar.New(nil) // never fails without options
	s := &stubborn{http: &http.Client{Jar: jar, Timeout: 10 * time.Second}, rnd: rand.New(rand.NewPCG(seed, 2)), groups: groups, base: base, room: room}
	s.doing.Store("")
	s.failure.Store("")
	return s
}

// post sends a form and gives where it led to.
func (s *stubborn) post(ctx context.Context, path string, form url.Values) (status int, at string, err error) {
	base := s.base()
	if base == "" {
		return 0, "", fmt.Errorf("no console is there")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", base)
	res, err := s.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.Request.URL.Path, err
}

// matching is what the button sends that selects all servers of a list; "" if there is
// none.
func (s *stubborn) matching(ctx context.Context, path string) (string, error) {
	base := s.base()
	if base == "" {
		return "", fmt.Errorf("no console is there")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, http.NoBody)
	if err != nil {
		return "", err
	}
	res, err := s.http.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	page, err := goquery.NewDocumentFromReader(res.Body)
	if err != nil {
		return "", err
	}
	return page.Find(allMatching).First().AttrOr("value", ""), nil
}

// goOn makes changes until ctx ends.
func (s *stubborn) goOn(ctx context.Context) {
	for ctx.Err() == nil {
		if !s.room() || !s.change(ctx) {
			select {
			case <-ctx.Done():
			case <-time.After(30 * time.Millisecond):
			}
		}
	}
}

// change makes one change of some groups; false: it came to nothing.
func (s *stubborn) change(ctx context.Context) bool {
	defer s.doing.Store("")
	query := url.Values{}
	groups := 1 + s.rnd.IntN(5)
	if s.rnd.IntN(8) == 0 {
		groups = s.groups / 2
	}
	for range groups {
		query.Add("group", fmt.Sprintf("g%02d", s.rnd.IntN(s.groups)))
	}
	direction, now := "enable", "closed"
	if s.off != (s.rnd.IntN(4) == 0) {
		direction, now = "disable", "opened"
	}
	if s.rnd.IntN(6) > 0 { // else some are so already, and skipped
		query.Set("dynamic", now)
	}
	s.doing.Store("planning")
	op, err := s.matching(ctx, "/p/web-prod/servers?"+query.Encode())
	if err != nil {
		return false
	}
	if op == "" {
		s.off = !s.off // nothing is left to switch that way
		return false
	}
	if status, _, err := s.post(ctx, "/p/web-prod/selection", url.Values{"op": {op}, "query": {query.Encode()}}); err != nil || status != http.StatusOK {
		return false // the console is away, or other servers match by now
	}
	status, preview, err := s.post(ctx, "/p/web-prod/previews", url.Values{"direction": {direction}})
	if err != nil || status != http.StatusOK || !strings.Contains(preview, "/previews/") {
		s.off = !s.off // perhaps nothing is left to switch that way
		s.failure.Store(fmt.Sprint("planning ", query, " ", status, " ", preview, " ", err))
		return false
	}
	s.planned.Add(1)
	s.doing.Store("confirming")
	form := url.Values{"reason": {"Torture"}, "ticket": {"CHG-9"}}
	if direction == "disable" {
		form.Set("back", "8h")
	}
	status, at, err := s.post(ctx, preview+"/confirm", form)
	if err != nil {
		s.lost.Add(1)
		return false
	}
	if status != http.StatusOK || !strings.Contains(at, "/changes/") {
		s.failure.Store(fmt.Sprint("confirming ", query, " ", status, " ", at))
		return false
	}
	s.confirmed.Add(1)
	if s.rnd.IntN(15) == 0 {
		s.doing.Store("stopping")
		if status, _, err := s.post(ctx, at+"/stop", url.Values{"why": {"Torture"}}); err == nil && status == http.StatusOK {
			s.stopped.Add(1)
		}
	}
	return true
}
