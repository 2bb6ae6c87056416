package e2e_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

var setupCode = regexp.MustCompile(`(?m)^\s{4}(\S+)\s*$`)

// TestTheMainJob is the whole way of a first user in a real browser: set up on
// an empty directory, add a credential that is wrong at first, manage the
// project, turn dynamic WTP on on 1,000 servers, change a backup server, read
// the history.
func TestTheMainJob(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	sim := startSimulator(t, "--latency", "40ms", "--apply-delay", "1s", "--backup-start-delay", "2s")
	dir := t.TempDir()
	address := keptAddress(t)
	c := startConsole(t, dir, "WTP_CONSOLE_LISTEN="+address)

	b.setUp(c)
	b.signOutAndIn(c.url)

	// A restart signs nobody out.
	require.Zero(t, c.stop(t))
	c = startConsole(t, dir, "WTP_CONSOLE_LISTEN="+address)
	b.open(c.url + "/settings")
	require.Equal(t, "Settings", b.text("h1"))

	b.raiseLimit(c.url)
	b.addCredential(c.url, sim)
	b.addProject(c.url, sim)
	waitListed(t, dir)
	b.bulk(c, sim)
	b.changeBackupServer(c.url)
	b.readHistory(c.url)
	require.Empty(t, b.complaints())

	require.Zero(t, c.stop(t))
	require.Equal(t, [][]string{{"accepted", "1000"}}, query(t, filepath.Join(dir, "wtp-console.db"),
		`SELECT outcome, COUNT(*) FROM targets WHERE kind = 'dynamic_wtp' AND outcome <> 'skipped' GROUP BY outcome`))
	for _, secret := range []string{sim.SK, sim.Password, meiPassword} {
		require.NotContains(t, c.log(), secret)
	}
}

func (b *browser) setUp(c *console) {
	b.t.Helper()
	wait(b.t, "the set-up code is printed", func() bool { return setupCode.MatchString(c.stdout()) })
	b.open(c.url)
	require.Contains(b.t, b.where(), "/setup", "everything leads to set-up while nobody can sign in")
	b.fill("#code", "WRONG-CODE0-12345-ABCDE")
	b.fill("#name", "mei")
	b.fill("#password", meiPassword)
	b.fill("#again", meiPassword)
	b.follow("form [type=submit]")
	require.Contains(b.t, b.text("main, body"), "code", "a wrong code is said to be wrong")
	b.shot("story-setup-wrong-code")
	b.fill("#code", setupCode.FindStringSubmatch(c.stdout())[1])
	b.fill("#password", meiPassword)
	b.fill("#again", meiPassword)
	b.follow("form [type=submit]")
	require.NotContains(b.t, b.where(), "/setup")
	b.open(c.url + "/setup")
	require.Equal(b.t, http.StatusNotFound, eval[int](b, `performance.getEntriesByType("navigation")[0].responseStatus`), "set-up is over")
}

func (b *browser) signOutAndIn(url string) {
	b.t.Helper()
	b.open(url + "/settings")
	b.follow(`form[action="/sign-out"] button`)
	b.open(url + "/settings")
	require.Contains(b.t, b.where(), "/sign-in")
	b.fill("#name", "mei")
	b.fill("#password", "not the password")
	b.follow("form [type=submit]")
	require.Contains(b.t, b.where(), "/sign-in")
	b.fill("#name", "Mei") // names are compared in a canonical form
	b.do(chromedp.SendKeys(chromedp.CSS("#password"), meiPassword+kb.Enter))
	b.waitFor("h1", "Settings")
}

func (b *browser) addCredential(url string, sim simulator) {
	b.t.Helper()
	b.open(url + "/settings/credentials/new")
	b.fill("#name", "hss-ops")
	b.click(`input[name=kind][value=access_key]`)
	b.fill("#access_key", sim.AK)
	b.fill("#secret", "not-the-secret-key")
	b.fill("#region", sim.Region)
	b.fill("#iam_endpoint", sim.IAM)
	b.follow("main form [type=submit]")
	b.waitFor("main", "signature")
	b.shot("story-credential-bad-signature")
	b.follow(`a[href$="/edit"]`)
	require.Empty(b.t, eval[string](b, `document.querySelector("#secret").value`), "a stored secret never comes back")
	b.fill("#secret", sim.SK)
	b.follow("main form [type=submit]")
	require.Contains(b.t, b.text("main"), "Sign in to IAM")
	b.shot("story-credential-works")
	if !strings.Contains(b.where(), "/projects") {
		b.follow(`a[href$="/projects"]`)
	}
	require.Contains(b.t, b.text("#project"), sim.Region, "the projects are listed from IAM")
	b.shot("story-iam-projects")
}

// addProject ticks the simulator's first project, at the simulator's address.
func (b *browser) addProject(url string, sim simulator) {
	b.t.Helper()
	b.click(fmt.Sprintf(`input[name=project][value=%q]`, sim.Project))
	b.fill("#hss_endpoint", sim.HSS)
	b.follow("main form [type=submit]")
	wait(b.t, "the inventory shows 1,850 servers", func() bool {
		b.open(url + "/settings")
		return strings.Contains(b.text("main"), "1,850")
	})
	b.shot("story-settings")
}

func (b *browser) raiseLimit(url string) {
	b.t.Helper()
	b.open(url + "/settings/limits")
	b.fill("#calls_per_minute", "600")
	b.follow("main form [type=submit]")
}

func (b *browser) bulk(c *console, sim simulator) {
	b.t.Helper()
	slug := strings.TrimPrefix(eval[string](b, `[...document.querySelectorAll("a")].map(a=>a.getAttribute("href")).find(h=>/^\/p\/[^\/]+\/servers/.test(h))||""`), "/p/")
	slug, _, _ = strings.Cut(slug, "/")
	if slug == "" {
		slug = sim.Region
	}
	b.open(c.url + "/p/" + slug + "/servers?group=Storefront&dynamic=closed&agent=online&wtp=opened&os=linux")
	// Tick one row with the keyboard, then all that match.
	b.do(chromedp.Focus(chromedp.CSS("tbody input[name=host]")), chromedp.KeyEvent(" "))
	b.waitFor("#bulk", "1 ")
	b.shot("story-one-selected")
	b.followMatching()
	n := selectedCount(b)
	require.GreaterOrEqual(b.t, n, 1000)
	// Down to exactly 1,000: untick what is over, page by page.
	for over := n - 1000; over > 0; over-- {
		b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("tbody input[name=host]:checked").click()`))
		b.waitFor("#bulk", comma(n-1))
		n--
	}
	b.shot("story-1000-selected")
	b.follow("#bulk button[value=enable]")
	require.Contains(b.t, b.text("h1"), "1,000 servers")
	require.Contains(b.t, b.text("main"), "5 calls, of at most 200 servers each")
	b.follow("#go") // without a reason
	require.Contains(b.t, b.text("main"), "Say why")
	b.shot("story-preview-no-reason")
	b.fill("#reason", "Roll-out of dynamic WTP, wave 7: storefront")
	b.fill("#ticket", "CHG-20901")
	preview := b.where()
	b.follow("#go")
	require.Contains(b.t, b.where(), "/changes/1")
	b.shot("story-running")
	other := b.tab()
	other.open(b.where())
	b.waitFor("#progress", "1,000")
	b.waitFor("#change-head", "Finished")
	other.waitFor("#change-head", "Finished")
	other.open(preview) // the back button, or a colleague's tab
	require.Contains(b.t, other.where()+other.text("main"), "/changes/1", "a confirmed plan leads to its change")
	require.Equal(b.t, 5, sim.switches(b.t), "1,000 servers are 5 calls of 200")
	b.fullShot("story-finished")
}

func selectedCount(b *browser) int {
	b.t.Helper()
	digits := regexp.MustCompile(`[\d,]+`).FindString(b.text("#bulk"))
	var n int
	_, err := fmt.Sscan(strings.ReplaceAll(digits, ",", ""), &n)
	require.NoError(b.t, err, digits)
	return n
}

func comma(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

func (b *browser) changeBackupServer(url string) {
	b.t.Helper()
	base := b.project(url)
	b.open(base + "/backup-servers")
	b.shot("story-backup-servers")
	edit := eval[string](b, `[...document.querySelectorAll("main a")].map(a=>a.getAttribute("href")).find(h=>h.endsWith("/edit"))`)
	b.open(url + edit)
	b.fill("#port", "70000")
	b.fill("#dir", "data2/wtp-backup")
	b.fill("#reason", "The old volume is full")
	b.follow("button[form=bk][type=submit]")
	require.Contains(b.t, b.text("main"), "70000 is outside 1 to 65535")
	require.Contains(b.t, b.text("main"), "Start with /")
	require.Equal(b.t, "The old volume is full", eval[string](b, `document.querySelector("#reason").value`), "what was typed is kept")
	b.fullShot("story-backup-faults")
	b.fill("#port", "10999")
	b.fill("#dir", "/data2/wtp-backup")
	b.waitFor("#diff", "10999")
	b.fullShot("story-backup-diff")
	b.follow("button[form=bk][type=submit]")
	require.Contains(b.t, b.where(), "/changes/2", b.text("main"))
	b.waitFor("main", "Running")
	b.waitFor("#change-head", "Finished")
	b.fullShot("story-backup-change")
	b.open(base + "/backup-servers")
	require.Contains(b.t, b.text("main"), "/data2/wtp-backup")
}

func (b *browser) project(url string) string {
	b.t.Helper()
	b.open(url + "/")
	return url + regexp.MustCompile(`/p/[^/?]+`).FindString(b.where())
}

func (b *browser) readHistory(url string) {
	b.t.Helper()
	base := b.project(url)
	b.open(base + "/changes")
	require.Contains(b.t, b.text("main"), "CHG-20901")
	b.shot("story-changes")
	b.open(base + "/changes/1")
	require.Contains(b.t, b.text("#record"), "mei")
	require.Contains(b.t, b.text("#record"), "127.0.0.1")
	require.Contains(b.t, b.text("#record"), "wave 7")
	require.Equal(b.t, 5, b.count("#calls tbody tr:has(td)"), b.text("#calls"))
	b.open(url + "/events")
	require.Contains(b.t, b.text("main"), "mei")
	b.shot("story-events")
}
