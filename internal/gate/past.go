package gate

import (
	"net/netip"
	"sync"
	"time"
)

// pastMax is how many bindings that have ended are remembered: a busy hour of a
// site, in a megabyte or two.
const pastMax = 8192

// Ended is a binding that is no more.
type Ended struct {
	Entry               // as it was at its end; durations are from then
	Ago   time.Duration // since its end
	How   End
}

// End is how a binding ended.
type End uint8

// A binding ends when its time is over, when it is revoked because the
// configuration no longer gives it or by an administrator, or with its set: when
// that gets another type, or no rule feeds it any more.
const (
	Expired End = iota
	Revoked
	RevokedByHand
	SetLost
)

// past remembers the bindings that ended last, for who asks why something isn't
// there any more.
type past struct {
	mu     sync.Mutex            // guards what follows; taken after a shard's
	ring   []pastEnd             // number n is at n % pastMax
	added  uint64                // so many; the next one's number less one
	latest map[netip.Addr]uint64 // the number of the last one of an address; of ranges, by the invalid one
}

type pastEnd struct {
	entry  Entry
	at     moment
	how    End
	before uint64 // the number of the one before of the same address, 0: none
}

// of is what it is found by.
func (e *pastEnd) of() netip.Addr {
	if e.entry.Last.IsValid() {
		return netip.Addr{}
	}
	return e.entry.Addr
}

func (p *past) add(e pastEnd) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.latest == nil {
		p.latest = make(map[netip.Addr]uint64)
		p.ring = make([]pastEnd, 0, 64)
	}
	p.added++
	addr := e.of()
	e.before, p.latest[addr] = p.latest[addr], p.added
	if p.added <= pastMax {
		p.ring = append(p.ring, e)
		return
	}
	oldest := p.number(p.added - pastMax)
	if gone := oldest.of(); p.latest[gone] == p.added-pastMax {
		delete(p.latest, gone)
	}
	*oldest = e
}

// number is the one with a number, which is still remembered. Numbers begin with 1.
func (p *past) number(n uint64) *pastEnd { return &p.ring[(n-1)%pastMax] }

// remembers tells whether the one with a number is still remembered.
func (p *past) remembers(n uint64) bool { return n > 0 && n+pastMax > p.added }

// walk calls visit with those of an address and with all ranges, or with all if the
// address is invalid, the latest first, until it returns false.
func (p *past) walk(addr netip.Addr, visit func(*pastEnd) bool) {
	if addr.IsValid() {
		single, ranged := p.latest[addr], p.latest[netip.Addr{}]
		for {
			next := &single
			if ranged > single {
				next = &ranged
			}
			if !p.remembers(*next) {
				return
			}
			e := p.number(*next)
			if !visit(e) {
				return
			}
			*next = e.before
		}
	}
	for n := p.added; p.remembers(n); n-- {
		if !visit(p.number(n)) {
			return
		}
	}
}

// remember notes that a binding ends now, if anybody was ever promised it. Its
// shard is locked.
func (g *Gate) remember(b *binding) {
	if len(b.reasons) == 0 || b.until == 0 && b.ending == notEnding {
		return
	}
	now := g.now()
	e := pastEnd{entry: b.entry(now), at: min(now, b.due()), how: Expired}
	switch {
	case b.dismissed != nil:
		e.at, e.how = now, RevokedByHand
	case b.ending != notEnding:
		e.at, e.how = now, Revoked
	case b.until > now:
		e.at, e.how = now, SetLost
	}
	g.past.add(e)
}

// Past returns the bindings that a filter chooses and that ended last, the latest
// first, at most so many.
func (g *Gate) Past(f Filter, most int) []Ended {
	now := g.now()
	p := &g.past
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []Ended
	p.walk(f.Addr, func(e *pastEnd) bool {
		if f.choosesEntry(&e.entry) && len(found) < most {
			found = append(found, Ended{Entry: e.entry, Ago: now - e.at, How: e.how})
		}
		return len(found) < most
	})
	return found
}
