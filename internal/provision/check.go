package provision

import (
	"errors"
	"strings"

	"wtp-console/internal/auth"
	"wtp-console/internal/wtp"
)

// person holds an item to the rules of the pages where people are added.
func (r *reader) person(it item) Person {
	p := Person{Name: strings.TrimSpace(it.values["name"]), Role: wtp.Role(it.values["role"]), lines: it.lines}
	r.need(it, "name", "give the name that the person signs in with")
	if _, err := auth.CanonicalName(p.Name); err != nil && p.Name != "" {
		r.fault(it.lines.of("name"), it.lines.item+".name", "%s", err)
	}
	if r.need(it, "role", "say viewer, operator or admin") && !p.Role.Valid() {
		r.fault(it.lines.of("role"), it.lines.item+".role", "there is no such role. Say viewer, operator or admin")
	}
	p.Password = r.secret(it, "password")
	if !p.Password.IsZero() {
		if err := auth.CheckPassword(p.Password.Reveal(), p.Name); err != nil {
			field := "password_env"
			if _, ok := it.nodes["password_file"]; ok {
				field = "password_file"
			}
			r.fault(it.lines.of(field), it.lines.item+"."+field, "%s", err)
		}
	}
	return p
}

// need says whether a field has a value, and notes it as missing if it has none.
// A field that is no plain value was noted before.
func (r *reader) need(it item, field, says string) bool {
	_, present := it.nodes[field]
	_, plain := it.values[field]
	if strings.TrimSpace(it.values[field]) != "" {
		return true
	}
	if !present || plain {
		r.fault(it.lines.of(field), it.lines.item+"."+field, "%s", says)
	}
	return false
}

// credential holds an item to the rules of the credential form.
func (r *reader) credential(it item) Credential {
	kind := wtp.CredentialKind(it.values["kind"])
	base := "secret_key"
	if kind == wtp.IAMPassword {
		base = "password"
	}
	form := wtp.CredentialForm{
		Name: it.values["name"], Kind: string(kind), AccessKey: it.values["access_key"],
		Account: it.values["account"], IAMUser: it.values["user"],
		Region: it.values["region"], IAMEndpoint: it.values["iam_endpoint"],
	}
	c := Credential{lines: it.lines}
	if kind == wtp.AccessKey || kind == wtp.IAMPassword {
		c.Secret = r.secret(it, base)
		r.misplaced(it, kind)
	}
	form.Secret = c.Secret.Reveal()
	stored, err := form.Check(nil)
	c.Credential = stored
	r.invalid(it, err, map[string]string{"secret": base, "iam_user": "user"})
	return c
}

// misplaced refuses the fields of the other kind: one of the two is a mistake.
func (r *reader) misplaced(it item, kind wtp.CredentialKind) {
	other := []string{"account", "user", "password_env", "password_file"}
	if kind == wtp.IAMPassword {
		other = []string{"access_key", "secret_key_env", "secret_key_file"}
	}
	for _, field := range other {
		if _, ok := it.nodes[field]; ok {
			r.fault(it.lines.of(field), it.lines.item+"."+field, "this doesn't belong to a credential of kind %s", kind)
		}
	}
}

// project holds an item to the rules of the project form. Its credential may be
// one that was added on the pages, so only Apply can look for it.
func (r *reader) project(it item) Project {
	form := wtp.ProjectForm{
		Name: it.values["name"], Region: it.values["region"], HSSProjectID: it.values["project_id"],
		EnterpriseProjectID: it.values["enterprise_project_id"], CredentialID: "1",
		HSSEndpoint: it.values["hss_endpoint"], IAMEndpoint: it.values["iam_endpoint"],
	}
	p := Project{Credential: strings.TrimSpace(it.values["credential"]), lines: it.lines}
	stored, err := form.Check([]wtp.Credential{{ID: 1}})
	stored.CredentialID = 0
	p.Project = stored
	r.invalid(it, err, nil)
	r.need(it, "credential", "name the credential that calls HSS for this project")
	return p
}

// invalid turns what a form says into faults. A field whose node was no plain
// value has its fault already.
func (r *reader) invalid(it item, err error, names map[string]string) {
	var bad wtp.Invalid
	if !errors.As(err, &bad) {
		return
	}
	for _, b := range bad {
		field := b.Field
		if name, ok := names[field]; ok {
			field = name
		}
		if field == "secret_key" || field == "password" {
			if strings.HasPrefix(b.Text.ID, "Enter the secret") {
				continue // said already, with the two ways to give it
			}
			if _, ok := it.nodes[field+"_file"]; ok {
				field += "_file"
			} else {
				field += "_env"
			}
		}
		_, present := it.nodes[field]
		_, plain := it.values[field]
		if present && !plain {
			continue
		}
		says := b.Text.String()
		if !present {
			says = "it is missing. " + says
		}
		r.fault(it.lines.of(field), it.lines.item+"."+field, "%s", says)
	}
}

// unique refuses what stands in the file twice.
func (r *reader) unique(f File) {
	seen := map[string]string{}
	once := func(l lines, field, what, key string) {
		key = what + "\x00" + strings.ToLower(key)
		if first, ok := seen[key]; ok {
			r.fault(l.of(field), l.item+"."+field, "%s has this %s already", first, what)
			return
		}
		seen[key] = l.item
	}
	for _, p := range f.People {
		once(p.lines, "name", "person's name", p.Name)
	}
	for _, c := range f.Credentials {
		once(c.lines, "name", "credential's name", c.Name)
	}
	for _, p := range f.Projects {
		once(p.lines, "name", "project's name", p.Name)
		once(p.lines, "project_id", "region, project ID and enterprise project ID", strings.Join([]string{p.Region, p.HSSProjectID, p.EnterpriseProjectID}, "\x00"))
	}
}
