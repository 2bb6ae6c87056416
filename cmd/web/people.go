package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"wtp-console/internal/auth"
	"wtp-console/internal/wtp"
)

// UserCmd manages people from the terminal, for when nobody can sign in.
type UserCmd struct {
	Add   UserAddCmd   `cmd:"" help:"Add a person; the password is read from standard input."`
	Reset UserResetCmd `cmd:"" help:"Set a new password, read from standard input, end the person's sessions and enable them again."`
}

// UserAddCmd adds a person.
type UserAddCmd struct {
	Config
	Name string   `arg:"" help:"Name to sign in with."`
	Role wtp.Role `help:"viewer, operator or admin." default:"operator" enum:"viewer,operator,admin"`
}

// Run adds the person.
func (c *UserAddCmd) Run(ctx context.Context) error {
	if err := c.prepare(); err != nil {
		return err
	}
	key, err := auth.CanonicalName(c.Name)
	if err != nil {
		return err
	}
	hash, err := readPassword(c.Name)
	if err != nil {
		return err
	}
	store, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	u, err := store.CreateUser(ctx, consoleActor("terminal"), wtp.User{Name: c.Name, NameKey: key, PasswordHash: hash, Role: c.Role})
	if err != nil {
		return err
	}
	fmt.Printf("Added %s as %s.\n", u.Name, u.Role)
	return nil
}

// UserResetCmd sets a new password.
type UserResetCmd struct {
	Config
	Name string `arg:"" help:"Name the person signs in with."`
}

// Run sets it.
func (c *UserResetCmd) Run(ctx context.Context) error {
	if err := c.prepareExisting(); err != nil {
		return err
	}
	key, err := auth.CanonicalName(c.Name)
	if err != nil {
		return err
	}
	hash, err := readPassword(c.Name)
	if err != nil {
		return err
	}
	store, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	u, err := store.UserByName(ctx, key)
	if errors.Is(err, wtp.ErrNotFound) {
		return fmt.Errorf("nobody signs in as %q", c.Name)
	}
	if err != nil {
		return err
	}
	actor := consoleActor("terminal")
	if err := store.SetPassword(ctx, actor, u.ID, hash, ""); err != nil {
		return err
	}
	if u.DisabledAt != 0 {
		if _, err := store.ChangeUser(ctx, actor, u.ID, u.Role, false); err != nil {
			return err
		}
	}
	fmt.Printf("New password set for %s (%s); all their sessions are ended.\n", u.Name, u.Role)
	return nil
}

// readPassword takes one line from standard input, so that the password is in
// no process list and no shell history.
func readPassword(name string) (hash string, err error) {
	fmt.Fprintf(os.Stderr, "Password for %s (one line on standard input): ", name)
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil && line == "" {
		return "", errors.New("no password on standard input")
	}
	password := strings.TrimRight(line, "\r\n")
	if err := auth.CheckPassword(password, name); err != nil {
		return "", err
	}
	return auth.NewHasher().Hash(context.Background(), password)
}
