package gate

import (
	"hash/maphash"
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

// hash tells slots apart. Of the same key in another layout it is the same, which
// hardly happens.
func (at *slot) hash(seed maphash.Seed) uint64 {
	return maphash.Bytes(seed, at.key.Bytes()) ^ uint64(at.set)*spread
}

// spread is 2^64 divided by the golden ratio: it gives small numbers different bits
// all over (Knuth, The Art of Computer Programming, 6.4).
const spread = 0x9e3779b97f4a7c15

// binding is the promise that a key is in a set until a deadline. Its shard's
// mutex guards it.
//
// There may be a million: the order of the fields leaves no gap, and has in front
// what a covered answer looks at.
type binding struct {
	at    slot
	epoch uint32 // the life of the set in which held was true

	until moment // what clients were promised; 0: nothing yet
	held  moment // the kernel holds the element until then, forever: permanent; 0: it doesn't
	// flight is what the writer is doing to the element now, nil if nothing.
	flight *write

	ending ending
	own    bool // the element is as the gate has written it
	// doubt: the element may live longer than held, by somebody else's hand. A
	// write has to look first.
	doubt bool
	gone  bool // no longer in the table
	// overlong: the element is to live no longer than until, and may.
	overlong bool
	index    uint16 // of the write in batch

	reasons []reason
	// first is where the only reason is that most bindings have: beside what an
	// answer looks at anyway.
	first [1]reason

	// The write that is on its way, nil if there is none, and what it promises.
	batch   *batch
	writing moment

	wrote moment // when the gate last wrote the element; 0: never

	set   *kernelSet
	later *binding // the next one in the same bucket of the wheel
	// dismissed: it is an administrator who has it end, and not the configuration.
	dismissed *dismissal
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
