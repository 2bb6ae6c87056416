package wtp

// Seen says what reading HSS back showed of a target, as a word to filter by.
type Seen string

// What reading back showed.
const (
	SeenNothing   Seen = "nothing" // no reading has shown it yet
	SeenWanted    Seen = "wanted"
	SeenOtherwise Seen = "otherwise" // another state than was asked for
)

// Shown is what reading back showed of the target.
func (t Target) Shown() Seen {
	switch t.Seen {
	case "":
		return SeenNothing
	case t.Wanted:
		return SeenWanted
	}
	return SeenOtherwise
}
