package gate

import (
	"fmt"

	"github.com/namewall/namewall/internal/nft"
)

// hear takes one kernel event that another program caused. It runs on the
// session's own goroutine and only notes what has happened; reading and
// refilling are the keeper's.
func (g *Gate) hear(l *link, e nft.Event) {
	switch e.Kind {
	case nft.Overrun:
		g.watch.Overrun()
		for _, ks := range g.known() {
			ks.disturb()
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
	ks.news.Add(1)
	if e.By != "" {
		who := fmt.Sprintf("%s (pid %d)", e.By, e.PID)
		ks.foreign.Store(&who)
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
		ks.disturb()
		g.wake()
	case nft.ElementNew, nft.ElementGone:
		g.changed(ks, e)
	}
}

// disturb has a set's elements read again.
func (ks *kernelSet) disturb() {
	ks.lost.Store(true)
	ks.stale.Store(true)
}

// changed takes what another program did to one element. If it took away from
// what was promised, that is put back.
func (g *Gate) changed(ks *kernelSet, e nft.Event) {
	st := ks.state.Load()
	if st.err != nil {
		return // the set is going to be read
	}
	var held moment
	if e.Kind == nft.ElementNew {
		held = forever
		if !e.Element.Permanent() {
			held = g.now() + e.Element.Expires
		}
	}
	at := ks.slot(e.Element.Key)
	s, h := g.locate(at)
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.find(h, at)
	if b == nil {
		if held == 0 {
			return
		}
		if b, _ = g.create(s, h, at, ks, st.layout); b == nil {
			return
		}
	}
	b.epoch, b.held, b.own = st.epoch, held, false
	if b.batch != nil {
		if g.queue.waiting(b.batch) {
			return // it will be written anyway
		}
		// Whether the write that is under way came before or after this is not
		// known. Whoever waits for it will look again.
		b.batch = nil
	}
	if b.until > g.now() && held < b.until {
		g.restore(b, st.epoch)
		ks.healed.Add(1)
	}
}
