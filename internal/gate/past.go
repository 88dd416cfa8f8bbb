package gate

import (
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
	mu   sync.Mutex // guards what follows; taken after a shard's
	ring []pastEnd
	next int // the oldest, once the ring is full
}

type pastEnd struct {
	entry Entry
	at    moment
	how   End
}

func (p *past) add(e pastEnd) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.ring) < pastMax {
		p.ring = append(p.ring, e)
		return
	}
	p.ring[p.next] = e
	p.next = (p.next + 1) % pastMax
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
	for i := range p.ring {
		e := &p.ring[(p.next+len(p.ring)-1-i)%len(p.ring)]
		if len(found) < most && f.choosesEntry(&e.entry) {
			found = append(found, Ended{Entry: e.entry, Ago: now - e.at, How: e.how})
		}
	}
	return found
}
