package wtp

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
