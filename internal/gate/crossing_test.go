package gate

import (
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// The tests here are about changes by others that happen while the gate itself
// writes, deletes or reads the element: which came first can't be known, so
// nothing is promised that depends on it, and nothing that an administrator has
// put there is shortened for it.

// becomes changes an element without telling. life 0: it is permanent.
func (k *fakeKernel) becomes(id set.ID, key set.Key, life time.Duration) {
	k.change(func() {
		var end time.Time
		if life > 0 {
			end = time.Now().Add(life)
		}
		k.sets[id].elements[key] = end
	})
}

// heard tells of an element that it has been given a life; 0: it is permanent.
func heard(life time.Duration) nft.Event {
	return nft.Event{Kind: nft.ElementNew, ID: web4, Element: nft.Element{Key: key4(addr1), Timeout: life, Expires: life}}
}

var taken = nft.Event{Kind: nft.ElementGone, ID: web4, Element: nft.Element{Key: key4(addr1)}}

// holds asks for an address, and wants to be promised what the kernel has.
func (b *bench) holds(t *testing.T, ttl time.Duration) {
	t.Helper()
	q := b.ask("www.example.com.", ttl, addr1)
	if left := b.life(web4, key4(addr1)); q.Fates[0] != Promised || left >= 0 && left < ttl {
		t.Errorf("%v with %v in the kernel, for a TTL of %v", q.Fates[0], left, ttl)
	}
}

// shortLives are a rule's whose elements soon end.
func shortLives(r *rule.Rule) { r.Lifetime = rule.Lifetime{Min: 10 * time.Second, Max: 24 * time.Hour} }

// An event that is heard after an own, later write may be one of before it: what
// counts is what the kernel holds.
func TestEventCrossesAWrite(t *testing.T) {
	for name, made := range map[string]func(*fakeKernel){
		"before it": func(k *fakeKernel) { k.tell(heard(0)) },
		"after it":  func(k *fakeKernel) { k.put(web4, key4(addr1), 0) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				b := start(t, k, newRule("web", []set.ID{web4}, shortLives))
				b.ask("www.example.com.", time.Minute, addr1)
				made(k)
				for range 5 {
					b.holds(t, 10*time.Minute)
					time.Sleep(time.Minute)
				}
				if k.cut > 0 {
					t.Errorf("it ends in %v", k.life(web4, key4(addr1)))
				}
			})
		})
	}
}

// What is heard of an element while it is written may be of before the write,
// and so may what is heard a moment later.
func TestWriteCrossesEvents(t *testing.T) {
	for name, news := range map[string]struct {
		theirs        bool // it is somebody else's element at first, of which nothing is promised
		during, after []nft.Event
	}{
		"put":               {during: []nft.Event{heard(0)}},
		"cut":               {during: []nft.Event{heard(10 * time.Second)}},
		"put, then cut":     {during: []nft.Event{heard(0), heard(10 * time.Second)}},
		"taken, then put":   {during: []nft.Event{taken, heard(0)}},
		"taken, put late":   {during: []nft.Event{taken}, after: []nft.Event{heard(0)}},
		"put, taken late":   {during: []nft.Event{heard(0)}, after: []nft.Event{taken}},
		"cut late":          {after: []nft.Event{heard(10 * time.Second)}},
		"theirs":            {theirs: true, during: []nft.Event{taken, heard(0)}},
		"theirs, both late": {theirs: true, after: []nft.Event{taken, heard(0)}},
		"theirs, late":      {theirs: true, during: []nft.Event{taken}, after: []nft.Event{heard(0)}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				if news.theirs {
					k.put(web4, key4(addr1), 10*time.Minute)
				}
				b := start(t, k, newRule("web", []set.ID{web4}))
				if !news.theirs {
					b.ask("www.example.com.", time.Minute, addr1)
				}
				time.Sleep(2 * crossing)
				acknowledge := k.delay()
				go b.ask("www.example.com.", 3*time.Hour, addr1) // for more: it is refreshed
				synctest.Wait()
				time.Sleep(2 * rule.DefaultWait) // who asked has gone
				for _, e := range news.during {
					k.tell(e)
				}
				acknowledge()
				synctest.Wait()
				for _, e := range news.after {
					k.tell(e)
				}
				synctest.Wait()
				if left := k.life(web4, key4(addr1)); k.cut > 0 || left < 3*time.Hour {
					t.Errorf("what was written was cut to %v", left)
				}
				b.holds(t, 10*time.Hour)
			})
		})
	}
}

// An element that is made shorter while a longer life is written may be so
// afterwards, even if it had been written a moment before as well.
func TestSecondWriteCrossesAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1)
		acknowledge := k.delay()
		go b.ask("www.example.com.", 10*time.Hour, addr1)
		synctest.Wait()
		k.put(web4, key4(addr1), 5*time.Hour)
		acknowledge()
		synctest.Wait()
		b.holds(t, 8*time.Hour)
	})
}

// The same of an element that is deleted.
func TestDeletionCrossesEvents(t *testing.T) {
	for name, late := range map[string]bool{"during it": false, "after it": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				b := start(t, k, newRule("web", []set.ID{web4}, shortLives))
				b.ask("www.example.com.", time.Second, addr1)
				time.Sleep(11 * time.Second)
				acknowledge := k.delay()
				b.bury(addr1)
				synctest.Wait()
				if !late {
					k.tell(heard(0)) // and deleted right afterwards
					go b.holds(t, time.Minute)
					synctest.Wait()
				}
				acknowledge()
				synctest.Wait()
				if late {
					k.tell(heard(0))
				}
				b.holds(t, time.Hour)
			})
		})
	}
}

// An element that is put there right after the gate has deleted it, and asked for,
// stays as it is.
func TestPutAfterADeletion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}, shortLives))
		b.ask("www.example.com.", time.Second, addr1)
		time.Sleep(11 * time.Second)
		acknowledge := k.delay()
		b.bury(addr1)
		synctest.Wait()
		k.put(web4, key4(addr1), 0)
		go b.holds(t, time.Minute)
		synctest.Wait()
		acknowledge()
		synctest.Wait()
		if left := k.life(web4, key4(addr1)); left != -1 {
			t.Errorf("a permanent element now ends in %v", left)
		}
	})
}

// A deletion that was queued for an element which has expired meanwhile, and was
// then asked for anew, is left out.
func TestDeletionIsOutlived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}, shortLives, func(r *rule.Rule) { r.Wait = time.Hour }))
		b.ask("www.example.com.", time.Second, addr1)
		release := k.stall()
		go b.ask("other.example.com.", time.Second, addr2)
		time.Sleep(11 * time.Second)
		b.bury(addr1)
		time.Sleep(2 * kernelExtra)
		go b.holds(t, time.Minute)
		synctest.Wait()
		release()
		synctest.Wait()
		if k.life(web4, key4(addr1)) < time.Minute {
			t.Error("what was asked for anew has been deleted")
		}
	})
}

// A commit names an element once, also if something is heard of it while one
// write is under way and another is queued.
func TestEventBeforeAQueuedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1)
		release := k.stall()
		ask := func(ttl time.Duration) {
			go b.ask("www.example.com.", ttl, addr1)
			synctest.Wait()
		}
		ask(3 * time.Hour)
		ask(5 * time.Hour)
		k.take(web4, key4(addr1))
		ask(7 * time.Hour)
		release()
		synctest.Wait()
		if k.twice > 0 || k.life(web4, key4(addr1)) < 7*time.Hour {
			t.Errorf("%d elements named twice, %v in the kernel", k.twice, k.life(web4, key4(addr1)))
		}
	})
}

// A write that returns when no rule feeds its set any more is nobody's.
func TestWriteOutlivesItsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.declare(app4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}, func(r *rule.Rule) { r.Revoke = rule.RevokeKeep }))
		release := k.stall()
		k.change(func() { k.opErr = func(op nft.Op) error { return &nft.Error{Set: op.Set, Errno: syscall.EINVAL} } })
		b.ask("www.example.com.", time.Minute, addr1)
		old := b.inst
		b.load(newRule("app", []set.ID{app4}))
		old.Stop()
		time.Sleep(2 * lastAnswers)
		release()
		time.Sleep(time.Minute)
		if s := b.gate.Stats(); s.Bindings != 0 || len(s.Sets) != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// An element of which one program makes another's longer is found where the gate
// thought it gone, and left alone for ever.
func TestFoundElementIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		k.becomes(web4, key4(addr1), 0)
		for _, ttl := range []time.Duration{time.Minute, time.Hour, 3 * time.Hour} {
			b.holds(t, ttl)
			time.Sleep(tick)
		}
		if left := k.life(web4, key4(addr1)); left != -1 {
			t.Errorf("a permanent element now ends in %v", left)
		}
	})
}

// Looking before a write costs a refused batch, so that it is done no longer than
// there is doubt.
func TestDoubtEnds(t *testing.T) {
	for name, clear := range map[string]func(*fakeKernel){
		"by an event":  func(k *fakeKernel) { k.put(web4, key4(addr1), 2*time.Hour) },
		"by a reading": func(k *fakeKernel) { k.tell(nft.Event{Kind: nft.SetChanged, ID: web4}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				b := start(t, k, newRule("web", []set.ID{web4}))
				k.becomes(web4, key4(addr1), 2*time.Hour)
				var kinds []nft.Kind
				k.shown = func(op nft.Op) { kinds = append(kinds, op.Kind) }
				b.holds(t, time.Minute) // it is found
				time.Sleep(time.Minute)
				b.holds(t, time.Hour) // and may live longer than that
				time.Sleep(time.Minute)
				clear(k)
				synctest.Wait()
				b.holds(t, 3*time.Hour)
				if fmt.Sprint(kinds) != "[add add refresh]" {
					t.Errorf("%v", kinds)
				}
			})
		})
	}
}
