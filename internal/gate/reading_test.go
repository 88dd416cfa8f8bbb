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

// The tests here are about sets that are read while something else happens.

var disturbed = nft.Event{Kind: nft.SetChanged, ID: web4}

// What is heard of an element that is written while the set is read, for longer
// than a moment, may be of before the write.
func TestWriteCrossesAReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}, func(r *rule.Rule) { r.Wait = time.Hour }))
		b.ask("www.example.com.", time.Minute, addr1)
		acknowledge := k.delay()
		go b.ask("www.example.com.", 3*time.Hour, addr1)
		synctest.Wait()
		k.change(func() { k.dumped = once(func() { time.Sleep(10 * crossing) }) })
		k.tell(disturbed)
		synctest.Wait()
		k.tell(heard(0))
		acknowledge()
		time.Sleep(11 * crossing)
		b.holds(t, 10*time.Hour)
	})
}

// A write that lands after its set has been read is not cut by what is put back
// for its being missing then.
func TestWriteLandsAfterAReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1)
		release := k.stall()
		for _, ttl := range []time.Duration{3 * time.Hour, 5 * time.Hour} { // the second after the first, which is under way
			go b.ask("www.example.com.", ttl, addr1)
			synctest.Wait()
		}
		k.change(func() { clear(k.sets[web4].elements) })
		k.tell(disturbed)
		time.Sleep(2 * rule.DefaultWait) // who asked has gone
		release()
		synctest.Wait()
		if left := k.life(web4, key4(addr1)); k.cut > 0 || left < 3*time.Hour {
			t.Errorf("what was written was cut to %v", left)
		}
	})
}

// An element that the kernel lost while it was written, and that somebody else
// then puts there before the write takes effect, lives as long as the write said.
func TestWriteLandsAfterAReadingAndAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.put(web4, key4(addr1), 10*time.Minute)
		b := start(t, k, newRule("web", []set.ID{web4}))
		release := k.stall()
		go b.ask("www.example.com.", 3*time.Hour, addr1)
		synctest.Wait()
		k.take(web4, key4(addr1))
		k.tell(disturbed)
		synctest.Wait()
		k.put(web4, key4(addr1), 0)
		release()
		synctest.Wait()
		b.holds(t, 10*time.Hour)
	})
}

// A life that is heard of while the set is read counts from when it was heard.
func TestEventsAreOldOnceTheSetIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.dumped = once(func() {
			k.put(web4, key4(addr1), 2*time.Minute)
			time.Sleep(time.Minute)
		})
		b := start(t, k, newRule("web", []set.ID{web4}, shortLives))
		time.Sleep(time.Minute)
		synctest.Wait()
		for range 20 {
			b.holds(t, time.Minute)
			time.Sleep(10 * time.Second)
		}
	})
}

// A refusal that speaks of a set's earlier life says nothing of the present one.
func TestSetIsDeniedInItsEarlierLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		release, acknowledge := k.stall(), k.delay()
		go b.ask("www.example.com.", time.Minute, addr1)
		synctest.Wait()
		k.remove(web4)
		release()
		k.change(func() { k.slow = nil })
		synctest.Wait()
		k.declare(web4, v4, 0)
		synctest.Wait()
		acknowledge()
		synctest.Wait()
		if q := b.ask("other.example.com.", time.Minute, addr2); q.Fates[0] != Promised || q.Held != 0 {
			t.Errorf("%v, held %v", q.Fates[0], q.Held)
		}
	})
}

// A set that the kernel denies, although it lists it, keeps nobody busy.
func TestSetIsDenied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		k.change(func() { k.opErr = func(op nft.Op) error { return &nft.Error{Set: op.Set, Errno: syscall.ENOENT} } })
		if q := b.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != NotReady || q.Held != rule.DefaultWait {
			t.Errorf("%v, held %v", q.Fates[0], q.Held)
		}
		if n := k.commitsSoFar(); n > 5 {
			t.Errorf("%d commits", n)
		}
		k.change(func() { k.opErr = nil })
		time.Sleep(2 * tick)
		b.holds(t, time.Minute)
	})
}

// A session that ends while a set is read says nothing of what happens to the set
// from then on: it isn't believed, and the next session reads it anew.
func TestSessionEndsWhileReading(t *testing.T) {
	for _, reachable := range []bool{true, false} {
		t.Run(fmt.Sprintf("reachable %v", reachable), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				b := start(t, k, newRule("web", []set.ID{web4}))
				b.ask("www.example.com.", time.Minute, addr1)
				k.change(func() {
					k.looked = once(func() { k.tell(nft.Event{Kind: nft.Ended, Err: errBoom}) })
					k.read = once(func() { k.change(func() { clear(k.sets[web4].elements) }) })
					if !reachable {
						k.openErr = errBoom
					}
				})
				k.tell(disturbed)
				synctest.Wait()
				q := b.ask("www.example.com.", time.Minute, addr1)
				if (q.Fates[0] == Promised) != reachable || reachable && k.life(web4, key4(addr1)) <= 0 {
					t.Errorf("%v with %v in the kernel", q.Fates[0], k.life(web4, key4(addr1)))
				}
			})
		})
	}
}

// What is queued after the end is done with, so that nobody waits for it.
func TestQueueIsClosed(t *testing.T) {
	var q queue
	q.init()
	q.close()
	b, i := q.add(write{kind: healing})
	select {
	case <-b.done:
	default:
		t.Fatal("it would be waited for")
	}
	if b.writes[i].err == nil || q.last() != nil {
		t.Errorf("%v", b.writes[i].err)
	}
}
