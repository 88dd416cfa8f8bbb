package host

import (
	"net/netip"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/nstest"
)

func TestFollowsTheKernel(t *testing.T) {
	ns := nstest.New(t)
	ns.Command("", "ip", "link", "add", "lan0", "type", "veth", "peer", "name", "lan1")
	ns.Command("", "ip", "link", "set", "lan1", "up")
	ns.Command("", "ip", "link", "set", "lan0", "up")
	ns.Command("", "ip", "address", "add", "192.0.2.1/24", "dev", "lan0")
	var h *Host
	if err := ns.Do(func() (err error) { h, err = Open(); return err }); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}()
	await := func(addr string, want bool) {
		t.Helper()
		a := netip.MustParseAddr(addr)
		for deadline := time.Now().Add(5 * time.Second); h.Contains(a) != want; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %v for 5 s", addr, !want)
			}
		}
	}
	await("192.0.2.77", true)
	await("198.51.100.7", false)

	ns.Command("", "ip", "address", "add", "198.51.100.1/24", "dev", "lan0")
	await("198.51.100.7", true)
	ns.Command("", "ip", "-6", "address", "add", "2001:db8:1::1/64", "dev", "lan0", "nodad")
	await("2001:db8:1::7", true)
	ns.Command("", "ip", "address", "add", "203.0.113.1", "peer", "203.0.113.2/32", "dev", "lan0")
	await("203.0.113.1", true)
	await("203.0.113.2", true)
	await("203.0.113.3", false)
	// A route is no directly connected network.
	ns.Command("", "ip", "route", "add", "default", "dev", "lan0")
	ns.Command("", "ip", "address", "del", "192.0.2.1/24", "dev", "lan0")
	await("192.0.2.77", false)
	ns.Command("", "ip", "link", "del", "lan0")
	await("198.51.100.7", false)
	await("2001:db8:1::7", false)
}

func TestParseTakesNoShortMessage(t *testing.T) {
	if _, err := parse(make([]byte, 7)); err == nil {
		t.Error("seven bytes were taken for an address")
	}
}
