package nftset

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/namewall/namewall/internal/hook"
	"github.com/namewall/namewall/internal/resolve"
	"github.com/namewall/namewall/internal/rule"
)

// notices tells people and programs what becomes of names that are kept resolved.
// It implements resolve.Observer.
type notices struct {
	hooks *hook.Runner
	dirty func() // what is known of names is not in the state file yet
	pace  pacer[paceKey]

	mu       sync.Mutex // guards commands
	commands map[string][]string
}

var _ resolve.Observer = (*notices)(nil)

type paceKey struct {
	rule string
	to   resolve.State
}

func newNotices(dirty func()) *notices {
	n := &notices{hooks: hook.New(ran), dirty: dirty}
	n.pace.burst = transitionBurst
	return n
}

// use makes the rules' commands those to run on a change.
func (n *notices) use(rules []*rule.Rule) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.commands = make(map[string][]string)
	for _, r := range rules {
		n.commands[r.Name] = r.OnChange
	}
}

// Changed implements resolve.Observer.
func (n *notices) Changed(c resolve.Change) {
	name := plain(c.Name)
	log.Infof("addresses changed: rule=%s name=%s added=%s removed=%s", c.Rule, name, commas(c.Added), commas(c.Removed))
	resolveChanges.WithLabelValues(c.Rule).Inc()
	n.dirty()
	n.mu.Lock()
	command := n.commands[c.Rule]
	n.mu.Unlock()
	if len(command) > 0 {
		n.hooks.Tell(command, hook.Notice{Rule: c.Rule, Name: name, Added: c.Added, Removed: c.Removed, Addresses: c.Now})
	}
}

// transitionBurst is how many names of a rule are logged one by one when they
// come into the same state within a pause: a vendor has a handful, and when DNS
// fails as a whole a thousand lines tell no more than the first ones.
const transitionBurst = 10

// Became implements resolve.Observer.
func (n *notices) Became(t resolve.Transition) {
	if t.To == resolve.Resolved && t.From == resolve.Waiting {
		return // as expected
	}
	since, due := n.pace.due(paceKey{t.Rule, t.To}, time.Now())
	if !due {
		return
	}
	more := ""
	if since > 0 {
		more = fmt.Sprintf(" (and so it went with %d more since the last such line)", since)
	}
	name := plain(t.Name)
	switch t.To {
	case resolve.Kept:
		log.Warningf("rule %s: %s can't be resolved (%s): its addresses are kept for %v yet%s", t.Rule, name, t.Why, t.Left.Round(time.Second), more)
	case resolve.Failing:
		log.Warningf("rule %s: %s can't be resolved (%s), and there are no addresses to keep%s", t.Rule, name, t.Why, more)
	case resolve.Absent:
		log.Warningf("rule %s: %s has no addresses (%s)%s", t.Rule, name, t.Why, more)
	case resolve.Resolved:
		log.Infof("rule %s: %s is resolved again%s", t.Rule, name, more)
	}
}

// ran tells what became of a command.
func ran(r hook.Run) {
	onChangeRuns.WithLabelValues(r.Rule, r.Exit).Inc()
	if r.Err == nil {
		return
	}
	said := ""
	if r.Output != "" {
		said = fmt.Sprintf(", and it wrote %q", r.Output)
	}
	log.Errorf("rule %s: on_change %s: %v%s", r.Rule, r.Command, r.Err, said)
}

// plain is a name without the final dot, as the Corefile has it.
func plain(name string) string { return strings.TrimSuffix(name, ".") }

// commas writes addresses for a log line.
func commas(addrs []netip.Addr) string {
	if len(addrs) == 0 {
		return "-"
	}
	return strings.Join(words(addrs), ",")
}
