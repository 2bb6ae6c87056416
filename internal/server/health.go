package server

import (
	"errors"
	"net/http"

	"wtp-console/internal/db"
)

// showAlive says that the process answers, and nothing else about it.
func (s *Server) showAlive(r *request) error {
	r.String(http.StatusOK, "ok\n")
	return nil
}

// showReady says whether the database answers, can be written, and its schema is
// this binary's.
func (s *Server) showReady(r *request) error {
	if err := s.Store.Ready(r.ctx()); err != nil {
		traceOf(r.ctx()).err = err
		switch {
		case errors.Is(err, db.ErrDiskFull):
			r.String(http.StatusServiceUnavailable, "not ready: the disk is full\n")
		case errors.Is(err, db.ErrUnwritable):
			r.String(http.StatusServiceUnavailable, "not ready: the database can't be written\n")
		default:
			r.String(http.StatusServiceUnavailable, "not ready\n")
		}
		return nil
	}
	r.String(http.StatusOK, "ok\n")
	return nil
}

func (s *Server) serveStatic(r *request) error {
	s.Assets.ServeHTTP(r.Writer, r.Request)
	return nil
}
