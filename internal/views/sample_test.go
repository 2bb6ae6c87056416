package views

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/a-h/templ"
	"github.com/stretchr/testify/require"

	"wtp-console/internal/i18n"
	"wtp-console/internal/wtp"
	"wtp-console/static"
)

// hostile is a name as an attacker would choose it.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)> ' & javascript:alert(3) ` + "\u202e"

// testPage is a page of a signed-in admin at 14 May 2026, 22:04 in Shanghai.
func testPage(t *testing.T, lang string) Page {
	t.Helper()
	catalogue, err := i18n.Load()
	require.NoError(t, err)
	zone, err := time.LoadLocation("Asia/Shanghai")
	require.NoError(t, err)
	now := time.Date(2026, 5, 14, 14, 4, 0, 0, time.UTC)
	return Page{
		Printer: catalogue.Printer(lang), Lang: lang, Assets: static.New(), Version: "1.0.0", Title: "Title", Section: "overview",
		Zone: zone, Now: now, User: &wtp.User{ID: 1, Name: "Mei Chen", Role: wtp.Admin},
		Project: &wtp.Project{ID: 1, Slug: "web-prod", Name: "web-prod", Region: "cn-north-4", EnterpriseProjectID: "retail-web",
			ReadAt: wtp.At(now.Add(-40 * time.Second)), ServerCount: 18264, BackupCount: 14, BackupTrouble: 2, LastNumber: 2480},
		Projects: []wtp.Project{{ID: 1, Slug: "web-prod", Name: "web-prod", Region: "cn-north-4", CredentialID: 3}, {ID: 2, Slug: "web-stage", Name: "web-stage", Region: "cn-south-1", CredentialID: 3}},
		Running:  []RunningChange{{Href: "/p/web-prod/changes/2480", Title: "#2480 Turn on", Done: 1325, Total: 1840, Bad: 3}},
		Crumbs:   []Crumb{{"web-prod", "/p/web-prod"}, {"Overview", ""}}, Path: "/p/web-prod",
	}
}

// filled gives a value of T whose strings are all text, whose numbers differ from
// nought, and whose lists have two elements; its page is p.
func filled[T any](p Page, text string) T {
	var v T
	fill(reflect.ValueOf(&v).Elem(), p, text, 0)
	return v
}

func fill(v reflect.Value, p Page, text string, depth int) {
	if depth > 8 || !v.CanSet() {
		return
	}
	switch v.Interface().(type) {
	case Page:
		v.Set(reflect.ValueOf(p))
		return
	case wtp.Instant:
		v.SetInt(int64(wtp.At(p.Now.Add(-90 * time.Minute))))
		return
	case wtp.Text:
		v.Set(reflect.ValueOf(wtp.Say("%s", text)))
		return
	case wtp.Role:
		v.SetString(string(wtp.Operator))
		return
	case time.Duration:
		v.SetInt(int64(90 * time.Second))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(3)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(0.5)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), p, text, depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), p, text, depth+1)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), p, text, depth+1)
		}
		if v.Len() == 2 { // two of the same would clash where a list has keys
			distinguish(v.Index(1))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, p, text, depth+1)
		fill(value, p, text, depth+1)
		v.SetMapIndex(key, value)
	}
}

// distinguish makes the second element of a list another one.
func distinguish(v reflect.Value) {
	if v.Kind() != reflect.Struct {
		return
	}
	for i := range v.NumField() {
		f := v.Field(i)
		switch {
		case !f.CanSet():
		case f.Kind() == reflect.String:
			f.SetString(f.String() + "2")
		case f.Kind() == reflect.Int64 && f.Type() != reflect.TypeFor[wtp.Instant]():
			f.SetInt(4)
		case f.Kind() == reflect.Struct && f.Type() != reflect.TypeFor[Page]():
			distinguish(f)
		}
	}
}

func render(t *testing.T, c templ.Component) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, c.Render(t.Context(), &b))
	return b.String()
}

// samples is one of every exported component, drawn with text wherever a text
// goes. A new component needs a line here.
func samples(p Page, text string) map[string]templ.Component {
	server := filled[wtp.Server](p, text)
	faults := []wtp.FieldError{{Field: "name", Text: wtp.Say("%s", text)}, {Field: "port", Text: wtp.Say("%s", text)}}
	labels := map[string]string{"name": text}
	signedOut := p
	signedOut.User, signedOut.Project, signedOut.Projects, signedOut.Running = nil, nil, nil, nil
	paused := p
	paused.Pause = wtp.Pause{By: text, At: wtp.At(p.Now), Why: text}
	never := p
	never.Project = &wtp.Project{ID: 1, Slug: "s", Name: text, ReadFailedAt: wtp.At(p.Now), ReadError: text}
	return map[string]templ.Component{
		"AgentStatus":        AgentStatus(p, server),
		"BackupPill":         BackupPill(p, wtp.BackupFailed),
		"BackupStatus":       BackupStatus(p, wtp.BackupStarting),
		"DiffTable":          DiffTable(p, filled[[]wtp.FieldDiff](p, text), labels),
		"DynamicStatus":      DynamicStatus(p, server),
		"DynamicWord":        DynamicWord(p, text),
		"Empty":              Empty(p, text, text),
		"EmptyIcon":          EmptyIcon(p, "server", text, text),
		"ErrorNotice":        ErrorNotice(ErrorView{Page: p, Title: text, Text: text, Faults: []string{text}, Code: text, RequestID: text}),
		"ErrorSummary":       ErrorSummary(p, faults, labels),
		"Fact":               Fact(text),
		"Facts":              Facts(),
		"Field":              Field(p, FieldView{Name: "n", Label: text, Hint: text, Error: text, Optional: true}),
		"FlashBox":           FlashBox(p, Notice{Kind: "ok", Text: text, Link: text, LinkText: text}),
		"Freshness":          Freshness(p, *p.Project),
		"FullID":             FullID(p, text),
		"ID":                 ID(p, text),
		"Icon":               Icon(p, "server"),
		"IconClass":          IconClass(p, "server", "ic-lg"),
		"Legend":             Legend(p, []Slice{{"ok", 3, text}}, "two"),
		"Logo":               Logo(),
		"NoticeBox":          NoticeBox(p, "warn"),
		"RefusedBox":         RefusedBox(p, text),
		"NoticeWith":         NoticeWith(p, "bad", SubmitButton(p, "", "x", text)),
		"OutcomeBar":         OutcomeBar(p, []Slice{{"ok", 3, text}, {"bad", 1, text}}, "lg"),
		"OutcomeStatus":      OutcomeStatus(p, wtp.Outcome(text), ""),
		"PageHead":           PageHead(text, text),
		"Pager":              Pager(p, PagerView{First: text, Prev: text, Next: text, Text: text}),
		"Pill":               Pill(p, "ok", "loader-2", text),
		"ReadTrouble":        ReadTrouble(never),
		"RunningNow":         RunningNow(p),
		"SecretField":        SecretField(p, FieldView{Name: "n", Label: text, Error: text}, "new-password"),
		"StatePill":          StatePill(p, wtp.Running),
		"StateStatus":        StateStatus(p, wtp.ChangeState(text)),
		"Status":             Status(p, "ok", "loader-2", text),
		"SubmitButton":       SubmitButton(p, "primary", "check", text),
		"TextField":          TextField(p, FieldView{Name: "n", Label: text, Error: text}, text, templ.Attributes{"maxlength": "64"}),
		"WTPStatus":          WTPStatus(p, server),
		"Who":                Who(text),
		"WhoDid":             WhoDid(p, filled[wtp.Change](p, text)),
		"ChangeTimer":        ChangeTimer(filled[ChangeView](p, text), true),
		"DynamicUntil":       DynamicUntil(p, wtp.Server{OS: "linux"}, &Until{DueAt: wtp.At(p.Now), Number: 3}),
		"PauseBanner":        PauseBanner(paused),
		"PausePage":          PausePage(filled[PauseView](p, text)),
		"SettingsTabs":       SettingsTabs(p, "people"),
		"TestCard":           TestCard(p, filled[wtp.Credential](p, text)),
		"UpstreamBox":        UpstreamBox(p, filled[wtp.Upstream](p, text), text),
		"BackupDiff":         BackupDiff(filled[BackupDiffView](p, text)),
		"BulkBar":            BulkBar(filled[ServersView](p, text)),
		"ChangeList":         ChangeList(filled[ChangesView](p, text)),
		"ChangeListParts":    ChangeListParts(filled[ChangesView](p, text)),
		"ChangeParts":        ChangeParts(filled[ChangeView](p, text), true),
		"ChangeProgress":     ChangeProgress(filled[ChangeView](p, text)),
		"HostChoices":        HostChoices(filled[HostPickerView](p, text)),
		"HostPicker":         HostPicker(filled[HostPickerView](p, text)),
		"SelectionNote":      SelectionNote(filled[ServersView](p, text), false),
		"SelectionParts":     SelectionParts(filled[ServersView](p, text)),
		"ServerList":         ServerList(filled[ServersView](p, text)),
		"ServerListParts":    ServerListParts(filled[ServersView](p, text)),
		"AccountPage":        AccountPage(filled[AccountView](p, text)),
		"BackupFormPage":     BackupFormPage(filled[BackupFormView](p, text)),
		"BackupsPage":        BackupsPage(filled[BackupsView](p, text)),
		"ChangePage":         ChangePage(filled[ChangeView](p, text)),
		"ChangesPage":        ChangesPage(filled[ChangesView](p, text)),
		"CredentialFormPage": CredentialFormPage(filled[CredentialFormView](p, text)),
		"CredentialPage":     CredentialPage(filled[CredentialView](p, text)),
		"ErrorPage":          ErrorPage(ErrorView{Page: signedOut, Icon: "lock", Title: text, Text: text, Message: text, RequestID: text}),
		"EventsPage":         EventsPage(filled[EventsView](p, text)),
		"ImportPage":         ImportPage(filled[ImportView](p, text)),
		"SetFormPage":        SetFormPage(filled[SetFormView](p, text)),
		"NoDirPage":          NoDirPage(filled[NoDirView](p, text)),
		"RestartsPage":       RestartsPage(filled[RestartsView](p, text)),
		"TomcatPage":         TomcatPage(filled[TomcatView](p, text)),
		"SetPage":            SetPage(filled[SetView](p, text)),
		"SetsPage":           SetsPage(filled[SetsView](p, text)),
		"IAMProjectsPage":    IAMProjectsPage(filled[IAMProjectsView](p, text)),
		"LimitsPage":         LimitsPage(filled[LimitsView](p, text)),
		"NoProjectPage":      NoProjectPage(p),
		"OverviewPage":       OverviewPage(filled[OverviewView](p, text)),
		"PeoplePage":         PeoplePage(filled[PeopleView](p, text)),
		"PersonFormPage":     PersonFormPage(filled[PersonFormView](p, text)),
		"PersonPage":         PersonPage(filled[PersonView](p, text)),
		"RemoteChoicePage":   RemoteChoicePage(filled[RemoteChoiceView](p, text)),
		"RemotePreviewPage":  RemotePreviewPage(filled[RemotePreviewView](p, text)),
		"RemoteMovedPage":    RemoteMovedPage(filled[RemotePreviewView](p, text)),
		"BackupRemovalPage":  BackupRemovalPage(filled[RemovalView](p, text)),
		"PreviewPage":        PreviewPage(filled[PreviewView](p, text)),
		"MovedPage":          MovedPage(filled[PreviewView](p, text)),
		"ProjectFormPage":    ProjectFormPage(filled[ProjectFormView](p, text)),
		"ServerPage":         ServerPage(filled[ServerView](p, text)),
		"ServersPage":        ServersPage(filled[ServersView](p, text)),
		"SettingsPage":       SettingsPage(filled[SettingsView](p, text)),
		"SetupPage":          SetupPage(SetupView{Page: signedOut, Name: text, Errors: faults}),
		"SignedOutPage": SignedOutPage(SignedOutView{Page: signedOut, Action: "/p/shop/servers/import", SignIn: "/sign-in", Upload: true, RequestID: text,
			Fields: []KeptField{{"list", text}, {"reason", text}, {"reason", text}, {text, text}, {"id", text}}, Files: []string{text, text}}),
		"SignInPage": SignInPage(SignInView{Page: signedOut, Name: text, Next: text, Error: text}),
	}
}
