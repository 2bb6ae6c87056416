package hss_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"wtp-console/internal/hss"
	"wtp-console/internal/hss/hsstest"
)

// signedIn gives a client of the simulator for each way to sign in.
func signedIn(t *testing.T, sim *hsstest.Simulator, change func(*hss.Config)) map[string]*hss.Client {
	t.Helper()
	a := sim.Access()
	clients := map[string]*hss.Client{}
	for name, cred := range map[string]hss.Credential{
		"key pair": {AccessKey: a.AK, SecretKey: a.SK},
		"token":    {Account: a.Account, User: a.User, Password: a.Password},
	} {
		config := hss.Config{Region: a.Region, ProjectID: a.ProjectID, EnterpriseProjectID: "all_granted_eps",
			Endpoint: a.HSSEndpoint, IAMEndpoint: a.IAMEndpoint, Credential: cred}
		if change != nil {
			change(&config)
		}
		c, err := hss.New(config)
		if err != nil {
			t.Fatal(err)
		}
		clients[name] = c
	}
	return clients
}

func class(t *testing.T, err error) hss.Class {
	t.Helper()
	var e *hss.Error
	if err != nil && !errors.As(err, &e) {
		t.Fatalf("%T is no *hss.Error: %v", err, err)
	}
	if err == nil {
		return ""
	}
	return e.Class
}

// TestEveryCallAgainstTheSimulator is one pass through the whole contract, held by an independent reading of it.
func TestEveryCallAgainstTheSimulator(t *testing.T) {
	for _, way := range []string{"key pair", "token"} {
		t.Run(way, func(t *testing.T) {
			sim := hsstest.Start(t, hsstest.Config{Fleet: hsstest.PlainFleet(12)})
			project := sim.Access().ProjectID
			c := signedIn(t, sim, nil)[way]
			ctx := t.Context()
			must := func(meta hss.Meta, err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
				if meta.RequestID == "" || meta.ServerDate.IsZero() {
					t.Errorf("meta %+v", meta)
				}
			}

			projects, err := c.ListProjects(ctx, sim.Access().Region)
			must(projects.Meta, err)
			if !slices.ContainsFunc(projects.Projects, func(p hss.IAMProject) bool { return p.ID == project && p.Enabled }) {
				t.Errorf("projects %+v", projects.Projects)
			}

			first, err := c.ListWtpProtectHost(ctx, hss.ListWtpProtectHostRequest{Limit: 10})
			must(first.Meta, err)
			second, err := c.ListWtpProtectHost(ctx, hss.ListWtpProtectHostRequest{Limit: 10, Offset: 10})
			must(second.Meta, err)
			if first.TotalNum != 12 || len(first.Hosts) != 10 || len(second.Hosts) != 2 {
				t.Fatalf("%d, %d of %d", len(first.Hosts), len(second.Hosts), first.TotalNum)
			}
			h := first.Hosts[0]
			if !h.IsLinux() || h.AgentStatus != "online" || h.ProtectStatus != "opened" || h.RaspProtectStatus != "closed" {
				t.Errorf("%+v", h)
			}
			named, err := c.ListWtpProtectHost(ctx, hss.ListWtpProtectHostRequest{HostID: h.HostID, OSType: "Linux", AgentStatus: "online", RaspStatus: "closed", Limit: 10})
			must(named.Meta, err)
			if len(named.Hosts) != 1 || named.Hosts[0].HostName != h.HostName {
				t.Errorf("%+v", named)
			}

			must(c.UpdateWebTamperRaspPath(ctx, h.HostID, "/opt/tomcat-9/bin"))
			path, err := c.ShowWebTamperRaspPath(ctx, h.HostID)
			must(path.Meta, err)
			if path.RaspPath != "/opt/tomcat-9/bin" {
				t.Errorf("%+v", path)
			}

			var all []string
			for _, h := range slices.Concat(first.Hosts, second.Hosts) {
				all = append(all, h.HostID)
			}
			must(c.SetRaspSwitch(ctx, all, hss.SwitchOn))
			for _, s := range sim.Servers(project) {
				if !s.NoWTP && s.RaspStatus != hsstest.Opened {
					t.Errorf("%s is %s", s.HostID, s.RaspStatus)
				}
			}
			must(c.SetRaspSwitch(ctx, all[:1], hss.SwitchOff))
			if s, _ := sim.Server(project, all[0]); s.RaspStatus != hsstest.Closed {
				t.Errorf("%s is %s", s.HostID, s.RaspStatus)
			}

			picked, err := c.ListHostStatus(ctx, hss.ListHostStatusRequest{OSType: "Linux", HostStatus: "ACTIVE", AgentStatus: "online", HostIDs: all[1:3], Limit: 10})
			must(picked.Meta, err)
			if len(picked.Hosts) != 2 || picked.Hosts[0].AgentID == "" {
				t.Fatalf("%+v", picked)
			}
			backup := hss.BackupHost{HostID: picked.Hosts[0].HostID, IP: picked.Hosts[0].PrivateIP, Port: 8080, Dir: "/hss01"}
			must(c.UpdateBackupHostInfo(ctx, backup))
			backups, err := c.ListBackupHostsInfo(ctx, hss.ListBackupHostsInfoRequest{Limit: 10})
			must(backups.Meta, err)
			if backups.TotalNum != 1 || backups.Hosts[0].BackupHost != backup || backups.Hosts[0].Status != hss.BackupRunning {
				t.Fatalf("%+v", backups)
			}
			must(c.SetRemoteBackupInfo(ctx, h.HostID, hss.RemoteBackup{Switch: hss.SwitchOn, Addr: backup.IP + ":8080", BackupHostID: backup.HostID}))
			remote, err := c.ShowRemoteBackupHostInfo(ctx, h.HostID)
			must(remote.Meta, err)
			if remote.Switch != hss.SwitchOn || remote.BackupHostID != backup.HostID || remote.Addr != backup.IP+":8080" {
				t.Errorf("%+v", remote)
			}
			must(c.SetRemoteBackupInfo(ctx, h.HostID, hss.RemoteBackup{Switch: hss.SwitchOff}))
			must(c.DeleteBackupHostInfo(ctx, []string{backup.HostID}))

			task, err := c.ExportWebTamperHost(ctx, hss.ExportRequest{Size: 200000})
			must(task.Meta, err)
			state, err := c.ShowExportTask(ctx, task.TaskID)
			must(state.Meta, err)
			if state.Status != hss.ExportSuccess {
				t.Fatalf("%+v", state)
			}
			file, err := c.DownloadExport(ctx, state.FileID)
			must(file.Meta, err)
			if file.Rows != 12 || !slices.Equal(file.Columns, hss.ExportFields()) {
				t.Errorf("%d rows of %v", file.Rows, file.Columns)
			}
			for _, h := range file.Hosts {
				if s, ok := sim.Server(project, h.HostID); !ok || s.HostName != h.HostName || s.RaspStatus != h.RaspProtectStatus {
					t.Errorf("%+v", h)
				}
			}

			off, err := c.ExportWebTamperHost(ctx, hss.ExportRequest{RaspStatus: "closed", OSType: "Linux", HostIDs: all[:2], Fields: []string{"host_name", "host_id"}, Size: 10})
			must(off.Meta, err)
			if state, err = c.ShowExportTask(ctx, off.TaskID); err != nil {
				t.Fatal(err)
			}
			if file, err = c.DownloadExport(ctx, state.FileID); err != nil || file.Rows != 1 || file.Hosts[0].HostID != all[0] {
				t.Errorf("%+v, %v", file, err)
			}

			for op, n := range sim.Counts() {
				if strings.Contains(strings.ToLower(op), "token") && n != 1 {
					t.Errorf("%d logins", n)
				}
			}
			if v := sim.Violations(); len(v) > 0 {
				t.Errorf("violations: %q", v)
			}
		})
	}
}

func TestFaultsOfTheSimulatorHaveTheirClass(t *testing.T) {
	for name, tc := range map[string]struct {
		fault   hsstest.Fault
		want    hss.Class
		applied bool
	}{
		"429":               {hsstest.Fault{Kind: hsstest.FaultStatus, Status: 429, RetryAfter: "7"}, hss.ClassThrottled, false},
		"500":               {hsstest.Fault{Kind: hsstest.FaultStatus, Status: 500}, hss.ClassUnclear, false},
		"500 after all":     {hsstest.Fault{Kind: hsstest.FaultStatus, Status: 500, Apply: true}, hss.ClassUnclear, true},
		"502 with HTML":     {hsstest.Fault{Kind: hsstest.FaultStatus, Status: 502, Body: "<html></html>"}, hss.ClassUnclear, false},
		"503":               {hsstest.Fault{Kind: hsstest.FaultStatus, Status: 503}, hss.ClassUnclear, false},
		"504":               {hsstest.Fault{Kind: hsstest.FaultStatus, Status: 504}, hss.ClassUnclear, false},
		"202 after all":     {hsstest.Fault{Kind: hsstest.FaultStatus, Status: 202, Apply: true}, hss.ClassUnclear, true},
		"403":               {hsstest.Fault{Kind: hsstest.FaultStatus, Status: 403}, hss.ClassNoPermission, false},
		"redirect":          {hsstest.Fault{Kind: hsstest.FaultRedirect, Body: "http://127.0.0.1:1/"}, hss.ClassUnclear, false},
		"portal":            {hsstest.Fault{Kind: hsstest.FaultHTML}, hss.ClassUnclear, false},
		"refused":           {hsstest.Fault{Kind: hsstest.FaultRefuse}, hss.ClassRefused, false},
		"refused, old":      {hsstest.Fault{Kind: hsstest.FaultRefuse, Code: "00000010"}, hss.ClassRefused, false},
		"hang up before":    {hsstest.Fault{Kind: hsstest.FaultHangUpBefore}, hss.ClassUnclear, false},
		"hang up after":     {hsstest.Fault{Kind: hsstest.FaultHangUpAfter}, hss.ClassUnclear, true},
		"cut short":         {hsstest.Fault{Kind: hsstest.FaultShortBody}, hss.ClassUnclear, true},
		"too slow":          {hsstest.Fault{Kind: hsstest.FaultSlowAnswer, Delay: time.Minute}, hss.ClassUnclear, true},
		"key locked":        {hsstest.Fault{Kind: hsstest.FaultLockKey}, hss.ClassKeyLocked, false},
		"key revoked":       {hsstest.Fault{Kind: hsstest.FaultRevokeKey}, hss.ClassNotSignedIn, false},
		"half of the batch": {hsstest.Fault{Kind: hsstest.FaultPartial, Count: 1}, hss.ClassUnclear, true},
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			var sim *hsstest.Simulator
			for timeout := 500 * time.Millisecond; ; timeout *= 3 {
				sim = hsstest.Start(t, hsstest.Config{})
				c := signedIn(t, sim, func(c *hss.Config) {
					if tc.fault.Kind == hsstest.FaultSlowAnswer {
						c.Timeout = timeout
					}
				})["key pair"]
				sim.AddFault(tc.fault)
				servers := sim.Servers(sim.Access().ProjectID)
				_, err = c.SetRaspSwitch(t.Context(), []string{servers[0].HostID, servers[1].HostID}, hss.SwitchOn)
				if r := sim.Requests(); len(r) > 0 && !r[0].Ended.IsZero() || timeout > hss.DefaultTimeout {
					break
				} // else the time was over before the request was carried out
			}
			project := sim.Access().ProjectID
			servers := sim.Servers(project)
			if got := class(t, err); got != tc.want {
				t.Errorf("class %q, want %q: %v", got, tc.want, err)
			}
			if s, _ := sim.Server(project, servers[0].HostID); (s.RaspStatus == hsstest.Opened) != tc.applied {
				t.Errorf("applied is %v", !tc.applied)
			}
			if n := len(sim.Requests()); n != 1 {
				t.Errorf("%d requests", n)
			}
			if v := sim.Violations(); len(v) > 0 {
				t.Errorf("violations: %q", v)
			}
		})
	}
}

func TestSignInTroubleAgainstTheSimulator(t *testing.T) {
	sim := hsstest.Start(t, hsstest.Config{Unpublished: []string{hss.OpListBackupHostsInfo}})
	a := sim.Access()
	list := func(change func(*hss.Config)) error {
		config := hss.Config{Region: a.Region, ProjectID: a.ProjectID, Endpoint: a.HSSEndpoint, IAMEndpoint: a.IAMEndpoint,
			Credential: hss.Credential{AccessKey: a.AK, SecretKey: a.SK}}
		change(&config)
		c, err := hss.New(config)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.ListWtpProtectHost(context.Background(), hss.ListWtpProtectHostRequest{Limit: 10})
		return err
	}
	for name, tc := range map[string]struct {
		change func(*hss.Config)
		want   hss.Class
	}{
		"as it should be": {func(*hss.Config) {}, ""},
		"unknown key":     {func(c *hss.Config) { c.Credential.AccessKey = "NOBODYSKEY0000000000" }, hss.ClassNotSignedIn},
		"wrong secret":    {func(c *hss.Config) { c.Credential.SecretKey = "wrong" }, hss.ClassNotSignedIn},
		"clock behind":    {func(c *hss.Config) { c.Now = func() time.Time { return time.Now().Add(-time.Hour) } }, hss.ClassClock},
		"clock ahead":     {func(c *hss.Config) { c.Now = func() time.Time { return time.Now().Add(time.Hour) } }, hss.ClassClock},
		"clock bearable":  {func(c *hss.Config) { c.Now = func() time.Time { return time.Now().Add(-14 * time.Minute) } }, ""},
		"wrong password": {func(c *hss.Config) {
			c.Credential = hss.Credential{Account: a.Account, User: a.User, Password: "wrong"}
		}, hss.ClassNotSignedIn},
	} {
		if err := list(tc.change); class(t, err) != tc.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := signedIn(t, sim, nil)
	for way, c := range c {
		if _, err := c.ListBackupHostsInfo(t.Context(), hss.ListBackupHostsInfoRequest{Limit: 10}); class(t, err) != hss.ClassNotInRegion {
			t.Errorf("%s: %v", way, err)
		}
	}
	if _, err := c["token"].CreateToken(t.Context()); err != nil {
		t.Error(err)
	}
	sim.ExpireTokens()
	if _, err := c["token"].ListWtpProtectHost(t.Context(), hss.ListWtpProtectHostRequest{Limit: 10}); err != nil {
		t.Errorf("a dead token was not renewed: %v", err)
	}
}

func TestDamagedDownloadsOfTheSimulator(t *testing.T) {
	sim := hsstest.Start(t, hsstest.Config{})
	c := signedIn(t, sim, nil)["key pair"]
	ctx := t.Context()
	task, err := c.ExportWebTamperHost(ctx, hss.ExportRequest{Size: 100})
	if err != nil {
		t.Fatal(err)
	}
	state, err := c.ShowExportTask(ctx, task.TaskID)
	if err != nil {
		t.Fatal(err)
	}
	for kind, format := range map[hsstest.FaultKind]bool{hsstest.FaultExportFormat: true, hsstest.FaultShortBody: false, hsstest.FaultHTML: true} {
		id := sim.AddFault(hsstest.Fault{Kind: kind})
		r, err := c.DownloadExport(ctx, state.FileID)
		if class(t, err) != hss.ClassUnclear || errors.Is(err, hss.ErrExportFormat) != format || r.Hosts != nil {
			t.Errorf("%s: %v", kind, err)
		}
		sim.RemoveFault(id)
	}
}
