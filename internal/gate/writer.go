package gate

import (
	"errors"
	"time"

	"github.com/namewall/namewall/internal/nft"
)

// kernelExtra is how much longer than its deadline the kernel is told to keep
// an element: a batch that is sent late, or a clock that runs a little slower
// than the kernel's, must not make a promise short.
//
// It also leaves time to delete the element, which can't be done any more once
// the kernel takes it for expired: a tick, and the wait for a batch.
const kernelExtra = 5 * time.Second

// fullPause is how long newcomers are refused without a try after the kernel
// said that a set is full. Its collector runs every second when no commit
// disturbs it, and a set that is full is tried by every fresh answer.
const fullPause = time.Second

var (
	errClosed = errors.New("namewall is shutting down")
	// errOvertaken: the set has changed since the write was queued. Whoever
	// waits looks again.
	errOvertaken = errors.New("the set has changed meanwhile")
)

// write is the writer: one goroutine, the only one that changes the kernel.
func (g *Gate) write() {
	var ops []nft.Op
	for {
		b := g.queue.take()
		if b == nil {
			return
		}
		ops = g.commit(b, ops[:0])
	}
}

// commit writes one batch and settles every binding that it concerns. ops is
// scratch.
func (g *Gate) commit(b *batch, ops []nft.Op) []nft.Op {
	start := g.now()
	for i := range b.writes {
		if w := &b.writes[i]; g.prepare(w, start) {
			ops = append(ops, w.op(start))
		}
	}
	var failed error
	if len(ops) > 0 {
		failed = g.send(ops)
	}
	now := g.now()
	next := 0
	for i := range b.writes {
		w := &b.writes[i]
		if !w.skip {
			w.found = ops[next].Found
			if w.err = ops[next].Err; w.err == nil {
				w.err = failed
			}
			if w.err == nil {
				g.accepted(w)
			} else if failed == nil {
				g.refused(w, now)
			}
			next++
		}
		g.settle(b, int32(i), now)
	}
	close(b.done)
	return ops
}

// prepare looks once more whether a write is needed, and makes it as long as
// anything that was promised since it was queued: no write ever shortens a
// life.
func (g *Gate) prepare(w *write, now moment) (needed bool) {
	own := w.binding
	if st := own.set.state.Load(); st.err != nil || st.epoch != w.epoch {
		w.skip, w.err = true, errOvertaken
		return false
	}
	s, _ := g.locate(own.at)
	s.mu.Lock()
	defer s.mu.Unlock()
	held := own.holds(w.epoch)
	switch w.kind {
	case deletion:
		// Somebody may have asked for it again since.
		w.skip = own.gone || own.batch != nil || own.due() > now
	case revocation:
		w.skip = own.gone || own.ending == notEnding
	case healing:
		w.until = max(w.until, own.until)
		w.skip = w.until <= now || held >= w.until
	default:
		w.skip = held >= w.until
		w.until = max(w.until, own.until)
		if held > 0 {
			w.kind = extension
		}
	}
	return !w.skip
}

func (w *write) op(now moment) nft.Op {
	op := nft.Op{Set: w.binding.set.id, Key: w.binding.at.key, Timeout: w.until - now + kernelExtra}
	switch w.kind {
	case newcomer:
		op.Kind = nft.Add
	case deletion, revocation:
		op.Kind = nft.Delete
	default:
		op.Kind = nft.Refresh
	}
	return op
}

// send commits ops. An error that concerns the batch as a whole ends the
// session.
func (g *Gate) send(ops []nft.Op) error {
	session := g.session.Load()
	if session == nil {
		return errOvertaken
	}
	start := g.now()
	err := session.Commit(ops)
	g.commits.Add(1)
	g.watch.Commit(len(ops), g.now()-start)
	if err != nil {
		g.watch.Refused(nft.ErrnoName(err))
		g.fail(session, err)
	}
	return err
}

// settle notes in the binding what the kernel said of a write.
func (g *Gate) settle(b *batch, i int32, now moment) {
	w := &b.writes[i]
	own := w.binding
	s, _ := g.locate(own.at)
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.kind == deletion {
		if !w.skip && w.err == nil && !own.gone && own.batch == nil && own.due() <= now {
			g.drop(s, own)
		}
		return
	}
	if own.batch != b || own.index != i {
		// Another write or another program's change has come in between: the
		// kernel's state is not this write's to tell.
		return
	}
	own.batch = nil
	switch st := own.set.state.Load(); {
	case own.ending != notEnding:
		g.settleEnding(s, own, w, st)
	case w.err == nil && st.err == nil && st.epoch == w.epoch:
		g.granted(own, w, now)
	case st.err == nil && own.until > now && (w.err == nil || errors.Is(w.err, errOvertaken)):
		g.restore(own, st.epoch) // the set was read meanwhile
	case own.until > now:
		own.set.owing.Store(true)
	case own.due() <= now && !own.gone:
		g.drop(s, own)
	}
}

// settleEnding goes on with the ending of a binding after a write, which may be
// one that was under way before. The shard is locked.
func (g *Gate) settleEnding(s *shard, own *binding, w *write, st *setState) {
	switch {
	case w.kind == revocation && w.err == nil:
		g.ended(s, own)
	case w.kind == revocation && w.err != nil && !errors.Is(w.err, errOvertaken) && st.err == nil && st.epoch == w.epoch:
		own.revive() // the kernel won't have it, and has said so
	default:
		if w.err == nil && !w.skip {
			own.held, own.epoch, own.own = max(own.holds(w.epoch), w.until), w.epoch, !w.found
		}
		if !g.goOnEnding(own) {
			g.drop(s, own)
		}
	}
}

// granted notes that the kernel holds what was asked for. The shard is locked.
func (g *Gate) granted(own *binding, w *write, now moment) {
	if !w.skip {
		own.held, own.epoch, own.own = max(own.holds(w.epoch), w.until), w.epoch, !w.found
		own.wrote = now
	}
	before := own.until
	own.until = max(own.until, min(w.until, own.held))
	switch {
	case w.skip || w.kind == healing:
	case before <= now:
		g.tellOf(Admitted, own, 0)
	default:
		g.tellOf(Extended, own, before)
	}
	for i := range own.reasons {
		if sub := own.reasons[i].subject; sub.name != "" {
			g.names.keep(sub, own.addr(), own.until)
		}
	}
}

// refused draws the consequences of one element's error beyond its own answer.
func (g *Gate) refused(w *write, now moment) {
	g.watch.Refused(nft.ErrnoName(w.err))
	ks := w.binding.set
	if errors.Is(w.err, nft.ErrNoSet) {
		// Its deletion has overtaken the event that tells of it.
		ks.lose(now, nft.ErrNoSet)
		ks.stale.Store(true)
		g.wake()
		return
	}
	err := w.err
	if errors.Is(err, nft.ErrFull) {
		err = nft.ErrFull // who tells of it names the set
		ks.fullUntil.Store(int64(now + fullPause))
	}
	ks.trouble.Store(&trouble{err, now})
}

// accepted ends a set's trouble, if it had any. An extension proves nothing of
// a set that is full.
func (g *Gate) accepted(w *write) {
	if ks := w.binding.set; w.kind == newcomer && ks.trouble.Load() != nil {
		ks.trouble.Store(nil)
	}
}
