//go:build linux

package integration

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// openSets are the sets of most tests: whole addresses, one set a family.
const openSets = `
	set open4 { type ipv4_addr; flags timeout; size 262144; }
	set open6 { type ipv6_addr; flags timeout; size 262144; }`

// openRules are the rules to openSets.
const openRules = `
		ip daddr @open4 accept
		ip6 daddr @open6 accept`

// openRule is a Corefile's rule that feeds openSets with the names of a test
// zone, and the node's settings that make the lab's addresses admissible.
const openRule = `
	nftset {
		` + lab.AllowWide + `
	}
	nftset open {
		set inet filter open4
		set inet filter open6
		name *.open.test
	}
`

// port is where the servers of most tests listen.
const port = 80

// newOpenLab is a lab with openSets, a scripted upstream, and a server.
func newOpenLab(t *testing.T) (*lab.Lab, *lab.Script) {
	t.Helper()
	l := lab.New(t)
	l.Load(lab.Ruleset(openSets, openRules))
	l.AcceptTCP(port)
	return l, l.Script()
}

// reaches fails unless the client's first packet gets through to addr.
func reaches(t *testing.T, l *lab.Lab, client int, addr string, port int) {
	t.Helper()
	before := l.Drops()
	if err := l.Connect(client, netip.MustParseAddr(addr), port); err != nil {
		t.Errorf("client %d does not reach %s port %d: %v", client, addr, port, err)
	}
	if d := l.Drops().Sub(before); d != (lab.Drops{}) {
		t.Errorf("on the way to %s port %d dropped %+v", addr, port, d)
	}
}

// barred fails unless the firewall drops the client's first packet to addr.
func barred(t *testing.T, l *lab.Lab, client int, addr string, port int) {
	t.Helper()
	before := l.Drops()
	if err := l.Knock(client, netip.MustParseAddr(addr), port); err == nil {
		t.Errorf("client %d reaches %s port %d", client, addr, port)
	}
	if d := l.Drops().Sub(before); d.SYNs == 0 {
		t.Errorf("on the way to %s port %d dropped %+v, want a SYN", addr, port, d)
	}
}

// ask asks the gateway for name from client 0 over UDP.
func ask(l *lab.Lab, name string, qtype uint16) *dns.Msg {
	return l.Ask(lab.Client4(0), "udp", name, qtype)
}

// answers fails unless the gateway answers name with exactly these addresses,
// in any order.
func answers(t *testing.T, l *lab.Lab, name string, qtype uint16, want ...string) {
	t.Helper()
	m := ask(l, name, qtype)
	var got []string
	for _, addr := range lab.Addrs(m) {
		got = append(got, addr.String())
	}
	slices.Sort(got)
	slices.Sort(want)
	if m.Rcode != dns.RcodeSuccess || !slices.Equal(got, want) {
		t.Errorf("%s %s: want %q, got\n%v", name, dns.TypeToString[qtype], want, m)
	}
}

// refused fails unless the answer has this code, no address, and an extended
// error with this code (RFC 8914 section 4).
func refused(t *testing.T, m *dns.Msg, rcode int, ede uint16) {
	t.Helper()
	reason := lab.EDE(m)
	if m.Rcode != rcode || len(lab.Addrs(m)) > 0 || reason == nil || reason.InfoCode != ede {
		t.Errorf("want %s without addresses and extended error %d, got\n%v", dns.RcodeToString[rcode], ede, m)
	}
}

// holds fails unless the set's keys are exactly these, in any order.
func holds(t *testing.T, l *lab.Lab, set string, want ...string) {
	t.Helper()
	if err := sameKeys(l, set, want...); err != nil {
		t.Error(err)
	}
}

// sameKeys is nil if the set's keys are exactly these, in any order.
func sameKeys(l *lab.Lab, set string, want ...string) error {
	got := l.Keys(set)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("%s holds %q, want %q", set, got, want)
	}
	return nil
}

// atLeast is nil if the set has so many elements.
func atLeast(l *lab.Lab, set string, want int) error {
	if got := len(l.Keys(set)); got < want {
		return fmt.Errorf("%s holds %d elements, want at least %d", set, got, want)
	}
	return nil
}
