package connect

import (
	"errors"
	"time"

	"wtp-console/internal/hss"
	"wtp-console/internal/wtp"
)

// refusedFor is how long a reading that nobody asked for isn't tried after HSS or IAM
// refused the sign-in. More than five failures in a row lock a key, and a few wrong
// passwords lock the user, for everybody else who uses them too.
const refusedFor = 24 * time.Hour

// signIn is all that a sign-in depends on: once a part of it is another, it is worth
// trying again.
type signIn struct {
	credential, project                                                          int64
	secretSet                                                                    wtp.Instant
	accessKey, account, user, region, iam, hssProject, hssRegion, ownHSS, ownIAM string
}

func signInOf(c wtp.Credential, p wtp.Project) signIn {
	return signIn{
		credential: c.ID, project: p.ID, secretSet: c.SecretSetAt,
		accessKey: c.AccessKey, account: c.Account, user: c.IAMUser, region: c.Region, iam: c.IAMEndpoint,
		hssProject: p.HSSProjectID, hssRegion: p.Region, ownHSS: p.HSSEndpoint, ownIAM: p.IAMEndpoint,
	}
}

// refusal is a sign-in that was refused. It is kept in memory only: another replica,
// or the next start, tries once for itself.
type refusal struct {
	at  wtp.Instant
	why *wtp.Upstream
}

// refused is why a reading that nobody asked for isn't tried; nil: it is.
func (c *Connector) refused(as signIn) *wtp.Upstream {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.refusals[as]
	if since := wtp.At(c.now()).Sub(r.at); !ok || since < 0 || since >= refusedFor {
		return nil
	}
	again := *r.why
	return &again
}

// signedIn keeps whether a call was refused for its sign-in.
func (c *Connector) signedIn(as signIn, err error) {
	var e *hss.Error
	failed := errors.As(err, &e)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		delete(c.refusals, as)
	case failed && e.Class == hss.ClassNotSignedIn:
		if c.refusals == nil {
			c.refusals = map[signIn]refusal{}
		}
		c.refusals[as] = refusal{wtp.At(c.now()), Upstream(err)}
	}
}

// accepted forgets what was refused to a credential: it was good for a call by now.
func (c *Connector) accepted(credentialID int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for as := range c.refusals {
		if as.credential == credentialID {
			delete(c.refusals, as)
		}
	}
}
