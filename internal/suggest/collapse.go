package suggest

import (
	"cmp"
	"slices"
	"strings"

	"github.com/namewall/namewall/internal/advice"
	"github.com/namewall/namewall/internal/rule"
)

const (
	// siblingsLeast is how many names next to one another make a wildcard: of two,
	// both may be all that there are.
	siblingsLeast = 3
	// stemLeast is how long the beginning is that their labels must share to be all
	// that the wildcard stands for ("fe-*" for fe-1, fe-2 and fe-3).
	stemLeast = 2
)

// exact has a line for each name.
func exact(wishes map[string]*wish) (lines []Line) {
	for _, w := range wishes {
		lines = append(lines, w.line())
	}
	order(lines)
	return lines
}

// collapse has a line for each name, or one for several that stand next to one
// another and of which the same is wanted.
func collapse(wishes map[string]*wish) []Line {
	groups := make(map[string][]*wish)
	for _, w := range wishes {
		_, parent, _ := strings.Cut(w.name, ".")
		key := parent + " " + strings.Join(w.services, " ")
		groups[key] = append(groups[key], w)
	}
	lines := []Line{}
	for _, group := range groups {
		slices.SortFunc(group, func(a, b *wish) int { return cmp.Compare(a.name, b.name) })
		if p, ok := wildcard(group); ok {
			line := Line{Pattern: p, Services: group[0].services}
			for _, w := range group {
				line.Names = append(line.Names, w.name)
				line.join(&w.Extent)
			}
			lines = append(lines, line)
			continue
		}
		for _, w := range group {
			lines = append(lines, w.line())
		}
	}
	order(lines)
	return lines
}

func (w *wish) line() Line {
	front, _ := advice.Front(w.name)
	return Line{Pattern: w.name, Services: w.services, Names: []string{w.name}, Front: front, Extent: w.Extent}
}

// order puts first what was dropped most.
func order(lines []Line) {
	slices.SortFunc(lines, func(a, b Line) int { return cmp.Or(a.more(&b.Extent), cmp.Compare(a.Pattern, b.Pattern)) })
}

// wildcard is one that stands for all names of a group, which have one parent, if
// there may be one: not where everybody can have a name, and not at the fronts that
// many services share.
func wildcard(group []*wish) (string, bool) {
	if len(group) < siblingsLeast {
		return "", false
	}
	first, parent, _ := strings.Cut(group[0].name, ".")
	if _, front := advice.Front(parent); front || !strings.Contains(parent, ".") {
		return "", false
	}
	stem := first
	for _, w := range group {
		label, _, _ := strings.Cut(w.name, ".")
		stem = common(stem, label)
	}
	text := "*." + parent
	if stem = strings.TrimRight(stem, "0123456789"); len(stem) >= stemLeast && numbered(group, stem) {
		text = stem + text
	}
	p, err := rule.ParsePattern(text)
	return text, err == nil && advice.Below(p) == advice.Own
}

// numbered tells whether the labels of a group's names differ in what counts them:
// they are the stem and a number, or the stem ends with a hyphen.
func numbered(group []*wish, stem string) bool {
	return strings.HasSuffix(stem, "-") || !slices.ContainsFunc(group, func(w *wish) bool {
		label, _, _ := strings.Cut(w.name, ".")
		return strings.Trim(label[len(stem):], "0123456789") != ""
	})
}

// common is the beginning that two words share.
func common(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[:n]
}
