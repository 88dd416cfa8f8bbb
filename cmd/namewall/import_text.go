package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/coredns/caddy"

	"github.com/namewall/namewall/internal/feeders"
	"github.com/namewall/namewall/internal/set"
	"github.com/namewall/namewall/plugin/nftset"
)

// corefile writes rules as the part of a server block that they are.
func (i *importer) corefile(config *feeders.Config, rules []*feeders.Rule) (string, error) {
	var b strings.Builder
	i.head(&b, rules)
	places := make(map[set.ID]feeders.Target)
	used := make(map[feeders.Place]bool)
	for _, r := range rules {
		fmt.Fprintf(&b, "\nnftset %s {\n", r.Name)
		if err := i.writeSets(&b, r, places); err != nil {
			return "", err
		}
		for _, n := range r.Names {
			writeLines(&b, n.Lines)
			writePatterns(&b, "name", n.Patterns)
			for _, a := range n.Lines {
				used[a.Place] = true
			}
		}
		for _, e := range exceptions(r) {
			fmt.Fprintf(&b, "    # not here, by %s\n", e.Lines[0].Place)
			writePatterns(&b, "except", e.Patterns)
			used[e.Lines[0].Place] = true
		}
		b.WriteString("}\n")
	}
	writeIdle(&b, config, used)
	writeProblems(&b, config)
	return b.String(), nil
}

// writeSets writes a rule's sets. places has those of the rules before it.
func (i *importer) writeSets(b *strings.Builder, r *feeders.Rule, places map[set.ID]feeders.Target) error {
	var v4, v6 bool
	for _, t := range r.Targets {
		id, err := i.place(t)
		if err != nil {
			return err
		}
		if other, taken := places[id]; taken && other != t {
			return fmt.Errorf("%s and %s would both become set %s: give another --table", other, t, id)
		}
		places[id] = t
		layout := set.Layout{V6: t.Family == feeders.IPv6}
		v4, v6 = v4 || !layout.V6, v6 || layout.V6
		fmt.Fprintf(b, "    # in place of %s\n    set %s %s\n", t, id, layout)
	}
	switch {
	case !v6:
		b.WriteString("    # in mode enforce, the default, clients get no IPv6 addresses of these names\n")
	case !v4:
		b.WriteString("    # in mode enforce, the default, clients get no IPv4 addresses of these names\n")
	}
	return nil
}

// head says what means something else now.
func (i *importer) head(b *strings.Builder, rules []*feeders.Rule) {
	fmt.Fprintf(b, `# From %s of %s, by namewall import.
#
# What means something else here:
# - A domain stood for itself and for all names below it. Here these are two
#   patterns: example.com and *.example.com.
# - Of several lines for a name and those above it %s.
#   Here a name feeds every rule that it falls under, hence 'except'.
# - Elements stayed %s.
#   Here an element lives as long as 'lifetime' says: for the TTL, but 1h at least
#   and 24h at most, and longer if the name is asked for again.
# - Addresses that no remote service has, such as private ones, take an 'allow'.
`, list(i.files), i.title, i.choice, i.life)
	ipset := func(t feeders.Target) bool { return t.IPSet }
	if slices.ContainsFunc(rules, func(r *feeders.Rule) bool { return slices.ContainsFunc(r.Targets, ipset) }) {
		b.WriteString("# - An nft set takes the place of each ipset, and the rules that use it must be\n#   nftables', too: those of iptables can't see it.\n")
	}
}

// place is the set that is fed in the place of one of the program's.
func (i *importer) place(t feeders.Target) (set.ID, error) {
	if !t.IPSet {
		return set.ParseID(t.ID.Family.String(), t.ID.Table, i.prefix+t.ID.Name)
	}
	family, table, _ := strings.Cut(i.table, " ")
	return set.ParseID(family, table, strings.Map(nftLetter, i.prefix+t.ID.Name))
}

// nftLetter is a character of an ipset's name, which may have any, in the name of
// an nft set.
func nftLetter(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
		return r
	}
	return '_'
}

// writeLines writes lines of the configuration as a comment, with what has become
// of them. One that speaks for several channels is written once.
func writeLines(b *strings.Builder, lines []*feeders.Assignment) {
	var last feeders.Place
	for _, a := range lines {
		if a.Place != last {
			fmt.Fprintf(b, "    # %s: %s\n", a.Place, shorten(a.Text))
		}
		last = a.Place
		for _, note := range a.Notes {
			fmt.Fprintf(b, "    #   %s\n", note)
		}
	}
}

// textMax is how much of a line a comment shows.
const textMax = 100

// plain is a text on one line, without what a terminal might take for a command.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

// shorten is a plain text of textMax bytes at most.
func shorten(text string) string {
	text = plain(text)
	if len(text) > textMax {
		return strings.ToValidUTF8(text[:textMax], "") + "..."
	}
	return text
}

// patternsMax is how many patterns a line has, to be read by people.
const patternsMax = 8

func writePatterns(b *strings.Builder, option string, patterns []string) {
	for some := range slices.Chunk(patterns, patternsMax) {
		fmt.Fprintf(b, "    %s %s\n", option, strings.Join(some, " "))
	}
}

// exceptions gathers a rule's exceptions by the lines that make them.
func exceptions(r *feeders.Rule) []feeders.Names {
	var all []feeders.Names
	for _, e := range r.Except {
		last := len(all) - 1
		if last < 0 || all[last].Lines[0] != e.Line {
			all = append(all, feeders.Names{Lines: []*feeders.Assignment{e.Line}})
			last++
		}
		all[last].Patterns = append(all[last].Patterns, e.Pattern)
	}
	return all
}

// writeIdle writes the lines that no rule has anything of.
func writeIdle(b *strings.Builder, config *feeders.Config, used map[feeders.Place]bool) {
	var idle []*feeders.Assignment
	for _, a := range config.Assignments {
		if !used[a.Place] && !a.Refused {
			idle = append(idle, a)
		}
	}
	if len(idle) > 0 {
		b.WriteString("\n# Nothing comes of these lines:\n")
		var lines strings.Builder
		writeLines(&lines, idle)
		b.WriteString(strings.ReplaceAll(lines.String(), "    #", "#"))
	}
}

// writeProblems writes what was left out.
func writeProblems(b *strings.Builder, config *feeders.Config) {
	if len(config.Problems) > 0 {
		b.WriteString("\n# Not carried over:\n")
	}
	for _, p := range config.Problems {
		fmt.Fprintf(b, "# %s: %s\n#   %s\n", p.Place, shorten(p.Text), p.Why)
	}
}

// declarations are the sets of a Corefile's part, for nft(8). That it is one, and
// says what it should, is seen by this.
func (i *importer) declarations(text string) (string, error) {
	f, err := nftset.Load(caddy.CaddyfileInput{
		Filepath:       i.name,
		Contents:       []byte(". {\n" + text + "}\n"),
		ServerTypeName: "dns",
	})
	if err != nil {
		return "", fmt.Errorf("the rules can't be loaded, which is an error of namewall: %w", err)
	}
	sets, err := declare(f)
	return fmt.Sprintf("# The sets of the rules from %s, by namewall import %s.\n", list(i.files), i.name) + sets, err
}
