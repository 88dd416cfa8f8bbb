package gate

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// Whatever happens around the gate, an address that leaves as promised is in
// the kernel for its TTL and grace, unless something that took it out has not
// been told to the gate yet. Once nothing happens any more, the gate believes of
// no element more than the kernel has, all that was promised is there again, and
// everything can be had.
//
// The kernel of this test tells its events late, takes its time for commits and
// readings, refuses, breaks and loses; others change the sets and the
// configuration while answers are under way.
func TestPromisesHoldWhateverHappens(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(drawStep), 1, 50).Draw(rt, "steps")
		m := &model{admins: make(map[element]bool)}
		synctest.Test(t, func(t *testing.T) { m.run(t, steps) })
		if len(m.broken) > 0 {
			rt.Fatalf("%v", m.broken)
		}
	})
}

// model is a gate, its kernel, and what was seen to be wrong.
type model struct {
	*bench
	asking sync.WaitGroup
	// Guarded by the kernel:
	admins   map[element]bool // those that an administrator has put there
	reloaded bool

	mu     sync.Mutex // guards broken
	broken []string
}

func (m *model) fault(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = append(m.broken, fmt.Sprintf(format, args...))
}

func modelAddr(n int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, byte(n)}) }
func modelKey(n int) set.Key     { return key4(modelAddr(n)) }

// modelRules have lives that end while the test runs.
func modelRules() []*rule.Rule {
	lasting := func(least, most, grace time.Duration) func(*rule.Rule) {
		return func(r *rule.Rule) { r.Lifetime = rule.Lifetime{Min: least, Max: most, Grace: grace} }
	}
	return []*rule.Rule{
		newRule("web", []set.ID{web4}, lasting(10*time.Second, 2*time.Minute, 5*time.Second)),
		newRule("app", []set.ID{web4, app4}, lasting(time.Minute, time.Hour, 20*time.Second)),
		newRule("feed", []set.ID{app4}, feed),
	}
}

func (m *model) run(t *testing.T, steps []step) {
	k := newFakeKernel()
	k.lag, k.before, k.after = 5*time.Millisecond, 3*time.Millisecond, 8*time.Millisecond
	k.declare(web4, v4, 0)
	k.declare(app4, v4, 0)
	k.shown = m.respects
	m.bench = start(t, k, modelRules()...)
	for _, s := range steps {
		things[s.what](m, s)
	}
	m.asking.Wait()
	m.rest()
}

// answer asks, and looks at once whether what was promised is there.
func (m *model) answer(b *bench, s step) {
	q := b.ask(fmt.Sprintf("h%d.example.com.", s.another), s.ttl, modelAddr(s.addr), modelAddr(s.another))
	for i, n := range []int{s.addr, s.another} {
		if q.Fates[i] == Promised {
			m.check(q, n, s.ttl)
		}
	}
}

// check tells whether an address that leaves as promised is where it must be.
func (m *model) check(q *Question, addr int, ttl time.Duration) {
	for _, match := range q.Matches {
		r := match.Rule
		if r.Mode == rule.Feed {
			continue
		}
		for _, s := range r.Sets {
			left := m.life(s.ID, modelKey(addr))
			if need := r.Lifetime.Needed(ttl); left >= 0 && left < need {
				m.change(func() {
					if !m.untold(s.ID, modelKey(addr)) {
						m.fault("%s was promised in %s for %v: the kernel has %v", modelAddr(addr), s.ID.Name, need, left)
					}
				})
			}
		}
	}
}

// respects tells whether a write leaves alone what lives longer, and a deletion
// what an administrator has put there. The kernel is locked.
func (m *model) respects(op nft.Op) {
	s := m.sets[op.Set]
	if s == nil {
		return
	}
	end, there := s.elements[op.Key]
	longer := there && (end.IsZero() || time.Until(end) > max(op.Timeout, 0)+kernelExtra)
	at := element{op.Set, op.Key}
	switch {
	case !longer:
		delete(m.admins, at)
	case op.Kind == nft.Add, m.untold(op.Set, op.Key):
	case !m.admins[at] && (op.Kind == nft.Delete || m.reloaded): // it may be revoked
	default:
		m.fault("%v of %v in %s for %v: it would live %v", op.Kind, op.Key, op.Set.Name, op.Timeout, time.Until(end))
	}
}

// untold tells whether something has happened to an element of which the gate
// did not know when it looked, a moment ago. The kernel is locked.
func (m *model) untold(id set.ID, key set.Key) bool {
	k := m.fakeKernel
	return slices.ContainsFunc(k.news, func(n *tidings) bool {
		switch {
		case n.session != k.session || !n.told.IsZero() && n.told.Before(time.Now()):
			return false
		case n.Kind == nft.ElementNew || n.Kind == nft.ElementGone:
			return n.ID == id && n.Element.Key == key
		}
		return n.ID == id || n.Kind == nft.Overrun || n.Kind == nft.Ended
	})
}

// rest has everything come to rest, and then looks at all there is.
func (m *model) rest() {
	things["commits are fast"](m, step{})
	things["nothing is refused"](m, step{})
	m.change(func() { m.dumped, m.read = nil, nil })
	for _, id := range []set.ID{web4, app4} {
		if s := m.sets[id]; s == nil || s.info.Layout != v4 || s.info.Size > 0 {
			things["set declared anew"](m, step{set: id})
		}
	}
	time.Sleep(troubleFor + 2*retryMax)
	now := m.gate.now()
	m.gate.each(func(b *binding) bool {
		if b.set.forgotten.Load() {
			return true
		}
		left := m.life(b.set.id, b.at.key)
		switch held := b.holds(b.set.state.Load().epoch); {
		case left < 0: // permanent
		case held-now > left:
			m.fault("%s in %s: the gate believes in %v, the kernel has %v", b.addr(), b.set.id.Name, held-now, left)
		case b.until-now > left:
			m.fault("%s in %s was promised for %v, the kernel has %v", b.addr(), b.set.id.Name, b.until-now, left)
		}
		return true
	})
	for n := range 4 {
		m.answer(m.bench, step{addr: n, another: n, ttl: time.Hour})
		q := m.ask("last.example.com.", time.Hour, modelAddr(n))
		if q.Fates[0] != Promised {
			m.fault("at the end %s is %v: %v", modelAddr(n), q.Fates[0], q.Causes)
		}
	}
	if p := m.gate.Problems(); len(p) > 0 {
		m.fault("at the end there are problems: %v", p)
	}
	if m.twice > 0 {
		m.fault("%d elements were named twice in a commit", m.twice)
	}
	if s := m.gate.Stats(); s.Held > 0 || s.Queued > 0 {
		m.fault("at the end %d answers are held, %d writes queued", s.Held, s.Queued)
	}
}
