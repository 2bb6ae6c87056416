package server

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/a-h/templ"
	"github.com/gin-gonic/gin"
	"github.com/gorilla/sessions"

	"wtp-console/internal/db"
	"wtp-console/internal/i18n"
	"wtp-console/internal/views"
	"wtp-console/internal/wtp"
)

// maxBody is how much a request may send; an upload may send maxUpload.
const maxBody = 1 << 20

// request is one request on its way: who asks, for which project.
type request struct {
	*gin.Context
	s       *Server
	route   route
	cookie  *sessions.Session
	user    wtp.User    // zero: nobody is signed in
	session wtp.Session // zero: nobody is signed in
	project wtp.Project // when the address has :project
	stamp   string      // of what a poll shows; see unmoved
}

// adapt makes a Gin handler of a route. It is the only place where a session is
// asked for, a role checked, a panic caught, and an error answered.
func (s *Server) adapt(rt route) gin.HandlerFunc {
	return func(c *gin.Context) {
		r := &request{Context: c, s: s, route: rt}
		traceOf(r.ctx()).route = c.FullPath()
		if c.Request.Body != nil {
			c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, cmp.Or(rt.body, maxBody))
		}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				r.fail(fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
			}
		}()
		if err := r.serve(); err != nil {
			r.fail(err)
		}
	}
}

func (r *request) serve() error {
	if r.route.path == staticRoute || r.route.path == "/healthz" || r.route.path == "/readyz" {
		return r.route.handle(r)
	}
	if r.route.path != "/setup" && r.route.path != "/language" {
		needed, err := r.s.needsSetup(r.ctx())
		if err != nil {
			return err
		}
		if needed {
			return r.see("/setup")
		}
	}
	if r.route.poll {
		if unmoved, err := r.unmoved(); err != nil || unmoved {
			return err
		}
	}
	if err := r.identify(); err != nil {
		return err
	}
	if r.route.verb != public {
		if r.user.ID == 0 {
			return errSignedOut
		}
		if !r.user.Role.May(r.route.verb) {
			return &wtp.Refused{Kind: wtp.ErrForbidden, Text: wtp.Say("Your role does not allow this. An admin can change roles.")}
		}
	}
	if slug := r.Param("project"); slug != "" {
		p, err := r.s.Store.Project(r.ctx(), slug)
		if err != nil {
			return err
		}
		r.project = p
	}
	if err := r.checkQuery(); err != nil {
		return err
	}
	return r.route.handle(r)
}

// ctx ends when the reader goes away.
func (r *request) ctx() context.Context { return r.Request.Context() }

// id is the request's ID, which a person may quote.
func (r *request) id() string { return traceOf(r.ctx()).id }

// now is the present time by the server's clock.
func (r *request) now() wtp.Instant { return wtp.At(r.s.Now()) }

// actor is who asks, for the events.
func (r *request) actor() wtp.Actor {
	return wtp.Actor{
		UserID: r.user.ID, Name: r.user.Name, Role: r.user.Role,
		IP: r.ClientIP(), UserAgent: r.Request.UserAgent(), RequestID: r.id(),
	}
}

// htmx says whether the page's script asks, rather than the browser itself.
func (r *request) htmx() bool { return r.GetHeader("HX-Request") == "true" }

// form is the body's fields. A field that the query names too keeps the body's
// values only.
func (r *request) form() (url.Values, error) {
	kind, _, err := mime.ParseMediaType(r.GetHeader("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, errFormKind
	}
	if err := r.Request.ParseForm(); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, errTooLarge
		}
		return nil, errForm
	}
	return r.Request.PostForm, nil
}

// number reads a positive whole number of the address, such as :number.
func (r *request) number(name string) (int64, error) {
	n, err := strconv.ParseInt(r.Param(name), 10, 64)
	if err != nil || n <= 0 {
		return 0, wtp.ErrNotFound
	}
	return n, nil
}

func (r *request) lang() string {
	if i18n.Known(r.user.Language) {
		return r.user.Language
	}
	return r.s.Catalogue.Match(r.cookieValue("lang"), r.GetHeader("Accept-Language"))
}

// printer speaks the reader's language.
func (r *request) printer() i18n.Printer { return r.s.Catalogue.Printer(r.lang()) }

func (r *request) cookieValue(name string) string {
	c, err := r.Request.Cookie(name)
	if err != nil {
		return ""
	}
	v, err := url.QueryUnescape(c.Value)
	if err != nil {
		return ""
	}
	return v
}

// zone is the reader's, as their browser said, or else the console's.
func (r *request) zone() *time.Location {
	name := r.cookieValue("tz")
	if name == "" || len(name) > 64 || name == "Local" {
		return r.s.Zone
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return r.s.Zone
	}
	return zone
}

// bare is a page without anything that the database knows.
func (r *request) bare(section, title string) views.Page {
	p := views.Page{
		Printer: r.printer(), Lang: r.lang(), Assets: r.s.Assets, Version: r.s.Version, Title: title, Section: section,
		Zone: r.zone(), Now: r.s.Now(), Path: r.Request.URL.RequestURI(), RequestID: r.id(),
	}
	if theme := r.cookieValue("theme"); theme == "light" || theme == "dark" {
		p.Theme = theme
	}
	return p
}

// page is a page of this request with its switcher, what runs now, and what the
// last action left to say. Crumbs start below the project.
func (r *request) page(section, title string, crumbs ...views.Crumb) (views.Page, error) {
	p := r.bare(section, title)
	if r.user.ID == 0 {
		return p, nil
	}
	user := r.user
	p.User, p.Stamp = &user, r.stamp
	var err error
	if p.Projects, err = r.s.Store.Projects(r.ctx()); err != nil {
		return p, err
	}
	if r.project.ID != 0 {
		project := r.project
		p.Project = &project
		p.Crumbs = append(p.Crumbs, views.Crumb{Text: project.Name, Href: p.URL()})
	}
	p.Crumbs = append(p.Crumbs, crumbs...)
	if p.Running, err = r.running(p); err != nil {
		return p, err
	}
	if p.Pause, err = r.s.Store.Paused(r.ctx()); err != nil {
		return p, err
	}
	switch err := r.s.Store.Writable(r.ctx()); {
	case errors.Is(err, db.ErrDiskFull):
		p.DiskFull = true
	case errors.Is(err, db.ErrUnwritable):
		p.Unwritable = views.Unwritable{Place: r.s.Store.Place(), Server: r.s.Store.Dialect() == "postgres"}
	}
	if r.project.ID != 0 {
		if p.Restarts, err = r.s.Store.OpenRestarts(r.ctx(), r.project.ID); err != nil {
			return p, err
		}
	}
	p.Flash = r.takeFlash()
	return p, nil
}

// buffers keeps the memory that pages are rendered into.
type buffers struct{ pool sync.Pool }

func (b *buffers) take() *bytes.Buffer {
	if buf, ok := b.pool.Get().(*bytes.Buffer); ok {
		buf.Reset()
		return buf
	}
	return new(bytes.Buffer)
}

func (b *buffers) give(buf *bytes.Buffer) {
	if buf.Cap() <= 1<<20 { // one huge page must not stay in memory for ever
		b.pool.Put(buf)
	}
}

// show renders c and only then answers, so that half a page is never sent.
func (r *request) show(status int, c templ.Component) error {
	buf := r.s.buffers.take()
	defer r.s.buffers.give(buf)
	if err := c.Render(r.ctx(), buf); err != nil {
		return fmt.Errorf("rendering: %w", err)
	}
	h := r.Writer.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(buf.Len()))
	r.Status(status)
	r.Writer.WriteHeaderNow()
	if r.Request.Method != http.MethodHead {
		_, _ = r.Writer.Write(buf.Bytes()) // the reader went away; nobody is left to tell
	}
	return nil
}

// see sends the reader to a path of ours, with GET.
func (r *request) see(path string) error {
	r.Writer.Header().Set("Location", path)
	r.Status(http.StatusSeeOther)
	r.Writer.WriteHeaderNow()
	return nil
}
