package db

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// CreateCredential keeps a credential, whose secret is sealed already. UID must
// be set, since the seal is bound to it. A name that is taken is a wtp.Invalid
// on "name".
func (s *Store) CreateCredential(ctx context.Context, actor wtp.Actor, c wtp.Credential) (wtp.Credential, error) {
	err := s.tx(ctx, func(tx *gorm.DB) (err error) {
		c, err = s.createCredential(tx, actor, c)
		return err
	})
	return c, err
}

func (s *Store) createCredential(tx *gorm.DB, actor wtp.Actor, c wtp.Credential) (wtp.Credential, error) {
	now := s.Now()
	c.ID, c.CreatedAt, c.CreatedBy = 0, now, clean(actor.Name, maxName)
	c.SecretSetAt, c.SecretSetBy = now, c.CreatedBy
	c.LastUsedAt, c.LockedUntil, c.TestedAt, c.Test, c.RemovedAt = 0, 0, 0, "", 0
	err := tx.Create(&c).Error
	if duplicate(err) {
		return c, invalid("name", "This name is taken.")
	}
	if err != nil {
		return c, fmt.Errorf("creating a credential: %w", err)
	}
	_, err = s.record(tx, actor, wtp.Event{Verb: "credential.created", Subject: c.Name}, credentialDetail(c))
	return c, err
}

// credentialDetail is what the history says about a credential: nothing secret.
func credentialDetail(c wtp.Credential) map[string]any {
	return map[string]any{
		"credential_id": c.ID, "kind": c.Kind, "access_key": c.AccessKey, "account": c.Account,
		"iam_user": c.IAMUser, "region": c.Region, "iam_endpoint": c.IAMEndpoint,
	}
}

// ChangeCredential sets name, kind, access key, account, user, region and
// endpoint; the secret too, unless SealedSecret is "". A new secret lifts the
// lock and makes the last test void.
func (s *Store) ChangeCredential(ctx context.Context, actor wtp.Actor, c wtp.Credential) (wtp.Credential, error) {
	var now wtp.Credential
	err := s.tx(ctx, func(tx *gorm.DB) (err error) {
		now, err = s.changeCredential(tx, actor, c)
		return err
	})
	if err == nil && c.SealedSecret != "" {
		s.checkpoint(ctx)
	}
	return now, err
}

func (s *Store) changeCredential(tx *gorm.DB, actor wtp.Actor, c wtp.Credential) (wtp.Credential, error) {
	was, err := one[wtp.Credential](tx, "SELECT * FROM credentials WHERE id = ? AND removed_at = 0"+s.forUpdate(), c.ID)
	if err != nil {
		return was, err
	}
	now := was
	now.Name, now.Kind, now.AccessKey, now.Account = c.Name, c.Kind, c.AccessKey, c.Account
	now.IAMUser, now.Region, now.IAMEndpoint = c.IAMUser, c.Region, c.IAMEndpoint
	verb := "credential.changed"
	if c.SealedSecret != "" {
		verb = "credential.replaced"
		now.SealedSecret, now.SecretSetAt, now.SecretSetBy = c.SealedSecret, s.Now(), clean(actor.Name, maxName)
	}
	if now == was {
		return now, nil
	}
	now.LockedUntil, now.TestedAt, now.Test = 0, 0, ""
	err = tx.Select("*").Omit("id").Where("id = ?", now.ID).Updates(&now).Error
	if duplicate(err) {
		return was, invalid("name", "This name is taken.")
	}
	if err != nil {
		return was, fmt.Errorf("changing a credential: %w", err)
	}
	_, err = s.record(tx, actor, wtp.Event{Verb: verb, Subject: now.Name}, map[string]any{"before": credentialDetail(was), "after": credentialDetail(now)})
	return now, err
}

// RemoveCredential wipes the secret; the row stays, for the history's sake.
// While projects use it, it is refused, naming them.
func (s *Store) RemoveCredential(ctx context.Context, actor wtp.Actor, id int64) error {
	err := s.tx(ctx, func(tx *gorm.DB) error {
		c, err := one[wtp.Credential](tx, "SELECT * FROM credentials WHERE id = ? AND removed_at = 0"+s.forUpdate(), id)
		if err != nil {
			return err
		}
		users, err := many[string](tx, "SELECT name FROM projects WHERE credential_id = ? AND removed_at = 0 ORDER BY name LIMIT 10", id)
		if err != nil {
			return fmt.Errorf("projects of a credential: %w", err)
		}
		if len(users) > 0 {
			return conflict("These projects use it: %s. Give them another credential first.", strings.Join(users, ", "))
		}
		if _, err := exec(tx, "UPDATE credentials SET removed_at = ?, sealed_secret = '', locked_until = 0 WHERE id = ?", s.Now(), id); err != nil {
			return fmt.Errorf("removing a credential: %w", err)
		}
		_, err = s.record(tx, actor, wtp.Event{Verb: "credential.removed", Subject: c.Name}, credentialDetail(c))
		return err
	})
	if err == nil {
		s.checkpoint(ctx)
	}
	return err
}

// Credentials lists those not removed, by name.
func (s *Store) Credentials(ctx context.Context) ([]wtp.Credential, error) {
	return many[wtp.Credential](s.reader(ctx), "SELECT * FROM credentials WHERE removed_at = 0 ORDER BY name, id")
}

// Credential finds one; a removed one too, see RemovedAt.
func (s *Store) Credential(ctx context.Context, id int64) (wtp.Credential, error) {
	return one[wtp.Credential](s.reader(ctx), "SELECT * FROM credentials WHERE id = ?", id)
}

// ReplaceSeals gives every sealed secret to reseal and keeps what comes back,
// one transaction a row; n is how many were replaced. It stops at reseal's
// first error; running it again goes on.
func (s *Store) ReplaceSeals(ctx context.Context, reseal func(wtp.Credential) (string, error)) (n int, err error) {
	all, err := many[wtp.Credential](s.reader(ctx), "SELECT * FROM credentials WHERE sealed_secret <> '' ORDER BY id")
	if err != nil {
		return 0, fmt.Errorf("reading credentials: %w", err)
	}
	for _, c := range all {
		fresh, err := reseal(c)
		if err != nil {
			return n, fmt.Errorf("credential %s: %w", c.Name, err)
		}
		if fresh == c.SealedSecret {
			continue
		}
		if fresh == "" {
			return n, fmt.Errorf("credential %s: the new seal is empty", c.Name)
		}
		err = s.tx(ctx, func(tx *gorm.DB) error {
			return moved(exec(tx, "UPDATE credentials SET sealed_secret = ? WHERE id = ? AND sealed_secret = ?", fresh, c.ID, c.SealedSecret))
		})
		if err != nil {
			return n, fmt.Errorf("credential %s: %w", c.Name, err)
		}
		n++
	}
	if n > 0 {
		s.checkpoint(ctx)
	}
	return n, nil
}

// NoteCredentialTest keeps the result of a connection test.
func (s *Store) NoteCredentialTest(ctx context.Context, id int64, testJSON string) error {
	return s.setCredential(ctx, "UPDATE credentials SET test = ?, tested_at = ? WHERE id = ?", clean(testJSON, 1<<16), s.Now(), id)
}

// NoteCredentialUsed notes that HSS was called with it. It writes at most once
// a minute.
func (s *Store) NoteCredentialUsed(ctx context.Context, id int64) error {
	now := s.Now()
	last, err := one[wtp.Instant](s.reader(ctx), "SELECT last_used_at FROM credentials WHERE id = ?", id)
	if err != nil || now.Sub(last) < time.Minute {
		return err
	}
	return s.setCredential(ctx, "UPDATE credentials SET last_used_at = ? WHERE id = ?", now, id)
}

// LockCredential notes that HSS takes no call with it before until. An earlier
// time than the one noted changes nothing.
func (s *Store) LockCredential(ctx context.Context, id int64, until wtp.Instant) error {
	return s.setCredential(ctx, "UPDATE credentials SET locked_until = CASE WHEN locked_until > ? THEN locked_until ELSE ? END WHERE id = ?", until, until, id)
}

func (s *Store) setCredential(ctx context.Context, query string, args ...any) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		n, err := exec(tx, query, args...)
		if err == nil && n == 0 {
			return wtp.ErrNotFound
		}
		return err
	})
}
