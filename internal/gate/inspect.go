package gate

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// Entry is what the gate knows of one element. Durations are from now.
type Entry struct {
	Set     set.ID
	Layout  set.Layout
	Client  netip.Addr // of a pair
	Addr    netip.Addr
	Last    netip.Addr  // of a range, which begins with Addr; invalid if it is none
	Service set.Service // zero if the layout has no ports

	Promised  time.Duration // for how long it is promised; 0: it isn't
	Held      time.Duration // for how long the kernel holds it; 0: it doesn't
	Permanent bool          // it holds it for ever
	Traffic   *Traffic      // set by Live; nil: the set doesn't count, or it isn't known
	Own       bool          // the gate wrote it, and nobody has made it longer since
	Ending    bool          // it is being revoked
	Reasons   []Why
}

// Why is a reason for an element.
type Why struct {
	Rule   string
	Origin rule.Origin
	UID    uint32 // of ByHand only: the administrator's
	Name   string // of ByName only; "": names of the rule beyond those that are kept
	Chain  string // see Names
	Client netip.Addr
	First  time.Duration // how long ago
	Last   time.Duration // how long ago
	Left   time.Duration // for how long it alone keeps the element
	TTL    time.Duration // of the last answer, at most the rule's longest; 0: not known
}

// Names are the names from Name to the address's owner, nil if that is Name
// itself.
func (w *Why) Names() []string {
	if w.Chain == "" {
		return nil
	}
	return strings.Split(w.Chain, chainArrow)
}

// Span is the addresses of the element.
func (e *Entry) Span() set.Span {
	if e.Last.IsValid() {
		return set.Span{First: e.Addr, Last: e.Last}
	}
	return set.Span{First: e.Addr, Last: e.Addr}
}

// Rules are the rules of the active configuration; of one that is being replaced
// too, those that the newer one doesn't have.
func (g *Gate) Rules() []*rule.Rule {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []*rule.Rule
	for _, i := range slices.Backward(g.instances) {
		for _, rs := range i.rules {
			if !slices.ContainsFunc(all, func(r *rule.Rule) bool { return r.Name == rs.rule.Name }) {
				all = append(all, rs.rule)
			}
		}
	}
	return all
}

// Filter chooses entries. What is zero chooses all.
type Filter struct {
	Set  set.ID
	Addr netip.Addr
	Rule string
	Name string // in lower case, with its final dot

	// Crowded chooses those that are there for more names than are kept.
	Crowded bool

	// Where has the last word; nil chooses all. It is called with a lock held.
	Where func(*Entry) bool
}

// Entries returns the entries that a filter chooses, at most so many, in no
// order, and whether there are more. Answers get in between.
func (g *Gate) Entries(f Filter, most int) (found []Entry, more bool) {
	now := g.now()
	g.each(func(b *binding) bool {
		if more || !f.chooses(b) {
			return true
		}
		e := b.entry(now)
		if f.Where != nil && !f.Where(&e) {
			return true
		}
		if more = len(found) == most; !more {
			found = append(found, e)
		}
		return true
	})
	for _, ks := range g.known() {
		for _, e := range ks.entries(now) {
			if more || !f.choosesEntry(&e) {
				continue
			}
			if more = len(found) == most; !more {
				found = append(found, e)
			}
		}
	}
	return found, more
}

// chooses tells whether the filter chooses a binding. The shard is locked.
func (f *Filter) chooses(b *binding) bool {
	if f.Set != (set.ID{}) && f.Set != b.set.id || f.Addr.IsValid() && f.Addr != b.addr() {
		return false
	}
	if f.Rule == "" && f.Name == "" && !f.Crowded {
		return true
	}
	for i := range b.reasons {
		sub := b.reasons[i].subject
		if f.Crowded && (sub.origin != rule.ByName || sub.named()) {
			continue
		}
		if (f.Rule == "" || f.Rule == sub.rule) && (f.Name == "" || f.Name == sub.name) {
			return true
		}
	}
	return false
}

func (e *Entry) contains(a netip.Addr) bool {
	span := e.Span()
	return span.Contains(a)
}

// choosesEntry is chooses for a binding that is no more, and for ranges.
func (f *Filter) choosesEntry(e *Entry) bool {
	if f.Set != (set.ID{}) && f.Set != e.Set || f.Addr.IsValid() && !e.contains(f.Addr) || f.Where != nil && !f.Where(e) {
		return false
	}
	return f.Rule == "" && f.Name == "" && !f.Crowded || slices.ContainsFunc(e.Reasons, func(w Why) bool {
		return (!f.Crowded || w.Origin == rule.ByName && w.Name == "") && (f.Rule == "" || f.Rule == w.Rule) && (f.Name == "" || f.Name == w.Name)
	})
}

// entry is the binding for somebody who looks. The shard is locked.
func (b *binding) entry(now moment) Entry {
	p := b.part()
	e := Entry{
		Set: p.set, Layout: p.layout, Client: p.client, Addr: p.addr, Service: p.service,
		Promised: max(0, b.until-now), Own: b.own, Ending: b.ending != notEnding,
	}
	switch held := b.holds(b.set.state.Load().epoch); held {
	case forever:
		e.Permanent = true
	default:
		e.Held = max(0, held-now)
	}
	for i := range b.reasons {
		r := &b.reasons[i]
		why := Why{
			Rule: r.subject.rule, Origin: r.subject.origin, Name: r.subject.name, Chain: r.chained(), Client: r.client,
			First: now - r.first, Last: now - r.last, Left: max(0, r.until-now), TTL: r.ttl,
		}
		if why.Origin == rule.ByHand {
			uid, _ := strconv.ParseUint(why.Name, 10, 32) // heldByHand has written it
			why.UID, why.Name = uint32(uid), ""
		}
		e.Reasons = append(e.Reasons, why)
	}
	return e
}
