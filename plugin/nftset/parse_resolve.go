package nftset

import (
	"strings"

	"github.com/namewall/namewall/internal/hook"
	"github.com/namewall/namewall/internal/rule"
)

// resolve reads NAME... [PROTO/PORT...].
func (p *ruleParser) resolve(args []string) error {
	n, err := p.line("resolve", args)
	if err != nil {
		return err
	}
	for _, pattern := range n.Patterns {
		if _, exact := pattern.Exact(); !exact {
			return p.c.Errf("'%s' is a wildcard: 'resolve' takes exact names, because they are asked for", pattern)
		}
	}
	n.Resolved = true
	p.add(n)
	return nil
}

func (p *ruleParser) stale(args []string) error {
	word, err := p.single("stale", args)
	if err != nil {
		return err
	}
	p.source.rule.Stale, err = p.duration(word, lifetimeMin, lifetimeMax)
	return err
}

// onChange reads CMD [ARG...].
func (p *ruleParser) onChange(args []string) error {
	if err := p.once("on_change"); err != nil {
		return err
	}
	if err := hook.Check(args[0]); err != nil {
		return p.c.Errf("%v", err)
	}
	p.source.rule.OnChange = args
	return nil
}

// wholeResolve checks what stands beside `resolve`, or can't stand without it.
func (p *ruleParser) wholeResolve() error {
	r := p.source.rule
	if !r.Resolves() {
		for _, option := range []string{"stale", "on_change"} {
			if p.seen[option] {
				return p.head.Errorf("rule %s has '%s', which is about names under 'resolve', and has none: add a line such as 'resolve www.example.com', or take it out", r.Name, option)
			}
		}
		return nil
	}
	for i, n := range r.Names {
		if n.File != "" {
			return p.namePlaces[i].Errorf("'names' in a rule with 'resolve': the file may have a wildcard one day, and a look-up of any such name would open what is meant for the names resolved; write 'name', or make two rules")
		}
		for _, pattern := range n.Patterns {
			if _, exact := pattern.Exact(); !exact {
				return p.namePlaces[i].Errorf("'%s' is a wildcard in a rule with 'resolve': a look-up of any such name would open what is meant for the names resolved; write exact names, or make two rules", pattern)
			}
		}
	}
	matcher := rule.NewMatcher([]*rule.Rule{r})
	for i, n := range r.Names {
		for _, pattern := range n.Patterns {
			if name, _ := pattern.Exact(); n.Resolved && matcher.Excepted(r, name) {
				return p.namePlaces[i].Errorf("'%s' is to be resolved, and 'except' takes it out: remove it from one of them", strings.TrimSuffix(name, "."))
			}
		}
	}
	return nil
}
