package gate

import (
	"time"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/set"
)

// hear takes one kernel event that another program caused. It runs on the
// session's own goroutine and only notes what has happened; reading and
// refilling are the keeper's.
func (g *Gate) hear(l *link, e nft.Event) {
	switch e.Kind {
	case nft.Overrun:
		g.watch.Overrun()
		for _, ks := range g.known() {
			ks.disturb(g.now())
		}
		g.wake()
		return
	case nft.Ended:
		g.fail(l, e.Err)
		return
	}
	g.mu.Lock()
	ks, ranges := g.sets[setKey{e.ID, false}], g.sets[setKey{e.ID, true}]
	g.mu.Unlock()
	if ks == nil && ranges == nil {
		return
	}
	g.watch.Foreign(e.By)
	for _, ks := range [...]*kernelSet{ks, ranges} {
		if ks != nil {
			g.hearOf(ks, e)
		}
	}
}

// hearOf is hear for one set.
func (g *Gate) hearOf(ks *kernelSet, e nft.Event) {
	if who := (actor{e.By, e.PID}); e.By != "" {
		if last := ks.foreign.Load(); last == nil || *last != who {
			ks.foreign.Store(&who)
		}
	}
	if ks.ranges != nil && (e.Kind == nft.ElementNew || e.Kind == nft.ElementGone) {
		if e.Kind == nft.ElementGone { // it may be what covers an address
			ks.lose(g.now(), errUnread)
		}
		ks.stale.Store(true)
		g.wake()
		return
	}
	switch e.Kind {
	case nft.SetGone:
		ks.lose(g.now(), nft.ErrNoSet)
		ks.stale.Store(true)
		g.wake()
	case nft.SetNew:
		ks.stale.Store(true)
		g.wake()
	case nft.SetChanged:
		ks.disturb(g.now())
		g.wake()
	case nft.ElementNew:
		g.changed(ks, news{key: e.Element.Key, held: g.heldUntil(e.Element), at: g.now()})
	case nft.ElementGone:
		g.changed(ks, news{key: e.Element.Key, at: g.now()})
	}
}

// news is what another program did to one element.
type news struct {
	key  set.Key
	held moment // until when the kernel holds it; 0: it doesn't
	at   moment // when this was heard
}

// changed takes what another program did to one element.
func (g *Gate) changed(ks *kernelSet, n news) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	if ks.listening {
		if len(ks.heard) < heardMax {
			ks.heard = append(ks.heard, n)
		} else {
			ks.lost.Store(true)
		}
		return
	}
	if st := ks.state.Load(); st.err == nil {
		g.note(ks, st.layout, st.epoch, n, true)
	} // else the set is going to be read
}

// note brings a binding up to date with news. If that took away from what was
// promised, it is put back, if heal says so.
func (g *Gate) note(ks *kernelSet, layout set.Layout, epoch uint32, n news, heal bool) {
	now := g.now()
	at := ks.slot(n.key, layout)
	s, h := g.locate(&at)
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.find(h, &at)
	if b == nil {
		// What is heard of a key that was just deleted may be of before that.
		if n.held <= now || n.at-moment(ks.deletedAt.Load()) < crossing {
			return
		}
		var fate Fate
		if b, fate = g.create(s, h, &at, ks, soon); fate != Unjudged {
			return
		}
	}
	crossed := n.at-b.wrote < crossing
	if crossed && b.flight == nil && n.held > b.holds(epoch) {
		// It may have happened before our own write, which then ended it.
		b.own, b.doubt = false, true
		if b.ending != notEnding {
			b.revive() // or somebody else's element would be deleted
		}
		return
	}
	b.found(epoch, n.held)
	b.doubt = crossed || b.flight != nil
	if b.batch != nil && (b.flight == nil || g.queue.waiting(b.batch)) {
		if b.ending != notEnding && !b.own {
			b.revive() // it is somebody else's now
		}
		return // it will be written anyway
	}
	// Whether a write that is under way came before or after this is not known.
	// Whoever waits for it will look again.
	b.batch = nil
	switch {
	case b.flight != nil: // its end is waited for
	case b.ending != notEnding:
		if !g.goOnEnding(b) {
			g.drop(s, b)
		}
	case b.due() <= now && !crossed:
		g.drop(s, b)
	case heal && b.until > now && n.held < b.until:
		g.restore(b, epoch, n.at)
	}
}

// crossing is how long after an own write an event about the same element may
// still be one of before it.
const crossing = time.Second
