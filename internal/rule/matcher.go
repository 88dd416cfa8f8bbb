package rule

import (
	"cmp"
	"net/netip"
	"slices"
	"unsafe"

	"github.com/namewall/namewall/internal/set"
)

// Matcher finds the rules that a name falls under. It never changes, and any
// number of goroutines may use it.
type Matcher struct {
	trie   trie // the ids are places in lines
	lines  []line
	owners map[*Rule]*owner
	names  bool // there is a pattern that a name can match
}

// line is a name line of a rule, or all its except lines together.
type line struct {
	of       *owner
	services []set.Service
}

// owner is a rule with what Match asks of it.
type owner struct {
	rule    *Rule
	clients table[struct{}]
	// except is the line of what the rule excepts. Its name lines follow it, and
	// then the next rule's: so lines in order are rules in order, and one learns
	// of the exception first.
	except uint32
}

// Match is a name line of a rule that matches a name.
type Match struct {
	Rule     *Rule
	Services []set.Service // what the line opens, whole addresses if empty; not to be changed
}

// NewMatcher makes the matcher for rules, which may not change afterwards. Time
// and memory are linear in the number of patterns.
func NewMatcher(rules []*Rule) *Matcher {
	rules = slices.Clone(rules)
	slices.SortStableFunc(rules, func(a, b *Rule) int { return cmp.Compare(a.Index, b.Index) })

	patterns := 0
	for _, r := range rules {
		patterns += len(r.Except)
		for _, names := range r.Names {
			patterns += len(names.Patterns)
		}
	}
	m := &Matcher{trie: newTrie(patterns), owners: make(map[*Rule]*owner, len(rules))}
	for _, r := range rules {
		o := &owner{rule: r, clients: clientTable(r.Clients)}
		m.owners[r] = o
		o.except = m.add(line{of: o}, r.Except)
		for _, names := range r.Names {
			m.add(line{of: o, services: names.Services}, names.Patterns)
			m.names = m.names || len(names.Patterns) > 0
		}
	}
	return m
}

func (m *Matcher) add(l line, patterns []Pattern) (id uint32) {
	id = uint32(len(m.lines))
	m.lines = append(m.lines, l)
	for _, p := range patterns {
		m.trie.add(p, id)
	}
	return id
}

// Empty tells that no name matches.
func (m *Matcher) Empty() bool { return !m.names }

// usualHits is how many lines may match a name before the look-up allocates. A
// site has some ten rules, of which few share a name.
const usualHits = 32

// Match appends to dst a Match for every name line that matches name, in the
// order of Rule.Index and then of the lines. A rule that excepts name, or whose
// Clients don't hold client, is left out.
//
// The name is as miekg/dns unpacks it, in presentation format with escapes and
// the final dot, and in lower case. If dst has room, nothing is allocated for up
// to usualHits lines.
func (m *Matcher) Match(dst []Match, name string, client netip.Addr) []Match {
	return m.match(dst, name, client, false)
}

// MatchAnyone is Match for a name of which nobody in particular asks: every rule
// is taken for one of the clients that it is for.
func (m *Matcher) MatchAnyone(dst []Match, name string) []Match {
	return m.match(dst, name, netip.Addr{}, true)
}

func (m *Matcher) match(dst []Match, name string, client netip.Addr, anyone bool) []Match {
	var ids [usualHits]uint32
	var last *owner // whose line we had last
	var taken bool  // whether that rule takes the name
	for i, hits := 0, m.find(ids[:0], name); i < len(hits); i++ {
		if i > 0 && hits[i] == hits[i-1] {
			continue // by several patterns of one line
		}
		l := &m.lines[hits[i]]
		if l.of != last {
			last = l.of
			taken = hits[i] != last.except && (anyone || last.serves(client))
		}
		if taken {
			dst = append(dst, Match{Rule: last.rule, Services: l.services})
		}
	}
	return dst
}

// Excepted tells whether r, one of the matcher's rules, excepts name, which is as
// for Match. Of a rule that is not the matcher's it can't tell, and says so too.
func (m *Matcher) Excepted(r *Rule, name string) bool {
	if len(r.Except) == 0 {
		return false
	}
	o, ok := m.owners[r]
	var ids [usualHits]uint32
	return !ok || slices.Contains(m.find(ids[:0], name), o.except)
}

// find appends the lines that match name, in order and perhaps repeatedly.
func (m *Matcher) find(dst []uint32, name string) []uint32 {
	folded, ok := plain(name)
	if !ok {
		var buf [maxName + 1]byte
		b, ok := fold(buf[:0], name)
		if !ok {
			return dst
		}
		folded = unsafe.String(unsafe.SliceData(b), len(b)) // nobody changes buf any more
	}
	dst = m.trie.find(dst, folded)
	if len(dst) > 1 {
		slices.Sort(dst)
	}
	return dst
}

// serves tells whether the rule is for client.
func (o *owner) serves(client netip.Addr) bool {
	return len(o.rule.Clients) == 0 || client.IsValid() && o.clients.find(client.Unmap()).held
}

func clientTable(prefixes []netip.Prefix) table[struct{}] {
	entries := make([]entry[struct{}], len(prefixes))
	for i, p := range prefixes {
		entries[i].prefix = p
	}
	return newTable(entries)
}
