package secret

import "crypto/subtle"

// Holds says whether a sealed text is this secret in this place, without giving
// the secret out. A text that can't be opened is not.
func (r *Ring) Holds(aad, sealed string, v Value) bool {
	held, err := r.Open(aad, sealed)
	return err == nil && subtle.ConstantTimeCompare([]byte(held.Reveal()), []byte(v.Reveal())) == 1
}
