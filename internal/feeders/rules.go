package feeders

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Rule is what becomes one block of a Corefile: names that feed the same sets.
type Rule struct {
	Name    string
	Targets []Target
	Names   []Names
	Except  []Except
}

// Names is a `name` line: what lines of the configuration say about these
// patterns.
type Names struct {
	Lines    []*Assignment
	Patterns []string
}

// Except is a pattern that goes to other sets, and the line that says so.
type Except struct {
	Line    *Assignment
	Pattern string
}

// Rules turns assignments into rules, in their order. Where of several lines the
// one with the longer name decides, the rule of the other excepts that name: a
// name feeds all the rules that it falls under. Rules for ipsets are apart.
func (c *Config) Rules() []*Rule {
	for i, a := range c.Assignments {
		a.order = i
	}
	var rules []*Rule
	for _, ipsets := range []bool{false, true} {
		of := slices.DeleteFunc(slices.Clone(c.Assignments), func(a *Assignment) bool { return a.IPSets != ipsets })
		rules = append(rules, c.rules(of)...)
	}
	slices.SortFunc(rules, func(x, y *Rule) int { return x.Names[0].Lines[0].compare(y.Names[0].Lines[0]) })
	nameRules(rules)
	return rules
}

func (c *Config) rules(of []*Assignment) []*Rule {
	b := builder{tree: newTree(of, c.firstWins), rules: make(map[ruleID]*Rule)}
	for _, a := range of {
		for _, d := range a.Domains {
			b.domain(a, d)
		}
	}
	return b.order
}

type builder struct {
	tree  *tree
	rules map[ruleID]*Rule
	order []*Rule
}

// domain takes what a line says about a domain into the rules, unless a line
// before it has the word.
func (b *builder) domain(a *Assignment, d Domain) {
	n, above := b.tree.nodes[d.Name], b.tree.above(d.Name)
	if len(n.apex) > 0 && !n.apexDone && n.apex.lines()[0] == a && d.Name != "" {
		n.apexDone = true
		b.pattern(above, n.apexRegion, n.apex.lines(), d.Name)
	}
	if len(n.below) > 0 && !n.belowDone && n.below.lines()[0] == a {
		n.belowDone = true
		b.pattern(above, n.region, n.below.lines(), strings.TrimSuffix("*."+d.Name, "."))
	}
}

// pattern takes a pattern into the rule of a region, on the authority of lines,
// and out of the rule of the region around it if that is another one.
func (b *builder) pattern(around, in *region, lines []*Assignment, pattern string) {
	filling := slices.DeleteFunc(slices.Clone(lines), func(a *Assignment) bool { return len(a.Targets) == 0 })
	switch {
	case len(filling) > 0:
		b.add(in, filling, pattern)
	case in.id != around.id: // fewer sets than around
		b.add(in, lines, pattern)
	}
	if around.id.sets != "" && around.id != in.id {
		r := b.rule(around)
		r.Except = append(r.Except, Except{Line: lines[0], Pattern: pattern})
	}
}

func (b *builder) add(in *region, lines []*Assignment, pattern string) {
	if in.id.sets == "" {
		return // it goes nowhere
	}
	r := b.rule(in)
	if last := len(r.Names) - 1; last >= 0 && slices.Equal(r.Names[last].Lines, lines) {
		r.Names[last].Patterns = append(r.Names[last].Patterns, pattern)
		return
	}
	r.Names = append(r.Names, Names{Lines: lines, Patterns: []string{pattern}})
}

func (b *builder) rule(in *region) *Rule {
	r := b.rules[in.id]
	if r == nil {
		r = &Rule{Targets: in.choice.targets()}
		b.rules[in.id] = r
		b.order = append(b.order, r)
	}
	return r
}

// compare orders assignments as they are read.
func (a *Assignment) compare(other *Assignment) int { return cmp.Compare(a.order, other.order) }

// nameRules names rules after their sets.
func nameRules(rules []*Rule) {
	taken := make(map[string]bool)
	for _, r := range rules {
		base := ruleName(r.Targets)
		r.Name = base
		for n := 2; taken[r.Name]; n++ {
			suffix := fmt.Sprintf("-%d", n)
			r.Name = base[:min(len(base), ruleNameMax-len(suffix))] + suffix
		}
		taken[r.Name] = true
	}
}

// ruleNameMax is how long the name of a rule may be (plugin/nftset).
const ruleNameMax = 63

// familyMark is how sets of two families that belong together differ.
var familyMark = regexp.MustCompile(`-*(ip)?v?[46]$`)

// ruleName is the sets' names without their families, in the characters of
// rules' names.
func ruleName(targets []Target) string {
	var words []string
	for _, t := range targets {
		word := strings.Trim(strings.Map(ruleLetter, strings.ToLower(t.ID.Name)), "-")
		if short := familyMark.ReplaceAllString(word, ""); short != "" {
			word = short
		}
		if !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	name := strings.Trim(strings.Join(words, "-"), "-")
	return cmp.Or(name[:min(len(name), ruleNameMax)], "imported")
}

func ruleLetter(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
		return r
	}
	return '-'
}
