package e2e_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var demoControl = regexp.MustCompile(`control at (http://\S+)`)

// TestWhatFollowsAChange goes on from a change that stopped by itself, retries
// what HSS refused, selects and undoes, all by what the pages offer, and looks
// at each of these pages in all its forms.
func TestWhatFollowsAChange(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	p := demo(t)
	url, password := demoOpen.FindStringSubmatch(p.stdout())[1], demoPassword.FindStringSubmatch(p.stdout())[1]
	control := strings.TrimSuffix(demoControl.FindStringSubmatch(p.stdout())[1], "/")
	fault := func(body string) {
		t.Helper()
		resp, err := http.Post(control+"/faults", "application/json", strings.NewReader(body))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 200, resp.StatusCode, body)
	}
	b.open(url + "/sign-in")
	b.fill("#name", "mei")
	b.fill("#password", password)
	b.follow("form [type=submit]")
	b.raiseLimit(url)
	b.open(url + "/settings/limits")
	b.fill("#calls_at_once", "1") // so that the culprit is found before the fault
	b.follow("main form [type=submit]")

	b.open(url + b.planStorefront(url, 1000))
	poisoned := eval[string](b, `document.querySelector("#servers tbody a").getAttribute("href").split("/").pop()`)
	fault(fmt.Sprintf(`{"op":"SetRaspSwitch","kind":"refuse","hosts":[%q]}`, poisoned))
	fault(`{"op":"SetRaspSwitch","kind":"status","status":403,"after":9,"times":1}`)
	b.fill("#reason", "Roll-out of dynamic WTP, wave 8: storefront")
	b.fill("#ticket", "CHG-20902")
	b.follow("#go")
	change := strings.TrimPrefix(b.where(), url)
	b.waitFor("#change-head", "Stopped")
	b.open(url + change)
	require.Contains(t, b.text("#progress .notice"), "Go on with")
	b.glance(url, "after-stopped", change)
	b.open(url + change)
	b.follow(`#progress form[action$="/retry"] button`)
	require.Equal(t, "Roll-out of dynamic WTP, wave 8: storefront", eval[string](b, `document.querySelector("#reason").value`))
	b.follow("#go")
	next := strings.TrimPrefix(b.where(), url)
	b.waitFor("#change-head", "Finished")

	b.open(url + change + "?outcome=refused")
	b.follow("#select-these button")
	b.shot("after-selected")
	require.Contains(t, b.text("#bulk"), "1 server")

	b.open(url + next)
	b.follow(`#change-head form[action$="/undo"] button`)
	require.Contains(t, b.text("h1"), "Undo #")
	undo := b.where()
	b.glance(url, "after-undo", strings.TrimPrefix(undo, url))
	b.open(undo)
	require.Contains(t, eval[string](b, `document.querySelector("#reason").value`), "Undo of #")
	if b.count("#confirm") > 0 {
		b.fill("#confirm", eval[string](b, `document.querySelector("#confirm").dataset.confirm`))
	}
	b.follow("#go")
	b.waitFor("#change-head", "Finished")
	require.Contains(t, b.text("#record"), "Undoes")
	b.glance(url, "after-undone", next)
	require.Empty(t, b.complaints())
}
