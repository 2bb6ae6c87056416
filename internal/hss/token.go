package hss

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Token times. A token of the vendor's lives 24 hours, so it is renewed two hours before its end.
const (
	tokenMargin = 2 * time.Hour
	// loginPause is how long a refused login is not tried again unasked: repeated failures lock the user.
	loginPause = 5 * time.Minute
)

// TokenCache keeps IAM tokens in memory, one per IAM user, endpoint and scope. Clients of one credential
// should share one. However many calls need a token, one login is under way at a time. A refused login is
// answered from memory for five minutes, because failures in a row lock the user; CreateToken asks anew.
type TokenCache struct {
	mu      sync.Mutex
	entries map[[sha256.Size]byte]*tokenEntry
}

// NewTokenCache makes an empty cache; so is the zero value.
func NewTokenCache() *TokenCache { return &TokenCache{} }

// Format prints "[redacted]", whatever the verb.
func (t *TokenCache) Format(s fmt.State, _ rune) { io.WriteString(s, "hss.TokenCache("+redacted+")") }

type tokenEntry struct {
	token            string
	renewAt, expires time.Time // by our clock
	flight           *flight
	refused          *Error
	refusedUntil     time.Time
}

// flight is a login under way; token and err are set before done is closed.
type flight struct {
	done  chan struct{}
	token string
	meta  CreateTokenResponse
	err   error
}

// get gives a token that is not dead, logging in when there is none or renewal is due.
func (t *TokenCache) get(ctx context.Context, c *Client, dead string) (string, error) {
	now := c.config.Now()
	t.mu.Lock()
	entry := t.entry(c.tokenKey(), now)
	if dead != "" && entry.token == dead {
		entry.token = ""
	}
	usable := entry.token != "" && now.Before(entry.expires)
	old := ""
	if usable {
		old = entry.token
		if now.Before(entry.renewAt) {
			t.mu.Unlock()
			return old, nil
		}
	}
	if entry.refused != nil && now.Before(entry.refusedUntil) {
		refused := entry.refused
		t.mu.Unlock()
		if usable {
			return old, nil
		}
		return "", refused
	}
	f := t.join(ctx, c, entry)
	t.mu.Unlock()

	err := f.wait(ctx)
	if err == nil {
		return f.token, nil
	}
	if usable {
		return old, nil // renewal failed, but the token is good for a while
	}
	return "", err
}

// login logs in whatever the cache holds.
func (t *TokenCache) login(ctx context.Context, c *Client) (CreateTokenResponse, error) {
	t.mu.Lock()
	f := t.join(ctx, c, t.entry(c.tokenKey(), c.config.Now()))
	t.mu.Unlock()
	if err := f.wait(ctx); err != nil && ctx.Err() != nil {
		return CreateTokenResponse{}, c.notSent(c.tokenCall(nil), err)
	}
	return f.meta, f.err
}

// wait gives the login's error, or the context's when the caller has gone first; then f is still being written.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return f.err
	default:
	}
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// entry finds or makes the entry and forgets expired others. The caller holds mu.
func (t *TokenCache) entry(key [sha256.Size]byte, now time.Time) *tokenEntry {
	if t.entries == nil {
		t.entries = map[[sha256.Size]byte]*tokenEntry{}
	}
	e := t.entries[key]
	if e == nil {
		for k, other := range t.entries {
			if other.flight == nil && !now.Before(other.expires) && !now.Before(other.refusedUntil) {
				delete(t.entries, k)
			}
		}
		e = &tokenEntry{}
		t.entries[key] = e
	}
	return e
}

// join gives the login under way, starting one if there is none. The caller holds mu. The login does not
// end with the caller that began it: others wait for it too.
func (t *TokenCache) join(ctx context.Context, c *Client, entry *tokenEntry) *flight {
	if entry.flight != nil {
		return entry.flight
	}
	f := &flight{done: make(chan struct{})}
	entry.flight = f
	ctx = context.WithoutCancel(ctx)
	go func() {
		defer close(f.done)
		issued, err := c.fetchToken(ctx)
		now := c.config.Now()
		t.mu.Lock()
		defer t.mu.Unlock()
		entry.flight = nil
		f.meta, f.err = issued.CreateTokenResponse, err
		if err == nil {
			f.token = issued.token
			lifetime := issued.lifetime(now)
			entry.token = issued.token
			entry.expires = now.Add(lifetime)
			entry.renewAt = entry.expires.Add(-min(tokenMargin, lifetime/4))
			entry.refused = nil
			return
		}
		entry.renewAt = now.Add(loginPause)
		var e *Error
		if errors.As(err, &e) && e.Class != ClassUnclear && e.Class != ClassNotSent && e.Class != ClassThrottled {
			entry.refused, entry.refusedUntil = e, now.Add(loginPause)
		}
	}()
	return f
}

// tokenKey tells users, endpoints and scopes apart; the password is in it so that a new one is tried at once.
func (c *Client) tokenKey() [sha256.Size]byte {
	h := sha256.New()
	cred := c.config.Credential
	for _, part := range []string{c.iam.String(), cred.Account, cred.User, cred.Password, c.config.ProjectID, c.config.Region} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		io.WriteString(h, part)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// noToken turns the error of a login into the error of the call that needed it: that call never left.
func (c *Client) noToken(op *call, err error) *Error {
	e := c.notSent(op, err)
	e.Message = "no token"
	var login *Error
	if errors.As(err, &login) {
		switch login.Class {
		case ClassNotSignedIn, ClassKeyLocked, ClassNoPermission, ClassThrottled:
			e.Class = login.Class
		case ClassRefused: // IAM calls some wrong logins bad requests
			e.Class = ClassNotSignedIn
		}
		e.Status, e.Code, e.RequestID = login.Status, login.Code, login.RequestID
		e.Throttle, e.RetryAfter, e.Skew = login.Throttle, login.RetryAfter, login.Skew
	}
	return e
}
