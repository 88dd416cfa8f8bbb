package rule

import (
	"fmt"
	"net/netip"
)

// ParsePrefix reads an address range in CIDR notation, or a single address. Bits
// beyond the range's length, zones and IPv4-mapped addresses are errors, which
// quote s and say what to write.
func ParsePrefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("'%s' is no address range: write 192.0.2.0/24 or 2001:db8::/32", s)
		}
		if a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("'%s' has a zone, which DNS has not: write %v", s, a.WithZone(""))
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if a, bits := p.Addr(), p.Bits()-mappedBits; a.Is4In6() && bits >= 0 {
		p = netip.PrefixFrom(a.Unmap(), bits).Masked()
		if p.IsSingleIP() {
			return netip.Prefix{}, fmt.Errorf("'%s' is an IPv4 address in IPv6: write %v", s, p.Addr())
		}
		return netip.Prefix{}, fmt.Errorf("'%s' is an IPv4 range in IPv6: write %v", s, p)
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("'%s' has bits beyond its length: write %v", s, p.Masked())
	}
	return p, nil
}

// mappedBits is the length of ::ffff:0:0/96, of the IPv4-mapped addresses.
const mappedBits = 96
