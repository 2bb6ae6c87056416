package server

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/google/uuid"
)

// policy lets a page load our own files and nothing else. Tabler draws
// checkboxes and selects with data: images.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; font-src 'self'; connect-src 'self'; " +
	"img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// headers are those of every answer, errors and static files too.
func (s *Server) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Embedder-Policy", "require-corp")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		h.Set("Cache-Control", "no-store")
		if s.SecureCookies {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// sameSiteReads refuses reads that another site's page makes for itself, as an
// image or a script; a link followed from there is fine.
func sameSiteReads(refuse, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site, mode := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Sec-Fetch-Mode")
		if (site == "cross-site" || site == "same-site") && mode != "navigate" {
			refuse.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

type traceKey struct{}

// trace is what a request is logged with; the handler fills in the rest.
type trace struct {
	id    string
	route string
	user  string
	err   error
}

func traceOf(ctx context.Context) *trace {
	if t, ok := ctx.Value(traceKey{}).(*trace); ok {
		return t
	}
	return &trace{}
}

// log gives each request its ID and writes one line for it. The query is left
// out: it may hold what a person searched for.
func (s *Server) log(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := s.Now()
		t := &trace{id: newRequestID()}
		w.Header().Set("X-Request-Id", t.id)
		seen := &statusWriter{ResponseWriter: w}
		next.ServeHTTP(seen, r.WithContext(context.WithValue(r.Context(), traceKey{}, t)))

		level := slog.LevelInfo
		switch {
		case seen.status >= 500:
			level = slog.LevelError
		case seen.status == http.StatusForbidden || seen.status == http.StatusTooManyRequests || seen.status == http.StatusRequestEntityTooLarge:
			level = slog.LevelWarn
		case t.route == "/healthz" || t.route == "/readyz" || t.route == staticRoute:
			level = slog.LevelDebug
		}
		fields := []slog.Attr{
			slog.String("request_id", t.id), slog.String("method", r.Method), slog.String("path", r.URL.Path),
			slog.String("route", t.route), slog.Int("status", seen.status), slog.Int64("bytes", seen.bytes),
			slog.Float64("took_ms", float64(s.Now().Sub(start).Microseconds())/1000),
		}
		if t.user != "" {
			fields = append(fields, slog.String("user", t.user))
		}
		if t.err != nil {
			fields = append(fields, slog.String("error", t.err.Error()))
		}
		s.Logger.LogAttrs(r.Context(), level, "request", fields...)
	})
}

func newRequestID() string {
	id, err := uuid.NewV7()
	if err != nil { // the system has no randomness left; an ID of some kind is better than no answer
		return "0"
	}
	return id.String()
}

// statusWriter remembers what was answered.
type statusWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
