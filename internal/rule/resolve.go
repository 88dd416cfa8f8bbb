package rule

import (
	"slices"
	"strings"
	"time"
)

// DefaultStale is for how long a rule keeps the addresses of a name that it has
// resolved while DNS fails: over a long weekend, and until somebody has looked.
const DefaultStale = 7 * 24 * time.Hour

// Resolves tells whether a name of the rule is kept resolved.
func (r *Rule) Resolves() bool {
	return slices.ContainsFunc(r.Names, func(n Names) bool { return n.Resolved })
}

// ToResolve lists the names that are kept resolved, each once and fully
// qualified, in the order of their lines.
func (r *Rule) ToResolve() []string {
	var all []string
	seen := make(map[string]bool)
	for _, n := range r.Names {
		if !n.Resolved {
			continue
		}
		for _, p := range n.Patterns {
			if name, exact := p.Exact(); exact && !seen[name] {
				seen[name] = true
				all = append(all, name)
			}
		}
	}
	return all
}

// Resolving lists the lines that keep name resolved, which is fully qualified and
// in lower case.
func (r *Rule) Resolving(name string) []Match {
	var all []Match
	for _, n := range r.Names {
		if n.Resolved && slices.ContainsFunc(n.Patterns, func(p Pattern) bool { return p.is(name) }) {
			all = append(all, Match{Rule: r, Services: n.Services})
		}
	}
	return all
}

// is tells whether p is exactly that name, which is fully qualified.
func (p Pattern) is(name string) bool {
	return len(name) == len(p.text)+1 && name[:len(p.text)] == p.text && !strings.Contains(p.text, "*")
}
