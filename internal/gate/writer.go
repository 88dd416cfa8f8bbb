package gate

import (
	"errors"
	"runtime"
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
		yield()
		g.queue.await()
		yield()
		b := g.queue.take()
		if b == nil {
			return
		}
		ops = g.commit(b, ops[:0])
	}
}

// yields is how often the writer lets others go first before it takes a batch, and
// before it sleeps. Answers that are under way then add to the batch, instead of
// making one of their own or waking the writer: with two processors full of fresh
// answers each costs a tenth less, and more yields gain nothing. If nobody else has
// anything to do, it is no wait.
const yields = 2

func yield() {
	for range yields {
		runtime.Gosched()
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
	if len(ops) > 0 {
		g.send(ops)
	}
	now := g.now()
	next := 0
	for i := range b.writes {
		w := &b.writes[i]
		if !w.skip {
			w.found, w.err = ops[next].Found, ops[next].Err
			g.outcome(w, now)
			next++
		}
		g.settle(b, uint16(i), now)
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
	s, _ := g.locate(&own.at)
	s.mu.Lock()
	defer s.mu.Unlock()
	if own.gone {
		w.skip, w.err = true, errOvertaken
		return false
	}
	held := own.holds(w.epoch)
	switch w.kind {
	case deletion:
		// Somebody may have asked for it again since.
		w.skip = own.batch != nil || own.due() > now
	case revocation:
		if !own.own {
			own.revive() // it is somebody else's now
		}
		w.skip = own.ending == notEnding
	case shortening:
		if w.until = max(w.until, own.until, now); held < w.until {
			w.kind = extension // for an answer that has come meanwhile
		} else {
			w.skip = !own.own || own.ending != notEnding || held == w.until
		}
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
	w.gentle = w.kind == newcomer || own.doubt
	if !w.skip {
		own.flight = w
	}
	return !w.skip
}

func (w *write) op(now moment) nft.Op {
	op := nft.Op{Set: w.binding.set.id, Key: w.binding.at.key, Timeout: w.until - now + kernelExtra}
	switch {
	case w.kind.deletes():
		op.Kind = nft.Delete
	case w.gentle:
		op.Kind = nft.Add
	default:
		op.Kind = nft.Refresh
	}
	return op
}

// send commits ops, each of which then has its outcome.
func (g *Gate) send(ops []nft.Op) {
	session := g.session.Load()
	if session == nil {
		for i := range ops {
			ops[i].Err = errOvertaken
		}
		return
	}
	start := g.now()
	g.sending.Store(int64(start))
	err := session.Commit(ops)
	g.sending.Store(0)
	g.commits.Add(1)
	g.watch.Commit(len(ops), g.now()-start)
	if err == nil {
		session.unproven.Store(nil)
		return
	}
	g.watch.Refused(nft.ErrnoName(err))
	if ends(err) {
		g.fail(session, err)
	}
}

// settle notes in the binding what the kernel said of a write.
func (g *Gate) settle(b *batch, i uint16, now moment) {
	w := &b.writes[i]
	own := w.binding
	s, _ := g.locate(&own.at)
	s.mu.Lock()
	defer s.mu.Unlock()
	own.flight = nil
	defer g.settleShortening(own, w)
	st := own.set.state.Load()
	ready := st.err == nil && st.epoch == w.epoch
	asked := own.batch == b && own.index == i
	if asked {
		own.batch = nil
	}
	switch {
	case !w.done():
	case w.kind.deletes():
		own.set.deletedAt.Store(int64(now))
	default:
		own.wrote = now
	}
	switch {
	case own.gone:
		return
	case asked && w.err == nil && ready:
		own.written(w)
		if own.ending == notEnding {
			g.promise(own, w, now)
			return
		}
	case w.done():
		// Another program's change has come in between, or the set was read.
		// Which of them came first is not known.
		own.crossed(w.until, now)
		own.doubt = own.doubt || !ready
	}
	switch {
	case own.ending != notEnding:
		g.settleEnding(s, own, w, st)
	case own.batch != nil: // another write follows
	case own.until > now && own.holds(st.epoch) >= own.until:
	case own.until > now && st.err == nil && (w.err == nil || errors.Is(w.err, errOvertaken)):
		g.restore(own, st.epoch, now)
	case own.until > now:
		own.set.owing.Store(true)
	case own.due() <= now && now-own.wrote >= crossing:
		g.drop(s, own)
	}
}

// settleEnding goes on with the ending of a binding after a write, which may be
// one that was under way before. The shard is locked.
func (g *Gate) settleEnding(s *shard, own *binding, w *write, st *setState) {
	switch {
	case w.kind == revocation && w.err == nil:
		g.over(own)
		g.drop(s, own)
	case w.kind == revocation && w.err != nil && !errors.Is(w.err, errOvertaken) && st.err == nil && st.epoch == w.epoch:
		own.revive() // the kernel won't have it, and has said so
	case !g.goOnEnding(own):
		g.drop(s, own)
	}
}

// done tells whether the kernel has changed the element as it was asked to.
func (w *write) done() bool { return !w.skip && !w.found && w.err == nil }

// crossed notes that the kernel may hold the element for no longer than a write
// said, whatever was heard meanwhile; a deletion said until 0. The shard is
// locked.
func (b *binding) crossed(until, now moment) {
	if b.held > max(until, now) {
		b.held, b.own, b.doubt = until, false, true
	}
}

// written notes that the kernel holds what was asked for. The shard is locked.
func (b *binding) written(w *write) {
	if w.kind == shortening && !w.skip && !w.found {
		b.held = 0
	}
	if !w.skip {
		b.held, b.epoch, b.own, b.doubt = max(b.holds(w.epoch), w.until), w.epoch, !w.found, w.found
	}
}

// promise notes until when clients may rely on an element, as far as the kernel
// holds it. The shard is locked.
func (g *Gate) promise(own *binding, w *write, now moment) {
	if len(own.reasons) == 0 {
		return // they have left the configuration meanwhile
	}
	before := own.until
	own.until = max(own.until, min(w.until, own.held))
	switch {
	case w.skip || w.kind == healing || w.kind == shortening:
	case before <= now:
		g.tellOf(Admitted, own, 0)
	default:
		g.tellOf(Extended, own, before)
	}
	for i := range own.reasons {
		if r := &own.reasons[i]; r.subject.named() {
			g.names.keep(r.tag, r.subject, own.addr(), own.until)
		}
	}
}
