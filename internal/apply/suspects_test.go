package apply

import (
	"slices"
	"testing"

	"wtp-console/internal/wtp"
)

func TestServersThatARefusalNames(t *testing.T) {
	s := &sending{targets: []wtp.Target{{HostID: "7f0c-a"}, {HostID: "7f0c-b"}, {HostID: "7f0c-c"}}}
	for message, want := range map[string][]string{
		"":                                nil,
		"The agent is offline":            nil,
		"host 7f0c-b: agent offline":      {"7f0c-b"},
		"invalid hosts [7f0c-a, 7f0c-c].": {"7f0c-a", "7f0c-c"},
	} {
		s.call.Message = message
		if got := named(s); !slices.Equal(got, want) {
			t.Errorf("%q names %v, not %v", message, got, want)
		}
	}
}
