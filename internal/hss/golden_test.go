package hss

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// tripFunc stands for the network where a test looks at the request itself.
type tripFunc func(*http.Request) (*http.Response, error)

func (f tripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func respond(r *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r}
}

// wire writes a request as golden files hold it.
func wire(r *http.Request) string {
	var b bytes.Buffer
	b.WriteString(r.Method + " " + r.URL.Scheme + "://" + r.URL.Host + r.URL.RequestURI() + "\n")
	var lines []string
	for name, values := range r.Header {
		lines = append(lines, name+": "+strings.Join(values, " | "))
	}
	slices.Sort(lines)
	b.WriteString(strings.Join(lines, "\n") + "\n\n")
	if r.Body != nil {
		io.Copy(&b, r.Body)
	}
	b.WriteByte('\n')
	return b.String()
}

const (
	hostA = "96ae7317-b5c4-4bc8-aa90-eda53f23e99e"
	hostB = "caa958ad-a481-4d46-b51e-6861b8864515"
)

func keyPair() Credential { return Credential{AccessKey: "AKEXAMPLE", SecretKey: "SKEXAMPLE"} }

func iamUser() Credential {
	return Credential{Account: "ACCOUNT", User: "IAM_USER", Password: "PASSWORDEXAMPLE"}
}

// eachCall runs every call once.
func eachCall(do func(op string, run func(context.Context, *Client) error)) {
	do(OpSetRaspSwitch, func(ctx context.Context, c *Client) error {
		_, err := c.SetRaspSwitch(ctx, []string{hostA, hostB}, SwitchOff)
		return err
	})
	do(OpListWtpProtectHost, func(ctx context.Context, c *Client) error {
		_, err := c.ListWtpProtectHost(ctx, ListWtpProtectHostRequest{HostID: hostA, HostName: "web 01/测试+a~b", PublicIP: "203.0.113.9",
			PrivateIP: "192.168.0.10", GroupName: "shop & co", OSType: "Linux", AssetValue: "important", ProtectStatus: "opened",
			WtpStatus: "partial_protection", AgentStatus: "online", RaspStatus: "closed", Limit: 200, Offset: 2000000})
		return err
	})
	do(OpListHostStatus, func(ctx context.Context, c *Client) error {
		_, err := c.ListHostStatus(ctx, ListHostStatusRequest{HostName: "backup", HostIDs: []string{hostA, hostB}, IPAddr: "192.168",
			OSType: "Linux", HostStatus: "ACTIVE", AgentStatus: "online", Limit: 10})
		return err
	})
	do(OpListBackupHostsInfo, func(ctx context.Context, c *Client) error {
		_, err := c.ListBackupHostsInfo(ctx, ListBackupHostsInfoRequest{IsRun: true, Limit: 100})
		return err
	})
	do(OpUpdateBackupHostInfo, func(ctx context.Context, c *Client) error {
		_, err := c.UpdateBackupHostInfo(ctx, BackupHost{HostID: hostA, IP: "192.168.1.1", Port: 8080, Dir: "/hss01/<a>&b"})
		return err
	})
	do(OpDeleteBackupHostInfo, func(ctx context.Context, c *Client) error {
		_, err := c.DeleteBackupHostInfo(ctx, []string{hostA})
		return err
	})
	do(OpSetRemoteBackupInfo, func(ctx context.Context, c *Client) error {
		_, err := c.SetRemoteBackupInfo(ctx, hostB, RemoteBackup{Switch: SwitchOn, Addr: "192.168.1.1:8080", BackupHostID: hostA})
		return err
	})
	do(OpShowRemoteBackupHostInfo, func(ctx context.Context, c *Client) error {
		_, err := c.ShowRemoteBackupHostInfo(ctx, hostB)
		return err
	})
	do(OpShowWebTamperRaspPath, func(ctx context.Context, c *Client) error {
		_, err := c.ShowWebTamperRaspPath(ctx, hostB)
		return err
	})
	do(OpUpdateWebTamperRaspPath, func(ctx context.Context, c *Client) error {
		_, err := c.UpdateWebTamperRaspPath(ctx, hostB, "/opt/tomcat-9.0/bin")
		return err
	})
	do(OpShowWebTamperHostPolicy, func(ctx context.Context, c *Client) error {
		_, err := c.ShowWebTamperHostPolicy(ctx, hostB)
		return err
	})
	do(OpExportWebTamperHost, func(ctx context.Context, c *Client) error {
		_, err := c.ExportWebTamperHost(ctx, ExportRequest{HostIDs: []string{hostA}, RaspStatus: "opened", Size: 200000})
		return err
	})
	do(OpShowExportTask, func(ctx context.Context, c *Client) error {
		_, err := c.ShowExportTask(ctx, "task-1")
		return err
	})
	do(OpDownloadExport, func(ctx context.Context, c *Client) error {
		_, err := c.DownloadExport(ctx, "file-1")
		return err
	})
	do(OpListProjects, func(ctx context.Context, c *Client) error {
		_, err := c.ListProjects(ctx, "cn-north-4")
		return err
	})
}

// TestRequestsOnTheWire holds every call, down to its signature, to a file. HSS_GOLDEN=write rewrites them.
func TestRequestsOnTheWire(t *testing.T) {
	check := func(t *testing.T, name, got string) {
		t.Helper()
		file := filepath.Join("testdata", "requests", name+".txt")
		if os.Getenv("HSS_GOLDEN") == "write" {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s\n got:\n%s\nwant:\n%s", file, got, want)
		}
	}
	now := func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	eachCall(func(op string, run func(context.Context, *Client) error) {
		t.Run(op, func(t *testing.T) {
			var got string
			c, err := New(Config{Region: "cn-north-4", ProjectID: vectorProject, EnterpriseProjectID: "all_granted_eps",
				Credential: keyPair(), Now: now,
				Transport: tripFunc(func(r *http.Request) (*http.Response, error) {
					got = wire(r)
					return respond(r, 200, ""), nil
				})})
			if err != nil {
				t.Fatal(err)
			}
			_ = run(t.Context(), c) // reads get no answer here, and say so
			check(t, op, got)
		})
	})
	t.Run(OpCreateToken, func(t *testing.T) {
		for name, project := range map[string]string{"project": vectorProject, "region": ""} {
			var got string
			c, err := New(Config{Region: "cn-north-4", ProjectID: project, Credential: iamUser(), Now: now,
				Transport: tripFunc(func(r *http.Request) (*http.Response, error) {
					got = wire(r)
					return respond(r, 201, ""), nil
				})})
			if err != nil {
				t.Fatal(err)
			}
			_, _ = c.CreateToken(t.Context())
			check(t, OpCreateToken+"-"+name, got)
		}
	})
	t.Run("with a token", func(t *testing.T) {
		var got string
		c, err := New(Config{Region: "cn-north-4", ProjectID: vectorProject, Credential: iamUser(), Now: now,
			Transport: tripFunc(func(r *http.Request) (*http.Response, error) {
				if strings.HasPrefix(r.URL.Path, "/v3/") {
					resp := respond(r, 201, "")
					resp.Header.Set("X-Subject-Token", "TOKENEXAMPLE")
					return resp, nil
				}
				got = wire(r)
				return respond(r, 200, ""), nil
			})})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.SetRaspSwitch(t.Context(), []string{hostA}, SwitchOn); err != nil {
			t.Fatal(err)
		}
		check(t, OpSetRaspSwitch+"-token", got)
	})
	t.Run("behind a path", func(t *testing.T) {
		var got string
		cred := keyPair()
		cred.SecurityToken = "TOKENEXAMPLE"
		c, err := New(Config{Region: "cn-north-4", ProjectID: vectorProject, Credential: cred, Now: now,
			Endpoint: "https://gateway.example.com:8443/cloud%20a/hss/",
			Transport: tripFunc(func(r *http.Request) (*http.Response, error) {
				got = wire(r)
				return respond(r, 200, ""), nil
			})})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.UpdateWebTamperRaspPath(t.Context(), "host 1", "/opt/tomcat/bin"); err != nil {
			t.Fatal(err)
		}
		check(t, OpUpdateWebTamperRaspPath+"-prefix", got)
	})
}
