package db

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"strconv"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// The settings that hold the set-up code while there is one.
const (
	setupCode        = "setup.code_hash"
	setupCodeExpires = "setup.code_expires"
)

// NeedsSetup says whether nobody has been created yet.
func (s *Store) NeedsSetup(ctx context.Context) (bool, error) {
	n, err := one[int64](s.reader(ctx), "SELECT COUNT(*) FROM (SELECT 1 FROM users LIMIT 1) u")
	return n == 0, err
}

// SetSetupCode keeps the hash of the one-time code that opens the set-up page,
// in place of any earlier one.
func (s *Store) SetSetupCode(ctx context.Context, codeHash string, expires wtp.Instant) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		if err := putSetting(tx, setupCode, codeHash); err != nil {
			return err
		}
		return putSetting(tx, setupCodeExpires, strconv.FormatInt(int64(expires), 10))
	})
}

// CreateFirstAdmin uses the set-up code up and creates the first user, as an
// admin. A wrong or expired code is a wtp.Refused of wtp.ErrForbidden;
// wtp.ErrNotFound once anybody exists.
func (s *Store) CreateFirstAdmin(ctx context.Context, actor wtp.Actor, codeHash string, u wtp.User) (wtp.User, error) {
	wrong := &wtp.Refused{Kind: wtp.ErrForbidden, Text: wtp.Say("This set-up code is wrong or has expired. Use the newest one from the terminal.")}
	err := s.tx(ctx, func(tx *gorm.DB) error {
		// The row of the code is the lock: of two that race, one finds it gone.
		want, err := one[string](tx, "SELECT value FROM settings WHERE key = ?"+s.forUpdate(), setupCode)
		if err != nil && !errors.Is(err, wtp.ErrNotFound) {
			return fmt.Errorf("set-up code: %w", err)
		}
		n, err := one[int64](tx, "SELECT COUNT(*) FROM (SELECT 1 FROM users LIMIT 1) u")
		if err != nil {
			return err
		}
		if n > 0 {
			return wtp.ErrNotFound
		}
		until, err := one[string](tx, "SELECT value FROM settings WHERE key = ?", setupCodeExpires)
		if err != nil && !errors.Is(err, wtp.ErrNotFound) {
			return fmt.Errorf("set-up code: %w", err)
		}
		at, err := strconv.ParseInt(until, 10, 64)
		if err != nil || want == "" || wtp.Instant(at) <= s.Now() || subtle.ConstantTimeCompare([]byte(want), []byte(codeHash)) != 1 {
			return wrong
		}
		if _, err := exec(tx, "DELETE FROM settings WHERE key IN (?, ?)", setupCode, setupCodeExpires); err != nil {
			return fmt.Errorf("set-up code: %w", err)
		}
		u.Role = wtp.Admin
		if u, err = s.createUser(tx, u); err != nil {
			return err
		}
		actor.UserID, actor.Name = u.ID, u.Name
		_, err = s.record(tx, actor, wtp.Event{Verb: "setup.done", Subject: u.Name}, map[string]any{"user_id": u.ID, "role": u.Role})
		return err
	})
	return u, err
}

// CreateUser creates a user. A name that is taken is a wtp.Invalid on "name".
func (s *Store) CreateUser(ctx context.Context, actor wtp.Actor, u wtp.User) (wtp.User, error) {
	err := s.tx(ctx, func(tx *gorm.DB) (err error) {
		if u, err = s.createUser(tx, u); err != nil {
			return err
		}
		_, err = s.record(tx, actor, wtp.Event{Verb: "user.created", Subject: u.Name}, map[string]any{"user_id": u.ID, "role": u.Role})
		return err
	})
	return u, err
}

func (s *Store) createUser(tx *gorm.DB, u wtp.User) (wtp.User, error) {
	u.ID, u.CreatedAt, u.DisabledAt, u.LastSignInAt = 0, s.Now(), 0, 0
	err := tx.Create(&u).Error
	if duplicate(err) {
		return u, invalid("name", "This name is taken.")
	}
	if err != nil {
		return u, fmt.Errorf("creating a user: %w", err)
	}
	return u, nil
}

// UserByName finds a user by the canonical form of the name.
func (s *Store) UserByName(ctx context.Context, nameKey string) (wtp.User, error) {
	return one[wtp.User](s.reader(ctx), "SELECT * FROM users WHERE name_key = ?", clean(nameKey, maxName))
}

// User finds a user.
func (s *Store) User(ctx context.Context, id int64) (wtp.User, error) {
	return one[wtp.User](s.reader(ctx), "SELECT * FROM users WHERE id = ?", id)
}

// Users lists all users by name.
func (s *Store) Users(ctx context.Context) ([]wtp.User, error) {
	return many[wtp.User](s.reader(ctx), "SELECT * FROM users ORDER BY name_key")
}

// ChangeUser sets role and whether the user is disabled. Losing a right ends
// the user's sessions. The last active admin can be neither disabled nor
// demoted: wtp.Refused of wtp.ErrConflict.
func (s *Store) ChangeUser(ctx context.Context, actor wtp.Actor, id int64, role wtp.Role, disabled bool) (wtp.User, error) {
	var u wtp.User
	err := s.tx(ctx, func(tx *gorm.DB) (err error) {
		u, err = s.changeUser(tx, actor, id, role, disabled)
		return err
	})
	return u, err
}

func (s *Store) changeUser(tx *gorm.DB, actor wtp.Actor, id int64, role wtp.Role, disabled bool) (wtp.User, error) {
	// All active admins are locked, so that two of them can't demote each other.
	admins, err := many[int64](tx, "SELECT id FROM users WHERE role = 'admin' AND disabled_at = 0 ORDER BY id"+s.forUpdate())
	if err != nil {
		return wtp.User{}, fmt.Errorf("counting admins: %w", err)
	}
	u, err := one[wtp.User](tx, "SELECT * FROM users WHERE id = ?"+s.forUpdate(), id)
	if err != nil {
		return u, err
	}
	was := u
	u.Role = role
	switch {
	case !disabled:
		u.DisabledAt = 0
	case u.DisabledAt == 0:
		u.DisabledAt = s.Now()
	}
	if u == was {
		return u, nil
	}
	stays := u.Role == wtp.Admin && u.DisabledAt == 0
	if !stays && len(admins) == 1 && admins[0] == id {
		return was, conflict("%s is the last active admin. Make somebody else an admin first.", was.Name)
	}
	if _, err := exec(tx, "UPDATE users SET role = ?, disabled_at = ? WHERE id = ?", u.Role, u.DisabledAt, id); err != nil {
		return u, fmt.Errorf("changing a user: %w", err)
	}
	if (disabled && was.DisabledAt == 0) || lessRole(u.Role, was.Role) {
		if err := s.revoke(tx, id, ""); err != nil {
			return u, err
		}
	}
	_, err = s.record(tx, actor, wtp.Event{Verb: "user.changed", Subject: u.Name}, map[string]any{
		"user_id": u.ID, "role_before": was.Role, "role": u.Role, "disabled_before": was.DisabledAt != 0, "disabled": disabled,
	})
	return u, err
}

// lessRole says whether a may do less than b.
func lessRole(a, b wtp.Role) bool {
	for _, v := range []wtp.Verb{wtp.Read, wtp.Act, wtp.Administer} {
		if b.May(v) && !a.May(v) {
			return true
		}
	}
	return false
}

// SetPassword sets a new password hash and ends all sessions of the user but
// the one whose token hash is keepSession ("" for none).
func (s *Store) SetPassword(ctx context.Context, actor wtp.Actor, id int64, hash, keepSession string) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		u, err := one[wtp.User](tx, "SELECT * FROM users WHERE id = ?"+s.forUpdate(), id)
		if err != nil {
			return err
		}
		if _, err := exec(tx, "UPDATE users SET password_hash = ? WHERE id = ?", hash, id); err != nil {
			return fmt.Errorf("setting a password: %w", err)
		}
		if err := s.revoke(tx, id, keepSession); err != nil {
			return err
		}
		_, err = s.record(tx, actor, wtp.Event{Verb: "user.password_changed", Subject: u.Name}, map[string]any{"user_id": id})
		return err
	})
}

// RehashPassword replaces the hash of the same password, made with newer
// parameters.
func (s *Store) RehashPassword(ctx context.Context, id int64, hash string) error {
	return s.setUser(ctx, id, "UPDATE users SET password_hash = ? WHERE id = ?", hash)
}

// SetLanguage sets a user's language: "en", "zh-CN", or "" for the browser's.
func (s *Store) SetLanguage(ctx context.Context, id int64, lang string) error {
	return s.setUser(ctx, id, "UPDATE users SET language = ? WHERE id = ?", lang)
}

func (s *Store) setUser(ctx context.Context, id int64, query, value string) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		n, err := exec(tx, query, value, id)
		if err == nil && n == 0 {
			return wtp.ErrNotFound
		}
		return err
	})
}
