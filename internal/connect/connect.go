// Package connect is the console's line to HSS: it opens a credential, gives an
// HSS client for a project under the shared rate budget, reads what HSS shows,
// and says in plain words what went wrong. It is the one place where a sealed
// secret is opened, at the moment of use.
package connect

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync"
	"time"

	"wtp-console/internal/db"
	"wtp-console/internal/hss"
	"wtp-console/internal/secret"
	"wtp-console/internal/wtp"
)

const (
	// DefaultCallsPerMinute is what HSS documents per API, user and address
	// (hss-api: 5 a minute). The setting "calls_per_minute" overrides it.
	DefaultCallsPerMinute = 5
	// SettingCallsPerMinute is the setting's name: a whole number from 1 to 600.
	SettingCallsPerMinute = "calls_per_minute"

	// late is from when on a call's way out is noted: one that was taken from the
	// budget and left this much later counts from when it left.
	late = 250 * time.Millisecond
	// keyLock is how long HSS locks a key pair after too many failures in a row.
	keyLock = 5 * time.Minute
	// longestHold caps what a 429 can ask for, so that one odd answer can't park
	// a team's work for a day.
	longestHold = 5 * time.Minute
	// longestWindow caps the window of a limit that a 429 names, for the same reason.
	longestWindow = time.Hour
	// patience is how long a call that somebody waits for in a browser may wait
	// for the budget.
	patience = 8 * time.Second
)

// Connector gives clients. Its fields are set once, before use; it is safe for
// concurrent use.
type Connector struct {
	Store     *db.Store
	Ring      *secret.Ring
	Now       func() time.Time // nil: time.Now
	Logger    *slog.Logger     // nil: slog.Default
	Transport http.RoundTripper
	Timeout   time.Duration // per call; 0: hss.DefaultTimeout
	// Wait waits for the budget and between polls; nil waits in real time. It
	// returns the context's error when that ends first.
	Wait func(ctx context.Context, d time.Duration) error

	mu       sync.Mutex
	tokens   map[tokenKey]*hss.TokenCache
	small    map[int64]bool // projects whose HSS takes pages of 100 only
	refusals map[signIn]refusal
}

// tokenKey tells a credential's secrets apart: a replaced secret must not go on
// with the old one's token.
type tokenKey struct {
	credential int64
	set        wtp.Instant
}

func (c *Connector) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

func (c *Connector) logger() *slog.Logger {
	if c.Logger == nil {
		return slog.Default()
	}
	return c.Logger
}

func (c *Connector) wait(ctx context.Context, d time.Duration) error {
	if c.Wait != nil {
		return c.Wait(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Client opens the project's credential and gives a client for the project, for a
// change. Each call of it that isn't Prepaid waits for the shared budget (see
// Take), as long as ctx lets it. The
// error is a *wtp.Upstream when the credential can't be used now (removed,
// locked, its key missing), else the store's.
func (c *Connector) Client(ctx context.Context, p wtp.Project) (*hss.Client, wtp.Credential, error) {
	w := upkeep()
	w.turn.Priority = db.ForChange
	return c.client(ctx, p, w)
}

func (c *Connector) client(ctx context.Context, p wtp.Project, w waiter) (*hss.Client, wtp.Credential, error) {
	cred, err := c.Store.Credential(ctx, p.CredentialID)
	if err != nil {
		return nil, cred, err
	}
	if why := c.unusable(cred); why != nil {
		return nil, cred, why
	}
	plain, err := c.open(cred)
	if err != nil {
		return nil, cred, err
	}
	client, err := c.build(cred, plain, &p, w)
	if err != nil {
		return nil, cred, Upstream(err)
	}
	if err := c.Store.NoteCredentialUsed(ctx, cred.ID); err != nil {
		return nil, cred, err
	}
	return client, cred, nil
}

// unusable says why a credential may not be used now; nil: it may.
func (c *Connector) unusable(cred wtp.Credential) *wtp.Upstream {
	switch {
	case cred.RemovedAt != 0:
		return &wtp.Upstream{Class: ClassNoCredential, Text: wtp.Say("The credential of this project was removed. Choose another one for the project in the settings.")}
	case cred.LockedUntil > wtp.At(c.now()):
		return &wtp.Upstream{Class: string(hss.ClassKeyLocked), Text: locked()}
	}
	return nil
}

// open is the only caller of Ring.Open for a credential.
func (c *Connector) open(cred wtp.Credential) (secret.Value, error) {
	plain, err := c.Ring.Open(cred.SealContext(), cred.SealedSecret)
	if err == nil {
		return plain, nil
	}
	up := &wtp.Upstream{Class: ClassNoCredential, Text: wtp.Say("The stored secret cannot be opened: it was damaged or moved. Enter it again in the settings.")}
	if errors.Is(err, secret.ErrMissingKey) {
		up.Class = ClassNoKey
		up.Text = wtp.Say("The key that this secret was encrypted with is missing from the key file. Bring the key file back, or enter the secret again in the settings.")
	}
	c.logger().Error("a sealed secret does not open", "credential", cred.ID, "err", err)
	return secret.Value{}, up
}

// build makes the client. p nil: for IAM only.
func (c *Connector) build(cred wtp.Credential, plain secret.Value, p *wtp.Project, w waiter) (*hss.Client, error) {
	config := hss.Config{
		Region: cred.Region, IAMEndpoint: cred.IAMEndpoint,
		Timeout: c.Timeout, Now: c.now, Transport: c.Transport,
	}
	if p != nil {
		config.Region, config.ProjectID, config.EnterpriseProjectID = p.Region, p.HSSProjectID, p.EnterpriseProjectID
		config.Endpoint = p.HSSEndpoint
		config.IAMEndpoint = cmp.Or(p.IAMEndpoint, cred.IAMEndpoint)
	}
	switch cred.Kind {
	case wtp.AccessKey:
		config.Credential = hss.Credential{AccessKey: cred.AccessKey, SecretKey: plain.Reveal()}
	case wtp.IAMPassword:
		config.Credential = hss.Credential{Account: cred.Account, User: cred.IAMUser, Password: plain.Reveal()}
	}
	if cred.ID != 0 {
		config.Tokens = c.tokenCache(cred)
		config.Pace = func(ctx context.Context, operation string) error {
			if prepaid, ok := ctx.Value(paidKey{}).(*paid); ok && prepaid.spend(operation) {
				return nil
			}
			_, err := c.pace(ctx, cred.ID, operation, w)
			return err
		}
	}
	return hss.New(config)
}

func (c *Connector) tokenCache(cred wtp.Credential) *hss.TokenCache {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := tokenKey{cred.ID, cred.SecretSetAt}
	if c.tokens == nil {
		c.tokens = map[tokenKey]*hss.TokenCache{}
	}
	if c.tokens[key] == nil {
		for old := range c.tokens {
			if old.credential == cred.ID {
				delete(c.tokens, old)
			}
		}
		c.tokens[key] = hss.NewTokenCache()
	}
	return c.tokens[key]
}

// Take asks the shared budget for one call of an operation. If its Wait is 0, one
// was taken, to be made with Prepaid; else it is worth asking again after that
// long, but no later than db.AskAgain, lest another with the same turn be served
// first. A credential that may not be used now is a *wtp.Upstream.
func (c *Connector) Take(ctx context.Context, credentialID int64, operation string, turn db.Turn) (db.Taken, error) {
	cred, err := c.Store.Credential(ctx, credentialID)
	if err != nil {
		return db.Taken{}, err
	}
	if why := c.unusable(cred); why != nil {
		return db.Taken{}, why
	}
	limit, err := c.limit(ctx)
	if err != nil {
		return db.Taken{}, err
	}
	return c.Store.TakeCall(ctx, credentialID, operation, limit, wtp.CallWindow, turn)
}

func (c *Connector) limit(ctx context.Context) (int, error) {
	text, err := c.Store.Setting(ctx, SettingCallsPerMinute)
	if err != nil {
		return 0, err
	}
	if n, err := strconv.Atoi(text); err == nil && n >= 1 {
		return n, nil
	}
	return DefaultCallsPerMinute, nil
}

// pace waits for a call of the budget and takes it.
func (c *Connector) pace(ctx context.Context, credentialID int64, operation string, w waiter) (db.Taken, error) {
	var waited time.Duration
	for {
		taken, err := c.Take(ctx, credentialID, operation, w.turn)
		if err != nil || taken.Wait <= 0 {
			return taken, err
		}
		if w.patience > 0 && waited+taken.Wait > w.patience {
			return db.Taken{}, &wtp.Upstream{Operation: operation, Class: string(hss.ClassThrottled),
				Text: wtp.Say("The calls that HSS allows in a minute are used up. Try again in a minute.")}
		}
		d := min(taken.Wait, db.AskAgain) // somebody may have raised the budget
		waited += d
		if err := c.wait(ctx, d); err != nil {
			return db.Taken{}, err
		}
	}
}

// waiter is who waits for calls of the budget.
type waiter struct {
	turn     db.Turn
	patience time.Duration // how long at most; 0: as long as its context lets it
}

// somebody waits in front of a page.
func somebody() waiter {
	return waiter{db.Turn{Who: rand.Text(), Priority: db.ForPerson}, patience}
}

// upkeep waits as long as it takes.
func upkeep() waiter {
	return waiter{db.Turn{Who: rand.Text(), Priority: db.ForUpkeep}, 0}
}

type paidKey struct{}

// paid is a call that was taken from the budget beforehand.
type paid struct {
	mu        sync.Mutex
	operation string
	left      wtp.Instant // when its request was written; 0: not yet
}

func (p *paid) spend(operation string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	ok := p.operation == operation
	if ok {
		p.operation = "" // a second sending, after a token died, pays for itself
	}
	return ok
}

// Prepaid makes a call in whose context the operation doesn't ask the budget: it
// was taken from it with Take, before the call was written down. A call that left
// a good deal later than it was taken (a slow connection, a place in a queue) is
// counted from then on, since HSS counts it when it arrives.
func (c *Connector) Prepaid(ctx context.Context, operation string, taken db.Taken, call func(context.Context) (hss.Meta, error)) (hss.Meta, error) {
	p := &paid{operation: operation}
	meta, err := call(httptrace.WithClientTrace(context.WithValue(ctx, paidKey{}, p), &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.left == 0 && p.operation == "" {
				p.left = wtp.At(c.now())
			}
		},
	}))
	p.mu.Lock()
	left := p.left
	p.mu.Unlock()
	if left.Sub(taken.At) >= late {
		if err := c.Store.SentLate(context.WithoutCancel(ctx), taken, left); err != nil {
			c.logger().Error("when a call left could not be noted", "operation", operation, "err", err)
		}
	}
	return meta, err
}

// Heard tells everybody who shares the credential what an answer said about it (a
// 429, a locked key) and gives the failure in our words; nil for no error.
func (c *Connector) Heard(ctx context.Context, credentialID int64, err error) *wtp.Upstream {
	if err == nil {
		c.accepted(credentialID)
		return nil
	}
	up := Upstream(err)
	var e *hss.Error
	if credentialID == 0 || !errors.As(err, &e) {
		return up
	}
	ctx = context.WithoutCancel(ctx)
	var noted error
	switch {
	case e.Class == hss.ClassThrottled:
		noted = c.Store.BlockCalls(ctx, credentialID, e.Op, wtp.At(c.now().Add(Hold(e))))
		if e.Throttle.Limit > 0 {
			noted = errors.Join(noted, c.Store.KeepTo(ctx, credentialID, e.Op, e.Throttle.Limit, min(e.Throttle.Per, longestWindow)))
		}
	case e.Class == hss.ClassKeyLocked:
		noted = c.Store.LockCredential(ctx, credentialID, wtp.At(c.now().Add(keyLock)))
	}
	if noted != nil {
		c.logger().Error("what HSS said about a credential could not be kept", "credential", credentialID, "err", noted)
	}
	return up
}

// Hold is how long a throttled call is held back: what the answer asked for, or
// the window its text names, or a minute; never more than five.
func Hold(e *hss.Error) time.Duration {
	switch {
	case e.RetryAfter > 0:
		return min(e.RetryAfter, longestHold)
	case e.Throttle.Per > 0:
		return min(e.Throttle.Per, longestHold)
	}
	return time.Minute
}
