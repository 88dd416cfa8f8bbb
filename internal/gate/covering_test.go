package gate

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/set"
)

// The elements for a packet are those that nft's own rules would find.
func TestCovering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.declare(app4, ports4, 0)
		https, dns := set.Service{Proto: 6, Port: 443}, set.Service{Proto: 17, Port: 53}
		b := start(t, k, newRule("web", []set.ID{web4}), newRule("app", []set.ID{app4}, services(https)))
		b.ask("www.example.com.", time.Minute, addr1)
		for _, test := range []struct {
			addr    netip.Addr
			service set.Service
			want    []set.ID
		}{
			{addr1, https, []set.ID{app4, web4}},
			{addr1, dns, []set.ID{web4}},
			{addr2, https, nil},
			{netip.MustParseAddr("2001:db8::1"), https, nil},
		} {
			var got []set.ID
			for _, e := range b.gate.Covering(client, test.addr, test.service) {
				got = append(got, e.Set)
				if e.Held == 0 || e.Latest(client).Name != "www.example.com." || !e.Covers(client, test.service) {
					t.Errorf("%+v", e)
				}
			}
			slices.SortFunc(got, set.ID.Compare)
			if !slices.Equal(got, test.want) {
				t.Errorf("%v %v: %v, want %v", test.addr, test.service, got, test.want)
			}
		}
	})
}

// An interval set covers what lies in its ranges.
func TestCoveringRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declareInterval(nets4, v4)
		b := start(t, k, fixed("vpn", "198.51.100.0/25"))
		for addr, want := range map[string]int{"198.51.100.9": 1, "198.51.100.200": 0} {
			found := b.gate.Covering(client, netip.MustParseAddr(addr), set.Service{Proto: 6, Port: 443})
			if len(found) != want || want > 0 && (!found[0].Permanent || found[0].Latest(client).Rule != "vpn") {
				t.Errorf("%s: %+v", addr, found)
			}
		}
	})
}

// A reason of the client's comes before anybody's, and a later one before an
// earlier one.
func TestLatest(t *testing.T) {
	other := netip.MustParseAddr("192.0.2.77")
	e := Entry{Reasons: []Why{
		{Name: "a", Client: other, Last: 3}, {Name: "b", Client: client, Last: 9}, {Name: "c", Client: client, Last: 5}, {Name: "d", Client: other, Last: 1},
	}}
	for who, want := range map[netip.Addr]string{client: "c", other: "d", {}: "d"} {
		if got := e.Latest(who).Name; got != want {
			t.Errorf("%v: %s, want %s", who, got, want)
		}
	}
	if (&Entry{}).Latest(client) != nil {
		t.Error("a reason of none")
	}
}

// What of an address has ended last is found without looking at others, however
// often the memory has gone round.
func TestPastByAddress(t *testing.T) {
	var g Gate
	var all []pastEnd
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 3*pastMax + 7 {
		addr := netip.AddrFrom4([4]byte{198, 51, byte(r.IntN(4)), byte(r.IntN(64))})
		if r.IntN(10) == 0 { // that comes once
			addr = netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
		}
		last := netip.Addr{}
		if r.IntN(20) == 0 { // a range
			last = netip.AddrFrom4([4]byte{198, 51, 3, 255})
		}
		e := pastEnd{entry: Entry{Addr: addr, Last: last, Reasons: []Why{{Rule: fmt.Sprint(i % 3), Name: fmt.Sprint(i)}}}}
		all = append(all, e)
		g.past.add(e)
	}
	all = all[len(all)-pastMax:]
	slices.Reverse(all)
	check := func(f Filter, most int) {
		t.Helper()
		var want, got []string
		for i := range all {
			if f.choosesEntry(&all[i].entry) && len(want) < most {
				want = append(want, all[i].entry.Reasons[0].Name)
			}
		}
		for _, e := range g.Past(f, most) {
			got = append(got, e.Reasons[0].Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v: got %d, want %d: %v, %v", f, len(got), len(want), got, want)
		}
	}
	for i := range all {
		if i%97 == 0 {
			check(Filter{Addr: all[i].entry.Addr}, 1000)
			check(Filter{Addr: all[i].entry.Addr, Rule: "1"}, 3)
		}
	}
	if n := len(g.past.latest); n < 256+pastMax/20 || n > 256+pastMax/5 { // those that come once are forgotten
		t.Errorf("%d addresses are known", n)
	}
	check(Filter{Addr: netip.MustParseAddr("192.0.2.1")}, 10)
	check(Filter{Rule: "2"}, 100)
	check(Filter{}, pastMax)
}
