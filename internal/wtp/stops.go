package wtp

import (
	"strconv"
	"strings"
)

// StoppedUnclear is why a change stops that HSS gave no clear answer n times in a row,
// n from 1.
func StoppedUnclear(n int64) Text {
	if n == 1 {
		return Say("HSS gave no clear answer. Nothing more was sent. What was sent is being read back; plan the rest again when HSS answers.")
	}
	return Say("HSS gave no clear answer %d times in a row. Nothing more was sent. What was sent is being read back; plan the rest again when HSS answers.", n)
}

// StoppedUnreached is why a change stops of which n sendings in a row never left, n
// from 1.
func StoppedUnreached(n int64) Text {
	if n == 1 {
		return Say("HSS could not be reached. Nothing more was sent. Check the network, then plan the rest again.")
	}
	return Say("HSS could not be reached, %d times in a row. Nothing more was sent. Check the network, then plan the rest again.", n)
}

// StoppedRefused is why a change stops of which HSS refused n calls in a row.
func StoppedRefused(n int64) Text {
	return Say("HSS refused %d calls in a row. Nothing more was sent. See why it refused them, then plan the rest again.", n)
}

// StopReason is what Change.StopWhy says, to be shown in the reader's language. It is
// kept as the English sentence, with its number in it.
func StopReason(kept string) Text {
	// What versions before kept, when the numbers couldn't be set.
	several := Say("HSS gave no clear answer several times in a row. Nothing more was sent. What was sent is being read back; plan the rest again when HSS answers.")
	switch kept {
	case several.ID:
		return several
	case "HSS could not be reached, three times in a row. Nothing more was sent. Check the network, then plan the rest again.":
		return StoppedUnreached(3)
	case "HSS refused twenty calls in a row. Nothing more was sent. See why it refused them, then plan the rest again.":
		return StoppedRefused(20)
	}
	for _, with := range []func(int64) Text{StoppedUnclear, StoppedUnreached, StoppedRefused} {
		before, after, _ := strings.Cut(with(2).ID, "%d")
		number := strings.TrimSuffix(strings.TrimPrefix(kept, before), after)
		if n, err := strconv.ParseInt(number, 10, 64); err == nil && with(n).String() == kept {
			return with(n)
		}
	}
	return Text{ID: kept}
}
