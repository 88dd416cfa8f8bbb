package nftset

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"

	"github.com/namewall/namewall/internal/answer"
	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/rule"
)

// Handler is the plugin of one server block.
type Handler struct {
	next  plugin.Handler
	keys  []string                   // of its server block
	zones []string                   // that this is for
	rules []*rule.Rule               // as the Corefile has them
	block atomic.Pointer[gate.Block] // set before the server listens, and anew when a file of names changes
	count counters

	refused refusals
	ready   atomic.Pointer[process] // nil until then; *ready* may ask earlier
}

// Name implements plugin.Handler.
func (h *Handler) Name() string { return directive }

// Ready implements ready.Readiness. CoreDNS keeps one answer a plugin name,
// whichever server block came last, so it is the whole process's.
func (h *Handler) Ready() bool {
	p := h.ready.Load()
	return p != nil && p.own.Err() == nil && len(p.gate.Problems()) == 0 && p.resolved()
}

// has tells whether the rule stands in the handler's server block.
func (h *Handler) has(r *rule.Rule) bool { return slices.Contains(h.rules, r) }

// questions are the scratch of answers under way.
var questions = sync.Pool{New: func() any { return new(work) }}

// work is what one answer needs while it is in hand.
type work struct {
	gate.Question
	keep      []bool
	exchanges slab[exchange]
	observed  slab[observed]
}

// ServeDNS implements plugin.Handler. A question that no rule is about goes to
// the next plugin as it came. Otherwise the answer is kept back until the gate
// has said which of its addresses may leave.
func (h *Handler) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	if !carriesAddresses(r) {
		return plugin.NextOrFailure(directive, h.next, ctx, w, r)
	}
	growStack(0) // where it hasn't been yet: DoH, DoQ, gRPC
	q := questions.Get().(*work)
	defer questions.Put(q)
	defer q.Reset()
	q.Name = answer.Lower(r.Question[0].Name)
	q.Client = addrOf(w.RemoteAddr())
	block := h.block.Load()
	if !block.Concerns(&q.Question) {
		return plugin.NextOrFailure(directive, h.next, ctx, h.observe(ctx, w, q), r)
	}
	if isSubQuery(ctx) {
		return plugin.NextOrFailure(directive, h.next, ctx, w, r)
	}
	// What the client said of itself is taken now: rewrite changes it in place.
	qtype, client := r.Question[0].Qtype, answer.ClientOf(r)
	asked, wantsAD := r, block.WantsValidated(&q.Question)
	if wantsAD {
		asked = wantingAD(r)
	}
	x := q.exchange(ctx, w)
	rcode, err := plugin.NextOrFailure(directive, h.next, (*marked)(x), x, asked)
	if x.msg == nil {
		return rcode, err // nothing was written: acl drops, forward fails
	}
	q.read(block, x.msg, qtype, wantsAD && validated(r, x.msg))
	out := x.msg
	if len(q.Matches) > 0 {
		var o outcome
		out, o = q.admit(ctx, block, x.msg, client)
		h.count.answer(ctx, q, o)
		h.ready.Load().busy.note(q, o)
		if o != whole {
			now := time.Now()
			h.refused.note(q, now)
			h.ready.Load().recent.note(q, now)
		}
		describe(ctx, q, o)
	}
	if wantsAD && !client.AD {
		out = withoutAD(out)
	}
	werr := w.WriteMsg(out)
	x.msg = nil // its slab may be there for long
	if to := h.inbox(); to != nil && werr == nil {
		if len(q.Matches) > 0 {
			tellWork(to, q)
		} else {
			tellMessage(to, q.Name, q.Client, out)
		}
	}
	return dns.RcodeSuccess, errors.Join(err, werr)
}

// read takes in what the answer m says.
func (q *work) read(block *gate.Block, m *dns.Msg, qtype uint16, validated bool) {
	q.Walk.Read(m, q.Name, qtype)
	q.Validated = validated
	block.Chain(&q.Question)
}

// admit has the gate say what becomes of the answer's addresses, and makes the
// answer that leaves.
func (q *work) admit(ctx context.Context, block *gate.Block, m *dns.Msg, client answer.Client) (*dns.Msg, outcome) {
	block.Admit(ctx, &q.Question)
	return q.decide(m, client)
}

// carriesAddresses tells whether the answer to r can be about names and
// addresses: an ordinary question, of class IN. Zone transfers, updates and
// notifications are other people's business.
func carriesAddresses(r *dns.Msg) bool {
	if r.Opcode != dns.OpcodeQuery || len(r.Question) != 1 {
		return false
	}
	q := r.Question[0]
	return (q.Qclass == dns.ClassINET || q.Qclass == dns.ClassANY) && q.Qtype != dns.TypeAXFR && q.Qtype != dns.TypeIXFR
}

// addrOf is the address of a client, without a zone; invalid if it has none.
func addrOf(a net.Addr) netip.Addr {
	var addr netip.Addr
	switch a := a.(type) {
	case *net.UDPAddr:
		addr, _ = netip.AddrFromSlice(a.IP)
	case *net.TCPAddr:
		addr, _ = netip.AddrFromSlice(a.IP)
	default:
		if a == nil {
			return addr
		}
		if ap, err := netip.ParseAddrPort(a.String()); err == nil {
			addr = ap.Addr().WithZone("")
		}
	}
	return addr.Unmap()
}
