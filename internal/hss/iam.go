package hss

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// CreateTokenResponse says what a login gave; the token itself stays in the client.
type CreateTokenResponse struct {
	Meta
	ExpiresAt   time.Time // by the server's clock, UTC; zero when IAM did not say
	ProjectID   string    // the project the token is for
	ProjectName string
	DomainID    string // of the account
}

type issuedToken struct {
	CreateTokenResponse
	token string
}

// lifetime counts from the server's own Date, so that a wrong clock here does not shorten or stretch it. An
// end that was not said, or is over already, counts as one hour.
func (i issuedToken) lifetime(now time.Time) time.Duration {
	if !i.ServerDate.IsZero() {
		now = i.ServerDate
	}
	if left := i.ExpiresAt.Sub(now); left > 0 {
		return min(24*time.Hour, left)
	}
	return time.Hour
}

// CreateToken logs the IAM user in and keeps the token for the calls that follow, in place of the one there
// was. A credential that is an access key pair has no token and is refused.
//
// POST {IAM}/v3/auth/tokens?nocatalog=true, 201, IAM "Obtaining a User Token Through Password Authentication".
func (c *Client) CreateToken(ctx context.Context) (CreateTokenResponse, error) {
	if c.config.Credential.signs() {
		return CreateTokenResponse{}, c.notSent(c.tokenCall(nil), fmt.Errorf("an access key pair signs its calls and needs no token"))
	}
	return c.tokens.login(ctx, c)
}

func (c *Client) tokenCall(decode func([]byte) error) *call {
	type named struct {
		Name string `json:"name"`
	}
	type user struct {
		Domain   named  `json:"domain"`
		Name     string `json:"name"`
		Password string `json:"password"`
	}
	type password struct {
		User user `json:"user"`
	}
	type identity struct {
		Methods  []string `json:"methods"`
		Password password `json:"password"`
	}
	type project struct {
		ID   string `json:"id,omitempty"`
		Name string `json:"name,omitempty"`
	}
	type scope struct {
		Project project `json:"project"`
	}
	type auth struct {
		Identity identity `json:"identity"`
		Scope    scope    `json:"scope"`
	}
	cred := c.config.Credential
	a := auth{Identity: identity{Methods: []string{"password"},
		Password: password{User: user{Domain: named{cred.Account}, Name: cred.User, Password: cred.Password}}}}
	if c.config.ProjectID != "" {
		a.Scope.Project.ID = c.config.ProjectID
	} else {
		a.Scope.Project.Name = c.config.Region // the region's own project is named like the region
	}
	return &call{op: OpCreateToken, method: http.MethodPost, path: []string{"v3", "auth", "tokens"},
		query: url.Values{"nocatalog": {"true"}}, iam: true, login: true, want: http.StatusCreated, decode: decode,
		body: map[string]auth{"auth": a}}
}

func (c *Client) fetchToken(ctx context.Context) (issuedToken, error) {
	var issued issuedToken
	a, err := c.attempt(ctx, c.tokenCall(func(body []byte) error {
		if len(body) == 0 {
			return nil // the token is in a header
		}
		top, err := objectOf(body)
		if err != nil {
			return err
		}
		token := top.object("token")
		if at := token.text("expires_at"); at != "" {
			issued.ExpiresAt, err = time.Parse(time.RFC3339Nano, at)
			issued.ExpiresAt = issued.ExpiresAt.UTC()
		}
		project := token.object("project")
		issued.ProjectID, issued.ProjectName = project.text("id"), project.text("name")
		issued.DomainID = project.object("domain").text("id")
		return err
	}))
	issued.Meta = a.meta
	if err != nil {
		return issued, err
	}
	issued.token = a.header.Get("X-Subject-Token")
	if n := len(issued.token); n == 0 || n > 32768 || !headerSafe(issued.token) {
		e := c.fail(c.tokenCall(nil), a, ClassUnclear)
		e.Message = "IAM answered without a usable token"
		return issued, e
	}
	return issued, nil
}

// IAMProject is a project of the account, as IAM lists it.
type IAMProject struct {
	ID, Name string // Name is the region id, or begins with it and "_" for a sub-project
	DomainID string
	ParentID string
	Enabled  bool
}

// ListProjectsResponse is the answer of ListProjects.
type ListProjectsResponse struct {
	Meta
	Projects []IAMProject
}

// ListProjects lists the projects named name, or all the caller may see when name is empty.
//
// GET {IAM}/v3/projects, IAM "Querying Project Information".
func (c *Client) ListProjects(ctx context.Context, name string) (ListProjectsResponse, error) {
	var r ListProjectsResponse
	op := &call{op: OpListProjects, method: http.MethodGet, path: []string{"v3", "projects"}, iam: true, want: http.StatusOK}
	if name != "" {
		op.query = url.Values{"name": {name}}
		if err := checkText("project name", name, 256); err != nil {
			return r, c.notSent(op, err)
		}
	}
	op.decode = func(body []byte) error {
		top, err := objectOf(body)
		if err != nil {
			return err
		}
		rows, err := top.rows("projects")
		for _, row := range rows {
			p := IAMProject{ID: row.text("id"), Name: row.text("name"), DomainID: row.text("domain_id"), ParentID: row.text("parent_id"), Enabled: true}
			if raw, ok := row.fields["enabled"]; ok && string(raw) != "null" {
				p.Enabled = row.boolean("enabled")
			}
			if row.err() != nil {
				return row.err()
			}
			if p.ID == "" {
				return fmt.Errorf("a project without id")
			}
			r.Projects = append(r.Projects, p)
		}
		return err
	}
	var err error
	r.Meta, err = c.do(ctx, op)
	if err != nil {
		r.Projects = nil
	}
	return r, err
}

// objectOf opens a JSON object for lenient reading.
func objectOf(body []byte) (*object, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, fmt.Errorf("a JSON object was expected")
	}
	if fields == nil {
		return nil, fmt.Errorf("a JSON object was expected, not null")
	}
	return newObject(fields), nil
}
