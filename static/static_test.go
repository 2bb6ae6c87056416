package static

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func get(a *Assets, method, url, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, url, nil)
	if accept != "" {
		r.Header.Set("Accept-Encoding", accept)
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

func TestEveryFileIsServedUnderItsHash(t *testing.T) {
	a := New()
	for name, contentType := range map[string]string{
		"app.js": "text/javascript; charset=utf-8", "htmx.min.js": "text/javascript; charset=utf-8",
		"console.css": "text/css; charset=utf-8", "tabler.min.css": "text/css; charset=utf-8",
		"icons.svg": "image/svg+xml", "favicon.svg": "image/svg+xml",
		"inter.woff2": "font/woff2", "jetbrains-mono.woff2": "font/woff2",
	} {
		url := a.URL(name)
		require.Regexp(t, `^/static/[a-z.-]+\.[0-9a-f]{8}\.(js|css|svg|woff2)$`, url)
		w := get(a, http.MethodGet, url, "")
		require.Equal(t, http.StatusOK, w.Code, name)
		require.Equal(t, contentType, w.Header().Get("Content-Type"), name)
		require.Equal(t, "public, max-age=31536000, immutable", w.Header().Get("Cache-Control"))
		require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
		require.Empty(t, w.Header().Get("Content-Encoding"))
		sum := sha256.Sum256(w.Body.Bytes())
		require.Contains(t, url, "."+hex.EncodeToString(sum[:4])+".", "the address is the hash of what is sent")
		require.Regexp(t, `^sha384-[A-Za-z0-9+/]{64}$`, a.Integrity(name))
	}
	require.Len(t, a.byName, 8, "a new file needs a line in this test")
}

func TestGzipIsSentOnlyWhenAsked(t *testing.T) {
	a := New()
	plain := get(a, http.MethodGet, a.URL("tabler.min.css"), "").Body.Bytes()
	for accept, zipped := range map[string]bool{
		"gzip": true, "br, GZIP;q=0.5": true, "gzip;q=0": false, "gzip;q=x": false, "br": false, "xgzip": false,
	} {
		w := get(a, http.MethodGet, a.URL("tabler.min.css"), accept)
		require.Equal(t, "Accept-Encoding", w.Header().Get("Vary"))
		require.Equal(t, zipped, w.Header().Get("Content-Encoding") == "gzip", accept)
		body := w.Body.Bytes()
		if zipped {
			require.Less(t, len(body), len(plain)/4)
			z, err := gzip.NewReader(bytes.NewReader(body))
			require.NoError(t, err)
			body, err = io.ReadAll(z)
			require.NoError(t, err)
		}
		require.True(t, bytes.Equal(plain, body), accept)
	}
	require.Empty(t, get(a, http.MethodGet, a.URL("inter.woff2"), "gzip").Header().Get("Content-Encoding"))
}

func TestOtherAddressesAndMethodsAreRefused(t *testing.T) {
	a := New()
	for _, url := range []string{
		"/static/", "/static/console.css", "/static/console.00000000.css", "/static/vendor/htmx.min.js",
		"/static/../static.go", "/static/SHA256SUMS", "/static/static.go",
	} {
		w := get(a, http.MethodGet, url, "gzip")
		require.Equal(t, http.StatusNotFound, w.Code, url)
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	}
	require.Equal(t, http.StatusMethodNotAllowed, get(a, http.MethodPost, a.URL("app.js"), "").Code)
	head := get(a, http.MethodHead, a.URL("app.js"), "")
	require.Equal(t, http.StatusOK, head.Code)
	require.Zero(t, head.Body.Len())
	require.NotEmpty(t, head.Header().Get("Content-Length"))
}

func TestUnknownNamesPanic(t *testing.T) {
	a := New()
	require.PanicsWithValue(t, `static: there is no file "consol.css"`, func() { a.URL("consol.css") })
	require.Panics(t, func() { a.Integrity("") })
}

func TestStyleSheetsPointOnlyToOurFiles(t *testing.T) {
	a := New()
	urls := regexp.MustCompile(`url\(([^)]*)\)|@import`)
	fonts := 0
	for _, m := range urls.FindAllStringSubmatch(string(a.byName["console.css"].plain), -1) {
		require.NotNil(t, a.byURL[m[1]], m[0])
		fonts++
	}
	require.Equal(t, 2, fonts)
	for _, m := range urls.FindAllStringSubmatch(string(a.byName["tabler.min.css"].plain), -1) {
		require.True(t, strings.HasPrefix(strings.Trim(m[1], `"'`), "data:"), m[0])
	}
}

func TestVendoredFilesMatchTheirSums(t *testing.T) {
	sums, err := os.Open("vendor/SHA256SUMS")
	require.NoError(t, err)
	defer sums.Close()
	listed := map[string]bool{}
	lines := bufio.NewScanner(sums)
	for lines.Scan() {
		want, name, found := strings.Cut(lines.Text(), "  ")
		require.True(t, found, lines.Text())
		raw, err := os.ReadFile(filepath.Join("vendor", filepath.FromSlash(name)))
		require.NoError(t, err)
		got := sha256.Sum256(raw)
		require.Equal(t, want, hex.EncodeToString(got[:]), name)
		listed[name] = true
	}
	require.NoError(t, lines.Err())
	for _, pattern := range []string{"*.js", "*.css", "*.woff2"} {
		found, err := filepath.Glob(filepath.Join("vendor", pattern))
		require.NoError(t, err)
		for _, file := range found {
			require.True(t, listed[filepath.Base(file)], "%s isn't in SHA256SUMS", file)
		}
	}
}

func TestSpriteIsSoundAndHoldsTheStatusIcons(t *testing.T) {
	ids := map[string]bool{}
	d := xml.NewDecoder(bytes.NewReader(New().byName["icons.svg"].plain))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		start, isStart := token.(xml.StartElement)
		if !isStart {
			continue
		}
		require.Contains(t, []string{"svg", "symbol", "path"}, start.Name.Local)
		for _, attr := range start.Attr {
			if attr.Name.Local == "id" {
				require.False(t, ids[attr.Value], "%s is there twice", attr.Value)
				ids[attr.Value] = true
			}
		}
	}
	for name := range strings.FieldsSeq(`shield-check-f shield-off clock-shield minus circle-check loader-2
		alert-circle alert-triangle circle-half-2 plug-connected-x player-pause circle circle-dot wifi-off
		circle-dashed check x help-circle player-skip-forward clock zoom-exclamation`) {
		require.True(t, ids["i-"+name], name)
	}
}

func TestScriptKeepsTheContentPolicy(t *testing.T) {
	script := string(New().byName["app.js"].plain)
	for _, forbidden := range []string{"eval(", "new Function", ".style.", "innerHTML", "setAttribute('style", "document.write", "localStorage", "//cdn"} {
		require.NotContains(t, script, forbidden)
	}
}
