package rule

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A table says what a look at every prefix says.
func TestTable(t *testing.T) {
	// Few bits, so that prefixes nest and touch one another and the ends.
	octets := rapid.SampledFrom([]byte{0, 1, 2, 3, 0x7f, 0x80, 0xfe, 0xff})
	addr := rapid.Custom(func(t *rapid.T) netip.Addr {
		n := rapid.SampledFrom([]int{4, 16}).Draw(t, "octets")
		b := make([]byte, n)
		for _, i := range []int{0, 1, n - 1} {
			b[i] = octets.Draw(t, "octet")
		}
		if rapid.Bool().Draw(t, "full") {
			for i := 1; i < n-1; i++ {
				b[i] = 0xff
			}
		}
		a, _ := netip.AddrFromSlice(b)
		return a
	})
	entries := rapid.SliceOfDistinct(rapid.Custom(func(t *rapid.T) entry[int] {
		a := addr.Draw(t, "addr")
		p := netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits"))
		return entry[int]{p, rapid.Int().Draw(t, "value")}
	}), func(e entry[int]) netip.Prefix { return e.prefix.Masked() })

	rapid.Check(t, func(t *rapid.T) {
		entries := entries.Draw(t, "entries")
		before := slices.Clone(entries)
		table := newTable(entries)
		if !slices.Equal(entries, before) {
			t.Fatal("the input has changed")
		}
		try := func(a netip.Addr) {
			var want cell[int]
			for _, e := range entries {
				if e.prefix.Contains(a) && (!want.held || e.prefix.Bits() > int(want.bits)) {
					want = cell[int]{held: true, bits: uint8(e.prefix.Bits()), value: e.value}
				}
			}
			if got := table.find(a); got != want {
				t.Fatalf("%v: got %+v, want %+v", a, got, want)
			}
		}
		try(addr.Draw(t, "a"))
		for _, e := range entries {
			first := e.prefix.Masked().Addr()
			for _, a := range []netip.Addr{first, first.Prev(), lastAddr(e.prefix.Masked()), lastAddr(e.prefix.Masked()).Next()} {
				if a.IsValid() {
					try(a)
				}
			}
		}
	})
}

func TestLastAddr(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.0/23": "192.0.3.255", "0.0.0.0/0": "255.255.255.255", "192.0.2.1/32": "192.0.2.1",
		"2001:db8::/33": "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff", "::/0": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	} {
		if got := lastAddr(netip.MustParsePrefix(in)); got != netip.MustParseAddr(want) {
			t.Errorf("%s: got %v", in, got)
		}
	}
}
