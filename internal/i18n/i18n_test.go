package i18n

import (
	"encoding/json"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func load(t *testing.T) *Catalogue {
	t.Helper()
	c, err := Load()
	require.NoError(t, err)
	return c
}

func TestMatchPrefersTheCookie(t *testing.T) {
	c := load(t)
	for _, row := range []struct{ cookie, accept, want string }{
		{"", "", English},
		{"zh-CN", "", Chinese},
		{"zh-CN", "en-GB,en;q=0.9", Chinese},
		{"en", "zh-CN", English},
		{"de", "zh-CN", Chinese},
		{"", "zh-CN,zh;q=0.9,en;q=0.8", Chinese},
		{"", "zh", Chinese},
		{"", "zh-Hans-SG", Chinese},
		{"", "en-US,en;q=0.9,zh;q=0.1", English},
		{"", "de-DE,de;q=0.9", English},
		{"", "de, zh;q=0.5", Chinese},
		{"", ";;;q=nonsense", English},
		{"<script>", "*", English},
	} {
		require.Equal(t, row.want, c.Match(row.cookie, row.accept), "%q %q", row.cookie, row.accept)
	}
}

func TestNumbersHaveSeparators(t *testing.T) {
	var p Printer
	for n, want := range map[int64]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 12431: "12,431", -1234567: "-1,234,567", 100000: "100,000"} {
		require.Equal(t, want, p.Int(n))
	}
	require.Equal(t, "10,788 of 12,431 on web-1", p.T("%d of %d on %s", int64(10788), 12431, "web-1"))
	require.Equal(t, "100%", p.T("100%%"))
	require.Equal(t, "72%", p.T("%d%%", 72))
	require.Equal(t, "50% of", p.T("50% of"), "a sentence without values is left alone")
}

func TestOneAndMany(t *testing.T) {
	c := load(t)
	p := c.Printer(English)
	require.Equal(t, "1 server", p.N(1, "%d server", "%d servers"))
	require.Equal(t, "0 servers", p.N(0, "%d server", "%d servers"))
	require.Equal(t, "12,431 servers", p.N(12431, "%d server", "%d servers"))
	require.Equal(t, "3 of 1 server", p.N(1, "%d of %d server", "%d of %d servers", 3, 1))
	require.Equal(t, "1 台服务器", c.Printer(Chinese).N(1, "%d server", "%d servers"))
	require.Equal(t, "x", c.Printer("fr").T("x"))
}

func TestFilesOfTheCatalogueAgree(t *testing.T) {
	names, err := fs.Glob(files, "zh-CN/*.json")
	require.NoError(t, err)
	first := map[string]string{}
	for _, name := range names {
		raw, err := files.ReadFile(name)
		require.NoError(t, err)
		words := map[string]string{}
		require.NoError(t, json.Unmarshal(raw, &words), name)
		for id, text := range words {
			if before, ok := first[id]; ok {
				require.Equal(t, before, text, "%s translates %q differently from another file", name, id)
			}
			first[id] = text
		}
	}

	// Pages that say it look for it in a reason first, so that it isn't said twice.
	const sentence = "Nothing was sent."
	for id, text := range first {
		if strings.Contains(id, sentence) {
			require.Contains(t, text, first[sentence], id)
		}
	}
}
