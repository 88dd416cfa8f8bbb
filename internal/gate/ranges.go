package gate

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// ranges is what an interval set has in place of bindings. What is in it comes from
// the configuration alone, is small, and changes seldom: so nothing is kept of single
// ranges. Whenever something may have changed, the set is read, and what has to be
// there is compared with what is.
//
// The ranges stay until they are deleted: in interval sets a life can't be extended
// in place before Linux 6.12, and what replaces a range must not overlap with it.
// That they are namewall's their comment tells, over crashes and ruleset files.
type ranges struct {
	open atomic.Pointer[opened] // as of the last time that all was there; nil: never

	// What follows belongs to the keeper.
	version   int64        // of the configurations, as of then
	lookAt    moment       // when it is to be looked at next
	tries     int          // that were thwarted in a row, by changes of others
	owes      bool         // something that has left the configuration is still there
	inherited *rule.Revoke // of a configuration before this process; nil: not known
}

// opened is what interval sets open. It never changes.
type opened struct {
	gifts []gift     // in the order of services and spans
	spans []openSpan // likewise
}

// gift is what a line of a rule gives to a set.
type gift struct {
	rule    string
	revoke  rule.Revoke
	service set.Service // as the keys have it
	span    set.Span
}

// openSpan is what gifts that overlap or touch come to.
type openSpan struct {
	service set.Service
	span    set.Span
	rules   []string
	own     bool   // nothing of it is held by others
	since   moment // when it was first there, as far as this process knows
}

// triesMax is how often it is tried at once to write a set that others change
// between the reading and the writing.
const triesMax = 5

// rangesDue tells whether an interval set is to be looked at although nothing was
// heard of it.
func (k *keeper) rangesDue(ks *kernelSet, now moment) bool {
	return ks.ranges != nil && ks.state.Load().err == nil && (ks.ranges.version != k.version.Load() || now >= ks.ranges.lookAt)
}

// tend reads an interval set, and has it hold what configurations write out.
func (k *keeper) tend(l *link, ks *kernelSet, info nft.Set) {
	rg := ks.ranges
	before := ks.state.Load()
	have, err := l.Ranges(info)
	if err == nil {
		gifts, version := k.gifts(ks, info.Layout)
		p := planFor(info.Layout, gifts, have, rg)
		if err = k.swap(l, ks, info, p); err == nil {
			k.tended(ks, before, info, p, version)
			return
		}
	}
	now := k.now()
	var refusal *nft.Error
	switch {
	case ends(err):
		k.fail(l, err)
	case vanished(err):
		ks.lose(now, nft.ErrNoSet)
		ks.stale.Store(true)
	case errors.As(err, &refusal) && changedMeanwhile(refusal) && rg.tries < triesMax:
		rg.tries++
		ks.stale.Store(true)
		k.wake()
	default:
		if refusal != nil {
			err = denial{refusal}
		}
		k.watch.Refused(nft.ErrnoName(err))
		ks.retryAt = now + retryMax
		ks.lose(now, err)
		rg.tries = 0
		ks.stale.Store(true)
	}
}

// changedMeanwhile tells whether a refusal says that the set isn't as it was read.
func changedMeanwhile(refusal *nft.Error) bool {
	return refusal.Errno == syscall.EEXIST || refusal.Errno == syscall.ENOENT
}

// swap writes what a plan wants, in transactions that are not too long: what takes
// the place of another range comes in the same one.
func (k *keeper) swap(l *link, ks *kernelSet, info nft.Set, p *plan) error {
	for _, t := range p.transactions() {
		start := k.now()
		if err := l.Swap(info, t.remove, t.add); err != nil {
			return err
		}
		k.commits.Add(1)
		k.watch.Commit(len(t.remove)+len(t.add), k.now()-start)
	}
	return nil
}

// tended notes that a set holds all that it should.
func (k *keeper) tended(ks *kernelSet, before *setState, info nft.Set, p *plan, version int64) {
	rg := ks.ranges
	now := k.now()
	last := rg.open.Load()
	if last != nil && slices.Equal(last.gifts, p.open.gifts) {
		ks.healed.Add(int64(len(p.add)))
	}
	for n := range p.open.spans {
		s := &p.open.spans[n]
		if s.since = now; last.has(*s) {
			at, _ := last.find(s.service, s.span.First)
			s.since = last.spans[at].since
		}
	}
	if last == nil || !slices.Equal(last.gifts, p.open.gifts) {
		k.promised.Store(true) // the state file is to tell of it, also if all was there
	}
	rg.open.Store(&p.open)
	rg.version, rg.tries, rg.owes = version, 0, false
	rg.lookAt = now + auditEvery
	if p.expires > 0 { // what others hold for us for a time, of whose end no event tells
		rg.lookAt = min(rg.lookAt, now+p.expires+tick)
	}
	ks.used.Store(int64(len(p.open.spans)))
	ks.reading++
	ks.become(before, setState{layout: info.Layout, known: true, epoch: ks.reading, handle: info.Handle, size: info.Size})
	for _, e := range p.ended {
		ks.revoked.Add(1)
		if e.since = now; last.has(e.openSpan) {
			at, _ := last.find(e.service, e.span.First)
			e.since = last.spans[at].since
		}
		entry := ks.entry(e.openSpan, now)
		k.past.add(pastEnd{entry: entry, at: now, how: Revoked})
		k.tellOfRange(Gone, entry)
		if e.revoke == rule.RevokeKill {
			k.doomed.add(nil, e.flows()...)
		}
	}
	if k.stage.watched() {
		for _, s := range p.open.spans {
			if !last.has(s) {
				k.tellOfRange(Admitted, ks.entry(s, now))
			}
		}
	}
}

func (k *keeper) tellOfRange(kind Happened, e Entry) {
	if k.stage.watched() {
		k.stage.tell(Happening{Kind: kind, Entry: e})
	}
}

// gifts are what the configurations give to a set of layout l, and as of which
// version of their list: the active ones, and those that have left only just.
func (k *keeper) gifts(ks *kernelSet, l set.Layout) (all []gift, version int64) {
	k.mu.Lock()
	var rules []*ruleState
	for _, i := range k.instances {
		rules = append(rules, i.rules...)
	}
	for _, r := range k.retired {
		if r.looked == 0 {
			rules = append(rules, r.rules...)
		}
	}
	version = k.version.Load()
	k.mu.Unlock()
	for _, rs := range rules {
		for n := range rs.sets {
			if rs.sets[n].kernelSet == ks && rs.rule.Sets[n].Layout == l && rs.rule.CheckLayout(n, l) == nil {
				all = append(all, giftsOf(rs.rule, n, l)...)
			}
		}
	}
	slices.SortFunc(all, gift.compare)
	return slices.Compact(all), version
}

// giftsOf are what a rule gives to its n-th set.
func giftsOf(r *rule.Rule, n int, l set.Layout) (all []gift) {
	for _, line := range r.Statics {
		for _, p := range line.Prefixes {
			if !r.Takes(n, p) {
				continue
			}
			for _, s := range keyServices(line.Services, l) {
				all = append(all, gift{rule: r.Name, revoke: r.Revoke, service: s, span: set.SpanOf(p)})
			}
		}
	}
	return all
}

// keyServices are services as keys of layout l have them; one that is zero if they
// have none.
func keyServices(services []set.Service, l set.Layout) []set.Service {
	if !l.Port {
		return []set.Service{{}}
	}
	var all []set.Service
	for _, s := range services {
		if !l.Proto {
			s.Proto = 0
		}
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// entry is a span of a set for somebody who looks.
func (ks *kernelSet) entry(s openSpan, now moment) Entry {
	st := ks.state.Load()
	e := Entry{Set: ks.id, Layout: st.layout, Addr: s.span.First, Last: s.span.Last, Service: s.service, Own: s.own, Permanent: st.err == nil}
	for _, name := range s.rules {
		e.Reasons = append(e.Reasons, Why{Rule: name, Origin: rule.ByLine, First: now - s.since})
	}
	return e
}

// entries are all of a set's; none if it isn't an interval set.
func (ks *kernelSet) entries(now moment) (all []Entry) {
	if ks.ranges == nil {
		return nil
	}
	if o := ks.ranges.open.Load(); o != nil {
		for _, s := range o.spans {
			all = append(all, ks.entry(s, now))
		}
	}
	return all
}

// has tells whether a span was open already. Of a nil one nothing was.
func (o *opened) has(s openSpan) bool {
	at, found := o.find(s.service, s.span.First)
	return found && o.spans[at].span == s.span
}

// find is where the span of a service is that an address is in.
func (o *opened) find(s set.Service, a netip.Addr) (at int, found bool) {
	if o == nil {
		return 0, false
	}
	at, found = slices.BinarySearchFunc(o.spans, a, func(open openSpan, a netip.Addr) int {
		return cmp.Or(compareServices(open.service, s), open.span.First.Compare(a))
	})
	if !found {
		at--
	}
	return at, at >= 0 && o.spans[at].service == s && o.spans[at].span.Contains(a)
}

// covers tells whether all of services are open for an address, or all of it.
func (o *opened) covers(a netip.Addr, services []set.Service) bool {
	return !slices.ContainsFunc(services, func(s set.Service) bool {
		_, open := o.find(s, a)
		return !open
	})
}

var errNotWritten = errors.New("not written yet")

// ranged takes an address that is written out through those of a rule's sets that
// have ranges, when the rule has no set for single addresses of its family. It
// reports false if it has no set of ranges either.
func (i *Instance) ranged(q *Question, rs *ruleState, addr, match int, start, now moment) (fits bool) {
	r := rs.rule
	a := q.Walk.Addrs[addr]
	services := q.Matches[match].Services
	if !rs.writesOut(a.Addr, services) {
		return false
	}
	for n := range rs.sets {
		s := r.Sets[n]
		if !s.Interval || s.Layout.V6 != a.Addr.Is6() {
			continue
		}
		fits = true
		st := rs.sets[n].state.Load()
		gr := grant{addr: addr, match: match, rule: rs, set: n, counts: q.counts(r), feeds: q.feeds(r), deadline: start + r.Wait, state: st}
		switch err := rs.check(n, st); {
		case err != nil && gr.waits(now) && q.Rehearsal == nil:
			q.grants = append(q.grants, gr)
		case err != nil:
			q.fail(&gr, NotReady, err)
		case !rs.sets[n].ranges.open.Load().covers(a.Addr, keyServices(services, s.Layout)):
			q.fail(&gr, NotReady, errNotWritten)
		default:
			q.covered = true
			q.step(Step{Cause: Cause{Fate: Promised, Rule: r, Addr: a.Addr, Set: s.ID}, Layout: s.Layout, Permanent: true})
		}
	}
	return fits
}
