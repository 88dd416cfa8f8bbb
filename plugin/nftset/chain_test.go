package nftset

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/metadata"
	"github.com/coredns/coredns/plugin/pkg/dnstest"
	"github.com/coredns/coredns/plugin/pkg/nonwriter"
	"github.com/coredns/coredns/plugin/test"
	"github.com/miekg/dns"
)

const bothFamilies = "nftset web {\n name *.example.com\n set inet filter web4\n set inet filter web6\n}"

// through sends r through the handler as a client of the test network.
func (l *lab) through(ctx context.Context, r *dns.Msg) (*dns.Msg, int, error) {
	rec := dnstest.NewRecorder(&test.ResponseWriter{})
	rcode, err := l.ServeDNS(ctx, rec, r)
	return rec.Msg, rcode, err
}

func TestNoMessageFromBelow(t *testing.T) {
	l := newLab(t, bothFamilies)
	for _, tc := range []struct {
		name  string
		rcode int
		err   error
	}{
		{"acl drops", dns.RcodeSuccess, nil},
		{"forward fails", dns.RcodeServerFailure, errors.New("unreachable backend")},
		{"acl refuses", dns.RcodeRefused, nil},
	} {
		l.reply, l.rcode, l.err = nil, tc.rcode, tc.err
		m, rcode, err := l.through(context.Background(), new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA))
		if m != nil || rcode != tc.rcode || !errors.Is(err, tc.err) {
			t.Errorf("%s: %v, %d, %v", tc.name, m, rcode, err)
		}
	}
}

// What carries no addresses goes to the next plugin with the client's own writer.
func TestUntouched(t *testing.T) {
	l := newLab(t, bothFamilies)
	for name, r := range map[string]*dns.Msg{
		"axfr":         new(dns.Msg).SetAxfr("www.example.com."),
		"ixfr":         new(dns.Msg).SetIxfr("www.example.com.", 1, "ns.example.com.", "root.example.com."),
		"notify":       new(dns.Msg).SetNotify("www.example.com."),
		"update":       new(dns.Msg).SetUpdate("www.example.com."),
		"chaos":        {MsgHdr: dns.MsgHdr{Id: 1}, Question: []dns.Question{{Name: "www.example.com.", Qtype: dns.TypeTXT, Qclass: dns.ClassCHAOS}}},
		"no question":  {MsgHdr: dns.MsgHdr{Id: 1}},
		"another name": new(dns.Msg).SetQuestion("www.example.org.", dns.TypeA),
	} {
		rec := dnstest.NewRecorder(&test.ResponseWriter{})
		called := false
		l.next = plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, got *dns.Msg) (int, error) {
			called = true
			_ = w.WriteMsg(new(dns.Msg).SetReply(got))
			if rec.Msg == nil || got != r {
				t.Errorf("%s: kept back", name)
			}
			return dns.RcodeSuccess, nil
		})
		if _, err := l.ServeDNS(context.Background(), rec, r); err != nil || !called {
			t.Errorf("%s: %v, called %v", name, err, called)
		}
	}
}

// dns64 asks for A with the writer and the context of the AAAA question: that
// look-up is not a client's, or a rule without an IPv4 set would leave dns64
// nothing to synthesise from.
func TestSubQueriesPassBy(t *testing.T) {
	l := newLab(t, "nftset web {\n name *.example.com\n set inet filter web6\n}")
	ten := &dns.A{Hdr: dns.RR_Header{Name: "www.example.com.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.IPv4(198, 51, 100, 1)}
	l.next = plugin.HandlerFunc(func(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
		m := new(dns.Msg).SetReply(r)
		if r.Question[0].Qtype == dns.TypeA {
			m.Answer = []dns.RR{ten}
			return dns.RcodeSuccess, w.WriteMsg(m)
		}
		nw := nonwriter.New(w)
		if _, err := l.ServeDNS(ctx, nw, new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA)); err != nil {
			t.Error(err)
		}
		if nw.Msg == nil || len(nw.Msg.Answer) != 1 {
			t.Errorf("the look-up below was shaped: %v", nw.Msg)
		}
		return dns.RcodeSuccess, w.WriteMsg(m)
	})
	if _, _, err := l.through(context.Background(), new(dns.Msg).SetQuestion("www.example.com.", dns.TypeAAAA)); err != nil {
		t.Error(err)
	}
	if m, _, _ := l.through(context.Background(), new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA)); m == nil || len(m.Answer) != 0 {
		t.Errorf("a client's own question for A: %v", m)
	}
}

// A plugin that answers with packed bytes gets past nobody.
func TestPackedAnswersAreShapedToo(t *testing.T) {
	l := newLab(t, bothFamilies)
	l.next = plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
		m := new(dns.Msg).SetReply(r)
		m.Answer = []dns.RR{test.A("www.example.com. 60 IN A 10.0.0.1")}
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("rubbish")); err == nil {
			t.Error("rubbish was taken for a message")
		}
		_, err = w.Write(b)
		return dns.RcodeSuccess, err
	})
	m, _, err := l.through(context.Background(), new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA))
	if err != nil || m == nil || len(m.Answer) != 0 {
		t.Errorf("%v, %v", m, err)
	}
}

func TestMetadata(t *testing.T) {
	l := newLab(t, bothFamilies)
	l.reply = &dns.Msg{Answer: []dns.RR{test.A("www.example.com. 60 IN A 198.51.100.1")}}
	ctx := metadata.ContextWithMetadata(context.Background())
	if _, _, err := l.through(ctx, new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA)); err != nil {
		t.Fatal(err)
	}
	for label, want := range map[string]string{"nftset/rules": "web", "nftset/outcome": "whole"} {
		if f := metadata.ValueFunc(ctx, label); f == nil || f() != want {
			t.Errorf("%s is not %q", label, want)
		}
	}
}

func TestReadyTells(t *testing.T) {
	l := newLab(t, bothFamilies)
	if !l.Ready() {
		t.Fatalf("not ready: %v", l.gate.Problems())
	}
	l.ns.Command("", "nft", "delete", "set", "inet", "filter", "web6")
	l.await("not being ready", func() bool { return !l.Ready() })
	l.ns.Command(ruleset, "nft", "-f", "-")
	l.await("being ready", l.Ready)
}

func TestClientAddress(t *testing.T) {
	for _, tc := range []struct {
		addr net.Addr
		want string
	}{
		{&net.UDPAddr{IP: net.ParseIP("192.0.2.1"), Port: 1}, "192.0.2.1"},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0", Port: 1}, "fe80::1"},
		{&net.UnixAddr{Name: "/run/x"}, "invalid IP"},
		{nil, "invalid IP"},
	} {
		if got := addrOf(tc.addr).String(); got != tc.want {
			t.Errorf("%v: %s", tc.addr, got)
		}
	}
}

// A plugin may hold on to a context or a writer for as long as it likes, so each
// question has its own.
func TestNothingIsUsedTwice(t *testing.T) {
	l := newLab(t, bothFamilies)
	l.reply = &dns.Msg{Answer: []dns.RR{test.A("www.example.com. 60 IN A 198.51.100.1")}}
	answer := l.next
	held := make(map[context.Context]bool)
	l.next = plugin.HandlerFunc(func(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
		held[ctx] = true
		return answer.ServeDNS(ctx, w, r)
	})
	const questions = 3*slabSize + 1
	for range questions {
		if _, _, err := l.through(t.Context(), new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA)); err != nil {
			t.Fatal(err)
		}
	}
	if len(held) != questions {
		t.Errorf("%d questions had %d contexts", questions, len(held))
	}
}

// The cost of a covered answer is what the plugin adds to the next one's.
func BenchmarkServeDNS(b *testing.B) {
	l := newLab(b, bothFamilies)
	r := new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA)
	m := new(dns.Msg).SetReply(r)
	m.Answer = []dns.RR{test.A("www.example.com. 60 IN A 198.51.100.1"), test.A("www.example.com. 60 IN A 198.51.100.2")}
	next := plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, _ *dns.Msg) (int, error) {
		return dns.RcodeSuccess, w.WriteMsg(m)
	})
	l.next = next
	w := &discard{}
	ctx := context.Background()
	b.Run("next", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = plugin.NextOrFailure(directive, next, ctx, w, r)
		}
	})
	b.Run("covered", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = l.ServeDNS(ctx, w, r)
		}
	})
	miss := new(dns.Msg).SetQuestion("www.example.org.", dns.TypeA)
	b.Run("miss", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = l.ServeDNS(ctx, w, miss)
		}
	})
}

type discard struct{ test.ResponseWriter }

func (*discard) WriteMsg(*dns.Msg) error { return nil }
func (*discard) RemoteAddr() net.Addr    { return remote }

var remote = &net.UDPAddr{IP: net.IPv4(192, 0, 2, 9), Port: 53}
