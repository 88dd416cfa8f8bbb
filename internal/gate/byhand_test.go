package gate

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
	"github.com/namewall/namewall/internal/state"
)

// byHand holds by hand, for as long as an API would wait.
func (b *bench) byHand(h Hold) ([]HeldByHand, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return b.gate.HoldByHand(ctx, h)
}

// held holds an address by hand under rule web, and fails unless it is then held.
func (b *bench) held(t *testing.T, a netip.Addr, life time.Duration) {
	t.Helper()
	got, err := b.byHand(Hold{Rule: "web", Addrs: []netip.Addr{a}, For: life, UID: 17})
	if err != nil || len(got) != 1 || got[0].Err != nil {
		t.Fatalf("%+v, %v", got, err)
	}
}

// What is held by hand is in the set until its time is over, and no longer; what
// others take out is put back, and a restart changes nothing.
func TestHoldByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		l, leave := b.gate.Listen(10)
		defer leave()
		b.held(t, addr1, 2*time.Hour)
		if got := k.life(web4, key4(addr1)); got != 2*time.Hour+kernelExtra {
			t.Errorf("the kernel has it for %v", got)
		}
		if h := <-l.C(); h.Kind != Admitted || h.Entry.Reasons[0].Origin != rule.ByHand || h.Entry.Reasons[0].UID != 17 {
			t.Errorf("%+v", h)
		}
		time.Sleep(time.Hour)
		k.flush(web4)
		time.Sleep(2 * tick)
		if got := k.life(web4, key4(addr1)); got < time.Hour-3*tick || got > time.Hour+kernelExtra {
			t.Errorf("put back for %v", got)
		}
		next := restart(t, b, newRule("web", []set.ID{web4}))
		if e, ok := next.find(addr1.String()); !ok || e.Promised > time.Hour || e.Promised < time.Hour-3*tick || next.gate.HeldByHand()["web"] != 1 {
			t.Errorf("after a restart: %+v", e)
		}
		time.Sleep(time.Hour)
		k.flush(web4)
		time.Sleep(kernelExtra + 2*tick)
		if k.life(web4, key4(addr1)) != 0 || len(next.gate.HeldByHand()) != 0 {
			t.Error("it is there after its time")
		}
		if past := next.gate.Past(Filter{Addr: addr1}, 1); len(past) != 1 || past[0].How != Expired {
			t.Errorf("%+v", past)
		}
	})
}

// A hold neither shortens an answer's life nor is shortened by one, and an answer
// has its own reason.
func TestHoldsAndAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", 3*time.Hour, addr1)
		long := k.life(web4, key4(addr1))
		b.held(t, addr1, time.Hour)
		if got := k.life(web4, key4(addr1)); got != long {
			t.Errorf("of %v there are %v left", long, got)
		}
		b.held(t, addr2, 5*time.Hour)
		commits := k.commitsSoFar()
		if q := b.ask("www.example.com.", time.Hour, addr2); q.Fates[0] != Promised || k.commitsSoFar() != commits {
			t.Errorf("%v, %d writes", q.Fates, k.commitsSoFar()-commits)
		}
		e, _ := b.find(addr2.String())
		if len(e.Reasons) != 2 || e.Promised != 5*time.Hour {
			t.Errorf("%+v", e)
		}
		got, err := b.byHand(Hold{Rule: "web", Addrs: []netip.Addr{addr2}, For: time.Hour})
		if err != nil || !got[0].Longer || got[0].Left != 5*time.Hour || b.gate.HeldByHand()["web"] != 2 {
			t.Errorf("%+v, %v", got, err)
		}
		b.held(t, addr2, 6*time.Hour)
		if got := k.life(web4, key4(addr2)); got != 6*time.Hour+kernelExtra {
			t.Errorf("held again for %v", got)
		}
	})
}

// A reload that keeps the rule keeps what is held, whatever else it changes; one
// that takes it out, or no longer admits the address, ends it.
func TestHoldsAndReloads(t *testing.T) {
	for name, test := range map[string]struct {
		next *rule.Rule
		kept bool
	}{
		"the same":         {newRule("web", []set.ID{web4}), true},
		"another name":     {newRule("web", []set.ID{web4}, names("api.example.com")), true},
		"another rule":     {newRule("new", []set.ID{web4}), false},
		"another set":      {newRule("web", []set.ID{app4}), false},
		"not admitted any": {newRule("web", []set.ID{web4}, admitting("203.0.113.0/24")), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				b := start(t, k, newRule("web", []set.ID{web4}))
				b.held(t, addr1, 2*time.Hour)
				b.reload(test.next)
				if got := k.life(web4, key4(addr1)) > 0; got != test.kept {
					t.Errorf("it is there: %v", got)
				}
				if got := b.gate.HeldByHand()["web"] == 1; got != test.kept {
					t.Errorf("counted: %v", got)
				}
			})
		})
	}
}

// When the hold is what has given an element its long life, the element ends with
// what is left.
func TestHoldThatIsRevokedIsShortened(t *testing.T) {
	for name, end := range map[string]func(*bench){
		"by a reload": func(b *bench) { b.reload(newRule("app", []set.ID{web4})) },
		"by hand":     func(b *bench) { b.dismiss(Dismissal{Addr: addr1, Rule: "web"}) },
		"while the set can't be written": func(b *bench) {
			b.change(func() { b.opErr = func(op nft.Op) error { return &nft.Error{Kind: op.Kind, Set: op.Set, Errno: 12} } })
			b.dismiss(Dismissal{Addr: addr1, Rule: "web"})
			time.Sleep(10 * time.Second)
			b.change(func() { b.opErr = nil })
			time.Sleep(2 * retryMax)
		},
		"while another write is on its way": func(b *bench) {
			release := b.stall()
			go b.ask("api.example.com.", 20*time.Hour, addr2)
			synctest.Wait()
			b.only("app")
			go b.ask("new.example.com.", 2*time.Hour, addr1)
			synctest.Wait()
			done := make(chan Dismissed)
			go func() { done <- b.dismiss(Dismissal{Addr: addr1, Rule: "web"}) }()
			<-done
			b.change(func() { b.slow = nil })
			release()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				b := start(t, k, newRule("web", []set.ID{web4}), newRule("app", []set.ID{web4}))
				b.only("app")
				b.ask("www.example.com.", time.Minute, addr1)
				b.held(t, addr1, 20*24*time.Hour)
				end(b)
				synctest.Wait()
				e, ok := b.find(addr1.String())
				if got := k.life(web4, key4(addr1)); !ok || !e.Own || got > 3*time.Hour || got < e.Promised || e.Promised < 50*time.Minute {
					t.Errorf("the kernel has it for %v: %+v", got, e)
				}
				if q := b.ask("www.example.com.", 10*time.Hour, addr1); q.Fates[0] != Promised || k.life(web4, key4(addr1)) < 10*time.Hour {
					t.Errorf("%v, and the kernel has it for %v", q.Fates, k.life(web4, key4(addr1)))
				}
			})
		})
	}
}

// What can't be held is refused as a whole, with what is wrong.
func TestHoldRefuses(t *testing.T) {
	services := func(all ...string) (parsed []set.Service) {
		for _, word := range all {
			s, err := set.ParseService(word)
			if err != nil {
				t.Fatal(err)
			}
			parsed = append(parsed, s)
		}
		return parsed
	}
	for want, h := range map[string]Hold{
		"no such rule: none": {Rule: "none", Addrs: []netip.Addr{addr1}},
		"rule web refuses 10.0.0.1, a special-purpose address: an 'allow' line would admit it":     {Rule: "web", Addrs: []netip.Addr{addr1, private}},
		"rule web lets 172.16.0.1 pass without admitting it, by a 'pass' line":                     {Rule: "web", Addrs: []netip.Addr{splitNet}},
		"rule web has no set for 2001:db8::1":                                                      {Rule: "web", Addrs: []netip.Addr{addr1, addrSix}},
		"set 'inet filter web4' (ipv4_addr) has no ports: leave out the services":                  {Rule: "web", Addrs: []netip.Addr{addr1}, Services: services("tcp/443")},
		"no set of rule web has the client in its key: leave out the client":                       {Rule: "web", Addrs: []netip.Addr{addr1}, Client: client},
		"rule lost is not ready: set inet filter lost: no such set":                                {Rule: "lost", Addrs: []netip.Addr{addr1}},
		"set 'inet filter pairs' (ipv4_addr . ipv4_addr) has the client in its key: say which one": {Rule: "pairs", Addrs: []netip.Addr{addr1}},
		"client 2001:db8::1 and address 198.51.100.1 are not of one family":                        {Rule: "pairs", Addrs: []netip.Addr{addr1}, Client: addrSix},
		"rule few is not for 192.0.2.9: it has 'clients'":                                          {Rule: "few", Addrs: []netip.Addr{addr1}, Client: client},
		"has no protocol and opens tcp/80 for tcp and udp: add udp/80":                             {Rule: "ports", Addrs: []netip.Addr{addr1}, Services: services("tcp/80")},
	} {
		synctest.Test(t, func(t *testing.T) {
			k := newFakeKernel()
			k.declare(web4, v4, 0)
			k.declare(named("pairs"), pairs4, 0)
			k.declare(named("ports"), set.Layout{Port: true}, 0)
			few := func(r *rule.Rule) { r.Clients = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")} }
			b := start(t, k, newRule("web", []set.ID{web4}), newRule("lost", []set.ID{named("lost")}),
				newRule("pairs", []set.ID{named("pairs")}), newRule("few", []set.ID{named("pairs")}, few),
				newRule("ports", []set.ID{named("ports")}, func(r *rule.Rule) { r.Names[0].Services = services("tcp/443", "udp/443") }))
			h.For = time.Hour
			if _, err := b.byHand(h); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
			if k.count(web4) > 0 || len(b.gate.HeldByHand()) > 0 {
				t.Errorf("%d elements were written", k.count(web4))
			}
		})
	}
}

func named(name string) set.ID { return set.ID{Family: set.Inet, Table: "filter", Name: name} }

// The keys are those of the rule's services, or of others that are wished; of
// pairs, of the client.
func TestHoldKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		pairs := set.Layout{Pair: true, Proto: true, Port: true}
		k.declare(web4, ports4, 0)
		k.declare(app4, pairs, 0)
		ssh := set.Service{Proto: 6, Port: 22}
		b := start(t, k, newRule("web", []set.ID{web4, app4}, func(r *rule.Rule) { r.Names[0].Services = https }))
		for _, services := range [][]set.Service{nil, {ssh}} {
			got, err := b.byHand(Hold{Rule: "web", Addrs: []netip.Addr{addr1}, Services: services, Client: client, For: time.Hour})
			if err != nil || len(got) != 2 {
				t.Fatalf("%+v, %v", got, err)
			}
		}
		for _, s := range []set.Service{https[0], ssh} {
			if k.life(web4, ports4.Key(client, addr1, s)) == 0 || k.life(app4, pairs.Key(client, addr1, s)) == 0 {
				t.Errorf("%v is missing", s)
			}
		}
		if k.count(web4) != 2 || k.count(app4) != 2 {
			t.Errorf("%d and %d elements", k.count(web4), k.count(app4))
		}
		b.reload(newRule("web", []set.ID{web4, app4}, func(r *rule.Rule) { r.Names[0].Services = []set.Service{{Proto: 17, Port: 53}} }))
		if k.count(web4) != 2 || k.count(app4) != 2 {
			t.Errorf("after a reload %d and %d elements", k.count(web4), k.count(app4))
		}
	})
}

// What the kernel refuses is taken back, and what it hasn't taken yet is not.
func TestHoldFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 1)
		b := start(t, k, newRule("web", []set.ID{web4}))
		got, err := b.byHand(Hold{Rule: "web", Addrs: []netip.Addr{addr1, addr2}, For: time.Hour})
		if err != nil || len(got) != 2 || got[0].Err != nil || !errors.Is(got[1].Err, nft.ErrFull) || b.gate.HeldByHand()["web"] != 1 {
			t.Errorf("%+v, %v", got, err)
		}
		k.change(func() {
			k.opErr = func(op nft.Op) error { return &nft.Error{Kind: op.Kind, Set: op.Set, Errno: 12} }
		})
		if got, _ := b.byHand(Hold{Rule: "web", Addrs: []netip.Addr{addr1}, For: 2 * time.Hour}); got[0].Err == nil {
			t.Error("held although the kernel has refused it")
		}
		if e, _ := b.find(addr1.String()); len(e.Reasons) != 1 || e.Reasons[0].Left > time.Hour {
			t.Errorf("%+v", e)
		}
		k.change(func() { k.opErr = nil })
		release := k.stall()
		if got, _ := b.byHand(Hold{Rule: "web", Addrs: []netip.Addr{addr1}, For: 3 * time.Hour}); !errors.Is(got[0].Err, ErrPending) {
			t.Errorf("%v", got[0].Err)
		}
		k.change(func() { k.slow = nil })
		release()
		synctest.Wait()
		if e, _ := b.find(addr1.String()); e.Promised < 2*time.Hour || k.life(web4, key4(addr1)) < 2*time.Hour {
			t.Errorf("%+v", e)
		}
	})
}

// The number of elements that are held is bounded, and room comes back with their
// ends.
func TestHoldsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}, admitting("198.18.0.0/15")))
		many := Hold{Rule: "web", For: time.Hour}
		for n := range maxByHand + 1 {
			many.Addrs = append(many.Addrs, manyAddr(n))
		}
		if _, err := b.byHand(many); err == nil {
			t.Error("more than the most are held")
		}
		many.Addrs = many.Addrs[:maxByHand]
		if _, err := b.byHand(many); err != nil {
			t.Fatal(err)
		}
		one := Hold{Rule: "web", For: time.Hour, Addrs: []netip.Addr{manyAddr(maxByHand)}}
		if _, err := b.byHand(one); err == nil {
			t.Error("one more is held")
		}
		if _, err := b.byHand(many); err != nil {
			t.Errorf("the same again: %v", err)
		}
		b.dismiss(Dismissal{Addr: manyAddr(0)})
		if _, err := b.byHand(one); err != nil {
			t.Errorf("after a revocation: %v", err)
		}
		time.Sleep(time.Hour + sweepEvery)
		if n := b.gate.HeldByHand()["web"]; n != 0 {
			t.Errorf("%d are still counted", n)
		}
	})
}

func manyAddr(n int) netip.Addr { return netip.AddrFrom4([4]byte{198, 18, byte(n >> 8), byte(n)}) }

// An element that somebody else has put there for longer is left alone, and what
// was held of it is put back when he takes it out.
func TestHoldOfAnothersElement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.put(web4, key4(addr1), 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.held(t, addr1, 2*time.Hour)
		if got := k.life(web4, key4(addr1)); got != -1 {
			t.Errorf("the permanent element has %v", got)
		}
		time.Sleep(time.Hour)
		k.take(web4, key4(addr1))
		time.Sleep(2 * tick)
		if got := k.life(web4, key4(addr1)); got < time.Hour-3*tick || got > time.Hour+kernelExtra {
			t.Errorf("put back for %v", got)
		}
	})
}

// Of too many reasons the state file has those that nobody would ask for again.
func TestHoldsAreSavedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		var rules []*rule.Rule
		for name := range strings.FieldsSeq("a b c d e f g h i j k l m n o p q web") {
			rules = append(rules, newRule(name, []set.ID{web4}))
		}
		b := start(t, k, rules...)
		for n := range maxReasons + 1 {
			b.ask(strings.Repeat("w", n+1)+".example.com.", time.Minute, addr1)
		}
		b.held(t, addr1, 2*time.Hour)
		saved := b.gate.Snapshot(state.Instant{}).Bindings[0].Reasons
		if len(saved) != state.MaxReasons || saved[0].Origin != rule.ByHand {
			t.Errorf("%d reasons, first %+v", len(saved), saved[0])
		}
	})
}

// A set of ranges takes nothing by hand: a single address would open a range there.
func TestHoldByHandSparesRanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declareInterval(nets4, v4)
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}, spanning("10.0.0.0/8")), fixed("nets", "192.168.0.0/16"))
		before := k.spans()
		b.held(t, addr1, time.Hour)
		if got, err := b.byHand(Hold{Rule: "nets", Addrs: []netip.Addr{addr1}, For: time.Hour}); err == nil || !strings.Contains(err.Error(), "no set for") {
			t.Errorf("%+v, %v", got, err)
		}
		if got := k.spans(); got != before || !has(k, web4, key4(addr1)) {
			t.Errorf("ranges %s, were %s", got, before)
		}
	})
}
