package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"wtp-console/internal/db"
	"wtp-console/internal/secret"
	"wtp-console/internal/wtp"
)

// loadKeys reads the key ring. A missing key file is made only while the database
// holds no secret: sealing beside secrets that do not open would take them from
// every replica that has the right file. For the same reason a file that opens none
// of them is refused. lostKeys allows both, since then nothing opens them any more.
func (c *Config) loadKeys(ctx context.Context, store *db.Store, lostKeys bool) (*secret.Ring, error) {
	stored, err := store.Credentials(ctx)
	if err != nil {
		return nil, err
	}
	create := lostKeys || len(stored) == 0
	ring, err := secret.LoadRing(c.KeyFile, create)
	if !create && errors.Is(err, fs.ErrNotExist) {
		return nil, c.wrongKeys("there is no such file, and none is made, because the database %s holds secrets that were sealed with another one", stored)
	}
	if err != nil {
		return nil, err
	}
	if closed, _ := unopened(ring, stored); !lostKeys && len(closed) > 0 && len(closed) == len(stored) {
		return nil, c.wrongKeys("it opens none of the stored secrets: those in the database %s were sealed with other keys", stored)
	}
	return ring, nil
}

// wrongKeys says what to do; what has a verb for the database.
func (c *Config) wrongKeys(what string, stored []wtp.Credential) error {
	names := make([]string, len(stored))
	for i, cr := range stored {
		names[i] = strconv.Quote(cr.Name)
	}
	return fmt.Errorf("the console was not started. Key file %s: "+what+".\n"+
		"Secrets that would be lost (%d): %s.\n"+
		"Give it the key file that they were sealed with (--key-file or WTP_CONSOLE_KEY_FILE); it is the same for every replica.\n"+
		"Only if that file is lost: start once with `web serve --lost-keys`, and enter these secrets again",
		c.KeyFile, c.database(), len(stored), strings.Join(names, ", "))
}

// unopened names the credentials whose secret the ring doesn't open, and says why.
func unopened(ring *secret.Ring, stored []wtp.Credential) (names []string, why error) {
	var faults []error
	for _, cr := range stored {
		if _, err := ring.Open(cr.SealContext(), cr.SealedSecret); err != nil {
			names = append(names, cr.Name)
			faults = append(faults, fmt.Errorf("credential %q: %w", cr.Name, err))
		}
	}
	return names, errors.Join(faults...)
}

// warnOfSecrets logs which stored secrets do not open.
func (a *console) warnOfSecrets(ctx context.Context, keyFile string) error {
	stored, err := a.store.Credentials(ctx)
	if err != nil {
		return err
	}
	if names, why := unopened(a.ring, stored); len(names) > 0 {
		a.log.Error("stored secrets do not open: nothing can be sent or read with these credentials; give the console the key file that they were sealed with, or enter them again in the settings",
			"key_file", keyFile, "not_opened", len(names), "stored", len(stored), "credentials", names, "error", why)
	}
	return nil
}
