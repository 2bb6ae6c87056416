// Package hss speaks the part of the Huawei Cloud HSS v5 API that Web Tamper Protection needs, and the two
// IAM calls that go with it: one method a call, named as in the vendor's SDK. It signs or fetches a token,
// sends, decodes, and says of every failure whether the call was certainly not applied or may have been.
// It never retries a call by itself but for one: after the gateway says that a token has died, one new token
// is fetched and the call sent once more.
package hss

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// DefaultTimeout is the deadline of one call, from connecting to the last byte of the answer.
const DefaultTimeout = 30 * time.Second

// Config is what a Client needs to know.
type Config struct {
	Region              string // 1-128 characters, e.g. "cn-north-4"
	ProjectID           string // 1-256 characters; may be empty for CreateToken and ListProjects only
	EnterpriseProjectID string // 1-256 characters; sent as enterprise_project_id when not empty
	Endpoint            string // of HSS, https (http for loopback only); a path is kept; empty: derived from Region
	IAMEndpoint         string // of IAM, likewise
	Credential          Credential
	Timeout             time.Duration    // per call, default DefaultTimeout
	Now                 func() time.Time // for signing and token expiry, default time.Now
	// Pace, when set, is awaited before each HSS request leaves (not for IAM); its error keeps the request back.
	Pace func(ctx context.Context, operation string) error
	// Tokens, when set, shares tokens between the clients of one credential.
	Tokens *TokenCache
	// Transport is for tests; the default verifies TLS, honours HTTPS_PROXY, HTTP_PROXY and NO_PROXY, and
	// opens a connection for each call.
	Transport http.RoundTripper
}

// Client calls HSS for one project with one credential. It is safe for concurrent use, holds no connection
// between calls and needs no closing.
type Client struct {
	config Config
	hss    *url.URL
	iam    *url.URL
	tokens *TokenCache
	http   *http.Client
}

// Format prints "[redacted]", whatever the verb: a Client holds a credential.
func (c *Client) Format(s fmt.State, _ rune) { io.WriteString(s, "hss.Client("+redacted+")") }

// New checks the configuration; its errors are for the person who typed it. It calls nobody.
func New(config Config) (*Client, error) {
	if n := len(config.Region); n < 1 || n > 128 || !headerSafe(config.Region) || strings.ContainsAny(config.Region, `/\?#@:%`) {
		return nil, fmt.Errorf("the region must have 1 to 128 letters, digits and hyphens, such as cn-north-4")
	}
	if config.ProjectID != "" {
		if err := checkID("project ID", config.ProjectID); err != nil {
			return nil, err
		}
		if !headerSafe(config.ProjectID) {
			return nil, fmt.Errorf("the project ID has a space or a character that cannot be sent")
		}
	}
	if config.EnterpriseProjectID != "" {
		if err := checkText("enterprise project ID", config.EnterpriseProjectID, 256); err != nil {
			return nil, err
		}
	}
	if err := config.Credential.check(); err != nil {
		return nil, err
	}
	if config.Timeout < 0 {
		return nil, fmt.Errorf("the timeout must not be negative")
	}
	if config.Timeout == 0 {
		config.Timeout = DefaultTimeout
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	c := &Client{config: config, tokens: config.Tokens}
	if c.tokens == nil {
		c.tokens = NewTokenCache()
	}
	var err error
	if c.hss, err = endpoint("HSS", config.Endpoint, "hss", config.Region); err != nil {
		return nil, err
	}
	if c.iam, err = endpoint("IAM", config.IAMEndpoint, "iam", config.Region); err != nil {
		return nil, err
	}
	transport := config.Transport
	if transport == nil {
		transport = newTransport()
	}
	c.http = &http.Client{
		Transport: transport,
		// Go would send X-Auth-Token along to wherever a redirect points; and a redirected write is no success.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// newTransport opens a connection for each call. With at most a few calls a minute reuse would gain little,
// and a request written into a connection the other side has just closed is an unclear outcome for nothing;
// net/http would also repeat a GET silently there, past Pace.
func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 15 * time.Second, Control: refuseLinkLocal}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    15 * time.Second,
		DisableKeepAlives:      true,
		DisableCompression:     true,    // so that Content-Length tells whether an answer is whole
		MaxResponseHeaderBytes: 1 << 18, // a token may have 32 KiB
	}
}

// refuseLinkLocal keeps a wrong name or a rebinding resolver from pointing the console at a cloud's
// metadata service (169.254.169.254), which no HSS endpoint shares a network with.
func refuseLinkLocal(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil
	}
	if ip := ap.Addr().Unmap(); ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() {
		return fmt.Errorf("the address %s is not one an endpoint may have", ip)
	}
	return nil
}

// endpoint reads what the person typed, or derives the vendor's address from the region.
func endpoint(what, typed, service, region string) (*url.URL, error) {
	if typed == "" {
		if strings.Trim(region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.HasPrefix(region, "-") || strings.HasSuffix(region, "-") || len(region) > 63 {
			return nil, fmt.Errorf("no %s endpoint can be derived from the region %q; give the endpoint", what, region)
		}
		return &url.URL{Scheme: "https", Host: derivedHost(service, region)}, nil
	}
	u, err := url.Parse(typed)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "" {
		return nil, fmt.Errorf("the %s endpoint must look like https://%s.cn-north-4.myhuaweicloud.com", what, service)
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, fmt.Errorf("the %s endpoint must have no user, query or fragment", what)
	}
	for _, segment := range strings.Split(u.Path, "/") {
		if segment == "." || segment == ".." {
			return nil, fmt.Errorf("the path of the %s endpoint must have no %q", what, segment)
		}
	}
	ip, ipErr := netip.ParseAddr(u.Hostname())
	loopback := u.Hostname() == "localhost" || ipErr == nil && ip.IsLoopback()
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback) {
		return nil, fmt.Errorf("the %s endpoint must begin with https:// (http:// is for loopback addresses only)", what)
	}
	if ipErr == nil && (ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified()) {
		return nil, fmt.Errorf("the %s endpoint has the address %s, which no endpoint may have", what, ip)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = strings.TrimRight(u.RawPath, "/")
	return u, nil
}

// derivedHost follows the tables of the vendor's SDK: Europe has its own domain, and IAM has a host of its
// own in the regions of the SDK's list, the global one elsewhere.
func derivedHost(service, region string) string {
	switch {
	case region == "eu-west-101":
		return service + "." + region + ".myhuaweicloud.eu"
	case service == "hss":
		return "hss." + region + ".myhuaweicloud.com"
	case region == "cn-south-4" || region == "cn-north-11" || region == "cn-southwest-3":
		return "iam.myhuaweicloud.com"
	case region == "eu-west-0" || slices.Contains(Regions(), region):
		return "iam." + region + ".myhuaweicloud.com"
	}
	return "iam.myhuaweicloud.com"
}

// Regions are the ids of the regions with HSS, as the vendor's SDK knows them; others exist.
func Regions() []string {
	return []string{
		"cn-north-1", "cn-north-2", "cn-north-4", "cn-north-9", "cn-north-11", "cn-north-12",
		"cn-east-2", "cn-east-3", "cn-east-4", "cn-east-5", "cn-south-1", "cn-south-2", "cn-south-4",
		"cn-southwest-2", "cn-southwest-3", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4",
		"af-south-1", "ae-ad-1", "me-east-1", "tr-west-1", "la-north-2", "la-south-2", "na-mexico-1", "sa-brazil-1",
		"my-kualalumpur-1", "ru-moscow-1", "eu-west-101",
	}
}
