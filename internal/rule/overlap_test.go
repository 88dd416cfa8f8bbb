package rule

import (
	"net/netip"
	"slices"
	"testing"
)

// Patterns overlap if there is a name that both match, of all names over a small
// alphabet.
func TestOverlaps(t *testing.T) {
	labels := []string{"a", "b", "aa", "ab", "ba", "bb"}
	var names []string
	for _, first := range labels {
		names = append(names, first)
		for _, second := range []string{"a", "b"} {
			names = append(names, first+"."+second)
			for _, third := range []string{"a", "b"} {
				names = append(names, first+"."+second+"."+third)
			}
		}
	}
	var patterns []Pattern
	for _, label := range []string{"a", "b", "ab", "*", "a*", "*b", "a*b", "b*"} {
		for _, zone := range []string{"", ".a", ".b", ".a.b"} {
			p, err := ParsePattern(label + zone)
			if err != nil {
				t.Fatal(err)
			}
			patterns = append(patterns, p)
		}
	}
	for _, p := range patterns {
		for _, q := range patterns {
			m := NewMatcher([]*Rule{{Names: []Names{{Patterns: []Pattern{p}}}}, {Index: 1, Names: []Names{{Patterns: []Pattern{q}}}}})
			want := slices.ContainsFunc(names, func(name string) bool { return len(m.Match(nil, name+".", netip.Addr{})) == 2 })
			if got := p.Overlaps(q); got != want {
				t.Errorf("%s and %s: got %v, want %v", p, q, got, want)
			}
		}
	}
	if (Pattern{}).Overlaps(Pattern{}) {
		t.Error("nothing overlaps with nothing")
	}
}
