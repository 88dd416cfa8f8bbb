package gate

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/namewall/namewall/internal/rule"
)

// ErrNoRule says that no active configuration has a rule of that name.
var ErrNoRule = errors.New("no such rule")

// brake makes rules mere feeders while the process runs, whatever their
// configuration says: for the night in which enforcing is what is wrong. It
// outlives reloads, and ends with the process.
type brake struct {
	rules atomic.Pointer[map[string]bool] // which; "" stands for all; nil: none
	mu    sync.Mutex                      // guards changes of rules
}

// feeds tells whether a rule is a mere feeder now.
func (q *Question) feeds(r *rule.Rule) bool {
	return r.Mode == rule.Feed || q.braked != nil && ((*q.braked)[r.Name] || (*q.braked)[""])
}

// Brake makes a rule a mere feeder, or all of them if name is "". It returns
// ErrNoRule if there is none of that name.
func (g *Gate) Brake(name string) error {
	if err := g.knows(name); err != nil {
		return err
	}
	return g.brake.change(func(rules map[string]bool) error {
		rules[name] = true
		return nil
	})
}

// Release lets a rule enforce again as its configuration has it, or all of them if
// name is "". It is an error if the rule was not braked by itself.
func (g *Gate) Release(name string) error {
	if err := g.knows(name); err != nil {
		return err
	}
	return g.brake.change(func(rules map[string]bool) error {
		switch {
		case name == "":
			clear(rules)
		case rules[name]:
			delete(rules, name)
		case rules[""]:
			return errors.New("all rules are held to feeding: let all of them enforce again, by naming none")
		default:
			return fmt.Errorf("rule %s is not held to feeding: its mode is the Corefile's", name)
		}
		return nil
	})
}

// BrakedRules are the rules of the active configuration that are held to feeding.
func (g *Gate) BrakedRules() []*rule.Rule {
	braked := g.brake.rules.Load()
	if braked == nil {
		return nil
	}
	return slices.DeleteFunc(g.Rules(), func(r *rule.Rule) bool { return !(*braked)[r.Name] && !(*braked)[""] })
}

func (g *Gate) knows(name string) error {
	if name == "" || slices.ContainsFunc(g.Rules(), func(r *rule.Rule) bool { return r.Name == name }) {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrNoRule, name)
}

// change puts a changed copy in place of the rules, unless f fails.
func (b *brake) change(f func(map[string]bool) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	rules := make(map[string]bool)
	if old := b.rules.Load(); old != nil {
		rules = maps.Clone(*old)
	}
	if err := f(rules); err != nil {
		return err
	}
	if len(rules) == 0 {
		b.rules.Store(nil)
		return nil
	}
	b.rules.Store(&rules)
	return nil
}
