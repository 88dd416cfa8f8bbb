package gate

import (
	"fmt"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

func TestAdmitWaitsForTheKernel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		release := k.stall()

		done := make(chan *Question)
		go func() { done <- b.ask("www.example.com.", time.Minute, addr1, addr2) }()
		synctest.Wait()
		select {
		case <-done:
			t.Fatal("the answer left before the kernel had acknowledged")
		default:
		}
		release()
		q := <-done
		for i, fate := range q.Fates {
			if fate != Promised {
				t.Errorf("address %d: %v", i, fate)
			}
		}
		if got := k.life(web4, key4(addr1)); got < rule.DefaultMin {
			t.Errorf("the element lives %v", got)
		}
		if !q.Enforced || q.Max != rule.DefaultMax || b.seen.get(&b.seen.held) != 1 {
			t.Errorf("enforced %v, max %v, held %d", q.Enforced, q.Max, b.seen.get(&b.seen.held))
		}
	})
}

// An answer that is covered needs no commit, at any age that a cache may give it.
func TestCoveredNeedsNoCommit(t *testing.T) {
	for _, ttl := range []time.Duration{0, 60 * time.Second, 600 * time.Second, 3600 * time.Second} {
		t.Run(ttl.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				b := start(t, k, newRule("web", []set.ID{web4}))
				b.ask("www.example.com.", ttl, addr1)
				before := k.commitsSoFar()
				for age := time.Duration(0); age <= ttl; age += max(time.Second, ttl/100) {
					// The cache's TTLs sink by whole seconds.
					q := b.ask("www.example.com.", ttl-age.Truncate(time.Second), addr1)
					if q.Fates[0] != Promised || q.Held != 0 {
						t.Fatalf("at age %v: %v, held %v", age, q.Fates[0], q.Held)
					}
					time.Sleep(max(time.Second, ttl/100))
				}
				if n := k.commitsSoFar() - before; n != 0 {
					t.Errorf("%d commits for a covered address", n)
				}
			})
		})
	}
}

// A name that is asked for again and again with fresh TTLs is committed for now
// and then, always before its promise is thin.
func TestPromiseIsKeptOverTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		r := newRule("web", []set.ID{web4}, func(r *rule.Rule) { r.Lifetime.Min = 10 * time.Second })
		b := start(t, k, r)
		const ttl = 600 * time.Second
		for range 2000 {
			if q := b.ask("www.example.com.", ttl, addr1); q.Fates[0] != Promised {
				t.Fatalf("%v", q.Fates[0])
			}
			if left := k.life(web4, key4(addr1)); left < ttl+r.Lifetime.Grace {
				t.Fatalf("the answer left with %v in the kernel, for a TTL of %v", left, ttl)
			}
			time.Sleep(time.Second)
		}
		// 2000 s, and 75 s of slack a commit.
		if n := k.commitsSoFar(); n < 20 || n > 35 {
			t.Errorf("%d commits", n)
		}
	})
}

func TestLivesOnlyGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}, func(r *rule.Rule) { r.Lifetime.Min = time.Second }))
		b.ask("long.example.com.", 10*time.Hour, addr1)
		long := k.life(web4, key4(addr1))
		b.ask("short.example.com.", time.Second, addr1)
		if got := k.life(web4, key4(addr1)); got < long {
			t.Errorf("a short TTL made %v of %v", got, long)
		}
	})
}

func TestOneCommitForManyWhoAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		before := k.commitsSoFar()
		release := k.stall()
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				q := b.ask("www.example.com.", time.Minute, addr1)
				if q.Fates[0] != Promised || k.life(web4, key4(addr1)) <= 0 {
					t.Errorf("client %d overtook the write: %v", i, q.Fates[0])
				}
			})
		}
		synctest.Wait()
		release()
		all.Wait()
		if n := k.commitsSoFar() - before; n != 1 {
			t.Errorf("%d commits for one key", n)
		}
	})
}

// What waits while the writer is busy goes in one batch.
func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		before := k.commitsSoFar()
		release := k.stall()
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				a := netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
				if q := b.ask(fmt.Sprintf("h%d.example.com.", i), time.Minute, a); q.Fates[0] != Promised {
					t.Errorf("%v", q.Fates[0])
				}
			})
			synctest.Wait()
		}
		release()
		all.Wait()
		if n := k.commitsSoFar() - before; n != 2 {
			t.Errorf("%d commits: one that was under way and one for the rest were to be expected", n)
		}
	})
}

// Two rules that want one key for different times name it once in a commit, for
// the longer.
func TestKeyIsNamedOnceInACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k,
			newRule("short", []set.ID{web4}, func(r *rule.Rule) {
				r.Lifetime = rule.Lifetime{Min: 5 * time.Minute, Max: 10 * time.Minute, Grace: time.Minute}
			}),
			newRule("long", []set.ID{web4}))
		var named []time.Duration
		k.opErr = func(op nft.Op) error {
			if op.Key == key4(addr1) {
				named = append(named, op.Timeout)
			}
			return nil
		}
		release := k.stall()
		go b.ask("other.example.com.", time.Minute, addr2) // keeps the writer busy
		synctest.Wait()
		done := make(chan *Question)
		go func() { done <- b.ask("www.example.com.", 2*time.Hour, addr1) }()
		synctest.Wait()
		release()
		if q := <-done; q.Fates[0] != Promised || len(named) != 1 || named[0] < 2*time.Hour {
			t.Errorf("%v, written for %v", q.Fates[0], named)
		}
	})
}

func TestLateAnswerStillLands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		release := k.stall()
		began := time.Now()
		q := b.ask("www.example.com.", time.Minute, addr1)
		if took := time.Since(began); q.Fates[0] != Late || took != rule.DefaultWait {
			t.Errorf("%v after %v", q.Fates[0], took)
		}
		release()
		synctest.Wait()
		if k.life(web4, key4(addr1)) <= 0 {
			t.Error("the write was given up")
		}
		if q := b.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != Promised || q.Held != 0 {
			t.Errorf("asked again: %v, held %v", q.Fates[0], q.Held)
		}
	})
}

// What several rules say of one address is combined: all that would
// admit it must hold it, and one that refuses it has no say while another admits it.
func TestRulesTogether(t *testing.T) {
	allowPrivate := func(r *rule.Rule) {
		r.Policy, _ = rule.NewPolicy(rule.Lines{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, rule.Lines{})
	}
	only := func(n int) func(*rule.Rule) { return func(r *rule.Rule) { r.Limit = n } }
	for _, test := range []struct {
		name  string
		addr  netip.Addr
		rules []*rule.Rule
		want  Fate
	}{
		{"one admits", addr1, []*rule.Rule{newRule("a", []set.ID{web4})}, Promised},
		{"no set of the family", addrSix, []*rule.Rule{newRule("a", []set.ID{web4})}, NoFamily},
		{"another has the family", addrSix, []*rule.Rule{newRule("a", []set.ID{web4}), newRule("b", []set.ID{web6})}, Promised},
		{"private", private, []*rule.Rule{newRule("a", []set.ID{web4})}, Special},
		{"another allows it", private, []*rule.Rule{newRule("a", []set.ID{web4}), newRule("b", []set.ID{app4}, allowPrivate)}, Promised},
		{"passed", splitNet, []*rule.Rule{newRule("a", []set.ID{web4})}, Passed},
		{"all that admit must hold it", addr1, []*rule.Rule{
			newRule("a", []set.ID{web4}), newRule("b", []set.ID{{Family: set.Inet, Table: "filter", Name: "gone4"}}),
		}, NotReady},
		{"over one rule's limit, another admits", addr1, []*rule.Rule{
			newRule("a", []set.ID{web4}, only(0)), newRule("b", []set.ID{app4}),
		}, Promised},
		{"over the limit", addr1, []*rule.Rule{newRule("a", []set.ID{web4}, only(0))}, Limit},
		{"a feeding rule has no say", addr1, []*rule.Rule{
			newRule("a", []set.ID{web4}), newRule("b", []set.ID{{Family: set.Inet, Table: "filter", Name: "gone4"}}, feed),
		}, Promised},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				k.declare(app4, v4, 0)
				k.declare(web6, v6, 0)
				b := start(t, k, test.rules...)
				time.Sleep(time.Minute) // what is missing has been so for long
				if q := b.ask("www.example.com.", time.Minute, test.addr); q.Fates[0] != test.want {
					t.Errorf("%v, want %v", q.Fates[0], test.want)
				}
			})
		})
	}
}

// A set that can't be fed is of no concern to the other family's addresses.
func TestUnusableSetOfTheOtherFamily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.declare(web6, v6, 0)
		k.change(func() { k.sets[web6].info.Timeout = false }) // `flags timeout` was forgotten
		b := start(t, k, newRule("web", []set.ID{web4, web6}))
		time.Sleep(time.Minute)
		if q := b.ask("www.example.com.", time.Minute, addr1, addrSix); fmt.Sprint(q.Fates) != "[promised not_ready]" {
			t.Errorf("%v %v", q.Fates, q.Causes)
		}
	})
}

func TestFeedChangesNothingAndTellsWhatWould(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4, web6}, feed, func(r *rule.Rule) { r.Sets[1].Layout, r.Sets[1].Known = v6, true }))
		began := time.Now()
		q := b.ask("www.example.com.", time.Minute, addr1, addrSix, private)
		if time.Since(began) != 0 {
			t.Errorf("held for %v for a set that is known to be missing", time.Since(began))
		}
		if q.Enforced || fmt.Sprint(q.Fates) != "[promised not_ready special]" {
			t.Errorf("enforced %v, %v", q.Enforced, q.Fates)
		}
		if k.life(web4, key4(addr1)) <= 0 {
			t.Error("the set was not fed")
		}
	})
}

func TestServicesBecomeKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, ports4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}, func(r *rule.Rule) {
			r.Names[0].Services = []set.Service{{Proto: 6, Port: 443}, {Proto: 17, Port: 443}}
		}))
		b.ask("www.example.com.", time.Minute, addr1)
		for _, s := range b.inst.rules[0].rule.Names[0].Services {
			if k.life(web4, ports4.Key(client, addr1, s)) <= 0 {
				t.Errorf("%v is not open", s)
			}
		}
		if n := k.count(web4); n != 2 {
			t.Errorf("%d elements", n)
		}
	})
}

func TestPairs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, pairs4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1)
		other := netip.MustParseAddr("192.0.2.10")
		if k.life(web4, pairs4.Key(client, addr1, set.Service{})) <= 0 || k.life(web4, pairs4.Key(other, addr1, set.Service{})) > 0 {
			t.Error("the pair of who asked, and only that, is to be there")
		}
		six := &Question{Name: "www.example.com.", Client: addrSix}
		b.admit(six, time.Minute, addr1)
		if six.Fates[0] != NoFamily {
			t.Errorf("an IPv6 client in a set of IPv4 pairs: %v", six.Fates[0])
		}
	})
}

func TestPairsOfOneClientAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web6, set.Layout{V6: true, Pair: true}, 0)
		b := start(t, k, newRule("web", []set.ID{web6}))
		var fate Fate
		ask := func(from netip.Addr, n int) Fate {
			a := addrSix.As16()
			a[14], a[15] = byte(n>>8), byte(n)
			q := &Question{Name: fmt.Sprintf("h%d.example.com.", n), Client: from}
			b.admit(q, time.Minute, netip.AddrFrom16(a))
			return q.Fates[0]
		}
		for n := range maxPairs {
			if fate = ask(addrSix, n); fate != Promised {
				t.Fatalf("pair %d: %v", n, fate)
			}
		}
		if fate = ask(addrSix, maxPairs); fate != Limit {
			t.Errorf("one more: %v", fate)
		}
		if fate = ask(addrSix, 0); fate != Promised {
			t.Errorf("what is admitted is broken: %v", fate)
		}
		if fate = ask(addrSix.Next(), maxPairs); fate != Promised {
			t.Errorf("another client: %v", fate)
		}
		time.Sleep(2 * rule.DefaultMin)
		synctest.Wait()
		if fate = ask(addrSix, maxPairs); fate != Promised {
			t.Errorf("after the others have expired: %v", fate)
		}
	})
}

func TestLimitOfAName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}, func(r *rule.Rule) { r.Limit = 3 }))
		addrs := make([]netip.Addr, 5)
		for i := range addrs {
			addrs[i] = netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
		}
		q := b.ask("www.example.com.", time.Minute, addrs...)
		if fmt.Sprint(q.Fates) != "[promised promised promised limit limit]" || k.count(web4) != 3 {
			t.Errorf("%v, %d elements", q.Fates, k.count(web4))
		}
		if q := b.ask("other.example.com.", time.Minute, addrs[4]); q.Fates[0] != Promised {
			t.Errorf("another name: %v", q.Fates[0])
		}
		time.Sleep(2 * rule.DefaultMin)
		if q := b.ask("www.example.com.", time.Minute, addrs[3:]...); fmt.Sprint(q.Fates) != "[promised promised]" {
			t.Errorf("after the first have expired: %v", q.Fates)
		}
	})
}

// An address counts for its name's limit as long as some set holds it, whatever
// another set said, and no longer than its write takes if none does.
func TestLimitCountsWhatWasWritten(t *testing.T) {
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, byte(100 + i)}) }
	t.Run("a set refuses", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k := newFakeKernel()
			k.declare(web4, v4, 0)
			k.declare(app4, v4, 1)
			k.put(app4, key4(addr2), 0)
			b := start(t, k, newRule("web", []set.ID{web4, app4}, func(r *rule.Rule) { r.Limit = 3 }))
			for i := range 50 {
				b.ask("www.example.com.", time.Minute, addr(i))
				time.Sleep(2 * fullPause)
			}
			if n := k.count(web4); n != 3 {
				t.Errorf("limit 3, %d elements of one name", n)
			}
		})
	})
	t.Run("the only set refuses", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k := newFakeKernel()
			k.declare(web4, v4, 1)
			k.put(web4, key4(addr2), 10*time.Second)
			b := start(t, k, newRule("web", []set.ID{web4}, func(r *rule.Rule) { r.Limit = 1 }))
			if q := b.ask("www.example.com.", time.Minute, addr(0)); q.Fates[0] != Full {
				t.Fatalf("%v", q.Fates[0])
			}
			time.Sleep(20 * time.Second)
			if q := b.ask("www.example.com.", time.Minute, addr(1)); q.Fates[0] != Promised {
				t.Errorf("%v: the other address is in no set", q.Fates[0])
			}
		})
	})
}

func TestNoMatchIsNobodysBusiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		q := b.ask("www.example.org.", time.Minute, addr1)
		if len(q.Matches) != 0 || len(q.Fates) != 0 || k.count(web4) != 0 {
			t.Errorf("%v, %v", q.Matches, q.Fates)
		}
	})
}

// A feeding rule beside an enforcing one waits no longer than it may, and costs
// the answer nothing else.
func TestFeedingRuleBesideAnEnforcingOne(t *testing.T) {
	for _, test := range []struct {
		name    string
		trouble func(k *fakeKernel)
		most    time.Duration
		commits int // at most
	}{
		{"refused by the kernel", func(k *fakeKernel) {
			k.opErr = func(op nft.Op) error {
				if op.Set == app4 {
					return &nft.Error{Set: op.Set, Errno: syscall.EINVAL}
				}
				return nil
			}
		}, 0, 2},
		{"not answered", func(k *fakeKernel) { k.slow = make(chan struct{}) }, rule.DefaultWait, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				k.declare(app4, v4, 0)
				b := start(t, k, newRule("web", []set.ID{web4}), newRule("app", []set.ID{app4}, feed))
				if test.commits == 0 { // what the enforcing rule needs is there
					b.block = b.inst.Block([]*rule.Rule{b.inst.rules[0].rule})
					b.ask("www.example.com.", time.Minute, addr1)
					b.block = b.inst.Block([]*rule.Rule{b.inst.rules[0].rule, b.inst.rules[1].rule})
				}
				before := k.commitsSoFar()
				k.change(func() { test.trouble(k) })
				began := time.Now()
				q := b.ask("www.example.com.", time.Minute, addr1)
				if took := time.Since(began); q.Fates[0] != Promised || took > test.most {
					t.Errorf("%v after %v", q.Fates[0], took)
				}
				if n := k.commitsSoFar() - before; n > test.commits {
					t.Errorf("%d commits", n)
				}
				k.change(func() {
					if k.slow != nil {
						close(k.slow)
					}
				})
			})
		})
	}
}
