package secret

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

const (
	keyBytes    = 32 // AES-256
	keyIDChars  = 8  // hexadecimal, from the hash of the key
	ringVersion = 1
	maxRingFile = 1 << 20
)

// Ring holds the keys of one key file. It doesn't change; Rotate and Drop give a new one. The empty Ring is of no
// use: make one by LoadRing.
type Ring struct {
	primary *key
	keys    map[string]*key
	order   []string
}

type key struct {
	id   string
	aead cipher.AEAD
}

// ringFile is the key file. The first key is the primary. Keys are base64; an ID is derived from its key, so that a
// damaged key is noticed and the same key has the same ID in every copy of the file.
type ringFile struct {
	Version int       `json:"version"`
	Keys    []fileKey `json:"keys"`
}

type fileKey struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Key     string    `json:"key"`
}

// LoadRing reads a key file. With create, a missing file is first made with one new key and mode 0600; without it a
// missing file is an error that wraps fs.ErrNotExist. A file that others may read, that is cut short or damaged, or
// that a newer version wrote, is refused and left as it is.
func LoadRing(path string, create bool) (*Ring, error) {
	file, err := readRing(path)
	if errors.Is(err, fs.ErrNotExist) && create {
		file, err = createRing(path)
	}
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	ring, err := file.ring()
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return ring, nil
}

// Rotate puts a new primary key in front of the keys of a file and returns the new ring. The old keys stay, so
// everything sealed can still be opened; seal it again under the new key, then Drop the old ones. The file is
// replaced as a whole: a crash leaves the old or the new one.
func Rotate(path string) (*Ring, error) {
	return change(path, func(f *ringFile) error {
		k, err := newKey()
		f.Keys = slices.Insert(f.Keys, 0, k)
		return err
	})
}

// Drop removes keys from a file and returns the new ring. What is still sealed under them is lost, so the caller
// first makes sure that nothing is. The primary key can't be dropped, and an unknown ID is an error.
func Drop(path string, ids ...string) (*Ring, error) {
	return change(path, func(f *ringFile) error {
		for _, id := range ids {
			at := slices.IndexFunc(f.Keys, func(k fileKey) bool { return k.ID == id })
			switch at {
			case -1:
				return fmt.Errorf("there is no key %s in it", id)
			case 0:
				return fmt.Errorf("key %s is the primary key and can't be dropped", id)
			}
			f.Keys = slices.Delete(f.Keys, at, at+1)
		}
		return nil
	})
}

func change(path string, edit func(*ringFile) error) (*Ring, error) {
	ring, err := func() (*Ring, error) {
		// A key file may be a link (mounted secrets are); the file behind it is what gets replaced.
		target, err := filepath.EvalSymlinks(path)
		if err != nil {
			return nil, err
		}
		unlock, err := lockFolder(filepath.Dir(target))
		if err != nil {
			return nil, err
		}
		defer unlock()
		file, err := readRing(target)
		if err != nil {
			return nil, err
		}
		if err := edit(file); err != nil {
			return nil, err
		}
		ring, err := file.ring()
		if err != nil {
			return nil, err
		}
		return ring, writeRing(target, file)
	}()
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return ring, nil
}

func createRing(path string) (*ringFile, error) {
	unlock, err := lockFolder(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer unlock()
	// Another process may have been faster; its key is the key.
	if file, err := readRing(path); !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	k, err := newKey()
	if err != nil {
		return nil, err
	}
	file := &ringFile{Version: ringVersion, Keys: []fileKey{k}}
	return file, writeRing(path, file)
}

// lockFolder keeps two processes from changing a key file at once: the loser's new key would be gone with all that
// was sealed under it. The lock goes with the process, so a crash leaves nothing behind.
func lockFolder(dir string) (func(), error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("can't lock its folder: %w", err), d.Close())
	}
	return func() { _ = d.Close() }, nil // closing gives the lock back
}

func readRing(path string) (*ringFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	if mode := info.Mode().Perm(); mode&^0o600 != 0 {
		return nil, fmt.Errorf("its mode is %04o, so others may use it; run: chmod 600 %s", mode, path)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxRingFile))
	if err != nil {
		return nil, err
	}
	// The version comes first: what a newer file holds beside it is not for us to judge.
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return nil, errors.New("it is cut short or no key file; restore it from a copy")
	}
	if head.Version != ringVersion {
		return nil, fmt.Errorf("its version is %d, this program knows only version %d", head.Version, ringVersion)
	}
	strict := json.NewDecoder(bytes.NewReader(raw))
	strict.DisallowUnknownFields()
	file := &ringFile{}
	if err := strict.Decode(file); err != nil {
		return nil, errors.New("it holds something that doesn't belong into a key file; restore it from a copy")
	}
	return file, nil
}

func writeRing(path string, file *ringFile) (err error) {
	raw, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
	}()
	_, err = temp.Write(append(raw, '\n'))
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return err
	}
	if err = os.Rename(temp.Name(), path); err != nil {
		return err
	}
	d, openErr := os.Open(dir)
	if openErr != nil {
		return nil // replaced; only the folder's own flush is left to the system
	}
	_ = d.Sync() // some file systems can't flush a folder
	_ = d.Close()
	return nil
}

func (f *ringFile) ring() (*Ring, error) {
	if len(f.Keys) == 0 {
		return nil, errors.New("it holds no key; restore it from a copy")
	}
	r := &Ring{keys: make(map[string]*key, len(f.Keys))}
	for _, k := range f.Keys {
		raw, err := base64.StdEncoding.Strict().DecodeString(k.Key)
		if err != nil || len(raw) != keyBytes || keyID(raw) != k.ID {
			return nil, fmt.Errorf("key %q in it is damaged; restore the file from a copy", k.ID)
		}
		if r.keys[k.ID] != nil {
			return nil, fmt.Errorf("key %s is in it twice", k.ID)
		}
		opened, err := newSealer(k.ID, raw)
		if err != nil {
			return nil, err
		}
		r.keys[k.ID], r.order = opened, append(r.order, k.ID)
	}
	r.primary = r.keys[r.order[0]]
	return r, nil
}

// newSealer derives the sealing key from the stored one, so that the stored key may serve other purposes later.
func newSealer(id string, raw []byte) (*key, error) {
	derived, err := hkdf.Key(sha256.New, raw, nil, "wtp-console seal "+version, keyBytes)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &key{id: id, aead: aead}, nil
}

func newKey() (fileKey, error) {
	raw := make([]byte, keyBytes)
	if _, err := rand.Read(raw); err != nil {
		return fileKey{}, err
	}
	return fileKey{
		ID:      keyID(raw),
		Created: time.Now().UTC().Truncate(time.Second),
		Key:     base64.StdEncoding.EncodeToString(raw),
	}, nil
}

func keyID(raw []byte) string {
	sum := sha256.Sum256(append([]byte("wtp-console key id\x00"), raw...))
	return hex.EncodeToString(sum[:])[:keyIDChars]
}

func isKeyID(s string) bool {
	if len(s) != keyIDChars {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
