package gate

import (
	"fmt"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

func TestMissingSetHoldsThenRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1)
		k.remove(web4)
		synctest.Wait()

		began := time.Now()
		q := b.ask("www.example.com.", time.Minute, addr1)
		if took := time.Since(began); q.Fates[0] != NotReady || took != rule.DefaultWait {
			t.Errorf("just vanished: %v after %v", q.Fates[0], took)
		}
		began = time.Now()
		q = b.ask("www.example.com.", time.Minute, addr1)
		if took := time.Since(began); q.Fates[0] != NotReady || took != 0 {
			t.Errorf("long gone: %v after %v", q.Fates[0], took)
		}
		if len(q.Causes) != 1 || q.Causes[0].String() != "rule web: set inet filter web4: no such set" {
			t.Errorf("causes %v", q.Causes)
		}
		if p := b.gate.Problems(); len(p) != 1 || p[0].Set != web4 || p[0].Rule.Name != "web" {
			t.Errorf("problems %v", p)
		}

		k.declare(web4, v4, 0)
		synctest.Wait()
		if q := b.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != Promised || q.Held != 0 {
			t.Errorf("it is back and filled: %v, held %v", q.Fates[0], q.Held)
		}
		if len(b.gate.Problems()) != 0 {
			t.Errorf("problems %v", b.gate.Problems())
		}
	})
}

// A ruleset that is reloaded in two steps costs no answer.
func TestAnswerIsHeldOverAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("old.example.com.", time.Minute, addr1)
		k.remove(web4)
		done := make(chan *Question)
		go func() { done <- b.ask("new.example.com.", time.Minute, addr2) }()
		time.Sleep(500 * time.Millisecond)
		k.declare(web4, ports4, 0) // wrong, then right: another layout at that
		time.Sleep(500 * time.Millisecond)
		k.remove(web4)
		k.declare(web4, v4, 0)
		q := <-done
		if q.Fates[0] != NotReady && q.Fates[0] != Promised {
			t.Errorf("%v", q.Fates[0])
		}
		synctest.Wait()
		if q := b.ask("new.example.com.", time.Minute, addr2); q.Fates[0] != Promised {
			t.Errorf("after the reload: %v", q.Fates[0])
		}
	})
}

func TestVanishedSetComesBackWhileHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("old.example.com.", time.Minute, addr1)
		time.Sleep(10 * time.Minute)
		k.remove(web4)
		done := make(chan *Question)
		go func() { done <- b.ask("new.example.com.", time.Minute, addr2) }()
		time.Sleep(100 * time.Millisecond)
		k.declare(web4, v4, 0)
		q := <-done
		if q.Fates[0] != Promised || q.Held != 100*time.Millisecond {
			t.Errorf("%v, held %v", q.Fates[0], q.Held)
		}
		synctest.Wait()
		// What was promised before is there again, with what was left of it.
		want := rule.DefaultMin + rule.DefaultGrace - 10*time.Minute - 100*time.Millisecond
		if got := k.life(web4, key4(addr1)); got < want || got > want+5*time.Second {
			t.Errorf("put back with %v, promised were %v", got, want)
		}
		if b.seen.get(&b.seen.healed) != 1 {
			t.Errorf("%d healed", b.seen.get(&b.seen.healed))
		}
	})
}

func TestForeignDeletionsAreHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1, addr2)
		life := k.life(web4, key4(addr1))
		for name, disturb := range map[string]func(){
			"delete":  func() { k.take(web4, key4(addr1)) },
			"shorten": func() { k.put(web4, key4(addr1), time.Second) },
			"flush":   func() { k.flush(web4) },
			"overrun": func() {
				k.change(func() { delete(k.sets[web4].elements, key4(addr1)) })
				k.tell(nft.Event{Kind: nft.Overrun})
			},
			"another set by that name": func() { k.declare(web4, v4, 7) },
		} {
			disturb()
			synctest.Wait()
			if got := k.life(web4, key4(addr1)); got < life-time.Second || got > life+time.Second {
				t.Errorf("%s: %v in the kernel, promised were %v", name, got, life)
			}
			if got := k.life(web4, key4(addr2)); got < life-time.Second {
				t.Errorf("%s: the other has %v", name, got)
			}
		}
	})
}

// Whether a write that was under way when another program deleted its element
// came before or after that can't be known: the answer must not rely on it.
func TestDeletionDuringTheWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		release := k.stall()
		done := make(chan *Question)
		go func() { done <- b.ask("www.example.com.", time.Minute, addr1) }()
		synctest.Wait()
		k.tell(nft.Event{Kind: nft.ElementGone, ID: web4, Element: nft.Element{Key: key4(addr1)}})
		before := k.commitsSoFar()
		release()
		if q := <-done; q.Fates[0] != Promised || k.commitsSoFar()-before != 2 {
			t.Errorf("%v after %d commits: it is to be written again", q.Fates[0], k.commitsSoFar()-before)
		}
	})
}

// A set that was declared anew while a longer write was under way gets back what
// had been promised before, as soon as that write returns.
func TestWriteUnderWayWhenItsSetIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1)
		life := k.life(web4, key4(addr1))
		acknowledge := k.delay()
		go b.ask("www.example.com.", 3*time.Hour, addr1)
		synctest.Wait()
		k.declare(web4, v4, 0)
		const pause = rule.DefaultWait + tick/2 // who asked has gone, and the keeper sleeps
		time.Sleep(pause)
		acknowledge()
		synctest.Wait()
		if got := k.life(web4, key4(addr1)); got < life-pause {
			t.Errorf("%v in the kernel, promised were %v", got, life)
		}
	})
}

// What is to be put back and is refused is tried again.
func TestRefusedHealIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Hour, addr1)
		k.change(func() {
			k.opErr = func(op nft.Op) error { return &nft.Error{Set: op.Set, Errno: syscall.ENFILE} }
		})
		k.take(web4, key4(addr1))
		time.Sleep(time.Minute)
		k.change(func() { k.opErr = nil })
		time.Sleep(2 * retryMax)
		if k.life(web4, key4(addr1)) <= 0 {
			t.Error("there is room again, and it is still missing")
		}
	})
}

func TestAdministratorsElementsAreLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.put(web4, key4(addr1), 0)
		k.put(web4, key4(addr2), 3*time.Hour)
		b := start(t, k, newRule("web", []set.ID{web4}))
		later := netip.MustParseAddr("198.51.100.3")
		k.put(web4, key4(later), 0) // while namewall runs
		q := b.ask("www.example.com.", time.Minute, addr1, addr2, later)
		if fmt.Sprint(q.Fates) != "[promised promised promised]" || q.Held != 0 || k.commitsSoFar() != 0 {
			t.Errorf("%v, held %v, %d commits", q.Fates, q.Held, k.commitsSoFar())
		}
		time.Sleep(4 * time.Hour)
		if k.life(web4, key4(addr1)) != -1 || k.life(web4, key4(later)) != -1 {
			t.Error("a permanent element is none any more")
		}
		if q := b.ask("www.example.com.", time.Minute, addr1, addr2); fmt.Sprint(q.Fates) != "[promised promised]" || k.life(web4, key4(addr2)) <= 0 {
			t.Errorf("%v: the one that expired is to be written", q.Fates)
		}
		// If he takes it out, what clients were promised of it still holds.
		k.take(web4, key4(addr1))
		synctest.Wait()
		if got := k.life(web4, key4(addr1)); got <= time.Minute {
			t.Errorf("%v in the kernel", got)
		}
	})
}

func TestFullSetRefusesNewcomersOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 1)
		b := start(t, k, newRule("web", []set.ID{web4}))
		if q := b.ask("www.example.com.", time.Minute, addr1, addr2); fmt.Sprint(q.Fates) != "[promised full]" {
			t.Fatalf("%v", q.Fates)
		}
		if p := b.gate.Problems(); len(p) != 1 {
			t.Errorf("problems %v", p)
		}
		before := k.commitsSoFar()
		for range 100 {
			if q := b.ask("other.example.com.", time.Minute, addr2); q.Fates[0] != Full {
				t.Fatalf("%v", q.Fates)
			}
		}
		if n := k.commitsSoFar() - before; n != 0 {
			t.Errorf("%d commits to a set that has just said that it is full", n)
		}
		if q := b.ask("www.example.com.", 2*time.Hour, addr1); q.Fates[0] != Promised {
			t.Errorf("a refresh: %v", q.Fates)
		}
		if p := b.gate.Problems(); len(p) != 1 {
			t.Errorf("a refresh makes no room: %v", p)
		}
		if s := b.gate.Stats().Sets[0]; s.Used != 1 || s.Size != 1 {
			t.Errorf("%+v", s)
		}
		k.change(func() { k.sets[web4].info.Size = 2 }) // nft -f with a larger size
		k.tell(nft.Event{Kind: nft.SetNew, ID: web4})
		synctest.Wait()
		if q := b.ask("www.example.com.", time.Minute, addr2); q.Fates[0] != Promised || len(b.gate.Problems()) != 0 {
			t.Errorf("in a larger set: %v, %v", q.Fates, b.gate.Problems())
		}
	})
}

func TestOneBadElementCostsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		k.change(func() {
			k.opErr = func(op nft.Op) error {
				if op.Key == key4(addr2) {
					return &nft.Error{Set: op.Set, Errno: syscall.EINVAL}
				}
				return nil
			}
		})
		if q := b.ask("www.example.com.", time.Minute, addr1, addr2); fmt.Sprint(q.Fates) != "[promised failed]" {
			t.Errorf("%v", q.Fates)
		}
		if n := b.gate.Stats().Bindings; n != 1 {
			t.Errorf("%d bindings", n)
		}
		if p := b.gate.Problems(); len(p) != 1 {
			t.Errorf("problems %v", p)
		}
		if b.ask("www.example.com.", 5*time.Hour, addr1); len(b.gate.Problems()) > 0 {
			t.Errorf("the set takes elements: %v", b.gate.Problems())
		}
	})
}

func TestSetOfAnotherLayout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, ports4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}), newRule("app", []set.ID{app4}, func(r *rule.Rule) {
			r.Sets[0].Layout, r.Sets[0].Known = v4, true
		}))
		k.declare(app4, pairs4, 0)
		synctest.Wait()
		q := b.ask("www.example.com.", time.Minute, addr1)
		if q.Fates[0] != NotReady || len(b.gate.Problems()) != 2 {
			t.Errorf("%v, %v", q.Fates, b.gate.Problems())
		}
		if s := b.gate.Stats().Sets; s[0].Ready || s[1].Ready {
			t.Errorf("sets that no rule can feed are ready: %+v", s)
		}
		k.declare(web4, v4, 0)
		k.declare(app4, v4, 0)
		synctest.Wait()
		if s := b.gate.Stats().Sets; !s[0].Ready || !s[1].Ready {
			t.Errorf("not ready: %+v", s)
		}
		if q := b.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != Promised {
			t.Errorf("declared rightly: %v, %v", q.Fates, b.gate.Problems())
		}
	})
}

func TestMemoryFollowsTheDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}, func(r *rule.Rule) { r.Lifetime = rule.Lifetime{Min: 10 * time.Second, Max: time.Minute} }))
		for i := range 200 {
			b.ask(fmt.Sprintf("h%d.example.com.", i), time.Second, netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}))
		}
		if s := b.gate.Stats(); s.Bindings != 200 || s.Names != 200 {
			t.Fatalf("%+v", s)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := b.gate.Stats(); s.Bindings != 0 || s.Names != 0 || s.Sets[0].Used != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// An element that nobody was promised is forgotten when its owner deletes it.
func TestDeletedElementsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.put(web4, key4(addr1), 20*time.Hour)
		b := start(t, k, newRule("web", []set.ID{web4}))
		before := b.gate.Stats().Bindings
		k.take(web4, key4(addr1))
		if after := b.gate.Stats().Bindings; before != 1 || after != 0 {
			t.Errorf("%d bindings before, %d after", before, after)
		}
	})
}

// Every change of a rule's state is in the log once, and no more often.
func TestLogTellsOfChangesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := &bench{fakeKernel: k}
		log := new(lines)
		b.gate = New(Options{Kernel: k, Log: log})
		defer b.gate.Close()
		b.load(newRule("web", []set.ID{web4}), newRule("app", []set.ID{app4}))
		time.Sleep(time.Minute)
		log.expect(t, "rule app: set inet filter app4: no such set")
		k.declare(app4, ports4, 0)
		time.Sleep(time.Minute)
		log.expect(t, "rule app: set inet filter app4: set 'inet filter app4' (ipv4_addr . inet_proto . inet_service) has ports, "+
			"name *.example.com has none: add PROTO/PORT to the line, or take the port out of the set's type")
		k.replace(app4, v4, 1)
		time.Sleep(time.Minute)
		log.expect(t, "rule app: set inet filter app4 can be fed again")
		for range 50 {
			b.ask("www.example.com.", time.Minute, addr1, addr2)
			time.Sleep(time.Second)
		}
		log.expect(t, "rule app: set inet filter app4: the set is full")
		time.Sleep(tick / 2) // not while the keeper looks
		k.change(func() { k.openErr, k.commitErr = syscall.EPERM, errBoom })
		b.ask("new.example.com.", time.Minute, netip.MustParseAddr("198.51.100.3"))
		time.Sleep(time.Minute)
		log.expect(t, "no access to nftables, rules are not ready: broken netlink socket: boom", "no access to nftables, rules are not ready: operation not permitted")
		k.change(func() { k.openErr, k.commitErr = nil, nil })
		time.Sleep(time.Minute)
		log.expect(t, "nftables can be reached again", "rule app: set inet filter app4 can be fed again")
	})
}

// lines is a Logger that keeps what it is told.
type lines struct {
	mu  sync.Mutex // guards all
	all []string
}

func (l *lines) Infof(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, fmt.Sprintf(format, args...))
}
func (l *lines) Warningf(format string, args ...any) { l.Infof(format, args...) }
func (l *lines) Errorf(format string, args ...any)   { l.Infof(format, args...) }

// expect compares what was told since the last call.
func (l *lines) expect(t *testing.T, want ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if diff := cmp.Diff(want, l.all); diff != "" {
		t.Errorf("unexpected log (-want +got):\n%s", diff)
	}
	l.all = nil
}

// Whoever took elements out is named in the log.
func TestLogNamesWhoDidIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := &bench{fakeKernel: k}
		log := new(lines)
		b.gate = New(Options{Kernel: k, Log: log})
		defer b.gate.Close()
		b.load(newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1, addr2)
		k.change(func() { clear(k.sets[web4].elements) })
		for _, a := range []netip.Addr{addr1, addr2} {
			k.tell(nft.Event{Kind: nft.ElementGone, ID: web4, Element: nft.Element{Key: key4(a)}, By: "nft", PID: 4711})
		}
		time.Sleep(time.Minute)
		log.expect(t, "set inet filter web4: put 2 elements back, last changed by nft (pid 4711)")
	})
}

// A set is the family's that the Corefile says, whatever the kernel has there:
// of the other family nobody is the worse for it.
func TestWrongTypeConcernsItsOwnFamily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.declare(web6, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4, web6}, func(r *rule.Rule) {
			r.Sets[0].Layout, r.Sets[0].Known = v4, true
			r.Sets[1].Layout, r.Sets[1].Known = v6, true
		}))
		time.Sleep(time.Minute)
		if q := b.ask("www.example.com.", time.Minute, addr1, addrSix); fmt.Sprint(q.Fates) != "[promised not_ready]" {
			t.Errorf("%v", q.Fates)
		}
		k.replace(web6, v6, 0)
		synctest.Wait()
		if q := b.ask("www.example.com.", time.Minute, addr1, addrSix); fmt.Sprint(q.Fates) != "[promised promised]" {
			t.Errorf("declared rightly: %v", q.Fates)
		}
	})
}
