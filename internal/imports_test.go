// Package internal_test holds the project's shape: which package may import which, and the house rules that a
// search of the sources can decide. A package that is not in the table fails the build.
package internal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "wtp-console/"

// allowed names, for each package, the packages of ours it may import; tests may import more. cmd/web wires all.
func allowed() map[string]string {
	return map[string]string{
		"cmd/web":              "*",
		"internal":             "", // this test
		"internal/wtp":         "",
		"internal/server":      "internal/wtp internal/db internal/views internal/auth internal/i18n static",
		"internal/views":       "internal/wtp internal/i18n static",
		"internal/db":          "internal/wtp migrations",
		"internal/db/dbtest":   "internal/db internal/wtp migrations",
		"internal/connect":     "internal/wtp internal/db internal/hss internal/secret",
		"internal/apply":       "internal/wtp internal/db internal/hss internal/secret internal/connect",
		"internal/inventory":   "internal/wtp internal/db internal/hss internal/secret internal/connect",
		"internal/provision":   "internal/wtp internal/db internal/auth internal/secret",
		"internal/hss":         "",
		"internal/hss/hsstest": "", // never hss: one mistake must not hide on both sides
		"internal/secret":      "",
		"internal/auth":        "",
		"internal/i18n":        "",
		"internal/e2e":         "", // tests only
		"internal/teeth":       "", // tests only
		"static":               "",
		"migrations":           "",
	}
}

// owners names the only packages of ours that may import a library; a path covers what lies under it.
func owners() map[string]string {
	return map[string]string{
		"gorm.io":                         "internal/db",
		"github.com/pressly/goose":        "internal/db",
		"github.com/jackc/pgx":            "internal/db internal/db/dbtest",
		"github.com/mattn/go-sqlite3":     "internal/db",
		"database/sql":                    "internal/db internal/db/dbtest internal/secret", // secret: refuses to be stored
		"github.com/gin-gonic/gin":        "internal/server",
		"github.com/gorilla":              "internal/server",
		"github.com/klauspost/compress":   "internal/server",
		"github.com/a-h/templ":            "internal/views internal/server",
		"github.com/alexedwards/argon2id": "internal/auth",
		"github.com/alecthomas/kong":      "cmd/web",
		"github.com/goccy/go-yaml":        "internal/provision",
		"github.com/stretchr/testify":     "internal/db/dbtest",
		"testing":                         "internal/db/dbtest",
		"math/rand":                       "internal/hss/hsstest internal/apply internal/inventory", // fleets and jitter, never IDs
		"net/http/httptest":               "",
		"net/http/pprof":                  "",
	}
}

type pkg struct {
	ImportPath string
	GoFiles    []string
	CgoFiles   []string
	Imports    []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	var stderr bytes.Buffer
	list := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,GoFiles,CgoFiles,Imports", "./...")
	list.Dir, list.Stderr = "..", &stderr
	out, err := list.Output()
	require.NoError(t, err, stderr.String())
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		p.ImportPath = strings.TrimPrefix(p.ImportPath, module)
		all = append(all, p)
	}
}

func TestImportsPointOneWay(t *testing.T) {
	table, seen := allowed(), map[string]bool{}
	for _, p := range packages(t) {
		may, listed := table[p.ImportPath]
		if !listed {
			t.Errorf("package %s isn't in the table of this test: does it have a sentence in docs/design.md?", p.ImportPath)
			continue
		}
		seen[p.ImportPath] = true
		for _, imported := range p.Imports {
			ours, isOurs := strings.CutPrefix(imported, module)
			if isOurs && may != "*" && !slices.Contains(strings.Fields(may), ours) {
				t.Errorf("%s imports %s; it may import: %s", p.ImportPath, ours, may)
			}
		}
	}
	for name := range table {
		if !seen[name] {
			t.Errorf("the table names package %s, which doesn't exist", name)
		}
	}
}

func TestLibrariesHaveOneOwner(t *testing.T) {
	for _, p := range packages(t) {
		for _, imported := range p.Imports {
			for library, owner := range owners() {
				if (imported == library || strings.HasPrefix(imported, library+"/")) && !slices.Contains(strings.Fields(owner), p.ImportPath) {
					t.Errorf("%s imports %s, which belongs to: %s", p.ImportPath, imported, owner)
				}
			}
			if p.ImportPath == "internal/wtp" && strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
				t.Errorf("internal/wtp imports %s; it stays with the standard library", imported)
			}
			if imported == module+"internal/hss/hsstest" && p.ImportPath != "cmd/web" {
				t.Errorf("%s imports the simulator; only tests and cmd/web may", p.ImportPath)
			}
			if imported == module+"internal/db/dbtest" {
				t.Errorf("%s imports db/dbtest; only tests may", p.ImportPath)
			}
		}
		if p.ImportPath == "internal/e2e" && len(p.GoFiles)+len(p.CgoFiles) > 0 {
			t.Errorf("internal/e2e holds tests only")
		}
	}
}

// rule is what a search decides: no line of the files may match.
type rule struct {
	files func(name string) bool
	bad   *regexp.Regexp
	why   string
}

func goFiles(name string) bool    { return path.Ext(name) == ".go" }
func goSources(name string) bool  { return goFiles(name) && !strings.HasSuffix(name, "_test.go") }
func templFiles(name string) bool { return path.Ext(name) == ".templ" }

func rules() []rule {
	bad := func(files func(string) bool, pattern, why string) rule {
		return rule{files, regexp.MustCompile(pattern), why}
	}
	return []rule{
		bad(goFiles, `^func init\(`, "dependencies arrive in struct literals"),
		bad(goFiles, `templ\.[R]aw`, "text is always escaped"),
		bad(templFiles, `templ\.(Raw|JSONScript|JSUnsafeFuncCall)`, "text is always escaped"),
		bad(goFiles, `Insecure[S]kipVerify`, "certificates are always checked"),
		bad(goSources, `http\.DefaultClient|http\.(Get|Post|PostForm|Head)\(`, "it has no time limit"),
		bad(goFiles, `New[C]ookieStore`, "sessions are kept on the server"),
		bad(goSources, `\blog\.(Print|Fatal|Panic)`, "the log is slog"),
		bad(templFiles, `[\s"]style\s*=\s*["{]|<style`, "the content policy forbids inline styles"),
		bad(templFiles, `[\s"]on(click|change|submit|input|load|error|focus|blur|toggle|reset|select|scroll|key\w+|mouse\w+|pointer\w+|touch\w+|drag\w*|drop|paste|copy|before\w+)\s*=\s*["{]`, "the content policy forbids inline handlers"),
		bad(templFiles, `<script(\s+(defer|async|type="[^"]*"|integrity=\S+))*\s*>`, "the content policy forbids inline scripts"),
		bad(templFiles, `hx-on|["']js:|["']javascript:`, "it needs eval, which the content policy forbids"),
		bad(templFiles, `hx-(put|patch|delete)`, "writes are plain forms that work without a script"),
	}
}

func TestHouseRules(t *testing.T) {
	eachSource(t, func(name string, text []byte) {
		for _, r := range rules() {
			if !r.files(name) {
				continue
			}
			for i, line := range strings.Split(string(text), "\n") {
				if r.bad.MatchString(line) {
					t.Errorf("%s:%d: %q: %s", name, i+1, strings.TrimSpace(line), r.why)
				}
			}
		}
	})
}

func TestHouseRulesBite(t *testing.T) {
	for sample, file := range map[string]string{
		"func init() {": "x.go", "@templ." + "Raw(s)": "x.templ", "Insecure" + "SkipVerify: true": "x_test.go",
		"http.DefaultClient.Do(r)": "x.go", "http.Get(url)": "x.go", `log.Printf("x")`: "x.go",
		`<div style="x">`: "x.templ", `<a style={ s }>`: "x.templ", `<a onclick="x()">`: "x.templ", "<script>": "x.templ",
		`<script defer>`: "x.templ", `<form hx-delete="/x">`: "x.templ", `<i hx-on:click="x">`: "x.templ",
	} {
		require.True(t, slices.ContainsFunc(rules(), func(r rule) bool {
			return r.files(file) && r.bad.MatchString(sample)
		}), "%s in %s", sample, file)
	}
	for sample, file := range map[string]string{
		"http.Get(url)": "x_test.go", `<script src={ s } defer></script>`: "x.templ", `online = "x"`: "x.templ",
		`<link rel="stylesheet" href={ s }/>`: "x.templ", "func initial() {": "x.go",
	} {
		require.False(t, slices.ContainsFunc(rules(), func(r rule) bool {
			return r.files(file) && r.bad.MatchString(sample)
		}), "%s in %s", sample, file)
	}
}

func TestFilesStayShortAndWellNamed(t *testing.T) {
	refused := strings.Fields("util utils common helper helpers misc base manager service services repository dto model models")
	eachSource(t, func(name string, text []byte) {
		if lines := bytes.Count(text, []byte("\n")); lines > 500 {
			t.Errorf("%s has %d lines; split what is over 500 by noun", name, lines)
		}
		stem, _, _ := strings.Cut(strings.TrimSuffix(path.Base(name), "_test.go"), ".")
		for _, part := range []string{stem, path.Base(path.Dir(name))} {
			if slices.Contains(refused, part) {
				t.Errorf("%s: %q says nothing about what is in it", name, part)
			}
		}
	})
}

// eachSource visits what people wrote here: no generated and no vendored files.
func eachSource(t *testing.T, visit func(name string, text []byte)) {
	t.Helper()
	count := 0
	require.NoError(t, filepath.WalkDir("..", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() {
			hidden := strings.HasPrefix(base, ".") && base != ".."
			if hidden || slices.Contains([]string{"bin", "data", "testdata", "vendor", "node_modules"}, base) {
				return fs.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(base, "_templ.go") || !slices.Contains([]string{".go", ".templ", ".js"}, path.Ext(base)) {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		count++
		visit(filepath.ToSlash(strings.TrimPrefix(file, ".."+string(filepath.Separator))), text)
		return nil
	}))
	require.Greater(t, count, 20, "the sources were not found")
}
