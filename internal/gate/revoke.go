package gate

import (
	"maps"
	"slices"
	"time"

	"github.com/namewall/namewall/internal/rule"
)

// ending is what is being done to a binding whose last reason has left the
// configuration, or that an administrator has revoked.
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

// settling is how long after a change of the configuration it is looked at what
// has left with it: names that move from one file to another, and a mistake that
// is corrected at once, revoke nothing.
const settling = 2 * time.Second

// retirement is a configuration that has left. What it alone had promised is
// looked for soon, and again when the answers that it still gave are through; its
// sets are let go of when what is to be deleted there has been.
type retirement struct {
	used    []*kernelSet
	rules   []*ruleState
	choices map[string]rule.Revoke
	at      moment // when it is to be looked at
	looked  int    // how often it was
}

// choices are what is to become of what the instance's rules have promised.
func (i *Instance) choices() map[string]rule.Revoke {
	choices := make(map[string]rule.Revoke, len(i.rules))
	for _, rs := range i.rules {
		choices[rs.rule.Name] = rs.rule.Revoke
	}
	return choices
}

// retire has the bindings of an instance looked at that has left. Gate.mu is
// held.
func (g *Gate) retire(used []*kernelSet, choices map[string]rule.Revoke, rules []*ruleState) {
	g.retired = append(g.retired, &retirement{used: used, choices: choices, rules: rules, at: g.now() + settling})
}

// retire looks at what configurations that have left had promised.
func (k *keeper) retire(now moment) {
	k.mu.Lock()
	var due []*retirement
	for _, r := range k.retired {
		if r.at <= now {
			due = append(due, r)
		}
	}
	k.mu.Unlock()
	if len(due) == 0 {
		return
	}
	pending, done := k.revoke(k.configurations())
	if !done {
		k.wake() // another configuration has come meanwhile
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range due {
		for _, ks := range r.used {
			if rg := ks.ranges; rg != nil && r.looked == 0 {
				rg.owes = true
				ks.stale.Store(true)
			}
		}
		if r.looked++; r.looked == 1 {
			r.at = now + lastAnswers
			continue
		}
		r.at = now + retryMax // what could not be deleted is tried again
		if r.looked > 2 && !slices.ContainsFunc(r.used, func(ks *kernelSet) bool { return pending[ks] || ks.ranges != nil && ks.ranges.owes }) {
			k.release(r.used)
			k.retired = slices.DeleteFunc(k.retired, func(other *retirement) bool { return other == r })
		}
	}
}

// configurations are those that are active, and what those that have left say of
// their bindings; as of a version of the list.
type configurations struct {
	version int64
	active  []*Instance
	choices map[string]rule.Revoke
}

func (g *Gate) configurations() configurations {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := configurations{version: g.version.Load(), active: slices.Clone(g.instances), choices: make(map[string]rule.Revoke)}
	for _, r := range g.retired { // the newer one's choice counts
		maps.Copy(c.choices, r.choices)
	}
	return c
}

// revoke takes from all bindings the reasons that no active configuration gives,
// and ends those that have none left, as their rule has it. It tells which sets
// have bindings that could not be ended yet. If another configuration becomes
// active meanwhile, whose answers may promise what the others don't give, nothing
// more is done, and done is false.
func (k *keeper) revoke(c configurations) (pending map[*kernelSet]bool, done bool) {
	var given []*configured
	for _, i := range c.active {
		given = append(given, i.configured())
	}
	pending, done = make(map[*kernelSet]bool), true
	now := k.now()
	k.each(func(b *binding) bool {
		// Who is answered under a newer configuration finds the shard locked, or
		// finds what is done here.
		if done = done && k.version.Load() == c.version; !done {
			return true
		}
		if b.ending != notEnding {
			keep := k.goOnEnding(b)
			pending[b.set] = pending[b.set] || keep && b.ending != notEnding
			return keep
		}
		p := b.part()
		var left moment  // until when a reason keeps it that is given
		var last *reason // of those that aren't, the one that would have kept it longest
		var ends moment
		overlong := false // what has left had given a longer life than any name
		for i := range b.reasons {
			r := &b.reasons[i]
			switch {
			case r.until <= now:
			case slices.ContainsFunc(given, func(c *configured) bool { return c.gives(&p, r.subject.rule, r.subject.origin, r.subject.name) }):
				left = max(left, r.until)
			default:
				if r.until > ends {
					last, ends = r, r.until
				}
				overlong = overlong || r.subject.origin != rule.ByName
				if r.subject.origin == rule.ByHand {
					k.hands.give(b.at, r.subject.rule, 0)
				}
				r.until = 0
			}
		}
		switch {
		case last == nil:
			return true
		case left > 0: // what the others have promised beyond that is no longer put back
			choice := c.choices[last.subject.rule]
			b.reasons = slices.DeleteFunc(b.reasons, func(r reason) bool { return r.until == 0 })
			b.until = min(b.until, left)
			if overlong && choice != rule.RevokeKeep {
				k.shorten(b)
			}
			return true
		}
		last.until = b.due() // the state file is to have it until it has ended
		keep := k.end(b, c.choices[last.subject.rule])
		pending[b.set] = pending[b.set] || keep && b.ending != notEnding
		return keep
	})
	return pending, done
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

// goOnEnding does what can be done now about a binding that is ending: it queues
// the deletion of its element, unless a write is under way, whose end is waited
// for, or the set can't be written, whose next reading is. What is not the gate's
// own is left to expire. The binding's shard is locked. It reports false if nothing
// is left to be done.
func (g *Gate) goOnEnding(b *binding) (keep bool) {
	st := b.set.state.Load()
	switch {
	case b.busy():
	case vanished(st.err), st.err == nil && b.holds(st.epoch) <= g.now():
		g.over(b)
		return false
	case !b.own:
		b.revive()
	case st.err == nil:
		b.batch, b.index = g.queue.add(write{kind: revocation, binding: b, epoch: st.epoch})
		b.writing = 0
	}
	return true
}

// revive ends the ending of a binding. It keeps nothing of what was promised.
// The shard is locked.
func (b *binding) revive() {
	b.dismissed.close(1)
	b.ending, b.dismissed, b.reasons, b.until = notEnding, nil, nil, 0
}

// over notes that the kernel no longer has the element of a binding that is
// ending. The shard is locked, and the binding is to be dropped.
func (g *Gate) over(b *binding) {
	if b.dismissed == nil {
		b.set.revoked.Add(1)
	} else {
		g.watch.Revoked(1) // who has asked for it is told by itself
	}
	g.tellOf(Gone, b, 0)
	if b.ending == killing {
		b.dismissed.add()
		g.doomed.add(b.dismissed, b.flow())
	}
	g.wake() // to tell, and to end connections
}

// part is the binding's key, taken apart.
func (b *binding) part() part {
	p := part{set: b.set.id, layout: b.at.layout}
	p.client, p.addr, p.service, _ = b.at.layout.Split(b.at.key)
	return p
}
