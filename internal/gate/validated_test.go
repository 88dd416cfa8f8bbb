package gate

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/answer"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

func wantsValidated(r *rule.Rule) { r.Validated = true }

// A rule that wants validated answers takes no address from any other, not even
// one that it holds, and says so only where the address would have been admitted.
func TestUnvalidatedAnswersAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.declare(app4, v4, 0)
		b := start(t, k,
			newRule("strict", []set.ID{web4}, wantsValidated),
			newRule("loose", []set.ID{app4}))
		b.only("strict")
		for _, test := range []struct {
			validated bool
			want      Fate
		}{{false, Unvalidated}, {true, Promised}, {false, Unvalidated}} {
			q := &Question{Name: "www.example.com.", Client: client, Validated: test.validated}
			if b.admit(q, time.Minute, addr1, private, splitNet); q.Fates[0] != test.want || q.Fates[1] != Special || q.Fates[2] != Passed {
				t.Errorf("validated %v: %v", test.validated, q.Fates)
			}
		}
		b.block = b.inst.Block([]*rule.Rule{b.inst.rules[0].rule, b.inst.rules[1].rule})
		if q := b.ask("www.example.com.", time.Minute, addr2); q.Fates[0] != Promised {
			t.Errorf("another rule admits it: %v", q.Fates)
		}
		if n := k.count(web4); n != 1 {
			t.Errorf("the strict rule's set has %d elements, want the one that was validated", n)
		}
	})
}

// Whoever forges a link would have the target's own answers, which may well be
// validated, count as the name's.
func TestUnvalidatedLinksAreNotFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("strict", []set.ID{web4}, wantsValidated))
		links := func(validated bool) *Question {
			q := &Question{Name: "www.example.com.", Client: client, Validated: validated}
			q.Walk.Names = []string{"www.example.com.", "edge.cdn.test."}
			q.Walk.Links = []answer.Link{{Owner: "www.example.com.", Target: "edge.cdn.test.", Next: "edge.cdn.test.", TTL: time.Hour}}
			b.admit(q, time.Minute, addr1)
			return q
		}
		target := func() *Question {
			q := &Question{Name: "edge.cdn.test.", Client: client, Validated: true}
			b.admit(q, time.Minute, addr2)
			return q
		}
		links(false)
		if q := target(); len(q.Matches) != 0 {
			t.Errorf("a target by a link that was not validated: %v", q.Matches)
		}
		links(true)
		if q := target(); len(q.Matches) != 1 || q.Fates[0] != Promised {
			t.Errorf("a target by a validated link: %v %v", q.Matches, q.Fates)
		}
	})
}

// The resolver below is asked for validation only where a rule wants it, or may
// when the chain is known.
func TestWantsValidated(t *testing.T) {
	pattern, err := rule.ParsePattern("*.cdn.test")
	if err != nil {
		t.Fatal(err)
	}
	other := func(r *rule.Rule) { r.Names = []rule.Names{{Patterns: []rule.Pattern{pattern}}} }
	chain := func(r *rule.Rule) { r.MatchChain = true }
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		for _, test := range []struct {
			name  string
			rules []*rule.Rule
			want  bool
		}{
			{"no rule wants it", []*rule.Rule{newRule("a", []set.ID{web4}, chain)}, false},
			{"a rule that matches", []*rule.Rule{newRule("a", []set.ID{web4}, wantsValidated)}, true},
			{"a rule about other names", []*rule.Rule{newRule("a", []set.ID{web4}), newRule("b", []set.ID{web4}, other, wantsValidated)}, false},
			{"a rule about the chain", []*rule.Rule{newRule("a", []set.ID{web4}), newRule("b", []set.ID{web4}, other, chain, wantsValidated)}, true},
		} {
			b := start(t, k, test.rules...)
			q := &Question{Name: "www.example.com.", Client: client}
			if b.block.Concerns(q); b.block.WantsValidated(q) != test.want {
				t.Errorf("%s: %v", test.name, !test.want)
			}
		}
	})
}
