package gate

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
	"github.com/namewall/namewall/internal/state"
)

// Instance is one loaded configuration. While a reload is under way two are
// active, and the gate serves both: what either feeds is kept.
type Instance struct {
	gate    *Gate
	rules   []*ruleState  // by rule.Index
	matcher *rule.Matcher // of all of them
	site    rule.Site

	earlier state.Snapshot // to be taken over by Start
	used    []*kernelSet   // its sets, each as often as a rule names it; guarded by Gate.mu
}

// ruleState is a rule with the kernel's side of its sets, which Start fills in.
type ruleState struct {
	rule    *rule.Rule
	sets    []ruleSet
	written rule.Written
	tag     tag
}

// ruleSet is a set as one rule feeds it.
type ruleSet struct {
	*kernelSet
	checked atomic.Pointer[check]
}

// check is whether a state of a set suits the rule.
type check struct {
	state *setState
	err   error
}

// Stage prepares a configuration without any effect on what is active: a
// configuration that is never started needs no undoing. The rules' Index must
// be dense. site is asked for every address that is judged. A hundred thousand
// names take it some tenths of a second.
func (g *Gate) Stage(rules []*rule.Rule, site rule.Site) *Instance {
	i := &Instance{gate: g, site: site, rules: make([]*ruleState, len(rules))}
	for _, r := range rules {
		i.rules[r.Index] = &ruleState{rule: r, sets: make([]ruleSet, len(r.Sets)), written: rule.WrittenOut(r.Statics), tag: tagRule(r.Name)}
	}
	i.matcher = rule.NewMatcher(i.all())
	return i
}

// all are its rules, by Index.
func (i *Instance) all() []*rule.Rule {
	all := make([]*rule.Rule, len(i.rules))
	for n, rs := range i.rules {
		all[n] = rs.rule
	}
	return all
}

// Start makes a staged configuration active. Its sets are read in the
// background; until they have been, answers that need them are held.
func (i *Instance) Start() {
	i.gate.mu.Lock()
	defer i.gate.mu.Unlock()
	i.start(len(i.gate.instances))
}

// StartBeside is Start for a configuration that is to take old's place as soon as
// whoever asks has moved over; it is old's Stop that completes it. If old is no
// longer active, because it was replaced by another or has lost a reload, nothing
// is done and false returned: nobody brings back what has gone.
func (i *Instance) StartBeside(old *Instance) bool {
	i.gate.mu.Lock()
	defer i.gate.mu.Unlock()
	at := slices.Index(i.gate.instances, old)
	if at >= 0 {
		i.start(at + 1)
	}
	return at >= 0
}

// start makes it active, as the at-th oldest. Gate.mu is held.
func (i *Instance) start(at int) {
	g := i.gate
	g.instances = slices.Insert(g.instances, at, i)
	g.version.Add(1)
	for _, rs := range i.rules {
		for n, s := range rs.rule.Sets {
			rs.sets[n].kernelSet = i.use(s)
		}
	}
	if len(i.earlier.Bindings)+len(i.earlier.Intervals) > 0 {
		i.restore()
	}
	g.wake()
}

// use follows a set for as long as the instance is there. Gate.mu is held.
func (i *Instance) use(s rule.Set) *kernelSet {
	g := i.gate
	ks := g.sets[setKey{s.ID, s.Interval}]
	if ks == nil {
		g.nextSet++
		ks = &kernelSet{id: s.ID, number: g.nextSet, changes: &g.changes}
		if s.Interval {
			ks.ranges = new(ranges)
		}
		ks.become(nil, setState{err: errUnread, layout: s.Layout, known: s.Known, since: g.now()})
		ks.stale.Store(true)
		g.sets[ks.key()] = ks
	}
	ks.users++
	i.used = append(i.used, ks)
	return ks
}

// Stop ends a configuration, because it has been replaced: what it alone had
// promised ends as its rules' `revoke` has it. Answers that are under way are
// still given. A process that ends stops nothing, so that everything stays.
func (i *Instance) Stop() {
	g := i.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if at := slices.Index(g.instances, i); at >= 0 {
		g.instances = slices.Delete(g.instances, at, at+1)
		g.retire(i.used, i.choices(), i.rules)
	}
}

// Keep says that this configuration goes on alone, because the one that was to
// follow it has failed: every other one is dropped.
func (i *Instance) Keep() {
	g := i.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.Contains(g.instances, i) {
		return
	}
	for _, other := range g.instances {
		if other != i {
			g.retire(other.used, other.choices(), other.rules)
		}
	}
	g.instances = []*Instance{i}
}

// release lets go of sets that an instance has used. Gate.mu is held.
func (g *Gate) release(used []*kernelSet) {
	for _, ks := range used {
		if ks.users--; ks.users == 0 {
			delete(g.sets, ks.key())
			ks.lose(g.now(), errForgotten)
			ks.forgotten.Store(true)
			g.released.Store(true)
		}
	}
}

// layout is what the rule takes the set's keys for: what the Corefile says, or
// else what the kernel says or said last.
func (rs *ruleState) layout(n int, st *setState) (l set.Layout, known bool) {
	if want := &rs.rule.Sets[n]; want.Known {
		return want.Layout, true
	}
	return st.layout, st.known
}

// check tells whether the set, in this state, can be fed for the rule.
func (rs *ruleState) check(n int, st *setState) error {
	s := &rs.sets[n]
	if c := s.checked.Load(); c != nil && c.state == st {
		return c.err
	}
	err := st.err
	if want := rs.rule.Sets[n]; err == nil {
		if want.Known && want.Layout != st.layout {
			err = fmt.Errorf("%w: it is '%s', the Corefile says '%s'", errLayout, st.layout, want.Layout)
		} else {
			err = rs.rule.CheckLayout(n, st.layout)
		}
	}
	s.checked.Store(&check{state: st, err: err})
	return err
}

// Problem is a reason for which a rule is not ready.
type Problem struct {
	Rule *rule.Rule
	Set  set.ID
	Err  error
}

// String is the problem in a line.
func (p Problem) String() string {
	return fmt.Sprintf("rule %s: set %s: %v", p.Rule.Name, p.Set, p.Err)
}

// stalledAfter is how long a commit may take until that is a problem: longer than
// the transaction of any ruleset that is not out of the ordinary.
const stalledAfter = 5 * time.Second

var (
	errStalled  = errors.New("a write has been waiting for nftables for some time, behind another program's transaction")
	errUnproven = errors.New("nftables failed a moment ago")
)

// Problems lists what keeps the active rules from being ready. It is empty when
// every set of every rule can be fed.
func (g *Gate) Problems() []Problem {
	now := g.now()
	since := moment(g.sending.Load())
	stalled := since > 0 && now-since >= stalledAfter
	var unproven *error
	if l := g.session.Load(); l != nil {
		unproven = l.unproven.Load()
	}
	g.mu.Lock()
	instances := slices.Clone(g.instances)
	g.mu.Unlock()
	var all []Problem
	seen := make(map[string]bool)
	for _, i := range slices.Backward(instances) {
		for _, rs := range i.rules {
			if seen[rs.rule.Name] {
				continue // the newer configuration's rule counts
			}
			seen[rs.rule.Name] = true
			for n := range rs.sets {
				err := rs.check(n, rs.sets[n].state.Load())
				switch t := rs.sets[n].trouble.Load(); {
				case err != nil:
				case stalled:
					err = errStalled
				case unproven != nil:
					err = fmt.Errorf("%w: %w", errUnproven, *unproven)
				case t != nil && now-t.at < troubleFor:
					err = t.err
				}
				if err != nil {
					all = append(all, Problem{rs.rule, rs.sets[n].id, err})
				}
			}
		}
	}
	return all
}
