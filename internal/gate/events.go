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
	ks := g.sets[e.ID]
	g.mu.Unlock()
	if ks == nil {
		return
	}
	g.watch.Foreign(e.By)
	if who := (actor{e.By, e.PID}); e.By != "" {
		if last := ks.foreign.Load(); last == nil || *last != who {
			ks.foreign.Store(&who)
		}
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
	case nft.ElementNew, nft.ElementGone:
		g.changed(ks, e)
	}
}

// changed takes what another program did to one element.
func (g *Gate) changed(ks *kernelSet, e nft.Event) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	if ks.listening {
		if len(ks.heard) < heardMax {
			ks.heard = append(ks.heard, e)
		} else {
			ks.lost.Store(true)
		}
		return
	}
	if st := ks.state.Load(); st.err == nil {
		g.note(ks, st.layout, st.epoch, e, true)
	} // else the set is going to be read
}

// note brings a binding up to date with an event. If that took away from what
// was promised, it is put back, if heal says so.
func (g *Gate) note(ks *kernelSet, layout set.Layout, epoch uint32, e nft.Event, heal bool) {
	now := g.now()
	var held moment
	if e.Kind == nft.ElementNew {
		held = g.heldUntil(e.Element)
	}
	at := ks.slot(e.Element.Key, layout)
	s, h := g.locate(at)
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.find(h, at)
	if b == nil {
		if held <= now {
			return
		}
		var fate Fate
		if b, fate = g.create(s, h, at, ks); fate != Unjudged {
			return
		}
	}
	if b.own && held > b.held && now-b.wrote < crossing {
		// It may have happened before our own write, which ended it.
		ks.lost.Store(true)
		ks.stale.Store(true)
		return
	}
	b.found(epoch, held)
	if b.batch != nil {
		if g.queue.waiting(b.batch) {
			return // it will be written anyway
		}
		// Whether the write that is under way came before or after this is not
		// known. Whoever waits for it will look again.
		b.batch = nil
	}
	switch {
	case b.due() <= now:
		g.drop(s, b)
	case heal && b.until > now && held < b.until:
		g.restore(b, epoch)
	}
}

// crossing is how long after an own write an event about the same element may
// still be one of before it.
const crossing = time.Second
