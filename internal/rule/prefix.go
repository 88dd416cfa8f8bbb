package rule

import (
	"fmt"
	"net/netip"
)

// ParsePrefix reads an address range in CIDR notation, or one address. Bits
// beyond the length, zones and IPv4 addresses written as IPv6 ones are errors.
func ParsePrefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, addrErr := netip.ParseAddr(s)
		if addrErr != nil {
			return netip.Prefix{}, fmt.Errorf("'%s' is no address range: write 192.0.2.0/24 or 2001:db8::/32", s)
		}
		if a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("'%s' has a zone: write the address alone", s)
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.Prefix{}, fmt.Errorf("'%s' is an IPv4 address in IPv6: write %v", s, netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96).Masked())
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("'%s' has bits beyond its length: write %v", s, p.Masked())
	}
	return p, nil
}
