package db

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// Provision is what a provisioning file asks for. People are known by NameKey,
// credentials and projects by name.
type Provision struct {
	Users       []wtp.User       // who exists keeps their password and stays disabled if they are
	Credentials []wtp.Credential // SealedSecret "" keeps the stored one; else it is bound to UID
	Projects    []ProvisionProject
}

// ProvisionProject is a project and the name of its credential.
type ProvisionProject struct {
	wtp.Project
	Credential string
}

// ProvisionError says at which item a Provision failed. It wraps the cause:
// wtp.Invalid, *wtp.Refused, or an error of the database.
type ProvisionError struct {
	List  string // "people", "credentials" or "projects"
	Index int    // from 0
	Err   error
}

// Error names the item and the cause.
func (e *ProvisionError) Error() string {
	return fmt.Sprintf("%s[%d]: %v", e.List, e.Index+1, e.Err)
}

// Unwrap is the cause.
func (e *ProvisionError) Unwrap() error { return e.Err }

// Provision creates or updates everything in one transaction: either all of it
// holds afterwards or nothing was changed. What is as it should be already is
// left alone and makes no event. A credential that was given no secret and
// doesn't exist, or whose UID isn't the one its secret was sealed for, is
// wtp.ErrConflict: somebody changed it meanwhile, so read and seal again.
func (s *Store) Provision(ctx context.Context, actor wtp.Actor, p Provision) error {
	err := s.tx(ctx, func(tx *gorm.DB) error {
		// One at a time: replicas that start together apply the same file.
		if _, err := one[int64](tx, "SELECT seq FROM event_head WHERE id = 1"+s.forUpdate()); err != nil {
			return fmt.Errorf("end of the history: %w", err)
		}
		for i, c := range p.Credentials {
			if err := s.provisionCredential(tx, actor, c); err != nil {
				return &ProvisionError{"credentials", i, err}
			}
		}
		for i, project := range p.Projects {
			if err := s.provisionProject(tx, actor, project); err != nil {
				return &ProvisionError{"projects", i, err}
			}
		}
		return s.provisionUsers(tx, actor, p.Users)
	})
	if err == nil && slices.ContainsFunc(p.Credentials, func(c wtp.Credential) bool { return c.SealedSecret != "" }) {
		s.checkpoint(ctx)
	}
	return err
}

func (s *Store) provisionCredential(tx *gorm.DB, actor wtp.Actor, c wtp.Credential) error {
	was, err := one[wtp.Credential](tx, "SELECT * FROM credentials WHERE name = ? AND removed_at = 0", c.Name)
	switch {
	case errors.Is(err, wtp.ErrNotFound):
		if c.SealedSecret == "" {
			return wtp.ErrConflict
		}
		_, err = s.createCredential(tx, actor, c)
		return err
	case err != nil:
		return err
	case c.SealedSecret != "" && c.UID != was.UID:
		return wtp.ErrConflict
	}
	c.ID = was.ID
	_, err = s.changeCredential(tx, actor, c)
	return err
}

func (s *Store) provisionProject(tx *gorm.DB, actor wtp.Actor, p ProvisionProject) error {
	id, err := one[int64](tx, "SELECT id FROM credentials WHERE name = ? AND removed_at = 0", p.Credential)
	if errors.Is(err, wtp.ErrNotFound) {
		return invalid("credential", "There is no credential %s.", p.Credential)
	}
	if err != nil {
		return err
	}
	p.CredentialID = id
	was, err := one[int64](tx, "SELECT id FROM projects WHERE name = ? AND removed_at = 0 ORDER BY id LIMIT 1", p.Name)
	switch {
	case errors.Is(err, wtp.ErrNotFound):
		_, err = s.createProject(tx, actor, p.Project)
		return err
	case err != nil:
		return err
	}
	p.ID = was
	_, err = s.changeProject(tx, actor, p.Project)
	return err
}

// provisionUsers takes the admins first, so that one admin can follow another.
func (s *Store) provisionUsers(tx *gorm.DB, actor wtp.Actor, users []wtp.User) error {
	order := make([]int, len(users))
	for i := range order {
		order[i] = i
	}
	rank := func(i int) int {
		if users[i].Role == wtp.Admin {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rank(a), rank(b)) })
	for _, i := range order {
		if err := s.provisionUser(tx, actor, users[i]); err != nil {
			return &ProvisionError{"people", i, err}
		}
	}
	return nil
}

func (s *Store) provisionUser(tx *gorm.DB, actor wtp.Actor, u wtp.User) error {
	was, err := one[wtp.User](tx, "SELECT * FROM users WHERE name_key = ?", u.NameKey)
	switch {
	case errors.Is(err, wtp.ErrNotFound):
		if u.PasswordHash == "" {
			return wtp.ErrConflict
		}
		if u, err = s.createUser(tx, u); err != nil {
			return err
		}
		_, err = s.record(tx, actor, wtp.Event{Verb: "user.created", Subject: u.Name}, map[string]any{"user_id": u.ID, "role": u.Role})
		return err
	case err != nil:
		return err
	}
	_, err = s.changeUser(tx, actor, was.ID, u.Role, was.DisabledAt != 0)
	return err
}
