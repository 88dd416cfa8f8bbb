package answer

import (
	"net"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
)

// failer is what testing.T and rapid.T have in common here.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkRead compares what Read says with the oracle.
func checkRead(t failer, w *Walk, m *dns.Msg, qname string, qtype uint16) *oracle {
	t.Helper()
	o := consult(m, qname, qtype)
	w.Read(m, qname, qtype)
	differs := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: got %v, want %v\n%s\n%v", what, got, want, describe(w), m)
		}
	}
	var names []string
	for _, n := range w.Names {
		names = append(names, wire(n))
	}
	differs("names", names, o.names)
	differs("addresses", append([]Addr(nil), w.Addrs...), o.addrs)
	var chain, services []oracleLink
	for _, l := range w.Links {
		link := oracleLink{dns.TypeCNAME, wire(l.Owner), wire(l.Target), uint32(l.TTL / time.Second)}
		switch l.Kind {
		case LinkSVCB:
			link.kind = dns.TypeSVCB
			services = append(services, link)
			continue
		case LinkDNAME:
			link.kind = dns.TypeDNAME
		}
		chain = append(chain, link)
	}
	want := linkSet(o.links)
	for i := range want {
		want[i].ttl = uint32(oracleTTL(want[i].ttl) / time.Second)
	}
	differs("links", linkSet(chain), want)
	differs("services", services, o.services(m))
	differs("stray", w.Stray, o.anyStray)
	differs("broken", w.Broken, o.broken)
	differs("least", w.Least, o.least)
	differs("uneven", w.Uneven, o.uneven)
	differs("signed", w.Signed, o.signed)
	differs("rest", w.Left(nil), o.rest)
	return o
}

// checkShape compares what Shape makes of m with what it promises, record by
// record, sends it, and looks whether m is what it was.
func checkShape(t failer, m *dns.Msg, qname string, qtype uint16, cut Cut) {
	t.Helper()
	var w Walk
	o := checkRead(t, &w, m, qname, qtype)
	before := m.Copy()
	out := w.Shape(m, cut)
	unchanged := func(when string) {
		t.Helper()
		if !reflect.DeepEqual(before, m.Copy()) {
			t.Fatalf("changed %s:\n%v\ninto\n%v", when, before, m)
		}
	}
	unchanged("by Shape")
	want := o.shape(m, cut)
	for _, section := range []struct {
		name string
		got  []dns.RR
		want []string
	}{{"ANSWER", out.Answer, want.answer}, {"AUTHORITY", out.Ns, want.authority}, {"ADDITIONAL", out.Extra, want.additional}} {
		if got := texts(section.got); !slices.Equal(got, section.want) {
			t.Fatalf("%s:\ngot  %q\nwant %q\nof\n%v\n%+v", section.name, got, section.want, m, cut)
		}
	}
	header := m.MsgHdr
	header.AuthenticatedData = want.ad
	header.Rcode = want.rcode
	if out.MsgHdr != header || !slices.Equal(out.Question, m.Question) || out.Compress != m.Compress {
		t.Fatalf("header: got %v %v, want %v %v", out.MsgHdr, out.Question, header, m.Question)
	}
	if out == m {
		return
	}

	// What was shaped needs no shaping.
	var again Walk
	again.Read(out, qname, qtype)
	keep := slices.Repeat([]bool{true}, len(again.Addrs))
	if again.Shape(out, Cut{Keep: keep, Max: cut.Max, Client: cut.Client}) != out {
		t.Fatalf("shaped again: %s", describe(&again))
	}

	sent := send(t, out, cut.Client)
	unchanged("by sending what was shaped")
	if sendable(m) {
		o.checkSent(t, sent, cut)
	}
}

// sendable tells whether a client could read m: miekg/dns packs some records
// without data that it doesn't unpack.
func sendable(m *dns.Msg) bool {
	packed, err := m.Copy().Pack()
	return err == nil && new(dns.Msg).Unpack(packed) == nil
}

// checkSent looks at the message that the client unpacks.
func (o *oracle) checkSent(t failer, sent *dns.Msg, cut Cut) {
	t.Helper()
	packed, err := sent.Pack()
	if err != nil {
		t.Fatalf("can't be packed: %v\n%v", err, sent)
	}
	got := new(dns.Msg)
	if err := got.Unpack(packed); err != nil {
		t.Fatalf("can't be unpacked: %v\n%v", err, sent)
	}
	kept := make(map[netip.Addr]bool)
	for i, a := range o.addrs {
		if i < len(cut.Keep) && cut.Keep[i] {
			kept[a.Addr] = true
		}
	}
	for _, rr := range slices.Concat(got.Answer, got.Ns, got.Extra) {
		addrs, _ := oracleAddrs(rr)
		for _, a := range addrs {
			if !kept[a] {
				t.Fatalf("%v leaves in %v", a, rr)
			}
		}
	}
	opt := got.IsEdns0()
	if (opt != nil) != cut.Client.OPT {
		t.Fatalf("an OPT was sent: %v; was received: %v", cut.Client.OPT, opt)
	}
	if opt != nil && cut.EDE != nil {
		last, ok := opt.Option[len(opt.Option)-1].(*dns.EDNS0_EDE)
		if !ok || *last != *cut.EDE {
			t.Fatalf("EDE: got %v, want %v", opt, cut.EDE)
		}
	}
}

// client takes what is written to it.
type client struct {
	dns.ResponseWriter
	got *dns.Msg
}

func (c *client) RemoteAddr() net.Addr { return &net.UDPAddr{IP: net.IPv4(192, 0, 2, 100), Port: 4242} }

func (c *client) WriteMsg(m *dns.Msg) error {
	c.got = m
	return nil
}

// send writes m to a client as CoreDNS does.
func send(t failer, m *dns.Msg, from Client) *dns.Msg {
	t.Helper()
	req := new(dns.Msg).SetQuestion("question.", dns.TypeA)
	if from.OPT {
		req.SetEdns0(1232, from.DO)
	}
	var c client
	if err := request.NewScrubWriter(req, &c).WriteMsg(m); err != nil {
		t.Fatalf("%v", err)
	}
	return c.got
}
