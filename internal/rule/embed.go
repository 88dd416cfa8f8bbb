package rule

import (
	"iter"
	"net/netip"
)

// place is where in an IPv6 address an IPv4 address is: its octets, and whether
// their bits are inverted.
type place struct {
	octets   [4]uint8
	inverted bool
}

var (
	tail   = []place{{octets: [4]uint8{12, 13, 14, 15}}}
	teredo = []place{ // the server and the client, RFC 4380 §4
		{octets: [4]uint8{4, 5, 6, 7}},
		{octets: [4]uint8{12, 13, 14, 15}, inverted: true},
	}
)

// embeddings are the prefixes whose addresses have IPv4 addresses inside.
var embeddings = newTable([]entry[[]place]{
	{netip.MustParsePrefix("::/96"), tail},                                        // IPv4-compatible, RFC 4291 §2.5.5.1
	{netip.MustParsePrefix("::ffff:0:0/96"), tail},                                // IPv4-mapped, RFC 4291 §2.5.5.2
	{netip.MustParsePrefix("::ffff:0:0:0/96"), tail},                              // IPv4-translated, RFC 2765 §2.1
	{netip.MustParsePrefix("64:ff9b::/96"), tail},                                 // NAT64, RFC 6052 §2.1
	{netip.MustParsePrefix("64:ff9b:1::/48"), []place{translated(48)}},            // NAT64 for local use, RFC 8215
	{netip.MustParsePrefix("2001::/32"), teredo},                                  // Teredo, RFC 4380 §4
	{netip.MustParsePrefix("2002::/16"), []place{{octets: [4]uint8{2, 3, 4, 5}}}}, // 6to4, RFC 3056 §2
})

// isatapBits is the length of what stands before the IPv4 address in an ISATAP
// address: any prefix, and a constant.
const isatapBits = 96

// inside yields the IPv4 addresses inside a, each with the length of the prefix
// by which one knows that it is there. dns64 are the site's own prefixes.
func inside(a netip.Addr, dns64 []netip.Prefix) iter.Seq2[netip.Addr, uint8] {
	return func(yield func(netip.Addr, uint8) bool) {
		if a.Is4() {
			return
		}
		b := a.As16()
		c := embeddings.find(a)
		for _, p := range c.value {
			if !yield(p.in(&b), c.bits) {
				return
			}
		}
		// RFC 5214 §6.1: the interface identifier is 0000:5efe or 0200:5efe
		// and the IPv4 address.
		if b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe {
			if !yield(tail[0].in(&b), isatapBits) {
				return
			}
		}
		for _, p := range dns64 {
			if p.Contains(a) && translates(p) && !yield(translated(p.Bits()).in(&b), uint8(p.Bits())) {
				return
			}
		}
	}
}

func (p place) in(b *[16]byte) netip.Addr {
	var v [4]byte
	for i, at := range p.octets {
		v[i] = b[at]
		if p.inverted {
			v[i] = ^v[i]
		}
	}
	return netip.AddrFrom4(v)
}

// translates tells whether a translator can embed with p: RFC 6052 §2.2 has the
// lengths 32, 40, 48, 56, 64 and 96, and CoreDNS takes all octets between.
func translates(p netip.Prefix) bool {
	return p.Addr().Is6() && p.Bits() >= 32 && p.Bits() <= 96 && p.Bits()%8 == 0
}

// translated is where a translator with a prefix of that length puts the IPv4
// address: right behind the prefix, with octet 8 left out (RFC 6052 §2.2).
func translated(bits int) place {
	var p place
	next := uint8(bits / 8)
	for i := range p.octets {
		if next == 8 {
			next++
		}
		p.octets[i] = next
		next++
	}
	return p
}
