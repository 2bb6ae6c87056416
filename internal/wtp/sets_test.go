package wtp

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNamesOfSets(t *testing.T) {
	for in, want := range map[string]string{"Shop": "Shop", "  Shop \t front ": "Shop front", "店面\u3000一": "店面 一", strings.Repeat("字", 100): strings.Repeat("字", 100)} {
		got, err := CheckSetName(in)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, in := range []string{"", "   ", strings.Repeat("字", 101), "a\nb", "a\u202eb", "a\u200bb", "a\xffb"} {
		_, err := CheckSetName(in)
		require.Error(t, err, "%q", in)
	}
}

func TestASelectionNamesItsSet(t *testing.T) {
	uid, name, ok := SelectedSet(SetSelection("ABC", "Shop front & more"))
	require.True(t, ok)
	require.Equal(t, "ABC", uid)
	require.Equal(t, "Shop front & more", name)
	for _, filter := range []string{"", "q=set", "group=set%3Ax"} {
		_, _, ok := SelectedSet(filter)
		require.False(t, ok)
	}
}
