package services

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// Names by which browsers and devices find out whether they may resolve elsewhere
// have the answers that keep them here, other resolvers' questions are answered
// here, and encrypted DNS is refused at once.
func TestNoDoH(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Load(ruleset(t, "no-doh"))
	l.Unbound("www.example.com. 60 IN A 203.0.113.9", "dns.google. 60 IN A 203.0.113.8", "google. 60 IN A 203.0.113.7")
	start(t, l, corefile(t, lab.Real, "no-doh.corefile"))
	for name, rcode := range map[string]int{
		"use-application-dns.net.":     dns.RcodeNameError,
		"mask.icloud.com.":             dns.RcodeNameError,
		"mask-h2.icloud.com.":          dns.RcodeNameError,
		"dns.google.":                  dns.RcodeNameError,
		"dns64.dns.google.":            dns.RcodeNameError,
		"chrome.cloudflare-dns.com.":   dns.RcodeNameError,
		"abc123.dns.nextdns.io.":       dns.RcodeNameError,
		"doh-02.spectrum.com.":         dns.RcodeNameError,
		"public.dns.iij.jp.":           dns.RcodeNameError,
		"_dns.resolver.arpa.":          dns.RcodeSuccess,
		"xyz.use-application-dns.net.": dns.RcodeNameError,
	} {
		for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeHTTPS, dns.TypeSVCB} {
			m := l.Ask(lab.Client4(0), "udp", name, qtype)
			if m.Rcode != rcode || len(m.Answer) > 0 {
				t.Errorf("%s %s:\n%v", name, dns.TypeToString[qtype], m)
			}
			if rcode == dns.RcodeSuccess && (len(m.Ns) != 1 || m.Ns[0].Header().Rrtype != dns.TypeSOA) {
				t.Errorf("%s: nobody can cache that:\n%v", name, m)
			}
		}
	}
	for _, name := range []string{"www.example.com.", "google."} {
		if m := l.Ask(lab.Client4(0), "udp", name, dns.TypeA); len(lab.Addrs(m)) != 1 {
			t.Errorf("%s:\n%v", name, m)
		}
	}
	q := new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA)
	for _, resolver := range []string{"198.51.100.53", "2001:db8:100::53"} {
		addr := netip.MustParseAddr(resolver)
		for _, network := range []string{"udp", "tcp"} {
			m, err := l.Client.Ask(network, netip.AddrPortFrom(addr, 53).String(), q)
			if err != nil || len(lab.Addrs(m)) != 1 {
				t.Errorf("%s %s: %v, %v", network, resolver, err, m)
			}
		}
		if err := l.Knock(0, addr, 853); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s port 853: %v", resolver, err)
		}
	}
}
