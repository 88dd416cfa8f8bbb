package gate

import (
	"net/netip"
	"slices"
	"time"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// Rehearsal makes Admit of the Question that has it a dry run: it judges as ever,
// by what is configured and held at the moment, and notes what it would do. Nothing
// is written, promised, counted, learnt or told, and nothing is waited for: a set
// that an answer would be held for is not ready.
type Rehearsal struct {
	Steps []Step
	names nameShard // copies of the subjects that were asked for
}

// Step is what one rule makes of one address or, if it takes it, of one of the
// address's keys in one of the rule's sets.
type Step struct {
	Cause        // Fate is Promised or Passed if it is none
	Counts  bool // the rule has a say in what the client gets
	Layout  set.Layout
	Client  netip.Addr  // of a pair
	Service set.Service // zero if the layout has no ports

	Written   time.Duration // for how long the element would be written; 0: what is there is enough
	Held      time.Duration // for how long the kernel holds it now; 0: it doesn't
	Permanent bool          // it holds it for ever
}

// step notes what a rule makes of an address.
func (q *Question) step(s Step) {
	if q.Rehearsal != nil {
		s.Counts = q.counts(s.Rule)
		q.Rehearsal.Steps = append(q.Rehearsal.Steps, s)
	}
}

// unstep takes back the steps with a rule's keys of one address, because the rule
// doesn't take the address after all.
func (q *Question) unstep(r *rule.Rule, addr netip.Addr) {
	if q.Rehearsal != nil {
		q.Rehearsal.Steps = slices.DeleteFunc(q.Rehearsal.Steps, func(s Step) bool {
			return s.Rule == r && s.Addr == addr && s.Set != (set.ID{})
		})
	}
}

// stepIn notes that a key is promised, or would be by a write for so long. held is
// until when the kernel holds it.
func (q *Question) stepIn(gr *grant, now, held moment, written time.Duration) {
	if q.Rehearsal == nil {
		return
	}
	s := Step{
		Cause:  Cause{Fate: Promised, Rule: gr.rule.rule, Addr: q.Walk.Addrs[gr.addr].Addr, Set: gr.kernelSet().id},
		Layout: gr.state.layout, Written: written, Permanent: held == forever,
	}
	if !s.Permanent {
		s.Held = max(0, held-now)
	}
	s.Client, _, s.Service, _ = gr.state.layout.Split(gr.at.key)
	q.step(s)
}

// take is what try does before it writes: it takes from what the name, the client
// and the process may have, here from copies of that. b is nil for a newcomer. It
// tells Promised, or the fate of what there is no room for. b's shard is locked.
func (r *Rehearsal) take(g *Gate, q *Question, gr *grant, b *binding, now, counted moment) Fate {
	ru, ks := gr.rule.rule, gr.kernelSet()
	m := &q.Matches[gr.match]
	if fate := r.copy(&g.names, m.tag); fate != Unjudged {
		return fate
	}
	if _, fate := r.names.take(m.tag, ru.Name, m.Name, q.Walk.Addrs[gr.addr].Addr, ru.Limit, now, counted); fate != Unjudged {
		return fate
	}
	if b != nil {
		return Promised
	}
	if g.full(r.newcomers(func(Step) bool { return true })) {
		return Budget
	}
	if gr.state.layout.Pair {
		more := r.newcomers(func(s Step) bool { return s.Layout.Pair })
		g.pairs.mu.Lock()
		defer g.pairs.mu.Unlock()
		if g.pairs.full(q.Client, more) {
			return Limit
		}
	}
	// The kernel alone knows how many have expired and been collected: here its
	// set is full if it would be without that.
	more := r.newcomers(func(s Step) bool { return s.Set == ks.id })
	if size := int(gr.state.size); size > 0 && int(ks.used.Load())+more >= size {
		return Full
	}
	return Promised
}

// newcomers counts the elements of some kind that there aren't yet.
func (r *Rehearsal) newcomers(some func(Step) bool) int {
	n := 0
	for _, s := range r.Steps {
		if s.Fate == Promised && s.Held == 0 && !s.Permanent && some(s) {
			n++
		}
	}
	return n
}

// copy has the subject of a tag among the copies, if there is one.
func (r *Rehearsal) copy(t *nameTable, of tag) Fate {
	if r.names.subjects.first(uint64(of)) != nil {
		return Unjudged
	}
	s := t.shard(of)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch sub := s.subjects.first(uint64(of)); {
	case sub != nil:
		r.names.subjects.put(uint64(of), &subject{rule: sub.rule, name: sub.name, addrs: sub.addrs.clone()})
	case s.full():
		return Budget
	}
	return Unjudged
}

// double is the binding for a rehearsal, which may change it as it likes. The
// shard is locked.
func (b *binding) double() *binding {
	if b == nil {
		return nil
	}
	d := *b
	d.reasons = slices.Clone(b.reasons)
	return &d
}
