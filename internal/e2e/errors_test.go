package e2e_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWhatIsWrongCanBePressed sends a form empty: each line of what is
// wrong leads to its field, and is large enough for a finger.
func TestWhatIsWrongCanBePressed(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	c := startConsole(t, t.TempDir())
	for _, look := range []struct {
		name, lang string
		dark       bool
		width      int64
	}{{"errors.zh-CN.390.dark", "zh-CN", true, 390}, {"errors.en.1440", "en", false, 1440}} {
		b.cookie(c.url, "lang", look.lang)
		b.dark(look.dark)
		b.size(look.width)
		b.open(c.url + "/setup")
		eval[bool](b, `document.querySelector("form[action='/setup']").noValidate = true`)
		b.follow("form[action='/setup'] [type=submit]")
		b.shot(look.name)
		heights := eval[[]float64](b, `[...document.querySelectorAll("#errors li a")].map(a=>a.getBoundingClientRect().height)`)
		require.GreaterOrEqual(t, len(heights), 2, look.name)
		for _, h := range heights {
			require.Greater(t, h, 23.9, look.name) // 24, but for rounding
		}
		require.LessOrEqual(t, eval[int](b, `document.documentElement.scrollWidth`), int(look.width), look.name)
		require.Empty(t, b.axe(), look.name)
		require.Empty(t, b.complaints(), look.name)
	}
}
