package wtp

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// ServerSet is a named list of servers that a team uses again. It holds host
// IDs as they were when it was saved, not a filter.
type ServerSet struct {
	ID            int64
	UID           string // random; names it in its URL
	ProjectID     int64
	Name          string // 1 to 100 characters, unique in the project whatever the case
	NameKey       string // lower case
	N             int64  // servers in it
	CreatedBy     int64
	CreatedByName string
	CreatedAt     Instant
	ChangedByName string
	ChangedAt     Instant // also when created; grows with every change
}

// SetServer is a server of a set. One that HSS no longer lists is Gone and keeps
// the name it had.
type SetServer struct {
	Server
	Seq  int64 // order in the set, from 1
	Gone bool
}

// CheckSetName gives a name of a set its final form and holds it to 1 to 100
// characters without control characters.
func CheckSetName(name string) (string, error) {
	var bad Invalid
	name = strings.Join(strings.FieldsFunc(name, func(r rune) bool { return r == ' ' || r == '\t' || r == '\u3000' }), " ")
	switch n := utf8.RuneCountInString(name); {
	case n == 0:
		bad.Add("name", "Give the set a name.")
	case n > 100:
		bad.Add("name", "At most 100 characters; this has %d.", n)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }):
		bad.Add("name", "The name contains a character that can't be seen.")
	}
	return name, bad.Err()
}

// setPrefix begins Change.Selection of a change whose servers were exactly a
// set's.
const setPrefix = "set:"

// SetSelection is Change.Selection for the servers of a set: the set by its UID,
// and the name it has now.
func SetSelection(uid, name string) string { return setPrefix + uid + " " + name }

// SelectedSet reads a Change.Selection made by SetSelection.
func SelectedSet(selection string) (uid, name string, ok bool) {
	rest, ok := strings.CutPrefix(selection, setPrefix)
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, " ")
}
