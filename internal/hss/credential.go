package hss

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted stands wherever a secret would have been printed.
const redacted = "[redacted]"

// Credential is what HSS and IAM are called with: either an access key pair (AccessKey and SecretKey, with
// SecurityToken when the pair is temporary) or an IAM user (Account, User and Password) for a token.
// It prints as "[redacted]" in every fmt verb, in JSON and in slog. Do not put it in an unexported field
// of something that is printed: fmt does not call methods there.
type Credential struct {
	AccessKey, SecretKey, SecurityToken string
	Account, User, Password             string
}

// Format prints "[redacted]" whatever the verb and flags.
func (Credential) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// String returns "[redacted]".
func (Credential) String() string { return redacted }

// GoString returns "[redacted]".
func (Credential) GoString() string { return redacted }

// MarshalText returns "[redacted]"; encoding/json uses it as well.
func (Credential) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON returns the JSON string "[redacted]".
func (Credential) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// LogValue makes slog print "[redacted]".
func (Credential) LogValue() slog.Value { return slog.StringValue(redacted) }

// signs tells whether the credential is an access key pair.
func (c Credential) signs() bool { return c.AccessKey != "" || c.SecretKey != "" }

// check says what is missing or doubled, in words for the person who typed it.
func (c Credential) check() error {
	user := c.Account != "" || c.User != "" || c.Password != ""
	switch {
	case c.signs() && user:
		return fmt.Errorf("the credential has both an access key pair and an IAM user; give one of them")
	case c.signs() && c.AccessKey == "":
		return fmt.Errorf("the access key ID (AK) is missing")
	case c.signs() && c.SecretKey == "":
		return fmt.Errorf("the secret access key (SK) is missing")
	case c.signs() && (!headerSafe(c.AccessKey) || !headerSafe(c.SecurityToken)):
		return fmt.Errorf("the access key ID or the security token has a space or a character that cannot be sent")
	case c.signs():
		return nil
	case c.SecurityToken != "":
		return fmt.Errorf("a security token needs its access key pair")
	case !user:
		return fmt.Errorf("the credential is empty; give an access key pair, or an IAM account, user and password")
	case c.Account == "" || c.User == "" || c.Password == "":
		return fmt.Errorf("an IAM user needs account name, user name and password")
	}
	return nil
}

// headerSafe tells whether s is printable ASCII without spaces, as keys, tokens and region ids are.
func headerSafe(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
