package gate

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// What is written out in `static` lines is given a long life that is extended in
// time, and not one without an end. Permanent elements would have to be deleted by
// somebody: after a crash without a state file nobody could tell them from the
// administrator's own, and a line that was taken out meanwhile would stay open for
// ever. nft 1.0.6 makes an hour of them when it loads its own listing into a set
// with a default timeout. And where elements can't be changed in place (before
// Linux 6.12), to make one permanent is to replace it, as it is to extend it.
const (
	// staticLife is how long the elements stay if namewall is not there: as long
	// as resolved addresses do while DNS fails, over a long weekend and until
	// somebody has looked.
	staticLife = rule.DefaultStale
	// staticLeft is the life from which on they are extended: one write a day for
	// each, since every one resets a counter or costs a look-up on old kernels.
	staticLeft = staticLife - 24*time.Hour
	// provideEvery is how often it is looked at them. Nothing depends on it:
	// what others take out is noticed by itself.
	provideEvery = time.Hour
)

var errBudget = errors.New("budget of bindings used up")

// provided is what of a set's static elements is known to be as it should.
type provided struct {
	version int64 // of the configurations
	epoch   uint32
	again   moment // when they are to be looked at again
}

// provide sees to it that a set has the elements that active configurations write
// out, for long enough. They are bindings like any other: what others take out is
// put back, and what no configuration has any more is revoked.
func (k *keeper) provide(ks *kernelSet, now moment) {
	st := ks.state.Load()
	if ks.ranges != nil || st.err != nil || ks.provided == (provided{k.version.Load(), st.epoch, ks.again}) && now < ks.again {
		return
	}
	c := k.configurations()
	complete := true
	for _, i := range c.active {
		for _, rs := range i.rules {
			for n := range rs.sets {
				if len(rs.rule.Statics) > 0 && rs.sets[n].kernelSet == ks && rs.check(n, st) == nil {
					complete = k.provideRule(ks, st, rs.rule, n, now) && complete
				}
			}
		}
	}
	again := now + provideEvery
	if !complete { // until it is written; what is refused is not asked for all the time
		again = now + tick
		if ks.trouble.Load() != nil {
			again = now + retryMax
		}
	}
	ks.provided = provided{c.version, st.epoch, again}
}

// provideRule does it for one of a rule's sets. It tells whether nothing was to be written.
func (k *keeper) provideRule(ks *kernelSet, st *setState, r *rule.Rule, in int, now moment) (complete bool) {
	complete = true
	for _, s := range r.Statics {
		for _, p := range s.Prefixes {
			if !r.Takes(in, p) {
				continue
			}
			for n := range max(1, len(s.Services)) {
				var service set.Service
				if len(s.Services) > 0 {
					service = s.Services[n]
				}
				key := st.layout.Key(netip.Addr{}, p.Addr(), service)
				complete = k.provideKey(ks.slot(key, st.layout), ks, st.epoch, r.Name, now) && complete
			}
		}
	}
	return complete
}

// provideKey has one element written if it doesn't live for long enough.
func (k *keeper) provideKey(at slot, ks *kernelSet, epoch uint32, ruleName string, now moment) (there bool) {
	s, h := k.locate(&at)
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.find(h, &at)
	w := write{kind: extension, epoch: epoch, until: now + staticLife, background: true}
	var held moment
	switch {
	case b == nil:
		w.kind = newcomer
		var fate Fate
		if b, fate = k.create(s, h, &at, ks, soon); fate != Unjudged {
			k.troubled(ks, errBudget, now)
			return false
		}
	case b.ending == notEnding:
		held = b.holds(epoch)
	default:
		if !b.own && !b.busy() {
			held = b.holds(epoch)
		}
		b.revive()
		b.held = held
	}
	b.stated(ruleName, now, w.until)
	if held >= now+staticLeft {
		b.until = max(b.until, min(w.until, held))
		k.promised.Store(true)
		return true
	}
	if w.binding = b; b.batch == nil || b.writing < now+staticLeft {
		k.extend(b, w)
	}
	return false
}

// stated notes that a rule writes the binding out. The shard is locked.
func (b *binding) stated(ruleName string, now, until moment) {
	for i := range b.reasons {
		r := &b.reasons[i]
		if r.subject.origin == rule.ByLine && r.subject.rule == ruleName {
			r.last, r.until = now, max(r.until, until)
			return
		}
	}
	b.reasons = append(b.reasons, reason{subject: &subject{rule: ruleName, origin: rule.ByLine}, first: now, last: now, until: until})
}

// writesOut tells whether the rule's lines open an address for all of these
// services, or wholly if there are none.
func (rs *ruleState) writesOut(a netip.Addr, services []set.Service) bool {
	open, ok := rs.written.Find(a)
	return ok && (len(services) > 0 || len(open) == 0) &&
		!slices.ContainsFunc(services, func(s set.Service) bool { return !slices.Contains(open, s) })
}
