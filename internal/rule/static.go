package rule

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/namewall/namewall/internal/set"
)

// Static is one `static` line: what is always in the rule's sets, and the services
// that it opens. Without services it opens whole addresses.
type Static struct {
	Prefixes []netip.Prefix // at least one, masked; of full length: an address
	Services []set.Service
}

// String says which line it is, for messages.
func (s Static) String() string { return "static " + PrefixWord(s.Prefixes[0]) }

// PrefixWord is a prefix as people write it: one of full length as the address.
func PrefixWord(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// Written finds what `static` lines open for an address. It never changes. The
// zero Written has no lines.
type Written struct {
	table table[[]set.Service]
}

// WrittenOut is what lines open.
func WrittenOut(lines []Static) Written {
	own := make(map[netip.Prefix][]set.Service)
	var all []netip.Prefix
	for _, s := range lines {
		for _, p := range s.Prefixes {
			if _, known := own[p]; !known {
				all = append(all, p)
			}
			own[p] = append(own[p], s.Services...)
		}
	}
	// A prefix comes before those inside it, which open what it opens too.
	slices.SortFunc(all, func(a, b netip.Prefix) int { return cmp.Or(a.Addr().Compare(b.Addr()), a.Bits()-b.Bits()) })
	var entries []entry[[]set.Service]
	var around []entry[[]set.Service] // the longest last
	for _, p := range all {
		for len(around) > 0 && !around[len(around)-1].prefix.Contains(p.Addr()) {
			around = around[:len(around)-1]
		}
		e := entry[[]set.Service]{prefix: p, value: own[p]}
		if len(around) > 0 {
			e.value = slices.Concat(around[len(around)-1].value, e.value)
		}
		around = append(around, e)
		entries = append(entries, e)
	}
	return Written{newTable(entries)}
}

// Find tells which services are open for an address, whichever way it came into
// the sets: none, if that is all of it. ok is false if no line has it. Nothing is
// allocated.
func (w *Written) Find(a netip.Addr) (services []set.Service, ok bool) {
	c := w.table.find(a)
	return c.value, c.held
}

// Takes tells whether Sets[i], which is Known, gets a prefix of the rule's lines. An
// address goes to the sets of addresses, where the rule has one of its family.
func (r *Rule) Takes(i int, p netip.Prefix) bool {
	in := r.Sets[i]
	switch {
	case p.Addr().Is6() != in.Layout.V6:
		return false
	case !in.Interval:
		return p.IsSingleIP()
	}
	return !p.IsSingleIP() || !slices.ContainsFunc(r.Sets, func(s Set) bool { return !s.Interval && s.Layout.V6 == in.Layout.V6 })
}

// Ports tells whether the rule's lines open ports: all of them do, or none.
func (r *Rule) Ports() bool {
	all := r.openings()
	return len(all) > 0 && len(all[0].services) > 0
}

// opening is what a line of names or addresses opens.
type opening struct {
	text     string // the line, for messages
	what     string // what it names first, if no client asks for that; "" if one does
	option   string // by which it is named
	services []set.Service
}

// openings are all of the rule's.
func (r *Rule) openings() []opening {
	all := make([]opening, 0, len(r.Names)+len(r.Statics))
	for _, n := range r.Names {
		l := opening{text: n.String(), services: n.Services}
		if n.Resolved {
			l.what, l.option = n.Patterns[0].String(), "resolve"
		}
		all = append(all, l)
	}
	for _, s := range r.Statics {
		all = append(all, opening{text: s.String(), what: PrefixWord(s.Prefixes[0]), option: "static", services: s.Services})
	}
	return all
}
