package hss

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Signing with an access key pair: "API Request Signing Guide", algorithm SDK-HMAC-SHA256. The golden
// vectors in signer_test.go were computed with the vendor's own signer.
const (
	signAlgorithm = "SDK-HMAC-SHA256"
	signDate      = "20060102T150405Z"
)

// sign puts X-Sdk-Date, X-Security-Token (for temporary keys) and Authorization on req, and signs host,
// x-sdk-date and, when present, region, x-project-id and x-security-token. User-Agent and Content-Type stay
// unsigned because proxies rewrite them. body must be exactly what will be sent.
func sign(req *http.Request, body []byte, cred Credential, now time.Time) {
	req.Header.Set("X-Sdk-Date", now.UTC().Format(signDate))
	if cred.SecurityToken != "" {
		req.Header.Set("X-Security-Token", cred.SecurityToken)
	}
	names := []string{"host", "x-sdk-date"}
	for _, name := range []string{"region", "x-project-id", "x-security-token"} {
		if req.Header.Get(name) != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	signature := signatureOf(stringToSign(req.Header.Get("X-Sdk-Date"), canonicalRequest(req, body, names)), cred.SecretKey)
	req.Header.Set("Authorization", signAlgorithm+" Access="+cred.AccessKey+
		", SignedHeaders="+strings.Join(names, ";")+", Signature="+signature)
}

// canonicalRequest is the text whose hash is signed; names are lower-case and sorted.
func canonicalRequest(req *http.Request, body []byte, names []string) string {
	var b strings.Builder
	b.WriteString(req.Method + "\n")
	b.WriteString(canonicalURI(req.URL.EscapedPath()) + "\n")
	b.WriteString(canonicalQuery(req.URL.Query()) + "\n")
	for _, name := range names {
		value := req.Header.Get(name)
		if name == "host" {
			value = req.Host
			if value == "" {
				value = req.URL.Host
			}
		}
		b.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
	}
	b.WriteString("\n" + strings.Join(names, ";") + "\n")
	sum := sha256.Sum256(body)
	b.WriteString(hex.EncodeToString(sum[:]))
	return b.String()
}

func stringToSign(date, canonical string) string {
	sum := sha256.Sum256([]byte(canonical))
	return signAlgorithm + "\n" + date + "\n" + hex.EncodeToString(sum[:])
}

func signatureOf(text, secretKey string) string {
	mac := hmac.New(sha256.New, []byte(secretKey))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// canonicalURI escapes each segment anew and ends with "/", which the sent path need not.
func canonicalURI(escapedPath string) string {
	segments := strings.Split(escapedPath, "/")
	for i, s := range segments {
		if plain, err := url.PathUnescape(s); err == nil {
			s = plain
		}
		segments[i] = escape(s)
	}
	path := strings.Join(segments, "/")
	if !strings.HasSuffix(path, "/") {
		path += "/"
	}
	return path
}

// canonicalQuery sorts by name, then by value. It is also what goes on the wire, so that what is signed and
// what is sent cannot differ.
func canonicalQuery(query url.Values) string {
	pairs := make([]string, 0, len(query))
	names := make([]string, 0, len(query))
	for name := range query {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		values := slices.Clone(query[name])
		slices.Sort(values)
		for _, v := range values {
			pairs = append(pairs, escape(name)+"="+escape(v))
		}
	}
	return strings.Join(pairs, "&")
}

// escape percent-encodes every byte but A-Z a-z 0-9 - _ . ~, with upper-case hex. url.QueryEscape would
// write a space as "+", which the signature does not allow.
func escape(s string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' || c == '~' {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String()
}
