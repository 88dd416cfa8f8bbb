//go:build !race

package nftset

import (
	"context"
	"testing"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/test"
	"github.com/miekg/dns"
)

// A covered answer allocates nothing but a slab now and then. With the race
// detector pools lose things at random.
func TestCoveredAllocatesNothing(t *testing.T) {
	l := newLab(t, bothFamilies)
	r := new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA)
	m := new(dns.Msg).SetReply(r)
	m.Answer = []dns.RR{test.A("www.example.com. 60 IN A 198.51.100.1"), test.A("www.example.com. 60 IN A 198.51.100.2")}
	l.next = plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, _ *dns.Msg) (int, error) {
		return dns.RcodeSuccess, w.WriteMsg(m)
	})
	w, ctx := &discard{}, context.Background()
	next := testing.AllocsPerRun(100, func() { _, _ = plugin.NextOrFailure(directive, l.next, ctx, w, r) })
	if n := testing.AllocsPerRun(1000, func() { _, _ = l.ServeDNS(ctx, w, r) }); n > next {
		t.Errorf("%v allocations an answer, of which %v are the next plugin's", n, next)
	}
}
