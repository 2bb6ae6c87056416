package wtp

import (
	"slices"
	"strings"
	"testing"
)

func TestDiffSaysWhichFieldsChange(t *testing.T) {
	now := &BackupServer{HostID: "a", IP: "10.0.0.1", Port: 8080, Dir: "/x"}
	to := BackupConfig{HostID: "a", IP: "10.0.0.1", Port: 8081, Dir: "/x"}
	var changed []string
	for _, d := range DiffBackup(now, to) {
		if d.Changed {
			changed = append(changed, d.Field+" "+d.Before+" "+d.After)
		}
	}
	if !slices.Equal(changed, []string{"port 8080 8081"}) {
		t.Errorf("changed: %q", changed)
	}
	for _, d := range DiffBackup(nil, to) {
		if !d.Changed || d.Before != "" {
			t.Errorf("of a new one everything is new: %+v", d)
		}
	}
}

func TestNotesOnABackupServer(t *testing.T) {
	now := &BackupServer{HostID: "a", IP: "10.0.0.1", Port: 8080, Dir: "/x"}
	others := []BackupServer{*now, {HostID: "b", Name: "bkp-b", IP: "10.0.0.2", Port: 8080, Dir: "/y"}}
	for _, c := range []struct {
		to   BackupConfig
		uses int64
		want []string
	}{
		{BackupConfig{HostID: "a", IP: "10.0.0.1", Port: 8080, Dir: "/x"}, 5, nil},
		{BackupConfig{HostID: "a", IP: "10.0.0.1", Port: 8080, Dir: "/z"}, 5, []string{"Nothing moves what is in /x now."}},
		{BackupConfig{HostID: "a", IP: "10.0.0.1", Port: 8081, Dir: "/x"}, 5, []string{"Servers that use it: 5."}},
		{BackupConfig{HostID: "a", IP: "10.0.0.1", Port: 8081, Dir: "/x"}, 0, nil},
		{BackupConfig{HostID: "a", IP: "10.0.0.2", Port: 8080, Dir: "/x"}, 0, []string{"bkp-b has the same address and port"}},
		{BackupConfig{HostID: "a", IP: "10.0.0.2", Port: 1, Dir: "/y/z"}, 0, []string{"bkp-b has the same address and the directory /y", "Nothing moves"}},
		{BackupConfig{HostID: "a", IP: "10.0.0.2", Port: 1, Dir: "/yy"}, 0, []string{"bkp-b has the same address, 10.0.0.2.", "Nothing moves"}},
	} {
		notes := BackupNotes(now, c.to, others, c.uses)
		ok := len(notes) == len(c.want)
		for i := range notes {
			ok = ok && strings.HasPrefix(notes[i].String(), c.want[i])
		}
		if !ok {
			t.Errorf("%+v: %v, want %q", c.to, notes, c.want)
		}
	}
}

func TestRegionOfAnIAMProject(t *testing.T) {
	for name, want := range map[string]string{"cn-north-4": "cn-north-4", "cn-north-4_shop": "cn-north-4", "cn-north-4_a_b": "cn-north-4", "": ""} {
		if got := RegionOfIAMProject(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
