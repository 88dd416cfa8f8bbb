// Package told remembers what clients were last told about addresses: for which
// name, when, and under which rule if any.
//
// It promises that its memory is bounded, and that it costs whoever answers some
// tens of nanoseconds: what an answer says is copied to where nobody is waited for,
// and noted later. What finds no room there is counted.
package told

import (
	"net/netip"
	"time"

	"github.com/namewall/namewall/internal/gate"
)

const (
	// MaxPairs bounds the pairs of a client and an address. It is what some hundred
	// clients are told in a busy hour, or what everybody is on a quiet day, in some
	// twenty megabytes, and twice that if no name comes twice. The pair that was told
	// longest ago goes first.
	MaxPairs = 65_536

	// maxNames is how many names are remembered of one pair: many share an address
	// in a content delivery network.
	maxNames = 3
)

// Told is what a client was told about an address.
type Told struct {
	Client netip.Addr // invalid: namewall itself asked
	Addr   netip.Addr
	Name   string // as asked, in lower case, with its final dot
	Rule   string // that it fell under, "": none
	Fate   gate.Fate
	At     time.Time
	TTL    time.Duration
}

// Answer is what is handed over of an answer, or of a part of one. It holds
// nothing that others may change.
type Answer struct {
	Client netip.Addr
	Name   string
	Rule   string // "": none

	addrs [addrsMax]address
	n     int
}

// addrsMax is how many addresses an Answer has room for. Few answers have more,
// and what is handed over is copied.
const addrsMax = 4

type address struct {
	addr netip.Addr
	ttl  uint32 // seconds
	fate gate.Fate
}

// Add adds an address. It reports false if there is no room for another one.
func (a *Answer) Add(addr netip.Addr, ttl uint32, fate gate.Fate) bool {
	if a.n == addrsMax {
		return false
	}
	a.addrs[a.n] = address{addr, ttl, fate}
	a.n++
	return true
}

// Clear takes all addresses out.
func (a *Answer) Clear() { a.n = 0 }

// Empty tells that there is no address.
func (a *Answer) Empty() bool { return a.n == 0 }
