package server

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"wtp-console/internal/auth"
	"wtp-console/internal/db"
	"wtp-console/internal/wtp"
)

// drawAnew is how long a page that asks for itself is left alone while nothing
// moves: then it is drawn anew all the same, for the times that stand in it.
const drawAnew = time.Minute

// unmoved answers what a page asks by itself with 204, which swaps nothing, when
// what the page shows has not moved since it was drawn; that is one query, the
// session's included. false: the request must be answered in full, for whatever
// reason.
func (r *request) unmoved() (bool, error) {
	c, err := r.Request.Cookie(r.s.sessionCookie())
	if err != nil || c.Value == "" || len(c.Value) > 128 {
		return false, nil //nolint:nilerr // nobody is signed in: that is answered elsewhere
	}
	w, err := r.watched(auth.HashToken(c.Value))
	if errors.Is(err, wtp.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	now := wtp.At(r.s.Now())
	if w.LastSeenAt.Add(r.s.IdleFor) <= now || w.ExpiresAt <= now || !w.Role.May(r.route.verb) {
		return false, nil
	}
	sum := sha256.Sum256([]byte(strconv.FormatInt(int64(now)/drawAnew.Milliseconds(), 10) + "\x00" + string(w.Role) + "\x00" + w.Moves))
	r.stamp = base64.RawURLEncoding.EncodeToString(sum[:9])
	if r.Query("stamp") != r.stamp {
		return false, nil
	}
	traceOf(r.ctx()).user = w.Name
	r.Status(http.StatusNoContent)
	r.Writer.WriteHeaderNow()
	return true, nil
}

func (r *request) watched(token string) (db.Watched, error) {
	if strings.HasSuffix(r.route.path, "/running") {
		return r.s.Store.WatchRunning(r.ctx(), token, r.Param("project"))
	}
	number, err := r.number("number")
	if err != nil {
		return db.Watched{}, err
	}
	return r.s.Store.WatchChange(r.ctx(), token, r.Param("project"), number)
}
