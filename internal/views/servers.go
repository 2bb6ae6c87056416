package views

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"wtp-console/internal/wtp"
)

// ServersView is the list of servers of a project or, without Page.Project, of
// all projects; there nothing can be selected.
type ServersView struct {
	Page
	Total         int64 // servers in the inventory, whatever the filter
	Filter        wtp.ServerFilter
	Slugs         []string // the projects asked for, on the page of all projects
	Sort          string   // "name" or "attacks"
	Groups        []string // names of server groups; "" for no group
	Backups       []wtp.BackupServer
	Rows          []wtp.Server
	Matching      int64 // servers that match the filter
	More          bool  // there are more than Matching
	After, Before string
	Prev, Next    string           // cursors of the pages beside this one, "" for none
	Until         map[string]Until // of those on the page that are off for a while, by UntilKey
	Ticked        map[string]bool
	Selected      int64            // size of the whole selection
	Outside       int64            // selected servers that the filter doesn't match
	Faults        []wtp.FieldError // of the filter or of what was asked; the list is empty then
	Refused       string           // why nothing was selected: another number matches than the button said, or it had to be counted first
}

// selectable says whether the reader may choose servers here.
func (v ServersView) selectable() bool { return v.Project != nil && v.May(wtp.Act) }

// query is the filter and order as a query string without the place in the list.
func (v ServersView) query() url.Values {
	q := v.Filter.Values()
	for _, slug := range v.Slugs {
		q.Add("project", slug)
	}
	if v.Sort != "" && v.Sort != "name" {
		q.Set("sort", v.Sort)
	}
	return q
}

// Query is the query string of this very page of the list.
func (v ServersView) Query() string {
	q := v.query()
	if v.After != "" {
		q.Set("after", v.After)
	}
	if v.Before != "" {
		q.Set("before", v.Before)
	}
	return q.Encode()
}

func withQuery(path, query string) string {
	if query == "" {
		return path
	}
	return path + "?" + query
}

// PageURL is the address of this very page of the list.
func (v ServersView) PageURL() string { return withQuery(v.URL("servers"), v.Query()) }

// place is another page of the same list.
func (v ServersView) place(name, cursor string) string {
	q := v.query()
	q.Set(name, cursor)
	return q.Encode()
}

// sorted is the same list in another order, from its start.
func (v ServersView) sorted(by string) string {
	w := v
	w.Sort = by
	return w.query().Encode()
}

// without is the same list without one field of the filter.
func (v ServersView) without(field string) string {
	q := v.query()
	q.Del(field)
	return withQuery(v.URL("servers"), q.Encode())
}

func (v ServersView) cleared() string {
	q := url.Values{}
	if v.Sort != "" && v.Sort != "name" {
		q.Set("sort", v.Sort)
	}
	return withQuery(v.URL("servers"), q.Encode())
}

func (v ServersView) filtered() bool { return !v.Filter.Empty() || len(v.Slugs) > 0 }

// matching is the count as text, "10,000+" if there are more than were counted.
func (v ServersView) matching() string {
	if v.More {
		return v.Int(v.Matching) + "+"
	}
	return v.Int(v.Matching)
}

func (v ServersView) countText() string {
	if v.More {
		return v.T("%s servers", v.matching())
	}
	return v.N(v.Matching, "%d server", "%d servers")
}

func (v ServersView) rangeText() string {
	return v.T("%d of %s", len(v.Rows), v.matching())
}

func (v ServersView) caption() string {
	if v.Sort == "attacks" {
		return v.T("%d of %s servers, most attacked first", len(v.Rows), v.matching())
	}
	return v.T("%d of %s servers, by name", len(v.Rows), v.matching())
}

func (v ServersView) subtitle() string {
	if v.Project == nil {
		return v.N(v.Total, "%d server protected by WTP in all projects", "%d servers protected by WTP in all projects")
	}
	return v.N(v.Total, "%d server protected by WTP in %s", "%d servers protected by WTP in %s", v.Total, v.Project.Name)
}

// allMatching says whether every server that matches is selected.
func (v ServersView) allMatching() bool {
	return len(v.Faults) == 0 && !v.More && v.Matching > 0 && v.Selected-v.Outside == v.Matching
}

// wholePage says whether every server on the page is selected.
func (v ServersView) wholePage() bool {
	for _, s := range v.Rows {
		if !v.Ticked[s.HostID] {
			return false
		}
	}
	return len(v.Rows) > 0
}

func (v ServersView) noteText() string {
	switch {
	case v.allMatching() && v.filtered():
		return v.N(v.Matching, "The one matching server is selected.", "All %d matching servers are selected.")
	case v.allMatching():
		return v.N(v.Matching, "The one server is selected.", "All %d servers are selected.")
	case v.wholePage() && v.Selected == int64(len(v.Rows)):
		return v.N(v.Selected, "The server on this page is selected.", "All %d servers on this page are selected.")
	}
	return v.N(v.Selected, "%d server is selected.", "%d servers are selected.")
}

func (v ServersView) outsideText() string {
	return v.N(v.Outside, "%d of the selected servers is outside this filter.", "%d of the selected servers are outside this filter.")
}

func (v ServersView) selectMatchingText() string {
	if v.More {
		return v.T("Select all %s matching servers…", v.matching())
	}
	return v.N(v.Matching, "Select the matching server", "Select all %d matching servers")
}

// matchingWord is what selects every server that matches, with the number that the
// button says. Without a filter it says that all are meant: a filter that gets lost must
// not mean it. Where more match than were counted, they are counted first.
func (v ServersView) matchingWord() string {
	if v.More {
		return "count"
	}
	if v.Filter.Empty() {
		return "all-" + decimalInt(v.Matching)
	}
	return "matching-" + decimalInt(v.Matching)
}

func (v ServersView) selectPageText() string {
	n := int64(len(v.Rows))
	return v.N(n, "Select only the server on this page", "Select only the %d on this page")
}

func (v ServersView) selectedText() string {
	return v.N(v.Selected, "%d server selected", "%d servers selected")
}

// of is the page as seen from the project of a row.
func (v ServersView) of(s wtp.Server) Page {
	p := v.Page
	if p.Project != nil {
		return p
	}
	for i := range p.Projects {
		if p.Projects[i].ID == s.ProjectID {
			p.Project = &p.Projects[i]
		}
	}
	return p
}

func (v ServersView) serverURL(s wtp.Server) string { return v.of(s).URL("servers", s.HostID) }

func (v ServersView) projectName(s wtp.Server) string {
	if p := v.of(s).Project; p != nil {
		return p.Name
	}
	return ""
}

func (v ServersView) backupName(s wtp.Server) string {
	for _, b := range v.Backups {
		if b.ProjectID == s.ProjectID && b.HostID == s.BackupHostID {
			return backupServerName(b)
		}
	}
	return s.BackupHostID
}

func backupServerName(b wtp.BackupServer) string {
	switch {
	case b.Name != "":
		return Plain(b.Name)
	case b.IP != "":
		return b.IP
	}
	return b.HostID
}

// metaText is the line under the name on a narrow screen.
func (v ServersView) metaText(s wtp.Server) string {
	var parts []string
	for _, part := range []string{s.PrivateIP, Plain(s.GroupName)} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if s.OS != "linux" {
		parts = append(parts, v.osName(s.OS))
	}
	if v.Project == nil {
		parts = append(parts, v.projectName(s))
	}
	return strings.Join(parts, " · ")
}

func (v ServersView) attacksText(n int64) string { return v.N(n, "%d attack", "%d attacks") }

func (p Page) osName(word string) string {
	switch word {
	case "linux":
		return p.T("Linux")
	case "windows":
		return p.T("Windows")
	case "":
		return p.T("Not reported")
	}
	return word
}

// listedLater says whether what only the list shows is much older than the rest.
func (p Page) listedLater() bool {
	return p.Project.ListedAt != 0 && p.Project.ReadAt.Sub(p.Project.ListedAt) > 10*time.Minute
}

func (p Page) importanceName(word string) string {
	switch word {
	case "important":
		return p.T("Important")
	case "common":
		return p.T("Common")
	case "test":
		return p.T("Test")
	case wtp.Unlisted:
		return p.T("Not read yet")
	case "":
		return p.T("Not reported")
	}
	return word
}

func (p Page) hostStatusName(word string) string {
	switch word {
	case "active":
		return p.T("Active")
	case "shutoff":
		return p.T("Shut down")
	case "building":
		return p.T("Being created")
	case "error":
		return p.T("Faulty")
	case "":
		return p.T("Not reported")
	}
	return word
}

// facet is one chip of the filter: a field and the values to choose from.
type facet struct {
	name, label string
	options     []facetOption
	comma       string
	remove      string // address without this field
	single      bool   // one value at most
}

type facetOption struct {
	value, label string
	on           bool
}

// chosen is what the chip says is filtered by; "" if nothing is.
func (f facet) chosen() string {
	var on []string
	for _, o := range f.options {
		if o.on {
			on = append(on, o.label)
		}
	}
	if len(on) > 2 {
		on = append(on[:2:2], "…")
	}
	return strings.Join(on, f.comma)
}

func (v ServersView) facets() []facet {
	words := func(field string, chosen []string, label func(string) string) []facetOption {
		return options(wtp.FilterWords(field), chosen, label)
	}
	groups := make([]string, 0, len(v.Groups))
	for _, g := range v.Groups {
		if g == "" {
			g = "-"
		}
		groups = append(groups, g)
	}
	backups := []string{"-"}
	for _, b := range v.Backups {
		backups = append(backups, b.HostID)
	}
	attacked := []string{}
	if v.Filter.Attacked {
		attacked = []string{"1"}
	}
	fs := []facet{
		{name: "group", label: v.T("Group"), options: options(groups, v.Filter.Group, v.groupName)},
		{name: "dynamic", label: v.T("Dynamic WTP"), options: words("dynamic", v.Filter.Dynamic, func(w string) string { return dynamicWord(v.Page, w).text })},
		{name: "wtp", label: v.T("WTP status"), options: words("wtp", v.Filter.WTP, func(w string) string { return wtpStatus(v.Page, w).text })},
		{name: "agent", label: v.T("Agent"), options: words("agent", v.Filter.Agent, func(w string) string { return agentStatus(v.Page, w).text })},
		{name: "os", label: v.T("OS"), options: words("os", v.Filter.OS, v.osName)},
		{name: "backup", label: v.T("Backup server"), options: options(backups, v.Filter.Backup, v.backupLabel)},
		{name: "importance", label: v.T("Importance"), options: words("importance", v.Filter.Importance, v.importanceName)},
		{name: "attacks", label: v.T("Attacks"), options: options([]string{"1"}, attacked, func(string) string { return v.T("Attacked in the last 7 days") })},
	}
	if v.Project == nil {
		var slugs []string
		for _, p := range v.Projects {
			slugs = append(slugs, p.Slug)
		}
		fs = append([]facet{{name: "project", label: v.T("Project"), options: options(slugs, v.Slugs, v.slugName)}}, fs...)
	}
	for i := range fs {
		fs[i].comma, fs[i].remove = v.T(", "), v.without(fs[i].name)
	}
	return fs
}

// options lists the values to choose from, and those chosen that are not among
// them, so that a chip never hides what filters.
func options(values, chosen []string, label func(string) string) []facetOption {
	var os []facetOption
	for _, value := range values {
		os = append(os, facetOption{value, label(value), slices.Contains(chosen, value)})
	}
	for _, value := range chosen {
		if !slices.Contains(values, value) {
			os = append(os, facetOption{value, label(value), true})
		}
	}
	return os
}

func (v ServersView) groupName(word string) string {
	if word == "-" {
		return v.T("No group")
	}
	return word
}

func (v ServersView) backupLabel(word string) string {
	if word == "-" {
		return v.T("None")
	}
	for _, b := range v.Backups {
		if b.HostID == word {
			return backupServerName(b)
		}
	}
	return word
}

func (v ServersView) slugName(slug string) string {
	for _, p := range v.Projects {
		if p.Slug == slug {
			return p.Name
		}
	}
	return slug
}

func serverName(s wtp.Server) string {
	if s.Name == "" {
		return s.HostID
	}
	return Plain(s.Name)
}

// unread says that HSS was read for none of the projects of this list, so that
// an empty one says nothing about HSS.
func (v ServersView) unread() bool {
	if v.Project != nil {
		return v.Project.ReadAt == 0
	}
	return !slices.ContainsFunc(v.Projects, func(p wtp.Project) bool { return p.ReadAt != 0 })
}

// outOfBand marks a part that a fragment swaps besides its main one.
func outOfBand(swap bool) templ.Attributes {
	if !swap {
		return nil
	}
	return templ.Attributes{"hx-swap-oob": "true"}
}

// morph is outOfBand for a part that may have the focus: what stays the same
// stays in place.
func morph(swap bool) templ.Attributes {
	if !swap {
		return nil
	}
	return templ.Attributes{"hx-swap-oob": "outerMorph"}
}

// listSwap makes a link swap the list alone.
func listSwap(v ServersView, query string) templ.Attributes {
	return templ.Attributes{
		"hx-get":    withQuery(v.URL("servers", "list"), query),
		"hx-target": "#list",
		"hx-swap":   "outerHTML show:top",
	}
}

func sortState(on bool, state string) templ.Attributes {
	if !on {
		return nil
	}
	return templ.Attributes{"aria-sort": state}
}

// describe says in words what a filter kept as a query string asks for.
func (p Page) describe(query string) string {
	q, err := url.ParseQuery(query)
	if err != nil {
		return query
	}
	f, err := wtp.ParseServerFilter(q)
	if err != nil {
		return query
	}
	var parts []string
	if f.Query != "" {
		parts = append(parts, p.T("name, ID or IP has “%s”", f.Query))
	}
	for _, x := range (ServersView{Page: p, Filter: f}).facets() {
		if x.chosen() != "" {
			parts = append(parts, p.T("%s: %s", x.label, x.chosen()))
		}
	}
	if len(parts) == 0 {
		return p.T("All servers")
	}
	return strings.Join(parts, "; ")
}
