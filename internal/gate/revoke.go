package gate

import (
	"slices"
	"time"

	"github.com/namewall/namewall/internal/rule"
)

// ending is what is being done to a binding whose last reason has left the
// configuration.
type ending uint8

const (
	notEnding ending = iota
	deleting         // its element is to be deleted
	killing          // and its connections are to be ended
)

// lastAnswers is how long an answer may still be on its way under a
// configuration that has been replaced: longer than any upstream is waited for,
// and than any `wait`.
const lastAnswers = time.Minute

// retirement is a configuration that has left. What it alone had promised is
// looked for at once, and again when the answers that it still gave are through;
// when that is done its sets are let go of.
type retirement struct {
	*Instance
	at     moment // when it is to be looked at
	looked int    // how often it was
}

// retire has the bindings of an instance looked at that has left. Gate.mu is
// held.
func (g *Gate) retire(i *Instance) {
	g.retired = append(g.retired, &retirement{Instance: i, at: g.now()})
	g.wake()
}

// retire looks at what configurations that have left had promised.
func (k *keeper) retire(now moment) {
	k.mu.Lock()
	active := slices.Clone(k.instances)
	var due []*retirement
	k.retired = slices.DeleteFunc(k.retired, func(r *retirement) bool {
		switch {
		case r.at > now:
			return false
		case r.looked == 2:
			k.release(r.Instance)
			return true
		case r.looked == 0:
			r.at = now + lastAnswers
		default:
			r.at = now + retryMax // its deletions may have to be tried again
		}
		r.looked++
		due = append(due, r)
		return false
	})
	k.mu.Unlock()
	if len(due) > 0 {
		k.revoke(active, due)
	}
}

// revoke takes from all bindings the reasons that no active configuration gives,
// and ends those that have none left, as their rule has it.
func (k *keeper) revoke(active []*Instance, left []*retirement) {
	var now []*configured
	for _, i := range active {
		now = append(now, i.configured())
	}
	choices := make(map[string]rule.Revoke)
	for _, r := range left {
		for _, rs := range r.rules {
			choices[rs.rule.Name] = rs.rule.Revoke
		}
	}
	k.each(func(b *binding) bool {
		if len(b.reasons) == 0 || b.ending != notEnding {
			return true
		}
		p := b.part()
		given := func(r reason) bool {
			return slices.ContainsFunc(now, func(c *configured) bool { return c.gives(&p, r.subject.rule, r.subject.name) })
		}
		if !slices.ContainsFunc(b.reasons, given) {
			last := slices.MaxFunc(b.reasons, reason.compareUntil)
			return k.end(b, choices[last.subject.rule])
		}
		b.reasons = slices.DeleteFunc(b.reasons, func(r reason) bool { return !given(r) })
		return true
	})
}

// end begins to end a binding. Its shard is locked. It reports false if nothing
// is left to be done.
func (g *Gate) end(b *binding, choice rule.Revoke) (keep bool) {
	b.until = 0
	switch choice {
	case rule.RevokeKeep:
		b.reasons = nil
		return true // until the kernel has expired it
	case rule.RevokeKill:
		b.ending = killing
	default:
		b.ending = deleting
	}
	return g.goOnEnding(b)
}

// goOnEnding queues the deletion of a binding's element, if that can be done
// now: while a write is under way its end is waited for, and while the set can't
// be written, its next reading. What is not the gate's own is left to expire.
// The binding's shard is locked. It reports false if nothing is left to be done.
func (g *Gate) goOnEnding(b *binding) (keep bool) {
	st := b.set.state.Load()
	switch {
	case b.busy() || st.err != nil:
	case b.holds(st.epoch) <= g.now():
		return false
	case !b.own:
		b.revive()
	default:
		b.batch, b.index = g.queue.add(write{kind: revocation, binding: b, epoch: st.epoch})
		b.writing = 0
	}
	return true
}

// revive ends the ending of a binding. It keeps nothing of what was promised.
// The shard is locked.
func (b *binding) revive() {
	b.ending, b.reasons, b.until = notEnding, nil, 0
}

// ended notes that the kernel has deleted the element of a binding that was to
// end. The shard is locked.
func (g *Gate) ended(s *shard, b *binding) {
	b.set.revoked.Add(1)
	g.tellOf(Gone, b, 0)
	if b.ending == killing {
		g.doomed.add(b.flow())
	}
	g.drop(s, b)
	g.wake() // to tell, and to end connections
}

// part is the binding's key, taken apart.
func (b *binding) part() part {
	p := part{set: b.set.id, layout: b.at.layout}
	p.client, p.addr, p.service, _ = b.at.layout.Split(b.at.key)
	return p
}
