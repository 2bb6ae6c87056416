package views

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"wtp-console/internal/wtp"
)

// layouts are the only whole documents whose name doesn't end in Page.
func layout(name string) bool { return name == "Layout" || name == "AuthLayout" }

func TestEveryComponentHasASample(t *testing.T) {
	drawn := samples(testPage(t, "en"), "x")
	exported := regexp.MustCompile(`(?m)^func ([A-Z]\w*)\(.*\) templ\.Component \{`)
	files, err := filepath.Glob("*_templ.go")
	require.NoError(t, err)
	found := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range exported.FindAllStringSubmatch(string(raw), -1) {
			found++
			if !layout(m[1]) {
				require.Contains(t, drawn, m[1], "%s of %s needs a line in samples", m[1], file)
			}
		}
	}
	require.Equal(t, len(drawn)+2, found, "samples has a component that is no more")
}

func TestPagesAreDocumentsAndFragmentsAreNot(t *testing.T) {
	for name, c := range samples(testPage(t, "en"), "x") {
		text := render(t, c)
		require.Equal(t, strings.HasSuffix(name, "Page"), strings.HasPrefix(text, "<!doctype html>"), name)
		require.Equal(t, strings.HasSuffix(name, "Page"), strings.Contains(text, "<html"), name)
	}
}

func TestHostileTextIsOnlyText(t *testing.T) {
	for _, lang := range []string{"en", "zh-CN"} {
		for name, c := range samples(testPage(t, lang), hostile) {
			text := render(t, c)
			require.NotContains(t, text, "%!", "%s %s: a sentence and its values don't fit", lang, name)
			root, err := html.Parse(strings.NewReader(text))
			require.NoError(t, err)
			walk(root, func(n *html.Node) {
				require.NotEqual(t, "img", n.Data, name)
				require.NotEqual(t, "style", n.Data, name)
				src := ""
				for _, a := range n.Attr {
					require.False(t, strings.HasPrefix(a.Key, "on"), "%s: %s", name, a.Key)
					require.False(t, strings.HasPrefix(a.Key, "hx-on"), "%s: %s", name, a.Key)
					require.NotEqual(t, "style", a.Key, name)
					require.NotEqual(t, "hx-vals", a.Key, "%s: values come from forms and addresses", name)
					require.NotContains(t, []string{"hx-put", "hx-delete", "hx-patch"}, a.Key, name)
					value := strings.TrimSpace(strings.ToLower(a.Val))
					if a.Key == "href" || a.Key == "src" || a.Key == "action" || a.Key == "formaction" || strings.HasPrefix(a.Key, "hx-") {
						require.False(t, strings.HasPrefix(value, "javascript:"), "%s: %s", name, a.Val)
						require.False(t, strings.HasPrefix(value, "//") || strings.HasPrefix(value, "http"), "%s: %s=%s", name, a.Key, a.Val)
					}
					if a.Key == "hx-trigger" {
						require.NotContains(t, a.Val, "[", "%s: a filter needs eval", name)
					}
					if a.Key == "src" {
						src = a.Val
					}
				}
				if n.Data == "script" {
					require.True(t, strings.HasPrefix(src, "/static/"), name)
					require.Nil(t, n.FirstChild, name)
				}
			})
		}
	}
}

func walk(n *html.Node, visit func(*html.Node)) {
	if n.Type == html.ElementNode {
		visit(n)
	}
	for child := n.FirstChild; child != nil; child = child.NextSibling {
		walk(child, visit)
	}
}

func TestPagesAreSound(t *testing.T) {
	sprite, err := os.ReadFile("../../static/icons.svg")
	require.NoError(t, err)
	for name, c := range samples(testPage(t, "en"), "x") {
		d, err := goquery.NewDocumentFromReader(strings.NewReader(render(t, c)))
		require.NoError(t, err)
		d.Find("use").Each(func(_ int, use *goquery.Selection) {
			_, icon, _ := strings.Cut(use.AttrOr("href", ""), "#")
			require.Contains(t, string(sprite), `id="`+icon+`"`, "%s: no such icon", name)
		})
		d.Find("form").Each(func(_ int, form *goquery.Selection) {
			method := strings.ToLower(form.AttrOr("method", "get"))
			require.Contains(t, []string{"get", "post"}, method, name)
			if method == "post" {
				require.True(t, strings.HasPrefix(form.AttrOr("action", ""), "/"), "%s: a POST form names its address", name)
			}
		})
		if !strings.HasSuffix(name, "Page") {
			continue
		}
		ids := map[string]bool{}
		d.Find("[id]").Each(func(_ int, e *goquery.Selection) {
			id := e.AttrOr("id", "")
			require.False(t, ids[id], "%s: id %q is there twice", name, id)
			ids[id] = true
		})
		for _, link := range []string{"for", "aria-describedby", "aria-labelledby", "aria-controls", "popovertarget", "form"} {
			d.Find("[" + link + "]").Each(func(_ int, e *goquery.Selection) {
				for _, id := range strings.Fields(e.AttrOr(link, "")) {
					require.True(t, ids[id], "%s: %s=%q leads nowhere", name, link, id)
				}
			})
		}
		labelled := func(e *goquery.Selection) bool {
			id := e.AttrOr("id", "")
			return e.AttrOr("aria-label", "") != "" || e.AttrOr("aria-labelledby", "") != "" || e.Closest("label").Length() > 0 ||
				id != "" && d.Find(`label[for="`+id+`"]`).Length() > 0
		}
		d.Find("input:not([type=hidden]):not([hidden]), select, textarea").Each(func(_ int, e *goquery.Selection) {
			require.True(t, labelled(e), "%s: %s has no label", name, e.AttrOr("name", ""))
		})
		d.Find("button, a").Each(func(_ int, e *goquery.Selection) {
			require.True(t, strings.TrimSpace(e.Text()) != "" || e.AttrOr("aria-label", "") != "", "%s: a button or link without words: %s", name, e.Nodes[0].Attr)
		})
		require.Equal(t, 1, d.Find("main").Length(), name)
		require.Equal(t, 1, d.Find("main#main").Length(), name)
		require.Equal(t, 1, d.Find("main h1").Length(), "%s: one h1", name)
		require.NotEmpty(t, d.Find("title").Text(), name)
		require.NotEmpty(t, d.Find("html").AttrOr("lang", ""), name)
	}
}

func TestChineseReachesEveryPage(t *testing.T) {
	for name, c := range samples(testPage(t, "zh-CN"), "x") {
		if !strings.HasSuffix(name, "Page") {
			continue
		}
		require.Regexp(t, `\p{Han}`, render(t, c), name)
	}
}

func TestWhatAnEventIsAboutIsTranslated(t *testing.T) {
	v := EventsView{Page: changePage()}
	for subject, want := range map[string]string{"change 6": "#6", "change 1234": "#1234", "change of plans": "change of plans", "change ": "change ", "Storefront": "Storefront"} {
		require.Equal(t, want, v.subject(wtp.Event{Verb: "set.saved", Subject: subject}))
	}
	require.Equal(t, "Calls a minute", v.subject(wtp.Event{Verb: "setting.changed", Subject: wtp.CallsPerMinute}))
}
