package gate

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/miekg/dns"
)

// targetTable knows which names the answers of matched names led to. A resolver
// below us that holds such a link asks for its target alone, and an SVCB record
// sends its client there: for as long as the link may be held, the target
// counts as the name that led to it.
type targetTable struct {
	seed   maphash.Seed
	shards [shardCount]targetShard
	// below has the targets of DNAMEs, where every name below one stands for
	// the name below the DNAME's owner. There are few or none.
	below struct {
		mu    sync.RWMutex // guards links
		links map[string][]origin
		any   atomic.Bool
	}
	count atomic.Int64 // links in all
}

type targetShard struct {
	mu    sync.RWMutex // guards links
	links map[string][]origin
}

// origin is a name that leads to a target, for a DNAME the one that its target
// replaces.
type origin struct {
	name  string
	until moment
}

// maxOrigins bounds the origins of one target. Names in their thousands share
// one CDN's edge, and any of them that lives will do.
const maxOrigins = 16

func (t *targetTable) init() {
	t.seed = maphash.MakeSeed()
	for i := range t.shards {
		t.shards[i].links = make(map[string][]origin)
	}
	t.below.links = make(map[string][]origin)
}

func (t *targetTable) shard(name string) *targetShard {
	return &t.shards[maphash.String(t.seed, name)%shardCount]
}

// learn notes that origin leads to target until then.
func (t *targetTable) learn(target string, o origin, now moment) {
	s := t.shard(target)
	s.mu.Lock()
	defer s.mu.Unlock()
	t.put(s.links, target, o, now)
}

// learnBelow notes that every name below the DNAME owner leads to the same name
// below target.
func (t *targetTable) learnBelow(target string, o origin, now moment) {
	t.below.mu.Lock()
	defer t.below.mu.Unlock()
	t.put(t.below.links, target, o, now)
	t.below.any.Store(true)
}

// put adds a link or makes it longer. Its lock is held.
func (t *targetTable) put(links map[string][]origin, target string, o origin, now moment) {
	all := links[target]
	first := 0
	for i := range all {
		if all[i].name == o.name {
			all[i].until = max(all[i].until, o.until)
			return
		}
		if all[i].until < all[first].until {
			first = i
		}
	}
	switch {
	case len(all) >= maxOrigins || len(all) > 0 && all[first].until <= now:
		if all[first].until < o.until {
			all[first] = o
		}
	case t.count.Load() < maxTargets:
		links[target] = append(all, o)
		t.count.Add(1)
	}
}

// none tells that no name leads to another.
func (t *targetTable) none() bool { return t.count.Load() == 0 }

// origins appends the names that lead to name now. Nothing is allocated if
// there are none.
func (t *targetTable) origins(dst []origin, name string, now moment) []origin {
	s := t.shard(name)
	s.mu.RLock()
	dst = appendAlive(dst, s.links[name], now)
	s.mu.RUnlock()
	if !t.below.any.Load() {
		return dst
	}
	t.below.mu.RLock()
	defer t.below.mu.RUnlock()
	for at, end := dns.NextLabel(name, 0); !end; at, end = dns.NextLabel(name, at) {
		n := len(dst)
		dst = appendAlive(dst, t.below.links[name[at:]], now)
		for ; n < len(dst); n++ {
			dst[n].name = name[:at] + dst[n].name
		}
	}
	return dst
}

func appendAlive(dst, all []origin, now moment) []origin {
	for _, o := range all {
		if o.until > now {
			dst = append(dst, o)
		}
	}
	return dst
}

// expire forgets the links whose time is over.
func (t *targetTable) expire(now moment) {
	for i := range t.shards {
		s := &t.shards[i]
		n := 0
		s.mu.Lock()
		for target := range s.links {
			t.prune(s.links, target, now)
			if n++; n%breath == 0 {
				s.mu.Unlock()
				s.mu.Lock()
			}
		}
		s.mu.Unlock()
	}
	t.below.mu.Lock()
	defer t.below.mu.Unlock()
	for target := range t.below.links {
		t.prune(t.below.links, target, now)
	}
	t.below.any.Store(len(t.below.links) > 0)
}

func (t *targetTable) prune(links map[string][]origin, target string, now moment) {
	all := links[target]
	if !slices.ContainsFunc(all, func(o origin) bool { return o.until <= now }) {
		return
	}
	alive := appendAlive(nil, all, now)
	t.count.Add(int64(len(alive) - len(all)))
	if len(alive) == 0 {
		delete(links, target)
		return
	}
	links[target] = alive
}
