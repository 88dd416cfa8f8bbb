package gate

import (
	"net/netip"

	"github.com/namewall/namewall/internal/set"
)

// Covering returns what is known of the elements that are for a packet between a
// client and an address, in the configured sets. It looks at no others.
func (g *Gate) Covering(client, addr netip.Addr, s set.Service) (found []Entry) {
	now := g.now()
	for ks := range g.configuredSets() {
		if ks.ranges != nil {
			found = append(found, ks.covering(addr, s, now)...)
			continue
		}
		st := ks.state.Load()
		if !st.known || !st.layout.Fits(client, addr) {
			continue
		}
		at := ks.slot(st.layout.Key(client, addr, s), st.layout)
		shard, h := g.locate(&at)
		shard.mu.Lock()
		if b := shard.find(h, &at); b != nil {
			found = append(found, b.entry(now))
		}
		shard.mu.Unlock()
	}
	return found
}

// covering are the entries of an interval set that are for an address and service.
func (ks *kernelSet) covering(addr netip.Addr, s set.Service, now moment) (found []Entry) {
	open := ks.ranges.open.Load()
	for _, service := range []set.Service{{}, {Port: s.Port}, s} {
		if at, ok := open.find(service, addr); ok {
			found = append(found, ks.entry(open.spans[at], now))
		}
	}
	return found
}

// Covers tells whether the element was for a packet between a client and Addr.
func (e *Entry) Covers(client netip.Addr, s set.Service) bool {
	return (!e.Layout.Pair || e.Client == client) && (!e.Layout.Port || e.Service.Port == s.Port) &&
		(!e.Layout.Proto || e.Service.Proto == s.Proto)
}

// Latest is the reason of a client's, or if it has none anybody's, that was asked
// for last; nil if there is no reason.
func (e *Entry) Latest(client netip.Addr) (last *Why) {
	for i := range e.Reasons {
		w := &e.Reasons[i]
		if last == nil || w.Client == client && last.Client != client || (w.Client == client) == (last.Client == client) && w.Last < last.Last {
			last = w
		}
	}
	return last
}
