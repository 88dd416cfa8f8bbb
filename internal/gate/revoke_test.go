package gate

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/conntrack"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
	"github.com/namewall/namewall/internal/state"
)

func keeping(r *rule.Rule)     { r.Revoke = rule.RevokeKeep }
func killingRule(r *rule.Rule) { r.Revoke = rule.RevokeKill }

// reload replaces the active configuration.
func (b *bench) reload(rules ...*rule.Rule) {
	old := b.inst
	b.load(rules...)
	old.Stop()
	time.Sleep(settling + tick)
}

// names are the patterns of a rule's only line.
func names(patterns ...string) func(*rule.Rule) {
	return func(r *rule.Rule) {
		r.Names[0].Patterns = nil
		for _, p := range patterns {
			pattern, err := rule.ParsePattern(p)
			if err != nil {
				panic(err)
			}
			r.Names[0].Patterns = append(r.Names[0].Patterns, pattern)
		}
	}
}

func services(all ...set.Service) func(*rule.Rule) {
	return func(r *rule.Rule) { r.Names[0].Services = all }
}

func admitting(prefixes ...string) func(*rule.Rule) {
	return func(r *rule.Rule) {
		var lines rule.Lines
		for _, p := range prefixes {
			lines.Allow = append(lines.Allow, netip.MustParsePrefix(p))
		}
		policy, err := rule.NewPolicy(lines, rule.Lines{})
		if err != nil {
			panic(err)
		}
		r.Policy = policy
	}
}

// What ends, after www.example.com has brought addr1 into web4 under the rule
// web, depends on what the configuration says afterwards.
func TestRevokeOnReload(t *testing.T) {
	for _, test := range []struct {
		name  string
		rules []*rule.Rule
		ends  bool
	}{
		{"nothing has changed", []*rule.Rule{newRule("web", []set.ID{web4})}, false},
		{"a rule has come", []*rule.Rule{newRule("new", []set.ID{app4}), newRule("web", []set.ID{web4})}, false},
		{"the rule has gone", []*rule.Rule{newRule("app", []set.ID{app4})}, true},
		{"no rule is left", nil, true},
		{"the rule has another name", []*rule.Rule{newRule("other", []set.ID{web4})}, true},
		{"the name has gone", []*rule.Rule{newRule("web", []set.ID{web4}, names("api.example.com"))}, true},
		{"the name stands there itself", []*rule.Rule{newRule("web", []set.ID{web4}, names("www.example.com"))}, false},
		{"the name is excepted", []*rule.Rule{newRule("web", []set.ID{web4}, func(r *rule.Rule) {
			names("www.example.com")(r)
			r.Except = r.Names[0].Patterns
			names("*.example.com")(r)
		})}, true},
		{"the set has gone", []*rule.Rule{newRule("web", []set.ID{app4})}, true},
		{"the set has another type", []*rule.Rule{newRule("web", []set.ID{web4}, func(r *rule.Rule) {
			r.Sets[0].Layout, r.Sets[0].Known = ports4, true
			services(set.Service{Proto: 6, Port: 443})(r)
		})}, true},
		{"the address is refused", []*rule.Rule{newRule("web", []set.ID{web4}, admitting("203.0.113.0/24"))}, true},
		{"it is for others, who share the set", []*rule.Rule{newRule("web", []set.ID{web4}, func(r *rule.Rule) {
			r.Clients = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
		})}, false},
	} {
		for _, choice := range []rule.Revoke{rule.RevokeDelete, rule.RevokeKeep, rule.RevokeKill} {
			t.Run(fmt.Sprintf("%s, %s", test.name, choice), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					k := newFakeKernel()
					k.declare(web4, v4, 0)
					k.declare(app4, v4, 0)
					b := start(t, k, newRule("web", []set.ID{web4}, func(r *rule.Rule) { r.Revoke = choice }))
					b.ask("www.example.com.", time.Minute, addr1)
					b.reload(test.rules...)
					gone := k.life(web4, key4(addr1)) == 0
					if want := test.ends && choice != rule.RevokeKeep; gone != want {
						t.Errorf("gone: %v, want %v", gone, want)
					}
					want := 0
					if test.ends && choice == rule.RevokeKill {
						want = 1
					}
					if len(k.ended()) != want {
						t.Errorf("connections ended: %v", k.ended())
					}
					if test.ends {
						k.flush(web4)
						time.Sleep(2 * tick)
						if k.life(web4, key4(addr1)) != 0 {
							t.Error("what has left the configuration was put back")
						}
					}
				})
			})
		}
	}
}

// A reload that fails revokes nothing of the old configuration, but what only the
// new one had promised.
func TestFailedReloadRevokesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.declare(app4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1)
		old := b.inst
		b.load(newRule("app", []set.ID{app4}))
		b.ask("www.example.com.", time.Minute, addr1)
		old.Keep()
		time.Sleep(settling + tick)
		if k.life(web4, key4(addr1)) == 0 {
			t.Error("the old configuration's element is gone")
		}
		if k.life(app4, key4(addr1)) != 0 {
			t.Error("the new configuration's element is there")
		}
	})
}

// A key that several rules or names want stays until the last of them has gone.
func TestLastReasonKeepsTheElement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("one", []set.ID{web4}, names("www.example.com", "api.example.com")), newRule("two", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1)
		b.ask("api.example.com.", time.Minute, addr1)
		for _, step := range []struct {
			rules []*rule.Rule
			there bool
		}{
			{[]*rule.Rule{newRule("one", []set.ID{web4}, names("www.example.com", "api.example.com"))}, true},
			{[]*rule.Rule{newRule("one", []set.ID{web4}, names("api.example.com"))}, true},
			{[]*rule.Rule{newRule("one", []set.ID{web4}, names("www.example.com"))}, false},
		} {
			b.reload(step.rules...)
			if there := k.life(web4, key4(addr1)) > 0; there != step.there {
				t.Errorf("there: %v, want %v", there, step.there)
			}
		}
	})
}

// On a CDN's address only some names are kept as reasons. The others count for
// their rule.
func TestManyNamesOfOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}), newRule("app", []set.ID{web4}, names("last.example.com")))
		for n := range maxReasons {
			b.ask(fmt.Sprintf("www%d.example.com.", n), time.Minute, addr1)
		}
		b.ask("last.example.com.", time.Minute, addr1) // covered
		b.ask("last.example.com.", 10*time.Hour, addr1)
		b.reload(newRule("app", []set.ID{web4}, names("last.example.com")))
		if k.life(web4, key4(addr1)) == 0 {
			t.Error("the name that was not kept doesn't count")
		}
		b.reload(newRule("new", []set.ID{web4}))
		if k.life(web4, key4(addr1)) != 0 {
			t.Error("without any rule of theirs the element stays")
		}
	})
}

// Questions that came before the reload are answered under the old
// configuration, and what that opens is closed when they are through.
func TestAnswersUnderWayAreRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.declare(app4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		oldBlock := b.block
		b.reload(newRule("app", []set.ID{app4}))
		b.block = oldBlock
		if q := b.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != Promised {
			t.Errorf("%v", q.Fates)
		}
		time.Sleep(lastAnswers + 2*tick)
		if k.life(web4, key4(addr1)) != 0 {
			t.Error("it is there for ever")
		}
	})
}

// What somebody asks for again while it is being revoked is not lost.
func TestAskedForWhileRevoked(t *testing.T) {
	for _, taken := range []bool{false, true} {
		t.Run(fmt.Sprintf("the deletion is under way: %v", taken), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				b := start(t, k, newRule("web", []set.ID{web4}))
				b.ask("www.example.com.", time.Minute, addr1)
				release := k.stall()
				if !taken { // the writer is busy with another one
					go b.ask("api.example.com.", time.Minute, addr2)
					synctest.Wait()
				}
				b.reload(newRule("new", []set.ID{web4}))
				done := make(chan *Question)
				go func() { done <- b.ask("www.example.com.", time.Minute, addr1) }()
				synctest.Wait()
				k.change(func() { k.slow = nil })
				release()
				if q := <-done; q.Fates[0] != Promised {
					t.Errorf("%v %v", q.Fates, q.Causes)
				}
				synctest.Wait()
				if k.life(web4, key4(addr1)) < time.Hour {
					t.Error("the answer was given, and the element is gone")
				}
			})
		})
	}
}

// A set that can't be written is made right when it can.
func TestRevokeWaitsForTheSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1)
		k.change(func() { k.commitErr = errBoom })
		b.reload(newRule("web", []set.ID{web4}, names("api.example.com")))
		time.Sleep(3 * tick)
		if k.life(web4, key4(addr1)) == 0 {
			t.Fatal("deleted by a kernel that can't be reached")
		}
		k.change(func() { k.commitErr = nil })
		time.Sleep(retryMax + tick)
		if k.life(web4, key4(addr1)) != 0 {
			t.Error("not deleted")
		}
	})
}

// An administrator's elements, and those of which nobody knows where they come
// from, are left alone.
func TestRevokeIsOfOwnElements(t *testing.T) {
	for _, test := range []struct {
		name   string
		before time.Duration // an element of this life is there at first; -1: a permanent one
		after  time.Duration // somebody gives it this life
		there  bool
	}{
		{"own", 0, 0, false},
		{"there before, and longer", 10 * time.Hour, 0, true},
		{"there before, for ever", -1, 0, true},
		{"there before, and extended", time.Minute, 0, false},
		{"made longer by others", 0, 10 * time.Hour, true},
		{"put back as it was by a loaded ruleset", 0, rule.DefaultMin, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				if test.before != 0 {
					k.put(web4, key4(addr1), max(0, test.before))
				}
				b := start(t, k, newRule("web", []set.ID{web4}))
				b.ask("www.example.com.", time.Minute, addr1)
				time.Sleep(2 * crossing)
				if test.after != 0 {
					k.put(web4, key4(addr1), test.after)
				}
				synctest.Wait()
				b.reload(newRule("app", []set.ID{app4}))
				if there := k.life(web4, key4(addr1)) != 0; there != test.there {
					t.Errorf("there: %v, want %v", there, test.there)
				}
			})
		})
	}
}

// Connections of what is revoked end, but not those that another element lets
// through.
func TestKill(t *testing.T) {
	https, dns := set.Service{Proto: 6, Port: 443}, set.Service{Proto: 17, Port: 53}
	for _, test := range []struct {
		name string
		also *rule.Rule // another rule for the same answer, which stays
		want []conntrack.Flow
	}{
		{"alone", nil, []conntrack.Flow{{Addr: addr1, Service: https}}},
		{"whole address elsewhere", newRule("also", []set.ID{app4}), nil},
		{"same service elsewhere", newRule("also", []set.ID{other}, services(https)), nil},
		{"another service elsewhere", newRule("also", []set.ID{other}, services(dns)), []conntrack.Flow{{Addr: addr1, Service: https}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, ports4, 0)
				k.declare(app4, v4, 0)
				k.declare(other, ports4, 0)
				rules := []*rule.Rule{newRule("web", []set.ID{web4}, services(https), killingRule)}
				var stays []*rule.Rule
				if test.also != nil {
					rules, stays = append(rules, test.also), []*rule.Rule{test.also}
				}
				b := start(t, k, rules...)
				if q := b.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != Promised {
					t.Fatalf("%v %v", q.Fates, q.Causes)
				}
				b.reload(stays...)
				if fmt.Sprint(k.ended()) != fmt.Sprint(test.want) {
					t.Errorf("%v, want %v", k.ended(), test.want)
				}
				if n := b.seen.get(&b.seen.killed); n != len(test.want) {
					t.Errorf("%d counted", n)
				}
			})
		})
	}
}

// other is one more set.
var other = set.ID{Family: set.Inet, Table: "filter", Name: "other"}

// What was promised before a restart and is no longer configured ends as the
// configuration of then has it, also in sets that are not configured any more.
// What nobody knows of expires.
func TestRevokeOnStart(t *testing.T) {
	for _, choice := range []rule.Revoke{rule.RevokeDelete, rule.RevokeKeep, rule.RevokeKill} {
		for _, now := range []*rule.Rule{newRule("new", []set.ID{web4}), newRule("new", []set.ID{app4}), newRule("web", []set.ID{web4})} {
			t.Run(fmt.Sprintf("%s, then %s in %s", choice, now.Name, now.Sets[0].ID), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					k := newFakeKernel()
					k.declare(web4, v4, 0)
					k.declare(app4, v4, 0)
					b := start(t, k, newRule("web", []set.ID{web4}, func(r *rule.Rule) { r.Revoke = choice }))
					b.ask("www.example.com.", time.Minute, addr1)
					k.put(web4, key4(addr2), time.Hour)
					next := restart(t, b, now)
					synctest.Wait()
					gone := k.life(web4, key4(addr1)) == 0
					if want := now.Name == "new" && choice != rule.RevokeKeep; gone != want {
						t.Errorf("gone: %v, want %v", gone, want)
					}
					if want := now.Name == "new" && choice == rule.RevokeKill; len(k.ended()) > 0 != want {
						t.Errorf("connections ended: %v", k.ended())
					}
					if k.life(web4, key4(addr2)) == 0 {
						t.Error("somebody else's element is gone")
					}
					if s := next.gate.Stats(); len(s.Sets) != 1 || len(next.gate.Problems()) != 0 {
						t.Errorf("%+v %v", s, next.gate.Problems())
					}
					time.Sleep(settling + lastAnswers + 3*retryMax)
					if n := len(next.gate.known()); n != 1 {
						t.Errorf("%d sets are followed", n)
					}
				})
			})
		}
	}
}

// restart ends a gate and begins another on the same kernel, from the state file
// of the first.
func restart(t *testing.T, b *bench, rules ...*rule.Rule) *bench {
	saved := b.gate.Snapshot(state.Instant{})
	next := &bench{fakeKernel: b.fakeKernel, seen: new(counter)}
	next.gate = New(Options{Kernel: b.fakeKernel, Observer: next.seen})
	t.Cleanup(next.gate.Close)
	for i, r := range rules {
		r.Index = i
	}
	next.inst = next.gate.Stage(rules, rule.Site{})
	next.block = next.inst.Block(rules)
	next.inst.Restore(saved)
	next.inst.Start()
	next.gate.Settle(context.Background())
	return next
}

// A revocation that could not be carried out before the process ended is carried
// out by the next one.
func TestRevokeOutlivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1)
		k.change(func() { k.commitErr = errBoom })
		b.reload(newRule("new", []set.ID{web4}))
		k.change(func() { k.commitErr = nil })
		if k.life(web4, key4(addr1)) == 0 {
			t.Fatal("deleted by a kernel that can't be reached")
		}
		restart(t, b, newRule("new", []set.ID{web4}))
		synctest.Wait()
		if k.life(web4, key4(addr1)) != 0 {
			t.Error("not deleted")
		}
	})
}
