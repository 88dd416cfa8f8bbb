package answer

import (
	"net"
	"net/netip"

	"github.com/miekg/dns"
)

// types is a set of those record types that give addresses.
type types uint8

const (
	typeA types = 1 << iota
	typeAAAA
	typeSVCB
	typeHTTPS

	typesAddr = typeA | typeAAAA
	typesAll  = typeA | typeAAAA | typeSVCB | typeHTTPS
)

// typeOf is the set of t alone, empty if t gives no addresses.
func typeOf(t uint16) types {
	switch t {
	case dns.TypeA:
		return typeA
	case dns.TypeAAAA:
		return typeAAAA
	case dns.TypeSVCB:
		return typeSVCB
	case dns.TypeHTTPS:
		return typeHTTPS
	}
	return 0
}

// typesAsked are the types that a question asks for.
func typesAsked(qtype uint16) types {
	if qtype == dns.TypeANY {
		return typesAll
	}
	return typeOf(qtype)
}

// addresses are the types in a section by which it holds an address.
func addresses(section []dns.RR) types {
	var found types
	for _, rr := range section {
		found |= addressType(rr)
	}
	return found
}

// addressType is the type of a record that holds an address, else empty.
func addressType(rr dns.RR) types {
	if rr == nil {
		return 0
	}
	if t := typeOf(rr.Header().Rrtype); t != 0 && holdsAddress(rr, t) {
		return t
	}
	return 0
}

// holdsAddress tells whether a record of type t, which gives addresses, holds one.
func holdsAddress(rr dns.RR, t types) bool { return t&typesAddr != 0 || hasHints(rr) }

// addrOf is the address of a record of type t, A or AAAA. It reports false for
// one that can't be sent: plugins make them from anything that fits a net.IP.
func addrOf(rr dns.RR, t types) (netip.Addr, bool) {
	if a, ok := rr.(*dns.A); ok && t == typeA {
		return addr4(a.A)
	}
	if a, ok := rr.(*dns.AAAA); ok && t == typeAAAA {
		return addr16(a.AAAA)
	}
	return netip.Addr{}, false
}

// addr4 is an IPv4 address that may have the length of an IPv6 one, as
// net.ParseIP gives it.
func addr4(ip net.IP) (netip.Addr, bool) {
	a, ok := netip.AddrFromSlice(ip)
	a = a.Unmap()
	return a, ok && a.Is4()
}

func addr16(ip net.IP) (netip.Addr, bool) {
	if len(ip) != net.IPv6len {
		return netip.Addr{}, false
	}
	return netip.AddrFromSlice(ip)
}
