package hss

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Caps on what is read of an answer.
const (
	maxAnswer   = 8 << 20   // JSON
	maxDownload = 256 << 20 // an exported file of 200,000 rows
)

// Meta is what is known about a call beside its answer; it is filled as far as known when the call failed.
type Meta struct {
	Status     int           // HTTP status; 0 when no answer came
	RequestID  string        // quote it to the vendor
	Took       time.Duration // from connecting to the last byte; without waiting in Pace
	ServerDate time.Time     // the answer's Date, UTC; zero when it had none
	Skew       time.Duration // the server's clock minus ours; 0 when the answer had no Date
}

// call describes one request.
type call struct {
	op       string
	method   string
	path     []string // segments, unescaped; behind /v5/{project_id} for HSS, as they are for IAM
	query    url.Values
	body     any  // nil for none
	region   bool // the operation documents the region header
	iam      bool
	login    bool // fetches a token, so sends none
	want     int  // the one status that is success
	patience int  // multiple of the timeout, for downloads
	// decode reads the answer; nil for calls that answer nothing.
	decode func([]byte) error
	// stream, when set, reads an answer of the wanted status instead of decode.
	stream func(io.Reader) error
}

// answer is what came back.
type answer struct {
	meta    Meta
	header  http.Header
	body    []byte
	bodyErr error // the body was cut short or too long
	readErr error // of stream
}

// do carries out a call: token, pace, send, and once more with a new token if the gateway says the old one died.
func (c *Client) do(ctx context.Context, op *call) (Meta, error) {
	a, err := c.attempt(ctx, op)
	if err != nil {
		return a.meta, err
	}
	return a.meta, nil
}

// attempt returns *Error as error, never a nil *Error in it.
func (c *Client) attempt(ctx context.Context, op *call) (*answer, error) {
	if !op.iam && c.config.ProjectID == "" {
		return &answer{}, c.notSent(op, errors.New("the project ID is missing"))
	}
	var body []byte
	if op.body != nil {
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(op.body); err != nil {
			return &answer{}, c.notSent(op, err)
		}
		body = bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	}
	useToken := !op.login && !c.config.Credential.signs()
	token := ""
	if useToken {
		var err error
		if token, err = c.tokens.get(ctx, c, ""); err != nil {
			return &answer{}, c.noToken(op, err)
		}
	}
	a, f, err := c.send(ctx, op, body, token)
	if !useToken || err == nil || !tokenDied(a.meta.Status, f) {
		return a, err
	}
	renewed, tokenErr := c.tokens.get(ctx, c, token)
	if tokenErr != nil {
		return a, c.noToken(op, tokenErr)
	}
	a, _, err = c.send(ctx, op, body, renewed)
	return a, err
}

// send sends one request and judges the answer.
func (c *Client) send(ctx context.Context, op *call, body []byte, token string) (*answer, fault, error) {
	a := &answer{}
	if !op.iam && c.config.Pace != nil {
		if err := c.config.Pace(ctx, op.op); err != nil {
			e := c.notSent(op, nil)
			e.Message, e.Err = "kept back", err
			return a, fault{}, e
		}
	}
	if err := ctx.Err(); err != nil {
		return a, fault{}, c.notSent(op, err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout*time.Duration(max(1, op.patience)))
	defer cancel()

	req, err := c.request(ctx, op, body, token)
	if err != nil {
		return a, fault{}, c.notSent(op, err)
	}
	secrets := c.secrets(token, req.Header.Get("Authorization"))
	var asked, connected atomic.Bool
	req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	}))

	start := c.config.Now()
	resp, err := c.http.Do(req)
	if err != nil {
		a.meta.Took = max(0, c.config.Now().Sub(start))
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // the address is said elsewhere
		}
		if !mayHaveLeft(c.http.Transport, err, asked.Load(), connected.Load()) {
			e := c.fail(op, a, ClassNotSent)
			e.Err = causeOf(err, secrets)
			return a, fault{}, e
		}
		e := c.fail(op, a, ClassUnclear)
		e.Err = causeOf(err, secrets)
		return a, fault{}, e
	}
	defer resp.Body.Close()
	if issued := resp.Header.Get("X-Subject-Token"); issued != "" {
		secrets = append(secrets, issued)
	}
	c.read(op, resp, a, start)
	f := fault{}
	if resp.StatusCode != http.StatusSwitchingProtocols && !(op.stream != nil && resp.StatusCode == op.want) {
		f = readFault(a.body)
	}
	for _, id := range []string{resp.Header.Get("X-Request-Id"), f.requestID, resp.Header.Get("X-Iam-Trace-Id")} {
		if a.meta.RequestID = plainCode(id, secrets); a.meta.RequestID != "" {
			break
		}
	}
	if resp.StatusCode == op.want {
		err = c.accept(op, a, f, secrets)
	} else {
		err = c.refuse(op, a, f, secrets)
	}
	return a, f, err
}

// request builds the request with exactly the path and query that are signed.
func (c *Client) request(ctx context.Context, op *call, body []byte, token string) (*http.Request, error) {
	base := c.hss
	segments := append([]string{"v5", c.config.ProjectID}, op.path...)
	if op.iam {
		base, segments = c.iam, op.path
	}
	u := *base
	u.RawPath = u.EscapedPath()
	for _, s := range segments {
		u.Path += "/" + s
		u.RawPath += "/" + escape(s)
	}
	query := url.Values{}
	for name, values := range op.query {
		query[name] = values
	}
	if !op.iam && c.config.EnterpriseProjectID != "" {
		query.Set("enterprise_project_id", c.config.EnterpriseProjectID)
	}
	u.RawQuery = canonicalQuery(query)

	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, op.method, u.String(), reader)
	if err != nil {
		return nil, err
	}
	req.GetBody = nil // without it net/http cannot send a body twice, whatever it thinks of the first time
	req.Header.Set("User-Agent", "wtp-console")
	req.Header.Set("Content-Type", "application/json")
	if op.region {
		req.Header.Set("Region", c.config.Region)
	}
	switch {
	case op.login:
	case token != "":
		req.Header.Set("X-Auth-Token", token)
	default:
		if !op.iam {
			req.Header.Set("X-Project-Id", c.config.ProjectID)
		}
		sign(req, body, c.config.Credential, c.config.Now())
	}
	return req, nil
}

// mayHaveLeft tells whether a byte of the request can have been written. That needs a connection, so the
// trace decides; a transport that does not trace is believed only about dialling.
func mayHaveLeft(rt http.RoundTripper, err error, asked, connected bool) bool {
	if connected {
		return true
	}
	if _, ok := rt.(*http.Transport); ok || asked {
		return false
	}
	var dial *net.OpError
	var dns *net.DNSError
	return !errors.As(err, &dns) && !(errors.As(err, &dial) && dial.Op == "dial")
}

// read reads the answer and notes its meta data.
func (c *Client) read(op *call, resp *http.Response, a *answer, start time.Time) {
	a.header = resp.Header
	a.meta.Status = resp.StatusCode
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		a.meta.ServerDate = date.UTC()
		// Date has whole seconds: a difference below one says nothing.
		if skew := date.Sub(c.config.Now()); skew.Abs() >= time.Second {
			a.meta.Skew = skew.Round(time.Second)
		}
	}
	switch {
	case resp.StatusCode == http.StatusSwitchingProtocols: // its body is the raw connection
	case op.stream != nil && resp.StatusCode == op.want:
		r := &cappedReader{r: resp.Body, left: maxDownload}
		a.readErr = op.stream(r)
		a.bodyErr = r.err
	default:
		r := &cappedReader{r: resp.Body, left: maxAnswer}
		a.body, a.bodyErr = io.ReadAll(r)
		a.body = bytes.TrimPrefix(a.body, []byte(utf8BOM)) // no JSON, but writers of it exist
	}
	a.meta.Took = max(0, c.config.Now().Sub(start))
}

// cappedReader fails, rather than ends, beyond the cap, and remembers why reading ended if not at the end.
type cappedReader struct {
	r    io.Reader
	left int64
	err  error
}

func (r *cappedReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.r.Read(p)
	if r.left -= int64(n); r.left < 0 {
		r.err = errors.New("the answer is too long")
		return 0, r.err
	}
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// accept judges an answer of the wanted status: whole, without an error in it, and readable.
func (c *Client) accept(op *call, a *answer, f fault, secrets []string) error {
	unclear := func(text string, err error) error {
		e := c.fail(op, a, ClassUnclear)
		e.Message, e.Err = text, causeOf(err, secrets)
		return e
	}
	if op.stream != nil {
		var own *Error
		switch {
		case a.bodyErr != nil:
			return unclear("the answer did not arrive whole", a.bodyErr)
		case errors.As(a.readErr, &own):
			own.Op, own.Method, own.Path, own.Status, own.RequestID = op.op, op.method, c.pathOf(op), a.meta.Status, a.meta.RequestID
			own.Code, own.Message = plainCode(own.Code, secrets), scrub(own.Message, secrets)
			return own
		case errors.Is(a.readErr, ErrExportFormat):
			return unclear("", a.readErr)
		case a.readErr != nil:
			return a.readErr // of the function that was handed the rows
		}
		return nil
	}
	if a.bodyErr != nil {
		return unclear("the answer did not arrive whole", a.bodyErr)
	}
	body := bytes.TrimSpace(a.body)
	if len(body) > 0 && !json.Valid(body) {
		if body[0] == '<' {
			return unclear("the answer is HTML, so somebody between here and HSS gave it", nil)
		}
		return unclear("the answer is not JSON", nil)
	}
	if f.known || f.odd {
		e := c.fail(op, a, classify(http.StatusOK, f, a.meta.Skew, c.config.Credential.signs()))
		e.Code, e.Message = plainCode(f.code, secrets), scrub(f.message, secrets)
		return e
	}
	if op.decode == nil {
		return nil
	}
	if err := op.decode(body); err != nil {
		return unclear("the answer cannot be understood", err)
	}
	return nil
}

// refuse judges every other answer.
func (c *Client) refuse(op *call, a *answer, f fault, secrets []string) error {
	signed := c.config.Credential.signs() && !op.login
	e := c.fail(op, a, classify(a.meta.Status, f, a.meta.Skew, signed))
	e.Code, e.Message = plainCode(f.code, secrets), scrub(f.message, secrets)
	e.Throttle = parseThrottle(f.message)
	e.RetryAfter = parseRetryAfter(a.header, a.meta.ServerDate, c.config.Now())
	if e.Message == "" && e.Code == "" {
		switch {
		case a.meta.Status/100 == 3:
			e.Message = "a redirect, which is never followed"
		case a.meta.Status/100 == 2 || a.meta.Status/100 == 1:
			e.Message = fmt.Sprintf("expected status %d", op.want)
		case bytes.HasPrefix(bytes.TrimSpace(a.body), []byte("<")):
			e.Message = "the answer is HTML"
		}
	}
	return e
}

func (c *Client) fail(op *call, a *answer, class Class) *Error {
	return &Error{Op: op.op, Method: op.method, Path: c.pathOf(op), Class: class,
		Status: a.meta.Status, RequestID: a.meta.RequestID, Skew: a.meta.Skew}
}

// notSent is for what this client itself refuses.
func (c *Client) notSent(op *call, err error) *Error {
	e := c.fail(op, &answer{}, ClassNotSent)
	if err != nil {
		e.Message, e.Err = err.Error(), err
	}
	return e
}

func (c *Client) pathOf(op *call) string {
	if op.iam {
		return "/" + strings.Join(op.path, "/")
	}
	return "/v5/" + c.config.ProjectID + "/" + strings.Join(op.path, "/")
}

// secrets are the values no text may carry.
func (c *Client) secrets(token, authorization string) []string {
	cred := c.config.Credential
	_, signature, _ := strings.Cut(authorization, "Signature=")
	all := []string{authorization, signature, token, cred.SecurityToken, cred.SecretKey, cred.Password, cred.AccessKey}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}
