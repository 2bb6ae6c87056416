package provision

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"wtp-console/internal/auth"
	"wtp-console/internal/db"
	"wtp-console/internal/secret"
	"wtp-console/internal/wtp"
)

// Apply creates or updates what the file names, all of it or nothing. Secrets
// are sealed with ring; one that is stored already is left as it is, so that a
// restart changes nothing. hash makes the password hash of a new person; who
// exists keeps their password. The error is Faults where a line of the file is
// to blame, and where a stored secret was sealed under a key that ring lacks
// (unless File.KeysLost): others may still open it.
//
// Apply removes nothing: what the file no longer names stays.
func Apply(ctx context.Context, store *db.Store, ring *secret.Ring, hash func(ctx context.Context, password string) (string, error), f File) error {
	// Another replica may apply the same file at this moment; then what was read
	// here is out of date, and reading again settles it.
	for try := 1; ; try++ {
		p, err := f.provision(ctx, store, ring, hash)
		if err != nil {
			return err
		}
		err = store.Provision(ctx, wtp.Actor{Name: "provisioning", Role: wtp.Admin}, p)
		var refused *wtp.Refused
		if errors.Is(err, wtp.ErrConflict) && !errors.As(err, &refused) && try < 4 {
			continue
		}
		return f.faults(err)
	}
}

// provision compares the file with what is stored and seals what is new.
func (f File) provision(ctx context.Context, store *db.Store, ring *secret.Ring, hash func(context.Context, string) (string, error)) (db.Provision, error) {
	var p db.Provision
	stored, err := store.Credentials(ctx)
	if err != nil {
		return p, err
	}
	byName := map[string]wtp.Credential{}
	for _, c := range stored {
		byName[c.Name] = c
	}
	var faults Faults
	for _, c := range f.Credentials {
		want := c.Credential
		was, exists := byName[want.Name]
		want.UID = was.UID
		if !exists {
			want.UID = uuid.NewString()
		}
		if exists && !f.KeysLost {
			if _, err := ring.Open(was.SealContext(), was.SealedSecret); errors.Is(err, secret.ErrMissingKey) {
				faults = append(faults, Fault{File: f.Path, Line: c.lines.of(""), Field: c.lines.item, Says: fmt.Sprintf(
					"the stored secret of %q stays as it is: %v. Start with the key file it was sealed with or, only if that is lost, once with --lost-keys", c.Name, err)})
			}
		}
		if !exists || !ring.Holds(was.SealContext(), was.SealedSecret, c.Secret) {
			if want.SealedSecret, err = ring.Seal(want.SealContext(), c.Secret); err != nil {
				return p, fmt.Errorf("sealing the secret of %s: %w", want.Name, err)
			}
		}
		p.Credentials = append(p.Credentials, want)
	}
	if len(faults) > 0 {
		return p, faults
	}
	for _, project := range f.Projects {
		p.Projects = append(p.Projects, db.ProvisionProject{Project: project.Project, Credential: project.Credential})
	}
	for _, person := range f.People {
		u, err := person.user(ctx, store, hash)
		if err != nil {
			return p, err
		}
		p.Users = append(p.Users, u)
	}
	return p, nil
}

func (p Person) user(ctx context.Context, store *db.Store, hash func(context.Context, string) (string, error)) (wtp.User, error) {
	key, err := auth.CanonicalName(p.Name)
	if err != nil {
		return wtp.User{}, err // Load has looked already
	}
	u := wtp.User{Name: p.Name, NameKey: key, Role: p.Role}
	_, err = store.UserByName(ctx, key)
	if errors.Is(err, wtp.ErrNotFound) {
		u.PasswordHash, err = hash(ctx, p.Password.Reveal())
	}
	return u, err
}

// faults gives what the store refused its place in the file.
func (f File) faults(err error) error {
	var at *db.ProvisionError
	if !errors.As(err, &at) {
		return err
	}
	var where lines
	switch at.List {
	case "people":
		where = f.People[at.Index].lines
	case "credentials":
		where = f.Credentials[at.Index].lines
	case "projects":
		where = f.Projects[at.Index].lines
	}
	var bad wtp.Invalid
	var refused *wtp.Refused
	switch {
	case errors.As(err, &bad):
		var faults Faults
		for _, b := range bad {
			field := strings.TrimPrefix(b.Field, "hss_")
			faults = append(faults, Fault{File: f.Path, Line: where.of(field), Field: where.item + "." + field, Says: b.Text.String()})
		}
		return faults
	case errors.As(err, &refused):
		return Faults{{File: f.Path, Line: where.of(""), Field: where.item, Says: refused.Text.String()}}
	}
	return err
}
