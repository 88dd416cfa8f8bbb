package main

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/set"
)

// holdings are what there is to export: elements in the order of their sets and
// keys, and the sets.
type holdings struct {
	sets    []nft.Set // as they are, or are to be declared
	entries []entry

	// nameless is why elements' names aren't known, nil if they are. Elements
	// that somebody else has added have none anyway.
	nameless error
}

// entry is an element, or an address that is not of any set.
type entry struct {
	rules   []string
	set     set.ID // zero if it was resolved for a rule without a set for it
	client  netip.Addr
	addr    netip.Addr
	last    netip.Addr  // of a range, which begins with addr; otherwise invalid
	service set.Service // zero: none
	names   []string    // in presentation format, without the final dot
	static  bool        // a rule has it under `static`
	own     bool        // it is a range with namewall's comment

	timeout, expires time.Duration // whole seconds; 0: it stays
}

// words is the address, or the range.
func (e *entry) words() string {
	if !e.last.IsValid() {
		return e.addr.String()
	}
	return set.Span{First: e.addr, Last: e.last}.String()
}

// second is the unit of what is exported: finer than any life, and what all
// versions of nft(8) read.
const second = time.Second

// life rounds an element's life up to seconds: what is exported lives no shorter
// than what was found, and its rest is no longer than the whole.
func (e *entry) life(timeout, expires time.Duration) {
	e.timeout = (timeout + second - 1).Truncate(second)
	e.expires = min(e.timeout, max(second, (expires+second-1).Truncate(second)))
	if timeout == 0 {
		e.expires = 0
	}
}

// sort brings the entries into an order that doesn't depend on the kernel's.
func (h *holdings) sort() {
	slices.SortFunc(h.sets, func(a, b nft.Set) int { return a.ID.Compare(b.ID) })
	slices.SortFunc(h.entries, func(a, b entry) int {
		return cmp.Or(
			a.set.Compare(b.set),
			a.client.Compare(b.client),
			a.addr.Compare(b.addr),
			cmp.Compare(a.service.Proto, b.service.Proto),
			cmp.Compare(a.service.Port, b.service.Port),
			slices.Compare(a.names, b.names),
		)
	})
}
