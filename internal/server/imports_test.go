package server

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/simplifiedchinese"

	"wtp-console/internal/wtp"
)

// upload sends a multipart form as a browser without scripts does.
func (b *browser) upload(path, list, file string) answer {
	b.c.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	require.NoError(b.c.t, w.WriteField("list", list))
	f, err := w.CreateFormFile("file", "servers.csv")
	require.NoError(b.c.t, err)
	_, err = f.Write([]byte(file))
	require.NoError(b.c.t, err)
	require.NoError(b.c.t, w.Close())
	return b.do(http.MethodPost, path, w.FormDataContentType(), body.String())
}

// report sends a list and opens its report.
func (b *browser) report(list, file string) (path string, page *goquery.Document) {
	b.c.t.Helper()
	path = b.upload("/p/shop/servers/import", list, file).is(http.StatusSeeOther).Header.Get("Location")
	return path, b.get(path).is(200).page()
}

// hidden is the hidden fields of the form with an action that ends so.
func hidden(page *goquery.Document, end string) []string {
	var fields []string
	page.Find(fmt.Sprintf("form[action$=%q] input[type=hidden]", end)).Each(func(_ int, s *goquery.Selection) {
		fields = append(fields, s.AttrOr("name", ""), s.AttrOr("value", ""))
	})
	return fields
}

func TestAListIsCheckedBeforeAnythingIsSelected(t *testing.T) {
	servers := fleet(60)
	servers[4].OS = "windows"
	servers[5].Name, servers[6].Name = "twin", "twin"
	c, p, b := shop(t, servers)
	link := b.get("/p/shop/servers").is(200).page().Find(`.head a[href="/p/shop/servers/import"]`)
	require.Equal(t, "Import IDs", said(link))
	form := b.get("/p/shop/servers/import").is(200).page()
	require.Equal(t, "multipart/form-data", form.Find("form.card").AttrOr("enctype", ""))

	path, page := b.report("host-00001, WEB-00002；10.0.0.3\nhost-00001\nnobody\nhost-00005\ntwin\n<script>alert(1)</script>", "")
	require.Equal(t, "3 servers found in Shop", said(page.Find(".big")))
	require.Equal(t, []string{"All 8", "Found 3", "Ambiguous 1", "Unknown entry 2", "Duplicate 1", "Cannot be switched 1"}, texts(page.Find(".tabs .tab")))
	require.Contains(t, said(page.Find("table")), "Duplicate of line 1")
	require.Contains(t, said(page.Find("table")), "HSS offers dynamic WTP on Linux only.")
	require.Contains(t, page.Find("textarea").Text(), "WEB-00002", "the list is there to be mended")
	require.Zero(t, c.selected("mei", p))

	b.post(path+"/select", "found", "4").is(http.StatusConflict)
	require.Zero(t, c.selected("mei", p))
	b.post(path + "/select").is(http.StatusUnprocessableEntity)
	require.Equal(t, "Select the 3 servers found", said(page.Find(`form[action$="/select"] button`)))

	// The ambiguous one is settled by ticking one of its candidates.
	ambiguous := b.get(path + "?result=ambiguous").is(200).page()
	radio := ambiguous.Find("input[type=radio]")
	require.Equal(t, 2, radio.Length())
	b.post(path+"/resolve", radio.AttrOr("name", ""), "host-00060").is(http.StatusConflict)
	b.post(path + "/resolve").is(http.StatusUnprocessableEntity)
	b.post(path+"/resolve", radio.AttrOr("name", ""), radio.AttrOr("value", "")).to(path)
	page = b.get(path).is(200).page()
	require.Contains(t, said(page.Find("main")), "1 entry was settled.")
	b.post("/p/shop/selection", "op", "save", "shown", "host-00060", "host", "host-00060", "query", "").is(303)
	b.post(path+"/select", hidden(page, "/select")...).to("/p/shop/servers")
	require.EqualValues(t, 5, c.selected("mei", p))
	require.Contains(t, said(b.get("/p/shop/servers").page().Find("main")), "4 servers of the list are selected, 5 in all.")
}

func TestAListMayComeAsAFile(t *testing.T) {
	_, _, b := shop(t, fleet(200))
	var file strings.Builder
	file.WriteString("\ufeff\"host_id\";\"name\"\r\n")
	for i := range 120 {
		fmt.Fprintf(&file, "\"host-%05d\";\"web-%05d\"\r\n", i+1, i+1)
	}
	path, page := b.report("", file.String())
	require.Equal(t, []string{"All 120", "Found 120"}, texts(page.Find(".tabs .tab")))
	require.Equal(t, "50 of 120", said(page.Find(".pager > span").First()))
	next := b.get(page.Find("a[rel=next]").AttrOr("href", "")).is(200).page()
	require.Equal(t, 50, next.Find("table tbody tr").Length())

	rows := b.get(path + "/lines.csv?result=found").is(200).table()
	require.Len(t, rows, 121)
	require.Equal(t, []string{"2", "host-00001", "found", "host-00001", "web-00001", "1", "0", ""}, rows[1])
	b.upload("/p/shop/servers/import", "host-00001", "host-00002").is(http.StatusUnprocessableEntity)
}

func TestACommentOfTwoLinesNamesNoServer(t *testing.T) {
	c, p, b := shop(t, fleet(8))
	for _, by := range []string{",", ";", "\t"} {
		file := strings.ReplaceAll("name|comment\r\n\"web-00002\"|\"replaces\r\nweb-00004, and\r\nweb-00006\r\n\"\r\n", "|", by)
		path, page := b.report("", file)
		require.Equal(t, []string{"All 1", "Found 1"}, texts(page.Find(".tabs .tab")), "%q", by)
		require.Equal(t, "web-00002", b.get(path + "/lines.csv").is(200).table()[1][4])
		b.post(path+"/select", hidden(page, "/select")...).is(303)
		require.EqualValues(t, 1, c.selected("mei", p))
	}
	// The head of a single column is none of its entries.
	for _, head := range []string{"name", "Host ID", "服务器名称", "private_ip"} {
		_, page := b.report(head+"\nweb-00002\nhost-00003\n", "")
		require.Equal(t, []string{"All 2", "Found 2"}, texts(page.Find(".tabs .tab")), head)
	}
	// Without one, a text of two lines is said to be none.
	_, page := b.report("\"web-00002\",\"web-00004\r\nweb-00006\"", "")
	require.Equal(t, []string{"All 2", "Found 1", "Unreadable 1"}, texts(page.Find(".tabs .tab")))
}

func TestAFileMayComeFromChineseWindows(t *testing.T) {
	all := fleet(2)
	all[0].Name, all[1].Name = "门户-前端-01", "商城①号"
	_, _, b := shop(t, all)
	file, err := simplifiedchinese.GB18030.NewEncoder().String("门户-前端-01,商城①号\r\n没有这台\r\n")
	require.NoError(t, err)
	_, page := b.report("", file)
	require.Equal(t, []string{"All 3", "Found 2", "Unknown entry 1"}, texts(page.Find(".tabs .tab")))
	_, page = b.report("", "web-\xff\xfe\x80\n")
	require.Equal(t, []string{"All 1", "Unreadable 1"}, texts(page.Find(".tabs .tab")))
}

func TestDownloadedListsHoldNoFormulas(t *testing.T) {
	_, _, b := shop(t, fleet(3))
	path, _ := b.report("=1+1\n@x\n-2\nplain", "")
	rows := b.get(path + "/lines.csv?result=problem").is(200).table()
	require.Equal(t, []string{"'=1+1", "'@x", "'-2", "plain"}, []string{rows[1][1], rows[2][1], rows[3][1], rows[4][1]})
	b.get(path + "/lines.csv?result=perhaps").is(http.StatusUnprocessableEntity)
	b.get(path + "?result=perhaps").is(http.StatusUnprocessableEntity)
}

func TestTooLongListsKeepThePersonsPage(t *testing.T) {
	_, _, b := shop(t, fleet(3))
	for name, list := range map[string]string{"too large": strings.Repeat("x", wtp.MaxImportBytes+1), "too many": strings.Repeat("a,", wtp.MaxImportEntries+1), "far too large": strings.Repeat("x", 12<<20)} {
		a := b.upload("/p/shop/servers/import", "", list).is(http.StatusRequestEntityTooLarge)
		page := a.page()
		require.Equal(t, 1, page.Find("form.card textarea").Length(), name)
		require.Contains(t, said(page.Find("#errors")), "Send it in parts.", name)
	}
	kept := b.upload("/p/shop/servers/import", strings.Repeat("a,", wtp.MaxImportEntries+1), "").is(http.StatusRequestEntityTooLarge).page()
	require.Len(t, kept.Find("textarea").Text(), 2*wtp.MaxImportEntries+2, "what was pasted is still there")
	b.upload("/p/shop/servers/import", " \n,", "").is(http.StatusUnprocessableEntity)
	b.post("/p/shop/servers/import", "list", "host-00001").is(http.StatusUnsupportedMediaType)
	b.do(http.MethodPost, "/p/shop/servers/import", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"list\"\r\n\r\ncut off").is(http.StatusBadRequest)
	b.do(http.MethodPost, "/p/shop/selection", "application/x-www-form-urlencoded", "x="+strings.Repeat("a", maxBody)).is(http.StatusRequestEntityTooLarge)
}

func TestReportsMayBeLookedAtByAll(t *testing.T) {
	c, _, b := shop(t, fleet(6), func(*Config) {})
	path, _ := b.report("host-00001\nnobody", "")
	viewer := c.as(c.user("vic", wtp.Viewer))
	page := viewer.get(path).is(200).page()
	require.Zero(t, page.Find(`form[action$="/select"], form[enctype]`).Length())
	viewer.post(path+"/select", "found", "1").is(http.StatusForbidden)
	require.Zero(t, viewer.get("/p/shop/servers").is(200).page().Find(`a[href$="/import"]`).Length())
	other := c.as(c.user("ann", wtp.Operator))
	other.post(path+"/resolve", "pick-2", "host-00001").is(http.StatusForbidden)
	other.get("/p/shop/servers/import/no-such-report").is(http.StatusNotFound)
}
