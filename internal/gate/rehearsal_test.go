package gate

import (
	"math"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/answer"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// A rehearsal tells what Admit then does, and leaves everything as it was.
func TestRehearsal(t *testing.T) {
	pairs := set.ID{Family: set.Inet, Table: "filter", Name: "pairs4"}
	tiny := set.ID{Family: set.Inet, Table: "filter", Name: "tiny4"}
	missing := set.ID{Family: set.Inet, Table: "filter", Name: "missing4"}
	limit1 := func(r *rule.Rule) { r.Limit = 1 }
	for name, test := range map[string]struct {
		rules  []*rule.Rule
		before []netip.Addr // asked for first
		addrs  []netip.Addr
		want   []Fate
	}{
		"fresh":          {[]*rule.Rule{newRule("web", []set.ID{web4})}, nil, []netip.Addr{addr1, addr2}, []Fate{Promised, Promised}},
		"covered":        {[]*rule.Rule{newRule("web", []set.ID{web4})}, []netip.Addr{addr1}, []netip.Addr{addr1}, []Fate{Promised}},
		"policy":         {[]*rule.Rule{newRule("web", []set.ID{web4})}, nil, []netip.Addr{private, splitNet, addrSix}, []Fate{Special, Passed, NoFamily}},
		"limit":          {[]*rule.Rule{newRule("web", []set.ID{web4}, limit1)}, nil, []netip.Addr{addr1, addr2}, []Fate{Promised, Limit}},
		"limit, reached": {[]*rule.Rule{newRule("web", []set.ID{web4}, limit1)}, []netip.Addr{addr2}, []netip.Addr{addr1, addr2}, []Fate{Limit, Promised}},
		"limit, two sets": {
			[]*rule.Rule{newRule("web", []set.ID{web4, pairs}, limit1), newRule("more", []set.ID{web4})},
			nil, []netip.Addr{addr1, addr2}, []Fate{Promised, Promised},
		},
		"missing":          {[]*rule.Rule{newRule("web", []set.ID{missing})}, nil, []netip.Addr{addr1}, []Fate{NotReady}},
		"missing, another": {[]*rule.Rule{newRule("web", []set.ID{missing}, feed), newRule("more", []set.ID{web4})}, nil, []netip.Addr{addr1}, []Fate{Promised}},
		"full":             {[]*rule.Rule{newRule("web", []set.ID{tiny})}, nil, []netip.Addr{addr1, addr2}, []Fate{Promised, Full}},
		"feed":             {[]*rule.Rule{newRule("web", []set.ID{web4}, feed)}, nil, []netip.Addr{addr1, private}, []Fate{Promised, Special}},
		"pairs":            {[]*rule.Rule{newRule("web", []set.ID{pairs})}, nil, []netip.Addr{addr1}, []Fate{Promised}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				k.declare(pairs, pairs4, 0)
				k.declare(tiny, v4, 1)
				b := start(t, k, test.rules...)
				if len(test.before) > 0 {
					b.ask("www.example.com.", time.Minute, test.before...)
					time.Sleep(time.Second)
				}
				l, leave := b.gate.Listen(100)
				defer leave()
				was, commits, held, names := b.gate.Stats(), b.gate.Commits(), b.seen.get(&b.seen.held), b.gate.state()

				began := time.Now()
				q := &Question{Name: "www.example.com.", Client: client, Rehearsal: new(Rehearsal)}
				q.Walk.Links = []answer.Link{{Owner: "www.example.com.", Target: "edge.cdn.test.", Next: "edge.cdn.test.", TTL: time.Hour}}
				b.admit(q, time.Minute, test.addrs...)
				synctest.Wait()
				if !slices.Equal(q.Fates, test.want) {
					t.Errorf("%v, want %v", q.Fates, test.want)
				}
				if now := b.gate.Stats(); !reflect.DeepEqual(now, was) || b.gate.Commits() != commits || b.seen.get(&b.seen.held) != held || len(l.C()) > 0 {
					t.Errorf("%+v, was %+v", now, was)
				}
				if now := b.gate.state(); !reflect.DeepEqual(now, names) {
					t.Errorf("%v, was %v", now, names)
				}
				if time.Since(began) > 0 {
					t.Errorf("it waited for %v", time.Since(began))
				}
				for _, s := range q.Rehearsal.Steps {
					if s.Fate == Promised && (s.Written == 0) != (s.Held > rule.DefaultGrace) {
						t.Errorf("written for %v, held for %v", s.Written, s.Held)
					}
				}
				if real := b.ask("www.example.com.", time.Minute, test.addrs...); !slices.Equal(real.Fates, q.Fates) || real.Enforced != q.Enforced {
					t.Errorf("rehearsed %v, and it was %v", q.Fates, real.Fates)
				}
			})
		})
	}
}

// state is what the gate knows of elements, with their times, and the addresses of
// names.
func (g *Gate) state() map[string]any {
	all := make(map[string]any)
	g.each(func(b *binding) bool {
		all[b.set.id.String()+" "+b.addr().String()] = []any{b.entry(g.now()), b.until, b.busy()}
		return true
	})
	for i := range g.names.shards {
		s := &g.names.shards[i]
		s.mu.Lock()
		s.subjects.walk(0, math.MaxInt, func(_ uint64, sub *subject) { all[sub.rule+" "+sub.name] = sub.addrs.len() })
		s.mu.Unlock()
	}
	return all
}
