package rule

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/namewall/namewall/internal/set"
)

// Matcher finds the rules that a name falls under. It never changes, and may be
// used by any number of goroutines.
type Matcher struct {
	trie  trie
	lines []line
	first map[*Rule]uint32 // the rule's place in lines
	names bool             // there is any pattern that can match
}

// line is what an id of the trie stands for. Every rule has one line for all
// that it excepts, before those for its name lines; so ids in order are rules in
// order, with the exception first.
type line struct {
	rule     *Rule
	services []set.Service
	except   bool
	clients  table // of an except line: who the rule is for
}

// Match is a name line of a rule that matches a name.
type Match struct {
	Rule     *Rule
	Services []set.Service // what the line opens; empty: whole addresses. The rule's own, to be read only
}

// NewMatcher makes the matcher for rules, which must not change afterwards. The
// time it takes and the memory it holds are linear in the number of patterns.
func NewMatcher(rules []*Rule) *Matcher {
	rules = slices.Clone(rules)
	slices.SortStableFunc(rules, func(a, b *Rule) int { return cmp.Compare(a.Index, b.Index) })

	m := &Matcher{trie: newTrie(), first: make(map[*Rule]uint32, len(rules))}
	for _, r := range rules {
		m.first[r] = m.add(line{rule: r, except: true, clients: prefixTable(r.Clients)}, r.Except)
		for _, names := range r.Names {
			m.add(line{rule: r, services: names.Services}, names.Patterns)
			m.names = m.names || len(names.Patterns) > 0
		}
	}
	return m
}

func (m *Matcher) add(l line, patterns []Pattern) uint32 {
	id := uint32(len(m.lines))
	m.lines = append(m.lines, l)
	for _, p := range patterns {
		m.trie.add(p, id)
	}
	return id
}

// Empty tells that no name can match.
func (m *Matcher) Empty() bool { return !m.names }

// usualHits is how many lines may match one name before Match has to allocate.
// A site has few rules, and most names fall under one; this is far beyond.
const usualHits = 64

// Match appends to dst one Match for every name line that matches name, in the
// order of Rule.Index and then of the lines. A rule that excepts name, or whose
// Clients do not hold client, is left out.
//
// The name is lower-case and in presentation format, as miekg/dns unpacks it:
// with escapes, and with the final dot. Nothing is allocated if dst has room.
func (m *Matcher) Match(dst []Match, name string, client netip.Addr) []Match {
	var nameBuf [maxName + 1]byte
	folded, ok := fold(nameBuf[:0], name)
	if !ok {
		return dst
	}
	var idBuf [usualHits]uint32
	ids := m.trie.find(idBuf[:0], folded)
	if len(ids) == 0 {
		return dst
	}
	slices.Sort(ids)

	var rule *Rule // whose lines ids is at
	var taken bool // whether it takes the name
	for i, id := range ids {
		if i > 0 && id == ids[i-1] {
			continue
		}
		l := &m.lines[id]
		if l.rule != rule {
			rule = l.rule
			taken = !l.except && m.serves(rule, client)
		}
		if taken {
			dst = append(dst, Match{Rule: rule, Services: l.services})
		}
	}
	return dst
}

// serves tells whether r is for client.
func (m *Matcher) serves(r *Rule, client netip.Addr) bool {
	if len(r.Clients) == 0 {
		return true
	}
	return m.lines[m.first[r]].clients.find(client.Unmap().WithZone("")).held
}

// Excepted tells whether r, which is a rule of m, excepts name. The name is as
// for Match.
func (m *Matcher) Excepted(r *Rule, name string) bool {
	var nameBuf [maxName + 1]byte
	folded, ok := fold(nameBuf[:0], name)
	if !ok {
		return false
	}
	id, ok := m.first[r]
	if !ok || len(r.Except) == 0 {
		return false
	}
	var idBuf [usualHits]uint32
	return slices.Contains(m.trie.find(idBuf[:0], folded), id)
}
