package resolve

import (
	"context"
	"time"
)

// Use has these names resolved, and no others, by that backend. What is known of
// names that stay is kept, and they are asked for when they would have been
// anyway; their addresses are admitted to what the rules now say. When Use
// returns, the former backend isn't called any more, and its calls that are under
// way have no effect.
func (r *Resolver) Use(b Backend, names []Name) {
	r.await(func() { r.use(b, names) })
}

// Release is Use of no names if b is the backend, and nothing otherwise: the end
// of a configuration is none of the next one's business.
func (r *Resolver) Release(b Backend) {
	r.await(func() {
		if r.backend == b {
			r.use(nil, nil)
		}
	})
}

// use is Use.
func (r *Resolver) use(b Backend, names []Name) {
	r.cancel()
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.backend = b
	r.term++
	now := time.Now()
	before := r.entries
	r.entries = make(map[Key]*entry, len(names))
	r.untried = 0
	for _, n := range names {
		e := before[n.Key]
		if e != nil {
			delete(before, n.Key)
			e.Name = n
			r.goOn(e, now)
		} else {
			e = newEntry(n, now)
			r.count(e.Rule, e.state, 1)
			r.asks.put(&e.ask, now)
			r.reschedule(e)
		}
		r.entries[n.Key] = e
		if !e.tried {
			r.untried++
		}
	}
	for _, e := range before {
		r.asks.remove(&e.ask)
		r.admits.remove(&e.admit)
		r.count(e.Rule, e.state, -1)
	}
	if !r.used {
		r.used = true
		time.AfterFunc(firstRoundMax, r.settle)
	}
	if r.untried == 0 {
		r.settle()
	}
}

// goOn takes a name over that stays. What was under way for it is begun anew.
func (r *Resolver) goOn(e *entry, now time.Time) {
	e.admitting = false
	asked := true
	for f := range e.records {
		rec := &e.records[f]
		asked = asked && (rec.wanted || !r.backend.Wants(e.Key, Family(f)))
		if rec.kept(now, e.Stale) {
			rec.admitAt = now
		}
	}
	if !e.ask.waits() || !asked {
		r.asks.put(&e.ask, now)
	}
	r.reschedule(e)
}
