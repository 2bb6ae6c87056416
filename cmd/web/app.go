package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"wtp-console/internal/apply"
	"wtp-console/internal/auth"
	"wtp-console/internal/connect"
	"wtp-console/internal/db"
	"wtp-console/internal/i18n"
	"wtp-console/internal/inventory"
	"wtp-console/internal/provision"
	"wtp-console/internal/secret"
	"wtp-console/internal/server"
	"wtp-console/internal/wtp"
	"wtp-console/static"
)

// console is everything one process runs, built once.
type console struct {
	log    *slog.Logger
	store  *db.Store
	ring   *secret.Ring
	conn   *connect.Connector
	runner *apply.Runner
	reader *inventory.Reader
}

// open builds the console over its database and key ring. now is nil outside the
// demo: the store then takes the clock that all replicas share. lostKeys: see loadKeys.
func open(ctx context.Context, c *Config, log *slog.Logger, now func() time.Time, lostKeys bool) (*console, error) {
	// A bad key file is found before the database is made or migrated.
	if _, err := secret.LoadRing(c.KeyFile, false); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	store, err := db.Open(ctx, db.Config{URL: c.DatabaseURL, Path: c.databasePath(), Now: now, Logger: log, LeaseFor: c.Lease})
	if err != nil {
		return nil, err
	}
	ring, err := c.loadKeys(ctx, store, lostKeys)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	clock := func() time.Time { return store.Now().Time() }
	a := &console{log: log, store: store, ring: ring}
	a.conn = &connect.Connector{Store: store, Ring: ring, Now: time.Now, Logger: log}
	owner := ownerName()
	a.reader = &inventory.Reader{Store: store, Connect: a.conn, Now: clock, Logger: log, Owner: owner,
		Wake: make(chan struct{}, 1), Every: c.ReadEvery}
	a.runner = &apply.Runner{Store: store, Connect: a.conn, Now: clock, Logger: log, Owner: owner,
		Wake: make(chan struct{}, 1), Changed: a.reader.Poke}
	return a, nil
}

// ownerName names this process in leases.
func ownerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	token, _ := auth.NewToken()
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), token[:8])
}

// provisionFrom applies the provisioning file, if one is set. lostKeys: see provision.File.
func (a *console) provisionFrom(ctx context.Context, path string, lostKeys bool) error {
	if path == "" {
		return nil
	}
	f, err := provision.Load(path, os.Getenv)
	if err != nil {
		return err
	}
	f.KeysLost = lostKeys
	return provision.Apply(ctx, a.store, a.ring, auth.NewHasher().Hash, f)
}

func (a *console) seal(context, plain string) (string, error) {
	return a.ring.Seal(context, secret.New(plain))
}

// handler builds the web side.
func (a *console) handler(l Listen) (http.Handler, error) {
	zone, err := time.LoadLocation(l.TimeZone)
	if err != nil {
		return nil, err
	}
	catalogue, err := i18n.Load()
	if err != nil {
		return nil, err
	}
	s, err := server.New(server.Config{
		Store: a.store, Assets: static.New(), Catalogue: catalogue, Logger: a.log, Now: time.Now,
		Version: version, Zone: zone, TrustedProxies: l.TrustedProxies, PublicURL: l.PublicURL, SecureCookies: l.Secure(),
		Wake: a.runner.Poke, WakeReader: a.reader.Poke, Seal: a.seal,
		CheckCredential: a.conn.Check, ListIAMProjects: a.conn.IAMProjects, FindHosts: a.conn.FindHosts,
		ReadBackups: a.reader.ReadBackups, ProtectedDirs: a.conn.ProtectedDirs, ReadTomcatDir: a.conn.TomcatDir,
	})
	if err != nil {
		return nil, err
	}
	return s.Handler(), nil
}

// serve answers requests and carries changes out until ctx ends, then lets
// requests and calls in flight finish.
func (a *console) serve(ctx context.Context, l Listen, ready func(address string)) error {
	handler, err := a.handler(l)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", l.Address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", l.Address, err)
	}
	web := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      2 * time.Minute, // a test of a credential makes several calls to HSS
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelWarn),
	}
	g, running := errgroup.WithContext(ctx)
	g.Go(func() error {
		var err error
		if l.TLSCert != "" {
			err = web.ServeTLS(listener, l.TLSCert, l.TLSKey)
		} else {
			err = web.Serve(listener)
		}
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return err
	})
	g.Go(func() error { return a.runner.Run(running) })
	g.Go(func() error { return a.reader.Run(running) })
	g.Go(func() error { return a.tidy(running) })
	g.Go(func() error {
		<-running.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
		defer cancel()
		return web.Shutdown(grace)
	})
	ready(listener.Addr().String())
	return g.Wait()
}

// tidy removes once an hour what nobody needs any more: plans that expired,
// sessions that ended, counts of old calls. The history is never touched.
func (a *console) tidy(ctx context.Context) error {
	every := time.NewTicker(time.Hour)
	defer every.Stop()
	for {
		if err := a.store.Tidy(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("tidying the database failed; it is tried again in an hour", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
	}
}

// consoleActor is who the console's own acts are recorded under.
func consoleActor(where string) wtp.Actor { return wtp.Actor{Name: "wtp-console", IP: where} }
