package secret

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

var (
	// ErrMissingKey says that a text was sealed under a key this ring doesn't hold; the message names its ID.
	ErrMissingKey = errors.New("the key it was sealed under is missing")
	// ErrTampered says that a text isn't what Seal made for that place: damaged, moved, or never sealed.
	ErrTampered = errors.New("the sealed text was altered or belongs elsewhere")
)

// version begins every sealed text. Another way of sealing gets another one.
const version = "v1"

// maxSealed is the longest sealed text Open looks at, in bytes; far above any access key or password.
const maxSealed = 64 << 10

// encoding is strict so that no second spelling of a sealed text opens.
var encoding = base64.RawStdEncoding.Strict()

// Seal encrypts a secret under the primary key (AES-256-GCM, random nonce) and binds it to its place: aad is
// "table.column.row uid" and must be given again to Open. The result is "v1.KEYID.BASE64".
func (r *Ring) Seal(aad string, v Value) (string, error) {
	if aad == "" {
		return "", errors.New("secret: sealing needs the place the text belongs to")
	}
	head := version + "." + r.primary.id
	data := r.primary.aead.Seal(nil, nil, []byte(v.Reveal()), bound(head, aad))
	return head + "." + encoding.EncodeToString(data), nil
}

// Open decrypts what Seal made for the same aad, under whichever key of the ring it was sealed. It fails with
// ErrMissingKey or ErrTampered.
func (r *Ring) Open(aad, sealed string) (Value, error) {
	id, err := KeyID(sealed)
	if err != nil {
		return Value{}, err
	}
	k, held := r.keys[id]
	if !held {
		return Value{}, fmt.Errorf("%w: key %s is not in the key file", ErrMissingKey, id)
	}
	head, text := sealed[:len(version)+1+len(id)], sealed[len(version)+1+len(id)+1:]
	data, err := encoding.DecodeString(text)
	// The decoder skips line ends, even when strict.
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return Value{}, fmt.Errorf("%w: its data is not base64", ErrTampered)
	}
	plain, err := k.aead.Open(nil, nil, data, bound(head, aad))
	if err != nil {
		return Value{}, ErrTampered
	}
	return New(string(plain)), nil
}

// KeyID is the ID of the key a text was sealed under; ErrTampered if it isn't a sealed text at all.
func KeyID(sealed string) (string, error) {
	if len(sealed) <= maxSealed {
		if v, rest, found := strings.Cut(sealed, "."); found && v == version {
			if id, _, found := strings.Cut(rest, "."); found && isKeyID(id) {
				return id, nil
			}
		}
	}
	return "", fmt.Errorf("%w: it does not have the form %s.KEY.DATA", ErrTampered, version)
}

// PrimaryID is the ID of the key that Seal uses.
func (r *Ring) PrimaryID() string { return r.primary.id }

// KeyIDs are the IDs of all keys, the primary first, the others from new to old.
func (r *Ring) KeyIDs() []string { return append([]string(nil), r.order...) }

// Format writes the IDs of the keys, for every verb; the keys themselves are never shown.
func (r *Ring) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "key ring %s", strings.Join(r.order, ", "))
}

// LogValue is the list of key IDs.
func (r *Ring) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// bound is what GCM authenticates beside the secret. The head can't hold a zero byte, so no two pairs meet.
func bound(head, aad string) []byte { return []byte(head + "\x00" + aad) }
