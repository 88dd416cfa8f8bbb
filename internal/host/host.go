// Package host knows the addresses of the machine it runs on: its own, and
// those of the networks that are directly connected to it.
//
// A network is connected by the prefix of an address on an interface, or by the
// peer of a point-to-point address. Routes say nothing here: a `default dev
// ppp0` has no gateway either, and would make the whole Internet a connected
// network.
package host

import (
	"net/netip"
	"slices"
)

// prefixes is a set of prefixes that is never changed once it is made, so that
// any number of goroutines may look into it without a lock.
type prefixes struct {
	all map[netip.Prefix]struct{}

	// The lengths that there are. A host has few different ones, and one look-up
	// for each is all that a search takes.
	bits4, bits6 []int
}

func newPrefixes(list []netip.Prefix) *prefixes {
	p := &prefixes{all: make(map[netip.Prefix]struct{}, len(list))}
	for _, prefix := range list {
		p.all[prefix] = struct{}{}
		bits := &p.bits4
		if prefix.Addr().Is6() {
			bits = &p.bits6
		}
		if !slices.Contains(*bits, prefix.Bits()) {
			*bits = append(*bits, prefix.Bits())
		}
	}
	return p
}

// contains tells whether a is in one of the prefixes. It allocates nothing.
func (p *prefixes) contains(a netip.Addr) bool {
	bits := p.bits4
	if a.Is6() {
		bits = p.bits6
	}
	for _, n := range bits {
		// Prefix fails for an invalid address only, which is in no prefix.
		prefix, _ := a.Prefix(n)
		if _, ok := p.all[prefix]; ok {
			return true
		}
	}
	return false
}
