package provision

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wtp-console/internal/wtp"
)

const canary = "CANARY-s3cr3t-Value-77"

func environment(name string) string {
	switch name {
	case "MEI_PASSWORD":
		return "a long enough password"
	case "SHORT":
		return "1234"
	case "HSS_SK":
		return canary
	case "IAM_PASSWORD":
		return canary
	}
	return ""
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "provision.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const whole = `# everything a new console needs
people:
  - name: Mei Chen
    role: admin
    password_env: MEI_PASSWORD
credentials:
  - name: hss-ops-bj4
    kind: access_key
    access_key: HPUA4R7XK2LQ9ZT0VWBD
    secret_key_env: HSS_SK
    region: cn-north-4
  - name: hss-ops-hk
    kind: iam_password
    account: northwind
    user: hss-ops
    password_file: hk.txt
    region: ap-southeast-1
    iam_endpoint: https://iam.ap-southeast-1.myhuaweicloud.com/
projects:
  - name: web-prod
    region: cn-north-4
    project_id: 0a41c6e2f7d84b1e9c3507ab62df18e4
    enterprise_project_id: 0
    credential: hss-ops-bj4
  - name: web-hk
    region: ap-southeast-1
    project_id: "0123456789"
    credential: hss-ops-hk
    hss_endpoint: http://127.0.0.1:9999
`

func TestLoadReadsEverything(t *testing.T) {
	path := write(t, whole)
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "hk.txt"), []byte(canary+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Load(path, environment)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.People) != 1 || f.People[0].Name != "Mei Chen" || f.People[0].Role != wtp.Admin || f.People[0].Password.Reveal() != "a long enough password" {
		t.Errorf("people: %+v", f.People)
	}
	if len(f.Credentials) != 2 || f.Credentials[0].Secret.Reveal() != canary || f.Credentials[1].Secret.Reveal() != canary {
		t.Errorf("credentials: %+v", f.Credentials)
	}
	if c := f.Credentials[1]; c.IAMEndpoint != "https://iam.ap-southeast-1.myhuaweicloud.com" || c.Account != "northwind" || c.IAMUser != "hss-ops" || c.AccessKey != "" {
		t.Errorf("second credential: %+v", c)
	}
	if len(f.Projects) != 2 || f.Projects[0].EnterpriseProjectID != "0" || f.Projects[1].HSSProjectID != "0123456789" || f.Projects[1].HSSEndpoint != "http://127.0.0.1:9999" {
		t.Errorf("projects: %+v", f.Projects)
	}
	if s := fmt.Sprintf("%v %+v %#v", f, f, f); strings.Contains(s, canary) {
		t.Error("a secret is printed with the file")
	}
}

const (
	person     = "people:\n  - name: Mei\n    role: admin\n    password_env: MEI_PASSWORD\n"
	credential = "credentials:\n  - name: ops\n    kind: access_key\n    access_key: AK\n    secret_key_env: HSS_SK\n    region: cn-north-4\n"
	project    = "projects:\n  - name: web\n    region: cn-north-4\n    project_id: p1\n    credential: ops\n"
)

func TestLoadNamesLineAndField(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		name, text string
		want       []string // line:field: part of what is said
	}{
		{"empty", "", []string{"0::it holds nothing"}},
		{"comment only", "# soon\n", []string{"0::it holds nothing"}},
		{"not a mapping", "- a\n", []string{"1::fields are expected"}},
		{"broken YAML", "people:\n  - name: [\n", []string{"2::not valid YAML"}},
		{"a field twice", "people: []\npeople: []\n", []string{`2::"people" already defined`}},
		{"a field twice in an item", person + "    role: viewer\n", []string{`5::"role" already defined`}},
		{"two documents", "people: []\n---\nprojects: []\n", []string{"3::a second document"}},
		{"unknown list", "users: []\n", []string{"1:users:there is no such field"}},
		{"not a list", "people:\n  name: x\n", []string{"1:people:must be a list"}},
		{"not fields", "people:\n  - Mei\n", []string{"2:people[1]:fields are expected"}},
		{"unknown field", person + "    email: x@y\n", []string{"5:people[1].email:there is no such field"}},
		{"a list for a value", "people:\n  - name: [a]\n    role: admin\n    password_env: MEI_PASSWORD\n", []string{"2:people[1].name:one plain value"}},
		{"an alias", "people:\n  - name: &a Mei\n    role: admin\n    password_env: MEI_PASSWORD\n", []string{"2:people[1].name:anchors"}},
		{"a truth value", "people:\n  - name: true\n    role: admin\n    password_env: MEI_PASSWORD\n", []string{"2:people[1].name:in quotes"}},
		{"no value", "people:\n  - name:\n    role: admin\n    password_env: MEI_PASSWORD\n", []string{"2:people[1].name:it has no value"}},
		{"password in the file", "people:\n  - name: Mei\n    role: admin\n    password: " + canary + "\n", []string{"2:people[1].password_env:give password_env", "4:people[1].password:never written in this file. Use password_env"}},
		{"secret in the file", strings.Replace(credential, "secret_key_env: HSS_SK", "secret_key: "+canary, 1), []string{"2:credentials[1].secret_key_env:give secret_key_env", "5:credentials[1].secret_key:never written in this file. Use secret_key_env"}},
		{"secret for the variable's name", strings.Replace(credential, "HSS_SK", canary, 1), []string{"5:credentials[1].secret_key_env:the environment variable named here is empty"}},
		{"variable not set", strings.Replace(credential, "HSS_SK", "NOT_SET", 1), []string{"5:credentials[1].secret_key_env:the environment variable NOT_SET is empty or not set"}},
		{"no such secret file", strings.Replace(credential, "secret_key_env: HSS_SK", "secret_key_file: /no/such/file", 1), []string{"5:credentials[1].secret_key_file:the file /no/such/file can't be used: there is no such file"}},
		{"secret file is a directory", strings.Replace(credential, "secret_key_env: HSS_SK", "secret_key_file: /", 1), []string{"5:credentials[1].secret_key_file:it is a directory"}},
		{"both ways", credential + "    secret_key_file: /x\n", []string{"7:credentials[1].secret_key_file:not both"}},
		{"weak password", strings.Replace(person, "MEI_PASSWORD", "SHORT", 1), []string{"4:people[1].password_env:fewer than 8"}},
		{"no such role", strings.Replace(person, "admin", "root", 1), []string{"3:people[1].role:no such role"}},
		{"no role", strings.Replace(person, "    role: admin\n", "", 1), []string{"2:people[1].role:say viewer, operator or admin"}},
		{"long name of a person", strings.Replace(person, "Mei", long(65), 1), []string{"2:people[1].name:64 characters"}},
		{"same person twice", person + strings.TrimPrefix(strings.Replace(person, "Mei", "MEI", 1), "people:\n"), []string{"5:people[2].name:people[1] has this person's name already"}},
		{"no kind", strings.Replace(credential, "    kind: access_key\n", "", 1), []string{"2:credentials[1].kind:it is missing"}},
		{"unknown kind", strings.Replace(credential, "kind: access_key", "kind: token", 1), []string{"3:credentials[1].kind:Choose"}},
		{"field of the other kind", credential + "    account: x\n", []string{"7:credentials[1].account:doesn't belong"}},
		{"no access key", strings.Replace(credential, "    access_key: AK\n", "", 1), []string{"2:credentials[1].access_key:it is missing"}},
		{"long region", strings.Replace(credential, "cn-north-4", long(129), 1), []string{"6:credentials[1].region:At most 128"}},
		{"region that leads elsewhere", strings.Replace(credential, "cn-north-4", "evil.example/", 1), []string{"6:credentials[1].region:only letters"}},
		{"endpoint without https", credential + "    iam_endpoint: http://iam.example\n", []string{"7:credentials[1].iam_endpoint:Use https"}},
		{"same credential twice", credential + strings.TrimPrefix(credential, "credentials:\n"), []string{"7:credentials[2].name:credentials[1] has"}},
		{"no project ID", strings.Replace(project, "    project_id: p1\n", "", 1), []string{"2:projects[1].project_id:it is missing"}},
		{"long project ID", strings.Replace(project, "p1", long(257), 1), []string{"4:projects[1].project_id:At most 256"}},
		{"long enterprise project ID", project + "    enterprise_project_id: " + long(257) + "\n", []string{"6:projects[1].enterprise_project_id:At most 256"}},
		{"no credential", strings.Replace(project, "    credential: ops\n", "", 1), []string{"2:projects[1].credential:name the credential"}},
		{"endpoint with a password", project + "    hss_endpoint: https://u:p@hss.example\n", []string{"6:projects[1].hss_endpoint:user name and password"}},
		{"same project twice", project + strings.TrimPrefix(strings.Replace(project, "web", "web2", 1), "projects:\n"), []string{"8:projects[2].project_id:projects[1] has"}},
		{"all faults at once", "people:\n  - name: Mei\n    role: boss\n    password_env: SHORT\nprojects:\n  - name: web\n    region: cn north 4\n    project_id: p1\n    credential: ops\n",
			[]string{"3:people[1].role:no such role", "4:people[1].password_env:fewer than 8", "7:projects[1].region:only letters"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := write(t, c.text)
			_, err := Load(path, environment)
			var faults Faults
			if !errors.As(err, &faults) {
				t.Fatalf("error %v, want faults", err)
			}
			if strings.Contains(err.Error(), canary) {
				t.Error("the error repeats a secret")
			}
			if len(faults) != len(c.want) {
				t.Fatalf("faults:\n%v\nwant %d: %v", err, len(c.want), c.want)
			}
			for i, f := range faults {
				part := strings.SplitN(c.want[i], ":", 3)
				if fmt.Sprint(f.Line) != part[0] || f.Field != part[1] || !strings.Contains(f.Says, part[2]) || f.File != path {
					t.Errorf("fault %+v, want %s", f, c.want[i])
				}
			}
		})
	}
}

func TestLoadOfNoFile(t *testing.T) {
	for _, path := range []string{filepath.Join(t.TempDir(), "none.yaml"), t.TempDir()} {
		_, err := Load(path, environment)
		var faults Faults
		if !errors.As(err, &faults) || len(faults) != 1 || faults[0].File != path {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestFaultsAreInTheOrderOfLines(t *testing.T) {
	_, err := Load(write(t, "projects:\n  - name: ''\npeople:\n  - role: x\n"), environment)
	var faults Faults
	if !errors.As(err, &faults) || !slices.IsSortedFunc(faults, func(a, b Fault) int { return a.Line - b.Line }) {
		t.Errorf("not in order:\n%v", err)
	}
}
