// Package provision brings a new installation up ready: it reads a YAML file
// that names people, credentials and projects, holds it to the rules the pages
// hold a person to, and creates or updates them in one transaction.
//
// The file never holds a secret; it says in which environment variable or file
// the secret stands. The format is described in docs/provisioning.md.
package provision

import (
	"fmt"
	"os"
	"strings"

	"wtp-console/internal/secret"
	"wtp-console/internal/wtp"
)

// maxFile is the longest provisioning or secret file that is read, in bytes.
const maxFile = 1 << 20

// File is a provisioning file that was read and found in order, its secrets
// fetched.
type File struct {
	Path        string
	People      []Person
	Credentials []Credential
	Projects    []Project
	// KeysLost lets Apply replace stored secrets that were sealed under keys that
	// the ring lacks. Load leaves it false: such a ring is most likely the wrong one.
	KeysLost bool
}

// Person is somebody who may sign in.
type Person struct {
	Name     string
	Role     wtp.Role
	Password secret.Value // the first one; a person who exists keeps their own
	lines    lines
}

// Credential is a credential with its secret.
type Credential struct {
	wtp.Credential
	Secret secret.Value
	lines  lines
}

// Project is a project and the name of its credential, which stands in the file
// or was added before.
type Project struct {
	wtp.Project
	Credential string
	lines      lines
}

// Fault is one thing wrong with the file.
type Fault struct {
	File  string
	Line  int    // from 1; 0: the whole file
	Field string // where in the file, e.g. projects[2].region; "": the whole file
	Says  string
}

// Error names file, line and field.
func (f Fault) Error() string {
	at := f.File
	if f.Line > 0 {
		at += fmt.Sprintf(":%d", f.Line)
	}
	if f.Field != "" {
		at += ": " + f.Field
	}
	return at + ": " + f.Says
}

// Faults is everything wrong with the file, in the order of its lines. Nothing
// was created or changed.
type Faults []Fault

// Error has a line for each fault.
func (f Faults) Error() string {
	s := make([]string, len(f))
	for i, fault := range f {
		s[i] = fault.Error()
	}
	return strings.Join(s, "\n")
}

// lines says where each field of an item stands; "" is the item itself.
type lines struct {
	item   string // e.g. projects[2]
	fields map[string]int
}

func (l lines) of(field string) int {
	if n, ok := l.fields[field]; ok {
		return n
	}
	return l.fields[""]
}

// Load reads the file at path and fetches the secrets it names, through getenv
// and from files. It looks at everything before it answers: the error is Faults
// with all that is wrong, each with its line.
func Load(path string, getenv func(string) string) (File, error) {
	r := reader{path: path, getenv: getenv}
	data, err := readSmall(path)
	if err != nil {
		return File{}, Faults{{File: path, Says: fileSays(err)}}
	}
	f := r.file(data)
	if len(r.faults) > 0 {
		return File{}, r.sorted()
	}
	return f, nil
}

func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("it is a directory")
	case info.Size() > maxFile:
		return nil, fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	return os.ReadFile(path)
}
