package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// 600 is the most that the setting takes.
func TestDemoCallsFitTheFleet(t *testing.T) {
	for servers, calls := range map[int]string{0: "120", 2500: "120", 9000: "300", 20000: "600", 200000: "600"} {
		require.Equal(t, calls, demoCalls(servers), servers)
	}
}
