//go:build linux

package conntrack

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/netlink"
	"github.com/namewall/namewall/internal/set"
)

// connections are what each test begins with: network, opener and destination.
var connections = [][3]string{
	{"tcp", "198.18.0.1", "198.51.100.7:443"},
	{"tcp", "198.18.0.1", "198.51.100.7:8443"},
	{"tcp", "198.18.0.2", "198.51.100.7:443"},
	{"udp", "198.18.0.1", "198.51.100.7:443"},
	{"tcp", "198.51.100.7", "198.18.0.1:443"},
	{"tcp", "198.18.0.1", "198.51.100.8:443"},
	{"tcp", "198.18.0.1", "203.0.113.10:443"},  // translated to 198.51.100.9:8443
	{"tcp", "198.18.0.1", "198.51.100.10:443"}, // and this from 198.18.0.9
	{"tcp", "198.18.0.1", "198.51.100.11:443"}, // in a zone
	{"tcp", "198.18.0.1", "198.51.100.12:443"}, // in a zone of its direction
	{"tcp", "2001:db8::1", "[2001:db8::7]:443"},
	{"udp", "2001:db8::1", "[2001:db8::7]:443"},
	{"tcp", "2001:db8::7", "[2001:db8::1]:443"},
	{"tcp", "2001:db8::1", "[2001:db8::8]:443"},
}

func TestKill(t *testing.T) {
	https, http2804 := set.Service{Proto: 6, Port: 443}, set.Service{Proto: 6, Port: 8443}
	for n, test := range []struct {
		name string
		kill []Flow
		want []string // of connections, those that end
	}{
		{"all of an address", []Flow{flow("198.51.100.7")}, []string{
			"tcp 198.18.0.1 198.51.100.7:443", "tcp 198.18.0.1 198.51.100.7:8443", "tcp 198.18.0.2 198.51.100.7:443",
			"udp 198.18.0.1 198.51.100.7:443", "tcp 198.51.100.7 198.18.0.1:443",
		}},
		{"one service", []Flow{{Addr: netip.MustParseAddr("198.51.100.7"), Service: http2804}}, []string{
			"tcp 198.18.0.1 198.51.100.7:8443",
		}},
		{"a service both ways", []Flow{{Addr: netip.MustParseAddr("198.51.100.7"), Service: https}}, []string{
			"tcp 198.18.0.1 198.51.100.7:443", "tcp 198.18.0.2 198.51.100.7:443", "tcp 198.51.100.7 198.18.0.1:443",
		}},
		{"a port of each protocol", []Flow{{Addr: netip.MustParseAddr("198.51.100.7"), Service: set.Service{Port: 443}}}, []string{
			"tcp 198.18.0.1 198.51.100.7:443", "tcp 198.18.0.2 198.51.100.7:443",
			"udp 198.18.0.1 198.51.100.7:443", "tcp 198.51.100.7 198.18.0.1:443",
		}},
		{"one client", []Flow{{Addr: netip.MustParseAddr("198.51.100.7"), Client: netip.MustParseAddr("198.18.0.2")}}, []string{
			"tcp 198.18.0.2 198.51.100.7:443",
		}},
		{"one client and service, both ways", []Flow{{Addr: netip.MustParseAddr("198.51.100.7"), Client: netip.MustParseAddr("198.18.0.1"), Service: https}}, []string{
			"tcp 198.18.0.1 198.51.100.7:443", "tcp 198.51.100.7 198.18.0.1:443",
		}},
		{"a range", []Flow{{Addr: netip.MustParseAddr("198.51.100.8"), Last: netip.MustParseAddr("198.51.100.9"), Service: https}}, []string{
			"tcp 198.18.0.1 198.51.100.8:443",
		}},
		{"two flows", []Flow{flow("198.51.100.8"), {Addr: netip.MustParseAddr("198.51.100.7"), Service: http2804}}, []string{
			"tcp 198.18.0.1 198.51.100.8:443", "tcp 198.18.0.1 198.51.100.7:8443",
		}},
		{"IPv6", []Flow{flow("2001:db8::7")}, []string{
			"tcp 2001:db8::1 [2001:db8::7]:443", "udp 2001:db8::1 [2001:db8::7]:443", "tcp 2001:db8::7 [2001:db8::1]:443",
		}},
		{"IPv4-mapped", []Flow{flow("::ffff:198.51.100.8")}, []string{"tcp 198.18.0.1 198.51.100.8:443"}},
		{"before destination NAT", []Flow{{Addr: netip.MustParseAddr("203.0.113.10"), Service: https}}, []string{"tcp 198.18.0.1 203.0.113.10:443"}},
		{"after destination NAT", []Flow{{Addr: netip.MustParseAddr("198.51.100.9"), Service: http2804}}, []string{"tcp 198.18.0.1 203.0.113.10:443"}},
		{"neither address with the other's port", []Flow{
			{Addr: netip.MustParseAddr("203.0.113.10"), Service: http2804}, {Addr: netip.MustParseAddr("198.51.100.9"), Service: https},
		}, nil},
		{"source NAT", []Flow{flow("198.51.100.10")}, []string{"tcp 198.18.0.1 198.51.100.10:443"}},
		{"a zone", []Flow{flow("198.51.100.11")}, []string{"tcp 198.18.0.1 198.51.100.11:443"}},
		{"a zone of one direction", []Flow{flow("198.51.100.12")}, []string{"tcp 198.18.0.1 198.51.100.12:443"}},
		{"an address without connections", []Flow{flow("198.51.100.99")}, nil},
		{"no address", []Flow{{}, {Service: https}}, nil},
		{"nothing", nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, many := range []bool{false, true} {
				if testing.Short() && many == (n%2 == 0) {
					continue // each case in one way only
				}
				k := newKernel(t)
				table := k.table()
				for _, c := range connections {
					k.connect(c[0], c[1], c[2])
				}
				flows := test.kill
				if many {
					for i := range filteredMax + 1 {
						flows = append(flows, flow(fmt.Sprintf("192.0.2.%d", i)), flow(fmt.Sprintf("2001:db8:1::%d", i)))
					}
				}
				want := slices.DeleteFunc(k.entries(table), func(e string) bool { return slices.Contains(test.want, e) })
				killed, err := table.Kill(flows)
				if killed != len(test.want) || err != nil {
					t.Errorf("with many flows %t: killed %d, want %d: %v", many, killed, len(test.want), err)
				}
				if diff := cmp.Diff(want, k.entries(table)); diff != "" {
					t.Errorf("with many flows %t, left (-want +got):\n%s", many, diff)
				}
			}
		})
	}
}

func flow(addr string) Flow { return Flow{Addr: netip.MustParseAddr(addr)} }

// What is killed is over for the peers, too, if the ruleset takes no connection
// in the middle.
func TestKilledConnectionsAreOver(t *testing.T) {
	k := newKernel(t)
	table := k.table()
	killed := []net.Conn{k.connect("tcp", "198.18.0.1", "198.51.100.7:443"), k.connect("tcp", "2001:db8::7", "[2001:db8::1]:443")}
	spared := []net.Conn{k.connect("tcp", "198.18.0.1", "198.51.100.8:443"), k.connect("tcp", "2001:db8::1", "[2001:db8::8]:443")}
	if n, err := table.Kill([]Flow{flow("198.51.100.7"), flow("2001:db8::7")}); n != 2 || err != nil {
		t.Fatalf("killed %d: %v", n, err)
	}
	for _, c := range killed {
		if err := echoed(c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("to %s: %v", c.RemoteAddr(), err)
		}
	}
	for _, c := range spared {
		if err := echoed(c); err != nil {
			t.Errorf("to %s: %v", c.RemoteAddr(), err)
		}
	}
}

// The kernel picks an address's entries out itself, but for IPv6 does it wrongly.
func TestFilters(t *testing.T) {
	k := newKernel(t)
	table := k.table()
	for _, c := range connections {
		k.connect(c[0], c[1], c[2])
	}
	for addr, want := range map[string][3]int{ // as source, as destination, as where replies come from
		"198.51.100.7": {1, 4, 4}, "203.0.113.10": {0, 1, 0}, "198.51.100.9": {0, 0, 1},
	} {
		for i, p := range places {
			listed := 0
			if _, err := table.conn.Send(dumpOf(flow(addr).Addr, p)); err != nil {
				t.Fatal(err)
			}
			for _, err := range table.conn.ReceiveIter() {
				if err != nil {
					t.Fatal(err)
				}
				listed++
			}
			if listed != want[i] {
				t.Errorf("%s: %d entries in place %d, want %d", addr, listed, i, want[i])
			}
		}
	}
	wanted := indexOf([]Flow{flow("2001:db8::7")})
	if diff := cmp.Diff([]netlink.Message{dump(syscall.AF_INET6)}, wanted.requests()); diff != "" {
		t.Error(diff)
	}
}

// A flow without ports is one of its addresses, and of no service.
func TestKillPing(t *testing.T) {
	k := newKernel(t)
	table := k.table()
	k.ping("198.18.0.1", "198.51.100.7")
	addr := netip.MustParseAddr("198.51.100.7")
	if n, err := table.Kill([]Flow{{Addr: addr, Service: set.Service{Port: 443}}}); n != 0 || err != nil {
		t.Errorf("killed %d of a service: %v", n, err)
	}
	if n, err := table.Kill([]Flow{{Addr: addr}}); n != 1 || err != nil {
		t.Errorf("killed %d: %v", n, err)
	}
}

// A connection that has taken the place of the one that was read is not meant.
func TestDeletionIsOfOneConnection(t *testing.T) {
	k := newKernel(t)
	table := k.table()
	k.connect("tcp", "198.18.0.1", "198.51.100.7:443")
	wanted := indexOf([]Flow{flow("198.51.100.7")})
	victims, complete, err := table.find(dump(syscall.AF_INET), &wanted)
	if len(victims) != 1 || !complete || err != nil {
		t.Fatalf("found %d, %t, %v", len(victims), complete, err)
	}
	other := slices.Clone(victims[0].Data)
	other[len(other)-1] ^= 1 // the id is the last attribute
	m := victims[0]
	m.Data = other
	if n, err := table.deleteAll(append(victims[:0:0], m)); n != 0 || err != nil {
		t.Errorf("deleted %d with another's id: %v", n, err)
	}
	if n, err := table.deleteAll(victims); n != 1 || err != nil {
		t.Errorf("deleted %d: %v", n, err)
	}
	if n, err := table.deleteAll(victims); n != 0 || err != nil {
		t.Errorf("deleted %d that are gone: %v", n, err)
	}
}
