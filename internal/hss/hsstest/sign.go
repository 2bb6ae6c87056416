package hsstest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	algorithm  = "SDK-HMAC-SHA256"
	dateLayout = "20060102T150405Z"
)

// authorization is the parsed Authorization header of a signed request.
type authorization struct {
	access    string
	headers   []string // as listed in SignedHeaders
	signature string
}

func parseAuthorization(value string) (authorization, error) {
	rest, ok := strings.CutPrefix(value, algorithm+" ")
	if !ok {
		return authorization{}, fmt.Errorf("the algorithm isn't %s", algorithm)
	}
	var a authorization
	for part := range strings.SplitSeq(rest, ",") {
		name, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Access":
			a.access = v
		case "SignedHeaders":
			a.headers = strings.Split(v, ";")
		case "Signature":
			a.signature = v
		default:
			return a, fmt.Errorf("unknown part %q", name)
		}
	}
	if a.access == "" || a.signature == "" || len(a.headers) == 0 {
		return a, fmt.Errorf("Access, SignedHeaders and Signature are all needed")
	}
	return a, nil
}

// canonicalRequest builds what the client must have signed, from the request
// as it arrived (SIGN, "Request Signing Algorithm").
func canonicalRequest(r *http.Request, signed []string, body []byte) (string, error) {
	path, err := canonicalURI(r.URL.EscapedPath())
	if err != nil {
		return "", err
	}
	query, err := canonicalQuery(r.URL.RawQuery)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(r.Method + "\n" + path + "\n" + query + "\n")
	for _, name := range signed {
		value := r.Host
		if !strings.EqualFold(name, "host") {
			value = strings.Join(r.Header.Values(name), ",")
		}
		b.WriteString(strings.ToLower(name) + ":" + strings.TrimSpace(value) + "\n")
	}
	b.WriteString("\n" + strings.Join(signed, ";") + "\n")
	if r.Header.Get("X-Sdk-Content-Sha256") == "UNSIGNED-PAYLOAD" {
		b.WriteString("UNSIGNED-PAYLOAD")
	} else {
		sum := sha256.Sum256(body)
		b.WriteString(hex.EncodeToString(sum[:]))
	}
	return b.String(), nil
}

func canonicalURI(escaped string) (string, error) {
	segments := strings.Split(escaped, "/")
	for i, segment := range segments {
		plain, err := url.PathUnescape(segment)
		if err != nil {
			return "", err
		}
		segments[i] = percentEncode(plain)
	}
	path := strings.Join(segments, "/")
	if !strings.HasSuffix(path, "/") {
		path += "/"
	}
	return path, nil
}

func canonicalQuery(raw string) (string, error) {
	if raw == "" {
		return "", nil
	}
	var pairs [][2]string
	for part := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(part, "=")
		// A "+" stays a plus here: the signature knows %20 only.
		name, err := url.PathUnescape(name)
		if err != nil {
			return "", err
		}
		value, err = url.PathUnescape(value)
		if err != nil {
			return "", err
		}
		pairs = append(pairs, [2]string{percentEncode(name), percentEncode(value)})
	}
	slices.SortFunc(pairs, func(a, b [2]string) int {
		if c := strings.Compare(a[0], b[0]); c != 0 {
			return c
		}
		return strings.Compare(a[1], b[1])
	})
	out := make([]string, len(pairs))
	for i, p := range pairs {
		out[i] = p[0] + "=" + p[1]
	}
	return strings.Join(out, "&"), nil
}

func percentEncode(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', strings.IndexByte("-_.~", c) >= 0:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

func signature(sk, date, canonical string) string {
	sum := sha256.Sum256([]byte(canonical))
	mac := hmac.New(sha256.New, []byte(sk))
	mac.Write([]byte(algorithm + "\n" + date + "\n" + hex.EncodeToString(sum[:])))
	return hex.EncodeToString(mac.Sum(nil))
}

// caller is who a request was proven to come from.
type caller struct {
	user  *user
	scope string // project a token is bound to
	token bool
}

// signedIn finds the caller of a request, or the gateway's refusal.
func (c *call) signedIn() (caller, *answer) {
	if header := c.r.Header.Get("Authorization"); header != "" {
		if c.r.Header.Get("X-Auth-Token") != "" {
			c.violate("both Authorization and X-Auth-Token are sent")
		}
		return c.checkSignature(header)
	}
	value := c.r.Header.Get("X-Auth-Token")
	if value == "" {
		c.violate("neither Authorization nor X-Auth-Token is sent")
		return caller{}, c.unauthorized("x-auth-token not found")
	}
	if len(value) > 32768 {
		c.violate("X-Auth-Token is longer than 32768")
	}
	t := c.s.tokens[value]
	switch {
	case t == nil:
		return caller{}, c.unauthorized("decrypt token fail")
	case t.dead || !c.now.Before(t.expires):
		return caller{}, c.gateway(http.StatusUnauthorized, "0307", "The token must be updated.")
	}
	return caller{user: t.user, scope: t.project, token: true}, nil
}

func (c *call) checkSignature(header string) (caller, *answer) {
	a, err := parseAuthorization(header)
	if err != nil {
		c.violate("Authorization can't be read: %v", err)
		return caller{}, c.unauthorized("verify aksk signature fail")
	}
	k := c.s.accounts.key(a.access)
	if k == nil || k.revoked || (!k.Expires.IsZero() && !c.now.Before(k.Expires)) {
		return caller{}, c.unauthorized("Get secretKey failed,ak:" + a.access + ",err:ak not exist")
	}
	if c.now.Before(k.lockedUntil) {
		return caller{}, c.unauthorized("AK access failed to reach the limit,forbidden: " + a.access)
	}
	date := c.r.Header.Get("X-Sdk-Date")
	signedAt, err := time.Parse(dateLayout, date)
	if err != nil || !slices.Contains(a.headers, "x-sdk-date") {
		c.violate("X-Sdk-Date %q is missing, unreadable or not among the signed headers", date)
		return caller{}, c.signatureFailed(k)
	}
	// The clock is judged before the signature, and isn't counted as a
	// failure of the key: nobody guesses secrets with a wrong clock.
	if skew := c.now.Sub(signedAt); skew > clockWindow || skew < -clockWindow {
		return caller{}, c.unauthorized(fmt.Sprintf("signature expired, signature time: %s, server time: %s",
			date, c.now.UTC().Format(dateLayout)))
	}
	if k.SecurityToken != "" && c.r.Header.Get("X-Security-Token") != k.SecurityToken {
		return caller{}, c.unauthorized("verify securityToken fail")
	}
	canonical, err := canonicalRequest(c.r, a.headers, c.body)
	if err != nil || !hmac.Equal([]byte(a.signature), []byte(signature(k.SK, date, canonical))) {
		c.violate("bad signature (key %s)", a.access)
		return caller{}, c.signatureFailed(k)
	}
	if !slices.IsSorted(a.headers) || strings.ToLower(strings.Join(a.headers, "")) != strings.Join(a.headers, "") {
		c.violate("SignedHeaders must be lower-case and sorted")
	}
	k.failures = 0
	return caller{user: k.owner}, nil
}

// signatureFailed counts a failure; the one after the fifth in a row locks.
func (c *call) signatureFailed(k *key) *answer {
	k.failures++
	if k.failures > keyTries {
		k.failures = 0
		k.lockedUntil = c.now.Add(keyLock)
	}
	return c.unauthorized("verify aksk signature fail")
}
