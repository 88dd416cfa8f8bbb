package gate

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/answer"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// askChain is a question whose answer leads along links.
func (b *bench) askChain(ttl time.Duration, links ...answer.Link) *Question {
	q := &Question{Name: links[0].Owner, Client: client}
	q.Walk.Links = links
	q.Walk.Names = []string{links[0].Owner}
	for n, l := range links {
		links[n].Next = l.Target
		if l.Kind != answer.LinkSVCB {
			q.Walk.Names = append(q.Walk.Names, l.Target)
		}
	}
	b.admit(q, ttl, addr1)
	return q
}

func TestTargetsCountAsTheName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}, func(r *rule.Rule) { r.Lifetime.Min = time.Minute }))
		if q := b.ask("edge.cdn.test.", time.Second, addr2); len(q.Matches) != 0 {
			t.Fatalf("before anything led to it: %v", q.Matches)
		}
		b.askChain(5*time.Second,
			answer.Link{Owner: "www.example.com.", Target: "a.cdn.test.", TTL: time.Hour},
			answer.Link{Owner: "a.cdn.test.", Target: "edge.cdn.test.", TTL: time.Minute},
			answer.Link{Owner: "edge.cdn.test.", Target: "svc.cdn.test.", TTL: time.Minute, Kind: answer.LinkSVCB})
		for _, name := range []string{"a.cdn.test.", "edge.cdn.test.", "svc.cdn.test."} {
			q := b.ask(name, time.Second, addr2)
			if len(q.Matches) != 1 || q.Matches[0].Name != "www.example.com." || q.Fates[0] != Promised {
				t.Errorf("%s: %v %v", name, q.Matches, q.Fates)
			}
		}
		time.Sleep(3 * time.Minute)
		if q := b.ask("edge.cdn.test.", time.Second, addr2); len(q.Matches) != 0 {
			t.Error("a target outlives its link")
		}
		if q := b.ask("a.cdn.test.", time.Second, addr2); len(q.Matches) != 1 {
			t.Error("a link of an hour is gone after minutes")
		}
		// What a target leads to ends with the link that led to the target.
		b.askChain(time.Second, answer.Link{Owner: "a.cdn.test.", Target: "far.cdn.test.", TTL: 24 * time.Hour})
		if q := b.ask("far.cdn.test.", time.Second, addr2); len(q.Matches) != 1 || q.Matches[0].Name != "www.example.com." {
			t.Errorf("target of a target: %v", q.Matches)
		}
		time.Sleep(2 * time.Hour)
		if q := b.ask("far.cdn.test.", time.Second, addr2); len(q.Matches) != 0 {
			t.Error("a target's target outlives the first link")
		}
		synctest.Wait()
		if n := b.gate.Stats().Targets; n != 0 {
			t.Errorf("%d targets left", n)
		}
	})
}

func TestTargetsBelowADNAME(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		q := &Question{Name: "www.example.com.", Client: client}
		q.Walk.Names = []string{"www.example.com.", "www.cdn.test."}
		q.Walk.Links = []answer.Link{{Owner: "example.com.", Target: "cdn.test.", Next: "www.cdn.test.", TTL: time.Hour, Kind: answer.LinkDNAME}}
		b.admit(q, time.Minute, addr1)
		// A resolver below us makes other names of it without asking.
		q = b.ask("other.sub.cdn.test.", time.Minute, addr2)
		if len(q.Matches) != 1 || q.Matches[0].Name != "other.sub.example.com." {
			t.Errorf("%v", q.Matches)
		}
		if q := b.ask(`other\.cdn.test.`, time.Minute, addr2); len(q.Matches) != 0 {
			t.Errorf("a dot within a label: %v", q.Matches)
		}
	})
}

// A DNAME comes with the CNAME that was made of it: what follows them lives as
// long as its own link says.
func TestTargetsBehindADNAME(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}, func(r *rule.Rule) { r.Lifetime.Min = time.Minute }))
		q := &Question{Name: "www.example.com.", Client: client}
		q.Walk.Names = []string{"www.example.com.", "www.cdn.test.", "edge.test."}
		q.Walk.Links = []answer.Link{
			{Owner: "www.example.com.", Target: "www.cdn.test.", Next: "www.cdn.test.", TTL: time.Hour},
			{Owner: "example.com.", Target: "cdn.test.", Next: "www.cdn.test.", TTL: time.Hour, Kind: answer.LinkDNAME},
			{Owner: "www.cdn.test.", Target: "edge.test.", Next: "edge.test.", TTL: time.Minute},
		}
		b.admit(q, time.Second, addr1)
		if q := b.ask("edge.test.", time.Second, addr2); len(q.Matches) != 1 {
			t.Errorf("at once: %v", q.Matches)
		}
		time.Sleep(5 * time.Minute)
		if q := b.ask("edge.test.", time.Second, addr2); len(q.Matches) != 0 {
			t.Error("a link of a minute is followed for longer")
		}
		if q := b.ask("www.cdn.test.", time.Second, addr2); len(q.Matches) != 1 {
			t.Error("a link of an hour is gone after minutes")
		}
	})
}

// A resolver that asks for the CNAME itself learns its target, whose name is not
// among those of the answer's chain.
func TestTargetOfACNAMEThatWasAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		q := &Question{Name: "www.example.com.", Client: client}
		q.Walk.Names = []string{"www.example.com."} // as Walk.Read has it
		q.Walk.Links = []answer.Link{{Owner: "www.example.com.", Target: "edge.test.", Next: "edge.test.", TTL: time.Hour}}
		b.admit(q, time.Second)
		if q := b.ask("edge.test.", time.Second, addr2); len(q.Matches) != 1 || q.Matches[0].Name != "www.example.com." {
			t.Errorf("%v", q.Matches)
		}
	})
}

func TestTargetsAreNotFollowed(t *testing.T) {
	except, err := rule.ParsePattern("*.excepted.test")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		change  func(*rule.Rule)
		matches int
	}{
		{"followed", func(*rule.Rule) {}, 1},
		{"targets ignore", func(r *rule.Rule) { r.FollowTargets = false }, 0},
		{"excepted", func(r *rule.Rule) { r.Except = []rule.Pattern{except} }, 0},
		{"another client's rule", func(r *rule.Rule) { r.Clients = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")} }, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				b := start(t, k, newRule("web", []set.ID{web4}, test.change), newRule("other", []set.ID{web4}, func(r *rule.Rule) { r.FollowTargets = false }))
				b.askChain(time.Minute, answer.Link{Owner: "www.example.com.", Target: "a.excepted.test.", TTL: time.Hour})
				q := b.ask("a.excepted.test.", time.Minute, addr2)
				if len(q.Matches) != test.matches {
					t.Errorf("%d matches", len(q.Matches))
				}
			})
		})
	}
}

func TestTargetsAreBounded(t *testing.T) {
	var table targetTable
	table.init()
	for i := range 2 * maxOrigins {
		table.learn("edge.cdn.test.", origin{fmt.Sprintf("h%d.example.com.", i), moment(i + 1)}, 0)
	}
	alive := table.origins(nil, "edge.cdn.test.", 0)
	if len(alive) != maxOrigins || table.count.Load() != maxOrigins {
		t.Fatalf("%d origins, counted %d", len(alive), table.count.Load())
	}
	for _, o := range alive {
		if o.until <= maxOrigins {
			t.Errorf("%v was kept, and one that lives longer was not", o)
		}
	}
	table.count.Store(maxTargets)
	table.learn("new.cdn.test.", origin{"www.example.com.", 1}, 0)
	if len(table.origins(nil, "new.cdn.test.", 0)) != 0 {
		t.Error("a link over the budget")
	}
}

func TestMatchChain(t *testing.T) {
	pattern, err := rule.ParsePattern("*.cdn.test")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("cdn", []set.ID{web4}, func(r *rule.Rule) {
			r.Names[0].Patterns, r.MatchChain = []rule.Pattern{pattern}, true
		}))
		q := b.askChain(time.Minute, answer.Link{Owner: "www.example.org.", Target: "edge.cdn.test.", TTL: time.Hour})
		if len(q.Matches) != 1 || q.Matches[0].Name != "edge.cdn.test." || q.Fates[0] != Promised {
			t.Errorf("%v %v", q.Matches, q.Fates)
		}
		b.load(newRule("cdn", []set.ID{web4}, func(r *rule.Rule) { r.Names[0].Patterns = []rule.Pattern{pattern} }))
		q = b.askChain(time.Minute, answer.Link{Owner: "www.example.org.", Target: "edge.cdn.test.", TTL: time.Hour})
		if len(q.Matches) != 0 {
			t.Errorf("without `match chain`: %v", q.Matches)
		}
	})
}
