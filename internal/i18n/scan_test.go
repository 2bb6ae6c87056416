package i18n

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// use is one sentence of the source and where it stands.
type use struct{ id, where string }

// TestEverySentenceIsTranslated reads all sentences from the source. It fails for
// one without a translation, for a translation with other placeholders, for a
// sentence that isn't a literal, and for a translation that nothing uses.
func TestEverySentenceIsTranslated(t *testing.T) {
	uses, faults := scan(t, "../..")
	require.Greater(t, len(uses), 100, "the scan finds nothing; has the layout of the project changed?")
	c := load(t)
	used := map[string]bool{}
	for _, u := range uses {
		used[u.id] = true
		text, ok := c.chinese[u.id]
		switch {
		case !ok:
			faults = append(faults, u.where+": not translated: "+strconv.Quote(u.id))
		case !slices.Equal(placeholders(u.id), placeholders(text)):
			faults = append(faults, u.where+": other placeholders: "+strconv.Quote(u.id)+" / "+strconv.Quote(text))
		case strings.TrimSpace(text) == "":
			faults = append(faults, u.where+": empty: "+strconv.Quote(u.id))
		}
	}
	for id := range c.chinese {
		if !used[id] {
			faults = append(faults, "translated but not used: "+strconv.Quote(id))
		}
	}
	sort.Strings(faults)
	faults = slices.Compact(faults)
	if len(faults) > 0 {
		t.Errorf("%d faults:\n%s", len(faults), strings.Join(faults, "\n"))
	}
}

func scan(t *testing.T, root string) (uses []use, faults []string) {
	t.Helper()
	files := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && (strings.HasPrefix(name, ".") && name != ".." || name == "testdata" || name == "i18n") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if fn, ok := n.(*ast.FuncDecl); ok && handsOn(path, fn.Name.Name) {
				return false
			}
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			u, bad := sentences(call, files)
			uses, faults = append(uses, u...), append(faults, bad...)
			return true
		})
		return nil
	})
	require.NoError(t, err)
	return uses, faults
}

// sentences gives the catalogue keys that a call names.
func sentences(call *ast.CallExpr, files *token.FileSet) (uses []use, faults []string) {
	where := files.Position(call.Pos())
	name, owner := "", ""
	switch f := call.Fun.(type) {
	case *ast.SelectorExpr:
		name = f.Sel.Name
		if id, ok := f.X.(*ast.Ident); ok {
			owner = id.Name
		}
	case *ast.Ident:
		name = f.Name
		owner = filepath.Base(filepath.Dir(where.Filename))
	}
	at := strings.TrimPrefix(filepath.ToSlash(where.Filename), "../../") + ":" + strconv.Itoa(where.Line)
	literal := func(i int) string {
		if i >= len(call.Args) {
			return ""
		}
		if text, ok := constant(call.Args[i]); ok {
			return text
		}
		faults = append(faults, at+": "+name+" is called with something other than a literal")
		return ""
	}
	note := func(id string) {
		if id != "" {
			uses = append(uses, use{id, at})
		}
	}
	switch {
	case name == "T" && len(call.Args) > 0:
		note(literal(0))
	case name == "N" && len(call.Args) >= 3:
		one, many := literal(1), literal(2)
		note(many)
		if p := placeholders(one); len(p) > 0 && !slices.Equal(p, placeholders(many)) {
			faults = append(faults, at+": one and many have other placeholders: "+strconv.Quote(many))
		}
	case name == "Say" && owner == "wtp":
		note(literal(0))
	case name == "Add" && (owner == "bad" || owner == "invalid") && len(call.Args) >= 2:
		note(literal(1))
	case name == "conflict" && owner == "db":
		note(literal(0))
	case name == "invalid" && owner == "db":
		note(literal(1))
	}
	return uses, faults
}

// handsOn is true of the functions that only pass a sentence on: their callers
// name it.
func handsOn(path, name string) bool {
	switch filepath.Base(filepath.Dir(path)) + "." + name {
	case "wtp.Say", "wtp.Add", "db.conflict", "db.invalid", "views.Say":
		return true
	}
	return false
}

// constant is the value of a string literal or of several joined by +.
func constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			s, err := strconv.Unquote(e.Value)
			return s, err == nil
		}
	case *ast.BinaryExpr:
		a, okA := constant(e.X)
		b, okB := constant(e.Y)
		return a + b, okA && okB && e.Op == token.ADD
	case *ast.ParenExpr:
		return constant(e.X)
	}
	return "", false
}

// placeholders are the verbs of a sentence in the order of their values.
func placeholders(s string) []string {
	var out []string
	next := 1
	for _, m := range regexp.MustCompile(`%(?:\[(\d+)\])?([a-zA-Z%])`).FindAllStringSubmatch(s, -1) {
		if m[2] == "%" {
			continue
		}
		if m[1] != "" {
			next, _ = strconv.Atoi(m[1])
		}
		out = append(out, strconv.Itoa(next)+m[2])
		next++
	}
	sort.Strings(out)
	return out
}
