package hss

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fakeCloud is IAM and HSS on one server, as far as tokens go.
type fakeCloud struct {
	*httptest.Server
	mu       sync.Mutex
	logins   int
	valid    string // the token HSS takes; "" for none
	served   int    // HSS calls answered 200
	denied   int    // HSS calls answered 401
	login    func(w http.ResponseWriter) bool
	deny     string        // body of HSS's 401
	lifetime time.Duration // of a token
	clock    func() time.Time
	gate     chan struct{} // when set, logins wait for it
}

func newCloud(t *testing.T) *fakeCloud {
	c := &fakeCloud{deny: `{"error_code":"APIGW.0307","error_msg":"The token must be updated"}`, lifetime: 24 * time.Hour, clock: time.Now}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if gate := c.gate; gate != nil && r.URL.Path == "/v3/auth/tokens" {
			<-gate
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		w.Header().Set("Date", c.clock().UTC().Format(http.TimeFormat))
		if r.URL.Path == "/v3/auth/tokens" {
			c.logins++
			if c.login != nil && !c.login(w) {
				return
			}
			c.valid = fmt.Sprintf("TOKEN-%d", c.logins)
			w.Header().Set("X-Subject-Token", c.valid)
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, `{"token":{"expires_at":%q,"project":{"id":"p1","name":"cn-north-4","domain":{"id":"d1"}}}}`,
				c.clock().UTC().Add(c.lifetime).Format("2006-01-02T15:04:05.000000Z"))
			return
		}
		if r.Header.Get("X-Auth-Token") != c.valid || c.valid == "" {
			c.denied++
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, c.deny)
			return
		}
		c.served++
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *fakeCloud) counts() (logins, served, denied int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.logins, c.served, c.denied
}

func (c *fakeCloud) set(change func(*fakeCloud)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c)
}

func (c *fakeCloud) want(t *testing.T, logins, served, denied int) {
	t.Helper()
	if l, s, d := c.counts(); l != logins || s != served || d != denied {
		t.Errorf("%d logins, %d served, %d denied; want %d, %d, %d", l, s, d, logins, served, denied)
	}
}

func user(c *Config) { c.Credential = iamUser() }

func TestTokenIsFetchedOnceAndKept(t *testing.T) {
	cloud := newCloud(t)
	c := connect(t, cloud.URL, user)
	for range 3 {
		if _, err := toggle(t, c); err != nil {
			t.Fatal(err)
		}
	}
	cloud.want(t, 1, 3, 0)
}

func TestTokenIsSharedAndFetchedByOne(t *testing.T) {
	cloud := newCloud(t)
	cloud.gate = make(chan struct{})
	cache := &TokenCache{}
	var wg sync.WaitGroup
	var failed atomic.Int32
	for range 8 {
		c := connect(t, cloud.URL, func(c *Config) { user(c); c.Tokens = cache })
		wg.Go(func() {
			if _, err := c.SetRaspSwitch(context.Background(), []string{hostA}, SwitchOn); err != nil {
				failed.Add(1)
			}
		})
	}
	close(cloud.gate)
	wg.Wait()
	if failed.Load() != 0 {
		t.Errorf("%d calls failed", failed.Load())
	}
	cloud.want(t, 1, 8, 0)
}

// TestDeadTokenIsRenewedOnce: eight calls meet the dead token, one login follows, each call is sent once more.
func TestDeadTokenIsRenewedOnce(t *testing.T) {
	for _, deny := range []string{
		`{"error_code":"APIGW.0307","error_msg":"The token must be updated"}`,
		`{"error_code":"APIG.0301","error_msg":"Incorrect IAM authentication information: decrypt token fail"}`,
	} {
		cloud := newCloud(t)
		cloud.deny = deny
		var paced atomic.Int32
		c := connect(t, cloud.URL, func(c *Config) {
			user(c)
			c.Pace = func(context.Context, string) error { paced.Add(1); return nil }
		})
		if _, err := toggle(t, c); err != nil {
			t.Fatal(err)
		}
		cloud.set(func(c *fakeCloud) { c.valid = "died" })
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, err := c.SetRaspSwitch(context.Background(), []string{hostA}, SwitchOn); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		logins, served, denied := cloud.counts()
		if logins != 2 || served != 9 || denied < 1 || denied > 8 {
			t.Errorf("%d logins, %d served, %d denied", logins, served, denied)
		}
		if int(paced.Load()) != served+denied {
			t.Errorf("paced %d of %d requests", paced.Load(), served+denied)
		}
	}
}

func TestOneRetryAndNoMore(t *testing.T) {
	cloud := newCloud(t)
	c := connect(t, cloud.URL, user)
	cloud.login = func(w http.ResponseWriter) bool { return true }
	if _, err := toggle(t, c); err != nil {
		t.Fatal(err)
	}
	// From now on HSS takes no token at all.
	cloud.set(func(c *fakeCloud) {
		c.valid = ""
		c.login = func(w http.ResponseWriter) bool {
			w.Header().Set("X-Subject-Token", "NOBODY-TAKES-THIS")
			w.WriteHeader(http.StatusCreated)
			return false
		}
	})
	if _, err := toggle(t, c); classOf(t, err) != ClassNotSignedIn {
		t.Error(err)
	}
	cloud.want(t, 2, 1, 2)
}

func TestOther401IsNotRetried(t *testing.T) {
	for _, deny := range []string{
		`{"error_code":"APIGW.0301","error_msg":"Incorrect IAM authentication information: x"}`,
		`{"error_code":"APIGW.0305","error_msg":"x"}`,
		``,
	} {
		cloud := newCloud(t)
		c := connect(t, cloud.URL, user)
		if _, err := c.CreateToken(t.Context()); err != nil {
			t.Fatal(err)
		}
		cloud.set(func(c *fakeCloud) { c.valid, c.deny = "other", deny })
		if _, err := toggle(t, c); classOf(t, err) != ClassNotSignedIn {
			t.Error(err)
		}
		cloud.want(t, 1, 0, 1)
	}
	// A key pair has nothing to renew, whatever the gateway says.
	cloud := newCloud(t)
	if _, err := toggle(t, connect(t, cloud.URL, nil)); classOf(t, err) != ClassNotSignedIn {
		t.Error(err)
	}
	cloud.want(t, 0, 0, 1)
}

// TestRefusedLoginIsNotRepeated: failures in a row lock the user, so only a person may try again at once.
func TestRefusedLoginIsNotRepeated(t *testing.T) {
	cloud := newCloud(t)
	now := time.Now()
	cloud.login = func(w http.ResponseWriter) bool {
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"error":{"code":401,"message":"The username or password is wrong.","title":"Unauthorized"}}`)
		return false
	}
	c := connect(t, cloud.URL, func(c *Config) { user(c); c.Now = func() time.Time { return now } })
	for range 3 {
		_, err := toggle(t, c)
		var e *Error
		if !errors.As(err, &e) || e.Class != ClassNotSignedIn || e.Op != OpSetRaspSwitch || e.Code != "401" {
			t.Fatalf("%+v", err)
		}
	}
	cloud.want(t, 1, 0, 0)
	if _, err := c.CreateToken(t.Context()); classOf(t, err) != ClassNotSignedIn {
		t.Error(err)
	}
	cloud.want(t, 2, 0, 0)
	now = now.Add(loginPause + time.Second)
	cloud.set(func(c *fakeCloud) { c.login = nil })
	if _, err := toggle(t, c); err != nil {
		t.Error(err)
	}
	cloud.want(t, 3, 1, 0)
}

func TestTokenIsRenewedWellBeforeItsEnd(t *testing.T) {
	cloud := newCloud(t)
	now := time.Now()
	// Our clock is three hours behind the server's; a token still lives as long as it lives.
	cloud.clock = func() time.Time { return now.Add(3 * time.Hour) }
	c := connect(t, cloud.URL, func(c *Config) { user(c); c.Now = func() time.Time { return now } })
	at := func(passed time.Duration, logins int) {
		t.Helper()
		cloud.set(func(*fakeCloud) { now = now.Add(passed) })
		if _, err := toggle(t, c); err != nil {
			t.Error(err)
		}
		if got, _, _ := cloud.counts(); got != logins {
			t.Errorf("%d logins, want %d", got, logins)
		}
	}
	at(0, 1)
	at(21*time.Hour+50*time.Minute, 1)
	at(15*time.Minute, 2) // 22:05 after the first login
	at(time.Hour, 2)
	// When the renewal fails, the old token does until its end.
	cloud.set(func(c *fakeCloud) {
		c.login = func(w http.ResponseWriter) bool { w.WriteHeader(http.StatusServiceUnavailable); return false }
	})
	at(21*time.Hour+10*time.Minute, 3)
	at(time.Minute, 3) // not at every call
	at(5*time.Minute, 4)
}

// TestEndThatIsOverSaysNothing: a token that is new and over at once is one whose end was
// said wrongly. It is used, and not fetched anew for each call.
func TestEndThatIsOverSaysNothing(t *testing.T) {
	cloud := newCloud(t)
	cloud.lifetime = -365 * 24 * time.Hour
	c := connect(t, cloud.URL, user)
	for range 3 {
		if _, err := toggle(t, c); err != nil {
			t.Fatal(err)
		}
	}
	cloud.want(t, 1, 3, 0)
}

// TestLoginTroubleMeansNotSent: whatever becomes of the login, the call it was for did not leave.
func TestLoginTroubleMeansNotSent(t *testing.T) {
	for _, tc := range []struct {
		status int
		body   string
		want   Class
	}{
		{500, "", ClassNotSent},
		{200, "{}", ClassNotSent},
		{201, "{}", ClassNotSent}, // without a token
		{302, "", ClassNotSent},
		{400, `{"error":{"code":400,"message":"bad"}}`, ClassNotSignedIn},
		{401, `{"error":{"code":401,"message":"The account is locked."}}`, ClassKeyLocked},
		{403, `{"error":{"code":403,"message":"no"}}`, ClassNoPermission},
		{429, `{"error_msg":"slow down"}`, ClassThrottled},
	} {
		cloud := newCloud(t)
		cloud.login = func(w http.ResponseWriter) bool {
			w.WriteHeader(tc.status)
			io.WriteString(w, tc.body)
			return false
		}
		_, err := toggle(t, connect(t, cloud.URL, user))
		if classOf(t, err) != tc.want {
			t.Errorf("%d: %v", tc.status, err)
		}
		cloud.want(t, 1, 0, 0)
	}
}

func TestWaitingForALoginEndsWithTheCaller(t *testing.T) {
	cloud := newCloud(t)
	cloud.gate = make(chan struct{})
	defer close(cloud.gate)
	c := connect(t, cloud.URL, user)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.SetRaspSwitch(ctx, []string{hostA}, SwitchOn); classOf(t, err) != ClassNotSent || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := c.CreateToken(ctx); classOf(t, err) != ClassNotSent || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestCreateTokenTellsTheProject(t *testing.T) {
	cloud := newCloud(t)
	r, err := connect(t, cloud.URL, user).CreateToken(t.Context())
	if err != nil || r.ProjectID != "p1" || r.ProjectName != "cn-north-4" || r.DomainID != "d1" || r.Status != 201 {
		t.Errorf("%+v, %v", r, err)
	}
	if left := time.Until(r.ExpiresAt); left < 23*time.Hour || left > 25*time.Hour {
		t.Errorf("expires in %v", left)
	}
	if _, err := connect(t, cloud.URL, nil).CreateToken(t.Context()); classOf(t, err) != ClassNotSent {
		t.Error(err)
	}
}

// TestOtherPasswordIsAnotherToken: a cache must not let a wrong password pass on the right one's token.
func TestOtherPasswordIsAnotherToken(t *testing.T) {
	cloud := newCloud(t)
	cache := NewTokenCache()
	for _, password := range []string{"one", "two"} {
		c := connect(t, cloud.URL, func(c *Config) { user(c); c.Credential.Password = password; c.Tokens = cache })
		if _, err := c.ListProjects(t.Context(), ""); classOf(t, err) != ClassUnclear { // an empty answer is no list
			t.Error(err)
		}
	}
	cloud.want(t, 2, 2, 0)
}
