//go:build linux

package integration

import (
	"net"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// Clients behind a resolver of their own, which forwards to the gateway: nobody
// is dropped for as long as they keep asking, whether the resolver holds a CNAME
// for long and asks the gateway for its target alone, or gets the whole chain.
func TestResolverBelow(t *testing.T) {
	t.Parallel()
	t.Run("link-alone", func(t *testing.T) {
		t.Parallel()
		links, targets := resolverBelow(t, func(q *dns.Msg, link, target dns.RR) *dns.Msg { return lab.Reply(q, link) })
		if targets < 3 || links > 2 {
			t.Errorf("asked %d times for the name, %d times for its target: there was nothing to see", links, targets)
		}
	})
	t.Run("whole-chain", func(t *testing.T) {
		t.Parallel()
		resolverBelow(t, func(q *dns.Msg, link, target dns.RR) *dns.Msg { return lab.Reply(q, link, target) })
	})
}

// resolverBelow has the upstream answer for a name that is a CNAME, keeps
// clients connecting, and tells how often the upstream was asked for the name
// and for its target.
func resolverBelow(t *testing.T, answer func(q *dns.Msg, link, target dns.RR) *dns.Msg) (links, targets int) {
	l, s := newOpenLab(t)
	// The address changes with every answer, so that an element that is left
	// over from an earlier one helps nobody.
	var answered atomic.Int64
	target := func() dns.RR {
		return &dns.A{
			Hdr: dns.RR_Header{Name: "edge.cdn.test.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 2},
			A:   net.IPv4(198, 51, 100, byte(answered.Add(1))),
		}
	}
	link := lab.RRs(t, "www.open.test. 3600 IN CNAME edge.cdn.test.")[0]
	s.Handle("edge.cdn.test.", func(q *dns.Msg) *dns.Msg { return lab.Reply(q, target()) })
	s.Handle("www.open.test.", func(q *dns.Msg) *dns.Msg { return answer(q, link, target()) })
	l.Namewall(`
. {` + lab.Node + shortLives + `
	forward . ` + lab.Scripted + `
}`)
	l.BelowGateway()
	keepConnecting(t, l, func() []netip.Addr {
		m, err := l.Client.Ask("udp", net.JoinHostPort(lab.Below, "53"), new(dns.Msg).SetQuestion("www.open.test.", dns.TypeA))
		if err != nil {
			t.Error(err)
			return nil
		}
		return lab.Addrs(m)
	})
	return s.Asked("www.open.test.", dns.TypeA), s.Asked("edge.cdn.test.", dns.TypeA)
}
