package gate

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// writing adds a line of addresses to a rule, and tells the types of its sets.
func writing(l set.Layout, services []set.Service, addrs ...netip.Addr) func(*rule.Rule) {
	return func(r *rule.Rule) {
		line := rule.Static{Services: services}
		for _, a := range addrs {
			line.Prefixes = append(line.Prefixes, netip.PrefixFrom(a, a.BitLen()))
		}
		r.Statics = append(r.Statics, line)
		if len(services) > 0 {
			r.Names[0].Services = services
		}
		for n := range r.Sets {
			r.Sets[n].Layout, r.Sets[n].Known = l, true
		}
	}
}

func has(k *fakeKernel, id set.ID, key set.Key) bool { return k.life(id, key) != 0 }

var https = []set.Service{{Proto: 6, Port: 443}}

// What is written out is in the sets before anybody asks, in all of the rule's
// that are of its family, with its ports.
func TestStaticIsThereFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, ports4, 0)
		k.declare(web6, set.Layout{V6: true, Proto: true, Port: true}, 0)
		b := start(t, k, newRule("web", []set.ID{web4, web6}, writing(ports4, https, addr1, addrSix, private), func(r *rule.Rule) {
			r.Sets[1].Layout.V6 = true
		}))
		for _, a := range []netip.Addr{addr1, private} {
			if got := k.life(web4, ports4.Key(client, a, https[0])); got != staticLife+kernelExtra {
				t.Errorf("%v lives for %v", a, got)
			}
		}
		if got := k.life(web6, set.Layout{V6: true, Proto: true, Port: true}.Key(client, addrSix, https[0])); got != staticLife+kernelExtra {
			t.Errorf("%v lives for %v", addrSix, got)
		}
		found, _ := b.gate.Entries(Filter{Addr: addr1}, 10)
		if len(found) != 1 || len(found[0].Reasons) != 1 || found[0].Reasons[0].Origin != rule.ByLine || found[0].Reasons[0].Rule != "web" || !found[0].Own || found[0].Promised != staticLife {
			t.Errorf("known of it: %+v", found)
		}
		if b.seen.get(&b.seen.healed) != 0 {
			t.Error("taken for healed")
		}
	})
}

// It never has less than staticLeft to live, and is written once a day.
func TestStaticIsExtended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		start(t, k, newRule("web", []set.ID{web4}, writing(v4, nil, addr1)))
		const days = 4
		commits := k.commitsSoFar()
		for range days * 24 {
			time.Sleep(time.Hour)
			if got := k.life(web4, key4(addr1)); got < staticLeft-provideEvery {
				t.Fatalf("only %v left", got)
			}
		}
		if n := k.commitsSoFar() - commits; n < days-2 || n > days {
			t.Errorf("%d writes in %d days", n, days)
		}
	})
}

// An element of the administrator's that stays for ever is left alone, a shorter
// one made longer.
func TestStaticLeavesLongerLivesAlone(t *testing.T) {
	for life, want := range map[time.Duration]time.Duration{
		0:                        0,
		30 * 24 * time.Hour:      30 * 24 * time.Hour,
		time.Hour:                staticLife + kernelExtra,
		staticLeft + time.Minute: staticLeft + time.Minute,
	} {
		synctest.Test(t, func(t *testing.T) {
			k := newFakeKernel()
			k.declare(web4, v4, 0)
			k.put(web4, key4(addr1), life)
			start(t, k, newRule("web", []set.ID{web4}, writing(v4, nil, addr1)))
			if got := k.life(web4, key4(addr1)); want == 0 && got != -1 || want > 0 && (got < want-time.Second || got > want) {
				t.Errorf("of %v there is %v left, want %v", life, got, want)
			}
		})
	}
}

// Whatever others do, it is put back.
func TestStaticHeals(t *testing.T) {
	for name, harm := range map[string]func(*fakeKernel){
		"one element is deleted":    func(k *fakeKernel) { k.take(web4, key4(addr1)) },
		"the set is declared anew":  func(k *fakeKernel) { k.remove(web4); k.declare(web4, v4, 0) },
		"the set comes back late":   func(k *fakeKernel) { k.remove(web4); time.Sleep(time.Hour); k.declare(web4, v4, 0) },
		"its life is cut":           func(k *fakeKernel) { k.put(web4, key4(addr1), time.Minute) },
		"the set is another type's": func(k *fakeKernel) { k.declare(web4, ports4, 0); time.Sleep(time.Minute); k.declare(web4, v4, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				start(t, k, newRule("web", []set.ID{web4}, writing(v4, nil, addr1)))
				time.Sleep(time.Minute)
				harm(k)
				time.Sleep(2 * time.Second)
				if got := k.life(web4, key4(addr1)); got < staticLeft {
					t.Errorf("%v left", got)
				}
			})
		})
	}
}

// A line that leaves takes its elements along, as the rule says; what another line
// or rule gives stays.
func TestStaticIsRevoked(t *testing.T) {
	for choice, gone := range map[rule.Revoke]bool{rule.RevokeDelete: true, rule.RevokeKill: true, rule.RevokeKeep: false} {
		t.Run(choice.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				b := start(t, k, newRule("web", []set.ID{web4}, writing(v4, nil, addr1, addr2), func(r *rule.Rule) { r.Revoke = choice }))
				time.Sleep(time.Minute)
				old := b.inst
				b.load(newRule("web", []set.ID{web4}, writing(v4, nil, addr2)))
				old.Stop()
				time.Sleep(2 * lastAnswers)
				if got := has(k, web4, key4(addr1)); got == gone {
					t.Errorf("the address is there: %v", got)
				}
				if !has(k, web4, key4(addr2)) {
					t.Error("what is still written out has gone")
				}
				if n := len(k.ended()); n > 0 != (choice == rule.RevokeKill) {
					t.Errorf("%d flows ended", n)
				}
			})
		})
	}
}

// A name keeps the element when the line leaves, for its own time and no longer.
func TestStaticLeavesNamesTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}, writing(v4, nil, addr1)))
		old := b.inst
		b.load(newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Hour, addr1)
		old.Stop()
		time.Sleep(time.Hour)
		if !has(k, web4, key4(addr1)) {
			t.Error("it has gone although the name keeps it")
		}
		time.Sleep(2 * time.Minute)
		if has(k, web4, key4(addr1)) {
			t.Errorf("it lives for another %v", k.life(web4, key4(addr1)))
		}
	})
}

// So it does when the line was taken out while the process was down.
func TestStaticLeavesNamesTheirTimeAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}, writing(v4, nil, addr1)))
		b.ask("www.example.com.", time.Hour, addr1)
		restart(t, b, newRule("web", []set.ID{web4}))
		time.Sleep(5 * time.Second)
		if life := k.life(web4, key4(addr1)); life < time.Hour || life > 2*time.Hour {
			t.Errorf("it lives for another %v", life)
		}
	})
}

// What a name still keeps is put back into a set that was empty when it was to be
// shortened.
func TestStaticLeavesWhileTheSetIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}, writing(v4, nil, addr1)))
		b.ask("www.example.com.", time.Hour, addr1)
		k.remove(web4)
		time.Sleep(time.Second)
		old := b.inst
		b.load(newRule("web", []set.ID{web4}))
		old.Stop()
		time.Sleep(2 * lastAnswers)
		k.declare(web4, v4, 0)
		time.Sleep(5 * time.Second)
		if !has(k, web4, key4(addr1)) {
			t.Error("what the name was promised is missing")
		}
	})
}

// A line that was taken out while the process was down is revoked at the start.
func TestStaticIsRevokedAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}, writing(v4, nil, addr1, addr2)))
		restart(t, b, newRule("web", []set.ID{web4}, writing(v4, nil, addr2)))
		time.Sleep(5 * time.Second)
		if has(k, web4, key4(addr1)) || !has(k, web4, key4(addr2)) {
			t.Errorf("there are %v and %v", has(k, web4, key4(addr1)), has(k, web4, key4(addr2)))
		}
	})
}

// An answer that brings it is covered without a write. That goes for addresses
// that answers may not bring otherwise, for what is written out of them and no
// more.
func TestStaticCoversAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		addr     netip.Addr
		services []set.Service // of the name
		want     Fate
	}{
		"public":        {addr1, https, Promised},
		"private":       {private, https, Promised},
		"another port":  {private, []set.Service{{Proto: 6, Port: 80}}, Special},
		"one port more": {private, []set.Service{https[0], {Proto: 6, Port: 80}}, Special},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, ports4, 0)
				b := start(t, k, newRule("web", []set.ID{web4}, writing(ports4, https, addr1, private), func(r *rule.Rule) {
					r.Names[0].Services = test.services
				}))
				commits := k.commitsSoFar()
				q := b.ask("www.example.com.", time.Hour, test.addr)
				if q.Fates[0] != test.want || k.commitsSoFar() != commits || q.Held != 0 {
					t.Errorf("%v after %d writes and %v", q.Fates[0], k.commitsSoFar()-commits, q.Held)
				}
			})
		})
	}
}

// A set that is full makes the rule not ready, and is tried again.
func TestStaticIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 1)
		k.put(web4, key4(addr2), 0)
		b := start(t, k, newRule("web", []set.ID{web4}, writing(v4, nil, addr1)))
		time.Sleep(time.Minute)
		if p := b.gate.Problems(); len(p) != 1 {
			t.Errorf("problems %v", p)
		}
		if n := k.commitsSoFar(); n > 20 {
			t.Errorf("%d tries in a minute", n)
		}
		k.take(web4, key4(addr2))
		time.Sleep(retryMax + time.Second)
		if p := b.gate.Problems(); len(p) != 0 || !has(k, web4, key4(addr1)) {
			t.Errorf("problems %v", p)
		}
	})
}

// A session that ends before the write is through loses nothing.
func TestStaticOutlivesSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.commitErr = errBoom
		start(t, k, newRule("web", []set.ID{web4}, writing(v4, nil, addr1)))
		k.change(func() { k.commitErr = nil })
		time.Sleep(10 * time.Second)
		if !has(k, web4, key4(addr1)) {
			t.Error("it was not written")
		}
		k.tell(nft.Event{Kind: nft.Overrun})
		time.Sleep(time.Second)
		if !has(k, web4, key4(addr1)) {
			t.Error("it has gone")
		}
	})
}
