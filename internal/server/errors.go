package server

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// Errors that only a request can have.
var (
	errSignedOut = errors.New("no session")
	errMethod    = errors.New("method not allowed")
	errCrossSite = errors.New("cross-site request")
	errTooLarge  = errors.New("request body too large")
	errForm      = errors.New("the form can't be read")
	errFormKind  = errors.New("the body isn't a form")
)

// busy refuses for a while: too many tries.
type busy struct{ wait time.Duration }

func (busy) Error() string { return "too many tries" }

// fail answers an error. Expected ones say what is so; of any other the reader
// learns only the request's ID, which the log has with the error.
func (r *request) fail(err error) {
	if errors.Is(err, context.Canceled) && r.ctx().Err() != nil {
		return // the reader went away
	}
	traceOf(r.ctx()).err = err
	if r.Writer.Written() {
		return // too late; the log has it
	}
	if errors.Is(err, errSignedOut) {
		r.failSignedOut()
		return
	}
	p := r.errorPage()
	v := r.describe(p, err)
	var b busy
	if errors.As(err, &b) {
		r.Header("Retry-After", strconv.Itoa(int(max(b.wait.Seconds(), 1))))
	}
	r.failWith(p, v)
}

func (r *request) failWith(p views.Page, v views.ErrorView) {
	p.Title = v.Title
	if p.User != nil {
		p.Crumbs = append(p.Crumbs, views.Crumb{Text: v.Title})
	}
	v.Page, v.RequestID, v.At = p, r.id(), r.now()
	var err error
	if r.htmx() {
		// The page's script shows it where every page has room for it.
		r.Header("HX-Retarget", "#notice")
		r.Header("HX-Reswap", "innerHTML")
		r.Header("HX-Reselect", "[role=alert]")
		r.Header("HX-Push-Url", "false") // the page stays what it was
		err = r.show(v.Status, views.ErrorNotice(v))
	} else {
		err = r.show(v.Status, views.ErrorPage(v))
	}
	if err != nil {
		traceOf(r.ctx()).err = errors.Join(traceOf(r.ctx()).err, err)
		r.String(http.StatusInternalServerError, "Something went wrong. Quote %s.\n", r.id())
	}
}

// errorPage is the shell around an error: a whole one if the database still
// gives what it needs, else a bare one.
func (r *request) errorPage() (p views.Page) {
	defer func() {
		if recover() != nil { // the store panicked; that panic is being answered
			p = r.bare("", "")
		}
	}()
	if r.cookie == nil { // refused before anyone asked who it is
		if err := r.identify(); err != nil {
			return r.bare("", "")
		}
	}
	p, err := r.page("", "")
	if err != nil {
		return r.bare("", "")
	}
	return p
}

// failSignedOut leads a reader without a session to the sign-in page. A form that
// was sent too late is given back to be sent again, unless it may hold secrets.
func (r *request) failSignedOut() {
	here := localPath(r.Request.URL.RequestURI())
	if r.htmx() {
		if back, err := url.Parse(r.GetHeader("HX-Current-URL")); err == nil {
			here = localPath(back.RequestURI())
		}
		r.Header("HX-Redirect", signInPath(here))
		r.String(http.StatusUnauthorized, "")
		return
	}
	if r.Request.Method == http.MethodGet || r.Request.Method == http.MethodHead {
		_ = r.see(signInPath(here)) // never fails
		return
	}
	if r.keepForm() {
		return
	}
	p := r.bare("", "")
	r.failWith(p, views.ErrorView{
		Status: http.StatusUnauthorized, Icon: "lock", Title: p.T("You are signed out"),
		Text: p.T("Your session ended, so nothing was changed. Sign in and send it again."),
		Href: signInPath(here), Link: p.T("Sign in"),
	})
}

// describe says in words what an error is. It is the only place that gives an
// error its status.
func (r *request) describe(p views.Page, err error) views.ErrorView {
	var refused *wtp.Refused
	var invalid wtp.Invalid
	var upstream *wtp.Upstream
	var b busy
	switch {
	case errors.As(err, &b):
		return views.ErrorView{Status: http.StatusTooManyRequests, Icon: "clock-exclamation", Title: p.T("Too many tries"),
			Text: p.T("Wait a few minutes, then try again.")}
	case errors.As(err, &upstream):
		return views.ErrorView{Status: http.StatusBadGateway, Icon: "cloud-off", Title: p.T("HSS did not do it"), Text: p.Say(upstream.Text),
			Code: upstream.Code, Message: upstream.Message, UpstreamID: upstream.RequestID}
	case errors.As(err, &invalid):
		v := views.ErrorView{Status: http.StatusUnprocessableEntity, Icon: "alert-circle", Title: p.T("That can't be used"),
			Text: p.T("Nothing was changed.")}
		for _, e := range invalid {
			v.Faults = append(v.Faults, p.Say(e.Text))
		}
		r.offerWhole(p, &v)
		return v
	case errors.As(err, &refused) && errors.Is(refused.Kind, wtp.ErrForbidden):
		return views.ErrorView{Status: http.StatusForbidden, Icon: "lock", Title: p.T("You may not do this"), Text: p.Say(refused.Text)}
	case errors.As(err, &refused):
		return views.ErrorView{Status: http.StatusConflict, Icon: "refresh-alert", Title: p.T("It changed in the meantime"), Text: p.Say(refused.Text)}
	case errors.Is(err, wtp.ErrForbidden):
		return views.ErrorView{Status: http.StatusForbidden, Icon: "lock", Title: p.T("You may not do this"), Text: p.T("Your role does not allow this. An admin can change roles.")}
	case errors.Is(err, wtp.ErrConflict):
		return views.ErrorView{Status: http.StatusConflict, Icon: "refresh-alert", Title: p.T("It changed in the meantime"),
			Text: p.T("Somebody or something was faster. Nothing was changed now. Go back and look at it as it is.")}
	case errors.Is(err, wtp.ErrNotFound):
		return views.ErrorView{Status: http.StatusNotFound, Icon: "zoom-question", Title: p.T("There is no such page"),
			Text: p.T("The address is wrong, or what it named no longer exists.")}
	}
	return r.describeRequest(p, err)
}

func (r *request) describeRequest(p views.Page, err error) views.ErrorView {
	switch {
	case errors.Is(err, db.ErrDiskFull):
		return views.ErrorView{Status: http.StatusInsufficientStorage, Icon: "alert-triangle", Title: p.T("The disk is full"),
			Text: p.T("The console cannot write to its database. Nothing was changed and nothing was sent to HSS. Make room on its disk, then try again. Changes that are under way wait, and go on by themselves.")}
	case errors.Is(err, db.ErrUnwritable):
		return r.describeUnwritable(p)
	case errors.Is(err, errMethod):
		return views.ErrorView{Status: http.StatusMethodNotAllowed, Icon: "ban", Title: p.T("That does not work here"),
			Text: p.T("The address exists, but not for this kind of request.")}
	case errors.Is(err, errCrossSite):
		return views.ErrorView{Status: http.StatusForbidden, Icon: "ban", Title: p.T("Another site asked for this"),
			Text: p.T("The request came from another site, so it was refused and nothing was changed. Open the console itself and try there.")}
	case errors.Is(err, errTooLarge):
		return views.ErrorView{Status: http.StatusRequestEntityTooLarge, Icon: "alert-circle", Title: p.T("That is too much at once"),
			Text: p.T("The console takes up to 1 MiB in one form. Nothing was changed.")}
	case errors.Is(err, errForm):
		return views.ErrorView{Status: http.StatusBadRequest, Icon: "alert-circle", Title: p.T("The form can't be read"),
			Text: p.T("Nothing was changed. Go back, load the page again and retry.")}
	case errors.Is(err, errFormKind):
		return views.ErrorView{Status: http.StatusUnsupportedMediaType, Icon: "alert-circle", Title: p.T("The form can't be read"),
			Text: p.T("Nothing was changed. Go back, load the page again and retry.")}
	}
	return views.ErrorView{Status: http.StatusInternalServerError, Icon: "alert-triangle", Title: p.T("Something went wrong"),
		Text: p.T("The console met an error of its own. What you asked for may not have been done: look before you try again. An admin finds the cause in the log under the reference.")}
}

// describeUnwritable says that nothing was done because nothing can be written. Where
// the database is concerns nobody who isn't signed in.
func (r *request) describeUnwritable(p views.Page) views.ErrorView {
	v := views.ErrorView{Status: http.StatusServiceUnavailable, Icon: "alert-triangle", Title: p.T("The console cannot write to its database")}
	switch place := r.s.Store.Place(); {
	case p.User == nil:
		v.Text = p.T("Nothing was changed and nothing was sent to HSS. Whoever runs the console finds the cause in its log. Try again once that is fixed.")
	case r.s.Store.Dialect() == "sqlite":
		v.Text = p.T("Nothing was changed and nothing was sent to HSS. The database is at %s: is its file system mounted read-only, may the console write there, is the disk failing? Fix that, then try again. Changes that are under way wait, and go on by themselves.", place)
	default:
		v.Text = p.T("Nothing was changed and nothing was sent to HSS. The database is at %s: is the server read-only, a standby for instance, and may the console's database user write? Fix that, then try again. Changes that are under way wait, and go on by themselves.", place)
	}
	return v
}
