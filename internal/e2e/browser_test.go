package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// browser is one tab of a real Chromium, with what it said to its console.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu      sync.Mutex
	said    []string // console messages, uncaught errors, CSP violations
	shotDir string

	scriptless bool // JavaScript is off: a page is followed by loading it again
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("Chromium is missing; with CI=true no test may be left out")
		}
		t.Skip("Chromium is not installed: browser tests are left out")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("force-color-profile", "srgb"))
	alloc, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx, shotDir: os.Getenv("WTP_SHOTS")}
	b.must(chromedp.Do(ctx, chromedp.EmulateViewport(1440, 900)))
	b.listen()
	return b
}

// tab opens another tab of the same person.
func (b *browser) tab() *browser {
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.t.Cleanup(cancel)
	other := &browser{t: b.t, ctx: ctx, shotDir: b.shotDir}
	other.must(chromedp.Do(ctx, chromedp.EmulateViewport(1440, 900)))
	other.listen()
	return other
}

func (b *browser) listen() {
	messages := chromedp.Console(b.ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			b.mu.Lock()
			b.said = append(b.said, fmt.Sprintf("%s: %s (%s:%d)", m.Type, m.Text, m.URL, m.Line))
			b.mu.Unlock()
		}
	}()
}

// complaints are console messages that show a fault of the page. Chromium logs
// every answer of 400 and above as an error too; those are expected.
func (b *browser) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, s := range b.said {
		if !strings.Contains(s, "Failed to load resource") && !strings.HasPrefix(s, "info: Clear-Site-Data") {
			out = append(out, s)
		}
	}
	return out
}

func (b *browser) must(err error) {
	b.t.Helper()
	if err != nil {
		b.shot("failure-" + strings.ReplaceAll(b.t.Name(), "/", "-"))
		b.t.Fatalf("%v\nat %s\nconsole: %v", err, b.where(), b.complaints())
	}
}

func (b *browser) where() string {
	s, _ := chromedp.Run(b.ctx, chromedp.Location())
	return s
}

// do runs steps with a limit: an element may be missing.
func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	b.must(b.within(func(ctx context.Context) error { return chromedp.Do(ctx, steps...) }))
}

// within runs a step that finds an element and then uses it, again when the page
// replaced the element between the two, as htmx does with each fragment, or was left
// for another one: nothing was clicked, typed or read then.
func (b *browser) within(step func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for {
		err := step(ctx)
		if err == nil || !replaced(err) || ctx.Err() != nil {
			return err
		}
	}
}

// replaced tells Chromium's words for an element, or a whole page, that is gone since
// it was found.
func replaced(err error) bool {
	for _, words := range []string{
		"No node with given id", "Could not find node", "Node is detached", "does not have a layout object", "Could not compute content quads",
		"Inspected target navigated", "Execution context was destroyed", "Cannot find context with specified id", "Cannot find default execution context",
	} {
		if strings.Contains(err.Error(), words) {
			return true
		}
	}
	return false
}

func (b *browser) open(url string) { b.t.Helper(); b.do(chromedp.Navigate(url)) }

// follow presses an element and waits for the page it leads to.
func (b *browser) follow(css string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	_, err := chromedp.Run(ctx, chromedp.WaitEvent(page.LoadEventFired, nil, b.press(css)))
	if err != nil {
		err = fmt.Errorf("follow %s: %w", css, err)
	}
	b.must(err)
}

func (b *browser) click(css string) { b.t.Helper(); b.do(b.press(css)) }

// press is a click that reaches its element. Chromium is asked where the element is and
// told to press there: one that moved in between, because of what htmx or a font put
// above it, or that was replaced between the button's going down and up, isn't clicked.
// It is pressed again then.
func (b *browser) press(css string) chromedp.Action[chromedp.Void] {
	note := fmt.Sprintf(`(()=>{const p=window.press={hit:false};addEventListener("click",e=>{if(e.target.closest(%q))p.hit=true},true)})()`, css)
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		for {
			_, err := chromedp.Evaluate[chromedp.Void](note)(ctx, t)
			if err == nil {
				_, err = chromedp.Click(chromedp.CSS(css), chromedp.NodeVisible)(ctx, t)
			}
			if err != nil && replaced(err) && ctx.Err() == nil {
				continue
			}
			if err != nil {
				return err
			}
			// Nothing of the note is there once the click has led to another page, and
			// it hears nothing where scripts are off; no such page changes itself.
			hit, err := chromedp.Evaluate[bool](`window.press?.hit !== false`)(ctx, t)
			if err != nil || hit || b.scriptless {
				return nil
			}
		}
	})
}

// fill replaces what is in a field, as a person would by typing.
func (b *browser) fill(css, text string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(chromedp.CSS(css)), chromedp.Evaluate[chromedp.Void](fmt.Sprintf(
		`(()=>{const e=document.querySelector(%q); e.focus(); e.value=''; })()`, css)))
	b.do(chromedp.SendKeys(chromedp.CSS(css), text))
}

// paste puts text into a field at once.
func (b *browser) paste(css, text string) {
	b.t.Helper()
	quoted, err := json.Marshal(text)
	b.must(err)
	b.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.querySelector(%q).value = %s`, css, quoted)))
}

// withoutScripts turns JavaScript off for the tab's next pages.
func (b *browser) withoutScripts() {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.must(err)
	b.scriptless = true
}

// text reads an element in one step: the page may replace it at any time.
func (b *browser) text(css string) string {
	b.t.Helper()
	var s *string
	js := fmt.Sprintf(`document.querySelector(%q)?.innerText ?? null`, css)
	wait(b.t, css+" is on the page", func() bool { s = eval[*string](b, js); return s != nil })
	return strings.Join(strings.Fields(*s), " ")
}

func eval[T any](b *browser, js string) T {
	b.t.Helper()
	var v T
	b.must(b.within(func(ctx context.Context) (err error) {
		v, err = chromedp.Run(ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
		return err
	}))
	return v
}

func (b *browser) count(css string) int {
	b.t.Helper()
	return eval[int](b, fmt.Sprintf(`document.querySelectorAll(%q).length`, css))
}

// waitFor waits until the element's text contains part. That of a hidden element counts.
func (b *browser) waitFor(css, part string) {
	b.t.Helper()
	last := ""
	for end := time.Now().Add(patience); ; {
		late := time.Now().After(end)
		last = eval[string](b, fmt.Sprintf(`(document.querySelector(%q)||{innerText:"(no such element)"}).innerText`, css))
		if strings.Contains(strings.Join(strings.Fields(last), " "), part) {
			return
		}
		if late {
			b.must(fmt.Errorf("%s never contained %q; last: %q", css, part, last))
		}
		if b.scriptless {
			b.do(chromedp.Reload())
		}
		<-time.After(50 * time.Millisecond)
	}
}

// still keeps the page as it is, with the fonts it has: nothing is swapped any more. What
// is measured, looked at and given to axe must be one and the same.
func (b *browser) still() {
	b.t.Helper()
	eval[bool](b, `(()=>{for(const on of ["htmx:before:request","htmx:before:swap"])addEventListener(on,e=>e.preventDefault(),true);return document.fonts.ready.then(()=>true)})()`)
}

func (b *browser) size(width int64) {
	b.t.Helper()
	height := int64(900)
	if width < 500 {
		height = 844
	}
	b.do(chromedp.EmulateViewport(width, height))
}

// dark asks for the dark or the light theme, at once: while colours fade over, text
// lacks contrast for a moment.
func (b *browser) dark(on bool) {
	b.t.Helper()
	value := "light"
	if on {
		value = "dark"
	}
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
	b.must(err)
}

// shot keeps a picture when WTP_SHOTS names a directory.
func (b *browser) shot(name string) {
	if b.shotDir == "" {
		return
	}
	img, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Logf("no picture %s: %v", name, err)
		return
	}
	require.NoError(b.t, os.MkdirAll(b.shotDir, 0o755))
	require.NoError(b.t, os.WriteFile(filepath.Join(b.shotDir, name+".png"), img, 0o644))
}

// fullShot keeps a picture of the whole page.
func (b *browser) fullShot(name string) {
	if b.shotDir == "" {
		return
	}
	img, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Logf("no picture %s: %v", name, err)
		return
	}
	require.NoError(b.t, os.MkdirAll(b.shotDir, 0o755))
	require.NoError(b.t, os.WriteFile(filepath.Join(b.shotDir, name+".png"), img, 0o644))
}

// TestReadsAPageWhileItChanges reads an element that the page replaces all the time.
func TestReadsAPageWhileItChanges(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	b.open("data:text/html,<p id=p><button>0</button></p><script>let n=0;setInterval(()=>{" +
		"document.getElementById('p').outerHTML='<p id=p><button>'+(++n)+'</button></p>'},5)</script>")
	for range 100 {
		require.NotEmpty(t, b.text("#p button"))
	}
}

// TestPressesAPageWhileItChanges presses a button that the page replaces all the time:
// each press reaches it, and once.
func TestPressesAPageWhileItChanges(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	b.open("data:text/html,<p id=p><button>0</button></p><script>let n=0,pressed=0;setInterval(()=>{" +
		"document.getElementById('p').outerHTML='<p id=p><button>'+(++n)+'</button></p>'},10);" +
		"addEventListener('click',e=>{if(e.target.closest('button'))pressed++})</script>")
	for i := range 20 {
		b.click("#p button")
		require.Equal(t, i+1, eval[int](b, `pressed`))
	}
}
