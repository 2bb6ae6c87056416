package views

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
)

func TestNamesHideNothing(t *testing.T) {
	for name, want := range map[string]string{
		"web-01":           "web-01",
		"官网集群 é😀":          "官网集群 é😀",
		"abc\u202egnp.exe": "abc[U+202E]gnp.exe",
		"web\u200b-01":     "web[U+200B]-01",
		"web\u200d-01":     "web[U+200D]-01",
		"a\x00b\tc\u2028d": "a[U+0000]b[U+0009]c[U+2028]d",
		"👩\u200d👧":         "👩\u200d👧",
		"می\u200cخواهم":    "می\u200cخواهم",
	} {
		require.Equal(t, want, Plain(name))
	}
}

func TestPagesShowHiddenCharactersOfNames(t *testing.T) {
	p := testPage(t, "en")
	for name, c := range samples(p, "abc\u202egnp\u200bx") {
		html := render(t, c)
		switch name {
		case "ServersPage", "ServerPage", "PreviewPage", "ChangePage":
			require.Contains(t, html, "abc[U+202E]gnp[U+200B]x", name)
		}
	}
	require.Equal(t, "abc[U+202E]x", serverName(wtp.Server{Name: "abc\u202ex"}))
	require.False(t, strings.ContainsRune(targetName("a\u2066b", ""), '\u2066'))
}
