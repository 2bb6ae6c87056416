package server

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"wtp-console/internal/db"
)

// ansibleInventory writes servers as an inventory in YAML, group by group as they
// come. Keys are of letters, digits, "_" and "-" only; values are always quoted, and
// what a template would be made of is marked as no template: names come from outside.
type ansibleInventory struct {
	w      *bufio.Writer
	groups map[string]bool // names given so far
	hosts  map[string]bool
	group  string // the one being written, as HSS calls it
	any    bool
}

func newAnsibleInventory(w io.Writer) *ansibleInventory {
	return &ansibleInventory{w: bufio.NewWriter(w), groups: map[string]bool{}, hosts: map[string]bool{}}
}

// add writes one server. Those of a group follow one another.
func (a *ansibleInventory) add(r db.RestartRow) {
	if !a.any {
		a.key(0, "all")
		a.key(1, "children")
	}
	if !a.any || r.GroupName != a.group {
		a.any, a.group = true, r.GroupName
		a.key(2, unused(a.groups, groupKey(r.GroupName)))
		a.key(3, "vars")
		a.value(4, "hss_group", r.GroupName)
		a.key(3, "hosts")
	}
	a.key(4, strconv.Quote(unused(a.hosts, hostKey(r.Name, r.HostID)))) // 1_2 would be a number
	if ip, err := netip.ParseAddr(r.PrivateIP); err == nil {
		a.value(5, "ansible_host", ip.String())
	}
	a.value(5, "hss_host_id", r.HostID)
	a.value(5, "hss_name", r.Name)
	if r.Dir != "" {
		a.value(5, "tomcat_bin_dir", r.Dir)
	}
}

// end writes what is left. Without a server the inventory is an empty one.
func (a *ansibleInventory) end() error {
	if !a.any {
		fmt.Fprint(a.w, "all:\n  hosts: {}\n")
	}
	return a.w.Flush()
}

func (a *ansibleInventory) key(depth int, key string) {
	fmt.Fprint(a.w, strings.Repeat("  ", depth), key, ":\n")
}

func (a *ansibleInventory) value(depth int, key, text string) {
	fmt.Fprint(a.w, strings.Repeat("  ", depth), key, ": ", yamlText(text), "\n")
}

// yamlText is a double-quoted scalar. Go's escapes are YAML's, too. Ansible takes
// {{, {% and {# for templates unless the value says otherwise.
func yamlText(s string) string {
	if strings.Contains(s, "{{") || strings.Contains(s, "{%") || strings.Contains(s, "{#") {
		return "!unsafe " + strconv.Quote(s)
	}
	return strconv.Quote(s)
}

// groupKey is a name that Ansible takes for a group: letters, digits and "_", begun
// by no digit and never one of its own words. What differs only in what was lost has
// another end.
func groupKey(name string) string {
	if name == "" {
		return "hss_no_group"
	}
	return "hss_" + plainKey(name, "")
}

// hostKey is the server's name and its ID, which makes it the only one.
func hostKey(name, id string) string {
	if name == "" {
		return "host_" + plainKey(id, "-")
	}
	return plainKey(name, "-") + "_" + plainKey(id, "-")
}

// plainKey keeps ASCII letters, digits, "_" and those in also; a text that had others
// ends in a mark of its own.
func plainKey(s, also string) string {
	lost := false
	key := strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', strings.ContainsRune(also, r):
			return r
		}
		lost = true
		return '_'
	}, s), "_-")
	key = key[:min(len(key), 80)]
	if lost || key == "" || len(s) > 80 {
		sum := sha256.Sum256([]byte(s))
		key = strings.TrimLeft(key+"_"+hex.EncodeToString(sum[:4]), "_")
	}
	return key
}

// unused is a key that no other has: names that differ in case only are told apart,
// equal ones get a number.
func unused(used map[string]bool, key string) string {
	k := key
	for n := 2; used[strings.ToLower(k)]; n++ {
		k = key + "_" + strconv.Itoa(n)
	}
	used[strings.ToLower(k)] = true
	return k
}
