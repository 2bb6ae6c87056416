package server

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
)

// TestGarbageGetsAnAnswer pastes and uploads 5 MB of what is no list: it is refused
// with a reason, or reported on, and the page of that opens.
func TestGarbageGetsAnAnswer(t *testing.T) {
	_, _, b := shop(t, fleet(300))
	random := rand.NewChaCha8([32]byte{1})
	bytes := func(of string) string {
		out := make([]byte, wtp.MaxImportBytes)
		_, _ = random.Read(out)
		for i := range out {
			if of != "" {
				out[i] = of[int(out[i])%len(of)]
			}
		}
		return string(out)
	}
	fill := func(s string) string { return strings.Repeat(s, wtp.MaxImportBytes/len(s)) }
	for name, text := range map[string]string{
		"random bytes": bytes(""), "random words": bytes("abc ,;\t\n"), "long words": bytes(strings.Repeat("abcdefgh", 30) + "\n"),
		"one word": fill("x"), "separators": fill(",;\n\r"), "quotes": fill(`"`), "half a quote": `"` + fill("x\n")[1:], "NUL": fill("\x00"), "no UTF-8": fill("\xff\xfe\n"),
		"addresses": fill("999.999.999.999\n"), "markup": fill("<script>alert(1)</script>\n"), "wildcards": fill("%_%_%\\\n"), "one server": fill("host-00001,"),
	} {
		for _, file := range []bool{false, true} {
			began := time.Now()
			list, upload := text, ""
			if file {
				list, upload = "", text
			}
			a := b.upload("/p/shop/servers/import", list, upload)
			took := time.Since(began)
			switch a.StatusCode {
			case http.StatusSeeOther:
				b.get(a.Header.Get("Location")).is(http.StatusOK)
			case http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
				require.NotEmpty(t, said(a.page().Find("#errors")), name)
			default:
				t.Errorf("%s: %d", name, a.StatusCode)
			}
			t.Logf("%-13s file %-5t %d in %d ms", name, file, a.StatusCode, took.Milliseconds())
		}
	}
}
