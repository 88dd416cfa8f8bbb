package gate

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/namewall/namewall/internal/conntrack"
	"github.com/namewall/namewall/internal/set"
)

// doomed are flows whose elements have been deleted, and whose connections are
// to be ended.
type doomed struct {
	mu    sync.Mutex                      // guards flows; taken after a shard's
	flows map[*dismissal][]conntrack.Flow // by who is to hear of it; nil: nobody

	tries atomic.Int32 // that failed in a row
}

func (d *doomed) add(by *dismissal, flows ...conntrack.Flow) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.flows == nil {
		d.flows = make(map[*dismissal][]conntrack.Flow)
	}
	d.flows[by] = append(d.flows[by], flows...)
}

func (d *doomed) take() map[*dismissal][]conntrack.Flow {
	d.mu.Lock()
	defer d.mu.Unlock()
	flows := d.flows
	d.flows = nil
	return flows
}

// killTries is how often it is tried to end connections before it is given up.
const killTries = 3

// kill ends the connections of what was revoked, beside the keeper: a table of
// connections is large, and no set may have to wait for it.
func (k *keeper) kill() {
	for by, flows := range k.doomed.take() {
		k.killOf(by, flows)
	}
}

// killOf ends the connections of flows, and tells by of it.
func (k *keeper) killOf(by *dismissal, flows []conntrack.Flow) {
	all := len(flows)
	if flows = k.spare(flows); len(flows) == 0 {
		by.killed(all, 0, nil)
		return
	}
	session := k.session.Load()
	if session == nil {
		by.killed(all-len(flows), 0, nil)
		k.doomed.add(by, flows...)
		return
	}
	k.done.Go(func() {
		n, err := session.Kill(flows)
		k.watch.Killed(n)
		switch {
		case err == nil:
			k.doomed.tries.Store(0)
			k.log.Infof("ended %d connections of %d revoked elements", n, len(flows))
		case k.doomed.tries.Add(1) < killTries && !errors.Is(err, conntrack.ErrUnavailable):
			by.killed(all-len(flows), n, nil)
			k.doomed.add(by, flows...) // for the next tick
			return
		default:
			k.doomed.tries.Store(0)
			k.log.Errorf("connections of %d revoked elements go on, only %d were ended: %v", len(flows), n, err)
		}
		by.killed(all, n, err)
	})
}

// spare leaves out the flows that another element lets through, whoever has put
// it there.
func (k *keeper) spare(flows []conntrack.Flow) []conntrack.Flow {
	flows = k.outsideRanges(flows)
	at := make(map[netip.Addr][]int, len(flows))
	for n, f := range flows {
		at[f.Addr] = append(at[f.Addr], n)
	}
	spared := make([]bool, len(flows))
	holes := make(map[int][]set.Span) // in flows of many addresses
	now := k.now()
	k.each(func(b *binding) bool {
		if b.ending == notEnding && (b.until > now || b.holds(b.set.state.Load().epoch) > now) {
			b.pierce(flows, holes)
			for _, n := range at[b.addr()] {
				spared[n] = spared[n] || b.lets(flows[n])
			}
		}
		return true
	})
	var left []conntrack.Flow
	for n, f := range flows {
		if !spared[n] {
			left = append(left, without(f, holes[n])...)
		}
	}
	return left
}

// outsideRanges leaves out what interval sets let through.
func (k *keeper) outsideRanges(flows []conntrack.Flow) []conntrack.Flow {
	for _, ks := range k.known() {
		for _, e := range ks.entries(k.now()) {
			if !e.Permanent {
				continue // nothing is known of the set
			}
			var left []conntrack.Flow
			for _, f := range flows {
				if letsService(e.Service, f.Service) {
					left = append(left, without(f, []set.Span{e.Span()})...)
				} else {
					left = append(left, f)
				}
			}
			flows = left
		}
	}
	return flows
}

// without is what is left of a flow when addresses are taken out of it.
func without(f conntrack.Flow, spans []set.Span) (left []conntrack.Flow) {
	if len(spans) == 0 {
		return []conntrack.Flow{f}
	}
	last := f.Last
	if !last.IsValid() {
		last = f.Addr
	}
	same := slices.DeleteFunc(slices.Clone(spans), func(s set.Span) bool { return s.First.Is6() != f.Addr.Is6() })
	for _, s := range set.Subtract([]set.Span{{First: f.Addr, Last: last}}, same) {
		one := f
		if one.Addr = s.First; f.Last.IsValid() {
			one.Last = s.Last
		}
		left = append(left, one)
	}
	return left
}

// pierce notes for each flow of many addresses that the binding's element lets its
// own one through.
func (b *binding) pierce(flows []conntrack.Flow, holes map[int][]set.Span) {
	own := b.flow()
	for n, f := range flows {
		if f.Last.IsValid() && !own.Client.IsValid() && letsService(own.Service, f.Service) && (set.Span{First: f.Addr, Last: f.Last}).Contains(own.Addr) {
			holes[n] = append(holes[n], set.Span{First: own.Addr, Last: own.Addr})
		}
	}
}

// letsService tells whether what lets own through lets all of a flow's service
// through.
func letsService(own, flow set.Service) bool {
	return (own.Port == 0 || own.Port == flow.Port) && (own.Proto == 0 || own.Proto == flow.Proto)
}

// lets tells whether the binding's element lets all of a flow through.
func (b *binding) lets(f conntrack.Flow) bool {
	own := b.flow()
	return own.Addr == f.Addr && !f.Last.IsValid() && (!own.Client.IsValid() || own.Client == f.Client) && letsService(own.Service, f.Service)
}

// flow is what the binding's element lets through.
func (b *binding) flow() conntrack.Flow {
	p := b.part()
	return conntrack.Flow{Addr: p.addr, Client: p.client, Service: p.service}
}
