package hss

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// connect gives a client for a test server.
func connect(t *testing.T, address string, change func(*Config)) *Client {
	t.Helper()
	config := Config{Region: "cn-north-4", ProjectID: vectorProject, Endpoint: address, IAMEndpoint: address, Credential: keyPair()}
	if change != nil {
		change(&config)
	}
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func toggle(t *testing.T, c *Client) (Meta, error) {
	t.Helper()
	return c.SetRaspSwitch(t.Context(), []string{hostA}, SwitchOn)
}

func classOf(t *testing.T, err error) Class {
	t.Helper()
	if err == nil {
		return ""
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%T is no *Error: %v", err, err)
	}
	return e.Class
}

// TestEveryAnswerHasItsClass is the table of outcomes for a write; "" is accepted.
func TestEveryAnswerHasItsClass(t *testing.T) {
	html := "<!DOCTYPE html><html><body>Sign in to the guest network</body></html>"
	for _, tc := range []struct {
		status int
		body   string
		want   Class
		code   string
	}{
		{200, "", "", ""},
		{200, "{}", "", ""},
		{200, " {\"total\":1}\n", "", ""},
		{200, `{"error_code":0,"error_description":"success"}`, "", ""},
		{200, `{"error_code":"0"}`, "", ""},
		{200, `{"error_code":""}`, "", ""},
		{200, `{"error_code":null}`, "", ""},
		{200, `{"error_code":"00000000"}`, "", ""},
		{200, `{"error":null}`, "", ""},
		{200, `{"error_code":"HSS.1007","error_msg":"agent offline"}`, ClassRefused, "HSS.1007"},
		{200, `{"error_code":1007,"error_description":"agent offline"}`, ClassRefused, "1007"},
		{200, `{"error_code":"HSS.0013","error_msg":"no right"}`, ClassNoPermission, "HSS.0013"},
		{200, `{"error":{"code":"X.1","message":"m"}}`, ClassRefused, "X.1"},
		{200, `{"error_code":{"a":1}}`, ClassUnclear, ""},
		{200, `{"code":"X.1","message":"m"}`, ClassUnclear, "X.1"},
		{200, `{"errorCode":"HSS.1007","errorMsg":"agent offline"}`, ClassUnclear, "HSS.1007"},
		{200, `{"errorCode":0,"errorMsg":"success"}`, "", ""},
		{200, html, ClassUnclear, ""},
		{200, "OK", ClassUnclear, ""},
		{200, "\ufeff{}\r\n", "", ""},
		{200, "null", "", ""},
		{200, "{}{}", ClassUnclear, ""},
		{200, `{"a":`, ClassUnclear, ""},
		{200, strings.Repeat("[", 100000), ClassUnclear, ""},
		{200, `"` + strings.Repeat("x", maxAnswer) + `"`, ClassUnclear, ""},
		{201, "{}", ClassUnclear, ""},
		{202, "{}", ClassUnclear, ""},
		{204, "", ClassUnclear, ""},
		{206, "{}", ClassUnclear, ""},
		{300, "", ClassUnclear, ""},
		{301, "", ClassUnclear, ""},
		{302, "", ClassUnclear, ""},
		{303, "", ClassUnclear, ""},
		{307, "", ClassUnclear, ""},
		{308, "", ClassUnclear, ""},
		{400, `{"error_code":"HSS.1007","error_description":"x","error_msg":"agent offline"}`, ClassRefused, "HSS.1007"},
		{400, `{"error_code":"HSS.0010","error_msg":"access denied"}`, ClassRefused, "HSS.0010"},
		{400, `{"error_code":"HSS.0013","error_msg":"x"}`, ClassNoPermission, "HSS.0013"},
		{400, `{"error_code":"00000010","error_description":"拒绝访问"}`, ClassRefused, "00000010"},
		{400, `{"code":"Common.0001","message":"bad"}`, ClassRefused, "Common.0001"},
		{400, `{"errorCode":"HSS.1007","errorMsg":"agent offline"}`, ClassRefused, "HSS.1007"},
		{400, `{"error":{"error_code":"HSS.1007","error_msg":"agent offline"}}`, ClassRefused, "HSS.1007"},
		{400, `{"error_code":"APIGW.0201","error_msg":"Bad request"}`, ClassRefused, "APIGW.0201"},
		{400, html, ClassUnclear, ""},
		{400, "{}", ClassUnclear, ""},
		{400, "", ClassUnclear, ""},
		{401, `{"error_code":"APIGW.0301","error_msg":"Incorrect IAM authentication information: verify aksk signature fail","request_id":"r1"}`, ClassNotSignedIn, "APIGW.0301"},
		{401, `{"error_code":"APIG.0301","error_msg":"AK access failed to reach the limit,forbidden"}`, ClassKeyLocked, "APIG.0301"},
		{401, `{"error_code":"APIC.0301","error_msg":"signature expired, signature time:20260102T030405Z, server time:20260102T040405Z"}`, ClassClock, "APIC.0301"},
		{401, `{"error_code":"APIGW.0301","error_msg":"Get secretKey failed,ak:OTHER,err:ak not exist"}`, ClassNotSignedIn, "APIGW.0301"},
		{401, `{"error_code":"APIGW.0305","error_msg":"x"}`, ClassNotSignedIn, "APIGW.0305"},
		{401, `{"error":{"code":401,"message":"The username or password is wrong.","title":"Unauthorized"}}`, ClassNotSignedIn, "401"},
		{401, html, ClassNotSignedIn, ""},
		{403, `{"error_code":"APIGW.0302","error_msg":"x"}`, ClassNoPermission, "APIGW.0302"},
		{403, html, ClassNoPermission, ""},
		{404, `{"error_code":"APIGW.0101","error_msg":"The API does not exist or has not been published"}`, ClassNotInRegion, "APIGW.0101"},
		{404, `{"error_code":"APIG.0101","error_msg":"x"}`, ClassNotInRegion, "APIG.0101"},
		{404, `{"error_code":"HSS.0011","error_msg":"not found"}`, ClassRefused, "HSS.0011"},
		{404, html, ClassUnclear, ""},
		{405, `{"error_code":"APIGW.0101","error_msg":"x"}`, ClassNotInRegion, "APIGW.0101"},
		{405, `{"error_code":"APIGW.0106","error_msg":"x"}`, ClassRefused, "APIGW.0106"},
		{407, "", ClassNotSent, ""},
		{408, "", ClassUnclear, ""},
		{409, `{"error_code":"HSS.1","error_msg":"x"}`, ClassRefused, "HSS.1"},
		{413, `{"error_code":"APIGW.0201","error_msg":"x"}`, ClassRefused, "APIGW.0201"},
		{422, `{"error_code":"HSS.1","error_msg":"x"}`, ClassRefused, "HSS.1"},
		{429, `{"error_code":"APIGW.0308","error_msg":"policy user over ratelimit,limit:5,time:1 minute"}`, ClassThrottled, "APIGW.0308"},
		{429, html, ClassThrottled, ""},
		{500, `{"error_code":"APIGW.0601","error_msg":"x"}`, ClassUnclear, "APIGW.0601"},
		{500, `{"error_code":"HSS.0041","error_msg":"x"}`, ClassUnclear, "HSS.0041"},
		{502, html, ClassUnclear, ""},
		{503, `{"error_code":"APIGW.0613","error_msg":"x"}`, ClassUnclear, "APIGW.0613"},
		{504, `{"error_code":"APIGW.0201","error_msg":"Backend timeout."}`, ClassUnclear, "APIGW.0201"},
	} {
		name := fmt.Sprintf("%d %.40s", tc.status, tc.body)
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				w.Header().Set("X-Request-Id", "req-17")
				if tc.status/100 == 3 {
					w.Header().Set("Location", "/elsewhere")
				}
				w.WriteHeader(tc.status)
				io.WriteString(w, tc.body)
			}))
			defer s.Close()
			meta, err := toggle(t, connect(t, s.URL, nil))
			if got := classOf(t, err); got != tc.want {
				t.Fatalf("class %q, want %q (%v)", got, tc.want, err)
			}
			if meta.Status != tc.status || meta.RequestID != "req-17" || meta.ServerDate.IsZero() {
				t.Errorf("meta %+v", meta)
			}
			var e *Error
			if errors.As(err, &e) && (e.Code != tc.code || e.Status != tc.status || e.RequestID != "req-17" || e.Op != OpSetRaspSwitch) {
				t.Errorf("code %q, want %q: %v", e.Code, tc.code, err)
			}
			if calls.Load() != 1 {
				t.Errorf("%d requests, want 1", calls.Load())
			}
		})
	}
}

// raw serves each connection with a function of what was read of the request.
func raw(t *testing.T, serve func(net.Conn, *http.Request)) (address string, requests *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	requests = new(atomic.Int32)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				req, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				io.Copy(io.Discard, req.Body)
				requests.Add(1)
				serve(conn, req)
			}()
		}
	}()
	return "http://" + l.Addr().String(), requests
}

func TestBrokenAnswersAreUnclear(t *testing.T) {
	block := make(chan struct{})
	defer close(block)
	for name, tc := range map[string]struct {
		answer string
		stay   bool
	}{
		"hang up without an answer":     {"", false},
		"hang up in the status line":    {"HTTP/1.1 2", false},
		"hang up in the header":         {"HTTP/1.1 200 OK\r\nContent-Le", false},
		"not HTTP":                      {"SSH-2.0-OpenSSH\r\n\r\n", false},
		"shorter than it says":          {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}", false},
		"nothing of what it says":       {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", false},
		"chunks cut short":              {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", false},
		"timeout before the answer":     {"", true},
		"timeout in the middle":         {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", true},
		"switching protocols":           {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", true},
		"400 cut short":                 {"HTTP/1.1 400 Bad Request\r\nContent-Length: 90\r\n\r\n{\"error_code\":\"HSS.1007\"", false},
		"redirect to an address in air": {"HTTP/1.1 302 Found\r\nLocation: ://\r\nContent-Length: 0\r\n\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			var requests *atomic.Int32
			for timeout := 200 * time.Millisecond; ; timeout *= 3 {
				var address string
				address, requests = raw(t, func(conn net.Conn, _ *http.Request) {
					io.WriteString(conn, tc.answer)
					if tc.stay {
						select {
						case <-block:
						case <-t.Context().Done():
						}
					}
				})
				_, err = toggle(t, connect(t, address, func(c *Config) {
					if tc.stay {
						c.Timeout = timeout
					}
				}))
				if requests.Load() > 0 || timeout > DefaultTimeout {
					break
				} // else the time was over before the request came
			}
			if got := classOf(t, err); got != ClassUnclear {
				t.Fatalf("class %q: %v", got, err)
			}
			if strings.HasPrefix(name, "timeout") && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v does not say it was a timeout", err)
			}
			if requests.Load() != 1 {
				t.Errorf("%d requests, want 1", requests.Load())
			}
		})
	}
}

// TestAnswersWithoutALengthAreWhole: HTTP lets an answer end where the connection does, which many a small
// server does; a write is answered with nothing at all.
func TestAnswersWithoutALengthAreWhole(t *testing.T) {
	for name, answer := range map[string]string{
		"empty, HTTP/1.0":    "HTTP/1.0 200 OK\r\n\r\n",
		"empty, HTTP/1.1":    "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
		"empty object":       "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{}",
		"no chunk":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"said to be nothing": "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			address, requests := raw(t, func(conn net.Conn, _ *http.Request) { io.WriteString(conn, answer) })
			if _, err := toggle(t, connect(t, address, nil)); err != nil || requests.Load() != 1 {
				t.Errorf("%d requests, %v", requests.Load(), err)
			}
		})
	}
}

func TestWhatNeverLeavesIsNotSent(t *testing.T) {
	const refused = "http://127.0.0.1:1"            // a port that was just given back might be another's by now
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, says nothing: a TLS handshake that hangs
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	untrusted := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request arrived") }))
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	defer untrusted.Close()

	short := func(c *Config) { c.Timeout = 300 * time.Millisecond }
	for name, c := range map[string]*Client{
		"connection refused": connect(t, refused, nil),
		"unknown name":       connect(t, "https://no-such-host.invalid", nil),
		"handshake hangs":    connect(t, "https://"+silent.Addr().String(), short),
		"untrusted TLS":      connect(t, untrusted.URL, nil),
		"kept back by Pace": connect(t, refused, func(c *Config) {
			c.Pace = func(context.Context, string) error { return errors.New("the day's budget is spent") }
		}),
		"no project": connect(t, refused, func(c *Config) { c.ProjectID = "" }),
	} {
		t.Run(name, func(t *testing.T) {
			meta, err := toggle(t, c)
			if got := classOf(t, err); got != ClassNotSent {
				t.Errorf("class %q: %v", got, err)
			}
			if meta.Status != 0 {
				t.Errorf("meta %+v", meta)
			}
		})
	}
	t.Run("cancelled before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := connect(t, refused, nil).SetRaspSwitch(ctx, []string{hostA}, SwitchOn)
		if classOf(t, err) != ClassNotSent || !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestCancelAfterSendingIsUnclear(t *testing.T) {
	arrived := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		close(arrived)
		<-r.Context().Done()
	}))
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := connect(t, s.URL, nil).SetRaspSwitch(ctx, []string{hostA}, SwitchOn)
	if classOf(t, err) != ClassUnclear || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestProxyRefusalIsNotSent(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no", http.StatusForbidden)
	}))
	defer proxy.Close()
	transport := newTransport()
	transport.Proxy = func(r *http.Request) (*url.URL, error) { return r.URL.Parse(proxy.URL) }
	_, err := toggle(t, connect(t, "https://hss.example.com", func(c *Config) { c.Transport = transport }))
	if classOf(t, err) != ClassNotSent {
		t.Error(err)
	}
}

// TestForeignTransportIsNotTrusted: a transport without a trace could have sent what it says it did not.
func TestForeignTransportIsNotTrusted(t *testing.T) {
	for want, cause := range map[Class]error{
		ClassUnclear: errors.New("no idea"),
		ClassNotSent: &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("refused")},
	} {
		c := connect(t, "http://127.0.0.1:1", func(c *Config) {
			c.Transport = tripFunc(func(*http.Request) (*http.Response, error) { return nil, cause })
		})
		if _, err := toggle(t, c); classOf(t, err) != want {
			t.Errorf("want %s: %v", want, err)
		}
	}
}

// TestRedirectLeaksNothing covers hss and IAM, with a token and with a signature.
func TestRedirectLeaksNothing(t *testing.T) {
	var stolen atomic.Int32
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen.Add(1) }))
	defer thief.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Auth-Token") == "" && strings.HasPrefix(r.URL.Path, "/v3/auth") && r.URL.Query().Get("nocatalog") == "true" && stolen.Load() == 0 {
				w.Header().Set("X-Subject-Token", "TOKENEXAMPLE")
				w.WriteHeader(http.StatusCreated)
				return
			}
			http.Redirect(w, r, thief.URL+"/x", status)
		}))
		for _, cred := range []Credential{keyPair(), iamUser()} {
			c := connect(t, s.URL, func(c *Config) { c.Credential = cred })
			if _, err := toggle(t, c); classOf(t, err) != ClassUnclear {
				t.Errorf("%d: %v", status, err)
			}
			if _, err := c.ListProjects(t.Context(), ""); classOf(t, err) != ClassUnclear {
				t.Errorf("%d: %v", status, err)
			}
		}
		s.Close()
	}
	if stolen.Load() != 0 {
		t.Errorf("%d redirects were followed", stolen.Load())
	}
}

// TestBodiesCannotBeSentTwice: net/http repeats what it can rewind.
func TestBodiesCannotBeSentTwice(t *testing.T) {
	eachCall(func(op string, run func(context.Context, *Client) error) {
		c := connect(t, "http://127.0.0.1:1", func(c *Config) {
			c.Transport = tripFunc(func(r *http.Request) (*http.Response, error) {
				if r.GetBody != nil {
					t.Errorf("%s can be rewound", op)
				}
				if r.Method != http.MethodGet && (r.Body == nil || r.Body == http.NoBody) {
					t.Errorf("%s has no body, so net/http may take it for harmless", op)
				}
				return respond(r, 200, ""), nil
			})
		})
		_ = run(t.Context(), c)
	})
	if !newTransport().DisableKeepAlives {
		t.Error("connections are reused")
	}
}

func TestRequestIDComesFromWhereItIs(t *testing.T) {
	for _, tc := range []struct{ header, value, body, want string }{
		{"X-Request-Id", "a", `{"error_code":"HSS.1","request_id":"b"}`, "a"},
		{"X-Other", "a", `{"error_code":"APIGW.0308","error_msg":"m","request_id":"b"}`, "b"},
		{"X-IAM-Trace-Id", "c", `{"error":{"code":400,"message":"m"}}`, "c"},
		{"X-Request-Id", "two words", `{}`, ""},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(tc.header, tc.value)
			w.WriteHeader(400)
			io.WriteString(w, tc.body)
		}))
		meta, err := toggle(t, connect(t, s.URL, nil))
		var e *Error
		if errors.As(err, &e); meta.RequestID != tc.want || e.RequestID != tc.want {
			t.Errorf("%+v: %q, %q", tc, meta.RequestID, e.RequestID)
		}
		s.Close()
	}
}

func TestThrottledCarriesThePolicy(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "17")
		w.WriteHeader(429)
		io.WriteString(w, `{"error_code":"APIGW.0308","error_msg":"The throttling threshold has been reached: policy user over ratelimit,limit:200,time:5 minute"}`)
	}))
	defer s.Close()
	_, err := toggle(t, connect(t, s.URL, nil))
	var e *Error
	if !errors.As(err, &e) || e.Throttle != (Throttle{200, 5 * time.Minute}) || e.RetryAfter != 17*time.Second {
		t.Errorf("%+v", err)
	}
}

func TestClockSkewComesFromTheDate(t *testing.T) {
	now := time.Now()
	for _, hours := range []int{-1, 1, -87600, 9600} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", now.UTC().Add(time.Duration(hours)*time.Hour).Format(http.TimeFormat))
			w.WriteHeader(401)
			io.WriteString(w, `{"error_code":"APIGW.0303","error_msg":"Incorrect app authentication information"}`)
		}))
		meta, err := toggle(t, connect(t, s.URL, func(c *Config) { c.Now = func() time.Time { return now } }))
		var e *Error
		errors.As(err, &e)
		want := time.Duration(hours) * time.Hour
		if e.Class != ClassClock || (e.Skew-want).Abs() > 5*time.Second || meta.Skew != e.Skew {
			t.Errorf("want %v: %v, %+v", want, e.Skew, err)
		}
		s.Close()
	}
}

func TestPaceIsAskedBeforeEachRequest(t *testing.T) {
	var asked, served []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { served = append(served, r.URL.Path) }))
	defer s.Close()
	c := connect(t, s.URL, func(c *Config) {
		c.Pace = func(_ context.Context, op string) error {
			if len(asked) != len(served) {
				t.Errorf("%s: asked %d times for %d requests", op, len(asked), len(served))
			}
			asked = append(asked, op)
			return nil
		}
	})
	eachCall(func(op string, run func(context.Context, *Client) error) {
		if op == OpListProjects {
			return // IAM has its own limits
		}
		_ = run(t.Context(), c)
		if len(asked) == 0 || asked[len(asked)-1] != op {
			t.Errorf("%s was not paced: %v", op, asked)
		}
	})
	_, _ = c.ListProjects(t.Context(), "")
	if len(asked) != len(served)-1 {
		t.Errorf("asked %d times for %d requests", len(asked), len(served))
	}
}

func TestAnswersAreReadToTheCapOnly(t *testing.T) {
	r := &cappedReader{r: io.LimitReader(bytes.NewReader(make([]byte, 100)), 100), left: 100}
	if b, err := io.ReadAll(r); len(b) != 100 || err != nil {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	r = &cappedReader{r: bytes.NewReader(make([]byte, 101)), left: 100}
	if _, err := io.ReadAll(r); err == nil {
		t.Error("101 bytes fit into 100")
	}
}
