package gate

import (
	"net/netip"

	"github.com/namewall/namewall/internal/set"
)

// slot names one element: a key in a set. The same bytes are another key in a
// set of another layout.
type slot struct {
	set    uint32 // kernelSet.number
	layout set.Layout
	key    set.Key
}

// binding is the promise that a key is in a set until a deadline. Its shard's
// mutex guards it.
type binding struct {
	at    slot
	set   *kernelSet
	epoch uint32 // the life of the set in which held was true

	until moment // what clients were promised; 0: nothing yet
	held  moment // the kernel holds the element until then, forever: permanent; 0: it doesn't

	wrote moment // when the gate last wrote the element; 0: never

	// The write that is on its way, nil if there is none, and what it promises.
	batch   *batch
	writing moment
	index   int32
	// flight is what the writer is doing to the element now, nil if nothing.
	flight *write

	own bool // the element is as the gate has written it
	// doubt: the element may live longer than held, by somebody else's hand. A
	// write has to look first.
	doubt bool
	gone  bool // no longer in the table
	// overlong: the element is to live no longer than until, and may.
	overlong bool
	ending   ending
	// dismissed: it is an administrator who has it end, and not the configuration.
	dismissed *dismissal

	reasons []reason
	// first is where the only reason is that most bindings have: beside what an
	// answer looks at anyway.
	first [1]reason

	twin  *binding // the next one with the same hash
	later *binding // the next one in the same bucket of the wheel
}

// holds tells until when the kernel holds the element in this life of the set,
// whenever the write takes effect that is under way.
func (b *binding) holds(epoch uint32) moment {
	switch {
	case b.epoch != epoch:
		return 0
	case b.flight != nil:
		return min(b.held, b.flight.until)
	}
	return b.held
}

// busy tells whether a write of the element is on its way or under way.
func (b *binding) busy() bool { return b.batch != nil || b.flight != nil }

// due is when the binding is to be looked at: it promises nothing then, and
// the kernel holds nothing that has to be known.
func (b *binding) due() moment { return max(b.until, b.held) }

// pair is the client of a key of pairs.
func (at *slot) pair() (client netip.Addr, ok bool) {
	if !at.layout.Pair {
		return netip.Addr{}, false
	}
	client, _, _, ok = at.layout.Split(at.key)
	return client, ok
}

// addr is the address of the remote service in a binding's key.
func (b *binding) addr() netip.Addr {
	_, addr, _, _ := b.at.layout.Split(b.at.key)
	return addr
}
