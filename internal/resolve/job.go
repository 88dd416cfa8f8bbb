package resolve

import (
	"context"
	"time"

	"github.com/namewall/namewall/internal/answer"
)

// ask starts a round of questions for a name.
func (r *Resolver) ask(e *entry) {
	backend, parent, term, key := r.backend, r.ctx, r.term, e.Key
	r.done.Go(func() {
		var answers [families]*Answer
		for f := range answers {
			if !backend.Wants(key, Family(f)) {
				continue
			}
			ctx, cancel := context.WithTimeout(parent, askMax)
			a := backend.Ask(ctx, key, Family(f))
			cancel()
			answers[f] = &a
		}
		r.post(func() {
			r.asks.running--
			if r.term == term {
				r.answered(e, answers, time.Now())
			}
		})
	})
}

// answered takes the answers of a round; nil for what was not asked for.
func (r *Resolver) answered(e *entry, answers [families]*Answer, now time.Time) {
	c := Change{Key: e.Key}
	for f, a := range answers {
		rec := &e.records[f]
		if a == nil {
			*rec = record{}
			continue
		}
		rec.wanted = true
		added, removed := rec.take(*a, &e.Name, now)
		c.Added, c.Removed = append(c.Added, added...), append(c.Removed, removed...)
	}
	if len(c.Added) > 0 || len(c.Removed) > 0 {
		c.Now = e.addrs()
		r.watch.Changed(c)
	}
	r.note(e, now)
	r.asks.put(&e.ask, now.Add(e.pause()))
	if at := e.admitAt(); at.IsZero() || at.After(now) {
		r.try(e)
	}
	if !e.admitting {
		r.reschedule(e)
	}
}

// admission is one answer to be admitted.
type admission struct {
	family Family
	of     *answer.Walk // the record's, by which it is known whether it is still the last
	walk   *answer.Walk
	age    time.Duration
	err    error
}

// due are the admissions that are due. What is kept no longer is let go of.
func (e *entry) due(now time.Time) []admission {
	var due []admission
	for f := range e.records {
		rec := &e.records[f]
		switch {
		case rec.admitAt.IsZero() || rec.admitAt.After(now):
		case rec.again && !rec.kept(now, e.Stale):
			rec.admitAt = time.Time{}
		default:
			due = append(due, admission{family: Family(f), of: rec.walk, walk: rec.walkNow(e.Lifetime), age: now.Sub(rec.at)})
		}
	}
	return due
}

// admit starts the admission of what is due of a name's addresses.
func (r *Resolver) admit(e *entry, now time.Time) {
	backend, ctx, term, key := r.backend, r.ctx, r.term, e.Key
	due := e.due(now)
	e.admitting = true
	r.done.Go(func() {
		for i := range due {
			due[i].err = backend.Admit(ctx, key, due[i].walk, due[i].age)
		}
		r.post(func() {
			r.admits.running--
			if r.term == term {
				r.admitted(e, due, now)
			}
		})
	})
}

// admitted takes the outcome of admissions that began at start.
func (r *Resolver) admitted(e *entry, done []admission, start time.Time) {
	now := time.Now()
	e.admitting = false
	for _, a := range done {
		rec := &e.records[a.family]
		switch {
		case rec.walk != a.of: // another answer has come meanwhile
		case a.err != nil:
			rec.refusals++
			rec.admitAt = now.Add(backoff(rec.refusals))
		default:
			rec.refusals, rec.again = 0, true
			rec.admitAt = start.Add(assured(leastTTL(a.walk), e.Lifetime))
		}
	}
	r.note(e, now)
	r.reschedule(e)
	r.try(e)
}
