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
func (g *Gate) prepare(w *write, now moment) bool {
	if st := w.binding.set.state.Load(); st.err != nil || st.epoch != w.epoch {
		w.skip, w.err = true, errOvertaken
		return false
	}
	own := w.binding
	s, _ := g.locate(own.at)
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.delete {
		// Somebody may have asked for it again since.
		w.skip = own.gone || own.batch != nil || own.due() > now
		return !w.skip
	}
	held := own.holds(w.epoch)
	if held >= w.until {
		w.skip = true
		return false
	}
	w.until = max(w.until, own.until)
	if w.fresh = w.fresh && held == 0; w.heal && w.until <= now {
		w.skip = true
		return false
	}
	return true
}

func (w *write) op(now moment) nft.Op {
	op := nft.Op{Set: w.binding.set.id, Key: w.binding.at.key}
	switch {
	case w.delete:
		op.Kind = nft.Delete
		return op
	case w.fresh:
		op.Kind = nft.Add
	default:
		op.Kind = nft.Refresh
	}
	op.Timeout = w.until - now + kernelExtra
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

// settle notes in the binding what the kernel said of a write. If another write
// or another program's change has come in between, the kernel's state is not
// this write's to tell, and whoever waits for it looks again.
func (g *Gate) settle(b *batch, i int32, now moment) {
	w := &b.writes[i]
	own := w.binding
	s, _ := g.locate(own.at)
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.delete {
		if !w.skip && w.err == nil && !own.gone && own.batch == nil && own.due() <= now {
			g.drop(s, own)
		}
		return
	}
	if own.batch != b || own.index != i {
		return
	}
	own.batch = nil
	if w.err == nil && w.binding.set.state.Load().epoch == w.epoch {
		if !w.skip {
			own.held, own.epoch, own.own = max(own.holds(w.epoch), w.until), w.epoch, true
		}
		own.until = max(own.until, min(w.until, own.held))
		return
	}
	if own.due() <= now && !own.gone {
		for _, r := range own.reasons {
			g.names.giveUp(r.subject, own.addr())
		}
		g.drop(s, own)
	}
}

// refused draws the consequences of one element's error beyond its own answer.
func (g *Gate) refused(w *write, now moment) {
	g.watch.Refused(nft.ErrnoName(w.err))
	ks := w.binding.set
	if errors.Is(w.err, nft.ErrNoSet) {
		// Its deletion has overtaken the event that tells of it.
		ks.lose(now, w.err)
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

// accepted ends a set's trouble, if it had any. A refresh proves nothing of a
// set that is full.
func (g *Gate) accepted(w *write) {
	if ks := w.binding.set; w.fresh && ks.trouble.Load() != nil {
		ks.trouble.Store(nil)
	}
}
