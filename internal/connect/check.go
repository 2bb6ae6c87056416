package connect

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"wtp-console/internal/hss"
	"wtp-console/internal/secret"
	"wtp-console/internal/wtp"
)

// Check tries a credential, before or after it is stored, and says of each step
// what was wrong and what to do. Nothing in HSS is changed. After a failed sign-in
// nothing more is tried: failures in a row lock a key for five minutes.
func (c *Connector) Check(ctx context.Context, check wtp.CredentialCheck) []wtp.TestStep {
	signIn := wtp.Say("Sign in to IAM").ID
	servers := wtp.Say("List protected servers").ID
	backups := wtp.Say("List backup servers").ID
	enterprise := wtp.Say("Use the enterprise project").ID
	toggle := wtp.Say("Turn dynamic WTP on or off").ID
	skipped := func(name string, why wtp.Text) wtp.TestStep {
		return wtp.TestStep{Name: name, State: "not_tested", Says: why.ID}
	}
	after := wtp.Say("Not tried, because a step before it failed.")

	var steps []wtp.TestStep
	client, first := c.checkClient(ctx, check)
	if first == nil {
		step, up := c.step(ctx, check, signIn, "", func(ctx context.Context) (hss.Meta, error) { return c.signIn(ctx, client, check) })
		first = up
		steps = append(steps, step)
	} else {
		steps = append(steps, failed(signIn, first))
	}
	// A user without rights in IAM may still have them in HSS, and a key pair signs
	// its calls without IAM, which need not be within reach.
	stop := first != nil && first.Class != string(hss.ClassNoPermission)
	if client != nil && first != nil && check.Credential.Kind == wtp.AccessKey {
		stop = signInFailed(first.Class)
	}
	if check.Project == nil {
		return append(steps, skipped(servers, wtp.Say("Not tried: no project uses this credential yet.")))
	}
	eps := skipped(enterprise, wtp.Say("Not tried: none is set for this project."))
	if stop {
		steps = append(steps, skipped(servers, after), skipped(backups, after))
		if check.Project.EnterpriseProjectID != "" {
			eps.Says = after.ID
		}
		return append(steps, eps, skipped(toggle, wtp.Say("Not tried, because that would change servers.")))
	}
	list, up := c.step(ctx, check, servers, hss.OpListWtpProtectHost, func(ctx context.Context) (hss.Meta, error) {
		answer, err := client.ListWtpProtectHost(ctx, hss.ListWtpProtectHostRequest{Limit: hss.MinLimit})
		return answer.Meta, err
	})
	if up == nil && first != nil { // it works, so the step before it was not needed
		steps[0].State = "not_tested"
		steps[0].Says = wtp.Say("IAM gave no list of projects. A key pair works without it: type the project ID instead of choosing it.").ID
	}
	steps = append(steps, list)
	if up != nil && signInFailed(up.Class) {
		steps = append(steps, skipped(backups, after))
	} else {
		step, _ := c.step(ctx, check, backups, hss.OpListBackupHostsInfo, func(ctx context.Context) (hss.Meta, error) {
			answer, err := client.ListBackupHostsInfo(ctx, hss.ListBackupHostsInfoRequest{Limit: hss.MinLimit})
			return answer.Meta, err
		})
		steps = append(steps, step)
	}
	if check.Project.EnterpriseProjectID != "" {
		switch {
		case up == nil: // the list was asked for within it
			eps = wtp.TestStep{Name: enterprise, State: "ok"}
		case up.Class == string(hss.ClassNoPermission) || up.Class == string(hss.ClassRefused):
			eps = failed(enterprise, up)
			eps.Says = wtp.Say("HSS refused the list within this enterprise project. Check the ID and the user's rights in it; all_granted_eps stands for all the user may see.").ID
		default:
			eps.Says = after.ID
		}
	}
	return append(steps, eps, skipped(toggle, wtp.Say("Not tried, because that would change servers.")))
}

func (c *Connector) checkClient(ctx context.Context, check wtp.CredentialCheck) (*hss.Client, *wtp.Upstream) {
	if why := c.unusable(check.Credential); why != nil {
		return nil, why
	}
	cred, plain := check.Credential, secret.New(check.Secret)
	if check.Secret == "" {
		var err error
		if plain, err = c.open(cred); err != nil {
			return nil, Upstream(err)
		}
	} else {
		cred.ID = 0 // a secret just typed has no cached token; see step for the budget
	}
	client, err := c.build(cred, plain, check.Project, somebody())
	if err != nil {
		return nil, Upstream(err)
	}
	return client, nil
}

// signIn is a token for an IAM user; a key pair is tried on a call of IAM's that
// every user may make.
func (c *Connector) signIn(ctx context.Context, client *hss.Client, check wtp.CredentialCheck) (hss.Meta, error) {
	if check.Credential.Kind == wtp.IAMPassword {
		answer, err := client.CreateToken(ctx)
		return answer.Meta, err
	}
	region := check.Credential.Region
	if check.Project != nil {
		region = check.Project.Region
	}
	answer, err := client.ListProjects(ctx, region)
	return answer.Meta, err
}

// step makes one call of a check; operation is "" for one of IAM's. With a secret just
// typed the client knows no budget, but HSS counts its calls with the others.
func (c *Connector) step(ctx context.Context, check wtp.CredentialCheck, name, operation string, call func(context.Context) (hss.Meta, error)) (wtp.TestStep, *wtp.Upstream) {
	cred := check.Credential
	if check.Secret != "" && cred.ID != 0 && operation != "" {
		if _, err := c.pace(ctx, cred.ID, operation, somebody()); err != nil {
			up := Upstream(err)
			return failed(name, up), up
		}
	}
	meta, err := call(ctx)
	if err != nil {
		up := c.Heard(ctx, cred.ID, err)
		step := failed(name, up)
		step.Millis = meta.Took.Milliseconds()
		return step, up
	}
	c.accepted(cred.ID)
	return wtp.TestStep{Name: name, State: "ok", RequestID: meta.RequestID, Millis: meta.Took.Milliseconds()}, nil
}

func failed(name string, up *wtp.Upstream) wtp.TestStep {
	return wtp.TestStep{Name: name, State: "failed", Says: up.Text.ID, Code: up.Code, Message: up.Message, RequestID: up.RequestID}
}

// signInFailed says that more calls could lock the key.
func signInFailed(class string) bool {
	return class == string(hss.ClassNotSignedIn) || class == string(hss.ClassKeyLocked) || class == string(hss.ClassClock)
}

// IAMProjects lists the projects that the credential's user has, to be ticked; by
// region and name, those of IAM's own making left out. The error is a
// *wtp.Upstream.
func (c *Connector) IAMProjects(ctx context.Context, check wtp.CredentialCheck) ([]wtp.IAMProject, error) {
	client, up := c.checkClient(ctx, check)
	if up != nil {
		return nil, up
	}
	answer, err := client.ListProjects(ctx, "")
	if err != nil {
		return nil, c.Heard(ctx, check.Credential.ID, err)
	}
	var projects []wtp.IAMProject
	for _, p := range answer.Projects {
		// "MOS" is IAM's own, for object storage; HSS has no endpoint for it.
		if p.Name == "MOS" {
			continue
		}
		projects = append(projects, wtp.IAMProject{ID: p.ID, Name: p.Name, Region: wtp.RegionOfIAMProject(p.Name), Enabled: p.Enabled})
	}
	slices.SortFunc(projects, func(a, b wtp.IAMProject) int { return strings.Compare(a.Name, b.Name) })
	return projects, nil
}

// within bounds an interactive call, so that a page answers in time.
func within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, 45*time.Second, errors.New("HSS took longer than 45 s"))
}
