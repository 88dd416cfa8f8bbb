package gate

import (
	"net/netip"
	"time"

	"github.com/namewall/namewall/internal/rule"
)

// Own makes q a question of the gateway's own, which no client has asked: it
// falls under rule r alone, by those lines that keep q.Name resolved. The rule's
// `clients` are not asked.
func (i *Instance) Own(q *Question, r *rule.Rule) {
	for _, m := range r.Resolving(q.Name) {
		q.Matches = append(q.Matches, Match{Match: m, Name: q.Name, until: forever})
	}
}

// Takes tells whether one of r's sets is for IPv6 addresses, or for IPv4 ones. A
// set whose type isn't known yet may be for either.
func (i *Instance) Takes(r *rule.Rule, v6 bool) bool {
	rs := i.rules[r.Index]
	for n := range rs.sets {
		if r.Sets[n].Interval {
			continue
		}
		if layout, known := rs.layout(n, rs.sets[n].state.Load()); !known || layout.V6 == v6 {
			return true
		}
	}
	return false
}

// Known is an address that is promised because of a name.
type Known struct {
	Rule, Name string
	Addr       netip.Addr
	Age        time.Duration // since an answer last said so
	Left       time.Duration // until the promise ends
}

// Known visits what is promised, once for each key and name: an address with two
// services comes twice. Answers get in between, but wait for visit.
func (g *Gate) Known(visit func(Known)) {
	now := g.now()
	g.each(func(b *binding) bool {
		if b.until <= now || b.ending != notEnding {
			return true
		}
		for i := range b.reasons {
			if r := &b.reasons[i]; r.subject.named() && r.until > now {
				visit(Known{Rule: r.subject.rule, Name: r.subject.name, Addr: b.addr(), Age: now - r.last, Left: b.until - now})
			}
		}
		return true
	})
}
