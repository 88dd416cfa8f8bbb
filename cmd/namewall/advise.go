package main

import (
	"net/netip"
	"slices"
	"time"

	"github.com/namewall/namewall/internal/advice"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/plugin/nftset"
)

// clientPatience is how long clients wait for an answer before they ask again or
// elsewhere (resolv.conf(5), timeout).
const clientPatience = 5 * time.Second

// advise warns about what a rule says and probably does not mean, as far as the
// Corefile alone tells.
func advise(s *section, f *nftset.Corefile, r *rule.Rule) {
	adviseOpen(s, openAll(f.Lines(r)))
	if r.Wait > clientPatience {
		s.add(warning, "wait %s: clients don't wait for an answer for longer than %s", r.Wait, clientPatience)
	}
	all := patterns(r)
	below := make(map[advice.Registry][]rule.Pattern)
	for _, p := range all {
		whose := advice.Below(p)
		below[whose] = append(below[whose], p)
	}
	inspectPatterns(s, warning, below[advice.Public],
		"%s: anybody can register a name there, and open whatever address it is given: write the names that are meant")
	inspectPatterns(s, warning, below[advice.Shared],
		"%s: a host gives such names to its customers, who open whatever address they are given: write the names that are meant")
	outside := slices.DeleteFunc(slices.Clone(r.Except), func(e rule.Pattern) bool { return slices.ContainsFunc(all, e.Overlaps) })
	inspectPatterns(s, warning, outside, "except %s: the rule has no such names anyway")
}

// patterns are those of all of a rule's names.
func patterns(r *rule.Rule) []rule.Pattern {
	var all []rule.Pattern
	for _, line := range r.Names {
		all = append(all, line.Patterns...)
	}
	return all
}

// openAll are the prefixes of `allow` lines that hold every address.
func openAll(l rule.Lines) []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(l.Allow), func(p netip.Prefix) bool { return p.Bits() > 0 })
}

func adviseOpen(s *section, all []netip.Prefix) {
	for _, p := range all {
		s.add(warning, "allow %s: whoever has a name in the rule can have any address opened, private ones and the gateway's own too: write the networks that are meant", p)
	}
}
