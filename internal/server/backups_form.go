package server

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"wtp-console/internal/db"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// choicesShown is how many servers the picker offers at once.
const choicesShown = 10

// backupForm is one request to add or change a backup server, and what is known
// that it is checked against.
type backupForm struct {
	r       *request
	view    views.BackupFormView
	seen    string // what the person saw, as a token
	was     string // what HSS had when they saw it
	backups []wtp.BackupServer
	dirs    []string
}

// showAddBackup shows the empty form, or the one of a server that was chosen.
func (s *Server) showAddBackup(r *request) error {
	f := s.newBackupForm(r, wtp.BackupForm{HostID: strings.Trim(r.Query("host_id"), " ")}, false)
	f.search(strings.TrimSpace(r.Query("q")))
	if f.view.Form.HostID == "" {
		return f.show(http.StatusOK) // nothing to compare with yet: save the call
	}
	if !f.readPresent() {
		return f.show(http.StatusOK)
	}
	if f.view.Present == nil {
		choice, found, err := f.find(f.view.Form.HostID)
		if err != nil && !f.upstream(err) {
			return err
		}
		if found {
			f.view.Name, f.view.Form.IP = choice.Name, choice.PrivateIP
		}
	}
	f.fromAddress()
	f.fromPresent()
	return f.show(http.StatusOK)
}

// fromAddress fills the fields with what the address of the form carries: the
// configuration of a backup server that was removed and is to be added again.
func (f *backupForm) fromAddress() {
	for name, to := range map[string]*string{"ip": &f.view.Form.IP, "port": &f.view.Form.Port, "dir": &f.view.Form.Dir} {
		if value := f.r.Query(name); value != "" {
			*to = value
		}
	}
}

// showEditBackup shows the form with the present configuration, fresh from HSS.
func (s *Server) showEditBackup(r *request) error {
	f := s.newBackupForm(r, wtp.BackupForm{HostID: r.Param("host_id")}, true)
	stored, err := s.Store.BackupServer(r.ctx(), r.project.ID, f.view.Form.HostID)
	if err != nil && !errors.Is(err, wtp.ErrNotFound) {
		return err
	}
	f.view.Name = stored.Label()
	if !f.readPresent() {
		return f.show(http.StatusOK)
	}
	if f.view.Present == nil {
		if err != nil {
			return err // neither HSS nor the inventory has it
		}
		f.say("warn", wtp.Say("HSS no longer has this backup server. Saving would add it again."))
		f.view.Form.IP, f.view.Form.Port, f.view.Form.Dir = stored.IP, strconv.FormatInt(stored.Port, 10), stored.Dir
	}
	f.fromPresent()
	if undo := r.Query("undo"); undo != "" {
		if err := f.fillUndo(undo); err != nil {
			return err
		}
	}
	return f.show(http.StatusOK)
}

func (s *Server) addBackup(r *request) error { return s.saveBackup(r, false) }

func (s *Server) editBackup(r *request) error { return s.saveBackup(r, true) }

// saveBackup sends a change only if what the person saw, the difference between
// the configuration in HSS and theirs, is what HSS shows at this moment.
func (s *Server) saveBackup(r *request, edit bool) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	f := s.newBackupForm(r, formValues(in), edit)
	f.seen, f.was = in.Get("seen"), in.Get("was")
	if n, err := strconv.ParseInt(in.Get("undo"), 10, 64); err == nil && n > 0 {
		f.view.Undo = n
	}
	if edit && f.view.Form.HostID != r.Param("host_id") {
		return wtp.ErrNotFound
	}
	if !f.readPresent() {
		return f.show(http.StatusBadGateway)
	}
	to, err := f.check()
	var bad wtp.Invalid
	switch {
	case errors.As(err, &bad):
		f.view.Bad = bad
		return f.show(http.StatusUnprocessableEntity)
	case err != nil && f.upstream(err):
		return f.show(http.StatusBadGateway)
	case err != nil:
		return err
	}
	if status := f.settle(to); status != 0 {
		return f.show(status)
	}
	return s.confirmBackup(f, to)
}

// settle says with which status the form is shown again, or 0 if it may be sent.
func (f *backupForm) settle(to wtp.BackupConfig) int {
	switch {
	case f.view.Present != nil && f.view.Present.Config() == to:
		f.say("info", wtp.Say("HSS has exactly this configuration now. Nothing was sent."))
		return http.StatusOK
	case f.seen == seenToken(f.view.Present, to):
		return 0
	case f.was != "" && f.was != wasText(f.view.Present):
		f.say("bad", wtp.Say("HSS has another configuration now than when you opened this form. Nothing was sent. Look at the new difference, then save again."))
		return http.StatusConflict
	}
	f.say("info", wtp.Say("This is what would change. Nothing was sent yet. Look at the difference, then save again."))
	return http.StatusOK
}

func (s *Server) confirmBackup(f *backupForm, to wtp.BackupConfig) error {
	r := f.r
	if behind, err := f.behind(); err != nil || behind {
		if err != nil {
			return err
		}
		f.say("warn", wtp.Say("HSS has another configuration than the console's own list, which is being read again now. Save again in a minute. Nothing was sent."))
		return f.show(http.StatusConflict)
	}
	change, err := s.Store.ConfirmBackupUndo(r.ctx(), r.actor(), r.project.ID, f.view.Undo, f.view.Present, to,
		db.Confirmation{Reason: strings.TrimSpace(f.view.Form.Reason), Ticket: strings.TrimSpace(f.view.Form.Ticket)})
	var bad wtp.Invalid
	var refused *wtp.Refused
	switch {
	case errors.As(err, &bad):
		f.view.Bad = bad
		return f.show(http.StatusUnprocessableEntity)
	case errors.As(err, &refused) && errors.Is(err, wtp.ErrConflict):
		f.say("bad", refused.Text)
		return f.show(http.StatusConflict)
	case err != nil:
		return err
	}
	s.Wake()
	return r.see("/p/" + url.PathEscape(r.project.Slug) + "/changes/" + strconv.FormatInt(change.Number, 10))
}

// behind says whether the inventory differs from what HSS just answered, because
// somebody changed it outside, and if so has it read again: a change is recorded
// against the inventory, so that the history has no gap.
func (f *backupForm) behind() (bool, error) {
	s, r := f.r.s, f.r
	have, err := s.Store.BackupServer(r.ctx(), r.project.ID, f.view.Form.HostID)
	missing := errors.Is(err, wtp.ErrNotFound)
	if err != nil && !missing {
		return false, err
	}
	now := f.view.Present
	if missing == (now == nil) && (missing || have.IP == now.IP && have.Port == now.Port && have.Dir == now.Dir) {
		return false, nil
	}
	err = s.Store.WantRead(r.ctx(), r.project.ID)
	s.WakeReader()
	return true, err
}

// showBackupDiff is the fragment that follows the typing. It doesn't ask HSS:
// the page says what HSS had when it was made, and saving reads HSS again.
func (s *Server) showBackupDiff(r *request) error {
	f := s.newBackupForm(r, formValues(r.Request.URL.Query()), false)
	var was *wtp.BackupConfig
	if json.Unmarshal([]byte(r.Query("was")), &was) == nil && was != nil && was.HostID == strings.TrimSpace(f.view.Form.HostID) {
		f.view.Present = &wtp.BackupServer{HostID: was.HostID, Name: was.Name, IP: was.IP, Port: was.Port, Dir: was.Dir}
	} else if b, err := s.Store.BackupServer(r.ctx(), r.project.ID, strings.TrimSpace(f.view.Form.HostID)); err == nil {
		f.view.Present = &b
	} else if !errors.Is(err, wtp.ErrNotFound) {
		return err
	}
	var err error
	if f.backups, err = s.Store.BackupServers(r.ctx(), []int64{r.project.ID}); err != nil {
		return err
	}
	if err := f.readUses(); err != nil {
		return err
	}
	f.diff()
	f.view.Diff.Page = r.bare("backup-servers", "")
	return r.show(http.StatusOK, views.BackupDiff(f.view.Diff))
}

// listHosts is the fragment that the picker's search asks for.
func (s *Server) listHosts(r *request) error {
	f := s.newBackupForm(r, wtp.BackupForm{}, false)
	f.search(strings.TrimSpace(r.Query("q")))
	f.view.Picker.Page = r.bare("backup-servers", "")
	project := r.project
	f.view.Picker.Project = &project
	return r.show(http.StatusOK, views.HostChoices(f.view.Picker))
}

func formValues(in url.Values) wtp.BackupForm {
	return wtp.BackupForm{HostID: strings.Trim(in.Get("host_id"), " "), Accept: in.Get("accept") == "1", IP: in.Get("ip"),
		Port: in.Get("port"), Dir: in.Get("dir"), Reason: in.Get("reason"), Ticket: in.Get("ticket")}
}

func (s *Server) newBackupForm(r *request, form wtp.BackupForm, edit bool) *backupForm {
	return &backupForm{r: r, view: views.BackupFormView{Form: form, Edit: edit}}
}

func (f *backupForm) say(kind string, t wtp.Text) { f.view.Kind, f.view.Message = kind, &t }

// upstream notes that HSS didn't answer as hoped, if err is that.
func (f *backupForm) upstream(err error) bool {
	var up *wtp.Upstream
	if !errors.As(err, &up) {
		return false
	}
	f.view.Upstream = up
	return true
}

// readPresent reads the backup servers from HSS. False: HSS can't be read, and
// nothing may be saved blindly.
func (f *backupForm) readPresent() bool {
	s := f.r.s
	if s.ReadBackups == nil {
		f.view.Upstream = &wtp.Upstream{Text: wtp.Say("This console has no connection to HSS.")}
		return false
	}
	backups, err := s.ReadBackups(f.r.ctx(), f.r.project)
	if err != nil {
		if !f.upstream(err) {
			traceOf(f.r.ctx()).err = err
			f.view.Upstream = &wtp.Upstream{Text: wtp.Say("Reading failed inside the console. Quote request %s to whoever runs it.", f.r.id())}
		}
		return false
	}
	f.backups = backups
	if i := slices.IndexFunc(backups, func(b wtp.BackupServer) bool { return b.HostID == f.view.Form.HostID }); i >= 0 {
		f.view.Present = &backups[i]
		f.view.Name = backups[i].Label()
	}
	return true
}

// fromPresent fills the fields with the present configuration.
func (f *backupForm) fromPresent() {
	if p := f.view.Present; p != nil {
		f.view.Form.IP, f.view.Form.Port, f.view.Form.Dir = p.IP, strconv.FormatInt(p.Port, 10), p.Dir
	}
}

// check holds the form to its rules. HSS is asked only for what is still open
// once the fields are right in themselves: each call comes out of the shared
// budget.
func (f *backupForm) check() (wtp.BackupConfig, error) {
	form := f.view.Form
	to, err := form.Check(wtp.BackupFacts{Known: true})
	var bad wtp.Invalid
	errors.As(err, &bad)
	wrong := slices.ContainsFunc(bad, func(b wtp.FieldError) bool { return b.Field == "host_id" })
	if f.view.Present == nil && !form.Accept && !wrong {
		choice, known, findErr := f.find(form.HostID)
		if findErr != nil {
			return to, findErr
		}
		f.view.Name, f.view.AskTick = choice.Name, !known
		if !known {
			to, err = form.Check(wtp.BackupFacts{})
		}
	}
	if err != nil {
		return to, err
	}
	f.readDirs()
	to, err = form.Check(wtp.BackupFacts{Known: true, ProtectedDirs: f.dirs})
	if f.view.Present != nil {
		to.Name = f.view.Present.Name
	} else {
		to.Name = f.view.Name
	}
	return to, err
}

// readDirs reads what WTP protects on the chosen server itself, if it is in the
// inventory. Failing that, the form says so and the rule is left to the person.
func (f *backupForm) readDirs() {
	s, r := f.r.s, f.r
	if s.ProtectedDirs == nil {
		return
	}
	if _, err := s.Store.Server(r.ctx(), r.project.ID, f.view.Form.HostID); err != nil {
		return
	}
	dirs, err := s.ProtectedDirs(r.ctx(), r.project, f.view.Form.HostID)
	if err != nil {
		f.view.Unread = true
		return
	}
	f.dirs = dirs
}

// find asks HSS for the server with exactly this host ID.
func (f *backupForm) find(hostID string) (wtp.HostChoice, bool, error) {
	if f.r.s.FindHosts == nil || len(hostID) > 1024 {
		return wtp.HostChoice{}, false, nil
	}
	choices, err := f.r.s.FindHosts(f.r.ctx(), f.r.project, hostID)
	if err != nil {
		return wtp.HostChoice{}, false, err
	}
	i := slices.IndexFunc(choices, func(h wtp.HostChoice) bool { return h.HostID == hostID })
	if i < 0 {
		return wtp.HostChoice{}, false, nil
	}
	return choices[i], true, nil
}

// search fills the picker with what HSS finds for a query.
func (f *backupForm) search(query string) {
	f.view.Picker.Query = query
	if query == "" || f.r.s.FindHosts == nil || len(query) > 1024 {
		return
	}
	f.view.Picker.Searched = true
	choices, err := f.r.s.FindHosts(f.r.ctx(), f.r.project, query)
	var up *wtp.Upstream
	switch {
	case errors.As(err, &up):
		f.view.Picker.Upstream = up
	case err != nil:
		traceOf(f.r.ctx()).err = err
		f.view.Picker.Upstream = &wtp.Upstream{Text: wtp.Say("Reading failed inside the console. Quote request %s to whoever runs it.", f.r.id())}
	}
	f.view.Picker.More = len(choices) > choicesShown
	f.view.Picker.Choices = choices[:min(len(choices), choicesShown)]
}

// diff computes the difference that the page shows, with the token that stands
// for it.
func (f *backupForm) diff() {
	form := f.view.Form
	form.Reason = "-" // the difference doesn't depend on it
	form.Ticket = ""
	to, err := form.Check(wtp.BackupFacts{Known: true, ProtectedDirs: f.dirs})
	d := views.BackupDiffView{Page: f.view.Page, Adds: f.view.Present == nil, Bad: map[string]bool{}}
	var bad wtp.Invalid
	errors.As(err, &bad)
	for _, b := range bad {
		d.Bad[b.Field] = true
	}
	d.Fields = wtp.DiffBackup(f.view.Present, to)
	for i := range d.Fields {
		if d.Fields[i].Field == "port" && d.Bad["port"] {
			d.Fields[i].After = form.Port
			d.Fields[i].Changed = d.Fields[i].Before != form.Port
		}
	}
	if err == nil {
		d.Seen = seenToken(f.view.Present, to)
		d.Notes = wtp.BackupNotes(f.view.Present, to, f.backups, f.view.Uses)
	}
	f.view.Diff = d
}

// show renders the form with everything around it.
func (f *backupForm) show(status int) error {
	r := f.r
	title := r.printer().T("Add backup server")
	if f.view.Edit {
		title = r.printer().T("Change backup server")
	}
	p, err := r.page("backup-servers", title,
		views.Crumb{Text: r.printer().T("Backup servers"), Href: "/p/" + url.PathEscape(r.project.Slug) + "/backup-servers"}, views.Crumb{Text: title})
	if err != nil {
		return err
	}
	p.Narrow = true
	f.view.Page, f.view.Picker.Page = p, p
	if err := f.readUses(); err != nil {
		return err
	}
	f.view.Was = wasText(f.view.Present)
	f.diff()
	return r.show(status, views.BackupFormPage(f.view))
}

// readUses counts the servers that use the backup server, by group.
func (f *backupForm) readUses() error {
	if f.view.Form.HostID == "" {
		return nil
	}
	uses, err := f.r.s.Store.BackupUseByGroup(f.r.ctx(), f.r.project.ID, f.view.Form.HostID)
	for _, g := range uses {
		f.view.Groups = append(f.view.Groups, views.GroupUse{Name: g.Name, N: g.N})
		f.view.Uses += g.N
	}
	if err != nil {
		return err
	}
	old, err := f.r.s.Store.OldAddrs(f.r.ctx(), f.r.project.ID)
	f.view.Old = old[f.view.Form.HostID]
	return err
}

// wasText is what HSS has, as the page carries it; "null" for nothing.
func wasText(b *wtp.BackupServer) string {
	if b == nil {
		return "null"
	}
	text, err := json.Marshal(b.Config())
	if err != nil {
		return "null" // strings and a number always marshal
	}
	return string(text)
}

// seenToken stands for one difference: what HSS has and what would be sent. It
// keeps a person from sending what they didn't see; it is no secret.
func seenToken(now *wtp.BackupServer, to wtp.BackupConfig) string {
	to.Name = ""
	text, err := json.Marshal(to)
	if err != nil {
		return ""
	}
	old := "null"
	if now != nil {
		unnamed := *now
		unnamed.Name = ""
		old = wasText(&unnamed)
	}
	sum := sha256.Sum256([]byte(old + "\n" + string(text)))
	return hex.EncodeToString(sum[:])
}
