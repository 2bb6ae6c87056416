package hsstest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
)

type tokenRequest struct {
	Auth struct {
		Identity struct {
			Methods  []string `json:"methods"`
			Password *struct {
				User struct {
					Name     string  `json:"name"`
					Password string  `json:"password"`
					Domain   iamName `json:"domain"`
				} `json:"user"`
			} `json:"password"`
		} `json:"identity"`
		Scope *struct {
			Project *iamName `json:"project"`
			Domain  *iamName `json:"domain"`
		} `json:"scope"`
	} `json:"auth"`
}

type iamName struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

const iamTime = "2006-01-02T15:04:05.000000Z"

// createToken is IAM's password sign-in: the token comes back in a header.
func (c *call) createToken() answer {
	var req tokenRequest
	if err := json.Unmarshal(c.body, &req); err != nil || req.Auth.Identity.Password == nil ||
		len(req.Auth.Identity.Methods) != 1 || req.Auth.Identity.Methods[0] != "password" {
		c.violate("the sign-in isn't one with the method \"password\" only")
		return iamError(http.StatusBadRequest, "The request body is invalid.")
	}
	if !strings.HasPrefix(c.r.Header.Get("Content-Type"), "application/json") {
		c.violate("Content-Type %q isn't application/json", c.r.Header.Get("Content-Type"))
	}
	sent := req.Auth.Identity.Password.User
	u := c.s.accounts.user(sent.Domain.Name, sent.Name)
	const wrong = "The username or password is wrong."
	if u == nil {
		return iamError(http.StatusUnauthorized, wrong)
	}
	if c.now.Before(u.lockedUntil) {
		return iamError(http.StatusUnauthorized, "The user has been locked for too many failed sign-ins.")
	}
	if u.Password != sent.Password {
		if u.failures++; u.failures > loginTries {
			u.failures, u.lockedUntil = 0, c.now.Add(loginLock)
		}
		return iamError(http.StatusUnauthorized, wrong)
	}
	u.failures = 0
	t := &token{user: u, expires: c.now.Add(tokenLife)}
	var project any
	if scope := req.Auth.Scope; scope != nil && scope.Project != nil {
		p := c.s.scopedProject(u.Account, *scope.Project)
		if p == nil {
			return iamError(http.StatusBadRequest, "The project of the scope does not exist.")
		}
		t.project = p.id
		project = map[string]any{"id": p.id, "name": p.iamName, "domain": domain(u.Account)}
	}
	c.rec.User = u.Name
	value := newToken()
	c.s.tokens[value] = t
	a := jsonAnswer(http.StatusCreated, map[string]any{"token": map[string]any{
		"expires_at": t.expires.UTC().Format(iamTime),
		"issued_at":  c.now.UTC().Format(iamTime),
		"methods":    []string{"password"},
		"project":    project,
		"user":       map[string]any{"id": identifier("user " + u.Name), "name": u.Name, "domain": domain(u.Account)},
	}})
	a.header.Set("X-Subject-Token", value)
	return a
}

// newToken is as long as real ones are (a few kilobytes), so that limits on
// headers show.
func newToken() string {
	b := make([]byte, 1500)
	rand.Read(b) // never fails since Go 1.24
	return "MII" + base64.StdEncoding.EncodeToString(b)
}

func (d *directory) user(account, name string) *user {
	for _, u := range d.users {
		if u.Account == account && u.Name == name {
			return u
		}
	}
	return nil
}

func (s *Simulator) scopedProject(account string, scope iamName) *project {
	for _, p := range s.projects {
		if p.account == account && (scope.ID == p.id || (scope.ID == "" && scope.Name == p.iamName)) {
			return p
		}
	}
	return nil
}

type iamProject struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	DomainID    string `json:"domain_id"`
	ParentID    string `json:"parent_id"`
	Enabled     bool   `json:"enabled"`
	IsDomain    bool   `json:"is_domain"`
	Description string `json:"description"`
}

// listProjects lists the caller's projects. IAM's name of one is the region's,
// or region_name for a sub-project.
func (c *call) listProjects() answer {
	q := c.query("name", "domain_id", "enabled", "parent_id", "is_domain", "page", "per_page")
	name := q.text("name", 1, 64)
	if q.problem != "" {
		c.violate("%s", q.problem)
		return iamError(http.StatusBadRequest, q.problem)
	}
	account := c.caller.user.Account
	projects := []iamProject{}
	for _, p := range c.s.projects {
		if p.account != account || (name != "" && name != p.iamName) {
			continue
		}
		parent := identifier("account " + account)
		if p.iamName != p.region {
			if main := c.s.scopedProject(account, iamName{Name: p.region}); main != nil {
				parent = main.id
			}
		}
		projects = append(projects, iamProject{
			ID: p.id, Name: p.iamName, DomainID: identifier("account " + account),
			ParentID: parent, Enabled: true, Description: p.name,
		})
	}
	return okJSON(map[string]any{
		"links":    map[string]any{"self": "https://iam.invalid/v3/projects", "next": nil, "previous": nil},
		"projects": projects,
	})
}

func domain(account string) map[string]any {
	return map[string]any{"id": identifier("account " + account), "name": account}
}
