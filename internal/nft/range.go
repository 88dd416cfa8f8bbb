package nft

import (
	"time"

	"github.com/namewall/namewall/internal/set"
)

// Range is an element of an interval set: the keys whose every part lies between
// those of First and Last. Where the key is an address alone the kernel has it as
// two elements, its start and what comes behind its end (nft_set_rbtree); in a
// concatenation as one with two keys (nft_set_pipapo).
type Range struct {
	First, Last set.Key

	// Own tells that its comment is namewall's: there is nothing else by which to
	// tell it from the administrator's, as no range expires.
	Own bool

	// Expires is what is left of its life, 0 if it stays. Own ones stay.
	Expires time.Duration
}

// Comment is what namewall's own ranges are marked by.
const Comment = "namewall"

// RangesMax is how many ranges one Swap should name at most. An insertion into a
// set of concatenations takes the kernel a tenth of a millisecond and more, in which
// nobody else gets at nf_tables.
const RangesMax = 500
