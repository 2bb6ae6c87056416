package views

import "wtp-console/internal/wtp"

// status is how one state is shown: colour, icon and word.
type status struct{ kind, icon, text string }

func dynamicStatus(p Page, s wtp.Server) status {
	if s.OS != "linux" && s.Dynamic != wtp.Opened {
		return status{"quiet", "minus", p.T("Linux only")}
	}
	return dynamicWord(p, s.Dynamic)
}

func dynamicWord(p Page, word string) status {
	switch word {
	case wtp.Opened:
		return status{"ok", "shield-check-f", p.T("On")}
	case wtp.Closed:
		return status{"warn", "shield-off", p.T("Off")}
	case "":
		return status{"unk", "help-circle", p.T("Not reported")}
	}
	return status{"unk", "help-circle", word}
}

func wtpStatus(p Page, word string) status {
	switch word {
	case "opened":
		return status{"quiet", "circle-check", p.T("Protected")}
	case "opening":
		return status{"info", "loader-2", p.T("Turning on")}
	case "open_failed":
		return status{"bad", "alert-circle", p.T("Failed to start")}
	case "partial_protection":
		return status{"warn", "circle-half-2", p.T("Partial")}
	case "protection_interruption":
		return status{"bad", "plug-connected-x", p.T("Interrupted")}
	case "protection_pause":
		return status{"warn", "player-pause", p.T("Paused")}
	case "closed":
		return status{"quiet", "circle", p.T("Off")}
	case "":
		return status{"unk", "help-circle", p.T("Not reported")}
	}
	return status{"unk", "help-circle", word}
}

func agentStatus(p Page, word string) status {
	switch word {
	case "online":
		return status{"quiet", "circle-dot", p.T("Online")}
	case "offline":
		return status{"bad", "wifi-off", p.T("Offline")}
	case "not_installed":
		return status{"quiet", "circle-dashed", p.T("Not installed")}
	case "":
		return status{"unk", "help-circle", p.T("Not reported")}
	}
	return status{"unk", "help-circle", word}
}

func backupStatus(p Page, n int64) status {
	switch n {
	case wtp.BackupRunning:
		return status{"quiet", "circle-check", p.T("Running")}
	case wtp.BackupStarting:
		return status{"info", "loader-2", p.T("Starting")}
	case wtp.BackupNotStarted:
		return status{"quiet", "circle", p.T("Not started")}
	case wtp.BackupFailed:
		return status{"bad", "alert-triangle", p.T("Start failed")}
	}
	return status{"unk", "help-circle", p.T("Unknown (%d)", n)}
}

func outcomeStatus(p Page, o wtp.Outcome, seen wtp.Seen) status {
	switch o {
	case wtp.TargetAccepted:
		switch seen {
		case wtp.SeenWanted:
			return status{"ok", "check", p.T("Succeeded")}
		case wtp.SeenOtherwise:
			return status{"warn", "alert-triangle", p.T("Accepted, HSS shows otherwise")}
		}
		return status{"quiet", "circle-dashed", p.T("Accepted, not seen yet")}
	case wtp.TargetRefused:
		return status{"bad", "x", p.T("Refused")}
	case wtp.TargetUnknown:
		return status{"unk", "help-circle", p.T("Unknown")}
	case wtp.TargetUnclear:
		return status{"unk", "zoom-question", p.T("Checking")}
	case wtp.TargetSending:
		return status{"info", "loader-2", p.T("In progress")}
	case wtp.TargetWaiting:
		return status{"quiet", "clock", p.T("Waiting")}
	case wtp.TargetStopped:
		return status{"quiet", "player-stop", p.T("Stopped")}
	case wtp.TargetSkipped:
		return status{"quiet", "player-skip-forward", p.T("Skipped")}
	case wtp.TargetPlanned:
		return status{"quiet", "list", p.T("Planned")}
	}
	return status{"unk", "help-circle", string(o)}
}

func stateStatus(p Page, s wtp.ChangeState) status {
	switch s {
	case wtp.Planned:
		return status{"plain", "list", p.T("Planned")}
	case wtp.Dropped:
		return status{"plain", "x", p.T("Dropped")}
	case wtp.Queued:
		return status{"plain", "clock", p.T("Waiting")}
	case wtp.Running:
		return status{"info", "loader-2", p.T("Running")}
	case wtp.Done:
		return status{"plain", "check", p.T("Finished")}
	case wtp.Stopped:
		return status{"warn", "player-stop", p.T("Stopped")}
	}
	return status{"unk", "help-circle", string(s)}
}
