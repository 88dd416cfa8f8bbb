package nftset

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/told"
)

// observed is the writer of an answer that no rule is about, while it matters what
// clients are told. The answer is written as it comes; what it says is noted
// afterwards. Plugins may hold on to writers, so none is used twice.
type observed struct {
	dns.ResponseWriter
	to     *told.Inbox
	name   string
	client netip.Addr
}

// observe is w, or a writer in its place if it matters what clients are told.
func (h *Handler) observe(ctx context.Context, w dns.ResponseWriter, q *work) dns.ResponseWriter {
	to := h.inbox()
	if to == nil || isSubQuery(ctx) {
		return w
	}
	o := q.observed.take()
	o.ResponseWriter, o.to, o.name, o.client = w, to, q.Name, q.Client
	return o
}

// inbox takes what clients are told, nil if it doesn't matter.
func (h *Handler) inbox() *told.Inbox {
	p := h.ready.Load()
	if p == nil {
		return nil
	}
	return p.drops.inbox.Load()
}

// WriteMsg implements dns.ResponseWriter.
func (o *observed) WriteMsg(m *dns.Msg) error {
	err := o.ResponseWriter.WriteMsg(m)
	if err == nil {
		tellMessage(o.to, o.name, o.client, m)
	}
	return err
}

// Write implements io.Writer.
func (o *observed) Write(b []byte) (int, error) {
	n, err := o.ResponseWriter.Write(b)
	if m := new(dns.Msg); err == nil && m.Unpack(b) == nil {
		tellMessage(o.to, o.name, o.client, m)
	}
	return n, err
}

// tellMessage notes the addresses of an answer that no rule is about.
func tellMessage(to *told.Inbox, name string, client netip.Addr, m *dns.Msg) {
	t := teller{to: to, Answer: told.Answer{Client: client, Name: name}}
	for _, rrs := range [...][]dns.RR{m.Answer, m.Extra} {
		for _, rr := range rrs {
			switch rr := rr.(type) {
			case *dns.A:
				t.ip(rr.A, rr.Hdr.Ttl)
			case *dns.AAAA:
				t.ip(rr.AAAA, rr.Hdr.Ttl)
			case *dns.HTTPS:
				t.hints(&rr.SVCB)
			case *dns.SVCB:
				t.hints(rr)
			}
		}
	}
	t.end()
}

// tellWork notes what has become of an answer that rules are about.
func tellWork(to *told.Inbox, q *work) {
	t := teller{to: to, Answer: told.Answer{Client: q.Client, Name: q.Name, Rule: q.Matches[0].Rule.Name}}
	for i, fate := range q.Fates {
		rule := q.Matches[0].Rule.Name
		for _, c := range q.Causes {
			if c.Fate == fate && c.Rule != nil {
				rule = c.Rule.Name
			}
		}
		if rule != t.Rule {
			t.end()
			t.Rule = rule
		}
		t.add(q.Walk.Addrs[i].Addr, uint32(q.Walk.Addrs[i].TTL/time.Second), fate)
	}
	t.end()
}

// teller hands over the addresses of an answer, a few at a time.
type teller struct {
	to *told.Inbox
	told.Answer
}

func (t *teller) add(a netip.Addr, ttl uint32, fate gate.Fate) {
	if !t.Add(a, ttl, fate) {
		t.end()
		t.Add(a, ttl, fate)
	}
}

func (t *teller) ip(ip net.IP, ttl uint32) {
	if a, ok := netip.AddrFromSlice(ip); ok {
		t.add(a.Unmap(), ttl, gate.Unjudged)
	}
}

func (t *teller) hints(rr *dns.SVCB) {
	for _, v := range rr.Value {
		var ips []net.IP
		switch v := v.(type) {
		case *dns.SVCBIPv4Hint:
			ips = v.Hint
		case *dns.SVCBIPv6Hint:
			ips = v.Hint
		}
		for _, ip := range ips {
			t.ip(ip, rr.Hdr.Ttl)
		}
	}
}

// end hands over what there is.
func (t *teller) end() {
	if !t.Empty() {
		t.to.Give(&t.Answer)
		t.Clear()
	}
}
