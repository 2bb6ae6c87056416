// Package auth knows how people prove who they are: password hashes and rules, names, random tokens, the set-up
// code and when too many tries are too many. It keeps nothing: the database is elsewhere.
package auth

import (
	"context"
	"encoding/base64"
	"fmt"
	"runtime"

	"github.com/alexedwards/argon2id"
)

// hashParams are OWASP's for argon2id (Password Storage Cheat Sheet): 19 MiB, two passes, one lane.
func hashParams() *argon2id.Params {
	return &argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}
}

// Hasher hashes and checks passwords, at most one per processor at a time: each takes 19 MiB, and a crowd at the
// door must not take the memory of those inside. Make it with NewHasher and share it.
type Hasher struct {
	params *argon2id.Params
	turns  chan struct{}
}

// NewHasher gives a Hasher with the present parameters.
func NewHasher() *Hasher {
	return &Hasher{params: hashParams(), turns: make(chan struct{}, runtime.NumCPU())}
}

// Hash gives the form in which a password is stored: argon2id as a PHC string with its own salt. It fails only
// when ctx ends first.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	if err := h.turn(ctx); err != nil {
		return "", err
	}
	defer h.done()
	return argon2id.CreateHash(password, h.params)
}

// Check says whether a password belongs to a stored hash, and whether the hash should be made anew because the
// parameters have risen since. For a name that nobody has, pass an empty hash: the answer is no, after the same
// work, so that the time doesn't tell which names exist. It fails when ctx ends first or the hash can't be read.
func (h *Hasher) Check(ctx context.Context, password, hash string) (match, rehash bool, err error) {
	known := hash != ""
	if !known {
		hash = h.nobody()
	}
	if err := h.turn(ctx); err != nil {
		return false, false, err
	}
	defer h.done()
	match, used, err := argon2id.CheckHash(password, hash)
	if err != nil {
		return false, false, fmt.Errorf("auth: stored password hash: %w", err)
	}
	match = match && known
	return match, match && h.outgrown(used), nil
}

// nobody is a hash with the present parameters that no password is known to have.
func (h *Hasher) nobody() string {
	zeros := func(n uint32) string { return base64.RawStdEncoding.EncodeToString(make([]byte, n)) }
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", h.params.Memory, h.params.Iterations,
		h.params.Parallelism, zeros(h.params.SaltLength), zeros(h.params.KeyLength))
}

func (h *Hasher) outgrown(used *argon2id.Params) bool {
	return used.Memory < h.params.Memory || used.Iterations < h.params.Iterations ||
		used.SaltLength < h.params.SaltLength || used.KeyLength < h.params.KeyLength
}

func (h *Hasher) turn(ctx context.Context) error {
	select {
	case h.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (h *Hasher) done() { <-h.turns }
