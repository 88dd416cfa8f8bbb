package rule

import "net/netip"

// embedding is a form of IPv6 address with an IPv4 address inside.
type embedding struct {
	prefix netip.Prefix
	at     [4]uint8 // the octets that are the IPv4 address
	flip   bool     // its bits are inverted
}

// tail is the place of the last 32 bits.
var tail = [4]uint8{12, 13, 14, 15}

var embeddings = []embedding{
	{netip.MustParsePrefix("::/96"), tail, false},                           // IPv4-compatible, RFC 4291 §2.5.5.1
	{netip.MustParsePrefix("::ffff:0:0/96"), tail, false},                   // IPv4-mapped, RFC 4291 §2.5.5.2
	{netip.MustParsePrefix("::ffff:0:0:0/96"), tail, false},                 // IPv4-translated, RFC 2765 §2.1
	{netip.MustParsePrefix("64:ff9b::/96"), tail, false},                    // NAT64, RFC 6052 §2.1
	{netip.MustParsePrefix("64:ff9b:1::/48"), [4]uint8{6, 7, 9, 10}, false}, // NAT64 for local use, RFC 8215
	{netip.MustParsePrefix("2002::/16"), [4]uint8{2, 3, 4, 5}, false},       // 6to4, RFC 3056 §2
	{netip.MustParsePrefix("2001::/32"), [4]uint8{4, 5, 6, 7}, false},       // Teredo's server, RFC 4380 §4
	{netip.MustParsePrefix("2001::/32"), tail, true},                        // Teredo's client
}

// isatapBits is where in an ISATAP address the IPv4 address begins.
const isatapBits = 96

// embedded is what is inside an IPv6 address.
type embedded struct {
	addrs [maxEmbedded]netip.Addr
	n     int
	bits  uint8 // the length of the longest prefix before an IPv4 address
	site  bool  // the site's DNS64 made the address
}

// maxEmbedded is Teredo's two, ISATAP, and as many prefixes of the site as hold
// one another.
const maxEmbedded = 8

func (e *embedded) read(a netip.Addr, dns64 []netip.Prefix) {
	b := a.As16()
	for i := range embeddings {
		if f := &embeddings[i]; f.prefix.Contains(a) {
			e.add(&b, f.at, f.flip, f.prefix.Bits())
		}
	}
	// RFC 5214 §6.1: in the interface identifier, behind any prefix.
	if b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe {
		e.add(&b, tail, false, isatapBits)
	}
	for _, p := range dns64 {
		if p.Contains(a) {
			e.site = true
			e.add(&b, translated(p.Bits()), false, p.Bits())
		}
	}
}

func (e *embedded) add(b *[16]byte, at [4]uint8, flip bool, bits int) {
	v := [4]byte{b[at[0]], b[at[1]], b[at[2]], b[at[3]]}
	if flip {
		for i := range v {
			v[i] = ^v[i]
		}
	}
	e.bits = max(e.bits, uint8(bits))
	if e.n < len(e.addrs) {
		e.addrs[e.n] = netip.AddrFrom4(v)
		e.n++
	}
}

// translated is where a translator with a prefix of that length puts the IPv4
// address: right behind it, but octet 8 is left out (RFC 6052 §2.2).
func translated(bits int) (at [4]uint8) {
	next := uint8(bits / 8)
	for i := range at {
		if next == 8 {
			next++
		}
		at[i] = next % 16
		next++
	}
	return at
}
