package gate

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/answer"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

func TestEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.declare(app4, ports4, 0)
		k.put(web4, key4(addr2), 0)
		https := set.Service{Proto: 6, Port: 443}
		b := start(t, k, newRule("web", []set.ID{web4}), newRule("app", []set.ID{app4}, services(https)))
		b.askChain(time.Minute, answer.Link{Owner: "www.example.com.", Target: "edge.cdn.test.", TTL: time.Hour})
		time.Sleep(10 * time.Minute)
		b.ask("api.example.com.", time.Minute, addr1)

		for _, test := range []struct {
			name string
			f    Filter
			want int
		}{
			{"all", Filter{}, 3},
			{"a set", Filter{Set: web4}, 2},
			{"an address", Filter{Addr: addr1}, 2},
			{"a rule", Filter{Rule: "app"}, 1},
			{"a name", Filter{Name: "www.example.com."}, 2},
			{"a rule and a name", Filter{Rule: "web", Name: "api.example.com."}, 1},
			{"a rule and another's set", Filter{Rule: "web", Set: app4}, 0},
			{"no such name", Filter{Name: "example.com."}, 0},
			{"none for more names than are kept", Filter{Crowded: true}, 0},
			{"with ports", Filter{Where: func(e *Entry) bool { return e.Layout.Port }}, 1},
		} {
			found, more := b.gate.Entries(test.f, 10)
			if len(found) != test.want || more {
				t.Errorf("%s: %d entries, want %d", test.name, len(found), test.want)
			}
		}
		if found, more := b.gate.Entries(Filter{}, 2); len(found) != 2 || !more {
			t.Errorf("%d entries, more %v", len(found), more)
		}
		if found, more := b.gate.Entries(Filter{}, 3); len(found) != 3 || more {
			t.Errorf("%d entries, more %v", len(found), more)
		}

		found, _ := b.gate.Entries(Filter{Rule: "app"}, 10)
		e := found[0]
		if e.Addr != addr1 || e.Service != https || !e.Own || e.Promised < 50*time.Minute || e.Held < e.Promised || len(e.Reasons) != 2 {
			t.Errorf("%+v", e)
		}
		why := e.Reasons[0]
		if why.Name != "www.example.com." || why.Client != client || why.First != 10*time.Minute || len(why.Names()) != 2 || why.Names()[1] != "edge.cdn.test." {
			t.Errorf("%+v", why)
		}
		if found, _ = b.gate.Entries(Filter{Addr: addr2}, 10); !found[0].Permanent || found[0].Own || found[0].Promised != 0 || len(found[0].Reasons) != 0 {
			t.Errorf("%+v", found[0])
		}
	})
}

// While a configuration is being replaced, both count, and the newer one's rule of
// a name.
func TestRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, newFakeKernel(), newRule("web", []set.ID{web4}), newRule("old", []set.ID{web4}))
		old := b.inst
		b.load(newRule("new", []set.ID{web4}), newRule("web", []set.ID{app4}))
		names := func() (all []string) {
			for _, r := range b.gate.Rules() {
				all = append(all, r.Name+" "+r.Sets[0].ID.Name)
			}
			return all
		}
		if got := names(); len(got) != 3 || got[1] != "web app4" || got[2] != "old web4" {
			t.Errorf("%v", got)
		}
		old.Stop()
		if got := names(); len(got) != 2 {
			t.Errorf("%v", got)
		}
	})
}

// What puts elements back is told with who has taken them out.
func TestLastHeal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}, func(r *rule.Rule) { r.Revoke = rule.RevokeKeep }))
		b.ask("www.example.com.", time.Minute, addr1, addr2)
		if h := b.gate.Stats().Sets[0].LastHeal; h != nil {
			t.Errorf("%+v", h)
		}
		k.flush(web4)
		time.Sleep(2 * tick)
		h := b.gate.Stats().Sets[0].LastHeal
		if h == nil || h.Elements != 2 {
			t.Fatalf("%+v", h)
		}
		if h.Took != 0 { // fake time stands still for what is put back at once
			t.Errorf("it took %v", h.Took)
		}
		if name, pid := h.By(); name != "" || pid != 0 {
			t.Errorf("by %q, %d", name, pid)
		}
		k.remove(web4)
		time.Sleep(3 * time.Second)
		k.declare(web4, v4, 0)
		time.Sleep(2 * tick)
		if h := b.gate.Stats().Sets[0].LastHeal; h.Elements != 2 || h.Took != 3*time.Second {
			t.Errorf("%+v", h)
		}
	})
}

// What was refused was never there, so it has not expired either.
func TestPast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 1)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1)
		b.ask("api.example.com.", time.Minute, addr2)
		time.Sleep(2 * time.Hour)
		past := b.gate.Past(Filter{}, 10)
		if len(past) != 1 || past[0].Addr != addr1 || past[0].How != Expired || past[0].Ago < 50*time.Minute || past[0].Ago > time.Hour {
			t.Errorf("%+v", past)
		}
	})
}

// An element that is there for more names than are kept is found as one of those.
func TestEntriesOfCrowdedElements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("one.example.com.", time.Minute, addr2)
		for i := range maxReasons + 1 {
			b.ask(fmt.Sprintf("n%d.example.com.", i), time.Minute, addr1)
		}
		found, more := b.gate.Entries(Filter{Crowded: true}, 1)
		if len(found) != 1 || more || found[0].Addr != addr1 {
			t.Errorf("%+v, more %v", found, more)
		}
	})
}
