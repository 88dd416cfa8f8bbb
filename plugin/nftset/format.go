package nftset

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/namewall/namewall/internal/rule"
)

// format writes a rule as a Corefile block in one canonical form: two blocks
// say the same if and only if their forms are equal, and parse reads the form
// back to the same rule.
func format(r *rule.Rule, lines rule.Lines) string {
	var b strings.Builder
	line := func(option string, values ...string) {
		if len(values) > 0 {
			b.WriteString("    " + option + " " + strings.Join(values, " ") + "\n")
		}
	}
	fmt.Fprintf(&b, "%s %s {\n", directive, r.Name)
	for _, s := range r.Sets {
		if s.Known {
			words := []string{s.ID.String(), s.Layout.String()}
			if s.Interval {
				words = append(words, "interval")
			}
			line("set", words...)
		} else {
			line("set", s.ID.String())
		}
	}
	for _, n := range r.Names {
		if n.File != "" {
			line("names", append([]string{quote(n.File)}, words(n.Services)...)...)
		} else {
			line(choose(n.Resolved, "resolve", "name"), append(words(n.Patterns), words(n.Services)...)...)
		}
	}
	for _, s := range r.Statics {
		var prefixes []string
		for _, p := range s.Prefixes {
			prefixes = append(prefixes, rule.PrefixWord(p))
		}
		line("static", append(prefixes, words(s.Services)...)...)
	}
	line("except", words(r.Except)...)
	if r.Resolves() {
		line("stale", formatDuration(r.Stale))
		var command []string
		for _, word := range r.OnChange {
			command = append(command, quote(word))
		}
		line("on_change", command...)
	}
	line("mode", r.Mode.String())
	l := r.Lifetime
	line("lifetime", formatDuration(l.Min), formatDuration(l.Max), formatDuration(l.Grace))
	line("wait", formatDuration(r.Wait))
	line("allow", words(lines.Allow)...)
	line("pass", words(lines.Pass)...)
	line("clients", words(r.Clients)...)
	line("limit", strconv.Itoa(r.Limit))
	if r.Validated {
		line("require", "validated")
	}
	line("targets", choose(r.FollowTargets, "follow", "ignore"))
	line("match", choose(r.MatchChain, "chain", "query"))
	line("revoke", r.Revoke.String())
	b.WriteString("}\n")
	return b.String()
}

func words[T fmt.Stringer](list []T) []string {
	var out []string
	for _, v := range list {
		out = append(out, v.String())
	}
	return out
}

// quote is a word as the Corefile has to have it to be read as it is: nothing but
// quotes is escaped, and that only inside quotes (caddyfile's lexer).
func quote(word string) string {
	special := func(r rune) bool { return unicode.IsSpace(r) || r == '#' }
	if word != "" && !strings.HasPrefix(word, `"`) && !strings.ContainsFunc(word, special) {
		return word
	}
	return `"` + strings.ReplaceAll(word, `"`, `\"`) + `"`
}

func choose(first bool, yes, no string) string {
	if first {
		return yes
	}
	return no
}
