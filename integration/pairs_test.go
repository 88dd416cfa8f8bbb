//go:build linux

package integration

import (
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// With per-client sets only who asked may connect, to the service of the name.
func TestPairsOpenForWhoAsked(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Load(lab.Ruleset(`
	set pairs4 { type ipv4_addr . ipv4_addr . inet_proto . inet_service; flags timeout; size 65535; }
	set pairs6 { type ipv6_addr . ipv6_addr . inet_proto . inet_service; flags timeout; size 65535; }`, `
		ip saddr . ip daddr . meta l4proto . th dport @pairs4 accept
		ip6 saddr . ip6 daddr . meta l4proto . th dport @pairs6 accept`))
	l.AcceptTCP(443)
	l.AcceptTCP(444)
	l.Script().Records("a.open.test. 60 IN A 198.51.100.1", "a.open.test. 60 IN AAAA 2001:db8:100::1")
	l.Namewall(`
. {` + lab.Node + `
	nftset {
		` + lab.AllowWide + `
	}
	nftset pairs {
		set  inet filter pairs4
		set  inet filter pairs6
		name *.open.test tcp/443
	}
	cache
	forward . ` + lab.Scripted + `
}`)

	l.Ask(lab.Client4(3), "udp", "a.open.test.", dns.TypeA)
	reaches(t, l, 3, "198.51.100.1", 443)
	barred(t, l, 3, "198.51.100.1", 444)
	barred(t, l, 4, "198.51.100.1", 443)

	// The second client's answer comes from the cache, and opens for it, too.
	l.Ask(lab.Client4(4), "tcp", "a.open.test.", dns.TypeA)
	reaches(t, l, 4, "198.51.100.1", 443)
	barred(t, l, 5, "198.51.100.1", 443)

	l.Ask(lab.Client6(3), "udp", "a.open.test.", dns.TypeAAAA)
	reaches(t, l, 3, "2001:db8:100::1", 443)
	barred(t, l, 4, "2001:db8:100::1", 443)
	holds(t, l, "pairs6", lab.Client6(3).String()+" . 2001:db8:100::1 . tcp . 443")
}

// A pair holds one family: a client that asks over IPv4 gets no IPv6 address
// that it could not use.
func TestPairsHoldOneFamily(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Load(lab.Ruleset(`
	set pairs4 { type ipv4_addr . ipv4_addr; flags timeout; size 65535; }
	set pairs6 { type ipv6_addr . ipv6_addr; flags timeout; size 65535; }`, `
		ip saddr . ip daddr @pairs4 accept
		ip6 saddr . ip6 daddr @pairs6 accept`))
	l.AcceptTCP(443)
	l.Script().Records("a.open.test. 60 IN A 198.51.100.1", "a.open.test. 60 IN AAAA 2001:db8:100::1")
	l.Namewall(`
. {` + lab.Node + `
	nftset {
		` + lab.AllowWide + `
	}
	nftset pairs {
		set  inet filter pairs4
		set  inet filter pairs6
		name *.open.test
	}
	forward . ` + lab.Scripted + `
}`)

	refused(t, l.Ask(lab.Client4(0), "udp", "a.open.test.", dns.TypeAAAA), dns.RcodeSuccess, dns.ExtendedErrorCodeFiltered)
	refused(t, l.Ask(lab.Client6(0), "udp", "a.open.test.", dns.TypeA), dns.RcodeSuccess, dns.ExtendedErrorCodeFiltered)
	l.Ask(lab.Client6(0), "udp", "a.open.test.", dns.TypeAAAA)
	reaches(t, l, 0, "2001:db8:100::1", 443)
}
