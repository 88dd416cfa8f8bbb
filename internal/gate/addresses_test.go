package gate

import (
	"maps"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// As few or as many, addresses are kept as a map would keep them.
func TestAddresses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a addresses
		want := make(map[netip.Addr]moment)
		t.Repeat(map[string]func(*rapid.T){
			"keep": func(t *rapid.T) {
				addr := netip.AddrFrom4([4]byte{198, 51, 100, rapid.Byte().Draw(t, "addr")})
				until := moment(rapid.IntRange(1, 100).Draw(t, "until"))
				a.keep(addr, until)
				want[addr] = max(want[addr], until)
			},
			"drop": func(t *rapid.T) {
				addr := netip.AddrFrom4([4]byte{198, 51, 100, rapid.Byte().Draw(t, "addr")})
				a.drop(addr)
				delete(want, addr)
			},
			"prune": func(t *rapid.T) {
				now := moment(rapid.IntRange(0, 100).Draw(t, "now"))
				a.prune(now)
				maps.DeleteFunc(want, func(_ netip.Addr, until moment) bool { return until <= now })
			},
			"clone": func(*rapid.T) {
				was := a
				a = a.clone()
				was.keep(netip.AddrFrom4([4]byte{192, 0, 2, 1}), 1)
				was.prune(100)
			},
			"": func(t *rapid.T) {
				if a.len() != len(want) {
					t.Fatalf("%d addresses, want %d", a.len(), len(want))
				}
				got := maps.Clone(a.many)
				for _, c := range a.few {
					if got == nil {
						got = make(map[netip.Addr]moment)
					}
					got[c.addr] = c.until
				}
				if !maps.Equal(got, want) {
					t.Fatalf("%v, want %v", got, want)
				}
				for addr := range want {
					if !a.has(addr) {
						t.Fatalf("%v is not there", addr)
					}
				}
			},
		})
	})
}
