package hss

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

// The canaries of this file; none may be printed.
const (
	canaryAK       = "CANARYACCESSKEY00001"
	canarySK       = "canary/secret+key=0002 \"quoted\""
	canarySecurity = "canary-security-token-0003"
	canaryPassword = "canary&password<0004>"
	canaryToken    = "MIIcanarytoken0005"
)

func forms(secret string) []string {
	quoted, _ := json.Marshal(secret)
	return []string{secret, url.QueryEscape(secret), url.PathEscape(secret), string(quoted[1 : len(quoted)-1]),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(secret))}
}

func noCanary(t *testing.T, what, text string) {
	t.Helper()
	for _, secret := range []string{canaryAK, canarySK, canarySecurity, canaryPassword, canaryToken} {
		for _, form := range forms(secret) {
			if strings.Contains(text, form) {
				t.Errorf("%s shows %q: %s", what, form, text)
				return
			}
		}
	}
	if strings.Contains(strings.ToLower(text), "canary") {
		t.Errorf("%s shows a part of a secret: %s", what, text)
	}
}

// everyPrint prints v in all the ways there are.
func everyPrint(v any) map[string]string {
	out := map[string]string{}
	// Not %w: outside Errorf it is a fault that go vet refuses, and fmt then prints without asking the type.
	for _, verb := range "vsqxXdobcUteEfFgG" {
		for _, flag := range []string{"", "+", "#", "-", " ", "0", "40.3"} {
			out["%"+flag+string(verb)] = fmt.Sprintf("%"+flag+string(verb), v)
		}
	}
	out["Sprint"] = fmt.Sprint(v)
	out["Sprintln of a slice"] = fmt.Sprintln([]any{v})
	out["%+v of a map"] = fmt.Sprintf("%+v", map[string]any{"v": v})
	if b, err := json.Marshal(v); err == nil {
		out["JSON"] = string(b)
	}
	if b, err := json.Marshal(map[string]any{"v": v}); err == nil {
		out["JSON inside"] = string(b)
	}
	var text, lines bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("m", "v", v)
	slog.New(slog.NewJSONHandler(&lines, nil)).Info("m", "v", v)
	out["slog text"], out["slog JSON"] = text.String(), lines.String()
	return out
}

func TestSecretsPrintAsRedacted(t *testing.T) {
	cred := Credential{AccessKey: canaryAK, SecretKey: canarySK, SecurityToken: canarySecurity, Password: canaryPassword, Account: "canary-account", User: "canary-user"}
	config := Config{Region: "cn-north-4", Credential: cred}
	client := connect(t, "https://hss.example.com", func(c *Config) {
		c.Credential = Credential{AccessKey: canaryAK, SecretKey: canarySK, SecurityToken: canarySecurity}
	})
	cache := &TokenCache{entries: map[[32]byte]*tokenEntry{{}: {token: canaryToken}}}
	for name, v := range map[string]any{"Credential": cred, "*Credential": &cred, "Config": config, "*Client": client,
		"*TokenCache": cache, "struct": struct{ C Credential }{cred}, "[]Credential": []Credential{cred}} {
		for how, text := range everyPrint(v) {
			noCanary(t, name+" by "+how, text)
		}
	}
	if reflect.TypeFor[Credential]().NumField() != 6 {
		t.Error("Credential has other fields than this test fills")
	}
}

// TestHostileEchoShowsNothing: whatever an answer repeats of what we sent, no error shows it.
func TestHostileEchoShowsNothing(t *testing.T) {
	var known []string // the secrets of the call at hand
	echoes := []func(r *http.Request, body []byte) string{
		func(r *http.Request, body []byte) string { // the whole canonical request, as a signature error may
			var b strings.Builder
			fmt.Fprintf(&b, "verify aksk signature fail, canonicalRequest:%s\n%s\n", r.Method, r.URL)
			for name, values := range r.Header {
				fmt.Fprintf(&b, "%s:%s\n", strings.ToLower(name), strings.Join(values, ","))
			}
			return b.String() + string(body)
		},
		func(r *http.Request, _ []byte) string { return fmt.Sprint(r.Header) },
		func(*http.Request, []byte) string {
			var all []string
			for _, s := range known {
				all = append(all, forms(s)...)
			}
			return strings.Join(all, " and ")
		},
		func(*http.Request, []byte) string { return strings.Repeat("x ", 240) + strings.Join(known, " ") },
		func(r *http.Request, body []byte) string {
			return quote(string(body)) + quote(r.Header.Get("Authorization"))
		},
		func(*http.Request, []byte) string { return `{"password":"canary-of-somebody-else"} secret: canary2` },
	}
	for i, echo := range echoes {
		for _, status := range []int{200, 400, 401, 403, 404, 429, 500} {
			for name, cred := range map[string]Credential{
				"key pair": {AccessKey: canaryAK, SecretKey: canarySK, SecurityToken: canarySecurity},
				"user":     {Account: "ACCOUNT", User: "USER", Password: canaryPassword},
				"stranger": {Account: "ACCOUNT", User: "STRANGER", Password: canaryPassword},
			} {
				known = []string{canaryAK, canarySK, canarySecurity}
				switch name {
				case "user":
					known = []string{canaryPassword, canaryToken}
				case "stranger":
					known = []string{canaryPassword, canaryPassword}
				}
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					body, _ := io.ReadAll(r.Body)
					if strings.HasSuffix(r.URL.Path, "/auth/tokens") && name == "user" {
						w.Header().Set("X-Subject-Token", canaryToken)
						w.WriteHeader(http.StatusCreated)
						return
					}
					text := echo(r, body)
					w.Header().Set("X-Request-Id", known[1])
					answer, _ := json.Marshal(map[string]string{"error_code": known[0], "error_msg": text, "request_id": known[1]})
					w.WriteHeader(status)
					w.Write(answer)
				}))
				c := connect(t, s.URL, func(c *Config) { c.Credential = cred })
				meta, err := toggle(t, c)
				if err == nil {
					t.Fatalf("echo %d, %d: accepted", i, status)
				}
				for how, text := range everyPrint(err) {
					if t.Failed() {
						break
					}
					noCanary(t, fmt.Sprintf("echo %d, %d, %s by %s", i, status, name, how), text)
				}
				for how, text := range everyPrint(meta) {
					noCanary(t, "Meta by "+how, text)
				}
				for e := err; e != nil; e = errors.Unwrap(e) {
					noCanary(t, "a cause", e.Error())
					noCanary(t, "a cause by %#v", fmt.Sprintf("%#v", e))
				}
				s.Close()
			}
		}
	}
}

func quote(s string) string { return fmt.Sprintf("%q", s) }

// TestMalformedAnswersAreNotQuoted: net/http quotes the bytes of an answer it cannot parse.
func TestMalformedAnswersAreNotQuoted(t *testing.T) {
	for _, answer := range []string{"HTTP/1.1 %s\r\n\r\n", "%s\r\n\r\n", "HTTP/1.1 200 OK\r\n%s\r\n\r\n", "HTTP/1.1 302 Found\r\nLocation: ://%s\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n"} {
		address, _ := raw(t, func(conn net.Conn, r *http.Request) {
			fmt.Fprintf(conn, answer, strings.ReplaceAll(r.Header.Get("Authorization"), "\n", "")+canarySK)
		})
		_, err := toggle(t, connect(t, address, func(c *Config) {
			c.Credential = Credential{AccessKey: canaryAK, SecretKey: canarySK}
		}))
		if classOf(t, err) != ClassUnclear {
			t.Errorf("%q: %v", answer, err)
		}
		for e := err; e != nil; e = errors.Unwrap(e) {
			noCanary(t, answer, e.Error())
			noCanary(t, answer, fmt.Sprintf("%#v", e))
		}
	}
}

func TestScrub(t *testing.T) {
	for text, want := range map[string]string{
		"Incorrect IAM authentication information: verify aksk signature fail": "Incorrect IAM authentication information: verify aksk signature fail",
		"Get secretKey failed,ak:HST3ABCD,err:ak not exist":                    "Get secretKey failed,ak:[redacted],err:ak not exist",
		"decrypt token fail: bad padding":                                      "decrypt token fail: bad padding",
		"Authorization: SDK-HMAC-SHA256 Access=A, Signature=B\nnext":           "Authorization: [redacted] next",
		`{"X-Auth-Token": "abc", "b": 1}`:                                      `{"X-Auth-Token": "[redacted]", "b": 1}`,
		"password = hunter2; user = bob":                                       "password = [redacted]; user = bob",
		"line\r\n\tline\x00 \u202edoc":                                         "line line doc",
		"拒绝访问":                                                                 "拒绝访问",
		"x" + strings.Repeat("A", 120) + " y":                                  "[redacted] y",
		strings.Repeat("ab ", 300):                                             strings.Repeat("ab ", 166) + "ab…",
	} {
		if got := scrub(text, nil); got != want {
			t.Errorf("%q\n got %q\nwant %q", text, got, want)
		}
	}
	if got := scrub("pass is ab", []string{"ab"}); got != redacted {
		t.Errorf("a short secret: %q", got)
	}
}
