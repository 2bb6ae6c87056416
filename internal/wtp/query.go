package wtp

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// maxNamed is how many faults of a query string are told one by one.
const maxNamed = 5

// CheckQuery says what is wrong with the names in a query string: those that are not
// known, and those given twice, of which nobody can tell which one is meant. A known
// name that ends in "*" may be given any number of times. A misspelt filter must never
// stand for none.
func CheckQuery(q url.Values, known ...string) Invalid {
	var bad Invalid
	for _, name := range slices.Sorted(maps.Keys(q)) {
		switch shown := name[:min(len(name), MaxImportText)]; {
		case len(bad) == maxNamed:
			return bad
		case strings.HasSuffix(name, "*") || !slices.Contains(known, name) && !slices.Contains(known, name+"*"):
			bad.Add("query", "%q is not known here. Is it misspelt?", shown)
		case len(q[name]) > 1 && !slices.Contains(known, name+"*"):
			bad.Add("query", "%q is given more than once.", shown)
		}
	}
	return bad
}

// CheckSent is CheckQuery for the query string that a page of ours wrote into a form,
// to say what the form acts on. There a name without a value is a fault as well: ours
// leave it out.
func CheckSent(q url.Values, known ...string) Invalid {
	bad := CheckQuery(q, known...)
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if len(bad) < maxNamed && slices.ContainsFunc(q[name], func(v string) bool { return strings.TrimSpace(v) == "" }) {
			bad.Add("query", "%q has no value.", name[:min(len(name), MaxImportText)])
		}
	}
	return bad
}
