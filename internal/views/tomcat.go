package views

import (
	"encoding/json"
	"net/url"
	"strconv"

	"wtp-console/internal/wtp"
)

// TomcatView is the form that sets the Tomcat bin directory of a server.
type TomcatView struct {
	Page
	Server   wtp.Server
	Known    wtp.TomcatBin // ReadAt 0: not read yet
	Form     wtp.TomcatForm
	To       string // what was checked and is shown as the difference; "": nothing yet
	Seen     string // token of that difference
	Undo     int64  // number of the change that the form was opened to undo; 0: none
	Bad      []wtp.FieldError
	Kind     string // of Message
	Message  *wtp.Text
	Upstream *wtp.Upstream
}

func (v TomcatView) name() string { return serverName(v.Server) }

func (v TomcatView) url(parts ...string) string {
	return v.URL(append([]string{"servers", v.Server.HostID, "tomcat-dir"}, parts...)...)
}

func (v TomcatView) serverURL() string { return v.URL("servers", v.Server.HostID) }

func (v TomcatView) field(name, label, hint string) FieldView {
	return FieldView{Name: name, Label: label, Hint: hint, Error: v.FieldErrors(v.Bad)[name]}
}

func (v TomcatView) labels() map[string]string {
	return map[string]string{"dir": v.T("Tomcat bin directory"), "reason": v.T("Reason"), "ticket": v.T("Ticket")}
}

// diffs is the difference that would be sent.
func (v TomcatView) diffs() []wtp.FieldDiff {
	return []wtp.FieldDiff{{Field: "dir", Before: v.Known.Dir, After: v.To, Changed: true}}
}

func (v TomcatView) button() string {
	if v.To == "" {
		return v.T("Show the difference")
	}
	return v.T("Set the directory")
}

func (v TomcatView) undoText() string { return strconv.FormatInt(v.Undo, 10) }

// NoDirView lists the servers of a preview whose Tomcat bin directory isn't known.
type NoDirView struct {
	Page
	Plan    wtp.Change
	N       int64 // of all
	Targets []wtp.Target
	First   bool
	Next    int64 // seq
}

func (v NoDirView) planURL() string { return v.URL("previews", v.Plan.UID) }

func (v NoDirView) pager() PagerView {
	p := PagerView{Text: v.T("%d of %d", len(v.Targets), v.N)}
	list := v.URL("previews", v.Plan.UID, "tomcat-dirs")
	if !v.First {
		p.First = list
	}
	if v.Next > 0 {
		p.Next = withQuery(list, "after="+strconv.FormatInt(v.Next, 10))
	}
	return p
}

// NoDirText is what a preview says of servers whose Tomcat bin directory isn't known.
func (p Page) NoDirText(n int64) string {
	return p.N(n, "For %d of these servers the Tomcat bin directory is not known here. HSS needs it to put its setenv.sh in place.",
		"For %d of these servers the Tomcat bin directory is not known here. HSS needs it to put its setenv.sh in place.")
}

// tomcatConfigs are what a change of kind TomcatDir was and is to be.
func tomcatConfigs(c wtp.Change) (before, after wtp.TomcatConfig) {
	if json.Unmarshal([]byte(c.BackupBefore), &before) != nil || json.Unmarshal([]byte(c.BackupAfter), &after) != nil {
		return wtp.TomcatConfig{}, wtp.TomcatConfig{}
	}
	return before, after
}

// tomcatTitle says what a change of kind TomcatDir does.
func (p Page) tomcatTitle(c wtp.Change, past bool) string {
	_, to := tomcatConfigs(c)
	name := Plain(to.Name)
	if name == "" {
		name = to.HostID
	}
	switch {
	case c.UndoOf != 0 && past:
		return p.T("Undid %s: set the Tomcat bin directory of %s to %s", numberText(c.UndoOf), name, to.Dir)
	case c.UndoOf != 0:
		return p.T("Undo %s: set the Tomcat bin directory of %s to %s", numberText(c.UndoOf), name, to.Dir)
	case past:
		return p.T("The Tomcat bin directory of %s was set to %s", name, to.Dir)
	}
	return p.T("Set the Tomcat bin directory of %s to %s", name, to.Dir)
}

func (v ServerView) tomcatURL(parts ...string) string {
	return v.URL(append([]string{"servers", v.Server.HostID, "tomcat-dir"}, parts...)...)
}

func (v ServerView) restartURL() string {
	return withQuery(v.URL("restarts"), url.Values{"q": {v.Server.HostID}}.Encode())
}

// noTomcatUndo says why the form to undo a change of a Tomcat bin directory isn't
// offered, "" if it is.
func (v ChangeView) noTomcatUndo() string {
	before, _ := tomcatConfigs(v.Change)
	switch {
	case before.Dir == "":
		return v.T("Not possible: no directory was set before. HSS cannot take one away.")
	case v.UndoBackup == "":
		return v.T("Not possible: HSS does not show what this change set.")
	}
	return ""
}

// MoreRestarts is how far the entries of one change on the restart list are counted.
const MoreRestarts = 10_000

func (v ChangeView) restartsURL() string {
	return withQuery(v.URL("restarts"), "change="+strconv.FormatInt(v.Change.Number, 10))
}
