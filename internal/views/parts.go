package views

import (
	"strings"

	"github.com/a-h/templ"
)

// swap has a link or a GET form put the part of a page that is named so in place of what
// the page has there, so that what was typed beside it stays. The page is read whole: its
// address is pushed and can be opened, and the part needs hx-history-elt for the way back.
//
// The answer to a form stands at an address that only takes forms. Nobody can be led back
// to that, so the new address stands in its place.
func (p Page) swap(part, address string) templ.Attributes {
	address, _, _ = strings.Cut(address, "#")
	kept := "hx-push-url"
	if pathOf(address) != pathOf(p.Path) {
		kept = "hx-replace-url"
	}
	return templ.Attributes{
		"hx-get":    address,
		"hx-target": "#" + part,
		"hx-select": "#" + part,
		"hx-swap":   "outerHTML",
		"hx-sync":   "#" + part + ":replace",
		kept:        "true",
	}
}

// swapTop is swap for what stands away from the part, whose top is then shown.
func (p Page) swapTop(part, address string) templ.Attributes {
	a := p.swap(part, address)
	a["hx-swap"] = "outerHTML show:top"
	return a
}

func (v PagerView) swap(p Page, address string) templ.Attributes {
	if v.Part == "" {
		return nil
	}
	return p.swapTop(v.Part, address)
}

func pathOf(address string) string {
	path, _, _ := strings.Cut(address, "?")
	return path
}
