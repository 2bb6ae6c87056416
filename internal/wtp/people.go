package wtp

// Role is what a person may do in the console.
type Role string

// The roles, from least to most.
const (
	Viewer   Role = "viewer"   // reads
	Operator Role = "operator" // reads and acts on HSS
	Admin    Role = "admin"    // all that, and settings and people
)

// Roles lists the roles from least to most.
func Roles() []Role { return []Role{Viewer, Operator, Admin} }

// Verb is something a role may or may not do.
type Verb string

// The verbs that routes declare.
const (
	Read       Verb = "read"       // see servers, backup servers, changes, events
	Act        Verb = "act"        // plan, confirm, stop changes; read HSS again
	Administer Verb = "administer" // credentials, projects, people, sessions of others
)

// May says whether the role may do the verb. An unknown role may do nothing.
func (r Role) May(v Verb) bool {
	switch v {
	case Read:
		return r == Viewer || r == Operator || r == Admin
	case Act:
		return r == Operator || r == Admin
	case Administer:
		return r == Admin
	}
	return false
}

// Valid says whether r is one of the roles.
func (r Role) Valid() bool { return r.May(Read) }

// User is a person who signs in.
type User struct {
	ID           int64
	Name         string // as shown; 1 to 64 characters
	NameKey      string // canonical form, unique
	PasswordHash string // argon2id, PHC form
	Role         Role
	Language     string // "en", "zh-CN" or "" for the browser's
	CreatedAt    Instant
	DisabledAt   Instant // 0: active
	LastSignInAt Instant
}

// Session is one signed-in browser. The cookie carries a random token; only its
// SHA-256 is kept.
type Session struct {
	TokenHash  string
	UserID     int64
	CreatedAt  Instant
	LastSeenAt Instant // written at most once a minute
	ExpiresAt  Instant // absolute end
	RevokedAt  Instant // 0: live
	IP         string
	UserAgent  string
}

// Actor is who asks for something, and from where; recorded with every event.
type Actor struct {
	UserID    int64 // 0: the console itself
	Name      string
	Role      Role
	IP        string
	UserAgent string
	RequestID string
}

// Event is one line of the append-only history.
type Event struct {
	Seq       int64
	At        Instant
	ActorID   int64
	Actor     string // the name then
	IP        string
	UserAgent string
	RequestID string
	Verb      string // e.g. "change.confirmed", "user.signed_in", "credential.replaced"
	ProjectID int64
	ChangeID  int64
	Subject   string // what it was done to, in words
	Detail    string // JSON object; never a secret
	PrevHash  string // hash of the event before
	Hash      string // SHA-256 over all fields above, length-prefixed
}
