package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"time"

	"wtp-console/internal/auth"
	"wtp-console/internal/wtp"
)

// ServeCmd runs the console.
type ServeCmd struct {
	Config
	Listen
	LostKeys bool `help:"Start although the key file opens no stored secret, because the right one is lost; a missing one is made. To be given once: the secrets must then be entered again."`
}

// setupCodeFor is how long a set-up code is good for; a new one is printed when
// it ends, as long as nobody has used it.
const setupCodeFor = 30 * time.Minute

// Run runs it until told to stop.
func (c *ServeCmd) Run(ctx context.Context) error {
	if err := errors.Join(c.prepare(), c.check()); err != nil {
		return fmt.Errorf("the configuration has faults, nothing was started:\n%w", err)
	}
	log := c.logger()
	log.Info("starting", "version", version, "config", &c.Config, "listen", c.Address)
	a, err := start(ctx, &c.Config, log, c.LostKeys)
	if err != nil {
		return err
	}
	defer a.store.Close()
	err = a.serve(ctx, c.Listen, func(address string) {
		log.Info("listening", "address", address)
		go a.offerSetup(ctx, c.base(address))
	})
	log.Info("stopped")
	return err
}

// start builds the console, provisions it and says which secrets don't open.
func start(ctx context.Context, c *Config, log *slog.Logger, lostKeys bool) (*console, error) {
	a, err := open(ctx, c, log, nil, lostKeys)
	if err != nil {
		return nil, err
	}
	if err := a.provisionFrom(ctx, c.ProvisionFile, lostKeys); err != nil {
		return nil, errors.Join(err, a.store.Close())
	}
	if err := a.warnOfSecrets(ctx, c.KeyFile); err != nil {
		return nil, errors.Join(err, a.store.Close())
	}
	return a, nil
}

// base is the address to print for people.
func (l Listen) base(address string) string {
	if l.PublicURL != "" {
		return l.PublicURL
	}
	u := url.URL{Scheme: "http", Host: loopback(address)}
	if l.TLSCert != "" {
		u.Scheme = "https"
	}
	return u.String()
}

// offerSetup prints a one-time code for the first admin while there is nobody
// who could sign in. The code goes to the terminal and nowhere else: not to the
// log, not to the database in the clear.
func (a *console) offerSetup(ctx context.Context, base string) {
	for {
		needed, err := a.store.NeedsSetup(ctx)
		if err != nil {
			if ctx.Err() == nil {
				a.log.Error("cannot tell whether the console is set up", "error", err)
			}
			return
		}
		if !needed {
			return
		}
		code, hash := auth.NewSetupCode()
		if err := a.store.SetSetupCode(ctx, hash, wtp.At(time.Now().Add(setupCodeFor))); err != nil {
			a.log.Error("cannot keep a set-up code", "error", err)
			return
		}
		fmt.Fprintf(os.Stdout, "\nNobody can sign in yet. Open %s/setup and enter this code within %d minutes:\n\n    %s\n\n",
			base, int(setupCodeFor.Minutes()), code)
		select {
		case <-ctx.Done():
			return
		case <-time.After(setupCodeFor):
		}
	}
}
