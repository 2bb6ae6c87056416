package hsstest

import (
	"fmt"
	"math/rand/v2"
)

// PlainFleet is one project in cn-north-4 with n servers that may all be
// switched (Linux, online, protected, dynamic WTP closed) and two servers
// without WTP that may become backup servers. 100,000 are cheap.
func PlainFleet(n int) Fleet {
	p := Project{
		Region: "cn-north-4", ID: "0123456789abcdef0123456789abcdef", Name: "web-prod",
		Servers: make([]Server, 0, n+2),
	}
	for i := range n {
		p.Servers = append(p.Servers, Server{
			HostID:    fmt.Sprintf("00000000-0000-4000-8000-%012d", i+1),
			HostName:  fmt.Sprintf("web-%06d", i+1),
			PrivateIP: fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255),
			GroupName: "Web", OSName: "Huawei Cloud EulerOS", RaspPath: "/opt/tomcat/bin",
		})
	}
	for i := range 2 {
		p.Servers = append(p.Servers, Server{
			HostID:    fmt.Sprintf("00000000-0000-4000-9000-%012d", i+1),
			HostName:  fmt.Sprintf("backup-%02d", i+1),
			PrivateIP: fmt.Sprintf("192.168.0.%d", i+1), NoWTP: true,
		})
	}
	return Fleet{Projects: []Project{p}}
}

// site is one of the two projects of the demo.
type site struct {
	region, id, name, short string
	net                     int    // second byte of the private addresses
	public                  string // the network of the public ones
	cities                  string // in Chinese, for names
	waiting                 bool   // Storefront waits to be switched on
}

// kind is one sort of server in the demo.
type kind struct {
	group, name string
	share       int // per thousand
	closed      int // per thousand with dynamic WTP off
	path        string
	dir         string
}

func kinds() []kind {
	return []kind{
		// Storefront is what the demo's first big change is about: at least
		// 1,000 servers of the first project wait to be switched on.
		{"Storefront", "web-sf-%s-%04d", 610, 995, "/opt/tomcat/bin", "/data/storefront/www"},
		{"Checkout", "checkout-%s-%04d", 120, 40, "/usr/local/tomcat9/bin", "/data/checkout/webapps"},
		{"CMS", "cms-%s-%04d", 80, 120, "/data/apps/cms/tomcat/bin", "/var/www/cms"},
		{"Portal", "portal-%s-%04d", 80, 60, "/opt/apache-tomcat-9.0.89/bin", "/var/www/portal"},
		{"Partner API", "partner-api-%s-%04d", 50, 80, "/opt/tomcat/bin", "/srv/partner-api"},
		{"官网集群", "官网-%s-%04d", 30, 50, "/opt/tomcat/bin", "/data/官网"},
		{"", "legacy-%s-%04d", 30, 500, "", "/var/www/html"},
	}
}

// DemoFleet is a believable fleet of n protected servers (2,500 looks best)
// in two projects, web-prod in cn-north-4 with 74 of 100 and web-intl in
// ap-southeast-1 with the rest. The same seed always gives the same fleet.
// The first project has four backup servers, one in each status; beside the n,
// each project has a dozen servers without WTP that could become one.
func DemoFleet(seed int64, n int) Fleet {
	rng := rand.New(rand.NewPCG(uint64(seed), 0x77747063))
	first := n * 74 / 100
	sites := []site{
		{"cn-north-4", "0a3f5c7e9b1d4f60826a4c8e0b2d4f61", "web-prod", "bj4", 20, "203.0.113", "北京四", true},
		{"ap-southeast-1", "1b4e6d8fac2e4051937b5d9f1c3e5072", "web-intl", "hk1", 40, "198.51.100", "香港", false},
	}
	return Fleet{Account: "acme-web", Projects: []Project{
		demoProject(rng, sites[0], first, true),
		demoProject(rng, sites[1], n-first, false),
	}}
}

func demoProject(rng *rand.Rand, at site, n int, withBackups bool) Project {
	p := Project{Region: at.region, ID: at.id, Name: at.name}
	addr := addresses{site: at}
	for i := range 12 {
		p.Servers = append(p.Servers, Server{
			HostID: uuid(rng), HostName: fmt.Sprintf("bak-%s-%02d", at.short, i+1), PrivateIP: addr.private(),
			GroupName: "Backup", OSName: "Huawei Cloud EulerOS", OSVersion: "2.0", NoWTP: true,
		})
	}
	if withBackups {
		p.Backups = demoBackups(p.Servers)
	}
	serial := map[string]int{}
	for i := range n {
		k := choose(rng, i, n)
		serial[k.name]++
		sv := demoServer(rng, k, at, serial[k.name])
		sv.PrivateIP = addr.private()
		if rng.IntN(100) < 17 {
			sv.PublicIP = addr.public()
		}
		if withBackups {
			demoRemoteBackup(rng, &sv, p.Backups)
		}
		p.Servers = append(p.Servers, sv)
	}
	// Mixed, as a list by creation time is.
	tail := p.Servers[12:]
	rng.Shuffle(len(tail), func(i, j int) { tail[i], tail[j] = tail[j], tail[i] })
	return p
}

// choose gives server i of n its kind, so that the shares are exact.
func choose(rng *rand.Rand, i, n int) kind {
	all := kinds()
	at := i * 1000 / max(n, 1)
	for _, k := range all {
		if at < k.share {
			return k
		}
		at -= k.share
	}
	return all[rng.IntN(len(all))]
}

func demoServer(rng *rand.Rand, k kind, at site, serial int) Server {
	where := at.short
	if k.group == "官网集群" {
		where = at.cities
	}
	sv := Server{
		HostID: uuid(rng), HostName: fmt.Sprintf(k.name, where, serial), GroupName: k.group,
		OSName: "Huawei Cloud EulerOS", OSVersion: "2.0", RaspPath: k.path, ProtectDirs: []string{k.dir},
		RaspStatus: Opened, ProtectStatus: Opened,
	}
	if k.group == "Storefront" && !at.waiting {
		k.closed = 50
	}
	if rng.IntN(1000) < k.closed {
		sv.RaspStatus = Closed
	}
	if rng.IntN(4) == 0 {
		sv.OSName, sv.OSVersion = "CentOS", "7.9"
	}
	if rng.IntN(3) == 0 {
		sv.ProtectDirs = append(sv.ProtectDirs, k.dir+"-static")
	}
	switch v := rng.IntN(100); {
	case v < 15:
		sv.AssetValue = "important"
	case v < 30:
		sv.AssetValue = "test"
	}
	if rng.IntN(100) < 6 {
		sv.RaspPath = ""
	}
	demoTrouble(rng, &sv, k, serial)
	if sv.ProtectStatus != Closed && rng.IntN(100) < 8 {
		sv.AntiTampering = 1 + rng.Int64N(40)
	}
	if sv.RaspStatus == Opened && rng.IntN(100) < 5 {
		sv.DetectTampering = 1 + rng.Int64N(12)
	}
	return sv
}

// demoTrouble makes about seven servers of a hundred ineligible, each for a
// reason of its own, and a few more odd but eligible.
func demoTrouble(rng *rand.Rand, sv *Server, k kind, serial int) {
	switch v := rng.IntN(1000); {
	case v < 20:
		sv.OSType, sv.OSName, sv.OSVersion = "Windows", "Windows Server", "2019"
		sv.HostName = fmt.Sprintf("WIN-%s-%04d", initials(k.group), serial)
		sv.RaspStatus, sv.RaspPath, sv.ProtectDirs = Closed, "", []string{`D:\inetpub\wwwroot`}
	case v < 34:
		sv.AgentStatus = "offline"
	case v < 42:
		sv.AgentStatus, sv.ProtectStatus = "offline", "protection_interruption"
		sv.InterruptReason = "The agent is offline"
		if rng.IntN(2) == 0 {
			sv.HostStatus, sv.InterruptReason = "SHUTOFF", "The server is stopped"
		}
	case v < 47:
		sv.AgentStatus, sv.ProtectStatus, sv.RaspStatus = "not_installed", Closed, Closed
		sv.ProtectDirs, sv.RaspPath = nil, ""
	case v < 64:
		sv.ProtectStatus, sv.RaspStatus, sv.ProtectDirs = Closed, Closed, nil
	case v < 67:
		sv.ProtectStatus, sv.RaspStatus = "open_failed", Closed
	case v < 77:
		sv.ProtectStatus, sv.AbnormalDirs, sv.AbnormalReason = "partial_protection", sv.ProtectDirs[:1], 1
	case v < 82:
		sv.ProtectStatus = "protection_pause"
	}
}

func initials(group string) string {
	switch group {
	case "Storefront":
		return "SF"
	case "Checkout":
		return "CO"
	case "CMS":
		return "CMS"
	case "Portal":
		return "PTL"
	case "Partner API":
		return "API"
	case "官网集群":
		return "GW"
	}
	return "OLD"
}

func demoBackups(candidates []Server) []BackupServer {
	status := []int{BackupRunning, BackupStarting, BackupNotStarted, BackupFailed}
	var out []BackupServer
	for i, st := range status {
		out = append(out, BackupServer{
			HostID: candidates[i].HostID, IP: candidates[i].PrivateIP, Port: 8080 + 10*i,
			Dir: fmt.Sprintf("/hss%02d", i+1), Status: st,
		})
	}
	return out
}

// demoRemoteBackup lets most servers use a backup server, most of them the
// running one.
func demoRemoteBackup(rng *rand.Rand, sv *Server, backups []BackupServer) {
	v := rng.IntN(100)
	if sv.OSType == "Windows" || sv.ProtectStatus == Closed || v >= 90 {
		return
	}
	b := backups[0]
	switch {
	case v < 12:
		b = backups[3]
	case v < 22:
		b = backups[1]
	}
	sv.BackupHostID, sv.BackupAddr = b.HostID, fmt.Sprintf("%s:%d", b.IP, b.Port)
}

// addresses hands out addresses of a site, private ones from 10.0.0.0/8 and
// public ones from the networks reserved for documentation, while they last.
type addresses struct {
	site
	nextPrivate, nextPublic int
}

func (a *addresses) private() string {
	i := a.nextPrivate
	a.nextPrivate++
	return fmt.Sprintf("10.%d.%d.%d", a.net+i/(254*256), i/254%256, i%254+1)
}

func (a *addresses) public() string {
	if a.nextPublic >= 254 {
		return ""
	}
	a.nextPublic++
	return fmt.Sprintf("%s.%d", a.site.public, a.nextPublic)
}

func uuid(rng *rand.Rand) string {
	hi, lo := rng.Uint64(), rng.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x",
		hi>>32, hi>>16&0xffff, hi&0xfff, lo>>48&0x3fff|0x8000, lo&0xffffffffffff)
}
