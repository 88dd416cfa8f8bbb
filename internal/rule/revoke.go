package rule

import "slices"

// Revoke is what becomes of what a rule has promised when the configuration no
// longer says so.
type Revoke uint8

// Delete takes the elements out; Keep leaves them to expire; Kill takes them out
// and ends the connections that they had let through.
const (
	RevokeDelete Revoke = iota
	RevokeKeep
	RevokeKill
)

// Stricter tells whether a choice ends more than another: Keep nothing, Kill the
// connections too.
func (r Revoke) Stricter(than Revoke) bool { return r.severity() > than.severity() }

func (r Revoke) severity() int {
	return slices.Index([]Revoke{RevokeKeep, RevokeDelete, RevokeKill}, r)
}

var revokeWords = []string{"delete", "keep", "kill"}

// String is the choice as the Corefile writes it.
func (r Revoke) String() string { return revokeWords[r] }

// ParseRevoke is the reverse of String. It reports false for any other word.
func ParseRevoke(word string) (Revoke, bool) {
	i := slices.Index(revokeWords, word)
	return Revoke(max(i, 0)), i >= 0
}
