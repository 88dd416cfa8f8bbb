package rule

import "strings"

// Overlaps tells whether there can be a name that both patterns match.
func (p Pattern) Overlaps(q Pattern) bool {
	if p.text == "" || q.text == "" {
		return false
	}
	if _, exact := p.Exact(); exact {
		return q.has(p.text)
	}
	if _, exact := q.Exact(); exact {
		return p.has(q.text)
	}
	a, aBelow := p.below()
	b, bBelow := q.below()
	switch {
	case aBelow && bBelow:
		return within(a, b) || within(b, a)
	case aBelow:
		_, _, parent, _ := q.glob()
		return within(parent, a)
	case bBelow:
		_, _, parent, _ := p.glob()
		return within(parent, b)
	}
	prefix, suffix, parent, _ := p.glob()
	otherPrefix, otherSuffix, otherParent, _ := q.glob()
	return parent == otherParent &&
		(strings.HasPrefix(prefix, otherPrefix) || strings.HasPrefix(otherPrefix, prefix)) &&
		(strings.HasSuffix(suffix, otherSuffix) || strings.HasSuffix(otherSuffix, suffix))
}

// has tells whether p matches a folded name.
func (p Pattern) has(name string) bool {
	if zone, ok := p.below(); ok {
		return zone == "" || name != zone && within(name, zone)
	}
	if prefix, suffix, parent, ok := p.glob(); ok {
		label, above, _ := strings.Cut(name, ".")
		return above == parent && globbed(label, prefix, suffix)
	}
	return name == p.text
}
