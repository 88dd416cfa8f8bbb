package gate

import (
	"cmp"
	"maps"
	"slices"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
	"github.com/namewall/namewall/internal/state"
)

// Snapshot is what has been promised, and what was promised and has not ended
// yet although it is to, for the state file. Answers get in between while it is
// taken.
func (g *Gate) Snapshot(taken state.Instant) state.Snapshot {
	s := state.Snapshot{Taken: taken, Rules: g.choices()}
	s.Intervals = g.intervals()
	index := make(map[state.Set]int)
	now := g.now()
	g.each(func(b *binding) bool {
		until := b.until
		if b.ending != notEnding {
			until = b.held
		}
		if until <= now || b.set.forgotten.Load() {
			return true
		}
		in := state.Set{ID: b.set.id, Layout: b.at.layout}
		n, known := index[in]
		if !known {
			n = len(s.Sets)
			index[in] = n
			s.Sets = append(s.Sets, in)
		}
		s.Bindings = append(s.Bindings, state.Binding{Set: n, Key: b.at.key, Left: until - now, Revoked: b.revoked(), Reasons: b.saved(now)})
		return true
	})
	return s
}

// intervals are the sets that ranges have been written into, with the rules for which.
func (g *Gate) intervals() (all []state.Interval) {
	for _, ks := range g.known() {
		if ks.ranges == nil {
			continue
		}
		o := ks.ranges.open.Load()
		if o == nil {
			continue
		}
		for _, gift := range o.gifts {
			one := state.Interval{Set: state.Set{ID: ks.id, Layout: ks.state.Load().layout}, Rule: gift.rule}
			if !slices.Contains(all, one) {
				all = append(all, one)
			}
		}
	}
	return all
}

// choices are what is to become of the rules' bindings without them, for the
// rules that may have given reasons: as the newest configuration that has a rule
// says it.
func (g *Gate) choices() []state.Rule {
	g.mu.Lock()
	defer g.mu.Unlock()
	choices := make(map[string]rule.Revoke)
	for _, r := range g.retired {
		maps.Copy(choices, r.choices)
	}
	for _, i := range g.instances {
		maps.Copy(choices, i.choices())
	}
	var all []state.Rule
	for _, name := range slices.Sorted(maps.Keys(choices)) {
		all = append(all, state.Rule{Name: name, Revoke: choices[name].String()})
	}
	return all
}

// revoked is what an administrator has revoked of it, as the state file has it:
// what the configuration revokes, the next process finds out by itself. The shard
// is locked.
func (b *binding) revoked() state.Revoked {
	switch {
	case b.dismissed == nil:
		return state.NotRevoked
	case b.ending == killing:
		return state.RevokedKill
	}
	return state.RevokedDelete
}

// saved are the binding's reasons that are alive. The shard is locked.
func (b *binding) saved(now moment) []state.Reason {
	var all []state.Reason
	for i := range b.reasons {
		if r := &b.reasons[i]; r.until > now {
			all = append(all, state.Reason{
				Rule: r.subject.rule, Origin: r.subject.origin, Name: r.subject.name, Chain: r.chained(), Client: r.client,
				First: now - r.first, Last: now - r.last, Left: r.until - now,
			})
		}
	}
	if len(all) <= state.MaxReasons {
		return all
	}
	// A name is asked for again, and nothing else is.
	slices.SortStableFunc(all, func(x, y state.Reason) int { return cmp.Compare(asked(x.Origin), asked(y.Origin)) })
	return all[:state.MaxReasons]
}

func asked(o rule.Origin) int {
	if o == rule.ByName {
		return 1
	}
	return 0
}

// suits tells whether bindings of layout l can be the set's. If nothing is known
// of the set yet, they make it known: should the kernel's turn out to be another
// layout, they are dropped.
func (ks *kernelSet) suits(l set.Layout) bool {
	st := ks.state.Load()
	if !st.known {
		next := *st
		next.layout, next.known = l, true
		ks.become(st, next)
		return true
	}
	return st.layout == l
}
