package gate

import (
	"context"
	"slices"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// Admit takes the addresses of one answer through the policy into the sets. It
// returns when the fate of each is known: at once if the kernel is known to
// hold them all for long enough, otherwise after the commit, and at the latest
// when the rules' `wait` is over or ctx is done. A write that was not waited
// for to the end still goes on.
func (i *Instance) Admit(ctx context.Context, q *Question) {
	now := i.gate.now()
	q.Began = now
	q.braked = i.gate.brake.rules.Load()
	for n := range q.Matches {
		m := &q.Matches[n]
		r := m.Rule
		m.tag = i.rules[r.Index].tag.of(m.Name)
		if !q.feeds(r) {
			if !q.Enforced || r.Lifetime.Max < q.Max {
				q.Max = r.Lifetime.Max
			}
			q.Enforced = true
		}
	}
	for range q.Walk.Addrs {
		q.standing = append(q.standing, standing{})
	}
	start, waited := now, false
	for i.judge(q, start, now); len(q.grants) > 0; i.judge(q, start, now) {
		// After a wait everything is looked at again: what was covered may have
		// been lost meanwhile, and what was written may have to be longer.
		waited = true
		i.gate.hold(ctx, q)
		if now = i.gate.now(); i.gate.allCovered(q, now) {
			break
		}
	}
	if waited {
		q.Held = now - start
		i.gate.watch.Held(q.Held)
	}
	for _, st := range q.standing {
		q.Fates = append(q.Fates, st.fate())
	}
	if q.Rehearsal == nil {
		i.gate.follow(q, now)
		i.gate.tellOfAnswer(q)
		i.gate.noteOf(q)
	}
}

// noteOf notes that an answer was promised something. Most find that noted.
func (g *Gate) noteOf(q *Question) {
	if slices.Contains(q.Fates, Promised) && !g.promised.Load() {
		g.promised.Store(true)
	}
}

// judge takes all addresses through all rules, as things are now. What is not
// covered becomes grants. An address that has failed is not tried again.
func (i *Instance) judge(q *Question, start, now moment) {
	q.grants, q.covered, q.changes = q.grants[:0], false, i.gate.changes.Load()
	for addr := range q.standing {
		st := &q.standing[addr]
		*st = standing{failure: st.failure, unfed: st.unfed}
		for match := 0; match < len(q.Matches) && st.failure == Unjudged; match++ {
			if !st.unfed || q.counts(q.Matches[match].Rule) {
				i.judgeOne(q, addr, match, start, now)
			}
		}
	}
}

// judgeOne takes one address through one rule.
func (i *Instance) judgeOne(q *Question, addr, match int, start, now moment) {
	r := q.Matches[match].Rule
	rs := i.rules[r.Index]
	a := &q.Walk.Addrs[addr]
	switch v := r.Policy.Judge(a.Addr, i.site); {
	case v == rule.Pass:
		q.step(Step{Cause: Cause{Fate: Passed, Rule: r, Addr: a.Addr}})
		q.standing[addr].passes = q.standing[addr].passes || q.counts(r)
		return
	case v.Refused() && rs.writesOut(a.Addr, q.Matches[match].Services):
		// It is open to everybody anyway.
	case v == rule.RefuseSpecial:
		q.refuse(addr, Special, r)
		return
	case v == rule.RefuseOwn:
		q.refuse(addr, Own, r)
		return
	}
	if !q.teaches(r) {
		q.refuse(addr, Unvalidated, r)
		return
	}
	fits := false
	first := len(q.grants)
	for n := range rs.sets {
		if r.Sets[n].Interval {
			continue
		}
		st := rs.sets[n].state.Load()
		if layout, known := rs.layout(n, st); known && !layout.Fits(q.Client, a.Addr) {
			continue
		}
		fits = true
		gr := grant{
			addr: addr, match: match, rule: rs, set: n, counts: q.counts(r), feeds: q.feeds(r),
			lives: livesOf(r.Lifetime, a.TTL), deadline: start + r.Wait, state: st,
		}
		if !i.gate.want(q, &gr, now) {
			q.grants = q.grants[:first]
			q.unstep(r, a.Addr)
			q.refuse(addr, Limit, r)
			return
		}
	}
	switch {
	case !fits && !i.ranged(q, rs, addr, match, start, now):
		q.refuse(addr, NoFamily, r)
	case q.counts(r):
		q.standing[addr].admits++
	}
}

// want looks whether what a rule wants is there, key by key, and makes grants
// of what has to be waited for. It reports false if the name's or the client's
// limit is reached, which is a refusal.
func (g *Gate) want(q *Question, gr *grant, now moment) bool {
	if err := gr.rule.check(gr.set, gr.state); err != nil {
		if gr.waits(now) && q.Rehearsal == nil {
			q.grants = append(q.grants, *gr)
		} else {
			q.fail(gr, NotReady, err)
		}
		return true
	}
	gr.at.set, gr.at.layout = gr.kernelSet().number, gr.state.layout
	services := q.Matches[gr.match].Services
	for n := range max(1, len(services)) {
		var service set.Service
		if len(services) > 0 {
			service = services[n]
		}
		gr.at.key.Put(gr.at.layout, q.Client, q.Walk.Addrs[gr.addr].Addr, service)
		switch fate, settled := g.try(q, gr, now); {
		case !settled:
			q.grants = append(q.grants, *gr)
		case fate == Limit:
			return false
		case fate != Promised:
			q.fail(gr, fate, nil)
		default:
			q.covered = true
		}
	}
	return true
}

// try looks whether a key is covered: whether the kernel holds it for as long
// as the answer needs. If not, the grant is made to wait for a write that is on
// its way already, or for one of its own. settled tells that there is nothing to
// wait for.
func (g *Gate) try(q *Question, gr *grant, now moment) (fate Fate, settled bool) {
	r, name, tag := gr.rule.rule, q.Matches[gr.match].Name, q.Matches[gr.match].tag
	ks, epoch := gr.kernelSet(), gr.state.epoch
	need := now + gr.lives.needed
	until := now + gr.lives.written
	heard := now - q.Age
	s, h := g.locate(&gr.at)
	s.mu.Lock()
	defer s.mu.Unlock()

	b := s.find(h, &gr.at)
	if q.Rehearsal != nil {
		b = b.double()
	}
	// Of a binding that is ending the reasons don't count, nor does an element
	// whose deletion may be under way.
	ends := b != nil && b.ending != notEnding
	var held moment
	if b != nil && !(ends && (b.own || b.busy())) {
		held = b.holds(epoch)
	}
	covered := held >= need
	if covered && !ends {
		b.until = max(b.until, min(need, held))
		if b.touch(tag, q.Client, heard, need, gr.lives.ttl) {
			q.stepIn(gr, now, held, 0)
			return Promised, true
		}
	}
	if held <= now && !ends && ks.full(now) {
		return Full, true
	}
	if covered && !ends && b.crowded(now) {
		b.others(r.Name, q.Client, heard, need)
		q.stepIn(gr, now, held, 0)
		return Promised, true
	}
	// For how long this reason alone keeps the binding, and the address counts
	// among the name's: what is to be written counts for longer once it has been.
	alone, counted := until, gr.deadline
	if covered {
		alone, counted = need, need
	}
	if q.Rehearsal != nil {
		if fate = q.Rehearsal.take(g, q, gr, b, now, counted); fate == Promised {
			q.stepIn(gr, now, held, gr.lives.unless(covered))
		}
		return fate, true
	}
	subject, fate := g.names.take(tag, r.Name, name, q.Walk.Addrs[gr.addr].Addr, r.Limit, now, counted)
	if fate != Unjudged {
		return fate, true
	}
	if ends {
		b.revive()
		b.held = held
	}
	kind := extension
	if b == nil {
		kind = newcomer
		// By the deadline it is known whether it lives: one that was refused is let go
		// of then.
		if b, fate = g.create(s, h, &gr.at, ks, gr.deadline); fate != Unjudged {
			return fate, true
		}
	}
	if !b.touch(tag, q.Client, heard, alone, gr.lives.ttl) {
		b.because(reason{tag: tag, subject: subject, chain: chain(q.chain(name)), client: q.Client, first: heard, last: heard, until: alone, ttl: gr.lives.ttl})
	}
	if covered {
		b.until = max(b.until, min(need, held))
		return Promised, true
	}
	if b.batch == nil || b.writing < need {
		g.extend(b, write{kind: kind, binding: b, epoch: epoch, until: until})
	}
	gr.shard, gr.binding, gr.write, gr.index = s, b, b.batch, b.index
	return Unjudged, false
}

// extend has a binding written: by the write that is queued for it already, made
// longer, or by w. The shard is locked.
func (g *Gate) extend(b *binding, w write) {
	if b.batch == nil || !g.queue.raise(b.batch, b.index, w.until) {
		b.batch, b.index = g.queue.add(w)
	}
	b.writing = w.until
}
