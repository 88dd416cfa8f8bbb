package host

import (
	"net/netip"
	"testing"
)

func TestContains(t *testing.T) {
	table := newTable([]netip.Prefix{
		netip.MustParsePrefix("192.0.2.1/24"),
		netip.MustParsePrefix("198.51.100.9/32"),
		netip.MustParsePrefix("2001:db8:1::1/64"),
		netip.MustParsePrefix("2001:db8:2::1/24"), // as long as an IPv4 prefix
	})
	for addr, want := range map[string]bool{
		"192.0.2.1": true, "192.0.2.200": true, "192.0.3.1": false,
		"198.51.100.9": true, "198.51.100.8": false,
		"2001:db8:1::99": true, "2001:dff::1": true, "2001:e00::1": false,
		"::ffff:192.0.2.1": false,
	} {
		if got := table.contains(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	if table.contains(netip.Addr{}) {
		t.Error("no address at all is contained")
	}
	a := netip.MustParseAddr("2001:db8:1::99")
	if n := testing.AllocsPerRun(100, func() { table.contains(a) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkContains(b *testing.B) {
	var prefixes []netip.Prefix
	for i := range 200 {
		prefixes = append(prefixes, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 1}), 24), netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 1}), 32))
	}
	table, a := newTable(prefixes), netip.MustParseAddr("198.51.100.1")
	b.ReportAllocs()
	for b.Loop() {
		table.contains(a)
	}
}
