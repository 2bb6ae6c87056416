package server

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"

	"wtp-console/internal/db"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// maxUpload is how much of an upload is read at all; a list larger than
// wtp.MaxImportBytes is read to its end, so that the answer reaches the browser.
const maxUpload = 32 << 20

// showImport shows the form to paste a list.
func (s *Server) showImport(r *request) error {
	v, err := s.importView(r)
	if err != nil {
		return err
	}
	return r.show(http.StatusOK, views.ImportPage(v))
}

func (s *Server) importView(r *request) (views.ImportView, error) {
	t := r.printer()
	p, err := r.page("servers", t.T("Import IDs"), views.Crumb{Text: t.T("Servers"), Href: backToList(r, nil)}, views.Crumb{Text: t.T("Import IDs")})
	return views.ImportView{Page: p}, err
}

// checkImport looks a pasted or uploaded list up and leads to the report.
// Nothing is selected.
func (s *Server) checkImport(r *request) error {
	text, bad, err := r.list()
	if errors.Is(err, errTooLarge) {
		bad.Add("list", "The list is larger than 5 MB. Nothing was looked up. Send it in parts.")
		return s.refuseImport(r, http.StatusRequestEntityTooLarge, text, bad)
	}
	if err != nil {
		return err
	}
	entries, n := wtp.ParseImport(text)
	switch {
	case len(bad) > 0:
	case n == 0:
		bad.Add("list", "There is nothing in the list.")
	case n > wtp.MaxImportEntries:
		bad.Add("list", "The list has %d entries; at most 100,000 are looked up at once. Send it in parts.", n)
		return s.refuseImport(r, http.StatusRequestEntityTooLarge, text, bad)
	}
	if len(bad) > 0 {
		return s.refuseImport(r, http.StatusUnprocessableEntity, text, bad)
	}
	imp, err := s.Store.StoreImport(r.ctx(), r.user.ID, r.project.ID, entries)
	if err != nil {
		return err
	}
	return r.see(importPath(r, imp.UID))
}

func (s *Server) refuseImport(r *request, status int, text []byte, bad wtp.Invalid) error {
	v, err := s.importView(r)
	if err != nil {
		return err
	}
	if len(text) <= maxBody { // a larger one would only be sent back and forth
		v.Text = strings.ToValidUTF8(string(text), "\uFFFD")
	}
	v.Faults = bad
	v.Page.Path = importPath(r, "")
	return r.show(status, views.ImportPage(v))
}

// list reads the multipart form of a list: the text box or a file. What is
// larger than wtp.MaxImportBytes is read but not kept.
func (r *request) list() (text []byte, bad wtp.Invalid, err error) {
	kind, _, err := mime.ParseMediaType(r.GetHeader("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return nil, nil, errFormKind
	}
	parts, err := r.Request.MultipartReader()
	if err != nil {
		return nil, nil, errForm
	}
	given := map[string][]byte{}
	large := false
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return given["list"], nil, uploadError(err)
		}
		name := part.FormName()
		if name != "list" && name != "file" || given[name] != nil {
			continue // the next part begins after this one
		}
		body, err := io.ReadAll(io.LimitReader(part, wtp.MaxImportBytes+1))
		if err != nil {
			return given["list"], nil, uploadError(err)
		}
		if large = large || len(body) > wtp.MaxImportBytes; large {
			continue
		}
		given[name] = body
	}
	pasted, file := given["list"], given["file"]
	switch {
	case large:
		return pasted, nil, errTooLarge
	case len(file) > 0 && strings.TrimSpace(string(pasted)) != "":
		bad.Add("file", "Paste a list or choose a file, not both.")
		return pasted, bad, nil
	case len(file) > 0:
		return fromGB18030(file), nil, nil
	}
	return pasted, nil, nil
}

// fromGB18030 converts a file that a spreadsheet wrote on Chinese Windows; any other
// file is returned as it is.
func fromGB18030(file []byte) []byte {
	if utf8.Valid(file) || bytes.HasPrefix(file, []byte("\xff\xfe")) || bytes.HasPrefix(file, []byte("\xfe\xff")) {
		return file
	}
	text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(file)
	if err != nil || bytes.ContainsRune(text, utf8.RuneError) {
		return file
	}
	return text
}

func uploadError(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return errTooLarge
	}
	return errForm
}

func importPath(r *request, uid string) string {
	path := backToList(r, nil) + "/import"
	if uid != "" {
		path += "/" + url.PathEscape(uid)
	}
	return path
}

// showReport shows what became of the entries of a list.
func (s *Server) showReport(r *request) error {
	imp, err := s.Store.Import(r.ctx(), r.project.ID, r.Param("uid"))
	if err != nil {
		return err
	}
	return s.answerReport(r, http.StatusOK, imp, r.Request.URL.Query(), "")
}

func (s *Server) answerReport(r *request, status int, imp wtp.Import, q url.Values, refused string) error {
	v, err := s.importView(r)
	if err != nil {
		return err
	}
	v.Import, v.Refused = &imp, refused
	v.Mine = imp.UserID == r.user.ID
	if err := s.fillReport(r, &v, q); err != nil {
		return err
	}
	if len(v.Faults) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return r.show(status, views.ImportPage(v))
}

// fillReport loads a page of the entries, and the list itself as long as it
// fits a text box.
func (s *Server) fillReport(r *request, v *views.ImportView, q url.Values) error {
	var bad wtp.Invalid
	query := db.LineQuery{ImportID: v.Import.ID, Limit: listRows + 1}
	if v.Tab = wtp.ImportResult(q.Get("result")); v.Tab != "" {
		query.Results = []wtp.ImportResult{v.Tab}
		if !slices.Contains(wtp.ImportResults(), v.Tab) {
			bad.Add("result", "%q is not a result of a list.", string(v.Tab))
			v.Tab = ""
		}
	}
	var err error
	var badPlace wtp.Invalid
	if v.After, err = optionalNumber("after", q.Get("after")); errors.As(err, &badPlace) {
		bad = append(bad, badPlace...)
	}
	if v.Faults = bad; len(bad) > 0 {
		return nil
	}
	query.After = v.After
	lines, err := s.Store.ImportLines(r.ctx(), query)
	if err != nil {
		return err
	}
	if len(lines) > listRows {
		lines = lines[:listRows]
		v.Next = lines[listRows-1].Seq
	}
	candidates, err := s.Store.Candidates(r.ctx(), r.project.ID, lines)
	if err != nil {
		return err
	}
	for _, l := range lines {
		v.Rows = append(v.Rows, views.ImportRow{ImportLine: l, Servers: candidates[l.Seq]})
	}
	if v.Import.Entries > views.MaxListShown {
		return nil
	}
	all, err := s.Store.ImportLines(r.ctx(), db.LineQuery{ImportID: v.Import.ID, Limit: views.MaxListShown})
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, l := range all {
		text.WriteString(l.Text + "\n")
	}
	v.Text = text.String()
	return nil
}

// resolveImport settles the ambiguous entries for which a candidate was ticked.
func (s *Server) resolveImport(r *request) error {
	imp, err := s.Store.Import(r.ctx(), r.project.ID, r.Param("uid"))
	if err != nil {
		return err
	}
	form, err := r.form()
	if err != nil {
		return err
	}
	picks := map[int64]string{}
	for name, values := range form {
		number, ok := strings.CutPrefix(name, "pick-")
		seq, err := strconv.ParseInt(number, 10, 64)
		if ok && err == nil && len(values) == 1 && values[0] != "" && len(picks) < listRows {
			picks[seq] = values[0]
		}
	}
	q := url.Values{"result": {string(wtp.ImportAmbiguous)}}
	if len(picks) == 0 {
		return s.answerReport(r, http.StatusUnprocessableEntity, imp, q, r.printer().T("Tick a server for at least one of the entries."))
	}
	err = s.Store.ResolveImport(r.ctx(), r.user.ID, r.project.ID, imp.UID, picks)
	var refused *wtp.Refused
	if errors.As(err, &refused) {
		return s.answerReport(r, http.StatusConflict, imp, q, r.say(refused.Text))
	}
	if err != nil {
		return err
	}
	if imp, err = s.Store.Import(r.ctx(), r.project.ID, imp.UID); err != nil {
		return err
	}
	if imp.Ambiguous == 0 {
		q = nil
	}
	r.flash("ok", r.printer().N(int64(len(picks)), "%d entry was settled.", "%d entries were settled."))
	path := importPath(r, imp.UID)
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return r.see(path)
}

// selectImport adds what the list found to the reader's selection and leads to
// the servers.
func (s *Server) selectImport(r *request) error {
	imp, err := s.Store.Import(r.ctx(), r.project.ID, r.Param("uid"))
	if err != nil {
		return err
	}
	form, err := r.form()
	if err != nil {
		return err
	}
	shown, err := strconv.ParseInt(form.Get("found"), 10, 64)
	if err != nil || shown <= 0 {
		return s.answerReport(r, http.StatusUnprocessableEntity, imp, nil, r.printer().T("The list found no server that could be selected."))
	}
	n, err := s.Store.SelectImport(r.ctx(), r.user.ID, r.project.ID, imp.UID, shown)
	var refused *wtp.Refused
	if errors.As(err, &refused) {
		return s.answerReport(r, http.StatusConflict, imp, nil, r.say(refused.Text))
	}
	if err != nil {
		return err
	}
	r.flash("ok", r.printer().N(shown, "%d server of the list is selected, %d in all.", "%d servers of the list are selected, %d in all.", shown, n))
	return r.see(backToList(r, nil))
}

// exportImport writes the entries of a list with one result, with all, or with
// those that need somebody's attention, as a table.
func (s *Server) exportImport(r *request) error {
	imp, err := s.Store.Import(r.ctx(), r.project.ID, r.Param("uid"))
	if err != nil {
		return err
	}
	q := db.LineQuery{ImportID: imp.ID, Limit: csvRows}
	switch result := wtp.ImportResult(r.Query("result")); {
	case result == "problem":
		q.Results = views.ImportProblems()
	case slices.Contains(wtp.ImportResults(), result):
		q.Results = []wtp.ImportResult{result}
	case result != "":
		var bad wtp.Invalid
		bad.Add("result", "%q is not a result of a list.", string(result))
		return bad
	}
	lines, err := s.Store.ImportLines(r.ctx(), q)
	if err != nil {
		return err
	}
	t, err := r.csv("list.csv", "line", "entry", "result", "host_id", "name", "candidates", "duplicate_of_line", "why")
	if err != nil {
		return err
	}
	for len(lines) > 0 {
		for _, l := range lines {
			if err := t.row(strconv.FormatInt(l.Line, 10), l.Text, string(l.Result), l.HostID, l.Name, strconv.FormatInt(l.Candidates, 10), strconv.FormatInt(l.DuplicateOf, 10), string(l.Why)); err != nil {
				return err
			}
		}
		if err := t.flush(); err != nil || len(lines) < csvRows {
			return err
		}
		q.After = lines[len(lines)-1].Seq
		if lines, err = s.Store.ImportLines(r.ctx(), q); err != nil {
			return err // the table ends early; the log says why
		}
	}
	return t.flush()
}
