package gate

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/answer"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// resolves adds a line to a rule that keeps name resolved.
func resolves(name string, services ...set.Service) func(*rule.Rule) {
	pattern, err := rule.ParsePattern(name)
	if err != nil {
		panic(err)
	}
	return func(r *rule.Rule) {
		r.Names = append(r.Names, rule.Names{Patterns: []rule.Pattern{pattern}, Services: services, Resolved: true})
	}
}

// own admits addresses for a name that r keeps resolved, of an answer of that age.
func (b *bench) own(r *rule.Rule, name string, age time.Duration, addrs ...netip.Addr) *Question {
	q := &Question{Name: name, Age: age, Walk: answer.Walk{Names: []string{name}}}
	for _, a := range addrs {
		q.Walk.Addrs = append(q.Walk.Addrs, answer.Addr{Addr: a, TTL: time.Minute})
	}
	b.inst.Own(q, r)
	b.inst.Admit(context.Background(), q)
	return q
}

// The gateway's own question feeds the one rule that it is for, whatever clients
// that is for, by the lines that resolve the name.
func TestOwnQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.declare(app4, v4, 0)
		in := newRule("in", []set.ID{app4}, resolves("fe.example.org"), func(r *rule.Rule) {
			r.Clients = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
		})
		b := start(t, k, newRule("web", []set.ID{web4}, resolves("fe.example.org")), in)
		if q := b.own(in, "fe.example.org.", 0, addr1); len(q.Fates) != 1 || q.Fates[0] != Promised {
			t.Errorf("%+v", q.Fates)
		}
		if k.life(app4, key4(addr1)) == 0 || k.life(web4, key4(addr1)) != 0 {
			t.Error("not exactly the rule's own set was fed")
		}
		// www.example.com falls under the rule, and is not resolved by it.
		if q := b.own(in, "www.example.com.", 0, addr2); len(q.Matches) != 0 || k.life(app4, key4(addr2)) != 0 {
			t.Errorf("%+v", q.Matches)
		}
	})
}

// What is known of a name is how long ago an answer said so, not when it was
// admitted last, and what has been revoked or has expired is not known.
func TestKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		r := newRule("web", []set.ID{web4}, resolves("fe.example.org"))
		b := start(t, k, r)
		known := func() map[netip.Addr]Known {
			all := make(map[netip.Addr]Known)
			b.gate.Known(func(k Known) {
				if k.Rule == "web" && k.Name == "fe.example.org." {
					all[k.Addr] = k
				}
			})
			return all
		}
		b.own(r, "fe.example.org.", 0, addr1)
		b.own(r, "fe.example.org.", 20*time.Minute, addr2)
		b.ask("www.example.com.", time.Minute, addr2)
		time.Sleep(10 * time.Minute)
		b.own(r, "fe.example.org.", 10*time.Minute, addr1) // once more
		got := known()
		if len(got) != 2 || got[addr1].Age != 10*time.Minute || got[addr2].Age != 30*time.Minute {
			t.Errorf("%+v", got)
		}
		if left := got[addr2].Left; left > rule.DefaultMin+rule.DefaultGrace || left < rule.DefaultMin-10*time.Minute {
			t.Errorf("%v left", left)
		}
		// An older answer says nothing against a younger one.
		b.own(r, "fe.example.org.", time.Hour, addr1)
		if got := known()[addr1].Age; got != 10*time.Minute {
			t.Errorf("%v", got)
		}
		time.Sleep(3 * time.Hour)
		if got := known(); len(got) != 0 {
			t.Errorf("%+v", got)
		}
		release := k.stall()
		go b.own(r, "fe.example.org.", 0, addr1)
		synctest.Wait()
		if got := known(); len(got) != 0 {
			t.Errorf("what is on its way is known: %+v", got)
		}
		release()
		synctest.Wait()
		if got := known(); len(got) != 1 {
			t.Errorf("%+v", got)
		}
	})
}

// After a restart what was resolved is known again, with the age of its answer,
// also under a rule that is for other clients; if the rule resolves the name no
// longer, it isn't.
func TestKnownAfterARestart(t *testing.T) {
	for _, test := range []struct {
		name string
		line func(*rule.Rule)
		want bool
	}{
		{"as it was", resolves("fe.example.org"), true},
		{"another name", resolves("fe2.example.org"), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				strict := func(r *rule.Rule) {
					r.Clients = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
				}
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				r := newRule("web", []set.ID{web4}, resolves("fe.example.org"), strict)
				b := start(t, k, r)
				b.own(r, "fe.example.org.", 5*time.Minute, addr1)
				time.Sleep(10 * time.Minute)
				fresh := newFakeKernel()
				fresh.declare(web4, v4, 0)
				next := reboot(t, b, fresh, newRule("web", []set.ID{web4}, test.line, strict))
				var got []Known
				next.gate.Known(func(k Known) { got = append(got, k) })
				if !test.want {
					if len(got) != 0 {
						t.Errorf("%+v", got)
					}
					return
				}
				if len(got) != 1 || got[0].Name != "fe.example.org." || got[0].Addr != addr1 || got[0].Age.Round(time.Second) != 15*time.Minute {
					t.Errorf("%+v", got)
				}
				if fresh.life(web4, key4(addr1)) == 0 {
					t.Error("not put back")
				}
			})
		})
	}
}

// A family is of use if a set is for it, or may be.
func TestTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		r := newRule("web", []set.ID{web4})
		unknown := newRule("app", []set.ID{web4, app4})
		b := start(t, k, r, unknown)
		if !b.inst.Takes(r, false) || b.inst.Takes(r, true) {
			t.Error("a set of IPv4 addresses")
		}
		if !b.inst.Takes(unknown, false) || !b.inst.Takes(unknown, true) {
			t.Error("a set that is missing")
		}
		k.declare(app4, v6, 0)
		synctest.Wait()
		if !b.inst.Takes(unknown, true) {
			t.Error("a set of IPv6 addresses")
		}
	})
}

// A set with a client in its key makes a rule not ready that resolves names, and
// says why.
func TestResolveIntoPairs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, pairs4, 0)
		r := newRule("web", []set.ID{web4}, resolves("fe.example.org"))
		b := start(t, k, r)
		problems := b.gate.Problems()
		if len(problems) != 1 || !strings.Contains(problems[0].String(), "has the client in its key") {
			t.Errorf("%v", problems)
		}
		if q := b.own(r, "fe.example.org.", 0, addr1); q.Fates[0] == Promised {
			t.Error("promised")
		}
	})
}
