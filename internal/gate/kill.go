package gate

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/namewall/namewall/internal/conntrack"
)

// doomed are flows whose elements have been deleted, and whose connections are
// to be ended.
type doomed struct {
	mu    sync.Mutex // guards flows; taken after a shard's
	flows []conntrack.Flow

	tries atomic.Int32 // that failed in a row
}

func (d *doomed) add(flows ...conntrack.Flow) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.flows = append(d.flows, flows...)
}

func (d *doomed) take() []conntrack.Flow {
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
	flows := k.doomed.take()
	if len(flows) == 0 {
		return
	}
	if flows = k.spare(flows); len(flows) == 0 {
		return
	}
	session := k.session.Load()
	if session == nil {
		k.doomed.add(flows...)
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
			k.doomed.add(flows...) // for the next tick
		default:
			k.doomed.tries.Store(0)
			k.log.Errorf("connections of %d revoked elements go on, only %d were ended: %v", len(flows), n, err)
		}
	})
}

// spare leaves out the flows that another element lets through, whoever has put
// it there.
func (k *keeper) spare(flows []conntrack.Flow) []conntrack.Flow {
	at := make(map[netip.Addr][]int, len(flows))
	for n, f := range flows {
		at[f.Addr] = append(at[f.Addr], n)
	}
	spared := make([]bool, len(flows))
	now := k.now()
	k.each(func(b *binding) bool {
		if b.ending == notEnding && (b.until > now || b.holds(b.set.state.Load().epoch) > now) {
			for _, n := range at[b.addr()] {
				spared[n] = spared[n] || b.lets(flows[n])
			}
		}
		return true
	})
	n := -1
	return slices.DeleteFunc(flows, func(conntrack.Flow) bool {
		n++
		return spared[n]
	})
}

// lets tells whether the binding's element lets all of a flow through.
func (b *binding) lets(f conntrack.Flow) bool {
	own := b.flow()
	return own.Addr == f.Addr && (!own.Client.IsValid() || own.Client == f.Client) &&
		(own.Service.Port == 0 || own.Service.Port == f.Service.Port) &&
		(own.Service.Proto == 0 || own.Service.Proto == f.Service.Proto)
}

// flow is what the binding's element lets through.
func (b *binding) flow() conntrack.Flow {
	p := b.part()
	return conntrack.Flow{Addr: p.addr, Client: p.client, Service: p.service}
}
