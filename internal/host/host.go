// Package host knows the gateway's own addresses and the networks that it is
// directly connected to, as they are at the moment: none of them is a remote
// service's, so none may be admitted.
//
// Networks are taken from the addresses' prefixes and peers, never from routes:
// a `default dev ppp0` would make everything connected.
package host

import "net/netip"

// table is what a Host answers from. It never changes.
type table struct {
	// networks holds every prefix and peer, an address of its own among them,
	// by prefix length. A gateway has a few lengths and many prefixes.
	networks map[netip.Prefix]struct{}
	bits     []int // the lengths that occur, IPv4's and IPv6's together
}

func newTable(prefixes []netip.Prefix) *table {
	t := &table{networks: make(map[netip.Prefix]struct{}, len(prefixes))}
	seen := make(map[int]bool)
	for _, p := range prefixes {
		p = p.Masked()
		t.networks[p] = struct{}{}
		if !seen[p.Bits()] {
			seen[p.Bits()] = true
			t.bits = append(t.bits, p.Bits())
		}
	}
	return t
}

func (t *table) contains(a netip.Addr) bool {
	for _, bits := range t.bits {
		p, err := a.Prefix(bits)
		if err != nil {
			continue // longer than an IPv4 address
		}
		if _, ok := t.networks[p]; ok {
			return true
		}
	}
	return false
}
