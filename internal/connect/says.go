package connect

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"wtp-console/internal/hss"
	"wtp-console/internal/wtp"
)

// ClassNoCredential is for a credential of ours that can't be used; HSS was not
// asked.
const ClassNoCredential = "no_credential"

// ClassNoKey is for a credential whose secret was sealed under a key that the key
// file lacks; HSS was not asked.
const ClassNoKey = "no_key"

// Upstream tells a failure of HSS or IAM in our words: what it means and what to
// do now. It is never nil for an error.
func Upstream(err error) *wtp.Upstream {
	if err == nil {
		return nil
	}
	var own *wtp.Upstream
	if errors.As(err, &own) { // kept back by ourselves
		up := *own
		var e *hss.Error
		if errors.As(err, &e) && up.Operation == "" {
			up.Operation = e.Op
		}
		return &up
	}
	var e *hss.Error
	if !errors.As(err, &e) {
		// Either a setting that no call can be made with, or a fault of ours;
		// package hss words the former for people, and neither holds a secret.
		return &wtp.Upstream{Class: string(hss.ClassNotSent), Text: wtp.Say("The call could not be prepared. Check the region, the project ID and the endpoints in the settings."), Message: err.Error()}
	}
	up := &wtp.Upstream{
		Operation: e.Op, Class: string(e.Class), Text: say(e),
		Status: e.Status, Code: e.Code, Message: e.Message, RequestID: e.RequestID,
	}
	if e.Class == hss.ClassClock && e.Skew != 0 {
		up.Message = fmt.Sprintf("%+.0f s; %s", e.Skew.Seconds(), e.Message)
	}
	if e.Class == hss.ClassNotSent && up.Message == "" && e.Err != nil && !errors.Is(e.Err, context.Canceled) {
		up.Message = e.Err.Error()
	}
	return up
}

func locked() wtp.Text {
	return wtp.Say("HSS locked this credential for 5 minutes after several failed sign-ins in a row. Nothing is sent with it until then. Check its key or password, wait, and test it again.")
}

// say gives the sentence for a failure.
func say(e *hss.Error) wtp.Text {
	iam := e.Op == hss.OpCreateToken || e.Op == hss.OpListProjects
	switch e.Class {
	case hss.ClassNotSent:
		return sayNotSent(e)
	case hss.ClassThrottled:
		return wtp.Say("Huawei Cloud takes no more calls of this kind for the moment. The console waits as long as it was told to and goes on by itself.")
	case hss.ClassNotSignedIn:
		return sayNotSignedIn(e)
	case hss.ClassKeyLocked:
		return locked()
	case hss.ClassClock:
		return wtp.Say("The clock of this machine is too far off: signed calls are refused beyond 15 minutes. Set the clock (NTP), then try again.")
	case hss.ClassNoPermission:
		if iam {
			return wtp.Say("This user may not list projects in IAM. Type the project ID instead, or have the right granted.")
		}
		return wtp.Say("This user may not do that in HSS. Grant it HSS FullAccess (HSS ReadOnlyAccess for reading) in this project, and check the enterprise project ID.")
	case hss.ClassNotInRegion:
		return wtp.Say("HSS does not offer this call in this region. Check the region and the endpoint; some regions have fewer functions.")
	case hss.ClassUnclear:
		if isWrite(e.Op) {
			return wtp.Say("No clear answer came from HSS, so it is not known whether it was done. The console reads back what HSS shows.")
		}
		if iam {
			return wtp.Say("IAM gave no usable answer. Try again; if it stays so, look for a proxy in between.")
		}
		return wtp.Say("HSS gave no usable answer. Try again; if it stays so, look for a proxy in between.")
	}
	return sayRefused(e)
}

// sayNotSent goes by the text of the cause: package hss keeps no more of it, so
// that nothing of an answer is dragged along.
func sayNotSent(e *hss.Error) wtp.Text {
	text := ""
	if e.Err != nil {
		text = strings.ToLower(e.Err.Error())
	}
	switch {
	case errors.Is(e.Err, context.Canceled):
		return wtp.Say("It was given up before anything was sent.")
	case strings.Contains(text, "no such host"):
		return wtp.Say("The name of the endpoint was not found, so nothing was sent. Check the region, the endpoint and the DNS of this machine.")
	case strings.Contains(text, "x509:") || strings.Contains(text, "certificate") || strings.Contains(text, "tls:"):
		return wtp.Say("The endpoint's certificate is not trusted, so nothing was sent. Check the endpoint; behind a proxy that opens TLS, its authority must be trusted on this machine.")
	case strings.Contains(text, "refused"):
		return wtp.Say("Nothing answers at the endpoint, so nothing was sent. Check the endpoint, the network and the firewall of this machine.")
	case strings.Contains(text, "proxy") || e.Status == 407:
		return wtp.Say("The proxy did not let the call through, so nothing was sent. Check the proxy settings of this machine.")
	}
	return wtp.Say("The endpoint could not be reached, so nothing was sent. Check the network, the DNS and the proxy of this machine.")
}

func sayNotSignedIn(e *hss.Error) wtp.Text {
	text := strings.ToLower(e.Message)
	login := e.Op == hss.OpCreateToken
	var inner *hss.Error
	if errors.As(e.Err, &inner) {
		text = strings.ToLower(inner.Message)
		login = inner.Op == hss.OpCreateToken
	}
	switch {
	case strings.Contains(text, "ak not exist") || strings.Contains(text, "ak not found") || strings.Contains(text, "get secretkey failed"):
		return wtp.Say("Huawei Cloud does not know this access key. Check that the AK is complete, still exists and belongs to this cloud.")
	case strings.Contains(text, "signature"):
		return wtp.Say("The signature is wrong: the secret access key does not belong to this AK. Enter the SK again.")
	case login:
		return wtp.Say("IAM refused the account name, user name or password. Check all three; a HUAWEI ID itself cannot sign in, only an IAM user with programmatic access can.")
	}
	return wtp.Say("Huawei Cloud did not accept the credential. Check it in the settings, then test it.")
}

func sayRefused(e *hss.Error) wtp.Text {
	switch e.Code {
	case "HSS.0001", "HSS.0002":
		return wtp.Say("HSS did not accept a value of the call. Check the values, and the enterprise project ID of the project.")
	case "HSS.0010", "00000010":
		return wtp.Say("HSS denied access. Often the server does not exist in this project or enterprise project.")
	case "HSS.0011":
		return wtp.Say("HSS does not find it. Read HSS again and check the project and the enterprise project ID.")
	case "HSS.1001":
		return wtp.Say("The server has no HSS agent. Install the agent first.")
	case "HSS.1006":
		return wtp.Say("HSS could not pass the command on to the agent. Try again when the agent is online.")
	case "HSS.1007":
		return wtp.Say("The agent is offline. Try again when it is online.")
	case "HSS.1009":
		return wtp.Say("HSS could not save the WTP settings. Try again; if it stays so, ask Huawei Cloud and quote the request ID.")
	}
	return wtp.Say("HSS refused it. Its code and message say why; quote the request ID when you ask Huawei Cloud.")
}

// isWrite says whether an operation changes something in HSS.
func isWrite(op string) bool {
	switch op {
	case hss.OpSetRaspSwitch, hss.OpUpdateBackupHostInfo, hss.OpDeleteBackupHostInfo, hss.OpSetRemoteBackupInfo, hss.OpUpdateWebTamperRaspPath:
		return true
	}
	return false
}
