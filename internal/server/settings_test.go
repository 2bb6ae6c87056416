package server

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
)

const canary = "CANARY/s3cr3t+Value=77"

// cloud is what IAM and HSS answer to tests of credentials.
type cloud struct {
	sealed   []string // contexts
	steps    []wtp.TestStep
	projects []wtp.IAMProject
	err      error
	checks   []wtp.CredentialCheck
	wakes    atomic.Int64
}

func (f *cloud) config(c *Config) {
	c.WakeReader = func() { f.wakes.Add(1) }
	c.Seal = func(place, plain string) (string, error) {
		f.sealed = append(f.sealed, place)
		return "v1.key." + strings.Repeat("x", len(plain)), nil
	}
	c.CheckCredential = func(_ context.Context, check wtp.CredentialCheck) []wtp.TestStep {
		f.checks = append(f.checks, check)
		return f.steps
	}
	c.ListIAMProjects = func(context.Context, wtp.CredentialCheck) ([]wtp.IAMProject, error) { return f.projects, f.err }
}

func withCloud(t *testing.T) (*console, *cloud, *browser) {
	t.Helper()
	f := &cloud{steps: []wtp.TestStep{{Name: "Sign in to IAM", State: "ok", Millis: 212}, {Name: "Turn dynamic WTP on or off", State: "not_tested", Says: "Not tried, because that would change servers."}},
		projects: []wtp.IAMProject{{ID: "pid-1", Name: "cn-north-4", Enabled: true}, {ID: "pid-2", Name: "cn-north-4_shop", Enabled: true}, {ID: "pid-3", Name: "cn-east-3", Enabled: false}}}
	c := start(t, f.config)
	root, err := c.store.UserByName(t.Context(), "root")
	require.NoError(t, err)
	return c, f, c.as(root)
}

func keyForm(more ...string) []string {
	return append([]string{"name", "ops", "kind", "access_key", "access_key", "AK1", "secret", canary, "region", "cn-north-4"}, more...)
}

// with gives a form with one field changed.
func with(form []string, field, value string) []string {
	out := append([]string(nil), form...)
	for i := 0; i < len(out); i += 2 {
		if out[i] == field {
			out[i+1] = value
			return out
		}
	}
	return append(out, field, value)
}

func TestFirstCredentialAndProject(t *testing.T) {
	c, f, b := withCloud(t)
	d := b.get("/settings").is(http.StatusOK).page()
	require.Contains(t, d.Text(), "No project yet")
	require.Equal(t, 1, d.Find(`.none a[href="/settings/credentials/new"]`).Length())

	a := b.post("/settings/credentials/new", keyForm()...).to("/settings/credentials/1/projects")
	require.NotContains(t, a.text, canary)
	stored, err := c.store.Credential(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, "v1.key.xxxxxxxxxxxxxxxxxxxxxx", stored.SealedSecret)
	require.Equal(t, []string{stored.SealContext()}, f.sealed)
	require.NotEmpty(t, stored.UID)
	require.Equal(t, "root", stored.SecretSetBy)
	require.Len(t, f.checks, 1)
	require.Empty(t, f.checks[0].Secret, "the stored secret is tried, so that the test is of what is kept")

	page := b.get("/settings/credentials/1/projects").is(http.StatusOK)
	require.Contains(t, page.text, "The credential is stored and works.")
	require.NotContains(t, page.text, canary)
	require.Equal(t, 3, page.page().Find("input[name=project]").Length())
	_, off := page.page().Find("input[value=pid-3]").Attr("disabled")
	require.True(t, off, "a project disabled in IAM can't be managed")
	require.Contains(t, page.page().Find("section[aria-labelledby=h-t]").Text(), "212 ms")

	b.post("/settings/credentials/1/projects").is(http.StatusUnprocessableEntity)
	b.post("/settings/credentials/1/projects", "project", "not-listed").is(http.StatusUnprocessableEntity)
	b.post("/settings/credentials/1/projects", "project", "pid-1", "project", "pid-2").to("/settings")
	projects, err := c.store.Projects(t.Context())
	require.NoError(t, err)
	require.Len(t, projects, 2)
	require.Equal(t, "cn-north-4", projects[1].Region, "the region is the head of the project's name")
	require.Equal(t, "pid-2", projects[1].HSSProjectID)
	require.NotZero(t, projects[0].ReadWantedAt)
	require.NotZero(t, f.wakes.Load())
	require.NotNil(t, f.checks[len(f.checks)-1].Project, "the new project is tried as well")
	d = b.get("/settings").is(http.StatusOK).page()
	require.Contains(t, d.Text(), "2 projects were added.")
	require.Contains(t, d.Find("section[aria-labelledby=h-p] tbody tr").First().Text(), "Works")
	_, managed := b.get("/settings/credentials/1/projects").page().Find("input[value=pid-1]").Attr("disabled")
	require.True(t, managed)
}

func TestFailedTestSaysWhy(t *testing.T) {
	_, f, b := withCloud(t)
	f.steps = []wtp.TestStep{{Name: "Sign in to IAM", State: "failed", Says: "The signature is wrong: the secret access key does not belong to this AK. Enter the SK again.",
		Code: "APIGW.0301", Message: "verify aksk signature fail", RequestID: "req-1"}, {Name: "List protected servers", State: "not_tested"}}
	b.post("/settings/credentials/new", keyForm()...).to("/settings/credentials/1")
	text := b.get("/settings/credentials/1").is(http.StatusOK).page().Find("main").Text()
	for _, part := range []string{"stored, but the test failed", "Sign in to IAM: failed", "The signature is wrong", "APIGW.0301", "verify aksk signature fail", "req-1", "not tested"} {
		require.Contains(t, text, part)
	}
	f.steps = []wtp.TestStep{{Name: "Sign in to IAM", State: "ok"}}
	b.post("/settings/credentials/1/test").to("/settings/credentials/1")
	require.Contains(t, b.get("/settings/credentials/1").page().Find("main").Text(), "The credential works.")
}

func TestIAMThatRefusesTheList(t *testing.T) {
	_, f, b := withCloud(t)
	f.err = &wtp.Upstream{Operation: "ListProjects", Text: wtp.Say("This user may not list projects in IAM. Type the project ID instead, or have the right granted."), Code: "IAM.0002", RequestID: "iam-9"}
	b.post("/settings/credentials/new", keyForm()...).to("/settings/credentials/1/projects")
	d := b.get("/settings/credentials/1/projects").is(http.StatusOK).page()
	for _, part := range []string{"IAM could not list the projects", "Type the project ID instead", "IAM.0002", "iam-9"} {
		require.Contains(t, d.Find("main").Text(), part)
	}
	require.Equal(t, 1, d.Find(`a[href="/settings/projects/new?credential=1"]`).Length())
	b.post("/settings/credentials/1/projects", "project", "pid-1").is(http.StatusBadGateway)
}

func TestCredentialRules(t *testing.T) {
	c, f, b := withCloud(t)
	password := []string{"name", "hk", "kind", "iam_password", "account", "northwind", "iam_user", "ops", "secret", canary, "region", "ap-southeast-1"}
	for _, row := range []struct {
		form  []string
		field string
	}{
		{with(keyForm(), "name", ""), "name"}, {with(keyForm(), "name", long(101)), "name"}, {with(keyForm(), "name", "a\x00"), "name"},
		{with(keyForm(), "kind", ""), "kind"}, {with(keyForm(), "kind", "token"), "kind"},
		{with(keyForm(), "access_key", ""), "access_key"}, {with(keyForm(), "access_key", long(129)), "access_key"}, {with(keyForm(), "access_key", "A K"), "access_key"},
		{with(keyForm(), "secret", ""), "secret"}, {with(keyForm(), "secret", "  "), "secret"}, {with(keyForm(), "secret", long(1025)), "secret"}, {with(keyForm(), "secret", "a\nb"), "secret"},
		{with(keyForm(), "region", ""), "region"}, {with(keyForm(), "region", long(129)), "region"}, {with(keyForm(), "region", "evil.example/"), "region"},
		{with(keyForm(), "region", "-a"), "region"}, {with(keyForm(), "region", "区域"), "region"},
		{keyForm("iam_endpoint", "http://iam.example"), "iam_endpoint"}, {keyForm("iam_endpoint", "ftp://iam.example"), "iam_endpoint"},
		{keyForm("iam_endpoint", "https://u:p@iam.example"), "iam_endpoint"}, {keyForm("iam_endpoint", "https://iam.example/?a=b"), "iam_endpoint"},
		{keyForm("iam_endpoint", "https://iam.example/?"), "iam_endpoint"}, {keyForm("iam_endpoint", "https://iam.example/#a"), "iam_endpoint"}, {keyForm("iam_endpoint", "https://iam.example/#"), "iam_endpoint"},
		{keyForm("iam_endpoint", "https://"), "iam_endpoint"}, {keyForm("iam_endpoint", "iam.example"), "iam_endpoint"}, {keyForm("iam_endpoint", "//iam.example"), "iam_endpoint"},
		{keyForm("iam_endpoint", "https://iam.example:0"), "iam_endpoint"}, {keyForm("iam_endpoint", "https://iam.example:65536"), "iam_endpoint"},
		{keyForm("iam_endpoint", "http://127.0.0.1.evil.example"), "iam_endpoint"}, {keyForm("iam_endpoint", "https:iam.example"), "iam_endpoint"}, {keyForm("iam_endpoint", "https://"+long(512)), "iam_endpoint"},
		{with(password, "account", ""), "account"}, {with(password, "account", long(257)), "account"}, {with(password, "iam_user", ""), "iam_user"}, {with(password, "secret", ""), "secret"},
	} {
		a := b.post("/settings/credentials/new", row.form...).is(http.StatusUnprocessableEntity)
		d := a.page()
		require.Equal(t, 1, d.Find(`#errors a[href="#`+row.field+`"]`).Length(), "%v: %s", row.form, d.Find("#errors").Text())
		require.Equal(t, 1, d.Find(".err").Length(), "%v", row.form)
		require.NotContains(t, a.text, canary)
		require.Empty(t, d.Find("#secret").AttrOr("value", ""))
		require.Equal(t, 1, d.Find("#"+row.field).Length(), "the summary leads somewhere")
	}
	all, err := c.store.Credentials(t.Context())
	require.NoError(t, err)
	require.Empty(t, all)
	require.Empty(t, f.sealed)
	for i, endpoint := range []string{"https://iam.example", "https://iam.example:8443/iam/", "http://127.0.0.1:9000", "http://[::1]:9000", "http://localhost:9000"} {
		b.post("/settings/credentials/new", with(keyForm("iam_endpoint", endpoint), "name", "c"+string(rune('a'+i)))...).is(http.StatusSeeOther)
	}
	require.Contains(t, b.post("/settings/credentials/new", with(keyForm(), "name", "ca")...).is(http.StatusUnprocessableEntity).text, "This name is taken.")
	b.post("/settings/credentials/new", password...).is(http.StatusSeeOther)
}

func TestReplaceASecret(t *testing.T) {
	c, f, b := withCloud(t)
	b.post("/settings/credentials/new", keyForm()...).is(http.StatusSeeOther)
	before, err := c.store.Credential(t.Context(), 1)
	require.NoError(t, err)
	a := b.get("/settings/credentials/1/edit").is(http.StatusOK)
	require.Empty(t, a.page().Find("#secret").AttrOr("value", ""))
	require.Contains(t, a.page().Find("#secret-hint").Text(), "Stored encrypted since")
	require.NotContains(t, a.text, before.SealedSecret)

	// A new name needs no secret and keeps the stored one.
	b.post("/settings/credentials/1/edit", with(with(keyForm(), "secret", ""), "name", "ops-2")...).to("/settings/credentials/1")
	now, err := c.store.Credential(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, "ops-2", now.Name)
	require.Equal(t, before.SealedSecret, now.SealedSecret)
	require.Len(t, f.sealed, 1)

	// A stored secret can't be turned towards another address, user or kind.
	for _, change := range [][2]string{{"iam_endpoint", "https://elsewhere.example"}, {"access_key", "AK2"}, {"region", "cn-east-3"}} {
		d := b.post("/settings/credentials/1/edit", with(with(keyForm(), "secret", ""), change[0], change[1])...).is(http.StatusUnprocessableEntity).page()
		require.Contains(t, d.Find("#secret-err").Text(), "Enter the secret again", change)
	}
	b.post("/settings/credentials/1/edit", with(with(keyForm(), "secret", "other "+canary), "access_key", "AK2")...).to("/settings/credentials/1")
	now, err = c.store.Credential(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, "AK2", now.AccessKey)
	require.NotEqual(t, before.SealedSecret, now.SealedSecret)
	require.Equal(t, before.UID, now.UID)
}

func TestRemoveACredential(t *testing.T) {
	c, _, b := withCloud(t)
	p := c.project()
	d := b.post("/settings/credentials/1/remove").to("/settings/credentials/1")
	require.NotContains(t, d.text, canary)
	require.Contains(t, b.get("/settings/credentials/1").page().Find(".notice").Text(), "These projects use it: Shop")
	require.NoError(t, c.store.RemoveProject(t.Context(), c.system(), p.ID))
	b.post("/settings/credentials/1/remove").to("/settings")
	b.get("/settings/credentials/1").is(http.StatusNotFound)
	b.get("/settings/credentials/1/edit").is(http.StatusNotFound)
	b.post("/settings/credentials/1/edit", keyForm()...).is(http.StatusNotFound)
	gone, err := c.store.Credential(t.Context(), 1)
	require.NoError(t, err)
	require.Empty(t, gone.SealedSecret)
}

func TestProjectRules(t *testing.T) {
	c, f, b := withCloud(t)
	b.post("/settings/credentials/new", keyForm()...).is(http.StatusSeeOther)
	form := []string{"name", "web", "region", "cn-north-4", "project_id", "p1", "enterprise_project_id", "", "credential", "1", "hss_endpoint", "", "iam_endpoint", ""}
	for _, row := range [][2]string{
		{"name", ""}, {"name", long(101)}, {"region", ""}, {"region", long(129)}, {"region", "a b"}, {"region", "a/b"}, {"region", "a.b"},
		{"project_id", ""}, {"project_id", long(257)}, {"project_id", "a/b"}, {"project_id", "a b"}, {"project_id", "a?b"}, {"project_id", "a\nb"},
		{"enterprise_project_id", long(257)}, {"enterprise_project_id", "a&b c"}, {"credential", ""}, {"credential", "2"}, {"credential", "x"},
		{"hss_endpoint", "http://hss.example"}, {"hss_endpoint", "https://hss.example/?x"}, {"hss_endpoint", "hss.example"}, {"iam_endpoint", "https://a@b"},
	} {
		d := b.post("/settings/projects/new", with(form, row[0], row[1])...).is(http.StatusUnprocessableEntity).page()
		require.Equal(t, 1, d.Find("#"+row[0]+"-err").Length(), "%q %s", row, d.Find("#errors").Text())
		require.Equal(t, 1, d.Find(".err").Length(), "%q", row)
	}
	for _, row := range [][2]string{{"project_id", long(256)}, {"enterprise_project_id", long(256)}, {"enterprise_project_id", "0"}, {"region", long(128)}, {"hss_endpoint", "http://127.0.0.1:1"}} {
		b.post("/settings/projects/new", with(form, row[0], row[1])...).to("/settings")
	}
	d := b.post("/settings/projects/new", with(with(form, "project_id", long(256)), "name", "again")...).is(http.StatusUnprocessableEntity).page()
	require.Contains(t, d.Find("#project_id-err").Text(), "is this one already")
	require.Len(t, f.checks, 6)
	projects, err := c.store.Projects(t.Context())
	require.NoError(t, err)
	require.Len(t, projects, 5)
}

func TestChangeAndRemoveAProject(t *testing.T) {
	c, f, b := withCloud(t)
	p := c.project()
	d := b.get("/settings/projects/1/edit").is(http.StatusOK).page()
	require.Equal(t, "p1", d.Find("#project_id").AttrOr("value", ""))
	form := []string{"name", "Shop 2", "region", "cn-north-4", "project_id", "p1", "credential", "1"}
	f.steps = []wtp.TestStep{{Name: "List protected servers", State: "failed"}}
	b.post("/settings/projects/1/edit", form...).to("/settings")
	require.Contains(t, b.get("/settings").page().Find(".notice").Text(), "the test with it failed")
	now, err := c.store.ProjectByID(t.Context(), p.ID)
	require.NoError(t, err)
	require.Equal(t, "Shop 2", now.Name)
	require.Equal(t, p.Slug, now.Slug, "addresses stay")
	b.post("/settings/projects/1/edit", with(form, "region", "")...).is(http.StatusUnprocessableEntity)
	b.post("/settings/projects/1/remove").to("/settings")
	b.get("/settings/projects/1/edit").is(http.StatusNotFound)
	b.get("/p/" + p.Slug + "/backup-servers").is(http.StatusNotFound)
}

func TestLimits(t *testing.T) {
	c, _, b := withCloud(t)
	require.Equal(t, "5", b.get("/settings/limits").is(http.StatusOK).page().Find("#calls_per_minute").AttrOr("value", ""))
	form := []string{"calls_per_minute", "5", "calls_at_once", "2", "stop_unclear", "3", "stop_refused", "20", "typed_above", "100", "cap_operator", "0", "cap_admin", "0"}
	for _, bad := range []string{"", "0", "-1", "601", "5.5", "1e2", "five", "+5", "５"} {
		d := b.post("/settings/limits", with(form, "calls_per_minute", bad)...).is(http.StatusUnprocessableEntity).page()
		require.Equal(t, bad, d.Find("#calls_per_minute").AttrOr("value", ""), "what was typed stays")
		require.Contains(t, d.Find("#calls_per_minute-err").Text(), "from 1 to 600")
	}
	for _, field := range []string{"typed_above", "cap_operator", "cap_admin"} {
		for _, bad := range []string{"", "-1", "1000001", "5.5", "+5", "many"} {
			d := b.post("/settings/limits", with(form, field, bad)...).is(http.StatusUnprocessableEntity).page()
			require.Equal(t, bad, d.Find("#"+field).AttrOr("value", ""), "what was typed stays")
			require.Contains(t, d.Find("#"+field+"-err").Text(), "from 0 to 1000000")
		}
	}
	for field, says := range map[string]string{"calls_at_once": "from 1 to 10", "stop_unclear": "from 1 to 20", "stop_refused": "from 10 to 100"} {
		require.Equal(t, wtp.DefaultLimits().Settings()[field], b.get("/settings/limits").page().Find("#"+field).AttrOr("value", ""))
		for _, bad := range []string{"", "0", "101", "5.5", "+12", "many"} {
			d := b.post("/settings/limits", with(form, field, bad)...).is(http.StatusUnprocessableEntity).page()
			require.Equal(t, bad, d.Find("#"+field).AttrOr("value", ""), "what was typed stays")
			require.Contains(t, d.Find("#"+field+"-err").Text(), says)
			require.Contains(t, d.Find("#errors").Text(), says)
		}
	}
	for _, good := range []string{"1", " 60 ", "600"} {
		b.post("/settings/limits", with(form, "calls_per_minute", good)...).to("/settings/limits")
		limits, err := c.store.Limits(t.Context())
		require.NoError(t, err)
		require.Equal(t, strings.TrimSpace(good), limits.Settings()[wtp.CallsPerMinute])
	}
	b.post("/settings/limits", with(form, "cap_operator", " 20 ")...).to("/settings/limits")
	limits, err := c.store.Limits(t.Context())
	require.NoError(t, err)
	require.Equal(t, wtp.Limits{CallsPerMinute: 5, CallsAtOnce: 2, StopUnclear: 3, StopRefused: 20, TypedAbove: 100, CapOperator: 20}, limits)

	b.post("/settings/limits", with(with(form, "stop_unclear", " 1 "), "stop_refused", "100")...).to("/settings/limits")
	limits, err = c.store.Limits(t.Context())
	require.NoError(t, err)
	require.Equal(t, wtp.Limits{CallsPerMinute: 5, CallsAtOnce: 2, StopUnclear: 1, StopRefused: 100, TypedAbove: 100}, limits)
	recorded := texts(b.get("/events").is(http.StatusOK).page().Find("main tbody tr"))
	require.Contains(t, recorded[0]+recorded[1]+recorded[2], "Stop after batches without a clear answer")
	require.Contains(t, recorded[0]+recorded[1]+recorded[2], "Stop after refused calls")
}

// TestLimitsSayWhatHSSSaid: what HSS said of its own limit is kept to, and shown.
func TestLimitsSayWhatHSSSaid(t *testing.T) {
	c, _, b := withCloud(t)
	p := c.project()
	require.Empty(t, b.get("/settings/limits").is(http.StatusOK).page().Find("main form .notice").Text())
	require.NoError(t, c.store.KeepTo(t.Context(), p.CredentialID, "SetRaspSwitch", 2, 3*time.Minute))
	require.Contains(t, b.get("/settings/limits").page().Find("main form .notice").Text(), "SetRaspSwitch: HSS said at ")
	require.Contains(t, b.get("/settings/limits").page().Find("main form .notice").Text(), "that it lets through 2 calls in 3 min")
}

// TestNoSecretInAnyAnswer posts secrets everywhere they are taken, in vain too,
// then reads every page of the settings, the events and the log.
func TestNoSecretInAnyAnswer(t *testing.T) {
	c, f, b := withCloud(t)
	text := b.post("/settings/credentials/new", with(keyForm(), "region", "")...).text
	b.post("/settings/credentials/new", keyForm()...).is(http.StatusSeeOther)
	text += b.post("/settings/credentials/1/edit", with(keyForm(), "access_key", "")...).text
	b.post("/settings/credentials/1/edit", with(keyForm(), "access_key", "AK9")...).is(http.StatusSeeOther)
	text += b.post("/settings/people/new", "name", "", "role", "viewer", "password", canary, "again", canary).text
	b.post("/settings/people/new", "name", "Li", "role", "viewer", "password", canary, "again", canary).to("/settings/people")
	text += b.post("/settings/people/2/password", "password", canary, "again", "x").text
	b.post("/settings/people/2/password", "password", canary, "again", canary).to("/settings/people/2")
	f.err = errors.New("iam said " + canary)
	text += b.get("/settings/credentials/1/projects").is(http.StatusInternalServerError).text
	f.err = nil
	stored, err := c.store.Credential(t.Context(), 1)
	require.NoError(t, err)
	for _, path := range []string{"/settings", "/settings/credentials/1", "/settings/credentials/1/edit", "/settings/credentials/1/projects",
		"/settings/projects/new", "/settings/people", "/settings/people/2", "/settings/limits", "/events"} {
		text += b.get(path).is(http.StatusOK).text
	}
	require.NotContains(t, text, canary)
	require.NotContains(t, text, stored.SealedSecret)
	require.NotContains(t, text, "$argon2id$")
	require.Equal(t, 1, strings.Count(c.log.String(), canary), "only the made-up error of IAM is in the log")
	require.NotContains(t, c.log.String(), "secret="+canary)
}

func TestSettingsAreForAdmins(t *testing.T) {
	c, _, _ := withCloud(t)
	c.project()
	for _, role := range []wtp.Role{wtp.Viewer, wtp.Operator} {
		b := c.as(c.user("p-"+string(role), role))
		for _, path := range []string{"/settings", "/settings/limits", "/settings/credentials/new", "/settings/credentials/1", "/settings/credentials/1/edit",
			"/settings/credentials/1/projects", "/settings/projects/new", "/settings/projects/1/edit", "/settings/people", "/settings/people/new", "/settings/people/1"} {
			b.get(path).is(http.StatusForbidden)
		}
		for _, path := range []string{"/settings/limits", "/settings/credentials/new", "/settings/credentials/1/edit", "/settings/credentials/1/test", "/settings/credentials/1/remove",
			"/settings/projects/new", "/settings/projects/1/edit", "/settings/projects/1/remove", "/settings/people/new", "/settings/people/1/role", "/settings/people/1/disable",
			"/settings/people/1/password", "/settings/people/1/sessions/end-all"} {
			b.post(path, keyForm()...).is(http.StatusForbidden)
		}
		require.Zero(t, b.get("/p/shop/backup-servers").page().Find(`a[href^="/settings"]`).Length())
	}
}

func TestSettingsInChinese(t *testing.T) {
	c, _, b := withCloud(t)
	c.project()
	b.plant("lang", "zh-CN")
	for path, want := range map[string]string{"/settings": "项目与凭证", "/settings/people": "各角色的权限", "/settings/limits": "每分钟调用次数", "/events": "添加凭证",
		"/settings/credentials/1": "三步轮换", "/p/shop/backup-servers": "备份服务器"} {
		d := b.get(path).is(http.StatusOK).page()
		require.Contains(t, d.Find("main").Text(), want, path)
		require.Equal(t, "zh-CN", d.Find("html").AttrOr("lang", ""))
		require.Equal(t, 1, d.Find("h1").Length(), path)
		d.Find("[style],script:not([src])").Each(func(_ int, s *goquery.Selection) { t.Errorf("%s: inline style or script", path) })
	}
}
