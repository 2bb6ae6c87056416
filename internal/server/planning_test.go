package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
)

func TestPreviewListIsFilteredPagedAndExported(t *testing.T) {
	servers := fleet(120)
	servers[0].Name, servers[1].OS, servers[2].Dynamic = "=cmd()", "windows", wtp.Opened
	_, _, b := shop(t, servers)
	path := b.preview("enable")
	first := b.get(path).is(200).page()
	next := b.get(first.Find("#servers a[rel=next]").AttrOr("href", "")).is(200).page()
	back := b.get(next.Find("#servers a[rel=prev]").AttrOr("href", "")).is(200).page()
	require.Equal(t, names(first), names(back))
	require.Zero(t, back.Find("#servers a[rel=prev]").Length())

	found := b.get(path + "?bucket=needs_restart&q=WEB-0001").is(200).page()
	require.Len(t, names(found), 10)
	require.Equal(t, "WEB-0001", found.Find("#servers input[name=q]").AttrOr("value", ""))
	require.Contains(t, said(b.get(path+"?bucket=needs_restart&q=nobody").is(200).page().Find("#servers")), "No server matches")
	b.get(path + "?q=" + strings.Repeat("x", 257)).is(http.StatusUnprocessableEntity)

	table := func(query string) [][]string {
		return b.get(path + "/servers.csv" + query).is(200).table()[1:]
	}
	all := table("")
	require.Len(t, all, 120)
	seen := map[string]bool{}
	for _, bucket := range wtp.Buckets() {
		for _, row := range table("?bucket=" + string(bucket)) {
			require.Equal(t, string(bucket), row[0])
			require.False(t, seen[row[3]], "%s is in two buckets", row[3])
			seen[row[3]] = true
		}
	}
	require.Len(t, seen, 120)
	require.Equal(t, "'=cmd()", all[0][4])
	require.Equal(t, []string{"cannot", "windows", "HSS offers dynamic WTP on Linux only."}, table("?why=windows")[0][:3])
	b.get(path + "/servers.csv?bucket=all").is(http.StatusUnprocessableEntity)
}

func TestPreviewNamesWhatElseIsUnderWay(t *testing.T) {
	c, _, b := shop(t, fleet(450))
	early := b.preview("enable")
	b.confirm("enable", "First")
	ann := c.as(c.user("ann", wtp.Operator))
	page := ann.get(early).is(200).page()
	require.Contains(t, said(page.Find("section[aria-labelledby=h-conflicts]")), "#1 of mei is under way for 450 of these servers.")
	rail := said(page.Find(".stick"))
	require.Contains(t, rail, "Shop #1 mei, 3 calls left")
	require.Contains(t, rail, "Counted in")
	require.Contains(t, rail, "about 1 minute, at about")
	require.Contains(t, rail, "5 calls, of at most 200 servers each", "with a ramp")
	require.Contains(t, said(b.get("/p/shop/changes/1").is(200).page().Find("#progress")), "left, until")
}

func TestRampIsConfirmedAndShown(t *testing.T) {
	c, p, b := shop(t, fleet(450))
	path := b.preview("enable")
	require.Equal(t, 1, b.get(path).is(200).page().Find("input[name=ramp]").Length())
	kept := b.post(path+"/confirm", "reason", "", "ramp", "1").is(http.StatusUnprocessableEntity).page()
	require.Equal(t, 1, kept.Find("input[name=ramp][checked]").Length())
	b.post(path+"/confirm", "reason", "Carefully", "ramp", "1").to("/p/shop/changes/1")
	change, err := c.store.Change(c.ctx(), p.ID, 1)
	require.NoError(t, err)
	require.EqualValues(t, 1, change.Ramp)
	require.Contains(t, said(b.get("/p/shop/changes/1").is(200).page().Find("#record")), "Step 1 of 5.")
	c.send(1, accept)
	page := b.get("/p/shop/changes/1").is(200).page()
	require.Contains(t, said(page.Find("#waits")), "Waits to read back step 1 (1 server).")
	require.Equal(t, "Step 1 of 5 was sent. The next begins once it is read back.", said(page.Find("#ramp-says")))
	later := b.get("/p/shop/changes/1/progress?was=running").is(200).page()
	require.Equal(t, said(page.Find("#ramp-says")), said(later.Find("#ramp-says[hx-swap-oob]")), "the record says it without being drawn again")
	require.Zero(t, later.Find("#record").Length())
}

func TestServersOfAChangeAreExported(t *testing.T) {
	c, p, b := shop(t, mixed())
	path := b.confirm("enable", "Wave")
	c.finish(c.send(1, accept))
	c.inventory(p, opened(13, 0))
	lines := func(query string) int {
		return strings.Count(b.get(path+"/servers.csv"+query).is(200).text, "\n") - 1
	}
	require.Equal(t, []int{13, 3, 0}, []int{lines(""), lines("?outcome=skipped"), lines("?outcome=refused")})
	require.Equal(t, 10, lines("?outcome=confirmed")+lines("?outcome=not_seen")+lines("?outcome=otherwise"))
	b.get(path + "/servers.csv?outcome=x").is(http.StatusUnprocessableEntity)
}
