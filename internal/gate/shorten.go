package gate

import "errors"

// shorten has a binding's element end with what is promised of it: what had given
// it a longer life has been taken away, which may be days. Whoever is answered
// meanwhile finds the shorter life, or has it made longer again. The shard is
// locked.
func (g *Gate) shorten(b *binding) {
	b.overlong = true
	g.goOnShortening(b)
}

// goOnShortening queues the write, unless another is on its way, whose end is
// waited for, or the set can't be written, whose next reading is. What isn't the
// gate's own is left as it is. The shard is locked.
func (g *Gate) goOnShortening(b *binding) {
	st := b.set.state.Load()
	switch {
	case !b.overlong || b.gone || b.busy():
	case b.ending != notEnding || !b.own:
		b.overlong = false
	case st.err != nil || st.layout != b.at.layout:
	case b.holds(st.epoch) <= max(b.until, g.now()):
		b.overlong = false
	default:
		b.writing = b.until
		b.batch, b.index = g.queue.add(write{kind: shortening, binding: b, epoch: st.epoch, until: b.until, background: true})
	}
}

// settleShortening goes on after a write of the element. What the kernel has
// refused is tried again later. The shard is locked.
func (g *Gate) settleShortening(b *binding, w *write) {
	if w.kind == shortening && w.err != nil && !errors.Is(w.err, errOvertaken) {
		b.set.owing.Store(true)
		return
	}
	g.goOnShortening(b)
}
