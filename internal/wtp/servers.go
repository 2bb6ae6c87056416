package wtp

import (
	"net/url"
	"slices"
	"strings"
)

// Server is a protected server as the inventory shows it. The status words are
// HSS's own, in lower case; unknown words are kept and shown as they are.
type Server struct {
	ProjectID       int64  `gorm:"primaryKey"`
	HostID          string `gorm:"primaryKey"` // 1 to 64 characters
	Name            string
	NameKey         string // lower case, for search and order
	PrivateIP       string
	PublicIP        string
	GroupName       string
	OS              string // "linux", "windows"
	OSName          string
	AssetValue      string // "important", "common", "test"; Unlisted
	HostStatus      string // "active", "shutoff", "building", "error"
	AgentStatus     string // "online", "offline", "not_installed"
	ProtectStatus   string // "opened", "opening", "closed", "open_failed", "partial_protection", "protection_interruption", "protection_pause"
	Dynamic         string // dynamic WTP: "opened", "closed"; HSS's rasp_protect_status
	ProtectDirNum   int64
	InterruptReason string
	BackupHostID    string // the backup server in use, "" for none
	StaticAttacks   int64  // last 7 days
	DynamicAttacks  int64  // last 7 days
	ReadAt          Instant
	DynamicSince    Instant // when the present value of Dynamic was first seen
}

// States of dynamic WTP, HSS's words.
const (
	Opened = "opened"
	Closed = "closed"
)

// Unlisted is the AssetValue of a server that an export has shown but no list yet: its
// group, importance, status and backup server are not known, its OS may be "".
const Unlisted = "unlisted"

// Attacks is the number of attacks of the last 7 days, static and dynamic.
func (s Server) Attacks() int64 { return s.StaticAttacks + s.DynamicAttacks }

// ServerFilter narrows the servers of a project. Within a field any value
// matches, across fields all must. The zero value matches every server.
type ServerFilter struct {
	Query      string   // part of name, host ID or address
	Group      []string // names; "-" for no group
	OS         []string // linux, windows
	Agent      []string // online, offline, not_installed
	WTP        []string // protect status words
	Dynamic    []string // opened, closed
	Backup     []string // host IDs of backup servers; "-" for none
	Importance []string // important, common, test
	Attacked   bool     // attacked in the last 7 days
}

// FilterWords lists the words a filter field allows; nil: any.
func FilterWords(field string) []string {
	switch field {
	case "os":
		return []string{"linux", "windows"}
	case "agent":
		return []string{"online", "offline", "not_installed"}
	case "wtp":
		return []string{"opened", "opening", "partial_protection", "protection_interruption", "protection_pause", "open_failed", "closed"}
	case "dynamic":
		return []string{Opened, Closed}
	case "importance":
		return []string{"important", "common", "test"}
	}
	return nil
}

// ServerFilterNames are the names of a filter in a query string, as CheckQuery takes them.
func ServerFilterNames() []string {
	return []string{"q", "group*", "os*", "agent*", "wtp*", "dynamic*", "backup*", "importance*", "attacks"}
}

// ParseServerFilter reads a filter from the query string of a list of servers. A name
// or word it doesn't know is an error, never "all": a typed URL must not widen a
// change. The other names of such a list (sort, after, before, project) are passed over,
// and a name without a value is no filter: forms send it so.
func ParseServerFilter(q url.Values) (ServerFilter, error) {
	var f ServerFilter
	bad := CheckQuery(q, append(ServerFilterNames(), "sort", "after", "before", "project*")...)
	f.Query = strings.TrimSpace(q.Get("q"))
	if len(f.Query) > 256 {
		bad.Add("q", "Search for at most 256 characters.")
	}
	for _, field := range []struct {
		name string
		to   *[]string
	}{{"group", &f.Group}, {"os", &f.OS}, {"agent", &f.Agent}, {"wtp", &f.WTP}, {"dynamic", &f.Dynamic}, {"backup", &f.Backup}, {"importance", &f.Importance}} {
		for _, v := range q[field.name] {
			if v == "" {
				continue
			}
			if words := FilterWords(field.name); words != nil && !slices.Contains(words, v) {
				bad.Add(field.name, "%q is not a known value here. The list shows nothing rather than everything.", v)
				continue
			}
			if !slices.Contains(*field.to, v) {
				*field.to = append(*field.to, v)
			}
		}
	}
	switch q.Get("attacks") {
	case "":
	case "1":
		f.Attacked = true
	default:
		bad.Add("attacks", "%q is not a known value here. The list shows nothing rather than everything.", q.Get("attacks"))
	}
	return f, bad.Err()
}

// Values is the filter as a query string that ParseServerFilter reads back.
func (f ServerFilter) Values() url.Values {
	q := url.Values{}
	if f.Query != "" {
		q.Set("q", f.Query)
	}
	for name, vs := range map[string][]string{"group": f.Group, "os": f.OS, "agent": f.Agent, "wtp": f.WTP, "dynamic": f.Dynamic, "backup": f.Backup, "importance": f.Importance} {
		for _, v := range vs {
			q.Add(name, v)
		}
	}
	if f.Attacked {
		q.Set("attacks", "1")
	}
	return q
}

// Empty says whether the filter matches every server.
func (f ServerFilter) Empty() bool { return len(f.Values()) == 0 }
