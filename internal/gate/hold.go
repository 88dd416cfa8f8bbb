package gate

import (
	"context"
	"errors"
	"time"

	"github.com/namewall/namewall/internal/nft"
)

// hold waits for the grants of a question. They are on their way together, so
// waiting for one after the other takes as long as the slowest.
func (g *Gate) hold(ctx context.Context, q *Question) {
	defer g.held.Add(-1)
	if g.held.Add(1) > maxHeld {
		for n := range q.grants {
			q.fail(&q.grants[n], Busy, nil)
		}
		return
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	// Grants that wait for a set become several when it can be fed.
	for n := 0; n < len(q.grants); n++ {
		for !g.await(ctx, q, n, timer) {
		}
	}
}

// await waits for one event that concerns a grant, and tells whether the grant
// is settled.
func (g *Gate) await(ctx context.Context, q *Question, n int, timer *time.Timer) (settled bool) {
	gr := &q.grants[n]
	event := gr.state.changed
	if gr.write != nil {
		event = gr.write.done
	}
	timer.Reset(gr.until() - g.now())
	select {
	case <-event:
	case <-timer.C:
		q.fail(gr, gr.late(), gr.state.err)
		return true
	case <-ctx.Done():
		q.fail(gr, Late, ctx.Err())
		return true
	case <-g.closing:
		q.fail(gr, Late, errClosed)
		return true
	}
	if gr.write != nil {
		if err := gr.write.writes[gr.index].err; err != nil && !g.recovers(gr, err) {
			q.fail(gr, fateOf(err), err)
			return true
		}
		gr.write = nil
	}
	return g.again(q, n)
}

// again looks at a grant anew, after its write or its set's state has changed.
func (g *Gate) again(q *Question, n int) (settled bool) {
	gr := q.grants[n]
	now := g.now()
	gr.state = gr.kernelSet().state.Load()
	if now >= gr.deadline {
		q.fail(&gr, gr.late(), gr.state.err)
		return true
	}
	if gr.state.err == nil && gr.keyed && gr.rule.check(gr.set, gr.state) == nil {
		fate, settled := g.try(q, &gr, now)
		if settled && fate != Promised {
			q.fail(&gr, fate, nil)
		}
		q.grants[n] = gr
		return settled
	}
	// The set's layout may be another one now, or known for the first time.
	gr.keyed = false
	if gr.state.err != nil {
		if !gr.waits(now) {
			q.fail(&gr, NotReady, gr.state.err)
			return true
		}
		q.grants[n] = gr
		return false
	}
	if !gr.state.layout.Fits(q.Client, q.Walk.Addrs[gr.addr].Addr) {
		q.withdraw(&gr)
		return true
	}
	if !g.want(q, &gr, now) {
		q.fail(&gr, Limit, nil)
	}
	return true
}

// withdraw takes back that a rule admits an address, if none of its sets, now
// that they are known, turns out to be of the address's family.
func (q *Question) withdraw(gr *grant) {
	for n := range gr.rule.sets {
		st := gr.rule.sets[n].state.Load()
		if !st.known || st.layout.Fits(q.Client, q.Walk.Addrs[gr.addr].Addr) {
			return
		}
	}
	if st := &q.standing[gr.addr]; gr.counts && st.admits > 0 {
		st.admits--
		q.refuse(gr.addr, NoFamily, gr.rule.rule)
	}
}

// late is the fate of a grant whose time is over.
func (gr *grant) late() Fate {
	if gr.write == nil && gr.state.err != nil {
		return NotReady
	}
	return Late
}

// recovers tells whether a write that failed is worth another look: its set or
// the session has gone, and may come back while the answer waits.
func (g *Gate) recovers(gr *grant, err error) bool {
	return errors.Is(err, errOvertaken) || gr.kernelSet().state.Load().err != nil
}

// fateOf is what a refusal by the kernel means for the address.
func fateOf(err error) Fate {
	if errors.Is(err, nft.ErrFull) {
		return Full
	}
	return Failed
}
