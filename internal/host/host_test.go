//go:build linux

package host

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/nstest"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// gateway is a Host in a namespace with two connected interfaces, wan and lan.
type gateway struct {
	*nstest.Namespace
	*Host
	t *testing.T
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	ns := nstest.New(t)
	ns.Command("", "ip", "link", "add", "wan", "type", "veth", "peer", "name", "lan")
	ns.Command("", "ip", "link", "set", "wan", "up")
	ns.Command("", "ip", "link", "set", "lan", "up")
	h, err := open(ns.FD())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return &gateway{ns, h, t}
}

func (g *gateway) ip(command string) {
	g.t.Helper()
	g.Command("", "ip", strings.Fields(command)...)
}

// eventually waits until the condition holds.
func (g *gateway) eventually(what string, holds func() bool) {
	g.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			g.t.Fatal(what)
		}
	}
}

// own waits until all the addresses are own.
func (g *gateway) own(addrs ...string) {
	g.t.Helper()
	for _, a := range addrs {
		g.eventually(a+" is not known", func() bool { return g.Contains(netip.MustParseAddr(a)) })
	}
}

// foreign waits until none of the addresses is.
func (g *gateway) foreign(addrs ...string) {
	g.t.Helper()
	for _, a := range addrs {
		g.eventually(a+" is taken for its own", func() bool { return !g.Contains(netip.MustParseAddr(a)) })
	}
}

func TestLoopback(t *testing.T) {
	g := newGateway(t)
	g.own("127.0.0.1", "127.255.1.2", "::1", "::ffff:127.0.0.1")
	g.foreign("198.18.0.1", "2001:db8::1", "::2", "0.0.0.0")
	if g.Contains(netip.Addr{}) {
		t.Error("contains no address at all")
	}
}

func TestAddressesThatAreThere(t *testing.T) {
	ns := nstest.New(t)
	ns.Command("", "ip", "addr", "add", "198.18.1.1/24", "dev", "lo")
	h, err := open(ns.FD())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if !h.Contains(netip.MustParseAddr("198.18.1.77")) || h.Err() != nil {
		t.Errorf("not read when opened; %v", h.Err())
	}
}

func TestAddressesComeAndGo(t *testing.T) {
	g := newGateway(t)
	g.ip("addr add 198.18.1.1/24 dev lan")
	g.ip("addr add 2001:db8:1::1/64 dev lan")
	g.own("198.18.1.1", "198.18.1.254", "2001:db8:1::1", "2001:db8:1::ffff:1", "::ffff:198.18.1.7")
	g.foreign("198.18.2.1", "198.18.0.255", "2001:db8:1:1::1", "2001:db8::1")

	g.ip("addr add 198.18.1.2/32 dev wan") // another address of the same network
	g.ip("addr add 198.18.2.1/23 dev wan")
	g.own("198.18.3.255")
	g.ip("addr del 198.18.1.1/24 dev lan")
	g.foreign("198.18.1.1", "198.18.1.254")
	g.own("198.18.1.2", "198.18.2.200")
	g.ip("addr del 2001:db8:1::1/64 dev lan")
	g.foreign("2001:db8:1::1", "2001:db8:1::2")
	g.ip("link del wan")
	g.foreign("198.18.1.2", "198.18.2.1")
	g.own("127.0.0.1")
}

// An address counts whatever state it is in.
func TestStates(t *testing.T) {
	g := newGateway(t)
	g.ip("link set lan down")
	g.ip("addr add 2001:db8:1::1/64 dev lan") // stays tentative while lan is down
	g.own("2001:db8:1::1", "2001:db8:1::2")
	if out := g.Command("", "ip", "addr", "show", "dev", "lan"); !strings.Contains(out, "tentative") {
		t.Fatalf("not tentative: %s", out)
	}
	g.ip("addr add 2001:db8:2::1/64 dev wan preferred_lft 0")
	g.ip("addr add 198.18.2.1/24 dev wan preferred_lft 0")
	g.own("2001:db8:2::1", "2001:db8:2::2", "198.18.2.9")
	if out := g.Command("", "ip", "addr", "show", "dev", "wan"); !strings.Contains(out, "deprecated") {
		t.Fatalf("not deprecated: %s", out)
	}
	g.ip("addr add 198.18.3.1/24 dev wan noprefixroute")
	g.ip("addr add 2001:db8:3::1/64 dev wan noprefixroute")
	g.own("198.18.3.9", "2001:db8:3::9")
	g.ip("addr add 198.18.3.2/24 dev wan") // a secondary address
	g.own("198.18.3.2")
}

func TestPointToPoint(t *testing.T) {
	g := newGateway(t)
	g.ip("addr add 198.18.1.1 peer 198.18.2.2/32 dev wan")
	g.ip("addr add 198.18.3.1 peer 198.18.4.1/24 dev wan")
	g.ip("addr add 2001:db8:1::1 peer 2001:db8:2::2/128 dev wan")
	g.ip("addr add 2001:db8:3::1 peer 2001:db8:4::1/64 dev wan")
	g.own("198.18.1.1", "198.18.2.2", "198.18.3.1", "198.18.4.1", "198.18.4.200")
	g.own("2001:db8:1::1", "2001:db8:2::2", "2001:db8:3::1", "2001:db8:4::1", "2001:db8:4::200")
	g.foreign("198.18.1.2", "198.18.2.1", "198.18.3.2", "2001:db8:1::2", "2001:db8:2::1", "2001:db8:3::2")
}

func TestRoutesConnectNothing(t *testing.T) {
	g := newGateway(t)
	g.ip("route add default dev wan")
	g.ip("-6 route add default dev wan")
	g.ip("route add 198.18.9.0/24 dev lan")
	g.ip("addr add 198.18.1.1/0 dev wan") // and neither does a prefix of no bits
	g.ip("addr add 2001:db8::1/0 dev wan")
	g.own("198.18.1.1", "2001:db8::1")
	g.foreign("198.18.9.1", "203.0.113.1", "2001:db8::2", "2606:4700::1111")
}

// More addresses than one datagram holds, and more changes at once than the
// socket's buffer does.
func TestManyChanges(t *testing.T) {
	ns := nstest.New(t)
	c, err := dial(ns.FD())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.events.SetReadBuffer(1); err != nil {
		t.Fatal(err)
	}
	list, err := c.addresses()
	if err != nil {
		t.Fatal(err)
	}
	h := start(list, c, func() (*conn, error) { return dial(ns.FD()) })
	t.Cleanup(h.Close)
	g := &gateway{ns, h, t}

	addresses := 2000
	if testing.Short() {
		addresses = 600
	}
	var add, del strings.Builder
	for n := range addresses {
		fmt.Fprintf(&add, "addr add 198.18.%d.%d/32 dev lo\n", n/250, n%250+1)
		fmt.Fprintf(&del, "addr del 198.18.%d.%d/32 dev lo\n", n/250, n%250+1)
	}
	ns.Command(add.String(), "ip", "-batch", "-")
	for n := range addresses {
		g.own(fmt.Sprintf("198.18.%d.%d", n/250, n%250+1))
	}
	ns.Command(del.String(), "ip", "-batch", "-")
	for n := range addresses {
		g.foreign(fmt.Sprintf("198.18.%d.%d", n/250, n%250+1))
	}
	if err := h.Err(); err != nil {
		t.Error(err)
	}
}

func TestFailureIsToldAndOvercome(t *testing.T) {
	for name, sabotage := range map[string]func(c *conn){
		"of the events":   func(c *conn) { _ = c.events.Close() },
		"of the requests": func(c *conn) { _ = c.requests.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := nstest.New(t)
			c, err := dial(ns.FD())
			if err != nil {
				t.Fatal(err)
			}
			list, err := c.addresses()
			if err != nil {
				t.Fatal(err)
			}
			let := make(chan struct{})
			fail := errors.New("not yet")
			h := start(list, c, func() (*conn, error) {
				select {
				case <-let:
					return dial(ns.FD())
				default:
					return nil, fail
				}
			})
			t.Cleanup(h.Close)
			g := &gateway{ns, h, t}
			g.own("127.0.0.1")
			sabotage(c)
			g.ip("addr add 198.18.1.1/24 dev lo")
			g.eventually("the failure is not told", func() bool { return errors.Is(h.Err(), fail) })
			g.own("127.0.0.1") // what was known stays
			close(let)
			g.own("198.18.1.9")
			g.eventually("the failure is still told", func() bool { return h.Err() == nil })
		})
	}
}

func TestOpenFails(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if h, err := open(int(f.Fd())); err == nil {
		h.Close()
		t.Error("opened in no namespace")
	}
}

func TestOpenHere(t *testing.T) {
	h, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	h.Close()
}

func TestCloseEndsEverything(t *testing.T) {
	defer goleak.VerifyNone(t)
	ns := nstest.New(t)
	for range 10 {
		h, err := open(ns.FD())
		if err != nil {
			t.Fatal(err)
		}
		h.Close()
	}
}

func TestContainsAllocatesNothing(t *testing.T) {
	g := newGateway(t)
	g.ip("addr add 198.18.1.1/24 dev lan")
	g.own("198.18.1.1")
	for _, a := range []string{"198.18.1.7", "203.0.113.1", "2001:db8::1", "::ffff:198.18.1.7"} {
		addr := netip.MustParseAddr(a)
		if n := testing.AllocsPerRun(100, func() { g.Contains(addr) }); n > 0 {
			t.Errorf("%s: %v allocations", a, n)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	g := newGateway(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if !g.Contains(netip.MustParseAddr("127.0.0.1")) {
					t.Error("127.0.0.1 is gone")
					return
				}
			}
		})
	}
	for range 5 {
		g.ip("addr add 198.18.1.1/24 dev lan")
		g.own("198.18.1.1")
		g.ip("addr del 198.18.1.1/24 dev lan")
		g.foreign("198.18.1.1")
	}
	close(stop)
	wg.Wait()
}

func TestPrefixes(t *testing.T) {
	var list []netip.Prefix
	for _, s := range []string{"192.0.2.0/24", "198.51.100.9/32", "2001:db8:1::/64", "2001:d00::/24"} {
		list = append(list, netip.MustParsePrefix(s))
	}
	p := newPrefixes(list)
	for addr, want := range map[string]bool{
		"192.0.2.1": true, "192.0.2.255": true, "192.0.3.1": false,
		"198.51.100.9": true, "198.51.100.8": false,
		"2001:db8:1::99": true, "2001:dff::1": true, "2001:e00::1": false, "2001:db8:1:1::": true, "2002::": false,
		"fe80::1%eth0": false,
	} {
		if got := p.contains(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
}

func TestMalformedMessages(t *testing.T) {
	header := func(bits byte) []byte { return []byte{unix.AF_INET, bits, 0, 0, 0, 0, 0, 0} }
	local := []byte{8, 0, unix.IFA_LOCAL, 0, 198, 18, 0, 1}
	for name, data := range map[string][]byte{
		"too short":              {unix.AF_INET, 24},
		"no address":             header(24),
		"attribute too short":    append(header(24), 3, 0, unix.IFA_LOCAL, 0),
		"attribute too long":     append(header(24), 9, 0, unix.IFA_LOCAL, 0, 198, 18, 0, 1),
		"address of three bytes": append(header(24), 7, 0, unix.IFA_LOCAL, 0, 198, 18, 0),
		"too many bits":          append(header(33), local...),
	} {
		if list, err := appendPrefixes(nil, data); err == nil {
			t.Errorf("%s: %v", name, list)
		}
	}
	if list, err := appendPrefixes(nil, append(header(24), local...)); err != nil || len(list) != 2 {
		t.Errorf("%v, %v", list, err)
	}
}

func FuzzAddressMessage(f *testing.F) {
	f.Add([]byte{unix.AF_INET, 24, 0, 0, 1, 0, 0, 0, 8, 0, unix.IFA_LOCAL, 0, 198, 18, 0, 1, 8, 0, unix.IFA_ADDRESS, 0, 198, 18, 0, 2})
	f.Add(append([]byte{unix.AF_INET6, 64, 0, 0, 1, 0, 0, 0, 20, 0, unix.IFA_ADDRESS, 0, 0x20, 1, 0xd, 0xb8}, make([]byte, 12)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := appendPrefixes(nil, data)
		if err != nil {
			return
		}
		p := newPrefixes(list)
		for _, prefix := range list {
			if !prefix.IsValid() || prefix != prefix.Masked() || !p.contains(prefix.Addr()) {
				t.Errorf("%v of %v", prefix, list)
			}
		}
	})
}

func BenchmarkContains(b *testing.B) {
	var list []netip.Prefix
	for _, s := range []string{"127.0.0.1/32", "127.0.0.0/8", "203.0.113.9/32", "203.0.113.0/24", "198.18.0.1/32", "198.18.0.0/16", "::1/128", "2001:db8::/64"} {
		list = append(list, netip.MustParsePrefix(s))
	}
	h := &Host{}
	h.set(list)
	for _, s := range []string{"198.51.100.1", "2001:db8:9::1"} {
		a := netip.MustParseAddr(s)
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if h.Contains(a) {
					b.Fatal(s)
				}
			}
		})
	}
}
