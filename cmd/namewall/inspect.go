package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
	"github.com/namewall/namewall/plugin/nftset"
)

// inspect compares a Corefile with the sets that there are. invalid is what
// other plugins have against it. If the sets could not be read, unread says why.
// looked has what the exact names lead to, if that was looked up.
func inspect(f *nftset.Corefile, invalid error, have sets, unread error, looked lookups) report {
	var r report
	if invalid != nil {
		r.section("Corefile").add(wrong, "%v", invalid)
	}
	if unread != nil {
		r.section("kernel").add(wrong, "%v", unread)
	}
	if len(f.Rules) == 0 {
		r.section("rules").add(warning, "there is none: no answer is told to the firewall")
	}
	bypasses := f.Bypasses()
	for _, one := range f.Rules {
		s := r.section("rule %s (%s)", one.Name, f.Place(one))
		if unread == nil {
			inspectSets(s, f, one, have)
		}
		inspectNames(s, f, one)
		inspectStatic(s, one)
		inspectResolve(s, one)
		advise(s, f, one)
		adviseLookups(s, one, looked)
		for _, b := range bypasses {
			if b.Rule == one {
				s.add(warning, "%s", b)
			}
		}
		if one.Mode == rule.Feed {
			s.add(note, "feed: its sets are filled, and no answer is changed")
		}
	}
	if all := openAll(f.Node.Lines); len(all) > 0 {
		adviseOpen(r.section("node (%s)", f.Node.Place), all)
	}
	inspectServers(r.section("server blocks"), f, bypasses)
	return r
}

// inspectSets looks at the sets of a rule one by one, and at what they are
// together.
func inspectSets(s *section, f *nftset.Corefile, r *rule.Rule, have sets) {
	var v4, v6, unknown bool // of the sets for what names lead to
	for i, want := range r.Sets {
		if want.Interval {
			inspectSet(s, f, r, i, have)
			continue
		}
		layout, known := inspectSet(s, f, r, i, have)
		if want.Known { // what is meant, whatever the kernel has
			layout, known = want.Layout, true
		}
		v4 = v4 || known && !layout.V6
		v6 = v6 || known && layout.V6
		unknown = unknown || !known
	}
	if unknown || v4 && v6 || len(r.Names) == 0 {
		return
	}
	family, other := "IPv4", "IPv6"
	if v6 {
		family, other = other, family
	}
	if r.Mode == rule.Feed {
		s.add(note, "%s only: nothing is admitted for %s", family, other)
	} else {
		s.add(note, "%s only: clients get no %s addresses of its names", family, other)
	}
}

// inspectSet looks at r.Sets[i]. It returns the layout that the kernel has.
func inspectSet(s *section, f *nftset.Corefile, r *rule.Rule, i int, have sets) (set.Layout, bool) {
	want := r.Sets[i]
	got, ok := have[want.ID]
	if word, keyword := want.ID.Keyword(); keyword && !ok {
		s.add(wrong, "set %s: there is none, and nft can't declare it, as it takes '%s' for a keyword: give it another name", want.ID, word)
		return set.Layout{}, false
	}
	if !ok {
		if others := have.named(want.ID.Name); len(others) > 0 {
			s.add(wrong, "set %s: there is none, there is one in %s: correct the Corefile, or declare it as 'namewall nft' prints it", want.ID, list(others))
		} else {
			s.add(wrong, "set %s: there is none, declare it as 'namewall nft' prints it", want.ID)
		}
		return set.Layout{}, false
	}
	if err := usable(got, want); err != nil {
		s.add(wrong, "set %s: %v", want.ID, err)
		return got.Layout, got.Known
	}
	if want.Known && got.Layout != want.Layout {
		s.add(wrong, "set %s: its type is '%s', and '%s' at %s: declare it as 'namewall nft' prints it, or correct the Corefile",
			want.ID, got.Layout, want.Layout, f.SetPlace(r, i))
		return got.Layout, true
	}
	if err := r.CheckLayout(i, got.Layout); err != nil {
		s.add(wrong, "%v", err)
		return got.Layout, true
	}
	s.add(right, "set %s: %s", got.ID, describe(got))
	inspectUse(s, r, i, got)
	return got.Layout, true
}

// The share of a set's size from which on it is called full, in percent: what
// is left is for the kernel's expired elements, which it collects late.
const fullPercent = 75

// inspectUse looks at what a usable set has room for.
func inspectUse(s *section, r *rule.Rule, i int, got nft.Set) {
	least := leastElements(r, i)
	switch {
	case got.Size == 0:
		s.add(warning, "set %s has no size, and nothing but memory bounds what it holds: declare one, such as 'size %d'", got.ID, defaultSize)
	case got.Count >= int(got.Size):
		s.add(wrong, "set %s is full with %d elements, and takes no new one: give it a larger size", got.ID, got.Count)
	case int(got.Size) < least:
		s.add(warning, "set %s has size %d, and the rule needs %d at least: declare 'size %d'", got.ID, got.Size, least, max(defaultSize, 4*least))
	case got.Count*100 >= int(got.Size)*fullPercent:
		s.add(warning, "set %s holds %d elements of %d: give it a larger size", got.ID, got.Count, got.Size)
	}
	if got.Merge {
		s.add(warning, "set %s has 'auto-merge': nft makes one element of yours and namewall's, of which neither can be taken out alone; declare it without", got.ID)
	}
	if got.Default == 0 && !got.Interval {
		s.add(note, "set %s has no default timeout: an element that is added by hand without one stays for ever", got.ID)
	}
	if family := got.ID.Family; family == set.IP && got.Layout.V6 || family == set.IP6 && !got.Layout.V6 {
		s.add(warning, "set %s: rules of a table of family %s see no packet with such addresses, use inet", got.ID, family)
	}
}

// usable tells whether namewall can do with a set what the Corefile wants of it.
func usable(got nft.Set, want rule.Set) error {
	if want.Interval {
		return got.UsableForRanges()
	}
	return got.Usable()
}

// describe is a set in a few words.
func describe(got nft.Set) string {
	text := fmt.Sprintf("%s, %s", got.Layout, plural(got.Count, "element"))
	if got.Size > 0 {
		text = fmt.Sprintf("%s, %d of %d elements", got.Layout, got.Count, got.Size)
	}
	return text
}

// leastElements is what a rule's static addresses and prefixes need in its i-th set,
// and its exact names if each has one address. A range is up to two elements.
func leastElements(r *rule.Rule, i int) int {
	n := 0
	for _, line := range r.Statics {
		for _, p := range line.Prefixes {
			if r.Sets[i].Known && r.Takes(i, p) {
				n += max(1, len(line.Services))
			}
		}
	}
	if r.Sets[i].Interval {
		return 2 * n
	}
	for _, line := range r.Names {
		for _, p := range line.Patterns {
			if _, exact := p.Exact(); exact {
				n += max(1, len(line.Services))
			}
		}
	}
	return n
}

func inspectNames(s *section, f *nftset.Corefile, r *rule.Rule) {
	var excepted []rule.Pattern
	for _, line := range r.Names {
		if line.File != "" {
			s.add(right, "%s: %s", line, plural(len(line.Patterns), "pattern"))
		}
		for _, p := range line.Patterns {
			if slices.Contains(r.Except, p) {
				excepted = append(excepted, p)
			}
		}
	}
	inspectPatterns(s, wrong, f.Unasked(r), "no server block with this rule is asked for %s: it never matches")
	inspectPatterns(s, warning, excepted, "%s is a name of this rule and an exception: it never matches")
}

// inspectPatterns says the same of each pattern, up to a number that people
// read: a file may have many.
func inspectPatterns(s *section, l level, patterns []rule.Pattern, format string) {
	const most = 10
	for _, p := range patterns[:min(most, len(patterns))] {
		s.add(l, format, p)
	}
	if more := len(patterns) - most; more > 0 {
		s.add(l, "and so for %s", plural(more, "more pattern"))
	}
}

// inspectStatic tells what a rule writes out.
func inspectStatic(s *section, r *rule.Rule) {
	var all []string
	for _, line := range r.Statics {
		for _, p := range line.Prefixes {
			all = append(all, rule.PrefixWord(p))
		}
	}
	if len(all) == 0 {
		return
	}
	const most = 3
	if n := len(all); n > most {
		all = append(all[:most], fmt.Sprintf("%d more", n-most))
	}
	s.add(right, "always open: %s", list(all))
	for _, line := range r.Statics {
		for _, p := range line.Prefixes {
			if p.Bits() == 0 {
				s.add(warning, "static %s: it opens every address: write the networks that are meant", p)
			}
		}
	}
}

// inspectResolve tells what a rule does by itself.
func inspectResolve(s *section, r *rule.Rule) {
	names := r.ToResolve()
	if len(names) == 0 {
		return
	}
	for i := range names {
		names[i] = strings.TrimSuffix(names[i], ".")
	}
	const most = 3 // a rule may have thousands
	if n := len(names); n > most {
		names = append(names[:most], fmt.Sprintf("%d more", n-most))
	}
	s.add(right, "keeps resolved: %s; their addresses stay for up to %s while DNS fails", list(names), span(r.Stale))
	if len(r.OnChange) > 0 {
		s.add(right, "runs %s when their addresses change", r.OnChange[0])
	}
}

func inspectServers(s *section, f *nftset.Corefile, bypasses []nftset.Bypass) {
	ready := false
	for _, server := range f.Servers {
		var names []string
		for _, r := range server.Rules {
			names = append(names, r.Name)
		}
		switch {
		case len(names) > 0:
			s.add(right, "%s (%s): %s", server, server.Place, list(names))
		case len(f.Rules) == 0 || slices.ContainsFunc(bypasses, func(b nftset.Bypass) bool { return b.Server == server }):
			s.add(warning, "%s (%s): no rules", server, server.Place)
		default:
			s.add(note, "%s (%s): no rules, and none has a name in it", server, server.Place)
		}
		if server.Has("ready") {
			ready = true
			if !server.Says("ready", "monitor", "continuously") {
				s.add(warning, "%s (%s): 'ready' without 'monitor continuously' stops asking once all is well, and a set that vanishes later doesn't show", server, server.Place)
			}
		}
	}
	if !ready && len(f.Rules) > 0 {
		s.add(note, "no block has 'ready': nobody can ask whether the rules work")
	}
}
