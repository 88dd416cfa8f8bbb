package gate

import "time"

const (
	// busyCommits is the rate of commits from which on the kernel's collector
	// of expired elements starves: it begins anew after every commit (nf_tables,
	// nft_rhash_gc). At 50 a second it takes seconds, at 200 it never ends.
	busyCommits = 20
	// permanentCheck is how often a permanent element, which never becomes due,
	// is looked at all the same.
	permanentCheck = time.Hour
)

// expire forgets the bindings whose time is over. While commits are so many that
// the kernel can't do that for itself, their elements are deleted, in the
// batches that are sent anyway; otherwise the kernel expires them.
func (g *Gate) expire(now moment, busy bool) {
	for i := range g.shards {
		s := &g.shards[i]
		n := 0
		s.mu.Lock()
		for {
			b, more := s.wheel.turn(now)
			if !more {
				break
			}
			for b != nil {
				next := b.later
				b.later = nil
				if !b.gone {
					g.ripe(s, b, now, busy)
				}
				b = next
				if n++; n%breath == 0 {
					s.mu.Unlock()
					s.mu.Lock()
				}
			}
		}
		s.mu.Unlock()
	}
}

// ripe decides about a binding whose bucket was reached. It is kept for as long
// as the kernel has its element, so that nobody takes the key for new. The shard
// is locked.
func (g *Gate) ripe(s *shard, b *binding, now moment, busy bool) {
	due := b.due()
	end := due
	if b.own {
		end += kernelExtra
	}
	switch {
	case due == forever:
		s.wheel.add(b, now+permanentCheck)
	case due > now:
		s.wheel.add(b, due)
	case b.busy():
		s.wheel.add(b, now)
	case end <= now:
		g.drop(s, b)
	default:
		if busy { // it is our own: end is later than due
			g.queue.delete(write{binding: b, epoch: b.epoch})
		}
		s.wheel.add(b, end)
	}
}

// forget drops the bindings of sets that no rule feeds any more.
func (g *Gate) forget() {
	g.each(func(b *binding) bool { return !b.set.forgotten.Load() })
}
