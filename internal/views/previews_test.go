package views

import (
	"testing"

	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
)

func TestWhatCannotBeSentIsNotCalledAChange(t *testing.T) {
	v := PreviewView{Page: changePage(), Plan: wtp.Change{Kind: wtp.BackupRemoval, Direction: wtp.Disable, State: wtp.Planned}, Counts: []PlanCount{
		{wtp.WillChange, "", 3}, {wtp.Cannot, wtp.WhyAgentOffline, 1}, {wtp.Cannot, wtp.WhyStillUsed, 1},
	}}
	require.Equal(t, []Slice{{"idle", 3, "Can be moved"}, {"warn", 2, "Cannot, backup server included"}}, v.slices())
	require.Equal(t, "Can be moved", words(drawn(t, previewTabs(v)).Find(".tab"))[0][:len("Can be moved")])

	// The page of the removal asks the same rule.
	of := RemotePreviewView{PreviewView: v}
	require.Equal(t, []PlanCount{{wtp.Cannot, wtp.WhyAgentOffline, 1}}, of.Stay())
	require.Equal(t, "Nothing of this can be sent now", of.willText())

	v.Counts = v.Counts[:1] // nothing stands in the way
	require.Empty(t, v.Stay())
	require.Equal(t, []Slice{{"warn", 3, "Will change, backup server included"}}, v.slices())
	require.Equal(t, "Will change, backup server included 3", v.countsText())
	v.Counts[0].N = 1 // nobody uses it
	require.Equal(t, []Slice{{"warn", 1, "Will change"}}, v.slices())
	v.Plan.Kind = wtp.RemoteBackup
	v.Counts = []PlanCount{{wtp.WillChange, "", 3}, {wtp.Cannot, wtp.WhyAgentOffline, 1}}
	require.Equal(t, "Will change", v.slices()[0].Label)
	require.Empty(t, v.Stay())
}

func TestABackupServerIsNoPlannedServer(t *testing.T) {
	v := doneChange()
	v.Change.PlannedByName, v.Change.TargetCount = "Mei Chen", 5
	require.Equal(t, "5 servers by Mei Chen", v.plannedText())
	v.Change.Kind = wtp.BackupRemoval
	require.Equal(t, "4 servers by Mei Chen", v.plannedText())
	v.Change.TargetCount = 1
	require.Equal(t, "Mei Chen", v.plannedText())
}

func TestARemovalStopsBeforeTheBackupServer(t *testing.T) {
	v := doneChange()
	v.Change.Kind, v.Change.State, v.Change.ToSend, v.Change.StoppedByName = wtp.BackupRemoval, wtp.Stopped, 5, "Mei Chen"
	say := func(stopped int64) string {
		v.Tally = Tally{Outcome: map[wtp.Outcome]int64{wtp.TargetStopped: stopped, wtp.TargetAccepted: 5 - stopped}}
		return v.stoppedText()
	}
	require.Equal(t, "of 5, backup server included", v.ofText())
	require.Equal(t, "Mei Chen stopped this change. 3 servers stay as they were, and the backup server was not removed.", say(4))
	require.Equal(t, "Mei Chen stopped this change. 1 server stays as it was, and the backup server was not removed.", say(2))
	require.Equal(t, "Mei Chen stopped this change. The backup server was not removed.", say(1))
	v.Change.StoppedByName = ""
	require.Equal(t, "The console stopped this change. 3 servers stay as they were, and the backup server was not removed.", say(4))
	require.Equal(t, "The console stopped this change. The backup server was not removed.", say(1))
	v.Change.ToSend = 1
	require.Equal(t, "of 1 backup server", v.ofText())
	require.NotContains(t, v.stopText(), "servers")
	v.Change.Kind = wtp.RemoteBackup
	require.Equal(t, "of 1 server", v.ofText())
	require.Equal(t, "The console stopped this change. 4 servers stay as they were.", say(4))
}
