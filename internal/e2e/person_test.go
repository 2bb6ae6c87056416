package e2e_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"
)

// person uses the console without JavaScript: links and plain forms only.
type person struct {
	t    *testing.T
	base string
	http *http.Client
}

func newPerson(t *testing.T, base string) *person {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &person{t: t, base: base, http: &http.Client{Jar: jar, Timeout: patience}}
}

// seen is one page as it came: its final path, status and content.
type seen struct {
	*goquery.Document
	status int
	path   string
}

func (p *person) read(res *http.Response, err error) seen {
	p.t.Helper()
	require.NoError(p.t, err)
	defer res.Body.Close()
	doc, err := goquery.NewDocumentFromReader(res.Body)
	require.NoError(p.t, err)
	return seen{doc, res.StatusCode, res.Request.URL.RequestURI()}
}

func (p *person) get(path string) seen {
	p.t.Helper()
	return p.read(p.http.Get(p.base + path))
}

func (p *person) post(path string, form url.Values) seen {
	p.t.Helper()
	req, err := http.NewRequest(http.MethodPost, p.base+path, strings.NewReader(form.Encode()))
	require.NoError(p.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", p.base)
	return p.read(p.http.Do(req))
}

func (p *person) signIn(name, password string) {
	p.t.Helper()
	page := p.post("/sign-in", url.Values{"name": {name}, "password": {password}})
	require.NotContains(p.t, page.path, "/sign-in", page.Find(".notice").Text())
	require.Equal(p.t, http.StatusOK, page.status)
}

// allow sets how many calls of one kind the console may make to HSS in a minute.
func (p *person) allow(calls int) {
	p.t.Helper()
	require.Equal(p.t, http.StatusOK, p.post("/settings/limits", url.Values{"calls_per_minute": {strconv.Itoa(calls)}, "calls_at_once": {"2"}, "stop_unclear": {"3"},
		"stop_refused": {"20"}, "typed_above": {"100"}, "cap_operator": {"0"}, "cap_admin": {"0"}}).status)
}

// ended says whether a change is over and no longer read back: its page has stopped asking.
func (p *person) ended(change string) bool {
	p.t.Helper()
	progress := p.get(change + "/progress")
	return progress.status == http.StatusOK && progress.Find("#progress").Length() == 1 && progress.Find("#progress[hx-trigger]").Length() == 0
}

// words is an element's text with single spaces.
func (s seen) words(css string) string {
	return strings.Join(strings.Fields(s.Find(css).First().Text()), " ")
}

func (p *person) raw(path string) string {
	p.t.Helper()
	res, err := p.http.Get(p.base + path)
	require.NoError(p.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(p.t, err)
	return string(b)
}

// allMatching is a button that selects every server of the list.
const allMatching = "button[name=op][value^=all-], button[name=op][value^=matching-]"

// plan selects every server that matches and plans the change; it returns the
// preview's path.
func (p *person) plan(project, query, direction string) string {
	p.t.Helper()
	var page seen
	wait(p.t, "as many match as the button says", func() bool { // a reading may come in between
		op := p.get("/p/"+project+"/servers?"+query).Find(allMatching).First().AttrOr("value", "")
		page = p.post("/p/"+project+"/selection", url.Values{"op": {op}, "query": {query}})
		return page.status != http.StatusConflict
	})
	require.Equal(p.t, http.StatusOK, page.status)
	page = p.post("/p/"+project+"/previews", url.Values{"direction": {direction}})
	require.Equal(p.t, http.StatusOK, page.status, page.words("main"))
	require.Contains(p.t, page.path, "/previews/")
	return page.path
}
