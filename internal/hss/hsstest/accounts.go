package hsstest

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"
)

// What a user may do in HSS.
const (
	RoleFull = "full" // the default: read and write
	RoleRead = "read" // lists only: writes answer HSS.0013
	RoleNone = "none" // every HSS call answers HSS.0013
)

// User is an IAM user.
type User struct {
	Account  string // default: the fleet's account
	Name     string
	Password string // default: random
	Role     string // RoleFull (default), RoleRead or RoleNone
}

// Key is an access key pair, permanent or (with SecurityToken) temporary.
type Key struct {
	AK, SK        string
	User          string    // default: the first user
	SecurityToken string    // must then come with every signed request
	Expires       time.Time // zero: never
}

const (
	keyTries     = 5 // failures in a row that are still answered; one more locks
	keyLock      = 5 * time.Minute
	loginTries   = 5
	loginLock    = 15 * time.Minute
	tokenLife    = 24 * time.Hour
	clockWindow  = 15 * time.Minute
	maxBodyBytes = 12 << 20
)

type user struct {
	User
	failures    int
	lockedUntil time.Time
}

type key struct {
	Key
	owner       *user
	revoked     bool
	failures    int
	lockedUntil time.Time
}

type token struct {
	user    *user
	project string // scope; empty: the whole account
	expires time.Time
	dead    bool // expired early
}

type directory struct {
	account string
	users   []*user
	keys    []*key
}

func newDirectory(f Fleet) directory {
	d := directory{account: f.Account}
	if d.account == "" {
		d.account = "acme-web"
	}
	if len(f.Users) == 0 {
		f.Users = []User{{Name: "wtp-console"}}
	}
	for _, u := range f.Users {
		d.addUser(u)
	}
	if len(f.Keys) == 0 {
		f.Keys = []Key{{}}
	}
	for _, k := range f.Keys {
		d.addKey(k)
	}
	return d
}

func (d *directory) addUser(u User) {
	if u.Account == "" {
		u.Account = d.account
	}
	if u.Password == "" {
		u.Password = "Pw-" + randomHex(10)
	}
	if u.Role == "" {
		u.Role = RoleFull
	}
	d.users = append(d.users, &user{User: u})
}

func (d *directory) addKey(k Key) {
	owner := d.users[0]
	for _, u := range d.users {
		if u.Name == k.User {
			owner = u
		}
	}
	if k.AK == "" {
		k.AK = "SIM" + strings.ToUpper(randomHex(9))[:17]
	}
	if k.SK == "" {
		k.SK = randomHex(20)
	}
	d.keys = append(d.keys, &key{Key: k, owner: owner})
}

func (d *directory) key(ak string) *key {
	for _, k := range d.keys {
		if k.AK == ak {
			return k
		}
	}
	return nil
}

// AddUser adds an IAM user.
func (s *Simulator) AddUser(u User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts.addUser(u)
}

// AddKey adds an access key pair; an empty SK becomes a random one.
func (s *Simulator) AddKey(k Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts.addKey(k)
}

// ExpireTokens makes every token issued so far answer APIGW.0307.
func (s *Simulator) ExpireTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expireTokens()
}

func (s *Simulator) expireTokens() {
	for _, t := range s.tokens {
		t.dead = true
	}
}

// RevokeKey deletes an access key: "ak not exist" from now on. It reports
// whether the key existed.
func (s *Simulator) RevokeKey(ak string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.accounts.key(ak)
	if k == nil || k.revoked {
		return false
	}
	k.revoked = true
	return true
}

// LockKey locks an access key for five minutes, as more than five failures in
// a row do. It reports whether the key exists.
func (s *Simulator) LockKey(ak string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.accounts.key(ak)
	if k == nil {
		return false
	}
	k.lockedUntil = s.cfg.Now().Add(keyLock)
	return true
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails since Go 1.24
	return hex.EncodeToString(b)
}
