// Package teeth_test proves that the suite bites: it seeds bugs that would cost
// a team its trust, one at a time, and fails unless the tests fail on each.
package teeth_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// edit replaces one piece of a source file; the piece must stand there once.
type edit struct{ file, old, bug string }

// seeded is a bug, and the tests that must find it.
type seeded struct {
	name  string
	edits []edit
	tests string // package, and -run pattern after a blank
	tries int    // 0: one. A bug that shows only when two meet may be missed once
}

func bugs() []seeded {
	return []seeded{
		{"a batch is sent before its intent is recorded", []edit{
			{"internal/apply/send.go", "	s.call, err = w.Store.BeginCall(ctx, w.owner, b, s.call)\n",
				"	_, _ = w.Connect.Prepaid(ctx, s.call.Operation, s.taken, func(ctx context.Context) (hss.Meta, error) { return how.write(ctx, client, targets) })\n	s.call, err = w.Store.BeginCall(ctx, w.owner, b, s.call)\n"},
		}, "internal/apply Thousand|Every|Hung", 0},
		{"status is left out of the body when it is false", []edit{
			{"internal/hss/rasp.go", "`json:\"status\"`", "`json:\"status,omitempty\"`"},
		}, "internal/hss", 0},
		{"a redirect is taken for success", []edit{
			{"internal/hss/call.go", "	if resp.StatusCode == op.want {\n", "	if resp.StatusCode == op.want || resp.StatusCode == http.StatusFound {\n"},
		}, "internal/hss", 0},
		{"transactions begin deferred", []edit{
			{"internal/db/sqlite.go", "_txlock=immediate", "_txlock=deferred"},
		}, "internal/db TestConsoleAndCommand", 20},
	}
}

// TestSeededBugsAreFound runs the named tests on sources with the bug put in by
// the compiler's overlay; the tree itself is never changed.
func TestSeededBugsAreFound(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	for _, bug := range bugs() {
		t.Run(strings.ReplaceAll(bug.name, " ", "-"), func(t *testing.T) {
			overlay := seed(t, root, bug.edits)
			pkg, run, _ := strings.Cut(bug.tests, " ")
			out, err := goTest(root, overlay, pkg, "^$", 1)
			require.NoError(t, err, "with the bug in, the sources must still compile:\n%s", out)
			out, err = goTest(root, overlay, pkg, run, max(bug.tries, 1))
			require.Error(t, err, "no test of %s noticed", pkg)
			require.Contains(t, out, "--- FAIL", "it must be a test that fails")
			t.Log(firstFailure(out))
		})
	}
}

func goTest(root, overlay, pkg, run string, tries int) (string, error) {
	args := []string{"test", "-overlay", overlay, fmt.Sprintf("-count=%d", tries), "-failfast"}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, set := range info.Settings {
			if set.Key == "-tags" { // with others, SQLite would be compiled a second time
				args = append(args, "-tags="+set.Value)
			}
		}
	}
	args = append(args, "./"+pkg)
	if run != "" {
		args = append(args, "-run", run)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// seed writes the changed sources aside and the overlay that puts them in place.
func seed(t *testing.T, root string, edits []edit) string {
	t.Helper()
	dir := t.TempDir()
	texts := map[string]string{}
	for _, e := range edits {
		text, ok := texts[e.file]
		if !ok {
			b, err := os.ReadFile(filepath.Join(root, e.file))
			require.NoError(t, err)
			text = string(b)
		}
		require.Equal(t, 1, strings.Count(text, e.old), "%s has changed: seed the bug anew", e.file)
		texts[e.file] = strings.Replace(text, e.old, e.bug, 1)
	}
	replace := map[string]string{}
	for file, text := range texts {
		to := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		require.NoError(t, os.WriteFile(to, []byte(text), 0o600))
		replace[filepath.Join(root, file)] = to
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	overlay := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(overlay, b, 0o600))
	return overlay
}

func firstFailure(out string) string {
	for line := range strings.Lines(out) {
		if strings.Contains(line, "--- FAIL") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}
