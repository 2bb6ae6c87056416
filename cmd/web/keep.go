package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"wtp-console/internal/db"
	"wtp-console/internal/secret"
	"wtp-console/internal/wtp"
)

// KeyCmd looks after the key ring.
type KeyCmd struct {
	Check  KeyCheckCmd  `cmd:"" help:"Try to open every stored secret and say which key seals it."`
	Rotate KeyRotateCmd `cmd:"" help:"Make a new key, seal every secret anew with it, and drop the keys nothing uses. Stop the console first."`
}

// KeyCheckCmd opens every stored secret.
type KeyCheckCmd struct{ Config }

// Run fails if any secret doesn't open.
func (c *KeyCheckCmd) Run(ctx context.Context) error {
	if err := c.prepareExisting(); err != nil {
		return err
	}
	ring, err := secret.LoadRing(c.KeyFile, false)
	if err != nil {
		return err
	}
	store, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	credentials, err := store.Credentials(ctx)
	if err != nil {
		return err
	}
	names, why := unopened(ring, credentials)
	fmt.Printf("%d secrets, %d of them don't open. Primary key %s.\n", len(credentials), len(names), ring.PrimaryID())
	return why
}

// KeyRotateCmd makes a new key and seals everything with it.
type KeyRotateCmd struct{ Config }

// Run can be repeated: until the last secret is sealed anew the old keys stay.
func (c *KeyRotateCmd) Run(ctx context.Context) error {
	if err := c.prepareExisting(); err != nil {
		return err
	}
	ring, err := secret.LoadRing(c.KeyFile, false)
	if err != nil {
		return err
	}
	// Alone: a console that runs holds the keys it read at its start.
	store, err := db.Open(ctx, db.Config{URL: c.DatabaseURL, Path: c.databasePath(), Logger: c.logger()})
	if err != nil {
		return err
	}
	defer store.Close()
	ring, err = secret.Rotate(c.KeyFile)
	if err != nil {
		return err
	}
	n, err := store.ReplaceSeals(ctx, func(cr wtp.Credential) (string, error) {
		v, err := ring.Open(cr.SealContext(), cr.SealedSecret)
		if err != nil {
			return "", fmt.Errorf("credential %q: %w", cr.Name, err)
		}
		return ring.Seal(cr.SealContext(), v)
	})
	if err != nil {
		return fmt.Errorf("%d secrets were sealed anew before this; the old keys are kept: %w", n, err)
	}
	old := slices.DeleteFunc(ring.KeyIDs(), func(id string) bool { return id == ring.PrimaryID() })
	if _, err := secret.Drop(c.KeyFile, old...); err != nil {
		return err
	}
	fmt.Printf("%d secrets sealed with the new key %s; old keys dropped. Backups made before need the old key file.\n", n, ring.PrimaryID())
	return nil
}

// HistoryCmd verifies or exports the history.
type HistoryCmd struct {
	Verify HistoryVerifyCmd `cmd:"" help:"Check the chain of hashes over all events; name the first that doesn't fit."`
	Export HistoryExportCmd `cmd:"" help:"Write all events as JSON lines to standard output."`
}

// HistoryVerifyCmd checks the chain.
type HistoryVerifyCmd struct{ Config }

// Run fails if the chain is broken.
func (c *HistoryVerifyCmd) Run(ctx context.Context) error {
	return withStore(ctx, &c.Config, func(store *db.Store) error {
		n, bad, err := store.VerifyEvents(ctx)
		if err != nil {
			return err
		}
		if bad != 0 {
			return fmt.Errorf("event %d does not fit the chain: it, or what comes before it, was altered. %d events fit", bad, n)
		}
		fmt.Printf("%d events, unbroken.\n", n)
		return nil
	})
}

// HistoryExportCmd writes all events.
type HistoryExportCmd struct{ Config }

// Run writes them oldest first.
func (c *HistoryExportCmd) Run(ctx context.Context) error {
	return withStore(ctx, &c.Config, func(store *db.Store) error {
		out := bufio.NewWriter(os.Stdout)
		enc := json.NewEncoder(out)
		if err := store.ExportEvents(ctx, func(e wtp.Event) error { return enc.Encode(e) }); err != nil {
			return err
		}
		return out.Flush()
	})
}

// BackupCmd copies the database.
type BackupCmd struct {
	Config
	To string `arg:"" help:"File to write; must not exist."`
}

// Run writes a whole, consistent copy. The key file is not in it.
func (c *BackupCmd) Run(ctx context.Context) error {
	if err := c.prepareExisting(); err != nil {
		return err
	}
	if c.DatabaseURL != "" {
		return errors.New("the database is PostgreSQL: back it up with pg_dump")
	}
	if err := db.CopySQLite(ctx, c.databasePath(), c.To); err != nil {
		return err
	}
	fmt.Printf("Copied to %s. Keep the key file %s elsewhere: without it the stored secrets don't open.\n", c.To, c.KeyFile)
	return nil
}

// RestoreCmd puts a copy in place.
type RestoreCmd struct {
	Config
	From string `arg:"" help:"File written by backup." type:"existingfile"`
}

// Run refuses while a console runs on the database, and keeps what it replaces.
// What was under way in the copy waits for a person: nothing is sent.
func (c *RestoreCmd) Run(ctx context.Context) error {
	if err := c.prepare(); err != nil {
		return err
	}
	if c.DatabaseURL != "" {
		return errors.New("the database is PostgreSQL: restore it with pg_restore")
	}
	kept, stopped, err := db.RestoreSQLite(ctx, c.From, c.databasePath(), c.logger())
	if err != nil {
		return err
	}
	fmt.Printf("Restored from %s; %d changes that were under way in it are stopped and will not be sent.\n", c.From, stopped)
	if kept != "" {
		fmt.Printf("What was there before is in %s.\n", kept)
	}
	return nil
}

// open opens the database for a command: alone if no console runs on it, else
// beside the console.
func (c *Config) open(ctx context.Context) (*db.Store, error) {
	conf := db.Config{URL: c.DatabaseURL, Path: c.databasePath(), Logger: c.logger()}
	store, err := db.Open(ctx, conf)
	if errors.Is(err, db.ErrLocked) {
		conf.Beside = true
		store, err = db.Open(ctx, conf)
	}
	return store, err
}

func withStore(ctx context.Context, c *Config, do func(*db.Store) error) error {
	if err := c.prepareExisting(); err != nil {
		return err
	}
	store, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	return do(store)
}
