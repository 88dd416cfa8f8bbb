package gate

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

func TestSessionIsReopened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1)
		k.change(func() { k.commitErr = errBoom })
		q := b.ask("new.example.com.", time.Minute, addr2)
		if q.Fates[0] != NotReady {
			t.Errorf("%v", q.Fates[0])
		}
		opened, _ := k.sessions()
		time.Sleep(time.Minute)
		if q := b.ask("new.example.com.", time.Minute, addr2); q.Fates[0].Given() {
			t.Errorf("%v", q.Fates[0])
		}
		if now, closed := k.sessions(); now-opened > 20 || closed < now-1 {
			t.Errorf("%d sessions in a minute, %d left open", now-opened, now-closed)
		}
		k.change(func() { k.commitErr = nil })
		time.Sleep(10 * time.Second)
		if q := b.ask("new.example.com.", time.Minute, addr2); q.Fates[0] != Promised {
			t.Errorf("it works again: %v", q.Fates[0])
		}
	})
}

// Another session is tried at once after one that lasted, and ever later after
// those that didn't, whether they could not be opened or failed with the first
// commit.
func TestPausesBetweenSessions(t *testing.T) {
	ms := func(all ...int) (want []time.Duration) {
		for _, n := range all {
			want = append(want, time.Duration(n)*time.Millisecond)
		}
		return want
	}
	for name, test := range map[string]struct {
		fail func(*fakeKernel)
		want []time.Duration
	}{
		"can't be opened": {func(k *fakeKernel) { k.commitErr, k.openErr = errBoom, errBoom }, ms(100, 200, 400, 800, 1600, 3200, 5000, 5000)},
		"can't commit":    {func(k *fakeKernel) { k.commitErr = errBoom }, ms(100, 200, 400, 800, 1600, 3200, 5000, 5000)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				b := start(t, k, newRule("web", []set.ID{web4}, func(r *rule.Rule) { r.Wait = time.Hour }))
				for range 2 { // the second time after a session that lasted
					time.Sleep(2*lasting + tick/2)
					k.change(func() { test.fail(k); k.openings = []time.Time{time.Now()} })
					q := make(chan *Question)
					go func() { q <- b.ask("new.example.com.", 10*time.Hour, addr1) }()
					time.Sleep(20 * time.Second)
					var pauses []time.Duration
					k.change(func() {
						k.relent()
						for i := range len(k.openings) - 1 {
							pauses = append(pauses, k.openings[i+1].Sub(k.openings[i]))
						}
					})
					if !slices.Equal(pauses, test.want) {
						t.Errorf("pauses %v, want %v", pauses, test.want)
					}
					if q := <-q; q.Fates[0] != Promised {
						t.Errorf("%v %v", q.Fates, q.Causes)
					}
					time.Sleep(11 * time.Hour)
				}
			})
		})
	}
}

func TestKernelOutOfReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.openErr = syscall.EPERM
		b := start(t, k, newRule("web", []set.ID{web4}))
		time.Sleep(time.Minute)
		if q := b.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != NotReady || q.Held != 0 {
			t.Errorf("%v, held %v", q.Fates[0], q.Held)
		}
		if len(b.gate.Problems()) == 0 {
			t.Error("no problem is told")
		}
		k.change(func() { k.openErr = nil })
		k.declare(web4, v4, 0)
		time.Sleep(retryMax)
		if q := b.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != Promised {
			t.Errorf("%v", q.Fates[0])
		}
	})
}

// A watcher that ends takes its session along, which is closed, but not from
// where the end is told: Close waits for that.
func TestSessionWithoutAWatcherIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		told := make(chan struct{})
		go func() {
			k.tell(nft.Event{Kind: nft.Ended, Err: errBoom})
			close(told)
		}()
		synctest.Wait()
		select {
		case <-told:
		default:
			t.Fatal("the watcher waits for itself")
		}
		time.Sleep(2 * retryMin)
		if opened, closed := k.sessions(); opened != 2 || closed != 1 {
			t.Errorf("%d sessions were opened, %d closed", opened, closed)
		}
		if q := b.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != Promised {
			t.Errorf("%v", q.Fates[0])
		}
	})
}

// A session that fails while elements are put back, in more batches than one, is
// replaced, and all of them are put back by the next.
func TestRefillOutlivesItsSession(t *testing.T) {
	const elements = batchMax + 1
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web6, v6, 0)
		b := start(t, k, newRule("web", []set.ID{web6}, func(r *rule.Rule) { r.Limit = elements }))
		addrs := []netip.Addr{addrSix}
		for len(addrs) < elements {
			addrs = append(addrs, addrs[len(addrs)-1].Next())
		}
		b.ask("www.example.com.", time.Minute, addrs...)
		k.change(func() { k.commitErr = errBoom })
		k.flush(web6)
		synctest.Wait()
		k.change(func() { k.commitErr = nil })
		time.Sleep(2 * retryMin)
		if p, n := b.gate.Problems(), k.count(web6); len(p) != 0 || n != elements {
			t.Errorf("%v, %d elements of %d", p, n, elements)
		}
	})
}

// What is queued when a session fails is let go at once: a feeding rule's answer
// leaves, and an enforcing one's waits for the next session.
func TestNobodyWaitsForADeadSession(t *testing.T) {
	for mode, want := range map[rule.Mode]time.Duration{rule.Feed: 0, rule.Enforce: rule.DefaultWait} {
		t.Run(mode.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				b := start(t, k, newRule("web", []set.ID{web4}, func(r *rule.Rule) { r.Mode = mode }))
				release := k.stall()
				done := make(chan *Question)
				for i, a := range []netip.Addr{addr1, addr2} { // one in the commit, one behind it
					go func() { done <- b.ask(fmt.Sprintf("h%d.example.com.", i), time.Minute, a) }()
					synctest.Wait()
				}
				k.change(func() { k.commitErr, k.openErr = errBoom, errBoom })
				release()
				for range 2 {
					if q := <-done; q.Fates[0] != NotReady || q.Held != want {
						t.Errorf("%s: %v, held %v", q.Name, q.Fates[0], q.Held)
					}
				}
			})
		})
	}
}

// Whoever sees that a session has gone sees why, however long its sets take to
// be told: the keeper may look at any time.
func TestFailedSessionSaysWhy(t *testing.T) {
	g := benchGate(t).gate
	l := g.session.Load()
	g.mu.Lock() // as everybody does who lists the sets
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.fail(l, errBoom)
	}()
	await(t, "the end of the session", func() bool { return g.session.Load() == nil })
	why := l.failure.Load()
	g.mu.Unlock()
	<-done
	if why == nil || !errors.Is(*why, errBoom) {
		t.Errorf("it has gone because of %v", why)
	}
}
