package wtp

// Upstream is a failure of HSS or IAM, told in our words and theirs.
type Upstream struct {
	Operation string // the vendor's name of the call, e.g. ListWtpProtectHost
	Class     string // refused, unclear, throttled, not_signed_in, key_locked, clock, no_permission, not_in_region, not_sent
	Text      Text   // what it means and what to do
	Status    int    // HTTP status; 0: no answer
	Code      string // their error code
	Message   string // their message, scrubbed of secrets
	RequestID string
}

// Error says what failed, with code and request ID.
func (u *Upstream) Error() string {
	s := u.Operation + ": " + u.Text.String()
	if u.Code != "" {
		s += " (" + u.Code + ")"
	}
	if u.RequestID != "" {
		s += " request " + u.RequestID
	}
	return s
}

// CredentialCheck is a credential to be tried, before or after it is stored.
type CredentialCheck struct {
	Credential Credential
	Secret     string   // the SK or password just typed; "": open the sealed one
	Project    *Project // nil: only IAM is asked
}

// HostChoice is a server that can become a backup server, for the picker.
type HostChoice struct {
	HostID, Name, PrivateIP, AgentID string
	Online                           bool // agent online
	Active                           bool // the server runs
	Linux                            bool
}

// Fit says whether the server can be a backup server: Linux, running, its agent
// online (HSS user guide, "Managing Remote Backup Servers").
func (h HostChoice) Fit() bool { return h.Linux && h.Active && h.Online }
