package db

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// CreateSession keeps a new session and notes the sign-in. CreatedAt and
// LastSeenAt are set here; ExpiresAt is the caller's.
func (s *Store) CreateSession(ctx context.Context, actor wtp.Actor, sess wtp.Session) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		now := s.Now()
		sess.CreatedAt, sess.LastSeenAt, sess.RevokedAt = now, now, 0
		sess.IP, sess.UserAgent = clean(sess.IP, maxName), clean(sess.UserAgent, maxUserAgent)
		if err := moved(exec(tx, "UPDATE users SET last_sign_in_at = ? WHERE id = ? AND disabled_at = 0", now, sess.UserID)); err != nil {
			return fmt.Errorf("signing in: %w", err)
		}
		if err := tx.Create(&sess).Error; err != nil {
			return fmt.Errorf("creating a session: %w", err)
		}
		_, err := s.record(tx, actor, wtp.Event{Verb: "user.signed_in", Subject: actor.Name}, nil)
		return err
	})
}

// Session finds a live session and its user: not ended, not expired, the user
// not disabled. Otherwise wtp.ErrNotFound. How long a session may idle is the
// caller's arithmetic on LastSeenAt.
func (s *Store) Session(ctx context.Context, tokenHash string) (wtp.Session, wtp.User, error) {
	g := s.reader(ctx)
	sess, err := one[wtp.Session](g, "SELECT * FROM sessions WHERE token_hash = ? AND revoked_at = 0 AND expires_at > ?", clean(tokenHash, maxName), s.Now())
	if err != nil {
		return wtp.Session{}, wtp.User{}, err
	}
	u, err := one[wtp.User](g, "SELECT * FROM users WHERE id = ? AND disabled_at = 0", sess.UserID)
	if err != nil {
		return wtp.Session{}, wtp.User{}, err
	}
	return sess, u, nil
}

// WasSession says whether there is or was such a session; one that ended is known
// for a month after it would have expired.
func (s *Store) WasSession(ctx context.Context, tokenHash string) (bool, error) {
	n, err := one[int64](s.reader(ctx), "SELECT COUNT(*) FROM sessions WHERE token_hash = ?", clean(tokenHash, maxName))
	return n > 0, err
}

// TouchSession notes that a session was used. It writes at most once a minute.
func (s *Store) TouchSession(ctx context.Context, tokenHash string) error {
	now := s.Now()
	last, err := one[wtp.Instant](s.reader(ctx), "SELECT last_seen_at FROM sessions WHERE token_hash = ?", tokenHash)
	if err != nil || now.Sub(last) < time.Minute {
		return err
	}
	return s.tx(ctx, func(tx *gorm.DB) error {
		_, err := exec(tx, "UPDATE sessions SET last_seen_at = ? WHERE token_hash = ? AND last_seen_at < ? AND revoked_at = 0", now, tokenHash, now)
		return err
	})
}

// EndSession ends one session: the actor's own, or somebody else's.
func (s *Store) EndSession(ctx context.Context, actor wtp.Actor, tokenHash string) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		sess, err := one[wtp.Session](tx, "SELECT * FROM sessions WHERE token_hash = ? AND revoked_at = 0"+s.forUpdate(), clean(tokenHash, maxName))
		if err != nil {
			return err
		}
		if err := moved(exec(tx, "UPDATE sessions SET revoked_at = ? WHERE token_hash = ? AND revoked_at = 0", s.Now(), sess.TokenHash)); err != nil {
			return err
		}
		e := wtp.Event{Verb: "user.signed_out", Subject: actor.Name}
		if sess.UserID != actor.UserID {
			u, err := one[wtp.User](tx, "SELECT * FROM users WHERE id = ?", sess.UserID)
			if err != nil {
				return err
			}
			e = wtp.Event{Verb: "session.ended", Subject: u.Name}
		}
		_, err = s.record(tx, actor, e, map[string]any{"user_id": sess.UserID, "session_ip": sess.IP})
		return err
	})
}

// EndSessions ends all sessions of a user but the one of exceptHash ("" for
// none).
func (s *Store) EndSessions(ctx context.Context, actor wtp.Actor, userID int64, exceptHash string) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		u, err := one[wtp.User](tx, "SELECT * FROM users WHERE id = ?", userID)
		if err != nil {
			return err
		}
		if err := s.revoke(tx, userID, exceptHash); err != nil {
			return err
		}
		_, err = s.record(tx, actor, wtp.Event{Verb: "session.ended", Subject: u.Name}, map[string]any{"user_id": userID, "all": true})
		return err
	})
}

// revoke ends the sessions of a user but one.
func (s *Store) revoke(tx *gorm.DB, userID int64, exceptHash string) error {
	if _, err := exec(tx, "UPDATE sessions SET revoked_at = ? WHERE user_id = ? AND revoked_at = 0 AND token_hash <> ?", s.Now(), userID, exceptHash); err != nil {
		return fmt.Errorf("ending sessions: %w", err)
	}
	return nil
}

// Sessions lists the live sessions of a user, newest first.
func (s *Store) Sessions(ctx context.Context, userID int64) ([]wtp.Session, error) {
	return many[wtp.Session](s.reader(ctx),
		"SELECT * FROM sessions WHERE user_id = ? AND revoked_at = 0 AND expires_at > ? ORDER BY created_at DESC, token_hash", userID, s.Now())
}

// NoteSignInFailure counts a failed sign-in for each key, for example
// "user:mei" and "ip:192.0.2.1".
func (s *Store) NoteSignInFailure(ctx context.Context, actor wtp.Actor, keys ...string) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		// Sorted, so that two attempts can't lock each other's rows.
		for _, k := range slices.Sorted(slices.Values(keys)) {
			if _, err := exec(tx, "INSERT INTO sign_in_failures (key, at) VALUES (?, ?)", clean(k, maxName), s.Now()); err != nil {
				return fmt.Errorf("noting a failed sign-in: %w", err)
			}
		}
		_, err := s.record(tx, actor, wtp.Event{Verb: "user.sign_in_failed", Subject: actor.Name}, nil)
		return err
	})
}

// SignInFailures counts the failures of a key since a time, 1,000 at most.
func (s *Store) SignInFailures(ctx context.Context, key string, since wtp.Instant) (int64, error) {
	return one[int64](s.reader(ctx), "SELECT COUNT(*) FROM (SELECT 1 FROM sign_in_failures WHERE key = ? AND at >= ? LIMIT 1000) f", clean(key, maxName), since)
}

// ClearSignInFailures forgets the failures of a key.
func (s *Store) ClearSignInFailures(ctx context.Context, key string) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		_, err := exec(tx, "DELETE FROM sign_in_failures WHERE key = ?", clean(key, maxName))
		return err
	})
}
