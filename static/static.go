// Package static holds the files a browser loads beside the pages and serves them under addresses that change
// with their content, so that they may be cached for ever.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/sha512"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
)

//go:embed app.js console.css favicon.svg icons.svg
//go:embed vendor/*.js vendor/*.css vendor/*.woff2
var files embed.FS

// Prefix is where the server mounts Assets.
const Prefix = "/static/"

func contentType(ext string) string {
	switch ext {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	}
	return ""
}

// asset is one file as it is sent.
type asset struct {
	url         string
	contentType string
	integrity   string
	plain       []byte
	gzipped     []byte // nil when gzip makes it no smaller
}

// Assets knows every static file by its plain name and by its address. It doesn't change after New.
type Assets struct {
	byName map[string]*asset
	byURL  map[string]*asset
}

// New reads, hashes and compresses the embedded files. It panics if one of them can't be used, which the tests
// of this package rule out for a built binary.
func New() *Assets {
	a := &Assets{byName: map[string]*asset{}, byURL: map[string]*asset{}}
	var styles []string
	must(fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if path.Ext(name) == ".css" {
			styles = append(styles, name)
			return nil
		}
		return a.add(name, func(b []byte) []byte { return b })
	}))
	// Style sheets come last: their text, and so their hash, names the hashed fonts.
	for _, name := range styles {
		must(a.add(name, a.hashURLs))
	}
	return a
}

func (a *Assets) add(file string, rewrite func([]byte) []byte) error {
	raw, err := files.ReadFile(file)
	if err != nil {
		return err
	}
	raw = rewrite(raw)
	name, ext := path.Base(file), path.Ext(file)
	if contentType(ext) == "" {
		return fmt.Errorf("static: no content type for %s", file)
	}
	if a.byName[name] != nil {
		return fmt.Errorf("static: two files are called %s", name)
	}
	short, long := sha256.Sum256(raw), sha512.Sum384(raw)
	f := &asset{
		url:         Prefix + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(short[:4]) + ext,
		contentType: contentType(ext),
		integrity:   "sha384-" + base64.StdEncoding.EncodeToString(long[:]),
		plain:       raw,
	}
	if ext != ".woff2" { // fonts are compressed already
		if f.gzipped, err = compress(raw); err != nil {
			return err
		}
	}
	a.byName[name], a.byURL[f.url] = f, f
	return nil
}

// hashURLs replaces url(NAME) in a style sheet by the address of that file. Addresses with a scheme (data:) stay.
func (a *Assets) hashURLs(css []byte) []byte {
	plain := regexp.MustCompile(`url\(([a-z0-9-]+\.[a-z0-9]+)\)`)
	return plain.ReplaceAllFunc(css, func(match []byte) []byte {
		return []byte("url(" + a.URL(string(plain.FindSubmatch(match)[1])) + ")")
	})
}

// URL is the address of a file by its plain name, such as "console.css" or "htmx.min.js":
// "/static/console.1a2b3c4d.css". It panics on an unknown name, so that a page with a broken link fails its test.
func (a *Assets) URL(name string) string { return a.find(name).url }

// Integrity is the value of the integrity attribute (sha384) for a script or style sheet; it panics like URL.
func (a *Assets) Integrity(name string) string { return a.find(name).integrity }

func (a *Assets) find(name string) *asset {
	f := a.byName[name]
	if f == nil {
		panic(fmt.Sprintf("static: there is no file %q", name))
	}
	return f
}

// ServeHTTP answers GET and HEAD for the exact addresses that URL gives, with a year of immutable caching. An
// address with another hash is 404 and not cached, so that a page of another version never gets the wrong file.
func (a *Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "Static files can only be read.", http.StatusMethodNotAllowed)
		return
	}
	f := a.byURL[r.URL.Path]
	if f == nil {
		h.Set("Cache-Control", "no-store")
		http.Error(w, "There is no such file.", http.StatusNotFound)
		return
	}
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	body := f.plain
	if f.gzipped != nil {
		h.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			h.Set("Content-Encoding", "gzip")
			body = f.gzipped
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // the reader went away; nothing is left to tell them
	}
}

// acceptsGzip reads an Accept-Encoding header (RFC 9110, 12.5.3): gzip named with a weight that isn't zero.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		weight, found := strings.CutPrefix(strings.ToLower(strings.TrimSpace(params)), "q=")
		if !found {
			return true
		}
		q, err := strconv.ParseFloat(weight, 64)
		return err == nil && q > 0
	}
	return false
}

func compress(raw []byte) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(raw); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	if out.Len() >= len(raw) {
		return nil, nil
	}
	return out.Bytes(), nil
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
