package answer

import (
	"fmt"
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

// services are the links of the SVCB and HTTPS records at the chain's end.
func (o *oracle) services(m *dns.Msg) []oracleLink {
	var links []oracleLink
	end := o.names[len(o.names)-1]
	for i, rr := range m.Answer {
		if _, asked := o.index[i]; !asked {
			continue
		}
		var target string
		switch rr := rr.(type) {
		case *dns.HTTPS:
			target = wire(rr.Target)
		case *dns.SVCB:
			target = wire(rr.Target)
		}
		if target != "" && target != "\x00" && target != end {
			ttl := uint32(oracleTTL(rr.Header().Ttl) / time.Second)
			links = append(links, oracleLink{dns.TypeSVCB, end, target, ttl})
		}
	}
	return links
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

	packed, packErr := m.Copy().Pack()
	sent := send(t, out, cut.Client)
	unchanged("by sending what was shaped")
	if packErr == nil && len(packed) > 0 {
		o.checkSent(t, sent, cut)
	}
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

// shaped is the oracle's idea of a shaped message.
type shaped struct {
	answer, authority, additional []string
	ad                            bool
	rcode                         int
}

func (o *oracle) kept(cut Cut, i int) bool { return i < len(cut.Keep) && cut.Keep[i] }

// shape renders the sections that should be left.
func (o *oracle) shape(m *dns.Msg, cut Cut) shaped {
	if o.fits(m, cut) {
		return shaped{texts(m.Answer), texts(m.Ns), texts(m.Extra), m.AuthenticatedData, m.Rcode}
	}
	limit := o.least
	if cut.Max > 0 {
		limit = min(limit, cut.Max)
	}
	trimmed, dropped := o.losses(m, cut)
	out := shaped{ad: m.AuthenticatedData, rcode: m.Rcode}
	left := o.rest
	for i, rr := range m.Answer {
		if o.stray[i] {
			continue
		}
		h := rr.Header()
		rr = dns.Copy(rr)
		if first, asked := o.index[i]; asked {
			if h.Rrtype < dns.TypeSVCB && !o.kept(cut, first) {
				continue
			}
			left = true
			setValues(rr, o.values(rr, cut, first))
		}
		capped := o.chain[i]
		if sig, ok := rr.(*dns.RRSIG); ok && slices.Contains(oracleTypes, sig.TypeCovered) {
			switch mine := o.atEnd(h) && o.asks(m, sig.TypeCovered); {
			case mine && trimmed[sig.TypeCovered], !mine && dropped[sig.TypeCovered]:
				continue
			default:
				capped = mine
			}
		} else if ok {
			capped = o.covers(m, sig)
		}
		if capped && time.Duration(h.Ttl)*time.Second > limit {
			rr.Header().Ttl = uint32(limit / time.Second)
		}
		out.answer = append(out.answer, rr.String())
	}
	if left || len(out.answer) == len(m.Answer) {
		out.authority = o.others(m.Ns)
	}
	out.ad = out.ad && len(trimmed) == 0 && len(out.answer) == len(m.Answer) && len(out.authority) == len(m.Ns)
	out.additional = o.extra(m, cut)
	if out.rcode > 15 && (!cut.Client.OPT || m.IsEdns0() == nil && cut.EDE == nil) {
		out.rcode = dns.RcodeServerFailure
	}
	return out
}

// asks tells whether the question was for records of the type. Every question
// that asks for addresses and every record that was asked for is known here
// only by the message's question.
func (o *oracle) asks(m *dns.Msg, rrtype uint16) bool {
	return m.Question[0].Qtype == rrtype || m.Question[0].Qtype == dns.TypeANY
}

func (o *oracle) fits(m *dns.Msg, cut Cut) bool {
	for i := range o.addrs {
		if !o.kept(cut, i) {
			return false
		}
	}
	return !o.anyStray && !o.uneven && (cut.Max == 0 || o.least <= cut.Max) && (cut.EDE == nil || !cut.Client.OPT)
}

// losses are the types that lose something at the chain's end, and elsewhere.
func (o *oracle) losses(m *dns.Msg, cut Cut) (trimmed, dropped map[uint16]bool) {
	trimmed, dropped = make(map[uint16]bool), make(map[uint16]bool)
	for t := range o.bad {
		trimmed[t] = true
	}
	for i, first := range o.index {
		addrs, bad := oracleAddrs(m.Answer[i])
		if bad && m.Answer[i].Header().Rrtype < dns.TypeSVCB {
			continue
		}
		for j := range addrs {
			if !o.kept(cut, first+j) {
				trimmed[m.Answer[i].Header().Rrtype] = true
			}
		}
	}
	for i := range o.stray {
		if _, asked := o.index[i]; !asked {
			dropped[m.Answer[i].Header().Rrtype] = true
		}
	}
	return trimmed, dropped
}

// values are a service's parameters without the hints that are cut.
func (o *oracle) values(rr dns.RR, cut Cut, next int) []dns.SVCBKeyValue {
	alias := false
	switch rr := rr.(type) {
	case *dns.HTTPS:
		alias = rr.Priority == 0
	case *dns.SVCB:
		alias = rr.Priority == 0
	}
	some := func(ips []net.IP) (left []net.IP) {
		for _, ip := range ips {
			if !alias {
				if o.kept(cut, next) {
					left = append(left, ip)
				}
				next++
			}
		}
		return left
	}
	gone := make(map[dns.SVCBKey]bool)
	var values []dns.SVCBKeyValue
	for _, kv := range oracleValues(rr) {
		switch kv := kv.(type) {
		case *dns.SVCBIPv4Hint:
			if left := some(kv.Hint); left != nil {
				values = append(values, &dns.SVCBIPv4Hint{Hint: left})
				continue
			}
			gone[kv.Key()] = true
		case *dns.SVCBIPv6Hint:
			if left := some(kv.Hint); left != nil {
				values = append(values, &dns.SVCBIPv6Hint{Hint: left})
				continue
			}
			gone[kv.Key()] = true
		default:
			values = append(values, kv)
		}
	}
	for i, kv := range values {
		mandatory, ok := kv.(*dns.SVCBMandatory)
		if !ok || len(gone) == 0 {
			continue
		}
		var codes []dns.SVCBKey
		for _, c := range mandatory.Code {
			if !gone[c] {
				codes = append(codes, c)
			}
		}
		if codes == nil {
			return slices.Delete(values, i, i+1)
		}
		values[i] = &dns.SVCBMandatory{Code: codes}
	}
	return values
}

func setValues(rr dns.RR, values []dns.SVCBKeyValue) {
	switch rr := rr.(type) {
	case *dns.HTTPS:
		rr.Value = values
	case *dns.SVCB:
		rr.Value = values
	}
}

// others are the records of a section that no question asks for.
func (o *oracle) others(section []dns.RR) []string {
	gone := make(map[uint16]bool)
	for _, rr := range section {
		if oracleHolds(rr) {
			gone[rr.Header().Rrtype] = true
		}
	}
	var left []string
	for _, rr := range section {
		sig, ok := rr.(*dns.RRSIG)
		if !oracleHolds(rr) && !(ok && gone[sig.TypeCovered]) {
			left = append(left, rr.String())
		}
	}
	return left
}

// extra is ADDITIONAL: its records, one OPT, and the TSIG.
func (o *oracle) extra(m *dns.Msg, cut Cut) []string {
	records := slices.DeleteFunc(slices.Clone(m.Extra), func(rr dns.RR) bool {
		return rr.Header().Rrtype == dns.TypeOPT || rr.Header().Rrtype == dns.TypeTSIG
	})
	out := o.others(records)
	if cut.Client.OPT {
		opt := m.Copy().IsEdns0()
		if opt == nil && cut.EDE != nil {
			opt = &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
		}
		if opt != nil {
			opt.Hdr.Ttl = 0 // extended rcode, version and flags
			opt.Hdr.Name = "."
			opt.SetDo(cut.Client.DO)
		}
		if opt != nil && cut.EDE != nil {
			opt.Option = append(opt.Option, cut.EDE)
		}
		if opt != nil {
			out = append(out, opt.String())
		}
	}
	if tsig := m.IsTsig(); tsig != nil {
		out = append(out, tsig.String())
	}
	return out
}

func texts(section []dns.RR) []string {
	var out []string
	for _, rr := range section {
		out = append(out, fmt.Sprint(rr))
	}
	return out
}
