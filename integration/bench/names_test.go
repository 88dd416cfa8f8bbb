//go:build linux

package main

import (
	"net/netip"
	"testing"

	"github.com/miekg/dns"
)

// Every name has two addresses of its own, none of which is the gateway's network.
func TestAddress4(t *testing.T) {
	seen := make(map[uint32]bool)
	for n := range names4 {
		for k := range 2 {
			a := address4(n, k)
			addr := netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)})
			if seen[a] || !netip.MustParsePrefix("198.18.0.0/15").Contains(addr) || netip.MustParsePrefix("198.18.0.0/24").Contains(addr) {
				t.Fatalf("name %d has %v", n, addr)
			}
			seen[a] = true
		}
	}
}

func TestRespond(t *testing.T) {
	for _, tc := range []struct {
		name    string
		qtype   uint16
		answers []string
	}{
		{benchName(3, 60), dns.TypeA, []string{"198.19.0.6", "198.19.0.7"}},
		{benchName(40_000, 600), dns.TypeA, []string{"198.18.57.128", "198.18.57.129"}},
		{benchName(1<<20, 7), dns.TypeAAAA, []string{"2001:db8:100::20:0", "2001:db8:100::20:1"}},
		{benchName(3, 60), dns.TypeTXT, nil},
		{"ready.lab.test", dns.TypeA, nil},
	} {
		q := new(dns.Msg).SetQuestion(dns.Fqdn(tc.name), tc.qtype).SetEdns0(1232, false)
		packed, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		m := new(dns.Msg)
		if err := m.Unpack(respond(append(make([]byte, 0, questionMax), packed...))); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, rr := range m.Answer {
			switch rr := rr.(type) {
			case *dns.A:
				got = append(got, rr.A.String())
			case *dns.AAAA:
				got = append(got, rr.AAAA.String())
			}
			if rr.Header().Name != q.Question[0].Name {
				t.Errorf("%v", rr)
			}
		}
		if m.Id != q.Id || !m.Response || m.Rcode != dns.RcodeSuccess || m.Question[0] != q.Question[0] || len(got) != len(tc.answers) {
			t.Errorf("%s: %v", tc.name, m)
			continue
		}
		for i := range got {
			if got[i] != tc.answers[i] {
				t.Errorf("%s: %v, want %v", tc.name, got, tc.answers)
			}
		}
	}
	for _, b := range [][]byte{nil, make([]byte, 12), append(make([]byte, 12), 63), make([]byte, 17)} {
		if respond(b) != nil {
			t.Errorf("an answer to %x", b)
		}
	}
}
