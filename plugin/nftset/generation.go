package nftset

import (
	"slices"

	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/rule"
)

// generation is a Corefile's rules as they are between two changes of its files of
// names. To the gate each generation is a configuration of its own, so a change is
// a reload: the one is active before the other stops, and what only the old one
// had promised is revoked.
type generation struct {
	active *gate.Instance
	rules  []*rule.Rule  // by Index
	blocks []*gate.Block // of the handlers
}

// stage prepares a generation, without any effect on the one that is in use.
func (i *instance) stage(rules []*rule.Rule) *generation {
	p := i.shared()
	g := &generation{rules: rules, active: p.gate.Stage(rules, rule.Site{Own: p.own, DNS64: i.prefixes64()})}
	for n, h := range i.handlers {
		// Most server blocks import the same rules, and to match a hundred thousand
		// names takes time and memory to prepare.
		if same := slices.IndexFunc(i.handlers[:n], func(o *Handler) bool { return slices.Equal(o.rules, h.rules) }); same >= 0 {
			g.blocks = append(g.blocks, g.blocks[same])
			continue
		}
		own := make([]*rule.Rule, len(h.rules))
		for k, r := range h.rules {
			own[k] = rules[r.Index]
		}
		g.blocks = append(g.blocks, g.active.Block(own))
	}
	return g
}

// use has the handlers go by a generation that is active.
func (i *instance) use(g *generation) {
	for n, h := range i.handlers {
		h.block.Store(g.blocks[n])
	}
	i.current.Store(g)
}

// renew puts into use what a file of names says now. It reports false, and has
// done nothing, if the Corefile has been replaced or has not come into use.
func (i *instance) renew(path string, patterns []rule.Pattern) bool {
	old := i.current.Load() // and nobody else puts another in its place
	next := i.stage(withNames(old.rules, path, patterns))
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.over || !next.active.StartBeside(old.active) {
		return false
	}
	i.use(next)
	old.active.Stop()
	return true
}

// withNames are rules with other patterns for a file.
func withNames(rules []*rule.Rule, path string, patterns []rule.Pattern) []*rule.Rule {
	rules = slices.Clone(rules)
	for n, r := range rules {
		changed := *r
		changed.Names = slices.Clone(r.Names)
		for k := range changed.Names {
			if changed.Names[k].File == path {
				changed.Names[k].Patterns = patterns
				rules[n] = &changed
			}
		}
	}
	return rules
}

// finish lets no other generation come, and returns the last one; nil if there was
// none.
func (i *instance) finish() *generation {
	i.names.close()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.over = true
	return i.current.Load()
}

// resume drops what another Corefile has made active that has failed, and reports
// whether there is something that goes on.
func (i *instance) resume() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	g := i.current.Load()
	if g != nil {
		g.active.Keep()
	}
	return g != nil
}
