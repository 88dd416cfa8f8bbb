package gate

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

func TestAdoptBeforeTheFirstWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.put(web4, key4(addr1), 30*time.Minute)
		b := start(t, k, newRule("web", []set.ID{web4}))
		if q := b.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != Promised || k.commitsSoFar() != 0 {
			t.Errorf("%v, %d commits for what the last run left", q.Fates[0], k.commitsSoFar())
		}
		if q := b.ask("www.example.com.", time.Hour, addr1); q.Fates[0] != Promised || k.commitsSoFar() != 1 {
			t.Errorf("%v, %d commits for more than that", q.Fates[0], k.commitsSoFar())
		}
	})
}

// Answers that come before the sets have been read are held for that.
func TestAnswersWaitForTheFirstRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		read := make(chan struct{})
		k.dumped = func() { <-read }
		b := start(t, k, newRule("web", []set.ID{web4}))
		done := make(chan *Question)
		go func() { done <- b.ask("www.example.com.", time.Minute, addr1) }()
		time.Sleep(time.Second)
		close(read)
		if q := <-done; q.Fates[0] != Promised || q.Held != time.Second {
			t.Errorf("%v, held %v", q.Fates[0], q.Held)
		}
	})
}

// What others do to a set while it is read is known once it has been, however
// much that is.
func TestChangesWhileReading(t *testing.T) {
	const elements = 5
	addrs := make([]netip.Addr, elements)
	for i := range addrs {
		addrs[i] = netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
	}
	for name, change := range map[string]func(k *fakeKernel) func(){
		"once": func(k *fakeKernel) func() {
			return once(func() { k.take(web4, key4(addrs[0])) })
		},
		"whenever it is read": func(k *fakeKernel) func() {
			n := 0
			return func() {
				if n < elements {
					k.take(web4, key4(addrs[n]))
					n++
				}
			}
		},
		"more than can be kept": func(k *fakeKernel) func() {
			return once(func() {
				for range heardMax {
					k.tell(nft.Event{Kind: nft.ElementGone, ID: web4, Element: nft.Element{Key: key4(private)}})
				}
				k.take(web4, key4(addrs[0]))
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				for _, a := range addrs {
					k.put(web4, key4(a), time.Hour)
				}
				k.dumped = change(k)
				b := start(t, k, newRule("web", []set.ID{web4}))
				q := b.ask("www.example.com.", time.Minute, addrs...)
				for i, a := range addrs {
					if q.Fates[i] != Promised || k.life(web4, key4(a)) <= 0 {
						t.Errorf("%v: %v, %v in the kernel", a, q.Fates[i], k.life(web4, key4(a)))
					}
				}
			})
		})
	}
}

// Nothing is believed of a set that was declared anew while it was read.
func TestSetIsReplacedWhileReading(t *testing.T) {
	for name, at := range map[string]func(*fakeKernel) *func(){
		"in the middle": func(k *fakeKernel) *func() { return &k.dumped },
		"at the end":    func(k *fakeKernel) *func() { return &k.read },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				k.put(web4, key4(addr1), time.Hour)
				*at(k) = once(func() {
					k.remove(web4)
					k.declare(web4, v4, 0)
				})
				b := start(t, k, newRule("web", []set.ID{web4}))
				if q := b.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != Promised || k.life(web4, key4(addr1)) <= 0 {
					t.Errorf("%v, held %v: %v in the kernel", q.Fates[0], q.Held, k.life(web4, key4(addr1)))
				}
			})
		})
	}
}

// What a set is heard to have lost is not relied upon, even if the keeper can't
// read it before another one.
func TestFlushWhileAnotherSetIsRead(t *testing.T) {
	for name, flush := range map[string]func(*fakeKernel){
		"flush": func(k *fakeKernel) { k.flush(web4) },
		"overrun": func(k *fakeKernel) {
			k.change(func() { clear(k.sets[web4].elements) })
			k.tell(nft.Event{Kind: nft.Overrun})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				k.declare(app4, v4, 0)
				b := start(t, k, newRule("web", []set.ID{web4}), newRule("app", []set.ID{app4}))
				b.ask("www.example.com.", time.Minute, addr1)
				b.only("web")
				read := make(chan struct{})
				k.change(func() { k.dumped = func() { <-read } })
				k.declare(app4, v4, 0)
				synctest.Wait()
				flush(k)
				if q := b.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != NotReady {
					t.Errorf("%v, held %v, %v in the kernel", q.Fates[0], q.Held, k.life(web4, key4(addr1)))
				}
				close(read)
				synctest.Wait()
				if q := b.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != Promised || k.life(web4, key4(addr1)) <= 0 {
					t.Errorf("once it is read: %v, %v in the kernel", q.Fates[0], k.life(web4, key4(addr1)))
				}
			})
		})
	}
}

// A reading that others keep interrupting, or for which there is no memory, is
// that set's trouble: the session and the other sets stay, and it is tried again
// soon.
func TestFailedReadingCostsItsSetOnly(t *testing.T) {
	of4 := func(err error) func(set.ID) error {
		return func(id set.ID) error {
			if id == web4 {
				return fmt.Errorf("reading %s: %w", id, err)
			}
			return nil
		}
	}
	for name, fail := range map[string]func(k *fakeKernel){
		"interrupted":                   func(k *fakeKernel) { k.dumpErr = of4(nft.ErrInterrupted) },
		"no memory for elements":        func(k *fakeKernel) { k.dumpErr = of4(syscall.ENOMEM) },
		"no memory for the declaration": func(k *fakeKernel) { k.setErr = of4(syscall.ENOMEM) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(app4, v4, 0)
				fail(k)
				b := start(t, k, newRule("web", []set.ID{web4}), newRule("app", []set.ID{app4}))
				k.declare(web4, v4, 0)
				time.Sleep(2*tick + tick/2) // it is read at each tick
				b.only("app")
				if q := b.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != Promised {
					t.Errorf("%v %v", q.Fates[0], q.Causes)
				}
				if opened, _ := k.sessions(); opened != 1 {
					t.Errorf("%d sessions", opened)
				}
				if p := b.gate.Problems(); len(p) != 1 || p[0].Set != web4 || errors.Is(p[0].Err, errUnread) {
					t.Errorf("problems %v", p)
				}
				k.change(func() { k.dumpErr, k.setErr = nil, nil })
				time.Sleep(tick + tick/2)
				b.only("web")
				if q := b.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != Promised {
					t.Errorf("afterwards: %v %v", q.Fates[0], q.Causes)
				}
			})
		})
	}
}

// A reading whose socket breaks ends the session.
func TestReadingBreaks(t *testing.T) {
	for name, fail := range map[string]func(k *fakeKernel){
		"of elements":        func(k *fakeKernel) { k.dumpErr = func(set.ID) error { return errBoom } },
		"of the declaration": func(k *fakeKernel) { k.setErr = func(set.ID) error { return errBoom } },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				b := start(t, k, newRule("web", []set.ID{web4}))
				k.change(func() { fail(k) })
				k.tell(nft.Event{Kind: nft.SetChanged, ID: web4})
				synctest.Wait()
				k.change(func() { k.dumpErr, k.setErr = nil, nil })
				time.Sleep(2 * retryMin)
				if opened, closed := k.sessions(); opened != 2 || closed != 1 {
					t.Errorf("%d sessions opened, %d closed", opened, closed)
				}
				if q := b.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != Promised {
					t.Errorf("%v %v", q.Fates, q.Causes)
				}
			})
		})
	}
}

// A set that refuses elements is looked at again: its declaration may say why.
func TestRefusalIsExplained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		k.change(func() { // which no event tells
			k.sets[web4].info.Constant = true
			k.refuseElements(syscall.EBUSY)
		})
		b.ask("www.example.com.", time.Minute, addr1)
		time.Sleep(2 * tick)
		if p := b.gate.Problems(); len(p) != 1 || !errors.Is(p[0].Err, nft.ErrUnusable) {
			t.Errorf("%v", p)
		}
	})
}

// A set that was only to be looked at again stays as it is when that fails.
func TestFailedLookCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 5)
		b := start(t, k, newRule("web", []set.ID{web4}))
		k.change(func() {
			k.setErr = func(set.ID) error { return syscall.ENOMEM }
			k.sets[web4].info.Size = 7
		})
		k.tell(nft.Event{Kind: nft.SetNew, ID: web4})
		time.Sleep(2 * tick)
		if q := b.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != Promised || len(b.gate.Problems()) > 0 {
			t.Errorf("%v %v", q.Fates, b.gate.Problems())
		}
		k.change(func() { k.setErr = nil })
		time.Sleep(2 * tick)
		if size := b.gate.Stats().Sets[0].Size; size != 7 {
			t.Errorf("it has room for %d", size)
		}
	})
}

// An administrator's element that a write finds, while the set is being read for
// it, stays as it is.
func TestElementIsFoundWhileReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		acknowledge, read := k.delay(), make(chan struct{})
		k.change(func() {
			k.sets[web4].elements[key4(addr1)] = time.Time{} // one of thousands, told as one change
			k.read = once(func() { <-read })
		})
		go b.ask("www.example.com.", time.Minute, addr1)
		synctest.Wait()
		k.tell(nft.Event{Kind: nft.SetChanged, ID: web4})
		synctest.Wait()
		acknowledge()
		synctest.Wait()
		close(read)
		synctest.Wait()
		if got := k.life(web4, key4(addr1)); got != -1 {
			t.Errorf("a permanent element now ends in %v", got)
		}
	})
}

// A permanent element is forgotten with the set that held it.
func TestPermanentElementsOfAnEarlierLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.put(web4, key4(addr1), 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		if n := b.gate.Stats().Bindings; n != 1 {
			t.Fatalf("%d bindings for one element", n)
		}
		k.declare(web4, v4, 0)
		synctest.Wait()
		if s := b.gate.Stats(); s.Bindings != 0 || s.Sets[0].Used != 0 {
			t.Errorf("%d bindings, %d in the set that is empty", s.Bindings, s.Sets[0].Used)
		}
	})
}

// A ruleset that declares a set with another type, and is put right again: what
// was promised is put back with what is left of it, and the keys of the other
// type, though as long, are not taken for it meanwhile.
func TestPromisesOutliveAnotherLayout(t *testing.T) {
	ports := set.Layout{Port: true} // in as many bytes as a pair of addresses
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, pairs4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1, addr2)
		promised := pairs4.Key(client, addr1, set.Service{})
		life := k.life(web4, promised)

		k.replace(web4, ports, 0)
		k.put(web4, promised, time.Hour)
		synctest.Wait()
		if n := k.count(web4); n != 1 {
			t.Errorf("%d elements in a set of another type", n)
		}
		time.Sleep(10 * time.Second)
		k.replace(web4, pairs4, 0)
		synctest.Wait()
		if got := k.life(web4, promised); got != life-10*time.Second {
			t.Errorf("put back for %v, it was %v", got, life)
		}
		time.Sleep(2 * rule.DefaultMin)
		synctest.Wait()
		if s := b.gate.Stats(); s.Bindings != 0 {
			t.Errorf("%d bindings are kept for ever", s.Bindings)
		}
	})
}

// What was wrong with the elements of a set is over when the set is declared
// anew.
func TestTroubleEndsWithTheSetsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 1)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1)
		b.ask("www.example.com.", time.Minute, addr2)
		if len(b.gate.Problems()) != 1 {
			t.Fatalf("a full set: %v", b.gate.Problems())
		}
		k.replace(web4, v4, 2)
		synctest.Wait()
		if p := b.gate.Problems(); len(p) > 0 {
			t.Errorf("a larger set: %v", p)
		}
	})
}
