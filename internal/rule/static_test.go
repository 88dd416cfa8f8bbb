package rule

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/namewall/namewall/internal/set"
	"pgregory.net/rapid"
)

func TestStaticWords(t *testing.T) {
	s := Static{Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}}
	if s.String() != "static 192.0.2.1" || PrefixWord(netip.MustParsePrefix("2001:db8::/32")) != "2001:db8::/32" {
		t.Errorf("%s, %s", s, PrefixWord(netip.MustParsePrefix("2001:db8::/32")))
	}
}

// Whatever the prefixes are and how they lie in each other, an address has the
// services of all lines with a prefix that holds it.
func TestWrittenOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var lines []Static
		for range rapid.IntRange(0, 6).Draw(t, "lines") {
			var s Static
			for range rapid.IntRange(1, 5).Draw(t, "prefixes") {
				s.Prefixes = append(s.Prefixes, drawWritten(t).Masked())
			}
			for range rapid.IntRange(1, 2).Draw(t, "services") {
				s.Services = append(s.Services, set.Service{Proto: 6, Port: uint16(rapid.IntRange(1, 4).Draw(t, "port"))})
			}
			lines = append(lines, s)
		}
		w := WrittenOut(lines)
		addr := drawWritten(t).Addr()
		var want []set.Service
		held := false
		for _, s := range lines {
			if slices.ContainsFunc(s.Prefixes, func(p netip.Prefix) bool { return p.Contains(addr) }) {
				want, held = append(want, s.Services...), true
			}
		}
		got, ok := w.Find(addr)
		if ok != held || !slices.Equal(ports(got), ports(want)) {
			t.Errorf("%v: %v, %v, want %v, %v", addr, got, ok, want, held)
		}
	})
}

// drawWritten draws of few addresses, so that prefixes lie in each other.
func drawWritten(t *rapid.T) netip.Prefix {
	n := rapid.IntRange(0, 7).Draw(t, "address")
	addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(n)})
	if rapid.Bool().Draw(t, "v6") {
		addr = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: byte(n)})
	}
	bits := addr.BitLen() - rapid.IntRange(0, 4).Draw(t, "length")
	if rapid.IntRange(0, 9).Draw(t, "all") == 0 {
		bits = 0
	}
	return netip.PrefixFrom(addr, bits)
}

// ports are those of services, each once.
func ports(all []set.Service) []int {
	var ports []int
	for _, s := range all {
		ports = append(ports, int(s.Port))
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}
