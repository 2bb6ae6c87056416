package hsstest

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

// eligible says whether a switch would be accepted.
func eligible(sv Server) bool {
	h := host{Server: sv}
	return sv.OSType == "Linux" && sv.AgentStatus == "online" && h.on()
}

func TestDemoFleetIsBelievable(t *testing.T) {
	for seed := range int64(5) {
		sim := New(Config{Fleet: DemoFleet(seed, 2500)})
		ps := sim.Projects()
		if len(ps) != 2 || ps[0].Servers != 1850 || ps[1].Servers != 650 ||
			ps[0].Region != "cn-north-4" || ps[1].Region != "ap-southeast-1" {
			t.Fatalf("%+v", ps)
		}
		count := map[string]int{}
		ids, public := map[string]bool{}, map[string]bool{}
		for i, p := range ps {
			for _, sv := range sim.Servers(p.ProjectID) {
				if _, err := netip.ParseAddr(sv.PrivateIP); err != nil || ids[sv.HostID] || len(sv.HostID) != 36 || sv.HostName == "" {
					t.Fatalf("%+v", sv)
				}
				ids[sv.HostID] = true
				if sv.PublicIP != "" && public[sv.PublicIP] {
					t.Fatalf("%s is used twice", sv.PublicIP)
				}
				public[sv.PublicIP] = true
				if sv.NoWTP {
					count["candidates"]++
					continue
				}
				count[sv.OSType]++
				count["agent "+sv.AgentStatus]++
				count[sv.ProtectStatus]++
				count["asset "+sv.AssetValue]++
				count["group "+sv.GroupName]++
				if sv.AntiTampering+sv.DetectTampering > 0 {
					count["attacked"]++
				}
				if sv.RaspPath != "" {
					count["path known"]++
				}
				if sv.BackupHostID != "" {
					count["backed up"]++
				}
				if sv.ProtectStatus == "protection_interruption" && sv.InterruptReason == "" {
					t.Errorf("%s is interrupted for no reason", sv.HostName)
				}
				if i == 0 && eligible(sv) {
					count["eligible"]++
					if sv.RaspStatus == Closed && sv.GroupName == "Storefront" {
						count["Storefront to switch on"]++
					}
				}
				if sv.RaspStatus == Opened {
					count["on"]++
				}
			}
		}
		for what, bounds := range map[string][2]int{
			"eligible": {1300, 1850}, "Storefront to switch on": {1000, 1850}, "on": {1100, 2000},
			"Windows": {25, 80}, "agent offline": {30, 90}, "agent not_installed": {2, 40},
			"closed": {20, 120}, "protection_interruption": {5, 60}, "partial_protection": {5, 60}, "protection_pause": {2, 40},
			"asset important": {200, 600}, "asset test": {200, 600}, "asset common": {1000, 2200}, "attacked": {100, 500},
			"group Checkout": {200, 350}, "group CMS": {100, 300}, "group Portal": {100, 300}, "group Partner API": {50, 200},
			"group ": {50, 150}, "group 官网集群": {50, 150}, "path known": {1800, 2450}, "backed up": {1250, 1850}, "candidates": {24, 24},
		} {
			if n := count[what]; n < bounds[0] || n > bounds[1] {
				t.Errorf("seed %d: %d %q, want %d to %d", seed, n, what, bounds[0], bounds[1])
			}
		}
		status := map[int]bool{}
		for _, b := range sim.Backups(ps[0].ProjectID) {
			status[b.Status] = true
		}
		if len(status) != 4 {
			t.Errorf("backup servers are in %v", status)
		}
		if testing.Verbose() {
			fmt.Println(seed, count)
		}
	}
}

func TestDemoFleetIsDeterministic(t *testing.T) {
	if !reflect.DeepEqual(DemoFleet(7, 300), DemoFleet(7, 300)) {
		t.Error("one seed makes two fleets")
	}
	if reflect.DeepEqual(DemoFleet(7, 300), DemoFleet(8, 300)) {
		t.Error("two seeds make one fleet")
	}
	for _, n := range []int{0, 1, 2, 10} {
		sim := New(Config{Fleet: DemoFleet(1, n)})
		if ps := sim.Projects(); ps[0].Servers+ps[1].Servers != n {
			t.Errorf("%d servers asked for, %+v", n, ps)
		}
	}
}

func TestALargeFleetStaysFast(t *testing.T) {
	begun := time.Now()
	c := start(t, Config{Fleet: PlainFleet(100000)})
	c.must(c.switchRasp(true, c.ids(200)...), 200, "")
	for offset := 0; offset < 100000; offset += 10000 {
		if l := c.list(fmt.Sprintf("/webtamper/hosts?limit=200&offset=%d&os_type=Linux", offset)); l.Total != 100000 || len(l.Rows) != 200 {
			t.Fatal(l.Total, len(l.Rows))
		}
	}
	if l := c.list("/webtamper/hosts?rasp_status=opened&limit=200"); l.Total != 200 {
		t.Error(l.Total)
	}
	task := c.export(`{"export_size":200000,"export_headers":[["host_id","id"],["rasp_protect_status","s"]]}`)
	r := c.do("GET", c.path("/download/"+c.task(task["task_id"])["file_id"]), "")
	if len(r.body) < 100000*40 {
		t.Error(len(r.body))
	}
	// Generous for a busy machine: it takes well under a second on an idle one.
	if took := time.Since(begun); took > 2*time.Minute {
		t.Errorf("took %v", took)
	}
	c.clean()
}
