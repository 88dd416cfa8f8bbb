// Package advice knows what is probably not meant where it stands in a
// configuration: names of fronts that nothing connects from, and wildcards below
// which everybody can have a name. It knows names only, and looks nothing up.
package advice

import (
	_ "embed"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/namewall/namewall/internal/rule"
)

//go:embed fronts.txt
var fronts string

// front is a line of fronts.txt.
type front struct {
	labels []string // of the domain, from the right
	what   string
	source string
}

// parseFronts reads the lines. What it is has blanks, its source has none.
func parseFronts(text string) []front {
	var all []front
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		words := strings.Fields(line)
		last := len(words) - 1
		all = append(all, front{
			labels: labels(words[0]),
			what:   strings.Join(words[1:last], " "),
			source: words[last],
		})
	}
	return all
}

// labels are those of a name, from the right.
func labels(name string) []string {
	all := strings.Split(strings.TrimSuffix(strings.ToLower(name), "."), ".")
	slices.Reverse(all)
	return all
}

// Front tells which service's front a name belongs to: a load balancer or a
// content delivery network.
func Front(name string) (what string, ok bool) {
	of := labels(name)
	for _, f := range parseFronts(fronts) {
		if len(of) >= len(f.labels) && slices.EqualFunc(f.labels, of[:len(f.labels)], func(want, label string) bool {
			return want == "*" || want == label
		}) {
			return f.what, true
		}
	}
	return "", false
}

// Registry tells what is below a wildcard's name.
type Registry uint8

// What can be below.
const (
	Own    Registry = iota // names of one owner, as far as is known
	Public                 // names that anybody can register
	Shared                 // names that a host gives to its customers
)

// Below tells whose names a wildcard matches: by the Public Suffix List, whose
// second part are the hosts (https://publicsuffix.org). Wildcards for every name,
// and below a top-level domain that isn't on the list, are the site's own affair.
func Below(p rule.Pattern) Registry {
	label, parent, _ := strings.Cut(p.String(), ".")
	if parent == "" || !strings.Contains(label, "*") {
		return Own
	}
	suffix, icann := publicsuffix.PublicSuffix(parent)
	switch {
	case suffix != parent:
		return Own
	case icann:
		return Public
	case strings.Contains(suffix, "."): // otherwise nobody has listed it
		return Shared
	}
	return Own
}
