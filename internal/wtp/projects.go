package wtp

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// CredentialKind is how HSS is called.
type CredentialKind string

// The kinds of credential.
const (
	AccessKey   CredentialKind = "access_key"   // AK/SK, requests are signed
	IAMPassword CredentialKind = "iam_password" // IAM account, user and password, for a token
)

// Credential is how HSS is called for one or more projects. Its secret (the SK
// or the password) is kept sealed only.
type Credential struct {
	ID           int64
	UID          string // random, part of what the sealed secret is bound to
	Name         string
	Kind         CredentialKind
	AccessKey    string // the AK; not secret
	Account      string // IAM account (domain) name
	IAMUser      string
	Region       string // whose IAM is asked, e.g. cn-north-4
	IAMEndpoint  string // "" for the region's own
	SealedSecret string // v1.<key id>.<base64>
	CreatedAt    Instant
	CreatedBy    string
	SecretSetAt  Instant
	SecretSetBy  string
	LastUsedAt   Instant
	LockedUntil  Instant // HSS said the key is locked; no call before this
	TestedAt     Instant
	Test         string // JSON of []TestStep, "" if never tested
	RemovedAt    Instant
}

// SealContext is what the sealed secret is bound to, so that a ciphertext moved
// to another row doesn't open.
func (c Credential) SealContext() string { return "credentials.sealed_secret." + c.UID }

// TestStep is one step of a connection test.
type TestStep struct {
	Name      string `json:"name"`              // catalogue text, e.g. "Sign in to IAM"
	State     string `json:"state"`             // "ok", "failed", "not_tested"
	Says      string `json:"says,omitempty"`    // catalogue text: what was wrong and what to do
	Code      string `json:"code,omitempty"`    // HSS or IAM error code
	Message   string `json:"message,omitempty"` // their message, scrubbed
	RequestID string `json:"request_id,omitempty"`
	Millis    int64  `json:"millis"`
}

// Project is a region's HSS project that the console manages.
type Project struct {
	ID                  int64
	Slug                string // in URLs; unique among those not removed
	Name                string
	Region              string // 1 to 128 characters
	HSSProjectID        string // 1 to 256 characters
	EnterpriseProjectID string // "" for the default; "all_granted_eps" for all
	HSSEndpoint         string // "" for https://hss.{region}.myhuaweicloud.com
	IAMEndpoint         string // "" for the credential's
	CredentialID        int64
	CreatedAt           Instant
	RemovedAt           Instant
	LastNumber          int64   // number of the newest change
	ServerCount         int64   // servers in the inventory
	Unlisted            int64   // of these, Unlisted
	ListedAt            Instant // group, importance and backup server in use of the others are as of then; 0: not all were read yet
	BackupCount         int64   // backup servers in the inventory
	BackupTrouble       int64   // of these, not running
	ReadAt              Instant // the inventory shows HSS as of then; 0: never read
	ReadStartedAt       Instant // a reading is under way since then; 0: none
	ReadWantedAt        Instant // somebody asked for a reading then; 0: nobody
	ReadFailedAt        Instant // the last reading failed then; 0: it didn't
	ReadError           string  // what the failed reading met, for people
	ReadLease           string  // who reads
	ReadLeaseUntil      Instant
}

// IAMProject is a project as IAM lists it, to be ticked.
type IAMProject struct {
	ID, Name, Region string
	Enabled          bool
}

// CredentialForm is what a person typed about a credential, raw.
type CredentialForm struct {
	Name        string
	Kind        string
	AccessKey   string
	Secret      string // the SK or the password; "" keeps the stored one
	Account     string
	IAMUser     string
	Region      string
	IAMEndpoint string
}

// Check holds the form to its rules and returns what is to be kept of it, which
// never includes the secret. stored is the credential as it is, or nil for a new
// one: the secret may be left out only if nothing changes that says whose it is
// or where it is sent, so that nobody can turn a stored password towards an
// address of their own.
func (f CredentialForm) Check(stored *Credential) (Credential, error) {
	var bad Invalid
	var c Credential
	if stored != nil {
		c = *stored
	}
	c.Name = checkName(&bad, f.Name)
	c.Region = checkRegion(&bad, f.Region)
	c.IAMEndpoint = checkEndpoint(&bad, "iam_endpoint", f.IAMEndpoint)
	c.Kind, c.AccessKey, c.Account, c.IAMUser = CredentialKind(f.Kind), "", "", ""
	switch c.Kind {
	case AccessKey:
		c.AccessKey = checkWord(&bad, "access_key", f.AccessKey, 128)
	case IAMPassword:
		c.Account = checkText(&bad, "account", f.Account, 256)
		c.IAMUser = checkText(&bad, "iam_user", f.IAMUser, 256)
	default:
		bad.Add("kind", "Choose an access key pair, or an IAM user with a password.")
	}
	switch plain := f.PlainSecret(); {
	case utf8.RuneCountInString(plain) > 1024:
		bad.Add("secret", "At most 1,024 characters.")
	case hasControl(plain):
		bad.Add("secret", "The secret contains a line break or another control character. Paste it without.")
	case plain != "":
	case stored == nil:
		bad.Add("secret", "Enter the secret. It is stored encrypted and never shown again.")
	case c.Kind != stored.Kind || c.AccessKey != stored.AccessKey || c.Account != stored.Account || c.IAMUser != stored.IAMUser ||
		c.Region != stored.Region || c.IAMEndpoint != stored.IAMEndpoint:
		bad.Add("secret", "Enter the secret again: it belongs to what was entered before, and is not sent anywhere else.")
	}
	return c, bad.Err()
}

// PlainSecret is the secret to be sealed. An SK never has blanks around it, so
// those of a careless paste are left out; a password is taken as it is.
func (f CredentialForm) PlainSecret() string {
	if CredentialKind(f.Kind) == AccessKey {
		return strings.TrimSpace(f.Secret)
	}
	return f.Secret
}

// ProjectForm is what a person typed about a project, raw.
type ProjectForm struct {
	Name                string
	Region              string
	HSSProjectID        string
	EnterpriseProjectID string
	CredentialID        string
	HSSEndpoint         string
	IAMEndpoint         string
}

// Check holds the form to its rules: region 1 to 128 characters, project ID and
// enterprise project ID 1 to 256 (hss-api: the common parts of every call). The
// result carries what was readable even when there is an error.
func (f ProjectForm) Check(credentials []Credential) (Project, error) {
	var bad Invalid
	p := Project{
		Name:         checkName(&bad, f.Name),
		Region:       checkRegion(&bad, f.Region),
		HSSProjectID: checkWord(&bad, "project_id", f.HSSProjectID, 256),
		HSSEndpoint:  checkEndpoint(&bad, "hss_endpoint", f.HSSEndpoint),
		IAMEndpoint:  checkEndpoint(&bad, "iam_endpoint", f.IAMEndpoint),
	}
	if strings.TrimSpace(f.EnterpriseProjectID) != "" {
		p.EnterpriseProjectID = checkWord(&bad, "enterprise_project_id", f.EnterpriseProjectID, 256)
	}
	id, err := strconv.ParseInt(f.CredentialID, 10, 64)
	if err != nil || !slices.ContainsFunc(credentials, func(c Credential) bool { return c.ID == id && c.RemovedAt == 0 }) {
		bad.Add("credential", "Choose the credential that calls HSS for this project.")
	}
	p.CredentialID = id
	return p, bad.Err()
}

// RegionOfIAMProject is the region that an IAM project belongs to. A region's own
// project is named like the region; a sub-project is named region_name.
func RegionOfIAMProject(name string) string {
	region, _, _ := strings.Cut(name, "_")
	return region
}

func checkName(bad *Invalid, s string) string {
	s = strings.TrimSpace(s)
	switch n := utf8.RuneCountInString(s); {
	case n == 0:
		bad.Add("name", "Enter a name, as your team calls it.")
	case n > 100:
		bad.Add("name", "At most 100 characters; this has %d.", n)
	case hasControl(s):
		bad.Add("name", "The name contains a control character.")
	}
	return s
}

// checkRegion allows what region IDs are made of and nothing else: a region
// becomes part of a host name (https://hss.{region}.myhuaweicloud.com).
func checkRegion(bad *Invalid, s string) string {
	s = strings.TrimSpace(s)
	switch n := utf8.RuneCountInString(s); {
	case n == 0:
		bad.Add("region", "Enter the region, for example cn-north-4.")
	case n > 128:
		bad.Add("region", "At most 128 characters; this has %d.", n)
	case strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" || s[0] == '-' || s[n-1] == '-':
		bad.Add("region", "A region has only letters, digits and hyphens, for example cn-north-4.")
	}
	return s
}

// checkWord is for IDs that become part of a URL or a header.
func checkWord(bad *Invalid, field, s string, limit int) string {
	s = checkText(bad, field, s, limit)
	if strings.ContainsAny(s, " /\\?#%") {
		bad.Add(field, "This contains a blank or another character that is in no ID.")
	}
	return s
}

func checkText(bad *Invalid, field, s string, limit int) string {
	s = strings.TrimSpace(s)
	switch n := utf8.RuneCountInString(s); {
	case n == 0:
		bad.Add(field, "Enter 1 to %d characters.", limit)
	case n > limit:
		bad.Add(field, "At most %d characters; this has %d.", limit, n)
	case hasControl(s):
		bad.Add(field, "This contains a control character.")
	}
	return s
}

// checkEndpoint accepts "" (the region's own endpoint) or an absolute https URL
// without anything but host and path. Plain http is for the simulator and its
// like on this machine only: a token would cross the network in the clear.
func checkEndpoint(bad *Invalid, field, s string) string {
	s = strings.TrimRight(strings.TrimSpace(s), "/")
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	switch {
	case utf8.RuneCountInString(s) > 512:
		bad.Add(field, "At most %d characters; this has %d.", 512, utf8.RuneCountInString(s))
	case err != nil || u.Hostname() == "" || u.Opaque != "" || hasControl(s) || strings.ContainsAny(s, " \\"):
		bad.Add(field, "Enter a whole address, for example https://hss.cn-north-4.myhuaweicloud.com.")
	case u.User != nil:
		bad.Add(field, "Leave user name and password out of the address.")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#"):
		bad.Add(field, "Leave out what follows ? or #.")
	case !portInRange(u.Port()):
		bad.Add(field, "The port of the address is outside 1 to 65535.")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		bad.Add(field, "Use https. Plain http is allowed for addresses of this machine only.")
	case u.Scheme != "https" && u.Scheme != "http":
		bad.Add(field, "Start with https://.")
	}
	return s
}

func portInRange(port string) bool {
	n, err := strconv.Atoi(port)
	return port == "" || err == nil && n >= 1 && n <= 65535
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// ParseCallsPerMinute reads how often one API may be called with one credential
// in a minute, 1 to 600. HSS documents 5 for one user and one address, and 600
// for an API in all.
func ParseCallsPerMinute(s string) (int, Invalid) {
	var bad Invalid
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < 1 || n > 600 || strings.HasPrefix(strings.TrimSpace(s), "+") {
		bad.Add("calls_per_minute", "Enter a whole number from 1 to 600.")
		return 0, bad
	}
	return n, nil
}
