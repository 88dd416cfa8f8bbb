package nftset

import (
	"net/netip"
	"time"

	"github.com/namewall/namewall/internal/control"
	"github.com/namewall/namewall/internal/drops"
	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/nflog"
	"github.com/namewall/namewall/internal/set"
	"github.com/namewall/namewall/internal/told"
)

// joiner finds the name behind each packet. It implements nflog.Sink.
type joiner struct {
	*dropped
	told    *told.Ledger
	reading func()
}

var _ nflog.Sink = (*joiner)(nil)

// Reading implements nflog.Sink.
func (j *joiner) Reading() { j.reading() }

// Lost implements nflog.Sink.
func (j *joiner) Lost(n uint64) {
	j.lost.Add(n)
	droppedLost.Add(float64(n))
}

// Undecoded implements nflog.Sink.
func (j *joiner) Undecoded() {
	j.packets.Add(1)
	droppedPackets.WithLabelValues(causeUndecoded).Inc()
}

// causeUndecoded is the cause of what is no IP, in metrics.
const causeUndecoded = "undecoded"

// Packet implements nflog.Sink.
func (j *joiner) Packet(p nflog.Packet) {
	seen := j.join(p, time.Now())
	j.packets.Add(1)
	droppedPackets.WithLabelValues(seen.Cause).Inc()
	d := j.table.Add(seen)
	j.gate.TellDropped(func() (netip.Addr, string, gate.Drop) {
		return d.From, d.Name, gate.Drop{
			Rule: d.Rule, Addr: seen.Remote, Service: drops.ServiceText(seen.Service), Cause: d.Cause, Text: dropText(&d, "ago"), Inbound: d.Inbound,
		}
	})
}

// join finds the name and the cause.
func (j *joiner) join(p nflog.Packet, now time.Time) drops.Packet {
	inbound := j.inbound(p)
	client, remote := p.Src, p.Dst
	if inbound {
		client, remote = remote, client
	}
	out := drops.Packet{At: now, Remote: remote}
	out.Inbound, out.Client, out.From = inbound, drops.ClientOf(client), client
	if inbound { // it has one address, at which it is to be found
		out.Client = netip.PrefixFrom(client, client.BitLen())
	}
	out.Service = set.Service{Proto: p.Proto, Port: p.DstPort}
	j.find(&out)
	if out.Name == "" {
		out.Address = remote
	}
	if out.Cause == "" {
		out.Cause, out.Since = control.CauseNeverAsked, j.told.Since()
	}
	return out
}

// inbound tells whether a packet is for a client, and not one's own: the end inside
// is the one whose address is of a network of the gateway's, private, or one of
// those who ask here. If that says nothing, the other end is the one that is known
// by a name.
func (j *joiner) inbound(p nflog.Packet) bool {
	from, to := j.inside(p.Src), j.inside(p.Dst)
	if from != to {
		return to
	}
	return !j.named(p.Dst) && j.named(p.Src)
}

func (j *joiner) inside(a netip.Addr) bool {
	return a.IsPrivate() || j.told.Asks(a) || j.own.Contains(a)
}

func (j *joiner) named(a netip.Addr) bool {
	_, ok := j.told.Last(a)
	return ok || len(j.gate.Past(gate.Filter{Addr: a}, 1)) > 0
}

// find fills in what was behind a packet, if anything is known: first what its
// client was told, then what anybody was, then what the gate knows.
func (j *joiner) find(out *drops.Packet) {
	client := out.From
	last, known := j.told.Of(client, out.Remote)
	if !known {
		last, known = j.told.Last(out.Remote)
	}
	if known {
		out.Name, out.Rule = last.Name, last.Rule
		asked(out, last.Client, last.At)
	}
	if j.present(out, known && last.Rule != "") {
		return
	}
	switch {
	case known && last.Rule == "":
		out.Cause = control.CauseNoRule
	case known && last.Fate != gate.Promised:
		out.Cause = last.Fate.String()
	case j.ended(out, known) || !known:
	default:
		out.Cause = control.CauseExpired // longer ago than is remembered
		if falls, opens := j.opens(out.Name, client, out.Service); falls != "" && opens == "" {
			out.Cause = control.CauseOtherService
		}
	}
}

// justNow is how recently an element may have come for the packet to have been
// dropped before: the kernel keeps packets back for a tenth of a second.
const justNow = time.Second

// present tells whether an element lets the packet through now, and did when it was
// dropped, as far as is known. If the name is not settled it is the element's.
func (j *joiner) present(out *drops.Packet, settled bool) bool {
	for _, e := range j.gate.Covering(out.From, out.Remote, out.Service) {
		if e.Held == 0 && !e.Permanent {
			continue
		}
		why := e.Latest(out.From)
		fresh := len(e.Reasons) > 0
		for i := range e.Reasons {
			fresh = fresh && e.Reasons[i].First < justNow
		}
		if fresh && j.ended(out, settled) {
			return true
		}
		if out.Cause = control.CauseInSet; why != nil && !settled {
			j.name(out, why, 0)
		}
		return true
	}
	return false
}

// pastJoined is how many endings of an address are looked at for one that was for
// the packet.
const pastJoined = 32

// ended tells whether an element has ended that would have let the packet through,
// and how. If the name is not settled it is the element's.
func (j *joiner) ended(out *drops.Packet, settled bool) bool {
	for _, e := range j.gate.Past(gate.Filter{Addr: out.Remote}, pastJoined) {
		if !e.Covers(out.From, out.Service) {
			continue
		}
		out.Cause, out.Ended = endings[e.How], out.At.Add(-e.Ago)
		if why := e.Latest(out.From); why != nil && !settled {
			j.name(out, why, e.Ago)
		}
		return true
	}
	return false
}

// name takes the name of a reason, as it was so long ago. What a rule's own lines
// give has none.
func (j *joiner) name(out *drops.Packet, why *gate.Why, ago time.Duration) {
	if out.Rule = why.Rule; why.Name == "" {
		return
	}
	out.Name = why.Name
	asked(out, why.Client, out.At.Add(-ago-why.Last))
}

// asked notes who asked for the name last, and when.
func asked(out *drops.Packet, client netip.Addr, at time.Time) {
	out.Asked, out.AskedBy = at, netip.Addr{}
	if client != out.From {
		out.AskedBy = client
	}
}
