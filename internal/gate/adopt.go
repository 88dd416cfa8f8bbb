package gate

import (
	"errors"
	"time"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/set"
)

// read brings what is known of a set up to date: whether it can be fed, and,
// when its life is a new one, what it holds.
func (k *keeper) read(ks *kernelSet) {
	l := k.session.Load()
	if l == nil {
		return
	}
	before := ks.state.Load()
	info, err := l.Set(ks.id)
	if err == nil {
		if err = info.Usable(); ks.ranges != nil {
			err = info.UsableForRanges()
		}
	}
	if vanished(err) {
		err = nft.ErrNoSet // who tells of it names the set
	}
	switch {
	case err == nil:
	case ends(err):
		k.fail(l, err)
		return
	case vanished(err) || errors.Is(err, nft.ErrUnusable):
		ks.retryAt = k.now() + retryMax
		if ks.ranges != nil {
			ks.ranges.owes = false // there is nothing to be taken out
		}
		if st := ks.lose(k.now(), err); info.Known {
			k.learn(ks, st, info.Layout) // it concerns one family only
		}
		return
	default:
		ks.stale.Store(true) // and tried again soon
		if before.err != nil {
			ks.lose(k.now(), err)
		}
		return
	}
	if ks.ranges != nil {
		k.tend(l, ks, info)
		return
	}
	if before.err == nil && before.handle == info.Handle && before.layout == info.Layout && !ks.lost.Load() {
		if before.size != info.Size {
			next := *before
			next.size = info.Size
			ks.become(before, next)
			ks.fullUntil.Store(0)
		}
		return
	}
	k.adopt(l, ks, info)
}

// adopt takes over what a set holds and makes it ready, then puts back what was
// promised and is not there. What others do to the set meanwhile is taken in
// afterwards.
func (k *keeper) adopt(l *link, ks *kernelSet, info nft.Set) {
	unread := k.learn(ks, ks.lose(k.now(), errUnread), info.Layout)
	ks.reading++
	epoch := ks.reading
	ks.listen()
	err := l.Elements(info, func(e nft.Element) error {
		k.take(ks, info.Layout, epoch, e)
		return nil
	})
	ks.mu.Lock()
	heard := ks.heard
	ks.listening, ks.heard = false, nil
	if err == nil && !ks.lost.Load() {
		for _, n := range heard {
			k.note(ks, info.Layout, epoch, n, false) // refill follows
		}
		ks.fullUntil.Store(0)
		ks.trouble.Store(nil) // which an earlier life of the set had
		ks.become(unread, setState{layout: info.Layout, known: true, epoch: epoch, handle: info.Handle, size: info.Size})
		if k.session.Load() != l { // it ended meanwhile, and nothing is heard any more
			ks.lose(k.now(), *l.failure.Load())
		}
	}
	ks.mu.Unlock()
	switch {
	case vanished(err):
		ks.lose(k.now(), nft.ErrNoSet)
	case err != nil && ends(err):
		k.fail(l, err)
	case err != nil:
		// Somebody keeps changing the ruleset, or there is no memory. That is
		// this set's trouble alone.
		ks.lose(k.now(), err)
		ks.stale.Store(true)
	case ks.lost.Load():
		ks.stale.Store(true)
	default:
		k.refill(ks, epoch, unread.since)
		if first := ks.reading == 1; first { // nobody has taken anything out
			ks.hurtAt.Store(0)
			if n := ks.healed.Swap(0); n > 0 {
				k.log.Infof("set %s: put in %d elements that were promised before", ks.id, n)
			}
		}
	}
}

// learn notes the layout of a set whose state is st, in which it can't be fed,
// and returns the state that follows. Bindings of another layout are kept to
// their ends: a ruleset that was wrong is put right again.
func (k *keeper) learn(ks *kernelSet, st *setState, l set.Layout) *setState {
	if st.known && st.layout == l {
		return st
	}
	next := *st
	next.layout, next.known = l, true
	if learnt := ks.become(st, next); learnt != nil {
		return learnt
	}
	return st // which is no longer the state, so that nothing follows from it
}

// take notes one element that the kernel holds.
func (k *keeper) take(ks *kernelSet, layout set.Layout, epoch uint32, e nft.Element) {
	at := ks.slot(e.Key, layout)
	s, h := k.locate(&at)
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.find(h, &at)
	if b == nil {
		var fate Fate
		if b, fate = k.create(s, h, &at, ks, soon); fate != Unjudged {
			return // over a budget: the element stays, and is written again when it is needed
		}
	}
	b.found(epoch, k.heldUntil(e))
}

// found notes what somebody else, or the kernel, says of a binding's element. It
// is still the gate's own if it doesn't live longer than the gate had it: when it
// was read again, or a ruleset was loaded with what its sets held.
func (b *binding) found(epoch uint32, held moment) {
	b.own = b.own && held != forever && held <= b.held+kernelExtra+hearsay
	b.epoch, b.held, b.doubt = epoch, held, false
}

// hearsay is how much less of an element's life is believed than the kernel
// said: it said so a moment ago.
const hearsay = time.Second

// heldUntil is until when the kernel, which has just said so, holds an element.
func (g *Gate) heldUntil(e nft.Element) moment {
	if e.Permanent() {
		return forever
	}
	return g.now() + max(0, e.Expires-hearsay)
}

// refill queues what was promised and the kernel doesn't hold, and forgets what
// nobody was promised of an earlier life of the set.
func (k *keeper) refill(ks *kernelSet, epoch uint32, since moment) {
	now := k.now()
	k.each(func(b *binding) bool {
		switch {
		case b.set != ks || b.busy():
		case b.ending != notEnding:
			return k.goOnEnding(b)
		case b.until > now && b.holds(epoch) < b.until:
			k.restore(b, epoch, since)
		case b.overlong:
			k.goOnShortening(b)
		case b.until <= now && b.holds(epoch) <= now:
			return false
		}
		return true
	})
}

// restore queues the write that gives a binding back what it was promised, and what
// it has lacked since then, unless the set has another layout for now. Its shard is
// locked.
func (g *Gate) restore(b *binding, epoch uint32, since moment) {
	if b.set.state.Load().layout != b.at.layout {
		return
	}
	b.writing = b.until
	b.batch, b.index = g.queue.add(write{kind: healing, binding: b, epoch: epoch, until: b.until})
	b.set.hurtAt.CompareAndSwap(0, int64(since))
	b.set.healed.Add(1)
}
