package auth

import "time"

// How many failed sign-ins are borne, and for how long they count.
const (
	MaxAccountFailures = 10
	AccountWindow      = 15 * time.Minute
	MaxAddressFailures = 100
	AddressWindow      = time.Hour
)

// Allow says whether another password may be checked, given the failures of the account (by its canonical name,
// whether or not it exists) within AccountWindow and those of the address within AddressWindow. Open sessions are
// not concerned. A check must be counted before it is made, or parallel tries slip through.
func Allow(failuresOfAccount, failuresOfAddress int) bool {
	return failuresOfAccount < MaxAccountFailures && failuresOfAddress < MaxAddressFailures
}
