package gate

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/set"
)

// silently does to a set what no event tells of.
func (k *fakeKernel) silently(id set.ID, f func(*fakeSet)) {
	k.change(func() { f(k.sets[id]) })
}

func TestAuditFindsSilentLoss(t *testing.T) {
	for _, test := range []struct {
		name   string
		counts bool // the kernel counts elements
		loss   func(*fakeSet)
	}{
		{"all elements", false, func(s *fakeSet) { clear(s.elements) }},
		{"one of many, where the kernel counts", true, func(s *fakeSet) { delete(s.elements, key4(nthAddr(7))) }},
		{"lives are shorter", false, func(s *fakeSet) {
			for key := range s.elements {
				s.elements[key] = time.Now().Add(time.Minute)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				k.sets[web4].counts = test.counts
				b := start(t, k, newRule("web", []set.ID{web4}))
				const n = 200
				for i := range n {
					b.ask(fmt.Sprintf("www%d.example.com.", i), time.Minute, nthAddr(i))
				}
				k.silently(web4, test.loss)
				time.Sleep(auditEvery + 3*tick)
				for i := range n {
					if life := k.life(web4, key4(nthAddr(i))); life < 50*time.Minute {
						t.Fatalf("element %d has %v to live", i, life)
					}
				}
				if lost := b.seen.get(&b.seen.lost); lost != 1 {
					t.Errorf("%d losses counted", lost)
				}
			})
		})
	}
}

// nthAddr is an address that the rules of the tests admit.
func nthAddr(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}) }

// What is as it should be is left alone: elements that come, expire, are deleted
// and extended by others.
func TestAuditFindsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.sets[web4].counts = true
		k.put(web4, key4(nthAddr(200)), 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		for i := range 100 {
			b.ask(fmt.Sprintf("www%d.example.com.", i), time.Minute, nthAddr(i))
			k.put(web4, key4(nthAddr(100+i)), time.Duration(i+1)*time.Second)
			if i%10 == 0 {
				k.take(web4, key4(nthAddr(i)))
				k.put(web4, key4(nthAddr(i+1)), 10*time.Hour)
			}
			time.Sleep(3 * tick)
		}
		asked := 0
		k.change(func() { asked = k.asked })
		if lost := b.seen.get(&b.seen.lost); lost != 0 || asked == 0 {
			t.Errorf("%d losses, %d elements asked about", lost, asked)
		}
	})
}

// An audit whose socket breaks ends the session, as any such reading does; one for
// which there is no memory doesn't.
func TestAuditFails(t *testing.T) {
	for err, sessions := range map[error]int{errBoom: 2, syscall.ENOMEM: 1} {
		t.Run(err.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				b := start(t, k, newRule("web", []set.ID{web4}))
				b.ask("www.example.com.", time.Minute, addr1)
				k.change(func() { k.getErr = err })
				time.Sleep(auditEvery + tick)
				k.change(func() { k.getErr = nil })
				if opened, closed := k.sessions(); opened != sessions || closed != sessions-1 {
					t.Errorf("%d sessions opened, %d closed", opened, closed)
				}
			})
		})
	}
}
