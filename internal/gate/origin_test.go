package gate

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
	"github.com/namewall/namewall/internal/state"
)

// A reason of another origin is none of the rule's names: neither asking for them
// nor having too many of them touches it.
func TestOriginsAreKeptApart(t *testing.T) {
	b := &binding{}
	b.because(reason{subject: &subject{rule: "web", origin: rule.ByLine}, until: 7})
	b.others("web", addr1, 1, 2)
	for _, name := range []string{"1.", "2.", "3.", "4.", "5.", "6.", "7.", "8.", "9."} {
		b.because(reason{tag: tagRule("web").of(name), subject: &subject{rule: "web", name: name}, until: 5})
	}
	if r := b.reasons[0]; r.subject.origin != rule.ByLine || r.until != 7 {
		t.Errorf("the reason is now %v %v until %v", r.subject.origin, r.subject.name, r.until)
	}
	if len(b.reasons) != 2+maxReasons || !b.crowded(0) {
		t.Errorf("%d reasons", len(b.reasons))
	}
}

// Where a reason comes from is in the state file, and counts when it is read: a
// name that the rule matches doesn't make up for a line that it doesn't have.
func TestOriginsOutliveAReboot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1)
		saved := b.gate.Snapshot(state.Instant{})
		if got := saved.Bindings[0].Reasons[0].Origin; got != rule.ByName {
			t.Errorf("saved as of origin %v", got)
		}
		saved.Bindings[0].Reasons[0].Origin = rule.ByLine

		next := New(Options{Kernel: k})
		t.Cleanup(next.Close)
		rules := []*rule.Rule{newRule("web", []set.ID{web4}, func(r *rule.Rule) { r.Revoke = rule.RevokeKeep })}
		i := next.Stage(rules, rule.Site{})
		i.Restore(saved)
		i.Start()
		next.Settle(t.Context())
		found, _ := next.Entries(Filter{Rule: "web"}, 10)
		for _, e := range found {
			if e.Promised > 0 {
				t.Errorf("promised: %v", e)
			}
		}
	})
}
