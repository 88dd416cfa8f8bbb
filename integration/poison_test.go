//go:build linux

package integration

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// says makes the server answer name, and what is below it, with these records in
// these sections, whatever it is asked for.
func says(t *testing.T, s *lab.Script, name string, answer, additional []string) {
	t.Helper()
	s.Handle(name, func(q *dns.Msg) *dns.Msg {
		m := lab.Reply(q, lab.RRs(t, answer...)...)
		m.Extra = append(lab.RRs(t, additional...), m.Extra...)
		return m
	})
}

// An address that the question does not lead to opens nothing, and no client
// gets to see it.
func TestPoisonBesideTheAnswer(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	says(t, s, "answer.open.test.", []string{
		"answer.open.test. 60 IN A 198.51.100.1", "victim.test. 60 IN A 198.51.100.66"}, nil)
	says(t, s, "additional.open.test.", []string{"additional.open.test. 60 IN A 198.51.100.2"},
		[]string{"additional.open.test. 60 IN A 198.51.100.67", "ns.open.test. 60 IN AAAA 2001:db8:100::67"})
	l.Namewall(openCorefile(""))

	for name, want := range map[string]string{"answer.open.test.": "198.51.100.1", "additional.open.test.": "198.51.100.2"} {
		answers(t, l, name, dns.TypeA, want)
		m := ask(l, name, dns.TypeA)
		if strings.Contains(m.String(), "198.51.100.6") || strings.Contains(m.String(), "2001:db8:100::67") {
			t.Errorf("%s: the client sees what it did not ask for:\n%v", name, m)
		}
		reaches(t, l, 0, want, port)
	}
	holds(t, l, "open4", "198.51.100.1", "198.51.100.2")
	holds(t, l, "open6")
}

// A name of the rule that leads to where no remote service is: the gateway
// itself, its clients, the cloud's metadata, private networks, also behind NAT64.
func TestPoisonTowardsInside(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	inside := []struct {
		label, addr string
		qtype       uint16
	}{
		{"loopback", "127.0.0.1", dns.TypeA},
		{"metadata", "169.254.169.254", dns.TypeA},
		{"private", "10.0.0.1", dns.TypeA},
		{"gateway", lab.Gateway4, dns.TypeA},
		{"uplink", "192.0.2.1", dns.TypeA},
		{"loopback6", "::1", dns.TypeAAAA},
		{"linklocal6", "fe80::1", dns.TypeAAAA},
		{"nat64", "64:ff9b::a00:1", dns.TypeAAAA},
		{"mapped", "::ffff:10.0.0.1", dns.TypeAAAA},
		{"gateway6", lab.Gateway6, dns.TypeAAAA},
	}
	for _, poison := range inside {
		name, rrtype := poison.label+".open.test.", dns.TypeToString[poison.qtype]
		says(t, s, name, []string{
			name + " 60 IN CNAME cdn." + name, "cdn." + name + " 60 IN " + rrtype + " " + poison.addr}, nil)
	}
	l.Namewall(openCorefile(""))
	for _, poison := range inside {
		refused(t, ask(l, poison.label+".open.test.", poison.qtype), dns.RcodeSuccess, dns.ExtendedErrorCodeFiltered)
	}
	holds(t, l, "open4")
	holds(t, l, "open6")
}

// The gateway's own addresses and networks are refused as they come and go, also
// those that the rest of the world could have.
func TestPoisonTowardsTheGateway(t *testing.T) {
	t.Parallel()
	// AS112's (RFC 7534): special, and yet admissible without a word in the
	// Corefile, so that only being the gateway's own is left to refuse them.
	const own, neighbour = "192.175.48.1", "192.175.48.2"
	l, s := newOpenLab(t)
	s.Records("own.open.test. 60 IN A "+own, "neighbour.open.test. 60 IN A "+neighbour)
	l.Namewall(openCorefile(""))
	answers(t, l, "own.open.test.", dns.TypeA, own)

	if _, err := l.Gateway.Run(nil, "ip", "address", "add", own+"/24", "dev", "lo"); err != nil {
		t.Fatal(err)
	}
	lab.Until(t, healLimit, "the gateway knows its new address", func() error {
		if m := ask(l, "own.open.test.", dns.TypeA); len(lab.Addrs(m)) > 0 {
			return errors.New("it is still answered")
		}
		return nil
	})
	refused(t, ask(l, "own.open.test.", dns.TypeA), dns.RcodeSuccess, dns.ExtendedErrorCodeFiltered)
	refused(t, ask(l, "neighbour.open.test.", dns.TypeA), dns.RcodeSuccess, dns.ExtendedErrorCodeFiltered)

	if _, err := l.Gateway.Run(nil, "ip", "address", "del", own+"/24", "dev", "lo"); err != nil {
		t.Fatal(err)
	}
	lab.Until(t, healLimit, "the gateway knows that the address has gone", func() error {
		if m := ask(l, "neighbour.open.test.", dns.TypeA); len(lab.Addrs(m)) == 0 {
			return errors.New("it is still refused")
		}
		return nil
	})
}

// A CNAME loop ends, opens nothing, and harms no other name.
func TestPoisonCNAMELoop(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	says(t, s, "loop.open.test.", []string{
		"loop.open.test. 60 IN CNAME a.loop.open.test.", "a.loop.open.test. 60 IN CNAME b.loop.open.test.",
		"b.loop.open.test. 60 IN CNAME loop.open.test.", "c.loop.open.test. 60 IN A 198.51.100.66"}, nil)
	s.Records("good.open.test. 60 IN A 198.51.100.1")
	n := l.Namewall(openCorefile(""))
	if m := ask(l, "loop.open.test.", dns.TypeA); len(lab.Addrs(m)) > 0 {
		t.Errorf("the loop has addresses:\n%v", m)
	}
	answers(t, l, "good.open.test.", dns.TypeA, "198.51.100.1")
	holds(t, l, "open4", "198.51.100.1")
	if err := n.Running(); err != nil {
		t.Error(err)
	}
}

// One answer with thousands of addresses: the rule's limit of them are opened
// and answered, the rest is neither.
func TestPoisonManyAddresses(t *testing.T) {
	t.Parallel()
	const many, limit = 5000, 1000 // the limit is the default
	l, s := newOpenLab(t)
	s.Records("good.open.test. 60 IN A 198.51.100.1")
	// No DNS message holds 5000 addresses, so no upstream could send them.
	var hosts strings.Builder
	for i := range many {
		fmt.Fprintf(&hosts, "198.19.%d.%d many.open.test\n", i/250, i%250+1)
	}
	l.Namewall(openCorefile("hosts {\n" + hosts.String() + "fallthrough\n}"))

	m := l.Ask(lab.Client4(0), "tcp", "many.open.test.", dns.TypeA)
	addrs := lab.Addrs(m)
	if len(addrs) != limit {
		t.Errorf("%d addresses answered, want %d", len(addrs), limit)
	}
	if keys := l.Keys("open4"); len(keys) != limit {
		t.Errorf("%d addresses in the set, want %d", len(keys), limit)
	}
	for _, addr := range addrs[:5] {
		reaches(t, l, 0, addr.String(), port)
	}
	answers(t, l, "good.open.test.", dns.TypeA, "198.51.100.1")
}
