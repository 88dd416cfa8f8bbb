package gate

import (
	"context"
	"errors"
	"time"

	"github.com/namewall/namewall/internal/nft"
)

// hold waits until something has come of every grant of a question. They are on
// their way together, so waiting for one after the other takes as long as the
// slowest.
func (g *Gate) hold(ctx context.Context, q *Question) {
	defer g.held.Add(-1)
	if g.held.Add(1) > maxHeld {
		for n := range q.grants {
			q.fail(&q.grants[n], Busy, nil)
		}
		return
	}
	timer, _ := g.timers.Get().(*time.Timer)
	if timer == nil {
		timer = time.NewTimer(time.Hour)
	}
	for n := range q.grants {
		g.await(ctx, q, &q.grants[n], timer)
	}
	timer.Stop()
	g.timers.Put(timer)
}

// await waits for a grant's write, or for its set to change. It notes if that
// failed or is late; otherwise the address is looked at again.
func (g *Gate) await(ctx context.Context, q *Question, gr *grant, timer *time.Timer) {
	event := gr.state.changed
	if gr.write != nil {
		event = gr.write.done
	}
	select {
	case <-event: // most often, an answer's addresses are written together
		q.settle(gr)
		return
	default:
	}
	left := gr.until() - g.now()
	if left <= 0 {
		q.fail(gr, gr.late(), gr.state.err)
		return
	}
	timer.Reset(left)
	select {
	case <-event:
		q.settle(gr)
	case <-timer.C:
		q.fail(gr, gr.late(), gr.state.err)
	case <-ctx.Done():
		q.fail(gr, Late, ctx.Err())
	case <-g.closing:
		q.fail(gr, Late, errClosed)
	}
}

// settle notes what came of a grant's write, if that was what it waited for.
func (q *Question) settle(gr *grant) {
	if gr.write == nil {
		return
	}
	if err := gr.write.writes[gr.index].err; err != nil && !recovers(gr, err) {
		q.fail(gr, fateOf(err), err)
	}
}

// allCovered tells whether there is nothing to judge again after a wait, as most
// often: no set has changed, every key has been waited for, and all are covered.
func (g *Gate) allCovered(q *Question, now moment) bool {
	if q.covered || q.changes != g.changes.Load() {
		return false // what was covered may have been lost meanwhile
	}
	for n := range q.grants {
		gr := &q.grants[n]
		st := &q.standing[gr.addr]
		if st.failure != Unjudged || st.unfed || gr.write == nil || !gr.covered(q, now) {
			return false
		}
	}
	return true
}

// covered tells whether the kernel holds a grant's key for as long as the answer needs,
// and promises that for the reason that has been given. The reason may have been
// taken away meanwhile, by a reload or an administrator; and the set lost, of which
// Gate.changes tells a moment later.
func (gr *grant) covered(q *Question, now moment) bool {
	need := now + gr.lives.needed
	gr.shard.mu.Lock()
	defer gr.shard.mu.Unlock()
	b := gr.binding
	if gr.kernelSet().state.Load() != gr.state || b.gone || b.ending != notEnding || b.holds(gr.state.epoch) < need ||
		!b.touch(q.Matches[gr.match].tag, q.Client, now-q.Age, need, gr.lives.ttl) {
		return false
	}
	b.until = max(b.until, need)
	return true
}

// until is the moment up to which a grant waits.
func (gr *grant) until() moment {
	if gr.write == nil {
		return min(gr.deadline, gr.state.since+gr.rule.rule.Wait)
	}
	return gr.deadline
}

// waits tells whether a grant waits for its set to be fed again. A set that has
// vanished is given the time of a ruleset's reload; after that the refusal
// comes at once, and a feeding rule never waits for what is known to be missing.
func (gr *grant) waits(now moment) bool {
	st := gr.state
	if st.err == nil || gr.feeds && !errors.Is(st.err, errUnread) {
		return false
	}
	return now < gr.until()
}

// late is the fate of a grant whose time is over.
func (gr *grant) late() Fate {
	if gr.write == nil {
		return NotReady
	}
	return Late
}

// recovers tells whether a write that failed is worth another look: its set or
// the session has gone, and may come back while the answer waits.
func recovers(gr *grant, err error) bool {
	st := gr.kernelSet().state.Load()
	return errors.Is(err, errOvertaken) || st.err != nil || st.epoch != gr.state.epoch
}

// fateOf is what a refusal by the kernel means for the address.
func fateOf(err error) Fate {
	if errors.Is(err, nft.ErrFull) {
		return Full
	}
	return Failed
}
