package rule

import "strings"

// Pattern is a name or a wildcard as a rule has it. There are four kinds:
//
//	api.example.com      that name alone
//	*.example.com        every name below it, at any depth, and not itself
//	fe-*.example.com     names one label below example.com; the * stands for
//	                     any run of characters, also none, of that one label
//	*                    every name, the root included
//
// Patterns are comparable: two that are equal match the same names. The zero
// Pattern matches nothing.
type Pattern struct {
	// text is the canonical form: lower-case A-labels of letters, digits, '-'
	// and '_', without the final dot. ParsePattern alone makes it.
	text string
}

const (
	everyText   = "*"
	belowPrefix = "*."
)

// String is the pattern as the Corefile has it, in canonical form. ParsePattern
// reads it back to an equal pattern.
func (p Pattern) String() string { return p.text }

// Exact is the name that p stands for, fully qualified. It reports false if p
// is a wildcard.
func (p Pattern) Exact() (name string, ok bool) {
	if p.text == "" || strings.Contains(p.text, "*") {
		return "", false
	}
	return p.text + ".", true
}

// glob splits a pattern with a * in its leftmost label: what stands before and
// behind the *, and the name of which the label is a child.
func (p Pattern) glob() (prefix, suffix, parent string, ok bool) {
	label, parent, _ := strings.Cut(p.text, ".")
	prefix, suffix, ok = strings.Cut(label, "*")
	return prefix, suffix, parent, ok
}

// below is the name below which p matches everything; empty for the root.
func (p Pattern) below() (name string, ok bool) {
	if p.text == everyText {
		return "", true
	}
	return strings.CutPrefix(p.text, belowPrefix)
}

// matches tells whether p matches name, a folded one.
func (p Pattern) matches(name string) bool {
	if p.text == name {
		return name != ""
	}
	if zone, ok := p.below(); ok {
		return zone == "" || len(name) > len(zone) && within(name, zone)
	}
	prefix, suffix, parent, ok := p.glob()
	if !ok {
		return false
	}
	label, above, _ := strings.Cut(name, ".")
	return above == parent && globbed(label, prefix, suffix)
}

// Meets tells whether some name that p matches lies in zone, at its apex or
// below. A server block for such a zone answers it, with that block's rules and
// without those of the block around. The zone is a name in presentation format;
// case and the final dot don't matter.
func (p Pattern) Meets(zone string) bool {
	var buf [maxName]byte
	folded, ok := fold(buf[:0], strings.ToLower(zone))
	if !ok || p.text == "" {
		return false
	}
	z := string(folded)
	if name, ok := p.below(); ok {
		return within(name, z) || within(z, name)
	}
	prefix, suffix, parent, ok := p.glob()
	if !ok {
		return within(p.text, z)
	}
	if within(parent, z) {
		return true
	}
	label, above, _ := strings.Cut(z, ".")
	return above == parent && globbed(label, prefix, suffix)
}

// within tells whether name is zone or lies below it. Both are folded.
func within(name, zone string) bool {
	if zone == "" {
		return true
	}
	rest, ok := strings.CutSuffix(name, zone)
	return ok && (rest == "" || strings.HasSuffix(rest, "."))
}

// globbed tells whether label is prefix, any run of characters, suffix.
func globbed(label, prefix, suffix string) bool {
	return len(label) >= len(prefix)+len(suffix) &&
		strings.HasPrefix(label, prefix) && strings.HasSuffix(label, suffix)
}
