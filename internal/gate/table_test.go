package gate

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// Every binding comes out of the wheel once, not before it is due, and no later
// than a notch after.
func TestWheel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := wheel{far: make(map[int64]*binding)}
		dues := make(map[*binding]moment)
		var now moment
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			for range rapid.IntRange(0, 4).Draw(t, "bindings") {
				b := new(binding)
				dues[b] = now + moment(rapid.Int64Range(0, int64(3*time.Hour)).Draw(t, "life"))
				w.add(b, dues[b])
			}
			now += moment(rapid.Int64Range(0, int64(20*time.Minute)).Draw(t, "pause"))
			for {
				at := moment(w.at+1) * notch // what the next turn is for
				b, more := w.turn(now)
				if !more {
					break
				}
				for ; b != nil; b = b.later {
					due, known := dues[b]
					if !known {
						t.Fatal("a binding came out twice")
					}
					delete(dues, b)
					if at < due && at%(64*time.Second) != 0 {
						t.Fatalf("due at %v, out at %v", due, at)
					}
				}
			}
			for b, due := range dues {
				if due+2*notch < now && due > 0 {
					t.Fatalf("%p due at %v is still in at %v", b, due, now)
				}
			}
		}
	})
}

// While commits are many the kernel's collector starves, so the gate deletes
// what is over; while they are few it leaves that to the kernel.
func TestDeadElementsUnderLoad(t *testing.T) {
	for _, test := range []struct {
		name    string
		pause   time.Duration
		deletes bool
	}{
		{"busy", 10 * time.Millisecond, true},
		{"idle", 500 * time.Millisecond, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web6, v6, 0)
				b := start(t, k, newRule("web", []set.ID{web6}, func(r *rule.Rule) {
					r.Lifetime = rule.Lifetime{Min: 10 * time.Second, Max: time.Minute}
				}))
				admin := v6.Key(client, addrSix.Next(), set.Service{})
				k.put(web6, admin, 12*time.Second) // not the gate's to delete
				found := v6.Key(client, addrSix, set.Service{})
				k.change(func() { k.sets[web6].elements[found] = time.Now().Add(time.Hour) }) // nor is this, which no event tells of
				b.ask("www.example.com.", time.Second, addrSix)
				most := 0
				a := addrSix.As16()
				for n := range int(time.Minute / test.pause) {
					a[12], a[13], a[14] = byte(n>>16), byte(n>>8), byte(n)
					if q := b.ask(fmt.Sprintf("h%d.example.com.", n), time.Second, netip.AddrFrom16(a)); q.Fates[0] != Promised {
						t.Fatal(q.Fates[0])
					}
					time.Sleep(test.pause)
					most = max(most, k.count(web6))
				}
				var deleted int
				k.change(func() { deleted = k.deleted })
				if (deleted > 0) != test.deletes {
					t.Errorf("%d deletions", deleted)
				}
				// 10 s of life, a tick until it is deleted.
				if alive := int(11*time.Second/test.pause) + 3; test.deletes && most > alive {
					t.Errorf("%d elements in the kernel, about %d alive", most, alive)
				}
				if k.life(web6, found) <= 0 {
					t.Error("an administrator's element was deleted")
				}
			})
		})
	}
}

// bury has the element of an address in the only set deleted.
func (b *bench) bury(a netip.Addr) {
	ks := b.gate.known()[0]
	at := ks.slot(key4(a), v4)
	s, h := b.gate.locate(&at)
	s.mu.Lock()
	dying := s.find(h, &at)
	s.mu.Unlock()
	b.gate.queue.delete(write{binding: dying, epoch: ks.state.Load().epoch})
}

// An element that is asked for again between its end and its deletion stays.
func TestAskedForAgainBeforeTheDeletion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}, func(r *rule.Rule) {
			r.Lifetime = rule.Lifetime{Min: 10 * time.Second, Max: time.Minute}
		}))
		b.ask("www.example.com.", time.Second, addr1)
		release := k.stall()
		go b.ask("other.example.com.", time.Second, addr2) // a batch that is under way
		time.Sleep(11 * time.Second)
		b.bury(addr1)
		done := make(chan *Question)
		go func() { done <- b.ask("www.example.com.", time.Second, addr1) }()
		synctest.Wait()
		release()
		if q := <-done; q.Fates[0] != Promised {
			t.Fatal(q.Fates[0])
		}
		synctest.Wait()
		if k.life(web4, key4(addr1)) <= 0 {
			t.Error("it was deleted after it had been promised anew")
		}
	})
}

// An element that has expired for the gate, but not yet for the kernel, is not
// added as if it were new: the kernel refuses the whole batch for that.
func TestAskedForAgainBeforeTheKernelsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		const life = 10 * time.Second
		b := start(t, k, newRule("web", []set.ID{web4}, func(r *rule.Rule) { r.Lifetime = rule.Lifetime{Min: life, Max: time.Minute} }))
		there, clashes := 0, 0
		k.change(func() {
			k.opErr = func(op nft.Op) error {
				if end := k.sets[op.Set].elements[op.Key]; time.Now().Before(end) {
					there++
					if op.Kind == nft.Add {
						clashes++
					}
				}
				return nil
			}
		})
		for after := life; after < life+kernelExtra; after += kernelExtra / 10 {
			b.ask("www.example.com.", time.Second, addr1)
			time.Sleep(after)
		}
		if there != 9 || clashes != 0 {
			t.Errorf("of %d elements that were there %d were added", there, clashes)
		}
	})
}

// Of newcomers that the kernel refuses nothing is left once nobody waits for them any
// more, whatever their lives would have been.
func TestRefusedNewcomersLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		k.change(func() {
			k.opErr = func(op nft.Op) error { return &nft.Error{Kind: op.Kind, Set: op.Set, Errno: syscall.EINVAL} }
		})
		if q := b.ask("www.example.com.", time.Hour, addr1, addr2); q.Fates[0] != Failed {
			t.Fatal(q.Fates[0])
		}
		synctest.Wait()
		if n := b.gate.Stats().Bindings; n != 0 {
			t.Errorf("%d bindings", n)
		}
		time.Sleep(rule.DefaultWait + 2*tick)
		for i := range b.gate.shards {
			s := &b.gate.shards[i]
			s.mu.Lock()
			for n, first := range s.wheel.near {
				if first != nil {
					t.Errorf("bucket %d has a binding", n)
				}
			}
			if len(s.wheel.far) > 0 {
				t.Error("far buckets have bindings")
			}
			s.mu.Unlock()
		}
	})
}
