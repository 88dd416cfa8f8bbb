package feeders

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// tree has the names that lines speak of.
type tree struct {
	nodes map[string]*node
	root  region // of what no line speaks about
}

// node is one name: what lines say about itself and about the names below it,
// and what comes of that with the names above.
type node struct {
	apex, below         choices
	apexRegion, region  *region
	apexDone, belowDone bool // taken into the rules
}

// region is names for which the same sets count.
type region struct {
	id     ruleID
	choice choices
	layers map[string]int // by sets, of this region and those around it
}

// ruleID tells rules apart: by the sets, and, as the exceptions of a rule hold for
// all its names, by how often the way down from the root has left those sets and
// come back.
type ruleID struct {
	sets  string // "": none
	layer int
}

// newTree makes the tree of assignments, and notes on those that another one
// overrules for a name of theirs.
func newTree(of []*Assignment, firstWins bool) *tree {
	t := &tree{nodes: make(map[string]*node)}
	for _, a := range of {
		for _, d := range a.Domains {
			n := t.nodes[d.Name]
			if n == nil {
				n = &node{apex: choices{}, below: choices{}}
				t.nodes[d.Name] = n
			}
			if d.Apex {
				n.apex.take(a, d.Name, firstWins)
			}
			if d.Below {
				n.below.take(a, d.Name, firstWins)
			}
		}
	}
	for _, name := range t.names() {
		n, above := t.nodes[name], t.above(name)
		n.apexRegion, n.region = above.inside(n.apex), above.inside(n.below)
	}
	return t
}

// names are the tree's names, those of parents before those of their children.
func (t *tree) names() []string {
	return slices.SortedFunc(maps.Keys(t.nodes), func(a, b string) int {
		return cmp.Compare(labels(a), labels(b))
	})
}

func labels(name string) int {
	if name == "" {
		return 0
	}
	return 1 + strings.Count(name, ".")
}

// above is the region that a name lies in, by the names above it alone.
func (t *tree) above(name string) *region {
	for name != "" {
		_, name, _ = strings.Cut(name, ".")
		if n := t.nodes[name]; n != nil {
			return n.region
		}
	}
	return &t.root
}

// inside is the region of names in r about which own speaks.
func (r *region) inside(own choices) *region {
	if len(own) == 0 {
		return r
	}
	in := &region{choice: r.choice.overridden(own), layers: r.layers}
	for channel, c := range own {
		if above := r.choice[channel]; above.final {
			for _, a := range c.lines {
				a.note("%s has the word about all names below its own", above.lines[len(above.lines)-1].Place)
			}
		}
	}
	in.id = ruleID{sets: in.choice.sets()}
	layer, known := r.layers[in.id.sets]
	switch {
	case in.id.sets == r.id.sets:
		in.id = r.id
		return in
	case known:
		in.id.layer = layer + 1
	}
	in.layers = maps.Clone(r.layers)
	if in.layers == nil {
		in.layers = make(map[string]int, 1)
	}
	in.layers[in.id.sets] = in.id.layer
	return in
}

// choices are the sets for a name, by the channel.
type choices map[int]choice

// choice is what lines of one channel say.
type choice struct {
	targets []Target
	lines   []*Assignment
	final   bool
}

// take takes in what a line says about a name.
func (cs choices) take(a *Assignment, name string, firstWins bool) {
	was, taken := cs[a.Channel]
	if taken && firstWins {
		if first := was.lines[0]; first != a {
			a.note("%s: %s has the word, it comes first", cmp.Or(name, "every name"), first.Place)
		}
		return
	}
	was.lines = append(slices.Clip(was.lines), a)
	was.targets = append(slices.Clip(was.targets), a.Targets...)
	if was.final = was.final || a.Final; was.final {
		was.targets = nil
	}
	cs[a.Channel] = was
}

// note adds a note once.
func (a *Assignment) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(a.Notes, text) {
		a.Notes = append(a.Notes, text)
	}
}

// overridden is what counts where own stands in a region of cs.
func (cs choices) overridden(own choices) choices {
	out := choices{}
	maps.Copy(out, cs)
	for channel, c := range own {
		if !cs[channel].final {
			out[channel] = c
		}
	}
	return out
}

// targets are the sets of all channels, each once and in order.
func (cs choices) targets() []Target {
	var all []Target
	for _, c := range cs {
		all = append(all, c.targets...)
	}
	slices.SortFunc(all, Target.compare)
	return slices.Compact(all)
}

// compare orders sets as nft lists them, with ipsets behind.
func (t Target) compare(other Target) int {
	if t.IPSet != other.IPSet {
		if t.IPSet {
			return 1
		}
		return -1
	}
	return cmp.Or(t.ID.Compare(other.ID), cmp.Compare(t.Family, other.Family))
}

// sets identifies the targets; it is "" if there are none.
func (cs choices) sets() string {
	var b strings.Builder
	for _, t := range cs.targets() {
		fmt.Fprintf(&b, "%s\x00", t)
	}
	return b.String()
}

// lines are the assignments that speak, in order.
func (cs choices) lines() []*Assignment {
	var all []*Assignment
	for _, c := range cs {
		all = append(all, c.lines...)
	}
	slices.SortFunc(all, (*Assignment).compare)
	return slices.Compact(all)
}
