package gate

import "sync"

// shardCount spreads answers over locks: many more than cores, so that two
// answers seldom meet.
const shardCount = 64

// shard is a part of the table of bindings. Keys are long, so a binding is
// found by its key's hash and has the key itself.
type shard struct {
	mu    sync.Mutex // guards what follows, and what it points to
	index index[binding]
	wheel wheel
}

// locate finds the shard of a slot, and its hash there.
func (g *Gate) locate(at *slot) (*shard, uint64) {
	h := at.hash(g.seed)
	return &g.shards[h%shardCount], h
}

// find returns the binding of a slot, nil if there is none. The shard is locked.
func (s *shard) find(h uint64, at *slot) *binding {
	x := &s.index
	for i := x.from(h); i < len(x.places) && x.places[i].hash == h; i++ {
		if b := x.places[i].v; b != nil && b.at == *at {
			return b
		}
	}
	return nil
}

// put adds a binding, to be looked at when it is due. The shard is locked.
func (s *shard) put(h uint64, b *binding, due moment) {
	s.index.put(h, b)
	s.wheel.add(b, due)
}

// remove takes a binding out. The wheel lets go of it in its own time. The
// shard is locked.
func (s *shard) remove(h uint64, b *binding) {
	b.gone = true
	s.index.remove(h, b)
}

// soon is when a binding is to be looked at of which it is not known how long it
// lives.
const soon moment = 0

// create makes room for a slot, whose binding is looked at when it is due. If a
// budget is reached it tells which fate that means for a newcomer. The shard is
// locked.
func (g *Gate) create(s *shard, h uint64, at *slot, ks *kernelSet, due moment) (*binding, Fate) {
	if g.full(0) {
		return nil, Budget
	}
	if client, pair := at.pair(); pair && !g.pairs.take(client) {
		return nil, Limit
	}
	b := &binding{at: *at, set: ks}
	b.reasons = b.first[:0]
	s.put(h, b, due)
	g.bindings.Add(1)
	ks.used.Add(1)
	return b, Unjudged
}

// full tells whether there is no room for another binding after so many more.
func (g *Gate) full(more int) bool { return g.bindings.Load()+int64(more) >= maxBindings }

// drop forgets a binding. The shard is locked.
func (g *Gate) drop(s *shard, b *binding) {
	g.remember(b)
	b.dismissed.close(1)
	s.remove(b.at.hash(g.seed), b)
	g.bindings.Add(-1)
	b.set.used.Add(-1)
	if client, pair := b.at.pair(); pair {
		g.pairs.give(client)
	}
}

// breath is how many bindings a walk looks at before it lets go of a shard: a
// few microseconds, which is all that an answer may wait for one.
const breath = 64

// each calls visit for every binding, with its shard locked, and lets answers
// in between. A binding that comes or goes meanwhile may be missed; no other is, and
// none is met twice. visit returning false forgets the binding.
func (g *Gate) each(visit func(*binding) (keep bool)) {
	for i := range g.shards {
		s := &g.shards[i]
		for next, more := uint64(0), true; more; {
			s.mu.Lock()
			next, more = s.index.walk(next, breath, func(_ uint64, b *binding) {
				if !visit(b) {
					g.drop(s, b)
				}
			})
			s.mu.Unlock()
		}
	}
}
