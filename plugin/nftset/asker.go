package nftset

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	clog "github.com/coredns/coredns/plugin/pkg/log"
	"github.com/miekg/dns"
)

// asker asks questions of the gateway's own, of the plugins below a handler:
// rewrite, cache and forward see them as they see a client's, and what stands
// above, or belongs to the server, doesn't.
//
// It has a server of its own around them, which listens nowhere. Plugins that
// look something up themselves (dns64, file) ask the server that they find in the
// context, and one that panics is caught there.
type asker struct{ server *dnsserver.Server }

// ownServer is what metrics call the server of the gateway's own questions.
const ownServer = directive

func newAsker(h *Handler) (*asker, error) {
	server, err := dnsserver.NewServer(ownServer, []*dnsserver.Config{{
		Zone:   ".",
		Debug:  clog.D.Value(), // a server without it switches *debug* off
		Plugin: []plugin.Plugin{func(plugin.Handler) plugin.Handler { return below{h} }},
	}})
	return &asker{server}, err
}

// below is what comes after a handler, as a plugin.
type below struct{ *Handler }

// ServeDNS implements plugin.Handler.
func (b below) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	return plugin.NextOrFailure(directive, b.next, ctx, w, r)
}

var errNoAnswer = errors.New("no answer")

// ask asks for name, and again as if over TCP if the answer was truncated. Not
// over TCP at once, because forward then uses TCP too, and the resolver behind it
// may have few connections to give (Unbound's incoming-num-tcp is 10).
//
// The plugins below take client for who asks; if that is invalid, it is the
// gateway itself.
func (a *asker) ask(ctx context.Context, name string, qtype uint16, client netip.Addr) (*dns.Msg, error) {
	ctx = context.WithValue(ctx, dnsserver.Key{}, a.server)
	ctx = context.WithValue(ctx, dnsserver.LoopKey{}, 0)
	for _, over := range []string{"udp", "tcp"} {
		q := ownQuestion(name, qtype)
		w := newOwnWriter(over, qtype, client)
		a.server.ServeDNS(ctx, w, q)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case w.msg == nil:
			return nil, errNoAnswer // acl drops
		case !w.msg.Truncated:
			return w.msg, nil
		}
	}
	return nil, errTruncated
}

// ownQuestion is a question as the gateway asks it.
func ownQuestion(name string, qtype uint16) *dns.Msg {
	q := new(dns.Msg).SetQuestion(name, qtype).SetEdns0(udpPayload, false)
	q.AuthenticatedData = true // see wantingAD
	return q
}

var errTruncated = errors.New("truncated over TCP")

// udpPayload is what resolvers announce, as no path fragments it (DNS flag day
// 2020).
const udpPayload = 1232

// ownWriter is the client of a question of the gateway's own, unless it is said
// who is: a loopback address of the family that is asked for, as dns64 synthesises
// for IPv6 clients alone.
type ownWriter struct {
	addr net.Addr
	msg  *dns.Msg
}

var _ dns.ResponseWriter = (*ownWriter)(nil)

func newOwnWriter(network string, qtype uint16, client netip.Addr) *ownWriter {
	ip := net.IPv4(127, 0, 0, 1)
	switch {
	case client.IsValid():
		ip = client.AsSlice()
	case qtype == dns.TypeAAAA:
		ip = net.IPv6loopback
	}
	if network == "tcp" {
		return &ownWriter{addr: &net.TCPAddr{IP: ip}}
	}
	return &ownWriter{addr: &net.UDPAddr{IP: ip}}
}

// WriteMsg implements dns.ResponseWriter: it keeps the message.
func (w *ownWriter) WriteMsg(m *dns.Msg) error {
	w.msg = m
	return nil
}

// Write implements dns.ResponseWriter.
func (w *ownWriter) Write(b []byte) (int, error) {
	m := new(dns.Msg)
	if err := m.Unpack(b); err != nil {
		return 0, err
	}
	w.msg = m
	return len(b), nil
}

// LocalAddr implements dns.ResponseWriter.
func (w *ownWriter) LocalAddr() net.Addr { return w.addr }

// RemoteAddr implements dns.ResponseWriter.
func (w *ownWriter) RemoteAddr() net.Addr { return w.addr }

// Close implements dns.ResponseWriter.
func (w *ownWriter) Close() error { return nil }

// TsigStatus implements dns.ResponseWriter.
func (w *ownWriter) TsigStatus() error { return nil }

// TsigTimersOnly implements dns.ResponseWriter.
func (w *ownWriter) TsigTimersOnly(bool) {}

// Hijack implements dns.ResponseWriter.
func (w *ownWriter) Hijack() {}
