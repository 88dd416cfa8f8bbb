package gate

import (
	"hash/maphash"
	"net/netip"
	"sync"

	"github.com/namewall/namewall/internal/set"
)

// slot names one element: a key in a set. It has no holes, so that it is hashed
// and compared in one go.
type slot struct {
	key  set.Key
	zero [3]uint8
	set  uint32 // kernelSet.number
}

// binding is the promise that a key is in a set until a deadline. Its shard's
// mutex guards it.
type binding struct {
	set    *kernelSet
	layout set.Layout

	until moment // what clients were promised; 0: nothing yet
	held  moment // the kernel holds the element until then, forever: permanent; 0: it doesn't
	epoch uint32 // the life of the set in which held was true

	// The write that is on its way, nil if there is none, and what it promises.
	batch   *batch
	index   int32
	writing moment

	reasons []reason
}

// holds tells until when the kernel holds the element in this life of the set.
func (b *binding) holds(epoch uint32) moment {
	if b.epoch != epoch {
		return 0
	}
	return b.held
}

// shardCount spreads answers over locks: many more than cores, so that two
// answers seldom meet.
const shardCount = 64

type shard struct {
	mu       sync.Mutex // guards bindings and what they point to
	bindings map[slot]*binding
	_        [48]byte // keeps neighbours off one cache line
}

func (g *Gate) shard(s slot) *shard {
	return &g.shards[maphash.Comparable(g.seed, s)%shardCount]
}

// breath is how many bindings a walk looks at before it lets go of a shard: a
// few microseconds, which is all that an answer may wait for one.
const breath = 64

// each calls visit for every binding, with its shard locked, and lets answers
// in between. A binding that comes or goes meanwhile may be missed. visit
// returning false removes the binding.
func (g *Gate) each(visit func(slot, *binding) (keep bool)) {
	for i := range g.shards {
		s := &g.shards[i]
		n := 0
		s.mu.Lock()
		for at, b := range s.bindings {
			if !visit(at, b) {
				g.drop(s, at, b)
			}
			if n++; n%breath == 0 {
				s.mu.Unlock()
				s.mu.Lock()
			}
		}
		s.mu.Unlock()
	}
}

// create makes room for a key. If a budget is reached it tells which fate that
// means for a newcomer. The shard is locked.
func (g *Gate) create(s *shard, at slot, ks *kernelSet, layout set.Layout) (*binding, Fate) {
	if g.bindings.Load() >= maxBindings {
		return nil, Full
	}
	if client, pair := pairOf(layout, at.key); pair && !g.pairs.take(client) {
		return nil, Limit
	}
	b := &binding{set: ks, layout: layout}
	s.bindings[at] = b
	g.bindings.Add(1)
	ks.used.Add(1)
	return b, Unjudged
}

// drop forgets a binding that promises nothing. The shard is locked.
func (g *Gate) drop(s *shard, at slot, b *binding) {
	delete(s.bindings, at)
	g.bindings.Add(-1)
	b.set.used.Add(-1)
	if client, pair := pairOf(b.layout, at.key); pair {
		g.pairs.give(client)
	}
}

// pairOf is the client of a key of pairs.
func pairOf(layout set.Layout, key set.Key) (netip.Addr, bool) {
	if !layout.Pair {
		return netip.Addr{}, false
	}
	client, _, _, ok := layout.Split(key)
	return client, ok
}

// addr is the address of the remote service in a binding's key.
func (b *binding) addr(at slot) netip.Addr {
	_, addr, _, _ := b.layout.Split(at.key)
	return addr
}
