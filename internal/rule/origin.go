package rule

import "strconv"

// Origin is where a reason for an element comes from. The numbers are those of
// the state file.
type Origin uint8

// The origins of reasons.
const (
	// ByName: an answer gave the address to a name that the rule matches.
	ByName Origin = iota
	// ByLine: the rule has a `static` line for it.
	ByLine
	// ByHand: an administrator has asked for it, until a time that he said.
	ByHand

	// Origins is how many there are.
	Origins
)

var originWords = [Origins]string{"name", "static", "hand"}

// String is the origin in a word: "name", "static" or "hand".
func (o Origin) String() string {
	if o < Origins {
		return originWords[o]
	}
	return "origin " + strconv.Itoa(int(o))
}
