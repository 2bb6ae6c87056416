package wtp

import "testing"

func TestStatesOfRemoteBackup(t *testing.T) {
	for state, want := range map[string][2]string{
		"off": {"off", ""}, "b-1": {"b-1", ""}, "": {"", ""}, "a b": {"a b", ""},
		RemoteAt("b-1", "10.0.0.1:80"): {"b-1", "10.0.0.1:80"}, RemoteAt("a b", "[::1]:80"): {"a b", "[::1]:80"}, RemoteAt("b-1", UnknownAddr): {"b-1", UnknownAddr},
	} {
		if id, addr := SplitRemote(state); id != want[0] || addr != want[1] {
			t.Errorf("%q: %q, %q", state, id, addr)
		}
	}
	for addr, want := range map[string]string{
		" 10.0.0.1:80\n": "10.0.0.1:80", "[2001:DB8:0::1]:8080": "[2001:db8::1]:8080", "backup.example:1": "backup.example:1", "": "", "10.0.0.1": "10.0.0.1",
	} {
		if got := TidyAddr(addr); got != want {
			t.Errorf("%q: %q", addr, got)
		}
	}
	if (BackupServer{IP: "10.0.0.1"}).Addr() != "" || (BackupServer{Port: 1}).Addr() != "" || (BackupServer{IP: "2001:DB8::1", Port: 1}).Addr() != "[2001:db8::1]:1" {
		t.Error("the address of a backup server")
	}
}

func TestOnlyTheAddressThatWasSentIsWhatWasWanted(t *testing.T) {
	to := RemoteTo{Choice: "b", Servers: []BackupConfig{{HostID: "b", IP: "2001:DB8::1", Port: 80}}}
	move, address := Target{Before: "a", Wanted: "b"}, Target{Before: RemoteAt("b", "[2001:db8::1]:8080"), Wanted: "b"}
	for _, c := range []struct {
		of         Target
		host, addr string
		want       string
	}{
		{move, "b", "", "b"}, {address, "b", "", ""}, // by the list
		{move, "b", "[2001:db8:0::1]:80", "b"}, {address, "b", "[2001:db8:0::1]:80", "b"},
		{move, "b", "[2001:db8::1]:8080", RemoteAt("b", "[2001:db8::1]:8080")}, {address, "b", "[2001:db8::1]:8080", RemoteAt("b", "[2001:db8::1]:8080")},
		{address, "", "", RemoteOff}, {address, "c", "x:1", "c"}, {Target{Before: "b", Wanted: RemoteOff}, "", "", RemoteOff},
	} {
		if got := to.Shown(c.of, c.host, c.addr); got != c.want {
			t.Errorf("%+v shown at %q %q: %q, not %q", c.of, c.host, c.addr, got, c.want)
		}
	}
}

func TestServerAtAnOldAddress(t *testing.T) {
	s := Server{HostID: "h", OS: "linux", AgentStatus: "online", ProtectStatus: "opened", BackupHostID: "b"}
	for _, c := range []struct {
		f    RemoteFacts
		want Bucket
		why  Why
	}{
		{RemoteFacts{Running: true}, AlreadySo, WhyUsesIt},
		{RemoteFacts{Running: true, Old: true}, WillChange, WhyOldAddress},
		{RemoteFacts{Old: true}, Cannot, WhyBackupDown},
		{RemoteFacts{Running: true, Old: true, Held: true}, Cannot, WhyOpenChange},
	} {
		if b, why := ClassifyRemote(s, "b", c.f); b != c.want || why != c.why {
			t.Errorf("%+v: %s, %s", c.f, b, why)
		}
	}
	s.AgentStatus = "offline"
	if b, why := ClassifyRemote(s, "b", RemoteFacts{Running: true, Old: true}); b != Cannot || why != WhyAgentOffline {
		t.Errorf("offline: %s, %s", b, why)
	}
}
