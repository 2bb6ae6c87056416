package server

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"wtp-console/internal/auth"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// maxKept is how many fields of a form are kept: far more than any of ours has,
// and few enough that the page with them stays small.
const maxKept = 5000

// holdsSecret names the fields that hold a secret. A form with one of them, filled
// in or not, is never given back.
func holdsSecret(field string) bool {
	switch field {
	case "password", "again", "present", "secret", "code", "token":
		return true
	}
	return false
}

// keepForm answers a form that came after its session had ended with a page that
// holds it, to be sent again. It reports false, having answered nothing, if the
// form isn't kept: there never was such a session, it has a secret or nothing in
// it, or it is larger than one that is taken.
func (r *request) keepForm() bool {
	action := localPath(r.Request.URL.RequestURI())
	if r.Request.Method != http.MethodPost || action == "/" {
		return false
	}
	// Only the holder of what was once a session has the console read and give
	// back megabytes. The cookie is Lax as well: another site's form comes
	// without it.
	cookie, err := r.Request.Cookie(r.s.sessionCookie())
	if err != nil {
		return false
	}
	if was, err := r.s.Store.WasSession(r.ctx(), auth.HashToken(cookie.Value)); err != nil || !was {
		return false
	}
	v := views.SignedOutView{Page: r.bare("", r.printer().T("You are signed out")), Action: action, SignIn: signInPath(action), RequestID: r.id(), At: r.now()}
	if err := r.readKept(&v); err != nil || len(v.Fields)+len(v.Files) == 0 {
		return false
	}
	if err := r.show(http.StatusUnauthorized, views.SignedOutPage(v)); err != nil {
		traceOf(r.ctx()).err = errors.Join(traceOf(r.ctx()).err, err)
	}
	return r.Writer.Written()
}

// readKept reads the fields of a form in the order they were sent.
func (r *request) readKept(v *views.SignedOutView) error {
	kind, params, err := mime.ParseMediaType(r.GetHeader("Content-Type"))
	switch {
	case err != nil:
		return errFormKind
	case kind == "application/x-www-form-urlencoded":
		body, err := io.ReadAll(r.Request.Body)
		if err != nil {
			return err
		}
		return keepValues(v, string(body))
	case kind == "multipart/form-data":
		v.Upload = true
		if err := keepParts(v, multipart.NewReader(r.Request.Body, params["boundary"])); err != nil {
			_, _ = io.Copy(io.Discard, r.Request.Body) // so that the answer reaches the browser
			return err
		}
		return nil
	}
	return errFormKind
}

func keepValues(v *views.SignedOutView, body string) error {
	for pair := range strings.SplitSeq(body, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return errForm
		}
		value, err = url.QueryUnescape(value)
		if err != nil {
			return errForm
		}
		if err := keepField(v, name, value); err != nil {
			return err
		}
	}
	return nil
}

func keepParts(v *views.SignedOutView, parts *multipart.Reader) error {
	room := int64(wtp.MaxImportBytes)
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := part.FormName()
		if part.FileName() != "" {
			if len(v.Files) == maxKept || holdsSecret(name) {
				return errForm
			}
			v.Files = append(v.Files, strings.ToValidUTF8(name, "\uFFFD"))
			continue
		}
		if name == "" || part.Header.Get("Content-Type") != "" { // the latter: a file that wasn't chosen
			continue
		}
		value, err := io.ReadAll(io.LimitReader(part, room+1))
		if err != nil {
			return err
		}
		if room -= int64(len(value)); room < 0 {
			return errTooLarge
		}
		if err := keepField(v, name, string(value)); err != nil {
			return err
		}
	}
}

func keepField(v *views.SignedOutView, name, value string) error {
	if holdsSecret(name) || len(v.Fields) == maxKept {
		return errForm
	}
	v.Fields = append(v.Fields, views.KeptField{Name: strings.ToValidUTF8(name, "\uFFFD"), Value: strings.ToValidUTF8(value, "\uFFFD")})
	return nil
}
